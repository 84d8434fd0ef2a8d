/* SPDX-License-Identifier: ISC */
/*
 * Counts sessions by locks on bytes of a file. Run inside sshd, in its process that stays root's: one account's
 * sessions must not use up the host, nor those of a key the account's.
 */
#include "pam/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/format.h"
#include "confine/cleanup.h"

/* Bytes of the file that are locked: of the account, of who notes a login, and of each key by its number. The file
 * itself holds `struct untold`, and the times of logins. */
#define LOGINS_LOCK INT64_C(0x80000)
#define KEYS_FIRST INT64_C(0x100000)
#define KEY_STEP 4096
#define KEY_REFUSED 2048
_Static_assert(SESSIONS_MAX <= KEY_REFUSED && KEY_REFUSED + SLOTS_REFUSED <= KEY_STEP, "no two meanings of a byte");

#define TELL_SECONDS 60

struct untold {
	int64_t since; /* seconds since the epoch: a line was written */
	uint32_t more;
	uint32_t pad;
};

static int directory_make(const char *path, mode_t mode)
{
	if (mkdir(path, mode) != 0) /* allowed-path: only root writes to /run */
		return errno == EEXIST ? 0 : -errno;
	return chmod(path, mode) != 0 ? -errno : 0; /* allowed-path: whatever umask this process has */
}

int slots_open(const char *run, uint32_t uid)
{
	char path[128];
	int r = directory_make(run, 0755), fd;

	snprintf(path, sizeof(path), "%s/sessions", run);
	if (r == 0)
		r = directory_make(path, 0700);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/sessions/%u", run, (unsigned)uid);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	return fd < 0 ? -errno : fd;
}

void slots_pace(const char *run, uint32_t uid)
{
	cleanup_fd int fd = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/pace", run);
	if (directory_make(path, 0711) < 0)
		return;
	snprintf(path, sizeof(path), "%s/pace/%u", run, (unsigned)uid);
	/* 0400 until it belongs to the group, so that nobody else can hold up the turns of this account */
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (fd >= 0 && (fchown(fd, (uid_t)-1, uid) != 0 || fchmod(fd, 0440) != 0))
		unlink(path); /* allowed-path: only root writes to /run */
}

static int slot_set(int fd, short type, int64_t start, int64_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, F_SETLK, &lock) != 0 ? -errno : 0;
}

/* A process may lock its own byte again: asked twice, it still has one place. */
static int slot_take(int fd, int64_t first, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		int r = slot_set(fd, F_WRLCK, first + i, 1);

		if (r != -EAGAIN && r != -EACCES)
			return r;
	}
	return -EBUSY;
}

static int64_t key_first(uint32_t key_id)
{
	return KEYS_FIRST + (int64_t)key_id * KEY_STEP;
}

int slots_take_account(int fd, unsigned most)
{
	return slot_take(fd, 0, most);
}

int slots_take_key(int fd, uint32_t key_id, unsigned most)
{
	return slot_take(fd, key_first(key_id), most);
}

int slots_take_refused(int fd, uint32_t key_id)
{
	return slot_take(fd, key_first(key_id) + KEY_REFUSED, SLOTS_REFUSED);
}

void slots_leave_account(int fd)
{
	slot_set(fd, F_UNLCK, 0, SESSIONS_MAX);
}

/* The last logins, in the order in which they came. */
#define MINUTE_MS 60000
#define LOCK_TRIES 200 /* milliseconds, more or less: it is held for some microseconds */

struct logins {
	uint64_t count;           /* since the file was made, which a boot removes */
	int64_t when[LOGINS_MAX]; /* CLOCK_BOOTTIME, milliseconds; login i at i % LOGINS_MAX */
};

static int logins_lock(int fd)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int r = -EAGAIN;

	for (unsigned i = 0; i < LOCK_TRIES && (r == -EAGAIN || r == -EACCES); i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		r = slot_set(fd, F_WRLCK, LOGINS_LOCK, 1);
	}
	return r;
}

static int login_note(int fd, unsigned most, int64_t now, unsigned *wait)
{
	struct logins logins = { 0 }; /* 8 KiB */
	int64_t since;

	if (pread(fd, &logins, sizeof(logins), sizeof(struct untold)) != (ssize_t)sizeof(logins))
		logins = (struct logins){ 0 };
	if (logins.count >= most) {
		since = now - logins.when[(logins.count - most) % LOGINS_MAX];
		if (since < MINUTE_MS) {
			*wait = (unsigned)((MINUTE_MS - since + 999) / 1000);
			return -EBUSY;
		}
	}
	logins.when[logins.count++ % LOGINS_MAX] = now;
	return pwrite(fd, &logins, sizeof(logins), sizeof(struct untold)) != (ssize_t)sizeof(logins) ? -EIO : 0;
}

int slots_login(int fd, unsigned most, unsigned *wait)
{
	struct timespec now;
	int r = logins_lock(fd);

	if (r < 0)
		return r;
	clock_gettime(CLOCK_BOOTTIME, &now);
	r = login_note(fd, most < LOGINS_MAX ? most : LOGINS_MAX, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
		       wait);
	slot_set(fd, F_UNLCK, LOGINS_LOCK, 1);
	return r;
}

/* Two refusals at the same moment may both be logged, or one not be counted: that does no harm. */
bool slots_tell(int fd, time_t now, unsigned *more)
{
	struct untold untold = { 0 };
	bool tell = true;

	*more = 0;
	if (fd < 0 || pread(fd, &untold, sizeof(untold), 0) != (ssize_t)sizeof(untold))
		untold = (struct untold){ 0 };
	if (now >= untold.since && now - untold.since < TELL_SECONDS) {
		tell = false;
		untold.more += untold.more < UINT32_MAX;
	} else {
		*more = untold.more;
		untold = (struct untold){ .since = now };
	}
	/* a session that cannot be counted is reported */
	return fd < 0 || pwrite(fd, &untold, sizeof(untold), 0) != (ssize_t)sizeof(untold) || tell;
}

static void denied_add(const char *path)
{
	cleanup_fd int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	uint64_t count = 0;

	if (fd < 0 || logins_lock(fd) < 0)
		return;
	if (pread(fd, &count, sizeof(count), 0) != (ssize_t)sizeof(count))
		count = 0;
	count++;
	(void)!pwrite(fd, &count, sizeof(count), 0);
}

void slots_denied(const char *run, uint32_t owner_uid)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/denied", run);
	if (directory_make(run, 0755) < 0 || directory_make(path, 0700) < 0)
		return;
	snprintf(path, sizeof(path), "%s/denied/%u", run, (unsigned)owner_uid);
	denied_add(path);
	snprintf(path, sizeof(path), "%s/denied/all", run);
	denied_add(path);
}
