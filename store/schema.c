/* SPDX-License-Identifier: ISC */
/*
 * Brings a file to the newest version of the schema, one transaction a step (schema_steps.c). Run by the broker (root)
 * when it opens the store.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "store/schema_steps.h"
#include "store/sqlite.h"

int store_schema_version(void)
{
	return store_schema_steps_count;
}

static int read_number(sqlite3 *db, const char *sql, int *number)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (code != SQLITE_OK)
		return code;
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		*number = sqlite3_column_int(statement, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return code;
}

/* Ours, or empty: no tables are put into another program's file. */
static int check_ours(sqlite3 *db, int version, bool *ours)
{
	int found = 0;
	int code;

	if (version == 0) {
		code = read_number(db, "SELECT count(*) FROM sqlite_schema", &found);
		*ours = found == 0;
	} else {
		code = read_number(db, "PRAGMA application_id", &found);
		*ours = found == STORE_APPLICATION_ID;
	}
	return code;
}

static int step_run(sqlite3 *db, int from)
{
	char set_version[64];
	int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (const char *const *part = store_schema_steps[from]; code == SQLITE_OK && *part != NULL; part++)
		code = sqlite3_exec(db, *part, NULL, NULL, NULL);
	if (code == SQLITE_OK && from + 1 == store_schema_steps_count)
		code = store_digest_install(db);
	if (code == SQLITE_OK && from + 1 == store_schema_steps_count)
		code = store_schema_seal(db);
	snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d", from + 1);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, set_version, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (code != SQLITE_OK && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return code;
}

int store_schema_migrate(sqlite3 *db, int *from)
{
	int version = 0;
	bool ours = false;
	int code = read_number(db, "PRAGMA user_version", &version);

	if (code == SQLITE_OK)
		code = check_ours(db, version, &ours);
	if (code == SQLITE_OK && (!ours || version < 0 || version > store_schema_steps_count))
		return -EPROTO;
	*from = version;
	if (code == SQLITE_OK && version > 0 && version < store_schema_steps_count)
		code = store_digest_prove(db); /* or the step would vouch for what was damaged before it */
	while (code == SQLITE_OK && version < store_schema_steps_count)
		code = step_run(db, version++);
	return code;
}
