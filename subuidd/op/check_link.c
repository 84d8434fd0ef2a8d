/* SPDX-License-Identifier: ISC */
/*
 * The links in the owners' homes. Run by the check's child, which does not look itself: one child of its own for each
 * owner (and LOOK_ACCOUNTS of theirs), many at once, so that a home that hangs holds up neither the others nor the
 * check.
 */
#include "subuidd/op/check_child.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "index/index.h"
#include "confine/cleanup.h"
#include "subuidd/base/child.h"
#include "subuidd/call/caller.h"

#define LOOK_SECONDS 5u
#define WAIT_MS ((long)LOOK_SECONDS * 1000 + 1000)
#define LOOK_ACCOUNTS HOMES_AT_ONCE
#define LOOKS_AT_ONCE 32
#define SLOW_MS 500 /* one that takes longer takes no other's place */
#define POLL_MS 50

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* One owner, and some of their accounts: first those that are theirs, then those that were another's of that name. */
struct look {
	const struct looks *all;
	struct link_owner owner;
	char name[OWNER_MAX + 1];
	int error; /* of the look-up of the owner */
	bool strays;
	bool grouped; /* the second time, with all of the owner's groups: see link_look_start() */
	bool first;   /* the owner's first account is one of them */
	const struct account *accounts;
	size_t count, own;
	struct link_look *found; /* shared with the child */
	struct timespec begun;
	int pidfd; /* -1: not begun, or at its end */
};

struct looks {
	const struct broker *broker;
	size_t count, begun;
	struct look *rows;
	struct account *accounts; /* of the looks, one behind the other */
	struct link_look *shared;
	size_t size; /* of that */
};

/* In the child that has become the owner: the index is everybody's to read. If in doubt, the link counts as known. */
static bool label_known(const void *data, const char *label)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	const struct look *look = data;
	char name[ACCOUNT_NAME_MAX + 1];
	struct index_account seen;

	return name_join(look->name, look->all->broker->settings.separator, label, name) < 0 ||
	       index_account_by_name(&reader, name, &seen) != -ENOENT;
}

/* ---- which */

static struct look *look_add(struct looks *looks, const char *owner)
{
	struct look *look = &looks->rows[looks->count];

	*look = (struct look){ .all = looks, .found = &looks->shared[looks->count], .pidfd = -1 };
	memcpy(look->name, owner, strnlen(owner, OWNER_MAX));
	look->error = passwd_by_name_local(&looks->broker->local, owner, &look->owner);
	looks->count++;
	return look;
}

/* The accounts of one look, which lie from its first on: those that are its owner's come first. */
static void look_fill(struct look *look, const struct check_job *job, struct account *accounts, const int *rows,
		      size_t count)
{
	size_t last = count;

	look->accounts = accounts;
	look->count = count;
	for (size_t i = 0; i < count; i++) {
		const struct account *row = &job->accounts[rows[i]];
		bool own = look->error == 0 && look->owner.uid == row->owner_uid;

		look->strays |= own && job->first[rows[i]];
		look->first |= job->first[rows[i]];
		accounts[own ? look->own++ : --last] = *row;
	}
}

static int by_owner(const void *a, const void *b, void *data)
{
	const struct check_job *job = data;
	int x = *(const int *)a, y = *(const int *)b;
	int order = strcmp(job->accounts[x].owner, job->accounts[y].owner);

	return order != 0 ? order : x - y;
}

static void looks_fill(struct looks *looks, const struct check_job *job)
{
	int rows[CHECK_BATCH];
	size_t n = 0, count;

	for (int i = 0; i < job->accounts_count; i++)
		if (!job->busy[i] && job->accounts[i].state == ACCOUNT_ACTIVE)
			rows[n++] = i;
	qsort_r(rows, n, sizeof(*rows), by_owner, (void *)(uintptr_t)job);
	for (size_t i = 0; i < n; i += count) {
		const char *owner = job->accounts[rows[i]].owner;

		for (count = 1; count < LOOK_ACCOUNTS && i + count < n; count++)
			if (strcmp(job->accounts[rows[i + count]].owner, owner) != 0)
				break;
		look_fill(look_add(looks, owner), job, looks->accounts + i, rows + i, count);
	}
	for (int i = 0; i < job->owners_count; i++) {
		struct look *look = look_add(looks, job->owners[i].name);

		look->strays = look->error == 0 && look->owner.uid == job->owners[i].uid;
	}
}

/* ---- looking */

static void look_begin(struct look *look)
{
	if (look->own == 0 && !look->strays)
		return;
	clock_gettime(CLOCK_MONOTONIC, &look->begun);
	if (link_look_start(&look->all->broker->homes, &look->owner, look->accounts, look->own, look->grouped,
			    look->strays ? label_known : NULL, look, LOOK_SECONDS, look->found, &look->pidfd) < 0)
		memset(look->found, LINK_IS_UNREADABLE, sizeof(look->found->accounts));
}

static long look_age_ms(const struct look *look)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - look->begun.tv_sec) * 1000 + (now.tv_nsec - look->begun.tv_nsec) / 1000000;
}

/* As many as may be under way beside those that are slow. */
static void looks_begin(struct looks *looks)
{
	size_t quick = 0;

	for (size_t i = 0; i < looks->begun; i++)
		quick += looks->rows[i].pidfd >= 0 && look_age_ms(&looks->rows[i]) < SLOW_MS;
	for (; looks->begun < looks->count && quick < LOOKS_AT_ONCE; looks->begun++) {
		look_begin(&looks->rows[looks->begun]);
		quick += looks->rows[looks->begun].pidfd >= 0;
	}
}

/* It has ended, or is not waited for any longer: one that hangs in the kernel stays behind, and says nothing. */
static void look_over(struct look *look, bool ended)
{
	siginfo_t info = { 0 };

	if (!ended && look_age_ms(look) < WAIT_MS)
		return;
	waitid((idtype_t)P_PIDFD, (id_t)look->pidfd, &info, WEXITED | WNOHANG);
	close(look->pidfd);
	look->pidfd = -1;
	if (look->grouped || info.si_code != CLD_EXITED || info.si_status != LINKS_NOT_RIGHT)
		return;
	look->grouped = true;
	look_begin(look);
}

/* Until one at least has ended, or some time has passed. False: none is under way. */
static bool looks_wait(struct looks *looks, struct pollfd *wait)
{
	nfds_t count = 0;

	for (size_t i = 0; i < looks->begun; i++)
		if (looks->rows[i].pidfd >= 0)
			wait[count++] = (struct pollfd){ .fd = looks->rows[i].pidfd, .events = POLLIN };
	if (count == 0)
		return false;
	if (poll(wait, count, POLL_MS) < 0)
		return true;
	count = 0;
	for (size_t i = 0; i < looks->begun; i++)
		if (looks->rows[i].pidfd >= 0)
			look_over(&looks->rows[i], wait[count++].revents != 0);
	return true;
}

/* The finding for a link, by its state; NULL: none. */
static const struct link_words {
	const char *fault, *todo;
	enum finding_repair repair;
} words[] = {
	[LINK_IS_RIGHT] = { NULL, NULL, REPAIR_NONE },
	[LINK_IS_MISSING] = { "the link in the owner's home is gone", TODO_ACCOUNT, REPAIR_ACCOUNT },
	[LINK_IS_OTHER] = { "the link in the owner's home leads elsewhere",
			    "subuid check --repair renames it, when it is told so, and makes the right one",
			    REPAIR_ASK },
	[LINK_IS_DANGLING] = { "the link in the owner's home leads elsewhere, and there is nothing", TODO_ACCOUNT,
			       REPAIR_ACCOUNT },
	[LINK_IS_OCCUPIED] = { "something else stands where the link in the owner's home should be",
			       "subuid check --repair renames it, when it is told so, and makes the link", REPAIR_ASK },
	[LINK_IS_UNREADABLE] = { "the link in the owner's home cannot be read", "look at the modes of the owner's home",
				 REPAIR_NONE },
	[LINK_IS_SILENT] = { "the owner's home does not answer", "look at the file system it is on", REPAIR_NONE },
};

static void tell_links(const struct look *look, struct check_result *result)
{
	char name[ACCOUNT_NAME_MAX + 1];

	for (size_t i = 0; i < look->own; i++) {
		const struct account *row = &look->accounts[i];
		unsigned state = look->found->accounts[i];
		const struct link_words *say = &words[state <= LINK_IS_SILENT ? state : LINK_IS_UNREADABLE];

		if (say->fault == NULL ||
		    name_join(look->name, look->all->broker->settings.separator, row->label, name) < 0)
			continue;
		check_add_account(result, row, name, say->fault, say->todo, say->repair)->place =
			say->repair == REPAIR_ASK ? PLACE_LINK : PLACE_ACCOUNT;
	}
}

static void tell_strays(const struct look *look, struct check_result *result)
{
	uint32_t count = look->found->strays <= LINK_STRAYS ? look->found->strays : LINK_STRAYS;

	for (uint32_t i = 0; look->strays && i < count; i++) {
		const char *label = look->found->stray[i];
		char subject[FAILURE_TEXT_MAX + 1];
		struct finding *finding;

		snprintf(subject, sizeof(subject), "%.150s/%.63s/%.31s", look->owner.home,
			 look->all->broker->homes.link_directory, label);
		finding = check_add(result, subject, "a link to an account that does not exist",
				    "subuid check --repair removes it");
		finding->repair = REPAIR_LEFTOVER;
		finding->place = PLACE_LINK;
		memcpy(finding->owner, look->name, sizeof(finding->owner));
		snprintf(finding->label, sizeof(finding->label), "%.*s", LABEL_MAX, label);
	}
}

/* The user who has the uid that the accounts were made for; "" if there is none, or if it is unknown. */
static void renamed_to(uint32_t uid, char separator, char name[OWNER_MAX + 1])
{
	struct link_owner user;

	name[0] = '\0';
	if (passwd_by_uid(uid, &user) == 0 && owner_name_valid(user.name, separator))
		memcpy(name, user.name, sizeof(user.name));
}

/* error, now: of the look-up of that name. uid: of the owner that the things were made for. */
static void tell_gone(const struct broker *broker, const char *name, int error, const struct link_owner *found,
		      uint32_t uid, const char *things, struct check_result *result)
{
	char fault[FAILURE_TEXT_MAX + 1], todo[FAILURE_TEXT_MAX + 1], now[OWNER_MAX + 1] = "";

	if (error < 0 && error != -ENOENT) {
		check_add(result, name, "the user database does not answer for this owner", "");
		return;
	}
	if (error == -ENOENT)
		renamed_to(uid, broker->settings.separator, now);
	if (error == 0)
		snprintf(fault, sizeof(fault), "has uid %u now, and was uid %u: %s", (unsigned)found->uid, uid, things);
	else
		snprintf(fault, sizeof(fault), "is no user of this host any more%s%s: %s",
			 now[0] != '\0' ? ", and their uid is that of " : "", now, things);
	snprintf(todo, sizeof(todo), "if it is the same person: subuid owner %s %s", name,
		 error == 0     ? name :
		 now[0] != '\0' ? now :
				  "NEW");
	check_add(result, name, fault, todo);
}

/* Accounts whose owner is no longer the same user: said once for all of them, with the command. */
static void tell_owner(const struct look *look, struct check_result *result)
{
	if (look->own < look->count && look->first)
		tell_gone(look->all->broker, look->name, look->error, &look->owner, look->accounts[look->own].owner_uid,
			  "nobody logs in to their sub-accounts", result);
}

void check_range_owner(const struct broker *broker, const struct id_range *row, struct check_result *result)
{
	struct link_owner owner = { .uid = 0 };
	int r = passwd_by_name_local(&broker->local, row->owner, &owner);

	if (r < 0 || owner.uid != row->owner_uid)
		tell_gone(broker, row->owner, r, &owner, row->owner_uid, "nobody can use their ranges", result);
}

static void looks_free(struct looks *looks)
{
	if (looks->shared != NULL)
		munmap(looks->shared, looks->size);
	free(looks->rows);
	free(looks->accounts);
	free(looks);
}

struct looks *check_links_begin(const struct broker *broker, const struct check_job *job, struct check_result *result)
{
	size_t most = (size_t)job->accounts_count + (size_t)job->owners_count + 1;
	struct looks *looks = calloc(1, sizeof(*looks));

	if (looks != NULL)
		*looks = (struct looks){ .broker = broker,
					 .rows = calloc(most, sizeof(*looks->rows)),
					 .accounts = calloc(most, sizeof(*looks->accounts)),
					 .shared = child_memory(most * sizeof(struct link_look)),
					 .size = most * sizeof(struct link_look) };
	if (looks == NULL || looks->rows == NULL || looks->accounts == NULL || looks->shared == NULL) {
		check_add_error(result, "links", "they cannot be looked at", -ENOMEM);
		if (looks != NULL)
			looks_free(looks);
		return NULL;
	}
	looks_fill(looks, job);
	looks_begin(looks);
	return looks;
}

void check_links_end(struct looks *looks, struct check_result *result)
{
	cleanup_free struct pollfd *wait = looks == NULL ? NULL : calloc(looks->count + 1, sizeof(*wait));

	if (looks == NULL)
		return;
	while (wait != NULL && looks_wait(looks, wait))
		looks_begin(looks);
	if (wait == NULL)
		check_add_error(result, "links", "they cannot be looked at", -ENOMEM);
	for (size_t i = 0; wait != NULL && i < looks->count; i++) {
		tell_owner(&looks->rows[i], result);
		tell_links(&looks->rows[i], result);
		tell_strays(&looks->rows[i], result);
	}
	looks_free(looks);
}
