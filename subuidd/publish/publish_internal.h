/* SPDX-License-Identifier: ISC */
/* Only between publish.c (each change) and publish_build.c (rebuilding both files). */
#ifndef SUBUIDD_PUBLISH_INTERNAL_H
#define SUBUIDD_PUBLISH_INTERNAL_H

#include <stdbool.h>

#include "index/writer/writer.h"
#include "subuidd/publish/publish.h"
#include "subuidd/publish/withheld.h"

struct publication {
	struct store *store;
	int state_fd;
	struct index_host host;
	gid_t keys_gid;
	struct index_writer *public, *keys;
	unsigned changes; /* publication_changes() */
	bool broken; /* something committed is not in the files */
	const struct withheld *withheld;
};

struct index_options publication_options(const struct publication *publication, enum index_file file);

/* One account's record into a writer of the public file. */
int publication_put_account(struct publication *p, struct index_writer *writer, const struct account *account);

/* Fills new files from the store and puts them in the place of the old ones. 0 or negative errno. */
int publication_build(struct publication *publication);

/* At a start, without room for new files: makes the existing ones, of whichever boot, say what the store does. 0,
 * or negative errno: they cannot serve. */
int publication_reuse(struct publication *publication);

#endif
