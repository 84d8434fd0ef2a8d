/* SPDX-License-Identifier: ISC */
/* What belongs to an account that comes back: its ranges, whose ids nobody else was given, and its other rows. Run by
 * the broker, in the open transaction. */
#include "subuidd/change/restore.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/call/former.h"
#include "subuidd/change/claim.h"
#include "subuidd/change/range.h"
#include "subuidd/wire/request.h"

#define RANGES_AT_ONCE 16

static enum failure range_restore(struct call *call, const struct id_range *kept)
{
	const struct account *account = &call->account;
	struct id_range range = { .first = kept->first,
				  .count = kept->count,
				  .created = kept->created,
				  .owner_uid = account->owner_uid,
				  .account_uid = account->uid };
	struct limit limit;
	uint32_t present;
	enum failure failure = range_limit(call, request_units(kept->count), &limit, &present);
	int r;

	if (failure == FAILURE_NONE)
		failure = claim_range_back(call, account->uid, range.first, range.count);
	if (failure != FAILURE_NONE)
		return failure;
	memcpy(range.owner, account->owner, sizeof(range.owner));
	memcpy(range.label, account->label, sizeof(range.label));
	r = store_range_insert(call->store, &range);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure ranges_restore(struct call *call)
{
	struct id_range rows[RANGES_AT_ONCE];
	uint32_t after = 0;
	enum failure failure = FAILURE_NONE;
	int n;

	while ((n = store_kept_ranges(call->store, call->account.uid, after, rows, RANGES_AT_ONCE)) > 0) {
		for (int i = 0; i < n && failure == FAILURE_NONE; i++)
			failure = range_restore(call, &rows[i]);
		if (failure != FAILURE_NONE)
			return failure;
		after = rows[n - 1].first;
	}
	return n < 0 ? call_fail_store(call, n) : FAILURE_NONE;
}

/* Somebody may have been given a former name meanwhile: not with a key of this account (change/name.h). */
static enum failure former_names_free(struct call *call)
{
	char why[FAILURE_TEXT_MAX + 1], name[ACCOUNT_NAME_MAX + 1] = "";
	struct former_name former;
	int r = store_former_taken(call->store, call->account.uid, &former);

	if (r == -ENOENT || (r == 0 && former_over(call->broker, &former)))
		return FAILURE_NONE;
	if (r < 0)
		return call_fail_store(call, r);
	if (caller_sees(&call->caller, former.owner_uid, former.uid))
		name_join(former.owner, call->broker->settings.separator, former.label, name);
	snprintf(why, sizeof(why),
		 "%s has a key of this account, which had that name before: its server would write "
		 "there unnoticed",
		 name[0] != '\0' ? name : "another user's account");
	return call_fail(call, FAILURE_CONFLICT, NULL, why, "remove that key from it first");
}

enum failure restore_rows(struct call *call)
{
	enum failure failure = ranges_restore(call);
	int r = failure == FAILURE_NONE ? store_kept_bring(call->store, call->account.uid) : 0;

	if (r < 0)
		return call_fail_store(call, r);
	return failure == FAILURE_NONE ? former_names_free(call) : failure;
}
