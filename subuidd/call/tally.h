/* SPDX-License-Identifier: ISC */
/*
 * How much each uid has used of something that is bounded per uid. Nobody's count makes way for another's: an entry
 * goes only when it says nothing any more, so that a stranger, whatever their uid, can neither use up nor erase
 * another user's share. The table grows with the uids that are counted in `lifetime`: count under uids that are
 * hard to come by (those in passwd(5)), not under uids of which an owner of ranges has thousands. Run by the
 * broker.
 */
#ifndef SUBUIDD_TALLY_H
#define SUBUIDD_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct tally {
	time_t since; /* the callers' time: the entry may go when it is `lifetime` ago */
	uid_t uid;
	bool taken; /* the slot holds somebody's count */
	uint32_t used;
	uint32_t dropped; /* not 0: to be told of first, the entry stays */
};

struct tallies {
	struct tally *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
	time_t lifetime;
	uint64_t key; /* random: a user who can choose uids cannot choose slots */
};
/* clang-format off */
#define TALLIES(seconds) { .lifetime = (seconds) }
/* clang-format on */

/* The entry of this uid, all 0 but uid and since (now) where there was none. Valid until the next call. NULL: no
 * memory. */
struct tally *tally_of(struct tallies *tallies, uid_t uid, time_t now);
void tallies_free(struct tallies *tallies);

#endif
