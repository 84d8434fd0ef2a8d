/* SPDX-License-Identifier: ISC */
/*
 * Limits that no file system enforces: a home is counted when a run has ended, and while there is too much, the
 * account cannot write (ACCOUNT_FULL in store and index; the login shell refuses). Run by the broker; a child
 * counts.
 */
#ifndef SUBUIDD_METER_H
#define SUBUIDD_METER_H

#include <stdint.h>

struct broker;
struct meter;

/* Goes over all accounts that have limits, a few at a time, and corrects limits that an earlier version, another
 * setting or other quotas of the file system have left. 0 or negative errno. To be called again after a change of the
 * settings. */
int meter_start(struct broker *broker);
void meter_close(struct broker *broker);

/* Says that something in the home of the account has changed, or its limits have. Cheap; the work is done later. */
void meter_want(struct broker *broker, uint32_t uid);

/* The same for a caller that waits for it: an account over its limit is counted at once, without waiting for its turn.
 */
void meter_now(struct broker *broker, uint32_t uid);

#endif
