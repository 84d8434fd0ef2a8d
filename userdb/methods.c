/* SPDX-License-Identifier: ISC */
/*
 * The three methods of io.systemd.UserDatabase (https://systemd.io/USER_GROUP_API). Run by the service that answers
 * systemd, on bytes of anybody's, with no privilege.
 *
 * Everything comes from the index. Nobody else is asked, and the C library's users least of all: nss-systemd, which is
 * in every host's nsswitch.conf, asks this service. A name or number that is not ours is "no record" at once, since
 * it is asked for every user of the host.
 *
 * Nothing is enumerated. NSS lists accounts where the setting `enumerate` says so, and everybody who lists users
 * through systemd lists what NSS has, too: nss-systemd would tell each of them a second time.
 */
#include "userdb/methods.h"

#include <errno.h>
#include <string.h>

#include "account/name.h"
#include "account/range_name.h"
#include "userdb/record.h"

#define INTERFACE "io.systemd.UserDatabase"
#define NO_RECORD_FOUND INTERFACE ".NoRecordFound"
#define BAD_SERVICE INTERFACE ".BadService"
#define SERVICE_NOT_AVAILABLE INTERFACE ".ServiceNotAvailable"
#define CONFLICTING_RECORD_FOUND INTERFACE ".ConflictingRecordFound"
#define ENUMERATION_NOT_SUPPORTED INTERFACE ".EnumerationNotSupported"

static const char interface_text[] =
	"# Users and groups that subuidd knows: sub-accounts and the ids inside ranges.\n"
	"interface " INTERFACE "\n"
	"\n"
	"method GetUserRecord(uid: ?int, userName: ?string, service: string) -> (record: object, incomplete: bool)\n"
	"\n"
	"method GetGroupRecord(gid: ?int, groupName: ?string, service: string) -> (record: object, incomplete: bool)\n"
	"\n"
	"method GetMemberships(userName: ?string, groupName: ?string, service: string) -> (userName: string, "
	"groupName: string)\n"
	"\n"
	"error NoRecordFound()\n"
	"error BadService()\n"
	"error ServiceNotAvailable()\n"
	"error ConflictingRecordFound()\n"
	"error EnumerationNotSupported()\n";

/* To whom a name or number belongs: an account's, or of an id inside a range. */
struct entry {
	bool of_range;
	uint32_t id;
	char name[RANGE_NAME_MAX + 1];
	struct index_account account;
	struct id_range range;
	struct index_host host;
};
_Static_assert(RANGE_NAME_MAX >= ACCOUNT_NAME_MAX, "either fits");

static void entry_of_account(struct entry *entry)
{
	entry->of_range = false;
	entry->id = entry->account.uid;
	memcpy(entry->name, entry->account.name, strlen(entry->account.name) + 1);
}

static void entry_of_range(struct entry *entry, uint32_t id)
{
	entry->of_range = true;
	entry->id = id;
	range_name_format(&entry->range, entry->host.separator, id, entry->name);
}

/* An account that asks is told of itself and of the ranges that it holds, as by libnss_subuid. */
static int entry_shown(const struct userdb *userdb, const struct entry *entry)
{
	const uint32_t of = entry->of_range ? entry->range.account_uid : entry->account.uid;

	return userdb->account == 0 || userdb->account == of ? 0 : -ENOENT;
}

/* 0, -ENOENT, or another negative errno: the index cannot be read. The same order as in libnss_subuid. */
static int entry_by_name(const struct userdb *userdb, const char *name, struct entry *entry)
{
	uint32_t id;
	int r = -ENOENT;

	if (!name_has_separator(name))
		return -ENOENT;
	r = index_account_and_host_by_name(userdb->reader, name, &entry->account, &entry->host);
	if (r == 0)
		entry_of_account(entry);
	if (r == -ENOENT) {
		r = index_range_by_name(userdb->reader, name, &id, &entry->range, &entry->host);
		if (r == 0)
			entry_of_range(entry, id);
	}
	return r == 0 ? entry_shown(userdb, entry) : r;
}

static int entry_by_id(const struct userdb *userdb, uint32_t id, struct entry *entry)
{
	int r = index_account_and_host_by_uid(userdb->reader, id, &entry->account, &entry->host);

	if (r == 0)
		entry_of_account(entry);
	if (r == -ENOENT) {
		r = index_range_named(userdb->reader, id, &entry->range, &entry->host);
		if (r == 0)
			entry_of_range(entry, id);
	}
	return r == 0 ? entry_shown(userdb, entry) : r;
}

/* Answers with an error that has no parameters. */
static int refuse(struct varlink_call *call, const char *error)
{
	return varlink_error(call, error, NULL);
}

static bool service_is_ours(const struct varlink_call *call)
{
	const char *service = json_string_value(json_object_get(call->parameters, "service"));

	return service != NULL && strcmp(service, USERDB_SERVICE) == 0;
}

/*
 * Looks up who is asked for, by "uid" and "userName" or "gid" and "groupName". 0; 1: answered that there is nobody, or
 * nobody who is both; or the negative errno that ends the connection.
 */
static int find(struct varlink_call *call, const char *by_id, const char *by_name, struct entry *entry)
{
	json_t *id = json_object_get(call->parameters, by_id), *name = json_object_get(call->parameters, by_name);
	const struct userdb *userdb = call->data;
	const char *error = NULL;
	int r;

	if (!service_is_ours(call))
		error = BAD_SERVICE;
	else if (id == NULL && name == NULL)
		error = ENUMERATION_NOT_SUPPORTED;
	if (error == NULL && id != NULL && (json_integer_value(id) < 0 || json_integer_value(id) >= UINT32_MAX)) {
		r = varlink_invalid_parameter(call, by_id);
		return r < 0 ? r : 1;
	}
	if (error == NULL) {
		r = name != NULL ? entry_by_name(userdb, json_string_value(name), entry) :
				   entry_by_id(userdb, (uint32_t)json_integer_value(id), entry);
		if (r == 0 && name != NULL && id != NULL && entry->id != json_integer_value(id))
			error = CONFLICTING_RECORD_FOUND;
		else if (r == -ENOENT)
			error = NO_RECORD_FOUND;
		else if (r < 0)
			error = SERVICE_NOT_AVAILABLE;
	}
	if (error == NULL)
		return 0;
	r = refuse(call, error);
	return r < 0 ? r : 1;
}

/* Takes the reference of record. Nothing was left out: there is no part of a record that not everybody may see. */
static int reply_record(struct varlink_call *call, json_t *record)
{
	json_t *parameters = record == NULL ? NULL : json_pack("{s:o, s:b}", "record", record, "incomplete", 0);

	return parameters == NULL ? -ENOMEM : varlink_reply(call, parameters);
}

static int get_user_record(struct varlink_call *call)
{
	const struct userdb *userdb = call->data;
	struct account_bounds bounds;
	struct entry entry;
	int r = find(call, "uid", "userName", &entry);

	if (r != 0)
		return r < 0 ? r : 0;
	if (entry.of_range)
		return reply_record(call, record_of_range_id(&entry.range, &entry.host, entry.id));
	/* one that goes away in between cannot log in */
	if (index_bounds(userdb->reader, &entry.account, &bounds) < 0)
		memset(&bounds, 0, sizeof(bounds));
	return reply_record(call, record_of_account(&entry.account, &entry.host, &bounds.of));
}

static int get_group_record(struct varlink_call *call)
{
	struct entry entry;
	int r = find(call, "gid", "groupName", &entry);

	if (r != 0)
		return r < 0 ? r : 0;
	return reply_record(call, record_of_group(entry.name, entry.id, entry.of_range));
}

/* The groups that a user is in beside the own one, as libnss_subuid's initgroups tells them; how many. */
static unsigned groups_of(const struct entry *entry, const char *groups[USERDB_GROUPS])
{
	unsigned count = 0;

	if (entry->host.subuids_gid != 0)
		groups[count++] = USERDB_ACCOUNTS_GROUP;
	if (entry->host.forward_gid != 0 && !entry->of_range && (entry->account.flags & ACCOUNT_FORWARDS) != 0)
		groups[count++] = USERDB_FORWARD_GROUP;
	if (entry->host.passwords_gid != 0 && !entry->of_range && (entry->account.flags & ACCOUNT_PASSWORDS) != 0)
		groups[count++] = USERDB_PASSWORDS_GROUP;
	if (entry->host.both_gid != 0 && !entry->of_range && (entry->account.flags & ACCOUNT_BOTH) != 0)
		groups[count++] = USERDB_BOTH_GROUP;
	return count;
}

static int reply_membership(struct varlink_call *call, const char *user, const char *group, bool continues)
{
	json_t *pair = json_pack("{s:s, s:s}", "userName", user, "groupName", group);

	if (pair == NULL)
		return -ENOMEM;
	return continues ? varlink_reply_continues(call, pair) : varlink_reply(call, pair);
}

/* One reply for each group, the last one without "continues". */
static int reply_memberships(struct varlink_call *call, const struct entry *entry, const char *wanted)
{
	const char *groups[USERDB_GROUPS];
	unsigned count = groups_of(entry, groups);
	int r = 0;

	for (unsigned i = 0; wanted != NULL && i < count; i++)
		if (strcmp(groups[i], wanted) == 0)
			return reply_membership(call, entry->name, wanted, false);
	if (wanted != NULL || count == 0)
		return refuse(call, NO_RECORD_FOUND);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = reply_membership(call, entry->name, groups[i], i + 1 < count);
	return r;
}

/*
 * Of one user. The members of a group are not told, as in NSS: of the group of all accounts it would be a million
 * names, each time that somebody looks the group up where nsswitch.conf merges groups.
 */
static int get_memberships(struct varlink_call *call)
{
	const char *user = json_string_value(json_object_get(call->parameters, "userName"));
	const char *group = json_string_value(json_object_get(call->parameters, "groupName"));
	struct entry entry;
	int r;

	if (!service_is_ours(call))
		return refuse(call, BAD_SERVICE);
	if (user == NULL)
		return refuse(call, group == NULL ? ENUMERATION_NOT_SUPPORTED : NO_RECORD_FOUND);
	if (group == NULL && !call->more && !call->oneway)
		return refuse(call, VARLINK_EXPECTED_MORE);
	r = entry_by_name(call->data, user, &entry);
	if (r < 0)
		return refuse(call, r == -ENOENT ? NO_RECORD_FOUND : SERVICE_NOT_AVAILABLE);
	return call->oneway ? 0 : reply_memberships(call, &entry, group);
}

/* A missing `service` is a BadService, as everybody answers it, and not a parameter that is missing. */
static const struct varlink_parameter user_parameters[] = {
	{ "uid", JSON_INTEGER, false },
	{ "userName", JSON_STRING, false },
	{ "service", JSON_STRING, false },
	{ NULL, JSON_NULL, false },
};
static const struct varlink_parameter group_parameters[] = {
	{ "gid", JSON_INTEGER, false },
	{ "groupName", JSON_STRING, false },
	{ "service", JSON_STRING, false },
	{ NULL, JSON_NULL, false },
};
static const struct varlink_parameter membership_parameters[] = {
	{ "userName", JSON_STRING, false },
	{ "groupName", JSON_STRING, false },
	{ "service", JSON_STRING, false },
	{ NULL, JSON_NULL, false },
};
static const struct varlink_method methods[] = {
	{ "GetUserRecord", user_parameters, get_user_record },
	{ "GetGroupRecord", group_parameters, get_group_record },
	{ "GetMemberships", membership_parameters, get_memberships },
	{ NULL, NULL, NULL },
};
static const struct varlink_interface user_database = { INTERFACE, interface_text, methods };
static const struct varlink_interface *const interfaces[] = { &user_database, NULL };

struct varlink_service userdb_service(struct userdb *userdb)
{
	return (struct varlink_service){
		.vendor = "subuidd",
		.product = "subuidd user database",
		.version = VERSION,
		.url = "man:subuidd(8)",
		.interfaces = interfaces,
		.data = userdb,
	};
}
