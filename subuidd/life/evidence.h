/* SPDX-License-Identifier: ISC */
/*
 * A store that knows less than the host is not accepted (invariants 1 and 14): it would give out ids that others
 * have. The store is compared with the high-water mark, the index and the directories below the homes, and it is proved
 * in itself, before anything is published, finished or undone.
 */
#ifndef SUBUIDD_EVIDENCE_H
#define SUBUIDD_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct call;

#define EVIDENCE_STATUS 65 /* EX_DATAERR of sysexits.h: no further start helps */

/* Called before the store is opened, which would make a missing one (homes are open): finds a store that is gone or
 * empty on a host that had one. This and the next: 0; -EUCLEAN: not accepted; or another negative errno: unknown; with
 * a sentence in why. */
int evidence_before(const struct broker *broker, char *why, size_t size);

/* Once it is open. A store that is small is proved here, the others by evidence_beside(). */
int evidence_start(struct broker *broker, char *why, size_t size);

/* The result of store_open() as a sentence. Returns error, or -EUCLEAN: damaged. */
int evidence_unopened(int error, char *why, size_t size);

/* Proves what evidence_start() left, in processes beside the service. If they find something that is not accepted, the
 * daemon ends: broker->refused_store is the sentence. 0 or negative errno. */
int evidence_beside(struct broker *broker);

/* Until the homes have been compared no id is given out. True: the call waits for that, and go() goes on with it;
 * false: go on at once. */
bool evidence_holds(struct call *call, void (*go)(struct call *call));

#endif
