/* SPDX-License-Identifier: ISC */
/*
 * The client's command, from bytes to the arguments of rsync. First byte: the policy; second: more of it. What
 * must hold of anything that is accepted is checked without the table: here, by hand. Words are split a
 * second time by code of its own, and what was accepted, written out again, must be accepted as the same.
 *
 * Mutations are of words as well as of bytes: a client's command is made of options, values and paths.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/command_line.h"
#include "backup/rsync_arguments.h"
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

#define POLICY_BYTES 2

/* Never, whatever the policy. */
static const char *const never[] = { "daemon",         "rsh",
				     "config",         "write-devices",
				     "copy-devices",   "debug",
				     "no-munge-links", "insecure-links",
				     "secluded-args",  "protect-args",
				     "copy-as",        "password-file",
				     "read-batch",     "write-batch",
				     "rsync-path",     "sockopts",
				     "early-input",    "copy-unsafe-links",
				     "copy-links",     "keep-dirlinks",
				     "copy-dirlinks",  "exclude-from",
				     "include-from",   "filter",
				     "no-drop-D" };

/* Under -blind. */
static const char *const telling[] = { "append",           "block-size",  "compare-dest", "copy-dest", "link-dest",
				       "existing",         "fuzzy",       "info",         "list-only", "log-file",
				       "only-write-batch", "partial-dir", "size-only" };

static int named(const char *argument, const char *name)
{
	size_t length = strlen(name);

	return strncmp(argument, "--", 2) == 0 && strncmp(argument + 2, name, length) == 0 &&
	       (argument[2 + length] == '\0' || argument[2 + length] == '=');
}

static int begins(const char *argument, const char *start)
{
	return strncmp(argument, start, strlen(start)) == 0;
}

static void check_cluster(const char *argument)
{
	const char *end = strchr(argument, 'e'); /* capabilities follow */
	size_t length = end == NULL ? strlen(argument) : (size_t)(end - argument);

	must(argument[1] != '\0');
	for (size_t i = 1; i < length; i++)
		must(strchr("sKLkefMTPhFai", argument[i]) == NULL);
	must(end == NULL || strpbrk(end, " /;$'\"\\-=") == NULL);
}

static void check_option(const struct gate_policy *policy, const char *argument, int sender)
{
	static const char *const paths[] = { "backup-dir", "partial-dir", "temp-dir",   "compare-dest", "copy-dest",
					     "link-dest",  "log-file",    "files-from", "confine-root" };

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		must(!named(argument, never[i]));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *value = strchr(argument, '=');

		if (!named(argument, paths[i]))
			continue;
		must(value != NULL && value[1] != '\0' && !path_goes_up(value + 1));
		must(value[1] != '/' || strcmp(value + 1, "/d") == 0 || begins(value + 1, "/d/"));
		must(!sender || i >= 6);
	}
	for (size_t i = 0; policy->blind && i < sizeof(telling) / sizeof(telling[0]); i++)
		must(!named(argument, telling[i]));
	must(!policy->blind || strpbrk(argument, "%") == NULL || !named(argument, "log-format") ||
	     strcmp(argument + 13, "%i") == 0 || strcmp(argument + 13, "%i%I") == 0 ||
	     strcmp(argument + 13, "%o") == 0);
	must(!policy->no_delete ||
	     (!begins(argument, "--delete") && !begins(argument, "--remove") && !named(argument, "force")));
	must(!policy->no_overwrite || (!named(argument, "backup-dir") && !named(argument, "log-file") &&
				       !named(argument, "partial-dir") && !named(argument, "delay-updates")));
	must(!policy->write_only || !named(argument, "files-from") || strcmp(argument, "--files-from=-") == 0);
	must(!policy->fake_super || !named(argument, "super"));
	if (argument[1] != '-') {
		check_cluster(argument);
		must(!policy->blind || argument[1] == '@' || strcspn(argument, "cnmuyCB") >= strcspn(argument, "e"));
		must(!policy->no_overwrite || strchr("B@", argument[1]) != NULL ||
		     memchr(argument, 'b', strcspn(argument, "e")) == NULL);
	}
}

static void check(const struct gate_policy *policy, const struct rsync_request *request, const struct text_list *argv)
{
	int faked = 0, kept = 0, whole = 0;

	must(argv->count >= 1 && strcmp(argv->items[0], "--server") == 0 && argv->items[argv->count] == NULL);
	must(!policy->read_only || request->sender);
	must(!policy->write_only || !request->sender);
	must(request->sender == (argv->count > 1 && strcmp(argv->items[1], "--sender") == 0));
	for (size_t i = 1 + request->sender; i < argv->count; i++) {
		must(argv->items[i][0] == '-' && argv->items[i][1] != '\0');
		must(strcmp(argv->items[i], "--sender") != 0 && strcmp(argv->items[i], "--server") != 0);
		must(strcmp(argv->items[i], "--") != 0);
		check_option(policy, argv->items[i], request->sender);
		faked |= strcmp(argv->items[i], "--fake-super") == 0;
		whole |= strcmp(argv->items[i], "--whole-file") == 0;
		kept |= strcmp(argv->items[i], "--ignore-existing") == 0;
	}
	must(!policy->fake_super || faked);
	must(!policy->no_overwrite || kept);
	must(!policy->blind || whole);
	must(!policy->blind || (policy->write_only && !request->sender));
	must(request->sender || request->changes);
	must(request->sender || request->paths_count <= 1);
	for (size_t i = 0; i < request->paths_count; i++) {
		const struct word *path = &request->paths[i];

		must(path->text[0] != '\0' && path->text[0] != '/' && !path_goes_up(path->text));
		must(path->pattern == NULL || (path->pattern[0] != '/' && path->pattern[0] != '\0'));
	}
}

/* ---- words, a second time: one pass over the line by state ---------------------------------- */

enum state { BETWEEN, PLAIN, SINGLE, DOUBLE };

/* Words one after the other, each ended by NUL. Their number, or -1: the line is refused. out holds 2 * length + 2. */
static long split_again(const char *line, char *out)
{
	enum state state = BETWEEN;
	long words = 0;

	for (size_t i = 0;; i++) {
		char c = line[i];
		int blank = c == ' ' || c == '\t' || c == '\n';

		if (state == BETWEEN) {
			if (c == '\0')
				return words;
			if (blank)
				continue;
			words++;
			state = PLAIN;
			if (c == '~' && (line[i + 1] == '\0' || strchr("/ \t\n", line[i + 1]) != NULL)) {
				if (line[i + 1] != '/')
					*out++ = '/';
				continue;
			}
		}
		if (state == PLAIN && (blank || c == '\0')) {
			*out++ = '\0';
			state = BETWEEN;
			if (c == '\0')
				return words;
		} else if (c == '\0') {
			return -1;
		} else if (state == PLAIN && c == '\'') {
			state = SINGLE;
		} else if (state == PLAIN && c == '"') {
			state = DOUBLE;
		} else if ((state == SINGLE && c == '\'') || (state == DOUBLE && c == '"')) {
			state = PLAIN;
		} else if (c == '\\' && (state == PLAIN || (state == DOUBLE && line[i + 1] != '\0' &&
							    strchr("\"\\$`", line[i + 1]) != NULL))) {
			if (line[++i] == '\0')
				return -1;
			*out++ = line[i];
		} else {
			*out++ = c;
		}
	}
}

static void check_words(const char *command, const struct command_line *line, int r)
{
	char *again = malloc(2 * strlen(command) + 2), *at = again;
	long words;

	must(again != NULL);
	words = split_again(command, again);
	must((words < 0) == (r < 0));
	must(r < 0 || (size_t)words == line->count);
	for (size_t i = 0; r == 0 && i < line->count; i++) {
		must(strcmp(line->words[i].text, at) == 0);
		at += strlen(at) + 1;
	}
	free(again);
}

/* ---- what was accepted means the same when it is written out -------------------------------------- */

struct writer {
	char *text;
	size_t used;
};

static void write_word(struct writer *w, const char *dashes, const char *name, const char *value)
{
	const char *parts[] = { dashes, name, value == NULL ? "" : "=", value == NULL ? "" : value };

	w->text[w->used++] = ' ';
	if (dashes[0] == '\0' && name[0] == '\0')
		w->used += (size_t)sprintf(w->text + w->used, "''");
	for (size_t i = 0; i < 4; i++)
		for (const char *p = parts[i]; *p != '\0'; p++) {
			w->text[w->used++] = '\\';
			w->text[w->used++] = *p;
		}
	w->text[w->used] = '\0';
}

static void check_same(const struct rsync_request *one, const struct rsync_request *other)
{
	must(one->sender == other->sender && one->changes == other->changes);
	must(one->options_count == other->options_count && one->paths_count == other->paths_count);
	for (size_t i = 0; i < one->options_count; i++) {
		const char *value = one->options[i].value, *again = other->options[i].value;

		must(one->options[i].option == other->options[i].option);
		must((value == NULL) == (again == NULL) && (value == NULL || strcmp(value, again) == 0));
	}
	for (size_t i = 0; i < one->paths_count; i++)
		must(strcmp(one->paths[i].text, other->paths[i].text) == 0 && other->paths[i].pattern == NULL);
}

static void check_meaning(const struct gate_policy *policy, const struct rsync_request *request)
{
	struct gate_refusal refusal = { 0 };
	struct rsync_request again = { 0 };
	struct command_line line = { 0 };
	struct writer w = { 0 };
	size_t size = 64;

	for (size_t i = 0; i < request->options_count; i++)
		size += 64 + 2 * (request->options[i].value == NULL ? 0 : strlen(request->options[i].value));
	for (size_t i = 0; i < request->paths_count; i++)
		size += 8 + 2 * strlen(request->paths[i].text);
	if (size > COMMAND_LINE_MAX)
		return;
	w.text = malloc(size);
	must(w.text != NULL);
	w.used = (size_t)sprintf(w.text, "rsync --server%s", request->sender ? " --sender" : "");
	for (size_t i = 0; i < request->options_count; i++) {
		const struct rsync_chosen *chosen = &request->options[i];

		if (chosen->option == NULL)
			write_word(&w, "", chosen->value, NULL);
		else
			write_word(&w, "--", chosen->option->name, chosen->value);
	}
	write_word(&w, "", ".", NULL);
	for (size_t i = 0; i < request->paths_count; i++)
		write_word(&w, "", request->paths[i].text, NULL);
	must(w.used < size);
	must(command_line_split(w.text, &line) == 0);
	must(rsync_request_parse(policy, &line, &again, &refusal) == 0);
	check_same(request, &again);
	rsync_request_free(&again);
	command_line_free(&line);
	free(w.text);
}

/* ---- mutations of words --------------------------------------------------------------------------- */

static const char *const pieces[] = {
	"--sender",
	"--server",
	"-vlogDtpre.iLsfxCIvu",
	"-e.LsfxC",
	"-B700",
	"-@-1",
	"-s",
	"-L",
	"-n",
	".",
	"..",
	"/",
	"x/..",
	"../p",
	"{a,b}",
	"{..,x}/y",
	"{1..9}",
	"*",
	"'*'",
	"\\*",
	"~",
	"''",
	"\"a b\"",
	"a\\ b",
	"--delete",
	"--delete-after",
	"--force",
	"--backup-dir",
	"--backup-dir=old",
	"--partial-dir=.p",
	"--temp-dir=/t",
	"--link-dest=../p",
	"--copy-dest",
	"--compare-dest=/x",
	"--log-file=l",
	"--log-format=%i",
	"--files-from=-",
	"--from0",
	"--fake-super",
	"--super",
	"--whole-file",
	"--no-W",
	"--append",
	"--info=all9",
	"--debug=all",
	"--daemon",
	"--secluded-args",
	"--munge-links",
	"--remove-source-files",
	"--usermap=0:1",
	"--suffix",
	"--max-delete=1",
	"--inplace",
	"--numeric-ids",
	"--",
	"-",
	"--=",
	"/d/x",
	"/d",
};

/* Words as a client separates them, blanks after the first one's end. */
static size_t word_at(const char *text, size_t size, unsigned which, size_t *length)
{
	size_t count = 1, start = 0;

	for (size_t i = 0; i < size; i++)
		count += text[i] == ' ';
	which %= count;
	for (; which > 0; which--)
		start += (size_t)((const char *)memchr(text + start, ' ', size - start) - (text + start)) + 1;
	for (*length = 0; start + *length < size && text[start + *length] != ' ';)
		++*length;
	return start;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	const char *piece = pieces[seed / 8 % (sizeof(pieces) / sizeof(pieces[0]))];
	char *text = (char *)data + POLICY_BYTES;
	size_t length, start, put = strlen(piece), cut;

	if (size <= POLICY_BYTES || seed % 4 == 0)
		return LLVMFuzzerMutate(data, size, max);
	start = word_at(text, size - POLICY_BYTES, seed / 1024, &length);
	cut = seed % 4 == 1 ? length : 0; /* in its place, or before it; or away with it */
	if (seed % 4 == 3 && seed / 4 % 2 == 0) {
		put = 0;
		cut = length + (POLICY_BYTES + start + length < size);
	}
	if (size + put + 1 > max)
		return LLVMFuzzerMutate(data, size, max);
	memmove(text + start + put + (put > 0 && cut == 0), text + start + cut, size - POLICY_BYTES - start - cut);
	memcpy(text + start, piece, put);
	if (put > 0 && cut == 0)
		text[start + put] = ' ';
	return size - cut + put + (put > 0 && cut == 0);
}

static struct gate_policy policy_of(const uint8_t *data)
{
	struct gate_policy policy = { .directory = "/d" };

	policy.read_only = (data[0] & 3) == 1;
	policy.blind = (data[0] & 3) == 3;
	policy.write_only = (data[0] & 2) != 0;
	policy.no_delete = policy.read_only || policy.blind || (data[0] & 4) != 0;
	policy.no_overwrite = (data[0] & 8) != 0;
	policy.fake_super = (data[0] & 16) != 0;
	policy.munge = (data[0] & 32) != 0;
	policy.absolute = (data[0] & 64) != 0;
	policy.drop_devices = policy.confine_root = (data[1] & 1) != 0;
	return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gate_policy policy;
	struct gate_refusal refusal = { 0 };
	struct rsync_request request = { 0 };
	struct text_list argv = { 0 }, inside = { 0 };
	struct command_line line = { 0 };
	char *command;
	int r;

	if (size < POLICY_BYTES)
		return 0;
	policy = policy_of(data);
	command = strndup((const char *)data + POLICY_BYTES, size - POLICY_BYTES);
	if (command == NULL)
		return 0;
	r = command_line_split(command, &line);
	check_words(command, &line, r);
	if (r == 0 && rsync_request_parse(&policy, &line, &request, &refusal) == 0) {
		/* -absolute takes DIR off the front; what is left of "/d/d/x" would lose it twice */
		if (!policy.absolute)
			check_meaning(&policy, &request);
		if (rsync_options_build(&policy, &request, "a/b", &argv, &inside, &refusal) == 0)
			check(&policy, &request, &argv);
	}
	rsync_request_free(&request);
	text_list_free(&argv);
	text_list_free(&inside);
	if (r == 0)
		command_line_free(&line);
	free(command);
	return 0;
}
