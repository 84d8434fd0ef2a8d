/* SPDX-License-Identifier: ISC */
/* Deleting what a removed account left, whatever it left and whoever is at it meanwhile. */
#include <btrfsutil.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/home_fixture.h"

#define DEPTH 5000
#define WIDTH 5000
#define CANARIES 20
#define RANGE_FIRST 1078000000u /* nobody's */

/* Canaries that the sub-account itself could delete: only what is followed or not decides. */
static int setup(void **state)
{
	(void)state;
	assert_int_equal(home_make(&homes, &web1), 0);
	assert_int_equal(mkdir(at("canary"), 0755), 0);
	assert_int_equal(chown(at("canary"), WEB1_UID, WEB1_UID), 0);
	for (int i = 0; i < CANARIES; i++)
		write_file(at("canary/%d", i), "alive", 0644, WEB1_UID);
	/* a home that is a directory goes the long way on btrfs too */
	if (strcmp(fixture_type, "btrfs") == 0) {
		char text[256];

		snprintf(text, sizeof(text),
			 "cd %s && rmdir home && mkdir -m 700 home && chown %u:%u home && "
			 "btrfs -q subvolume create home/nested",
			 at("homes/alice/web1"), WEB1_UID, WEB1_UID);
		assert_int_equal(system(text), 0);
		assert_int_equal(chown(at("homes/alice/web1/home/nested"), WEB1_UID, WEB1_UID), 0);
		write_file(at("homes/alice/web1/home/nested/file"), "x", 0600, WEB1_UID);
	}
	return 0;
}

static int home_is_subvolume_at(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_ino == 256;
}

static void subvolume_instead(void)
{
	char text[256];

	snprintf(text, sizeof(text), "rmdir %s/nested && rm -rf %s", at("homes/alice/web1/home"),
		 at("homes/alice/web1"));
	unlink(at("homes/alice/web1/home/nested/file"));
	assert_int_equal(system(text), 0);
	assert_int_equal(home_make(&homes, &web1), 0);
	assert_int_equal(home_is_subvolume_at(at("homes/alice/web1/home")), 1);
}

static int teardown(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "rm -rf %s/canary %s/homes/alice %s/homes/.removed/*", fixture_top, fixture_top,
		 fixture_top);
	return system(text);
}

static void assert_canaries(void)
{
	for (int i = 0; i < CANARIES; i++) {
		struct stat st;

		assert_int_equal(lstat(at("canary/%d", i), &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0644);
		assert_int_equal(st.st_size, 5);
		assert_int_equal(st.st_nlink, 1);
	}
}

/* The exit status of the child; 0 too when all is gone without one. */
static int purge_once(const struct id_range *ranges, size_t count)
{
	int pidfd = -2;

	assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, ranges, count, -1, &pidfd), 0);
	return pidfd == -1 ? 0 : wait_pidfd(pidfd);
}

static void purge_all_but(int others)
{
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_int_equal(count_entries(at("homes/.removed")), others);
	/* again: nothing there is done */
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
}

static void purge_all(void)
{
	purge_all_but(0);
}

/* With those above it, all the account's. */
static void make_directory(const char *path)
{
	char text[600];

	snprintf(text, sizeof(text), "mkdir -p '%s' && chown -R %u:%u %s/homes/alice/web1/home", path, WEB1_UID,
		 WEB1_UID, fixture_top);
	assert_int_equal(system(text), 0);
}

static int as_account_wait(void *data)
{
	if (write(*(int *)data, "", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static int immutable(const char *path, bool on)
{
	char text[600];

	snprintf(text, sizeof(text), "chattr %ci '%s'", on ? '+' : '-', path);
	return system(text);
}

static int as_account_dig(void *data)
{
	int fd = open(at("homes/alice/web1/home"), O_RDONLY | O_DIRECTORY);

	(void)data;
	for (int i = 0; i < DEPTH; i++) {
		int below;

		if (mkdirat(fd, "d", 0700) != 0)
			return 1;
		below = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		if (below < 0 || symlinkat("../../../..", fd, "up") != 0)
			return 2;
		if (i % 50 == 0)
			close(openat(fd, "file", O_WRONLY | O_CREAT, 0));
		/* closed, in all the ways that hurt: not readable, not searchable, not writable */
		if (i % 7 == 3 && fchmod(fd, i % 2 ? 0 : 0500) != 0)
			return 3;
		close(fd);
		fd = below;
	}
	return 0;
}

static void a_tree_of_any_depth_goes_with_few_descriptors(void **state)
{
	struct rlimit before, few;

	(void)state;
	assert_int_equal(run_as(WEB1_UID, false, as_account_dig, NULL), 0);
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 80;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	purge_all();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_canaries();
}

static int as_account_spread(void *data)
{
	(void)data;
	for (int i = 0; i < WIDTH; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/f%d", at("homes/alice/web1/home"), i);
		if (i % 4 != 0) {
			close(open(path, O_WRONLY | O_CREAT, 0400));
			continue;
		}
		if (mkdir(path, 0700) != 0)
			return 1;
		strcat(path, "/x");
		close(open(path, O_WRONLY | O_CREAT, 0600));
		path[strlen(path) - 2] = '\0';
		chmod(path, i % 8 == 0 ? 0 : 0500);
	}
	chmod(at("homes/alice/web1/home"), 0);
	return 0;
}

static void a_wide_tree_goes_whatever_its_modes(void **state)
{
	(void)state;
	assert_int_equal(run_as(WEB1_UID, false, as_account_spread, NULL), 0);
	purge_all();
}

static int as_account_link_out(void *data)
{
	(void)data;
	for (int i = 0; i < CANARIES; i++)
		if (link(at("canary/%d", i), at("homes/alice/web1/home/hard%d", i)) != 0 && errno != EXDEV)
			return 1; /* EXDEV: no hard link leaves a subvolume */
	if (symlink(at("canary"), at("homes/alice/web1/home/canary")) != 0 ||
	    symlink(at("canary/0"), at("homes/alice/web1/home/zero")) != 0 ||
	    symlink("../../../../canary", at("homes/alice/web1/home/relative")) != 0 ||
	    symlink("/", at("homes/alice/web1/home/root")) != 0 || mkfifo(at("homes/alice/web1/home/fifo"), 0600) != 0)
		return 2;
	return 0;
}

static void links_out_are_deleted_and_not_what_they_lead_to(void **state)
{
	(void)state;
	assert_int_equal(run_as(WEB1_UID, false, as_account_link_out, NULL), 0);
	purge_all();
	assert_canaries();
}

/* Bound to the canaries, in all the places where one can be: deleted is what lies below, and none of the canaries. */
static void what_is_mounted_in_it_is_taken_away_and_stays_whole(void **state)
{
	static const char *const directories[] = { "home/mnt", "home/a/b c\\d/mnt", "home", "view" };

	(void)state;
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		make_directory(at("homes/alice/web1/%s", directories[i]));
	write_file(at("homes/alice/web1/home/file"), "x", 0600, WEB1_UID);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		for (int twice = 0; twice < 2; twice++)
			assert_int_equal(mount(at("canary"), at("homes/.removed/%u/%s", WEB1_UID, directories[i]), NULL,
					       MS_BIND, NULL),
					 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_canaries();
}

static void a_file_that_is_a_mount_goes_too(void **state)
{
	(void)state;
	write_file(at("homes/alice/web1/home/file"), "x", 0600, WEB1_UID);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(mount(at("canary/0"), at("homes/.removed/%u/home/file", WEB1_UID), NULL, MS_BIND, NULL), 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_canaries();
}

/* A mount beside it, whose path begins with the same letters, is another's. */
static void mounts_of_others_stay(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("homes/.removed/%u0", WEB1_UID), 0700), 0);
	assert_int_equal(mount(at("canary"), at("homes/.removed/%u0", WEB1_UID), NULL, MS_BIND, NULL), 0);
	purge_all_but(1);
	assert_int_equal(umount2(at("homes/.removed/%u0", WEB1_UID), MNT_DETACH), 0);
	assert_int_equal(rmdir(at("homes/.removed/%u0", WEB1_UID)), 0);
}

/* What containers make, and what somebody made to be in the way: below one another, read-only, in closed directories,
 * of other ids; in a home that is a subvolume, and in one that is a directory. */
static void subvolumes_in_it_go(void **state)
{
	static const char script[] =
		"cd %s/homes/alice/web1 && { %s; } && cd home && mkdir -p a/closed && "
		"for s in a/closed/one a/closed/one/two a/closed/one/two/three 'b c'; do "
		"btrfs -q subvolume create \"$s\" && touch \"$s/file\" || exit; done && "
		"mkdir a/closed/one/two/dir && chown -R %u:%u . && chown 1078000000 a/closed/one/two/dir && "
		"btrfs -q subvolume create a/closed/one/two/dir/four && "
		"btrfs -q subvolume snapshot -r a/closed/one/two a/closed/one/kept && "
		"btrfs property set a/closed/one/two ro true && btrfs property set a/closed/one ro true && "
		"btrfs property set a/closed/one/two/three ro true && chmod 0 a/closed a && %s";
	static const char *const first[] = { ":", "rmdir home && mkdir home" };
	static const char *const last[] = { "btrfs property set . ro true", ":" };
	char text[2048];

	(void)state;
	if (strcmp(fixture_type, "btrfs") != 0)
		return; /* no other has any */
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			subvolume_instead();
		else
			assert_int_equal(home_make(&homes, &web1), 0);
		snprintf(text, sizeof(text), script, fixture_top, first[i], WEB1_UID, WEB1_UID, last[i]);
		assert_int_equal(system(text), 0);
		assert_int_equal(home_set_aside(&homes, &web1), 0);
		assert_int_equal(purge_once(NULL, 0), 0);
		assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
		assert_int_equal(count_entries(at("homes/.removed")), 0);
	}
}

static bool cut; /* the child is killed at the deletion of a subvolume */

enum btrfs_util_error __wrap_btrfs_util_delete_subvolume_fd(int parent, const char *name, int flags);
enum btrfs_util_error __real_btrfs_util_delete_subvolume_fd(int parent, const char *name, int flags);

enum btrfs_util_error __wrap_btrfs_util_delete_subvolume_fd(int parent, const char *name, int flags)
{
	if (cut)
		raise(SIGKILL);
	return __real_btrfs_util_delete_subvolume_fd(parent, name, flags);
}

/* A power cut there: whatever was done so that root may delete it must not keep the rest from being deleted. */
static void cut_at_a_subvolume_it_ends_the_next_time(void **state)
{
	int pidfd = -1;

	(void)state;
	if (strcmp(fixture_type, "btrfs") != 0)
		return;
	assert_int_equal(chmod(at("homes/alice/web1/home"), 0), 0); /* where `nested` is */
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	cut = true;
	assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, -1, &pidfd), 0);
	assert_true(wait_pidfd(pidfd) != 0);
	cut = false;
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_int_equal(count_entries(at("homes/.removed")), 0);
}

/* What is in the way is said, and by whom. */
static void a_process_that_goes_on_writing_is_named(void **state)
{
	char why[256] = "", expected[64];
	int fd = memfd_create("why", MFD_CLOEXEC), pidfd = -1, there[2];
	pid_t writer;

	(void)state;
	assert_int_equal(pipe(there), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	write_file(at("homes/.removed/%u/home/busy", WEB1_UID), "x", 0600, 0);
	assert_int_equal(chmod(at("homes/.removed/%u/home", WEB1_UID), 01777), 0);
	assert_int_equal(chown(at("homes/.removed/%u/home", WEB1_UID), WEB1_UID, WEB1_UID), 0);
	writer = start_as(WEB1_UID, as_account_wait, &there[1]);
	/* a file that is immutable stands for one that is made again and again */
	assert_int_equal(immutable(at("homes/.removed/%u/home/busy", WEB1_UID), true), 0);
	assert_int_equal(read(there[0], expected, 1), 1);
	assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, fd, &pidfd), 0);
	assert_int_equal(wait_pidfd(pidfd), 1);
	assert_true(pread(fd, why, sizeof(why) - 1, 0) > 0);
	snprintf(expected, sizeof(expected), "process %d (test_home_purge) runs as its uid", (int)writer);
	assert_string_equal(why, expected);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	/* without one: what it was */
	assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, fd, &pidfd), 0);
	assert_int_equal(wait_pidfd(pidfd), 1);
	memset(why, 0, sizeof(why));
	assert_true(pread(fd, why, sizeof(why) - 1, 0) > 0);
	assert_non_null(strstr(why, "Operation not permitted"));
	assert_int_equal(immutable(at("homes/.removed/%u/home/busy", WEB1_UID), false), 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	close(fd);
	close(there[0]);
	close(there[1]);
}

static void what_a_container_left_goes_with_its_ranges_alone(void **state)
{
	const struct id_range ranges[] = { { .first = RANGE_FIRST, .count = 65536 } };
	static const uint32_t uids[] = { RANGE_FIRST, RANGE_FIRST + 33, RANGE_FIRST + 65535 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mkdir(at("homes/alice/web1/home/c%d", i), 0700), 0);
		write_file(at("homes/alice/web1/home/c%d/file", i), "x", 0600, uids[i]);
		assert_int_equal(chown(at("homes/alice/web1/home/c%d", i), uids[i], uids[i]), 0);
		assert_int_equal(chmod(at("homes/alice/web1/home/c%d", i), i == 1 ? 0 : 0700), 0);
	}
	/* one id above the range: not its own */
	assert_int_equal(mkdir(at("homes/alice/web1/home/other"), 0700), 0);
	write_file(at("homes/alice/web1/home/other/file"), "x", 0600, 0);
	assert_int_equal(chown(at("homes/alice/web1/home/other"), RANGE_FIRST + 65536, RANGE_FIRST + 65536), 0);

	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(purge_once(NULL, 0), 1);
	assert_int_equal(count_entries(at("homes/.removed/%u/home", WEB1_UID)), 4);
	assert_int_equal(purge_once(ranges, 1), 1);
	assert_int_equal(count_entries(at("homes/.removed/%u/home", WEB1_UID)), 1);
	assert_int_equal(access(at("homes/.removed/%u/home/other/file", WEB1_UID), F_OK), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), -ENOTEMPTY);
}

static void killed_and_started_again_it_ends(void **state)
{
	int runs = 0, status, pidfd;

	(void)state;
	assert_int_equal(run_as(WEB1_UID, false, as_account_spread, NULL), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	do {
		assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, -1, &pidfd), 0);
		if (pidfd < 0)
			return; /* the nested subvolume was gone, the home went at once */
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
		syscall(424 /* pidfd_send_signal */, pidfd, SIGKILL, NULL, 0);
		status = wait_pidfd(pidfd);
	} while (++runs < 5 && status != 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
}

struct hinder {
	int ready, signal;
};

/* Whatever has the account's uid, also what comes later. A control's end says that it works. */
static int as_account_hinder(void *data)
{
	const struct hinder *hinder = data;

	if (write(hinder->ready, "", 1) != 1)
		return 1;
	for (;;)
		kill(-1, hinder->signal);
}

static void its_processes_do_not_hinder(void **state, int signal_number)
{
	struct hinder hinder;
	int ready[2], status, there[2];
	pid_t control, hindering;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(there), 0);
	hinder = (struct hinder){ ready[1], signal_number };
	assert_int_equal(run_as(WEB1_UID, false, as_account_spread, NULL), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	control = start_as(WEB1_UID, as_account_wait, &there[1]);
	assert_int_equal(read(there[0], &byte, 1), 1);
	hindering = start_as(WEB1_UID, as_account_hinder, &hinder);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(waitpid(control, &status, WUNTRACED), control);
	assert_true(WIFSTOPPED(status) || WIFSIGNALED(status));
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_int_equal(waitpid(hindering, NULL, WNOHANG), 0);
	kill(hindering, SIGKILL);
	waitpid(hindering, NULL, 0);
	if (WIFSTOPPED(status)) {
		kill(control, SIGKILL);
		waitpid(control, NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(there[i]);
	}
}

static void an_account_does_not_stop_its_purge(void **state)
{
	its_processes_do_not_hinder(state, SIGSTOP);
}

static void an_account_does_not_kill_its_purge(void **state)
{
	its_processes_do_not_hinder(state, SIGKILL);
}

#define DIRS 8

#define CHAIN 80 /* deeper than descriptors are kept for */

struct flip {
	int home; /* of the removed account, from when it could still open it */
	int canary;
	int bottom; /* of the chain */
};

static int as_account_prepare_chain(void)
{
	int fd = open(at("homes/alice/web1/home"), O_RDONLY | O_DIRECTORY);

	for (int i = 0; i < CHAIN; i++) {
		mkdirat(fd, "p", 0700);
		fd = openat(fd, "p", O_RDONLY | O_DIRECTORY);
	}
	mkdirat(fd, "s", 0700);
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s/%d", i);
		close(openat(fd, name, O_WRONLY | O_CREAT, 0600));
	}
	return fd >= 0 ? 0 : 1;
}

static int as_account_prepare_flip(void *data)
{
	(void)data;
	if (as_account_prepare_chain() != 0)
		return 2;
	for (int i = 0; i < DIRS; i++) {
		if (mkdir(at("homes/alice/web1/home/d%d", i), 0700) != 0 ||
		    symlink(at("canary"), at("homes/alice/web1/home/l%d", i)) != 0)
			return 1;
		for (int j = 0; j < CANARIES; j++)
			close(open(at("homes/alice/web1/home/d%d/%d", i, j), O_WRONLY | O_CREAT, 0600));
	}
	return 0;
}

/* Swaps directories with links to the canaries, and moves directories out to them and back. */
static int as_account_flip(void *data)
{
	const struct flip *flip = data;

	/* until it is killed */
	for (unsigned n = 0; n < 1000000000; n++) {
		char dir[16], link[16];

		snprintf(dir, sizeof(dir), "d%u", n % DIRS);
		snprintf(link, sizeof(link), "l%u", n % DIRS);
		renameat2(flip->home, dir, flip->home, link, RENAME_EXCHANGE);
		/* while it is inside: ".." leads to the canaries then */
		if (n % 512 == 0)
			renameat(flip->bottom, "s", flip->canary, "s");
		else if (n % 512 == 256)
			renameat(flip->canary, "s", flip->bottom, "s");
		if (n % 64 == 0 && renameat(flip->home, dir, flip->canary, dir) == 0)
			renameat(flip->canary, dir, flip->home, dir);
	}
	return 0;
}

/* Keeps making a directory that is not empty, and swaps it with a link to the canaries. */
static int as_account_flip_one(void *data)
{
	const struct flip *flip = data;

	for (unsigned n = 0; n < 1000000000; n++) {
		if (n % 16 == 0 && mkdirat(flip->home, "one", 0700) == 0)
			close(openat(flip->home, "one/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		if (n % 16 == 0 && symlinkat(at("canary"), flip->home, "link") != 0 && errno != EEXIST)
			return 1;
		renameat2(flip->home, "one", flip->home, "link", RENAME_EXCHANGE);
	}
	return 0;
}

/* The control: looks first, then opens by name, as rm of old did. Exit status 77 when it got into the canaries. */
static int as_account_naive(void *data)
{
	const struct flip *flip = data;
	struct stat canary, st;

	fstat(flip->canary, &canary);
	for (unsigned n = 0; n < 2000000; n++) {
		char dir[16];
		int fd;

		snprintf(dir, sizeof(dir), "d%u", n % DIRS);
		if (fstatat(flip->home, dir, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
			continue;
		fd = openat(flip->home, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == canary.st_ino)
			return 77;
		close(fd);
	}
	return 0;
}

static pid_t flip_start(struct flip *flip)
{
	assert_int_equal(run_as(WEB1_UID, false, as_account_prepare_flip, NULL), 0);
	flip->home = open(at("homes/alice/web1/home"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flip->canary = open(at("canary"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flip->bottom = flip->home;
	for (int i = 0; i < CHAIN; i++) {
		int below = openat(flip->bottom, "p", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (i > 0)
			close(flip->bottom);
		flip->bottom = below;
	}
	assert_true(flip->home >= 0 && flip->canary >= 0 && flip->bottom >= 0);
	return start_as(WEB1_UID, as_account_flip, flip);
}

static void flip_end(struct flip *flip, pid_t flipper)
{
	kill(flipper, SIGKILL);
	waitpid(flipper, NULL, 0);
	close(flip->home);
	close(flip->canary);
	close(flip->bottom);
}

/* Invariant 7 */
static void a_race_of_directories_and_links_reaches_nothing_outside(void **state)
{
	struct flip flip;
	pid_t flipper;

	(void)state;
	flipper = flip_start(&flip);
	assert_int_equal(run_as(WEB1_UID, false, as_account_naive, &flip), 77);
	flip_end(&flip, flipper);
	teardown(state);

	for (int i = 0; i < 20; i++) {
		int pidfd;

		setup(state);
		flipper = flip_start(&flip);
		assert_int_equal(home_set_aside(&homes, &web1), 0);
		assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, -1, &pidfd), 0);
		if (pidfd >= 0)
			wait_pidfd(pidfd);
		flip_end(&flip, flipper);
		assert_canaries();
		/* and with nobody at it, nothing is left */
		assert_int_equal(purge_once(NULL, 0), 0);
		assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
		assert_canaries();
		teardown(state);
	}
	setup(state);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The same for as long as somebody keeps at it: the window between "not empty" and the open is hit many times. */
static void a_tree_that_is_filled_again_leads_nowhere(void **state)
{
	struct flip flip = { .bottom = -1 };
	double end = seconds() + 1;
	pid_t flipper;

	(void)state;
	flip.home = open(at("homes/alice/web1/home"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_file(at("homes/alice/web1/home/closed"), "", 0600, WEB1_UID);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	flipper = start_as(WEB1_UID, as_account_flip_one, &flip);
	while (seconds() < end) {
		int pidfd;

		assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, -1, &pidfd), 0);
		if (pidfd < 0)
			break; /* a subvolume, gone at once */
		nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
		syscall(424 /* pidfd_send_signal */, pidfd, SIGKILL, NULL, 0);
		wait_pidfd(pidfd);
		assert_canaries();
	}
	kill(flipper, SIGKILL);
	waitpid(flipper, NULL, 0);
	close(flip.home);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_canaries();
}

static void a_subvolume_goes_at_once(void **state)
{
	(void)state;
	if (strcmp(fixture_type, "btrfs") != 0)
		return;
	subvolume_instead();
	assert_int_equal(run_as(WEB1_UID, false, as_account_spread, NULL), 0);
	/* whoever's files are in it */
	write_file(at("homes/alice/web1/home/other"), "x", 0600, RANGE_FIRST);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_int_equal(count_entries(at("homes/.removed")), 0);
}

static void what_is_not_the_accounts_is_not_touched(void **state)
{
	int pidfd = -2;

	(void)state;
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(chown(at("homes/.removed/%u/home", WEB1_UID), THIRD_UID, THIRD_UID), 0);
	assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, -1, &pidfd), -EPERM);
	assert_int_equal(chmod(at("homes/.removed"), 0755), 0);
	assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, -1, &pidfd), -EPERM);
	assert_int_equal(chmod(at("homes/.removed"), 0700), 0);
	assert_int_equal(pidfd, -2);
}

#define PURGE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const char *const types[] = { "ext4", "btrfs", "xfs", "tmpfs" };
	const struct CMUnitTest tests[] = {
		PURGE(a_tree_of_any_depth_goes_with_few_descriptors),
		PURGE(a_wide_tree_goes_whatever_its_modes),
		PURGE(links_out_are_deleted_and_not_what_they_lead_to),
		PURGE(what_is_mounted_in_it_is_taken_away_and_stays_whole),
		PURGE(a_file_that_is_a_mount_goes_too),
		PURGE(mounts_of_others_stay),
		PURGE(subvolumes_in_it_go),
		PURGE(cut_at_a_subvolume_it_ends_the_next_time),
		PURGE(a_process_that_goes_on_writing_is_named),
		PURGE(what_a_container_left_goes_with_its_ranges_alone),
		PURGE(killed_and_started_again_it_ends),
		PURGE(an_account_does_not_stop_its_purge),
		PURGE(an_account_does_not_kill_its_purge),
		PURGE(a_race_of_directories_and_links_reaches_nothing_outside),
		PURGE(a_tree_that_is_filled_again_leads_nowhere),
		PURGE(a_subvolume_goes_at_once),
		PURGE(what_is_not_the_accounts_is_not_touched),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		fixture_mount(types[i]);
		failed += cmocka_run_group_tests_name(types[i], tests, NULL, NULL);
		fixture_unmount();
	}
	return failed;
}
