/* SPDX-License-Identifier: ISC */
/* Puts our source into nsswitch.conf(5), takes it out, and says what is listed there. Run by setup and doctor (root).
 */
#include "setup/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "setup/nsswitch_line.h"

/* How many sources go before ours. */
static size_t place(const char *line, const struct nss_line *parsed)
{
	size_t before = 0;

	if (strcmp(parsed->database, "initgroups") == 0 || parsed->count == 0)
		return 0;
	if (!nss_source_is(line, &parsed->source[0], "files") && !nss_source_is(line, &parsed->source[0], "compat"))
		return 0;
	do {
		if (parsed->source[before].actions.failure_ends)
			return 0;
		/* `files [SUCCESS=merge] systemd`: nothing may come between the two. */
	} while (parsed->source[before++].actions.success_goes_on && before < parsed->count);
	return before;
}

/* Cuts our source and its actions out of the line, with the space that went with it: the blank that was put before it
 * behind another source, the one behind it at the front, all before it at the end. */
static void line_cut(char *line, const struct nss_line *parsed, const struct nss_source *ours)
{
	size_t start = ours->start, end = ours->end;

	if (ours == &parsed->source[parsed->count - 1])
		while (start > parsed->value_start + 1 && isblank((unsigned char)line[start - 1]))
			start--;
	else if (ours != &parsed->source[0] && isblank((unsigned char)line[start - 1]) &&
		 isblank((unsigned char)line[end]))
		start--;
	else if (isblank((unsigned char)line[end]))
		end++;
	memmove(line + start, line + end, strlen(line + end) + 1);
}

static int insert(char **line, size_t at, const char *text)
{
	char *out = NULL;

	if (asprintf(&out, "%.*s%s%s", (int)at, *line, text, *line + at) < 0)
		return -ENOMEM;
	free(*line);
	*line = out;
	return 0;
}

/* Our source; "[NOTFOUND=continue]sss" are two words without a blank between them. */
static int insert_behind(char **line, size_t at)
{
	bool word = strchr(" \t\r#", (*line)[at]) == NULL; /* the end counts as one of them */

	return insert(line, at, word ? " " NSS_SOURCE " " : " " NSS_SOURCE);
}

static int line_add(char **line, struct nss_line *parsed)
{
	/* In `initgroups` a source that knows the user ends the search unless told otherwise: a membership elsewhere
	 * must not keep a sub-account out of its group, nor the other way round. */
	const char *front =
		strcmp(parsed->database, "initgroups") == 0 ? NSS_SOURCE " [SUCCESS=continue] " : NSS_SOURCE " ";
	long ours;
	size_t before;
	int r;

	while ((ours = nss_source_ours(*line, parsed)) >= 0) {
		if (nss_line_reaches(*line, parsed))
			return 0;
		line_cut(*line, parsed, &parsed->source[ours]);
		r = nss_line_parse(*line, parsed);
		if (r < 0)
			return r;
	}
	if (parsed->count == NSS_SOURCES_MAX) /* with ours it could not be read, nor be taken back */
		return -E2BIG;
	if (parsed->count == 0) /* an empty line means glibc's own default, which is files */
		return insert(line, parsed->value_end, " files " NSS_SOURCE);
	before = place(*line, parsed);
	if (before == 0)
		return insert(line, parsed->source[0].start, front);
	return insert_behind(line, parsed->source[before - 1].end);
}

/* libsubid asks the first source and no other. */
static int subid_line_add(char **line, struct nss_line *parsed)
{
	const struct nss_source *first = &parsed->source[0];

	if (parsed->count == 0)
		return insert(line, parsed->value_end, " " NSS_SOURCE);
	if (nss_source_is(*line, first, NSS_SOURCE))
		return 0;
	memmove(*line + first->start, *line + first->name_end, strlen(*line + first->name_end) + 1);
	return insert(line, first->start, NSS_SOURCE);
}

static const char *const databases[] = { "passwd", "group", "shadow", "initgroups", "subid" };
enum { PASSWD, GROUP, SHADOW, INITGROUPS, SUBID, DATABASES };

static int database_index(const char *name)
{
	for (int i = 0; i < DATABASES; i++)
		if (strcmp(databases[i], name) == 0)
			return i;
	return -1;
}

static int line_edit(char **line, bool subid, bool seen[DATABASES])
{
	struct nss_line parsed;
	int r = nss_line_parse(*line, &parsed), database;

	if (r == -ENOENT)
		return 0;
	database = database_index(parsed.database);
	if (database < 0)
		return 0;
	if (r < 0)
		return r;
	seen[database] = true;
	if (database == SUBID)
		return subid ? subid_line_add(line, &parsed) : 0;
	return line_add(line, &parsed);
}

int nsswitch_add(const char *text, bool subid, char **out)
{
	static const char *const missing[] = { [PASSWD] = "passwd:         files " NSS_SOURCE "\n",
					       [GROUP] = "group:          files " NSS_SOURCE "\n",
					       [SHADOW] = "shadow:         files " NSS_SOURCE "\n",
					       [SUBID] = "subid:          " NSS_SOURCE "\n" };
	bool seen[DATABASES] = { [INITGROUPS] = true, [SUBID] = !subid };
	cleanup_free char *made = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&made, &size);
	int r = 0;

	if (stream == NULL)
		return -ENOMEM;
	for (const char *at = text; r == 0 && *at != '\0';) {
		cleanup_free char *line = NULL;

		if (!text_next_line(&at, &line)) {
			r = -ENOMEM;
			break;
		}
		r = line_edit(&line, subid, seen);
		fputs(line, stream);
		if (at[-1] == '\n')
			fputc('\n', stream);
	}
	for (int i = 0; i < DATABASES; i++) {
		if (seen[i])
			continue;
		if (fflush(stream) == 0 && size > 0 && made[size - 1] != '\n')
			fputc('\n', stream);
		fputs(missing[i], stream);
	}
	if (fclose(stream) != 0)
		return -ENOMEM;
	if (r == 0)
		*out = steal_ptr(&made);
	return r;
}

/* The line without our source; *drop if nothing remains of it. only: for this database, -1 for all. */
static int line_remove(char **line, const char *subid, int only, bool *drop)
{
	struct nss_line parsed;
	long ours;

	*drop = false;
	while (nss_line_parse(*line, &parsed) == 0 && database_index(parsed.database) >= 0 &&
	       (only < 0 || database_index(parsed.database) == only) && (ours = nss_source_ours(*line, &parsed)) >= 0) {
		size_t at = parsed.source[ours].start;

		if (database_index(parsed.database) == SUBID && ours == 0 && subid[0] != '\0') {
			memmove(*line + at, *line + parsed.source[0].name_end,
				strlen(*line + parsed.source[0].name_end) + 1);
			return insert(line, at, subid);
		}
		*drop = parsed.count == 1; /* no line: glibc's and libsubid's own default, files */
		line_cut(*line, &parsed, &parsed.source[ours]);
	}
	return 0;
}

static int lines_remove(const char *text, const char *subid, int only, char **out)
{
	cleanup_free char *made = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&made, &size);

	if (stream == NULL)
		return -ENOMEM;
	for (const char *at = text; *at != '\0';) {
		cleanup_free char *line = NULL;
		bool drop;

		if (!text_next_line(&at, &line) || line_remove(&line, subid, only, &drop) < 0) {
			fclose(stream);
			return -ENOMEM;
		}
		if (!drop)
			fprintf(stream, "%s%s", line, at[-1] == '\n' ? "\n" : "");
	}
	if (fclose(stream) != 0)
		return -ENOMEM;
	*out = steal_ptr(&made);
	return 0;
}

int nsswitch_remove(const char *text, const char *subid, char **out)
{
	return lines_remove(text, subid, -1, out);
}

int nsswitch_remove_subid(const char *text, const char *subid, char **out)
{
	return lines_remove(text, subid, SUBID, out);
}

/* glibc takes the last line of a database. */
static bool database_line(const char *text, const char *database, char **ret_line, struct nss_line *ret_parsed)
{
	bool found = false;

	for (const char *at = text; *at != '\0';) {
		cleanup_free char *line = NULL;
		struct nss_line parsed;

		if (!text_next_line(&at, &line))
			break;
		if (nss_line_parse(line, &parsed) != 0 || strcmp(parsed.database, database) != 0)
			continue;
		free(*ret_line);
		*ret_line = steal_ptr(&line);
		*ret_parsed = parsed;
		found = true;
	}
	return found;
}

bool nsswitch_reaches(const char *text, const char *database)
{
	cleanup_free char *line = NULL;
	struct nss_line parsed;

	return database_line(text, database, &line, &parsed) && nss_line_reaches(line, &parsed);
}

void nsswitch_first_source(const char *text, const char *database, char *source, size_t size)
{
	cleanup_free char *line = NULL;
	struct nss_line parsed;

	source[0] = '\0';
	if (!database_line(text, database, &line, &parsed) || parsed.count == 0)
		return;
	snprintf(source, size, "%.*s", (int)(parsed.source[0].name_end - parsed.source[0].start),
		 line + parsed.source[0].start);
}
