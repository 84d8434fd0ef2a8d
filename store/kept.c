/* SPDX-License-Identifier: ISC */
/*
 * The rows of accounts that were removed, kept for as long as their data is, so that such an account can come back as
 * it was: its facts, former names, keys, ranges, alarm and runs. Each is an object of its columns, as store_digests
 * names them: a column that is added later is in no object that is older, and its step says what it is there. Run by
 * the broker (root).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite.h"

#define SQL_MAX 4096

/* In the account's object: the names that it had before, the newest ones if these are many. */
#define FORMER                                                                                                         \
	", 'former', (SELECT json_group_array(json_object('owner', owner, 'label', label, 'owner_uid', owner_uid,"     \
	" 'since', since, 'known', known)) FROM (SELECT * FROM (SELECT * FROM former_names WHERE uid = ?1"             \
	" AND moving = 0 ORDER BY seq DESC LIMIT 64) ORDER BY seq))"

/* Where an account has rows: what numbers them, and which they are. */
static const struct kept_source {
	const char *table, *number, *which;
	const char *more; /* what belongs to a row and is elsewhere */
	bool back;        /* store_kept_bring() puts them back as they are */
} sources[] = {
	{ "accounts", "uid", "uid = ?1", FORMER, false },
	{ "keys", "id", "uid = ?1", "", true },
	{ "key_uses", "key_id", "key_id IN (SELECT id FROM keys WHERE uid = ?1)", "", true },
	{ "ranges", "first", "account_uid = ?1", ", 'last', (SELECT last FROM ids WHERE ids.first = ranges.first)",
	  false },
	{ "watches", "uid", "uid = ?1", "", true },
	{ "runs", "seq", "uid = ?1", "", true },
};
#define SOURCES (sizeof(sources) / sizeof(sources[0]))

static const struct store_digest *columns_of(const char *table)
{
	for (size_t i = 0; i < store_digests_count; i++)
		if (strcmp(store_digests[i].table, table) == 0)
			return &store_digests[i];
	return NULL;
}

enum columns { NAMES, MEMBERS, EXTRACTS };

static size_t put_columns(const struct store_digest *digest, enum columns how, char *sql, size_t used)
{
	for (size_t i = 0; i < STORE_DIGEST_COLUMNS && digest->columns[i] != NULL && used < SQL_MAX; i++) {
		const char *column = digest->columns[i], *comma = i > 0 ? ", " : "";

		if (how == MEMBERS)
			used += (size_t)snprintf(sql + used, SQL_MAX - used, "%s'%s', %s", comma, column, column);
		else if (how == EXTRACTS)
			used += (size_t)snprintf(sql + used, SQL_MAX - used, "%sjson_extract(content, '$.%s')", comma,
						 column);
		else
			used += (size_t)snprintf(sql + used, SQL_MAX - used, "%s%s", comma, column);
	}
	return used;
}

static int execute(struct store *store, const char *sql, uint32_t uid)
{
	sqlite3_stmt *statement = NULL;
	int code =
		strlen(sql) + 1 >= SQL_MAX ? SQLITE_TOOBIG : sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_bind_int64(statement, 1, uid);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	code = code == SQLITE_DONE ? 0 : store_errno(store, code);
	sqlite3_finalize(statement);
	return code;
}

static int put(struct store *store, const struct kept_source *source, uint32_t uid)
{
	char sql[SQL_MAX];
	size_t used = (size_t)snprintf(sql, SQL_MAX, "INSERT INTO kept SELECT ?1, '%s', %s, json_object(",
				       source->table, source->number);

	used = put_columns(columns_of(source->table), MEMBERS, sql, used);
	if (used < SQL_MAX)
		snprintf(sql + used, SQL_MAX - used, "%s) FROM %s WHERE %s", source->more, source->table,
			 source->which);
	return execute(store, sql, uid);
}

static int bring(struct store *store, const struct kept_source *source, uint32_t uid)
{
	const struct store_digest *digest = columns_of(source->table);
	char sql[SQL_MAX];
	size_t used = (size_t)snprintf(sql, SQL_MAX, "INSERT INTO %s (", source->table);

	used = put_columns(digest, NAMES, sql, used);
	if (used < SQL_MAX)
		used += (size_t)snprintf(sql + used, SQL_MAX - used, ") SELECT ");
	used = put_columns(digest, EXTRACTS, sql, used);
	if (used < SQL_MAX)
		snprintf(sql + used, SQL_MAX - used, " FROM kept WHERE uid = ?1 AND source = '%s' ORDER BY number",
			 source->table);
	return execute(store, sql, uid);
}

int store_kept_put(struct store *store, uint32_t uid)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	r = store_run(store, SQL_KEPT_DELETE, VALUES(NUMBER(uid)));
	for (size_t i = 0; r == 0 && i < SOURCES; i++)
		r = put(store, &sources[i], uid);
	return store_save_end(store, r);
}

int store_kept_bring(struct store *store, uint32_t uid)
{
	int r = store_save(store);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < SOURCES; i++)
		r = sources[i].back ? bring(store, &sources[i], uid) : 0;
	if (r == 0)
		r = store_run(store, SQL_KEPT_FORMER, VALUES(NUMBER(uid)));
	return store_save_publish(store, r);
}

int store_kept_before(struct store *store, int64_t when)
{
	int64_t found = 0;
	int r = store_one(store, SQL_KEPT_BEFORE, VALUES(NUMBER(when)), number_read, &found);

	return r < 0 ? r : found != 0;
}

int store_kept_delete(struct store *store, uint32_t uid)
{
	return store_change(store, SQL_KEPT_DELETE, VALUES(NUMBER(uid)));
}
