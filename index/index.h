/* SPDX-License-Identifier: ISC */
/*
 * The index reader: every lookup of every program happens here, with no daemon,
 * no lock, no descriptor kept and, after the first, no system call but one stat(2)
 * a second. Runs in foreign and setuid processes: libc only, async-fork-safe, thread-safe, never
 * allocates from the heap, keeps errno.
 *
 * Each lookup returns 0, -ENOENT (not found), or another negative errno:
 * unavailable (-ENXIO no index, -EUCLEAN damaged, -EPERM wrong owner or mode).
 * Outputs are untouched unless 0 is returned.
 */
#ifndef ACCOUNT_INDEX_H
#define ACCOUNT_INDEX_H

#include <stdint.h>
#include <sys/types.h>

#include "account/account.h"
#include "index/format.h"

#define INDEX_PATH STATE_DIR "/index" /* STATE_DIR: /var/lib/subuidd, from the Makefile */
#define KEYS_PATH STATE_DIR "/keys"
#define PASSWORDS_PATH STATE_DIR "/passwords"

/* A file in memory, with a checked copy of its header. */
struct index_view {
	const uint8_t *base;
	dev_t device; /* which file it is */
	ino_t inode;
	struct index_header header;
};

#define INDEX_MAPPINGS 4u
#define INDEX_LANES_LOG2 5u
#define INDEX_LANES (1u << INDEX_LANES_LOG2)

/* One per file and program, with static storage. Treat the members as private:
 * index/map.c says how they work. */
struct index_reader {
	const char *path;
	uid_t trusted;             /* who must own the file: 0, in unit tests getuid() */
	_Atomic(uint32_t) looked;  /* second in which the path was looked at last */
	_Atomic(uint32_t) current; /* number of the mapping in use, from 1; 0 none yet */
	_Atomic(uint32_t) spread;
	struct index_mapping {
		_Atomic(uint32_t) steps;
		struct index_view view;
	} mappings[INDEX_MAPPINGS];
	struct index_lane { /* two cache lines: processors fetch them in pairs */
		_Alignas(128) _Atomic(uint32_t) users[INDEX_MAPPINGS];
		_Atomic(uint32_t) meetings;
	} lanes[INDEX_LANES];
};
/* clang-format off */
#define INDEX_READER(path_) { .path = (path_), .trusted = 0 }
/* clang-format on */

/* Public facts of one account, copied out of the map. Bytes after the NUL of a string are undefined. */
struct index_account {
	uint32_t uid;
	uint32_t owner_uid;
	uint32_t flags;
	int32_t expires_day; /* -1 never */
	char name[ACCOUNT_NAME_MAX + 1];
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
	char comment[COMMENT_MAX + 1];
};

int index_host(struct index_reader *reader, struct index_host *host);
/* The store's last change that the file shows. */
int index_generation(struct index_reader *reader, uint64_t *generation);
int index_account_by_name(struct index_reader *reader, const char *name, struct index_account *account);
int index_account_by_uid(struct index_reader *reader, uint32_t uid, struct index_account *account);

/* The same with the facts of the host from the same file, for answers made of both; host may be NULL: not wanted. */
int index_account_and_host_by_name(struct index_reader *reader, const char *name, struct index_account *account,
				   struct index_host *host);
int index_account_and_host_by_uid(struct index_reader *reader, uint32_t uid, struct index_account *account,
				  struct index_host *host);

/* The bounds that hold for the account, out of its own, its owner's and the host's (account/bounds.h). 0: no bound. */
struct account_bounds {
	struct bounds of;
	uint64_t process_memory; /* bytes, of each process; 0: as the host's setting says */
};
int index_bounds(struct index_reader *reader, const struct index_account *account, struct account_bounds *bounds);
/* What the account and its owner's limit say, each by itself. */
int index_bounds_said(struct index_reader *reader, uint32_t uid, uint32_t owner_uid, struct bounds *own,
		      struct bounds *owner);

/* Accounts in the order of the table; *cursor starts at 0. -ENOENT at the end.
 * Across a rebuild an account may come twice or not at all, as with any getpwent. */
int index_account_next(struct index_reader *reader, uint64_t *cursor, struct index_account *account);

/* An owner's accounts and ranges, or, under its uid, a sub-account's ranges; *cursor starts at 0; *is_range says
 * which of the two was filled. */
int index_owner_next(struct index_reader *reader, uint32_t owner_uid, uint64_t *cursor, int *is_range,
		     struct index_account *account, struct id_range *range);

/* All ranges, each once, in no order; *cursor starts at 0. -ENOENT at the end. */
int index_range_next(struct index_reader *reader, uint64_t *cursor, struct id_range *range);

/* The range that holds id. */
int index_range_by_id(struct index_reader *reader, uint32_t id, struct id_range *range);

/* The same for naming the id, with the facts of the host; -ENOENT where ids have no names. */
int index_range_named(struct index_reader *reader, uint32_t id, struct id_range *range, struct index_host *host);

/* The id of the range that has this name (account/range_name.h). */
int index_range_by_name(struct index_reader *reader, const char *name, uint32_t *id, struct id_range *range,
			struct index_host *host);

/* True when name is a sub-account's, or that of an id inside a range. False if in doubt: only for questions that PAM
 * decides once more.
 */
bool index_name_ours(struct index_reader *reader, const char *name);

/* A key of an account (keys file): looked up by uid and exact base64 blob. Fills
 * all but created and comment, which are 0. */
int index_key(struct index_reader *reader, uint32_t uid, const char *blob, struct ssh_key *key);

/* "<homes>/<owner>/<label>" into out: root's directory, and what passwd(5) calls the home. Programs that read a
 * user's dot files at login (pam_env, systemd --user, mail delivery) find none that the account could have written.
 * Returns its length, or -ENAMETOOLONG. */
int index_account_directory(const struct index_host *host, const struct index_account *account, char *out, size_t size);

/* "<homes>/<owner>/<label>/home" into out: what the account can write. Returns its length, or -ENAMETOOLONG. */
int index_home(const struct index_host *host, const struct index_account *account, char *out, size_t size);

#endif
