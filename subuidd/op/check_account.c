/* SPDX-License-Identifier: ISC */
/* Accounts and ranges against what readers see, what the rest of the host holds, and the disk. Run by a child of the
 * broker. */
#include "subuidd/op/check_child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/advice.h"
#include "index/index.h"
#include "account/passwd.h"
#include "subuidd/call/caller.h"
#include "subuidd/life/urgent.h"

static struct index_reader reader = INDEX_READER(INDEX_PATH);

/* ---- what readers see ---- */

/* One word for all of them: the check of the files says which file it is, and why. */
static void index_unreadable(struct check_result *result, int error)
{
	for (uint32_t i = 0; i < result->count; i++)
		if (strcmp(result->findings[i].subject, "index") == 0)
			return;
	if (advice_for(error) != NULL)
		check_add_error(result, "index", "it cannot be read", error);
	else
		check_add(result, "index",
			  error == -ENXIO ? "it does not exist" : "it cannot be read: damaged, or not root's",
			  TODO_INDEX)
			->repair = REPAIR_INDEX;
}

static void check_index_account(const struct account *row, const char *name, struct check_result *result)
{
	struct index_account seen;
	int r = index_account_by_uid(&reader, row->uid, &seen);

	if (row->state != ACCOUNT_ACTIVE) {
		if (r == 0)
			check_add_account(result, row, name, "in the index, though it is not active", TODO_INDEX,
					  REPAIR_INDEX);
		return;
	}
	if (r == -ENOENT)
		check_add_account(result, row, name, "not in the index by its uid", TODO_INDEX, REPAIR_INDEX);
	else if (r < 0)
		index_unreadable(result, r);
	if (r < 0)
		return;
	if (strcmp(seen.name, name) != 0 || seen.owner_uid != row->owner_uid ||
	    ((seen.flags ^ row->flags) & (ACCOUNT_LOCKED | ACCOUNT_FULL | ACCOUNT_FROZEN)) != 0 ||
	    seen.expires_day != row->facts.expires_day || strcmp(seen.comment, row->facts.comment) != 0)
		check_add_account(result, row, name, "the index says something else than the store", TODO_INDEX,
				  REPAIR_INDEX);
	if (index_account_by_name(&reader, name, &seen) < 0 || seen.uid != row->uid)
		check_add_account(result, row, name, "not in the index by its name", TODO_INDEX, REPAIR_INDEX);
}

static void check_index_range(const struct id_range *row, const char *subject, struct check_result *result)
{
	struct id_range first, last;

	if (index_range_by_id(&reader, row->first, &first) == 0 &&
	    index_range_by_id(&reader, row->first + row->count - 1, &last) == 0 && first.first == row->first &&
	    last.first == row->first && first.count == row->count && first.owner_uid == row->owner_uid &&
	    first.account_uid == row->account_uid)
		return;
	check_add(result, subject, "the index says something else of this range than the store", TODO_INDEX)->repair =
		REPAIR_INDEX;
}

/* ---- the rest of the host ---- */

/* NSS must answer with our name: then our module is there, and no other before it. */
static void check_nss(const struct broker *broker, const struct account *row, const char *name,
		      struct check_result *result)
{
	entry_cleanup struct host_entry user = { 0 }, own = { 0 };
	char fault[FAILURE_TEXT_MAX + 1];
	int r = local_user_of(&broker->local, row->uid, &user);

	if (r == -ENOENT) {
		check_add_account(result, row, name, "NSS does not know its uid",
				  "run subuid doctor: is subuid in nsswitch.conf?", REPAIR_NONE);
	} else if (r < 0) {
		check_add_account(result, row, name, "the user database does not answer for its uid",
				  "try again when it does", REPAIR_NONE);
	} else if (strcmp(user.user.pw_name, name) != 0) {
		snprintf(fault, sizeof(fault), "its uid %u is also that of %.100s", row->uid, user.user.pw_name);
		check_add_account(result, row, name, fault, "remove one of them", REPAIR_NONE);
	}
	r = local_group_of(&broker->local, row->uid, &own);
	if (r < 0 && r != -ENOENT) {
		check_add_account(result, row, name, "the group database does not answer for its gid",
				  "try again when it does", REPAIR_NONE);
	} else if (r == 0 && strcmp(own.group.gr_name, name) != 0) {
		snprintf(fault, sizeof(fault), "its gid %u is also that of the group %.100s", row->uid,
			 own.group.gr_name);
		check_add_account(result, row, name, fault, "remove one of them", REPAIR_NONE);
	}
}

/* owner, label: the holder here; label "": the owner. */
static void check_subids(const struct broker *broker, uint32_t first, uint32_t count, const char *owner,
			 uint32_t owner_uid, const char *label, const char *subject, struct check_result *result)
{
	struct id_block holder = { first, first + count - 1 };
	char name[ACCOUNT_NAME_MAX + 1], number[16], fault[FAILURE_TEXT_MAX + 1];
	const char *const names[] = { owner, number, name }; /* as lines of the files may name the user */
	bool given = name_join(owner, broker->settings.separator, label, name) == 0;
	int r;

	snprintf(number, sizeof(number), "%u", owner_uid);
	r = host_probe_others(broker->probe.data, holder.first, holder.last, names, given ? 3 : 2, &holder);
	if (r == 0)
		return;
	if (r < 0)
		snprintf(fault, sizeof(fault), "what the rest of the host holds cannot be found out: %s", strerror(-r));
	else
		snprintf(fault, sizeof(fault),
			 "%u-%u is also held outside: in /etc/subuid, /etc/subgid, passwd or group", holder.first,
			 holder.last);
	check_add(result, subject, fault, "take it away there, or remove it here");
}

/* ---- disk ---- */

static void check_home(const struct broker *broker, struct home_owner *owner, const struct account *row,
		       const char *name, struct check_result *result)
{
	char why[256] = "";
	int r = home_check_next(&broker->homes, owner, row, why, sizeof(why));
	unsigned parts = 0;

	if (r == 0 || (r == -ENOTCONN && broker->views_on_demand))
		return;
	if (advice_for(r) != NULL && r != -ENOTCONN)
		check_add_error(result, name, why[0] != '\0' ? why : "its home cannot be looked at", r);
	else if (home_mend(&broker->homes, row, (gid_t)-1, !broker->views_on_demand, true, &parts) == 0 && parts != 0)
		check_add_account(
			result, row, name, why,
			(parts & PART_DATA) != 0 ? "its data lies set aside: subuid check --repair puts it back" :
			(parts & PART_HOME) != 0 ? "subuid check --repair makes an empty one; what was in it is in "
						   "your backup of this host" :
						   TODO_ACCOUNT,
			REPAIR_ACCOUNT);
	else
		check_add_account(result, row, name, why[0] != '\0' ? why : strerror(-r),
				  "look at what stands there, move it away, and then: subuid check --repair",
				  REPAIR_NONE);
}

/* A change that counts although the store could not be written: the index is right and the row is not. */
static bool unrecorded(const struct broker *broker, const struct account *row, const char *name,
		       struct check_result *result)
{
	bool removal = withheld_removal(&broker->withheld, row->uid, NULL);

	if (row->state != ACCOUNT_ACTIVE || (!removal && !withheld_has(&broker->withheld, row->uid, 0)))
		return false;
	check_add_account(result, row, name,
			  removal ? "its removal is pending: it is locked, and the store could not be written" :
				    "it is locked, and the store could not be written",
			  "make room on the disk of " STATE_DIR "; subuidd tries again by itself", REPAIR_NONE);
	return true;
}

/* Of an owner who is another user now, which is a finding of its own. In doubt the owner stands. */
static bool owner_gone(const struct broker *broker, const struct account *row)
{
	struct link_owner owner;
	int r = passwd_by_name_local(&broker->local, row->owner, &owner);

	return r == -ENOENT || (r == 0 && owner.uid != row->owner_uid);
}

static void check_account(const struct broker *broker, struct home_owner *owner, const struct account *row,
			  struct check_result *result)
{
	char name[ACCOUNT_NAME_MAX + 1];

	if (name_join(row->owner, broker->settings.separator, row->label, name) < 0) {
		check_add(result, row->label, "its name is not one", "load a saved state: subuid state load FILE");
		return;
	}
	if (unrecorded(broker, row, name, result))
		return;
	check_index_account(row, name, result);
	if (row->state != ACCOUNT_ACTIVE) {
		check_add_account(result, row, name,
				  row->state == ACCOUNT_MOVING ? "its name is being changed" :
								 "it is neither active nor gone",
				  "see the log: subuidd tries again by itself", REPAIR_NONE);
		return;
	}
	check_nss(broker, row, name, result);
	check_subids(broker, row->uid, 1, row->owner, row->owner_uid, "", name, result);
	check_home(broker, owner, row, name, result);
}

void check_accounts(const struct broker *broker, const struct check_job *job, struct check_result *result)
{
	struct home_owner owner = { .fd = -1 };
	const struct account *before = NULL;

	for (int i = 0; i < job->accounts_count; i++) {
		const struct account *row = &job->accounts[i];

		if (job->busy[i])
			continue;
		/* those of one owner follow one another: the user database is asked once */
		if (before == NULL || before->owner_uid != row->owner_uid || strcmp(before->owner, row->owner) != 0)
			owner.gone = owner_gone(broker, row);
		before = row;
		check_account(broker, &owner, row, result);
	}
	if (owner.fd >= 0)
		close(owner.fd);
}

static void check_range(const struct broker *broker, const struct id_range *row, struct check_result *result)
{
	char subject[ACCOUNT_NAME_MAX + 1];

	snprintf(subject, sizeof(subject), "%.*s %u", OWNER_MAX, row->owner, row->first);
	check_index_range(row, subject, result);
	check_subids(broker, row->first, row->count, row->owner, row->owner_uid, row->label, subject, result);
}

void check_ranges(const struct broker *broker, const struct check_job *job, struct check_result *result)
{
	for (int i = 0; i < job->ranges_count; i++) {
		check_range(broker, &job->ranges[i], result);
		if (job->alone[i])
			check_range_owner(broker, &job->ranges[i], result);
	}
}
