/* SPDX-License-Identifier: ISC */
/*
 * Names that accounts had before: one that is being renamed keeps its old name until it is done, and afterwards its
 * keys do not come under that name with another account. Run by the broker.
 */
#include "subuidd/change/name.h"

#include <errno.h>
#include <stdio.h>

#include "subuidd/call/former.h"

enum failure former_free(struct call *call, const char *owner, const char *label)
{
	struct former_name former;
	int r = store_former_get(call->store, owner, label, &former);

	if (r < 0)
		return r == -ENOENT ? FAILURE_NONE : call_fail_store(call, r);
	return former.moving == 0 ? FAILURE_NONE :
				    call_fail(call, FAILURE_BUSY, NULL,
					      "an account that had this name is being renamed", "try again");
}

enum failure former_key_free(struct call *call, const char *owner, const char *label, uint32_t uid, const char *blob)
{
	char why[FAILURE_TEXT_MAX + 1], name[ACCOUNT_NAME_MAX + 1] = "", date[16];
	struct former_name former;
	struct account account;
	int r = store_former_key(call->store, owner, label, uid, blob, &former);

	if (r == 0 && former_over(call->broker, &former))
		return FAILURE_NONE;
	if (r == 0)
		r = store_account_by_uid(call->store, former.uid, &account);
	if (r < 0)
		return r == -ENOENT ? FAILURE_NONE : call_fail_store(call, r);
	if (caller_sees(&call->caller, account.owner_uid, account.uid))
		name_join(account.owner, call->broker->settings.separator, account.label, name);
	former_date(former.when, date);
	snprintf(why, sizeof(why), "%s had this name until %s and has %s: its server would write here unnoticed",
		 name[0] != '\0' ? name : "another user's account", date, blob != NULL ? "this key" : "a key of it");
	return call_fail(call, FAILURE_CONFLICT, NULL, why,
			 "give this one a key of its own, or remove the key from the other account first");
}
