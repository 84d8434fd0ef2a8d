/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/duration.h"

static void spans_are_seconds(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} good[] = { { "1s", 1 },
		     { "90s", 90 },
		     { "15m", 900 },
		     { "26h", 93600 },
		     { "3d", 259200 },
		     { "2w", 1209600 },
		     { "2147483647s", INT32_MAX },
		     { "007m", 420 } };
	uint64_t seconds;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &seconds), 0);
		assert_int_equal(seconds, good[i].seconds);
	}
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
	static const struct {
		const char *text;
		int error;
	} bad[] = { { "", -EINVAL },
		    { "h", -EINVAL },
		    { "-1s", -EINVAL },
		    { "+1s", -EINVAL },
		    { " 1s", -EINVAL },
		    { "1 s", -EINVAL },
		    { "1S", -EINVAL },
		    { "1hh", -EINVAL },
		    { "1h30m", -EINVAL },
		    { "1.5h", -EINVAL },
		    { "1y", -EINVAL },
		    { "0", -EINVAL },
		    { "26", -EINVAL },
		    { "0h", -ERANGE },
		    { "2147483648s", -ERANGE },
		    { "2147483647s0", -EINVAL },
		    { "3551w", -ERANGE },
		    { "99999999999999999999999999h", -ERANGE } };
	uint64_t seconds = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(duration_parse(bad[i].text, &seconds), bad[i].error);
		assert_int_equal(seconds, 77);
	}
}

static void spans_are_shown_in_one_unit(void **state)
{
	char out[16];

	(void)state;
	assert_string_equal(duration_text(0, out), "0s");
	assert_string_equal(duration_text(119, out), "119s");
	assert_string_equal(duration_text(120, out), "2m");
	assert_string_equal(duration_text(7199, out), "119m");
	assert_string_equal(duration_text(7200, out), "2h");
	assert_string_equal(duration_text(259199, out), "71h");
	assert_string_equal(duration_text(259200, out), "3d");
	duration_text(UINT64_MAX, out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_seconds),
		cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
		cmocka_unit_test(spans_are_shown_in_one_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
