/* SPDX-License-Identifier: ISC */
/* Takes a line of nsswitch.conf(5) apart: its sources, and what glibc does after each has answered. Run by setup and
 * doctor. */
#include "setup/nsswitch_line.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "setup/text.h"

static bool is_word(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* One "STATUS=ACTION" or "!STATUS=ACTION". Later ones overrule earlier ones. */
static void action_apply(const char *text, size_t length, struct nss_actions *actions)
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
static size_t actions_parse(const char *line, size_t at, size_t end, struct nss_actions *actions)
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
		struct nss_source *source;

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
		if (parsed->count == NSS_SOURCES_MAX)
			return -E2BIG;
		source = &parsed->source[parsed->count++];
		*source = (struct nss_source){ .start = at };
		at += strcspn(line + at, " \t\r[");
		if (at > parsed->value_end)
			at = parsed->value_end;
		source->name_end = source->end = at;
	}
	return 0;
}

int nss_line_parse(const char *line, struct nss_line *parsed)
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

bool nss_source_is(const char *line, const struct nss_source *source, const char *name)
{
	size_t length = source->name_end - source->start;

	return strlen(name) == length && memcmp(line + source->start, name, length) == 0;
}

long nss_source_ours(const char *line, const struct nss_line *parsed)
{
	for (size_t i = 0; i < parsed->count; i++)
		if (nss_source_is(line, &parsed->source[i], NSS_SOURCE))
			return (long)i;
	return -1;
}

bool nss_line_reaches(const char *line, const struct nss_line *parsed)
{
	long ours = nss_source_ours(line, parsed);

	for (long i = 0; i < ours; i++)
		if (parsed->source[i].actions.failure_ends)
			return false;
	return ours >= 0;
}
