/* SPDX-License-Identifier: ISC */
/* Taking back what the record says, from the last deed to the first. */
#include <string.h>

#include "setup/setup.h"

static const struct {
	const char *kind;
	int (*revert)(struct setup *setup, const json_t *deed);
} kinds[] = {
	{ "group", group_revert },         { "user", user_revert },   { "file", file_revert },
	{ "directory", directory_revert }, { "units", units_revert }, { "pass", pass_revert },
	{ "homes", homes_revert },
};

static int deed_revert(struct setup *setup, const json_t *deed)
{
	const char *kind = json_string_value(json_object_get(deed, "kind"));

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].revert(setup, deed);
	return -1;
}

int record_revert(struct setup *setup, size_t first)
{
	int failed = 0;

	for (size_t i = json_array_size(setup->deeds); i > first; i--) {
		if (deed_revert(setup, json_array_get(setup->deeds, i - 1)) < 0) {
			failed = -1;
			continue;
		}
		if (setup->dry_run)
			continue;
		json_array_remove(setup->deeds, i - 1);
		if (record_save(setup) < 0)
			failed = -1;
	}
	return failed;
}
