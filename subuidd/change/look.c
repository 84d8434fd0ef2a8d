/* SPDX-License-Identifier: ISC */
/*
 * Before the transaction of a change: looks at the places of the links in the owners' homes, by one child for each
 * owner that has become that owner (home/link_forker.c), with a deadline; and, for uids that are named, makes a list
 * of the homes that nobody has. The same child makes the links later, when the broker says so. In a dry run nobody
 * says so. Run by the broker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/name.h"
#include "confine/cleanup.h"
#include "subuidd/base/log.h"
#include "subuidd/change/change.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/strays.h"

/* Rows that make an account, as far as is known by now. The transaction reports faults in rows. */
static bool row_makes(struct call *call, struct change_row *row)
{
	struct failure_text ignored;
	struct account account;
	char separator = call->broker->settings.separator;

	if (row->request.kind != IMPORT_ACCOUNT || row_shape(call, row, &ignored) != FAILURE_NONE ||
	    store_account_get(call->store, row->request.name.owner, row->request.name.label, &account) != -ENOENT)
		return false;
	return row_owner(call, row) == 0 && owner_check(&row->owner, separator, &ignored) == FAILURE_NONE;
}

static int by_owner(const void *a, const void *b)
{
	const struct change_row *x = *(const struct change_row *const *)a, *y = *(const struct change_row *const *)b;
	int order = strcmp(x->owner.name, y->owner.name);

	return order != 0 ? order : (x > y) - (x < y);
}

static void slots_fill(struct call *call)
{
	struct change *change = call->change;

	for (size_t i = 0; i < change->count; i++)
		if (row_makes(call, &change->rows[i]))
			change->slots[change->slots_count++] = &change->rows[i];
	qsort(change->slots, change->slots_count, sizeof(struct change_row *), by_owner);
}

/* Memory for the children, and the places in it; without it none of them is looked at, which is then reported. */
static void slots_share(struct change *change)
{
	if (change->slots_count > 0 && links_share(&change->links, &change->links_fd) < 0)
		change->slots_count = 0;
	for (size_t i = 0; i < change->slots_count; i++)
		change->slots[i]->slot = (unsigned)i;
}

/* ---- the children ---- */

static void look_ended(struct call *call)
{
	if (--call->change->looking == 0)
		change_looked(call);
}

/* The child's message, or how it ended: unless it said that all is well, it is not followed any more. */
static bool group_well(struct change_group *group, int status)
{
	if (status == LINK_LOOKED)
		return true;
	group->lost = status == -ETIMEDOUT ? LINK_TIMEOUT : LINK_FAILED;
	group->child = NULL;
	return false;
}

static void group_looked(void *data, int status)
{
	struct change_group *group = data;
	struct change *change = group->call->change;
	bool well = group_well(group, status);

	if (well) /* others may take longer: it waits without a deadline of ours */
		child_await(group->child, 0, change_links_made);
	for (size_t i = group->at; i < group->at + group->count; i++)
		change->slots[i]->look = well ? change->links->looks[i] : (unsigned char)group->lost;
	look_ended(group->call);
}

/* The facts that the child needs of the accounts: their names. */
static void accounts_of(const struct change *change, const struct change_group *group, struct account *accounts)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct change_row *row = change->slots[group->at + i];

		accounts[i] = (struct account){ .uid = 1, .owner_uid = row->owner.uid };
		memcpy(accounts[i].owner, row->owner.name, sizeof(accounts[i].owner));
		memcpy(accounts[i].label, row->request.name.label, sizeof(accounts[i].label));
	}
}

/* Once more with another forker, where the first one has ended. */
static int group_order(struct call *call, const struct change_group *group, int *channel)
{
	struct broker *broker = call->broker;
	const struct change *change = call->change;
	struct account accounts[WIRE_IMPORT_BATCH];
	int r = -EPIPE;

	accounts_of(change, group, accounts);
	for (int i = 0; i < 2 && r == -EPIPE; i++) {
		r = broker->forker < 0 ? lifecycle_open(broker) : 0;
		if (r >= 0)
			r = link_prepare(broker->forker, &broker->homes, &change->slots[group->at]->owner, accounts,
					 group->count, change->links_fd, group->at, channel);
		if (r == -EPIPE) {
			log_warn("the process that forks for the links has ended and is started again");
			lifecycle_close(broker);
		}
	}
	return r;
}

static int group_start(struct call *call, struct change_group *group)
{
	cleanup_fd int channel = -1;
	int pidfd = -1, r = group_order(call, group, &channel);
	pid_t pid;

	if (r < 0)
		return r;
	r = link_prepared(call->broker->forker, &pid, &pidfd);
	if (r < 0) {
		lifecycle_close(call->broker); /* its late words would be taken for the next answer */
		return r;
	}
	return child_watch_answer(call->broker->event, pidfd, steal_fd(&channel), LINK_SECONDS, group_looked, group,
				  &group->child);
}

static size_t group_length(const struct change *change, size_t at)
{
	size_t end = at + 1;

	while (end < change->slots_count && strcmp(change->slots[end]->owner.name, change->slots[at]->owner.name) == 0)
		end++;
	return end - at;
}

static void groups_start(struct call *call)
{
	struct change *change = call->change;
	int r = 0;

	for (size_t at = 0; at < change->slots_count;) {
		struct change_group *group = &change->groups[change->groups_count++];

		*group = (struct change_group){ .call = call, .at = at, .count = group_length(change, at) };
		at += group->count;
		if (r !=
		    -ETIMEDOUT) /* a forker that does not answer holds everybody up: once, and not for each owner */
			r = group_start(call, group);
		if (r == 0) {
			change->looking++;
			continue;
		}
		group->lost = LINK_FAILED;
		for (size_t i = group->at; i < at; i++)
			change->slots[i]->look = LINK_FAILED;
	}
}

/* ---- homes without an account ---- */

static bool strays_wanted(struct call *call)
{
	const struct change *change = call->change;
	struct id_range holder;
	enum id_kind kind;

	for (size_t i = 0; i < change->slots_count; i++) {
		uint32_t uid = change->slots[i]->request.uid;

		if (uid != 0 && store_id_holder(call->store, uid, uid, &holder, &kind) == -ENOENT)
			return !strays_ready(call->broker);
	}
	return false;
}

/* Anything that could not be found out is reported where it is needed. Another import's list is not waited for: it
 * will soon be there. */
static void strays_made(void *data, int status)
{
	struct call *call = data;

	(void)status;
	look_ended(call);
}

/* ---- */

void change_look(struct call *call)
{
	struct change *change = call->change;

	change->looking = 1; /* until all are started */
	slots_fill(call);
	slots_share(change);
	if (strays_wanted(call) && strays_start(call->broker, strays_made, call) == 0)
		change->looking++;
	groups_start(call);
	look_ended(call);
}

void change_look_end(struct call *call)
{
	struct change *change = call->change;

	strays_forget(call->broker, call);
	for (size_t i = 0; i < change->groups_count; i++)
		if (change->groups[i].child != NULL) {
			child_forget(change->groups[i].child);
			change->groups[i].child = NULL;
		}
}
