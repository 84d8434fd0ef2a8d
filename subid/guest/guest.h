/* SPDX-License-Identifier: ISC */
/*
 * libsubid_subuid: answers shadow's libsubid who holds which subordinate id. Runs
 * in setuid newuidmap and newgidmap among others: libc only; no environment, output,
 * signal or lock; heap only for the arrays that the ABI hands out.
 *
 * A user holds the union of
 *  - the index: an owner's ranges, also those given to the owner's sub-accounts, and the uids of these sub-accounts
 *    one by one; a sub-account's own ranges. Uids and gids are the same numbers;
 *  - /etc/subuid or /etc/subgid: lines with the user's name, or with the uid in its place;
 *  - the plug-in that was configured before ours (STATE_DIR/subid-chain).
 *
 * Inside, functions return 0 (or 1 where they say so) or a negative errno. A negative errno is doubt, and doubt never
 * grants. Only these may be missing without doubt: the index as a whole (on a host that was never switched on), a file,
 * and the chain.
 */
#ifndef SUBID_GUEST_H
#define SUBID_GUEST_H

#include <shadow/subid.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "account/name.h"
#include "subid/chain.h"
#include "subid/line.h"

#define SUBID_USER_MAX 255 /* bytes of a user's name, as login's LOGIN_NAME_MAX */

/* ---- pieces.c: what a user holds, piece by piece */

struct subid_pieces {
	struct subid_range *at; /* from malloc: the array that the caller of libsubid gets */
	size_t count, room;
};

/* True when the request is a nonempty block of ids of which none is special (0, 65534, 65535, 2^32-1). */
bool subid_request_valid(uint64_t first, uint64_t count);

/* Adds first..last without the special ids. 0 or -ENOMEM. */
int subid_pieces_add(struct subid_pieces *pieces, uint64_t first, uint64_t last);
/* Joins neighbours that meet, and keeps the order, unless some overlap: then they are made ascending. 0 or -ENOMEM. */
int subid_pieces_join(struct subid_pieces *pieces);
void subid_pieces_free(struct subid_pieces *pieces);

/* ---- user.c: the user who is asked about */

struct subid_user {
	char name[SUBID_USER_MAX + 1];
	uint32_t uid;
	bool known;                     /* to passwd; if not, only lines with this very name can count */
	bool is_account;                /* a sub-account of the index */
	char owner_seen[OWNER_MAX + 1]; /* name of an owner that was looked up and is still owner_seen_uid */
	uint32_t owner_seen_uid;
};

/* owner: a name, or a number: the user with this uid. 0, -EINVAL (cannot be a name), or doubt, as for a number that
 * is the name of one user and the uid of another. */
int subid_user_find(const char *owner, struct subid_user *user);

/* 1: the user of this name has this uid today; 0: not. */
int subid_name_is(const char *name, uint32_t uid);
/* The uid of a name: 0, -ENOENT, or doubt. */
int subid_name_uid(const char *name, uint32_t *uid);

/* ---- index.c */

/* 1: uid belongs to a sub-account, and name is its name; 0: to none. Doubt if another user has the name. */
int subid_index_account(uint32_t uid, const char *name);

/* 1: the index says who has this id; 0: it does not; or doubt. */
int subid_index_has(uint32_t id);

/* Moves *next past the ids from *next to last that the user holds without a gap. */
int subid_index_extend(struct subid_user *user, uint64_t last, uint64_t *next);
/* The ranges that are listed for the user: their own, and not those that they gave to a sub-account, nor the uids of
 * sub-accounts. In the order in which they were given. at: the caller's, of malloc, whatever comes back. */
struct subid_own {
	uint64_t first, last;
	uint32_t place;
	uint16_t behind[2]; /* so many lines of the files: of /etc/subuid, and of /etc/subgid */
};
struct subid_owns {
	struct subid_own *at;
	size_t count, room;
};
int subid_index_owns(struct subid_user *user, struct subid_owns *owns);

/* Uids, none twice. */
struct subid_owners {
	uid_t *at; /* from malloc */
	size_t count, room;
};
int subid_owners_add(struct subid_owners *owners, uint32_t uid);
int subid_index_owners(uint32_t id, struct subid_owners *owners);

/* ---- files.c: /etc/subuid and /etc/subgid */

/* Called for each line that can be read; any value but 0 ends the reading and is returned. */
typedef int (*subid_line_each)(const struct subid_line *line, void *data);

struct subid_text {
	subid_line_each each;
	void *data;
	size_t length; /* bytes of the line so far; more than SUBID_LINE_MAX: too long */
	char line[SUBID_LINE_MAX];
};

/* Feeds the next bytes of a file; at its end, subid_text_end(). */
int subid_text_feed(struct subid_text *text, const char *bytes, size_t size);
int subid_text_end(struct subid_text *text);

int subid_files_extend(enum subid_type type, const struct subid_user *user, uint64_t last, uint64_t *next);
/* 1: the user has at least one line; 0: none. */
int subid_files_list(enum subid_type type, const struct subid_user *user, const struct subid_owns *owns,
		     struct subid_pieces *pieces);
int subid_files_owners(enum subid_type type, uint32_t id, struct subid_owners *owners);

/* ---- the chain: the plug-in that was configured before */

/* Each returns 1: it knows the user or has something to add; 0: it does not, or there is no chain. */
int subid_chain_holds(const char *owner, uint64_t first, uint64_t count, enum subid_type type, bool *holds);
int subid_chain_list(const char *owner, enum subid_type type, struct subid_pieces *pieces);
int subid_chain_owners(uint32_t id, enum subid_type type, struct subid_owners *owners);

/* ---- guest.c: the four functions of the ABI (shadow 4.9 and later; the last one since 4.16) */

#define SUBID_EXPORT __attribute__((visibility("default")))

SUBID_EXPORT enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count,
						      enum subid_type type, bool *result);
SUBID_EXPORT enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type,
							      struct subid_range **ranges, int *count);
SUBID_EXPORT enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids,
							      int *count);
SUBID_EXPORT void shadow_subid_free(void *array);

#endif
