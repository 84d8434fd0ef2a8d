/* SPDX-License-Identifier: ISC */
/*
 * Before the transaction of an import: looks at the places of the links in the owners' homes, by one child for each
 * owner that has become that owner (home/link_many.c), with a deadline; and, for uids that are named, makes a list
 * of the homes that nobody has. The same child makes the links later, when the broker says so. In a dry run nobody
 * says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "account/name.h"
#include "subuidd/base/log.h"
#include "subuidd/op/import.h"
#include "subuidd/life/strays.h"
#include "subuidd/wire/request.h"

/* Rows that make an account, as far as is known by now. The transaction reports faults in rows. */
static bool row_makes(struct call *call, struct import_row *row)
{
	struct request shaped = { .op = OP_IMPORT, .import = row->request };
	struct failure_text ignored;
	struct account account;
	char separator = call->broker->settings.separator;

	if (row->request.kind != IMPORT_ACCOUNT || request_shape(&shaped, separator, &ignored) != FAILURE_NONE ||
	    store_account_get(import_store(call), row->request.name.owner, row->request.name.label, &account) != -ENOENT)
		return false;
	return import_owner(call, row) == 0 && owner_check(&row->owner, separator, &ignored) == FAILURE_NONE;
}

static int by_owner(const void *a, const void *b)
{
	const struct import_row *x = *(const struct import_row *const *)a, *y = *(const struct import_row *const *)b;
	int order = strcmp(x->owner.name, y->owner.name);

	return order != 0 ? order : (x > y) - (x < y);
}

static void slots_fill(struct call *call)
{
	struct import *import = call->import;

	for (size_t i = 0; i < import->count; i++)
		if (row_makes(call, &import->rows[i]))
			import->slots[import->slots_count++] = &import->rows[i];
	qsort(import->slots, import->slots_count, sizeof(import->slots[0]), by_owner);
}

/* Memory for the children, and the places in it; without it none of them is looked at, which is then reported. */
static void slots_share(struct import *import)
{
	void *memory = import->slots_count == 0 ? MAP_FAILED :
						  mmap(NULL, sizeof(*import->shared), PROT_READ | PROT_WRITE,
						       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		import->slots_count = 0;
		return;
	}
	import->shared = memory;
	for (size_t i = 0; i < import->slots_count; i++)
		import->slots[i]->slot = (unsigned)i;
}

/* ---- the children ---- */

static void look_ended(struct call *call)
{
	if (--call->import->looking == 0)
		import_looked(call);
}

/* The child's message, or how it ended: unless it said that all is well, it is not followed any more. */
static bool group_well(struct import_group *group, int status)
{
	if (status == LINK_LOOKED)
		return true;
	group->lost = status == -ETIMEDOUT ? LINK_TIMEOUT : LINK_FAILED;
	group->child = NULL;
	return false;
}

static void group_looked(void *data, int status)
{
	struct import_group *group = data;
	struct import *import = group->call->import;
	bool well = group_well(group, status);

	if (well) /* others may take longer: it waits without a deadline of ours */
		child_await(group->child, 0, import_links_made);
	for (size_t i = group->at; i < group->at + group->count; i++)
		import->slots[i]->look = well ? import->shared->looks[i] : (unsigned char)group->lost;
	look_ended(group->call);
}

/* The facts that the child to be forked needs of the accounts: their names. */
static void accounts_of(const struct import *import, const struct import_group *group, struct account *accounts,
			const struct account **list)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct import_row *row = import->slots[group->at + i];

		accounts[i] = (struct account){ .uid = 1, .owner_uid = row->owner.uid };
		memcpy(accounts[i].owner, row->owner.name, sizeof(accounts[i].owner));
		memcpy(accounts[i].label, row->request.name.label, sizeof(accounts[i].label));
		list[i] = &accounts[i];
	}
}

static int group_start(struct call *call, struct import_group *group)
{
	struct import *import = call->import;
	struct account accounts[WIRE_IMPORT_BATCH];
	const struct account *list[WIRE_IMPORT_BATCH];
	int pidfd = -1, channel = -1, r;
	pid_t pid;

	accounts_of(import, group, accounts, list);
	r = link_prepare_many(&call->broker->homes, &import->slots[group->at]->owner, list, group->count,
			      import->shared->looks + group->at, import->shared->results + group->at, &pid, &pidfd, &channel);
	return r < 0 ? r : child_watch_answer(call->broker->event, pidfd, channel, LINK_SECONDS, group_looked, group,
					      &group->child);
}

static size_t group_length(const struct import *import, size_t at)
{
	size_t end = at + 1;

	while (end < import->slots_count && strcmp(import->slots[end]->owner.name, import->slots[at]->owner.name) == 0)
		end++;
	return end - at;
}

static void groups_start(struct call *call)
{
	struct import *import = call->import;

	for (size_t at = 0; at < import->slots_count;) {
		struct import_group *group = &import->groups[import->groups_count++];

		*group = (struct import_group){ .call = call, .at = at, .count = group_length(import, at) };
		at += group->count;
		if (group_start(call, group) == 0) {
			import->looking++;
			continue;
		}
		group->lost = LINK_FAILED;
		for (size_t i = group->at; i < at; i++)
			import->slots[i]->look = LINK_FAILED;
	}
}

/* ---- homes without an account ---- */

static bool strays_wanted(struct call *call)
{
	const struct import *import = call->import;
	struct id_range holder;
	enum id_kind kind;

	for (size_t i = 0; i < import->slots_count; i++) {
		uint32_t uid = import->slots[i]->request.uid;

		if (uid != 0 && store_id_holder(import_store(call), uid, uid, &holder, &kind) == -ENOENT)
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

void import_look(struct call *call)
{
	struct import *import = call->import;

	import->looking = 1; /* until all are started */
	slots_fill(call);
	slots_share(import);
	if (strays_wanted(call) && strays_start(call->broker, strays_made, call) == 0)
		import->looking++;
	groups_start(call);
	look_ended(call);
}

void import_look_end(struct call *call)
{
	struct import *import = call->import;

	strays_forget(call->broker, call);
	for (size_t i = 0; i < import->groups_count; i++)
		if (import->groups[i].child != NULL) {
			child_forget(import->groups[i].child);
			import->groups[i].child = NULL;
		}
}
