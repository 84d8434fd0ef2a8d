/* SPDX-License-Identifier: ISC */
/*
 * The step of the schema (schema_steps.c) that keeps the keys with which owners manage their accounts. Run by the
 * broker and the state program (root).
 *
 * manage_keys    a table of their own: the keys of accounts go with their account, these belong to a user of the host.
 *                owner_uid is the uid that the owner had when the key was added: another user of that name, or another
 *                one of that uid, is not let in by it.
 */
#include <stddef.h>

#include "store/schema_steps.h"

static const char step_manage[] =
	"CREATE TABLE manage_keys (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 4294967295),\n"
	"	owner TEXT NOT NULL " OWNER_CHECK ",\n"
	"	owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 1 AND " TOP_ID "),\n"
	"	created INTEGER NOT NULL,\n"
	"	expires INTEGER NOT NULL CHECK (expires >= 0),\n"
	"	source TEXT NOT NULL\n"
	"		CHECK (length(source) <= 255 AND source NOT GLOB '*[^A-Za-z0-9.:*?!_/,%-]*'),\n"
	"	type TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 47 AND type NOT GLOB '*[^a-z0-9@.-]*'),\n"
	"	comment TEXT NOT NULL CHECK (length(CAST(comment AS BLOB)) <= 127),\n"
	"	fingerprint TEXT NOT NULL\n"
	"		CHECK (length(fingerprint) <= 63 AND fingerprint NOT GLOB '*[^A-Za-z0-9:+/]*'),\n"
	"	blob TEXT NOT NULL CHECK (length(blob) BETWEEN 1 AND 4095 AND blob NOT GLOB '*[^A-Za-z0-9+/=]*'),\n"
	"	UNIQUE (owner_uid, blob)\n"
	") STRICT;\n";

const char *const store_step_manage[] = { step_manage, NULL };
