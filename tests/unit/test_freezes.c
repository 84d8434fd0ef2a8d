/* SPDX-License-Identifier: ISC */
/* The order in which an account is stopped and let go on. The children are the test's: they end when it says so. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "subuidd/base/log.h"
#include "subuidd/broker.h"
#include "subuidd/life/again.h"
#include "subuidd/life/freeze.h"
#include "subuidd/life/lifecycle.h"

#define UID 100000u
#define MOST 8

static enum sessions_freeze started[MOST];
static size_t start_count, told_count;
static int told[MOST];
static child_done child_ended;
static void *child_data;
static int start_error;

/* ---- in place of the broker's */

int sessions_freeze_start(const struct session_ids *ids, enum sessions_freeze how, int cgroups, pid_t *pid, int *pidfd)
{
	(void)ids, (void)cgroups;
	*pid = 1, *pidfd = -1;
	started[start_count++] = how;
	return start_error;
}

int child_watch(sd_event *event, int pidfd, unsigned seconds, child_done done, void *data)
{
	(void)event, (void)pidfd, (void)seconds;
	child_ended = done;
	child_data = data;
	return 0;
}

int sessions_ended(int status)
{
	return status;
}

int removal_ranges(struct store *store, uint32_t uid, struct id_range **ranges, size_t *count)
{
	(void)store, (void)uid;
	*ranges = NULL;
	*count = 0;
	return 0;
}

int store_account_by_uid(struct store *store, uint32_t uid, struct account *account)
{
	(void)store, (void)uid, (void)account;
	return -ENOENT;
}

int again_in(struct broker *broker, uint32_t uid, unsigned seconds, void (*what)(struct broker *broker, uint32_t uid))
{
	(void)broker, (void)uid, (void)seconds, (void)what;
	return 0;
}

void log_error(const char *format, ...)
{
	(void)format;
}

/* ---- */

static struct broker broker;

static int nothing_yet(void **state)
{
	(void)state;
	start_count = told_count = 0;
	start_error = 0;
	return 0;
}

static void tell_test(void *data, int status)
{
	assert_int_equal(status, 0);
	told[told_count++] = *(const int *)data;
}

static void begin(enum sessions_freeze how, int number)
{
	static const int numbers[MOST] = { 0, 1, 2, 3, 4, 5, 6, 7 };

	assert_int_equal(freeze_begin(&broker, UID, how, tell_test, (void *)(uintptr_t)&numbers[number]), 1);
}

static void child_ends(void)
{
	child_ended(child_data, 0);
}

/* What is at work may be past what the later ones are for; those that wait have one child. */
static void equal_ones_that_wait_have_one_child(void **state)
{
	(void)state;
	begin(FREEZE, 0);
	for (int i = 1; i < 5; i++)
		begin(FREEZE_AGAIN, i);
	assert_int_equal(start_count, 1);
	child_ends();
	assert_int_equal(told_count, 1);
	assert_int_equal(start_count, 2);
	begin(FREEZE_AGAIN, 5); /* has come too late for that one */
	child_ends();
	assert_int_equal(told_count, 5);
	assert_int_equal(start_count, 3);
	child_ends();
	assert_int_equal(told_count, 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(told[i], i);
	assert_false(freeze_under_way(UID));
	assert_int_equal(start_count, 3);
}

static void the_order_stays(void **state)
{
	static const enum sessions_freeze all[] = { FREEZE, FREEZE_AGAIN, THAW, THAW, FREEZE, FREEZE_AGAIN };
	static const enum sessions_freeze children[] = { FREEZE, FREEZE_AGAIN, THAW, FREEZE, FREEZE_AGAIN };
	const size_t count = sizeof(children) / sizeof(children[0]);

	(void)state;
	for (int i = 0; i < (int)(sizeof(all) / sizeof(all[0])); i++)
		begin(all[i], i);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(start_count, i + 1);
		assert_int_equal(started[i], children[i]);
		child_ends();
	}
	assert_int_equal(told_count, 6);
	assert_int_equal(start_count, count);
	assert_false(freeze_under_way(UID));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equal_ones_that_wait_have_one_child, nothing_yet),
		cmocka_unit_test_setup(the_order_stays, nothing_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
