/* SPDX-License-Identifier: ISC */
/* Splits the client's command into words and patterns, as a shell would, without running one. */
#include "backup/command_line.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\n"
#define SPECIAL "*?[]{},." /* to glob(3) or in braces */

struct splitter {
	const char *in;
	char *text; /* where the next byte goes */
	char *pattern;
	bool wild;
};

/* c may be NUL only as the end of a word. */
static void put(struct splitter *s, char c, bool quoted)
{
	if (c == '\\' || (quoted && c != '\0' && strchr(SPECIAL, c) != NULL))
		*s->pattern++ = '\\';
	else if (c != '\0' && strchr("*?[{", c) != NULL)
		s->wild = true;
	*s->pattern++ = c;
	*s->text++ = c;
}

/* At the byte after an opening quote: up to and past the closing one. */
static int quoted_part(struct splitter *s, char quote)
{
	while (*s->in != quote) {
		if (quote == '"' && *s->in == '\\' && s->in[1] != '\0' && strchr("\"\\$`", s->in[1]) != NULL)
			s->in++;
		if (*s->in == '\0')
			return -EINVAL;
		put(s, *s->in++, true);
	}
	s->in++;
	return 0;
}

/* A backslash makes the next byte ordinary, even a newline: rsync's clients escape a newline in a file name this way,
 * although a shell would drop both. */
static int escaped_byte(struct splitter *s)
{
	if (*s->in == '\0')
		return -EINVAL;
	put(s, *s->in++, true);
	return 0;
}

static int next_word(struct splitter *s)
{
	int r = 0;

	/* "~" and "~/x": the home as the client sees it, which is "/", the directory of the gate. */
	if (s->in[0] == '~' && (s->in[1] == '\0' || strchr("/" BLANKS, s->in[1]) != NULL)) {
		s->in++;
		if (*s->in != '/')
			put(s, '/', false);
	}
	while (r == 0 && *s->in != '\0' && strchr(BLANKS, *s->in) == NULL) {
		char c = *s->in++;

		if (c == '\\')
			r = escaped_byte(s);
		else if (c == '\'' || c == '"')
			r = quoted_part(s, c);
		else
			put(s, c, false);
	}
	put(s, '\0', false);
	return r;
}

int command_line_split(const char *line, struct command_line *ret)
{
	size_t length = strnlen(line, COMMAND_LINE_MAX + 1);
	struct command_line made = { 0 };
	struct splitter s = { .in = line };
	int r;

	if (length > COMMAND_LINE_MAX)
		return -E2BIG;
	/* A word takes at least two bytes of the line ("a "); each byte becomes at most 2 bytes of text and 3 of
	 * pattern. */
	made.words = calloc(length / 2 + 1, sizeof(*made.words));
	made.storage = malloc(5 * (length + 1));
	if (made.words == NULL || made.storage == NULL) {
		command_line_free(&made);
		return -ENOMEM;
	}
	s.text = made.storage;
	s.pattern = made.storage + 2 * (length + 1);
	for (s.in += strspn(s.in, BLANKS); *s.in != '\0'; s.in += strspn(s.in, BLANKS)) {
		struct word *word = &made.words[made.count++];

		s.wild = false;
		word->text = s.text;
		word->pattern = s.pattern;
		r = next_word(&s);
		if (r < 0) {
			command_line_free(&made);
			return r;
		}
		if (!s.wild)
			word->pattern = NULL;
	}
	*ret = made;
	return 0;
}

void command_line_free(struct command_line *line)
{
	free(line->words);
	free(line->storage);
	*line = (struct command_line){ 0 };
}
