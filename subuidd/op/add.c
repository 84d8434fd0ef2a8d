/* SPDX-License-Identifier: ISC */
/* Adding an account: one idempotent call for id, home, link, key and range. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "confine/cleanup.h"
#include "subuidd/op/repair.h"
#include "subuidd/op/limit.h"
#include "subuidd/ids/allocate.h"
#include "subuidd/op/churn.h"
#include "subuidd/op/claim.h"
#include "subuidd/op/disk.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/op/add.h"
#include "subuidd/op/key.h"
#include "subuidd/op/range.h"
#include "subuidd/wire/request.h"
#include "subuidd/door/operation.h"
#include "subuidd/runs/runs.h"

static enum failure differs(struct call *call, const char *how, const char *todo)
{
	return call_fail(call, FAILURE_EXISTS, NULL, how, todo);
}

static enum failure same_key(struct call *call, const struct ssh_key *asked)
{
	struct ssh_key present;
	uint32_t count = 0;
	int r = key_find(call->broker->store, call->account.uid, asked->blob, NULL, &present, &count);

	if (r == -ENOENT)
		return differs(call, "there already, without this key", "choose another label, or use subuid key add");
	if (r < 0)
		return call_fail_store(call, r);
	if (!keys_equal(&present, asked))
		return differs(call, "there already, and this key may do something else there",
			       "remove the key and add it anew to change what it may do");
	return FAILURE_NONE;
}

static enum failure same_range(struct call *call, uint32_t units)
{
	uint32_t present = 0;
	int r = range_units_of_account(call, &call->account, &present);

	if (r < 0)
		return call_fail_store(call, r);
	if (present != units)
		return differs(call, "there already, with another number of subordinate ids", "use subuid range");
	return FAILURE_NONE;
}

enum failure add_account_same(struct call *call)
{
	const struct request_add *add = &call->request.add;
	const struct field *field = record_difference(&facts_record, &add->facts, &call->account.facts, add->set);
	char why[FAILURE_TEXT_MAX + 1];

	if (field == NULL)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "there already, with another %s", field->name);
	return differs(call, why, "use subuid set, or choose another label");
}

/* An equal account is answered as if it had been made now; settings that were not given are not compared. Missing
 * parts (home, view, link) are made again, so that a caller who gets an answer finds them. */
static enum failure add_again(struct call *call)
{
	const struct request_add *add = &call->request.add;
	enum failure failure = call_account(call, TO_CHANGE);

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure == FAILURE_NONE)
		failure = add_account_same(call);
	if (failure == FAILURE_NONE && add->range_count != 0)
		failure = same_range(call, request_units(add->range_count));
	if (failure == FAILURE_NONE && add->has_key)
		failure = same_key(call, &add->key);
	return failure != FAILURE_NONE ? failure : lifecycle_mend(call, LINK_MEND, false);
}

static enum failure check_limits(struct call *call)
{
	const struct request_add *add = &call->request.add;
	struct limit limit;
	uint32_t accounts = 0;
	char why[FAILURE_TEXT_MAX + 1];
	enum failure failure = FAILURE_NONE;
	int r = limit_of(call, call->owner.name, &limit);

	if (r >= 0)
		r = store_account_count(call->broker->store, call->owner.name, &accounts);
	if (r < 0)
		return call_fail_store(call, r);
	if (accounts >= limit.accounts) {
		snprintf(why, sizeof(why), "%s has %u of %u sub-accounts", call->owner.name, accounts, limit.accounts);
		return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "remove one, or ask for a higher limit");
	}
	if (add->has_key && limit.keys == 0)
		return call_fail(call, FAILURE_LIMIT_REACHED, NULL, "no keys are allowed", "ask for a higher limit");
	if (add->range_count != 0)
		failure = range_limit(call, call->owner.name, request_units(add->range_count));
	return failure == FAILURE_NONE ? churn_account(call, &limit) : failure;
}

/* Left-over accounts of an earlier user of this name are not the present one's. */
static enum failure check_earlier(struct call *call)
{
	struct account first;
	char why[FAILURE_TEXT_MAX + 1];
	int n = store_account_list(call->broker->store, call->owner.name, 0, &first, 1);

	if (n < 0)
		return call_fail_store(call, n);
	if (n == 0 || first.owner_uid == call->owner.uid)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "there are sub-accounts of an earlier %s, who had uid %u", call->owner.name,
		 first.owner_uid);
	return call_fail(call, FAILURE_CONFLICT, NULL, why, "an administrator has to remove them");
}

static enum failure insert_range(struct call *call)
{
	const struct request_add *add = &call->request.add;

	if (add->range_count == 0)
		return FAILURE_NONE;
	return range_allocate(call, request_units(add->range_count), &call->account);
}

static enum failure insert_key(struct call *call)
{
	const struct request_add *add = &call->request.add;
	enum failure failure;

	if (!add->has_key)
		return FAILURE_NONE;
	if (key_prepare(&add->key, call->account.uid, &call->key) < 0)
		return call_fail(call, FAILURE_INVALID, "key", "it has no fingerprint", "");
	failure = key_tools_there(call, &call->key);
	return failure != FAILURE_NONE ? failure : key_insert(call, 0);
}

static enum failure insert_alarm(struct call *call)
{
	const struct facts *facts = &call->account.facts;
	int r = facts->alarm == 0 ? 0 :
				    store_watch_alarm(call->broker->store, call->account.uid, (int64_t)facts->alarm,
						      call->account.created);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure choose_uid(struct call *call, uint32_t *uid)
{
	int r = allocate_uid(call->broker->store, &call->broker->settings, &call->broker->probe, call->account.created,
			     uid);

	if (r == -ENOENT)
		return call_fail(call, FAILURE_POOL_EXHAUSTED, NULL, "no uid is left in the blocks of the settings",
				 "add a block to accounts= in subuidd.conf");
	return r < 0 ? call_fail_system(call, "no uid can be found", r) : FAILURE_NONE;
}

void add_account_fill(struct call *call)
{
	const struct request_add *add = &call->request.add;
	struct account *account = &call->account;

	*account = (struct account){ .owner_uid = call->owner.uid, .state = ACCOUNT_INTENT, .created = time(NULL) };
	account->facts.expires_day = -1;
	record_take(&facts_record, &account->facts, &add->facts, add->set);
	memcpy(account->owner, call->owner.name, sizeof(account->owner));
	memcpy(account->label, add->name.label, sizeof(account->label));
}

/* By number: data of it on the disk is taken up, together with what the store knows of that data. */
static enum failure take_uid(struct call *call, struct account *account, uint32_t wanted)
{
	enum failure failure;

	account->uid = wanted;
	failure = disk_look(call, account, true);
	return failure == FAILURE_NONE ? claim_uid(call, account) : failure;
}

/* The place is looked at first, so that no id is used up for what cannot be made; then all of it, with the id. */
static enum failure next_uid(struct call *call, struct account *account)
{
	enum failure failure = disk_look(call, account, false);

	if (failure == FAILURE_NONE)
		failure = choose_uid(call, &account->uid);
	return failure == FAILURE_NONE ? disk_look(call, account, false) : failure;
}

enum failure add_account_insert(struct call *call, uint32_t wanted)
{
	struct account account = call->account;
	enum failure failure = check_limits(call);
	int r;

	if (failure == FAILURE_NONE)
		failure = check_earlier(call);
	if (failure == FAILURE_NONE)
		failure = wanted != 0 ? take_uid(call, &account, wanted) : next_uid(call, &account);
	if (failure != FAILURE_NONE)
		return failure;
	r = store_account_insert(call->broker->store, &account);
	if (r < 0)
		return call_fail_store(call, r);
	call->account = account;
	return FAILURE_NONE;
}

/* Limit, conflict, id, rows: in one transaction, so that two calls at once cannot both fit. */
static enum failure body_intent(struct call *call)
{
	enum failure failure = add_account_insert(call, 0);

	if (failure == FAILURE_NONE)
		failure = insert_key(call);
	if (failure == FAILURE_NONE)
		failure = insert_range(call);
	if (failure == FAILURE_NONE)
		failure = insert_alarm(call);
	snprintf(call->detail, sizeof(call->detail), "uid %u%s%.60s%s", call->account.uid,
		 call->key.id != 0 ? ", key " : "", call->key.fingerprint,
		 call->range.count != 0 ? ", with a range" : "");
	return failure == FAILURE_NONE ? lifecycle_prepare(call) : failure;
}

static enum failure add_new(struct call *call)
{
	enum failure failure;

	add_account_fill(call);
	failure = call_transaction(call, "account.intent", body_intent);
	if (failure != FAILURE_NONE) {
		lifecycle_abandon(call);
		call->account.uid = 0;
		return failure;
	}
	if (call->account.facts.alarm != 0)
		alarm_look(call->broker);
	return lifecycle_complete(call);
}

enum failure op_account_add(struct call *call)
{
	struct account present;
	int r = store_account_get(call->broker->store, call->owner.name, call->request.add.name.label, &present);

	if (repair_touches(call->broker, call->target))
		return call_fail(call, FAILURE_BUSY, NULL, "a repair of it is under way", "try again");
	if (r == 0 && present.owner_uid != call->owner.uid)
		return check_earlier(call);
	if (r == 0)
		return add_again(call);
	if (r != -ENOENT)
		return call_fail_store(call, r);
	return add_new(call);
}
