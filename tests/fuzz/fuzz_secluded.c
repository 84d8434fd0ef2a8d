/* SPDX-License-Identifier: ISC */
/*
 * Arguments inside the protocol. First byte: the policy; then the command's cluster, then any bytes as arguments. Those
 * that are accepted come out as words that read as they were sent, in their order; what the gate makes of them, it
 * makes of the plain command with each word quoted by hand; and nothing that says -s is left.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>

#include "backup/rsync_arguments.h"
#include "backup/secluded.h"

/* A word of the plain command, quoted in another way than the code does: every byte of a name in a class of its own. */
static void add_word(char *line, const char *word, bool path)
{
	char *end = line + strlen(line);
	const char *p = word;

	*end++ = ' ';
	if (p[0] == '~' && (p[1] == '/' || p[1] == '\0')) {
		*end++ = *p++;
		if (*p == '/')
			*end++ = *p++;
	}
	for (; *p != '\0'; p++) {
		if (path && p[0] == '\\' && p[1] != '\0' && strchr("*?[]", p[1]) != NULL) {
			*end++ = *p++;
			*end++ = *p;
		} else if (path && strchr("*?[]", *p) != NULL) {
			*end++ = *p;
		} else if (*p == '\'') {
			*end++ = '\\';
			*end++ = '\'';
		} else {
			*end++ = '\'';
			*end++ = *p;
			*end++ = '\'';
		}
	}
	*end = '\0';
}

static int outcome(const struct gate_policy *policy, const struct command_line *line, struct text_list *argv)
{
	struct rsync_request request = { 0 };
	struct gate_refusal refusal = { 0 };
	struct text_list inside = { 0 };
	int r = rsync_request_parse(policy, line, &request, &refusal);

	if (r == 0)
		r = rsync_options_build(policy, &request, ".", argv, &inside, &refusal);
	for (size_t i = 0; r == 0 && i < argv->count; i++) /* the options; a path may have such a name */
		must(strcmp(argv->items[i], "-s") != 0 && strcmp(argv->items[i], "--secluded-args") != 0);
	for (size_t i = 0; r == 0 && i < request.paths_count; i++)
		must(text_list_add(argv, request.paths[i].text) == 0 &&
		     text_list_add(argv, request.paths[i].pattern != NULL ? "pattern" : "") == 0);
	text_list_free(&inside);
	rsync_request_free(&request);
	return r;
}

static void compare(const struct gate_policy *policy, const struct command_line *joined, const char *plain)
{
	struct text_list ours = { 0 }, theirs = { 0 };
	struct command_line line;
	int r = command_line_split(plain, &line);

	if (r == 0) { /* longer than a command may be, else */
		r = outcome(policy, &line, &theirs);
		must(outcome(policy, joined, &ours) == r && ours.count == theirs.count);
		for (size_t i = 0; i < ours.count; i++)
			must(strcmp(ours.items[i], theirs.items[i]) == 0);
		command_line_free(&line);
	}
	text_list_free(&ours);
	text_list_free(&theirs);
}

static void check(const struct gate_policy *policy, const struct command_line *joined, const char *cluster,
		  const char *bytes, size_t size)
{
	char *plain = calloc(1, 4 * (size + strlen(cluster)) + 64);
	size_t word = cluster[0] != '\0' ? 3 : 2;
	bool path = false;

	must(plain != NULL);
	strcpy(plain, "rsync --server");
	if (cluster[0] != '\0') {
		strcat(plain, " -");
		strcat(plain, cluster);
	}
	for (size_t at = sizeof("rsync"); at < size; at += strlen(bytes + at) + 1) {
		must(word < joined->count);
		if (!path && bytes[at] != '~')
			must(strcmp(joined->words[word].text, bytes + at) == 0);
		add_word(plain, bytes + at, path);
		path |= strcmp(bytes + at, ".") == 0;
		word++;
	}
	must(word == joined->count);
	compare(policy, joined, plain);
	free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	const uint8_t how = take_byte(&input);
	const struct gate_policy policy = { .directory = "/home/x",
					    .read_only = (how & 3) == 1,
					    .write_only = (how & 3) >= 2,
					    .blind = (how & 3) == 3,
					    .no_delete = (how & 4) != 0,
					    .no_overwrite = (how & 8) != 0 };
	static const char *const clusters[] = { "", "r", "logDtpre.iLsfxCIvu", "e.Lsf" };
	const char *cluster = clusters[how >> 4 & 3];
	struct command_line line, joined;
	char command[64], *bytes = take_copy(input.at, input.left);
	int r;

	snprintf(command, sizeof(command), "rsync --server -s%s", cluster);
	must(command_line_split(command, &line) == 0 && secluded_asked(&line));
	r = secluded_join(&line, bytes, input.left, &joined);
	must(r == 0 || r == -EPROTO || r == -E2BIG);
	if (r == 0) {
		must(bytes[input.left - 1] == '\0' && !memmem(bytes, input.left, "\0\0", 2));
		check(&policy, &joined, cluster, bytes, input.left);
		command_line_free(&joined);
	}
	command_line_free(&line);
	free(bytes);
	return 0;
}
