/* SPDX-License-Identifier: ISC */
/*
 * The command of an ssh client as words, by a rule of our own: no shell reads it, and nothing in it is expanded.
 *
 *   blanks       spaces and tabs end a word
 *   '...'        as it is, up to the next '
 *   "..."        as it is, up to the next "; \" and \\ stand for " and \
 *   \c           c, whatever it is
 *
 * Every other byte stands for itself: $ ` ; | & < > ( ) * ? ~ # too. Control bytes are refused. Pure, libc only.
 */
#ifndef CLI_MANAGE_SPLIT_H
#define CLI_MANAGE_SPLIT_H

#include <stddef.h>

#define MANAGE_TEXT_MAX 8191
#define MANAGE_WORDS_MAX 64

struct manage_words {
	char text[MANAGE_TEXT_MAX + 1];   /* in which the words lie */
	char *word[MANAGE_WORDS_MAX + 1]; /* ended by NULL */
	size_t count;
};

/* NULL, or why it is none, for a person. *words is undefined then. */
const char *manage_split(const char *command, struct manage_words *words);

#endif
