/* SPDX-License-Identifier: ISC */
/* The list is a file without a name that a child fills, in any order, and the broker sorts and keeps in memory. */
#include "subuidd/life/strays.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/harden.h"
#include "home/walk.h"
#include "subuidd/base/log.h"

#define WALK_SECONDS 600u
#define FRESH_SECONDS                                                                                                  \
	10 /* or this many times as long as the walk took, so that imports do not spend their time on it: */
#define FRESH_TIMES 20
#define BUFFERED 256

struct stray {
	uint32_t uid;
	char owner[OWNER_MAX + 1];
	char label[LABEL_MAX + 1];
};

struct strays {
	struct stray *rows; /* by uid */
	size_t count;
	time_t began, took; /* of the monotonic clock */
	/* a list that is being made: */
	int fd;
	child_done done; /* NULL: nobody waits */
	void *data;
	bool making;
};

/* ---- the child ---- */

struct walker {
	struct index_reader index;
	const struct homes *homes;
	size_t count;
	int fd;
	struct stray rows[BUFFERED];
};

static int walker_flush(struct walker *walker)
{
	int r = write_full(walker->fd, walker->rows, walker->count * sizeof(walker->rows[0]));

	if (r == 0)
		walker->count = 0;
	return r;
}

/* Nearly all belong to accounts. Set-aside data is looked up in its place, for the requested uid. */
static int walker_visit(void *data, const struct disk_entry *entry)
{
	struct walker *walker = data;
	struct index_account account;
	struct stray *row;

	if (entry->kind != DISK_ACCOUNT || entry->uid == 0)
		return 0;
	if (index_account_by_uid(&walker->index, entry->uid, &account) == 0 &&
	    strcmp(account.owner, entry->owner) == 0 && strcmp(account.label, entry->label) == 0)
		return 0;
	row = &walker->rows[walker->count++];
	memset(row, 0, sizeof(*row));
	row->uid = entry->uid;
	snprintf(row->owner, sizeof(row->owner), "%s", entry->owner);
	snprintf(row->label, sizeof(row->label), "%s", entry->label);
	return walker->count == BUFFERED ? walker_flush(walker) : 0;
}

static int walker_run(const void *argument)
{
	const struct walker *job = argument;
	static struct walker walker;
	int low = job->fd < job->homes->fd ? job->fd : job->homes->fd;
	int keep[] = { 0, 1, 2, low, low == job->fd ? job->homes->fd : job->fd, -1 };
	int r = descriptors_keep(keep);

	walker = (struct walker){ .homes = job->homes, .fd = job->fd, .index = INDEX_READER(INDEX_PATH) };
	if (r == 0)
		r = home_walk_names(walker.homes, walker_visit, &walker);
	if (r == 0)
		r = walker_flush(&walker);
	return r == 0 ? 0 : 1;
}

/* ---- the list ---- */

static time_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct stray *)a)->uid, y = ((const struct stray *)b)->uid;

	return (x > y) - (x < y);
}

static void rows_free(struct strays *strays)
{
	free(strays->rows);
	strays->rows = NULL;
	strays->count = 0;
}

static int rows_read(struct strays *strays)
{
	cleanup_free struct stray *rows = NULL;
	struct stat st;

	if (fstat(strays->fd, &st) != 0)
		return -errno;
	if (st.st_size % (off_t)sizeof(*rows) != 0)
		return -EIO;
	rows = malloc((size_t)st.st_size + 1); /* so that there is a list, even an empty one */
	if (rows == NULL)
		return -ENOMEM;
	if (pread(strays->fd, rows, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	rows_free(strays);
	strays->count = (size_t)st.st_size / sizeof(*rows);
	qsort(rows, strays->count, sizeof(*rows), by_uid);
	strays->rows = steal_ptr(&rows);
	return 0;
}

static void walked(void *data, int status)
{
	struct broker *broker = data;
	struct strays *strays = broker->strays;
	child_done done = strays->done;
	int r = status == 0 ? rows_read(strays) : status < 0 ? status : -EIO;

	strays->making = false;
	strays->done = NULL;
	strays->took = monotonic() - strays->began;
	cleanup_fd_p(&strays->fd);
	strays->fd = -1;
	if (r < 0) {
		log_error("the directories under %s cannot be listed: %s", broker->settings.homes, strerror(-r));
		rows_free(strays);
	}
	if (done != NULL)
		done(strays->data, r);
}

bool strays_ready(const struct broker *broker)
{
	const struct strays *strays = broker->strays;
	time_t fresh;

	if (strays == NULL || strays->rows == NULL || strays->making)
		return false;
	fresh = strays->took * FRESH_TIMES > FRESH_SECONDS ? strays->took * FRESH_TIMES : FRESH_SECONDS;
	return monotonic() - strays->began <= fresh;
}

static int walk_start(struct broker *broker, struct strays *strays)
{
	const struct walker job = { .homes = &broker->homes, .fd = strays->fd };
	const struct child_job child = { .run = walker_run, .argument = &job, .seconds = WALK_SECONDS };
	int pidfd = -1, r;
	pid_t pid;

	r = child_start(&child, &pid, &pidfd);
	return r < 0 ? r : child_watch(broker->event, pidfd, WALK_SECONDS, walked, broker);
}

int strays_start(struct broker *broker, child_done done, void *data)
{
	struct strays *strays = broker->strays;
	int r;

	if (strays == NULL)
		strays = broker->strays = calloc(1, sizeof(*strays));
	if (strays == NULL)
		return -ENOMEM;
	if (strays->making)
		return -EBUSY;
	strays->fd = memfd_create("subuidd-strays", MFD_CLOEXEC);
	if (strays->fd < 0)
		return -errno;
	strays->began = monotonic();
	r = walk_start(broker, strays);
	if (r < 0) {
		cleanup_fd_p(&strays->fd);
		return r;
	}
	strays->making = true;
	strays->done = done;
	strays->data = data;
	return 0;
}

void strays_forget(struct broker *broker, const void *data)
{
	if (broker->strays != NULL && broker->strays->data == data)
		broker->strays->done = NULL;
}

int strays_find(const struct broker *broker, uint32_t uid, const char *owner, const char *label, char *where,
		size_t size)
{
	const struct strays *strays = broker->strays;
	const struct stray key = { .uid = uid }, *row;

	if (strays == NULL || strays->rows == NULL)
		return strays != NULL && strays->making ? -EBUSY : -ENODATA;
	row = strays->count == 0 ? NULL : bsearch(&key, strays->rows, strays->count, sizeof(key), by_uid);
	while (row != NULL && row > strays->rows && row[-1].uid == uid)
		row--;
	for (; row != NULL && row < strays->rows + strays->count && row->uid == uid; row++) {
		if (strcmp(row->owner, owner) == 0 && strcmp(row->label, label) == 0)
			continue;
		snprintf(where, size, "%s/%s", row->owner, row->label);
		return 1;
	}
	return 0;
}

void strays_close(struct broker *broker)
{
	if (broker->strays != NULL)
		rows_free(broker->strays);
	free(broker->strays);
	broker->strays = NULL;
}
