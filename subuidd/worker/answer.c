/* SPDX-License-Identifier: ISC */
/* The broker's answers as JSON. Names and types are those of varlink/io.subuidd.Accounts.varlink. */
#include "subuidd/worker/worker.h"

#include <stdbool.h>

#include "account/date.h"
#include "account/fields.h"
#include "account/role.h"
#include "subuidd/worker/field.h"
#include "subuidd/worker/repair.h"

/* Each adds one member; true when that failed. */
static bool put_text(json_t *object, const char *name, const char *text)
{
	return json_object_set_new(object, name, field_json(text)) < 0;
}

static bool put_filled(json_t *object, const char *name, const char *text)
{
	return text[0] != '\0' && put_text(object, name, text);
}

static bool put_number(json_t *object, const char *name, uint64_t number)
{
	return json_object_set_new(object, name, json_integer((json_int_t)number)) < 0;
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

/* {name: value}; takes the reference. */
static json_t *wrap(const char *name, json_t *value)
{
	json_t *object = json_object();

	return whole(object, json_object_set_new(object, name, value) < 0);
}

static const char *state_name(uint32_t state)
{
	switch (state) {
	case ACCOUNT_INTENT:
		return "intent";
	case ACCOUNT_ACTIVE:
		return "active";
	case ACCOUNT_REMOVING:
		return "removing";
	}
	return "unknown";
}

static json_t *account_json(const struct account_view *view)
{
	const struct account *account = &view->account;
	char expires[DATE_TEXT_MAX + 1] = "";
	json_t *o = json_object();
	bool failed = false;

	if (account->expires_day >= 0)
		date_format(account->expires_day, expires);
	failed |= put_text(o, "name", view->name);
	failed |= put_text(o, "owner", account->owner);
	failed |= put_number(o, "ownerUid", account->owner_uid);
	failed |= put_text(o, "label", account->label);
	failed |= put_number(o, "uid", account->uid);
	failed |= put_text(o, "state", state_name(account->state));
	failed |= put_flag(o, "locked", (account->flags & ACCOUNT_LOCKED) != 0);
	failed |= put_number(o, "created", (uint64_t)account->created);
	failed |= put_filled(o, "expires", expires);
	failed |= account->quota != 0 && put_number(o, "quota", account->quota);
	failed |= account->files != FILES_FROM_SIZE && put_number(o, "files", (uint64_t)account->files);
	failed |= view->files_limit != 0 && put_number(o, "filesLimit", view->files_limit);
	failed |= put_filled(o, "quotaKept", account_keeper_name(view->bytes_kept) ?: "");
	failed |= put_filled(o, "filesKept", account_keeper_name(view->files_kept) ?: "");
	failed |= (account->flags & ACCOUNT_FULL) != 0 && put_flag(o, "full", true);
	failed |= put_filled(o, "comment", account->comment);
	failed |= put_text(o, "home", view->home);
	failed |= put_text(o, "link", view->link);
	failed |= put_text(o, "view", account_view_name(account->view) ?: "unknown");
	failed |= put_text(o, "effectiveView", view->view != VIEW_DEFAULT ? account_view_name(view->view) ?: "unknown" : "acl");
	failed |= put_number(o, "keys", view->keys);
	failed |= put_number(o, "ranges", view->ranges);
	failed |= view->last_run > 0 && put_number(o, "lastRun", (uint64_t)view->last_run);
	failed |= view->last_run > 0 && put_number(o, "lastStatus", view->last_status);
	failed |= view->last_good > 0 && put_number(o, "lastGood", (uint64_t)view->last_good);
	failed |= view->alarm > 0 && put_number(o, "alarm", (uint64_t)view->alarm);
	failed |= view->alarm > 0 && put_number(o, "alarmSince", (uint64_t)view->alarm_since);
	failed |= view->told != 0 && put_flag(o, "told", true);
	failed |= put_flag(o, "silent", view->silent != 0);
	return whole(o, failed);
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

/* One authorized_keys line; both parts were checked to be of one word each when they came in. */
static json_t *line_json(const struct ssh_key *key)
{
	return json_sprintf("%s %s", key->type, key->blob);
}

static json_t *key_json(const struct ssh_key *key, int64_t used, const char *account)
{
	char roles[ROLES_TEXT_MAX + 1];
	json_t *o = json_object();
	bool failed = false;

	failed |= put_number(o, "id", key->id);
	failed |= put_text(o, "account", account);
	failed |= put_number(o, "uid", key->uid);
	failed |= put_text(o, "role", roles_format(key, roles) > 0 ? roles : "unknown");
	failed |= json_object_set_new(o, "options", options_json(key->options)) < 0;
	failed |= put_text(o, "type", key->type);
	failed |= json_object_set_new(o, "key", line_json(key)) < 0;
	failed |= put_filled(o, "comment", key->comment);
	failed |= put_text(o, "fingerprint", key->fingerprint);
	failed |= put_filled(o, "from", key->from);
	failed |= put_filled(o, "forward", key->forward);
	failed |= key->storage_quota != 0 && put_number(o, "storageQuota", key->storage_quota);
	failed |= put_number(o, "created", (uint64_t)key->created);
	failed |= key->expires != 0 && put_number(o, "expires", (uint64_t)key->expires);
	failed |= used > 0 && put_number(o, "lastUsed", (uint64_t)used);
	return whole(o, failed);
}

static json_t *range_json(const struct id_range *range, bool adopted, const char *account)
{
	json_t *o = json_object();
	bool failed = false;

	failed |= put_number(o, "first", range->first);
	failed |= put_number(o, "count", range->count);
	failed |= put_text(o, "owner", range->owner);
	failed |= put_number(o, "ownerUid", range->owner_uid);
	failed |= put_filled(o, "label", range->label);
	failed |= put_filled(o, "account", account);
	failed |= range->account_uid != 0 && put_number(o, "accountUid", range->account_uid);
	failed |= adopted && put_flag(o, "adopted", true);
	failed |= put_number(o, "created", (uint64_t)range->created);
	return whole(o, failed);
}

static json_t *limit_json(const struct limit *limit)
{
	json_t *o = json_object();
	bool failed = false;

	failed |= put_text(o, "owner", limit->owner);
	failed |= put_number(o, "accounts", limit->accounts);
	failed |= put_number(o, "keys", limit->keys);
	failed |= put_number(o, "ranges", limit->ranges);
	failed |= put_flag(o, "default", limit->is_default != 0);
	return whole(o, failed);
}

static json_t *audit_json(const struct audit_entry *entry)
{
	const char *result = entry->status == FAILURE_NONE ? "done" : failure_name((enum failure)entry->status);
	json_t *o = json_object();
	bool failed = false;

	failed |= put_number(o, "seq", entry->seq);
	failed |= put_number(o, "time", (uint64_t)entry->time);
	failed |= put_text(o, "caller", entry->caller);
	failed |= put_number(o, "uid", entry->uid);
	failed |= json_object_set_new(o, "pid", json_integer(entry->pid)) < 0;
	failed |= put_text(o, "action", entry->action);
	failed |= put_text(o, "target", entry->target);
	failed |= put_text(o, "result", result != NULL ? result : "Failed");
	failed |= put_text(o, "detail", entry->detail);
	return whole(o, failed);
}

static const char *run_kind_name(uint32_t kind)
{
	return kind == RUN_BACKUP ? "backup" : kind == RUN_READ ? "read" : "probe";
}

/* What nobody knows is left out. */
static bool put_count(json_t *object, const char *name, uint64_t count)
{
	return count != RUN_UNKNOWN && put_number(object, name, count);
}

static json_t *run_json(const struct run_row *row)
{
	const struct run *run = &row->run;
	json_t *o = json_object();
	bool failed = false;

	failed |= put_number(o, "seq", row->seq);
	failed |= row->uid != 0 && put_number(o, "uid", row->uid);
	failed |= put_number(o, "started", (uint64_t)run->started);
	failed |= put_number(o, "durationMs", run->duration_ms);
	failed |= put_text(o, "tool", run->tool);
	failed |= put_text(o, "kind", run_kind_name(run->kind));
	failed |= put_number(o, "status", run->status);
	failed |= put_flag(o, "finished", run->status != RUN_UNFINISHED);
	failed |= put_number(o, "keyId", run->key_id);
	failed |= put_text(o, "fingerprint", run->fingerprint);
	failed |= put_filled(o, "address", run->address);
	failed |= put_count(o, "bytesIn", run->bytes_in);
	failed |= put_count(o, "bytesOut", run->bytes_out);
	failed |= put_count(o, "files", run->files);
	failed |= put_filled(o, "error", run->error);
	return whole(o, failed);
}

static json_t *status_json(const struct daemon_status *status)
{
	json_t *o = json_object();
	bool failed = false;

	failed |= put_text(o, "version", status->version);
	failed |= put_number(o, "accounts", status->accounts);
	failed |= put_number(o, "purging", status->purging);
	failed |= put_number(o, "generation", status->generation);
	failed |= put_flag(o, "views", status->views != 0);
	failed |= put_number(o, "landlock", status->landlock_abi);
	failed |= put_text(o, "homes", status->homes);
	failed |= put_text(o, "separator", status->separator);
	failed |= put_text(o, "caller", status->caller);
	failed |= put_number(o, "callerUid", status->caller_uid);
	failed |= put_flag(o, "callerIsAdmin", status->caller_is_admin != 0);
	return whole(o, failed);
}

static const char *files_name(uint32_t files)
{
	switch (files) {
	case FILES_KEPT:
		return "kept";
	case FILES_DELETED:
		return "deleted";
	}
	return "pending";
}

static json_t *removal_json(const struct removal_view *removal)
{
	json_t *o = json_object();
	bool failed = false;

	failed |= put_text(o, "files", files_name(removal->files));
	failed |= put_filled(o, "why", removal->why);
	return whole(o, failed);
}

/* Whether it is new, and what was made again of one that is not. */
static bool put_added(json_t *object, const struct account_view *view)
{
	return put_flag(object, "created", view->created != 0) ||
	       (view->mended != 0 && json_object_set_new(object, "mended", worker_parts(view->mended)) < 0);
}

json_t *worker_answer(const struct answer *answer, const char *account)
{
	json_t *o;

	switch ((enum op)answer->op) {
	case OP_STATUS:
		return status_json(&answer->status);
	case OP_ACCOUNT_ADD:
		o = wrap("account", account_json(&answer->account));
		return o == NULL ? NULL : whole(o, put_added(o, &answer->account));
	case OP_ACCOUNT_GET:
	case OP_ACCOUNT_LIST:
	case OP_ACCOUNT_MODIFY:
	case OP_ACCOUNT_LOCK:
	case OP_ACCOUNT_UNLOCK:
	case OP_ACCOUNT_MOUNT:
		return wrap("account", account_json(&answer->account));
	case OP_KEY_ADD:
	case OP_KEY_LIST:
		return wrap("key", key_json(&answer->key, answer->key_used, account));
	case OP_RANGE_ADD:
	case OP_RANGE_LIST:
	case OP_TOMBSTONE_LIST:
		return wrap("range", range_json(&answer->range, answer->range_adopted != 0, account));
	case OP_LIMIT_GET:
	case OP_LIMIT_SET:
	case OP_LIMIT_LIST:
		return wrap("limit", limit_json(&answer->limit));
	case OP_AUDIT_LIST:
		return wrap("entry", audit_json(&answer->audit));
	case OP_RUN_LIST:
		return wrap("run", run_json(&answer->run));
	case OP_REPAIR:
		return worker_repaired(&answer->repaired);
	case OP_CHECK:
		return wrap("finding", worker_finding(&answer->finding));
	case OP_ACCOUNT_REMOVE:
		return removal_json(&answer->removal);
	case OP_KEY_REMOVE:
	case OP_RANGE_REMOVE:
	case OP_TOMBSTONE_RELEASE:
	case OP_STATE_SAVE:
	case OP_IMPORT: /* import.c */
	case OP_MAX_:
		break;
	}
	return json_object();
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
