/* SPDX-License-Identifier: ISC */
/* The step of the schema (schema_steps.c) for bounds of accounts and, for their accounts, of owners. Run by the broker
 * and the state program (root). */
#include <stddef.h>

#include "store/schema_steps.h"

/* 0: not said. */
#define BOUND(table, name)                                                                                             \
	"ALTER TABLE " table " ADD COLUMN " name " INTEGER NOT NULL DEFAULT 0 CHECK (" name " >= 0);\n"
#define ALL_BOUNDS(table)                                                                                              \
	BOUND(table, "processes")                                                                                      \
	BOUND(table, "memory")                                                                                         \
	BOUND(table, "open_files")                                                                                     \
	BOUND(table, "file_size")                                                                                      \
	BOUND(table, "cpu_weight")                                                                                     \
	BOUND(table, "io_weight")                                                                                      \
	BOUND(table, "sessions")                                                                                       \
	BOUND(table, "logins")                                                                                         \
	BOUND(table, "bandwidth")

static const char step_accounts[] = ALL_BOUNDS("accounts");
/* The first stores had this table without a rowid, by which a list of it goes on. */
static const char step_limits[] = "CREATE TABLE limits_now (\n"
				  "	owner TEXT PRIMARY KEY " OWNER_CHECK ",\n"
				  "	accounts INTEGER NOT NULL CHECK (accounts BETWEEN 0 AND 4294967295),\n"
				  "	keys INTEGER NOT NULL CHECK (keys BETWEEN 0 AND 4294967295),\n"
				  "	ranges INTEGER NOT NULL CHECK (ranges BETWEEN 0 AND 4294967295)\n"
				  ") STRICT;\n"
				  "INSERT INTO limits_now SELECT owner, accounts, keys, ranges FROM limits;\n"
				  "DROP TABLE limits;\n"
				  "ALTER TABLE limits_now RENAME TO limits;\n" ALL_BOUNDS("limits");
static const char step_kept[] =
	"UPDATE kept SET content = json_set(content, '$.processes', 0, '$.memory', 0, '$.open_files', 0, "
	"'$.file_size', 0,"
	" '$.cpu_weight', 0, '$.io_weight', 0, '$.sessions', 0, '$.logins', 0, '$.bandwidth', 0)"
	" WHERE source = 'accounts';\n";

const char *const store_step_bounds[] = { step_accounts, step_limits, step_kept, NULL };
