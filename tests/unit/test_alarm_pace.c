/* SPDX-License-Identifier: ISC */
/* How many alarms of one owner are told, and that nobody pays for another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "subuidd/runs/alarm_pace.h"

#define ALICE 1000u
#define BOB (ALICE + ALARM_BUCKETS) /* in the same bucket */

static struct alarm_pace pace;

static int setup(void **state)
{
	(void)state;
	memset(&pace, 0, sizeof(pace));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	alarm_pace_free(&pace);
	return 0;
}

static enum alarm_turn turn(uint32_t owner, int64_t now)
{
	int64_t again = 0;

	return alarm_turn(&pace, owner, now, &again);
}

static void the_first_ones_are_told_one_by_one_and_then_all_together(void **state)
{
	int64_t again = 0, sooner = 3, later = 10000;

	(void)state;
	for (unsigned i = 0; i + 1 < ALARM_BURST; i++) {
		assert_int_equal(turn(ALICE, 5), ALARM_ONE);
		assert_int_equal(alarm_told(&pace, ALICE, 5), 0);
	}
	assert_int_equal(turn(ALICE, 5), ALARM_TOGETHER);
	assert_int_equal(alarm_told(&pace, ALICE, 5), 0);
	assert_int_equal(alarm_turn(&pace, ALICE, 5, &again), ALARM_LATER);
	assert_int_equal(again, 5 + ALARM_AGAIN_SECONDS);
	assert_int_equal(alarm_turn(&pace, ALICE, 5, &sooner), ALARM_LATER);
	assert_int_equal(sooner, 3);
	assert_int_equal(alarm_turn(&pace, ALICE, 5, &later), ALARM_LATER);
	assert_int_equal(later, again);
	assert_int_equal(turn(ALICE, again - 1), ALARM_LATER);
	assert_int_equal(turn(ALICE, again), ALARM_TOGETHER);
	assert_int_equal(turn(BOB, 5), ALARM_ONE);
}

static void whoever_floods_is_told_of_once_a_minute(void **state)
{
	int64_t told = 0;

	(void)state;
	for (int64_t now = 0; now < 3600; now++)
		if (turn(ALICE, now) != ALARM_LATER) {
			assert_int_equal(alarm_told(&pace, ALICE, now), 0);
			told++;
		}
	assert_in_range(told, 60, 60 + ALARM_BURST);
	assert_int_equal(turn(ALICE, 3600 + ALARM_BURST * ALARM_AGAIN_SECONDS), ALARM_ONE);
}

static void hooks_of_an_owner_at_once(void **state)
{
	int64_t again = 7;

	(void)state;
	for (unsigned i = 0; i < ALARM_AT_ONCE; i++) {
		assert_int_equal(turn(ALICE, 0), ALARM_ONE);
		assert_int_equal(alarm_told(&pace, ALICE, 0), 0);
		alarm_hook(&pace, ALICE, 1);
	}
	assert_int_equal(alarm_turn(&pace, ALICE, 0, &again), ALARM_LATER);
	assert_int_equal(again, 7);                           /* the end of a hook is waited for */
	assert_int_equal(alarm_told(&pace, BOB, 1000000), 0); /* forgets nobody whose hook runs */
	assert_int_equal(turn(ALICE, 1000000), ALARM_LATER);
	alarm_hook(&pace, ALICE, -1);
	assert_int_equal(turn(ALICE, 1000000), ALARM_ONE);
}

static void who_is_quiet_is_forgotten(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(alarm_told(&pace, i, 0), 0);
	for (uint32_t i = 0; i < ALARM_BUCKETS; i++)
		assert_int_equal(alarm_told(&pace, i, 1000), 0);
	alarm_pace_free(&pace); /* under the sanitizers: each is there once */
	assert_int_equal(turn(ALICE, 0), ALARM_ONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_ones_are_told_one_by_one_and_then_all_together, setup,
						teardown),
		cmocka_unit_test_setup_teardown(whoever_floods_is_told_of_once_a_minute, setup, teardown),
		cmocka_unit_test_setup_teardown(hooks_of_an_owner_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_quiet_is_forgotten, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
