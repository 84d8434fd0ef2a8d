/* SPDX-License-Identifier: ISC */
/* When keys and accounts are looked at again. Store, clock and the places for alarms are the test's. */
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
#include "subuidd/base/log.h"
#include "subuidd/call/room.h"
#include "subuidd/runs/alarm_tell.h"
#include "tests/unit/no_transactions.h"

#define SECOND UINT64_C(1000000)
#define UID 1001u

static struct broker broker;
static struct alarms alarms;
static sd_event_time_handler_t look;
static uint64_t clock_now, next; /* the look after this one */
static bool room;                /* for one more alarm */
static unsigned noticed;
static int64_t told; /* the mark that the store keeps; 0: none */

int store_account_list_by_owner(struct store *store, const char *owner, uint32_t after_uid, struct account *rows,
				int max)
{
	(void)store, (void)owner, (void)max;
	if (after_uid >= UID)
		return 0;
	rows[0] = (struct account){ .uid = UID, .owner = "alice", .state = ACCOUNT_ACTIVE };
	rows[0].facts.expires_day = (int32_t)(time(NULL) / SECONDS_PER_DAY) + 3;
	return 1;
}

bool alarm_notice(struct broker *of, const struct account *account, enum alarm_kind kind, int64_t number,
		  const char *detail)
{
	(void)of, (void)number, (void)detail;
	assert_int_equal(account->uid, UID);
	assert_int_equal(kind, ALARM_EXPIRES);
	noticed += room;
	return room;
}

int store_told_get(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id, int64_t *mark)
{
	(void)store, (void)uid, (void)kind, (void)key_id;
	*mark = told;
	return told != 0 ? 0 : -ENOENT;
}

int store_told_put(struct store *store, uint32_t uid, enum told_kind kind, uint32_t key_id, int64_t mark)
{
	(void)store, (void)uid, (void)kind, (void)key_id;
	told = mark;
	return 0;
}

int store_key_list(struct store *store, uint32_t uid, uint32_t after_id, struct ssh_key *rows, int max)
{
	(void)store, (void)uid, (void)after_id, (void)rows, (void)max;
	return 0;
}

int store_key_used(struct store *store, uint32_t id, int64_t *when)
{
	(void)store, (void)id, (void)when;
	return -ENOENT;
}

const char *store_error(const struct store *store)
{
	(void)store;
	return "";
}

bool room_short(const struct broker *of)
{
	(void)of;
	return false;
}

void alarm_look(struct broker *of)
{
	(void)of;
}

int sd_event_add_time_relative(sd_event *event, sd_event_source **source, clockid_t clock, uint64_t usec,
			       uint64_t accuracy, sd_event_time_handler_t handler, void *data)
{
	(void)event, (void)source, (void)clock, (void)accuracy, (void)data;
	look = handler;
	next = clock_now + usec;
	return 0;
}

int sd_event_now(sd_event *event, clockid_t clock, uint64_t *usec)
{
	(void)event, (void)clock;
	*usec = clock_now;
	return 0;
}

int sd_event_source_set_time(sd_event_source *source, uint64_t usec)
{
	(void)source;
	next = usec;
	return 0;
}

int sd_event_source_set_enabled(sd_event_source *source, int enabled)
{
	(void)source;
	assert_int_equal(enabled, SD_EVENT_ONESHOT);
	return 0;
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *source)
{
	(void)source;
	return NULL;
}

void log_error(const char *format, ...)
{
	(void)format;
	fail();
}

/* ---- */

/* The look that is due, and the seconds until the next one. */
static uint64_t seconds_after_a_look(void)
{
	clock_now = next;
	assert_int_equal(look(NULL, clock_now, &broker), 0);
	return (next - clock_now) / SECOND;
}

static int setup(void **state)
{
	(void)state;
	alarms = (struct alarms){ 0 };
	broker = (struct broker){ .alarms = &alarms, .settings.expires_days = 14 };
	clock_now = next = told = noticed = 0;
	room = true;
	alarm_dates_start(&broker);
	return 0;
}

/* Those that have a place are told within minutes, and then this one need not wait for an hour. */
static void what_found_no_place_is_looked_for_again_soon(void **state)
{
	(void)state;
	room = false;
	assert_int_equal(seconds_after_a_look(), 300);
	assert_int_equal(told, 0);
	assert_int_equal(seconds_after_a_look(), 300);
	room = true;
	assert_int_equal(seconds_after_a_look(), 3600);
	assert_int_equal(noticed, 1);
}

static void what_has_its_place_is_looked_at_in_an_hour_and_told_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(seconds_after_a_look(), 3600);
	assert_int_equal(noticed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_found_no_place_is_looked_for_again_soon, setup),
		cmocka_unit_test_setup(what_has_its_place_is_looked_at_in_an_hour_and_told_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
