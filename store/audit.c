/* SPDX-License-Identifier: ISC */
/* The audit trail, limits, data that was set aside, and the proof of the whole file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/record.h"
#include "store/sqlite.h"

/* ---- audit ---- */

/* The owner in "alice+web1", for a target that is not an account (yet): the text before a separator that no owner's
 * name can contain, otherwise all of it. */
static void target_owner(const char *target, char *owner, size_t size)
{
	size_t length = strcspn(target, "+%=~");

	snprintf(owner, size, "%.*s", (int)length, target);
}

int store_audit_add(struct store *store, struct audit_entry *e)
{
	char owner[sizeof(e->target)];
	int r = store_save(store);

	if (r < 0)
		return r;
	target_owner(e->target, owner, sizeof(owner));
	r = store_run(store, SQL_AUDIT_INSERT,
		      VALUES(NUMBER(e->time), NUMBER(e->uid), NUMBER(e->pid), NUMBER(e->status), NUMBER(e->target_uid),
			     TEXT(e->caller), TEXT(e->action), TEXT(e->target), TEXT(e->detail), TEXT(owner)));
	r = store_save_end(store, r);
	if (r == 0)
		e->seq = (uint64_t)sqlite3_last_insert_rowid(store->db);
	return r;
}

static int audit_read(sqlite3_stmt *row, void *out)
{
	struct audit_entry entry = { .seq = (uint64_t)sqlite3_column_int64(row, 0),
				     .time = sqlite3_column_int64(row, 1),
				     .pid = sqlite3_column_int(row, 3) };
	int r = 0;

	r = r ?: column_u32(row, 2, &entry.uid);
	r = r ?: column_u32(row, 4, &entry.status);
	r = r ?: column_u32(row, 5, &entry.target_uid);
	r = r ?: column_text(row, 6, entry.caller, sizeof(entry.caller));
	r = r ?: column_text(row, 7, entry.action, sizeof(entry.action));
	r = r ?: column_text(row, 8, entry.target, sizeof(entry.target));
	r = r ?: column_text(row, 9, entry.detail, sizeof(entry.detail));
	if (r == 0)
		*(struct audit_entry *)out = entry;
	return r;
}

int store_audit_list(struct store *store, const char *owner, uint64_t before_seq, struct audit_entry *rows, int max)
{
	enum store_statement id = owner == NULL ? SQL_AUDIT_LIST : SQL_AUDIT_LIST_OWNER;
	int64_t before = before_seq == 0 || before_seq > INT64_MAX ? INT64_MAX : (int64_t)before_seq;
	const struct store_value values[] = { NUMBER(before), NUMBER(max), TEXT(owner) };

	return store_list(store, id, values, owner == NULL ? 2 : 3, audit_read, rows, sizeof(*rows));
}

/* ---- limits ---- */

#define LIMIT_BOUNDS 5 /* column */

static int limit_read(sqlite3_stmt *row, void *out)
{
	struct failure_text ignored;
	struct limit limit = { 0 };
	int r = 0;

	r = r ?: column_u32(row, 0, &limit.accounts);
	r = r ?: column_u32(row, 1, &limit.keys);
	r = r ?: column_u32(row, 2, &limit.ranges);
	r = r ?: column_owner(row, 3, limit.owner);
	for (unsigned i = 0; i < BOUNDS; i++)
		limit.bounds.of[i] = (uint64_t)sqlite3_column_int64(row, LIMIT_BOUNDS + (int)i);
	if (r == 0 && record_check(&limit_record, &limit, LIMIT_BOUNDS_SET, &ignored) != FAILURE_NONE)
		r = -EUCLEAN;
	if (r == 0)
		*(struct limit *)out = limit;
	return r;
}

int store_limit_get(struct store *store, const char *owner, struct limit *limit)
{
	return store_one(store, SQL_LIMIT_GET, VALUES(TEXT(owner)), limit_read, limit);
}

int store_limit_list(struct store *store, uint64_t after, struct limit *rows, int max, uint64_t *last)
{
	int n = 0, r = 0;
	sqlite3_stmt *row = store_query(store, SQL_LIMIT_LIST, VALUES(NUMBER(after), NUMBER(max)), &r);

	if (row == NULL)
		return r;
	while ((r = store_next(store, row)) == 1) {
		r = limit_read(row, &rows[n]);
		if (r < 0)
			break;
		*last = (uint64_t)sqlite3_column_int64(row, 4);
		n++;
	}
	store_end(row);
	return r < 0 ? r : n;
}

/* The generation rises for all of it, although only the bounds are published: the loss of an entry with the end of the
 * log is noticed. */
int store_limit_set(struct store *store, const struct limit *l)
{
	struct store_value values[4 + BOUNDS] = { TEXT(l->owner), NUMBER(l->accounts), NUMBER(l->keys),
						  NUMBER(l->ranges) };
	int r;

	for (unsigned i = 0; i < BOUNDS; i++)
		values[4 + i] = (struct store_value)NUMBER(l->bounds.of[i]);
	r = store_change(store, SQL_LIMIT_SET, values, 4 + BOUNDS);

	store->changed |= r == 0;
	return r;
}

int store_limit_delete(struct store *store, const char *owner)
{
	int r = store_change_one(store, SQL_LIMIT_DELETE, VALUES(TEXT(owner)));

	store->changed |= r == 0;
	return r;
}

/* ---- data set aside ---- */

int store_removed_insert(struct store *store, const struct removed *removed)
{
	return store_change(store, SQL_REMOVED_INSERT,
			    VALUES(NUMBER(removed->uid), NUMBER(removed->keep), NUMBER(removed->when),
				   TEXT(removed->owner), TEXT(removed->label), NUMBER(removed->known)));
}

static int removed_read(sqlite3_stmt *row, void *out)
{
	struct removed removed = { .when = sqlite3_column_int64(row, 2), .known = sqlite3_column_int64(row, 5) };
	int r = 0;

	r = r ?: column_u32(row, 0, &removed.uid);
	r = r ?: column_u32(row, 1, &removed.keep);
	r = r ?: column_owner(row, 3, removed.owner);
	r = r ?: column_label(row, 4, removed.label);
	r = r ?: column_text(row, 6, removed.why, sizeof(removed.why));
	if (r == 0)
		*(struct removed *)out = removed;
	return r;
}

int store_removed_get(struct store *store, uint32_t uid, struct removed *removed)
{
	return store_one(store, SQL_REMOVED_GET, VALUES(NUMBER(uid)), removed_read, removed);
}

int store_removed_listed(struct store *store, const char *owner, uint32_t after_uid, struct removed *rows, int max)
{
	enum store_statement id = owner == NULL ? SQL_REMOVED_LIST : SQL_REMOVED_LIST_OWNER;
	const struct store_value values[] = { NUMBER(after_uid), NUMBER(max), TEXT(owner) };
	int n = store_list(store, id, values, owner == NULL ? 2 : 3, removed_read, rows, sizeof(*rows));

	return store_ascending(n, &rows->uid, sizeof(*rows), after_uid);
}

int store_removed_due(struct store *store, int64_t before, int64_t known_before, const struct removed *after,
		      struct removed *rows, int max)
{
	int64_t since = after == NULL ? INT64_MIN : after->when, uid = after == NULL ? 0 : after->uid;
	int n = store_list(store, SQL_REMOVED_DUE,
			   VALUES(NUMBER(before), NUMBER(max), NUMBER(since), NUMBER(uid), NUMBER(known_before)),
			   removed_read, rows, sizeof(*rows));

	/* The index said so. The data that it names is deleted, so the row has to say the same, and the rows have to
	 * ascend. */
	for (int i = 0; i < n; i++) {
		if (rows[i].keep != 0 || rows[i].when >= before || (rows[i].when != 0 && rows[i].known >= known_before))
			return -EUCLEAN;
		if (rows[i].when < since || (rows[i].when == since && rows[i].uid <= uid))
			return -EUCLEAN;
		since = rows[i].when;
		uid = rows[i].uid;
	}
	return n;
}

int store_removed_delete(struct store *store, uint32_t uid)
{
	return store_change_one(store, SQL_REMOVED_DELETE, VALUES(NUMBER(uid)));
}

int store_removed_why(struct store *store, uint32_t uid, const char *why)
{
	char cut[REMOVED_WHY_MAX + 1] = "";

	memcpy(cut, why, strnlen(why, REMOVED_WHY_MAX));
	return store_change(store, SQL_REMOVED_WHY, VALUES(NUMBER(uid), TEXT(cut)));
}

int store_removed_purging(struct store *store, const char *owner, uint32_t *count)
{
	int64_t number = 0;
	int r = store_one(store, SQL_REMOVED_PURGING, VALUES(TEXT(owner == NULL ? "" : owner)), number_read, &number);

	if (r == 0)
		*count = (uint32_t)number;
	return r;
}

/* ---- known time ---- */

static int known_time_read(sqlite3_stmt *row, void *out)
{
	*(struct known_time *)out = (struct known_time){ sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1) };
	return 0;
}

int store_known_time(struct store *store, struct known_time *time)
{
	return store_one(store, SQL_KNOWN_TIME, NULL, 0, known_time_read, time);
}

int store_known_time_set(struct store *store, const struct known_time *time)
{
	return store_change(store, SQL_KNOWN_TIME_SET, VALUES(NUMBER(time->known), NUMBER(time->at)));
}

/* ---- the proof ---- */

/* Each query is empty, or its first row says what is wrong. They do not rely on the triggers that they prove. The first
 * one checks the file, without a number of rows: SQLite 3.46 of Debian 13 takes that for the name of a table. */
static const char *const proofs[] = {
	"SELECT 'file: ' || integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok' LIMIT 1",
	"SELECT 'table ' || \"table\" || ': row ' || rowid || ' points to nothing' FROM pragma_foreign_key_check",
	"SELECT 'ids ' || a || '-' || b || ' and those from ' || c || ' on overlap' FROM"
	" (SELECT first AS a, last AS b, lead(first) OVER (ORDER BY first) AS c FROM ids) WHERE c <= b",
	"SELECT 'id ' || first || ' is of an ' || kind || ' that does not exist' FROM ids WHERE"
	" (kind = 'account' AND first NOT IN (SELECT uid FROM accounts))"
	" OR (kind = 'range' AND first NOT IN (SELECT first FROM ranges))",
	"SELECT 'ids from ' || last || ' on are in no gap and given to nobody, or both' FROM"
	" (SELECT last, lead(first) OVER (ORDER BY first) AS next FROM"
	" (SELECT first, last FROM ids UNION ALL SELECT first, last FROM gaps"
	" UNION ALL VALUES (65534, 65535), (0, 0), (4294967295, 4294967295)))"
	" WHERE next <> last + 1",
	"SELECT 'usage of owner ' || owner || ' is miscounted' FROM"
	" (SELECT owner, accounts, units FROM usage WHERE owner <> '' EXCEPT"
	" SELECT owner, sum(n), sum(u) FROM (SELECT owner, 1 AS n, 0 AS u FROM accounts UNION ALL"
	" SELECT owner, 0, (last - ids.first + 65536) / 65536 FROM ranges JOIN ids ON ids.first = ranges.first)"
	" GROUP BY owner)",
	"SELECT 'usage of all is miscounted' WHERE"
	" coalesce((SELECT accounts FROM usage WHERE owner = ''), 0) <> (SELECT count(*) FROM accounts) OR"
	" (SELECT count(*) FROM usage WHERE owner <> '') <>"
	" (SELECT count(*) FROM (SELECT owner FROM accounts UNION SELECT owner FROM ranges))",
	"SELECT 'account ' || uid || ' is moving, and nothing says from where, or the other way round' FROM"
	" (SELECT uid FROM accounts WHERE state = 2 EXCEPT SELECT uid FROM former_names WHERE moving = 1 UNION ALL"
	" SELECT uid FROM (SELECT uid FROM former_names WHERE moving = 1 EXCEPT"
	" SELECT uid FROM accounts WHERE state = 2))",
	"SELECT 'range ' || first || ' is not its account''s owner''s' FROM ranges JOIN accounts AS a"
	" ON a.uid = account_uid WHERE a.owner <> ranges.owner",
	"SELECT 'ids to ' || ids.last || ' were given out, and the marks do not say so' FROM ids"
	" JOIN marks ON marks.region = ids.last >> 24 WHERE kind <> 'foreign' AND marks.last < ids.last",
};

/* The rows themselves: changes by a statement are in the digest, other changes are not. */
static int digest_check(struct store *store, char *why, size_t size)
{
	uint64_t sum = 0;
	int64_t kept = 0;
	int r = store_errno(store, store_digest_sum(store->db, &sum));

	if (r == 0)
		r = store_one(store, SQL_DIGEST, NULL, 0, number_read, &kept);
	if (r < 0 && r != -ENOENT) {
		snprintf(why, size, "%s", store->error);
		return r;
	}
	if (r == 0 && sum == (uint64_t)kept)
		return 0;
	snprintf(why, size,
		 "the rows are not those that were written: one was changed, added or taken away by something "
		 "else than subuidd");
	return -EUCLEAN;
}

/* The texts of the schema: the digest covers no row that would show damage to them. */
static int schema_check(struct store *store, char *why, size_t size)
{
	int code = store_schema_check(store->db);
	int r = store_errno(store, code);

	if (code == SQLITE_CORRUPT)
		snprintf(why, size, "its tables or triggers are not those that were made");
	else if (r < 0)
		snprintf(why, size, "%s", store->error);
	return r;
}

static int proof_run(struct store *store, const char *proof, char *why, size_t size)
{
	sqlite3_stmt *statement;
	int r = 0, code = sqlite3_prepare_v2(store->db, proof, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		snprintf(why, size, "%s", (const char *)sqlite3_column_text(statement, 0));
		r = store_disk_failed(store) ? -EIO : -EUCLEAN;
	} else if (code != SQLITE_DONE) {
		r = store_errno(store, code);
		snprintf(why, size, "%s", store->error);
	}
	sqlite3_finalize(statement);
	return r;
}

/* integrity_check takes a page that the disk cannot deliver for a damaged one: it says no more about the error than the
 * page's number. */
static bool page_unread(const char *why)
{
	static const char words[] = "error code=";
	const char *at = strstr(why, words);

	return at != NULL && (strtol(at + sizeof(words) - 1, NULL, 10) & 0xff) == SQLITE_IOERR;
}

/* If it gives no number either, everything is read, and the check is repeated: real damage shows twice. */
static int file_check(struct store *store, char *why, size_t size)
{
	char again[256] = "";
	int r = proof_run(store, proofs[0], why, size);

	if (r != -EUCLEAN)
		return r;
	if (page_unread(why) || store_file_read(store->db) < 0)
		return -EIO;
	r = proof_run(store, proofs[0], again, sizeof(again));
	return r == 0 || (r == -EUCLEAN && page_unread(again)) ? -EIO : r;
}

int store_check(struct store *store, char *why, size_t size)
{
	int r = file_check(store, why, size);

	if (r == 0)
		r = schema_check(store, why, size);
	for (size_t i = 1; r == 0 && i < sizeof(proofs) / sizeof(proofs[0]); i++)
		r = proof_run(store, proofs[i], why, size);
	return r < 0 ? r : digest_check(store, why, size);
}
