/* SPDX-License-Identifier: ISC */
/* The shape of requests: what a person may have typed wrong, and what no sound worker sends. Pure. */
#include "subuidd/request.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "account/fields.h"
#include "account/id.h"
#include "account/key.h"
#include "account/name.h"
#include "account/role.h"

#define EXPIRES_DAY_MAX 2932896 /* 9999-12-31 */
#define TIME_LAST INT64_C(253402300799) /* its end */
#define QUOTA_MAX (UINT64_C(1) << 60)
#define LIMIT_ACCOUNTS_MAX 10000000u
#define LIMIT_KEYS_MAX 1024u
#define LIMIT_RANGES_MAX 32768u
#define RANGE_COUNT_MAX (LIMIT_RANGES_MAX * (uint64_t)RANGE_UNIT)

#define SET_LIMIT_ALL (SET_LIMIT_ACCOUNTS | SET_LIMIT_KEYS | SET_LIMIT_RANGES)
#define SET_ALL (SET_QUOTA | SET_EXPIRES | SET_COMMENT | SET_VIEW | SET_FILES)
#define KEY_OPTIONS_ALL (KEY_OPTIONS_END - 1u)

static const char label_why[] = "a label is 1 to 31 of a-z, 0-9, '-' and '_', and begins with a letter or a digit";
static const char owner_why[] = "not a name that can own sub-accounts";

/* Where a request names whose, or which account, it is about. Those that are not here name nobody. */
static const struct about {
	size_t name; /* offset of its struct request_name */
	bool label;  /* it is about one account */
	bool list;   /* it is a struct request_list */
} abouts[OP_MAX_] = {
#define ACCOUNT(member) { .name = offsetof(struct request, member), .label = true }
#define OWNER(member) { .name = offsetof(struct request, member) }
#define LIST { .name = offsetof(struct request, list.name), .list = true }
	[OP_ACCOUNT_ADD] = ACCOUNT(add.name),
	[OP_ACCOUNT_GET] = ACCOUNT(name),
	[OP_ACCOUNT_LIST] = LIST,
	[OP_ACCOUNT_MODIFY] = ACCOUNT(modify.name),
	[OP_ACCOUNT_LOCK] = ACCOUNT(name),
	[OP_ACCOUNT_UNLOCK] = ACCOUNT(name),
	[OP_ACCOUNT_REMOVE] = ACCOUNT(remove.name),
	[OP_ACCOUNT_MOUNT] = ACCOUNT(name),
	[OP_KEY_ADD] = ACCOUNT(key_add.name),
	[OP_KEY_LIST] = LIST, /* of one account, or of all */
	[OP_KEY_REMOVE] = ACCOUNT(key_remove.name),
	[OP_RANGE_ADD] = OWNER(range_add.name),
	[OP_RANGE_LIST] = LIST,
	[OP_RANGE_REMOVE] = OWNER(range_remove.name),
	[OP_LIMIT_GET] = OWNER(name),
	[OP_AUDIT_LIST] = LIST,
	[OP_CHECK] = LIST,
	[OP_LIMIT_LIST] = LIST,
	[OP_TOMBSTONE_LIST] = LIST,
	[OP_RUN_LIST] = LIST, /* of one account, or of all */
	[OP_REPAIR] = OWNER(repair.name), /* or of an account: what is repaired says it */
	[OP_IMPORT] = OWNER(import.name), /* or of an account: its kind says it */
};

static const struct about *about(const struct request *request)
{
	return &abouts[request->op < OP_MAX_ ? request->op : 0];
}

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
	       (row->facts.set & ~(SET_ALL | SET_LOCKED | SET_ALARM)) == 0 && (row->account_flags & ~(uint32_t)ACCOUNT_LOCKED) == 0 &&
	       row->told <= 1 && key_sound(&row->key) && import_run_sound(row);
}

int request_sound(const struct request *request)
{
	bool sound;

	switch (request->op) {
	case OP_ACCOUNT_ADD:
		sound = (request->add.facts.set & ~SET_ALL) == 0 && request->add.has_key <= 1 && key_sound(&request->add.key);
		break;
	case OP_ACCOUNT_MODIFY:
		sound = (request->modify.facts.set & ~(SET_ALL | SET_ALARM)) == 0;
		break;
	case OP_ACCOUNT_REMOVE:
		sound = request->remove.keep_home <= 1 && request->remove.purge <= 1;
		break;
	case OP_KEY_ADD:
		sound = key_sound(&request->key_add.key);
		break;
	case OP_IMPORT:
		sound = import_sound(&request->import);
		break;
	case OP_REPAIR:
		sound = request->repair.repair > REPAIR_NONE && request->repair.repair < REPAIR_MAX_ &&
			request->repair.place < PLACE_MAX_ && request->repair.dry_run <= 1;
		break;
	case OP_LIMIT_SET:
		sound = request->limit_set.limit.is_default == 0 && (request->limit_set.set & ~SET_LIMIT_ALL) == 0 &&
			request->limit_set.reset == (request->limit_set.set == 0);
		break;
	default:
		sound = !about(request)->list || request->list.all <= 1;
	}
	return sound ? 0 : -EPROTO;
}

const struct request_name *request_name(const struct request *request)
{
	size_t at = about(request)->name;

	return at == 0 ? NULL : (const void *)((const char *)request + at);
}

static bool label_required(const struct request *request)
{
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
		return about(request)->label;
	}
}

static enum failure name_shape(const struct request_name *name, bool label, char separator, struct failure_text *text)
{
	if (name->owner[0] != '\0' && !owner_name_valid(name->owner, separator))
		return failure_set(text, FAILURE_INVALID, name->owner, owner_why, "");
	if (name->label[0] == '\0' && !label)
		return FAILURE_NONE;
	if (!label_valid(name->label))
		return failure_set(text, FAILURE_INVALID, name->label[0] != '\0' ? name->label : "label", label_why, "");
	return FAILURE_NONE;
}

/* What the key may do. That the tools are there is asked later (op/key.c). */
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
	if (key->storage_quota > QUOTA_MAX)
		return failure_set(text, FAILURE_INVALID, "storageQuota", "more than 1 EiB", "");
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
	if (key->expires < 0)
		return failure_set(text, FAILURE_INVALID, "expires", "not a time", "");
	return FAILURE_NONE;
}

static enum failure facts_shape(const struct facts *facts, struct failure_text *text)
{
	if ((facts->set & SET_QUOTA) && facts->quota > QUOTA_MAX)
		return failure_set(text, FAILURE_INVALID, "quota", "more than 1 EiB", "");
	if ((facts->set & SET_EXPIRES) && (facts->expires_day < -1 || facts->expires_day > EXPIRES_DAY_MAX))
		return failure_set(text, FAILURE_INVALID, "expires", "not a day before the year 10000", "");
	if ((facts->set & SET_COMMENT) && !comment_valid(facts->comment, COMMENT_MAX))
		return failure_set(text, FAILURE_INVALID, "comment", "not one printable line without ':'", "");
	if ((facts->set & SET_VIEW) && account_view_name(facts->view) == NULL)
		return failure_set(text, FAILURE_INVALID, "view", "not a view", "theirs, owner or default");
	if ((facts->set & SET_FILES) && (facts->files < FILES_NONE || facts->files > FILES_MAX))
		return failure_set(text, FAILURE_INVALID, "files", "not a number of files", "up to 1099511627776");
	return FAILURE_NONE;
}

uint32_t request_units(uint32_t count)
{
	return (uint32_t)(((uint64_t)count + RANGE_UNIT - 1) / RANGE_UNIT);
}

static enum failure alarm_shape(uint64_t seconds, struct failure_text *text)
{
	return seconds <= INT32_MAX ? FAILURE_NONE :
				      failure_set(text, FAILURE_INVALID, "alarm", "more than 2147483647 seconds", "");
}

static enum failure add_shape(const struct request_add *add, struct failure_text *text)
{
	enum failure failure = facts_shape(&add->facts, text);

	if (failure == FAILURE_NONE && add->range_count > RANGE_COUNT_MAX)
		failure = failure_set(text, FAILURE_INVALID, "range", "more ids than there are", "");
	if (failure == FAILURE_NONE && add->has_key)
		failure = key_shape(&add->key, text);
	return failure;
}

static enum failure limit_shape(const struct limit *limit, char separator, struct failure_text *text)
{
	if (!owner_name_valid(limit->owner, separator))
		return failure_set(text, FAILURE_INVALID, limit->owner[0] != '\0' ? limit->owner : "owner", owner_why,
				   "");
	if (limit->accounts > LIMIT_ACCOUNTS_MAX || limit->keys > LIMIT_KEYS_MAX || limit->ranges > LIMIT_RANGES_MAX)
		return failure_set(text, FAILURE_INVALID, "limit", "too high",
				   "at most 10000000 accounts, 1024 keys and 32768 ranges");
	return FAILURE_NONE;
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
		return failure_set(text, FAILURE_INVALID, gone->name.label, "data cannot be both kept and purged", "");
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

/* What is known of another host's runs. */
static enum failure watch_shape(const struct request_import *row, struct failure_text *text)
{
	const int64_t times[] = { row->alarm_since, row->last_run, row->last_good };

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i] < 0 || times[i] > TIME_LAST)
			return failure_set(text, FAILURE_INVALID, "import", "not a time before the year 10000", "");
	return alarm_shape(row->alarm, text);
}

static enum failure import_shape(const struct request_import *row, char separator, struct failure_text *text)
{
	const struct limit limit = import_limit(row);
	enum failure failure;

	if (row->name.owner[0] == '\0' && row->kind != IMPORT_TOMBSTONE)
		return failure_set(text, FAILURE_INVALID, "owner", "missing", "say whose it is");
	switch ((enum import_kind)row->kind) {
	case IMPORT_ACCOUNT:
		failure = watch_shape(row, text);
		return failure != FAILURE_NONE ? failure :
						 facts_shape(&row->facts, text);
	case IMPORT_KEY:
		if (row->used < 0 || row->used > TIME_LAST)
			return failure_set(text, FAILURE_INVALID, "lastUsed", "not a time before the year 10000", "");
		return key_shape(&row->key, text);
	case IMPORT_RUN:
		return FAILURE_NONE; /* import_sound() has seen it */
	case IMPORT_RANGE:
		if (row->count == 0 || row->count > RANGE_COUNT_MAX)
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

enum failure request_shape(const struct request *request, char separator, struct failure_text *text)
{
	const struct request_name *name = request_name(request);
	enum failure failure = FAILURE_NONE;

	if (name != NULL)
		failure = name_shape(name, label_required(request), separator, text);
	if (failure != FAILURE_NONE)
		return failure;
	switch (request->op) {
	case OP_ACCOUNT_ADD:
		return add_shape(&request->add, text);
	case OP_ACCOUNT_MODIFY:
		failure = alarm_shape(request->modify.alarm, text);
		return failure != FAILURE_NONE ? failure :
						 facts_shape(&request->modify.facts, text);
	case OP_ACCOUNT_REMOVE:
		return remove_shape(&request->remove, text);
	case OP_KEY_ADD:
		return key_shape(&request->key_add.key, text);
	case OP_KEY_REMOVE:
		if ((request->key_remove.id == 0) == (request->key_remove.fingerprint[0] == '\0'))
			return failure_set(text, FAILURE_INVALID, "key", "name it by its id or by its fingerprint", "");
		return FAILURE_NONE;
	case OP_RANGE_ADD:
		if (request->range_add.count == 0 || request->range_add.count > RANGE_COUNT_MAX)
			return failure_set(text, FAILURE_INVALID, "count", "not a number of ids",
					   "ask for 65536 or a multiple of it");
		return FAILURE_NONE;
	case OP_REPAIR:
		return repair_shape(&request->repair, text);
	case OP_IMPORT:
		return import_shape(&request->import, separator, text);
	case OP_LIMIT_SET:
		return limit_shape(&request->limit_set.limit, separator, text);
	default:
		return FAILURE_NONE;
	}
}
