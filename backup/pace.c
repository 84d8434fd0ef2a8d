/* SPDX-License-Identifier: ISC */
/*
 * Slows down commands that come to nothing. Run by the login shell, as the account: it protects the host's log and
 * processors from a client that asks again and again, and nothing secret rests on it.
 */
#include "backup/pace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define WINDOW 60 /* seconds */
#define FREE_IN_WINDOW 40
#define TURNS_MAX 400 /* tries to get the turn, TURN_PAUSE apart: nobody waits for ever for a process that sleeps */
#define TURN_PAUSE 50000000

/*
 * In the keyring of the uid: a key that this uid alone reads and changes, outside of its file systems, and that no
 * gate's system call filter lets a session reach. If the host has no keyrings each refusal is reported, and waits.
 * Keyrings know no mounts: a system in a container that has no user namespace of its own may give the same uid to
 * another account. So the key has the name of the file that the turn is taken on.
 */
#define KEY_NAME "subuid:pace:%jx:%jx"
#define KEY_NAME_MAX (sizeof(KEY_NAME) + 2 * 2 * sizeof(uintmax_t))

struct count {
	int64_t since;
	uint32_t commands, untold;
};

static void pause_for(time_t seconds, long nanoseconds)
{
	struct timespec left = { seconds, nanoseconds };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

/* pam_subuid makes the file, which belongs to root and which this group can read. A lock on it is the turn. */
static int turn_take(void)
{
	char path[sizeof(RUN_DIR) + 32];
	cleanup_fd int fd = -1;

	snprintf(path, sizeof(path), RUN_DIR "/pace/%u", (unsigned)getuid());
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < TURNS_MAX && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
		pause_for(0, TURN_PAUSE);
	return steal_fd(&fd);
}

static void key_name(int turn, char name[KEY_NAME_MAX])
{
	struct stat file = { 0 };

	if (turn >= 0 && fstat(turn, &file) != 0)
		file = (struct stat){ 0 };
	snprintf(name, KEY_NAME_MAX, KEY_NAME, (uintmax_t)file.st_dev, (uintmax_t)file.st_ino);
}

static bool count_read(const char *name, struct count *count)
{
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", name, 0);

	return key >= 0 && syscall(SYS_keyctl, KEYCTL_READ, key, count, sizeof(*count)) == (long)sizeof(*count);
}

/* Made, or set to this value if it exists. */
static bool count_write(const char *name, const struct count *count)
{
	return syscall(SYS_add_key, "user", name, count, sizeof(*count), KEY_SPEC_USER_KEYRING) >= 0;
}

bool pace(bool refused, unsigned *more)
{
	cleanup_fd int turn = turn_take(); /* until we leave */
	char name[KEY_NAME_MAX];
	struct count count = { 0 };
	const int64_t now = time(NULL);
	bool tell = refused, counted;

	*more = 0;
	key_name(turn, name);
	if (!count_read(name, &count) || now < count.since || now - count.since >= WINDOW) {
		if (refused)
			*more = count.untold;
		count = (struct count){ .since = now, .untold = refused ? 0 : count.untold };
	} else if (refused && count.commands > 0) {
		tell = false;
		count.untold++;
	}
	count.commands++;
	counted = count_write(name, &count);
	if (counted ? count.commands > FREE_IN_WINDOW : refused)
		pause_for(1, 0);
	return refused && (tell || !counted);
}
