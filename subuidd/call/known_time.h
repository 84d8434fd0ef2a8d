/* SPDX-License-Identifier: ISC */
/*
 * Time that is known to have passed. The clock of a host can be wrong by years for one boot, and removed data is
 * deleted for good when its time is over. So that takes two clocks: that of the host, and one that cannot run
 * ahead. The second one runs while the daemon does (CLOCK_BOOTTIME), and at each start it is advanced by the time
 * that has passed by the host's clock since it was last written, but by no more than a day. It lags behind on a
 * host that is mostly off, and never runs ahead.
 */
#ifndef SUBUIDD_KNOWN_TIME_H
#define SUBUIDD_KNOWN_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct broker;

#define KNOWN_TIME_GAP_MAX 86400 /* seconds that a start may add */
#define PURGE_QUIET_SECONDS 3600 /* after a start nothing is deleted because its time is over */

/* ---- pure ---- */

/* The known time of a start: the time that was written, plus the accepted part of what has passed since then by the
 * clock. */
int64_t known_time_begin(const struct known_time *written, int64_t clock);

/* Data removed before these times is due: by the clock, and by the known time. Both are 1 soon after a start (then
 * only data that is to be deleted at once is due, which has 0). */
struct due {
	int64_t before;
	int64_t known_before;
};
struct due known_time_due(int64_t clock, int64_t known, int64_t running, uint32_t grace_days);

/* ---- of the broker ---- */

int known_time_open(struct broker *broker);
int64_t known_time_now(const struct broker *broker);
/* Seconds since the start. */
int64_t known_time_running(const struct broker *broker);
/* Writes it where an hour has passed since it was written, or `now`. Said in the log when it cannot be. */
void known_time_keep(struct broker *broker, bool now);

#endif
