/* SPDX-License-Identifier: ISC */
/*
 * The step of the schema (schema_steps.c) that keeps which alarms were raised. Run by the broker and the state program
 * (root).
 *
 * told      enum told_kind, about the account or about one of its keys, and the mark that it was raised at: it is
 * raised again only at another one.
 */
#include <stddef.h>

#include "store/schema_steps.h"

static const char step_told[] = "CREATE TABLE told (\n"
				"	uid INTEGER NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,\n"
				"	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 4),\n"
				"	key_id INTEGER NOT NULL DEFAULT 0,\n" /* 0: about the account */
				"	mark INTEGER NOT NULL,\n"
				"	PRIMARY KEY (uid, kind, key_id)\n"
				") STRICT, WITHOUT ROWID;\n"
				"CREATE TRIGGER told_key AFTER DELETE ON keys BEGIN\n"
				"	DELETE FROM told WHERE uid = OLD.uid AND key_id = OLD.id;\n"
				"END;\n";

const char *const store_step_told[] = { step_told, NULL };
