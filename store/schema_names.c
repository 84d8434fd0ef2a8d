/* SPDX-License-Identifier: ISC */
/* A step of the schema (schema_steps.c): names that change. Run by the broker when it opens an older store. */
#include <stddef.h>

#include "store/schema_steps.h"

/* An account's name may change, by way of a state of its own (2, which an older version had for accounts that were not
 * complete), and only beside a row that says which name its directory and link have still. When these have followed,
 * the row says how it was called before, for a time. */
static const char step_names[] =
	"DROP TRIGGER accounts_forward;\n"
	"DROP TRIGGER accounts_fixed;\n"
	"DROP TRIGGER ranges_fixed;\n"
	"UPDATE accounts SET state = 1 WHERE state = 2;\n"
	"CREATE TABLE former_names (\n"
	"	seq INTEGER PRIMARY KEY AUTOINCREMENT,\n"
	"	owner TEXT NOT NULL " OWNER_CHECK ",\n"
	"	label TEXT NOT NULL CHECK (label GLOB '[a-z0-9]*' AND label NOT GLOB '*[^a-z0-9_-]*'\n"
	"		AND length(label) <= 31),\n"
	"	uid INTEGER NOT NULL REFERENCES accounts (uid) ON DELETE CASCADE,\n"
	"	owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND " TOP_ID "),\n"
	"	since INTEGER NOT NULL,\n"
	"	known INTEGER NOT NULL CHECK (known >= 0),\n"
	"	moving INTEGER NOT NULL CHECK (moving IN (0, 1)),\n"
	"	UNIQUE (owner, label, uid)\n"
	") STRICT;\n"
	"CREATE INDEX former_names_name ON former_names (owner, label);\n" /* and by seq within */
	"CREATE INDEX former_names_uid ON former_names (uid);\n"
	"CREATE UNIQUE INDEX former_names_moving ON former_names (uid) WHERE moving = 1;\n"
	"CREATE INDEX former_names_since ON former_names (since) WHERE moving = 0;\n"
	"CREATE INDEX removed_owner ON removed (owner);\n"
	"CREATE INDEX ids_held_owner ON ids (held_owner) WHERE held_owner <> '';\n"
	"CREATE TRIGGER accounts_forward BEFORE UPDATE OF state ON accounts\n"
	"WHEN (NEW.state < OLD.state AND NOT (OLD.state = 3 AND NEW.state = 2))\n"
	"	OR (NEW.state = 2 AND OLD.state NOT IN (2, 3)) OR (OLD.state = 2 AND NEW.state NOT IN (2, 3))\n"
	"BEGIN SELECT RAISE(ABORT, 'an account never goes back to an earlier state'); END;\n"
	"CREATE TRIGGER accounts_fixed BEFORE UPDATE OF uid, owner, label, created ON accounts\n"
	"WHEN NEW.uid <> OLD.uid OR NEW.created <> OLD.created OR ((NEW.owner <> OLD.owner OR NEW.label <> OLD.label)\n"
	"	AND NOT (NEW.state = 2 AND EXISTS (SELECT 1 FROM former_names WHERE uid = NEW.uid AND moving = 1)))\n"
	"BEGIN SELECT RAISE(ABORT, 'the uid of an account is fixed, and its name changes only as moving'); END;\n"
	"CREATE TRIGGER accounts_renamed AFTER UPDATE OF owner ON accounts WHEN NEW.owner <> OLD.owner BEGIN\n"
	"	INSERT INTO usage (owner, accounts) VALUES (NEW.owner, 1)\n"
	"		ON CONFLICT (owner) DO UPDATE SET accounts = accounts + 1;\n"
	"	UPDATE usage SET accounts = accounts - 1 WHERE owner = OLD.owner;\n"
	"	DELETE FROM usage WHERE owner = OLD.owner AND accounts = 0 AND units = 0;\n"
	"END;\n"
	"CREATE TABLE changing (owner TEXT PRIMARY KEY, owner_uid INTEGER NOT NULL) STRICT, WITHOUT ROWID;\n"
	"CREATE TRIGGER ranges_fixed BEFORE UPDATE ON ranges\n"
	"WHEN NEW.first <> OLD.first OR NEW.account_uid IS NOT OLD.account_uid OR NEW.created <> OLD.created\n"
	"	OR NOT EXISTS (SELECT 1 FROM changing WHERE owner = NEW.owner AND owner_uid = NEW.owner_uid)\n"
	"BEGIN SELECT RAISE(ABORT, 'ranges are given and taken, and follow their owner alone'); END;\n"
	"CREATE TRIGGER ranges_follow_their_account BEFORE UPDATE OF owner, owner_uid ON ranges\n"
	"WHEN NEW.account_uid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM accounts\n"
	"	WHERE uid = NEW.account_uid AND owner = NEW.owner AND owner_uid = NEW.owner_uid)\n"
	"BEGIN SELECT RAISE(ABORT, 'a range of an account belongs to the owner of that account'); END;\n"
	"CREATE TRIGGER ranges_renamed AFTER UPDATE OF owner ON ranges WHEN NEW.owner <> OLD.owner BEGIN\n"
	"	INSERT INTO usage (owner, units) SELECT NEW.owner, (last - first + 65536) / 65536 FROM ids\n"
	"		WHERE first = NEW.first ON CONFLICT (owner) DO UPDATE SET units = units + excluded.units;\n"
	"	UPDATE usage SET units = units\n"
	"		- (SELECT (last - first + 65536) / 65536 FROM ids WHERE first = NEW.first)\n"
	"		WHERE owner = OLD.owner;\n"
	"	DELETE FROM usage WHERE owner = OLD.owner AND accounts = 0 AND units = 0;\n"
	"END;\n";

const char *const store_step_names[] = { step_names, NULL };
