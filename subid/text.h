/* SPDX-License-Identifier: ISC */
/*
 * Files of lines, read and written as a whole. Run by root: the broker and its children, `check`, `subuid adopt`, which
 * anybody may call.
 */
#ifndef SUBID_TEXT_H
#define SUBID_TEXT_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The text of a file, from malloc, and a NUL behind it. No such file: empty. 0, or negative errno: -EAGAIN, it is being
 * written in place.
 *
 * The first for what is to be written: -EPERM unless it is a file that we alone can write. The second for what is only
 * looked at; the third of an open file, as of *st. */
int subid_text_read(int dirfd, const char *name, char **text, size_t *length);
int subid_text_look(const char *path, char **text, size_t *length);
int subid_text_take(int fd, const struct stat *st, char **text, size_t *length);

/* Beside the old one, under the name `temporary`, durable, and with the old one's mode and label, or `mode`; and, in
 * the second, renamed over it. */
int subid_text_prepare(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text,
		       size_t length);
int subid_text_write(int dirfd, const char *name, const char *temporary, mode_t mode, const char *text, size_t length);

#endif
