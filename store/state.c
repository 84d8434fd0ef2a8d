/* SPDX-License-Identifier: ISC */
/* Counts the content of a store, and takes over the history of another one: for saving and loading states (root).
 */
#include "store/state.h"

#include <errno.h>

#include "store/sqlite.h"

static int execute(struct store *store, const char *sql, const struct store_value *values, int count,
		   sqlite3_stmt **row)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

	for (int i = 0; code == SQLITE_OK && i < count; i++)
		code = values[i].text != NULL ? sqlite3_bind_text(statement, i + 1, values[i].text, -1, SQLITE_STATIC) :
						sqlite3_bind_int64(statement, i + 1, values[i].number);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW && row != NULL) {
		*row = statement;
		return 0;
	}
	if (code == SQLITE_DONE || code == SQLITE_ROW)
		code = SQLITE_OK;
	code = store_errno(store, code);
	sqlite3_finalize(statement);
	return code;
}

int store_schema(void)
{
	return store_schema_version();
}

int store_counts(struct store *store, struct store_counts *counts)
{
	sqlite3_stmt *row = NULL;
	int r = execute(
		store,
		"SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM keys), (SELECT count(*) FROM "
		"ranges),"
		" (SELECT count(*) FROM limits), (SELECT count(*) FROM ids WHERE kind IN ('tombstone', 'foreign')),"
		" (SELECT count(*) FROM runs), (SELECT count(*) FROM audit)",
		NULL, 0, &row);

	if (r < 0)
		return r;
	*counts = (struct store_counts){
		.accounts = (uint64_t)sqlite3_column_int64(row, 0),
		.keys = (uint64_t)sqlite3_column_int64(row, 1),
		.ranges = (uint64_t)sqlite3_column_int64(row, 2),
		.limits = (uint64_t)sqlite3_column_int64(row, 3),
		.tombstones = (uint64_t)sqlite3_column_int64(row, 4),
		.runs = (uint64_t)sqlite3_column_int64(row, 5),
		.audit = (uint64_t)sqlite3_column_int64(row, 6),
	};
	sqlite3_finalize(row);
	return 0;
}

static int removed_read(sqlite3_stmt *row, struct removed *out)
{
	struct removed removed = { .when = sqlite3_column_int64(row, 2) };
	int r = column_u32(row, 0, &removed.uid);

	r = r ?: column_u32(row, 1, &removed.keep);
	r = r ?: column_text(row, 3, removed.owner, sizeof(removed.owner));
	r = r ?: column_text(row, 4, removed.label, sizeof(removed.label));
	if (r == 0)
		*out = removed;
	return r;
}

int store_removed_list(struct store *store, uint32_t after_uid, struct removed *rows, int max)
{
	sqlite3_stmt *row = NULL;
	int n = 0, code = SQLITE_ROW;
	int r = execute(store,
			"SELECT uid, keep, since, owner, label FROM removed WHERE uid > ?1 ORDER BY uid LIMIT ?2",
			(const struct store_value[]){ NUMBER(after_uid), NUMBER(max) }, 2, &row);

	while (r == 0 && row != NULL && code == SQLITE_ROW) {
		r = removed_read(row, &rows[n++]);
		code = sqlite3_step(row);
	}
	if (r == 0 && row != NULL && code != SQLITE_DONE)
		r = store_errno(store, code);
	sqlite3_finalize(row);
	return r < 0 ? r : n;
}

int store_identity_set(struct store *store, uint64_t identity)
{
	int r = execute(store, "UPDATE meta SET value = ?1 WHERE name = 'store'",
			(const struct store_value[]){ NUMBER(identity) }, 1, NULL);

	if (r == 0)
		store->identity = identity;
	return r;
}

int store_marks_raise(struct store *store, const uint32_t marks[HIGH_WATER_REGIONS])
{
	int r = 0;

	for (uint32_t region = 0; r == 0 && region < HIGH_WATER_REGIONS; region++)
		if (marks[region] != 0)
			r = execute(store, "UPDATE marks SET last = ?2 WHERE region = ?1 AND last < ?2",
				    (const struct store_value[]){ NUMBER(region), NUMBER(marks[region]) }, 2, NULL);
	return r;
}

/* ---- the other one ---- */

int store_other_attach(struct store *store, const char *path)
{
	return execute(store, "ATTACH ?1 AS other", (const struct store_value[]){ TEXT(path) }, 1, NULL);
}

void store_other_detach(struct store *store)
{
	sqlite3_exec(store->db, "DETACH other", NULL, NULL, NULL);
}

#define TEXT_OF(x) TEXT_OF_(x)
#define TEXT_OF_(x) #x
#define AUDIT "time, uid, pid, status, target_uid, caller, action, target, detail, owner"
#define RUN                                                                                                            \
	"seq, uid, started, duration, bytes_in, bytes_out, files, key_id, status, kind, tool, address, "               \
	"fingerprint, error, deleted"
/* An account of that file that is just the same one here. */
#define THE_SAME(uid)                                                                                                  \
	"EXISTS (SELECT 1 FROM main.accounts AS a JOIN other.accounts AS b ON b.uid = a.uid AND b.owner = a.owner"     \
	" AND b.label = a.label WHERE a.uid = " uid ")"

static const char *const take_same[] = {
	"INSERT INTO main.audit (seq, " AUDIT ") SELECT seq, " AUDIT " FROM other.audit"
	" WHERE seq > coalesce((SELECT max(seq) FROM main.audit), 0) ORDER BY seq",
	"CREATE TEMP TABLE ran AS SELECT DISTINCT uid FROM other.runs"
	" WHERE seq > coalesce((SELECT max(seq) FROM main.runs), 0) AND " THE_SAME("other.runs.uid"),
	"INSERT INTO main.runs (" RUN ") SELECT " RUN " FROM other.runs"
	" WHERE seq > coalesce((SELECT max(seq) FROM main.runs), 0) AND uid IN (SELECT uid FROM temp.ran) ORDER BY "
	"seq",
	"DELETE FROM main.runs WHERE uid IN (SELECT uid FROM temp.ran) AND seq <="
	" (SELECT r.seq FROM main.runs AS r WHERE r.uid = main.runs.uid ORDER BY r.seq DESC LIMIT 1 "
	"OFFSET " TEXT_OF(RUNS_KEPT) ")",
	"DROP TABLE temp.ran",
	"INSERT INTO main.watches (uid, last_run, last_status, last_good)"
	" SELECT uid, last_run, last_status, last_good FROM other.watches"
	" WHERE last_run > 0 AND " THE_SAME("other.watches.uid") " ON CONFLICT (uid) DO UPDATE SET"
								 " last_status = iif(excluded.last_run >= "
								 "last_run, excluded.last_status, last_status),"
								 " last_run = max(last_run, excluded.last_run), "
								 "last_good = max(last_good, excluded.last_good)",
	"INSERT INTO main.key_uses (key_id, used) SELECT u.key_id, u.used FROM other.key_uses AS u"
	" JOIN other.keys AS k ON k.id = u.key_id"
	" JOIN main.keys AS m ON m.id = k.id AND m.uid = k.uid AND m.blob = k.blob"
	" WHERE true ON CONFLICT (key_id) DO UPDATE SET used = max(used, excluded.used)",
};

static const char take_other[] = "INSERT INTO main.audit (" AUDIT ") SELECT " AUDIT " FROM other.audit ORDER BY seq";

/* Each store counts for itself how much time is known to have passed: by this one's count, the grace period begins now.
 */
static const char take_removed[] = "INSERT INTO main.removed (uid, keep, since, owner, label, known)"
				   " SELECT r.uid, r.keep, r.since, r.owner, r.label,"
				   " (SELECT value FROM main.meta WHERE name = 'known_time') FROM other.removed AS r"
				   " JOIN main.ids AS i ON i.first = r.uid AND i.kind = 'tombstone'"
				   " WHERE r.uid NOT IN (SELECT uid FROM main.removed)";

/* And what is kept of them. */
static const char take_kept[] = "INSERT INTO main.kept SELECT k.uid, k.source, k.number, k.content FROM other.kept AS k"
				" JOIN main.removed AS r ON r.uid = k.uid"
				" WHERE k.uid NOT IN (SELECT uid FROM main.kept)";

int store_other_take(struct store *store, bool same)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && same && i < sizeof(take_same) / sizeof(take_same[0]); i++)
		r = execute(store, take_same[i], NULL, 0, NULL);
	if (r == 0 && !same)
		r = execute(store, take_other, NULL, 0, NULL);
	if (r == 0)
		r = execute(store, take_removed, NULL, 0, NULL);
	if (r == 0)
		r = execute(store, take_kept, NULL, 0, NULL);
	return store_save_end(store, r);
}
