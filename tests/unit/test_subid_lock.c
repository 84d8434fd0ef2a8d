/* SPDX-License-Identifier: ISC */
/*
 * shadow's locks after a power cut. lckpwdf(3), waiting and the clock are the test's (--wrap); what is done to the
 * directory is recorded, and played again up to each point with what was not synced lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "subid/lock.h"

#define OPS_MAX 64

/* ---- the world outside */

enum op_kind { OP_CREATE, OP_WRITE, OP_SYNC_FILE, OP_LINK, OP_UNLINK, OP_SYNC_DIRECTORY };

struct op {
	enum op_kind kind;
	char name[32], to[32];
};

static struct op ops[OPS_MAX];
static size_t ops_count;
static bool recording, pwd_locked;
static char created[32];                   /* the file that is written to */
static int64_t realtime_shift, made_shift; /* seconds */
static unsigned waits;

int __wrap_lckpwdf(void);
int __wrap_ulckpwdf(void);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_clock_gettime(clockid_t clock, struct timespec *when);
time_t __wrap_time(time_t *when);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_openat(int dirfd, const char *name, int flags, mode_t mode);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_linkat(int from, const char *name, int to, const char *other, int flags);
int __wrap_unlinkat(int dirfd, const char *name, int flags);
int __real_clock_gettime(clockid_t clock, struct timespec *when);
int __real_fstat(int fd, struct stat *st);
int __real_openat(int dirfd, const char *name, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t size);
int __real_linkat(int from, const char *name, int to, const char *other, int flags);
int __real_unlinkat(int dirfd, const char *name, int flags);

int __wrap_lckpwdf(void)
{
	assert_false(pwd_locked);
	pwd_locked = true;
	return 0;
}

int __wrap_ulckpwdf(void)
{
	assert_true(pwd_locked);
	pwd_locked = false;
	return 0;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	(void)wanted;
	(void)left;
	waits++;
	return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *when)
{
	int r = __real_clock_gettime(clock, when);

	if (clock == CLOCK_REALTIME)
		when->tv_sec += realtime_shift;
	return r;
}

time_t __wrap_time(time_t *when)
{
	struct timespec now;

	(void)when;
	__wrap_clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

int __wrap_fstat(int fd, struct stat *st)
{
	int r = __real_fstat(fd, st);

	st->st_ctim.tv_sec += made_shift;
	return r;
}

static void note(enum op_kind kind, const char *name, const char *to)
{
	if (!recording)
		return;
	assert_true(ops_count < OPS_MAX);
	ops[ops_count].kind = kind;
	snprintf(ops[ops_count].name, sizeof(ops[ops_count].name), "%s", name);
	snprintf(ops[ops_count].to, sizeof(ops[ops_count].to), "%s", to);
	ops_count++;
}

int __wrap_openat(int dirfd, const char *name, int flags, mode_t mode)
{
	int fd = __real_openat(dirfd, name, flags, mode);

	if (fd >= 0 && (flags & O_CREAT) != 0) {
		note(OP_CREATE, name, "");
		snprintf(created, sizeof(created), "%s", name);
	}
	return fd;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	note(OP_WRITE, created, "");
	return __real_write(fd, bytes, size);
}

int __wrap_fdatasync(int fd)
{
	(void)fd;
	note(OP_SYNC_FILE, created, "");
	return 0;
}

int __wrap_fsync(int fd)
{
	(void)fd;
	note(OP_SYNC_DIRECTORY, "", "");
	return 0;
}

int __wrap_linkat(int from, const char *name, int to, const char *other, int flags)
{
	int r = __real_linkat(from, name, to, other, flags);

	if (r == 0)
		note(OP_LINK, name, other);
	return r;
}

int __wrap_unlinkat(int dirfd, const char *name, int flags)
{
	int r = __real_unlinkat(dirfd, name, flags);

	if (r == 0)
		note(OP_UNLINK, name, "");
	return r;
}

/* ---- directories */

static char root[] = "/tmp/test_subid_lock.XXXXXX";
static int directory = -1;

static void clean(void)
{
	DIR *dir = fdopendir(dup(directory));

	assert_non_null(dir);
	rewinddir(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			assert_int_equal(__real_unlinkat(directory, entry->d_name, 0), 0);
	closedir(dir);
}

static int begin(void **state)
{
	(void)state;
	clean();
	recording = pwd_locked = false;
	ops_count = 0;
	realtime_shift = made_shift = 0;
	waits = 0;
	return 0;
}

static void put(const char *name, const char *text, size_t length)
{
	int fd = __real_openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(__real_write(fd, text, length), length);
	close(fd);
}

static void put_pid(const char *name, pid_t pid)
{
	char text[24];

	put(name, text, (size_t)snprintf(text, sizeof(text), "%ld", (long)pid) + 1);
}

static bool there(const char *name)
{
	struct stat st;

	return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of a process that is gone. */
static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static int lock(void)
{
	int r = subid_lock(directory);

	assert_int_equal(pwd_locked, r == 0);
	if (r < 0)
		return r;
	assert_true(there("subuid.lock") && there("subgid.lock"));
	subid_unlock(directory);
	assert_false(there("subuid.lock") || there("subgid.lock"));
	assert_false(pwd_locked);
	return 0;
}

/* ---- tests */

static void it_is_taken_and_given_back(void **state)
{
	pid_t pid = 0;

	(void)state;
	assert_int_equal(subid_lock(directory), 0);
	assert_true(subid_lock_left(directory));
	assert_int_equal(subid_lock_look(directory, "subuid.lock", &pid), LOCK_HELD);
	assert_int_equal(pid, getpid());
	subid_unlock(directory);
	assert_false(subid_lock_left(directory));
	assert_int_equal(subid_lock_look(directory, "subuid.lock", &pid), LOCK_NONE);
}

static void a_lock_of_somebody_who_lives_is_waited_for(void **state)
{
	(void)state;
	put_pid("subgid.lock", getppid());
	assert_int_equal(lock(), -EBUSY);
	assert_true(waits > 50);
	assert_true(there("subgid.lock"));
	assert_false(there("subuid.lock")); /* given back */
}

static void a_lock_of_a_process_that_is_gone_is_cleared(void **state)
{
	(void)state;
	put_pid("subuid.lock", dead_pid());
	assert_int_equal(lock(), 0);
	assert_int_equal(waits, 0);
}

static void a_pid_that_was_given_out_again_holds_nothing(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	put_pid("subuid.lock", pid);
	assert_int_equal(lock(), -EBUSY); /* as far as anybody can tell it is its lock */
	made_shift = -10;                 /* the lock is older than the process */
	assert_int_equal(lock(), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_lock_of_the_boot_before_holds_nothing(void **state)
{
	struct timespec since;

	(void)state;
	put_pid("subuid.lock", getppid());
	put_pid("subgid.lock", 1);
	__real_clock_gettime(CLOCK_BOOTTIME, &since);
	made_shift = -(since.tv_sec + 10);
	assert_int_equal(lock(), 0);
}

/* The clock was a month ahead, and then the power was cut: the boot after it is older than the lock, by the clock. */
static void a_lock_of_a_clock_that_ran_ahead_holds_nothing(void **state)
{
	pid_t pid;

	(void)state;
	put_pid("subuid.lock", getppid());
	put_pid("subgid.lock", 1);
	made_shift = 59;
	assert_int_equal(subid_lock_look(directory, "subuid.lock", &pid), LOCK_HELD); /* set back just now, perhaps */
	made_shift = 30 * 86400;
	assert_int_equal(subid_lock_look(directory, "subuid.lock", &pid), LOCK_DEAD);
	assert_int_equal(lock(), 0);
	assert_int_equal(waits, 0);
}

static void a_lock_without_a_pid_is_cleared_when_nobody_can_be_making_it(void **state)
{
	static const char *const texts[] = { "", "rubbish", "12x", "-3", "99999999999999999999" };
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		begin(NULL);
		put("subuid.lock", texts[i], strlen(texts[i]));
		assert_int_equal(subid_lock_look(directory, "subuid.lock", &pid), LOCK_ODD);
		assert_int_equal(lock(), -EBUSY); /* made by hand just now, perhaps */
		realtime_shift = 61;
		assert_int_equal(lock(), 0);
		put("subuid.lock", texts[i], strlen(texts[i]));
		realtime_shift = -61; /* the clock was wrong before */
		assert_int_equal(lock(), 0);
	}
}

static void what_is_no_file_is_nobodys_to_clear(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("/nonexistent", directory, "subuid.lock"), 0);
	realtime_shift = 1000;
	assert_int_equal(lock(), -EBUSY);
	assert_true(there("subuid.lock"));
}

static void leftovers_of_taking_it_are_cleared(void **state)
{
	char dead[2][32], alive[32];
	pid_t pid = dead_pid();

	(void)state;
	snprintf(dead[0], sizeof(dead[0]), "subuid.%ld", (long)pid);
	snprintf(dead[1], sizeof(dead[1]), "subgid.%ld", (long)pid);
	snprintf(alive, sizeof(alive), "subuid.%ld", (long)getppid());
	put_pid(dead[0], pid);
	put_pid(dead[1], pid);
	put_pid(alive, getppid());
	put("subuid.12x", "", 0);
	put("subuid-", "", 0);
	put("subuid", "", 0);
	put("subuid.77", "", 0);
	assert_int_equal(lock(), 0);
	assert_false(there(dead[0]) || there(dead[1]));
	assert_true(there(alive) && there("subuid.12x") && there("subuid-") && there("subuid") && there("subuid.77"));
	realtime_shift = 61;
	assert_int_equal(lock(), 0);
	assert_false(there("subuid.77"));
	assert_true(there("subuid.12x") && there("subuid-") && there("subuid"));
}

/* ---- power cut */

static bool is_entry(enum op_kind kind)
{
	return kind == OP_CREATE || kind == OP_LINK || kind == OP_UNLINK;
}

/* A file's content is what was synced before the cut; its entries are those of ops for which keep says so. */
static void image(size_t cut, uint32_t keep, pid_t pid)
{
	char made[OPS_MAX][32];
	bool synced[OPS_MAX] = { false };
	unsigned n = 0;

	clean();
	memset(made, 0, sizeof(made));
	for (size_t i = 0; i < cut; i++)
		if (ops[i].kind == OP_SYNC_FILE)
			synced[ops[i].name[3] == 'u'] = true; /* subuid or subgid */
	for (size_t i = 0; i < cut; i++) {
		if (!is_entry(ops[i].kind))
			continue;
		if ((keep & (1u << n++)) == 0)
			continue;
		if (ops[i].kind == OP_CREATE && synced[ops[i].name[3] == 'u'])
			put_pid(ops[i].name, pid);
		else if (ops[i].kind == OP_CREATE)
			put(ops[i].name, "", 0);
		else if (ops[i].kind == OP_UNLINK)
			__real_unlinkat(directory, ops[i].name, 0);
		else if (there(ops[i].name) && !there(ops[i].to))
			assert_int_equal(__real_linkat(directory, ops[i].name, directory, ops[i].to, 0), 0);
	}
}

/* Entries that the last sync of the directory made durable, as bits; *count: all of them. */
static uint32_t durable(size_t cut, unsigned *count)
{
	uint32_t bits = 0;

	*count = 0;
	for (size_t i = 0; i < cut; i++) {
		if (is_entry(ops[i].kind))
			(*count)++;
		else if (ops[i].kind == OP_SYNC_DIRECTORY)
			bits = (1u << *count) - 1;
	}
	return bits;
}

static void record(void)
{
	recording = true;
	assert_int_equal(subid_lock(directory), 0);
	subid_unlock(directory);
	recording = false;
}

static size_t first_of(enum op_kind kind, size_t from)
{
	while (from < ops_count && ops[from].kind != kind)
		from++;
	return from;
}

static void what_a_lock_says_is_durable_before_it_is_one(void **state)
{
	(void)state;
	record();
	for (size_t i = 0; i < ops_count; i++) {
		size_t sync = first_of(OP_SYNC_FILE, 0);

		if (ops[i].kind != OP_LINK)
			continue;
		while (sync < i && strcmp(ops[sync].name, ops[i].name) != 0)
			sync = first_of(OP_SYNC_FILE, sync + 1);
		assert_true(sync < i);
		assert_true(first_of(OP_SYNC_DIRECTORY, i) < ops_count);
	}
	assert_int_equal(ops[ops_count - 1].kind, OP_SYNC_DIRECTORY); /* after the last unlink */
}

/* Cut at every point, with every part of what was not synced lost; the pid is nobody's, or somebody else's by now. */
static void no_power_cut_leaves_a_lock_that_stands(void **state)
{
	struct timespec since;
	unsigned images = 0;
	pid_t dead = dead_pid();

	(void)state;
	record();
	__real_clock_gettime(CLOCK_BOOTTIME, &since);
	for (size_t cut = 0; cut <= ops_count; cut++) {
		unsigned count;
		uint32_t sure = durable(cut, &count);

		for (uint32_t keep = 0; keep < 1u << count; keep++) {
			pid_t pid;

			if ((keep & sure) != sure)
				continue;
			image(cut, keep, dead);
			/* never a lock that shadow's tools stop at */
			assert_int_not_equal(subid_lock_look(directory, "subuid.lock", &pid), LOCK_ODD);
			assert_int_not_equal(subid_lock_look(directory, "subgid.lock", &pid), LOCK_ODD);
			assert_int_equal(lock(), 0);
			image(cut, keep, getppid());
			made_shift = -(since.tv_sec + 10); /* booted since */
			assert_int_equal(lock(), 0);
			made_shift = 0;
			images += 2;
		}
	}
	assert_int_equal(waits, 0);
	assert_true(images > 100);
	print_message("%u images\n", images);
}

static int open_directory(void **state)
{
	(void)state;
	if (mkdtemp(root) == NULL)
		return -1;
	directory = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory < 0 ? -1 : 0;
}

static int close_directory(void **state)
{
	(void)state;
	clean();
	close(directory);
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_is_taken_and_given_back, begin),
		cmocka_unit_test_setup(a_lock_of_somebody_who_lives_is_waited_for, begin),
		cmocka_unit_test_setup(a_lock_of_a_process_that_is_gone_is_cleared, begin),
		cmocka_unit_test_setup(a_pid_that_was_given_out_again_holds_nothing, begin),
		cmocka_unit_test_setup(a_lock_of_the_boot_before_holds_nothing, begin),
		cmocka_unit_test_setup(a_lock_of_a_clock_that_ran_ahead_holds_nothing, begin),
		cmocka_unit_test_setup(a_lock_without_a_pid_is_cleared_when_nobody_can_be_making_it, begin),
		cmocka_unit_test_setup(what_is_no_file_is_nobodys_to_clear, begin),
		cmocka_unit_test_setup(leftovers_of_taking_it_are_cleared, begin),
		cmocka_unit_test_setup(what_a_lock_says_is_durable_before_it_is_one, begin),
		cmocka_unit_test_setup(no_power_cut_leaves_a_lock_that_stands, begin),
	};

	return cmocka_run_group_tests_name("subid_lock", tests, open_directory, close_directory);
}
