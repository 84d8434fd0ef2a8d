/* SPDX-License-Identifier: ISC */
/* A store in a directory of its own, which is proven when a test has ended. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/sqlite.h"

static char directory[64];
static char path[128];
static struct store *store;

static inline int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/state.db", directory);
	assert_int_equal(store_open(path, &store), 0);
	return 0;
}

static inline int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(name);
}

static inline int tear_down(void **state)
{
	char why[256] = "";

	(void)state;
	if (store != NULL && store_check(store, why, sizeof(why)) != 0)
		fail_msg("the test left an unsound file: %s", why);
	store_close(store);
	store = NULL;
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
