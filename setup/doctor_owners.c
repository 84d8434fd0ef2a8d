/* SPDX-License-Identifier: ISC */
/* `subuid doctor`: owners who are no longer the user that their accounts, ranges and removed accounts were made for.
 * Run by root; asks the daemon, and the user database. */
#include "cli/subuid.h"
#include "setup/doctor.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/name.h"
#include "account/passwd.h"
#include "cli/print.h"
#include "confine/cleanup.h"

#define NAMED_MAX 16 /* owners that are named; the rest is counted */

struct gone {
	char name[OWNER_MAX + 1];
	bool changed;
	uint32_t uid; /* that the accounts were made for */
	size_t accounts;
};

/* What the user database says of a name: asked once, however many things the owner has. */
struct asked {
	char name[OWNER_MAX + 1];
	int error;
	uid_t uid;
};

struct owners {
	struct gone rows[NAMED_MAX];
	size_t count, more;
	void *asked; /* tsearch(3): struct asked */
};

static int names_compare(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* NULL: no memory. */
static const struct asked *ask(struct owners *owners, const char *name)
{
	entry_cleanup struct host_entry entry = { 0 };
	cleanup_free struct asked *asked = calloc(1, sizeof(*asked));
	struct asked *const *at;

	if (asked == NULL)
		return NULL;
	snprintf(asked->name, sizeof(asked->name), "%s", name);
	at = tsearch(asked, &owners->asked, names_compare);
	if (at == NULL || *at != asked)
		return at == NULL ? NULL : *at;
	asked->error = user_find(name, &entry);
	asked->uid = asked->error == 0 ? entry.user.pw_uid : 0;
	return steal_ptr(&asked);
}

static struct gone *row_of(struct owners *owners, const char *name)
{
	for (size_t i = 0; i < owners->count; i++)
		if (strcmp(owners->rows[i].name, name) == 0)
			return &owners->rows[i];
	if (owners->count == NAMED_MAX)
		return NULL;
	snprintf(owners->rows[owners->count].name, sizeof(owners->rows[0].name), "%s", name);
	return &owners->rows[owners->count++];
}

static int each_account(json_t *reply, void *data)
{
	const json_t *account = json_object_get(reply, "account");
	struct owners *owners = data;
	const char *state = json_text(account, "ownerState");
	struct gone *row;

	if (account == NULL || state[0] == '\0')
		return 0;
	row = row_of(owners, json_text(account, "owner"));
	if (row == NULL) {
		owners->more++;
		return 0;
	}
	row->changed = strcmp(state, "changed") == 0;
	row->uid = (uint32_t)json_number(account, "ownerUid");
	row->accounts++;
	return 0;
}

/* Of owners without accounts nobody else tells. known: whether the uid is. In doubt the owner stands. */
static void look_at(struct owners *owners, const json_t *thing, bool known)
{
	const char *name = json_text(thing, "owner");
	uint32_t uid = (uint32_t)json_number(thing, "ownerUid");
	const struct asked *now = ask(owners, name);
	bool changed = now != NULL && now->error == 0 && known && now->uid != uid;
	struct gone *row = changed || (now != NULL && now->error == -ENOENT) ? row_of(owners, name) : NULL;

	if (row == NULL || row->accounts > 0 || row->uid != 0)
		return;
	row->changed = changed;
	row->uid = known ? uid : 0;
}

static int each_range(json_t *reply, void *data)
{
	const json_t *range = json_object_get(reply, "range");

	if (range != NULL)
		look_at(data, range, true);
	return 0;
}

static int each_removed(json_t *reply, void *data)
{
	const json_t *removed = json_object_get(reply, "removed");

	if (removed != NULL)
		look_at(data, removed, false);
	return 0;
}

/* The command: usermod -l leaves the uid, and so tells the new name. */
static void tell(struct doctor *doctor, const struct gone *row)
{
	entry_cleanup struct host_entry entry = { 0 };
	bool found_now = !row->changed && row->uid != 0 && user_find_uid(row->uid, &entry) == 0 &&
			 !name_has_separator(entry.user.pw_name) && strlen(entry.user.pw_name) <= OWNER_MAX;
	const char *now = row->changed ? row->name : found_now ? entry.user.pw_name : "NEW";
	const char *what = row->changed ? "has another uid now" : "is no user of this host any more";
	char todo[160];

	snprintf(todo, sizeof(todo), "if it is the same person: subuid owner %s %s", row->name, now);
	if (row->accounts > 0)
		found_f(doctor, FINDING_BAD, "owners", todo, "%s %s: nobody logs in to %zu of their accounts",
			row->name, what, row->accounts);
	else
		found_f(doctor, FINDING_BAD, "owners", todo,
			"%s %s: nobody can use their ranges, or take their removed accounts back", row->name, what);
}

static void look(struct doctor *doctor, struct owners *owners)
{
	if (call_each_reply("List", json_pack("{s:b}", "all", 1), each_account, owners) != STATUS_DONE ||
	    call_each_reply("RangeList", json_pack("{s:b}", "all", 1), each_range, owners) != STATUS_DONE ||
	    call_each_reply("RemovedList", json_pack("{s:b}", "all", 1), each_removed, owners) != STATUS_DONE)
		return;
	for (size_t i = 0; i < owners->count; i++)
		tell(doctor, &owners->rows[i]);
	if (owners->more > 0)
		found_f(doctor, FINDING_BAD, "owners", "subuid list", "%zu accounts of more owners are without one",
			owners->more);
	if (owners->count == 0)
		found(doctor, FINDING_GOOD, "owners", "all are the users that their accounts and ranges were made for",
		      "");
}

void doctor_owners(struct doctor *doctor)
{
	cleanup_free struct owners *owners = calloc(1, sizeof(*owners));

	if (doctor->status == NULL || owners == NULL)
		return;
	look(doctor, owners);
	tdestroy(owners->asked, free);
}
