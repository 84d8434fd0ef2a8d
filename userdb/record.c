/* SPDX-License-Identifier: ISC */
/*
 * Makes the JSON of records. Run by the service that answers systemd, which has no privilege; what a record says was
 * checked by the index reader.
 */
#include "userdb/record.h"

#include <errno.h>
#include <limits.h>

#include "account/bounds.h"
#include "account/date.h"
#include "account/range_name.h"

#define USEC_PER_DAY (INT64_C(1000000) * SECONDS_PER_DAY)

/* disposition: what systemd would take a user without one for, by their number. Said here, so that no host's own
 * ranges change it: "regular" users may log in, and those of "container" are nobody who does. */
#define OF_ACCOUNT "regular"
#define OF_RANGE "container"

/* Takes the reference of value; NULL for either: no memory. */
static bool add(json_t *record, const char *name, json_t *value)
{
	return json_object_set_new(record, name, value) == 0;
}

/* The passwd(5) entry. A name of the person that is "" is none, as systemd has it of an entry without a comment. */
static json_t *user_record(const char *name, uint32_t uid, const char *comment, const char *home, const char *shell,
			   const char *disposition)
{
	json_t *record = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s}", "userName", name, "uid", (json_int_t)uid,
				   "gid", (json_int_t)uid, "homeDirectory", home, "shell", shell, "disposition",
				   disposition, "service", USERDB_SERVICE);

	if (record == NULL || comment[0] == '\0' || add(record, "realName", json_string(comment)))
		return record;
	json_decref(record);
	return NULL;
}

/*
 * What all processes of an account together may have: systemd-logind sets it on the account's slice as the first of
 * its sessions begins. All 0: the index is of a version that knows nothing of it.
 */
static bool add_bounds(json_t *record, const struct bounds *bounds)
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{ "memoryMax", bounds->of[BOUND_MEMORY] },
		{ "cpuWeight", bounds->of[BOUND_CPU_WEIGHT] },
		{ "ioWeight", bounds->of[BOUND_IO_WEIGHT] },
		{ "tasksMax", bounds_tasks(bounds) },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].value != 0 && !add(record, all[i].name, json_integer((json_int_t)all[i].value)))
			return false;
	return true;
}

/* The day from which on it may not log in: shadow(5)'s, and as systemd reads that. */
static bool add_validity(json_t *record, const struct index_account *account)
{
	if ((account->flags & (ACCOUNT_LOCKED | ACCOUNT_FROZEN)) != 0 && !add(record, "locked", json_true()))
		return false;
	return account->expires_day < 0 ||
	       add(record, "notAfterUSec", json_integer(account->expires_day * USEC_PER_DAY));
}

json_t *record_of_account(const struct index_account *account, const struct index_host *host,
			  const struct bounds *bounds)
{
	char home[PATH_MAX];
	json_t *record;

	if (index_account_directory(host, account, home, sizeof(home)) < 0)
		return NULL;
	record = user_record(account->name, account->uid, account->comment, home, host->shell, OF_ACCOUNT);
	if (record != NULL && add_validity(record, account) && add_bounds(record, bounds))
		return record;
	json_decref(record);
	return NULL;
}

json_t *record_of_range_id(const struct id_range *range, const struct index_host *host, uint32_t id)
{
	char name[RANGE_NAME_MAX + 1], comment[RANGE_COMMENT_MAX + 1];
	json_t *record;

	range_name_format(range, host->separator, id, name);
	range_comment_format(range, host->separator, id, comment);
	record = user_record(name, id, comment, RANGE_HOME, RANGE_SHELL, OF_RANGE);
	if (record != NULL && add(record, "locked", json_true()))
		return record;
	json_decref(record);
	return NULL;
}

json_t *record_of_group(const char *name, uint32_t gid, bool of_range)
{
	return json_pack("{s:s, s:I, s:s, s:s}", "groupName", name, "gid", (json_int_t)gid, "disposition",
			 of_range ? OF_RANGE : OF_ACCOUNT, "service", USERDB_SERVICE);
}
