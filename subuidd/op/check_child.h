/* SPDX-License-Identifier: ISC */
/*
 * The part of a check that may take long or hang (disks, homes on the network, NSS, the
 * whole of the store): in a child process with a deadline. It has the rows in memory, and of the
 * store nothing but the frozen file.
 */
#ifndef SUBUIDD_CHECK_CHILD_H
#define SUBUIDD_CHECK_CHILD_H

#include <sys/types.h>

#include "subuidd/broker.h"
#include "subuidd/wire/wire.h"

#define CHECK_BATCH 256      /* rows of one child: its start is a good part of what a row costs */
#define CHECK_FEW WIRE_BATCH /* the same where each may tell of something, as findings have to fit one answer */
#define CHECK_SECONDS 30u
#define PROOF_SECONDS 3600u

#define TODO_INDEX "as root: subuid check --repair builds it anew"
#define TODO_ACCOUNT "subuid check --repair makes it again"

/* What to look at: accounts, ranges, owners, or one of the others. */
struct check_job {
	struct account accounts[CHECK_BATCH];
	struct id_range ranges[CHECK_BATCH];
	struct check_owner {
		char name[OWNER_MAX + 1];
		uint32_t uid;
	} owners[CHECK_BATCH]; /* owners without an account any more: their links alone */
	int accounts_count, ranges_count, owners_count;
	bool store;              /* all of it, which is frozen (store.h) */
	bool files;              /* /etc/subuid and /etc/subgid, as far as they are ours */
	bool host;               /* owners and modes of our files, the disks */
	bool busy[CHECK_BATCH];  /* accounts that are being changed, or have been since */
	bool alone[CHECK_BATCH]; /* the first range of an owner who has no account: the owner is looked at with it */
	bool first[CHECK_BATCH]; /* the owner's first account: the owner's other links are checked with it */
};

/* The findings; if there are more than fit, the last one says so. */
struct check_result {
	struct finding findings[WIRE_BATCH];
	uint32_t count;
	uint64_t total; /* of a proof of the store: things that the whole check will look at, about */
};

/* The new finding may be filled further until the next call; never NULL. */
struct finding *check_add(struct check_result *result, const char *subject, const char *fault, const char *todo);
/* The same about an account, with its names. */
struct finding *check_add_account(struct check_result *result, const struct account *row, const char *name,
				  const char *fault, const char *todo, enum finding_repair repair);

/* The words for an errno: the attempt, and what the error means. */
void check_add_error(struct check_result *result, const char *subject, const char *doing, int error);

/* Starts it. *memory: a file of one struct check_result, written when it exits with 0. 0 or negative errno. */
int check_start(const struct broker *broker, const struct check_job *job, int *memory, int *pidfd);

/* Each in that child: check_account.c, check_link.c, check_files.c. */
void check_accounts(const struct broker *broker, const struct check_job *job, struct check_result *result);
void check_ranges(const struct broker *broker, const struct check_job *job, struct check_result *result);
void check_files(const struct broker *broker, struct check_result *result);
/* Begun before the rest is looked at, which goes on beside it; NULL: the reason has been reported. */
struct looks;
struct looks *check_links_begin(const struct broker *broker, const struct check_job *job, struct check_result *result);
void check_links_end(struct looks *looks, struct check_result *result);
/* Whether the owner of a range is still the user that it was given to. */
void check_range_owner(const struct broker *broker, const struct id_range *row, struct check_result *result);

#endif
