/* SPDX-License-Identifier: ISC */
/* Parses the profile of a tool, subuid-tools(5). */
#include "backup/tool_profile.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define BLANK " \t"

static const struct {
	const char *name;
	enum tool_form form;
} sections[] = {
	{ "[read-write]", TOOL_READ_WRITE },
	{ "[append-only]", TOOL_APPEND_ONLY },
	{ "[read-only]", TOOL_READ_ONLY },
};

static const struct {
	const char *name;
	size_t offset;
} settings[] = {
	{ "command", offsetof(struct tool_profile, command) },
	{ "accept", offsetof(struct tool_profile, accept) },
	{ "execute", offsetof(struct tool_profile, execute) },
	{ "read", offsetof(struct tool_profile, read) },
	{ "environment", offsetof(struct tool_profile, environment) },
	{ "quota", offsetof(struct tool_profile, quota) },
	{ "adds", offsetof(struct tool_profile, adds) },
	{ "begins", offsetof(struct tool_profile, begins) },
	{ "tidies", offsetof(struct tool_profile, tidies) },
	{ "log", offsetof(struct tool_profile, log) },
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int fail(struct tool_fault *fault, const char *why)
{
	fault->why = why;
	return -EINVAL;
}

/* Words are added to those of earlier lines of the same name. */
static int words_add(struct tool_words *words, char *value, struct tool_fault *fault)
{
	char *rest = value, *word;

	while ((word = strsep(&rest, BLANK)) != NULL) {
		if (word[0] == '\0')
			continue;
		if (words->count == TOOL_WORDS_MAX)
			return fail(fault, "too many words");
		words->words[words->count++] = word;
	}
	return 0;
}

static int section_begin(struct tool_profile *profile, const char *line, int *form, struct tool_fault *fault)
{
	for (size_t i = 0; i < COUNT(sections); i++) {
		if (strcmp(line, sections[i].name) != 0)
			continue;
		if (profile->form[sections[i].form].present)
			return fail(fault, "this section is given twice");
		*form = (int)sections[i].form;
		profile->form[*form].present = true;
		return 0;
	}
	return fail(fault, "not one of [read-write], [append-only] and [read-only]");
}

static int form_setting(struct tool_profile *profile, int form, const char *name, char *value, struct tool_fault *fault)
{
	const struct {
		enum tool_form form;
		const char *name;
		bool *answer;
	} answers[] = {
		{ TOOL_APPEND_ONLY, "new-files-only", &profile->form[form].new_files_only },
		{ TOOL_APPEND_ONLY, "own-dates", &profile->form[form].own_dates },
		{ TOOL_READ_ONLY, "snapshots", &profile->form[form].snapshots },
	};

	if (strcmp(name, "run") == 0)
		return words_add(&profile->form[form].run, value, fault);
	for (size_t i = 0; i < COUNT(answers); i++) {
		if ((int)answers[i].form != form || strcmp(name, answers[i].name) != 0)
			continue;
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			return fail(fault, "neither yes nor no");
		*answers[i].answer = strcmp(value, "yes") == 0;
		return 0;
	}
	return fail(fault,
		    "not a setting of this section: these are run, in [append-only] new-files-only and own-dates, "
		    "and in [read-only] snapshots");
}

static int setting(struct tool_profile *profile, int form, const char *name, char *value, struct tool_fault *fault)
{
	if (form >= 0)
		return form_setting(profile, form, name, value, fault);
	for (size_t i = 0; i < COUNT(settings); i++)
		if (strcmp(name, settings[i].name) == 0)
			return words_add((struct tool_words *)(void *)((char *)profile + settings[i].offset), value,
					 fault);
	if (strcmp(name, "write") == 0)
		return fail(fault, "nothing but the home can be written");
	return fail(fault, "unknown setting");
}

bool tool_device(const char *path)
{
	static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };

	for (size_t i = 0; i < COUNT(devices); i++)
		if (strcmp(path, devices[i]) == 0)
			return true;
	return false;
}

static char *trim(char *text)
{
	size_t length;

	text += strspn(text, BLANK);
	length = strlen(text);
	while (length > 0 && strchr(BLANK, text[length - 1]) != NULL)
		text[--length] = '\0';
	return text;
}

static int line_parse(struct tool_profile *profile, char *line, int *form, struct tool_fault *fault)
{
	char *equals;

	for (const char *p = line; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' && *p != '\t')
			return fail(fault, "a control character");
	line = trim(line);
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	if (line[0] == '[')
		return section_begin(profile, line, form, fault);
	equals = strchr(line, '=');
	if (equals == NULL)
		return fail(fault, "neither a section nor NAME = WORDS");
	*equals = '\0';
	return setting(profile, *form, trim(line), trim(equals + 1), fault);
}

static bool all_absolute(const struct tool_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		if (words->words[i][0] != '/')
			return false;
	return true;
}

/* NAME=VALUE, NAME in capitals, each once: a program takes either of two. */
static int environment_check(const struct tool_words *words, struct tool_fault *fault)
{
	for (size_t i = 0; i < words->count; i++) {
		size_t name = strspn(words->words[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

		fault->word = words->words[i];
		if (name == 0 || words->words[i][name] != '=')
			return fail(fault, "environment is NAME=VALUE");
		for (size_t k = 0; k < i; k++)
			if (strncmp(words->words[k], words->words[i], name + 1) == 0)
				return fail(fault, "this variable is given twice");
	}
	fault->word = NULL;
	return 0;
}

/* What is to be run, or a directory that it is in. */
static bool may_execute(const struct tool_words *execute, const char *path)
{
	for (size_t i = 0; i < execute->count; i++) {
		size_t length = strlen(execute->words[i]);

		if (strncmp(execute->words[i], path, length) == 0 && (path[length] == '\0' || path[length] == '/'))
			return true;
	}
	return false;
}

/* One path inside a repository; wildcards in the last component alone. */
static bool trace_valid(const struct tool_words *trace)
{
	const char *word = trace->count > 0 ? trace->words[0] : "x", *slash = strrchr(word, '/');

	return trace->count <= 1 && strlen(word) <= TOOL_TRACE_MAX && word[0] != '/' && strstr(word, "..") == NULL &&
	       (slash == NULL || (slash[1] != '\0' && strcspn(word, "*?[") > (size_t)(slash - word)));
}

/* The first word says which tool is meant; {rest} and {path} take what follows. */
static bool command_valid(const struct tool_words *command)
{
	for (size_t i = 0; i < command->count; i++) {
		const char *word = command->words[i];

		if (word[0] == '{' && (i == 0 || (strcmp(word, "{options}") != 0 && strcmp(word, "{path}") != 0 &&
						  strcmp(word, "{rest}") != 0)))
			return false;
		if (strcmp(word, "{rest}") == 0 && i + 1 != command->count)
			return false;
	}
	return command->count > 0;
}

static int whole(const struct tool_profile *profile, struct tool_fault *fault)
{
	bool any = false;

	fault->line = 0;
	if (!command_valid(&profile->command))
		return fail(fault, "command is missing, or has more than words, {options}, {path} and, last, {rest}");
	if (profile->execute.count == 0 || !all_absolute(&profile->execute) || !all_absolute(&profile->read))
		return fail(fault, "execute and read must be absolute paths, with at least one to execute");
	if (environment_check(&profile->environment, fault) < 0)
		return -EINVAL;
	if (!trace_valid(&profile->adds) || !trace_valid(&profile->begins) || !trace_valid(&profile->tidies))
		return fail(
			fault,
			"adds, begins and tidies are one path inside a repository, wildcards in its last component");
	if (profile->log.count > 1 || (profile->log.count == 1 && strcmp(profile->log.words[0], "sftp") != 0))
		return fail(fault, "there is no log but that of sftp");
	for (int i = 0; i < TOOL_FORMS; i++) {
		if (!profile->form[i].present)
			continue;
		any = true;
		if (profile->form[i].run.count == 0 || profile->form[i].run.words[0][0] != '/')
			return fail(fault, "run must be an absolute path and its arguments");
		fault->word = profile->form[i].run.words[0];
		if (!may_execute(&profile->execute, fault->word))
			return fail(fault, "it is run, but not among what the tool may execute");
		fault->word = NULL;
		if (profile->form[i].own_dates && !profile->form[i].new_files_only)
			return fail(fault, "own-dates is for new-files-only");
	}
	return any ? 0 : fail(fault, "a section is missing: [read-write], [append-only] or [read-only]");
}

int tool_profile_parse(char *text, struct tool_profile *profile, struct tool_fault *fault)
{
	struct tool_profile parsed = { 0 };
	int form = -1, r = 0;
	char *line;

	*fault = (struct tool_fault){ 0 };
	while (r == 0 && (line = strsep(&text, "\n")) != NULL) {
		fault->line++;
		r = line_parse(&parsed, line, &form, fault);
	}
	if (r == 0)
		r = whole(&parsed, fault);
	if (r == 0)
		*profile = parsed;
	return r;
}
