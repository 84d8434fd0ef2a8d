/* SPDX-License-Identifier: ISC */
/*
 * A client's command, split and looked up as `manage` does. A second, plain reading has to come to the same words;
 * quoting the words gives them again; and no command comes through that the table does not allow.
 */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#include "cli/manage_command.h"
#include "cli/manage_split.h"
#include "cli/usage.h"

/* As the rule says it, byte by byte, with a state of its own. -1: it is no command; else the number of words. */
static int plain_split(const char *text, char (*words)[MANAGE_TEXT_MAX + 1], int most)
{
	enum { BETWEEN, BARE, SINGLE, DOUBLE } state = BETWEEN;
	int count = 0, length = 0;

	for (const unsigned char *p = (const unsigned char *)text;; p++) {
		bool blank = *p == ' ' || *p == '\t' || *p == '\0';

		if (state == BETWEEN && blank) {
			if (*p == '\0')
				return count;
			continue;
		}
		if (state == BETWEEN) {
			if (count == most)
				return -1;
			length = 0;
			state = BARE;
		}
		if ((*p < ' ' && *p != '\t' && *p != '\0') || *p == 0x7f || (*p == '\0' && state != BARE))
			return -1;
		if (state == BARE && blank) {
			words[count++][length] = '\0';
			state = BETWEEN;
			if (*p == '\0')
				return count;
		} else if (state == BARE && (*p == '\'' || *p == '"')) {
			state = *p == '"' ? DOUBLE : SINGLE;
		} else if ((state == SINGLE && *p == '\'') || (state == DOUBLE && *p == '"')) {
			state = BARE;
		} else if (*p == '\\' && (state == BARE || (state == DOUBLE && (p[1] == '\\' || p[1] == '"')))) {
			if (*++p == '\0' || (*p < ' ' && *p != '\t') || *p == 0x7f)
				return -1;
			words[count][length++] = (char)*p;
		} else {
			words[count][length++] = (char)*p;
		}
	}
}

/* Each word in '...', a ' as '\'': the same words again, where they still fit. */
static void check_quoted(const struct manage_words *words)
{
	static char text[6 * MANAGE_TEXT_MAX];
	static struct manage_words again;
	size_t used = 0;

	for (size_t i = 0; i < words->count; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s'", i > 0 ? " " : "");
		for (const char *p = words->word[i]; *p != '\0'; p++)
			used += (size_t)snprintf(text + used, sizeof(text) - used, *p == '\'' ? "'\\''" : "%c", *p);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "'");
	}
	text[used] = '\0';
	if (used > MANAGE_TEXT_MAX)
		return;
	must(manage_split(text, &again) == NULL);
	must(again.count == words->count);
	for (size_t i = 0; i < words->count; i++)
		must(strcmp(again.word[i], words->word[i]) == 0);
}

static void check_command(const struct manage_words *words, const char *account)
{
	struct manage_command command;
	const unsigned door = account != NULL ? SSH_ACCOUNT : SSH_OWNER;
	char two[2 * MANAGE_TEXT_MAX + 2];
	const struct usage *row;
	size_t at = 2;

	if (!manage_command(words, account, &command)) {
		must(command.what != NULL && command.why[0] != '\0' && command.todo != NULL);
		return;
	}
	must(strcmp(command.argv[0], "subuid") == 0 && strcmp(command.argv[1], "--over-ssh") == 0);
	if (command.copy != NULL) {
		must(account != NULL && strstr(command.copy, "/../") == NULL && strncmp(command.copy, "../", 3) != 0 &&
		     strcmp(command.copy, "..") != 0);
		return;
	}
	while (command.argv[at] != NULL && command.argv[at][0] == '-')
		must(strcmp(command.argv[at++], "--socket") != 0);
	if (command.argv[at] == NULL || strcmp(command.argv[at], "help") == 0)
		return;
	snprintf(two, sizeof(two), "%s %s", command.argv[at], command.argv[at + 1] != NULL ? command.argv[at + 1] : "");
	row = usage_find(two);
	if (row != NULL)
		must((row->ssh & door) != 0);
	else
		row = usage_find(command.argv[at]);
	must(row != NULL && (row->forms == NULL || (row->ssh & door) != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char plain[MANAGE_WORDS_MAX][MANAGE_TEXT_MAX + 1];
	static struct manage_words words;
	struct input input = { data, size };
	char *text = take_text(&input);
	bool split = manage_split(text, &words) == NULL;
	int count = strlen(text) > MANAGE_TEXT_MAX ? -1 : plain_split(text, plain, MANAGE_WORDS_MAX);

	must(split == (count >= 0));
	if (split) {
		must((size_t)count == words.count && words.word[count] == NULL);
		for (int i = 0; i < count; i++)
			must(strcmp(plain[i], words.word[i]) == 0);
		check_quoted(&words);
		check_command(&words, NULL);
		check_command(&words, "alice+web1");
	}
	free(text);
	return 0;
}
