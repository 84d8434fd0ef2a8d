/* SPDX-License-Identifier: ISC */
/* The step of the schema (schema_steps.c) for accounts with two factors. Run by the broker and the state program
 * (root). */
#include <stddef.h>

#include "store/schema_steps.h"

/* Whether a login needs a key and a password (1), or one of them (0). */
static const char step_factors[] =
	"ALTER TABLE accounts ADD COLUMN factors INTEGER NOT NULL DEFAULT 0 CHECK (factors BETWEEN 0 AND 1);\n"
	"UPDATE kept SET content = json_set(content, '$.factors', 0) WHERE source = 'accounts';\n";

const char *const store_step_factors[] = { step_factors, NULL };
