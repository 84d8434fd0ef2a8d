/* SPDX-License-Identifier: ISC */
/* Rows that give out no id: the limit of an owner, ids that are not given out, and runs and former names from
 * another host. Run by the broker, in the open transaction. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "subuidd/call/known_time.h"
#include "subuidd/change/change.h"
#include "subuidd/change/churn.h"
#include "subuidd/change/claim.h"
#include "subuidd/publish/publish.h"
#include "subuidd/wire/request.h"

static bool same(const struct limit *a, const struct limit *b)
{
	return !a->is_default && a->accounts == b->accounts && a->keys == b->keys && a->ranges == b->ranges &&
	       memcmp(&a->bounds, &b->bounds, sizeof(a->bounds)) == 0;
}

static enum failure reset(struct call *call, struct change_row *row)
{
	int r = store_limit_delete(call->store, row->request.name.owner);

	snprintf(call->detail, sizeof(call->detail), "back to the default");
	return r < 0 && r != -ENOENT ? call_fail_store(call, r) : row_made(call, row, "limit.set");
}

/* The bounds that it says, too. */
static void describe(struct call *call, const struct limit *limit)
{
	uint32_t said = SET_LIMIT_ACCOUNTS | SET_LIMIT_KEYS | SET_LIMIT_RANGES;

	for (unsigned i = 0; i < BOUNDS; i++)
		said |= limit->bounds.of[i] != 0 ? 1u << (LIMIT_ROW_BOUNDS + i) : 0;
	record_print(&limit_record, limit, said, call->detail, sizeof(call->detail));
}

/* Limits that are not given are read in the same transaction: two admins who set different limits both get theirs. */
enum failure limit_run(struct call *call, struct change_row *row)
{
	struct limit asked = import_limit(&row->request), there, limit;
	int r = row->rules & ROW_RESET ? 0 : limit_of(call, asked.owner, &there);

	if (r < 0)
		return call_fail_store(call, r);
	if (row->rules & ROW_RESET)
		return reset(call, row);
	limit = there;
	record_take(&limit_record, &limit, &asked, row->limits);
	memcpy(limit.owner, asked.owner, sizeof(limit.owner));
	if (same(&there, &limit) && !(row->rules & ROW_ANEW))
		return row_present(row);
	r = store_limit_set(call->store, &limit);
	if (r < 0)
		return call_fail_store(call, r);
	describe(call, &limit);
	return row_made(call, row, "limit.set");
}

/* Its bounds hold at once for every account of the owner, whose records stay as they are. */
int limit_publish(struct call *call, const struct change_row *row)
{
	return publish_limit(call->broker->publication, row->request.name.owner);
}

enum failure tombstone_run(struct call *call, struct change_row *row)
{
	const struct request_import *asked = &row->request;
	struct id_range range = { .first = asked->first,
				  .count = asked->count,
				  .owner_uid = asked->owner_uid,
				  .account_uid = asked->account_uid };
	bool there = false;
	enum failure failure = claim_tombstone(call, asked->first, asked->count, &there);
	int r;

	if (failure != FAILURE_NONE || there)
		return failure != FAILURE_NONE ? failure : row_present(row);
	range.created = asked->created != 0 ? asked->created : time(NULL);
	memcpy(range.owner, asked->name.owner, sizeof(range.owner));
	memcpy(range.label, asked->name.label, sizeof(range.label));
	r = store_tombstone_insert(call->store, &range);
	if (r < 0)
		return call_fail_store(call, r);
	snprintf(call->detail, sizeof(call->detail), "%u ids from %u are not given out", asked->count, asked->first);
	return row_made(call, row, "tombstone.add");
}

/* Recorded once for each account in a batch. */
static bool run_first(const struct change *change, const struct change_row *row)
{
	for (const struct change_row *at = row; at-- > change->rows;)
		if (at->request.kind == IMPORT_RUN && at->outcome == IMPORT_MADE && at->account.uid == row->account.uid)
			return false;
	return true;
}

enum failure run_run(struct call *call, struct change_row *row)
{
	enum failure failure = row_account(call, row);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = store_run_keep(call->store, row->account.uid, &row->request.run);
	if (r == -EEXIST)
		return row_present(row);
	if (r < 0)
		return call_fail_store(call, r);
	row->outcome = IMPORT_MADE;
	if (!run_first(call->change, row))
		return FAILURE_NONE;
	snprintf(call->detail, sizeof(call->detail), "runs of another host");
	return row_made(call, row, "run.import");
}

/* The name that the account of this uid had on another host. The time runs anew by the clock that cannot run ahead. */
enum failure former_run(struct call *call, struct change_row *row)
{
	const struct request_import *asked = &row->request;
	struct former_name former = { .uid = asked->uid,
				      .owner_uid = asked->owner_uid,
				      .when = asked->created,
				      .known = known_time_now(call->broker) };
	struct account account;
	int r = store_account_by_uid(call->store, asked->uid, &account);

	if (r == -ENOENT)
		return call_fail(call, FAILURE_NOT_FOUND, NULL, "there is no account of this uid",
				 "it has to come before the names that it had");
	memcpy(former.owner, asked->name.owner, sizeof(former.owner));
	memcpy(former.label, asked->name.label, sizeof(former.label));
	if (r == 0)
		r = store_former_keep(call->store, &former);
	if (r == -EEXIST)
		return row_present(row);
	if (r < 0)
		return call_fail_store(call, r);
	snprintf(call->detail, sizeof(call->detail), "a former name of uid %u", asked->uid);
	return row_made(call, row, "former.import");
}
