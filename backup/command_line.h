/* SPDX-License-Identifier: ISC */
/*
 * Splits the command that an ssh client sent into words, as the shell that the client expects would have done,
 * without a shell. Quotes and backslashes are taken off; variables, command substitution and operators (`;`, `|`,
 * `$`, `&`) are ordinary characters; wildcards and braces are left to the code that expands them. Pure, libc only;
 * the client chooses every byte.
 */
#ifndef BACKUP_COMMAND_LINE_H
#define BACKUP_COMMAND_LINE_H

#include <stddef.h>

#define COMMAND_LINE_MAX (128u * 1024u) /* the kernel's limit for one environment string */

struct word {
	char *text;    /* the word's meaning */
	char *pattern; /* the same, quoted wildcards and braces escaped; NULL: nothing to expand in it */
};

struct command_line {
	struct word *words;
	size_t count;
	char *storage; /* of all words */
};

/* 0, -EINVAL (a quote is not closed, or a backslash is at the end), -E2BIG, -ENOMEM. */
int command_line_split(const char *line, struct command_line *ret);
void command_line_free(struct command_line *line);

#endif
