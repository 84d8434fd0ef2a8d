/* SPDX-License-Identifier: ISC */
/*
 * Compares the ids that the rest of this host holds with the database of a saved state, for the state program: see
 * compare.h. Users and groups are enumerated, and also looked up by the number of each account, because a directory
 * need not enumerate.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "account/name.h"
#include "account/passwd.h"
#include "subuidd/state/compare.h"
#include "subid/held.h"

#define BATCH 64
#define ASKED_MAX 20000u /* accounts that are asked for by number: two questions each, some 50 us */
#define NAME_SIZE 256
#define FILES 2

struct others {
	const struct comparison *c;
	struct subid_list users; /* ids of users and groups */
	struct subid_file files[FILES];
	uint32_t asked;
	bool doubt;
	char owner[OWNER_MAX + 1]; /* the last one that was looked up */
};

/* Ours, from the index that still exists: compare_host() compares that. */
static bool ours(const struct others *o, const char *name)
{
	return strchr(name, o->c->place->settings.separator) != NULL;
}

static int id_add(struct others *o, const char *name, uint32_t id)
{
	return ours(o, name) ? 0 : subid_list_add(&o->users, (struct id_block){ id, id });
}

static int users_read(struct others *o)
{
	const struct passwd *user;
	const struct group *group;
	int r = 0;

	setpwent();
	while (r == 0 && (user = getpwent()) != NULL)
		r = id_add(o, user->pw_name, user->pw_uid);
	endpwent();
	setgrent();
	while (r == 0 && (group = getgrent()) != NULL)
		r = id_add(o, group->gr_name, group->gr_gid);
	endgrent();
	subid_list_sort(&o->users);
	return r;
}

static void conflict(const struct others *o, const struct id_range *ids, const char *whose, struct id_block block)
{
	char name[NAME_SIZE];

	report_add(o->c->report, REPORT_CONFLICT, "%u-%u is %s of this host; in the file it is %s", block.first,
		   block.last, whose, seen_name(o->c->place, ids, name, sizeof(name)));
}

/* As check does it (op/check_account.c). True: a line gives them to somebody else. */
static bool lines_look(const struct others *o, const struct id_range *ids)
{
	const uint32_t last = ids->first + (ids->count - 1);
	char number[16], name[ACCOUNT_NAME_MAX + 1] = "";
	struct id_block holder;
	uint64_t names[3];
	size_t count = 2;

	snprintf(number, sizeof(number), "%u", ids->owner_uid);
	names[0] = subid_name_hash(ids->owner, strlen(ids->owner));
	names[1] = subid_name_hash(number, strlen(number));
	if (name_join(ids->owner, o->c->place->settings.separator, ids->label, name) == 0)
		names[count++] = subid_name_hash(name, strlen(name));
	for (size_t i = 0; i < FILES; i++)
		if (subid_find_other(&o->files[i].list, ids->first, last, names, count, &holder)) {
			conflict(o, ids, "in a line of /etc/subuid or /etc/subgid", holder);
			return true;
		}
	return false;
}

static bool ids_look(const struct others *o, const struct id_range *ids)
{
	struct id_block holder;

	if (subid_find(&o->users, ids->first, ids->first + (ids->count - 1), &holder)) {
		conflict(o, ids, "the id of a user or a group", holder);
		return true;
	}
	return lines_look(o, ids);
}

/* Without an index our own source answers that it is unavailable for each uid; the findings of the others count all the
 * same. */
static bool index_lacks(void)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	struct index_host host;

	return index_host(&reader, &host) != 0;
}

static void doubt(struct others *o, int error)
{
	if (!o->doubt && !index_lacks())
		report_add(o->c->report, REPORT_NOTE,
			   "the user database does not answer (%s): it is unknown whether others have ids of the file",
			   strerror(-error));
	o->doubt = true; /* said once */
}

/* By number, of sources that do not enumerate. */
static void account_ask(struct others *o, const struct id_range *ids)
{
	entry_cleanup struct host_entry user = { 0 }, group = { 0 };
	struct id_block block = { ids->first, ids->first };
	int r = user_find_uid(ids->first, &user);

	if (r == 0 && !ours(o, user.user.pw_name))
		conflict(o, ids, "the id of a user", block);
	if (r == 0 && !ours(o, user.user.pw_name))
		return;
	if (r == 0 || r == -ENOENT)
		r = group_find_gid(ids->first, &group);
	if (r == 0 && !ours(o, group.group.gr_name))
		conflict(o, ids, "the id of a group", block);
	else if (r < 0 && r != -ENOENT)
		doubt(o, r);
}

/* Those of one owner usually come together. */
static void owner_look(struct others *o, const struct account *row)
{
	entry_cleanup struct host_entry user = { 0 };
	int r;

	if (strcmp(o->owner, row->owner) == 0)
		return;
	memcpy(o->owner, row->owner, sizeof(o->owner));
	r = user_find(row->owner, &user);
	if (r == -ENOENT)
		report_add(o->c->report, REPORT_NOTE,
			   "%s, who has accounts in the file, is not a user of this host: nobody can log in "
			   "to them",
			   row->owner);
	else if (r < 0)
		doubt(o, r);
	else if (user.user.pw_uid != row->owner_uid)
		report_add(o->c->report, REPORT_NOTE,
			   "%s has uid %u here, and %u in the file: nobody can log in to the accounts", row->owner,
			   (unsigned)user.user.pw_uid, row->owner_uid);
}

static void account_look(struct others *o, const struct account *row)
{
	struct id_range ids = { .first = row->uid, .count = 1, .owner_uid = row->owner_uid };

	memcpy(ids.owner, row->owner, sizeof(ids.owner));
	memcpy(ids.label, row->label, sizeof(ids.label));
	owner_look(o, row);
	if (!ids_look(o, &ids) && o->asked++ < ASKED_MAX)
		account_ask(o, &ids);
}

static int accounts_look(struct others *o)
{
	struct account rows[BATCH];
	uint32_t after = 0;
	int n;

	while ((n = store_account_list(o->c->file, NULL, after, rows, BATCH)) > 0) {
		for (int i = 0; i < n; i++)
			account_look(o, &rows[i]);
		after = rows[n - 1].uid;
	}
	if (o->asked > ASKED_MAX)
		report_add(o->c->report, REPORT_NOTE,
			   "only the first %u accounts were asked for by number: users of a directory that "
			   "does not list them may have ids of the others (subuid check tells)",
			   ASKED_MAX);
	return n;
}

static int ranges_look(struct others *o)
{
	struct id_range rows[BATCH];
	uint32_t after = 0;
	int n;

	while ((n = store_range_list(o->c->file, NULL, after, rows, BATCH)) > 0) {
		for (int i = 0; i < n; i++)
			ids_look(o, &rows[i]);
		after = rows[n - 1].first;
	}
	return n;
}

int compare_users(const struct comparison *c)
{
	struct others o = { .c = c, .files = { { .path = SYSCONFDIR "/subuid" }, { .path = SYSCONFDIR "/subgid" } } };
	int r = users_read(&o);

	for (size_t i = 0; r == 0 && i < FILES; i++)
		r = subid_file_refresh(&o.files[i]);
	if (r == 0)
		r = accounts_look(&o);
	if (r == 0)
		r = ranges_look(&o);
	for (size_t i = 0; i < FILES; i++)
		subid_file_free(&o.files[i]);
	subid_list_free(&o.users);
	return r;
}
