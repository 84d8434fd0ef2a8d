/* SPDX-License-Identifier: ISC */
/*
 * Checks the files and disks that everything depends on. `subuid check` (a child of the broker) and `subuid doctor`
 * both use it, so that they say the same, before the daemon refuses to start. Changes nothing; may wait for a disk
 * or the user database.
 */
#ifndef ACCOUNT_STATE_LOOK_H
#define ACCOUNT_STATE_LOOK_H

#include <stdbool.h>
#include <stdint.h>

/* A file system counts as full below FULL_PERCENT and FULL_BYTES (or FULL_INODES) both, and below the last ones in any
 * case. */
#define FULL_PERCENT 2u
#define FULL_BYTES (UINT64_C(1) << 30)
#define FULL_BYTES_ANY (UINT64_C(16) << 20)
#define FULL_INODES 10000u
#define FULL_INODES_ANY 256u

struct state_fault {
	const char *path;
	const char *fault;
	const char *todo;
	bool derived; /* index or keys: rebuilt from the store by `subuid check --repair` */
};

typedef void (*state_fault_found)(void *data, const struct state_fault *fault);

/* Owner, mode and kind of settings, store, index, keys, spool and homes, and that index and keys can be read to their
 * ends. How many faults were found. */
unsigned state_look_files(const char *homes, state_fault_found found, void *data);

/* The file systems of the state, its spool and the homes: read-only, full. How many faults were found. */
unsigned state_look_disks(const char *homes, state_fault_found found, void *data);

/* Pure: free of total is too little, by the numbers above. */
bool state_full(uint64_t free, uint64_t total, uint64_t few, uint64_t few_any);

#endif
