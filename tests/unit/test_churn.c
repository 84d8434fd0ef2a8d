/* SPDX-License-Identifier: ISC */
/* Bounds per uid: a stranger, whatever their uid, neither uses up nor forgets what is another's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "account/id.h"
#include "subuidd/base/log.h"
#include "subuidd/change/churn.h"
#include "subuidd/call/room.h"
#include "subuidd/call/tally.h"
#include "tests/unit/no_transactions.h"

#define VICTIM 1000u
#define LONG_AGO 0

/* ---- what stands in the place of the broker ---- */

static unsigned recorded; /* refusals in the trail */
static time_t now = 1000000;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){ .tv_sec = now };
	return 0;
}

enum failure call_fail(struct call *call, enum failure failure, const char *what, const char *why, const char *todo)
{
	return failure_set(&call->answer.failure, failure, what != NULL ? what : "", why, todo);
}

enum failure call_fail_system(struct call *call, const char *doing, int error)
{
	(void)error;
	return call_fail(call, FAILURE_FAILED, NULL, doing, "");
}

enum failure call_fail_store(struct call *call, int error)
{
	return call_fail_system(call, "store", error);
}

bool room_short(const struct broker *broker)
{
	(void)broker;
	return false;
}

int store_limit_get(struct store *store, const char *owner, struct limit *limit)
{
	(void)store, (void)owner, (void)limit;
	return -ENOENT;
}

int store_tombstone_list(struct store *store, uint32_t after, struct id_range *rows, int max)
{
	(void)store, (void)after, (void)rows, (void)max;
	return 0;
}

/* 2000-2009 are sub-accounts of the victim, 70000-79999 is a range of the victim's. */
int store_id_holder(struct store *store, uint32_t first, uint32_t last, struct id_range *holder, enum id_kind *kind)
{
	(void)store, (void)last;
	memset(holder, 0, sizeof(*holder));
	holder->first = first;
	*kind = first >= 2000 && first < 2010 ? ID_ACCOUNT : ID_RANGE;
	return first < 2010 || (first >= 70000 && first < 80000) ? 0 : -ENOENT;
}

int store_account_by_uid(struct store *store, uint32_t uid, struct account *account)
{
	(void)store, (void)uid;
	*account = (struct account){ .owner_uid = VICTIM };
	return 0;
}

int store_range_get(struct store *store, uint32_t first, struct id_range *range)
{
	(void)store, (void)first;
	*range = (struct id_range){ .owner_uid = VICTIM };
	return 0;
}

int store_audit_add(struct store *store, struct audit_entry *entry)
{
	(void)store, (void)entry;
	recorded++;
	return 0;
}

void log_info(const char *format, ...)
{
	(void)format;
}

void log_warn(const char *format, ...)
{
	(void)format;
}

void log_error(const char *format, ...)
{
	(void)format;
}

/* ---- calls ---- */

static const struct operation operation = { .action = "test" };

static struct call call_of(uid_t uid, bool ordinary)
{
	static struct broker broker;

	return (struct call){ .broker = &broker,
			      .operation = &operation,
			      .caller = { .uid = uid,
					  .root = uid == 0,
					  .ordinary = ordinary && uid != 0,
					  .named = true,
					  .name = "x" },
			      .owner = { .uid = uid } };
}

static enum failure take(uid_t uid)
{
	static const struct limit limit = { .accounts = 1 }; /* 64 a day at the least */
	struct call call = call_of(uid, true);

	return churn_account(&call, &limit);
}

static enum failure change(uid_t uid)
{
	struct call call = call_of(uid, true);

	return churn_change(&call);
}

/* 1: it was recorded. */
static unsigned refuse(uid_t uid, bool ordinary)
{
	struct call call = call_of(uid, ordinary);
	unsigned before = recorded;

	failure_set(&call.answer.failure, FAILURE_NOT_PERMITTED, "", "", "");
	audit_refusal(&call);
	return recorded - before;
}

static void day_passes(void **state)
{
	(void)state;
	now += 86400;
}

static int next_day(void **state)
{
	day_passes(state);
	return 0;
}

/* ---- */

/* Taking turns with an accomplice whose uid falls on the same place was a way past the bound. */
static void uids_taken_are_not_forgotten_for_a_strangers_sake(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(take(VICTIM), FAILURE_NONE);
		assert_int_equal(take(VICTIM + 1024 * (i + 1)), FAILURE_NONE);
		assert_int_equal(take(VICTIM + 65536 * (i + 1)), FAILURE_NONE);
	}
	assert_int_equal(take(VICTIM), FAILURE_LIMIT_REACHED);
	day_passes(state);
	assert_int_equal(take(VICTIM), FAILURE_NONE);
}

static void changes_of_a_stranger_are_not_mine(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(change(VICTIM + 65536), FAILURE_NONE);
	assert_int_equal(change(VICTIM + 65536), FAILURE_LIMIT_REACHED); /* control: the bound is there */
	assert_int_equal(change(VICTIM), FAILURE_NONE);
	now += 10;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(change(VICTIM + 65536), FAILURE_NONE);
	assert_int_equal(change(VICTIM + 65536), FAILURE_LIMIT_REACHED);
}

static void refusals_of_a_stranger_are_not_mine(void **state)
{
	unsigned mine = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		mine += refuse(VICTIM, true);
		for (unsigned k = 1; k <= 5; k++)
			refuse(VICTIM + 64 * k, true);
	}
	assert_int_equal(mine, 60);
	now += 60;
	assert_int_equal(refuse(VICTIM, true), 1);
}

/* Anyone who has a range can call under thousands of uids. */
static void ids_of_ranges_and_accounts_count_as_their_owners(void **state)
{
	unsigned got = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		got += refuse(70000 + i, false) + refuse(2000 + i % 10, false);
	assert_int_equal(got, 60);
	assert_int_equal(refuse(VICTIM, true), 1); /* they cannot use up the owner's own share */
}

static void ids_of_nobody_are_counted_together(void **state)
{
	unsigned got = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		got += refuse(100000 + i, false);
	assert_int_equal(got, 60);
	assert_int_equal(refuse(VICTIM, true), 1);
}

static void root_is_always_recorded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(refuse(0, true), 1);
}

static void each_of_many_has_his_own_count(void **state)
{
	struct tallies tallies = TALLIES(60);

	(void)state;
	for (uint32_t round = 1; round <= 2; round++)
		for (uint32_t i = 0; i < 20000; i++)
			assert_int_equal(++tally_of(&tallies, i * 4096, 100)->used, round);
	assert_int_equal(tallies.count, 20000);
	tallies_free(&tallies);
}

/* What is over goes, and with it the memory; what is still to be told stays. */
static void what_is_over_makes_room(void **state)
{
	struct tallies tallies = TALLIES(60);

	(void)state;
	tally_of(&tallies, 7, LONG_AGO)->dropped = 3;
	for (uint32_t i = 0; i < 1000000; i++)
		tally_of(&tallies, 1000 + i, i / 10)->used = 1;
	assert_in_range(tallies.size, 64, 8192);
	assert_int_equal(tally_of(&tallies, 7, 1000000)->dropped, 3);
	tallies_free(&tallies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(uids_taken_are_not_forgotten_for_a_strangers_sake, next_day),
		cmocka_unit_test_setup(changes_of_a_stranger_are_not_mine, next_day),
		cmocka_unit_test_setup(refusals_of_a_stranger_are_not_mine, next_day),
		cmocka_unit_test_setup(ids_of_ranges_and_accounts_count_as_their_owners, next_day),
		cmocka_unit_test_setup(ids_of_nobody_are_counted_together, next_day),
		cmocka_unit_test_setup(root_is_always_recorded, next_day),
		cmocka_unit_test(each_of_many_has_his_own_count),
		cmocka_unit_test(what_is_over_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
