/* SPDX-License-Identifier: ISC */
/*
 * The libsubid plug-in that nsswitch.conf named before ours: it goes on being asked, by our plug-in, and the daemon
 * gives out nothing that it has given. `subuid setup` writes its name into STATE_DIR/subid-chain; it is as trusted as
 * it was before. Runs in the broker (root) and in foreign processes, setuid newuidmap too: libc only, no lock, no
 * stdio.
 */
#ifndef SUBID_CHAIN_H
#define SUBID_CHAIN_H

#include <shadow/subid.h>
#include <stdbool.h>
#include <sys/types.h>

#define SUBID_CHAIN_PATH STATE_DIR "/subid-chain"
#define SUBID_CHAIN_NAME_MAX 32

#ifndef SUBID_TRUSTED_UID
#define SUBID_TRUSTED_UID 0 /* another only in the build that the unit tests load */
#endif

struct subid_chain {
	enum subid_status (*has_range)(const char *owner, unsigned long start, unsigned long count,
				       enum subid_type type, bool *result);
	enum subid_status (*list)(const char *owner, enum subid_type type, struct subid_range **ranges, int *count);
	enum subid_status (*find)(unsigned long id, enum subid_type type, uid_t **uids, int *count);
	void (*free)(void *array); /* of what it allocated; plug-ins before shadow 4.16 have none */
	void *handle;
};

/* A name that may be in that file: [a-z0-9_-]{1,32}, and not ours, nor the files'. */
bool subid_chain_named(const char *name);

/* Loads it, for good: a plug-in may have threads or exit handlers. 1, 0: none is configured, or negative errno: a
 * plug-in that is named and cannot be loaded is doubt; shadow itself would go on without a word. */
int subid_chain_open(struct subid_chain *chain);
void subid_chain_close(struct subid_chain *chain);
#define subid_chain_cleanup __attribute__((cleanup(subid_chain_close)))

/* 1 it has answered, 0 it does not know the user, or negative errno. */
int subid_chain_answer(enum subid_status status);
void subid_chain_free(const struct subid_chain *chain, void *array);

#endif
