/* SPDX-License-Identifier: ISC */
/* Steps of the schema (schema_steps.c) for the record of runs. Run by the broker and the state program (root). */
#include <stddef.h>

#include "store/schema_steps.h"

/* A kind of runs more; and what is kept of the last run is from now on that of the last backup. */
static const char step_refused[] =
	"CREATE TABLE runs_more (\n"
	"	seq INTEGER PRIMARY KEY AUTOINCREMENT, uid INTEGER NOT NULL REFERENCES accounts (uid) ON DELETE "
	"CASCADE,\n"
	"	started INTEGER NOT NULL,\n"
	"	duration INTEGER NOT NULL CHECK (duration >= 0),\n" /* ms */
	"	bytes_in INTEGER NOT NULL CHECK (bytes_in >= -1), bytes_out INTEGER NOT NULL CHECK (bytes_out >= -1),\n"
	"	files INTEGER NOT NULL CHECK (files >= -1),\n"
	"	key_id INTEGER NOT NULL, status INTEGER NOT NULL,\n"
	"	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),\n"
	"	tool TEXT NOT NULL CHECK (length(tool) <= 31), address TEXT NOT NULL CHECK (length(address) <= 63),\n"
	"	fingerprint TEXT NOT NULL CHECK (length(fingerprint) <= 63),\n"
	"	error TEXT NOT NULL CHECK (length(CAST(error AS BLOB)) <= 255)\n"
	") STRICT;\n"
	"INSERT INTO sqlite_sequence SELECT 'runs_more', seq FROM sqlite_sequence WHERE name = 'runs';\n"
	"INSERT INTO runs_more SELECT seq, uid, started, duration, bytes_in, bytes_out, files, key_id, status, kind,\n"
	"	tool, address, fingerprint, error FROM runs;\n"
	"DROP TABLE runs;\n"
	"ALTER TABLE runs_more RENAME TO runs;\n"
	"CREATE INDEX runs_uid ON runs (uid);\n"
	"UPDATE watches SET last_run = last_good, last_status = 0;\n"
	"UPDATE watches SET (last_run, last_status) = (SELECT started + duration / 1000, status FROM runs\n"
	"	WHERE uid = watches.uid AND kind = 1 ORDER BY started + duration / 1000 DESC, seq DESC LIMIT 1)\n"
	"	WHERE EXISTS (SELECT 1 FROM runs WHERE uid = watches.uid AND kind = 1\n"
	"		AND started + duration / 1000 >= watches.last_good);\n";

const char *const store_step_refused[] = { step_refused, NULL };

/* How much a run took away. -1: unknown. */
static const char step_deleted[] = "ALTER TABLE runs ADD COLUMN deleted INTEGER NOT NULL DEFAULT -1"
				   " CHECK (deleted >= -1);\n";

const char *const store_step_deleted[] = { step_deleted, NULL };
