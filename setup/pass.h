/* SPDX-License-Identifier: ISC */
/* An entry of a directory's ACL by which one user passes. The descriptors are of open directories, not O_PATH. */
#ifndef SETUP_PASS_H
#define SETUP_PASS_H

#include <stdbool.h>
#include <sys/types.h>

/* This user passes, by an entry of theirs or as everybody does. */
bool pass_has(int fd, uid_t id);

/* 0 or negative errno; -EEXIST: there is an entry of theirs, or a mask, that forbids it. */
int pass_add(int fd, uid_t id);

/* Takes the entry out, and the mask with the last one. 1; 0: there was none; or negative errno. */
int pass_remove(int fd, uid_t id);

#endif
