/* SPDX-License-Identifier: ISC */
/*
 * Root's release of ids that nobody has any more. Files below the homes that still belong to them would go to the
 * next holder, and the next start would be refused: a home whose id the store does not know says that the store has
 * lost an account. A child (root, on descriptors; nothing is changed) therefore reads all names below the homes
 * first. The broker does not wait for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "subuidd/base/child.h"
#include "home/walk.h"
#include "subuidd/base/log.h"
#include "subuidd/door/operation.h"

#define WALK_SECONDS 600u /* some seconds for a million homes; a disk that hangs is not waited for for ever */

enum { LOOK_CLEAN, LOOK_FOUND, LOOK_FAILED }; /* exit status */

/* The search: for ids of the block, and for the account that had it; the findings are left in the file. */
struct look {
	const struct homes *homes;
	uint32_t first, last;
	uint32_t account_uid; /* 0: none, or it exists and keeps its home */
	int memory;
	struct call *call;
};

/* ---- the child ---- */

static int look_visit(void *data, const struct disk_entry *entry)
{
	const struct look *look = data;
	bool kind = entry->kind == DISK_ACCOUNT || entry->kind == DISK_REMOVED || entry->kind == DISK_MAKING;

	if (!kind || entry->uid == 0)
		return 0;
	if ((entry->uid < look->first || entry->uid > look->last) && entry->uid != look->account_uid)
		return 0;
	return pwrite(look->memory, entry, sizeof(*entry), 0) == (ssize_t)sizeof(*entry) ? 1 : -EIO;
}

static int look_run(const void *argument)
{
	struct look look = *(const struct look *)argument;
	int homes = look.homes->fd, low = look.memory < homes ? look.memory : homes;
	int keep[] = { 0, 1, 2, low, low == homes ? look.memory : homes, -1 };
	int r = descriptors_keep(keep);

	if (r == 0)
		r = home_walk_names(look.homes, look_visit, &look);
	return r == 0 ? LOOK_CLEAN : r == 1 ? LOOK_FOUND : LOOK_FAILED;
}

/* ---- the broker ---- */

static enum failure not_found(struct call *call, const char *what)
{
	return call_fail(call, FAILURE_NOT_FOUND, what, "no removed ids begin there", "see subuid check");
}

static enum failure still_aside(struct call *call, const char *what)
{
	return call_fail(call, FAILURE_BUSY, what, "the data of its account is still set aside",
			 "wait until it is deleted");
}

static void what_of(const struct call *call, char what[16])
{
	snprintf(what, 16, "%u", call->request.release.first);
}

static enum failure body_release(struct call *call)
{
	uint32_t first = call->request.release.first;
	char what[16];
	int r = store_tombstone_release(call->store, first);

	what_of(call, what);
	snprintf(call->detail, sizeof(call->detail), "ids from %u may be given out again", first);
	if (r == -ENOENT)
		return not_found(call, what);
	if (r == -EBUSY)
		return still_aside(call, what);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure look_failed(struct call *call, const char *what)
{
	return call_fail(call, FAILURE_FAILED, what, "whether data of it lies below the homes is not known",
			 "look at the log of subuidd, and try again");
}

static enum failure data_there(struct call *call, const char *what, const struct disk_entry *entry)
{
	const char *homes = call->broker->settings.homes;
	char why[FAILURE_TEXT_MAX + 1];

	if (entry->kind == DISK_ACCOUNT)
		snprintf(why, sizeof(why), "%.120s/%s/%s belongs to uid %u", homes, entry->owner, entry->label,
			 entry->uid);
	else
		snprintf(why, sizeof(why), "%.120s/%s/%u is there", homes,
			 entry->kind == DISK_REMOVED ? ".removed" : ".making", entry->uid);
	return call_fail(call, FAILURE_CONFLICT, what, why,
			 "delete that directory or move it away first; subuid check says what it is");
}

static enum failure looked(struct call *call, const struct look *look, int status)
{
	struct disk_entry entry;
	char what[16];

	what_of(call, what);
	if (status == LOOK_CLEAN)
		return call_transaction(call, call->operation->action, body_release);
	if (status == LOOK_FOUND && pread(look->memory, &entry, sizeof(entry), 0) == (ssize_t)sizeof(entry))
		return data_there(call, what, &entry);
	log_error("release of %s: %s cannot be looked through (%d)", what, call->broker->settings.homes, status);
	return look_failed(call, what);
}

static void look_end(struct look *look)
{
	cleanup_fd_p(&look->memory);
	free(look);
}

static void look_done(void *data, int status)
{
	struct look *look = data;
	struct call *call = look->call;
	enum failure failure = looked(call, look, status);

	look_end(look);
	call_finish(call, failure);
}

static int look_start(struct look *look)
{
	const struct child_job job = { .run = look_run, .argument = look, .seconds = WALK_SECONDS };
	int pidfd = -1, r;
	pid_t pid;

	look->memory = memfd_create("subuidd-release", MFD_CLOEXEC);
	if (look->memory < 0)
		return -errno;
	r = child_start(&job, &pid, &pidfd);
	return r < 0 ? r : child_watch(look->call->broker->event, pidfd, WALK_SECONDS, look_done, look);
}

/* 1: the data of this account is set aside and known, 0: it is not; negative errno. */
static int aside(struct store *store, uint32_t uid)
{
	struct removed removed;
	int r = uid == 0 ? -ENOENT : store_removed_get(store, uid, &removed);

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* Checked before a child is started for nothing: the ids are removed ones, and no known data belongs to them. The
 * transaction checks the same again. account_uid: the former holder of the block, if it has no row any more. */
static enum failure ids_removed(struct call *call, const char *what, struct id_range *ids)
{
	struct store *store = call->store;
	struct account account;
	enum id_kind kind;
	int r = store_id_holder(store, call->request.release.first, call->request.release.first, ids, &kind);

	if (r == -ENOENT ||
	    (r == 0 && (ids->first != call->request.release.first || kind == ID_ACCOUNT || kind == ID_RANGE)))
		return not_found(call, what);
	if (r == 0)
		r = aside(store, ids->first) ?: aside(store, ids->account_uid);
	if (r == 1)
		return still_aside(call, what);
	if (r < 0)
		return call_fail_store(call, r);
	r = ids->account_uid == 0 ? -ENOENT : store_account_by_uid(store, ids->account_uid, &account);
	if (r == 0)
		ids->account_uid = 0;
	return r == 0 || r == -ENOENT ? FAILURE_NONE : call_fail_store(call, r);
}

enum failure op_tombstone_release(struct call *call)
{
	struct id_range ids = { 0 };
	struct look *look;
	char what[16];
	enum failure failure;
	int r;

	what_of(call, what);
	failure = ids_removed(call, what, &ids);
	if (failure != FAILURE_NONE)
		return failure;
	look = calloc(1, sizeof(*look));
	if (look == NULL)
		return call_fail_system(call, "the homes cannot be looked through", -ENOMEM);
	*look = (struct look){ .homes = &call->broker->homes,
			       .first = ids.first,
			       .last = ids.first + ids.count - 1,
			       .account_uid = ids.account_uid,
			       .memory = -1,
			       .call = call };
	r = look_start(look);
	if (r < 0) {
		look_end(look);
		return call_fail_system(call, "the homes cannot be looked through", r);
	}
	return CALL_PENDING;
}
