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
#include "subuidd/wire.h"

#define CHECK_BATCH 32
#define CHECK_SECONDS 30u
#define PROOF_SECONDS 3600u

/* What to look at: accounts, or ranges. */
struct check_job {
	struct account accounts[CHECK_BATCH];
	struct id_range ranges[CHECK_BATCH];
	int accounts_count, ranges_count;
	bool store; /* all of it, which is frozen (store.h) */
	bool files; /* /etc/subuid and /etc/subgid, as far as they are ours */
	bool busy[CHECK_BATCH]; /* accounts that are being changed, or have been since */
};

/* What was found; more than fits: the last one says so. */
struct check_result {
	struct finding findings[WIRE_BATCH];
	uint32_t count;
};

void check_add(struct check_result *result, const char *subject, const char *fault, const char *todo);

/* Starts it. *memory: a file of one struct check_result, written when it exits with 0. 0 or negative errno. */
int check_start(const struct broker *broker, const struct check_job *job, int *memory, int *pidfd);

#endif
