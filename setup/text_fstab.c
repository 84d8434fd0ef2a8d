/* SPDX-License-Identifier: ISC */
/* The line of fstab(5) that mounts the homes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "confine/cleanup.h"
#include "setup/text.h"

#define BLANKS " \t"

/* The mount point of a line is this directory. */
static bool line_mounts(const char *line, size_t length, const char *directory)
{
	const char *end = line + length;

	line += strspn(line, BLANKS);
	if (line >= end || *line == '#')
		return false;
	line += strcspn(line, BLANKS "\n");
	line += strspn(line, BLANKS);
	return line < end && strcspn(line, BLANKS "\n") == strlen(directory) &&
	       strncmp(line, directory, strlen(directory)) == 0;
}

int fstab_with(const char *text, const char *directory, const char *line, char **out)
{
	size_t length = strlen(text);

	for (const char *at = text; *at != '\0';) {
		size_t one = strcspn(at, "\n");

		if (line_mounts(at, one, directory))
			return -EEXIST;
		at += one + (at[one] == '\n');
	}
	return asprintf(out, "%s%s" FSTAB_OURS "\n%s\n", text, length > 0 && text[length - 1] != '\n' ? "\n" : "",
			line) < 0 ?
		       -ENOMEM :
		       0;
}

int fstab_without(const char *text, char **out)
{
	const char *ours = strstr(text, FSTAB_OURS "\n");
	const char *rest;

	while (ours != NULL && ours > text && ours[-1] != '\n')
		ours = strstr(ours + 1, FSTAB_OURS "\n");
	if (ours == NULL)
		return (*out = strdup(text)) == NULL ? -ENOMEM : 0;
	rest = ours + sizeof(FSTAB_OURS);
	rest += strcspn(rest, "\n");
	rest += *rest == '\n';
	return asprintf(out, "%.*s%s", (int)(ours - text), text, rest) < 0 ? -ENOMEM : 0;
}
