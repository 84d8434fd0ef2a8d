/* SPDX-License-Identifier: ISC */
/* Makes the environment of a tool: of the client's there is nothing in it. Run by tool, as the account. */
#include "backup/tool_environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backup/new_files.h"

/* The profile's value of a variable, whose name ends at the '=' in entry, counts; a program takes the first of two. */
static bool profile_sets(const struct tool_profile *profile, const char *entry)
{
	for (size_t i = 0; i < profile->environment.count; i++)
		if (strncmp(profile->environment.words[i], entry, strcspn(entry, "=") + 1) == 0)
			return true;
	return false;
}

/* HOME is a path that does not exist: the client could write whatever a tool reads there. */
int tool_environment(const struct tool_profile *profile, enum tool_form form, const struct tool_values *values,
		     struct text_list *environment)
{
	static const char *const defaults[] = { "PATH=/usr/bin:/bin", "HOME=/nonexistent", "LANG=C.UTF-8" };
	const char *user = getenv("USER");
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (!profile_sets(profile, defaults[i]))
			r = text_list_add(environment, defaults[i]);
	if (r == 0 && user != NULL && !profile_sets(profile, "USER="))
		r = text_list_format(environment, "USER=%s", user);
	if (r == 0 && profile->form[form].own_dates)
		r = text_list_add(environment, NEW_FILES_VARIABLE);
	for (size_t i = 0; r == 0 && i < profile->environment.count; i++)
		r = tool_word_fill(profile->environment.words[i], values, environment);
	return r;
}
