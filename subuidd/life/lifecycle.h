/* SPDX-License-Identifier: ISC */
/*
 * The life of an account (docs/design.md): intent, active, removing. Each
 * arrow is one durable transaction; the answer is sent after the index shows it.
 * The same functions serve a caller and recovery (a call without a worker).
 */
#ifndef SUBUIDD_LIFECYCLE_H
#define SUBUIDD_LIFECYCLE_H

#include "subuidd/base/child.h"
#include "subuidd/call/call.h"

extern const struct operation recovery_undo, recovery_remove;

/* Starts the process that forks the children which make links, and restarts it if it has ended. 0 or negative errno. */
int lifecycle_open(struct broker *broker);
void lifecycle_close(struct broker *broker);

/* The words for a link that cannot be made. */
enum failure lifecycle_link_refused(struct call *call, enum link_result result);

/* mend.c: call->account is active, its owner exists. Makes missing parts of it again (dry: only finds them). `how`:
 * what may be done about the link. CALL_PENDING, or a failure. Ends with the answer of OP_ACCOUNT_ADD or
 * OP_REPAIR. */
enum failure lifecycle_mend(struct call *call, enum link_mend how);

/* The row of the complete account. */
struct account lifecycle_active(const struct account *account);

/* Removes the parts that were made; parts that existed before, by call->account.flags, stay (ACCOUNT_THERE); the id
 * stays a tombstone. Returns `failure`, whose text is in the answer. */
enum failure lifecycle_undo(struct call *call, enum failure failure);
/* The same for an account of which nobody has seen anything: neither view nor link was begun, and its id was chosen for
 * it. That id was not given out, nor were its ranges: they can be chosen again. */
enum failure lifecycle_undo_unseen(struct call *call, enum failure failure);
/* The same where there may be a link, too: CALL_PENDING. */
enum failure lifecycle_take_back(struct call *call, enum failure failure);

/* removal.c: call->account is committed as REMOVING and out of the index. */
enum failure removal_complete(struct call *call);

/* Until when a removed account can be taken back, by the clock; 0: for good, or not at all. */
int64_t removal_until(const struct broker *broker, const struct removed *row);
/* The uid of the owner that had it, as its tombstone says. 0; -ENOENT: it is no removed account's; negative errno. */
int removal_owner(struct store *store, uint32_t uid, uint32_t *owner_uid);

/* sweep.c: deletes removed data whose time has come, one after the other. */
void removal_purge(struct broker *broker);

/* purge_call.c: deletes what was set aside of call->account, whose row is committed. The call waits for it, some
 * seconds long, and says in call->answer.removal what came of it. CALL_PENDING, or FAILURE_NONE if that was reported
 * already. */
enum failure purge_for_call(struct call *call, struct removed row);
/* purge.c */
bool purge_under_way(const struct broker *broker, uint32_t uid);

/* Ends the sessions of an account now; and once more for a locked or removed account, when a login that was under way
 * has become a session. 1: `done` (may be NULL) will be told, in the event loop: 0 none is left, -EBUSY for what cannot
 * be ended within two seconds, or another negative errno; or negative errno at once. */
int removal_sessions_end(struct broker *broker, uint32_t uid, child_done done, void *data);
/* The same, once. */
int removal_ending_begin(struct broker *broker, uint32_t uid, child_done done, void *data);
/* Once, and nobody is told but the log; quiet: nor that, which has been told that they cannot be ended. */
int removal_ending_again(struct broker *broker, uint32_t uid, bool quiet);
/* The same with another grace than the setting's. count: memory for how many there were (home/sessions.h), or NULL. */
int removal_kill_begin(struct broker *broker, uint32_t uid, unsigned grace, uint32_t *count, child_done done,
		       void *data);

/* The ranges that an account has or had, of which the caller frees the list. 0 or negative errno. */
int removal_ranges(struct store *store, uint32_t uid, struct id_range **ranges, size_t *count);

/* Removes what logind, cron and at keep for a removed account (home/traces.h). 1: `done` will be told; or
 * negative errno at once. */
int removal_traces_begin(struct broker *broker, const struct removed *row, child_done done, void *data);

/* recovery.c: finishes or undoes what a crash or a failure left behind, in the event loop. 0 or negative errno. */
int recovery_start(struct broker *broker);

/* Mounts the owners' views, a few at a time, if there are not too many. */
int recovery_views(struct broker *broker);

#endif
