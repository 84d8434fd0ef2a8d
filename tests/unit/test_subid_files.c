/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "subid/held.h"

static struct subid_list list;

static void parse(const char *text)
{
	subid_list_free(&list);
	assert_int_equal(subid_parse(text, strlen(text), &list), 0);
}

static bool held(uint32_t first, uint32_t last)
{
	struct id_block holder;

	return subid_find(&list, first, last, &holder);
}

static void lines_are_read(void **state)
{
	struct id_block holder = { 0, 0 };

	(void)state;
	parse("# comment\n\nalice:100000:65536\nbob:300000:1\n1001:165536:65536\n  \t\ncarol:4000000000:294967295");
	assert_int_equal(list.unreadable, 0);
	assert_int_equal(list.count, 3); /* the two that touch are one */
	assert_false(held(1, 99999));
	assert_true(held(100000, 100000));
	assert_true(held(231071, 231071));
	assert_false(held(231072, 299999));
	assert_true(held(231072, 300000));
	assert_true(held(1, UINT32_MAX));
	assert_true(held(4294967294u, 4294967294u));
	assert_true(subid_find(&list, 231000, 240000, &holder));
	assert_int_equal(holder.first, 100000);
	assert_int_equal(holder.last, 231071);
	parse("");
	assert_false(held(0, UINT32_MAX));
}

static void junk_is_counted_and_holds_what_it_may_mean(void **state)
{
	(void)state;
	parse("alice\nbob:5\n:100000:10\nalice:200000:0\nalice:0x10000:16\nalice:0200000:16\nalice:+400000:16\n"
	      "alice:500000:16 "
	      "\r\nalice:600000:16:x\nalice:4294967290:100\nalice:x:y\nalice:99999999999999999999:1\n");
	assert_int_equal(list.unreadable, 12);
	assert_true(held(100000, 100009));
	assert_false(held(200016, 399999)); /* count 0 holds nothing */
	assert_true(held(65536, 65551));    /* as shadow reads 0x10000, and 0200000 */
	assert_true(held(200000, 200015));  /* as everybody else reads 0200000 */
	assert_true(held(400000, 400015));
	assert_true(held(500000, 500015));
	assert_true(held(600000, 600015));
	assert_true(held(4294967295u, 4294967295u));
}

static void overlapping_lines_are_one_block(void **state)
{
	struct id_block holder;

	(void)state;
	parse("a:1000:1000\nb:1100:10\nc:1500:1000\nd:5000:1\n");
	assert_int_equal(list.count, 2);
	assert_true(subid_find(&list, 1200, 1200, &holder));
	assert_int_equal(holder.first, 1000);
	assert_int_equal(holder.last, 2499);
}

/* Against a search through all blocks. */
static void finding_agrees_with_a_scan(void **state)
{
	struct id_block blocks[50];
	char text[4096];
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t used = 0;

		for (unsigned i = 0; i < 50; i++) {
			uint32_t first = (uint32_t)rand_r(&seed) % 5000, count = 1 + (uint32_t)rand_r(&seed) % 60;

			blocks[i] = (struct id_block){ first, first + count - 1 };
			used += (size_t)snprintf(text + used, sizeof(text) - used, "x:%u:%u\n", first, count);
		}
		parse(text);
		for (int question = 0; question < 200; question++) {
			uint32_t first = (uint32_t)rand_r(&seed) % 5100, last = first + (uint32_t)rand_r(&seed) % 20;
			bool expected = false;

			for (unsigned i = 0; i < 50; i++)
				expected |= id_blocks_overlap(blocks[i], (struct id_block){ first, last });
			assert_int_equal(held(first, last), expected);
		}
	}
}

static void put(const char *path, const char *text, time_t when)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	if (when != 0)
		assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){ { when, 0 }, { when, 0 } }, 0), 0);
}

static void a_changed_file_is_read_again(void **state)
{
	char directory[] = "/tmp/test_subid.XXXXXX", path[64], other[64];
	struct subid_file file = { .path = path };

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/subuid", directory);
	snprintf(other, sizeof(other), "%s/new", directory);
	assert_int_equal(subid_file_refresh(&file), 0); /* none: nothing given away */
	assert_int_equal(file.list.count, 0);
	put(path, "alice:100000:65536\n", 0);
	assert_int_equal(subid_file_refresh(&file), 0);
	assert_int_equal(file.list.count, 1);
	assert_int_equal(file.seen.st_ino,
			 0); /* changed just now: not relied on, however coarse the clock of files is */
	put(path, "alice:200000:65536\n", 0); /* same size, same second: seen all the same */
	assert_int_equal(subid_file_refresh(&file), 0);
	assert_int_equal(file.list.blocks[0].first, 200000);
	put(other, "alice:300000:65536\n", 1000);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(subid_file_refresh(&file), 0);
	assert_int_equal(file.list.blocks[0].first, 300000);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(subid_file_refresh(&file), -EINVAL); /* and does not hang */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(subid_file_refresh(&file), 0);
	assert_int_equal(file.list.count, 0);
	subid_file_free(&file);
	assert_int_equal(rmdir(directory), 0);
}

static int tear_down(void **state)
{
	(void)state;
	subid_list_free(&list);
	return 0;
}

static bool other(const char *text, uint32_t first, uint32_t last, struct id_block *holder)
{
	const uint64_t names[] = { subid_name_hash("alice", 5), subid_name_hash("alice+web1", 10) };
	struct subid_list parsed = { 0 };
	bool found;

	assert_int_equal(subid_parse(text, strlen(text), &parsed), 0);
	found = subid_find_other(&parsed, first, last, names, 2, holder);
	subid_list_free(&parsed);
	return found;
}

static void our_own_lines_are_told_from_others(void **state)
{
	struct id_block holder = { 0, 0 };

	(void)state;
	assert_false(other("", 100, 199, &holder));
	assert_false(other("alice:100:100\nalice+web1:100:100\nbob:200:5\nbob:90:10\n", 100, 199, &holder));
	/* neighbours are one line */
	assert_false(other("alice:100:101\n", 100, 199, &holder));
	assert_false(other("alice:90:300\nbob:80:10\n", 100, 199, &holder));
	/* of somebody else, of a part, across the edge, around it */
	assert_true(other("alice:100:100\nbob:100:100\n", 100, 199, &holder));
	assert_true(other("alice:90:109\n", 100, 199, &holder));
	assert_true(other("alice:150:1\n", 100, 199, &holder));
	assert_int_equal(holder.first, 150);
	assert_true(other("bob:199:1\nalice:100:100\n", 100, 199, &holder));
	assert_true(other("bob:90:11\nalice:100:100\n", 100, 199, &holder));
	/* a long one that begins far before, with short ones in between */
	assert_true(other("bob:1:1000\nbob:2:1\nbob:3:1\nbob:50:1\nalice:100:100\n", 100, 199, &holder));
	assert_int_equal(holder.last, 1000);
	/* what cannot be read in one way only is nobody's own */
	assert_true(other("alice:0100:100\n", 100, 199, &holder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_lines_are_told_from_others),
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(junk_is_counted_and_holds_what_it_may_mean),
		cmocka_unit_test(overlapping_lines_are_one_block),
		cmocka_unit_test(finding_agrees_with_a_scan),
		cmocka_unit_test(a_changed_file_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
