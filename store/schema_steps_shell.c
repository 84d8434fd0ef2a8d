/* SPDX-License-Identifier: ISC */
/* The step of the schema (schema_steps.c) for keys with a shell. Run by the broker and the state program (root). */
#include <stddef.h>

#include "store/schema_steps.h"

/* Keys with a shell: the line of the role command, and the ports that may be connected to. */
static const char step_shell[] =
	"ALTER TABLE keys ADD COLUMN command TEXT NOT NULL DEFAULT '' CHECK (length(CAST(command AS BLOB)) <= 255);\n"
	"ALTER TABLE keys ADD COLUMN net TEXT NOT NULL DEFAULT ''\n"
	"	CHECK (length(net) <= 63 AND net NOT GLOB '*[^0-9,]*');\n"
	"UPDATE kept SET content = json_set(content, '$.command', '', '$.net', '') WHERE source = 'keys';\n";

const char *const store_step_shell[] = { step_shell, NULL };
