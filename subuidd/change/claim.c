/* SPDX-License-Identifier: ISC */
/* Ids that root names by number: who had them, who has them, and whether anything else on the host has taken
 * them. */
#include "subuidd/change/claim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/id.h"
#include "subuidd/call/caller.h"
#include "subuidd/call/former.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/strays.h"
#include "subuidd/ids/probe.h"
#include "subid/held.h"

static bool inside(const struct id_block *blocks, unsigned count, uint32_t first, uint32_t last)
{
	for (unsigned i = 0; i < count; i++)
		if (first >= blocks[i].first && last <= blocks[i].last)
			return true;
	return false;
}

static enum failure held_by_store(struct call *call, const char *what, const struct id_range *holder, enum id_kind kind)
{
	struct store *store = call->store;
	struct account account = { 0 };
	struct id_range range = { 0 };
	char why[FAILURE_TEXT_MAX + 1], since[16];

	former_date(holder->created, since);
	switch (kind) {
	case ID_ACCOUNT:
		store_account_by_uid(store, holder->first, &account);
		snprintf(why, sizeof(why), "%u is the uid of %s%c%s", holder->first, account.owner,
			 call->broker->settings.separator, account.label);
		break;
	case ID_RANGE:
		store_range_get(store, holder->first, &range);
		snprintf(why, sizeof(why), "%u-%u is a range of %s", holder->first, holder->first + holder->count - 1,
			 range.owner);
		break;
	case ID_TOMBSTONE:
		snprintf(why, sizeof(why), "%u was given to %s%c%s before, until %s", holder->first, holder->owner,
			 call->broker->settings.separator, holder->label, since);
		return call_fail(call, FAILURE_CONFLICT, what, why, "subuid release, when nothing of it is left");
	case ID_FOREIGN:
		snprintf(why, sizeof(why), "%u was somebody else's on this host on %s", holder->first, since);
		return call_fail(call, FAILURE_CONFLICT, what, why, "subuid release, when it is nobody's any more");
	}
	return call_fail(call, FAILURE_CONFLICT, what, why, "remove that first, or leave this one out");
}

/* Made of set-aside data that nobody had a row of: then it has the label that its number is, or none. */
static bool nameless(const struct id_range *holder)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", holder->first);
	return holder->owner_uid != 0 &&
	       (holder->label[0] == '\0' ? holder->owner[0] == '\0' : strcmp(holder->label, number) == 0);
}

/* A tombstone of exactly these ids, and of call->account (label "": of the owner) as it would be again. A tombstone
 * that was made from data on the disk may not know for whom (owner_uid 0), or by which name. */
static bool had_before(const struct call *call, const struct id_range *holder, uint32_t first, uint32_t last)
{
	if (holder->first != first || holder->first + holder->count - 1 != last)
		return false;
	if (holder->owner_uid != call->owner.uid && holder->owner_uid != 0)
		return false;
	return nameless(holder) ||
	       (strcmp(holder->owner, call->owner.name) == 0 && strcmp(holder->label, call->account.label) == 0);
}

/* That its data is set aside is forgotten, but for what an undo needs to set it aside again. */
static enum failure aside_forget(struct call *call, const char *what, struct account *account)
{
	struct store *store = call->store;
	struct removed removed;
	int r = store_removed_get(store, account->uid, &removed);

	if (r == -ENOENT)
		return FAILURE_NONE;
	if (r == 0 && purge_under_way(call->broker, account->uid))
		return call_fail(call, FAILURE_BUSY, what, "its data is being deleted at this moment", "try again");
	if (r == 0)
		r = store_removed_delete(store, account->uid);
	if (r < 0)
		return call_fail_store(call, r);
	if (account->flags & ACCOUNT_ASIDE_THERE)
		account->flags |= removed.keep ? ACCOUNT_KEEP_HOME : ACCOUNT_ASIDE_DUE;
	return FAILURE_NONE;
}

static enum failure tombstone_free(struct call *call, const char *what, const struct id_range *holder)
{
	int r = store_tombstone_release(call->store, holder->first);

	if (r == -EBUSY)
		return call_fail(call, FAILURE_CONFLICT, what, "the data of the account that had it is still set aside",
				 "import that account with it, or leave the number out");
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* An import that was cut off goes on, or a removed account is restored with its ids: root has named owner, label
 * and number. No files change hands. account: the one that has the uid; NULL: a range. */
static enum failure give_back(struct call *call, const char *what, const struct id_range *holder,
			      struct account *account)
{
	enum failure failure = account != NULL ? aside_forget(call, what, account) : FAILURE_NONE;
	int r;

	if (failure == FAILURE_NONE)
		failure = tombstone_free(call, what, holder);
	if (failure != FAILURE_NONE)
		return failure;
	snprintf(call->detail, sizeof(call->detail), "%u ids from %u, to whom had them", holder->count, holder->first);
	r = audit_write(call, "tombstone.release", NULL);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* again: ids that the owner had before are free for this owner. */
static enum failure store_free(struct call *call, const char *what, uint32_t first, uint32_t last, bool again)
{
	struct id_range holder;
	enum id_kind kind;
	int r = store_id_holder(call->store, first, last, &holder, &kind);

	if (r == -ENOENT)
		return FAILURE_NONE;
	if (r < 0)
		return call_fail_store(call, r);
	if (again && kind == ID_TOMBSTONE && had_before(call, &holder, first, last))
		return give_back(call, what, &holder, NULL);
	return held_by_store(call, what, &holder, kind);
}

/* No files but those of the account's own place belong to its uid. strays.h has the list, which is made before. */
static enum failure disk_uid_free(struct call *call, const char *what, const struct account *account)
{
	char where[OWNER_MAX + LABEL_MAX + 2], why[FAILURE_TEXT_MAX + 1];
	int r = strays_find(call->broker, account->uid, account->owner, account->label, where, sizeof(where));

	if (r == 0)
		return FAILURE_NONE;
	if (r < 0)
		return call_fail(call, r == -EBUSY ? FAILURE_BUSY : FAILURE_FAILED, what,
				 "whether files of it lie under the homes is not known",
				 "look at the log of subuidd, and try again");
	snprintf(why, sizeof(why), "%s/%s belongs to it", call->broker->settings.homes, where);
	return call_fail(call, FAILURE_CONFLICT, what, why, "import that account with it, or move the directory away");
}

/* One that the store has never heard of may still be that of files which it has not heard of either. */
static enum failure store_free_uid(struct call *call, const char *what, struct account *account)
{
	struct id_range holder;
	enum id_kind kind;
	int r = store_id_holder(call->store, account->uid, account->uid, &holder, &kind);

	if (r == -ENOENT)
		return disk_uid_free(call, what, account);
	if (r < 0)
		return call_fail_store(call, r);
	if (kind == ID_TOMBSTONE && had_before(call, &holder, account->uid, account->uid))
		return give_back(call, what, &holder, account);
	return held_by_store(call, what, &holder, kind);
}

static enum failure special_free(struct call *call, const char *what, uint32_t first, uint32_t last)
{
	if (first > 65535 && last < UINT32_MAX - 1)
		return FAILURE_NONE;
	return call_fail(call, FAILURE_CONFLICT, what, "these are ids of the system", "leave it out");
}

static enum failure unknown(struct call *call, int error)
{
	return call_fail_system(call, "what the rest of the host holds cannot be found out", error);
}

static enum failure host_free_id(struct call *call, const char *what, uint32_t id)
{
	const struct allocate_probe *probe = &call->broker->probe;
	struct link_owner user;
	char why[FAILURE_TEXT_MAX + 1];
	int r = probe->uid_taken(probe->data, id);

	if (r == 1) {
		snprintf(why, sizeof(why), "it is the uid of %.100s",
			 passwd_by_uid(id, &user) == 0 ? user.name : "another");
		return call_fail(call, FAILURE_CONFLICT, what, why,
				 "leave the number out, or give that one another uid");
	}
	if (r == 0)
		r = probe->gid_taken(probe->data, id);
	if (r == 1)
		return call_fail(call, FAILURE_CONFLICT, what, "it is the gid of a group of this host",
				 "leave the number out, or give that one another gid");
	return r < 0 ? unknown(call, r) : FAILURE_NONE;
}

static enum failure host_free_block(struct call *call, const char *what, uint32_t first, uint32_t last)
{
	const struct allocate_probe *probe = &call->broker->probe;
	struct id_block holder = { first, last };
	char why[FAILURE_TEXT_MAX + 1];
	int r = probe->block_taken(probe->data, first, last, &holder);

	if (r == 0)
		return FAILURE_NONE;
	if (r < 0)
		return unknown(call, r);
	snprintf(why, sizeof(why), "%u-%u is held outside: in /etc/subuid, /etc/subgid, passwd or group", holder.first,
		 holder.last);
	return call_fail(call, FAILURE_CONFLICT, what, why, "leave the number out, or free them there");
}

enum failure claim_uid(struct call *call, struct account *account)
{
	const struct settings *settings = &call->broker->settings;
	uint32_t uid = account->uid;
	char what[24];
	enum failure failure;

	snprintf(what, sizeof(what), "uid %u", uid);
	if (!inside(settings->accounts, settings->accounts_count, uid, uid))
		return call_fail(call, FAILURE_CONFLICT, what,
				 "it is in none of the blocks of accounts= in subuidd.conf", "add a block there");
	failure = store_free_uid(call, what, account);
	if (failure == FAILURE_NONE)
		failure = host_free_id(call, what, uid);
	return failure == FAILURE_NONE ? host_free_block(call, what, uid, uid) : failure;
}

bool claim_range_inside(const struct settings *settings, uint32_t first, uint32_t count)
{
	return inside(settings->ranges, settings->ranges_count, first, first + count - 1);
}

enum failure claim_range(struct call *call, uint32_t first, uint32_t count)
{
	uint32_t last = first + count - 1;
	char what[48];
	enum failure failure;

	snprintf(what, sizeof(what), "range %u-%u", first, last);
	if (!claim_range_inside(&call->broker->settings, first, count))
		return call_fail(call, FAILURE_CONFLICT, what, "it is in none of the blocks of ranges= in subuidd.conf",
				 "add a block there, or adopt it from /etc/subuid and /etc/subgid");
	failure = store_free(call, what, first, last, true);
	return failure == FAILURE_NONE ? host_free_block(call, what, first, last) : failure;
}

/* The tombstone of exactly these ids, which this owner or that account (uid; 0: an account itself) had. */
static enum failure mine_before(struct call *call, const char *what, uint32_t first, uint32_t last,
				uint32_t account_uid, struct id_range *holder)
{
	enum id_kind kind;
	int r = store_id_holder(call->store, first, last, holder, &kind);

	if (r < 0 && r != -ENOENT)
		return call_fail_store(call, r);
	if (r == 0 && kind == ID_TOMBSTONE && holder->first == first && holder->first + holder->count - 1 == last &&
	    holder->owner_uid == call->owner.uid && holder->account_uid == account_uid)
		return FAILURE_NONE;
	if (r == 0)
		return held_by_store(call, what, holder, kind);
	return call_fail(call, FAILURE_CONFLICT, what, "root has released it since", "ask an administrator");
}

enum failure claim_uid_back(struct call *call, struct account *account)
{
	struct id_range holder;
	char what[24];
	enum failure failure;

	snprintf(what, sizeof(what), "uid %u", account->uid);
	failure = mine_before(call, what, account->uid, account->uid, 0, &holder);
	if (failure == FAILURE_NONE)
		failure = aside_forget(call, what, account);
	if (failure == FAILURE_NONE)
		failure = tombstone_free(call, what, &holder);
	if (failure == FAILURE_NONE)
		failure = host_free_id(call, what, account->uid);
	return failure == FAILURE_NONE ? host_free_block(call, what, account->uid, account->uid) : failure;
}

enum failure claim_range_back(struct call *call, uint32_t account_uid, uint32_t first, uint32_t count)
{
	struct id_range holder;
	uint32_t last = first + count - 1;
	char what[48];
	enum failure failure;

	snprintf(what, sizeof(what), "range %u-%u", first, last);
	failure = mine_before(call, what, first, last, account_uid, &holder);
	if (failure == FAILURE_NONE)
		failure = tombstone_free(call, what, &holder);
	return failure == FAILURE_NONE ? host_free_block(call, what, first, last) : failure;
}

/* How many of the two files give it to call->owner, just so, into *held; the others give none of it to anybody. */
static enum failure files_give(struct call *call, const char *what, uint32_t first, uint32_t count, int *held)
{
	char why[FAILURE_TEXT_MAX + 1];
	int r[2];

	for (int i = 0; i < 2; i++) {
		const char *path = i == 0 ? "/etc/subuid" : "/etc/subgid";

		r[i] = subid_line_held(path, call->owner.name, call->owner.uid, first, count);
		if (r[i] < 0 && r[i] != -EEXIST)
			return unknown(call, r[i]);
		if (r[i] >= 0)
			continue;
		snprintf(why, sizeof(why), "%s gives ids of it to others than %s, in another block, or twice", path,
			 call->owner.name);
		return call_fail(call, FAILURE_CONFLICT, what, why, "put the file right first");
	}
	*held = r[0] + r[1];
	if (*held != 1)
		return FAILURE_NONE;
	snprintf(why, sizeof(why), "%s does not give it to %s, just so", r[0] == 0 ? "/etc/subuid" : "/etc/subgid",
		 call->owner.name);
	return call_fail(call, FAILURE_CONFLICT, what, why, "put the file right first");
}

enum failure claim_adopted(struct call *call, uint32_t first, uint32_t count)
{
	uint32_t last = first + count - 1;
	char what[48];
	enum failure failure;
	int held = 0, r;

	snprintf(what, sizeof(what), "range %u-%u", first, last);
	failure = special_free(call, what, first, last);
	if (failure == FAILURE_NONE)
		failure = files_give(call, what, first, count, &held);
	if (failure == FAILURE_NONE)
		failure = store_free(call, what, first, last, held == 0);
	if (failure != FAILURE_NONE || held == 0)
		return failure != FAILURE_NONE ? failure : host_free_block(call, what, first, last);
	r = host_entries_taken(&call->broker->host, first, last);
	if (r < 0)
		return unknown(call, r);
	return r == 0 ? FAILURE_NONE :
			call_fail(call, FAILURE_CONFLICT, what, "ids of it are those of users or groups of this host",
				  "give those other ids first");
}

enum failure claim_tombstone(struct call *call, uint32_t first, uint32_t count, bool *present)
{
	struct id_range holder;
	enum id_kind kind;
	uint32_t last = first + count - 1;
	char what[48];
	int r = store_id_holder(call->store, first, last, &holder, &kind);

	snprintf(what, sizeof(what), "tombstone %u-%u", first, last);
	if (r == -ENOENT)
		return special_free(call, what, first, last);
	if (r < 0)
		return call_fail_store(call, r);
	*present = kind == ID_TOMBSTONE && holder.first <= first && holder.first + holder.count - 1 >= last;
	return *present ? FAILURE_NONE : held_by_store(call, what, &holder, kind);
}
