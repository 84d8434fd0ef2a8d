/* SPDX-License-Identifier: ISC */
/* Braces, expanded as by the shells that clients expect: "a{b,c}", "{1..3}". Pure, libc only. */
#ifndef BACKUP_BRACE_H
#define BACKUP_BRACE_H

#include "backup/text_list.h"

/* Limits for the expansion of one client word: */
#define BRACE_WORDS_MAX 4096u
#define BRACE_BYTES_MAX (1u << 20)

/* Appends what the pattern (of struct word) expands to, in order; the pattern itself if it has nothing to expand.
 * Backslashes stay. 0, -E2BIG (too much of it, or nested too deep), -ENOMEM. */
int brace_expand(const char *pattern, struct text_list *words);

#endif
