/* SPDX-License-Identifier: ISC */
/* Step one: the client's words against the table and the policy. */
#include "backup/rsync_arguments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/brace.h"

#define PATHS_BYTES_MAX (4u << 20) /* more than execve(2) takes */

static int refuse_option(struct gate_refusal *refusal, const char *dashes, const char *name, const char *why)
{
	char what[REFUSAL_TEXT_MAX + 1];

	/* rrsync's own message, which people and programs know */
	snprintf(what, sizeof(what), "option %s%s has been disabled on this server", dashes, name);
	return gate_refuse(refusal, what, why);
}

static int check_option(const struct gate_policy *policy, const struct rsync_option *option,
			struct gate_refusal *refusal)
{
	unsigned forbidden = OPTION_REFUSED;
	const char *why;

	if (!policy->everything)
		forbidden |= OPTION_FOLLOWS;
	if (policy->no_delete)
		forbidden |= OPTION_DELETES;
	if (policy->no_overwrite)
		forbidden |= OPTION_OVERWRITES;
	if (policy->read_only)
		forbidden |= OPTION_WRITES;
	if (policy->blind)
		forbidden |= OPTION_LOOKS;
	why = rsync_option_why(option, forbidden);
	if (why == NULL)
		return 0;
	return refuse_option(refusal, option->name[1] == '\0' ? "-" : "--", option->name, why);
}

/* Also of an option that is refused: the run was not meant to change anything. */
static void intent_narrow(struct rsync_request *request, const struct rsync_option *option)
{
	if ((option->flags & OPTION_DRY) != 0)
		request->intent = RSYNC_READS;
}

/* The capabilities at the end of a cluster, "e.LsfxCIvu" or "e31.LsfxC": no options, and nothing after them. */
static bool capabilities_valid(const char *text)
{
	text += 1 + strspn(text + 1, "0123456789");
	if (*text++ != '.')
		return false;
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* "-B700", "-@-1" */
static bool letter_with_number(const char *word)
{
	if (word[1] != 'B' && word[1] != '@')
		return false;
	word += 2 + (word[1] == '@' && word[2] == '-');
	return *word != '\0' && word[strspn(word, "0123456789")] == '\0';
}

/* verbose: how often -v was given so far. From the third on, rsync's server names the directories that it goes through.
 */
static int parse_cluster(const struct gate_policy *policy, const char *word, unsigned *verbose,
			 struct rsync_request *request, struct gate_refusal *refusal)
{
	static const char too_verbose[] = "at most twice with this key: more would show which files exist";
	static const char blocks[] = "files are sent whole with this key";
	char letter[] = "-?";

	if (letter_with_number(word))
		return policy->blind && word[1] == 'B' ? refuse_option(refusal, "-", "B", blocks) : 0;
	if (word[1] == '\0')
		return gate_refuse(refusal, word, "not an option that a client sends");
	for (const char *p = word + 1; *p != '\0'; p++) {
		const struct rsync_option *option;
		int r;

		if (*p == 'e' && capabilities_valid(p))
			return 0;
		letter[1] = *p;
		option = rsync_option_find(p, 1);
		if (option == NULL)
			return gate_refuse(refusal, letter, "unknown option");
		intent_narrow(request, option);
		r = check_option(policy, option, refusal);
		if (r == 0 && policy->blind && *p == 'v' && ++*verbose > 2)
			r = refuse_option(refusal, "-", "v", too_verbose);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The formats that rsync's clients send; another one could ask for the checksum of a file. */
static bool log_format_harmless(const char *value)
{
	static const char *const known[] = { "X", "%i", "%i%I", "%o" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(value, known[i]) == 0)
			return true;
	return false;
}

static int check_value(const struct gate_policy *policy, const struct rsync_option *option, const char *value,
		       struct gate_refusal *refusal)
{
	if (option->argument == ARGUMENT_LIST && policy->write_only && strcmp(value, "-") != 0)
		return gate_refuse(refusal, "a write-only server cannot read a remote --files-from path",
				   "reading is not allowed with this key");
	if (policy->blind && strcmp(option->name, "log-format") == 0 && !log_format_harmless(value))
		return refuse_option(refusal, "--", option->name, "only the formats that rsync itself sends");
	if (option->argument < ARGUMENT_DIRECTORY || policy->everything)
		return 0;
	if (value[0] == '\0')
		return gate_refuse(refusal, option->name, "an empty path");
	if (option->argument != ARGUMENT_BASIS && path_goes_up(value))
		return gate_refuse(refusal, value, "do not use .. here; \"/\" is the top of what you can reach");
	return 0;
}

/* Bytes in front of a path that name DIR itself, with -absolute. */
static size_t directory_length(const struct gate_policy *policy, const char *path)
{
	size_t length = policy->directory == NULL ? 0 : strlen(policy->directory);

	if (!policy->absolute || policy->everything || strncmp(path, policy->directory, length) != 0 ||
	    (path[length] != '/' && path[length] != '\0'))
		return 0;
	return length;
}

static const char *rebase_value(const struct gate_policy *policy, const char *value)
{
	size_t length = directory_length(policy, value);

	return length > 0 && value[length] == '\0' ? "/" : value + length;
}

/* One long option at words[*i]; its value is after "=" or the next word. */
static int parse_long(const struct gate_policy *policy, const struct command_line *line, size_t *i,
		      struct rsync_chosen *chosen, struct rsync_request *request, struct gate_refusal *refusal)
{
	const char *word = line->words[*i].text;
	size_t length = strcspn(word + 2, "=");
	const char *value = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
	const struct rsync_option *option = length > 1 ? rsync_option_find(word + 2, length) : NULL;
	int r;

	if (option == NULL)
		return gate_refuse(refusal, word, "unknown option");
	intent_narrow(request, option);
	r = check_option(policy, option, refusal);
	if (r < 0)
		return r;
	if (option->argument == ARGUMENT_NONE && value != NULL)
		return gate_refuse(refusal, word, "takes no value");
	if (option->argument != ARGUMENT_NONE && value == NULL) {
		if (*i + 1 >= line->count)
			return gate_refuse(refusal, word, "needs a value");
		value = line->words[++*i].text;
	}
	if (value != NULL && option->argument >= ARGUMENT_DIRECTORY)
		value = rebase_value(policy, value);
	*chosen = (struct rsync_chosen){ option, value };
	return value == NULL ? 0 : check_value(policy, option, value, refusal);
}

/* From words[*i] to the lone "." that ends the options. */
static int parse_options(const struct gate_policy *policy, const struct command_line *line, size_t *i,
			 struct rsync_request *request, struct gate_refusal *refusal)
{
	unsigned verbose = 0;
	int r;

	for (; *i < line->count; ++*i) {
		struct rsync_chosen *chosen = &request->options[request->options_count];
		const char *word = line->words[*i].text;

		if (strcmp(word, ".") == 0) {
			++*i;
			return 0;
		}
		if (word[0] != '-')
			return gate_refuse(refusal, word, "not an option; is this an rsync client?");
		if (word[1] == '-') {
			r = parse_long(policy, line, i, chosen, request, refusal);
		} else {
			*chosen = (struct rsync_chosen){ NULL, word };
			r = parse_cluster(policy, word, &verbose, request, refusal);
		}
		if (r < 0)
			return r;
		request->options_count++;
		if (chosen->option != NULL && strncmp(chosen->option->name, "remove-", 7) == 0)
			request->changes = true;
	}
	return gate_refuse(refusal, "rsync", "no \".\" after the options");
}

/* ---- paths ------------------------------------------------------------------------ */

/* The text that a pattern stands for, and whether it has a wildcard. */
static bool pattern_text(const char *pattern, char *text)
{
	bool wild = false;

	for (; *pattern != '\0'; pattern++) {
		if (pattern[0] == '\\' && pattern[1] != '\0')
			pattern++;
		else if (strchr("*?[", *pattern) != NULL)
			wild = true;
		*text++ = *pattern;
	}
	*text = '\0';
	return wild;
}

/* Takes count bytes of meaning off the front of a pattern: an escaped one is two. */
static char *pattern_skip(char *pattern, size_t count)
{
	while (count-- > 0)
		pattern += pattern[0] == '\\' ? 2 : 1;
	return pattern;
}

/* "/x" is DIR/x; with -absolute DIR/x is that too. */
static void rebase_path(const struct gate_policy *policy, struct word *path)
{
	static char here[] = ".";
	size_t skip = directory_length(policy, path->text);

	skip += strspn(path->text + skip, "/");
	path->text += skip;
	if (path->pattern != NULL)
		path->pattern = pattern_skip(path->pattern, skip);
	if (path->text[0] == '\0')
		*path = (struct word){ here, NULL };
}

/* Into request->storage: the texts of all paths, one after the other; of a pattern, the pattern and its text. */
static int store_word(struct rsync_request *request, const struct word *word)
{
	struct text_list patterns = { 0 };
	int r;

	if (word->pattern == NULL) {
		r = text_list_add(&request->storage, "");
		return r < 0 ? r : text_list_add(&request->storage, word->text);
	}
	r = brace_expand(word->pattern, &patterns);
	for (size_t i = 0; r == 0 && i < patterns.count; i++) {
		r = text_list_add(&request->storage, patterns.items[i]);
		if (r == 0) /* made into the text in place by place_paths() */
			r = text_list_add(&request->storage, patterns.items[i]);
	}
	text_list_free(&patterns);
	return r;
}

/* The storage does not move any more: pairs of pattern ("": none) and text. */
static int place_paths(struct rsync_request *request)
{
	request->paths_count = request->storage.count / 2;
	request->paths = calloc(request->paths_count + 1, sizeof(*request->paths));
	if (request->paths == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < request->paths_count; i++) {
		struct word *path = &request->paths[i];
		char *pattern = request->storage.items[2 * i];

		path->text = request->storage.items[2 * i + 1];
		if (pattern[0] != '\0' && pattern_text(pattern, path->text))
			path->pattern = pattern;
	}
	return 0;
}

static int check_paths(const struct gate_policy *policy, struct rsync_request *request, struct gate_refusal *refusal)
{
	if (!request->sender && request->paths_count > 1)
		return gate_refuse(refusal, request->paths[1].text,
				   "one destination only; escape the spaces in its name");
	for (size_t i = 0; i < request->paths_count; i++) {
		rebase_path(policy, &request->paths[i]);
		if (!policy->everything && path_goes_up(request->paths[i].text))
			return gate_refuse(refusal, request->paths[i].text,
					   "do not use .. here; \"/\" is the top of what you can reach");
	}
	return 0;
}

static int parse_paths(const struct gate_policy *policy, const struct word *words, size_t count,
		       struct rsync_request *request, struct gate_refusal *refusal)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = request->storage.bytes > PATHS_BYTES_MAX ? -E2BIG : store_word(request, &words[i]);
	if (r == -E2BIG)
		return gate_refuse(refusal, "braces", "they stand for too many names");
	if (r == 0)
		r = place_paths(request);
	return r < 0 ? r : check_paths(policy, request, refusal);
}

static bool is_rsync(const char *word)
{
	const char *slash = strrchr(word, '/');

	return strcmp(slash == NULL ? word : slash + 1, "rsync") == 0;
}

static int check_direction(const struct gate_policy *policy, bool sender, struct gate_refusal *refusal)
{
	if (sender && policy->write_only)
		return gate_refuse(refusal, "reading", "not allowed with this key; it can only write");
	if (!sender && policy->read_only)
		return gate_refuse(refusal, "writing", "not allowed with this key; it can only read");
	return 0;
}

/* By the word behind --server. */
static enum rsync_intent intent_of(const struct command_line *line, size_t i)
{
	return line->count > i && strcmp(line->words[i].text, "--sender") == 0 ? RSYNC_READS : RSYNC_WRITES;
}

/* A word that --rsync-path of a client puts between the name and --server is an option for somebody else, or one of
 * rsync's.
 */
static int refuse_start(const struct gate_policy *policy, const struct command_line *line,
			struct rsync_request *request, struct gate_refusal *refusal)
{
	char what[REFUSAL_TEXT_MAX + 1];
	size_t i = 1;

	while (i < line->count && strcmp(line->words[i].text, "--server") != 0)
		i++;
	if (i == line->count || i == 1)
		return gate_refuse(refusal, "rsync", "only as the server of an rsync client (rsync -a DIR HOST:)");
	request->intent = intent_of(line, i + 1);
	snprintf(what, sizeof(what), "leave %s out of --rsync-path", line->words[1].text);
	if (strcmp(line->words[1].text, "--fake-super") != 0)
		return gate_refuse(refusal, what, "options are given to the client");
	return gate_refuse(refusal, what,
			   policy->fake_super ? "it is always on here" : "the client has -M--fake-super for it");
}

int rsync_request_parse(const struct gate_policy *policy, const struct command_line *line, struct rsync_request *ret,
			struct gate_refusal *refusal)
{
	struct rsync_request made = { 0 };
	size_t i = 2;
	int r;

	ret->intent = RSYNC_NONE;
	if (line->count < 1 || !is_rsync(line->words[0].text))
		return gate_refuse(refusal, line->count < 1 ? "no command" : line->words[0].text,
				   "not allowed; this key runs rsync only");
	if (line->count < 2 || strcmp(line->words[1].text, "--server") != 0)
		return refuse_start(policy, line, ret, refusal);
	made.intent = ret->intent = intent_of(line, i);
	made.sender = made.intent == RSYNC_READS;
	i += made.sender;
	made.changes = !made.sender;
	r = check_direction(policy, made.sender, refusal);
	if (r < 0)
		return r;
	made.options = calloc(line->count, sizeof(*made.options));
	if (made.options == NULL)
		return -ENOMEM;
	r = parse_options(policy, line, &i, &made, refusal);
	if (r == 0)
		r = parse_paths(policy, line->words + i, line->count - i, &made, refusal);
	ret->intent = made.intent;
	if (r < 0)
		rsync_request_free(&made);
	else
		*ret = made;
	return r;
}

void rsync_request_free(struct rsync_request *request)
{
	free(request->options);
	free(request->paths);
	text_list_free(&request->storage);
	*request = (struct rsync_request){ 0 };
}
