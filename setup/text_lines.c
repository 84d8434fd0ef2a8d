/* SPDX-License-Identifier: ISC */
/* Pure functions over files in which each line stands for itself: lines that setup adds, and takes out again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "setup/text.h"

static bool has_line(const char *text, const char *wanted)
{
	cleanup_free char *line = NULL;

	for (const char *at = text; text_next_line(&at, &line); free(steal_ptr(&line)))
		if (strcmp(line, wanted) == 0)
			return true;
	return false;
}

int lines_take_out(const char *now, const char *before, const char *after, char **out)
{
	cleanup_free char *line = NULL, *made = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&made, &size);

	if (stream == NULL)
		return -ENOMEM;
	for (const char *at = now; text_next_line(&at, &line); free(steal_ptr(&line)))
		if (!has_line(after, line) || has_line(before, line))
			fprintf(stream, "%s\n", line);
	if (fclose(stream) != 0)
		return -ENOMEM;
	*out = steal_ptr(&made);
	return 0;
}

bool usernet_allows(const char *text, const char *user)
{
	const size_t length = strlen(user);
	cleanup_free char *line = NULL;

	for (const char *at = text; text_next_line(&at, &line); free(steal_ptr(&line)))
		if (strncmp(line, user, length) == 0 && (line[length] == ' ' || line[length] == '\t'))
			return true;
	return false;
}

int usernet_add(const char *text, const char *user, char **out)
{
	const size_t length = strlen(text);

	return asprintf(out, "%s%s%s veth lxcbr0 10\n", text, length > 0 && text[length - 1] != '\n' ? "\n" : "",
			user) < 0 ?
		       -ENOMEM :
		       0;
}
