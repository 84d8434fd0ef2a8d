/* SPDX-License-Identifier: ISC */
/*
 * The host's mounts that are handed to a service with mounts of its own.
 *
 * systemd gives subuidd.service a mount namespace (ProtectSystem=full, PrivateTmp= and the like) in which /etc and the
 * control groups cannot be written, and from which no mount gets out. Three things have to: the owners' views, which
 * are for everybody; the lines in /etc/subuid and /etc/subgid; the end of an account's sessions by their control group.
 * So `subuidd --hand-over` runs before the daemon in a unit of its own (subuidd-mounts.service; ExecStartPre= would be
 * in the daemon's namespace, with "+" too), and leaves it, in a socket that the service manager holds, clones of the
 * host's mounts of these: the one of the homes is laid over the homes, where it is one of the host's peers, so that
 * what the daemon mounts and takes off there is so on the host; the others are known by their descriptors alone.
 *
 * A daemon that is started in another way is handed nothing, and uses the paths.
 */
#ifndef SUBUIDD_HANDED_H
#define SUBUIDD_HANDED_H

#include <stddef.h>

struct handed {
	int etc;     /* O_PATH, SYSCONFDIR; -1: not handed */
	int cgroups; /* O_PATH, /sys/fs/cgroup; -1: not handed, or none exists */
};

/* In the host's namespace. 0, or negative errno and a sentence in why. */
int handed_give(const char *homes, char *why, size_t size);

/* In the daemon, before it opens the homes. 0, also when nothing was handed over; or negative errno and a sentence in
 * why. */
int handed_take(const char *homes, struct handed *handed, char *why, size_t size);

/* SYSCONFDIR, to change files in it: O_RDONLY, or negative errno. */
int handed_etc_open(const struct handed *handed);

#endif
