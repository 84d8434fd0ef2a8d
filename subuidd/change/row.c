/* SPDX-License-Identifier: ISC */
/* What the kinds of rows share: the checks before each (shape, permission, owner), the call's view of a row, its
 * outcome and its account. Run by the broker, in the open transaction. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/change/change.h"

void row_take(struct call *call, const struct change_row *row)
{
	call->owner = row->owner;
	call->owner_exists = row->owner.uid != 0;
	call->account = row->account;
	call->range = row->range;
	memcpy(call->target, row->target, sizeof(call->target));
	snprintf(call->detail, sizeof(call->detail), "%s", row->detail);
	memset(&call->answer.failure, 0, sizeof(call->answer.failure));
}

enum failure row_present(struct change_row *row)
{
	row->outcome = IMPORT_PRESENT;
	return FAILURE_NONE;
}

/* Made: recorded as `action`, or with the first row of the line. */
enum failure row_made(struct call *call, struct change_row *row, const char *action)
{
	row->outcome = IMPORT_MADE;
	snprintf(row->action, sizeof(row->action), "%s", row->rules & ROW_TOGETHER ? "" : action);
	snprintf(row->detail, sizeof(row->detail), "%.*s", (int)sizeof(row->detail) - 1, call->detail);
	return FAILURE_NONE;
}

bool row_apart(const struct call *call, const struct change_row *row)
{
	return (row->rules & ROW_TOGETHER) != 0 && call->account.state == ACCOUNT_ACTIVE;
}

int row_owner(struct call *call, struct change_row *row)
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

/* ---- before each row ---- */

enum failure row_shape(const struct call *call, const struct change_row *row, struct failure_text *text)
{
	struct request shaped = { .op = OP_IMPORT, .import = row->request };

	return request_shape(&shaped, call->broker->settings.separator, text);
}

static void row_begin(struct call *call, struct change_row *row)
{
	const struct request_name *name = &row->request.name;
	char joined[ACCOUNT_NAME_MAX + 1];

	memset(&call->answer.failure, 0, sizeof(call->answer.failure));
	memset(&call->account, 0, sizeof(call->account));
	memset(&call->range, 0, sizeof(call->range));
	call->detail[0] = '\0';
	memset(row->target, 0, sizeof(row->target));
	if (name->label[0] != '\0' &&
	    name_join(name->owner, call->broker->settings.separator, name->label, joined) == 0)
		memcpy(row->target, joined, strlen(joined));
	else
		text_escape(name->owner, row->target, sizeof(row->target));
	memcpy(call->target, row->target, sizeof(call->target));
}

static enum failure owner_find(struct call *call, struct change_row *row)
{
	const char *name = row->request.name.owner;
	int r = row_owner(call, row);

	if (r == -ENOENT)
		return call_fail(call, FAILURE_NOT_FOUND, name, "there is no such account on this host",
				 "make the owner first");
	if (r < 0)
		return call_fail_doubt(call, r);
	call->owner = row->owner;
	call->owner_exists = true;
	return owner_check(&call->owner, call->broker->settings.separator, &call->answer.failure);
}

/* Facts that only root may state: ids by number, times, and what became of things elsewhere. */
static bool needs_root(const struct request_import *asked)
{
	return asked->uid != 0 || asked->first != 0 || asked->created != 0 || asked->kind == IMPORT_TOMBSTONE ||
	       asked->kind == IMPORT_RUN || (asked->flags & IMPORT_ADOPT) != 0 || asked->key_id != 0 ||
	       asked->used != 0 || asked->alarm_since != 0 || asked->last_run != 0 || asked->last_good != 0 ||
	       asked->told != 0;
}

enum failure row_enter(struct call *call, struct change_row *row, bool owned)
{
	enum failure failure;

	row_begin(call, row);
	failure = row_shape(call, row, &call->answer.failure);
	if (failure == FAILURE_NONE && needs_root(&row->request) && !call->caller.root &&
	    (row->rules & ROW_RESTORE) == 0)
		failure = call_fail(call, FAILURE_NOT_PERMITTED, NULL,
				    "only root may say which ids, since when, and what was before", "leave it out");
	return failure == FAILURE_NONE && owned && !(row->rules & ROW_OWNERLESS) ? owner_find(call, row) : failure;
}

/* ---- its account ---- */

static bool made_before(const struct change *change, uint32_t uid)
{
	for (size_t i = 0; i < change->count; i++)
		if (change->rows[i].fresh && change->rows[i].account.uid == uid)
			return true;
	return false;
}

enum failure row_account_find(struct call *call, const struct change_row *row, bool *found)
{
	struct account account = { 0 };
	int r = store_account_get(call->store, row->request.name.owner, row->request.name.label, &account);
	enum failure failure;

	*found = r == 0;
	if (r < 0)
		return r == -ENOENT ? FAILURE_NONE : call_fail_store(call, r);
	if (made_before(call->change, account.uid)) {
		call->account = account;
		return FAILURE_NONE;
	}
	/* in a copy of the store the uid may be one that somebody else is given at this moment */
	failure = call_account_take(call, &account,
				    call->change->rehearsed && account.state == ACCOUNT_ACTIVE ? TO_READ : TO_CHANGE);
	return failure == FAILURE_NONE ? call_owner_same(call) : failure;
}

enum failure row_account(struct call *call, struct change_row *row)
{
	bool found;
	enum failure failure = row_account_find(call, row, &found);

	if (failure == FAILURE_NONE && !found)
		failure = call_fail(call, FAILURE_NOT_FOUND, NULL, "there is no such sub-account",
				    row->request.line != 0 ? "it has to come before its keys and ranges" :
							     "see subuid list");
	if (failure == FAILURE_NONE)
		row->account = call->account;
	return failure;
}

enum failure row_probe(struct call *call)
{
	struct change *change = call->change;
	int r = change->probed || change->probe_start == NULL ? 0 : change->probe_start(call->broker->probe.data);

	change->probed = r >= 0;
	return r < 0 ? call_fail_system(call, "no ids can be found", r) : FAILURE_NONE;
}
