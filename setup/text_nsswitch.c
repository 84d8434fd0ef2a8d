/* SPDX-License-Identifier: ISC */
#include "setup/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "confine/cleanup.h"

#define ITEMS_MAX 32

/* How glibc goes on after a source has answered. */
struct source_actions {
	bool success_goes_on; /* merge or continue */
	bool failure_ends;    /* not found, unavailable or try again: the search is over */
};

/* One source and the [actions] behind it, as offsets into the line. */
struct source {
	size_t start, name_end, end;
	struct source_actions actions;
};

/* "passwd:  files systemd  # comment" */
struct nss_line {
	char database[32];
	size_t value_start, value_end; /* without comment and trailing space */
	struct source source[ITEMS_MAX];
	size_t count;
};

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* One "STATUS=ACTION" or "!STATUS=ACTION". Later ones overrule earlier ones. */
static void action_apply(const char *text, size_t length, struct source_actions *actions)
{
	bool negated = length > 0 && text[0] == '!', success, ends;
	const char *equals = memchr(text, '=', length);
	size_t status_length;

	if (equals == NULL)
		return;
	text += negated;
	status_length = (size_t)(equals - text);
	length -= negated;
	ends = is_word(equals + 1, length - status_length - 1, "return");
	success = is_word(text, status_length, "success");
	if (success != negated)
		actions->success_goes_on = !ends;
	/* Of the three failures any one that ends the search keeps us from being asked;
	 * "!SUCCESS" names them all. */
	if (!success || negated) {
		if (success)
			actions->failure_ends = ends;
		else
			actions->failure_ends |= ends;
	}
}

/* Parses "[NOTFOUND=return SUCCESS=merge]" at `at`; returns the offset behind it, 0 when it does not end. */
static size_t actions_parse(const char *line, size_t at, size_t end, struct source_actions *actions)
{
	const char *close = memchr(line + at, ']', end - at);
	size_t stop;

	if (close == NULL)
		return 0;
	stop = (size_t)(close - line);
	for (at++; at < stop;) {
		size_t length = strcspn(line + at, " \t]");

		action_apply(line + at, length, actions);
		at += length;
		at += strspn(line + at, " \t");
	}
	return stop + 1;
}

static int sources_parse(const char *line, struct nss_line *parsed)
{
	size_t at = parsed->value_start;

	parsed->count = 0;
	while (at < parsed->value_end) {
		struct source *source;

		at += strspn(line + at, " \t\r");
		if (at >= parsed->value_end)
			break;
		if (line[at] == '[') {
			if (parsed->count == 0)
				return -EBADMSG;
			source = &parsed->source[parsed->count - 1];
			at = actions_parse(line, at, parsed->value_end, &source->actions);
			if (at == 0)
				return -EBADMSG;
			source->end = at;
			continue;
		}
		if (parsed->count == ITEMS_MAX)
			return -E2BIG;
		source = &parsed->source[parsed->count++];
		*source = (struct source){ .start = at };
		at += strcspn(line + at, " \t\r[");
		if (at > parsed->value_end)
			at = parsed->value_end;
		source->name_end = source->end = at;
	}
	return 0;
}

/* 0; -ENOENT: a comment, an empty line, no database; -EBADMSG, -E2BIG: one that cannot be edited safely. */
static int line_parse(const char *line, struct nss_line *parsed)
{
	size_t start = strspn(line, " \t"), length = strcspn(line + start, " \t:#"), colon, end;

	colon = start + length + strspn(line + start + length, " \t");
	if (length == 0 || length >= sizeof(parsed->database) || line[colon] != ':')
		return -ENOENT;
	memcpy(parsed->database, line + start, length);
	parsed->database[length] = '\0';
	end = strcspn(line, "#");
	while (end > colon + 1 && isspace((unsigned char)line[end - 1]))
		end--;
	parsed->value_start = colon + 1;
	parsed->value_end = end;
	return sources_parse(line, parsed);
}

static bool source_is(const char *line, const struct source *source, const char *name)
{
	size_t length = source->name_end - source->start;

	return strlen(name) == length && memcmp(line + source->start, name, length) == 0;
}

/* Index of our source, or -1. */
static long source_ours(const char *line, const struct nss_line *parsed)
{
	for (size_t i = 0; i < parsed->count; i++)
		if (source_is(line, &parsed->source[i], NSS_SOURCE))
			return (long)i;
	return -1;
}

static bool line_reaches(const char *line, const struct nss_line *parsed)
{
	long ours = source_ours(line, parsed);

	for (long i = 0; i < ours; i++)
		if (parsed->source[i].actions.failure_ends)
			return false;
	return ours >= 0;
}

/* How many sources go before ours. */
static size_t place(const char *line, const struct nss_line *parsed)
{
	size_t before = 0;

	if (strcmp(parsed->database, "initgroups") == 0 || parsed->count == 0)
		return 0;
	if (!source_is(line, &parsed->source[0], "files") && !source_is(line, &parsed->source[0], "compat"))
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
static void line_cut(char *line, const struct nss_line *parsed, const struct source *ours)
{
	size_t start = ours->start, end = ours->end;

	if (ours == &parsed->source[parsed->count - 1])
		while (start > parsed->value_start + 1 && isblank((unsigned char)line[start - 1]))
			start--;
	else if (ours != &parsed->source[0] && isblank((unsigned char)line[start - 1]) && isblank((unsigned char)line[end]))
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
	/* In `initgroups` a source that knows the user ends the search unless told otherwise:
	 * no membership elsewhere may keep a sub-account out of its group, nor the other way. */
	const char *front =
		strcmp(parsed->database, "initgroups") == 0 ? NSS_SOURCE " [SUCCESS=continue] " : NSS_SOURCE " ";
	long ours;
	size_t before;
	int r;

	while ((ours = source_ours(*line, parsed)) >= 0) {
		if (line_reaches(*line, parsed))
			return 0;
		line_cut(*line, parsed, &parsed->source[ours]);
		r = line_parse(*line, parsed);
		if (r < 0)
			return r;
	}
	if (parsed->count == ITEMS_MAX) /* with ours it could not be read, nor be taken back */
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
	const struct source *first = &parsed->source[0];

	if (parsed->count == 0)
		return insert(line, parsed->value_end, " " NSS_SOURCE);
	if (source_is(*line, first, NSS_SOURCE))
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
	int r = line_parse(*line, &parsed), database;

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

/* The line without our source; *drop when nothing of it is left to say. only: of this database, -1 of all. */
static int line_remove(char **line, const char *subid, int only, bool *drop)
{
	struct nss_line parsed;
	long ours;

	*drop = false;
	while (line_parse(*line, &parsed) == 0 && database_index(parsed.database) >= 0 &&
	       (only < 0 || database_index(parsed.database) == only) && (ours = source_ours(*line, &parsed)) >= 0) {
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
		if (line_parse(line, &parsed) != 0 || strcmp(parsed.database, database) != 0)
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

	return database_line(text, database, &line, &parsed) && line_reaches(line, &parsed);
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
