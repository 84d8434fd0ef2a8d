/* SPDX-License-Identifier: ISC */
/* The step of the schema (schema_steps.c) for accounts with a service manager. Run by the broker and the state program
 * (root). */
#include <stddef.h>

#include "store/schema_steps.h"

/* Whether root lets it have one (1). */
static const char step_services[] =
	"ALTER TABLE accounts ADD COLUMN services INTEGER NOT NULL DEFAULT 0 CHECK (services BETWEEN 0 AND 1);\n"
	"UPDATE kept SET content = json_set(content, '$.services', 0) WHERE source = 'accounts';\n";

const char *const store_step_services[] = { step_services, NULL };
