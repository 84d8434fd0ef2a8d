/* SPDX-License-Identifier: ISC */
/*
 * The step of the schema (schema_steps.c) that keeps the rows of removed accounts.
 *
 * kept      what was known of an account when it was removed: a row for each of its rows in `source`, whose columns are
 *           members of an object (kept.c). They go when its data is deleted, or when the account is active again. The
 *           id is one that is never given to anybody else meanwhile.
 */
#include <stddef.h>

#include "store/schema_steps.h"

static const char step_kept[] =
	"CREATE TABLE kept (\n"
	/* a tombstone is released and given out in one transaction when the account comes back */
	"	uid INTEGER NOT NULL REFERENCES ids (first) DEFERRABLE INITIALLY DEFERRED,\n"
	"	source TEXT NOT NULL\n"
	"		CHECK (source IN ('accounts', 'keys', 'key_uses', 'ranges', 'watches', 'runs')),\n"
	"	number INTEGER NOT NULL,\n" /* that a row has there */
	"	content TEXT NOT NULL CHECK (length(content) BETWEEN 2 AND 65535),\n"
	"	PRIMARY KEY (uid, source, number)\n"
	") STRICT, WITHOUT ROWID;\n";

const char *const store_step_kept[] = { step_kept, NULL };
