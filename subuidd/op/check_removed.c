/* SPDX-License-Identifier: ISC */
/* Data of removed accounts that should be gone: somebody counts on it. Run by the broker; only the store is asked. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/known_time.h"
#include "subuidd/lifecycle.h"
#include "subuidd/op/check_step.h"

#define DAY 86400

/* When it became due; purged at once: when it was removed, of which its id tells. */
static int64_t due_since(struct broker *broker, const struct removed *row)
{
	struct id_range holder;
	enum id_kind kind;

	if (row->when != 0)
		return row->when + (int64_t)broker->settings.grace_days * DAY;
	return store_id_holder(broker->store, row->uid, row->uid, &holder, &kind) == 0 ? holder.created : 0;
}

static void tell_overdue(struct call *call, const struct removed *row, int64_t since, struct check_result *result)
{
	struct broker *broker = call->broker;
	char name[ACCOUNT_NAME_MAX + 1], fault[FAILURE_TEXT_MAX + 1], date[32] = "";
	struct tm tm;

	if (name_join(row->owner, broker->settings.separator, row->label, name) < 0)
		snprintf(name, sizeof(name), "uid %u", row->uid);
	if (gmtime_r(&since, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	snprintf(fault, sizeof(fault), "its data should be deleted since %s, and is still there (pending): %.60s/.removed/%u%s%.100s",
		 date, broker->settings.homes, row->uid, row->why[0] != '\0' ? ": " : "", row->why);
	check_add(result, name, fault,
		  row->why[0] != '\0' ? "take away what is in the way; subuidd tries again every hour" :
					"see the log of subuidd for what is in the way; subuidd tries again every hour")
		->uid = row->uid;
}

enum failure check_step_removed(struct call *call, uint32_t at)
{
	struct broker *broker = call->broker;
	struct removed rows[CHECK_BATCH];
	struct check_result result = { 0 };
	int64_t now = time(NULL), before = now - DAY - (int64_t)broker->settings.grace_days * DAY;
	int n = store_removed_due(broker->store, before, known_time_now(broker) - DAY - (int64_t)broker->settings.grace_days * DAY,
				  NULL, rows, CHECK_BATCH);

	(void)at;
	if (n < 0)
		return call_fail_store(call, n);
	for (int i = 0; i < n; i++) {
		int64_t since = due_since(broker, &rows[i]);

		call->answer.checked++;
		/* what somebody was told of is named at once, unless it goes at this moment */
		if (now - since > DAY ||
		    (rows[i].when == 0 && (rows[i].why[0] != '\0' || !purge_under_way(broker, rows[i].uid))))
			tell_overdue(call, &rows[i], since, &result);
	}
	check_send(call, &result);
	check_step_after(call, STEP_REMOVED);
	return FAILURE_NONE;
}
