/* SPDX-License-Identifier: ISC */
/* A user namespace as a descriptor: for id-mapped mounts, and to be entered by a child. */
#ifndef CONFINE_USER_NAMESPACE_H
#define CONFINE_USER_NAMESPACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One line of /proc/PID/uid_map: ids inside.. of the namespace are outside.. of ours. */
struct id_map {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

/* The text of such a map, as it is written: its length, or -EINVAL: it does not fit. */
#define ID_MAP_TEXT_MAX 4096 /* the kernel takes one write of less than a page */
int id_map_text(const struct id_map *map, size_t count, char text[ID_MAP_TEXT_MAX]);
/* Writes it: file is "uid_map" or "gid_map" of this process. 0 or negative errno. */
int id_map_write(pid_t pid, const char *file, const char *text, size_t length);

/* Makes a namespace with these maps (no more than fit into 4 KiB of text, about 100 each) and returns a descriptor of
 * it; nothing else keeps it alive. Needs CAP_SETUID and CAP_SETGID, no CAP_SYS_PTRACE. Negative errno: -EINVAL bad
 * maps, -ENOSPC user.max_user_namespaces, … */
int user_namespace_open(const struct id_map *uids, size_t uids_count, const struct id_map *gids, size_t gids_count);

#endif
