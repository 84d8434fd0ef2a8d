/* SPDX-License-Identifier: ISC */
/* Thresholds of the Monitoring Plugins guidelines: the table of their manual, in times. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/threshold.h"

static void they_alert_as_the_guidelines_say(void **state)
{
	static const struct {
		const char *text, *data;
		uint64_t quiet, loud;
	} cases[] = { { "10s", "10", 10, 11 },          { "10s:", "10:", 10, 9 },
		      { "~:10s", "10", 0, 11 },         { "10s:20s", "10:20", 15, 21 },
		      { "10s:20s", "10:20", 20, 9 },    { "@10s:20s", "@10:20", 9, 10 },
		      { "@10s:20s", "@10:20", 21, 20 }, { "26h", "93600", 93600, 93601 },
		      { "0:1m", "60", 0, 61 },          { "0", "0", 0, 1 },
		      { "@1m", "@0:60", 61, 60 },       { "@1m", "@0:60", 61, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char out[THRESHOLD_TEXT_MAX];
		struct threshold threshold;

		assert_int_equal(threshold_parse(cases[i].text, &threshold), 0);
		assert_false(threshold_alerts(&threshold, cases[i].quiet));
		assert_true(threshold_alerts(&threshold, cases[i].loud));
		assert_string_equal(threshold_text(&threshold, out), cases[i].data);
	}
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
	static const char *const cases[] = { "",         "@",   ":",   "~",  "26",   "26:",   "x:y",   "20s:10s",
					     "1h:2h:3h", "-1s", "1s ", "@~", "1h::", "1h30m", "10s:~x" };
	struct threshold threshold = { .end = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(threshold_parse(cases[i], &threshold) < 0);
		assert_int_equal(threshold.end, 77);
	}
}

static void none_never_alerts(void **state)
{
	const struct threshold none = { 0 };
	char out[THRESHOLD_TEXT_MAX];

	(void)state;
	assert_false(threshold_alerts(&none, 0));
	assert_false(threshold_alerts(&none, UINT64_MAX));
	assert_string_equal(threshold_text(&none, out), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_alert_as_the_guidelines_say),
		cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
		cmocka_unit_test(none_never_alerts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
