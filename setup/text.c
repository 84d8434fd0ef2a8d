/* SPDX-License-Identifier: ISC */
/* Pure functions over the text of configuration files: lines, sshd's settings, and a diff for people. */
#include "setup/text.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "confine/cleanup.h"

bool text_next_line(const char **at, char **line)
{
	size_t length;

	if (**at == '\0')
		return false;
	length = strcspn(*at, "\n");
	*line = strndup(*at, length);
	if (*line == NULL)
		return false;
	*at += length + ((*at)[length] == '\n');
	return true;
}

/* sshd_config: words are separated by blanks, may be "quoted", and `=` may stand behind the keyword. */
static bool config_word(const char **at, char *out, size_t size)
{
	const char *start = *at + strspn(*at, " \t\r");
	size_t length;

	if (*start == '=')
		start += 1 + strspn(start + 1, " \t\r");
	if (*start == '\0' || *start == '#')
		return false;
	if (*start == '"') {
		length = strcspn(++start, "\"");
		*at = start + length + (start[length] == '"');
	} else {
		length = strcspn(start, " \t\r=");
		*at = start + length;
	}
	snprintf(out, size, "%.*s", (int)length, start);
	return true;
}

static bool include_reads(const char *arguments, const char *directory, const char *path)
{
	char pattern[512], full[1024];

	while (config_word(&arguments, pattern, sizeof(pattern))) {
		if (pattern[0] == '/')
			snprintf(full, sizeof(full), "%s", pattern);
		else
			snprintf(full, sizeof(full), "%s/%s", directory, pattern);
		if (fnmatch(full, path, FNM_PATHNAME | FNM_PERIOD) == 0)
			return true;
	}
	return false;
}

bool sshd_config_includes(const char *text, const char *directory, const char *path)
{
	for (const char *at = text; *at != '\0';) {
		cleanup_free char *line = NULL;
		const char *rest;
		char keyword[64];

		if (!text_next_line(&at, &line))
			return false;
		rest = line;
		if (!config_word(&rest, keyword, sizeof(keyword)))
			continue;
		if (strcasecmp(keyword, "Match") == 0)
			return false; /* the rest applies to some connections only */
		if (strcasecmp(keyword, "Include") == 0 && include_reads(rest, directory, path))
			return true;
	}
	return false;
}

void sshd_value(const char *output, const char *keyword, char *value, size_t size)
{
	size_t length = strlen(keyword);

	value[0] = '\0';
	for (const char *at = output; *at != '\0';) {
		size_t line = strcspn(at, "\n");

		if (line > length && strncasecmp(at, keyword, length) == 0 && at[length] == ' ') {
			snprintf(value, size, "%.*s", (int)(line - length - 1), at + length + 1);
			return;
		}
		at += line + (at[line] == '\n');
	}
}

/* ---- differences */

struct lines {
	char **line;
	size_t count;
};

static void lines_free(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		free(lines->line[i]);
	free(lines->line);
}

static bool lines_split(const char *text, struct lines *lines)
{
	for (const char *at = text; *at != '\0';) {
		char **grown = reallocarray(lines->line, lines->count + 1, sizeof(*grown));

		if (grown == NULL)
			return false;
		lines->line = grown;
		if (!text_next_line(&at, &grown[lines->count]))
			return false;
		lines->count++;
	}
	return true;
}

/* If a line of ours was inserted or changed, the next common line is near: both texts go on together at the nearest
 * pair of equal lines. */
static void resynchronise(const struct lines *a, size_t *i, const struct lines *b, size_t *j)
{
	for (size_t distance = 1; *i + *j + distance <= a->count + b->count; distance++) {
		for (size_t k = 0; k <= distance; k++) {
			size_t x = *i + k, y = *j + (distance - k);

			if (x < a->count && y < b->count && strcmp(a->line[x], b->line[y]) == 0) {
				*i = x;
				*j = y;
				return;
			}
		}
	}
	*i = a->count;
	*j = b->count;
}

void text_diff(FILE *out, const char *prefix, const char *before, const char *after)
{
	__attribute__((cleanup(lines_free))) struct lines a = { 0 }, b = { 0 };
	size_t i = 0, j = 0;

	if (!lines_split(before, &a) || !lines_split(after, &b))
		return;
	while (i < a.count || j < b.count) {
		size_t from_i = i, from_j = j;

		if (i < a.count && j < b.count && strcmp(a.line[i], b.line[j]) == 0) {
			i++;
			j++;
			continue;
		}
		resynchronise(&a, &i, &b, &j);
		for (; from_i < i; from_i++)
			fprintf(out, "%s-%s\n", prefix, a.line[from_i]);
		for (; from_j < j; from_j++)
			fprintf(out, "%s+%s\n", prefix, b.line[from_j]);
	}
}

int sshd_dropin(const char *source, const char *unused, char **out)
{
	static const char mark[] = "@UNUSED@", keyword[] = "UnusedConnectionTimeout";
	cleanup_free char *made = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&made, &size);
	cleanup_free char *line = NULL;

	if (stream == NULL)
		return -ENOMEM;
	for (const char *at = source; *at != '\0' && text_next_line(&at, &line); free(steal_ptr(&line))) {
		const char *marked = strstr(line, mark);

		if (unused == NULL && (marked != NULL || strstr(line, keyword) != NULL))
			continue;
		if (marked != NULL)
			fprintf(stream, "%.*s%s%s\n", (int)(marked - line), line, unused, marked + sizeof(mark) - 1);
		else
			fprintf(stream, "%s\n", line);
	}
	if (fclose(stream) != 0)
		return -ENOMEM;
	*out = steal_ptr(&made);
	return 0;
}
