/* SPDX-License-Identifier: ISC */
/*
 * The facts about one run: a login of a sub-account with a command. The login shell leaves it as a file
 * of exactly these bytes in the spool; the daemon takes it from there. Same host, same build: no byte order.
 */
#ifndef ACCOUNT_RUN_H
#define ACCOUNT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/account.h"

#define RUN_SPOOL_NAME "spool" /* below STATE_DIR: root:subuids 1730 */
#define RUN_NAME_LENGTH 32     /* the name of a file in it: hexadecimal digits that nobody can guess */

#define RUN_MAGIC UINT64_C(0x32306e7572647573) /* "sudrun02" */
#define RUN_UNKNOWN UINT64_MAX
#define RUN_SIGNAL 256u      /* status: 0..255 exit status, RUN_SIGNAL + n ended by signal n */
#define RUN_UNFINISHED 1000u /* the session, or the host, ended before the run */
#define RUN_TOOL_MAX 31
#define RUN_ADDRESS_MAX 63
#define RUN_ADDRESS_SET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:%-_"
#define RUN_ERROR_MAX 255

enum run_kind {
	RUN_BACKUP = 1, /* it was to add to what lies there: it alone says how the backups are */
	RUN_READ,       /* it could only look, or did no more */
	RUN_PROBE,      /* `ssh HOST true`, and what else asks for nothing (backup/probe.h) */
	RUN_REFUSED,    /* the key is not for the command */
	RUN_KIND_MAX_,
};

struct run {
	uint64_t magic;
	int64_t started; /* seconds since the epoch */
	uint64_t duration_ms;
	uint64_t bytes_in; /* over the ssh connection while it lasted; RUN_UNKNOWN */
	uint64_t bytes_out;
	uint64_t files;   /* whose data went over; RUN_UNKNOWN */
	uint64_t deleted; /* by rsync; RUN_UNKNOWN */
	uint32_t key_id;
	uint32_t status;
	uint32_t kind;
	uint32_t reserved; /* 0 */
	char tool[RUN_TOOL_MAX + 1];
	char address[RUN_ADDRESS_MAX + 1]; /* "" unknown */
	char fingerprint[FINGERPRINT_MAX + 1];
	char error[RUN_ERROR_MAX + 1]; /* the last line of standard error, escaped */
};

_Static_assert(sizeof(struct run) == 7 * 8 + 4 * 4 + 32 + 64 + FINGERPRINT_MAX + 1 + 256, "no padding");

/* A run that the store keeps. */
struct run_row {
	uint64_t seq;
	uint32_t uid;
	uint32_t reserved; /* 0 */
	struct run run;
};

/* The verdict of a run on the backups of its account. */
enum run_verdict {
	RUN_SAYS_NOTHING, /* it was no backup */
	RUN_GOOD,
	RUN_BAD,
};
#define RUN_RSYNC_VANISHED 24u /* files vanished while they were read: what was there has come */

/* vanished_good: whether RUN_RSYNC_VANISHED of rsync is good. */
enum run_verdict run_verdict(const struct run *run, bool vanished_good);

/* Whether the last backup failed, by what is kept of an account: its status and its end, and the end of the last good
 * one. */
bool run_last_failed(uint32_t status, int64_t last, int64_t good);

/* Whether a backup took away, or brought, so large a share of the account's files that somebody should look. */
enum run_change { RUN_CHANGE_NONE, RUN_CHANGE_DELETED, RUN_CHANGE_MANY };
#define RUN_CHANGE_LEAST 20u /* files; of fewer, any share is small */

/* most: files that the largest earlier backup brought, 0 none; shares in percent, 0 never. */
enum run_change run_change(const struct run *run, uint64_t most, unsigned deleted_share, unsigned changed_share);

/* Whether these bytes, which an unprivileged process wrote, are a run: 0 and *run, or -EINVAL. Pure. */
int run_read(const void *bytes, size_t size, struct run *run);

/* The record of a run of which only its time is known: its login shell could not write more. It counts as a backup
 * that did not end well. */
void run_lost(int64_t started, struct run *run);

#endif
