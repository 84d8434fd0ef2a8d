/* SPDX-License-Identifier: ISC */
/* What the tests of homes share: a file system of their own in a loop image, and processes that are somebody else. */
#ifndef TESTS_HOME_FIXTURE_H
#define TESTS_HOME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "home/home.h"

#define OWNER_UID 61001
#define OWNER_GID 61001
#define THIRD_UID 61002
#define COMMON_GID 61009
#define WEB1_UID 2100777001u
#define WEB2_UID 2100777002u

extern const char *fixture_type; /* "ext4" */
extern char fixture_top[64];     /* where it is mounted, 0711 */
extern struct homes homes;       /* at fixture_top/homes */
extern struct account web1, web2;

/* Mounts a new file system of this type and opens the homes in it; must run in a mount namespace of its own. */
void fixture_mount(const char *type);
void fixture_unmount(void);

/* fixture_top/… as a path, in one of a few static buffers. */
const char *at(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a function as this uid and gid (and common_gid if in_common) in a child; its result, or -1 for a signal. */
int run_as(uid_t uid, bool in_common, int (*run)(void *data), void *data);
/* Starts it and does not wait. */
pid_t start_as(uid_t uid, int (*run)(void *data), void *data);

void write_file(const char *path, const char *text, mode_t mode, uid_t owner);
/* Number of entries, or -errno. */
int count_entries(const char *path);
/* Waits for a pidfd and closes it; exit status, -1 for a signal. */
int wait_pidfd(int pidfd);

#endif
