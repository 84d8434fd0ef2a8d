/* SPDX-License-Identifier: ISC */
/*
 * The index writer: derives the three published files from the store's rows.
 * Run by the broker alone (root). A change is O(1); see index/format.h.
 *
 * Files are made as NAME.new in the state directory, allocated whole, filled,
 * fsynced, renamed over NAME; then the old file is marked superseded.
 */
#ifndef SUBUIDD_INDEX_WRITER_H
#define SUBUIDD_INDEX_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "account/account.h"
#include "index/index.h"

struct index_writer; /* opaque: one for each of the files */

enum index_file { INDEX_FILE_PUBLIC, INDEX_FILE_KEYS, INDEX_FILE_PASSWORDS };

struct index_options {
	enum index_file file;
	const char *name;       /* "index", "keys" or "passwords", in the directory */
	mode_t mode;            /* 0644, 0640 */
	gid_t group;            /* of the file */
	struct index_host host; /* into the header */
	uint64_t expected;      /* accounts or keys expected, for the first size */
};

/* Whether two headers say the same of the host. */
bool index_host_equal(const struct index_host *a, const struct index_host *b);

/* Opens the file if it is current: sound, of this boot, of this `host` and of
 * exactly `generation`. 0, or -ESTALE (rebuild it), or another negative errno. */
int index_writer_open(int state_dirfd, const struct index_options *options, uint64_t generation,
		      struct index_writer **ret);

/* Opens a file of another boot or generation, sound and of this `host`, if there is no room for a new one: the caller
 * puts all rows into it again, and then prunes entries that are not rows. As above. */
int index_writer_open_stale(int state_dirfd, const struct index_options *options, struct index_writer **ret);

/* Removes every entry that should not be kept: the callback says 1 or 0, or a negative errno, which ends the walk. */
struct index_keep {
	void *data;
	int (*account)(void *data, uint32_t uid);
	int (*range)(void *data, const struct id_range *range);
	int (*key)(void *data, const struct ssh_key *key);
};
int index_prune(struct index_writer *writer, const struct index_keep *keep);

/* Starts a new file beside the present one; fill it with the index_put_* calls,
 * then index_writer_publish(). */
int index_writer_create(int state_dirfd, const struct index_options *options, struct index_writer **ret);
int index_writer_publish(struct index_writer *writer, uint64_t generation);
/* It is in its place: true also if only the last step of publishing failed, so that a crash may undo it. */
bool index_writer_published(const struct index_writer *writer);

/* The path leads to this file, not to another one or to nothing: somebody may have removed it. */
bool index_writer_present(const struct index_writer *writer);

/* To be called first: clears away anything in the place of NAME, NAME.new and NAME.old that is not a file of ours: an
 * empty directory is removed by rmdir(2), anything else is renamed to NAME.bad-N. 0 or negative errno. */
int index_way_clear(int state_dirfd, const char *name);

/* Each replaces the old entry of the same uid, range or key id, or writes nothing if that is equal. They grow
 * the file (twice the size, renamed over) when it is full. 0 or negative errno; on failure readers still see the
 * state before. */
int index_put_account(struct index_writer *writer, const struct account *account, char separator);
/* What its owner's limit says of each account of this owner; all 0: nothing. */
int index_put_owner(struct index_writer *writer, uint32_t owner_uid, const char *owner, const struct bounds *bounds);
int index_remove_account(struct index_writer *writer, const struct account *account);
int index_put_range(struct index_writer *writer, const struct id_range *range);
int index_remove_range(struct index_writer *writer, const struct id_range *range);
int index_put_key(struct index_writer *writer, const struct ssh_key *key);
int index_remove_key(struct index_writer *writer, const struct ssh_key *key);

/* After a change: says that readers now see the store's `generation`. */
void index_writer_commit(struct index_writer *writer, uint64_t generation);

/* Another file has taken its place: readers that have this one mapped then open that one, even if somebody had removed
 * it. */
void index_writer_supersede(struct index_writer *writer);
void index_writer_free(struct index_writer *writer);
void index_writer_freep(struct index_writer **writer);

#endif
