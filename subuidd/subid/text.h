/* SPDX-License-Identifier: ISC */
/* Files that root alone can write, as a whole. */
#ifndef SUBUIDD_SUBID_TEXT_H
#define SUBUIDD_SUBID_TEXT_H

#include <stddef.h>
#include <sys/types.h>

/* Text of such a file, from malloc. No such file: empty. 0, or negative errno (-EPERM not such a file). */
int subid_text_read(int dirfd, const char *name, char **text, size_t *length);

/* Beside the old one, under the name `temporary`, and renamed over it; with the old one's mode, or `mode`. */
int subid_text_write(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text, size_t length);

#endif
