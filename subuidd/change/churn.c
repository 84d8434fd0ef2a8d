/* SPDX-License-Identifier: ISC */
/* What an owner may have, and the bounds on how fast they can use up ids and make the audit trail grow. Run by the
 * broker. */
#include "subuidd/change/churn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "subuidd/call/tally.h"

#define ACCOUNTS_A_DAY_FACTOR 8u /* times the limit, and */
#define ACCOUNTS_A_DAY_MIN 64u   /* not less than so many */
#define RANGES_FACTOR 4u         /* times the limit, for good: blocks are few */
#define CHANGES_AT_ONCE 2000u    /* and one a second */
#define DAY 86400
#define BATCH 256

int limit_of(struct call *call, const char *owner, struct limit *limit)
{
	const struct settings *settings = &call->broker->settings;
	int r = store_limit_get(call->store, owner, limit);

	if (r != -ENOENT)
		return r;
	*limit = (struct limit){
		.accounts = settings->limit_accounts,
		.keys = settings->limit_keys,
		.ranges = settings->limit_ranges,
		.is_default = 1,
	};
	memcpy(limit->owner, owner, strnlen(owner, sizeof(limit->owner) - 1));
	return 0;
}

static enum failure no_memory(struct call *call)
{
	return call_fail_system(call, "what was used of a bound cannot be kept", -ENOMEM);
}

/* By owner's uid. Forgotten with the process: a day's bound, not an account of what was taken. */
static struct tallies takers = TALLIES(DAY);

enum failure churn_account(struct call *call, const struct limit *limit)
{
	uint64_t most = (uint64_t)limit->accounts * ACCOUNTS_A_DAY_FACTOR;
	struct tally *taker;
	struct timespec now;

	if (call->caller.admin)
		return FAILURE_NONE;
	if (most < ACCOUNTS_A_DAY_MIN)
		most = ACCOUNTS_A_DAY_MIN;
	clock_gettime(CLOCK_BOOTTIME, &now);
	taker = tally_of(&takers, call->owner.uid, now.tv_sec / DAY * DAY);
	if (taker == NULL)
		return no_memory(call);
	if (taker->since != now.tv_sec / DAY * DAY) {
		taker->since = now.tv_sec / DAY * DAY;
		taker->used = 0;
	}
	if (taker->used >= most)
		return call_fail(
			call, FAILURE_LIMIT_REACHED, NULL,
			"too many uids were taken today (also those of removed accounts and of failed attempts)",
			"try again tomorrow, or ask an administrator");
	taker->used += call->request.dry_run ? 0 : 1;
	return FAILURE_NONE;
}

void churn_account_back(const struct call *call, uid_t owner_uid)
{
	struct tally *taker;
	struct timespec now;

	if (call->caller.admin || call->request.dry_run)
		return;
	clock_gettime(CLOCK_BOOTTIME, &now);
	taker = tally_of(&takers, owner_uid, now.tv_sec / DAY * DAY);
	if (taker != NULL && taker->used > 0)
		taker->used--;
}

/* Each change is a row of the audit trail, for good. The used share comes back with time, which is computed only
 * when it is used again; an entry that is older than a full bucket is an empty one. */
enum failure churn_change(struct call *call)
{
	static struct tallies changers = TALLIES(CHANGES_AT_ONCE);
	struct tally *changer;
	struct timespec now;
	time_t back;

	if (call->caller.admin)
		return FAILURE_NONE;
	clock_gettime(CLOCK_BOOTTIME, &now);
	changer = tally_of(&changers, call->caller.uid, now.tv_sec);
	if (changer == NULL)
		return no_memory(call);
	back = now.tv_sec - changer->since;
	changer->used = back < (time_t)changer->used ? changer->used - (uint32_t)back : 0;
	changer->since = now.tv_sec;
	if (changer->used >= CHANGES_AT_ONCE)
		return call_fail(call, FAILURE_LIMIT_REACHED, NULL, "too many changes in a short time",
				 "wait a moment, or ask an administrator");
	changer->used += call->request.dry_run ? 0 : 1;
	return FAILURE_NONE;
}

/* Blocks that were this owner's: they lie in the blocks of the settings, and are few enough to look at all. */
static int units_given_back(struct call *call, uint32_t *units)
{
	const struct settings *settings = &call->broker->settings;
	cleanup_free struct id_range *rows = calloc(BATCH, sizeof(*rows));
	uint64_t ids = 0;

	if (rows == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < settings->ranges_count; i++) {
		uint32_t after = settings->ranges[i].first - 1;
		int n;

		while ((n = store_tombstone_list(call->store, after, rows, BATCH)) > 0) {
			for (int k = 0; k < n && rows[k].first <= settings->ranges[i].last; k++)
				ids += strcmp(rows[k].owner, call->owner.name) == 0 ? rows[k].count : 0;
			after = rows[n - 1].first;
			if (after >= settings->ranges[i].last)
				break;
		}
		if (n < 0)
			return n;
	}
	*units = (uint32_t)(ids / RANGE_UNIT);
	return 0;
}

enum failure churn_range(struct call *call, const struct limit *limit, uint32_t present, uint32_t units)
{
	char why[FAILURE_TEXT_MAX + 1];
	uint32_t back = 0;
	int r;

	if (call->caller.admin)
		return FAILURE_NONE;
	r = units_given_back(call, &back);
	if (r < 0)
		return call_fail_store(call, r);
	if ((uint64_t)present + back + units <= (uint64_t)limit->ranges * RANGES_FACTOR)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "%u blocks were given back before, and are not given out again", back);
	return call_fail(call, FAILURE_LIMIT_REACHED, NULL, why, "ask an administrator to release them");
}
