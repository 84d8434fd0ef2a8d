/* SPDX-License-Identifier: ISC */
/*
 * The step of the schema (schema_steps.c) that makes room for passwords: a password is a key of the type "password",
 * with a hash. Run by the broker and the state program (root).
 */
#include <stddef.h>

#include "store/schema_steps.h"

static const char step_passwords[] =
	"ALTER TABLE keys ADD COLUMN hash TEXT NOT NULL DEFAULT ''\n"
	"	CHECK (length(hash) <= 127 AND hash NOT GLOB '*[^A-Za-z0-9./$]*')\n"
	"	CHECK ((hash <> '') = (type = 'password'));\n"
	"CREATE INDEX keys_password ON keys (uid) WHERE hash <> '';\n"
	"UPDATE kept SET content = json_set(content, '$.hash', '') WHERE source = 'keys';\n";

const char *const store_step_passwords[] = { step_passwords, NULL };
