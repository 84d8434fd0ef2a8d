/* SPDX-License-Identifier: ISC */
/* What anybody may know: that the service runs, and which user it takes the caller for. */
#include <stdio.h>
#include <string.h>

#include "confine/landlock.h"
#include "subuidd/door/operation.h"

enum failure op_status(struct call *call)
{
	const struct broker *broker = call->broker;
	struct daemon_status *status = &call->answer.status;
	uint32_t accounts = 0;
	int abi = landlock_abi(), r;

	/* How many there are is the host's business, and each one's own. */
	r = store_account_count(broker->store, call->caller.admin ? NULL : call->caller.name, &accounts);
	if (r < 0)
		return call_fail_store(call, r);
	r = store_removed_purging(broker->store, call->caller.admin ? NULL : call->caller.name, &status->purging);
	if (r < 0)
		return call_fail_store(call, r);
	status->accounts = accounts;
	status->views = broker->homes.views;
	status->landlock_abi = abi > 0 ? (uint32_t)abi : 0;
	status->generation = store_generation(broker->store);
	status->caller_uid = call->caller.uid;
	status->caller_is_admin = call->caller.admin;
	status->caller_is_contained = call->caller.contained != CONTAINED_NOT;
	snprintf(status->caller, sizeof(status->caller), "%s", call->caller.name);
	snprintf(status->version, sizeof(status->version), "%s", VERSION);
	snprintf(status->homes, sizeof(status->homes), "%s", broker->settings.homes);
	status->separator[0] = broker->settings.separator;
	return FAILURE_NONE;
}
