/* SPDX-License-Identifier: ISC */
/*
 * Which mapping a lookup may use. Runs in foreign processes, in any thread, also
 * in a child forked while another thread was anywhere in here: no lock, nothing
 * that waits for another thread.
 *
 * A thread that looks up counts itself in, sees that the mapping is still the current one, reads, and counts itself
 * out. The counters are spread over lanes, a pair of cache lines each, so that threads do not wait for each other's
 * lines; the address of the hold, which is on the thread's stack, says which lane. That needs no thread-local
 * storage, which a module that is loaded late may not get, and it works as well in a signal handler and after a fork.
 * Threads in one lane are slower, but nothing worse; when they have met often enough, all threads are spread out again.
 *
 * A mapping's life is a count of steps: free, claimed by the thread that opens the
 * file into it, retired by the one that put another in its place, closing, free.
 * A thread that counts itself out of a retired mapping looks whether all lanes are at
 * zero, and if they are, and the step is still that one, unmaps it. All of these are
 * sequentially consistent, which decides two races:
 *  - in, against unmapping: a thread counts itself in before it looks at `current`,
 *    and lanes are looked at after `current` was switched. One of the two sees the other.
 *  - out, against retiring: a thread counts itself out before it looks at the step, and
 *    lanes are looked at after the step was made. So the last one out always looks.
 * A thread that comes too late has a count in a mapping that may be anything by then,
 * but reads nothing of it; when it counts itself out it looks like any other.
 *
 * Every thread that meets a superseded file opens the new one; the thread that switches `current` wins, the others drop
 * theirs. A thread holds the old mapping while it opens, so its number cannot come round to mean another file. Nobody
 * announces that the file was removed or replaced once the writer that had it mapped is gone. So once a second one of
 * the threads checks that the path still leads to the mapped file; if it does not, the file counts as superseded. If
 * the check itself fails, nothing changes.
 *
 * A count or a claim of another thread that a fork leaves behind stays for ever: that mapping is not unmapped in
 * the child. When every mapping is taken, the call maps the file for itself alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "confine/trusted.h"
#include "index/map.h"
#include "index/view.h"

#define ATTEMPTS 8                  /* an attempt fails only because of another thread or of a writer that moved on */
#define GOLDEN UINT32_C(0x9e3779b9) /* 2^32 by the golden ratio */
#define MEETINGS                                                                                                       \
	1024 /* they cost some tenths of a millisecond: compared with that, spreading again costs each thread little   \
	      */

/* The lowest two bits are a mapping's step; the others count its lives, so that a thread that was held up notices them.
 */
enum { FREE, CLAIMED, RETIRED, CLOSING, PHASES };

/* The descriptor lives for these few calls only. */
static int file_map(const char *path, uid_t trusted, void **base, struct stat *st)
{
	int fd = file_open_trusted_inside(path, trusted, st);
	int rc = 0;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? -ENXIO : fd;
	if (st->st_size < (off_t)sizeof(struct index_header) || (uint64_t)st->st_size > SIZE_MAX)
		rc = -EUCLEAN;
	else
		*base = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (rc == 0 && *base == MAP_FAILED)
		rc = -errno;
	close(fd);
	return rc;
}

static int view_open(const struct index_reader *reader, struct index_view *view)
{
	struct stat st;
	void *base;
	int rc = file_map(reader->path, reader->trusted, &base, &st);

	if (rc < 0)
		return rc;
	rc = index_view_init(view, base, (uint64_t)st.st_size);
	if (rc < 0)
		munmap(base, (size_t)st.st_size);
	view->device = st.st_dev;
	view->inode = st.st_ino;
	return rc;
}

static void view_close(const struct index_view *view)
{
	void *base;

	__builtin_memcpy(&base, &view->base, sizeof(base));
	munmap(base, (size_t)view->header.file_size);
}

/* By the thread that brought it to CLAIMED or CLOSING. */
static void mapping_free(struct index_mapping *mapping)
{
	uint32_t steps = atomic_load_explicit(&mapping->steps, memory_order_relaxed);

	atomic_store(&mapping->steps, (steps | (PHASES - 1)) + 1);
}

static void mapping_close(struct index_mapping *mapping)
{
	view_close(&mapping->view);
	mapping_free(mapping);
}

/* Unmaps it if no thread is in it and it is still at this step. */
static void mapping_reap(struct index_reader *reader, uint32_t number, uint32_t steps)
{
	struct index_mapping *mapping = &reader->mappings[number - 1];

	for (uint32_t i = 0; i < INDEX_LANES; i++)
		if (atomic_load(&reader->lanes[i].users[number - 1]) != 0)
			return;
	if (atomic_compare_exchange_strong(&mapping->steps, &steps, steps + 1))
		mapping_close(mapping);
}

static void mapping_put(const struct index_hold *hold)
{
	uint32_t steps;

	atomic_fetch_sub(&hold->lane->users[hold->number - 1], 1);
	steps = atomic_load(&hold->reader->mappings[hold->number - 1].steps);
	if (steps % PHASES == RETIRED)
		mapping_reap(hold->reader, hold->number, steps);
}

/* Stacks lie at regular distances: multiples of the golden ratio are far from each other, whatever these are. */
static struct index_lane *lane_of(struct index_reader *reader, const struct index_hold *hold)
{
	uint32_t factor = GOLDEN + atomic_load_explicit(&reader->spread, memory_order_relaxed);
	uint32_t stack = (uint32_t)((uintptr_t)hold >> 16);

	return &reader->lanes[stack * factor >> (32 - INDEX_LANES_LOG2)];
}

/* With each odd multiple of the ratio other distances meet. A meeting that is not counted does not matter. */
static void lane_met(struct index_reader *reader, struct index_lane *lane)
{
	uint32_t meetings = atomic_load_explicit(&lane->meetings, memory_order_relaxed) + 1;

	atomic_store_explicit(&lane->meetings, meetings, memory_order_relaxed);
	if (meetings % MEETINGS == 0)
		atomic_fetch_add_explicit(&reader->spread, 2 * GOLDEN, memory_order_relaxed);
}

/* Takes hold of the mapping in use. NULL if there is none (hold->number 0), or if none stays in use long enough. */
static struct index_mapping *mapping_get(struct index_reader *reader, struct index_hold *hold)
{
	hold->reader = reader;
	hold->lane = lane_of(reader, hold);
	for (int i = 0; i < ATTEMPTS; i++) {
		hold->number = atomic_load_explicit(&reader->current, memory_order_relaxed);
		if (hold->number == 0)
			return NULL;
		if (atomic_fetch_add(&hold->lane->users[hold->number - 1], 1) != 0)
			lane_met(reader, hold->lane);
		if (atomic_load(&reader->current) == hold->number)
			return &reader->mappings[hold->number - 1];
		mapping_put(hold);
	}
	return NULL;
}

static struct index_mapping *mapping_claim(struct index_reader *reader, uint32_t *number)
{
	for (uint32_t i = 0; i < INDEX_MAPPINGS; i++) {
		uint32_t steps = atomic_load_explicit(&reader->mappings[i].steps, memory_order_relaxed);

		if (steps % PHASES == FREE &&
		    atomic_compare_exchange_strong(&reader->mappings[i].steps, &steps, steps + 1)) {
			*number = i + 1;
			return &reader->mappings[i];
		}
	}
	return NULL;
}

/* Opens the file as it is now and makes it the current one in place of number `old`, of
 * which the caller has hold (0: none yet). 0: try again from the start. */
static int mapping_renew(struct index_reader *reader, uint32_t old)
{
	uint32_t number, expected = old;
	struct index_mapping *mapping = mapping_claim(reader, &number);
	int rc;

	if (mapping == NULL)
		return -EBUSY;
	rc = view_open(reader, &mapping->view);
	if (rc < 0) {
		mapping_free(mapping);
		return rc;
	}
	if (!index_view_current(&mapping->view) || !atomic_compare_exchange_strong(&reader->current, &expected, number))
		mapping_close(mapping);
	else if (old != 0)
		atomic_fetch_add(&reader->mappings[old - 1].steps, 1); /* CLAIMED to RETIRED */
	return 0;
}

/* For this call alone. */
static int hold_alone(const struct index_reader *reader, struct index_hold *hold)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int rc = view_open(reader, &hold->alone);

		if (rc < 0)
			return rc;
		if (index_view_current(&hold->alone)) {
			hold->reader = NULL;
			hold->view = &hold->alone;
			return 0;
		}
		view_close(&hold->alone);
	}
	return -EUCLEAN;
}

/* Another file has taken its place. The clock is read in the process, some nanoseconds; the rest is once a second.
 * The inode of a file that is mapped is not given to another one. */
static int replaced(struct index_reader *reader, const struct index_view *view)
{
	struct timespec now;
	struct stat st;
	uint32_t looked = atomic_load_explicit(&reader->looked, memory_order_relaxed);

	if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0 || (uint32_t)now.tv_sec == looked)
		return 0;
	if (!atomic_compare_exchange_strong_explicit(&reader->looked, &looked, (uint32_t)now.tv_sec,
						     memory_order_relaxed, memory_order_relaxed))
		return 0; /* another thread looks */
	return lstat(reader->path, &st) == 0 && (st.st_ino != view->inode || st.st_dev != view->device);
}

static int enter(struct index_reader *reader, struct index_hold *hold)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		struct index_mapping *mapping = mapping_get(reader, hold);
		int rc, another = mapping != NULL && replaced(reader, &mapping->view);

		if (mapping != NULL && !another && index_view_current(&mapping->view)) {
			hold->view = &mapping->view;
			return 0;
		}
		if (mapping == NULL && hold->number != 0)
			break;
		rc = mapping_renew(reader, hold->number);
		if (mapping != NULL)
			mapping_put(hold);
		if (another && rc < 0) /* the next call does not use the old one either */
			atomic_store_explicit(&reader->looked, 0, memory_order_relaxed);
		if (rc == -EBUSY)
			break;
		if (rc < 0)
			return rc;
	}
	return hold_alone(reader, hold);
}

int index_enter(struct index_reader *reader, struct index_hold *hold)
{
	int saved = errno;
	int rc = enter(reader, hold);

	errno = saved;
	return rc;
}

void index_leave(struct index_hold *hold)
{
	int saved = errno;

	if (hold->reader != NULL)
		mapping_put(hold);
	else
		view_close(&hold->alone);
	errno = saved;
}
