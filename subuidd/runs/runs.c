/* SPDX-License-Identifier: ISC */
/*
 * The spool: every sub-account can put files there and see none. The owner of the file says whose run it is; its
 * content is read as bytes of one size and not believed in anything about others. Any other file that someone puts
 * there is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account/run.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "subuidd/ids/group.h"
#include "subuidd/call/caller.h"
#include "subuidd/base/log.h"
#include "subuidd/life/memory.h"
#include "subuidd/life/meter.h"
#include "subuidd/call/room.h"
#include "subuidd/runs/runs.h"

#define SPOOL_MODE 01730
#define SPOOL_PATH STATE_DIR "/" RUN_SPOOL_NAME
#define SOON_USEC 50000u     /* many that end together are one transaction */
#define NEXT_USEC 20000u     /* between two batches: others get their turn */
#define GOING_USEC 15000000u /* while there are runs that go on: what they write is counted meanwhile (meter.h) */
#define BATCH 128            /* runs of one transaction */
#define LOOKED_MAX 2048      /* files looked at in one go */
#define EMPTY_SECONDS 60     /* a file without a record is one that is being begun for so long */
#define DROPPED_SECONDS 60   /* one line about records that are dropped in all of this time */

struct spool {
	int fd;
	DIR *sweep;            /* under way */
	bool again;            /* something came while it was */
	bool going;            /* it has seen a run that goes on */
	uint64_t dropped_told; /* CLOCK_MONOTONIC, microseconds; 0 never */
	unsigned dropped;      /* since then */
	sd_event_source *watch, *timer;
};

enum verdict { SPOOL_KEEP, SPOOL_TAKEN, SPOOL_AWAY };

/* A directory that can be put there only by a sub-account; one that is not empty stays and harms nobody. */
static void discard(struct spool *spool, const char *name)
{
	if (unlinkat(spool->fd, name, 0) < 0 && errno == EISDIR)
		unlinkat(spool->fd, name, AT_REMOVEDIR);
}

/* Reports a file that is no record: its run is missing now, or somebody writes other things there. */
static void drop_tell(struct broker *broker, uint32_t uid, const char *why)
{
	struct spool *spool = broker->spool;
	char more[48] = "";
	uint64_t now = 0;

	sd_event_now(broker->event, CLOCK_MONOTONIC, &now);
	if (spool->dropped_told != 0 && now - spool->dropped_told < DROPPED_SECONDS * UINT64_C(1000000)) {
		spool->dropped++;
		return;
	}
	if (spool->dropped > 0)
		snprintf(more, sizeof(more), " (and %u more since the last such line)", spool->dropped);
	spool->dropped_told = now;
	spool->dropped = 0;
	log_warn("%s: a record of uid %u is dropped: %s%s", SPOOL_PATH, (unsigned)uid, why, more);
}

static int drop(struct broker *broker, uint32_t uid, const char *why)
{
	drop_tell(broker, uid, why);
	return SPOOL_AWAY;
}

/* 1: *run is a record that nobody is writing any more; 0: being written; negative errno: it is none. */
static int record_read(int spool_fd, const char *name, const struct stat *expected, struct run *run)
{
	unsigned char bytes[sizeof(*run) + 1];
	/* Not blocking: by a FIFO, or by a lease that its owner holds. */
	cleanup_fd int fd = openat(spool_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t got;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != expected->st_uid || st.st_ino != expected->st_ino)
		return -ESTALE;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -errno;
	got = pread(fd, bytes, sizeof(bytes), 0);
	if (got < 0)
		return -errno;
	if (got == 0) {
		run_lost(st.st_mtime, run);
		return 1;
	}
	r = run_read(bytes, (size_t)got, run);
	return r < 0 ? r : 1;
}

/* Its own clock is not to be believed: a run that has ended has ended by now. */
static int64_t run_ended(struct run *run, int64_t now)
{
	if (run->started > now)
		run->started = now;
	if ((int64_t)(run->duration_ms / 1000) > now - run->started)
		run->duration_ms = (uint64_t)(now - run->started) * 1000;
	return run->started + (int64_t)(run->duration_ms / 1000);
}

/* The files of the largest backup before it. The store reads all runs of the account for that: only for one that would
 * be a large change after a backup of one file, since after a larger one it is a smaller change. */
static int most_before(struct broker *broker, uint32_t uid, const struct run *run, uint64_t *most)
{
	const struct settings *settings = &broker->settings;

	*most = 0;
	if (run_change(run, 1, settings->deleted_share, settings->changed_share) == RUN_CHANGE_NONE)
		return 0;
	return store_run_most(broker->store, uid, most);
}

/* A run that was taken into the open transaction. */
struct taken {
	uint32_t uid;
	enum login_result result;
	char owner[OWNER_MAX + 1];
};

/* One entry of the spool, in the open transaction. A verdict, or negative errno of the store. */
static int entry_take(struct broker *broker, const char *name, int64_t now, struct taken *taken)
{
	struct spool *spool = broker->spool;
	enum run_verdict verdict;
	struct account account;
	struct run run;
	struct stat st;
	uint64_t most;
	int r;

	if (fstatat(spool->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return SPOOL_KEEP; /* gone */
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return drop(broker, st.st_uid, "not a plain file");
	if (st.st_size == 0 && now - st.st_mtime < EMPTY_SECONDS && st.st_mtime <= now) {
		spool->going = true;
		return SPOOL_KEEP;
	}
	r = store_account_by_uid(broker->store, st.st_uid, &account);
	if (r < 0)
		return r == -ENOENT ? drop(broker, st.st_uid, "not an account") : r;
	r = record_read(spool->fd, name, &st, &run);
	if (r == 0) {
		spool->going = true;
		meter_want(broker, st.st_uid);
	}
	if (r <= 0)
		return r == 0 ? SPOOL_KEEP : drop(broker, st.st_uid, strerror(-r));
	verdict = run_verdict(&run, broker->settings.vanished_good);
	*taken = (struct taken){ .uid = st.st_uid, .result = login_result(&run, verdict) };
	memcpy(taken->owner, account.owner, sizeof(taken->owner));
	r = most_before(broker, st.st_uid, &run, &most);
	if (r < 0)
		return r;
	r = store_run_add(broker->store, st.st_uid, &run, run_ended(&run, now), verdict);
	/* A row that the store refuses will never be one that it takes. */
	if (r < 0)
		return r == -EINVAL ? drop(broker, st.st_uid, "the store refuses it") : r;
	alarm_changed(broker, st.st_uid, &run, most);
	return SPOOL_TAKEN;
}

struct batch {
	unsigned count;
	struct taken taken[BATCH];
	char names[BATCH][NAME_MAX + 1];
};

/* Up to a batch of entries; *more: the sweep is not at its end. 0 or negative errno of the store. */
static int batch_take(struct broker *broker, struct batch *batch, bool *more)
{
	struct spool *spool = broker->spool;
	struct dirent *entry = NULL;
	int64_t now = time(NULL);

	for (unsigned looked = 0; looked < LOOKED_MAX && batch->count < BATCH; looked++) {
		int verdict;

		entry = readdir(spool->sweep);
		if (entry == NULL)
			break;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		verdict = entry_take(broker, entry->d_name, now, &batch->taken[batch->count]);
		if (verdict < 0)
			return verdict;
		if (verdict == SPOOL_TAKEN)
			memcpy(batch->names[batch->count++], entry->d_name, strlen(entry->d_name) + 1);
		else if (verdict == SPOOL_AWAY)
			discard(spool, entry->d_name);
	}
	*more = entry != NULL;
	return 0;
}

/* A crash between the commit and the end of the files has runs told twice, and none lost. */
static int batch_run(struct broker *broker, bool *more)
{
	cleanup_free struct batch *batch = calloc(1, sizeof(*batch));
	int r = batch == NULL ? -ENOMEM : 0;

	/* They are safe in the spool, and what room is left is not for them. */
	if (r == 0 && room_short(broker))
		r = -ENOSPC;
	if (r == 0)
		r = store_begin(broker->store);
	if (r < 0)
		return r;
	r = batch_take(broker, batch, more);
	if (r < 0 || batch->count == 0) {
		store_rollback(broker->store);
		return r;
	}
	r = store_commit(broker->store);
	for (unsigned i = 0; r == 0 && i < batch->count; i++) {
		discard(broker->spool, batch->names[i]);
		meter_want(broker, batch->taken[i].uid);
		counters_login(&broker->counters, batch->taken[i].owner, batch->taken[i].result);
	}
	return r;
}

static void look_in(struct broker *broker, uint64_t usec)
{
	uint64_t now = 0;

	if (broker->spool == NULL)
		return;
	sd_event_now(broker->event, CLOCK_MONOTONIC, &now);
	if (sd_event_source_set_time(broker->spool->timer, now + usec) < 0 ||
	    sd_event_source_set_enabled(broker->spool->timer, SD_EVENT_ONESHOT) < 0)
		log_error("runs cannot be looked for");
}

void runs_look(struct broker *broker)
{
	if (broker->spool == NULL)
		return;
	if (broker->spool->sweep != NULL)
		broker->spool->again = true;
	else
		look_in(broker, SOON_USEC);
}

static int sweep_begin(struct spool *spool)
{
	/* Opened again: a duplicate would share its position in the directory. */
	cleanup_fd int fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (spool->sweep = fdopendir(fd)) == NULL)
		return -errno;
	steal_fd(&fd);
	spool->again = spool->going = false;
	return 0;
}

static int spool_due(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;
	struct spool *spool = broker->spool;
	bool more = false;
	int r = spool->sweep == NULL ? sweep_begin(spool) : 0;

	(void)source;
	(void)usec;
	if (r == 0)
		r = batch_run(broker, &more);
	if (r == 0 && more) {
		look_in(broker, NEXT_USEC);
		return 0;
	}
	if (r < 0)
		log_error("%s: runs stay there for now: %s", SPOOL_PATH, strerror(-r));
	if (spool->sweep != NULL)
		closedir(spool->sweep);
	spool->sweep = NULL;
	if (r == 0 && (spool->again || spool->going))
		look_in(broker, spool->again ? SOON_USEC : GOING_USEC);
	alarm_look(broker);
	return 0;
}

/* It is looked at in a while, if it goes on then; unless a look is planned. */
static void run_begun(struct broker *broker)
{
	struct spool *spool = broker->spool;
	int planned = SD_EVENT_ONESHOT;

	memory_soon(broker);
	if (spool == NULL)
		return;
	spool->going = true;
	if (spool->sweep == NULL && sd_event_source_get_enabled(spool->timer, &planned) >= 0 && planned == SD_EVENT_OFF)
		look_in(broker, GOING_USEC);
}

static int spool_event(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	(void)source;
	if ((event->mask & IN_CREATE) != 0)
		run_begun(userdata);
	else
		runs_look(userdata);
	return 0;
}

/* Made again whichever user it belonged to: a mode that lets others list or remove would show, or lose, runs. */
static int spool_make(int state_fd)
{
	cleanup_fd int fd = path_make_directory(state_fd, RUN_SPOOL_NAME, 0700, 0);
	gid_t gid;
	int r;

	if (fd < 0)
		return fd;
	r = group_by_name(SUBUIDS_GROUP, &gid);
	if (r < 0)
		return r;
	if (fchown(fd, 0, gid) < 0 || fchmod(fd, SPOOL_MODE) < 0)
		return -errno;
	return steal_fd(&fd);
}

int runs_open(struct broker *broker)
{
	struct spool *spool = calloc(1, sizeof(*spool));
	int r;

	if (spool == NULL)
		return -ENOMEM;
	spool->fd = spool_make(broker->state_fd);
	r = spool->fd < 0 ? spool->fd : 0;
	if (r == 0)
		r = sd_event_add_time(broker->event, &spool->timer, CLOCK_MONOTONIC, UINT64_MAX, 10000, spool_due,
				      broker);
	if (r >= 0)
		r = sd_event_add_inotify(broker->event, &spool->watch, SPOOL_PATH,
					 IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR, spool_event, broker);
	broker->spool = spool;
	if (r < 0) {
		log_error("%s: runs are not recorded: %s", SPOOL_PATH, strerror(-r));
		runs_close(broker);
		return r;
	}
	runs_look(broker);
	return 0;
}

void runs_close(struct broker *broker)
{
	struct spool *spool = broker->spool;

	if (spool == NULL)
		return;
	broker->spool = NULL;
	sd_event_source_disable_unref(spool->watch);
	sd_event_source_disable_unref(spool->timer);
	if (spool->sweep != NULL)
		closedir(spool->sweep);
	if (spool->fd >= 0)
		close(spool->fd);
	free(spool);
}
