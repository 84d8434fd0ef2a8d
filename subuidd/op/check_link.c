/* SPDX-License-Identifier: ISC */
/*
 * The links in the owners' homes. Run by the check's child, which does not look itself: one child of its own for each
 * owner, all at once, so that a home that hangs holds up neither the others nor the check.
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

#include "account/index.h"
#include "confine/cleanup.h"
#include "subuidd/caller.h"

#define LOOK_SECONDS 5u
#define WAIT_MS ((int)LOOK_SECONDS * 1000 + 1000)

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* One owner, and those of his accounts that are looked at. */
struct look {
	const struct broker *broker;
	struct link_owner owner;
	char name[OWNER_MAX + 1];
	int error; /* of the look-up of the owner */
	bool strays;
	size_t count;
	struct account accounts[CHECK_BATCH];
	struct link_look *found; /* shared with the child */
	int pidfd;
};

struct looks {
	size_t count;
	struct look *rows; /* CHECK_BATCH */
	struct link_look *shared;
};

static struct look *look_of(struct looks *looks, const struct broker *broker, const char *owner)
{
	struct look *look;

	for (size_t i = 0; i < looks->count; i++)
		if (strcmp(looks->rows[i].name, owner) == 0)
			return &looks->rows[i];
	look = &looks->rows[looks->count];
	*look = (struct look){ .broker = broker, .found = &looks->shared[looks->count], .pidfd = -1 };
	memcpy(look->name, owner, strnlen(owner, OWNER_MAX));
	look->error = passwd_by_name(owner, &look->owner);
	looks->count++;
	return look;
}

/* In the child that has become the owner: the index is everybody's to read. In doubt it is known. */
static bool label_known(const void *data, const char *label)
{
	static struct index_reader reader = INDEX_READER(INDEX_PATH);
	const struct look *look = data;
	char name[ACCOUNT_NAME_MAX + 1];
	struct index_account seen;

	return name_join(look->name, look->broker->settings.separator, label, name) < 0 ||
	       index_account_by_name(&reader, name, &seen) != -ENOENT;
}

static void looks_fill(struct looks *looks, const struct broker *broker, const struct check_job *job)
{
	for (int i = 0; i < job->accounts_count; i++) {
		const struct account *row = &job->accounts[i];
		struct look *look;

		if (job->busy[i] || row->state != ACCOUNT_ACTIVE)
			continue;
		look = look_of(looks, broker, row->owner);
		look->strays |= job->first[i] && look->error == 0 && look->owner.uid == row->owner_uid;
		if (look->error == 0 && look->owner.uid == row->owner_uid)
			look->accounts[look->count++] = *row;
	}
	for (int i = 0; i < job->owners_count; i++) {
		struct look *look = look_of(looks, broker, job->owners[i].name);

		look->strays |= look->error == 0 && look->owner.uid == job->owners[i].uid;
	}
}

static void looks_start(struct looks *looks)
{
	for (size_t i = 0; i < looks->count; i++) {
		struct look *look = &looks->rows[i];
		int r;

		if (look->count == 0 && !look->strays)
			continue;
		r = link_look_start(&look->broker->homes, &look->owner, look->accounts, look->count,
				    look->strays ? label_known : NULL, look, LOOK_SECONDS, look->found, &look->pidfd);
		if (r < 0)
			memset(look->found, LINK_IS_UNREADABLE, sizeof(look->found->accounts));
	}
}

static int remaining_ms(const struct timespec *begun)
{
	struct timespec now;
	long gone;

	clock_gettime(CLOCK_MONOTONIC, &now);
	gone = (now.tv_sec - begun->tv_sec) * 1000 + (now.tv_nsec - begun->tv_nsec) / 1000000;
	return gone >= WAIT_MS ? 0 : (int)(WAIT_MS - gone);
}

/* One that hangs in the kernel stays behind, and says nothing. */
static void looks_wait(struct looks *looks)
{
	struct timespec begun;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (size_t i = 0; i < looks->count; i++) {
		struct pollfd wait = { .fd = looks->rows[i].pidfd, .events = POLLIN };
		siginfo_t info;

		if (wait.fd < 0)
			continue;
		while (poll(&wait, 1, remaining_ms(&begun)) < 0 && errno == EINTR)
			;
		waitid((idtype_t)P_PIDFD, (id_t)wait.fd, &info, WEXITED | WNOHANG);
		close(wait.fd);
	}
}

/* What is said of a link, by its state; NULL: nothing. */
static const struct link_words {
	const char *fault, *todo;
	enum finding_repair repair;
} words[] = {
	[LINK_IS_RIGHT] = { NULL, NULL, REPAIR_NONE },
	[LINK_IS_MISSING] = { "the link in the owner's home is gone", TODO_ACCOUNT, REPAIR_ACCOUNT },
	[LINK_IS_OTHER] = { "the link in the owner's home leads elsewhere",
			    "subuid check --repair renames it, when it is told so, and makes the right one", REPAIR_ASK },
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

	for (size_t i = 0; i < look->count; i++) {
		const struct account *row = &look->accounts[i];
		unsigned state = look->found->accounts[i];
		const struct link_words *say = &words[state <= LINK_IS_SILENT ? state : LINK_IS_UNREADABLE];

		if (say->fault == NULL || name_join(look->name, look->broker->settings.separator, row->label, name) < 0)
			continue;
		check_add_account(result, row, name, say->fault, say->todo, say->repair)->place =
			say->repair == REPAIR_ASK ? PLACE_LINK : PLACE_ACCOUNT;
	}
}

static void tell_strays(const struct look *look, struct check_result *result)
{
	uint32_t count = look->found->strays <= LINK_STRAYS ? look->found->strays : LINK_STRAYS;

	for (uint32_t i = 0; look->pidfd >= 0 && i < count; i++) {
		const char *label = look->found->stray[i];
		char subject[FAILURE_TEXT_MAX + 1];
		struct finding *finding;

		snprintf(subject, sizeof(subject), "%.150s/%.63s/%.31s", look->owner.home,
			 look->broker->homes.link_directory, label);
		finding = check_add(result, subject, "a link to an account that is not there",
				    "subuid check --repair removes it");
		finding->repair = REPAIR_LEFTOVER;
		finding->place = PLACE_LINK;
		memcpy(finding->owner, look->name, sizeof(finding->owner));
		snprintf(finding->label, sizeof(finding->label), "%.*s", LABEL_MAX, label);
	}
}

/* Whose owner is not who he was. */
static void check_owners(const struct looks *looks, const struct check_job *job, struct check_result *result)
{
	for (int i = 0; i < job->accounts_count; i++) {
		const struct account *row = &job->accounts[i];
		const struct look *look = NULL;
		char name[ACCOUNT_NAME_MAX + 1], fault[FAILURE_TEXT_MAX + 1];

		for (size_t k = 0; k < looks->count && look == NULL; k++)
			if (strcmp(looks->rows[k].name, row->owner) == 0)
				look = &looks->rows[k];
		if (job->busy[i] || row->state != ACCOUNT_ACTIVE || look == NULL ||
		    name_join(row->owner, look->broker->settings.separator, row->label, name) < 0)
			continue;
		if (look->error == -ENOENT)
			check_add_account(result, row, name, "its owner is not an account of this host any more",
					  "remove it, or bring the owner back", REPAIR_NONE);
		else if (look->error < 0)
			check_add_account(result, row, name, "the user database does not answer", "", REPAIR_NONE);
		else if (look->owner.uid != row->owner_uid) {
			snprintf(fault, sizeof(fault), "made for uid %u, and %s is uid %u now", row->owner_uid,
				 look->name, (unsigned)look->owner.uid);
			check_add_account(result, row, name, fault, "remove it, or give the owner the old uid back",
					  REPAIR_NONE);
		}
	}
}

void check_links(const struct broker *broker, const struct check_job *job, struct check_result *result)
{
	struct looks looks = { .rows = calloc(CHECK_BATCH, sizeof(*looks.rows)) };
	size_t size = CHECK_BATCH * sizeof(*looks.shared);

	looks.shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (looks.rows == NULL || looks.shared == MAP_FAILED) {
		check_add_error(result, "links", "they cannot be looked at", -ENOMEM);
		free(looks.rows);
		return;
	}
	looks_fill(&looks, broker, job);
	looks_start(&looks);
	looks_wait(&looks);
	check_owners(&looks, job, result);
	for (size_t i = 0; i < looks.count; i++) {
		tell_links(&looks.rows[i], result);
		tell_strays(&looks.rows[i], result);
	}
	free(looks.rows);
	munmap(looks.shared, size);
}
