/* SPDX-License-Identifier: ISC */
/* An account as show and add tell it: its row and what belongs to it. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "account/bounds.h"
#include "account/fields.h"
#include "subuidd/call/account_view.h"
#include "subuidd/call/call.h"
#include "subuidd/call/used.h"
#include "subuidd/life/urgent.h"

/* The same owner mostly comes many times: they are looked up once per call. */
static const struct link_owner *owner_of(struct call *call, const char *name, int (*look)(struct call *, const char *))
{
	if (strcmp(call->owner.name, name) != 0) {
		look(call, name);
		memset(call->owner.name, 0, sizeof(call->owner.name));
		memcpy(call->owner.name, name, strnlen(name, OWNER_MAX));
	}
	return call->owner_exists ? &call->owner : NULL;
}

/* The parts with a slash between each two: of a list there are a million. out is 0 all over. */
static int path_text(char *out, size_t size, const char *const *parts)
{
	size_t used = 0;

	for (; *parts != NULL; parts++) {
		size_t length = strlen(*parts);

		if (length + 2 > size - used)
			return -ENAMETOOLONG;
		if (used > 0)
			out[used++] = '/';
		memcpy(out + used, *parts, length);
		used += length;
	}
	return 0;
}

static void view_belongings(const struct belongings *has, struct account_view *view)
{
	const struct watch *watch = &has->watch;

	view->keys = has->keys;
	view->ranges = has->ranges;
	view->last_run = watch->last_run;
	view->last_status = watch->last_status;
	view->last_good = watch->last_good;
	view->alarm_since = watch->since;
	view->told = watch->told;
	view->silent = watch->due != 0 && watch->due <= time(NULL);
}

/* In doubt the owner stands: an outage takes nothing away. */
static enum owner_state owner_state(const struct call *call, const struct link_owner *owner,
				    const struct account *account)
{
	if (owner == NULL)
		return call->owner_doubt != 0 ? OWNER_STANDS : OWNER_GONE;
	return owner->uid == account->owner_uid ? OWNER_STANDS : OWNER_CHANGED;
}

/* The use of a limit: as its file system says it, or as it was counted last. */
static void view_limits(const struct broker *broker, uint32_t uid, const struct home_kept *kept,
			struct account_view *view)
{
	struct used counted = { USED_UNKNOWN, USED_UNKNOWN };

	view->bytes_kept = kept->bytes;
	view->files_kept = kept->files;
	if (kept->bytes != KEPT_NONE || kept->files != KEPT_NONE)
		used_get(&broker->used, uid, &counted);
	view->bytes_used = kept->bytes_used != USED_UNKNOWN ? kept->bytes_used : counted.bytes;
	view->files_used = kept->files_used != USED_UNKNOWN ? kept->files_used : counted.files;
}

/* The limit of an owner: of a list they mostly come many times, and are looked up once. */
static int listed_limit(struct call *call, const char *owner, const struct limit **limit)
{
	struct limit *known = &call->limit;
	int r;

	*limit = known;
	if (strcmp(known->owner, owner) == 0)
		return 0;
	*known = (struct limit){ 0 };
	r = store_limit_get(call->store, owner, known);
	if (r < 0 && r != -ENOENT)
		return r;
	memcpy(known->owner, owner, strlen(owner) + 1); /* also of one who has none */
	return 0;
}

/* Those that the account or its owner's limit says: an account as such has what the host's settings say. */
static int view_bounds(struct call *call, const struct account *account, struct account_view *view)
{
	const struct limit *limit;
	struct bounds host;
	enum bound_source source[BOUNDS];
	int r = listed_limit(call, account->owner, &limit);

	if (r < 0)
		return r;
	view->effective = (struct bounds){ 0 };
	if (bounds_none(&limit->bounds) && bounds_none(&account->facts.bounds))
		return 0;
	settings_bounds(&call->broker->settings, &host);
	bounds_resolve(&host, &limit->bounds, &account->facts.bounds, &view->effective, source);
	for (unsigned i = 0; i < BOUNDS; i++)
		if (source[i] == BOUND_OF_HOST && account->facts.bounds.of[i] == 0)
			view->effective.of[i] = 0;
	return 0;
}

static int view_fill(const struct broker *broker, const struct link_owner *owner, const struct account *account,
		     struct account_view *view)
{
	const char *const home[] = { broker->settings.homes, account->owner, account->label, "home", NULL };
	struct home_kept kept;

	view->account = *account;
	if (withheld_has(&broker->withheld, account->uid, 0))
		view->account.flags |= ACCOUNT_LOCKED;
	if (withheld_removal(&broker->withheld, account->uid, NULL) && account->state == ACCOUNT_ACTIVE)
		view->account.state = ACCOUNT_REMOVING;
	view->view = broker->homes.views ? account_view_kind(account, broker->settings.view) : VIEW_DEFAULT;
	view->files_limit = account_files_limit(account, broker->settings.files_per_size);
	view->bytes_used = view->files_used = USED_UNKNOWN;
	if (home_quota_look(&broker->homes, account, &kept) == 0)
		view_limits(broker, account->uid, &kept, view);
	if (name_join(account->owner, broker->settings.separator, account->label, view->name) < 0)
		return -EUCLEAN;
	if (path_text(view->home, sizeof(view->home), home) < 0)
		return -EUCLEAN;
	/* A link that is too long to be told is left out. */
	if (owner != NULL && owner->home[0] == '/' &&
	    path_text(view->link, sizeof(view->link),
		      (const char *const[]){ owner->home, broker->settings.link_directory, account->label, NULL }) < 0)
		memset(view->link, 0, sizeof(view->link));
	return 0;
}

int account_view_fill(struct call *call, const struct account *account, struct account_view *view)
{
	const struct link_owner *owner = owner_of(call, account->owner, call_owner_look);
	struct belongings has;
	int r = store_account_belongings(call->store, account->uid, &has);

	if (r < 0)
		return r;
	call->limit.owner[0] = '\0'; /* this call may have changed it */
	r = view_bounds(call, account, view);
	if (r < 0)
		return r;
	view_belongings(&has, view);
	view->owner_state = owner_state(call, owner, account);
	return view_fill(call->broker, owner, account, view);
}

int account_view_listed(struct call *call, const struct listed_account *row, struct account_view *view)
{
	const struct link_owner *owner = owner_of(call, row->account.owner, call_owner_look_local);
	int r = view_bounds(call, &row->account, view);

	if (r < 0)
		return r;
	view_belongings(&row->belongings, view);
	view->owner_state = owner_state(call, owner, &row->account);
	return view_fill(call->broker, owner, &row->account, view);
}
