/* SPDX-License-Identifier: ISC */
/* The accounts of a batch whose intents are committed: homes, links, active. Each fails and is undone alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "subuidd/base/child.h"
#include "subuidd/op/import.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/meter.h"
#include "subuidd/base/log.h"
#include "subuidd/publish/publish.h"

#define UNFINISHED_SECONDS 30u

/* Parts that were to be made for an account that does not exist after all. */
static void dependents_fail(struct import *import, const struct import_row *gone)
{
	for (size_t i = 0; i < import->count; i++) {
		struct import_row *row = &import->rows[i];

		if (row != gone && row->account.uid == gone->account.uid && row->outcome == IMPORT_MADE) {
			row->outcome = IMPORT_FAILED;
			failure_set(&row->failure, FAILURE_FAILED, row->target, "its account could not be made", "");
		}
	}
}

/* The text is in call->answer.failure. */
static void row_fail(struct call *call, struct import_row *row, enum failure failure)
{
	row->outcome = IMPORT_FAILED;
	row->failure = call->answer.failure;
	row->failure.failure = failure;
	dependents_fail(call->import, row);
}

static void row_undo(struct call *call, struct import_row *row, enum failure failure)
{
	row_fail(call, row, failure);
	lifecycle_undo(call, failure);
}

static void row_undo_errno(struct call *call, struct import_row *row, const char *doing, int error)
{
	import_row_take(call, row);
	row_undo(call, row, call_fail_system(call, doing, error));
}

/* Those that did not fail, in one durable transaction. */
static int active_set(struct call *call, const char *action)
{
	struct import *import = call->import;
	struct store *store = call->broker->store;
	int r = store_begin(store);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < import->fresh_count; i++) {
		struct import_row *row = import->fresh[i];

		if (row->outcome != IMPORT_MADE)
			continue;
		import_row_take(call, row);
		call->account = lifecycle_active(&row->account);
		r = store_account_update(store, &call->account);
		if (r == 0)
			r = audit_write(call, action, NULL);
	}
	if (r == 0)
		r = store_commit(store);
	else
		store_rollback(store);
	for (size_t i = 0; r == 0 && i < import->fresh_count; i++)
		if (import->fresh[i]->outcome == IMPORT_MADE)
			import->fresh[i]->account = lifecycle_active(&import->fresh[i]->account);
	return r;
}

/* ---- active ---- */

static void rows_activate(struct call *call)
{
	static const char action[] = "account.add";
	struct import *import = call->import;
	int r = active_set(call, action);

	if (r < 0) { /* recovery undoes them */
		call->broker->unfinished = true;
		maintain_in(call->broker, UNFINISHED_SECONDS);
	}
	for (size_t i = 0; i < import->fresh_count; i++) {
		struct import_row *row = import->fresh[i];
		int published = 0;

		if (row->outcome != IMPORT_MADE)
			continue;
		import_row_take(call, row);
		if (r < 0) {
			row_fail(call, row, call_fail_store(call, r));
			continue;
		}
		audit_log(call, action, NULL);
		published = publish_account_whole(call->broker->publication, &row->account);
		if (published < 0)
			row_fail(call, row, call_fail_system(call, "it is made, but the index cannot be written",
							     published));
	}
}

/* ---- links ---- */

static void links_judge(struct call *call)
{
	struct import *import = call->import;

	for (size_t i = 0; i < import->fresh_count; i++) {
		struct import_row *row = import->fresh[i];
		enum link_result result = (enum link_result)row->link;

		if (row->outcome != IMPORT_MADE || (result == LINK_OK && import->synced == 0))
			continue;
		if (result == LINK_OK) {
			row_undo_errno(call, row, "its home cannot be written", import->synced);
			continue;
		}
		import_row_take(call, row);
		row_undo(call, row, lifecycle_link_refused(call, result));
	}
}

/* It is there for nothing, or the child may have made it and not come to say so. */
static bool link_unwanted(const struct import *import, const struct import_row *row)
{
	return row->fresh && row->outcome == IMPORT_MADE &&
	       (import->synced < 0 || row->link == LINK_TIMEOUT || row->link == LINK_FAILED);
}

static void links_removed(void *data, int status);

static void group_remove(struct call *call, const struct import_group *group)
{
	struct import *import = call->import;
	const struct account *accounts[WIRE_IMPORT_BATCH];
	size_t count = 0;
	int pidfd = -1, r;
	pid_t pid = -1;

	for (size_t i = group->at; group->going && i < group->at + group->count; i++)
		if (link_unwanted(import, import->slots[i]))
			accounts[count++] = &import->slots[i]->account;
	if (count == 0)
		return;
	r = link_remove_many(&call->broker->homes, &import->slots[group->at]->owner, accounts, count,
			     import->shared->removed + group->at, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(call->broker->event, pidfd, LINK_SECONDS, links_removed, call);
	if (r >= 0)
		import->children++;
}

/* True: children were started, to take back what may have been made. */
static bool links_take_back(struct call *call)
{
	for (size_t i = 0; i < call->import->groups_count; i++)
		group_remove(call, &call->import->groups[i]);
	return call->import->children > 0;
}

/* Where they are on one file system with the links, these have taken them along. */
static void homes_sync(struct call *call)
{
	struct import *import = call->import;
	const struct account *accounts[WIRE_IMPORT_BATCH];

	for (size_t i = 0; i < import->fresh_count; i++)
		accounts[i] = &import->fresh[i]->account;
	import->synced = home_sync(&call->broker->homes, accounts, import->fresh_count);
}

static void links_end(struct call *call)
{
	links_judge(call);
	rows_activate(call);
	import_end(call);
}

static void links_removed(void *data, int status)
{
	struct call *call = data;

	(void)status;
	if (--call->import->children == 0)
		links_end(call);
}

/* All children have said what came of it, or ended. */
static void links_made(struct call *call)
{
	homes_sync(call);
	if (!links_take_back(call))
		links_end(call);
}

static void group_results(struct import *import, const struct import_group *group)
{
	for (size_t i = group->at; i < group->at + group->count; i++) {
		unsigned char result = import->shared->results[i];

		import->slots[i]->link = result <= LINK_TIMEOUT ? result : LINK_TIMEOUT;
	}
}

void import_links_made(void *data, int status)
{
	struct import_group *group = data;
	struct call *call = group->call;

	group->child = NULL;
	if (!group->going) { /* it has ended while it waited */
		group->lost = LINK_FAILED;
		return;
	}
	(void)status; /* the outcome of each is in the shared memory */
	group_results(call->import, group);
	if (--call->import->children == 0)
		links_made(call);
}

/* Says which of its accounts are wanted, and the word; or lets it end. */
static void group_go(struct call *call, struct import_group *group)
{
	struct import *import = call->import;
	bool wanted = false;

	for (size_t i = group->at; i < group->at + group->count; i++) {
		struct import_row *row = import->slots[i];

		if (!row->fresh || row->outcome != IMPORT_MADE)
			continue;
		wanted = true;
		row->link = LINK_FAILED;
		import->shared->results[i] = LINK_WANTED;
	}
	if (!wanted || group->child == NULL)
		return; /* those that are not wanted end with the import */
	group->going = true;
	import->children++;
	child_await(group->child, LINK_SECONDS, import_links_made);
	child_go(group->child);
}

static enum failure links_make(struct call *call)
{
	struct import *import = call->import;

	for (size_t i = 0; i < import->groups_count; i++)
		group_go(call, &import->groups[i]);
	if (import->children > 0)
		return CALL_PENDING;
	links_judge(call);
	rows_activate(call);
	return FAILURE_NONE;
}

/* ---- homes ---- */

/* The owners' views: as many as are mounted at the start, the rest on demand. ACLs are always made. */
static void views_make(struct call *call)
{
	struct broker *broker = call->broker;
	uint32_t accounts = 0;

	if (store_account_count(broker->store, NULL, &accounts) == 0 && accounts > broker->settings.views_at_start)
		broker->views_on_demand = true;
	if (broker->homes.views && broker->views_on_demand)
		return;
	for (size_t i = 0; i < call->import->fresh_count; i++) {
		struct import_row *row = call->import->fresh[i];
		int r = row->outcome != IMPORT_MADE ? 0 : home_view_open(&broker->homes, &row->account, row->owner.gid);

		if (r < 0)
			row_undo_errno(call, row, "the owner's view cannot be made", r);
	}
}

static void quota_set(struct call *call, struct import_row *row)
{
	struct home_kept kept;
	int r = row->account.facts.quota != 0 || row->account.facts.files > 0 ?
			home_quota_set(&call->broker->homes, &row->account, &kept) : 0;

	if (r < 0)
		row_undo_errno(call, row, "its quota cannot be set", r);
	else
		meter_want(call->broker, row->account.uid);
}

static void homes_make(struct call *call)
{
	struct import *import = call->import;
	const struct account *accounts[WIRE_IMPORT_BATCH];
	int results[WIRE_IMPORT_BATCH], r;

	for (size_t i = 0; i < import->fresh_count; i++)
		accounts[i] = &import->fresh[i]->account;
	r = home_make_many(&call->broker->homes, accounts, import->fresh_count, results);
	for (size_t i = 0; i < import->fresh_count; i++) {
		struct import_row *row = import->fresh[i];

		if (r == 0 && results[i] == -EEXIST) /* it came in between: nothing that an undo may touch */
			row->account.flags |= ACCOUNT_HOME_THERE;
		if (r < 0 || results[i] < 0)
			row_undo_errno(call, row, "its home cannot be made", r < 0 ? r : results[i]);
		else
			quota_set(call, row);
	}
}

static int by_owner(const void *a, const void *b)
{
	const struct import_row *x = *(const struct import_row *const *)a, *y = *(const struct import_row *const *)b;
	int order = strcmp(x->account.owner, y->account.owner);

	return order != 0 ? order : (x->account.uid > y->account.uid) - (x->account.uid < y->account.uid);
}

/* Only what is still wanted is in fresh[] from here on. */
static void fresh_collect(struct import *import)
{
	import->fresh_count = 0;
	for (size_t i = 0; i < import->count; i++)
		if (import->rows[i].fresh && import->rows[i].outcome == IMPORT_MADE)
			import->fresh[import->fresh_count++] = &import->rows[i];
	qsort(import->fresh, import->fresh_count, sizeof(struct import_row *), by_owner);
}

/* A full batch is followed by another one, as a rule: its accounts will get the ids behind those of this one. */
static void next_probe(struct call *call)
{
	const struct import *import = call->import;
	uint32_t last = 0;

	for (size_t i = 0; i < import->fresh_count; i++)
		if (import->fresh[i]->account.uid > last)
			last = import->fresh[i]->account.uid;
	if (import->count == WIRE_IMPORT_BATCH)
		host_probe_ahead(&call->broker->host, call->broker->event, last + 1, (uint32_t)import->fresh_count);
}

enum failure import_make(struct call *call)
{
	struct import *import = call->import;

	fresh_collect(import);
	if (import->fresh_count == 0)
		return FAILURE_NONE;
	next_probe(call);
	homes_make(call);
	views_make(call);
	fresh_collect(import);
	return import->fresh_count > 0 ? links_make(call) : FAILURE_NONE;
}
