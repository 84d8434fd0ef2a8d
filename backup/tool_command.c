/* SPDX-License-Identifier: ISC */
/*
 * A client's command is never run: it is compared with the profile's words, and only its path goes into the command
 * that the profile has. Run by tool with the sub-account's uid, not confined yet; the client's words are untrusted.
 */
#include "backup/tool_command.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ALTERNATIVE_MAX 255

/* "a|b": one of these, each a pattern of fnmatch(3). */
static bool alternative(const char *pattern, const char *word)
{
	char one[ALTERNATIVE_MAX + 1];

	for (;;) {
		size_t part = strcspn(pattern, "|");

		if (part <= ALTERNATIVE_MAX) {
			memcpy(one, pattern, part);
			one[part] = '\0';
			if (fnmatch(one, word, FNM_NOESCAPE) == 0)
				return true;
		}
		if (pattern[part] == '\0')
			return false;
		pattern += part + 1;
	}
}

static const char *base_name(const char *word)
{
	const char *slash = strrchr(word, '/');

	return slash == NULL ? word : slash + 1;
}

static bool accepted(const struct tool_profile *profile, const char *word)
{
	for (size_t i = 0; i < profile->accept.count; i++)
		if (fnmatch(profile->accept.words[i], word, FNM_NOESCAPE) == 0)
			return true;
	return false;
}

/* The words before the first brace say which profile is meant. Clients may give the program by its path. */
static size_t leading_words(const struct tool_profile *profile, const struct command_line *line)
{
	size_t i;

	for (i = 0; i < profile->command.count && profile->command.words[i][0] != '{'; i++)
		if (i >= line->count || !alternative(profile->command.words[i],
						     i == 0 ? base_name(line->words[i].text) : line->words[i].text))
			return 0;
	return i;
}

bool tool_command_begins(const struct tool_profile *profile, const struct command_line *line)
{
	return line->count > 0 && alternative(profile->command.words[0], base_name(line->words[0].text));
}

static bool plain(const char *word)
{
	for (; *word != '\0'; word++)
		if ((unsigned char)*word < ' ' || *word == 0x7f)
			return false;
	return true;
}

int tool_command_match(const struct tool_profile *profile, const struct command_line *line, const char **path,
		       struct gate_refusal *refusal)
{
	size_t i = leading_words(profile, line), at = i;
	const char *found = NULL;

	if (i == 0)
		return 0;
	for (; i < profile->command.count; i++) {
		const char *expected = profile->command.words[i];

		if (strcmp(expected, "{rest}") == 0) {
			at = line->count;
		} else if (strcmp(expected, "{options}") == 0) {
			for (; at < line->count && line->words[at].text[0] == '-'; at++)
				if (!accepted(profile, line->words[at].text))
					return gate_refuse(refusal, line->words[at].text,
							   "not an option that may be given");
		} else if (at == line->count) {
			return gate_refuse(refusal, line->words[0].text, "a word is missing at its end");
		} else if (strcmp(expected, "{path}") == 0) {
			found = line->words[at++].text;
		} else if (!alternative(expected, line->words[at++].text)) {
			return gate_refuse(refusal, line->words[at - 1].text, "not what this key may run");
		}
	}
	if (at < line->count)
		return gate_refuse(refusal, line->words[at].text, "one word too many");
	*path = found;
	return 1;
}

/* The client's path as one below home: "/x", "~/x" and "x" are home/x. The kernel does the confining; this ensures that
 * it is a path at all, and neither an option nor the name of something remote. */
static int path_inside(const char *home, const char *path, char *out, size_t size, struct gate_refusal *refusal)
{
	size_t length = strlen(home);

	if (strncmp(path, home, length) == 0 && (path[length] == '/' || path[length] == '\0'))
		path += length;
	else if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) /* git's client quotes it */
		path++;
	path += strspn(path, "/");
	for (const char *part = path; part != NULL; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
			return gate_refuse(refusal, path, "leads out of the directory");
	}
	if (!plain(path))
		return gate_refuse(refusal, path, "a control character");
	if ((size_t)snprintf(out, size, "%s%s%s", home, path[0] == '\0' ? "" : "/", path) >= size)
		return gate_refuse(refusal, path, "too long");
	return 0;
}

static int fill_one(const char *name, size_t length, const struct tool_values *values, char *out, size_t size)
{
	int n = -1;

	if (length == 6 && memcmp(name, "{home}", 6) == 0)
		n = snprintf(out, size, "%s", values->home);
	else if (length == 6 && memcmp(name, "{path}", 6) == 0)
		n = snprintf(out, size, "%s", values->path != NULL ? values->path : values->home);
	else if (length == 7 && memcmp(name, "{quota}", 7) == 0)
		n = snprintf(out, size, "%" PRIu64, values->quota);
	return n < 0 || (size_t)n >= size ? -EINVAL : n;
}

int tool_word_fill(const char *word, const struct tool_values *values, struct text_list *out)
{
	char text[2 * PATH_MAX];
	size_t used = 0;

	while (*word != '\0') {
		size_t plain_length = strcspn(word, "{"), brace;
		int n;

		if (used + plain_length >= sizeof(text))
			return -ENAMETOOLONG;
		memcpy(text + used, word, plain_length);
		used += plain_length;
		word += plain_length;
		if (*word == '\0')
			break;
		brace = strcspn(word, "}") + 1;
		n = fill_one(word, brace, values, text + used, sizeof(text) - used);
		if (n < 0)
			return n;
		used += (size_t)n;
		word += brace;
	}
	text[used] = '\0';
	return text_list_add(out, text);
}

static int words_fill(const struct tool_words *words, const struct tool_values *values, struct text_list *argv)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < words->count; i++)
		r = tool_word_fill(words->words[i], values, argv);
	return r;
}

int tool_command_build(const struct tool_profile *profile, enum tool_form form, const struct tool_values *values,
		       struct text_list *argv, struct gate_refusal *refusal)
{
	struct tool_values inside = *values;
	char path[PATH_MAX], name[ALTERNATIVE_MAX + 1];
	int r = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(profile->command.words[0], "|"), profile->command.words[0]);
	if (!profile->form[form].present)
		return gate_refuse(refusal, name,
				   form == TOOL_READ_ONLY ?
					   "there is no read-only form of it here, and the key is read-only" :
				   form == TOOL_APPEND_ONLY ?
					   "there is no append-only form of it here, and the key is append-only" :
					   "a key for it has to be append-only or read-only");
	if (values->path != NULL) {
		r = path_inside(values->home, values->path, path, sizeof(path), refusal);
		inside.path = path;
	}
	if (r == 0)
		r = words_fill(&profile->form[form].run, &inside, argv);
	if (r == 0 && values->quota != 0)
		r = words_fill(&profile->quota, &inside, argv);
	return r;
}
