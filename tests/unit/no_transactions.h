/* SPDX-License-Identifier: ISC */
/* For tests whose store is their own: a transaction is nothing. Included once by each. */
#ifndef TESTS_NO_TRANSACTIONS_H
#define TESTS_NO_TRANSACTIONS_H

#include "store/store.h"

int store_begin(struct store *store)
{
	(void)store;
	return 0;
}

int store_commit(struct store *store)
{
	(void)store;
	return 0;
}

void store_rollback(struct store *store)
{
	(void)store;
}

#endif
