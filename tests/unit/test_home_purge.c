/* SPDX-License-Identifier: ISC */
/* Deleting what a removed account left, whatever it left and whoever is at it meanwhile. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	/* a subvolume in it makes the home go the long way on btrfs too */
	if (strcmp(fixture_type, "btrfs") == 0) {
		char text[256];

		snprintf(text, sizeof(text), "btrfs -q subvolume create %s", at("homes/alice/web1/home/nested"));
		assert_int_equal(system(text), 0);
		assert_int_equal(chown(at("homes/alice/web1/home/nested"), WEB1_UID, WEB1_UID), 0);
		write_file(at("homes/alice/web1/home/nested/file"), "x", 0600, WEB1_UID);
	}
	return 0;
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

	assert_int_equal(home_purge_start_ranges(&homes, WEB1_UID, NULL, ranges, count, &pidfd), 0);
	return pidfd == -1 ? 0 : wait_pidfd(pidfd);
}

static void purge_all(void)
{
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_int_equal(count_entries(at("homes/.removed")), 0);
	/* again: nothing there is done */
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
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

static void it_stays_on_its_side_of_a_mount(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("homes/alice/web1/home/mnt"), 0700), 0);
	assert_int_equal(chown(at("homes/alice/web1/home/mnt"), WEB1_UID, WEB1_UID), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(mount(at("canary"), at("homes/.removed/%u/home/mnt", WEB1_UID), NULL, MS_BIND, NULL), 0);
	assert_int_equal(purge_once(NULL, 0), 1);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), -ENOTEMPTY);
	assert_canaries();
	assert_int_equal(umount2(at("homes/.removed/%u/home/mnt", WEB1_UID), MNT_DETACH), 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
	assert_canaries();
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
	if (strcmp(fixture_type, "btrfs") == 0) {
		/* a subvolume goes whole, whoever's files are in it */
		assert_int_equal(purge_once(ranges, 1), 0);
		assert_int_equal(count_entries(at("homes/.removed")), 0);
		return;
	}
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
		assert_int_equal(home_purge_start(&homes, WEB1_UID, &pidfd), 0);
		if (pidfd < 0)
			return; /* the nested subvolume was gone, the home went at once */
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
		syscall(424 /* pidfd_send_signal */, pidfd, SIGKILL, NULL, 0);
		status = wait_pidfd(pidfd);
	} while (++runs < 5 && status != 0);
	assert_int_equal(purge_once(NULL, 0), 0);
	assert_int_equal(home_purge_finish(&homes, WEB1_UID), 0);
}

#define DIRS 8

#define CHAIN 80 /* deeper than descriptors are kept for */

struct flip {
	int home;   /* of the removed account, from when it could still open it */
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
		assert_int_equal(home_purge_start(&homes, WEB1_UID, &pidfd), 0);
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

		assert_int_equal(home_purge_start(&homes, WEB1_UID, &pidfd), 0);
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
	char text[256];
	int pidfd = -2;

	(void)state;
	if (strcmp(fixture_type, "btrfs") != 0)
		return;
	snprintf(text, sizeof(text), "btrfs -q subvolume delete %s >/dev/null", at("homes/alice/web1/home/nested"));
	assert_int_equal(system(text), 0);
	assert_int_equal(run_as(WEB1_UID, false, as_account_spread, NULL), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(home_purge_start(&homes, WEB1_UID, &pidfd), 0);
	assert_int_equal(pidfd, -1);
	assert_int_equal(count_entries(at("homes/.removed")), 0);
}

static void what_is_not_the_accounts_is_not_touched(void **state)
{
	int pidfd = -2;

	(void)state;
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(chown(at("homes/.removed/%u/home", WEB1_UID), THIRD_UID, THIRD_UID), 0);
	assert_int_equal(home_purge_start(&homes, WEB1_UID, &pidfd), -EPERM);
	assert_int_equal(chmod(at("homes/.removed"), 0755), 0);
	assert_int_equal(home_purge_start(&homes, WEB1_UID, &pidfd), -EPERM);
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
		PURGE(it_stays_on_its_side_of_a_mount),
		PURGE(what_a_container_left_goes_with_its_ranges_alone),
		PURGE(killed_and_started_again_it_ends),
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
