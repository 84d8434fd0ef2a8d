/* SPDX-License-Identifier: ISC */
/* Between the check_*.c files that run in the broker: the steps of a check, and what they share. */
#ifndef SUBUIDD_CHECK_STEP_H
#define SUBUIDD_CHECK_STEP_H

#include "subuidd/op/check_child.h"
#include "subuidd/call/call.h"
#include "subuidd/life/frozen.h"

enum check_step {
	STEP_STORE,
	STEP_HOST,
	STEP_ACCOUNTS,
	STEP_RANGES,
	STEP_OWNERS, /* owners without an account any more: since they removed it */
	STEP_FORMER, /* ... or since it is somebody else's */
	STEP_FILES,
	STEP_INDEX,
	STEP_INDEX_RANGES,
	STEP_KEYS,
	STEP_REMOVED,
	STEP_DISK,
	STEPS,
};

/* The call goes on from there, or with what follows the step. */
void check_step_at(struct call *call, enum check_step step, uint32_t at);
void check_step_after(struct call *call, enum check_step step);

/* Of a cursor: */
#define CURSOR_FEW (UINT64_C(1) << 63)  /* much is wrong there: this step is a small one */
#define CURSOR_SLOW (UINT64_C(1) << 62) /* a disk or a directory answers slowly: all of them are */

struct check {
	struct frozen_turn turn; /* of a proof of the store */
	struct call *call;
	int memory;
	struct check_job job;
	uint64_t again;            /* cursor of the same rows in small steps; 0: they are small */
	struct check_result early; /* found by the broker, before the child looked */
};

/* check_run.c: a child does check->job (from malloc; taken), and the call ends with what it has found. CALL_PENDING, or
 * the failure. */
enum failure check_begin(struct call *call, struct check *check);
/* Sends the findings as rows. */
void check_send(struct call *call, const struct check_result *result);

/* check_index.c: in the broker itself, some hundred look-ups in memory and store. */
enum failure check_step_index(struct call *call, uint32_t at);
enum failure check_step_index_ranges(struct call *call, uint32_t at);
enum failure check_step_keys(struct call *call, uint32_t at);
/* Every key of an active account is in the keys file, just so. 0 or negative errno of the store. */
int check_account_keys(struct call *call, const struct account *row, struct check_result *result);

/* check_owners.c: into the job, of the rows behind `after`. *last: of those that were looked at. Their number, 0 at the
 * end, or negative errno. */
int check_removed_owners(struct call *call, struct check_job *job, uint32_t after, uint32_t *last);
int check_former_owners(struct call *call, struct check_job *job, uint32_t after, uint32_t *last);

/* check_removed.c, check_disk.c */
enum failure check_step_removed(struct call *call, uint32_t at);
enum failure check_step_disk(struct call *call, uint32_t at);

#endif
