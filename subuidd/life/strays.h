/* SPDX-License-Identifier: ISC */
/*
 * Homes and set-aside data that no account of the index has: copied here by root from another host, or left when the
 * store was lost. A uid that root names, and that the store has never heard of, is given out only if no such files have
 * it. The list is made by a child (home/walk.h) when it is needed, and kept for a while.
 */
#ifndef SUBUIDD_OP_STRAYS_H
#define SUBUIDD_OP_STRAYS_H

#include "subuidd/broker.h"
#include "subuidd/base/child.h"

struct strays;

/* True if there is a list that is not too old. */
bool strays_ready(const struct broker *broker);

/* Starts making one; done is called when it is complete, or its end as child_watch() does. 0 or negative errno. One
 * at a time: -EBUSY. */
int strays_start(struct broker *broker, child_done done, void *data);

/* The caller is not called any more. */
void strays_forget(struct broker *broker, const void *data);

/* Whether there are files of this uid anywhere but in <owner>/<label> and .removed/<uid>: 1 and where ("alice/web1");
 * 0; -ENODATA: there is no list; -EBUSY: not yet. */
int strays_find(const struct broker *broker, uint32_t uid, const char *owner, const char *label, char *where,
		size_t size);

void strays_close(struct broker *broker);

#endif
