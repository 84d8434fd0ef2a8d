/* SPDX-License-Identifier: ISC */
/*
 * A client's command against a profile, to the arguments of the tool. Byte 0: bits 0-1 the form of the key, bit 2 a
 * storage quota, bits 3-4 which of the shipped profiles (read from backup/tools.d, so that it is those), or one that
 * comes first, ended by NUL; then the command.
 *
 * The meaning is worked out a second time: what the pattern of the profile matches, by the rest of the pattern and
 * the rest of the words; what is run, by putting the values in for the braces. What was accepted and said again is
 * the same.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/command_line.h"
#include "backup/tool_command.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

#define HOME "/srv/h"
#define QUOTA 20000000u
#define WORD_MAX ((size_t)2 * PATH_MAX)

static char shipped[3][TOOL_PROFILE_MAX + 1];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const names[] = { "sftp", "borg", "restic" };

	(void)argc;
	(void)argv;
	for (int i = 0; i < 3; i++) {
		char path[64];
		FILE *file;

		snprintf(path, sizeof(path), "backup/tools.d/%s.conf", names[i]);
		file = fopen(path, "re");
		if (file == NULL) {
			perror(path);
			exit(1);
		}
		shipped[i][fread(shipped[i], 1, TOOL_PROFILE_MAX, file)] = '\0';
		fclose(file);
		for (char *p; (p = strstr(shipped[i], "@LIBEXECDIR@")) != NULL;)
			memcpy(p, "/usr/libexec", 12);
	}
	return 0;
}

/* ---- the second reading: words against the pattern ---------------------------------------- */

/* "a|b|c" by cutting it at each bar. */
static bool one_of(const char *pattern, const char *word)
{
	for (const char *end = pattern;; end++) {
		if (*end != '|' && *end != '\0')
			continue;
		if (strlen(word) == (size_t)(end - pattern) && strncmp(word, pattern, (size_t)(end - pattern)) == 0)
			return true;
		if (*end == '\0')
			return false;
		pattern = end + 1;
	}
}

/* Patterns of the shipped profiles have one star, at their end. False: not that simple, ask nothing. */
static bool simple(const struct tool_words *patterns)
{
	for (size_t i = 0; i < patterns->count; i++) {
		size_t plain = strcspn(patterns->words[i], "*?[");

		if (patterns->words[i][plain] != '\0' && strcmp(patterns->words[i] + plain, "*") != 0)
			return false;
	}
	return true;
}

/* Alternatives of a command may be patterns, too: of those nothing is asked. */
static bool literal(const struct tool_words *command)
{
	for (size_t i = 0; i < command->count; i++)
		if (strpbrk(command->words[i], "*?[") != NULL)
			return false;
	return true;
}

static bool option_fits(const struct tool_words *patterns, const char *word)
{
	for (size_t i = 0; i < patterns->count; i++) {
		size_t plain = strcspn(patterns->words[i], "*");

		if (patterns->words[i][plain] == '*' ? strncmp(patterns->words[i], word, plain) == 0 :
						       strcmp(patterns->words[i], word) == 0)
			return true;
	}
	return false;
}

static bool means_this_tool(const struct tool_profile *profile, const struct command_line *line)
{
	for (size_t i = 0; i < profile->command.count && profile->command.words[i][0] != '{'; i++) {
		const char *word = i < line->count ? line->words[i].text : NULL;

		if (word != NULL && i == 0 && strchr(word, '/') != NULL)
			word = strrchr(word, '/') + 1;
		if (word == NULL || !one_of(profile->command.words[i], word))
			return false;
	}
	return true;
}

/* Does pattern i... match words j...? *path: what {path} took, the last of them. */
static bool fits(const struct tool_profile *profile, size_t i, const struct command_line *line, size_t j,
		 const char **path)
{
	const char *expected = i < profile->command.count ? profile->command.words[i] : NULL;
	const char *word = j < line->count ? line->words[j].text : NULL;

	if (expected == NULL)
		return word == NULL;
	if (strcmp(expected, "{rest}") == 0)
		return true;
	if (strcmp(expected, "{options}") == 0) {
		if (word != NULL && word[0] == '-') /* an option is one, and never a path */
			return option_fits(&profile->accept, word) && fits(profile, i, line, j + 1, path);
		return fits(profile, i + 1, line, j, path);
	}
	if (word == NULL)
		return false;
	if (strcmp(expected, "{path}") == 0)
		*path = word;
	else if (!one_of(expected, i == 0 && strchr(word, '/') != NULL ? strrchr(word, '/') + 1 : word))
		return false;
	return fits(profile, i + 1, line, j + 1, path);
}

/* ---- and what is run ---------------------------------------- */

/* False: a path that may not be. out: below home, by cutting off and putting together its parts. */
static bool inside(const char *path, char *out, size_t size)
{
	size_t used = strlen(HOME);

	if (strcmp(path, HOME) == 0 || strncmp(path, HOME "/", used + 1) == 0)
		path += used;
	else if (path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
		path++;
	while (*path == '/')
		path++;
	for (const char *p = path; *p != '\0'; p++)
		if ((unsigned char)*p < 32 || *p == 127)
			return false;
	for (const char *p = path; *p != '\0'; p += strcspn(p, "/"), p += *p == '/')
		if (strcspn(p, "/") == 2 && p[0] == '.' && p[1] == '.')
			return false;
	return (size_t)snprintf(out, size, *path == '\0' ? "%s%s" : "%s/%s", HOME, path) < size;
}

/* The word with its braces replaced, by searching for each name. False: braces that mean nothing, or too long. */
static bool replaced(const char *word, const char *path, uint64_t bytes, char *out)
{
	static const char *const names[] = { "{home}", "{path}", "{quota}" };
	char quota[24];
	const char *values[] = { HOME, path, quota };
	size_t used = 0;

	snprintf(quota, sizeof(quota), "%llu", (unsigned long long)bytes);
	while (*word != '\0') {
		const char *put = NULL;
		size_t length;

		for (int i = 0; i < 3 && put == NULL; i++)
			if (strncmp(word, names[i], strlen(names[i])) == 0) {
				put = values[i];
				word += strlen(names[i]);
			}
		if (put == NULL && *word == '{')
			return false;
		length = put == NULL ? 1 : strlen(put);
		if (used + length >= WORD_MAX)
			return false;
		memcpy(out + used, put == NULL ? word : put, length);
		used += length;
		word += put == NULL;
	}
	out[used] = '\0';
	return true;
}

static bool words_same(const struct tool_words *words, const char *path, uint64_t quota, const struct text_list *argv,
		       size_t *at, bool built)
{
	char *out = malloc(WORD_MAX);
	bool sound = true;

	must(out != NULL);
	for (size_t i = 0; sound && i < words->count; i++) {
		sound = replaced(words->words[i], path, quota, out);
		if (sound && built)
			must(*at < argv->count && strcmp(argv->items[(*at)++], out) == 0);
	}
	free(out);
	return sound;
}

static void check_build(const struct tool_profile *profile, enum tool_form form, const struct tool_values *values,
			const struct text_list *argv, int r)
{
	char path[PATH_MAX] = HOME;
	bool may = profile->form[form].present;
	size_t at = 0;

	if (may && values->path != NULL)
		may = inside(values->path, path, sizeof(path));
	must(may == (r != -EPERM));
	if (!may)
		return;
	may = words_same(&profile->form[form].run, path, values->quota, argv, &at, r == 0);
	if (may && values->quota != 0)
		may = words_same(&profile->quota, path, values->quota, argv, &at, r == 0);
	must(may == (r == 0));
	must(r < 0 || (at == argv->count && argv->items[at] == NULL));
	must(strncmp(path, HOME, strlen(HOME)) == 0 && (path[strlen(HOME)] == '/' || path[strlen(HOME)] == '\0'));
	must(strstr(path, "/../") == NULL && (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0));
}

/* ---- one try ---------------------------------------- */

static void check_again(const struct tool_profile *profile, enum tool_form form, const struct tool_values *values,
			const struct text_list *argv)
{
	char path[PATH_MAX];
	struct tool_values again = *values;
	struct gate_refusal refusal = { 0 };
	struct text_list other = { 0 };

	if (values->path == NULL || !inside(values->path, path, sizeof(path)))
		return;
	again.path = path;
	must(tool_command_build(profile, form, &again, &other, &refusal) == 0 && other.count == argv->count);
	for (size_t i = 0; i < other.count; i++)
		must(strcmp(other.items[i], argv->items[i]) == 0);
	text_list_free(&other);
}

static void try_build(const struct tool_profile *profile, enum tool_form form, struct tool_values *values)
{
	struct gate_refusal refusal = { 0 };
	struct text_list argv = { 0 };
	int r = tool_command_build(profile, form, values, &argv, &refusal);

	must(r != -EPERM || (refusal.what[0] != '\0' || values->path != NULL));
	must(r != -EPERM || refusal.why[0] != '\0');
	check_build(profile, form, values, &argv, r);
	if (r == 0)
		check_again(profile, form, values, &argv);
	text_list_free(&argv);
}

static void try_command(const struct tool_profile *profile, enum tool_form form, uint64_t quota, const char *command)
{
	struct tool_values values = { .home = HOME, .quota = quota };
	struct gate_refusal refusal = { 0 };
	struct command_line line = { 0 };
	static const char untouched[] = "x";
	const char *path = untouched, *expected = NULL;
	int r;

	if (command_line_split(command, &line) < 0)
		return;
	r = tool_command_match(profile, &line, &path, &refusal);
	must(r == 0 || r == 1 || r == -EPERM);
	must(!literal(&profile->command) || (r != 0) == means_this_tool(profile, &line));
	must(r == 1 || path == untouched);
	must(r != -EPERM || refusal.why[0] != '\0');
	if (r != 0 && simple(&profile->accept) && literal(&profile->command))
		must((r == 1) == fits(profile, 0, &line, 0, &expected) && (r != 1 || path == expected));
	if (r == 1) {
		values.path = path;
		try_build(profile, form, &values);
	}
	command_line_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TOOL_PROFILE_MAX + 1];
	struct tool_profile profile;
	struct tool_fault fault;
	const uint8_t *end;
	unsigned which;
	char *command;

	if (size < 1 || (data[0] & 3) == 3)
		return 0;
	which = data[0] >> 3 & 3;
	end = which == 3 ? memchr(data + 1, '\0', size - 1) : data;
	if (end == NULL || end - data > TOOL_PROFILE_MAX)
		return 0;
	snprintf(text, sizeof(text), "%.*s", which == 3 ? (int)(end - data - 1) : TOOL_PROFILE_MAX,
		 which == 3 ? (const char *)data + 1 : shipped[which]);
	if (tool_profile_parse(text, &profile, &fault) < 0) {
		must(which == 3);
		return 0;
	}
	command = strndup((const char *)end + 1, size - (size_t)(end + 1 - data));
	must(command != NULL);
	try_command(&profile, (enum tool_form)(data[0] & 3), (data[0] & 4) != 0 ? QUOTA : 0, command);
	free(command);
	return 0;
}

/* ---- mutations of words ---------------------------------------- */

static const char *const pieces[] = {
	"borg",
	"serve",
	"rclone",
	"restic",
	"sftp-server",
	"internal-sftp",
	"/usr/bin/borg",
	"--stdio",
	"--append-only",
	"--umask=077",
	"--storage-quota=1",
	"--debug-topic=x",
	"--",
	"-v",
	"-",
	"..",
	"a/../b",
	"../x",
	"/srv/h",
	"/srv/h/x",
	"/srv/hx",
	"//srv/h",
	"''",
	"'a b'",
	"'a\n'",
	":local:/x",
	"{home}",
	"{path}",
	"{quota}",
	"~/x",
	"\\*",
	"x/",
	"/",
	".",
	"--config=/x",
	"--restrict-to-path",
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	const char *piece = pieces[seed / 8 % (sizeof(pieces) / sizeof(pieces[0]))];
	size_t length = strlen(piece), words = 1, at = 1;

	if (seed % 4 == 0 || size < 2 || size + length + 1 > max)
		return LLVMFuzzerMutate(data, size, max);
	for (size_t i = 1; i < size; i++)
		words += data[i] == ' ';
	for (size_t n = seed / 1024 % words; n > 0; n--)
		at = (size_t)((uint8_t *)memchr(data + at, ' ', size - at) - data) + 1;
	if (seed % 4 == 1) { /* in the place of the word */
		size_t old = 0;

		while (at + old < size && data[at + old] != ' ' && data[at + old] != '\0')
			old++;
		memmove(data + at + length, data + at + old, size - at - old);
		memcpy(data + at, piece, length);
		return size - old + length;
	}
	memmove(data + at + length + 1, data + at, size - at);
	memcpy(data + at, piece, length);
	data[at + length] = ' ';
	return size + length + 1;
}
