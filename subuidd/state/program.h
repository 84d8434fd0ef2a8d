/* SPDX-License-Identifier: ISC */
/*
 * The state program, /usr/libexec/subuidd/state: work on the saved and the present state that needs no daemon, or
 * no daemon to run. Executed by subuid(1), as the user who calls it; all but `verify` need root. It writes its
 * findings to standard output and the reason of a failure to standard error, and has the exit statuses of
 * subuid(1).
 */
#ifndef SUBUIDD_STATE_PROGRAM_H
#define SUBUIDD_STATE_PROGRAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "subuidd/base/settings.h"
#include "subuidd/state/format.h"

#define REASON_SIZE 512

enum {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_FOUND = 3,
	STATUS_CONFLICT = 4,
	STATUS_NOT_PERMITTED = 5,
	STATUS_GONE = 75, /* of `collect`: there is no save (another one took it): ask the daemon again */
};

struct options {
	bool force, daily, dry_run, yes, json;
	const char *file; /* "-": standard input or output; NULL: none */
};

/* The verbs. Each returns an exit status, having said why. */
int state_verify(const struct options *options);
int state_load(const struct options *options);
int state_repair(const struct options *options);
int state_save_offline(const struct options *options);
int state_collect(const struct options *options);
int state_newest(const struct options *options);

/* ---- words.c */

/* "subuid: what: why; todo" on standard error; todo may be "". Returns `status`. */
int complain(int status, const char *what, const char *why, const char *todo);

/* Seconds since the epoch as "2026-11-28 21:03 UTC"; one of four static buffers. */
const char *utc_text(int64_t seconds);

/* The header of a saved state, as a member `file` of an object. NULL: no memory. */
json_t *header_json(const struct state_header *header);
void header_print(const struct state_header *header);

/* Findings: lines on standard output, or the list of a JSON object. */
struct report {
	bool json;
	json_t *list;
	unsigned newer;     /* things here that the file does not have */
	unsigned conflicts; /* ids that belong to one holder here and to another in the file */
	unsigned data;      /* data on the disk that nobody has */
	unsigned notes;
};
enum report_kind { REPORT_NOTE, REPORT_NEWER, REPORT_CONFLICT, REPORT_DATA };
__attribute__((format(printf, 3, 4))) void report_add(struct report *report, enum report_kind kind, const char *format,
						      ...);
/* One JSON value and a newline; takes the reference. STATUS_DONE or STATUS_FAILED. */
int json_end(json_t *value);

/* ---- place.c: the directories of this host, and the lock */

struct place {
	struct settings settings;
	int state_fd, lock_fd;
	int homes_fd; /* -1: there is no such directory */
};
/* Only for root. lock: takes it, and refuses while a daemon runs. STATUS_DONE, or another status after reporting why.
 */
int place_open(struct place *place, const char *verb, bool lock);
void place_close(struct place *place);

#endif
