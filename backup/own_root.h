/* SPDX-License-Identifier: ISC */
/* Paths as a preloaded tool sees them, and where they are. */
#ifndef BACKUP_OWN_ROOT_H
#define BACKUP_OWN_ROOT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* Where path is: below the home if it is absolute. path, out, or NULL and errno. */
const char *own_path(const char *path, char out[PATH_MAX]);

/* own_restic.c: what was looked for, and not found; whether the directory that is to be made is one of restic's
 * (errno); write(2) of an answer, with words for such a refusal. */
void own_looked_at(const char *path, int result);
bool own_refuses_directory(const char *path);
long own_answer(int fd, const void *bytes, size_t size);

/* own_new_files.c: the file was made, and is open for writing. errno stays. */
void own_file_made(int fd);

/* The result of the call that was refused, or of the same by the process that keeps what was made. */
int own_file_dates(int result, int fd, const struct timespec times[2]);
int own_file_mode(int result, int fd, mode_t mode);
int own_path_dates(int result, const char *path, const struct timespec times[2]);
int own_path_mode(int result, const char *path, mode_t mode);

#endif
