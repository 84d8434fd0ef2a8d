/* SPDX-License-Identifier: ISC */
/* Backups that deleted much, and silence: what one owner's accounts make of it neither loses nor delays another's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "subuidd/base/log.h"
#include "subuidd/call/known_time.h"
#include "subuidd/runs/alarm_tell.h"
#include "tests/unit/no_transactions.h"

#define ALICE 1u
#define BOB 2u
#define UID(owner, number) ((owner)*1000 + (number))

/* ---- what stands in the place of the broker: hooks that end at once, a clock that we set ---- */

static struct broker broker;
static int64_t running;
static uint32_t silent; /* the account that is; 0: none */
static struct {
	uint32_t uid, number;
	char event;
} told[1024];
static unsigned told_count;
static uint32_t gone; /* the account that was removed; 0: none */
static char forgotten[256];

int64_t known_time_running(const struct broker *of)
{
	(void)of;
	return running;
}

int store_account_by_uid(struct store *store, uint32_t uid, struct account *account)
{
	(void)store;
	if (uid == gone)
		return -ENOENT;
	*account = (struct account){ .uid = uid, .owner_uid = uid / 1000 };
	return 0;
}

int alarm_address(const struct broker *of, const struct account *account, struct alarm *alarm)
{
	(void)of;
	alarm->owner = account->owner_uid;
	snprintf(alarm->name, sizeof(alarm->name), "%u", account->uid);
	return 0;
}

void alarm_whom(const struct account *account, char whom[CONTACT_MAX + 1])
{
	memcpy(whom, account->facts.contact, CONTACT_MAX + 1);
}

void alarm_hooks_finish(const struct alarms *alarms)
{
	(void)alarms;
}

void alarm_tell(struct broker *of, const struct alarm *alarm)
{
	(void)of;
	assert_true(told_count < sizeof(told) / sizeof(told[0]));
	told[told_count].uid = (uint32_t)strtoul(alarm->name, NULL, 10);
	told[told_count].number = (uint32_t)alarm->number;
	told[told_count++].event = alarm->event[0];
}

int store_watch_changed(struct store *store, bool is_silent, int64_t now, const struct watch *after, struct watch *rows,
			int max)
{
	(void)store, (void)now, (void)max;
	if (!is_silent || silent == 0 || after != NULL)
		return 0;
	rows[0] = (struct watch){ .uid = silent, .alarm = 1, .since = 1 };
	return 1;
}

int store_watch_told(struct store *store, uint32_t uid, bool is_told)
{
	(void)store, (void)uid, (void)is_told;
	silent = 0;
	return 0;
}

int store_watch_told_together(struct store *store, const char *owner, const char *whom, bool is_silent, int64_t now,
			      int *count)
{
	(void)owner, (void)whom, (void)now;
	*count = 1;
	return store_watch_told(store, 0, is_silent);
}

int store_told_forget(struct store *store, const char *owner, enum told_kind kind)
{
	const size_t length = strlen(forgotten);

	(void)store;
	snprintf(forgotten + length, sizeof(forgotten) - length, "%s:%d ", owner, (int)kind);
	return 0;
}

int store_watch_next(struct store *store, int64_t after, int64_t *due)
{
	(void)store, (void)after, (void)due;
	return -ENOENT;
}

const char *store_error(const struct store *store)
{
	(void)store;
	return "";
}

int sd_event_add_time(sd_event *event, sd_event_source **source, clockid_t clock, uint64_t usec, uint64_t accuracy,
		      sd_event_time_handler_t handler, void *data)
{
	(void)event, (void)source, (void)clock, (void)usec, (void)accuracy, (void)handler, (void)data;
	return 0;
}

int sd_event_add_time_relative(sd_event *event, sd_event_source **source, clockid_t clock, uint64_t usec,
			       uint64_t accuracy, sd_event_time_handler_t handler, void *data)
{
	return sd_event_add_time(event, source, clock, usec, accuracy, handler, data);
}

sd_event_source *sd_event_source_disable_unref(sd_event_source *source)
{
	(void)source;
	return NULL;
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

/* ---- */

static int setup(void **state)
{
	(void)state;
	broker = (struct broker){ .settings.deleted_share = 50 };
	running = 0;
	silent = 0;
	told_count = 0;
	gone = 0;
	forgotten[0] = '\0';
	return alarm_open(&broker);
}

static int teardown(void **state)
{
	(void)state;
	alarm_close(&broker);
	return 0;
}

static void deletes(uint32_t uid, uint64_t files)
{
	const struct run run = { .kind = RUN_BACKUP, .deleted = files };

	alarm_changed(&broker, uid, &run, files);
}

static unsigned told_of(uint32_t uid, char event)
{
	unsigned count = 0;

	for (unsigned i = 0; i < told_count; i++)
		count += told[i].uid == uid && told[i].event == event;
	return count;
}

/* As many as are told of at once; then she waits for her minutes. */
static void alice_has_no_turn(void)
{
	for (unsigned i = 0; i < ALARM_BURST; i++) {
		deletes(UID(ALICE, 999), 1000);
		alarm_look(&broker);
	}
	assert_int_equal(told_of(UID(ALICE, 999), 'd'), ALARM_BURST);
	deletes(UID(ALICE, 0), 1000);
	alarm_look(&broker);
	assert_int_equal(told_of(UID(ALICE, 0), 'd'), 0); /* the control */
}

static void many_events_of_one_account_are_the_last_one(void **state)
{
	(void)state;
	alice_has_no_turn();
	for (unsigned i = 0; i < 100; i++)
		deletes(UID(ALICE, 0), 1000 + i);
	deletes(UID(BOB, 0), 1000);
	alarm_look(&broker);
	assert_int_equal(told_of(UID(BOB, 0), 'd'), 1);
	running += ALARM_AGAIN_SECONDS;
	alarm_look(&broker);
	assert_int_equal(told_of(UID(ALICE, 0), 'd'), 1);
	assert_int_equal(told[told_count - 1].number, 1099);
}

static void events_of_an_owners_many_accounts_make_way_for_their_own(void **state)
{
	unsigned hers = 0;

	(void)state;
	alice_has_no_turn();
	for (uint32_t i = 0; i < 2 * ALARM_CHANGES_MAX; i++)
		deletes(UID(ALICE, i), 1000);
	assert_int_equal(broker.alarms->events_count, ALARM_CHANGES_MAX);
	for (uint32_t i = 0; i < 2; i++)
		deletes(UID(BOB, i), 1000);
	alarm_look(&broker);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(told_of(UID(BOB, i), 'd'), 1);
	for (unsigned i = 0; i < 2 * ALARM_CHANGES_MAX; i++) {
		running += ALARM_AGAIN_SECONDS;
		alarm_look(&broker);
	}
	for (uint32_t i = 0; i < 2 * ALARM_CHANGES_MAX; i++)
		hers += told_of(UID(ALICE, i), 'd');
	assert_int_equal(hers, ALARM_CHANGES_MAX); /* two of bob's have taken nobody's place */
}

/* The client of one account deletes in every minute; that is all the turns that its owner has. */
static void events_do_not_put_off_what_is_silent(void **state)
{
	(void)state;
	alice_has_no_turn();
	for (unsigned minute = 0; minute < 60; minute++) {
		running += ALARM_AGAIN_SECONDS;
		deletes(UID(ALICE, 0), 1000);
		if (minute == 30)
			silent = UID(ALICE, 1);
		alarm_look(&broker);
		assert_int_equal(told_of(UID(ALICE, 1), 's'), minute >= 30);
	}
	assert_int_equal(told_of(UID(ALICE, 0), 'd'), 59); /* the control: every other minute was one of these */
}

static bool notice(uint32_t uid, const char *contact, enum alarm_kind kind, int64_t number)
{
	struct account account = { .uid = uid, .owner_uid = uid / 1000 };

	snprintf(account.owner, sizeof(account.owner), "o%u", account.owner_uid);
	snprintf(account.facts.contact, sizeof(account.facts.contact), "%s", contact);
	return alarm_notice(&broker, &account, kind, number, "detail");
}

static void what_soon_ends_is_one_event_of_an_owner_and_contact(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(notice(UID(ALICE, i % 500), "", ALARM_KEY_UNUSED, 100 + i));
	assert_true(notice(UID(ALICE, 1), "other@example.org", ALARM_KEY_UNUSED, 7));
	assert_true(notice(UID(ALICE, 2), "", ALARM_EXPIRES, 3));
	assert_true(notice(UID(BOB, 1), "", ALARM_KEY_UNUSED, 9));
	assert_int_equal(broker.alarms->events_count, 4);
	assert_int_equal(broker.alarms->events[0].others, 999);
	alarm_look(&broker);
	assert_int_equal(told_count, 4);
	assert_true(told[0].uid == UID(ALICE, 0) && told[0].number == 100);
}

/* 80 % and, before that was told, 95. */
static void a_newer_share_of_an_account_takes_the_place(void **state)
{
	(void)state;
	assert_true(notice(UID(ALICE, 1), "", ALARM_QUOTA, 81));
	assert_true(notice(UID(ALICE, 1), "", ALARM_QUOTA, 96));
	alarm_look(&broker);
	assert_int_equal(told_count, 1);
	assert_int_equal(told[0].number, 96);
}

static void an_owner_of_many_contacts_leaves_room(void **state)
{
	char contact[32];
	uint32_t kept = 0;

	(void)state;
	for (uint32_t i = 0; i < 2 * ALARM_TOGETHER_MAX; i++) {
		snprintf(contact, sizeof(contact), "c%u@example.org", i);
		kept += notice(UID(ALICE, i), contact, ALARM_EXPIRES, 1);
	}
	assert_int_equal(kept, ALARM_TOGETHER_MAX);
	assert_true(notice(UID(BOB, 1), "", ALARM_EXPIRES, 1));
	deletes(UID(BOB, 2), 1000);
	deletes(UID(ALICE, 2), 1000); /* her own deletions are another matter */
	assert_int_equal(broker.alarms->events_count, ALARM_TOGETHER_MAX + 3);
}

/* On the first day each of many owners has some: what was kept was written down as told, and is told. */
static void what_is_kept_is_told_however_many_owners_there_are(void **state)
{
	uint32_t kept = 0;

	(void)state;
	for (uint32_t owner = 1; owner <= 200; owner++)
		kept += notice(UID(owner, 1), "", ALARM_KEY_EXPIRES, 1) + notice(UID(owner, 1), "", ALARM_EXPIRES, 1);
	assert_int_equal(kept, 400);
	alarm_look(&broker);
	assert_int_equal(told_count, 400);
	for (uint32_t owner = 1; owner <= 200; owner++)
		assert_int_equal(told_of(UID(owner, 1), 'k') + told_of(UID(owner, 1), 'e'), 2);
}

/* One event stands for others, too; and what waits when the daemon ends is not known to the next one. */
static void what_is_not_told_is_found_again(void **state)
{
	(void)state;
	assert_true(notice(UID(3, 1), "", ALARM_KEY_EXPIRES, 1));
	assert_true(notice(UID(BOB, 1), "", ALARM_EXPIRES, 1));
	assert_true(notice(UID(BOB, 2), "", ALARM_EXPIRES, 1));
	gone = UID(BOB, 1);
	alarm_look(&broker);
	assert_int_equal(told_count, 1);
	assert_string_equal(forgotten, "o2:4 ");
	alice_has_no_turn();
	assert_true(notice(UID(ALICE, 1), "", ALARM_QUOTA, 95));
	alarm_look(&broker);
	assert_int_equal(told_of(UID(ALICE, 1), 'q'), 0);
	alarm_close(&broker);
	assert_string_equal(forgotten, "o2:4 o1:1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_events_of_one_account_are_the_last_one, setup, teardown),
		cmocka_unit_test_setup_teardown(events_of_an_owners_many_accounts_make_way_for_their_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(events_do_not_put_off_what_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(what_soon_ends_is_one_event_of_an_owner_and_contact, setup, teardown),
		cmocka_unit_test_setup_teardown(a_newer_share_of_an_account_takes_the_place, setup, teardown),
		cmocka_unit_test_setup_teardown(an_owner_of_many_contacts_leaves_room, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_kept_is_told_however_many_owners_there_are, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_told_is_found_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
