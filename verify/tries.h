/* SPDX-License-Identifier: ISC */
/*
 * How many passwords may be tried: at most so many a minute for a key (an account, an address), in memory of a constant
 * size. A key is counted in two cells that its hash chooses, and has as many tries left as the
 * cell that has more: others that share one of the two do not shut it out. Pure.
 */
#ifndef VERIFY_TRIES_H
#define VERIFY_TRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIES_CELLS 16384u /* a power of two; 128 KiB */

struct tries {
	uint64_t seed;              /* nobody can choose keys that share cells with somebody's */
	int64_t until[TRIES_CELLS]; /* ms of the clock: when all that was tried is forgotten */
};

struct tries_key {
	uint32_t cells[2];
	int64_t raised[2]; /* by how many ms tries_take() has raised each, for tries_return() */
};

struct tries_key tries_key(const struct tries *tries, const void *name, size_t size);

/* Takes one try of each key, or none of any: false. most: a minute, 1 or more. */
bool tries_take(struct tries *tries, struct tries_key *keys, size_t count, unsigned most, int64_t now);
/* Gives back what that has taken: it was not a wrong one. Tries of others stay counted. */
void tries_return(struct tries *tries, const struct tries_key *keys, size_t count);

#endif
