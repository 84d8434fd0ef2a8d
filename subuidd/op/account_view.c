/* SPDX-License-Identifier: ISC */
/* An account as show and add tell it: its row and what belongs to it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/fields.h"
#include "confine/cleanup.h"
#include "subuidd/operation.h"

#define KEY_BATCH 16
#define RANGE_BATCH 64

static int count_keys(struct store *store, uint32_t uid, uint32_t *count)
{
	cleanup_free struct ssh_key *rows = calloc(KEY_BATCH, sizeof(*rows));
	uint32_t after = 0, found = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_key_list(store, uid, after, rows, KEY_BATCH)) > 0) {
		found += (uint32_t)n;
		after = rows[n - 1].id;
	}
	if (n == 0)
		*count = found;
	return n;
}

static int count_ranges(struct store *store, const struct account *account, uint32_t *count)
{
	cleanup_free struct id_range *rows = calloc(RANGE_BATCH, sizeof(*rows));
	uint32_t after = 0, found = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	while ((n = store_range_list_account(store, account->uid, after, rows, RANGE_BATCH)) > 0) {
		found += (uint32_t)n;
		after = rows[n - 1].first;
	}
	if (n == 0)
		*count = found;
	return n;
}

/* The same owner mostly comes many times: he is looked up once per call. */
static const struct link_owner *owner_of(struct call *call, const char *name)
{
	if (strcmp(call->owner.name, name) != 0) {
		call_owner_look(call, name);
		memset(call->owner.name, 0, sizeof(call->owner.name));
		memcpy(call->owner.name, name, strnlen(name, OWNER_MAX));
	}
	return call->owner_exists ? &call->owner : NULL;
}

static int path_text(char *out, size_t size, const char *a, const char *b, const char *c, const char *d)
{
	int length = snprintf(out, size, "%s/%s/%s%s%s", a, b, c, d != NULL ? "/" : "", d != NULL ? d : "");

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int account_view_fill(struct call *call, const struct account *account, struct account_view *view)
{
	const struct broker *broker = call->broker;
	const struct link_owner *owner = owner_of(call, account->owner);
	struct home_kept kept;
	struct watch watch;
	int r = count_keys(broker->store, account->uid, &view->keys);

	if (r >= 0)
		r = count_ranges(broker->store, account, &view->ranges);
	if (r < 0)
		return r;
	r = store_watch_get(broker->store, account->uid, &watch);
	if (r < 0)
		return r;
	view->last_run = watch.last_run;
	view->last_status = watch.last_status;
	view->last_good = watch.last_good;
	view->alarm = watch.alarm;
	view->alarm_since = watch.since;
	view->told = watch.told;
	view->silent = watch.due != 0 && watch.due <= time(NULL);
	view->account = *account;
	if (withheld_has(&broker->withheld, account->uid, 0))
		view->account.flags |= ACCOUNT_LOCKED;
	view->view = broker->homes.views ? account_view_kind(account, broker->settings.view) : VIEW_DEFAULT;
	view->files_limit = account_files_limit(account, broker->settings.files_per_size);
	if (home_quota_look(&broker->homes, account, &kept) == 0) {
		view->bytes_kept = kept.bytes;
		view->files_kept = kept.files;
	}
	if (name_join(account->owner, broker->settings.separator, account->label, view->name) < 0)
		return -EUCLEAN;
	if (path_text(view->home, sizeof(view->home), broker->settings.homes, account->owner, account->label, "home") < 0)
		return -EUCLEAN;
	/* A link that is too long to be told is left out. */
	if (owner != NULL && owner->home[0] == '/' &&
	    path_text(view->link, sizeof(view->link), owner->home, broker->settings.link_directory, account->label,
		      NULL) < 0)
		view->link[0] = '\0';
	return 0;
}
