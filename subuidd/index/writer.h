/* SPDX-License-Identifier: ISC */
/*
 * The index writer: derives the two published files from the store's rows.
 * Run by the broker alone (root). A change is O(1); see account/index_format.h.
 *
 * Files are made as NAME.new in the state directory, allocated whole, filled,
 * fsynced, renamed over NAME; then the old file is marked superseded.
 */
#ifndef SUBUIDD_INDEX_WRITER_H
#define SUBUIDD_INDEX_WRITER_H

#include <stdint.h>
#include <sys/types.h>

#include "account/account.h"
#include "account/index.h"

struct index_writer; /* opaque: one for the public index, one for the keys */

enum index_file { INDEX_FILE_PUBLIC, INDEX_FILE_KEYS };

struct index_options {
	enum index_file file;
	const char *name;  /* "index" or "keys", in the directory */
	mode_t mode;       /* 0644, 0640 */
	gid_t group;       /* of the file */
	struct index_host host; /* into the header; generation ignored */
	uint64_t expected; /* accounts or keys expected, for the first size */
};

/* Opens the file if it is current: sound, of this boot, of this `host` and of
 * exactly `generation`. 0, or -ESTALE (build it anew), or another negative errno. */
int index_writer_open(int state_dirfd, const struct index_options *options, uint64_t generation,
		      struct index_writer **ret);

/* Starts a new file beside the present one; fill it with the index_put_* calls,
 * then index_writer_publish(). */
int index_writer_create(int state_dirfd, const struct index_options *options, struct index_writer **ret);
int index_writer_publish(struct index_writer *writer, uint64_t generation);

/* Before that: what stands in the way of NAME, its NAME.new and NAME.old, and is no file of ours, goes: an empty directory by rmdir(2),
 * anything else is renamed to NAME.bad-N. 0 or negative errno. */
int index_way_clear(int state_dirfd, const char *name);

/* Each replaces what was there under the same uid, range or key id. They grow the
 * file (twice the size, renamed over) when it is full. 0 or negative errno; on
 * failure readers still see the state before. */
int index_put_account(struct index_writer *writer, const struct account *account, char separator);
int index_remove_account(struct index_writer *writer, const struct account *account);
int index_put_range(struct index_writer *writer, const struct id_range *range);
int index_remove_range(struct index_writer *writer, const struct id_range *range);
int index_put_key(struct index_writer *writer, const struct ssh_key *key);
int index_remove_key(struct index_writer *writer, const struct ssh_key *key);

/* After a change: what the readers now see is the store's `generation`. */
void index_writer_commit(struct index_writer *writer, uint64_t generation);

/* Another file has taken its place: readers that have this one mapped open that, also when somebody had removed it. */
void index_writer_supersede(struct index_writer *writer);
void index_writer_free(struct index_writer *writer);
void index_writer_freep(struct index_writer **writer);

/* True when the file in the directory was made since this host was booted. */
bool index_file_of_this_boot(int dirfd, const char *name);

#endif
