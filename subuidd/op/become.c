/* SPDX-License-Identifier: ISC */
/*
 * Turns a connection into one of an account, for good: from then on its caller is that account, whoever speaks. An
 * owner does this before handing the connection to a container (subuid socket). There is no way back. Run by the
 * broker.
 */
#include <errno.h>

#include "subuidd/door/operation.h"

enum failure op_account_become(struct call *call)
{
	struct caller caller = call->caller;
	enum failure failure = call_account(call, TO_READ);
	int r;

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure != FAILURE_NONE)
		return failure;
	r = caller_become(&caller, &call->account, call->broker->settings.separator);
	if (r < 0)
		return call_fail_system(call, "the name of the account", r);
	if (call->sink != NULL)
		call->sink->become(call->asker, &caller);
	call->answer.become.uid = call->account.uid;
	return FAILURE_NONE;
}
