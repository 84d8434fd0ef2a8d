/* SPDX-License-Identifier: ISC */
/*
 * The facts about one run: a login of a sub-account with a command. The login shell leaves it as a file
 * of exactly these bytes in the spool; the daemon takes it from there. Same host, same build: no byte order.
 */
#ifndef ACCOUNT_RUN_H
#define ACCOUNT_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "account/account.h"

#define RUN_SPOOL_NAME "spool" /* below STATE_DIR: root:subuids 1730 */
#define RUN_NAME_LENGTH 32     /* of a file in it: hexadecimal digits that nobody can guess */

#define RUN_MAGIC UINT64_C(0x31306e7572647573) /* "sudrun01" */
#define RUN_UNKNOWN UINT64_MAX
#define RUN_SIGNAL 256u     /* status: 0..255 exit status, RUN_SIGNAL + n ended by signal n */
#define RUN_UNFINISHED 1000u /* the session, or the host, ended before it */
#define RUN_TOOL_MAX 31
#define RUN_ADDRESS_MAX 63
#define RUN_ADDRESS_SET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:%-_"
#define RUN_ERROR_MAX 255

enum run_kind {
	RUN_BACKUP = 1, /* it could add to what lies there */
	RUN_READ,       /* it could only look */
	RUN_PROBE,      /* `ssh HOST true` */
	RUN_KIND_MAX_,
};

struct run {
	uint64_t magic;
	int64_t started;      /* seconds since the epoch */
	uint64_t duration_ms;
	uint64_t bytes_in;    /* of the ssh connection while it lasted; RUN_UNKNOWN */
	uint64_t bytes_out;
	uint64_t files;       /* RUN_UNKNOWN */
	uint32_t key_id;
	uint32_t status;
	uint32_t kind;
	uint32_t reserved;    /* 0 */
	char tool[RUN_TOOL_MAX + 1];
	char address[RUN_ADDRESS_MAX + 1]; /* "" unknown */
	char fingerprint[FINGERPRINT_MAX + 1];
	char error[RUN_ERROR_MAX + 1];     /* the last line of standard error, escaped */
};

_Static_assert(sizeof(struct run) == 6 * 8 + 4 * 4 + 32 + 64 + FINGERPRINT_MAX + 1 + 256, "no padding");

/* One that the store keeps. */
struct run_row {
	uint64_t seq;
	uint32_t uid;
	uint32_t reserved; /* 0 */
	struct run run;
};

/* Whether these bytes, which an unprivileged process wrote, are a run: 0 and *run, or -EINVAL. Pure. */
int run_read(const void *bytes, size_t size, struct run *run);

#endif
