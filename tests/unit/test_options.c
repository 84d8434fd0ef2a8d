/* SPDX-License-Identifier: ISC */
/* Values of subuid's command line, and dates. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "account/date.h"
#include "account/account.h"
#include "cli/options.h"

static void dates_are_days_that_exist(void **state)
{
	static const char *const wrong[] = {
		"",           "2031",        "2031-1-01",   "2031-01-1",        "2031-01-011", "2031-13-01",
		"2031-00-01", "2031-01-00",  "2031-02-29",  "2031-04-31",       "1969-12-31",  "2100-02-29",
		"2031/01/01", " 2031-01-01", "2031-01-01 ", "2031-01-01T00:00", "+031-01-01",  "2031-0x-01",
		"20310-1-01", "-031-01-01",  "２031-01-01",
	};
	int32_t day = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(date_parse(wrong[i], &day), -EINVAL);
		assert_int_equal(day, 77);
	}
	assert_int_equal(date_parse(NULL, &day), -EINVAL);
	assert_int_equal(date_parse("1970-01-01", &day), 0);
	assert_int_equal(day, 0);
	assert_int_equal(date_parse("2000-02-29", &day), 0);
	assert_int_equal(day, 11016);
	assert_int_equal(date_parse("9999-12-31", &day), 0);
	assert_int_equal(day, DATE_DAY_MAX);
}

/* Every day up to 2200 and some later ones, against the C library. */
static void dates_agree_with_the_c_library(void **state)
{
	char text[DATE_TEXT_MAX + 1], expected[32];

	(void)state;
	for (int32_t day = 0; day <= DATE_DAY_MAX; day += day < 84006 ? 1 : 997) {
		time_t seconds = (time_t)day * SECONDS_PER_DAY;
		struct tm tm;
		int32_t back = -1;

		assert_non_null(gmtime_r(&seconds, &tm));
		strftime(expected, sizeof(expected), "%Y-%m-%d", &tm);
		assert_int_equal(date_format(day, text), 0);
		assert_string_equal(text, expected);
		assert_int_equal(date_parse(text, &back), 0);
		assert_int_equal(back, day);
	}
	assert_int_equal(date_format(-1, text), -ERANGE);
	assert_int_equal(date_format(DATE_DAY_MAX + 1, text), -ERANGE);
}

static void names_are_labels_or_whole_names(void **state)
{
	static const char *const wrong[] = {
		"",    "+",          "+web1",       "alice+", "alice+web1+x", "alice+Web", "Web1",
		"a b", "alice.web1", "al/ice+web1", "../x",   "-x",           "web1\n",    "alice+web1 ",
	};
	char owner[OWNER_MAX + 1] = "kept", label[LABEL_MAX + 1] = "kept";

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(option_name(wrong[i], '+', owner, label), -EINVAL);
		assert_string_equal(owner, "kept");
		assert_string_equal(label, "kept");
	}
	assert_int_equal(option_name("web1", '+', owner, label), 0);
	assert_string_equal(owner, "");
	assert_string_equal(label, "web1");
	assert_int_equal(option_name("alice+web1", '+', owner, label), 0);
	assert_string_equal(owner, "alice");
	assert_int_equal(option_name("al.ice%web1", '%', owner, label), 0);
	assert_string_equal(owner, "al.ice");
}

static void sizes_have_units_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} right[] = {
		{ "0", 0 },
		{ "none", 0 },
		{ "1048576", 1048576 },
		{ "1K", 1024 },
		{ "10G", UINT64_C(10) << 30 },
		{ "10g", UINT64_C(10) << 30 },
		{ "512MiB", UINT64_C(512) << 20 },
		{ "2T", UINT64_C(2) << 40 },
		{ "1P", UINT64_C(1) << 50 },
		{ "9223372036854775807", INT64_MAX },
	};
	static const char *const wrong[] = {
		"",
		"G",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1.5G",
		"1GB",
		"1GiBx",
		"1Gi",
		"much",
		"0x10",
		"1E",
		"9223372036854775808",
		"18446744073709551616",
		"99999999999999999999999G",
		"8192P",
		"18014398509481984K",
	};
	uint64_t bytes = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(option_size(wrong[i], &bytes) < 0);
		assert_int_equal(bytes, 77);
	}
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(option_size(right[i].text, &bytes), 0);
		assert_int_equal(bytes, right[i].bytes);
	}
}

static void numbers_of_files(void **state)
{
	static const char *const wrong[] = { "",   "0",    "-1",   "1Ki",           "1KB",  "K",
					     "1T", "much", "1.5M", "1099511627777", "2000G" };
	int64_t files = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_true(option_files(wrong[i], &files) < 0);
	assert_int_equal(files, 77);
	assert_int_equal(option_files("200K", &files), 0);
	assert_int_equal(files, 200000);
	assert_int_equal(option_files("1099511627776", &files), 0);
	assert_int_equal(files, FILES_MAX);
	assert_int_equal(option_files("none", &files), 0);
	assert_int_equal(files, FILES_NONE);
	assert_int_equal(option_files("default", &files), 0);
	assert_int_equal(files, FILES_FROM_SIZE);
}

static void sizes_are_shown_short(void **state)
{
	char text[24];

	(void)state;
	assert_string_equal(size_text(0, text), "0");
	assert_string_equal(size_text(1023, text), "1023");
	assert_string_equal(size_text(1024, text), "1K");
	assert_string_equal(size_text(UINT64_C(10) << 30, text), "10G");
	assert_string_equal(size_text(UINT64_C(1536) << 20, text), "1.5G");
	assert_string_equal(size_text(INT64_MAX, text), "8191.9P");
}

static void expiry_lies_in_the_future(void **state)
{
	static const char *const wrong[] = {
		"yesterday", "",    "+",          "+d",         "+30",        "+30m",       "+-1d",
		"30d",       "+0d", "2026-11-23", "2020-01-01", "1970-01-01", "+99999999d", "+999999999999999999999d",
		"+2932896w",
	};
	const int64_t today = 20780; /* 2026-11-23 */
	int32_t day = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(option_date(wrong[i], today, &day) < 0);
		assert_int_equal(day, 77);
	}
	assert_int_equal(option_date("+30d", today, &day), 0);
	assert_int_equal(day, today + 30);
	assert_int_equal(option_date("+2w", today, &day), 0);
	assert_int_equal(day, today + 14);
	assert_int_equal(option_date("2026-11-24", today, &day), 0);
	assert_int_equal(day, today + 1);
	assert_int_equal(option_date("never", today, &day), 0);
	assert_int_equal(day, -1);
}

static void a_key_expires_at_a_minute(void **state)
{
	static const char *const wrong[] = {
		"2026-11-23T09:59",
		"2026-11-23T10:00",
		"2026-11-24T24:00",
		"2026-11-24T10:60",
		"2026-11-24T1:00",
		"2026-11-24t10:00",
		"2026-11-24T10:00Z",
		"2026-02-30T10:00",
		"9999-12-31T23:59",
		"+0h",
		"+h",
		"+-1h",
		"+1",
		"+5s",
		"+1h30m",
		"1h",
		"+99999999999h",
		"",
		"2026-11-23",
	};
	const int64_t now = 20780 * INT64_C(86400) + 36000; /* 2026-11-23 10:00 */
	int64_t at = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(option_time(wrong[i], now, &at) < 0);
		assert_int_equal(at, 77);
	}
	assert_int_equal(option_time("+90m", now, &at), 0);
	assert_int_equal(at, now + 5400);
	assert_int_equal(option_time("+12h", now, &at), 0);
	assert_int_equal(at, now + 43200);
	assert_int_equal(option_time("2026-11-23T10:01", now, &at), 0);
	assert_int_equal(at, now + 60);
	assert_int_equal(option_time("2026-11-24 00:00", now, &at), 0);
	assert_int_equal(at, 20781 * INT64_C(86400));
	assert_int_equal(option_time("+1d", now, &at), 0); /* days begin at midnight */
	assert_int_equal(at, 20781 * INT64_C(86400));
	assert_int_equal(option_time("2026-11-24", now, &at), 0);
	assert_int_equal(at, 20781 * INT64_C(86400));
	assert_int_equal(option_time("never", now, &at), 0);
	assert_int_equal(at, 0);
}

static void a_minute_is_told_as_it_is_given(void **state)
{
	char text[DATE_MINUTE_MAX + 1];
	int64_t at;

	(void)state;
	for (int64_t minute = 0; minute < 2 * 1440; minute++) {
		assert_int_equal(date_format_minute((20780 * 1440 + minute) * 60, text), 0);
		if (minute % 1440 == 0)
			assert_string_equal(text, minute == 0 ? "2026-11-23" : "2026-11-24");
		else
			assert_true(date_parse_minute(text, &at) == 0 && at == (20780 * 1440 + minute) * 60);
	}
	assert_int_equal(date_format_minute(-1, text), -ERANGE);
	assert_int_equal(date_format_minute((DATE_DAY_MAX + INT64_C(1)) * SECONDS_PER_DAY, text), -ERANGE);
}

static void numbers_are_digits_in_bounds(void **state)
{
	static const char *const wrong[] = {
		"", "-1", "+1", "1x", " 1", "0", "11", "4294967297", "18446744073709551617"
	};
	uint64_t number = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_true(option_number(wrong[i], 1, 10, &number) < 0);
		assert_int_equal(number, 77);
	}
	assert_int_equal(option_number("10", 1, 10, &number), 0);
	assert_int_equal(number, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_days_that_exist),
		cmocka_unit_test(dates_agree_with_the_c_library),
		cmocka_unit_test(names_are_labels_or_whole_names),
		cmocka_unit_test(sizes_have_units_of_1024),
		cmocka_unit_test(numbers_of_files),
		cmocka_unit_test(sizes_are_shown_short),
		cmocka_unit_test(expiry_lies_in_the_future),
		cmocka_unit_test(a_key_expires_at_a_minute),
		cmocka_unit_test(a_minute_is_told_as_it_is_given),
		cmocka_unit_test(numbers_are_digits_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
