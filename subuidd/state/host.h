/* SPDX-License-Identifier: ISC */
/*
 * This host's knowledge of ids that were given out, besides its store: the index, the homes, the high-water mark.
 * Run by the state program (root), while no daemon runs.
 */
#ifndef SUBUIDD_STATE_HOST_H
#define SUBUIDD_STATE_HOST_H

#include "subuidd/state/program.h"
#include "store/store.h"

enum seen_where {
	SEEN_INDEX,  /* published as active */
	SEEN_HOME,   /* an account directory */
	SEEN_ASIDE,  /* data of a removed account */
	SEEN_MAKING, /* left by an account that was not completed */
	SEEN_STORE,  /* a row of the present store (host_store_add()) */
};

struct seen {
	struct id_range ids; /* created 0 */
	enum seen_where where;
	bool data; /* files lie there */
};

struct host {
	struct seen *rows;
	size_t count, room;
	uint64_t generation;          /* the highest that index, keys and high-water mark have seen; 0: none */
	struct high_water mark;       /* store 0: not known */
	int mark_error;               /* -ENOENT, -EUCLEAN, or what else kept it from being read; 0: it is known */
	unsigned mark_files;          /* HIGH_WATER_* */
	char unreadable[REASON_SIZE]; /* things that exist and could not be read; "": none */
};

/* 0, or negative errno and a sentence in why: the homes cannot be read, so it is unknown what is there. */
int host_look(const struct place *place, struct host *host, char *why, size_t size);
void host_free(struct host *host);

/* Every block of ids of a store: accounts, ranges, tombstones. 0 or negative errno. */
int host_store_add(struct host *host, struct store *store);

/* Where an id was seen, for people: "the index", "/srv/subuid/alice/web1". */
const char *seen_place(const struct place *place, const struct seen *seen, char *out, size_t size);
/* "alice+web1 (uid 2100000001)", "the range 1073741824-1073807359 of alice+web1". */
const char *seen_name(const struct place *place, const struct id_range *ids, char *out, size_t size);

/* In a transaction: of everything that was seen, the ids that nobody has in this store become tombstones of their
 * former holders. 0 or negative errno; *added: ids. */
int host_cover(const struct host *host, struct store *store, int64_t now, uint64_t *added);

/* The identity that the new store needs for the high-water mark to be its own: the mark's; without a mark the present
 * store's (0: not known), or `otherwise`. */
uint64_t host_identity(const struct host *host, uint64_t present, uint64_t otherwise);

/* Marks over everything seen and this store's own, for the high-water files and a saved state's header. 0 or
 * negative errno. */
int host_marks(const struct host *host, struct store *store, uint32_t marks[HIGH_WATER_REGIONS]);

/* The store, which nobody has open and whose log is empty, knows less than the host: 1 and a sentence in why; 0: it
 * does not; or negative errno and a sentence in why. */
int host_behind(const struct place *place, char *why, size_t size);

#endif
