/* SPDX-License-Identifier: ISC */
/*
 * The digest: triggers XOR the hashes of all rows that decide something, or record what was done, into one number of
 * the table `meta`, so that a row that was changed by anything but a statement is found when the hashes are added up
 * again. Run by the broker and the state program (root).
 *
 * row_digest(before, table, column...) is `before` XOR the hash of the row. All our connections have this function;
 * another program (sqlite3(1)) lacks it, so its changes are refused.
 */
#include <errno.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "store/hash.h"
#include "store/sqlite.h"

#define SQL_MAX 2048

/* All columns that are stored. A new column belongs here: a test compares this list with the schema. */
const struct store_digest store_digests[] = {
	{ "ids",
	  { "first", "last", "kind", "since", "held_owner", "held_label", "held_owner_uid", "held_account_uid" } },
	{ "accounts",
	  { "uid",       "owner",      "owner_uid", "label",    "state",   "flags",     "created", "expires_day",
	    "quota",     "comment",    "view",      "files",    "contact", "processes", "memory",  "open_files",
	    "file_size", "cpu_weight", "io_weight", "sessions", "logins",  "bandwidth", "factors", "services" } },
	{ "keys",
	  { "id", "uid", "role", "options", "created", "expires", "source", "type", "comment", "fingerprint", "blob",
	    "tools", "storage_quota", "forward", "command", "net", "hash" } },
	{ "manage_keys",
	  { "id", "owner", "owner_uid", "created", "expires", "source", "type", "comment", "fingerprint", "blob" } },
	{ "ranges",
	  { "first", "owner", "owner_uid", "account_uid", "created", "place", "behind_uids", "behind_gids" } },
	{ "removed", { "uid", "keep", "since", "owner", "label", "known", "why" } },
	{ "kept", { "uid", "source", "number", "content" } },
	{ "limits",
	  { "owner", "accounts", "keys", "ranges", "processes", "memory", "open_files", "file_size", "cpu_weight",
	    "io_weight", "sessions", "logins", "bandwidth" } },
	{ "released", { "first", "last" } },
	{ "former_names", { "seq", "owner", "label", "uid", "owner_uid", "since", "known", "moving" } },
	{ "watches", { "uid", "last_run", "last_status", "last_good", "alarm", "since", "told" } },
	{ "key_uses", { "key_id", "used" } },
	{ "told", { "uid", "kind", "key_id", "mark" } },
	{ "audit",
	  { "seq", "time", "uid", "pid", "status", "target_uid", "caller", "action", "target", "detail", "owner" } },
	{ "runs",
	  { "seq", "uid", "started", "duration", "bytes_in", "bytes_out", "files", "key_id", "status", "kind", "tool",
	    "address", "fingerprint", "error", "deleted" } },
};
const size_t store_digests_count = sizeof(store_digests) / sizeof(store_digests[0]);

/* ---- the function ---- */

static uint64_t value_hash(uint64_t before, sqlite3_value *value)
{
	int type = sqlite3_value_type(value);
	uint64_t h = store_hash_number(before, (uint64_t)type);
	double real;
	uint64_t bits;
	const void *data;

	switch (type) {
	case SQLITE_INTEGER:
		return store_hash_number(h, (uint64_t)sqlite3_value_int64(value));
	case SQLITE_FLOAT:
		real = sqlite3_value_double(value);
		memcpy(&bits, &real, sizeof(bits));
		return store_hash_number(h, bits);
	case SQLITE_NULL:
		return h;
	default:
		data = type == SQLITE_TEXT ? (const void *)sqlite3_value_text(value) : sqlite3_value_blob(value);
		return store_hash(h, data != NULL ? data : "", data != NULL ? (size_t)sqlite3_value_bytes(value) : 0);
	}
}

static void row_digest(sqlite3_context *context, int count, sqlite3_value **values)
{
	uint64_t h = 0;

	if (count < 3) {
		sqlite3_result_error(context, "row_digest(before, table, column...)", -1);
		return;
	}
	for (int i = 1; i < count; i++)
		h = value_hash(h, values[i]);
	sqlite3_result_int64(context, (sqlite3_int64)((uint64_t)sqlite3_value_int64(values[0]) ^ h));
}

/* Innocuous: a trigger may call it although the schema is not trusted. */
int store_digest_function(sqlite3 *db)
{
	return sqlite3_create_function_v2(db, "row_digest", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
					  NULL, row_digest, NULL, NULL, NULL);
}

/* ---- the triggers ---- */

/* row_digest(BEFORE, 'table', PREFIXcolumn, ...) */
static void call_text(const struct store_digest *digest, const char *before, const char *prefix, char out[SQL_MAX])
{
	size_t length = (size_t)snprintf(out, SQL_MAX, "row_digest(%s, '%s'", before, digest->table);

	for (size_t i = 0; i < STORE_DIGEST_COLUMNS && digest->columns[i] != NULL && length < SQL_MAX; i++)
		length += (size_t)snprintf(out + length, SQL_MAX - length, ", %s%s", prefix, digest->columns[i]);
	if (length < SQL_MAX)
		snprintf(out + length, SQL_MAX - length, ")");
}

static int trigger_make(sqlite3 *db, const char *table, const char *what, const char *value)
{
	char sql[2 * SQL_MAX];

	if (snprintf(sql, sizeof(sql),
		     "DROP TRIGGER IF EXISTS digest_%s_%s;"
		     "CREATE TRIGGER digest_%s_%s AFTER %s ON %s BEGIN"
		     " UPDATE meta SET value = %s WHERE name = 'digest'; END",
		     table, what, table, what, what, table, value) >= (int)sizeof(sql))
		return SQLITE_TOOBIG;
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int triggers_make(sqlite3 *db, const struct store_digest *digest)
{
	char old[SQL_MAX], new[SQL_MAX], both[SQL_MAX];
	int code;

	call_text(digest, "value", "OLD.", old);
	call_text(digest, "value", "NEW.", new);
	call_text(digest, old, "NEW.", both);
	code = trigger_make(db, digest->table, "insert", new);
	if (code == SQLITE_OK)
		code = trigger_make(db, digest->table, "delete", old);
	return code == SQLITE_OK ? trigger_make(db, digest->table, "update", both) : code;
}

/* ---- adding up ---- */

static int table_sum(sqlite3 *db, const struct store_digest *digest, uint64_t *sum)
{
	char call[SQL_MAX], sql[SQL_MAX + 64];
	sqlite3_stmt *statement;
	int code;

	call_text(digest, "0", "", call);
	snprintf(sql, sizeof(sql), "SELECT %s FROM %s", call, digest->table);
	code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (code != SQLITE_OK)
		return code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		*sum ^= (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_digest_sum(sqlite3 *db, uint64_t *sum)
{
	uint64_t all = 0;
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < store_digests_count; i++)
		code = table_sum(db, &store_digests[i], &all);
	if (code == SQLITE_OK)
		*sum = all;
	return code;
}

/* ---- before a step: as the store was sealed, by what its own triggers say */

/* "row_digest(value, 'table', NEW.a, NEW.b)" of the trigger: the same call for a row that is read. */
static bool call_of_trigger(const char *trigger, char out[SQL_MAX])
{
	const char *at = strstr(trigger, "row_digest(value,"), *end = at != NULL ? strstr(at, " WHERE name") : NULL;
	size_t used = 0;

	if (end == NULL)
		return false;
	at += strlen("row_digest(value");
	used = (size_t)snprintf(out, SQL_MAX, "row_digest(0");
	while (at < end && used + 1 < SQL_MAX) {
		if (strncmp(at, "NEW.", 4) == 0)
			at += 4;
		else
			out[used++] = *at++;
	}
	out[used] = '\0';
	return at == end;
}

static int sealed_sum(sqlite3 *db, sqlite3_stmt *triggers, uint64_t *sum)
{
	char call[SQL_MAX], sql[SQL_MAX + 128];
	sqlite3_stmt *rows = NULL;
	int code;

	if (!call_of_trigger((const char *)sqlite3_column_text(triggers, 1), call))
		return SQLITE_CORRUPT;
	snprintf(sql, sizeof(sql), "SELECT %s FROM %s", call, (const char *)sqlite3_column_text(triggers, 0));
	code = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
	while (code == SQLITE_OK && (code = sqlite3_step(rows)) == SQLITE_ROW) {
		*sum ^= (uint64_t)sqlite3_column_int64(rows, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(rows);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_digest_prove(sqlite3 *db)
{
	sqlite3_stmt *triggers = NULL, *kept = NULL;
	uint64_t sum = 0;
	int code = sqlite3_prepare_v2(db,
				      "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'"
				      " AND name GLOB 'digest_*_insert'",
				      -1, &triggers, NULL);

	while (code == SQLITE_OK && (code = sqlite3_step(triggers)) == SQLITE_ROW)
		code = sealed_sum(db, triggers, &sum);
	sqlite3_finalize(triggers);
	if (code == SQLITE_DONE)
		code = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name = 'digest'", -1, &kept, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(kept);
	if (code == SQLITE_ROW && (uint64_t)sqlite3_column_int64(kept, 0) != sum)
		code = SQLITE_CORRUPT;
	sqlite3_finalize(kept);
	return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code; /* none: an older store */
}

int store_digest_install(sqlite3 *db)
{
	char sql[128];
	uint64_t sum = 0;
	int code = SQLITE_OK;

	for (size_t i = 0; code == SQLITE_OK && i < store_digests_count; i++)
		code = triggers_make(db, &store_digests[i]);
	if (code == SQLITE_OK)
		code = store_digest_sum(db, &sum);
	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO meta VALUES ('digest', %lld)", (long long)sum);
	return code == SQLITE_OK ? sqlite3_exec(db, sql, NULL, NULL, NULL) : code;
}
