/* SPDX-License-Identifier: ISC */
/* How much of a host one session may use up, even one that has been taken over. */
#ifndef CONFINE_LIMITS_H
#define CONFINE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#define LIMIT_PROCESSES 512u             /* of the uid, threads included */
#define LIMIT_FILES 1024u                /* open ones of a process */
#define LIMIT_CODE (UINT64_C(256) << 20) /* addresses of a program and its libraries */

struct limits {
	uint64_t memory;       /* bytes, of each process */
	uint64_t processes;    /* 0: LIMIT_PROCESSES */
	uint64_t files;        /* 0: LIMIT_FILES */
	uint64_t file_size;    /* bytes; 0: none */
	uint64_t memory_bound; /* bytes; not 0: in place of memory */
	bool addresses;        /* memory bounds all addresses of a process, and not only what it may write to now */
};

/* Lowers (never raises) one of them, RLIMIT_...: the hard and the soft limit. 0 or negative errno. */
int limit_lower(int resource, rlim_t most);

/*
 * Lowers (never raises) the limits of this process and of all that come from it: descriptors, processes of the
 * uid, memory (bytes) of each process, the size of a file. Before a user namespace of its own is entered: the kernel
 * then enforces it for the uid outside as well as inside. 0 or negative errno (the caller must refuse to go on).
 */
int limits_confine(const struct limits *limits);

/* "-processes=64", "-open-files=256", "-file-size=BYTES" or "-memory-bound=BYTES", as the login shell tells the gates.
 * False: another word. */
bool limits_option(const char *word, struct limits *limits);

#endif
