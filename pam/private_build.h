/* SPDX-License-Identifier: ISC */
/* Only between the files that build the root of a session: private.c, private_system.c, private_places.c,
 * private_names.c. */
#ifndef PAM_PRIVATE_BUILD_H
#define PAM_PRIVATE_BUILD_H

#include <limits.h>

#include "confine/mounts.h"
#include "pam/private.h"

#define PRIVATE_TREES_MAX 16
#define READ_ONLY (MOUNT_PLAIN | MOUNT_ATTR_RDONLY)

/* A directory of the host that is opened to the session. */
struct place {
	const char *path;
	int tree;
	bool optional; /* not if there is no such place */
};

struct building {
	const struct private_view *view;
	const char **step;
	int trees[PRIVATE_TREES_MAX]; /* of private_system.c; -1: none */
	struct place places[SESSION_PATHS_MAX + 3];
	unsigned count;
	char named[sizeof("/home/") + ACCOUNT_NAME_MAX];
	char snapshots[PATH_MAX];
	int host;        /* the root until now */
	int root;        /* the new one */
	int frame;       /* holds it while it is built, and everything that is made for it */
	unsigned covers; /* so many directories of the frame are in use */
};

/* Copies of the host's mounts, before anything is changed. Each of these returns 0 or negative errno. */
int systems_open(struct building *b);
int places_open(struct building *b);

/* The new root with the system in it, and the frame, mounted where nobody looks. */
int stage_make(struct building *b);
int proc_put(const struct building *b);
int scratch_put(const struct building *b);
int files_put(const struct building *b);
/* private_names.c: directories of its own, before the files are put into them; nothing where a gate comes. */
int names_put(const struct building *b);
/* Whether files_put() puts a file on this path. */
bool files_have(const char *path);

/* Empty directories in the place of what the settings hide, and of what would tell names. */
int hide_all(struct building *b);
/* The home and what is opened besides, in their places. */
int places_put(struct building *b);

/* Mounts on target, which is closed and may be negative errno. */
int put_and_close(int tree, int target);

#endif
