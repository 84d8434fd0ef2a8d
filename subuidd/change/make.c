/* SPDX-License-Identifier: ISC */
/* The accounts of a batch whose intents are committed: homes, links, active. Each fails and is undone alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "subuidd/base/child.h"
#include "subuidd/change/change.h"
#include "subuidd/change/unmake.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/meter.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"

#define UNFINISHED_SECONDS 30u

/* Of the audit trail and the log. */
static const char *made_as(const struct change_row *row)
{
	return row->rules & ROW_RESTORE ? "account.restore" : "account.add";
}

/* What was kept of it while it was removed is not needed any more. */
static int active_one(struct call *call, const struct change_row *row)
{
	int r;

	row_take(call, row);
	call->account = lifecycle_active(&row->account);
	r = store_account_update(call->store, &call->account);
	if (r == 0 && (row->account.flags & ACCOUNT_ASIDE_THERE) != 0)
		r = store_kept_delete(call->store, row->account.uid);
	return r < 0 ? r : audit_write(call, made_as(row), NULL);
}

/* Those that did not fail, in one durable transaction. */
static int active_set(struct call *call)
{
	struct change *change = call->change;
	struct store *store = call->store;
	int r = store_begin(store);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < change->fresh_count; i++) {
		struct change_row *row = change->fresh[i];

		if (row->outcome == IMPORT_MADE)
			r = active_one(call, row);
	}
	if (r == 0)
		r = store_commit(store);
	else
		store_rollback(store);
	for (size_t i = 0; r == 0 && i < change->fresh_count; i++)
		if (change->fresh[i]->outcome == IMPORT_MADE)
			change->fresh[i]->account = lifecycle_active(&change->fresh[i]->account);
	return r;
}

/* ---- active ---- */

static void rows_activate(struct call *call)
{
	struct change *change = call->change;
	int r = active_set(call);

	if (r < 0) { /* recovery undoes them */
		call->broker->unfinished = true;
		maintain_in(call->broker, UNFINISHED_SECONDS);
	}
	for (size_t i = 0; i < change->fresh_count; i++) {
		struct change_row *row = change->fresh[i];
		int published = 0;

		if (row->outcome != IMPORT_MADE)
			continue;
		row_take(call, row);
		if (r < 0) {
			row_fail(call, row, call_fail_store(call, r));
			continue;
		}
		audit_log(call, made_as(row), NULL);
		published = publish_account_whole(call->broker->publication, &row->account);
		if (published < 0)
			row_fail(call, row, call_published(call, "it is made", published));
	}
}

/* ---- links ---- */

static void links_judge(struct call *call)
{
	struct change *change = call->change;

	for (size_t i = 0; i < change->fresh_count; i++) {
		struct change_row *row = change->fresh[i];
		enum link_result result = (enum link_result)row->link;

		if (row->outcome != IMPORT_MADE)
			continue;
		if (result != LINK_OK) {
			row_take(call, row);
			row_undo(call, row, lifecycle_link_refused(call, result));
		} else if (row->view < 0) {
			row_undo_errno(call, row, "the owner's view cannot be made", row->view);
		} else if (change->synced < 0) {
			row_undo_errno(call, row, "its home cannot be written", change->synced);
		}
	}
}

/* It is there for nothing, or the child may have made it and not come to say so. */
static bool link_unwanted(const struct change *change, const struct change_row *row)
{
	return row->fresh && row->outcome == IMPORT_MADE &&
	       (change->synced < 0 || row->view < 0 || row->link == LINK_TIMEOUT || row->link == LINK_FAILED);
}

static void links_removed(void *data, int status);

static void group_remove(struct call *call, const struct change_group *group)
{
	struct change *change = call->change;
	const struct account *accounts[WIRE_IMPORT_BATCH];
	size_t count = 0;
	int pidfd = -1, r;
	pid_t pid = -1;

	for (size_t i = group->at; group->going && i < group->at + group->count; i++)
		if (link_unwanted(change, change->slots[i]))
			accounts[count++] = &change->slots[i]->account;
	if (count == 0)
		return;
	r = link_remove_many(&call->broker->homes, &change->slots[group->at]->owner, accounts, count,
			     change->links->removed + group->at, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(call->broker->event, pidfd, LINK_SECONDS, links_removed, call);
	if (r >= 0)
		change->children++;
}

/* True: children were started, to take back what may have been made. */
static bool links_take_back(struct call *call)
{
	for (size_t i = 0; i < call->change->groups_count; i++)
		group_remove(call, &call->change->groups[i]);
	return call->change->children > 0;
}

/* Where they are on one file system with the links, these have taken them along. */
static void homes_sync(struct call *call)
{
	struct change *change = call->change;
	const struct account *accounts[WIRE_IMPORT_BATCH];

	for (size_t i = 0; i < change->fresh_count; i++)
		accounts[i] = &change->fresh[i]->account;
	change->synced = home_sync(&call->broker->homes, accounts, change->fresh_count);
}

static void links_end(struct call *call)
{
	links_judge(call);
	rows_activate(call);
	change_end(call);
}

static void links_removed(void *data, int status)
{
	struct call *call = data;

	(void)status;
	if (--call->change->children == 0)
		links_end(call);
}

/* All children have said what came of it, or ended. */
static void links_made(struct call *call)
{
	homes_sync(call);
	if (!links_take_back(call))
		links_end(call);
}

static void group_results(struct change *change, const struct change_group *group)
{
	for (size_t i = group->at; i < group->at + group->count; i++) {
		unsigned char result = change->links->results[i];

		change->slots[i]->link = result <= LINK_TIMEOUT ? result : LINK_TIMEOUT;
	}
}

void change_links_made(void *data, int status)
{
	struct change_group *group = data;
	struct call *call = group->call;

	group->child = NULL;
	if (!group->going) { /* it has ended while it waited: before the transaction, nothing is made of these */
		group->lost = LINK_FAILED;
		for (size_t i = group->at; i < group->at + group->count; i++)
			call->change->slots[i]->look = LINK_FAILED;
		return;
	}
	(void)status; /* the outcome of each is in the shared memory */
	group_results(call->change, group);
	if (--call->change->children == 0)
		links_made(call);
}

/* Says which of its accounts are wanted, and the word; or lets it end. */
static void group_go(struct call *call, struct change_group *group)
{
	struct change *change = call->change;
	bool wanted = false;

	for (size_t i = group->at; i < group->at + group->count; i++) {
		struct change_row *row = change->slots[i];

		if (!row->fresh || row->outcome != IMPORT_MADE)
			continue;
		wanted = true;
		row->link = LINK_FAILED;
		change->links->results[i] = LINK_WANTED;
	}
	if (!wanted || group->child == NULL)
		return; /* those that are not wanted end with the import */
	group->going = true;
	change->children++;
	child_go(group->child);
}

/* ---- views ---- */

/* As many as are mounted at the start, the rest on demand. */
static bool view_wanted(const struct broker *broker, const struct change_row *row)
{
	return (row->rules & ROW_VIEW) != 0 || !broker->homes.views || !broker->views_on_demand;
}

/* The owners' views, which are no matter of the disk, while the children wait for it; nobody has been told of the
 * accounts yet. ACLs are always made. */
static void views_make(struct call *call)
{
	struct broker *broker = call->broker;
	uint32_t accounts = 0;

	if ((call->change->fresh[0]->rules & ROW_VIEW) == 0 &&
	    store_account_count(broker->store, NULL, &accounts) == 0 && accounts > broker->settings.views_at_start)
		broker->views_on_demand = true;
	for (size_t i = 0; i < call->change->fresh_count; i++) {
		struct change_row *row = call->change->fresh[i];

		if (row->outcome == IMPORT_MADE && view_wanted(broker, row))
			row->view = home_view_open(&broker->homes, &row->account, row->owner.gid);
	}
}

static enum failure links_make(struct call *call)
{
	struct change *change = call->change;

	for (size_t i = 0; i < change->groups_count; i++)
		group_go(call, &change->groups[i]);
	views_make(call);
	/* from now on: on a busy host the views of many take as long as a home that hangs */
	for (size_t i = 0; i < change->groups_count; i++)
		if (change->groups[i].going)
			child_await(change->groups[i].child, LINK_SECONDS, change_links_made);
	if (change->children > 0)
		return CALL_PENDING;
	links_judge(call);
	rows_activate(call);
	return FAILURE_NONE;
}

/* ---- homes ---- */

static void quota_set(struct call *call, struct change_row *row)
{
	struct home_kept kept;
	int r = row->account.facts.quota != 0 || row->account.facts.files > 0 ?
			home_quota_set(&call->broker->homes, &row->account, &kept) :
			0;

	if (r < 0)
		row_unmake(call, row, "its quota cannot be set", r);
	else
		meter_want(call->broker, row->account.uid);
}

static void homes_make(struct call *call)
{
	struct change *change = call->change;
	const struct account *accounts[WIRE_IMPORT_BATCH];
	int results[WIRE_IMPORT_BATCH], r;

	for (size_t i = 0; i < change->fresh_count; i++)
		accounts[i] = &change->fresh[i]->account;
	r = home_make_many(&call->broker->homes, accounts, change->fresh_count, results);
	for (size_t i = 0; i < change->fresh_count; i++) {
		struct change_row *row = change->fresh[i];

		if (r == 0 && results[i] == -EEXIST) /* it came in between: nothing that an undo may touch */
			row->account.flags |= ACCOUNT_HOME_THERE;
		if (r < 0 || results[i] < 0)
			row_unmake(call, row, "its home cannot be made", r < 0 ? r : results[i]);
		else
			quota_set(call, row);
	}
}

static int by_owner(const void *a, const void *b)
{
	const struct change_row *x = *(const struct change_row *const *)a, *y = *(const struct change_row *const *)b;
	int order = strcmp(x->account.owner, y->account.owner);

	return order != 0 ? order : (x->account.uid > y->account.uid) - (x->account.uid < y->account.uid);
}

/* Only what is still wanted is in fresh[] from here on. */
static void fresh_collect(struct change *change)
{
	change->fresh_count = 0;
	for (size_t i = 0; i < change->count; i++)
		if (change->rows[i].fresh && change->rows[i].outcome == IMPORT_MADE)
			change->fresh[change->fresh_count++] = &change->rows[i];
	qsort(change->fresh, change->fresh_count, sizeof(struct change_row *), by_owner);
}

/* A full batch is followed by another one, as a rule: its accounts will get the ids behind those of this one. */
static void next_probe(struct call *call)
{
	const struct change *change = call->change;
	uint32_t last = 0;

	for (size_t i = 0; i < change->fresh_count; i++)
		if (change->fresh[i]->account.uid > last)
			last = change->fresh[i]->account.uid;
	if (change->count == WIRE_IMPORT_BATCH)
		host_probe_ahead(&call->broker->host, call->broker->event, last + 1, (uint32_t)change->fresh_count);
}

enum failure change_make(struct call *call)
{
	struct change *change = call->change;

	fresh_collect(change);
	if (change->fresh_count == 0)
		return FAILURE_NONE;
	next_probe(call);
	homes_make(call);
	fresh_collect(change);
	return change->fresh_count > 0 ? links_make(call) : FAILURE_NONE;
}
