/* SPDX-License-Identifier: ISC */
/* The answer of `subuid status --check`, as the Monitoring Plugins guidelines want it. */
#ifndef CLI_STATUS_CHECK_H
#define CLI_STATUS_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/threshold.h"

enum level { LEVEL_OK, LEVEL_WARNING, LEVEL_CRITICAL, LEVEL_UNKNOWN }; /* exit statuses */

struct thresholds {
	struct threshold warning, critical; /* of the age of the last good backup */
};

/* Since the last good backup, or, when there was none, since the account was made. */
uint64_t backup_age(const json_t *account);

/* Without a critical threshold the account's own alarm is one. */
enum level backup_level(const json_t *account, const struct thresholds *thresholds);

/* Prints the line of all, a line for each that is not well, and the performance data. */
enum level status_check(const json_t *accounts, const struct thresholds *thresholds);

/* "  SILENT  QUOTA 83%  EXPIRES 2031-12-31": what somebody should see to; "" nothing. Returns out. */
#define NOTES_MAX 96
const char *status_notes(const json_t *account, char out[NOTES_MAX]);

/* "SUBUID UNKNOWN - why". Returns LEVEL_UNKNOWN. */
enum level status_unknown(const char *why);

#endif
