/* SPDX-License-Identifier: ISC */
/* Splits what an ssh client sent into words. Run as the owner or the sub-account, over a stranger's bytes. Pure. */
#include "cli/manage_split.h"

#include <stdbool.h>
#include <string.h>

#define BLANKS " \t"

static bool sound(const char *command)
{
	for (const char *at = command; *at != '\0'; at++)
		if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
			return false;
	return true;
}

/* Up to the end of one word: *from behind it, *to behind its NUL. False: a quote or a backslash has no end. */
static bool word_copy(const char **from, char **to)
{
	char quote = '\0';

	for (; **from != '\0' && (quote != '\0' || strchr(BLANKS, **from) == NULL); ++*from) {
		char c = **from;

		if (quote != '\0' ? c == quote : c == '\'' || c == '"') {
			quote = quote != '\0' ? '\0' : c;
			continue;
		}
		if (c == '\\' && (quote == '\0' || (quote == '"' && ((*from)[1] == '"' || (*from)[1] == '\\')))) {
			c = *++*from;
			if (c == '\0')
				return false;
		}
		*(*to)++ = c;
	}
	*(*to)++ = '\0';
	return quote == '\0';
}

const char *manage_split(const char *command, struct manage_words *words)
{
	char *to = words->text;

	if (strnlen(command, MANAGE_TEXT_MAX + 1) > MANAGE_TEXT_MAX)
		return "too long";
	if (!sound(command))
		return "it has a line break or another control character in it";
	words->count = 0;
	for (;;) {
		command += strspn(command, BLANKS);
		if (*command == '\0')
			break;
		if (words->count == MANAGE_WORDS_MAX)
			return "too many words";
		words->word[words->count++] = to;
		if (!word_copy(&command, &to))
			return "a quote or a backslash has no end";
	}
	words->word[words->count] = NULL;
	return NULL;
}
