/* SPDX-License-Identifier: ISC */
/* The broker's answers as JSON, record by record. Names and types are those of the interface. */
#include "worker/worker.h"

#include <stdbool.h>

#include "account/part.h"
#include "account/role.h"
#include "worker/field.h"
#include "worker/record_json.h"

/* Each adds members; true when that failed. */
static bool put_text(json_t *object, const char *name, const char *text)
{
	return json_object_set_new(object, name, field_json(text)) < 0;
}

static bool put_filled(json_t *object, const char *name, const char *text)
{
	return text[0] != '\0' && put_text(object, name, text);
}

static bool put_flag(json_t *object, const char *name, bool flag)
{
	return json_object_set_new(object, name, json_boolean(flag)) < 0;
}

static json_t *whole(json_t *object, bool failed)
{
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *options_json(uint32_t options)
{
	json_t *list = json_array();
	bool failed = false;

	for (uint32_t bit = 1; bit < KEY_OPTIONS_END; bit <<= 1)
		if (options & bit)
			failed |= json_array_append_new(list, json_string(key_option_name(bit))) < 0;
	return whole(list, failed);
}

/* Both parts of the authorized_keys line were checked to be of one word each when they came in. */
static bool put_key(json_t *object, const struct ssh_key *key, const char *account)
{
	char roles[ROLES_TEXT_MAX + 1];
	bool failed = put_text(object, "account", account);

	failed |= put_text(object, "role", roles_format(key, roles) > 0 ? roles : "unknown");
	failed |= json_object_set_new(object, "options", options_json(key->options)) < 0;
	failed |= json_object_set_new(object, "key", json_sprintf("%s %s", key->type, key->blob)) < 0;
	return failed;
}

static bool put_audit(json_t *object, const struct audit_entry *entry)
{
	const char *result = entry->status == FAILURE_NONE ? "done" : failure_name((enum failure)entry->status);

	return put_text(object, "result", result != NULL ? result : "Failed");
}

static bool put_parts(json_t *object, uint32_t parts)
{
	json_t *list = json_array();
	bool failed = false;

	for (unsigned part = 1; part < PART_END; part <<= 1)
		if ((parts & part) != 0)
			failed |= json_array_append_new(list, json_string(part_name(part))) < 0;
	return failed || json_object_set_new(object, "mended", list) < 0;
}

/* Facts that a record does not say by itself. */
static bool put_more(json_t *object, const struct answer *answer, const char *account)
{
	switch (wire_message(answer->op)->kind) {
	case ANSWERS_KEY:
		return put_key(object, &answer->key, account);
	case ANSWERS_RANGE:
		return put_filled(object, "account", account);
	case ANSWERS_AUDIT:
		return put_audit(object, &answer->audit);
	case ANSWERS_RUN:
		return put_flag(object, "finished", answer->run.run.status != RUN_UNFINISHED);
	case ANSWERS_REPAIRED:
		return put_parts(object, answer->repaired.mended);
	default:
		return false;
	}
}

/* Of Add: whether it is new, and what was made again of one that is not. */
static bool put_added(json_t *object, const struct account_view *view)
{
	return put_flag(object, "created", view->created != 0) ||
	       (view->mended != 0 && put_parts(object, view->mended));
}

json_t *worker_answer(const struct answer *answer, const char *account)
{
	const struct wire_message *message = wire_message(answer->op);
	json_t *object = json_object(), *reply;
	bool failed = object == NULL;

	for (const struct wire_part *part = message->answer; part->record != NULL; part++)
		failed |= record_put(object, part->record, (const char *)answer + part->at);
	failed |= put_more(object, answer, account);
	object = whole(object, failed);
	if (message->member == NULL || object == NULL)
		return object;
	reply = json_object();
	failed = json_object_set_new(reply, message->member, object) < 0;
	if (answer->op == OP_ACCOUNT_ADD)
		failed |= put_added(reply, &answer->account);
	return whole(reply, failed);
}

void worker_account_text(struct json_text *text, const char *name, const struct answer *answer)
{
	json_text_begin(text, name);
	for (const struct wire_part *part = &wire_message(answer->op)->answer[1]; part->record != NULL; part++)
		record_text(text, part->record, (const char *)answer + part->at);
	json_text_end(text);
}

json_t *worker_answer_failure(const struct failure_text *failure)
{
	json_t *o = json_object();
	bool failed = false;

	failed |= put_text(o, "what", failure->what);
	failed |= put_text(o, "why", failure->why);
	failed |= put_text(o, "todo", failure->todo);
	return whole(o, failed);
}
