/* SPDX-License-Identifier: ISC */
/* Only between publish.c (each change), publish_build.c (rebuilding both files) and publish_host.c (their header). */
#ifndef SUBUIDD_PUBLISH_INTERNAL_H
#define SUBUIDD_PUBLISH_INTERNAL_H

#include <stdbool.h>

#include "index/session_rules.h"
#include "index/writer/writer.h"
#include "subuidd/publish/publish.h"
#include "subuidd/publish/withheld.h"

struct publication {
	struct store *store;
	int state_fd;
	struct index_host host;
	gid_t keys_gid, verify_gid;
	struct index_writer *public, *keys;
	struct index_writer *passwords; /* NULL: this host takes none, and there is no such file */
	unsigned changes;               /* publication_changes() */
	bool broken;                    /* something committed is not in the files */
	const struct withheld *withheld;
};

struct index_options publication_options(const struct publication *publication, enum index_file file);

/* One account's record into a writer of the public file. */
int publication_put_account(struct publication *p, struct index_writer *writer, const struct account *account);

/* The bounds of an owner's limit, of this uid, likewise. */
int publication_put_owner(struct publication *p, struct index_writer *writer, const char *owner, uint32_t uid);

/* A key, and of a password its hash, into writers of the other two; passwords may be NULL. */
int publication_put_key(struct publication *p, struct index_writer *keys, struct index_writer *passwords,
			const struct ssh_key *key);

/* Opens the file of passwords, or forgets it, as the host's settings say. 0, or negative errno as
 * index_writer_open(). */
int publication_passwords_open(struct publication *p, uint64_t generation);

/* This host takes none any more: the file goes, whatever becomes of the others. Needs no room. 0; or negative errno:
 * those who read it believe it still. */
int publication_passwords_off(struct publication *p);

/* Fills new files from the store and puts them in the place of the old ones. 0 or negative errno. */
int publication_build(struct publication *publication);

/* At a start, without room for new files: makes the existing ones, of whichever boot, say what the store does. 0,
 * or negative errno: they cannot serve. */
int publication_reuse(struct publication *publication);

/* The header for these settings, and the groups of the other two files. 0, or negative errno: *missing is the group
 * that cannot be looked up, NULL: the store cannot be read. */
int publication_host(struct publication *p, const struct settings *settings, struct index_host *host,
		     const char **missing);
/* Leaves what the settings say of sessions beside the index, and says so in the log if it cannot. */
void publication_sessions(int state_fd, const struct settings *settings);
/* Ids that may have names: those of the settings' blocks, and from and to a power of two where a range was taken
 * over from elsewhere. Not to the exact range: the header changes only with the whole file, and this way only a few
 * times in all. */
void publication_range_widen(struct index_host *host, const struct id_range *range);
bool publication_range_outside(const struct index_host *host, const struct id_range *range);

#endif
