/* SPDX-License-Identifier: ISC */
/*
 * Data of removed accounts: data that should be gone, since somebody counts on it, and data that is gone and should
 * be there. Run by the broker. The cursor is 0 for data that is due, for which only the store is asked; then it is
 * the uid behind which the rows go on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/call/known_time.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/op/check_step.h"
#include "store/state.h"

#define DAY 86400
#define DATE 12 /* room for one */

/* When it became due; purged at once: when it was removed, of which its id tells. */
static int64_t due_since(struct broker *broker, const struct removed *row)
{
	struct id_range holder;
	enum id_kind kind;

	if (row->when != 0)
		return row->when + (int64_t)broker->settings.grace_days * DAY;
	return store_id_holder(broker->store, row->uid, row->uid, &holder, &kind) == 0 ? holder.created : 0;
}

/* The former holder, and the day. */
static void describe(const struct broker *broker, const struct removed *row, int64_t when,
		     char name[ACCOUNT_NAME_MAX + 1], char date[DATE])
{
	struct tm tm;

	date[0] = '\0';
	if (name_join(row->owner, broker->settings.separator, row->label, name) < 0)
		snprintf(name, ACCOUNT_NAME_MAX + 1, "uid %u", row->uid);
	if (gmtime_r(&when, &tm) != NULL)
		strftime(date, DATE, "%Y-%m-%d", &tm);
}

static void tell_overdue(struct call *call, const struct removed *row, int64_t since, struct check_result *result)
{
	struct broker *broker = call->broker;
	char name[ACCOUNT_NAME_MAX + 1], fault[FAILURE_TEXT_MAX + 1], date[DATE];

	describe(broker, row, since, name, date);
	snprintf(fault, sizeof(fault),
		 "its data should be deleted since %s, and is still there (pending): %.60s/.removed/%u%s%.100s", date,
		 broker->settings.homes, row->uid, row->why[0] != '\0' ? ": " : "", row->why);
	check_add(result, name, fault,
		  row->why[0] != '\0' ? "take away what is in the way; subuidd tries again every hour" :
					"see the log of subuidd for what is in the way; subuidd tries again every hour")
		->uid = row->uid;
}

static enum failure step_overdue(struct call *call)
{
	struct broker *broker = call->broker;
	struct removed rows[CHECK_FEW];
	struct check_result result = { 0 };
	int64_t now = time(NULL), grace = DAY + (int64_t)broker->settings.grace_days * DAY;
	int n = store_removed_due(broker->store, now - grace, known_time_now(broker) - grace, NULL, rows, CHECK_FEW);

	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		int64_t since = due_since(broker, &rows[i]);

		call->answer.checked++;
		/* data that somebody was told is gone is reported at once, unless it is being deleted at this
		 * moment */
		if (now - since > DAY ||
		    (rows[i].when == 0 && (rows[i].why[0] != '\0' || !purge_under_way(broker, rows[i].uid))))
			tell_overdue(call, &rows[i], since, &result);
	}
	check_send(call, &result);
	check_step_at(call, STEP_REMOVED, 1);
	return FAILURE_NONE;
}

static void tell_lost(struct call *call, const struct removed *row, struct check_result *result)
{
	struct broker *broker = call->broker;
	char name[ACCOUNT_NAME_MAX + 1], fault[FAILURE_TEXT_MAX + 1], date[DATE];
	struct finding *finding;

	describe(broker, row, row->when, name, date);
	snprintf(fault, sizeof(fault),
		 "its data was set aside when it was removed (%s), and is gone: %.60s/.removed/%u", date,
		 broker->settings.homes, row->uid);
	finding = check_add(result, name, fault,
			    "put it back from a backup; or subuid check --repair forgets it, when it is told so");
	finding->repair = REPAIR_FORGET;
	finding->place = PLACE_REMOVED;
	finding->uid = row->uid;
}

/* Older versions kept no rows: one that was removed after another whose rows are there had some, too. Data that was
 * found and set aside has none. */
static void tell_rows(struct call *call, const struct removed *row, struct check_result *result)
{
	char name[ACCOUNT_NAME_MAX + 1], todo[FAILURE_TEXT_MAX + 1], date[DATE];
	struct account kept;
	int r = store_kept_account(call->store, row->uid, &kept);

	if (r == 0 || row->when == 0 || (row->keep && row->known == 0) ||
	    (r == -ENOENT && store_kept_before(call->store, row->when) != 1))
		return;
	describe(call->broker, row, row->when, name, date);
	snprintf(todo, sizeof(todo), "root can bring its data back: subuid import, with uid %u", row->uid);
	check_add(result, name, "it cannot be restored: its keys and settings, which were kept, are gone", todo)->uid =
		row->uid;
}

/* Data that is to be deleted at once is meant to go, and so is data that is being deleted now. */
static void look(struct call *call, const struct removed *row, struct check_result *result)
{
	struct broker *broker = call->broker;
	char name[ACCOUNT_NAME_MAX + 1], date[DATE];
	int r;

	if ((row->when == 0 && row->keep == 0) || purge_under_way(broker, row->uid) ||
	    call_busy(broker, row->uid, call))
		return;
	tell_rows(call, row, result);
	r = home_aside_look(&broker->homes, row->uid);
	if (r == -ENOENT) {
		tell_lost(call, row, result);
	} else if (r < 0) {
		describe(broker, row, row->when, name, date);
		check_add_error(result, name, "its data that was set aside cannot be looked at", r);
	}
}

static enum failure step_lost(struct call *call, uint32_t after)
{
	struct removed rows[CHECK_FEW];
	struct check_result result = { 0 };
	int n = store_removed_list(call->store, after, rows, CHECK_FEW);

	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++)
		look(call, &rows[i], &result);
	call->answer.checked = (uint64_t)n;
	check_send(call, &result);
	if (n == 0)
		check_step_after(call, STEP_REMOVED);
	else
		check_step_at(call, STEP_REMOVED, rows[n - 1].uid);
	return FAILURE_NONE;
}

enum failure check_step_removed(struct call *call, uint32_t at)
{
	return at == 0 ? step_overdue(call) : step_lost(call, at);
}
