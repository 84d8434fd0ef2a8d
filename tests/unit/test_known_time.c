/* SPDX-License-Identifier: ISC */
/* What a wrong clock may delete: nothing. The store is not there; the pure part is what is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "subuidd/call/known_time.h"
#include "subuidd/base/log.h"
#include "tests/unit/no_transactions.h"

#define DAY 86400
#define GRACE 30 /* days */
#define NOW 1795000000

int store_known_time(struct store *store, struct known_time *time_then)
{
	(void)store;
	(void)time_then;
	return 0;
}

int store_known_time_set(struct store *store, const struct known_time *time_now)
{
	(void)store;
	(void)time_now;
	return 0;
}

void log_error(const char *format, ...)
{
	(void)format;
}

/* As SQL_REMOVED_DUE says it. */
static bool is_due(int64_t since, int64_t known_then, struct due due)
{
	return since < due.before && (since == 0 || known_then < due.known_before);
}

/* A boot: what the host's clock says at its start, and how long it runs by itself. Writes as the daemon does at its
 * end. */
static struct due boot(struct known_time *written, int64_t clock, int64_t running)
{
	int64_t begin = known_time_begin(written, clock), known = begin + running;

	*written = (struct known_time){ .known = known, .at = clock + running };
	return known_time_due(clock + running, known, running, GRACE);
}

static void what_has_really_been_kept_for_so_long_goes(void **state)
{
	struct known_time written = { 0 };
	int64_t known;

	(void)state;
	boot(&written, NOW, 10);
	known = written.known;
	assert_false(is_due(NOW, known, boot(&written, NOW + 60, GRACE * DAY - 120)));
	assert_true(is_due(NOW, known, boot(&written, NOW + GRACE * DAY, 2 * PURGE_QUIET_SECONDS)));
}

static void a_month_ahead_at_one_boot_deletes_nothing(void **state)
{
	struct known_time written = { 0 };
	int64_t known;

	(void)state;
	boot(&written, NOW, 10);
	known = written.known;
	assert_false(is_due(NOW, known, boot(&written, NOW + 31 * DAY, 12 * 3600)));
	/* and right again, and ahead again, and by years; with a day's worth for each start at the most */
	for (int i = 0; i < 10; i++) {
		assert_false(is_due(NOW, known, boot(&written, NOW + DAY + i * 7200, 3700)));
		assert_false(is_due(NOW, known, boot(&written, NOW + (400 + i) * (int64_t)DAY, 3700)));
	}
}

static void starts_in_a_row_with_a_wrong_clock_add_nothing(void **state)
{
	struct known_time written = { 0 };
	int64_t known;

	(void)state;
	boot(&written, NOW, 10);
	known = written.known;
	for (int i = 0; i < 1000; i++)
		assert_false(is_due(NOW, known, boot(&written, NOW + 60 * DAY + i * 10, 10)));
	assert_true(written.known - known <= DAY + 1000 * 10);
}

static void a_clock_that_goes_back_adds_what_was_run_and_no_more(void **state)
{
	struct known_time written = { .known = 1000, .at = NOW };

	(void)state;
	assert_int_equal(known_time_begin(&written, NOW - 1000000), 1000);
	assert_int_equal(known_time_begin(&written, 0), 1000);
	assert_int_equal(known_time_begin(&written, NOW + 60), 1060);
	/* the first start of a host */
	written = (struct known_time){ 0 };
	assert_int_equal(known_time_begin(&written, NOW), 0);
}

static void in_the_first_hour_only_what_is_to_go_at_once_is_due(void **state)
{
	(void)state;
	for (uint32_t grace = 0; grace <= GRACE; grace += GRACE) {
		struct due soon = known_time_due(NOW, NOW, PURGE_QUIET_SECONDS - 1, grace);
		struct due later = known_time_due(NOW, NOW, PURGE_QUIET_SECONDS, grace);

		assert_true(is_due(0, NOW, soon));
		assert_false(is_due(1, 0, soon));
		assert_false(is_due(NOW - 100 * DAY, 0, soon));
		assert_true(is_due(NOW - 100 * DAY, 0, later));
		assert_true(is_due(0, NOW, later));
	}
	/* a clock that has never been set */
	assert_false(is_due(1, 0, known_time_due(0, NOW, 2 * PURGE_QUIET_SECONDS, GRACE)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_really_been_kept_for_so_long_goes),
		cmocka_unit_test(a_month_ahead_at_one_boot_deletes_nothing),
		cmocka_unit_test(starts_in_a_row_with_a_wrong_clock_add_nothing),
		cmocka_unit_test(a_clock_that_goes_back_adds_what_was_run_and_no_more),
		cmocka_unit_test(in_the_first_hour_only_what_is_to_go_at_once_is_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
