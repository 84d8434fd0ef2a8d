/* SPDX-License-Identifier: ISC */
/* An account as show and list tell it. */
#ifndef SUBUIDD_ACCOUNT_VIEW_H
#define SUBUIDD_ACCOUNT_VIEW_H

#include "subuidd/call/call.h"

/* The row, and what is known beyond it; the owner of the row is put into the call. 0 or negative errno. */
int account_view_fill(struct call *call, const struct account *account, struct account_view *view);

/* The same of one of a list, with what the store said of it. */
int account_view_listed(struct call *call, const struct listed_account *row, struct account_view *view);

#endif
