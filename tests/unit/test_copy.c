/* SPDX-License-Identifier: ISC */
/* What was pushed as the server had it, and which of its links may be made again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/copy.h"

static void links_that_stay_and_that_do_not(void **state)
{
	static const struct {
		const char *target;
		unsigned depth;
		bool stays;
	} cases[] = {
		{ "file", 0, true },
		{ "./file", 0, true },
		{ "a/b/c", 0, true },
		{ "../file", 1, true },
		{ "../../x", 2, true },
		{ "..", 1, true },
		{ "./../x", 1, true },
		{ ".", 0, true },
		{ "..//x", 1, true },
		{ "...", 0, true },
		{ "..a", 0, true },
		{ "", 3, false },
		{ "/etc/passwd", 9, false },
		{ "../x", 0, false },
		{ "../../x", 1, false },
		{ "..", 0, false },
		/* sound by counting, but `a` may be a link to `.` */
		{ "a/../x", 5, false },
		{ "a/..", 5, false },
		{ "./a/./../x", 5, false },
		{ "../a/../x", 5, false },
		{ "a//..//x", 5, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (copy_link_stays(cases[i].target, cases[i].depth) != cases[i].stays)
			fail_msg("%s at depth %u", cases[i].target, cases[i].depth);
}

static void what_rsync_stores(void **state)
{
	static const char *const wrong[] = {
		"",
		"100644",
		"100644 0,0 0",
		"100644 0,0 0:",
		"100644 0,0 0:0 ",
		"100844 0,0 0:0",
		"100644 0,0 -1:0",
		"100644  0,0 0:0",
		"644 0,0 0:0",
		"100644 0,0 0:4294967296",
		"200100644 0,0 0:0",
		"100644 0,0 0x1:0",
		"100644,0,0,0:0",
		"99999999999999999999 0,0 0:0",
	};
	struct stored stored = { .uid = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(stored_parse(wrong[i], &stored), -EINVAL);
	assert_int_equal(stored.uid, 77);
	assert_int_equal(stored_parse("106755 0,0 0:42", &stored), 0);
	assert_int_equal(stored.mode, S_IFREG | 06755);
	assert_int_equal(stored.gid, 42);
	assert_int_equal(stored_parse("20666 1,3 4294967295:5", &stored), 0);
	assert_true(S_ISCHR(stored.mode));
	assert_int_equal(stored.major, 1);
	assert_int_equal(stored.minor, 3);
	assert_int_equal(stored.uid, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_that_stay_and_that_do_not),
		cmocka_unit_test(what_rsync_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
