/* SPDX-License-Identifier: ISC */
#include "subuidd/call/tally.h"

#include <stdlib.h>
#include <sys/random.h>

#define SIZE_MIN 64u

/* Multiply and shift by a random odd number: the upper bits are evenly spread whatever the uids. */
static size_t slot_first(const struct tallies *tallies, uid_t uid)
{
	return (size_t)((tallies->key * ((uint64_t)uid + 1)) >> 32) & (tallies->size - 1);
}

/* Its slot, or the free one where it would be: there is always one. */
static struct tally *slot_of(const struct tallies *tallies, uid_t uid)
{
	size_t at = slot_first(tallies, uid);

	while (tallies->slots[at].taken && tallies->slots[at].uid != uid)
		at = (at + 1) & (tallies->size - 1);
	return &tallies->slots[at];
}

static bool says_nothing(const struct tallies *tallies, const struct tally *tally, time_t now)
{
	return !tally->taken || (tally->dropped == 0 && now - tally->since >= tallies->lifetime);
}

/* Anew without the entries that are over, and at most half full. */
static bool tallies_renew(struct tallies *tallies, time_t now)
{
	struct tallies fresh = { .size = SIZE_MIN, .lifetime = tallies->lifetime, .key = tallies->key };
	size_t live = 0;

	if (fresh.key == 0 && getrandom(&fresh.key, sizeof(fresh.key), 0) != sizeof(fresh.key))
		return false;
	fresh.key |= 1;
	for (size_t i = 0; i < tallies->size; i++)
		live += !says_nothing(tallies, &tallies->slots[i], now);
	while (fresh.size < 4 * (live + 1))
		fresh.size *= 2;
	fresh.slots = calloc(fresh.size, sizeof(*fresh.slots));
	if (fresh.slots == NULL)
		return false;
	for (size_t i = 0; i < tallies->size; i++)
		if (!says_nothing(tallies, &tallies->slots[i], now))
			*slot_of(&fresh, tallies->slots[i].uid) = tallies->slots[i];
	fresh.count = live;
	free(tallies->slots);
	*tallies = fresh;
	return true;
}

struct tally *tally_of(struct tallies *tallies, uid_t uid, time_t now)
{
	struct tally *tally;

	if (tallies->size == 0 && !tallies_renew(tallies, now))
		return NULL;
	tally = slot_of(tallies, uid);
	if (!tally->taken) {
		if (2 * (tallies->count + 1) > tallies->size && !tallies_renew(tallies, now))
			return NULL;
		tally = slot_of(tallies, uid);
		*tally = (struct tally){ .uid = uid, .since = now, .taken = true };
		tallies->count++;
	}
	return tally;
}

void tallies_free(struct tallies *tallies)
{
	free(tallies->slots);
	*tallies = (struct tallies)TALLIES(tallies->lifetime);
}
