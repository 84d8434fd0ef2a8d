/* SPDX-License-Identifier: ISC */
/*
 * Profile files. Read a second time here, from the untouched text and by positions in it instead of by cutting it
 * up: both have to come to the same answer and the same words. What was accepted, written out again with other
 * blanks and comments between, is the same profile.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/tool_profile.h"
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* ---- the second reading ------------------------------------------------------------------------------- */

struct span {
	const char *at;
	size_t length;
};

enum field { COMMAND, ACCEPT, EXECUTE, READ, ENVIRONMENT, QUOTA, ADDS, BEGINS, TIDIES, LOG, HEAD_FIELDS };
enum { RUN = HEAD_FIELDS, FIELDS = RUN + TOOL_FORMS };

struct reading {
	struct span words[FIELDS][TOOL_WORDS_MAX];
	size_t count[FIELDS];
	bool section[TOOL_FORMS], new_files_only, own_dates;
	int current; /* section, or -1 */
};

static const char *const field_names[] = { "command", "accept", "execute", "read",   "environment",
					   "quota",   "adds",   "begins",  "tidies", "log" };
static const char *const form_names[] = { "[read-write]", "[append-only]", "[read-only]" };

static bool is(struct span span, const char *text)
{
	return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

static struct span trimmed(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	return (struct span){ from, (size_t)(to - from) };
}

static bool read_words(struct reading *reading, int field, struct span value)
{
	const char *end = value.at + value.length;

	for (const char *p = value.at; p < end;) {
		const char *start = p;

		while (p < end && *p != ' ' && *p != '\t')
			p++;
		if (p > start && reading->count[field] == TOOL_WORDS_MAX)
			return false;
		if (p > start)
			reading->words[field][reading->count[field]++] = (struct span){ start, (size_t)(p - start) };
		p += p < end;
	}
	return true;
}

static bool read_section(struct reading *reading, struct span line)
{
	for (int i = 0; i < TOOL_FORMS; i++)
		if (is(line, form_names[i])) {
			reading->current = i;
			return !reading->section[i] && (reading->section[i] = true);
		}
	return false;
}

static bool read_setting(struct reading *reading, struct span name, struct span value)
{
	if (reading->current >= 0 && is(name, "run"))
		return read_words(reading, RUN + reading->current, value);
	if (reading->current == TOOL_APPEND_ONLY && is(name, "new-files-only")) {
		reading->new_files_only = is(value, "yes");
		return reading->new_files_only || is(value, "no");
	}
	if (reading->current == TOOL_APPEND_ONLY && is(name, "own-dates")) {
		reading->own_dates = is(value, "yes");
		return reading->own_dates || is(value, "no");
	}
	for (int i = 0; reading->current < 0 && i < HEAD_FIELDS; i++)
		if (is(name, field_names[i]))
			return read_words(reading, i, value);
	return false;
}

static bool read_line(struct reading *reading, const char *from, const char *to)
{
	struct span line = trimmed(from, to);
	const char *equals;

	for (const char *p = from; p < to; p++)
		if (iscntrl((unsigned char)*p) && *p != '\t' && *p != 0x7f)
			return false;
	if (line.length == 0 || line.at[0] == '#')
		return true;
	if (line.at[0] == '[')
		return read_section(reading, line);
	equals = memchr(line.at, '=', line.length);
	return equals != NULL &&
	       read_setting(reading, trimmed(line.at, equals), trimmed(equals + 1, line.at + line.length));
}

static bool command_sound(const struct reading *reading)
{
	size_t count = reading->count[COMMAND];

	for (size_t i = 0; i < count; i++) {
		struct span word = reading->words[COMMAND][i];
		bool brace = word.at[0] == '{';

		if (brace && i == 0)
			return false;
		if (brace && !is(word, "{options}") && !is(word, "{path}") && !(is(word, "{rest}") && i == count - 1))
			return false;
	}
	return count > 0;
}

static bool environment_sound(const struct reading *reading)
{
	for (size_t i = 0; i < reading->count[ENVIRONMENT]; i++) {
		struct span word = reading->words[ENVIRONMENT][i];
		size_t n = 0;

		while (n < word.length &&
		       (isupper((unsigned char)word.at[n]) || isdigit((unsigned char)word.at[n]) || word.at[n] == '_'))
			n++;
		if (n == 0 || n == word.length || word.at[n] != '=')
			return false;
		for (size_t k = 0; k < i; k++) {
			struct span other = reading->words[ENVIRONMENT][k];

			if (other.length > n && memcmp(other.at, word.at, n + 1) == 0)
				return false;
		}
	}
	return true;
}

/* What a form runs is among what may be executed, or below it. */
static bool run_sound(const struct reading *reading, int form)
{
	struct span run = reading->words[RUN + form][0];

	for (size_t i = 0; i < reading->count[EXECUTE]; i++) {
		struct span part = reading->words[EXECUTE][i];

		if (run.length >= part.length && memcmp(run.at, part.at, part.length) == 0 &&
		    (run.length == part.length || run.at[part.length] == '/'))
			return true;
	}
	return false;
}

/* One path below the repository; a wildcard only behind the last slash. */
static bool trace_sound(const struct reading *reading, int field)
{
	const struct span word = reading->words[field][0];
	size_t slash = 0;

	if (reading->count[field] == 0)
		return true;
	if (reading->count[field] > 1 || word.length > TOOL_TRACE_MAX || word.at[0] == '/')
		return false;
	for (size_t i = 0; i < word.length; i++) {
		if (word.at[i] == '.' && i + 1 < word.length && word.at[i + 1] == '.')
			return false;
		slash = word.at[i] == '/' ? i : slash;
	}
	for (size_t i = 0; i < slash; i++)
		if (word.at[i] == '*' || word.at[i] == '?' || word.at[i] == '[')
			return false;
	return slash == 0 || slash + 1 < word.length;
}

static bool log_sound(const struct reading *reading)
{
	return reading->count[LOG] == 0 || (reading->count[LOG] == 1 && is(reading->words[LOG][0], "sftp"));
}

static bool absolute(const struct reading *reading, int field)
{
	for (size_t i = 0; i < reading->count[field]; i++)
		if (reading->words[field][i].at[0] != '/')
			return false;
	return true;
}

static bool read_again(const char *text, struct reading *reading)
{
	int sections = 0;

	*reading = (struct reading){ .current = -1 };
	for (const char *line = text;; line++) {
		const char *end = line + strcspn(line, "\n");

		if (!read_line(reading, line, end))
			return false;
		line = end;
		if (*line == '\0')
			break;
	}
	for (int i = 0; i < TOOL_FORMS; i++) {
		sections += reading->section[i];
		if (reading->section[i] && (reading->count[RUN + i] == 0 || reading->words[RUN + i][0].at[0] != '/'))
			return false;
		if (reading->section[i] && !run_sound(reading, i))
			return false;
	}
	if (reading->own_dates && !reading->new_files_only)
		return false;
	return sections > 0 && command_sound(reading) && environment_sound(reading) && reading->count[EXECUTE] > 0 &&
	       absolute(reading, EXECUTE) && absolute(reading, READ) && trace_sound(reading, ADDS) &&
	       trace_sound(reading, BEGINS) && trace_sound(reading, TIDIES) && log_sound(reading);
}

/* ---- the two compared ----------------------------------------------------------------------------------- */

static const struct tool_words *words_of(const struct tool_profile *profile, int field)
{
	const struct tool_words *head[] = { &profile->command, &profile->accept,      &profile->execute,
					    &profile->read,    &profile->environment, &profile->quota,
					    &profile->adds,    &profile->begins,      &profile->tidies,
					    &profile->log };

	return field < HEAD_FIELDS ? head[field] : &profile->form[field - RUN].run;
}

static void check_same(const struct tool_profile *profile, const struct reading *reading)
{
	for (int i = 0; i < FIELDS; i++) {
		const struct tool_words *words = words_of(profile, i);

		must(words->count == reading->count[i]);
		for (size_t k = 0; k < words->count; k++)
			must(is(reading->words[i][k], words->words[k]));
	}
	for (int i = 0; i < TOOL_FORMS; i++) {
		must(profile->form[i].present == reading->section[i]);
		must(profile->form[i].new_files_only == (i == TOOL_APPEND_ONLY && reading->new_files_only));
		must(profile->form[i].own_dates == (i == TOOL_APPEND_ONLY && reading->own_dates));
	}
}

static size_t put_words(char *out, const char *name, const struct tool_words *words)
{
	size_t used = 0;

	for (size_t i = 0; i < words->count; i++) /* a line for each, which add up */
		used += (size_t)sprintf(out + used, "\t%s\t =  %s \n # = \n\n", name, words->words[i]);
	return used;
}

static void check_written(const struct tool_profile *profile, size_t length)
{
	char *text = malloc(16 * length + 4096);
	struct tool_profile again;
	struct tool_fault fault;
	size_t used = 0;

	must(text != NULL);
	for (int i = 0; i < HEAD_FIELDS; i++)
		used += put_words(text + used, field_names[i], words_of(profile, i));
	for (int i = TOOL_FORMS - 1; i >= 0; i--) {
		if (!profile->form[i].present)
			continue;
		used += (size_t)sprintf(text + used, " %s\n", form_names[i]);
		used += put_words(text + used, "run", &profile->form[i].run);
		if (i == TOOL_APPEND_ONLY)
			used += (size_t)sprintf(text + used, "new-files-only=%s\nown-dates = %s\n",
						profile->form[i].new_files_only ? "yes" : "no",
						profile->form[i].own_dates ? "yes" : "no");
	}
	text[used] = '\0';
	must(tool_profile_parse(text, &again, &fault) == 0);
	for (int i = 0; i < FIELDS; i++) {
		must(words_of(profile, i)->count == words_of(&again, i)->count);
		for (size_t k = 0; k < words_of(profile, i)->count; k++)
			must(strcmp(words_of(profile, i)->words[k], words_of(&again, i)->words[k]) == 0);
	}
	for (int i = 0; i < TOOL_FORMS; i++)
		must(again.form[i].present == profile->form[i].present &&
		     again.form[i].new_files_only == profile->form[i].new_files_only);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *cut = text == NULL ? NULL : strdup(text);
	struct tool_profile profile, before;
	struct tool_fault fault;
	struct reading reading;
	bool sound;
	int r;

	must(cut != NULL);
	memset(&profile, 0x5a, sizeof(profile));
	before = profile;
	sound = read_again(text, &reading);
	r = tool_profile_parse(cut, &profile, &fault);
	must((r == 0) == sound);
	if (r < 0)
		must(fault.why != NULL && memcmp(&profile, &before, sizeof(profile)) == 0);
	if (r == 0) {
		check_same(&profile, &reading);
		check_written(&profile, strlen(text));
	}
	free(cut);
	free(text);
	return 0;
}

/* ---- mutations of lines ------------------------------------------------------------------------------------ */

static const char *const pieces[] = {
	"command = x",
	"command = x|y {options} {path}",
	"command = x {rest}",
	"accept = --a --b=*",
	"execute = /bin/x",
	"read = /x /y",
	"environment = A=1 B_2={home}",
	"quota = --q={quota}",
	"[read-write]",
	"[append-only]",
	"[read-only]",
	"run = /bin/x {path}",
	"run = -a",
	"new-files-only = yes",
	"new-files-only = no",
	"# comment",
	"=",
	"\t",
	"command",
	"run = {home}",
	"[",
	"read =",
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	const char *piece = pieces[seed / 8 % (sizeof(pieces) / sizeof(pieces[0]))];
	size_t length = strlen(piece), lines = 0, at = 0;
	unsigned which;

	if (seed % 4 == 0 || size + length + 1 > max)
		return LLVMFuzzerMutate(data, size, max);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	for (which = lines == 0 ? 0 : seed / 1024 % (unsigned)(lines + 1); which > 0; which--)
		at = (size_t)((uint8_t *)memchr(data + at, '\n', size - at) - data) + 1;
	memmove(data + at + length + 1, data + at, size - at);
	memcpy(data + at, piece, length);
	data[at + length] = '\n';
	return size + length + 1;
}
