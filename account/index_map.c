/* SPDX-License-Identifier: ISC */
/*
 * Which mapping a lookup may use. Runs in foreign processes, in any thread, also
 * in a child forked while another thread was anywhere in here: no lock, nothing
 * that waits for another thread.
 *
 * A mapping is claimed (0 -> 1) by the thread that opens the file into it. Its
 * users are counted: one for reader->current, one for each lookup. Whoever brings
 * users to 0 unmaps it and gives the claim back, so no thread is ever in memory that goes.
 * users is only raised from 1 or more, and set from 0 only by the claimer after
 * the view is complete: who could raise it sees a complete view.
 *
 * On a superseded file every thread that meets it opens the new one; the one that
 * swings `current` wins, the others drop theirs. A thread holds the old mapping
 * while it opens, so its number cannot come round to mean another file.
 * A file that was removed, or another put in its place, is told by nobody when the writer that had it mapped is gone. So
 * once a second one of the threads looks whether the path still leads to the file that is mapped; else it counts as superseded.
 * What cannot be found or looked at changes nothing.
 *
 * When every mapping is claimed (threads that a fork left behind never give
 * theirs back) the call maps the file for itself alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account/index_map.h"
#include "account/index_view.h"

#define MAPPINGS (sizeof(((struct index_reader *)NULL)->mappings) / sizeof(struct index_mapping))
#define ATTEMPTS 8 /* each is lost only to another thread or to a writer that moved on */

static int file_trusted(int fd, uid_t trusted, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode) || st->st_uid != trusted || (st->st_mode & 022) != 0)
		return -EPERM;
	if (st->st_size < (off_t)sizeof(struct index_header) || (uint64_t)st->st_size > SIZE_MAX)
		return -EUCLEAN;
	return 0;
}

/* The descriptor lives for these few calls only. */
static int file_map(const char *path, uid_t trusted, void **base, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int rc;

	if (fd < 0) {
		if (errno == ELOOP)
			return -EPERM;
		return errno == ENOENT || errno == ENOTDIR ? -ENXIO : -errno;
	}
	rc = file_trusted(fd, trusted, st);
	if (rc == 0) {
		*base = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (*base == MAP_FAILED)
			rc = -errno;
	}
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

static void mapping_put(struct index_mapping *mapping)
{
	if (atomic_fetch_sub_explicit(&mapping->users, 1, memory_order_acq_rel) != 1)
		return;
	view_close(&mapping->view);
	atomic_store_explicit(&mapping->claimed, 0, memory_order_release);
}

/* The mapping in use with one more user; NULL when there is none, or none stays long enough. */
static struct index_mapping *mapping_get(struct index_reader *reader, uint32_t *number)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		struct index_mapping *mapping;
		uint32_t users;

		*number = atomic_load_explicit(&reader->current, memory_order_acquire);
		if (*number == 0)
			return NULL;
		mapping = &reader->mappings[*number - 1];
		users = atomic_load_explicit(&mapping->users, memory_order_relaxed);
		while (users != 0)
			if (atomic_compare_exchange_weak_explicit(&mapping->users, &users, users + 1,
								  memory_order_acquire, memory_order_relaxed))
				return mapping;
	}
	return NULL;
}

static struct index_mapping *mapping_claim(struct index_reader *reader, uint32_t *number)
{
	for (uint32_t i = 0; i < MAPPINGS; i++) {
		uint32_t is_free = 0;

		if (atomic_compare_exchange_strong_explicit(&reader->mappings[i].claimed, &is_free, 1,
							    memory_order_acquire, memory_order_relaxed)) {
			*number = i + 1;
			return &reader->mappings[i];
		}
	}
	return NULL;
}

/* Opens the file as it is now and makes it the current one in place of `old`, of
 * which the caller has hold (number 0: none yet). 0: try again from the start. */
static int mapping_renew(struct index_reader *reader, struct index_mapping *old, uint32_t old_number)
{
	uint32_t number;
	struct index_mapping *mapping = mapping_claim(reader, &number);
	int rc;

	if (mapping == NULL)
		return -EBUSY;
	rc = view_open(reader, &mapping->view);
	if (rc < 0) {
		atomic_store_explicit(&mapping->claimed, 0, memory_order_release);
		return rc;
	}
	atomic_store_explicit(&mapping->users, 1, memory_order_release);
	if (!index_view_current(&mapping->view) ||
	    !atomic_compare_exchange_strong_explicit(&reader->current, &old_number, number, memory_order_acq_rel,
						     memory_order_relaxed))
		mapping_put(mapping);
	else if (old != NULL)
		mapping_put(old); /* the hold that `current` had */
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
			hold->mapping = NULL;
			hold->view = &hold->alone;
			return 0;
		}
		view_close(&hold->alone);
	}
	return -EUCLEAN;
}

/* Another file has come to its place. The clock is read in the process, some nanoseconds; the rest is once a second. The
 * inode of a file that is mapped is not given to another one. */
static int replaced(struct index_reader *reader, const struct index_view *view)
{
	struct timespec now;
	struct stat st;
	uint32_t looked = atomic_load_explicit(&reader->looked, memory_order_relaxed);

	if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0 || (uint32_t)now.tv_sec == looked)
		return 0;
	if (!atomic_compare_exchange_strong_explicit(&reader->looked, &looked, (uint32_t)now.tv_sec, memory_order_relaxed,
						     memory_order_relaxed))
		return 0; /* another thread looks */
	return lstat(reader->path, &st) == 0 && (st.st_ino != view->inode || st.st_dev != view->device);
}

static int enter(struct index_reader *reader, struct index_hold *hold)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		uint32_t number;
		struct index_mapping *mapping = mapping_get(reader, &number);
		int rc, another = mapping != NULL && replaced(reader, &mapping->view);

		if (mapping != NULL && !another && index_view_current(&mapping->view)) {
			hold->mapping = mapping;
			hold->view = &mapping->view;
			return 0;
		}
		if (mapping == NULL && number != 0)
			break;
		rc = mapping_renew(reader, mapping, number);
		if (mapping != NULL)
			mapping_put(mapping);
		if (another && rc < 0) /* the next call does not take the old one either */
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

	if (hold->mapping != NULL)
		mapping_put(hold->mapping);
	else
		view_close(&hold->alone);
	errno = saved;
}
