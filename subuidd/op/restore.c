/* SPDX-License-Identifier: ISC */
/*
 * Takes a removal back, within the grace period: an account with the same uid, data, keys, ranges, settings and runs.
 * It is a change of one row (change.h), which takes up what was set aside, so that a crash on the way leaves the
 * account removed or whole. And the list of the accounts that were removed. Run by the broker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "subuidd/call/account_view.h"
#include "subuidd/call/known_time.h"
#include "subuidd/change/change.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/op/repair.h"

/* As what deletes it decides (life/sweep.c). */
static bool is_due(const struct broker *broker, const struct removed *row)
{
	const struct due due = known_time_due((int64_t)time(NULL), known_time_now(broker), known_time_running(broker),
					      broker->settings.grace_days);

	return !row->keep && (row->when == 0 || (row->when < due.before && row->known < due.known_before));
}

/* ---- restore ---- */

/* Those of this name that were this owner's, as far as they have the uid that was asked for. */
struct search {
	struct removed row; /* the last one */
	uint32_t owner_uid;
	unsigned count;
	char uids[64];
};

static int search_row(struct call *call, const struct removed *row, struct search *search)
{
	const struct request_restore *asked = &call->request.restore;
	size_t used = strlen(search->uids);
	uint32_t owner_uid = 0;
	int r;

	if (strcmp(row->label, asked->name.label) != 0 || (asked->uid != 0 && asked->uid != row->uid))
		return 0;
	r = removal_owner(call->store, row->uid, &owner_uid);
	if (r == -ENOENT || (r == 0 && !call->caller.admin && owner_uid != call->caller.uid))
		return 0;
	search->row = *row;
	search->owner_uid = owner_uid;
	search->count++;
	snprintf(search->uids + used, sizeof(search->uids) - used, "%s%u", used > 0 ? ", " : "", row->uid);
	return r;
}

static int search_all(struct call *call, struct search *search)
{
	struct removed rows[16];
	uint32_t after = 0;
	int n, r = 0;

	while ((n = store_removed_listed(call->store, call->owner.name, after, rows, 16)) > 0 && r == 0) {
		for (int i = 0; i < n && r == 0; i++)
			r = search_row(call, &rows[i], search);
		after = rows[n - 1].uid;
	}
	return n < 0 ? n : r;
}

static enum failure not_one(struct call *call, const struct search *search)
{
	const struct request_name *name = &call->request.restore.name;
	struct account account;
	char why[FAILURE_TEXT_MAX + 1];

	if (search->count > 1) {
		snprintf(why, sizeof(why), "%u accounts of this name were removed, with the uids %s", search->count,
			 search->uids);
		return call_fail(call, FAILURE_CONFLICT, NULL, why, "say which: --uid UID");
	}
	if (store_account_get(call->store, call->owner.name, name->label, &account) < 0)
		return call_fail(
			call, FAILURE_NOT_FOUND, NULL,
			"no removed account of this name can be taken back: there was none, or its time is over",
			"see subuid list --removed");
	if (account.state == ACCOUNT_ACTIVE)
		return call_fail(call, FAILURE_EXISTS, NULL, "it is not removed", "see subuid list --removed");
	return call_fail(call, FAILURE_BUSY, NULL, "a change of it is under way", "try again");
}

static void day_of(int64_t when, char out[DATE_TEXT_MAX + 1])
{
	date_format(when / SECONDS_PER_DAY, out);
}

static enum failure in_time(struct call *call, const struct removed *row)
{
	char day[DATE_TEXT_MAX + 1] = "", why[FAILURE_TEXT_MAX + 1];

	if (row->when == 0)
		return call_fail(call, FAILURE_CONFLICT, NULL, "it was removed with its files, which are being deleted",
				 "make a new one: subuid add");
	if (purge_under_way(call->broker, row->uid) || is_due(call->broker, row)) {
		day_of(removal_until(call->broker, row), day);
		snprintf(why, sizeof(why), "the time to take it back ended on %s, and its files are being deleted",
			 day);
		return call_fail(call, FAILURE_CONFLICT, NULL, why, "make a new one: subuid add");
	}
	return FAILURE_NONE;
}

static enum failure search_kept(struct call *call, struct search *search, struct account *kept)
{
	char why[FAILURE_TEXT_MAX + 1], todo[FAILURE_TEXT_MAX + 1];
	int r = search_all(call, search);
	enum failure failure;

	if (r < 0)
		return call_fail_store(call, r);
	if (search->count != 1)
		return not_one(call, search);
	if (search->owner_uid != call->owner.uid) {
		snprintf(why, sizeof(why), "made for uid %u, and %s is uid %u now", search->owner_uid, call->owner.name,
			 (unsigned)call->owner.uid);
		snprintf(todo, sizeof(todo), "if it is the same person (root): subuid owner %s %s", call->owner.name,
			 call->owner.name);
		return call_fail(call, FAILURE_CONFLICT, NULL, why, todo);
	}
	failure = in_time(call, &search->row);
	if (failure != FAILURE_NONE)
		return failure;
	r = store_kept_account(call->store, search->row.uid, kept);
	if (r == 0)
		return FAILURE_NONE;
	if (r != -ENOENT)
		return call_fail_store(call, r);
	snprintf(todo, sizeof(todo), "root can bring its data back: subuid import, with uid %u", search->row.uid);
	return call_fail(call, FAILURE_CONFLICT, NULL,
			 "it was removed by an older version of subuidd, which did not keep its keys and settings",
			 todo);
}

static enum failure restore_answer(struct call *call)
{
	enum failure failure = change_failed(call);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = account_view_fill(call, &call->account, &call->answer.account);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

enum failure op_account_restore(struct call *call)
{
	const struct request_restore *asked = &call->request.restore;
	struct search search = { .count = 0 };
	struct change_row *row;
	struct account kept;
	enum failure failure = search_kept(call, &search, &kept);

	if (failure != FAILURE_NONE)
		return failure;
	if (repair_touches(call->broker, call->target) || call_busy(call->broker, kept.uid, call))
		return call_fail(call, FAILURE_BUSY, NULL, "another change of it is under way", "try again");
	if (change_open(call, 1, restore_answer) < 0)
		return call_fail_system(call, "the account", -ENOMEM);
	row = change_add(call, IMPORT_ACCOUNT, asked->as[0] != '\0' ? asked->as : asked->name.label);
	row->rules = ROW_RESTORE | ROW_VIEW;
	row->request.uid = kept.uid;
	row->request.created = kept.created;
	row->request.account_flags = kept.flags & (ACCOUNT_LOCKED | ACCOUNT_FROZEN);
	row->request.facts = kept.facts;
	row->request.set = (1u << FACTS) - 1;
	return change_run(call);
}

/* ---- the list ---- */

static int removed_view(struct call *call, const struct removed *row, struct removed_view *view)
{
	struct account kept;
	int r = store_kept_account(call->store, row->uid, &kept);

	view->uid = row->uid;
	view->removed = row->when;
	view->until = removal_until(call->broker, row);
	view->restorable = r == 0 && !is_due(call->broker, row) && !purge_under_way(call->broker, row->uid);
	memcpy(view->owner, row->owner, sizeof(view->owner));
	memcpy(view->label, row->label, sizeof(view->label));
	if (name_join(row->owner, call->broker->settings.separator, row->label, view->name) < 0)
		return -EUCLEAN;
	return r == -ENOENT ? 0 : r;
}

static int list_row(struct call *call, const struct removed *row)
{
	struct answer answer;
	uint32_t owner_uid = 0;
	int r = call->caller.admin ? 0 : removal_owner(call->store, row->uid, &owner_uid);

	if (r < 0 || (!call->caller.admin && owner_uid != call->caller.uid))
		return r == -ENOENT ? 0 : r;
	memset(&answer, 0, sizeof(answer));
	r = removed_view(call, row, &answer.removed);
	if (r == 0)
		call_row(call, &answer);
	return r;
}

enum failure op_removed_list(struct call *call)
{
	const struct request_list *list = &call->request.list;
	struct removed rows[WIRE_BATCH];
	int n, r = 0;

	if (list->cursor > UINT32_MAX)
		return call_fail(call, FAILURE_INVALID, "cursor", "not one of this list", "");
	n = store_removed_listed(call->store, list->all ? NULL : call->owner.name, (uint32_t)list->cursor, rows,
				 WIRE_BATCH);
	for (int i = 0; i < n && r == 0; i++) {
		call->answer.cursor = rows[i].uid;
		r = list_row(call, &rows[i]);
	}
	call->answer.more = n == WIRE_BATCH;
	return n < 0 || r < 0 ? call_fail_store(call, n < 0 ? n : r) : FAILURE_NONE;
}
