/* SPDX-License-Identifier: ISC */
/*
 * Landlock as data: rules by descriptor, rights by the kernel's ABI
 * (Documentation/userspace-api/landlock.rst). Constants above Debian 12's headers
 * are defined in landlock.c alone.
 */
#ifndef CONFINE_LANDLOCK_H
#define CONFINE_LANDLOCK_H

#include <stdint.h>

enum landlock_access {
	LANDLOCK_READ,       /* read files, list directories */
	LANDLOCK_EXECUTE,    /* READ and execute */
	LANDLOCK_ADD,        /* READ, and make files and directories; nothing is removed, renamed or truncated */
	LANDLOCK_READ_WRITE, /* all but devices, fifos, sockets */
	LANDLOCK_DEVICE,     /* read and write an existing file (/dev/null), nothing else */
	LANDLOCK_TERMINAL,   /* DEVICE, below directories too, and the ioctls of terminals */
	LANDLOCK_ALL,        /* all but devices: READ_WRITE, EXECUTE, fifos and sockets */
	LANDLOCK_CONNECT,    /* READ, and connect to sockets */
};

struct landlock_rule {
	const char *path; /* opened O_PATH|O_CLOEXEC by the call; or NULL */
	int fd;           /* used when path is NULL; borrowed */
	enum landlock_access access;
	int optional; /* 1: a missing path is passed over */
};

/* The kernel's ABI, or negative errno (-ENOSYS, -EOPNOTSUPP: not enabled). */
int landlock_abi(void);

/* The first ABI that can refuse TCP by its port. */
#define LANDLOCK_ABI_NET 4

/* What abi lacks for full confinement, as one line for a log or man page; "" if nothing. */
const char *landlock_missing(int abi);

/* Allows the rules and nothing else: handles every right that this ABI knows, all TCP, abstract
 * sockets and signals to the outside. Needs no_new_privs. Fails (and the caller must refuse) on any error and when
 * abi < 1. Rules end by an all-zero access==0,path==NULL,fd==-1 entry: use LANDLOCK_END. */
int landlock_confine(const struct landlock_rule *rules);

/* The same, and TCP connections to these ports (ended by 0) are allowed. -EOPNOTSUPP: this kernel cannot tell ports
 * apart. */
int landlock_confine_net(const struct landlock_rule *rules, const uint16_t *ports);

/* clang-format off */
#define LANDLOCK_END { .path = NULL, .fd = -1 }
/* clang-format on */

#endif
