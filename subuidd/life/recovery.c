/* SPDX-License-Identifier: ISC */
/* At the start, and after a failure: finishes or undoes unfinished changes, and mounts the views. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"
#include "home/mounts.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/life/rename.h"
#include "subuidd/base/log.h"

#define BATCH 256
#define VIEWS_AT_A_TIME 32
#define MOVING_AT_A_TIME 32
#define VIEWS_AGAIN_SECONDS 60u

const struct operation recovery_undo = { OP_ACCOUNT_ADD, WHO_ROOT, TRAIT_CHANGES | TRAIT_LINES, "account.undo", NULL };
const struct operation recovery_remove = { OP_ACCOUNT_REMOVE, WHO_ROOT, TRAIT_CHANGES | TRAIT_LINES, "account.remove",
					   NULL };

static const struct operation *operation_of(const struct account *account)
{
	return account->state == ACCOUNT_INTENT ? &recovery_undo :
	       account->state == ACCOUNT_MOVING ? &recovery_rename :
						  &recovery_remove;
}

static enum failure go_on(struct call *call)
{
	int r;

	switch (call->account.state) {
	case ACCOUNT_INTENT:
		return lifecycle_take_back(call, call_fail(call, FAILURE_FAILED, NULL, "it was not completed", ""));
	case ACCOUNT_MOVING:
		r = rename_former(call);
		return r < 0 ? call_fail_store(call, r) : rename_complete(call);
	default:
		return removal_complete(call);
	}
}

static int recover(struct broker *broker, const struct account *account)
{
	struct call *call = call_internal(broker, operation_of(account), account);

	if (call == NULL)
		return -ENOMEM;
	call_finish(call, go_on(call));
	return 0;
}

/* Of an owner who changed there may be thousands: some at a time, and the rest when those have ended. */
static bool enough(struct broker *broker, const struct account *account)
{
	unsigned moving = 0;

	if (account->state != ACCOUNT_MOVING)
		return false;
	for (const struct call *call = broker->calls; call != NULL; call = call->next)
		moving += call->operation == &recovery_rename;
	if (moving < MOVING_AT_A_TIME)
		return false;
	broker->unfinished = true;
	maintain_in(broker, 1);
	return true;
}

int recovery_start(struct broker *broker)
{
	cleanup_free struct account *rows = calloc(BATCH, sizeof(*rows));
	uint32_t after = 0;
	int n;

	if (rows == NULL)
		return -ENOMEM;
	broker->unfinished = false;
	while ((n = store_account_unfinished(broker->store, after, rows, BATCH)) > 0)
		for (int i = 0; i < n; i++) {
			int r = 0;

			after = rows[i].uid;
			if (!call_busy(broker, rows[i].uid, NULL) && !enough(broker, &rows[i]))
				r = recover(broker, &rows[i]);
			if (r < 0)
				return r;
		}
	return n;
}

/* False: it is unknown now whether there is an owner who could look. */
static bool view_open(struct broker *broker, const struct account *account)
{
	struct link_owner owner;
	int r = passwd_by_name(account->owner, &owner);

	if (r == -ENOENT || r == -ENAMETOOLONG || (r == 0 && owner.uid != account->owner_uid))
		return true; /* nobody could look; `check` reports it */
	if (r < 0)
		return false;
	r = home_view_open(&broker->homes, account, owner.gid);
	if (r < 0)
		log_error("%s %s: the owner's view cannot be mounted: %s", account->owner, account->label,
			  strerror(-r));
	return true;
}

static int views_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	int r = recovery_views(userdata);

	(void)usec;
	if (r < 0)
		log_error("the owners' views: %s", strerror(-r));
	sd_event_source_disable_unref(source);
	return 0;
}

/* Those that are mounted are passed over then. */
static void views_later(struct broker *broker)
{
	sd_event_source *timer = NULL;

	log_error("the user database does not answer: the views of some owners are mounted when it does");
	broker->views_doubt = false;
	if (sd_event_add_time_relative(broker->event, &timer, CLOCK_MONOTONIC, VIEWS_AGAIN_SECONDS * UINT64_C(1000000),
				       1000000, views_again, broker) < 0)
		log_error("the owners' views cannot be planned: run subuid mount");
}

static int views_some(sd_event_source *source, void *userdata)
{
	struct broker *broker = userdata;
	struct account rows[VIEWS_AT_A_TIME];
	int n = store_account_list(broker->store, NULL, (uint32_t)broker->views_after, rows, VIEWS_AT_A_TIME);

	for (int i = 0; i < n; i++) {
		broker->views_after = rows[i].uid;
		if (rows[i].state == ACCOUNT_ACTIVE)
			broker->views_doubt |= !view_open(broker, &rows[i]);
	}
	if (n > 0)
		return 0;
	sd_event_source_disable_unref(source);
	if (broker->views_doubt)
		views_later(broker);
	return 0;
}

/* A mounted view of an existing account: it may be of the other kind (an older version, another setting). */
static void mounted_one(void *data, const char *name)
{
	struct broker *broker = data;
	char owner[OWNER_MAX + 1], label[LABEL_MAX + 1], rest[sizeof("view")];
	struct account account;
	int end = 0;

	/* the widths are those of the arrays: OWNER_MAX, LABEL_MAX */
	if (sscanf(name, "%32[^/]/%31[^/]/%4[^/]%n", owner, label, rest, &end) == 3 && name[end] == '\0' &&
	    strcmp(rest, "view") == 0 && store_account_get(broker->store, owner, label, &account) == 0 &&
	    account.state == ACCOUNT_ACTIVE)
		broker->views_doubt |= !view_open(broker, &account);
}

/* If views are made on demand, existing ones are kept of the wanted kind. */
static int views_mounted(sd_event_source *source, void *userdata)
{
	struct broker *broker = userdata;
	int r = mounts_each(broker->homes.path, mounted_one, broker);

	sd_event_source_disable_unref(source);
	if (r < 0)
		log_error("views that are mounted: %s", strerror(-r));
	if (broker->views_doubt)
		views_later(broker);
	return 0;
}

int recovery_views(struct broker *broker)
{
	sd_event_source *source = NULL;
	uint32_t accounts = 0;
	int r = store_account_count(broker->store, NULL, &accounts);

	if (r < 0)
		return r;
	broker->views_on_demand = accounts > broker->settings.views_at_start;
	if (broker->views_on_demand) {
		log_info("%u accounts: the owners' views are mounted on demand (views_at_start)", accounts);
	}
	broker->views_after = 0;
	r = sd_event_add_defer(broker->event, &source, broker->views_on_demand ? views_mounted : views_some, broker);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(source, SD_EVENT_ON);
}
