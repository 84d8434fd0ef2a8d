/* SPDX-License-Identifier: ISC */
/*
 * The name of an account changes: its label, its owner, or the uid behind the owner. The rows say the new one already,
 * the account is moving (store.h), and directory, view and link follow. Run by the broker, for a call and for recovery
 * alike; every step may be repeated.
 */
#ifndef SUBUIDD_RENAME_H
#define SUBUIDD_RENAME_H

#include "subuidd/call/call.h"

extern const struct operation recovery_rename;

/* From the committed row of one that is moving, in call->account, to an active one that is published under its new
 * name. call->former is its former name (rename_former()). Ends with the account as the answer of OP_ACCOUNT_RENAME,
 * and in answer.account.link_why why there is no link. CALL_PENDING, or a failure: it is tried again. */
enum failure rename_complete(struct call *call);

/* Fills call->former from what the store says of call->account. 0 or negative errno. */
int rename_former(struct call *call);

#endif
