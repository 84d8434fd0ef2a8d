/* SPDX-License-Identifier: ISC */
/*
 * Accounts that have nearly used up what they may: at 80 and at 95 percent of their bytes or files, once for each time
 * that they come there. It is looked at whenever an account is counted, and that is after each run. Run by the broker.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "account/fields.h"
#include "subuidd/base/log.h"
#include "subuidd/call/room.h"
#include "subuidd/runs/alarm_tell.h"

#define WARNING 80
#define NEARLY 95

/* -1: unknown. Without a limit nothing of it is used. */
static int percent(uint64_t used, uint64_t limit)
{
	if (limit == 0)
		return 0;
	if (used == USED_UNKNOWN)
		return -1;
	return (int)((double)used * 100 / (double)limit > 999 ? 999 : (double)used * 100 / (double)limit);
}

static int level_of(int share)
{
	return share >= NEARLY ? NEARLY : share >= WARNING ? WARNING : 0;
}

static int level_put(struct broker *broker, uint32_t uid, int level)
{
	int r = store_begin(broker->store);

	if (r < 0)
		return r;
	r = level > 0 ? store_told_put(broker->store, uid, TOLD_QUOTA, 0, level) :
			store_told_delete(broker->store, uid, TOLD_QUOTA, 0);
	if (r == 0)
		return store_commit(broker->store);
	store_rollback(broker->store);
	return r;
}

void alarm_used(struct broker *broker, const struct account *account, uint64_t bytes, uint64_t files)
{
	const int of_bytes = percent(bytes, account->facts.quota);
	const int of_files = percent(files, account_files_limit(account, broker->settings.files_per_size));
	const bool by_bytes = of_bytes >= of_files;
	const int share = by_bytes ? of_bytes : of_files, level = level_of(share);
	char detail[ALARM_DETAIL_MAX + 1];
	int64_t told = 0;
	int r;

	/* what is left of the disk is for changes, and what is not written down would be told again and again */
	if (!broker->settings.quota_used || share < 0 || room_short(broker))
		return;
	r = store_told_get(broker->store, account->uid, TOLD_QUOTA, 0, &told);
	if (r == 0 ? told == level : level == 0)
		return;
	snprintf(detail, sizeof(detail), "%d %% of its %s used", share, by_bytes ? "quota is" : "files (names) are");
	if (level > told && !alarm_notice(broker, account, ALARM_QUOTA, share, detail))
		return; /* it is looked at again */
	r = level_put(broker, account->uid, level);
	if (r < 0)
		log_error("alarms: %s", store_error(broker->store));
	alarm_look(broker);
}
