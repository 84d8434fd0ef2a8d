/* SPDX-License-Identifier: ISC */
/* Checks the shape of requests: what a person may have typed wrong, and what no sound worker sends. Pure. */
#include "subuidd/wire/request.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "account/id.h"
#include "account/key.h"
#include "account/name.h"
#include "account/role.h"

#define FACTS_ALL ((1u << FACTS) - 1)
#define LIMITS_ALL (SET_LIMIT_ACCOUNTS | SET_LIMIT_KEYS | SET_LIMIT_RANGES)
#define KEY_OPTIONS_ALL (KEY_OPTIONS_END - 1u)
#define ALL UINT32_MAX
#define IDS_MOST (LIMIT_RANGES_MAX * (uint64_t)RANGE_UNIT)

static const char label_why[] = "a label is 1 to 31 of a-z, 0-9, '-' and '_', and begins with a letter or a digit";
static const char owner_why[] = "not a name that can own sub-accounts";

/* Members of a key that only the broker fills. */
static bool key_sound(const struct ssh_key *key)
{
	return key->id == 0 && key->uid == 0 && key->created == 0 && key->fingerprint[0] == '\0' &&
	       (key->options & ~KEY_OPTIONS_ALL) == 0;
}

/* A run where one is meant, and nothing where none is. */
static bool import_run_sound(const struct request_import *row)
{
	static const struct run none;
	struct run run;

	return row->kind == IMPORT_RUN ? run_read(&row->run, sizeof(row->run), &run) == 0 :
					 memcmp(&row->run, &none, sizeof(none)) == 0;
}

static bool import_sound(const struct request_import *row)
{
	const uint32_t flags = IMPORT_MORE | IMPORT_DRY_RUN | IMPORT_KEEP_GOING | IMPORT_ADOPT | IMPORT_GOES_ON;

	return row->kind >= IMPORT_ACCOUNT && row->kind < IMPORT_KIND_MAX_ && (row->flags & ~flags) == 0 &&
	       ((row->flags & IMPORT_DRY_RUN) || !(row->flags & IMPORT_GOES_ON)) &&
	       (row->set & ~(FACTS_ALL | SET_LOCKED)) == 0 && (row->account_flags & ~(uint32_t)ACCOUNT_LOCKED) == 0 &&
	       key_sound(&row->key) && import_run_sound(row);
}

static bool flags_sound(const struct request *request)
{
	for (const struct wire_part *part = wire_message(request->op)->request; part->record != NULL; part++)
		if (!record_sound(part->record, (const char *)request + part->at))
			return false;
	return true;
}

int request_sound(const struct request *request)
{
	bool sound = flags_sound(request);

	switch (request->op) {
	case OP_ACCOUNT_ADD:
		sound &= (request->add.set & ~FACTS_ALL) == 0 && key_sound(&request->add.key);
		break;
	case OP_ACCOUNT_MODIFY:
		sound &= (request->modify.set & ~FACTS_ALL) == 0;
		break;
	case OP_KEY_ADD:
		sound &= key_sound(&request->key_add.key);
		break;
	case OP_IMPORT:
		sound &= import_sound(&request->import);
		break;
	case OP_REPAIR:
		sound &= request->repair.repair < REPAIR_MAX_ && request->repair.place < PLACE_MAX_;
		break;
	case OP_LIMIT_SET:
		sound &= request->limit_set.limit.is_default == 0 && (request->limit_set.set & ~LIMITS_ALL) == 0;
		break;
	default:
		break;
	}
	return sound ? 0 : -EPROTO;
}

const struct request_name *request_name(const struct request *request)
{
	bool required;

	return wire_request_name(request, &required);
}

static bool label_required(const struct request *request)
{
	bool required = false;

	wire_request_name(request, &required);
	switch (request->op) {
	case OP_IMPORT:
		return request->import.kind == IMPORT_ACCOUNT || request->import.kind == IMPORT_KEY ||
		       request->import.kind == IMPORT_RUN;
	case OP_REPAIR:
		return request->repair.repair == REPAIR_ACCOUNT || request->repair.place == PLACE_ACCOUNT ||
		       request->repair.place == PLACE_LINK;
	case OP_KEY_LIST:
	case OP_RUN_LIST:
		return !request->list.all;
	default:
		return required;
	}
}

/* Of an import, whose rows are many, by what they say. */
static enum failure name_shape(const struct request *request, const struct request_name *name, char separator,
			       struct failure_text *text)
{
	const bool many = request->op == OP_IMPORT;

	if (name->owner[0] != '\0' && !owner_name_valid(name->owner, separator))
		return failure_set(text, FAILURE_INVALID, many ? name->owner : "owner", owner_why, "");
	if (name->label[0] == '\0' && !label_required(request))
		return FAILURE_NONE;
	if (!label_valid(name->label))
		return failure_set(text, FAILURE_INVALID, many && name->label[0] != '\0' ? name->label : "label",
				   label_why, "");
	return FAILURE_NONE;
}

/* What the key may do. op/key.c checks later that the tools exist. */
static enum failure may_shape(const struct ssh_key *key, struct failure_text *text)
{
	char roles[ROLES_TEXT_MAX + 1];

	if (roles_format(key, roles) < 0)
		return failure_set(text, FAILURE_INVALID, "role", "there is no such role",
				   "use push, blind, pull, sync, forward or the name of a tool");
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
	return FAILURE_NONE;
}

/* The broker does not believe the worker that this is a key: once more, from the text. */
static enum failure key_shape(const struct ssh_key *key, struct failure_text *text)
{
	char line[KEY_TYPE_MAX + 1 + KEY_BLOB_MAX + 1];
	struct ssh_key parsed = { 0 };
	size_t type = strlen(key->type), blob = strlen(key->blob);
	enum key_error error;

	memcpy(line, key->type, type);
	line[type] = ' ';
	memcpy(line + type + 1, key->blob, blob);
	error = key_parse(line, type + 1 + blob, &parsed);
	if (error != KEY_OK)
		return failure_set(text, FAILURE_INVALID, "key", key_error_text(error), key_error_todo(error));
	if (strcmp(parsed.type, key->type) != 0 || strcmp(parsed.blob, key->blob) != 0)
		return failure_set(text, FAILURE_INVALID, "key", key_error_text(KEY_BLOB), key_error_todo(KEY_BLOB));
	if (key->comment[0] != '\0' && !text_valid(key->comment, COMMENT_MAX))
		return failure_set(text, FAILURE_INVALID, "key", key_error_text(KEY_COMMENT),
				   key_error_todo(KEY_COMMENT));
	if (may_shape(key, text) != FAILURE_NONE)
		return FAILURE_INVALID;
	if (key->from[0] != '\0' && !from_valid(key->from))
		return failure_set(text, FAILURE_INVALID, "from", "not a pattern list as in sshd(8), from=",
				   "use addresses, networks and host names, separated by commas");
	return FAILURE_NONE;
}

uint32_t request_units(uint32_t count)
{
	return (uint32_t)(((uint64_t)count + RANGE_UNIT - 1) / RANGE_UNIT);
}

static enum failure limit_shape(const struct limit *limit, char separator, struct failure_text *text)
{
	if (!owner_name_valid(limit->owner, separator))
		return failure_set(text, FAILURE_INVALID, limit->owner[0] != '\0' ? limit->owner : "owner", owner_why,
				   "");
	return record_check(&limit_record, limit, ALL, text);
}

static enum failure limit_set_shape(const struct request_limit_set *set, char separator, struct failure_text *text)
{
	if (set->reset && set->set != 0)
		return failure_set(text, FAILURE_INVALID, "reset", "given together with a limit", "choose one");
	if (!set->reset && set->set == 0)
		return failure_set(text, FAILURE_INVALID, "parameters", "nothing to change",
				   "give accounts, keys, ranges or reset");
	return limit_shape(&set->limit, separator, text);
}

struct limit import_limit(const struct request_import *row)
{
	struct limit limit = { .accounts = row->accounts, .keys = row->keys, .ranges = row->ranges };

	memcpy(limit.owner, row->name.owner, sizeof(limit.owner));
	return limit;
}

static enum failure remove_shape(const struct request_remove *gone, struct failure_text *text)
{
	if (gone->keep_home && gone->purge)
		return failure_set(text, FAILURE_INVALID, "purge", "contradicts keepHome", "choose one");
	return FAILURE_NONE;
}

/* Names, which are those of directories, and ids were looked at as all others are. */
static enum failure repair_shape(const struct request_repair *repair, struct failure_text *text)
{
	bool uid = repair->place == PLACE_ACCOUNT || repair->place == PLACE_MAKING || repair->place == PLACE_REMOVED;
	bool named = repair->place == PLACE_ACCOUNT || repair->place == PLACE_OWNER;

	if (repair->repair == REPAIR_INDEX || repair->repair == REPAIR_ACCOUNT ||
	    (repair->place == PLACE_LINK && repair->repair != REPAIR_FORGET))
		return FAILURE_NONE;
	if (repair->place == PLACE_NONE || (repair->repair == REPAIR_ASK && repair->place == PLACE_OWNER) ||
	    (repair->repair == REPAIR_FORGET && repair->place != PLACE_REMOVED))
		return failure_set(text, FAILURE_INVALID, "place", "not one of this repair", "name what a check has found");
	if (uid && id_special(repair->uid))
		return failure_set(text, FAILURE_INVALID, "uid", "not that of an account", "");
	if (named && repair->name.owner[0] == '\0')
		return failure_set(text, FAILURE_INVALID, "owner", "missing", "say whose it is");
	return FAILURE_NONE;
}

static enum failure import_shape(const struct request_import *row, char separator, struct failure_text *text)
{
	const struct limit limit = import_limit(row);

	if (row->name.owner[0] == '\0' && row->kind != IMPORT_TOMBSTONE)
		return failure_set(text, FAILURE_INVALID, "owner", "missing", "say whose it is");
	switch ((enum import_kind)row->kind) {
	case IMPORT_ACCOUNT:
		return FAILURE_NONE;
	case IMPORT_KEY:
		return key_shape(&row->key, text);
	case IMPORT_RUN:
		return FAILURE_NONE; /* import_sound() has seen it */
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

static bool fingerprint_shaped(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return strncmp(text, "SHA256:", 7) == 0 && strlen(text) == 7 + 43 && strspn(text + 7, alphabet) == 43;
}

static enum failure key_remove_shape(const struct request_key_remove *gone, struct failure_text *text)
{
	const bool id = gone->id != 0, fingerprint = gone->fingerprint[0] != '\0';

	if (id == fingerprint)
		return failure_set(text, FAILURE_INVALID, "id", id ? "given together with a fingerprint" : "missing",
				   "give either the id or the fingerprint of the key");
	if (fingerprint && !fingerprint_shaped(gone->fingerprint))
		return failure_set(text, FAILURE_INVALID, "fingerprint", "not a fingerprint",
				   "as `ssh-keygen -l` prints it: SHA256:…");
	return FAILURE_NONE;
}

static enum failure list_shape(uint32_t op, const struct request_list *list, struct failure_text *text)
{
	if (list->all && list->name.owner[0] != '\0')
		return failure_set(text, FAILURE_INVALID, "all", "given together with an owner", "choose one");
	if (list->all && op == OP_RUN_LIST && list->name.label[0] != '\0')
		return failure_set(text, FAILURE_INVALID, "all", "given together with a label", "choose one");
	return FAILURE_NONE;
}

/* Each member in its bounds, as its record says; of facts and limits those that were given. */
static enum failure members_shape(const struct request *request, struct failure_text *text)
{
	enum failure failure = FAILURE_NONE;

	for (const struct wire_part *part = wire_message(request->op)->request; part->record != NULL && failure == FAILURE_NONE;
	     part++) {
		uint32_t set = ALL;

		if (part->set_at != 0)
			memcpy(&set, (const char *)request + part->set_at, sizeof(set));
		failure = record_check(part->record, (const char *)request + part->at, set, text);
	}
	return failure;
}

static enum failure whole_shape(const struct request *request, char separator, struct failure_text *text)
{
	switch (request->op) {
	case OP_ACCOUNT_ADD:
		return request->add.has_key ? key_shape(&request->add.key, text) : FAILURE_NONE;
	case OP_ACCOUNT_MODIFY:
		return request->modify.set != 0 ? FAILURE_NONE :
						  failure_set(text, FAILURE_INVALID, "parameters", "nothing to change",
							      "give quota, files, view, expires, comment or alarm");
	case OP_ACCOUNT_REMOVE:
		return remove_shape(&request->remove, text);
	case OP_KEY_ADD:
		return key_shape(&request->key_add.key, text);
	case OP_KEY_REMOVE:
		return key_remove_shape(&request->key_remove, text);
	case OP_REPAIR:
		return repair_shape(&request->repair, text);
	case OP_IMPORT:
		return import_shape(&request->import, separator, text);
	case OP_LIMIT_SET:
		return limit_set_shape(&request->limit_set, separator, text);
	default:
		return wire_message(request->op)->list ? list_shape(request->op, &request->list, text) : FAILURE_NONE;
	}
}

enum failure request_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_name *name = request_name(request);
	enum failure failure = members_shape(request, text);

	if (failure == FAILURE_NONE && name != NULL)
		failure = name_shape(request, name, separator, text);
	return failure == FAILURE_NONE ? whole_shape(request, separator, text) : failure;
}
