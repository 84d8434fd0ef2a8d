/* SPDX-License-Identifier: ISC */
/*
 * JSON parameters into requests. Run by the worker on what an untrusted peer
 * wrote; the types of top-level members have been checked by the table of the
 * method (serve.c), but nothing here depends on that.
 */
#include "subuidd/worker/worker.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "account/date.h"
#include "account/fields.h"
#include "subuidd/worker/field.h"
#include "subuidd/worker/repair.h"

#define LABEL_RULE "a label is 1 to 31 of a-z, 0-9, _ and -, and starts with a letter or digit"

static int owner_of(json_t *parameters, char *owner, struct failure_text *failure)
{
	const char *text = NULL;
	int r = field_text(parameters, "owner", &text, failure);

	if (r <= 0)
		return r;
	/* Which separator this host has only the broker knows; the default one is in no owner's alphabet. */
	if (!owner_name_valid(text, SEPARATOR_DEFAULT))
		return field_invalid(failure, "owner", "not the name of a user", "");
	field_put(owner, text);
	return 0;
}

static int label_of(json_t *parameters, char *label, struct failure_text *failure)
{
	const char *text = NULL;
	int r = field_text(parameters, "label", &text, failure);

	if (r < 0)
		return r;
	if (r == 0)
		return field_invalid(failure, "label", "missing", "say which account");
	if (!label_valid(text))
		return field_invalid(failure, "label", "not a label", LABEL_RULE);
	field_put(label, text);
	return 0;
}

static int name_of(json_t *parameters, struct request_name *name, struct failure_text *failure)
{
	int r = owner_of(parameters, name->owner, failure);

	return r < 0 ? r : label_of(parameters, name->label, failure);
}

/* How the owner sees the files, and how many there may be. */
static int space_of(json_t *parameters, struct facts *facts, struct failure_text *failure)
{
	const char *text = NULL;
	json_int_t number = 0;
	int r = field_text(parameters, "view", &text, failure);

	if (r > 0 && account_view_parse(text, &facts->view) < 0)
		return field_invalid(failure, "view", "not a view", "theirs, owner or default");
	if (r < 0)
		return r;
	facts->set |= r > 0 ? SET_VIEW : 0;
	r = field_integer(parameters, "files", FILES_NONE, FILES_MAX, &number, failure);
	facts->set |= r > 0 ? SET_FILES : 0;
	facts->files = number;
	return r < 0 ? r : 0;
}

/* "" and 0 take a value away. */
int worker_parse_facts(json_t *parameters, struct facts *facts, struct failure_text *failure)
{
	const char *text = NULL;
	json_int_t number = 0;
	int r = field_integer(parameters, "quota", 0, INT64_MAX, &number, failure);

	if (r < 0)
		return r;
	facts->set |= r > 0 ? SET_QUOTA : 0;
	facts->quota = (uint64_t)number;
	r = space_of(parameters, facts, failure);
	if (r < 0)
		return r;

	facts->expires_day = -1;
	r = field_text(parameters, "expires", &text, failure);
	if (r < 0)
		return r;
	facts->set |= r > 0 ? SET_EXPIRES : 0;
	if (r > 0 && text[0] != '\0' && date_parse(text, &facts->expires_day) < 0)
		return field_invalid(failure, "expires", "not a day",
				     "write it as YYYY-MM-DD, for example 2031-12-31");

	r = field_text(parameters, "comment", &text, failure);
	if (r <= 0)
		return r;
	facts->set |= SET_COMMENT;
	if (!comment_valid(text, COMMENT_MAX))
		return field_invalid(failure, "comment", "too long, or with a colon or a control character in it",
				     "at most 127 bytes of printable UTF-8 without ':'");
	field_put(facts->comment, text);
	return 0;
}

static int parse_add(json_t *parameters, struct request_add *add, struct failure_text *failure)
{
	json_int_t count = 0;
	int r = name_of(parameters, &add->name, failure);

	if (r == 0)
		r = worker_parse_facts(parameters, &add->facts, failure);
	if (r < 0)
		return r;
	r = field_integer(parameters, "range", 0, UINT32_MAX - 1, &count, failure);
	if (r < 0)
		return r;
	add->range_count = (uint32_t)count;
	r = field_key(parameters, &add->key, failure);
	add->has_key = r > 0;
	return r < 0 ? r : 0;
}

static int parse_modify(json_t *parameters, struct request_modify *modify, struct failure_text *failure)
{
	json_int_t alarm = 0;
	int r = name_of(parameters, &modify->name, failure);

	if (r == 0)
		r = worker_parse_facts(parameters, &modify->facts, failure);
	if (r == 0)
		r = field_integer(parameters, "alarm", 0, INT32_MAX, &alarm, failure);
	if (r < 0)
		return r;
	modify->facts.set |= r > 0 ? SET_ALARM : 0;
	modify->alarm = (uint64_t)alarm;
	if (modify->facts.set == 0)
		return field_invalid(failure, "parameters", "nothing to change",
				     "give quota, files, view, expires, comment or alarm");
	return 0;
}

static int parse_remove(json_t *parameters, struct request_remove *remove, struct failure_text *failure)
{
	int r = name_of(parameters, &remove->name, failure);

	if (r == 0)
		r = field_flag(parameters, "keepHome", &remove->keep_home, failure);
	if (r == 0)
		r = field_flag(parameters, "purge", &remove->purge, failure);
	if (r == 0 && remove->keep_home && remove->purge)
		return field_invalid(failure, "purge", "contradicts keepHome", "choose one");
	return r;
}

static int parse_key_add(json_t *parameters, struct request_key_add *add, struct failure_text *failure)
{
	int r = name_of(parameters, &add->name, failure);

	if (r < 0)
		return r;
	r = field_key(parameters, &add->key, failure);
	if (r == 0)
		return field_invalid(failure, "key", "missing", "give a public key");
	return r < 0 ? r : 0;
}

static bool fingerprint_shaped(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return strncmp(text, "SHA256:", 7) == 0 && strlen(text) == 7 + 43 && strspn(text + 7, alphabet) == 43;
}

static int parse_key_remove(json_t *parameters, struct request_key_remove *remove, struct failure_text *failure)
{
	const char *text = NULL;
	json_int_t id = 0;
	int r = name_of(parameters, &remove->name, failure);

	if (r < 0)
		return r;
	int has_id = field_integer(parameters, "id", 1, UINT32_MAX, &id, failure);

	if (has_id < 0)
		return has_id;
	r = field_text(parameters, "fingerprint", &text, failure);
	if (r < 0)
		return r;
	if (has_id + r != 1)
		return field_invalid(failure, "id", r ? "given together with a fingerprint" : "missing",
				     "give either the id or the fingerprint of the key");
	if (r > 0 && !fingerprint_shaped(text))
		return field_invalid(failure, "fingerprint", "not a fingerprint",
				     "as `ssh-keygen -l` prints it: SHA256:…");
	remove->id = (uint32_t)id;
	if (r > 0)
		field_put(remove->fingerprint, text);
	return 0;
}

static int parse_list(uint32_t op, json_t *parameters, struct request_list *list, struct failure_text *failure)
{
	json_int_t before = 0;
	int r = owner_of(parameters, list->name.owner, failure);

	if (r == 0)
		r = field_flag(parameters, "all", &list->all, failure);
	if (r == 0 && op == OP_KEY_LIST && !list->all)
		return label_of(parameters, list->name.label, failure);
	if (r == 0 && list->all && list->name.owner[0] != '\0')
		return field_invalid(failure, "all", "given together with an owner", "choose one");
	if (r == 0 && op == OP_RUN_LIST && list->all && (field_member(parameters, "label") != NULL ||
							 field_member(parameters, "before") != NULL))
		return field_invalid(failure, "all", "given together with a label or before", "choose one");
	if (r == 0 && op == OP_RUN_LIST && !list->all)
		r = label_of(parameters, list->name.label, failure);
	if (r == 0 && (op == OP_AUDIT_LIST || op == OP_RUN_LIST))
		r = field_integer(parameters, "before", 0, INT64_MAX, &before, failure);
	list->cursor = (uint64_t)before;
	return r < 0 ? r : 0;
}

static int parse_range_add(json_t *parameters, struct request_range_add *add, struct failure_text *failure)
{
	int r = owner_of(parameters, add->name.owner, failure);
	json_int_t after = 0;

	if (r == 0 && field_member(parameters, "label") != NULL)
		r = label_of(parameters, add->name.label, failure);
	if (r == 0)
		r = field_integer(parameters, "after", 1, UINT32_MAX - 1, &after, failure);
	add->after = (uint32_t)after;
	return r < 0 ? r : field_number(parameters, "count", 1, &add->count, failure);
}

static int parse_range_remove(json_t *parameters, struct request_range_remove *remove, struct failure_text *failure)
{
	int r = owner_of(parameters, remove->name.owner, failure);

	return r < 0 ? r : field_number(parameters, "first", 0, &remove->first, failure);
}

static int parse_limit_set(json_t *parameters, struct request_limit_set *set, struct failure_text *failure)
{
	const struct {
		const char *name;
		uint32_t bit;
		uint32_t *value;
	} members[] = {{"accounts", SET_LIMIT_ACCOUNTS, &set->limit.accounts},
		       {"keys", SET_LIMIT_KEYS, &set->limit.keys},
		       {"ranges", SET_LIMIT_RANGES, &set->limit.ranges}};
	int r = owner_of(parameters, set->limit.owner, failure);

	if (r == 0)
		r = field_flag(parameters, "reset", &set->reset, failure);
	if (r < 0)
		return r;
	if (set->limit.owner[0] == '\0')
		return field_invalid(failure, "owner", "missing", "say whose limit");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_int_t number = 0;

		r = field_integer(parameters, members[i].name, 0, INT32_MAX, &number, failure);
		if (r < 0)
			return r;
		*members[i].value = (uint32_t)number;
		set->set |= r > 0 ? members[i].bit : 0;
	}
	if (set->reset && set->set != 0)
		return field_invalid(failure, "reset", "given together with a limit", "choose one");
	if (!set->reset && set->set == 0)
		return field_invalid(failure, "parameters", "nothing to change",
				     "give accounts, keys, ranges or reset");
	return 0;
}

static int parse_repair(json_t *parameters, struct request_repair *repair, struct failure_text *failure)
{
	int r = owner_of(parameters, repair->name.owner, failure);

	if (r == 0 && field_member(parameters, "label") != NULL)
		r = label_of(parameters, repair->name.label, failure);
	return r < 0 ? r : worker_parse_repair(parameters, repair, failure);
}

int worker_parse(uint32_t op, json_t *parameters, struct request *request, struct failure_text *failure)
{
	memset(request, 0, sizeof(*request));
	request->op = op;
	request->size = (uint32_t)wire_request_size(op);
	switch ((enum op)op) {
	case OP_STATUS:
	case OP_STATE_SAVE:
		return 0;
	case OP_ACCOUNT_ADD:
		return parse_add(parameters, &request->add, failure);
	case OP_ACCOUNT_GET:
	case OP_ACCOUNT_LOCK:
	case OP_ACCOUNT_UNLOCK:
	case OP_ACCOUNT_MOUNT:
		return name_of(parameters, &request->name, failure);
	case OP_ACCOUNT_MODIFY:
		return parse_modify(parameters, &request->modify, failure);
	case OP_ACCOUNT_REMOVE:
		return parse_remove(parameters, &request->remove, failure);
	case OP_KEY_ADD:
		return parse_key_add(parameters, &request->key_add, failure);
	case OP_KEY_REMOVE:
		return parse_key_remove(parameters, &request->key_remove, failure);
	case OP_ACCOUNT_LIST:
	case OP_KEY_LIST:
	case OP_RANGE_LIST:
	case OP_AUDIT_LIST:
	case OP_LIMIT_LIST:
	case OP_TOMBSTONE_LIST:
	case OP_RUN_LIST:
	case OP_CHECK:
		return parse_list(op, parameters, &request->list, failure);
	case OP_RANGE_ADD:
		return parse_range_add(parameters, &request->range_add, failure);
	case OP_RANGE_REMOVE:
		return parse_range_remove(parameters, &request->range_remove, failure);
	case OP_LIMIT_GET:
		return owner_of(parameters, request->name.owner, failure);
	case OP_LIMIT_SET:
		return parse_limit_set(parameters, &request->limit_set, failure);
	case OP_TOMBSTONE_RELEASE:
		return field_number(parameters, "first", 1, &request->release.first, failure);
	case OP_REPAIR:
		return parse_repair(parameters, &request->repair, failure);
	case OP_IMPORT: /* import.c */
	case OP_MAX_:
		break;
	}
	return field_invalid(failure, "method", "not known", "");
}
