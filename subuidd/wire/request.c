/* SPDX-License-Identifier: ISC */
/* What each operation's request is checked for beyond its records (wire.c). Pure; run by the worker and the broker. */
#include "subuidd/wire/request.h"

#include <stddef.h>
#include <string.h>

#include "account/id.h"
#include "account/name.h"

#define FACTS_ALL ((1u << FACTS) - 1)
#define LIMITS_ALL (SET_LIMIT_ACCOUNTS | SET_LIMIT_KEYS | SET_LIMIT_RANGES | LIMIT_BOUNDS_SET)
#define IDS_MOST (LIMIT_RANGES_MAX * (uint64_t)RANGE_UNIT)

const char request_label_why[] = "a label is 1 to 31 of a-z, 0-9, '-' and '_', and begins with a letter or a digit";
const char request_owner_why[] = "not a name that can own sub-accounts";

uint32_t request_units(uint32_t count)
{
	return (uint32_t)(((uint64_t)count + RANGE_UNIT - 1) / RANGE_UNIT);
}

/* ---- accounts ---- */

bool add_sound(const struct request *request)
{
	return (request->add.set & ~FACTS_ALL) == 0 && request_key_sound(&request->add.key);
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

/* ---- ranges ---- */

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
	       (row->account_flags & ~(uint32_t)ACCOUNT_LOCKED) == 0 && request_key_sound(&row->key) &&
	       import_run_sound(row);
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
