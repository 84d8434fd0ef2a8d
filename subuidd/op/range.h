/* SPDX-License-Identifier: ISC */
/* What adding an account and adding a range have in common. */
#ifndef SUBUIDD_OP_RANGE_H
#define SUBUIDD_OP_RANGE_H

#include "subuidd/call/call.h"

/* Whether so many blocks more are allowed to the owner; in the open transaction. */
enum failure range_limit(struct call *call, const char *owner, uint32_t units);

/* Finds ids and inserts call->range, in the open transaction. account NULL: the owner's own. */
enum failure range_allocate(struct call *call, uint32_t units, const struct account *account);

/* Blocks that were given to this account. 0 or negative errno. */
int range_units_of_account(struct call *call, const struct account *account, uint32_t *units);

#endif
