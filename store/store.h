/* SPDX-License-Identifier: ISC */
/*
 * The store: the truth about accounts, keys, ranges, limits and the audit trail.
 * One interface, one backend behind it (SQLite, sqlite.c); a second one,
 * replicated, would implement this header. Run by the broker alone.
 *
 * All calls return 0, -ENOENT, -EEXIST (a constraint: taken), -EDQUOT (limit),
 * or another negative errno (-EINVAL a row that is wrong in itself, -ENOSPC, -EROFS, -EIO, -EUCLEAN corrupt); on
 * failure nothing changed and outputs are untouched (of a list, its rows may be). A change
 * outside of a transaction is a bug (abort).
 */
#ifndef SUBUIDD_STORE_H
#define SUBUIDD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "account/account.h"
#include "account/id.h"
#include "account/run.h"
#include "store/high_water.h"

struct store;

/* Opens or creates state.db (0600) in the directory, WAL, synchronous=FULL,
 * foreign keys, applies migrations by user_version. -EPROTO: written by a newer program, or by another one altogether;
 * -EPERM: others can reach the file or change the directory; -EBUSY: another process has it open. */
int store_open(const char *path, struct store **ret);
void store_close(struct store *store);
void store_closep(struct store **store);

/* The text of the last failure, for the log. */
const char *store_error(const struct store *store);

/* One transaction per change; nested begin is a bug (abort). Commit is durable
 * when it returns, and raises the generation by one if anything that is published was changed (accounts, ranges,
 * keys). After a failed commit everything is as before begin. */
int store_begin(struct store *store);
int store_commit(struct store *store);
void store_rollback(struct store *store);
uint64_t store_generation(const struct store *store); /* committed */

/* Which store this is: a random number, not 0, made with the file and kept by every copy of it. */
uint64_t store_identity(const struct store *store);
/* The highest id that this store gave out in each region, ever (also of tombstones that were released since). */
int store_marks(struct store *store, uint32_t marks[HIGH_WATER_REGIONS]);
/* From now on no id at or below floor[] of its region is chosen by store_ids_next() and store_ids_free(), unless
 * root released it: such ids were given out and are no longer known here. The floor does not apply to ids that are
 * named by number. It belongs to the open store, not to the file. */
void store_floor(struct store *store, const uint32_t floor[HIGH_WATER_REGIONS]);
/* In a transaction: the generation becomes at least this (the store replaces a newer one), and ids that were released
 * in it are not chosen again. */
int store_generation_raise(struct store *store, uint64_t at_least);
/* True when this opening made the file, or brought it from a version that had no high-water mark beside it. */
bool store_first_open(const struct store *store);

/* The keeper of the high-water mark. `give` is called by store_commit() before ids that were given out in the
 * transaction become durable: marks[] says up to where in each region, 0: none there. 0, or negative errno, and
 * nothing is committed. `committed` is called after each commit that raised the generation. Borrowed; NULL:
 * nobody. */
struct store_witness {
	int (*give)(void *data, const uint32_t marks[HIGH_WATER_REGIONS]);
	void (*committed)(void *data, uint64_t generation);
	void *data;
};
void store_witness_set(struct store *store, const struct store_witness *witness);

/* A part of the open transaction that is made whole or not at all (a savepoint): save, then save_end with the result,
 * which it returns; if negative, the part is undone. Aborts outside a transaction: a change without one could be made
 * by halves. */
int store_save(struct store *store);
int store_save_end(struct store *store, int result);

/* A copy that nobody else sees and that is gone when it is closed, made a piece at a time: step until it no longer
 * returns 1 (0: complete, or negative errno), then end, which gives the copy, or nothing and negative errno; in either
 * case the store_copy is used up. It is abandoned before `from` is closed. */
struct store_copy;
int store_copy_begin(struct store *from, struct store_copy **ret);
int store_copy_step(struct store_copy *copy);
int store_copy_end(struct store_copy *copy, struct store **ret);
void store_copy_abandon(struct store_copy *copy);

/* accounts */
int store_account_insert(struct store *store, const struct account *account);
int store_account_get(struct store *store, const char *owner, const char *label, struct account *account);
int store_account_by_uid(struct store *store, uint32_t uid, struct account *account);
/* All but uid, owner, label, created. -EEXIST: a state before the present one. */
int store_account_update(struct store *store, const struct account *account);
/* Ends the row: its keys and ranges go, uid and ranges become tombstones with `when`. */
int store_account_delete(struct store *store, uint32_t uid, int64_t when);
/* In the order of uid, those above after_uid; owner NULL: all. Returns how many were filled (0 at the end). */
int store_account_list(struct store *store, const char *owner, uint32_t after_uid, struct account *rows, int max);
/* Of all, in the order of owner and then uid, those after this owner and uid ("" and 0: from the first). */
int store_account_list_by_owner(struct store *store, const char *owner, uint32_t after_uid, struct account *rows,
				int max);
/* The same of those that are not active. O(their number). */
int store_account_unfinished(struct store *store, uint32_t after_uid, struct account *rows, int max);
int store_account_count(struct store *store, const char *owner, uint32_t *count);

/* names: an account whose name changes is ACCOUNT_MOVING until its directory and link have followed; see name.c. The
 * name that it had is known for a time afterwards. */
struct former_name {
	uint64_t seq;
	uint32_t uid; /* of the account */
	uint32_t owner_uid;
	uint32_t moving; /* 1: its directory and link have this name still */
	int64_t when;
	int64_t known; /* the known time then */
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
};
/* Active becomes moving, under this label. -ENOENT: it is not active; -EEXIST: the owner has such an account. */
int store_account_rename(struct store *store, uint32_t uid, const char *label, int64_t when, int64_t known);
/* All of an owner's is another one's, or the same owner's under another uid: active accounts, which become moving,
 * ranges, limits, and what is known of removed ones. -EBUSY: an account of it is not active; -EEXIST: both have an
 * account of one label. */
struct owner_change {
	const char *from, *to;
	uint32_t from_uid, to_uid;
	int64_t when, known;
	bool given; /* to another person, whatever the names */
};
int store_owner_change(struct store *store, const struct owner_change *change);
/* Accounts of `owner` whose label `other` has, too; as store_account_list(). */
int store_owner_clashes(struct store *store, const char *owner, const char *other, uint32_t after_uid,
			struct account *rows, int max);
/* Moving becomes active. */
int store_account_moved(struct store *store, uint32_t uid);
/* The name that one which is moving has still. -ENOENT: it is not. */
int store_former_moving(struct store *store, uint32_t uid, struct former_name *former);
/* The last account that was called so before, and is not now. -ENOENT. */
int store_former_get(struct store *store, const char *owner, const char *label, struct former_name *former);
/* The same of this very account, also while it moves. */
int store_former_of(struct store *store, const char *owner, const char *label, uint32_t uid,
		    struct former_name *former);
/* A former name of this account that another one has now, together with a key of it. */
int store_former_taken(struct store *store, uint32_t uid, struct former_name *former);
/* One that was called so before, other than `uid`, and has this key; or one of the keys of `uid` (blob NULL). */
int store_former_key(struct store *store, const char *owner, const char *label, uint32_t uid, const char *blob,
		     struct former_name *former);
/* Known of it elsewhere. -EEXIST: here, too. -ENOENT: no such account. */
int store_former_keep(struct store *store, const struct former_name *former);
int store_former_list(struct store *store, uint64_t after, struct former_name *rows, int max);
/* Forgets those that are older than both times, at most this many: how many. */
int store_former_forget(struct store *store, int64_t before, int64_t known_before, int max);

/* keys */
/* Fills key->id; -EEXIST: same blob on this account; -ENOENT: no such account. */
int store_key_insert(struct store *store, struct ssh_key *key);
/* The same with an id that no key ever had (above store_key_highest()); 0: the next. */
int store_key_insert_as(struct store *store, struct ssh_key *key, uint32_t id);
/* The highest id that a key ever had. */
int store_key_highest(struct store *store, uint32_t *id);
/* Higher ids are not taken over from another host, so that some are left. */
#define KEY_ID_KEPT_MAX ((uint32_t)INT32_MAX)
int store_key_get(struct store *store, uint32_t id, struct ssh_key *key);
/* All but id, uid and created. -EEXIST: another key of the account has this blob; -ENOENT: no such key. */
int store_key_update(struct store *store, const struct ssh_key *key);
int store_key_delete(struct store *store, uint32_t id);
/* 1: a key of the account has the role forward; 0: none has. */
int store_key_forwards(struct store *store, uint32_t uid);
/* 1: a key of the account is a password; 0: none is. */
int store_key_passwords(struct store *store, uint32_t uid);
/* The hash of a password, "" of a key: for the verifier's index, and nothing else. Keys that are read have none. */
int store_key_hash(struct store *store, uint32_t id, char hash[PASSWORD_HASH_MAX + 1]);
/* Another hash of the same password. -ENOENT: it has not the hash `was`. */
int store_key_rehash(struct store *store, uint32_t id, const char *was, const char *hash);
int store_key_list(struct store *store, uint32_t uid, uint32_t after_id, struct ssh_key *rows,
		   int max); /* uid 0: all */

/* keys with which owners manage their accounts: role ROLE_MANAGE, uid and owner are the owner's; numbered apart */
int store_manage_insert(struct store *store, struct ssh_key *key); /* fills key->id; -EEXIST: the uid has it */
int store_manage_get(struct store *store, uint32_t id, struct ssh_key *key);
int store_manage_delete(struct store *store, uint32_t id);
/* Those of an owner, by name and, if it is not 0, by uid; or of all (NULL). Returns how many were filled. */
int store_manage_list(struct store *store, const char *owner, uint32_t uid, uint32_t after_id, struct ssh_key *rows,
		      int max);

/* ranges */
int store_range_insert(struct store *store, const struct id_range *range); /* -EEXIST when it overlaps anything */
int store_range_get(struct store *store, uint32_t first, struct id_range *range);
int store_range_delete(struct store *store, uint32_t first, int64_t when); /* leaves a tombstone */
int store_range_list(struct store *store, const char *owner, uint32_t after_first, struct id_range *rows, int max);
/* Those of one account. */
int store_range_list_account(struct store *store, uint32_t account_uid, uint32_t after_first, struct id_range *rows,
			     int max);
/* The place behind all that the holder has. 0 or negative errno. */
int store_range_place(struct store *store, const char *owner, uint32_t account_uid, uint32_t *place);
/* Those of a store from before ranges had places (behind 65535), and what they are behind. In a transaction. */
int store_range_unsettled(struct store *store, uint32_t after_first, struct id_range *rows, int max);
int store_range_settle(struct store *store, const struct id_range *range);
/* Makes way for a line that becomes a range of this owner, with so many lines before it: *place is where it stood. */
int store_range_make_way(struct store *store, const char *owner, unsigned lines, uint32_t *place);
int store_range_units(struct store *store, const char *owner, uint32_t *units);

/* ids: everything that is or ever was given out (accounts, ranges, tombstones).
 * Finds the first block of `count` free ids (if count > 1: count rounded up to
 * RANGE_UNIT, at a multiple of RANGE_UNIT) inside `block` at or above `from`.
 * -ENOENT: none. Logarithmic, not a scan. */
int store_ids_free(struct store *store, struct id_block block, uint32_t from, uint32_t count, uint32_t *first);
/* The same for one small block (range_small()), at a multiple of its size. */
int store_ids_free_small(struct store *store, struct id_block block, uint32_t from, uint32_t size, uint32_t *first);
/* The next id to try in this block: above everything ever given out in it (ids rise). */
int store_ids_next(struct store *store, struct id_block block, uint32_t *next);
/* Ids of removed accounts and ranges (created: when), and, with owner "", those that others were seen to hold. */
int store_tombstone_list(struct store *store, uint32_t after_first, struct id_range *rows, int max);
/* Ranges that this account had and that are not released, which they cannot be while its data is set aside. */
int store_tombstone_list_account(struct store *store, uint32_t account_uid, uint32_t after_first, struct id_range *rows,
				 int max);
/* Finds the holder, or former holder, of an id of first..last: the one with the highest block. *holder is the
 * block, and who had it (for a tombstone and a foreign one; for others the rows say). 0, -ENOENT: all are free, or
 * negative errno. */
enum id_kind { ID_ACCOUNT = 1, ID_RANGE, ID_TOMBSTONE, ID_FOREIGN };
int store_id_holder(struct store *store, uint32_t first, uint32_t last, struct id_range *holder, enum id_kind *kind);
/* A tombstone of another host, whose ids must not be given out here either. -EEXIST: not all are free. */
int store_tombstone_insert(struct store *store, const struct id_range *range);
/* Root's explicit act. -ENOENT: not a tombstone; -EBUSY: the data of its account is still set aside. */
int store_tombstone_release(struct store *store, uint32_t first);
/* Marks ids that a foreign account was seen to hold, so that they are not tried again. */
int store_id_foreign(struct store *store, uint32_t first, uint32_t count, int64_t when);

/* removed accounts whose data is set aside */
#define REMOVED_WHY_MAX 255
struct removed {
	uint32_t uid;
	uint32_t keep; /* 1: no end */
	int64_t when;  /* 0: to be deleted at once */
	int64_t known; /* the known time then; with keep 0: found without a row, nothing else is known of it */
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
	char why[REMOVED_WHY_MAX + 1]; /* why it could not be deleted at the last attempt; "" there was none */
};
int store_removed_insert(struct store *store, const struct removed *removed); /* all but why */
/* keep = 0 only: those to be deleted at once, and those removed before both times, by the clock and by the known time;
 * the longest due first; those behind `after`, NULL: from the first. */
int store_removed_due(struct store *store, int64_t before, int64_t known_before, const struct removed *after,
		      struct removed *rows, int max);
int store_removed_get(struct store *store, uint32_t uid, struct removed *removed); /* -ENOENT */
int store_removed_delete(struct store *store, uint32_t uid);
/* All, or an owner's, in the order of uid, those above after_uid. Returns how many were filled. */
int store_removed_listed(struct store *store, const char *owner, uint32_t after_uid, struct removed *rows, int max);
int store_removed_why(struct store *store, uint32_t uid, const char *why); /* cut to fit */
/* How many should have been deleted at once but are not deleted yet; owner NULL: all. */
int store_removed_purging(struct store *store, const char *owner, uint32_t *count);

/* kept.c: rows of an account that is removed: they stay until its data is deleted, or it is active again. In a
 * transaction: all rows of the account are kept, in place of what was kept of it before. */
int store_kept_put(struct store *store, uint32_t uid);
/* What it was, with the owner and label of its tombstone; -ENOENT: nothing is kept. */
int store_kept_account(struct store *store, uint32_t uid, struct account *account);
/* Its ranges, those above after_first. Returns how many were filled. */
int store_kept_ranges(struct store *store, uint32_t uid, uint32_t after_first, struct id_range *rows, int max);
/* In a transaction in which the account was inserted: its keys, alarm and runs are back, and are still kept. */
int store_kept_bring(struct store *store, uint32_t uid);
/* Whether rows are kept of one that was removed then or before: 1, 0, or negative errno. */
int store_kept_before(struct store *store, int64_t when);
int store_kept_delete(struct store *store, uint32_t uid); /* 0 also if there was nothing */

/* Time that is known to have passed, and what the clock said when that was written (0: never). In seconds. */
struct known_time {
	int64_t known;
	int64_t at;
};
int store_known_time(struct store *store, struct known_time *time);
int store_known_time_set(struct store *store, const struct known_time *time); /* in a transaction */

/* Bytes of the file that are in use: without its log and free pages. 0 or negative errno. */
int store_bytes(struct store *store, int64_t *bytes);

/* Makes sure that there is room for changes when the disk is full (reserve.c). Outside of a transaction. 0, or
 * negative errno: there may be no room. */
int store_reserve(struct store *store);

/* runs: the newest RUNS_KEPT of each account */
#define RUNS_KEPT 500
/* Adds it, and what follows from it (watch, last use of the key, if that is this account's). ended: when it ended,
 * by our clock; verdict: what run_verdict() says. -ENOENT: no such account. */
int store_run_add(struct store *store, uint32_t uid, const struct run *run, int64_t ended, enum run_verdict verdict);
/* Newest first, below before_seq (0: from the newest). */
int store_run_list(struct store *store, uint32_t uid, uint64_t before_seq, struct run_row *rows, int max);
/* Of all accounts, in the order in which they came, those above after_seq. */
int store_run_list_all(struct store *store, uint64_t after_seq, struct run_row *rows, int max);
/* The most files that a backup of the account has brought, of the runs that are kept; 0 none. */
int store_run_most(struct store *store, uint32_t uid, uint64_t *files);
/* One of another host: it is kept, and nothing follows from it. Its key is found by the fingerprint. -EEXIST: there
 * already, or there are RUNS_KEPT. */
int store_run_keep(struct store *store, uint32_t uid, const struct run *run);
int store_key_used(struct store *store, uint32_t id, int64_t *when);             /* -ENOENT: never */
int store_key_use(struct store *store, uint32_t id, uint32_t uid, int64_t when); /* never goes back */

/* The facts about the last runs, and the silence after which there is an alarm. */
struct watch {
	uint32_t uid;
	uint32_t last_status; /* of the last backup, good or not */
	int64_t last_run;     /* end of it; 0 none */
	int64_t last_good;    /* end of the last one that was good; 0 none */
	int64_t alarm;        /* seconds; 0 never */
	int64_t since;        /* when that was set */
	int64_t due;          /* silent from then on; 0 never */
	uint32_t told;        /* 1: its silence has been reported */
};
int store_watch_get(struct store *store, uint32_t uid, struct watch *watch); /* all 0 if nothing is known */

/* The belongings of an account, as they are shown with it. */
struct belongings {
	uint32_t keys, ranges; /* how many */
	struct watch watch;    /* all 0 if nothing is known */
};
struct listed_account {
	struct account account;
	struct belongings belongings;
};
/* As store_account_list(), with what belongs to each, by one question. */
int store_account_listed(struct store *store, const char *owner, uint32_t after_uid, struct listed_account *rows,
			 int max);
int store_account_belongings(struct store *store, uint32_t uid,
			     struct belongings *belongings);         /* nothing: of no account */
int store_watch_put(struct store *store, const struct watch *watch); /* all but due; -EEXIST: something is known */
int store_watch_alarm(struct store *store, uint32_t uid, int64_t seconds, int64_t now);
/* Accounts whose silence has not been reported, or whose reported silence is over, in the order in which they were due,
 * after `after` (NULL: from the first); and when the next one will be due (-ENOENT: none). */
int store_watch_changed(struct store *store, bool silent, int64_t now, const struct watch *after, struct watch *rows,
			int max);
int store_watch_next(struct store *store, int64_t after, int64_t *due);
int store_watch_told(struct store *store, uint32_t uid, bool told);
/* Of all accounts of an owner, with this address for alarms, that store_watch_changed() would list; *count: how many.
 */
int store_watch_told_together(struct store *store, const char *owner, const char *whom, bool silent, int64_t now,
			      int *count);

/* Alarms that were raised about an account (key_id 0) or about one of its keys. mark: for what; while it is the same
 * the alarm is not raised again. */
enum told_kind { TOLD_QUOTA = 1, TOLD_KEY_UNUSED, TOLD_KEY_EXPIRES, TOLD_EXPIRES };
int store_told_get(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id,
		   int64_t *mark); /* -ENOENT: it was not */
int store_told_put(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id, int64_t mark);
int store_told_delete(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id);
/* Of all accounts of an owner: they are raised again. */
int store_told_forget(struct store *store, const char *owner, enum told_kind kind);

/* limits */
int store_limit_get(struct store *store, const char *owner, struct limit *limit); /* -ENOENT: none of their own */
int store_limit_set(struct store *store, const struct limit *limit);
/* In the order in which they were first set, those after `after`; *last is the place of the last one filled. */
int store_limit_list(struct store *store, uint64_t after, struct limit *rows, int max, uint64_t *last);
int store_limit_delete(struct store *store, const char *owner);

/* audit: in the same transaction as the change that it records, or in one of its own for a refusal. seq is filled. */
int store_audit_add(struct store *store, struct audit_entry *entry);
/* Newest first, below before_seq (0: from the newest); owner NULL: all, else the owner's acts and those of the
 * owner's accounts. */
int store_audit_list(struct store *store, const char *owner, uint64_t before_seq, struct audit_entry *rows, int max);

/* Whole-file proof, at the start and for `check`: PRAGMA integrity_check, what must hold between the rows, and the
 * digest of the rows that decide. why: 256 bytes. 0; -EUCLEAN: damaged; or another negative errno: it could not be
 * read. Takes as long as reading all of it. */
int store_check(struct store *store, char *why, size_t size);

/* For a proof while changes go on: everything is brought into the file, which then stays as it is until
 * store_thaw(); commits made meanwhile are durable in the log, and read from there. Not for long, because the log
 * grows. If it is frozen again, it stays frozen until each caller has thawed it. */
int store_freeze(struct store *store);
void store_thaw(struct store *store);
/* A frozen store as another process reads it; it takes no lock. The open store that a child inherited is useless to it,
 * and must not be closed. */
int store_view(const char *path, struct store **ret);

#endif
