/* SPDX-License-Identifier: ISC */
/*
 * The text of `subuid metrics`, in OpenMetrics' form, which is also that of Prometheus' collectors of files. Samples
 * come in any order and are put into one temporary file for each metric, so that a million accounts take no memory:
 * in the text all samples of a metric stand together.
 */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum metric {
	METRIC_UP,
	METRIC_BUILD_INFO,
	METRIC_ACCOUNTS,
	METRIC_LAST_GOOD,
	METRIC_LAST_RUN,
	METRIC_LAST_OK,
	METRIC_LAST_STATUS,
	METRIC_SILENT,
	METRIC_ALARM,
	METRIC_QUOTA,
	METRIC_USED,
	METRIC_QUOTA_FILES,
	METRIC_USED_FILES,
	METRIC_KEYS,
	METRIC_USABLE,
	METRIC_CREATED,
	METRIC_OWNER_LIMIT,
	METRIC_OWNER_USED,
	METRIC_RANGE_IDS,
	METRIC_IDS_TOTAL,
	METRIC_IDS_FREE,
	METRIC_REFUSALS,
	METRIC_LOGINS,
	METRIC_TIME,
	METRICS,
};

struct metrics {
	FILE *samples[METRICS]; /* NULL: none yet */
	bool failed;            /* a temporary file could not be made or written */
};

/* label...: name and value in turn, ended by NULL. */
void metrics_put(struct metrics *metrics, enum metric metric, uint64_t value, const char *const *labels);
#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* All of it. False: it could not be written. */
bool metrics_print(struct metrics *metrics, FILE *to);
void metrics_free(struct metrics *metrics);

/* The same into a file of mode 0644, which is replaced as a whole; no link is followed, neither on the way nor at the
 * end. An exit status; said why. */
int metrics_store(struct metrics *metrics, const char *path);

/* ---- metrics_owners.c: what an owner has, added up. In memory, an entry for each owner. */

struct row;
struct metrics_owners {
	void *tree;
	uint64_t accounts, keys, ranges; /* what an owner may have who has no limits of their own */
	bool failed;                     /* no memory */
};

void owners_account(struct metrics_owners *owners, const struct row *account);
void owners_range(struct metrics_owners *owners, const struct row *range);
void owners_limit(struct metrics_owners *owners, const struct row *limit);
void owners_print(const struct metrics_owners *owners, struct metrics *metrics);
void owners_free(struct metrics_owners *owners);

#endif
