/* SPDX-License-Identifier: ISC */
/*
 * Backup programs, monitoring and people ask whether a host is there before they do anything. Used by the login shell
 * and the gates, as the account. The client chooses every byte: a command in which a shell would do anything but say
 * the words again is no probe.
 */
#include "backup/probe.h"

#include <string.h>

#define BLANKS " \t"

/* Ordinary to every shell, at each place of a word. */
static bool ordinary(char c)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=.,:/@%";

	return c != '\0' && strchr(set, c) != NULL;
}

/* One word at *at, quotes taken off, to the end of out. */
static bool word_take(const char **at, char *out, size_t *used)
{
	char quote = '\0';

	for (; **at != '\0' && (quote != '\0' || strchr(BLANKS, **at) == NULL); ++*at) {
		const char c = **at;

		if (c == quote)
			quote = '\0';
		else if (quote == '\0' && (c == '\'' || c == '"'))
			quote = c;
		else if (*used + 2 > PROBE_ANSWER_MAX || (!ordinary(c) && (quote == '\0' || c != ' ')))
			return false;
		else
			out[(*used)++] = c;
	}
	return quote == '\0';
}

/* `echo -n` and `echo -e` differ from shell to shell: words alone. */
static bool echo_words(const char *words, char *answer)
{
	char made[PROBE_ANSWER_MAX + 1];
	size_t used = 0;

	words += strspn(words, BLANKS);
	if (words[0] == '-')
		return false;
	while (words[0] != '\0') {
		if (!word_take(&words, made, &used))
			return false;
		words += strspn(words, BLANKS);
		if (words[0] == '\0')
			continue;
		if (used + 2 > PROBE_ANSWER_MAX)
			return false;
		made[used++] = ' ';
	}
	made[used++] = '\n';
	memcpy(answer, made, used);
	answer[used] = '\0';
	return true;
}

bool probe_answer(const char *command, char answer[PROBE_ANSWER_MAX + 1])
{
	static const char *const quiet[] = { "true", "/bin/true", "/usr/bin/true", ":", "exit", "exit 0" };
	size_t length;

	command += strspn(command, BLANKS);
	length = strlen(command);
	while (length > 0 && strchr(BLANKS, command[length - 1]) != NULL)
		length--;
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		if (strlen(quiet[i]) != length || memcmp(command, quiet[i], length) != 0)
			continue;
		answer[0] = '\0';
		return true;
	}
	if (strncmp(command, "echo", 4) != 0 || (command[4] != '\0' && strchr(BLANKS, command[4]) == NULL))
		return false;
	return echo_words(command + 4, answer);
}

bool probe_is(const char *command)
{
	char answer[PROBE_ANSWER_MAX + 1];

	return probe_answer(command, answer);
}
