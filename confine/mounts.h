/* SPDX-License-Identifier: ISC */
/*
 * Mounts as descriptors: nobody sees one before it has all of its attributes and is put in its place, and a path that
 * changes meanwhile changes nothing. Run by the gates and by pam_subuid, so libc only.
 */
#ifndef CONFINE_MOUNTS_H
#define CONFINE_MOUNTS_H

#include <stdint.h>
#include <sys/mount.h>

#define MOUNT_PLAIN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define MOUNT_DATA (MOUNT_PLAIN | MOUNT_ATTR_NOEXEC)

struct mount_option {
	const char *name, *value;
};

/* A detached copy of what is mounted at path (dirfd itself: path ""), private and with these attributes. flags:
 * AT_RECURSIVE: with everything mounted below. Descriptor or negative errno. */
int mount_copy(int dirfd, const char *path, unsigned flags, uint64_t attributes);

/* A new file system of this type; options end with a name of NULL. Descriptor or negative errno. */
int mount_new(const char *type, const struct mount_option *options, uint64_t attributes);

/* Puts a detached mount on what `target` is open on. 0 or negative errno. */
int mount_put(int mount, int target);

#endif
