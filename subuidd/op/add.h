/* SPDX-License-Identifier: ISC */
/* What adding one account and importing many have in common: both ask in call->request.add. */
#ifndef SUBUIDD_OP_ADD_H
#define SUBUIDD_OP_ADD_H

#include "subuidd/call/call.h"

/* Whether call->account, which exists, is as the request wants it; settings that were not given are not
 * compared. */
enum failure add_account_same(struct call *call);

/* call->account becomes what is asked for, of call->owner, without an id. */
void add_account_fill(struct call *call);

/* In the open transaction: limits, conflicts, the id (wanted: this one; 0: the next), the row. Then call->account
 * has its uid. */
enum failure add_account_insert(struct call *call, uint32_t wanted);

#endif
