/* SPDX-License-Identifier: ISC */
/* What each operation's request is checked for beyond its records (wire.c). Pure; run by the worker and the broker. */
#include "subuidd/wire/request.h"

#include <stddef.h>
#include <string.h>

#include "account/id.h"
#include "account/key.h"
#include "account/key_words.h"
#include "account/name.h"
#include "account/password.h"
#include "account/role.h"
#include "account/shell.h"

#define FACTS_ALL ((1u << FACTS) - 1)
#define KEY_OPTIONS_ALL (KEY_OPTIONS_END - 1u)
#define LIMITS_ALL (SET_LIMIT_ACCOUNTS | SET_LIMIT_KEYS | SET_LIMIT_RANGES | LIMIT_BOUNDS_SET)
#define IDS_MOST (LIMIT_RANGES_MAX * (uint64_t)RANGE_UNIT)

const char request_label_why[] = "a label is 1 to 31 of a-z, 0-9, '-' and '_', and begins with a letter or a digit";
const char request_owner_why[] = "not a name that can own sub-accounts";

uint32_t request_units(uint32_t count)
{
	return (uint32_t)(((uint64_t)count + RANGE_UNIT - 1) / RANGE_UNIT);
}

/* ---- keys ---- */

/* Members that only the broker fills are 0, and there is no option that does not exist. */
static bool key_sound(const struct ssh_key *key)
{
	return key->id == 0 && key->uid == 0 && key->created == 0 && key->fingerprint[0] == '\0' &&
	       key->owner[0] == '\0' && (key->options & ~KEY_OPTIONS_ALL) == 0 &&
	       (key->hash[0] == '\0') != key_is_password(key);
}

/* What the key may do. change/row_key.c checks later that the tools exist. */
static enum failure may_shape(const struct ssh_key *key, struct failure_text *text)
{
	char roles[ROLES_TEXT_MAX + 1];
	const char *conflict, *todo;

	if (roles_format(key, roles) < 0)
		return failure_set(text, FAILURE_INVALID, "role", "there is no such role",
				   "use push, blind, pull, sync, shell, command, forward, a tool's name; or manage");
	if (key->forward[0] != '\0' && !forward_valid(key->forward))
		return failure_set(text, FAILURE_INVALID, "forward", "not HOST:PORT",
				   "one host and one port, no pattern");
	if (key->options >= KEY_OPTIONS_END)
		return failure_set(text, FAILURE_INVALID, "options", "there is no such option", "");
	if ((key->options & KEY_APPEND_ONLY) && (key->options & KEY_READ_ONLY))
		return failure_set(text, FAILURE_INVALID, "options", "append-only and read-only exclude each other",
				   "give one of them");
	if ((key->options & KEY_READ_ONLY) && key->role != ROLE_PULL && key->role != ROLE_NONE)
		return failure_set(text, FAILURE_INVALID, "options", "this role writes, the key is read-only",
				   "use pull beside read-only tools");
	if (key->role == ROLE_MANAGE && (key->options != 0 || key->storage_quota != 0))
		return failure_set(text, FAILURE_INVALID, "options", "a key that manages reads and writes no files",
				   "leave the options out");
	conflict = shell_conflict(key, &todo);
	if (conflict != NULL)
		return failure_set(text, FAILURE_INVALID, "role", conflict, todo);
	return FAILURE_NONE;
}

/* The broker does not believe the worker that this is a key: once more, from the text. */
static enum failure itself_shape(const struct ssh_key *key, struct failure_text *text)
{
	char line[KEY_TYPE_MAX + 1 + KEY_BLOB_MAX + 1];
	struct ssh_key parsed = { 0 };
	size_t type = strlen(key->type), blob = strlen(key->blob);
	enum key_error error;

	memcpy(line, key->type, type);
	line[type] = ' ';
	memcpy(line + type + 1, key->blob, blob);
	error = key_parse(line, type + 1 + blob, &parsed);
	if (error == KEY_OK && (strcmp(parsed.type, key->type) != 0 || strcmp(parsed.blob, key->blob) != 0))
		error = KEY_BLOB;
	return error == KEY_OK ?
		       FAILURE_NONE :
		       failure_set(text, FAILURE_INVALID, "key", key_error_text(error), key_error_todo(error));
}

/* sshd knows of no key then: what its line would have said, we have to keep ourselves. The cost of the hash is one of
 * the settings: change/row_key.c. */
static enum failure password_shape(const struct ssh_key *key, struct failure_text *text)
{
	if (!password_selector_valid(key->blob))
		return failure_set(text, FAILURE_INVALID, "key", "not the begin of a password", "");
	if (key->forward[0] != '\0')
		return failure_set(text, FAILURE_INVALID, "forward", "a password does not forward", "use a key");
	if (key->from[0] != '\0' && !password_from_valid(key->from))
		return failure_set(text, FAILURE_INVALID, "from", "of a password: only addresses and networks",
				   "use no names of hosts");
	return FAILURE_NONE;
}

static enum failure words_shape(const struct ssh_key *key, struct failure_text *text)
{
	if (key->comment[0] != '\0' && !text_valid(key->comment, COMMENT_MAX))
		return failure_set(text, FAILURE_INVALID, "key", key_error_text(KEY_COMMENT),
				   key_error_todo(KEY_COMMENT));
	if (key->from[0] != '\0' && !from_valid(key->from))
		return failure_set(text, FAILURE_INVALID, "from", "not a pattern list as in sshd(8), from=",
				   "use addresses, networks and host names, separated by commas");
	return record_check(&key_record, key, 1u << KEY_ROW_COMMAND | 1u << KEY_ROW_NET, text);
}

enum failure request_key_shape(const struct ssh_key *key, struct failure_text *text)
{
	enum failure failure = key_is_password(key) ? password_shape(key, text) : itself_shape(key, text);

	if (failure == FAILURE_NONE)
		failure = may_shape(key, text);
	return failure == FAILURE_NONE ? words_shape(key, text) : failure;
}

bool key_add_sound(const struct request *request)
{
	return key_sound(&request->key_add.key);
}

enum failure key_add_shape(const struct request *request, char separator, struct failure_text *text)
{
	(void)separator;
	return request_key_shape(&request->key_add.key, text);
}

/* It manages, and has nothing that only a key of an account has. */
enum failure manage_key_add_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct ssh_key *key = &request->key_add.key;

	(void)separator;
	if (key->role != ROLE_MANAGE)
		return failure_set(text, FAILURE_INVALID, "role",
				   "such a key manages the accounts of its owner, and does nothing else",
				   "leave everything out but key, role, from and expires");
	return request_key_shape(key, text);
}

enum failure range_add_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_range_add *add = &request->range_add;

	(void)separator;
	if (add->small == 0)
		return FAILURE_NONE;
	if (!range_small(add->count))
		return failure_set(text, FAILURE_INVALID, "count", "not the size of a small range",
				   "4096 or 16384, without rounding up");
	return add->after == 0 ? FAILURE_NONE :
				 failure_set(text, FAILURE_INVALID, "after", "a small range follows no other",
					     "leave one of the two out");
}

/* Either its id (not 0) or its fingerprint. */
static enum failure which_shape(uint32_t id, const char *fingerprint, struct failure_text *text)
{
	if ((id != 0) == (fingerprint[0] != '\0'))
		return failure_set(text, FAILURE_INVALID, "id",
				   id != 0 ? "given together with a fingerprint" : "missing",
				   "give either the id or the fingerprint of the key");
	if (id == 0 && !fingerprint_shaped(fingerprint))
		return failure_set(text, FAILURE_INVALID, "fingerprint", "not a fingerprint",
				   "as `ssh-keygen -l` prints it: SHA256:…");
	return FAILURE_NONE;
}

enum failure key_remove_shape(const struct request *request, char separator, struct failure_text *text)
{
	(void)separator;
	return which_shape(request->key_remove.id, request->key_remove.fingerprint, text);
}

/* Of members that are given together all or none; and none that is not given. */
bool key_change_sound(const struct request *request)
{
	const struct request_key_change *change = &request->key_change;
	static const struct ssh_key nothing;
	const uint32_t set = change->set, itself = set & KEY_ROWS_ITSELF, role = set & KEY_ROWS_ROLE;
	struct ssh_key given = { 0 };

	if ((set & ~KEY_ROWS_CHANGE) != 0 || (itself != 0 && itself != KEY_ROWS_ITSELF) ||
	    (role != 0 && role != KEY_ROWS_ROLE))
		return false;
	record_take(&key_record, &given, &change->key, KEY_ROWS_CHANGE & ~set);
	return record_equal(&key_record, &given, &nothing) && given.blob[0] == '\0' && given.type[0] == '\0' &&
	       key_sound(&change->key);
}

/* Whether the key is right with what changes can only be said of the whole. */
enum failure key_change_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_key_change *change = &request->key_change;
	enum failure failure = which_shape(change->id, change->fingerprint, text);

	(void)separator;
	if (failure == FAILURE_NONE && change->set == 0 && !change->clear_options)
		failure = failure_set(text, FAILURE_INVALID, "parameters", "nothing to change",
				      "give key, role, forward, command, net, options, clearOptions, from, expires, "
				      "storageQuota or comment");
	if (failure == FAILURE_NONE && (change->set & KEY_ROWS_ITSELF) != 0)
		failure = itself_shape(&change->key, text);
	return failure == FAILURE_NONE ? words_shape(&change->key, text) : failure;
}

/* ---- accounts ---- */

bool add_sound(const struct request *request)
{
	return (request->add.set & ~FACTS_ALL) == 0 && key_sound(&request->add.key);
}

enum failure add_shape(const struct request *request, char separator, struct failure_text *text)
{
	(void)separator;
	return request->add.key.type[0] != '\0' ? request_key_shape(&request->add.key, text) : FAILURE_NONE;
}

bool modify_sound(const struct request *request)
{
	return (request->modify.set & ~FACTS_ALL) == 0;
}

enum failure modify_shape(const struct request *request, char separator, struct failure_text *text)
{
	char names[256];

	(void)separator;
	if (request->modify.set != 0)
		return FAILURE_NONE;
	return failure_set(text, FAILURE_INVALID, "parameters", "nothing to change",
			   record_names(&facts_record, "give ", "", names, sizeof(names)));
}

enum failure rename_shape(const struct request *request, char separator, struct failure_text *text)
{
	(void)separator;
	return label_valid(request->rename.to) ? FAILURE_NONE :
						 failure_set(text, FAILURE_INVALID, "to", request_label_why, "");
}

enum failure restore_shape(const struct request *request, char separator, struct failure_text *text)
{
	const char *as = request->restore.as;

	(void)separator;
	return as[0] == '\0' || label_valid(as) ? FAILURE_NONE :
						  failure_set(text, FAILURE_INVALID, "as", request_label_why, "");
}

enum failure remove_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_remove *gone = &request->remove;

	(void)separator;
	if (gone->keep_home && gone->purge)
		return failure_set(text, FAILURE_INVALID, "purge", "contradicts keepHome", "choose one");
	return FAILURE_NONE;
}

enum failure owner_change_shape(const struct request *request, char separator, struct failure_text *text)
{
	const char *const names[] = { request->owner.from, request->owner.to };
	static const char *const members[] = { "from", "to" };

	for (size_t i = 0; i < 2; i++)
		if (!owner_name_valid(names[i], separator))
			return failure_set(text, FAILURE_INVALID, names[i][0] != '\0' ? names[i] : members[i],
					   request_owner_why, "");
	return FAILURE_NONE;
}

enum failure runs_shape(const struct request *request, char separator, struct failure_text *text)
{
	(void)separator;
	if (request->list.all && request->list.name.label[0] != '\0')
		return failure_set(text, FAILURE_INVALID, "all", "given together with a label", "choose one");
	return FAILURE_NONE;
}

/* ---- limits ---- */

bool limit_set_sound(const struct request *request)
{
	return request->limit_set.limit.is_default == 0 && (request->limit_set.set & ~LIMITS_ALL) == 0;
}

static enum failure limit_shape(const struct limit *limit, char separator, struct failure_text *text)
{
	if (!owner_name_valid(limit->owner, separator))
		return failure_set(text, FAILURE_INVALID, limit->owner[0] != '\0' ? limit->owner : "owner",
				   request_owner_why, "");
	return record_check(&limit_record, limit, UINT32_MAX, text);
}

enum failure limit_set_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_limit_set *set = &request->limit_set;

	if (set->reset && set->set != 0)
		return failure_set(text, FAILURE_INVALID, "reset", "given together with a limit", "choose one");
	if (!set->reset && set->set == 0)
		return failure_set(text, FAILURE_INVALID, "parameters", "nothing to change",
				   "give accounts, keys, ranges, a bound of accounts or reset");
	return limit_shape(&set->limit, separator, text);
}

struct limit import_limit(const struct request_import *row)
{
	struct limit limit = { row->accounts, row->keys, row->ranges, 0, "", row->facts.bounds };

	memcpy(limit.owner, row->name.owner, sizeof(limit.owner));
	return limit;
}

/* ---- repairs ---- */

bool repair_sound(const struct request *request)
{
	return request->repair.repair < REPAIR_MAX_ && request->repair.place < PLACE_MAX_;
}

bool repair_labelled(const struct request *request)
{
	return request->repair.repair == REPAIR_ACCOUNT || request->repair.place == PLACE_ACCOUNT ||
	       request->repair.place == PLACE_LINK;
}

/* Names, which are those of directories, and ids were looked at as all others are. */
enum failure repair_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_repair *repair = &request->repair;
	bool uid = repair->place == PLACE_ACCOUNT || repair->place == PLACE_MAKING || repair->place == PLACE_REMOVED;
	bool named = repair->place == PLACE_ACCOUNT || repair->place == PLACE_OWNER;

	(void)separator;
	if (repair->repair == REPAIR_INDEX || repair->repair == REPAIR_ACCOUNT ||
	    (repair->place == PLACE_LINK && repair->repair != REPAIR_FORGET))
		return FAILURE_NONE;
	if (repair->place == PLACE_NONE || (repair->repair == REPAIR_ASK && repair->place == PLACE_OWNER) ||
	    (repair->repair == REPAIR_FORGET && repair->place != PLACE_REMOVED))
		return failure_set(text, FAILURE_INVALID, "place", "not one of this repair",
				   "name what a check has found");
	if (uid && id_special(repair->uid))
		return failure_set(text, FAILURE_INVALID, "uid", "not that of an account", "");
	if (named && repair->name.owner[0] == '\0')
		return failure_set(text, FAILURE_INVALID, "owner", "missing", "say whose it is");
	return FAILURE_NONE;
}

/* ---- rows of an import ---- */

/* A run where one is meant, and nothing where none is. */
static bool import_run_sound(const struct request_import *row)
{
	static const struct run none;
	struct run run;

	return row->kind == IMPORT_RUN ? run_read(&row->run, sizeof(row->run), &run) == 0 :
					 memcmp(&row->run, &none, sizeof(none)) == 0;
}

bool import_sound(const struct request *request)
{
	const struct request_import *row = &request->import;
	const uint32_t flags = IMPORT_MORE | IMPORT_KEEP_GOING | IMPORT_ADOPT | IMPORT_GOES_ON;

	return row->kind >= IMPORT_ACCOUNT && row->kind < IMPORT_KIND_MAX_ && (row->flags & ~flags) == 0 &&
	       (request->dry_run || !(row->flags & IMPORT_GOES_ON)) && (row->set & ~(FACTS_ALL | SET_LOCKED)) == 0 &&
	       (row->account_flags & ~(uint32_t)ACCOUNT_LOCKED) == 0 && key_sound(&row->key) && import_run_sound(row);
}

bool import_labelled(const struct request *request)
{
	return request->import.kind == IMPORT_ACCOUNT || request->import.kind == IMPORT_KEY ||
	       request->import.kind == IMPORT_RUN || request->import.kind == IMPORT_FORMER;
}

enum failure import_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_import *row = &request->import;
	const struct limit limit = import_limit(row);

	if (row->name.owner[0] == '\0' && row->kind != IMPORT_TOMBSTONE)
		return failure_set(text, FAILURE_INVALID, "owner", "missing", "say whose it is");
	switch ((enum import_kind)row->kind) {
	case IMPORT_ACCOUNT:
		return FAILURE_NONE;
	case IMPORT_KEY:
		return request_key_shape(&row->key, text);
	case IMPORT_RUN:
		return FAILURE_NONE; /* import_sound() has seen it */
	case IMPORT_FORMER:
		return id_special(row->uid) ? failure_set(text, FAILURE_INVALID, "uid", "not that of an account", "") :
					      FAILURE_NONE;
	case IMPORT_RANGE:
		if (row->count == 0 || row->count > IDS_MOST)
			return failure_set(text, FAILURE_INVALID, "range", "not a number of ids", "");
		/* fallthrough */
	case IMPORT_TOMBSTONE:
		if ((row->kind == IMPORT_TOMBSTONE || row->first != 0) && !id_range_valid(row->first, row->count))
			return failure_set(text, FAILURE_INVALID, "range", "not a block of ids", "");
		return FAILURE_NONE;
	case IMPORT_LIMIT:
		return limit_shape(&limit, separator, text);
	case IMPORT_KIND_MAX_:
		break;
	}
	return failure_set(text, FAILURE_INVALID, "import", "not a kind of row", "");
}
