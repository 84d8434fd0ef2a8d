/* SPDX-License-Identifier: ISC */
/* Lines of rsync's log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backup/file_count.h"

#define STAMP "2026/11/23 21:35:41 [4072"

static void lines_of_files_count_however_they_are_cut(void **state)
{
	static const char text[] = STAMP "] receiving file list\n" STAMP "] f\n" STAMP "] f\n" STAMP
					 "] deleting x] f\n" STAMP "] ff\n" STAMP "]  f\n" STAMP
					 "] f \n] f\n\nf\n f\n" STAMP "] \n" STAMP "]f\n" STAMP "] f\n" STAMP "] f";
	const size_t length = sizeof(text) - 1;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct file_count count = { 0 };

		for (size_t at = 0; at < length; at += piece)
			file_count_take(&count, text + at, piece < length - at ? piece : length - at);
		assert_int_equal(count.deleted, 1);
		assert_int_equal(count.files, 4); /* the last one is not whole */
		assert_true(count.any);
	}
}

static void nothing_is_not_none(void **state)
{
	struct file_count count = { 0 };

	(void)state;
	file_count_take(&count, "", 0);
	assert_false(count.any);
	file_count_take(&count, "x", 1);
	assert_true(count.any);
	assert_int_equal(count.files, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_files_count_however_they_are_cut),
		cmocka_unit_test(nothing_is_not_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
