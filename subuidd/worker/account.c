/* SPDX-License-Identifier: ISC */
/* An account as JSON: of one, and of a list of a million. Run by the worker. */
#include "account/date.h"
#include "account/fields.h"
#include "subuidd/worker/field.h"
#include "subuidd/worker/worker.h"
#include "varlink/text.h"

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

static void put_text(struct json_text *text, const char *name, const char *value)
{
	if (!json_text_string(text, name, value))
		json_text_value(text, name, field_json(value));
}

static void put_filled(struct json_text *text, const char *name, const char *value)
{
	if (value[0] != '\0')
		put_text(text, name, value);
}

static void put_number_if(struct json_text *text, bool told, const char *name, int64_t number)
{
	if (told)
		json_text_number(text, name, number);
}

static void put_row(struct json_text *text, const struct account_view *view)
{
	const struct account *account = &view->account;
	char expires[DATE_TEXT_MAX + 1] = "";

	if (account->expires_day >= 0)
		date_format(account->expires_day, expires);
	put_text(text, "name", view->name);
	put_text(text, "owner", account->owner);
	json_text_number(text, "ownerUid", account->owner_uid);
	put_text(text, "label", account->label);
	json_text_number(text, "uid", account->uid);
	put_text(text, "state", state_name(account->state));
	json_text_flag(text, "locked", (account->flags & ACCOUNT_LOCKED) != 0);
	json_text_number(text, "created", account->created);
	put_filled(text, "expires", expires);
	put_number_if(text, account->quota != 0, "quota", (int64_t)account->quota);
	put_number_if(text, account->files != FILES_FROM_SIZE, "files", account->files);
	put_number_if(text, view->files_limit != 0, "filesLimit", (int64_t)view->files_limit);
	put_filled(text, "quotaKept", account_keeper_name(view->bytes_kept) ?: "");
	put_filled(text, "filesKept", account_keeper_name(view->files_kept) ?: "");
	if ((account->flags & ACCOUNT_FULL) != 0)
		json_text_flag(text, "full", true);
	put_filled(text, "comment", account->comment);
}

static void put_beside(struct json_text *text, const struct account_view *view)
{
	put_text(text, "home", view->home);
	put_text(text, "link", view->link);
	put_text(text, "view", account_view_name(view->account.view) ?: "unknown");
	put_text(text, "effectiveView",
			 view->view != VIEW_DEFAULT ? account_view_name(view->view) ?: "unknown" : "acl");
	json_text_number(text, "keys", view->keys);
	json_text_number(text, "ranges", view->ranges);
}

static void put_watch(struct json_text *text, const struct account_view *view)
{
	put_number_if(text, view->last_run > 0, "lastRun", view->last_run);
	put_number_if(text, view->last_run > 0, "lastStatus", view->last_status);
	put_number_if(text, view->last_good > 0, "lastGood", view->last_good);
	put_number_if(text, view->alarm > 0, "alarm", view->alarm);
	put_number_if(text, view->alarm > 0, "alarmSince", view->alarm_since);
	if (view->told != 0)
		json_text_flag(text, "told", true);
	json_text_flag(text, "silent", view->silent != 0);
}

void worker_account_text(struct json_text *text, const char *name, const struct account_view *view)
{
	json_text_begin(text, name);
	put_row(text, view);
	put_beside(text, view);
	put_watch(text, view);
	json_text_end(text);
}
