/* SPDX-License-Identifier: ISC */
/*
 * Maps the ids of an account in a user namespace that its owner has made: there the owner is root over the account's
 * files (subuid exec, shell, ls, copy), or the account is root over its containers (subuid exec --container). As
 * newuidmap does, but the caller names an account and no ids, and what they may map is not read from /etc/subuid: with
 * 214 sub-accounts these lines filled the page that newuidmap writes, so that no container of their owner started. Run
 * by the broker; a child writes the maps, as the caller.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "account/date.h"
#include "confine/child.h"
#include "confine/identity.h"
#include "confine/user_namespace.h"
#include "subuidd/base/child.h"
#include "subuidd/door/operation.h"
#include "subuidd/life/meter.h"

#define ENTER_SECONDS 5
#define MAPS_MAX 340 /* which the kernel takes, if their text fits */
#define BATCH 16

struct enter {
	pid_t pid; /* of the caller. If it is another process by now: one of another user is no owner's, for the kernel
		    */
	uid_t uid;
	gid_t gid;
	size_t length[2];
	char text[2][ID_MAP_TEXT_MAX]; /* of uids and gids */
};

/* The child. Its status is an errno. */
static int write_maps(const void *argument)
{
	static const char *const files[] = { "uid_map", "gid_map" };
	const struct enter *enter = argument;
	int r = identity_become_mapper(enter->uid, enter->gid);

	if (r == 0)
		r = child_bind();
	for (int i = 0; r == 0 && i < 2; i++)
		r = id_map_write(enter->pid, files[i], enter->text[i], enter->length[i]);
	return -r;
}

/* The ranges of the account: under their own numbers, so that ids look inside as they are on disk, or, `inside` not
 * being 0, one after the other from there on, by their number: podman sorts them so where it maps them itself. Their
 * number, or negative errno. */
static int ranges_map(struct store *store, uint32_t uid, uint32_t inside, struct id_map *maps, size_t most)
{
	struct id_range rows[BATCH];
	uint32_t after = 0;
	size_t count = 0;
	int n;

	while ((n = store_range_list_account(store, uid, after, rows, BATCH)) > 0) {
		for (int i = 0; i < n; i++) {
			if (count == most)
				return -E2BIG;
			maps[count++] =
				(struct id_map){ inside == 0 ? rows[i].first : inside, rows[i].first, rows[i].count };
			inside += inside == 0 ? 0 : rows[i].count;
		}
		after = rows[n - 1].first;
	}
	return n < 0 ? n : (int)count;
}

/* 0, -E2BIG: the kernel does not map so many, -ENOENT: there is nothing for containers, or an errno of the store. */
static int maps_make(const struct call *call, struct enter *enter)
{
	const bool container = call->request.enter.container != 0;
	const uint32_t uid = call->account.uid, own[] = { call->caller.uid, call->caller.gid };
	const size_t before = container ? 1 : 2;
	struct id_map maps[MAPS_MAX] = { [1] = { uid, uid, 1 } };
	int count = ranges_map(call->store, uid, container ? 1 : 0, maps + before, MAPS_MAX - before);

	if (count <= 0 && (count < 0 || container))
		return count < 0 ? count : -ENOENT;
	for (int i = 0; i < 2; i++) {
		int length;

		maps[0] = (struct id_map){ 0, container ? uid : own[i], 1 };
		length = id_map_text(maps, (size_t)count + before, enter->text[i]);
		if (length < 0)
			return -E2BIG;
		enter->length[i] = (size_t)length;
	}
	return 0;
}

static void entered(void *data, int status)
{
	struct call *call = data;

	call_finish(call, status == 0 ? FAILURE_NONE :
					call_fail_system(call, "the user namespace cannot be mapped", -abs(status)));
}

static enum failure maps_write(struct call *call)
{
	struct enter enter = { .pid = call->caller.pid, .uid = call->caller.uid, .gid = call->caller.gid };
	const struct child_job job = { .run = write_maps, .argument = &enter, .seconds = ENTER_SECONDS };
	pid_t pid;
	int pidfd, r = maps_make(call, &enter);

	if (r == -E2BIG)
		return call_fail(call, FAILURE_FAILED, NULL, "it has more ranges than the kernel maps at once",
				 "`subuid range list` shows them");
	if (r == -ENOENT)
		return call_fail(call, FAILURE_CONFLICT, NULL, "it has no range of ids for containers",
				 "`subuid range add 65536 NAME` gives it one");
	if (r < 0)
		return call_fail_store(call, r);
	r = child_start(&job, &pid, &pidfd);
	if (r == 0)
		r = child_watch(call->broker->event, pidfd, ENTER_SECONDS, entered, call);
	if (r < 0)
		return call_fail_system(call, "the user namespace cannot be mapped", r);
	call->overtaken = true;
	return CALL_PENDING;
}

/* Nothing begins as an account that may not log in. The other namespace is its owner's, for looking at what it has. */
static enum failure may_run(struct call *call)
{
	const struct account *account = &call->account;
	const bool expired = date_over(account->facts.expires_day, (long)(time(NULL) / SECONDS_PER_DAY));

	if (call->request.enter.container == 0 ||
	    ((account->flags & (ACCOUNT_LOCKED | ACCOUNT_FROZEN)) == 0 && !expired))
		return FAILURE_NONE;
	return call_fail(call, FAILURE_CONFLICT, NULL,
			 (account->flags & ACCOUNT_LOCKED) != 0 ? "it is locked, so nothing runs as it" :
			 expired                                ? "it has expired, so nothing runs as it" :
								  "it is frozen, so nothing runs as it",
			 "subuid unlock, thaw or set --expires takes that back");
}

enum failure op_account_enter(struct call *call)
{
	enum failure failure = call_account(call, TO_READ);

	if (failure == FAILURE_NONE)
		failure = call_owner_same(call);
	if (failure != FAILURE_NONE)
		return failure;
	/* not for others, whatever they may do here: the ids would be theirs */
	if (call->caller.uid != call->account.owner_uid)
		return call_fail(call, FAILURE_NOT_PERMITTED, NULL, "not yours", "only its owner can do this");
	if (call->account.state != ACCOUNT_ACTIVE)
		return call_fail(call, FAILURE_BUSY, NULL, "it is being made or removed", "try again");
	failure = may_run(call);
	if (failure != FAILURE_NONE)
		return failure;
	if (call->request.enter.container != 0) /* what runs there is no run, after which its usage is counted */
		meter_now(call->broker, call->account.uid);
	return maps_write(call);
}
