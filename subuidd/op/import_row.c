/* SPDX-License-Identifier: ISC */
/* One row of an import, in the open transaction: the same checks as a single change goes through. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/id.h"
#include "subuidd/op/limit.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/op/claim.h"
#include "subuidd/op/import.h"
#include "subuidd/op/add.h"
#include "subuidd/op/key.h"
#include "subuidd/op/range.h"
#include "subuidd/wire/request.h"

static enum failure present(struct import_row *row)
{
	row->outcome = IMPORT_PRESENT;
	return FAILURE_NONE;
}

/* Made: recorded as `action`. */
static enum failure made(struct call *call, struct import_row *row, const char *action)
{
	int r = audit_write(call, action, NULL);

	if (r < 0)
		return call_fail_store(call, r);
	row->outcome = IMPORT_MADE;
	snprintf(row->action, sizeof(row->action), "%s", action);
	snprintf(row->detail, sizeof(row->detail), "%.*s", (int)sizeof(row->detail) - 1, call->detail);
	return FAILURE_NONE;
}

int import_owner(struct call *call, struct import_row *row)
{
	const char *name = row->request.name.owner;
	int r;

	if (row->owner.uid != 0) /* known since the disk was looked at */
		return 0;
	if (!call->owner_exists || strcmp(call->owner.name, name) != 0) {
		r = call_owner_look(call, name);
		if (r < 0)
			return r;
	}
	row->owner = call->owner;
	return 0;
}

static enum failure owner_find(struct call *call, struct import_row *row)
{
	const char *name = row->request.name.owner;
	int r = import_owner(call, row);

	if (r == -ENOENT)
		return call_fail(call, FAILURE_NOT_FOUND, name, "there is no such account on this host",
				 "make the owner first");
	if (r < 0)
		return call_fail_doubt(call, r);
	call->owner = row->owner;
	call->owner_exists = true;
	return owner_check(&call->owner, call->broker->settings.separator, &call->answer.failure);
}

/* Into call->account: active and not in use at this moment, or made by an earlier row. *found: it exists. */
static enum failure account_find(struct call *call, const struct import_row *row, bool *found)
{
	int r = store_account_get(call->broker->store, row->request.name.owner, row->request.name.label, &call->account);

	*found = r == 0;
	if (r == -ENOENT)
		return FAILURE_NONE;
	if (r < 0)
		return call_fail_store(call, r);
	/* in a copy of the store the uid may be one that somebody else is given at this moment */
	if (call->account.state == ACCOUNT_ACTIVE &&
	    (call->import->rehearsed != NULL || !call_busy(call->broker, call->account.uid, call)))
		return call_owner_same(call);
	for (size_t i = 0; i < call->import->count; i++)
		if (call->import->rows[i].fresh && call->import->rows[i].account.uid == call->account.uid)
			return FAILURE_NONE;
	return call_fail(call, FAILURE_BUSY, NULL, "a change of it is under way", "try again");
}

static enum failure account_same(struct call *call, struct import_row *row)
{
	const struct request_import *asked = &row->request;
	char why[FAILURE_TEXT_MAX + 1];

	if (asked->uid != 0 && asked->uid != call->account.uid) {
		snprintf(why, sizeof(why), "there already, with uid %u and not %u", call->account.uid, asked->uid);
		return call_fail(call, FAILURE_EXISTS, NULL, why, "remove it, or choose another label");
	}
	if ((asked->set & SET_LOCKED) && asked->account_flags != (call->account.flags & ACCOUNT_LOCKED))
		return call_fail(call, FAILURE_EXISTS, NULL,
				 asked->account_flags ? "there already, and not locked" : "there already, and locked",
				 "use subuid lock or unlock");
	return add_account_same(call) == FAILURE_NONE ? present(row) : FAILURE_EXISTS;
}

/* Facts known of it elsewhere: an alarm without a time begins now. */
static int watch_put(struct call *call, const struct request_import *asked)
{
	struct watch watch = { .uid = call->account.uid, .last_run = asked->last_run, .last_status = asked->last_status,
			       .last_good = asked->last_good, .alarm = (int64_t)asked->facts.alarm };

	if (asked->facts.alarm != 0)
		watch.since = asked->alarm_since != 0 ? asked->alarm_since : time(NULL);
	watch.told = asked->facts.alarm != 0 && asked->told;
	return watch.alarm == 0 && watch.last_run == 0 && watch.last_good == 0 ? 0 :
										 store_watch_put(call->broker->store, &watch);
}

static struct import_disk_result disk_result(uint32_t flags)
{
	struct import_disk_result result = { IMPORT_DISK_MADE, IMPORT_DISK_MADE };

	if (flags & (ACCOUNT_HOME_THERE | ACCOUNT_ASIDE_THERE))
		result.home = flags & ACCOUNT_HOME_THERE ? IMPORT_DISK_THERE : IMPORT_DISK_ASIDE;
	if (flags & ACCOUNT_LINK_THERE)
		result.link = IMPORT_DISK_THERE;
	return result;
}

static const char *data_there(uint32_t flags)
{
	return flags & ACCOUNT_HOME_THERE  ? ", its home is taken up" :
	       flags & ACCOUNT_ASIDE_THERE ? ", its data is brought back" :
					     "";
}

/* The child's findings in the owner's home. */
static enum failure link_free(struct call *call, const struct import_row *row)
{
	unsigned look = row->look & LINK_LOOK_RESULT;
	enum link_result result = look <= LINK_TIMEOUT ? (enum link_result)look : LINK_FAILED;

	if (row->slot == NO_SLOT)
		return call_fail(call, FAILURE_BUSY, NULL, "a change of it is under way", "try again");
	return result == LINK_OK ? FAILURE_NONE : lifecycle_link_refused(call, result);
}

static enum failure account_run(struct call *call, struct import_row *row)
{
	const struct request_import *asked = &row->request;
	struct request_add *add = &call->request.add;
	bool found;
	enum failure failure;
	int r;

	memset(add, 0, sizeof(*add));
	add->name = asked->name;
	add->facts = asked->facts;
	add->set = asked->set & ~SET_LOCKED;
	failure = account_find(call, row, &found);
	if (failure == FAILURE_NONE && found) {
		failure = account_same(call, row);
		row->account = call->account;
		return failure;
	}
	if (failure != FAILURE_NONE)
		return failure;
	add_account_fill(call);
	call->account.flags = asked->account_flags | link_look_flags(row->look);
	if (asked->created != 0)
		call->account.created = asked->created;
	failure = link_free(call, row);
	if (failure == FAILURE_NONE)
		failure = add_account_insert(call, asked->uid);
	if (failure != FAILURE_NONE)
		return failure;
	r = watch_put(call, asked);
	if (r < 0)
		return call_fail_store(call, r);
	row->account = call->account;
	row->fresh = true;
	row->disk = disk_result(call->account.flags);
	snprintf(call->detail, sizeof(call->detail), "uid %u%s", call->account.uid, data_there(call->account.flags));
	return made(call, row, "account.intent");
}

static enum failure account_of(struct call *call, struct import_row *row)
{
	bool found;
	enum failure failure = account_find(call, row, &found);

	if (failure == FAILURE_NONE && !found)
		failure = call_fail(call, FAILURE_NOT_FOUND, NULL, "there is no such sub-account",
				    "it has to come before its keys and ranges");
	if (failure == FAILURE_NONE)
		row->account = call->account;
	return failure;
}

static enum failure key_limit(struct call *call, uint32_t count)
{
	struct limit limit;
	char why[FAILURE_TEXT_MAX + 1];
	int r = limit_of(call, call->account.owner, &limit);

	if (r < 0)
		return call_fail_store(call, r);
	if (count < limit.keys)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "%u of %u keys are in use", count, limit.keys);
	return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "remove one, or ask for a higher limit");
}

static enum failure key_run(struct call *call, struct import_row *row)
{
	struct ssh_key before;
	uint32_t count = 0;
	enum failure failure = account_of(call, row);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = key_find(call->broker->store, call->account.uid, row->request.key.blob, NULL, &before, &count);
	if (r == 0 && keys_equal(&before, &row->request.key))
		return present(row);
	if (r == 0)
		return call_fail(call, FAILURE_EXISTS, NULL, "this key already exists, and may do something else",
				 "remove the key and add it anew to change what it may do");
	if (r != -ENOENT)
		return call_fail_store(call, r);
	failure = key_limit(call, count);
	if (failure == FAILURE_NONE)
		failure = key_tools_there(call, &row->request.key);
	if (failure != FAILURE_NONE)
		return failure;
	if (key_prepare(&row->request.key, call->account.uid, &call->key) < 0)
		return call_fail(call, FAILURE_INVALID, "key", "it has no fingerprint", "");
	if (row->request.created != 0)
		call->key.created = row->request.created;
	failure = key_insert(call, row->request.key_id);
	if (failure != FAILURE_NONE)
		return failure;
	r = row->request.used == 0 ? 0 : store_key_use(call->broker->store, call->key.id, call->account.uid, row->request.used);
	if (r < 0)
		return call_fail_store(call, r);
	key_describe(&call->key, call->detail, sizeof(call->detail));
	return made(call, row, "key.add");
}

/* Recorded once for each account in a batch. */
static bool run_first(const struct import *import, const struct import_row *row)
{
	for (const struct import_row *at = row; at-- > import->rows;)
		if (at->request.kind == IMPORT_RUN && at->outcome == IMPORT_MADE && at->account.uid == row->account.uid)
			return false;
	return true;
}

static enum failure run_run(struct call *call, struct import_row *row)
{
	enum failure failure = account_of(call, row);
	int r;

	if (failure != FAILURE_NONE)
		return failure;
	r = store_run_keep(call->broker->store, row->account.uid, &row->request.run);
	if (r == -EEXIST)
		return present(row);
	if (r < 0)
		return call_fail_store(call, r);
	row->outcome = IMPORT_MADE;
	if (!run_first(call->import, row))
		return FAILURE_NONE;
	snprintf(call->detail, sizeof(call->detail), "runs of another host");
	return made(call, row, "run.import");
}

/* The rows of the line that this one is of: they are made together or not at all. */
static const struct import_row *line_first(const struct import *import, const struct import_row *row)
{
	while (row > import->rows && row[-1].request.line == row->request.line)
		row--;
	return row;
}

/* The next row of the same line that asks for a range for the same holder; NULL before the first, and behind the
 * last. */
static const struct import_row *line_range_next(const struct import *import, const struct import_row *row,
						const struct import_row *at)
{
	const struct request_name *name = &row->request.name;

	at = at == NULL ? line_first(import, row) : at + 1;
	for (; at < import->rows + import->count && at->request.line == row->request.line; at++)
		if (at->request.kind == IMPORT_RANGE && strcmp(at->request.name.label, name->label) == 0 &&
		    strcmp(at->request.name.owner, name->owner) == 0)
			return at;
	return NULL;
}

/* How much of it the line asks for anywhere. */
static uint32_t line_units(const struct import *import, const struct import_row *row)
{
	uint32_t units = 0;

	for (const struct import_row *at = NULL; (at = line_range_next(import, row, at)) != NULL;)
		units += at->request.first == 0 ? request_units(at->request.count) : 0;
	return units;
}

/* A range that the line names, or that it has made by now: that one answers to itself. */
static bool line_has(const struct import *import, const struct import_row *row, uint32_t first)
{
	for (const struct import_row *at = NULL; (at = line_range_next(import, row, at)) != NULL;)
		if (at->request.first == first || (at < row && at->outcome == IMPORT_MADE && at->range.first == first))
			return true;
	return false;
}

/* The existing part of what the line asks for anywhere. */
static int units_present(const struct call *call, const struct import_row *row, uint32_t *units)
{
	struct id_range rows[16];
	uint32_t after = 0, found = 0;
	int n;

	while ((n = row->account.uid != 0 ?
			    store_range_list_account(call->broker->store, row->account.uid, after, rows, 16) :
			    store_range_list(call->broker->store, row->request.name.owner, after, rows, 16)) > 0) {
		for (int i = 0; i < n; i++)
			if (rows[i].account_uid == row->account.uid && !line_has(call->import, row, rows[i].first))
				found += request_units(rows[i].count);
		after = rows[n - 1].first;
	}
	if (n == 0)
		*units = found;
	return n;
}

/* Anywhere: existing ids are counted, so that the same file may be read again. */
static enum failure range_anywhere(struct call *call, struct import_row *row)
{
	uint32_t units = request_units(row->request.count), there = 0;
	enum failure failure;
	int r = units_present(call, row, &there);

	if (r < 0)
		return call_fail_store(call, r);
	if (there == line_units(call->import, row))
		return present(row);
	if (there != 0)
		return call_fail(call, FAILURE_EXISTS, NULL, "there already, with another number of subordinate ids",
				 "use subuid range");
	failure = range_limit(call, call->owner.name, units);
	if (failure == FAILURE_NONE)
		failure = range_allocate(call, units, row->account.uid != 0 ? &row->account : NULL);
	return failure;
}

static bool range_same(const struct id_range *there, const struct import_row *row)
{
	return there->count == row->request.count && there->account_uid == row->account.uid &&
	       there->owner_uid == row->owner.uid && strcmp(there->owner, row->request.name.owner) == 0;
}

/* Exactly there, as another host had given it out, or as the subid files do. */
static enum failure range_there(struct call *call, struct import_row *row)
{
	const struct request_import *asked = &row->request;
	struct id_range *range = &call->range;
	enum failure failure;
	int r = store_range_get(call->broker->store, asked->first, range);

	if (r == 0 && range_same(range, row))
		return present(row);
	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	failure = range_limit(call, call->owner.name, request_units(asked->count));
	if (failure == FAILURE_NONE)
		failure = asked->flags & IMPORT_ADOPT ? claim_adopted(call, asked->first, asked->count) :
							claim_range(call, asked->first, asked->count);
	if (failure != FAILURE_NONE)
		return failure;
	*range = (struct id_range){ .first = asked->first, .count = asked->count, .owner_uid = call->owner.uid,
				    .account_uid = row->account.uid };
	range->created = asked->created != 0 ? asked->created : time(NULL);
	memcpy(range->owner, call->owner.name, sizeof(range->owner));
	memcpy(range->label, row->account.label, sizeof(range->label));
	r = store_range_insert(call->broker->store, range);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure range_run(struct call *call, struct import_row *row)
{
	enum failure failure = row->request.name.label[0] != '\0' ? account_of(call, row) : FAILURE_NONE;

	if (failure == FAILURE_NONE)
		failure = row->request.first != 0 ? range_there(call, row) : range_anywhere(call, row);
	if (failure != FAILURE_NONE || row->outcome == IMPORT_PRESENT)
		return failure;
	row->range = call->range;
	snprintf(call->detail, sizeof(call->detail), "%u ids from %u%s", call->range.count, call->range.first,
		 row->request.flags & IMPORT_ADOPT ? ", adopted" : "");
	return made(call, row, row->request.flags & IMPORT_ADOPT ? "range.adopt" : "range.add");
}

static enum failure limit_run(struct call *call, struct import_row *row)
{
	struct limit limit = import_limit(&row->request), there;
	int r = store_limit_get(call->broker->store, limit.owner, &there);

	if (r == 0 && there.accounts == limit.accounts && there.keys == limit.keys && there.ranges == limit.ranges)
		return present(row);
	if (r == 0 || r == -ENOENT)
		r = store_limit_set(call->broker->store, &limit);
	if (r < 0)
		return call_fail_store(call, r);
	snprintf(call->detail, sizeof(call->detail), "accounts %u, keys %u, ranges %u", limit.accounts, limit.keys,
		 limit.ranges);
	return made(call, row, "limit.set");
}

static enum failure tombstone_run(struct call *call, struct import_row *row)
{
	const struct request_import *asked = &row->request;
	struct id_range range = { .first = asked->first, .count = asked->count, .owner_uid = asked->owner_uid,
				  .account_uid = asked->account_uid };
	bool there = false;
	enum failure failure = claim_tombstone(call, asked->first, asked->count, &there);
	int r;

	if (failure != FAILURE_NONE || there)
		return failure != FAILURE_NONE ? failure : present(row);
	range.created = asked->created != 0 ? asked->created : time(NULL);
	memcpy(range.owner, asked->name.owner, sizeof(range.owner));
	memcpy(range.label, asked->name.label, sizeof(range.label));
	r = store_tombstone_insert(call->broker->store, &range);
	if (r < 0)
		return call_fail_store(call, r);
	snprintf(call->detail, sizeof(call->detail), "%u ids from %u are not given out", asked->count, asked->first);
	return made(call, row, "tombstone.add");
}

static void row_begin(struct call *call, struct import_row *row)
{
	const struct request_name *name = &row->request.name;
	char joined[ACCOUNT_NAME_MAX + 1];

	memset(&call->answer.failure, 0, sizeof(call->answer.failure));
	memset(&call->account, 0, sizeof(call->account));
	memset(&call->range, 0, sizeof(call->range));
	call->detail[0] = '\0';
	memset(row->target, 0, sizeof(row->target));
	if (name->label[0] != '\0' && name_join(name->owner, call->broker->settings.separator, name->label, joined) == 0)
		memcpy(row->target, joined, strlen(joined));
	else
		text_escape(name->owner, row->target, sizeof(row->target));
	memcpy(call->target, row->target, sizeof(call->target));
}

/* Facts that only root may state: ids by number, times, and what became of things elsewhere. */
static bool needs_root(const struct request_import *asked)
{
	return asked->uid != 0 || asked->first != 0 || asked->created != 0 || asked->kind == IMPORT_TOMBSTONE ||
	       asked->kind == IMPORT_RUN || (asked->flags & IMPORT_ADOPT) != 0 || asked->key_id != 0 || asked->used != 0 ||
	       asked->alarm_since != 0 || asked->last_run != 0 || asked->last_good != 0 || asked->told != 0;
}

enum failure import_row_run(struct call *call, struct import_row *row)
{
	struct request shaped = { .op = OP_IMPORT, .import = row->request };
	enum failure failure;

	row_begin(call, row);
	failure = request_shape(&shaped, call->broker->settings.separator, &call->answer.failure);
	if (failure == FAILURE_NONE && needs_root(&row->request) && !call->caller.root)
		failure = call_fail(call, FAILURE_NOT_PERMITTED, NULL, "only root may say which ids, since when, and what was before", "leave it out");
	if (failure == FAILURE_NONE && row->request.kind != IMPORT_TOMBSTONE)
		failure = owner_find(call, row);
	if (failure != FAILURE_NONE)
		return failure;
	switch ((enum import_kind)row->request.kind) {
	case IMPORT_ACCOUNT:
		return account_run(call, row);
	case IMPORT_KEY:
		return key_run(call, row);
	case IMPORT_RANGE:
		return range_run(call, row);
	case IMPORT_LIMIT:
		return limit_run(call, row);
	case IMPORT_TOMBSTONE:
		return tombstone_run(call, row);
	case IMPORT_RUN:
		return run_run(call, row);
	case IMPORT_KIND_MAX_:
		break;
	}
	return call_fail(call, FAILURE_INVALID, NULL, "not a kind of row", "");
}
