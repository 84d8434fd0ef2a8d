/* SPDX-License-Identifier: ISC */
/*
 * Splits the command that an ssh client sent into words, as the shell that the
 * client reckoned with would have done, without a shell. Quotes and backslashes
 * are taken off; variables, command substitution, operators (`;`, `|`, `$`, `&`) and
 * braces are ordinary characters. Pure, libc only; the client chooses every byte.
 */
#ifndef BACKUP_COMMAND_LINE_H
#define BACKUP_COMMAND_LINE_H

#include <stddef.h>

#define COMMAND_LINE_MAX (128u * 1024u) /* the kernel's bound of one environment string */

struct word {
	char *text;    /* what is meant */
	char *pattern; /* the same for glob(3), quoted wildcards escaped; NULL: no wildcard in it */
};

struct command_line {
	struct word *words;
	size_t count;
	char *storage; /* of all words */
};

/* 0, -EINVAL (a quote is not closed, or a backslash stands at the end), -E2BIG, -ENOMEM. */
int command_line_split(const char *line, struct command_line *ret);
void command_line_free(struct command_line *line);

#endif
