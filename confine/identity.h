/* SPDX-License-Identifier: ISC */
/* Lowering identity and capabilities: once, for good, proven. */
#ifndef CONFINE_IDENTITY_H
#define CONFINE_IDENTITY_H

#include <stddef.h>
#include <sys/types.h>

/* Becomes uid:gid with exactly these supplementary groups, drops every
 * capability, then tries to come back and fails if it could. Irreversible.
 * 0 or negative errno; after a failure the process must end. */
int identity_become(uid_t uid, gid_t gid, const gid_t *groups, size_t groups_count);

/* For kill(2): uid is the effective one only, everything else IDENTITY_NOBODYS (65535, which is given to nobody),
 * without groups. kill(2) asks for the sender's effective uid, and for the target's real and saved: this reaches
 * what runs as uid, and nothing that runs as uid reaches it. Otherwise as identity_become. */
#define IDENTITY_NOBODYS 65535u
int identity_become_signaller(uid_t uid);

/* For the maps of a user namespace that uid has made: the effective uid and the gid are theirs, so that the kernel asks
 * for what they may and for nothing of root's; the capabilities are CAP_SETUID and CAP_SETGID, without which it maps
 * nothing but their own ids. The real and the saved uid stay 0: nobody signals it. For a child that writes the maps and
 * ends, since it could come back. 0 or negative errno. */
int identity_become_mapper(uid_t uid, gid_t gid);

/* Keeps only these capabilities (CAP_*, ended by -1) in permitted, effective and bounding set
 * (libcap-ng), clears ambient and inheritable, locks securebits. 0 or negative errno. */
int capabilities_keep(const int *capabilities);

#endif
