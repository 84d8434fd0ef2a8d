/* SPDX-License-Identifier: ISC */
/* The high-water mark outlives the loss of either file, a torn write, damage and a full disk. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/high_water.h"
#include "tests/unit/home_fixture.h"

#define STORE UINT64_C(0x1122334455667788)
#define FIRST 2100000000u
#define REGION(id) ((id) >> HIGH_WATER_REGION_BITS)
#define SLOT 4096
#define BOTH ((unsigned)(HIGH_WATER_AT_STATE | HIGH_WATER_AT_HOMES))

static int state_fd, homes_fd;
static struct high_water_files *files;

static int setup(void **state)
{
	const struct high_water mark = { .store = STORE, .generation = 5 };

	(void)state;
	assert_int_equal(mkdir(at("state"), 0755), 0);
	assert_int_equal(mkdir(at("lie"), 0755), 0);
	state_fd = open(at("state"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	homes_fd = open(at("lie"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(state_fd >= 0 && homes_fd >= 0);
	assert_int_equal(high_water_open(state_fd, homes_fd, &mark, &files), 0);
	return 0;
}

static int teardown(void **state)
{
	char text[256];

	(void)state;
	high_water_close(files);
	files = NULL;
	close(state_fd);
	close(homes_fd);
	snprintf(text, sizeof(text), "rm -rf %s/state %s/lie %s/filler*", fixture_top, fixture_top, fixture_top);
	return system(text);
}

static struct high_water seen(unsigned expected)
{
	struct high_water mark = { 0 };
	unsigned found = 0;

	assert_int_equal(high_water_read(state_fd, homes_fd, &mark, &found), 0);
	assert_int_equal(found, expected);
	return mark;
}

static uint32_t marked(uint32_t id, unsigned expected)
{
	return seen(expected).marks[REGION(id)];
}

static void spoil(const char *path, off_t where, unsigned char xor)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, where), 1);
	byte ^= xor;
	assert_int_equal(pwrite(fd, &byte, 1, where), 1);
	close(fd);
}

static unsigned long long synced(void)
{
	struct stat a, b;

	assert_int_equal(fstatat(state_fd, HIGH_WATER_STATE, &a, 0), 0);
	assert_int_equal(fstatat(homes_fd, HIGH_WATER_HOMES, &b, 0), 0);
	return (unsigned long long)a.st_mtim.tv_sec * 1000000000 + (unsigned long long)a.st_mtim.tv_nsec +
	       (unsigned long long)b.st_mtim.tv_sec * 1000000000 + (unsigned long long)b.st_mtim.tv_nsec;
}

static void what_is_raised_is_read(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);
	assert_int_equal(marked(FIRST, BOTH), FIRST);
	assert_int_equal(high_water_raise(files, FIRST + 1, FIRST + 256), 0);
	assert_int_equal(marked(FIRST, BOTH), FIRST + 256);
	assert_int_equal(seen(BOTH).generation, 5);
	high_water_generation(files, 6);
	assert_int_equal(seen(BOTH).generation, 6);
	assert_true(seen(BOTH).store == STORE);
	assert_int_equal(fstatat(homes_fd, HIGH_WATER_HOMES, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(high_water_raise(files, 7, 6), -EINVAL);
}

static void below_the_mark_nothing_is_written(void **state)
{
	unsigned long long before;

	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST + 256), 0);
	before = synced();
	for (uint32_t i = 0; i <= 256; i++)
		assert_int_equal(high_water_raise(files, FIRST + i, FIRST + i), 0);
	assert_true(synced() == before);
	usleep(10000); /* a file system's clock is that coarse */
	assert_int_equal(high_water_raise(files, FIRST + 257, FIRST + 257), 0);
	assert_true(synced() != before);
}

static void marks_over_several_regions(void **state)
{
	const uint32_t first = 0x10fffff0u, last = 0x12000005u;
	struct high_water mark;

	(void)state;
	assert_int_equal(high_water_raise(files, first, last), 0);
	mark = seen(BOTH);
	assert_int_equal(mark.marks[0x10], 0x10ffffffu);
	assert_int_equal(mark.marks[0x11], 0x11ffffffu);
	assert_int_equal(mark.marks[0x12], last);
	assert_int_equal(mark.marks[0x13], 0);
	assert_int_equal(high_water_raise(files, UINT32_MAX - 5, UINT32_MAX - 1), 0);
	assert_true(seen(BOTH).marks[0xff] == UINT32_MAX - 1);
}

/* A slot that was half-written is the one before it; the other file still knows. */
static void a_torn_slot_leaves_the_other(void **state)
{
	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);         /* the third, into slot 1 */
	assert_int_equal(high_water_raise(files, FIRST + 9, FIRST + 9), 0); /* the fourth, into slot 0 */
	spoil(at("state/high-water"), 600, 0x40);
	assert_int_equal(marked(FIRST, BOTH), FIRST + 9);
	spoil(at("lie/.high-water"), 601, 0x01);
	assert_int_equal(marked(FIRST, BOTH), FIRST);
	spoil(at("state/high-water"), SLOT + 10, 0x80);
	assert_int_equal(marked(FIRST, HIGH_WATER_AT_HOMES), FIRST);
}

/* What is written without waiting is no part of a slot. */
static void a_torn_generation_damages_no_mark(void **state)
{
	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);
	high_water_generation(files, 77);
	assert_int_equal(seen(BOTH).generation, 77);
	spoil(at("state/high-water"), 2 * SLOT + 9, 0xff);
	spoil(at("lie/.high-water"), 2 * SLOT + 17, 0xff);
	assert_int_equal(marked(FIRST, BOTH), FIRST);
	assert_int_equal(seen(BOTH).generation, 5);
}

static void every_byte_that_counts_is_checked(void **state)
{
	(void)state;
	assert_int_equal(unlinkat(homes_fd, HIGH_WATER_HOMES, 0), 0);
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);
	for (off_t i = 0; i < 1064; i++) {
		spoil(at("state/high-water"), SLOT + i, 0x20);
		assert_int_equal(marked(FIRST, HIGH_WATER_AT_STATE), 0); /* the slot before it */
		spoil(at("state/high-water"), SLOT + i, 0x20);
		assert_int_equal(marked(FIRST, HIGH_WATER_AT_STATE), FIRST);
	}
}

static void a_file_that_is_gone_or_damaged(void **state)
{
	struct high_water mark = { .store = 1 }, before = mark;
	unsigned found = 99;

	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);
	assert_int_equal(unlinkat(state_fd, HIGH_WATER_STATE, 0), 0);
	assert_int_equal(marked(FIRST, HIGH_WATER_AT_HOMES), FIRST);
	assert_int_equal(truncate(at("lie/.high-water"), 100), 0);
	assert_int_equal(high_water_read(state_fd, homes_fd, &mark, &found), -EUCLEAN);
	assert_int_equal(unlinkat(homes_fd, HIGH_WATER_HOMES, 0), 0);
	assert_int_equal(high_water_read(state_fd, homes_fd, &mark, &found), -ENOENT);
	assert_memory_equal(&mark, &before, sizeof(mark));
	assert_int_equal(found, 99);
}

static void what_is_missing_is_made_from_what_is_known(void **state)
{
	struct high_water mark;

	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);
	assert_int_equal(unlinkat(state_fd, HIGH_WATER_STATE, 0), 0);
	high_water_close(files);
	files = NULL;
	mark = seen(HIGH_WATER_AT_HOMES);
	assert_int_equal(high_water_open(state_fd, homes_fd, &mark, &files), 0);
	assert_int_equal(marked(FIRST, BOTH), FIRST);
	assert_int_equal(high_water_raise(files, FIRST + 1, FIRST + 1), 0);
	assert_int_equal(unlinkat(homes_fd, HIGH_WATER_HOMES, 0), 0);
	assert_int_equal(marked(FIRST, HIGH_WATER_AT_STATE), FIRST + 1);
	/* a damaged one, too; and one that a crash left half-made is in nobody's way */
	assert_int_equal(truncate(at("state/high-water"), 100), 0);
	write_file(at("lie/.high-water.new"), "half", 0600, 0);
	high_water_close(files);
	files = NULL;
	mark.marks[REGION(FIRST)] = FIRST + 1;
	assert_int_equal(high_water_open(state_fd, homes_fd, &mark, &files), 0);
	assert_int_equal(marked(FIRST, BOTH), FIRST + 1);
}

/* One file from a backup: the higher of the two counts, and both say it from then on. */
static void two_files_of_one_store_and_of_two(void **state)
{
	struct high_water mark;

	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);
	{
		char text[300];

		snprintf(text, sizeof(text), "cp %s %s", at("lie/.high-water"), at("state/old"));
		assert_int_equal(system(text), 0);
	}
	assert_int_equal(high_water_raise(files, FIRST + 5, FIRST + 5), 0);
	high_water_generation(files, 9);
	assert_int_equal(rename(at("state/old"), at("lie/.high-water")), 0);
	mark = seen(BOTH);
	assert_int_equal(mark.marks[REGION(FIRST)], FIRST + 5);
	assert_int_equal(mark.generation, 9);
	high_water_close(files);
	files = NULL;
	assert_int_equal(high_water_open(state_fd, homes_fd, &mark, &files), 0);
	assert_int_equal(unlinkat(state_fd, HIGH_WATER_STATE, 0), 0);
	assert_int_equal(marked(FIRST, HIGH_WATER_AT_HOMES), FIRST + 5);
	/* of another store */
	high_water_close(files);
	files = NULL;
	mark.store = STORE + 1;
	assert_int_equal(mkdir(at("state/other"), 0700), 0);
	{
		int other = open(at("state/other"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		assert_int_equal(high_water_open(state_fd, other, &mark, &files), 0);
		close(other);
	}
	mark = seen(BOTH | HIGH_WATER_DIFFER);
	assert_true(mark.store == STORE + 1);
	high_water_close(files);
	files = NULL;
	assert_int_equal(high_water_open(state_fd, homes_fd, &mark, &files), 0);
	assert_true(seen(BOTH).store == STORE + 1);
}

static void what_others_can_write_is_refused(void **state)
{
	struct high_water mark;
	unsigned found;

	(void)state;
	assert_int_equal(fchmodat(homes_fd, HIGH_WATER_HOMES, 0620, 0), 0);
	assert_int_equal(high_water_read(state_fd, homes_fd, &mark, &found), -EPERM);
	assert_int_equal(fchmodat(homes_fd, HIGH_WATER_HOMES, 0600, 0), 0);
	assert_int_equal(fchownat(homes_fd, HIGH_WATER_HOMES, THIRD_UID, 0, 0), 0);
	assert_int_equal(high_water_read(state_fd, homes_fd, &mark, &found), -EPERM);
	assert_int_equal(unlinkat(homes_fd, HIGH_WATER_HOMES, 0), 0);
	assert_int_equal(symlinkat(at("state/high-water"), homes_fd, HIGH_WATER_HOMES), 0);
	assert_int_equal(high_water_read(state_fd, homes_fd, &mark, &found), -EPERM);
	assert_int_equal(unlinkat(homes_fd, HIGH_WATER_HOMES, 0), 0);
	assert_int_equal(mkfifoat(homes_fd, HIGH_WATER_HOMES, 0600), 0);
	assert_int_equal(high_water_read(state_fd, homes_fd, &mark, &found), -EPERM);
}

static void a_clean_stop_leaves_the_marks_as_they_are(void **state)
{
	uint32_t marks[HIGH_WATER_REGIONS] = { [REGION(FIRST)] = FIRST + 3 };

	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST + 256), 0);
	high_water_generation(files, 12);
	assert_int_equal(high_water_settle(files, marks), 0);
	assert_int_equal(marked(FIRST, BOTH), FIRST + 3);
	assert_int_equal(seen(BOTH).generation, 12);
}

/* Not one block is left: in large pieces first, then in the smallest. */
static void fill(void)
{
	static char block[4096];
	off_t size = 1 << 24;

	memset(block, 'x', sizeof(block));
	for (int i = 0; size >= 4096 || i % 2 == 0; i++) {
		int fd = open(at("filler%d", i), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			return;
		if (posix_fallocate(fd, 0, size) != 0) {
			size /= 4;
			while (size < 4096 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
				;
		}
		close(fd);
	}
}

static void a_full_disk_refuses_nothing(void **state)
{
	int fd;

	(void)state;
	fill();
	sync();
	fd = open(at("filler-last"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd < 0 || posix_fallocate(fd, 0, 1 << 20) == ENOSPC); /* it is full */
	if (fd >= 0)
		close(fd);
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(high_water_raise(files, FIRST + i, FIRST + i), 0);
		high_water_generation(files, 100 + i);
	}
	assert_int_equal(marked(FIRST, BOTH), FIRST + 49);
	assert_int_equal(seen(BOTH).generation, 149);
}

/* A write that fails raises nothing, and the next one repairs. */
static void a_write_that_fails_raises_nothing(void **state)
{
	struct rlimit before, none;

	(void)state;
	assert_int_equal(high_water_raise(files, FIRST, FIRST), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	none = before;
	none.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(high_water_raise(files, FIRST + 1, FIRST + 1), -EFBIG);
	high_water_generation(files, 50);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(marked(FIRST, BOTH), FIRST);
	assert_int_equal(high_water_raise(files, FIRST + 1, FIRST + 1), 0);
	assert_int_equal(marked(FIRST, BOTH), FIRST + 1);
	assert_int_equal(seen(BOTH).generation, 50);
}

#define MARK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const char *const types[] = { "ext4", "btrfs", "xfs", "tmpfs" };
	const struct CMUnitTest tests[] = {
		MARK(what_is_raised_is_read),
		MARK(below_the_mark_nothing_is_written),
		MARK(marks_over_several_regions),
		MARK(a_torn_slot_leaves_the_other),
		MARK(a_torn_generation_damages_no_mark),
		MARK(every_byte_that_counts_is_checked),
		MARK(a_file_that_is_gone_or_damaged),
		MARK(what_is_missing_is_made_from_what_is_known),
		MARK(two_files_of_one_store_and_of_two),
		MARK(what_others_can_write_is_refused),
		MARK(a_clean_stop_leaves_the_marks_as_they_are),
		MARK(a_write_that_fails_raises_nothing),
		MARK(a_full_disk_refuses_nothing),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		fixture_mount(types[i]);
		failed += cmocka_run_group_tests_name(types[i], tests, NULL, NULL);
		fixture_unmount();
	}
	return failed;
}
