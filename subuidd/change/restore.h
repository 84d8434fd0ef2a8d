/* SPDX-License-Identifier: ISC */
/* What belongs to an account that comes back. */
#ifndef SUBUIDD_CHANGE_RESTORE_H
#define SUBUIDD_CHANGE_RESTORE_H

#include "subuidd/call/call.h"

/* In the open transaction: call->account was inserted, and its ids are its own again. Its ranges, keys, alarm and runs
 * are as they were when it was removed. The kept rows stay until it is active, so that an undo leaves all as it was.
 */
enum failure restore_rows(struct call *call);

#endif
