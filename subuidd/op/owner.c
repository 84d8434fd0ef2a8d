/* SPDX-License-Identifier: ISC */
/*
 * OwnerChange: the user who has accounts got another name or another uid, or is another user. Everything of theirs
 * follows in one transaction; then each account by itself, as any that is renamed (life/rename.h), a few at a time. Run
 * by the broker, for root alone. It is refused as a whole or begun as a whole; a crash leaves the rest to recovery.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "confine/cleanup.h"
#include "subuidd/base/log.h"
#include "subuidd/call/known_time.h"
#include "subuidd/call/maintain.h"
#include "subuidd/change/name.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/rename.h"
#include "subuidd/op/owner_has.h"
#include "subuidd/publish/publish.h"

#define AT_ONCE 8
#define BATCH 64
#define NAMED_MAX 8 /* labels that a refusal names */

struct owner_moving {
	struct call *call;
	uint32_t after; /* uid of the last account that was begun */
	unsigned running;
	bool starting, timed_out, done;
	uint32_t left;           /* accounts that did not follow yet */
	struct failure_text why; /* of the last of them */
};

/* ---- all that can refuse it */

static enum failure to_look(struct call *call)
{
	const char *name = call->request.owner.to;
	struct id_range holder;
	enum id_kind kind;
	int r = call_owner_look(call, name);
	enum failure failure;

	if (r == -ENOENT || r == -ENAMETOOLONG)
		return call_fail(call, FAILURE_NOT_FOUND, name, "there is no such account on this host",
				 "make the new owner first");
	if (r < 0)
		return call_fail_doubt(call, r);
	failure = owner_check(&call->owner, call->broker->settings.separator, &call->answer.failure);
	if (failure != FAILURE_NONE)
		return failure;
	r = store_id_holder(call->store, call->owner.uid, call->owner.uid, &holder, &kind);
	if (r == 0 && (kind == ID_ACCOUNT || kind == ID_RANGE))
		return call_fail(call, FAILURE_CONFLICT, name, "its uid is one that subuidd has given out",
				 "give it another uid");
	return r < 0 && r != -ENOENT ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Into call->former. *some: there is anything but a limit. */
static enum failure from_look(struct call *call, bool *some)
{
	const char *name = call->request.owner.from;
	struct limit limit;
	int n, r;

	memset(&call->former, 0, sizeof(call->former));
	n = owner_made_for(call->store, name, &call->former.owner_uid);
	if (n < 0)
		return call_fail_store(call, n);
	*some = n > 0;
	if (*some)
		return FAILURE_NONE;
	r = store_limit_get(call->store, name, &limit);
	return r == 0       ? FAILURE_NONE :
	       r == -ENOENT ? call_fail(call, FAILURE_NOT_FOUND, name, "has no sub-accounts, ranges or limits",
					"see subuid list --all") :
			      call_fail_store(call, r);
}

/* The person whom the accounts were made for may still be there, under whatever name: then they are given away. */
static enum failure handed_over(struct call *call)
{
	const struct request_owner *asked = &call->request.owner;
	char why[FAILURE_TEXT_MAX + 1], todo[FAILURE_TEXT_MAX + 1];
	struct link_owner holder;
	int r;

	if (asked->hand_over != 0 || call->owner.uid == call->former.owner_uid || strcmp(asked->from, asked->to) == 0)
		return FAILURE_NONE;
	r = passwd_by_uid(call->former.owner_uid, &holder);
	if (r == -ENOENT)
		return FAILURE_NONE;
	if (r < 0)
		return call_fail_doubt(call, r);
	snprintf(why, sizeof(why), "they were made for uid %u, which is %.64s, and %s is another user",
		 call->former.owner_uid, holder.name, asked->to);
	if (strcmp(holder.name, asked->from) == 0)
		snprintf(todo, sizeof(todo), "--hand-over gives them away all the same");
	else
		snprintf(todo, sizeof(todo), "subuid owner %s %.64s; or --hand-over gives them away", asked->from,
			 holder.name);
	return call_fail(call, FAILURE_CONFLICT, asked->from, why, todo);
}

/* Accounts of both under one label: refused as a whole, by name. */
static enum failure labels_free(struct call *call)
{
	const struct request_owner *asked = &call->request.owner;
	cleanup_free struct account *rows = calloc(NAMED_MAX + 1, sizeof(*rows));
	char names[NAMED_MAX * (LABEL_MAX + 3)] = "", why[FAILURE_TEXT_MAX + 1];
	size_t used = 0;
	int n = rows == NULL ? -ENOMEM :
			       store_owner_clashes(call->store, asked->from, asked->to, 0, rows, NAMED_MAX + 1);

	if (n <= 0)
		return n == 0 ? FAILURE_NONE : call_fail_store(call, n);
	for (int i = 0; i < n && i < NAMED_MAX; i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "", rows[i].label);
	snprintf(why, sizeof(why), "both %s and %s have %.150s%s", asked->from, asked->to, names,
		 n > NAMED_MAX ? " and more" : "");
	return call_fail(call, FAILURE_CONFLICT, asked->from, why, "rename or remove one of each: subuid rename");
}

/* One account of the former owner: nobody changes it, and its new place is free. */
static enum failure account_ready(struct call *call, const struct account *row)
{
	struct account to = *row;
	struct home_look look;
	enum failure failure;
	int r;

	if (row->owner_uid != call->former.owner_uid)
		return FAILURE_NONE; /* another user's of that name, who keeps it */
	name_join(row->owner, call->broker->settings.separator, row->label, call->target);
	if (row->state != ACCOUNT_ACTIVE || call_busy(call->broker, row->uid, call))
		return call_fail(call, FAILURE_BUSY, NULL, "another change of it is under way", "try again");
	if (strcmp(call->request.owner.from, call->owner.name) == 0)
		return FAILURE_NONE;
	memcpy(to.owner, call->owner.name, sizeof(to.owner));
	to.owner_uid = call->owner.uid;
	failure = former_free(call, to.owner, to.label);
	if (failure == FAILURE_NONE)
		failure = former_key_free(call, to.owner, to.label, to.uid, NULL);
	if (failure != FAILURE_NONE)
		return failure;
	r = home_look(&call->broker->homes, &to, false, &look);
	if (r < 0)
		return call_fail_system(call, "the place of its home cannot be looked at", r);
	if (look.there == HOME_FREE)
		return FAILURE_NONE;
	return call_fail(call, FAILURE_CONFLICT, NULL,
			 home_look_conflict(look.there) ? look.why : "data of it lies in the place of its new name",
			 "look at it, and move it away");
}

/* All accounts of an owner that this uid has: visit() until it fails. */
static enum failure each_account(struct call *call, const char *owner,
				 enum failure (*visit)(struct call *call, const struct account *row))
{
	cleanup_free struct account *rows = calloc(BATCH, sizeof(*rows));
	enum failure failure = FAILURE_NONE;
	uint32_t after = 0;
	int n = rows == NULL ? -ENOMEM : 1;

	while (failure == FAILURE_NONE && n > 0) {
		n = store_account_list(call->store, owner, after, rows, BATCH);
		for (int i = 0; failure == FAILURE_NONE && i < n; i++)
			failure = visit(call, &rows[i]);
		after = n > 0 ? rows[n - 1].uid : after;
	}
	return failure == FAILURE_NONE && n < 0 ? call_fail_store(call, n) : failure;
}

/* What the new owner has already is that user's. */
static enum failure to_ready(struct call *call, const struct account *row)
{
	char why[FAILURE_TEXT_MAX + 1];

	if (row->owner_uid == call->owner.uid)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "has accounts that were made for uid %u", row->owner_uid);
	return call_fail(call, FAILURE_CONFLICT, row->owner, why, "see first whose these are: subuid list --owner");
}

static enum failure all_ready(struct call *call)
{
	const struct request_owner *asked = &call->request.owner;
	bool same = strcmp(asked->from, asked->to) == 0;
	enum failure failure = handed_over(call);

	if (failure == FAILURE_NONE && !same)
		failure = labels_free(call);
	if (failure == FAILURE_NONE && !same)
		failure = each_account(call, asked->to, to_ready);
	if (failure == FAILURE_NONE)
		failure = each_account(call, asked->from, account_ready);
	return failure;
}

/* ---- the change */

static void target_set(struct call *call, const char *name)
{
	snprintf(call->target, sizeof(call->target), "%.*s", OWNER_MAX, name);
}

static enum failure count(struct call *call)
{
	int r = owner_has(call->store, call->request.owner.from, call->former.owner_uid, &call->answer.owner);

	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure body_change(struct call *call)
{
	const struct owner_change change = { call->request.owner.from,
					     call->owner.name,
					     call->former.owner_uid,
					     call->owner.uid,
					     time(NULL),
					     known_time_now(call->broker),
					     call->request.owner.hand_over != 0 };
	enum failure failure = count(call);
	int n = store_manage_list(call->store, change.from, change.from_uid, 0, &call->key, 1);
	int r = failure != FAILURE_NONE ? 0 : n < 0 ? n : store_owner_change(call->store, &change);

	call->manages = n > 0;
	target_set(call, change.from);
	snprintf(call->detail, sizeof(call->detail), "uid %u: all of theirs is now of %s, uid %u%s", change.from_uid,
		 change.to, change.to_uid, call->request.owner.hand_over != 0 ? ", handed over" : "");
	return r < 0 ? call_fail_store(call, r) : failure;
}

static enum failure account_gone(struct call *call, const struct account *row)
{
	if (row->state != ACCOUNT_MOVING)
		return FAILURE_NONE;
	if (publish_account_gone(call->broker->publication, row) < 0) /* each is tried once more by itself */
		log_error("%s%c%s: it is in the index until its turn comes", row->owner,
			  call->broker->settings.separator, row->label);
	return FAILURE_NONE;
}

/* The owner's own ranges; those of accounts go with these. */
static enum failure ranges_follow(struct call *call)
{
	struct publication *publication = call->broker->publication;
	struct id_range rows[BATCH];
	uint32_t after = 0;
	int n, r = 0;

	while ((n = store_range_list(call->store, call->owner.name, after, rows, BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			after = rows[i].first;
			if (rows[i].account_uid != 0)
				continue;
			r = publish_range_gone(publication, &rows[i]) < 0 ? -EIO : r;
			r = publish_range(publication, &rows[i]) < 0 ? -EIO : r;
		}
	return n < 0 ? call_fail_store(call, n) : call_published(call, "it is saved", r);
}

/* Keys of the owner are found by uid: under another one, or none, they are all put in anew. This is rare. */
static int manage_keys_follow(struct call *call)
{
	return call->manages ? publication_rebuild(call->broker->publication) : 0;
}

/* ---- each account */

static void next_accounts(struct owner_moving *moving);

static void member_end(void *asker, uint32_t op, struct answer *answer)
{
	struct owner_moving *moving = asker;
	struct owner_view *view = &moving->call->answer.owner;

	(void)op;
	moving->running--;
	if (answer->failure.failure != FAILURE_NONE) {
		moving->left++;
		moving->why = answer->failure;
	} else if (answer->account.link_why[0] != '\0') {
		view->links++;
		memcpy(view->why, answer->account.link_why, sizeof(view->why));
		moving->timed_out |= strcmp(view->why, link_result_why(LINK_TIMEOUT)) == 0;
	}
	next_accounts(moving);
}

static const struct call_sink member_sink = { .end = member_end };

static int member_start(struct owner_moving *moving, const struct account *row)
{
	struct call *member = call_internal(moving->call->broker, &recovery_rename, row);
	int r;

	if (member == NULL)
		return -ENOMEM;
	member->sink = &member_sink;
	member->asker = moving;
	member->link_skipped = moving->timed_out;
	moving->running++;
	r = rename_former(member);
	call_finish(member, r < 0 ? call_fail_store(member, r) : rename_complete(member));
	return 0;
}

static enum failure all_moved(struct owner_moving *moving)
{
	struct call *call = moving->call;
	char why[FAILURE_TEXT_MAX + 1], reason[100];

	if (moving->left == 0)
		return FAILURE_NONE;
	snprintf(reason, sizeof(reason), "%.99s", moving->why.why);
	snprintf(why, sizeof(why), "it is saved, but %u accounts have not followed yet: %s", moving->left, reason);
	return call_fail(call, FAILURE_FAILED, call->request.owner.from, why, "it is tried again; see subuid list");
}

/* The next ones that move, as many as may be under way. In a loop of its own: one may end at once. */
static void next_accounts(struct owner_moving *moving)
{
	struct broker *broker = moving->call->broker;
	struct account row;
	int n = 1;

	if (moving->starting)
		return;
	moving->starting = true;
	while (!moving->done && moving->running < AT_ONCE) {
		n = store_account_list(broker->store, moving->call->owner.name, moving->after, &row, 1);
		moving->done = n <= 0;
		if (n <= 0)
			break;
		moving->after = row.uid;
		if (row.state == ACCOUNT_MOVING && !call_busy(broker, row.uid, moving->call) &&
		    member_start(moving, &row) < 0)
			broker->unfinished = true;
	}
	moving->starting = false;
	if (moving->done && moving->running == 0) {
		struct call *call = moving->call;
		enum failure failure = all_moved(moving);

		free(moving);
		call_finish(call, failure);
	}
}

/* It is committed: what does not follow now, recovery goes on with. */
static enum failure begun(struct call *call, enum failure failure)
{
	struct owner_moving *moving = failure == FAILURE_NONE ? calloc(1, sizeof(*moving)) : NULL;

	if (failure != FAILURE_NONE)
		return failure;
	failure = moving == NULL ? call_fail_system(call, "the change", -ENOMEM) :
				   each_account(call, call->owner.name, account_gone);
	if (failure == FAILURE_NONE)
		failure = ranges_follow(call);
	if (failure == FAILURE_NONE)
		failure = call_published(call, "it is saved", manage_keys_follow(call));
	if (moving == NULL || failure != FAILURE_NONE) {
		call->broker->unfinished = true;
		maintain_in(call->broker, 1);
		free(moving);
		return failure;
	}
	moving->call = call;
	next_accounts(moving);
	return CALL_PENDING;
}

enum failure op_owner_change(struct call *call)
{
	bool some = false;
	enum failure failure;

	target_set(call, call->request.owner.from);
	failure = from_look(call, &some);
	if (failure == FAILURE_NONE)
		failure = to_look(call);
	if (failure != FAILURE_NONE)
		return failure;
	if (strcmp(call->request.owner.from, call->owner.name) == 0 &&
	    (!some || call->owner.uid == call->former.owner_uid))
		return FAILURE_NONE; /* as it is said already */
	failure = all_ready(call);
	return failure == FAILURE_NONE ? call_act(call, "owner.change", body_change, begun) : failure;
}
