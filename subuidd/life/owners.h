/* SPDX-License-Identifier: ISC */
/*
 * Owners whose uid belongs to somebody else now. The kernel knows that user by the uid alone, so until root says whose
 * the accounts are (`subuid owner`), their directories let nobody in. Run by the broker; the user database is asked by
 * a child.
 */
#ifndef SUBUIDD_OWNERS_H
#define SUBUIDD_OWNERS_H

#include "subuidd/broker.h"

/* Looks at all owners, some at a time, unless that is going on already. */
void owners_look(struct broker *broker);
void owners_close(struct broker *broker);

#endif
