/* SPDX-License-Identifier: ISC */
/*
 * A dry run of an import that is longer than one batch. The outcome of a line depends on what the lines before it
 * would have made, and a transaction of the store cannot be left open between two messages of a client. So it goes
 * on in a copy of the store, line by line as an import does, for as long as the connection lasts. One at a time.
 */
#ifndef SUBUIDD_REHEARSAL_H
#define SUBUIDD_REHEARSAL_H

struct broker;
struct call;

/* The batch of the call, all of which is there, in the copy of its connection, which is made first if need be. */
void rehearsal_run(struct call *call);

/* The disk has been looked at: from here on the batch does not wait for anything. */
void rehearsal_looked(struct broker *broker);

/* The connection has ended: its copy goes, and with it a call that waits for it. */
void rehearsal_leave(struct broker *broker, const void *asker);

#endif
