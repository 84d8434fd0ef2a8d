/* SPDX-License-Identifier: ISC */
/* Counting what is in a home, whatever it is made like. Root, in a mount namespace of its own. */
#include "tests/unit/home_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "home/count.h"

#define RANGE_FIRST 1200000000u
#define HOME "homes/alice/web1/home"

static struct home_count *shared;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(home_make(&homes, &web1), 0);
	return 0;
}

static int remove_home(void **state)
{
	char text[256];
	int pidfd = -1;

	(void)state;
	umount2(at(HOME "/mount"), MNT_DETACH);
	snprintf(text, sizeof(text), "find %s -mindepth 1 -delete", at(HOME));
	assert_int_equal(system(text), 0);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(home_purge_start(&homes, WEB1_UID, NULL, NULL, 0, -1, &pidfd), 0);
	if (pidfd >= 0)
		assert_int_equal(wait_pidfd(pidfd), 0);
	return home_purge_finish(&homes, WEB1_UID);
}

static enum count_verdict count(uint64_t files, uint64_t bytes)
{
	const struct count_limits limits = { .bytes = bytes, .files = files };
	const struct id_range range = { .first = RANGE_FIRST, .count = 65536 };
	int pidfd = -1;

	memset(shared, 0, sizeof(*shared));
	assert_int_equal(home_count_start(&homes, &web1, NULL, &range, 1, &limits, shared, &pidfd), 0);
	assert_int_equal(wait_pidfd(pidfd), 0);
	return shared->verdict;
}

static void directory(const char *path, mode_t mode, uid_t owner)
{
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chown(path, owner, owner), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void what_is_closed_or_anothers_counts(void **state)
{
	(void)state;
	directory(at(HOME "/closed"), 0, WEB1_UID);
	write_file(at(HOME "/closed/a"), "x", 0, WEB1_UID);
	directory(at(HOME "/range"), 0700, RANGE_FIRST + 7);
	write_file(at(HOME "/range/b"), "x", 0600, RANGE_FIRST + 7);
	assert_int_equal(symlink("/", at(HOME "/link")), 0);
	assert_int_equal(count(1000, 0), COUNT_WITHIN);
	assert_int_equal(shared->files, 6); /* home itself is one */
	assert_int_equal(count(6, 0), COUNT_WITHIN);
	assert_int_equal(count(5, 0), COUNT_OVER);
}

static void names_of_one_file_are_one(void **state)
{
	(void)state;
	write_file(at(HOME "/file"), "x", 0600, WEB1_UID);
	for (int i = 0; i < 20; i++)
		assert_int_equal(link(at(HOME "/file"), at(HOME "/name%d", i)), 0);
	assert_int_equal(count(2, 0), COUNT_WITHIN);
	assert_int_equal(shared->files, 2);
	assert_int_equal(count(1, 0), COUNT_OVER);
}

static void bytes_are_those_of_the_disk(void **state)
{
	int fd = open(at(HOME "/large"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	char *block = calloc(1, 1 << 20);

	(void)state;
	assert_int_equal(write(fd, block, 1 << 20), 1 << 20);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(ftruncate(fd, INT64_C(1) << 30), 0); /* a hole is nothing */
	free(block);
	close(fd);
	assert_int_equal(count(0, 2 << 20), COUNT_WITHIN);
	assert_int_equal(count(0, 1 << 19), COUNT_OVER);
}

static void a_mount_is_another_file_system(void **state)
{
	(void)state;
	directory(at(HOME "/mount"), 0700, WEB1_UID);
	assert_int_equal(mount("tmpfs", at(HOME "/mount"), "tmpfs", 0, "size=1m"), 0);
	write_file(at(HOME "/mount/file"), "x", 0600, WEB1_UID);
	assert_int_equal(count(1000, 0), COUNT_WITHIN);
	assert_int_equal(shared->files, 1);
}

static int as_account_deep(void *data)
{
	(void)data;
	if (chdir(at(HOME)) != 0)
		return 1;
	for (int i = 0; i < COUNT_DEPTH + 10; i++)
		if (mkdir("d", 0700) != 0 || chdir("d") != 0)
			return 1;
	return 0;
}

static void what_is_too_deep_is_over(void **state)
{
	(void)state;
	assert_int_equal(run_as(WEB1_UID, false, as_account_deep, NULL), 0);
	assert_int_equal(count(1000000, 0), COUNT_OVER);
}

static void names_without_end_are_over(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++) {
		char first[256];

		snprintf(first, sizeof(first), "%s", at(HOME "/file%d", i));
		write_file(first, "x", 0600, WEB1_UID);
		for (int n = 1; n < 10000; n++)
			assert_int_equal(link(first, at(HOME "/n%d-%d", i, n)), 0);
	}
	assert_int_equal(count(100, 0), COUNT_OVER);
	assert_true(shared->files <= 10);
}

#define COUNT(test) cmocka_unit_test_setup_teardown(test, setup, remove_home)

int main(void)
{
	const struct CMUnitTest tests[] = {
		COUNT(what_is_closed_or_anothers_counts), COUNT(names_of_one_file_are_one),
		COUNT(bytes_are_those_of_the_disk),       COUNT(a_mount_is_another_file_system),
		COUNT(what_is_too_deep_is_over),          COUNT(names_without_end_are_over),
	};
	int failed;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	fixture_mount("ext4");
	failed = cmocka_run_group_tests_name("ext4", tests, NULL, NULL);
	fixture_unmount();
	return failed;
}
