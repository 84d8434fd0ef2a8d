/* SPDX-License-Identifier: ISC */
/* When a session ends: in the environment, for people, and when they are told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "account/session_end.h"

static void the_first_of_all_counts(void **state)
{
	struct session_end end = { 0 };

	(void)state;
	session_end_add(&end, 0, SESSION_END_KEY); /* it has none */
	assert_int_equal(end.at, 0);
	session_end_add(&end, 2000, SESSION_END_KEY);
	session_end_add(&end, 2000, SESSION_END_ACCOUNT);
	assert_int_equal(end.cause, SESSION_END_KEY);
	session_end_add(&end, 1999, SESSION_END_HOURS);
	assert_int_equal(end.at, 1999);
	assert_int_equal(end.cause, SESSION_END_HOURS);
}

static void what_is_written_is_read(void **state)
{
	char text[SESSION_END_MAX];

	(void)state;
	for (enum session_end_cause cause = SESSION_END_ACCOUNT; cause <= SESSION_END_HOURS; cause++) {
		const int64_t at = (int64_t)(DATE_DAY_MAX + 1) * SECONDS_PER_DAY - 1;
		struct session_end back = { 0 };

		session_end_format(&(struct session_end){ at, cause }, text);
		assert_int_equal(session_end_parse(text, &back), 0);
		assert_int_equal(back.at, at);
		assert_int_equal(back.cause, cause);
	}
}

static void anything_else_is_not(void **state)
{
	static const char *const wrong[] = { "",
					     "key",
					     "1",
					     "1 ",
					     " 1 key",
					     "-1 key",
					     "1 keys",
					     "1 key\n",
					     "1  key",
					     "1\tkey",
					     "9999999999999 key",
					     "0x1 key" };
	struct session_end end = { 7, SESSION_END_HOURS };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(session_end_parse(wrong[i], &end), -EINVAL);
	assert_int_equal(end.at, 7);
}

static void people_are_told(void **state)
{
	char text[SESSION_END_TEXT];

	(void)state;
	session_end_text(&(struct session_end){ 1767225600, SESSION_END_PASSWORD }, text);
	assert_string_equal(text, "this session ends on 2026-01-01 00:00 UTC, when the password expires");
	session_end_text(&(struct session_end){ INT64_MAX, SESSION_END_KEY }, text);
	assert_string_equal(text, "");
	assert_true(session_ends_soon(&(struct session_end){ 1000, SESSION_END_KEY }, 999));
	assert_false(session_ends_soon(&(struct session_end){ 1000 + SECONDS_PER_DAY, SESSION_END_KEY }, 1000));
	assert_false(session_ends_soon(&(struct session_end){ 0, SESSION_END_KEY }, 1000));
}

/* However often and however irregularly somebody looks. */
static void each_warning_comes_once(void **state)
{
	const struct session_end end = { 10000, SESSION_END_KEY };

	(void)state;
	for (int step = 1; step < 60; step++) {
		unsigned ten = 0, one = 0;

		for (int64_t now = 9000; now <= 10000; now += step) {
			const unsigned minutes = session_end_due(&end, now - step, now);

			ten += minutes == 10;
			one += minutes == 1;
			assert_true(minutes == 0 || end.at - now <= (int64_t)minutes * 60);
		}
		assert_int_equal(ten, 1);
		assert_int_equal(one, 1);
	}
	assert_int_equal(session_end_due(&end, 0, 9999), 1);
	assert_int_equal(session_end_due(&(struct session_end){ 0 }, -1000, 1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_all_counts), cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(anything_else_is_not),    cmocka_unit_test(people_are_told),
		cmocka_unit_test(each_warning_comes_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
