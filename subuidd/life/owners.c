/* SPDX-License-Identifier: ISC */
/*
 * Shuts the accounts of owners whose uid has gone to a user of another name, and opens those that were shut when the
 * owner is that user again. Doubt shuts nothing and opens nothing. Which owners were shut is known as long as the
 * daemon runs; what was shut before is found by `check`, and opened by its repair. Run by the broker; children ask the
 * user database, which need not answer. Local users are read once by each child (local.h): all owners are looked
 * at each minute.
 */
#include "subuidd/life/owners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "confine/child.h"
#include "confine/clock.h"
#include "confine/grow.h"
#include "subuidd/base/child.h"
#include "subuidd/base/log.h"
#include "subuidd/call/call.h"
#include "subuidd/call/caller.h"
#include "subuidd/ids/local.h"

#define AT_ONCE 256
#define ASK_SECONDS 60u
#define REST 10u /* times as long as a look at all of them took, until the next one, if it took long */
#define LONG_USEC 5000000u

enum uid_now {
	UID_UNKNOWN, /* or nobody has the uid: then nobody comes in by it */
	UID_THEIRS,
	UID_TAKEN, /* another user has the uid */
};

struct made_for {
	char name[OWNER_MAX + 1];
	uint32_t uid;
	enum uid_now uid_now; /* the child's */
	gid_t gid;            /* with UID_THEIRS */
};

/* One whose accounts are shut. */
struct shut {
	char name[OWNER_MAX + 1];
	int error; /* of the last look: it is told once */
};

struct owners {
	struct broker *broker;
	bool looking, again;  /* something has changed since this look began */
	uint64_t begun, rest; /* by clock_usec(): this look; no next one before */
	size_t count;
	struct made_for *rows; /* shared with the child */
	struct shut *shut;
	size_t shut_count, shut_room;
};

static enum uid_now uid_now(const struct local *local, struct made_for *row)
{
	struct link_owner user = { .gid = (gid_t)-1 };
	int r = passwd_by_name_local(local, row->name, &user);

	row->gid = user.gid;
	if (r == 0 && user.uid == row->uid)
		return UID_THEIRS;
	if (r < 0 && r != -ENOENT)
		return UID_UNKNOWN;
	return passwd_by_uid(row->uid, &user) == 0 && strcmp(user.name, row->name) != 0 ? UID_TAKEN : UID_UNKNOWN;
}

static int ask(const void *argument)
{
	const struct owners *owners = argument;
	struct local local = { 0 };

	local_refresh(&local);
	for (size_t i = 0; i < owners->count; i++)
		owners->rows[i].uid_now = uid_now(&local, &owners->rows[i]);
	return 0;
}

/* ---- their accounts */

static int account_shut(struct broker *broker, const struct account *account, gid_t gid)
{
	(void)gid;
	return home_shut(&broker->homes, account);
}

static int account_open(struct broker *broker, const struct account *account, gid_t gid)
{
	unsigned parts = 0;

	return home_mend(&broker->homes, account, gid, !broker->views_on_demand, false, &parts);
}

/* How many were changed. *error: of one that was not, and has to be looked at again. */
static unsigned each_account(struct broker *broker, const struct made_for *row,
			     int (*visit)(struct broker *broker, const struct account *account, gid_t gid), int *error)
{
	struct account account;
	uint32_t after = 0;
	unsigned changed = 0;
	int n;

	*error = 0;
	while ((n = store_account_list(broker->store, row->name, after, &account, 1)) == 1) {
		int r = 0;

		after = account.uid;
		if (account.owner_uid != row->uid)
			continue;
		if (account.state == ACCOUNT_ACTIVE)
			r = call_busy(broker, account.uid, NULL) ? -EBUSY : visit(broker, &account, row->gid);
		if (r < 0 && (*error == 0 || *error == -EBUSY))
			*error = r;
		changed += r > 0;
	}
	if (n < 0)
		*error = n;
	return changed;
}

static struct shut *shut_find(struct owners *owners, const char *name)
{
	for (size_t i = 0; i < owners->shut_count; i++)
		if (strcmp(owners->shut[i].name, name) == 0)
			return &owners->shut[i];
	return NULL;
}

static struct shut *shut_add(struct owners *owners, const char *name)
{
	struct shut *grown = array_grow(owners->shut, owners->shut_count, &owners->shut_room, sizeof(*grown));

	if (grown == NULL) {
		log_error("%s: no memory, so the accounts are not opened when the owner is back", name);
		return NULL;
	}
	owners->shut = grown;
	grown += owners->shut_count++;
	*grown = (struct shut){ 0 };
	snprintf(grown->name, sizeof(grown->name), "%s", name);
	return grown;
}

/* The next look does what this one could not; an account that is being changed is no fault. */
static void tell(struct shut *shut, int error)
{
	if (error < 0 && error != -EBUSY && error != shut->error)
		log_error("%s: whom the directories of the accounts let in cannot be changed, which is tried again: %s",
			  shut->name, strerror(-error));
	shut->error = error;
}

static void act(struct owners *owners, const struct made_for *row)
{
	struct shut *shut = shut_find(owners, row->name);
	unsigned changed;
	int error;

	if (row->uid_now == UID_TAKEN) {
		shut = shut != NULL ? shut : shut_add(owners, row->name);
		changed = each_account(owners->broker, row, account_shut, &error);
		if (changed > 0)
			log_warn("%s: uid %u is another user's now: %u accounts are shut until root says whose they "
				 "are (subuid owner)",
				 row->name, row->uid, changed);
		if (shut != NULL)
			tell(shut, error);
	} else if (row->uid_now == UID_THEIRS && shut != NULL) {
		each_account(owners->broker, row, account_open, &error);
		tell(shut, error);
		if (error == 0)
			*shut = owners->shut[--owners->shut_count];
	}
}

/* ---- all of them */

static void next(struct owners *owners);

static void asked(void *data, int status)
{
	struct owners *owners = data;

	for (size_t i = 0; status == 0 && i < owners->count; i++)
		act(owners, &owners->rows[i]);
	next(owners);
}

/* The owners behind the last one. */
static void rows_fill(struct owners *owners)
{
	char after[OWNER_MAX + 1] = "";
	struct account first;

	if (owners->count > 0)
		memcpy(after, owners->rows[owners->count - 1].name, sizeof(after));
	for (owners->count = 0; owners->count < AT_ONCE; owners->count++) {
		struct made_for *row = &owners->rows[owners->count];

		if (store_account_list_by_owner(owners->broker->store, after, UINT32_MAX, &first, 1) != 1)
			break;
		*row = (struct made_for){ .uid = first.owner_uid };
		memcpy(row->name, first.owner, sizeof(row->name));
		memcpy(after, first.owner, sizeof(after));
	}
}

static void next(struct owners *owners)
{
	const struct child_job job = { .run = ask, .argument = owners };
	int pidfd = -1, r = 0;
	uint64_t took;
	pid_t pid;

	rows_fill(owners);
	owners->looking = owners->count > 0 && !owners->broker->stopping;
	if (!owners->looking) {
		took = clock_usec() - owners->begun;
		owners->rest = took < LONG_USEC ? 0 : clock_usec() + REST * took;
		if (owners->again && !owners->broker->stopping)
			owners_look(owners->broker);
		return;
	}
	r = child_start(&job, &pid, &pidfd);
	if (r >= 0)
		r = child_watch(owners->broker->event, pidfd, ASK_SECONDS, asked, owners);
	if (r < 0)
		log_error("the owners cannot be looked at: %s", strerror(-r));
	owners->looking = r >= 0;
}

static struct owners *owners_open(struct broker *broker)
{
	struct owners *owners = calloc(1, sizeof(*owners));

	if (owners == NULL)
		return NULL;
	owners->broker = broker;
	owners->rows = child_memory(AT_ONCE * sizeof(*owners->rows));
	if (owners->rows == NULL) {
		free(owners);
		return NULL;
	}
	return owners;
}

void owners_look(struct broker *broker)
{
	if (broker->owners == NULL)
		broker->owners = owners_open(broker);
	if (broker->owners == NULL)
		return;
	broker->owners->again = broker->owners->looking;
	if (broker->owners->looking || clock_usec() < broker->owners->rest)
		return;
	broker->owners->count = 0;
	broker->owners->begun = clock_usec();
	next(broker->owners);
}

void owners_close(struct broker *broker)
{
	if (broker->owners == NULL)
		return;
	munmap(broker->owners->rows, AT_ONCE * sizeof(*broker->owners->rows));
	free(broker->owners->shut);
	free(broker->owners);
	broker->owners = NULL;
}
