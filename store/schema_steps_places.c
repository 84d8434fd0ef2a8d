/* SPDX-License-Identifier: ISC */
/*
 * The step of the schema (schema_steps.c) for the order in which the ranges of a holder are listed. Run by the broker
 * and the state program (root).
 *
 * place     of a range among those of its holder: a container's map is the list, so each stays where it was.
 * behind_*  how many lines of others for the same holder come before it in /etc/subuid and in /etc/subgid: a line that
 * is added later comes behind it. 65535: all of them, as ranges were listed before this step.
 */
#include <stddef.h>

#include "store/schema_steps.h"

static const char step_places[] =
	"DROP TRIGGER ranges_fixed;\n"
	"ALTER TABLE ranges ADD COLUMN place INTEGER NOT NULL DEFAULT 0 CHECK (place >= 0);\n"
	"ALTER TABLE ranges ADD COLUMN behind_uids INTEGER NOT NULL DEFAULT 65535\n"
	"	CHECK (behind_uids BETWEEN 0 AND 65535);\n"
	"ALTER TABLE ranges ADD COLUMN behind_gids INTEGER NOT NULL DEFAULT 65535\n"
	"	CHECK (behind_gids BETWEEN 0 AND 65535);\n"
	"UPDATE ranges SET place = o.n FROM (SELECT first, row_number()\n"
	"	OVER (PARTITION BY owner, account_uid ORDER BY first) AS n FROM ranges) AS o\n"
	"	WHERE o.first = ranges.first;\n"
	"UPDATE kept SET content = json_set(content, '$.place', number,\n"
	"	'$.behind_uids', 65535, '$.behind_gids', 65535) WHERE source = 'ranges';\n"
	/* what a range is stays; its place follows that of a line which becomes a range */
	"CREATE TRIGGER ranges_fixed BEFORE UPDATE OF first, owner, owner_uid, account_uid, created ON ranges\n"
	"WHEN NEW.first <> OLD.first OR NEW.account_uid IS NOT OLD.account_uid OR NEW.created <> OLD.created\n"
	"	OR NOT EXISTS (SELECT 1 FROM changing WHERE owner = NEW.owner AND owner_uid = NEW.owner_uid)\n"
	"BEGIN SELECT RAISE(ABORT, 'ranges are given and taken, and follow their owner alone'); END;\n";

const char *const store_step_places[] = { step_places, NULL };
