/* SPDX-License-Identifier: ISC */
/* How a row of a change (change.h) fails after its intent is committed. Its text is in call->answer.failure, or follows
 * from what was being done and from a negative errno. Run by the broker. */
#ifndef SUBUIDD_CHANGE_UNMAKE_H
#define SUBUIDD_CHANGE_UNMAKE_H

#include "account/failure.h"

struct call;
struct change_row;

/* The row and what depends on it have failed; nothing is undone. */
void row_fail(struct call *call, struct change_row *row, enum failure failure);
/* And its account is removed again. Its id stays taken. */
void row_undo(struct call *call, struct change_row *row, enum failure failure);
void row_undo_errno(struct call *call, struct change_row *row, const char *doing, int error);
/* The same before views and links. An id that was asked for by number may have been this account's before: it stays
 * taken. Any other is free again. */
void row_unmake(struct call *call, struct change_row *row, const char *doing, int error);

#endif
