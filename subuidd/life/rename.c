/* SPDX-License-Identifier: ISC */
/*
 * Everything that follows the new name of an account: out of the index, its processes, its directory, the owner's view,
 * the link, and into the index again. Run by the broker. The intent was committed before (op/rename.c, op/owner.c), and
 * from there it only goes forward: what cannot be done now is tried again.
 */
#include "subuidd/life/rename.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "subuidd/base/log.h"
#include "subuidd/call/account_view.h"
#include "subuidd/call/maintain.h"
#include "subuidd/life/lifecycle.h"
#include "subuidd/publish/publish.h"

const struct operation recovery_rename = { OP_ACCOUNT_RENAME, WHO_ROOT, TRAIT_CHANGES | TRAIT_LINES, "account.rename",
					   NULL };

int rename_former(struct call *call)
{
	struct former_name former;
	int r = store_former_moving(call->store, call->account.uid, &former);

	if (r < 0)
		return r;
	call->former = call->account;
	call->former.owner_uid = former.owner_uid;
	memcpy(call->former.owner, former.owner, sizeof(former.owner));
	memcpy(call->former.label, former.label, sizeof(former.label));
	return 0;
}

static enum failure body_moved(struct call *call)
{
	int r = store_account_moved(call->store, call->account.uid);

	if (name_join(call->former.owner, call->broker->settings.separator, call->former.label, call->target) == 0)
		snprintf(call->detail, sizeof(call->detail), "uid %u: now %s%c%s%s%.120s", call->account.uid,
			 call->account.owner, call->broker->settings.separator, call->account.label,
			 call->answer.account.link_why[0] != '\0' ? ", whose link is not right: " : "",
			 call->answer.account.link_why);
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

/* Directory and link are under the new name, or it is known why the link is not. */
static enum failure finish(struct call *call)
{
	char why[FAILURE_TEXT_MAX + 1];
	enum failure failure = call_transaction(call, call->operation->action, body_moved);
	int r;

	if (failure != FAILURE_NONE)
		return call_again_later(call, failure);
	call->account.state = ACCOUNT_ACTIVE;
	name_join(call->account.owner, call->broker->settings.separator, call->account.label, call->target);
	failure = call_published(call, "its name is changed",
				 publish_account_whole(call->broker->publication, &call->account));
	if (failure != FAILURE_NONE)
		return failure;
	memcpy(why, call->answer.account.link_why, sizeof(why));
	memset(&call->answer.account, 0, sizeof(call->answer.account));
	r = account_view_fill(call, &call->account, &call->answer.account);
	memcpy(call->answer.account.link_why, why, sizeof(why));
	return r < 0 ? call_fail_store(call, r) : FAILURE_NONE;
}

static enum failure no_link(struct call *call, const char *why)
{
	log_warn("%s%c%s: its link is not made: %s", call->account.owner, call->broker->settings.separator,
		 call->account.label, why);
	snprintf(call->answer.account.link_why, sizeof(call->answer.account.link_why), "%s", why);
	return finish(call);
}

static enum failure new_link(struct call *call);

/* Its backups do not wait for a link, which `check` finds and a repair makes. */
static enum failure link_made(struct call *call, int status)
{
	enum link_result result = link_result_of(status);

	if (status == -EINTR && !call->link_again) { /* it was killed, and could not report how far it got */
		call->link_again = true;
		return new_link(call);
	}
	return result == LINK_OK || result == LINK_MENDED ? finish(call) : no_link(call, link_result_why(result));
}

static void linked(void *data, int status)
{
	call_finish(data, link_made(data, status));
}

/* What passes by itself is waited for, since nobody would make the link then. */
static enum failure new_link(struct call *call)
{
	struct broker *broker = call->broker;
	int pidfd = -1, r;
	pid_t pid = -1;

	if (call->owner_doubt != 0)
		return call_again_later(call, call_fail_doubt(call, call->owner_doubt));
	if (!call->owner_exists || call->owner.uid != call->account.owner_uid)
		return finish(call); /* again another one: nobody could look */
	if (call->link_skipped)
		return no_link(call, link_result_why(LINK_TIMEOUT));
	r = link_start_rename(&broker->homes, &call->owner, &call->former, &call->account, LINK_MEND, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(broker->event, pidfd, LINK_SECONDS, linked, call);
	return r < 0 ? call_again_later(call, call_fail_system(call, "its link cannot be made", r)) : CALL_PENDING;
}

static enum failure link_follows(struct call *call);

/* One that stays leads nowhere; the answer says so, and `check` finds it. */
static void former_unlinked(void *data, int status)
{
	struct call *call = data;
	enum link_result result = link_result_of(status);

	if (status == -EINTR && !call->link_again) {
		call->link_again = true;
		call_finish(call, link_follows(call));
		return;
	}
	call->link_again = false; /* the new one has a second try of its own */
	if (result != LINK_OK) {
		log_warn("%s: the former owner's link stays: %s", call->target, link_result_why(result));
		snprintf(call->answer.account.link_why, sizeof(call->answer.account.link_why),
			 "the former owner's stays: %s", link_result_why(result));
	}
	call_finish(call, new_link(call));
}

/* A former owner who is still there, since the accounts were handed over, has a link, too. */
static enum failure link_follows(struct call *call)
{
	struct broker *broker = call->broker;
	struct link_owner former;
	int pidfd = -1, r;
	pid_t pid = -1;

	if (strcmp(call->former.owner, call->account.owner) == 0 || call->link_skipped)
		return new_link(call);
	r = passwd_by_name(call->former.owner, &former);
	if (r == -ENOENT || r == -ENAMETOOLONG || (r == 0 && former.uid != call->former.owner_uid))
		return new_link(call);
	if (r < 0)
		return call_again_later(call, call_fail_doubt(call, r));
	r = link_start_remove(&broker->homes, &former, &call->former, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(broker->event, pidfd, LINK_SECONDS, former_unlinked, call);
	return r < 0 ? call_again_later(call, call_fail_system(call, "the former link cannot be removed", r)) :
		       CALL_PENDING;
}

/* What is mounted came along with the directory; it may show the files to another uid. */
static void view_follows(struct call *call)
{
	struct broker *broker = call->broker;
	bool theirs = call->owner_exists && call->owner.uid == call->account.owner_uid;
	int r = 0;

	if (!theirs || (broker->views_on_demand && call->former.owner_uid != call->account.owner_uid))
		r = home_view_close(&broker->homes, &call->account);
	else if (!broker->views_on_demand)
		r = home_view_open(&broker->homes, &call->account, call->owner.gid);
	if (r < 0 && r != -ENOENT)
		log_error("%s: the owner's view cannot be made: %s", call->target, strerror(-r));
}

/* A home that was lost before is no reason to keep the name; `check` says so. */
static enum failure directory_follows(struct call *call, int ended)
{
	int r;

	if (ended < 0)
		return call_again_later(call, call_fail_system(call, "its processes cannot be ended", ended));
	r = home_rename(&call->broker->homes, &call->former, &call->account);
	if (r < 0 && r != -ENOENT)
		return call_again_later(call, call_fail_system(call, "its home cannot be renamed", r));
	if (r > 0)
		log_warn("%s: the empty directory of %s stays; subuid check --repair removes it", call->target,
			 call->former.owner);
	view_follows(call);
	return link_follows(call);
}

static void sessions_ended_now(void *data, int status)
{
	call_finish(data, directory_follows(data, status));
}

/* It knows the account by its uid alone: its names in the row are the new ones. */
enum failure rename_complete(struct call *call)
{
	int r = publish_account_gone(call->broker->publication, &call->account);

	if (r < 0) {
		removal_sessions_end(call->broker, call->account.uid, NULL, NULL);
		return call_again_later(call, call_published(call, "its name is being changed", r));
	}
	r = removal_sessions_end(call->broker, call->account.uid, sessions_ended_now, call);
	return r == 1 ? CALL_PENDING : directory_follows(call, r);
}
