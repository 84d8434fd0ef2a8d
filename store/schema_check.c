/* SPDX-License-Identifier: ISC */
/*
 * The digest of the schema. The texts of tables, indexes and triggers are rows that no trigger watches: if a disk
 * changed a byte in one of them, a constraint would no longer be enforced. The transaction that brings a store to the
 * newest version records their hash. Statistics of SQLite's own (sqlite_stat1) are not in it.
 */
#include <errno.h>
#include <stdio.h>

#include "store/hash.h"
#include "store/sqlite.h"

static int schema_hash(sqlite3 *db, uint64_t *hash)
{
	sqlite3_stmt *rows = NULL;
	uint64_t h = 0;
	int code = sqlite3_prepare_v2(db,
				      "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || sql FROM sqlite_schema"
				      " WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name",
				      -1, &rows, NULL);

	while (code == SQLITE_OK && (code = sqlite3_step(rows)) == SQLITE_ROW) {
		const unsigned char *text = sqlite3_column_text(rows, 0);

		h = store_hash(h, text != NULL ? (const char *)text : "", (size_t)sqlite3_column_bytes(rows, 0));
		code = SQLITE_OK;
	}
	sqlite3_finalize(rows);
	if (code == SQLITE_DONE)
		*hash = h;
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

int store_schema_seal(sqlite3 *db)
{
	char sql[128];
	uint64_t hash = 0;
	int code = schema_hash(db, &hash);

	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO meta VALUES ('schema', %lld)", (long long)hash);
	return code != SQLITE_OK ? code : sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int store_schema_check(sqlite3 *db)
{
	sqlite3_stmt *kept = NULL;
	uint64_t hash = 0;
	int code = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE name = 'schema'", -1, &kept, NULL);
	bool differs = false;

	if (code == SQLITE_OK)
		code = schema_hash(db, &hash);
	if (code == SQLITE_OK)
		code = sqlite3_step(kept);
	if (code == SQLITE_ROW)
		differs = (uint64_t)sqlite3_column_int64(kept, 0) != hash;
	sqlite3_finalize(kept);
	if (code == SQLITE_ROW || code == SQLITE_DONE) /* an older store: nothing to compare with */
		code = differs ? SQLITE_CORRUPT : SQLITE_OK;
	return code;
}
