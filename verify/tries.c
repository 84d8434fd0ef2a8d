/* SPDX-License-Identifier: ISC */
/* Token buckets of passwords that are tried. Run by the workers of the verifier, on memory that they share. */
#include "verify/tries.h"

#include <errno.h>

#include "index/check.h"

#define MINUTE_MS 60000

int tries_init(struct tries *tries, uint64_t seed)
{
	pthread_mutexattr_t attributes;
	int error = pthread_mutexattr_init(&attributes);

	tries->seed = seed;
	if (error == 0)
		error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	if (error == 0)
		error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	return -(error ?: pthread_mutex_init(&tries->lock, &attributes));
}

struct tries_key tries_key(const struct tries *tries, const void *name, size_t size)
{
	const uint64_t hash = index_hash(tries->seed, name, size);

	return (struct tries_key){ .cells = { (uint32_t)hash & (TRIES_CELLS - 1),
					      (uint32_t)(hash >> 32) & (TRIES_CELLS - 1) } };
}

/* A worker that was killed inside left whole numbers. */
static void lock(struct tries *tries)
{
	if (pthread_mutex_lock(&tries->lock) == EOWNERDEAD)
		pthread_mutex_consistent(&tries->lock);
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

	lock(tries);
	for (size_t i = 0; i < count; i++)
		free = free && used_until(tries, &keys[i]) <= now + room;
	for (size_t i = 0; free && i < count; i++) {
		const int64_t until = used_until(tries, &keys[i]);

		use(tries, &keys[i], (until > now ? until : now) + step, now);
	}
	pthread_mutex_unlock(&tries->lock);
	return free;
}

void tries_return(struct tries *tries, const struct tries_key *keys, size_t count)
{
	lock(tries);
	for (size_t i = 0; i < count; i++)
		for (unsigned cell = 0; cell < 2; cell++)
			tries->until[keys[i].cells[cell]] -= keys[i].raised[cell];
	pthread_mutex_unlock(&tries->lock);
}
