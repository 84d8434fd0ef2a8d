/* SPDX-License-Identifier: ISC */
/*
 * Compares everything below the homes with the store. A child walks and passes over what the index explains (which
 * is proven against the store by steps of its own); the broker looks up the rest, some at a time, so that nobody is
 * held up. The cursor is how many entries have been passed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "index/index.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "home/walk.h"
#include "subuidd/op/check_step.h"
#include "subuidd/op/repair.h"

#define UNEXPLAINED_MAX 65536u /* of one step: some 7 MiB */
#define AT_ONCE 64

/* ---- the child ---- */

struct unexplained {
	uint32_t at; /* how many were before it */
	struct disk_entry entry;
};

struct walked {
	uint32_t passed, count;
	int32_t error;
	uint32_t whole; /* 1: to the end */
};

struct disk_walk {
	const struct broker *broker;
	int memory;
	uint32_t from;
	struct walked walked;
	struct unexplained *rows;
};

/* It is passed over: its content is no business of this check. */
static bool explained(void *data, const struct disk_entry *entry)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct disk_walk *walk = data;
	struct index_account seen;

	if (entry->kind != DISK_ACCOUNT || entry->uid == 0 || index_account_by_uid(&reader, entry->uid, &seen) < 0 ||
	    strcmp(seen.owner, entry->owner) != 0 || strcmp(seen.label, entry->label) != 0)
		return false;
	walk->walked.passed++;
	return true;
}

static int visit(void *data, const struct disk_entry *entry)
{
	struct disk_walk *walk = data;
	struct walked *walked = &walk->walked;

	if (walked->passed++ < walk->from)
		return 0;
	if (walked->count == UNEXPLAINED_MAX) {
		walked->passed--;
		return 1;
	}
	if (walked->count % 256 == 0) {
		struct unexplained *rows = reallocarray(walk->rows, walked->count + 256, sizeof(*rows));

		if (rows == NULL)
			return -ENOMEM;
		walk->rows = rows;
	}
	walk->rows[walked->count++] = (struct unexplained){ .at = walked->passed - 1, .entry = *entry };
	return 0;
}

static int walk_child(const void *argument)
{
	struct disk_walk walk = *(const struct disk_walk *)argument;
	int r = home_walk_unknown(&walk.broker->homes, explained, visit, &walk);
	size_t size;

	walk.walked.error = r < 0 ? r : 0;
	walk.walked.whole = r == 0;
	size = walk.walked.count * sizeof(*walk.rows);
	return pwrite(walk.memory, &walk.walked, sizeof(walk.walked), 0) == (ssize_t)sizeof(walk.walked) &&
			       (size == 0 ||
				pwrite(walk.memory, walk.rows, size, sizeof(walk.walked)) == (ssize_t)size) ?
		       0 :
		       1;
}

static int walk_start(const struct broker *broker, uint32_t from, int *memory, int *pidfd)
{
	cleanup_fd int file = memfd_create("check-disk", MFD_CLOEXEC);
	const struct disk_walk walk = { .broker = broker, .memory = file, .from = from };
	const struct child_job child = { .run = walk_child, .argument = &walk };
	pid_t pid;
	int r = file < 0 ? -errno : child_start(&child, &pid, pidfd);

	if (r == 0)
		*memory = steal_fd(&file);
	return r;
}

/* ---- the broker ---- */

struct disk_check {
	struct call *call;
	int memory;
	uint32_t from, next;
	struct walked walked;
	struct check_result result;
};

static void entry_path(const struct disk_check *check, const struct disk_entry *entry, char path[FAILURE_TEXT_MAX + 1])
{
	const char *homes = check->call->broker->settings.homes;

	if (entry->kind == DISK_REMOVED || entry->kind == DISK_MAKING)
		snprintf(path, FAILURE_TEXT_MAX + 1, "%s/%s/%u", homes,
			 entry->kind == DISK_REMOVED ? ".removed" : ".making", entry->uid);
	else
		snprintf(path, FAILURE_TEXT_MAX + 1, "%s/%s%s%s", homes, entry->owner,
			 entry->label[0] != '\0' ? "/" : "", entry->label);
}

static struct finding *tell(struct disk_check *check, const struct disk_entry *entry, const char *fault,
			    const char *todo)
{
	char path[FAILURE_TEXT_MAX + 1];

	entry_path(check, entry, path);
	return check_add(&check->result, path, fault, todo);
}

/* The child walked before; what ended meanwhile, a purge for one, took it away. */
static bool gone_since(const struct disk_check *check, const struct disk_entry *entry, enum finding_place place)
{
	struct account account = { .uid = entry->uid };
	uint32_t owner;
	int r;

	memcpy(account.owner, entry->owner, sizeof(account.owner));
	memcpy(account.label, entry->label, sizeof(account.label));
	r = home_leftover_owner(&check->call->broker->homes, &account, finding_home_place(place), &owner);
	return r == -ENOENT || r == -ESTALE;
}

/* Of an account whose id nobody has any more. owner, label: the former holder; "": unknown. */
static void tell_leftover(struct disk_check *check, const struct disk_entry *entry, enum finding_place place,
			  const char *owner, const char *label)
{
	static const char *const what[] = {
		[PLACE_ACCOUNT] = "an account directory",
		[PLACE_MAKING] = "the beginning of an account",
		[PLACE_REMOVED] = "the directory of a removed account",
	};
	char fault[FAILURE_TEXT_MAX + 1], todo[FAILURE_TEXT_MAX + 1];
	struct finding *finding;

	if (gone_since(check, entry, place))
		return;
	snprintf(fault, sizeof(fault), "%s %s data, and uid %u is no account%s", what[place],
		 entry->data ? "with" : "without", entry->uid,
		 place == PLACE_REMOVED ? " whose data is set aside" : "");
	if (!entry->data)
		snprintf(todo, sizeof(todo), "subuid check --repair removes it");
	else if (owner[0] != '\0' && label[0] != '\0')
		snprintf(
			todo, sizeof(todo), /* no backslash, which is printed as two */
			"take it up: (echo owner,label,uid; echo %s,%s,%u) | subuid import -; or subuid check --repair "
			"sets it aside",
			owner, label, entry->uid);
	else
		snprintf(todo, sizeof(todo),
			 "subuid check --repair sets it aside; subuid import, with its uid, takes it up");
	finding = tell(check, entry, fault, todo);
	finding->repair = entry->uid == 0 ? REPAIR_NONE : entry->data ? REPAIR_ASK : REPAIR_LEFTOVER;
	finding->place = place;
	finding->uid = entry->uid;
	memcpy(finding->owner, entry->owner, sizeof(finding->owner));
	memcpy(finding->label, entry->label, sizeof(finding->label));
}

/* Of an account that exists elsewhere. */
static void tell_misplaced(struct disk_check *check, const struct disk_entry *entry, const struct account *row)
{
	const struct broker *broker = check->call->broker;
	char fault[FAILURE_TEXT_MAX + 1], todo[FAILURE_TEXT_MAX + 1], why[256] = "";
	bool missing = home_check(&broker->homes, row, why, sizeof(why)) == -ENOENT;

	snprintf(fault, sizeof(fault), "it belongs to uid %u, whose directory is %.120s/%.32s/%.31s", row->uid,
		 broker->settings.homes, row->owner, row->label);
	snprintf(todo, sizeof(todo),
		 missing ? "mv it to its place, and then: subuid check --repair" :
			   "that one is there, too: look at both, and move this one away");
	if (missing && entry->kind == DISK_REMOVED)
		return; /* said of the account, and put back by its repair */
	tell(check, entry, fault, todo);
}

/* True: its id belongs to an account, or is just changing hands; everything has been reported. */
static bool judge_live(struct disk_check *check, const struct disk_entry *entry)
{
	struct call *call = check->call;
	struct account row;

	if (entry->uid == 0) {
		tell(check, entry, "it is not said whose it is: its group is root", "look at it, and move it away");
		return true;
	}
	if (call_busy(call->broker, entry->uid, call))
		return true;
	if (store_account_by_uid(call->store, entry->uid, &row) < 0)
		return false;
	if (row.state == ACCOUNT_ACTIVE && entry->kind == DISK_MAKING)
		tell_leftover(check, entry, PLACE_MAKING, "", "");
	else if (row.state == ACCOUNT_ACTIVE && (entry->kind == DISK_REMOVED || strcmp(row.owner, entry->owner) != 0 ||
						 strcmp(row.label, entry->label) != 0))
		tell_misplaced(check, entry, &row);
	return true;
}

static void judge_account(struct disk_check *check, const struct disk_entry *entry)
{
	struct account row;

	/* one of another uid in the place of an account is reported for the account */
	if (store_account_get(check->call->store, entry->owner, entry->label, &row) == 0 || judge_live(check, entry))
		return;
	tell_leftover(check, entry, PLACE_ACCOUNT, entry->owner, entry->label);
}

static void judge_uid(struct disk_check *check, const struct disk_entry *entry, enum finding_place place)
{
	struct store *store = check->call->store;
	struct id_range holder = { .owner = "", .label = "" };
	struct removed removed;
	enum id_kind kind;

	if (place == PLACE_REMOVED && store_removed_get(store, entry->uid, &removed) == 0)
		return;
	if (judge_live(check, entry))
		return;
	if (store_id_holder(store, entry->uid, entry->uid, &holder, &kind) < 0 || kind != ID_TOMBSTONE)
		holder.owner[0] = holder.label[0] = '\0';
	tell_leftover(check, entry, place, holder.owner, holder.label);
}

static void judge_owner(struct disk_check *check, const struct disk_entry *entry)
{
	struct account owner = { .uid = 1, .owner_uid = 0, .label = "x" };
	struct broker *broker = check->call->broker;
	struct finding *finding;
	uint32_t accounts = 0;

	memcpy(owner.owner, entry->owner, sizeof(owner.owner));
	if (store_account_count(broker->store, entry->owner, &accounts) < 0 || accounts > 0 ||
	    home_leftover_empty(&broker->homes, &owner, HOME_AT_OWNER) != 0)
		return;
	finding = tell(check, entry, "the directory of an owner who has no account, and it is empty",
		       "subuid check --repair removes it");
	finding->repair = REPAIR_LEFTOVER;
	finding->place = PLACE_OWNER;
	memcpy(finding->owner, entry->owner, sizeof(finding->owner));
}

static void judge(struct disk_check *check, const struct disk_entry *entry)
{
	switch (entry->kind) {
	case DISK_ACCOUNT:
		judge_account(check, entry);
		break;
	case DISK_REMOVED:
		judge_uid(check, entry, PLACE_REMOVED);
		break;
	case DISK_MAKING:
		judge_uid(check, entry, PLACE_MAKING);
		break;
	case DISK_OWNER_EMPTY:
		judge_owner(check, entry);
		break;
	case DISK_OTHER:
		tell(check, entry, "nothing that subuidd makes", "look at it, and move it away");
		break;
	}
}

static void disk_end(struct disk_check *check, bool whole, uint32_t at)
{
	struct call *call = check->call;

	if (whole)
		check_step_after(call, STEP_DISK);
	else
		check_step_at(call, STEP_DISK, at);
	call->answer.checked = at - check->from;
	check_send(call, &check->result);
	close(check->memory);
	free(check);
	call_finish(call, FAILURE_NONE);
}

/* Some of what the child could not explain. */
static int judge_some(sd_event_source *source, void *userdata)
{
	struct disk_check *check = userdata;
	struct unexplained row;

	for (int i = 0; i < AT_ONCE && check->next < check->walked.count; i++) {
		off_t place = (off_t)(sizeof(check->walked) + check->next * sizeof(row));

		if (pread(check->memory, &row, sizeof(row), place) != (ssize_t)sizeof(row))
			break;
		if (check->result.count >= CHECK_FEW - 1) {
			sd_event_source_disable_unref(source);
			disk_end(check, false, row.at);
			return 0;
		}
		judge(check, &row.entry);
		check->next++;
	}
	if (check->next < check->walked.count)
		return 0;
	sd_event_source_disable_unref(source);
	disk_end(check, check->walked.whole != 0, check->walked.passed);
	return 0;
}

static void walked(void *data, int status)
{
	struct disk_check *check = data;
	struct call *call = check->call;
	sd_event_source *source = NULL;
	int r = 0;

	if (status != 0 ||
	    pread(check->memory, &check->walked, sizeof(check->walked), 0) != (ssize_t)sizeof(check->walked))
		check->walked = (struct walked){ .error = status == -ETIMEDOUT ? -ETIMEDOUT : -EIO };
	if (check->walked.error < 0) {
		check_add_error(&check->result, call->broker->settings.homes, "what lies there cannot be listed",
				check->walked.error);
		disk_end(check, true, check->from);
		return;
	}
	r = sd_event_add_defer(call->broker->event, &source, judge_some, check);
	if (r >= 0)
		r = sd_event_source_set_enabled(source, SD_EVENT_ON);
	if (r >= 0)
		return;
	close(check->memory);
	free(check);
	call_finish(call, call_fail_system(call, "the check", r));
}

enum failure check_step_disk(struct call *call, uint32_t from)
{
	struct disk_check *check = calloc(1, sizeof(*check));
	int pidfd = -1, r;

	if (check == NULL)
		return call_fail_system(call, "the check", -ENOMEM);
	*check = (struct disk_check){ .call = call, .from = from, .memory = -1 };
	r = walk_start(call->broker, from, &check->memory, &pidfd);
	if (r >= 0)
		r = child_watch(call->broker->event, pidfd, PROOF_SECONDS, walked, check);
	if (r >= 0)
		return CALL_PENDING;
	if (check->memory >= 0)
		close(check->memory);
	free(check);
	return call_fail_system(call, "the check cannot be started", r);
}
