/* SPDX-License-Identifier: ISC */
/* Runs, last uses of keys, and accounts that have been silent for too long. None of it is published. */
#include <errno.h>
#include <string.h>

#include "store/sqlite.h"

/* RUN_UNKNOWN is -1 in the store, and back. */
static int64_t count_in(uint64_t count)
{
	return count == RUN_UNKNOWN ? -1 : (int64_t)count;
}

static uint64_t count_out(int64_t count)
{
	return count < 0 ? RUN_UNKNOWN : (uint64_t)count;
}

static int insert(struct store *store, uint32_t uid, const struct run *run, uint32_t key_id)
{
	return store_run(store, SQL_RUN_INSERT,
			 VALUES(NUMBER(uid), NUMBER(run->started), NUMBER(run->duration_ms),
				NUMBER(count_in(run->bytes_in)), NUMBER(count_in(run->bytes_out)),
				NUMBER(count_in(run->files)), NUMBER(key_id), NUMBER(run->status), NUMBER(run->kind),
				TEXT(run->tool), TEXT(run->address), TEXT(run->fingerprint), TEXT(run->error),
				NUMBER(count_in(run->deleted))));
}

static int add(struct store *store, uint32_t uid, const struct run *run, int64_t ended, enum run_verdict verdict)
{
	int r = insert(store, uid, run, run->key_id);

	if (r == 0)
		r = store_run(store, SQL_RUN_TRIM, VALUES(NUMBER(uid), NUMBER(RUNS_KEPT)));
	if (r == 0)
		r = store_run(store, SQL_KEY_USE, VALUES(NUMBER(run->key_id), NUMBER(uid), NUMBER(ended)));
	if (r == 0 && verdict != RUN_SAYS_NOTHING)
		r = store_run(store, SQL_WATCH_RAN,
			      VALUES(NUMBER(uid), NUMBER(ended), NUMBER(run->status),
				     NUMBER(verdict == RUN_GOOD ? ended : 0)));
	return r;
}

int store_run_add(struct store *store, uint32_t uid, const struct run *run, int64_t ended, enum run_verdict verdict)
{
	int r = store_save(store);

	return r < 0 ? r : store_save_end(store, add(store, uid, run, ended, verdict));
}

/* ---- of another host ---- */

/* 1: such a run exists, or there is no room below the existing ones; 0: otherwise; negative errno. */
static int there(struct store *store, uint32_t uid, const struct run *run)
{
	int64_t number = 0;
	int r = store_one(store, SQL_RUN_SAME,
			  VALUES(NUMBER(uid), NUMBER(run->started), NUMBER(run->duration_ms),
				 NUMBER(count_in(run->bytes_in)), NUMBER(count_in(run->bytes_out)),
				 NUMBER(count_in(run->files)), NUMBER(run->status), NUMBER(run->kind), TEXT(run->tool),
				 TEXT(run->address), TEXT(run->fingerprint), TEXT(run->error),
				 NUMBER(count_in(run->deleted))),
			  number_read, &number);

	if (r != -ENOENT)
		return r < 0 ? r : 1;
	r = store_one(store, SQL_RUN_COUNT, VALUES(NUMBER(uid)), number_read, &number);
	return r < 0 ? r : number >= RUNS_KEPT;
}

/* A removed key keeps its number, which from now on no key of this host gets. */
static int number_keep(struct store *store, uint32_t number)
{
	int r = store_run(store, SQL_KEY_HIGHEST_BEGIN, NULL, 0);

	return r < 0 ? r : store_run(store, SQL_KEY_HIGHEST_RAISE, VALUES(NUMBER(number)));
}

/* The key as it is known here, by its fingerprint; 0 if another key has its number. */
static int key_here(struct store *store, uint32_t uid, const struct run *run, uint32_t *id)
{
	struct ssh_key other;
	int64_t found = 0;
	int r = store_one(store, SQL_KEY_BY_FINGERPRINT, VALUES(NUMBER(uid), TEXT(run->fingerprint)), number_read,
			  &found);

	if (r == 0)
		*id = (uint32_t)found;
	if (r != -ENOENT)
		return r;
	*id = 0;
	if (run->key_id == 0 || run->key_id > KEY_ID_KEPT_MAX)
		return 0;
	r = store_key_get(store, run->key_id, &other);
	if (r != -ENOENT)
		return r;
	*id = run->key_id;
	return number_keep(store, run->key_id);
}

int store_run_keep(struct store *store, uint32_t uid, const struct run *run)
{
	uint32_t key_id = 0;
	int r = there(store, uid, run);

	if (r != 0)
		return r < 0 ? r : -EEXIST;
	r = store_save(store);
	if (r < 0)
		return r;
	r = key_here(store, uid, run, &key_id);
	return store_save_end(store, r < 0 ? r : insert(store, uid, run, key_id));
}

/* ---- reading ---- */

static int run_read_row(sqlite3_stmt *row, void *out)
{
	struct run_row found = { .seq = (uint64_t)sqlite3_column_int64(row, 0) };
	struct run *run = &found.run;
	int r = sqlite3_column_count(row) > 14 ? column_u32(row, 14, &found.uid) : 0;

	run->started = sqlite3_column_int64(row, 1);
	run->duration_ms = (uint64_t)sqlite3_column_int64(row, 2);
	run->bytes_in = count_out(sqlite3_column_int64(row, 3));
	run->bytes_out = count_out(sqlite3_column_int64(row, 4));
	run->files = count_out(sqlite3_column_int64(row, 5));
	run->deleted = count_out(sqlite3_column_int64(row, 13));
	r = r ?: column_u32(row, 6, &run->key_id);
	r = r ?: column_u32(row, 7, &run->status);
	r = r ?: column_u32(row, 8, &run->kind);
	r = r ?: column_text(row, 9, run->tool, sizeof(run->tool));
	r = r ?: column_text(row, 10, run->address, sizeof(run->address));
	r = r ?: column_text(row, 11, run->fingerprint, sizeof(run->fingerprint));
	r = r ?: column_text(row, 12, run->error, sizeof(run->error));
	if (r == 0)
		*(struct run_row *)out = found;
	return r;
}

int store_run_list(struct store *store, uint32_t uid, uint64_t before_seq, struct run_row *rows, int max)
{
	int64_t before = before_seq == 0 || before_seq > INT64_MAX ? INT64_MAX : (int64_t)before_seq;
	int n = store_list(store, SQL_RUN_LIST, VALUES(NUMBER(uid), NUMBER(before), NUMBER(max)), run_read_row, rows,
			   sizeof(*rows));

	for (int i = 0; i < n; i++)
		rows[i].uid = uid;
	return n;
}

int store_run_list_all(struct store *store, uint64_t after_seq, struct run_row *rows, int max)
{
	return after_seq > INT64_MAX ? 0 :
				       store_list(store, SQL_RUN_LIST_ALL, VALUES(NUMBER(after_seq), NUMBER(max)),
						  run_read_row, rows, sizeof(*rows));
}

int store_run_most(struct store *store, uint32_t uid, uint64_t *files)
{
	int64_t most = 0;
	int r = store_one(store, SQL_RUN_MOST, VALUES(NUMBER(uid)), number_read, &most);

	if (r == 0)
		*files = most > 0 ? (uint64_t)most : 0;
	return r;
}

int store_key_used(struct store *store, uint32_t id, int64_t *when)
{
	return store_one(store, SQL_KEY_USED, VALUES(NUMBER(id)), number_read, when);
}

int store_watch_next(struct store *store, int64_t after, int64_t *due)
{
	return store_one(store, SQL_WATCH_NEXT, VALUES(NUMBER(after)), number_read, due);
}

int store_watch_columns(sqlite3_stmt *row, int from, struct watch *out)
{
	struct watch watch = { .uid = out->uid,
			       .last_run = sqlite3_column_int64(row, from),
			       .last_good = sqlite3_column_int64(row, from + 2),
			       .alarm = sqlite3_column_int64(row, from + 3),
			       .since = sqlite3_column_int64(row, from + 4),
			       .told = sqlite3_column_int(row, from + 5) != 0,
			       .due = sqlite3_column_int64(row, from + 6) };
	int r = column_u32(row, from + 1, &watch.last_status);

	if (r == 0)
		*out = watch;
	return r;
}

static int watch_read(sqlite3_stmt *row, void *out)
{
	struct watch watch = { 0 };
	int r = column_u32(row, 0, &watch.uid);

	r = r ?: store_watch_columns(row, 1, &watch);
	if (r == 0)
		*(struct watch *)out = watch;
	return r;
}

int store_watch_get(struct store *store, uint32_t uid, struct watch *watch)
{
	int r = store_one(store, SQL_WATCH_GET, VALUES(NUMBER(uid)), watch_read, watch);

	if (r == -ENOENT)
		*watch = (struct watch){ .uid = uid };
	return r == -ENOENT ? 0 : r;
}

int store_watch_changed(struct store *store, bool silent, int64_t now, const struct watch *after, struct watch *rows,
			int max)
{
	int64_t due = after != NULL ? after->due : INT64_MIN;
	uint32_t uid = after != NULL ? after->uid : 0;

	return store_list(store, silent ? SQL_WATCH_SILENT : SQL_WATCH_WELL,
			  VALUES(NUMBER(now), NUMBER(due), NUMBER(uid), NUMBER(max)), watch_read, rows, sizeof(*rows));
}

int store_watch_put(struct store *store, const struct watch *watch)
{
	return store_change(store, SQL_WATCH_PUT,
			    VALUES(NUMBER(watch->uid), NUMBER(watch->last_run), NUMBER(watch->last_status),
				   NUMBER(watch->last_good), NUMBER(watch->alarm), NUMBER(watch->since),
				   NUMBER(watch->told)));
}

int store_watch_alarm(struct store *store, uint32_t uid, int64_t seconds, int64_t now)
{
	return store_change(store, SQL_WATCH_ALARM, VALUES(NUMBER(uid), NUMBER(seconds), NUMBER(now)));
}

int store_watch_told(struct store *store, uint32_t uid, bool told)
{
	return store_change(store, SQL_WATCH_TOLD, VALUES(NUMBER(uid), NUMBER(told)));
}

int store_watch_told_together(struct store *store, const char *owner, const char *whom, bool silent, int64_t now,
			      int *count)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_WATCH_TOLD_TOGETHER, VALUES(TEXT(owner), NUMBER(silent), NUMBER(now), TEXT(whom)));
	if (r == 0)
		*count = store_changes(store);
	return store_save_end(store, r);
}

/* ---- alarms that were raised ---- */

int store_told_get(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id, int64_t *mark)
{
	return store_one(store, SQL_TOLD_GET, VALUES(NUMBER(uid), NUMBER(kind), NUMBER(key_id)), number_read, mark);
}

int store_told_put(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id, int64_t mark)
{
	return store_run(store, SQL_TOLD_PUT, VALUES(NUMBER(uid), NUMBER(kind), NUMBER(key_id), NUMBER(mark)));
}

int store_told_delete(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id)
{
	return store_run(store, SQL_TOLD_DELETE, VALUES(NUMBER(uid), NUMBER(kind), NUMBER(key_id)));
}

int store_told_forget(struct store *store, const char *owner, enum told_kind kind)
{
	return store_run(store, SQL_TOLD_FORGET, VALUES(TEXT(owner), NUMBER(kind)));
}
