/* SPDX-License-Identifier: ISC */
/* Token buckets of passwords that are tried. Run by the first process of the verifier. */
#include "verify/tries.h"

#include "index/check.h"

#define MINUTE_MS 60000

struct tries_key tries_key(const struct tries *tries, const void *name, size_t size)
{
	const uint64_t hash = index_hash(tries->seed, name, size);

	return (struct tries_key){ .cells = { (uint32_t)hash & (TRIES_CELLS - 1),
					      (uint32_t)(hash >> 32) & (TRIES_CELLS - 1) } };
}

/* Half of them at once, and the other half over a minute: no minute has more. */
static int64_t interval(unsigned most)
{
	return 2 * MINUTE_MS / most;
}

static int64_t used_until(const struct tries *tries, const struct tries_key *key)
{
	const int64_t a = tries->until[key->cells[0]], b = tries->until[key->cells[1]];

	return a < b ? a : b;
}

/* A cell that others have raised further stays so. */
static void use(struct tries *tries, struct tries_key *key, int64_t until, int64_t now)
{
	for (unsigned i = 0; i < 2; i++) {
		int64_t *cell = &tries->until[key->cells[i]], before = *cell > now ? *cell : now;

		key->raised[i] = before < until ? until - before : 0;
		if (before < until)
			*cell = until;
	}
}

bool tries_take(struct tries *tries, struct tries_key *keys, size_t count, unsigned most, int64_t now)
{
	const int64_t step = interval(most), room = ((int64_t)(most + 1) / 2 - 1) * step;
	bool free = true;

	for (size_t i = 0; i < count; i++)
		free = free && used_until(tries, &keys[i]) <= now + room;
	for (size_t i = 0; free && i < count; i++) {
		const int64_t until = used_until(tries, &keys[i]);

		use(tries, &keys[i], (until > now ? until : now) + step, now);
	}
	return free;
}

void tries_return(struct tries *tries, const struct tries_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (unsigned cell = 0; cell < 2; cell++)
			tries->until[keys[i].cells[cell]] -= keys[i].raised[cell];
}
