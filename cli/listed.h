/* SPDX-License-Identifier: ISC */
/*
 * What libsubid lists for a user: lines of /etc/subuid and ranges. In podman's own user namespace the user is 0, and
 * these ids are 1, 2, 3, …, by their number: whatever order libsubid has them in, podman and buildah sort them
 * (createIDMap() of containers/storage, in podman 4.3 as in 5).
 */
#ifndef CLI_LISTED_H
#define CLI_LISTED_H

#include <stddef.h>
#include <stdint.h>

struct listed_piece {
	uint32_t first, count;
};

struct listed {
	struct listed_piece *at;
	size_t count, room;
};

void listed_free(struct listed *listed);
#define listed_cleanup __attribute__((cleanup(listed_free)))

/* Asks getsubids for uids ('u') or gids ('g'). Returns an exit status; a failure has been reported. */
int listed_read(const char *user, char kind, struct listed *listed);

/* What getsubids printed, "0: alice 100000 65536" a line, by number. 0 or negative errno. Pure, but for the heap. */
int listed_parse(const char *text, struct listed *listed);

/* Which of the listed ids `id` is, from 1 on, and how many of those behind it follow it there, itself included. 0: it
 * is not listed. */
uint64_t listed_position(const struct listed *listed, uint32_t id, uint32_t *following);

#endif
