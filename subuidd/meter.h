/* SPDX-License-Identifier: ISC */
/*
 * Limits that no file system keeps: what is in a home is counted when a run has ended and each few seconds while one goes
 * on, and while there is too much, the account cannot write (ACCOUNT_FULL in store and index; the login shell refuses, and ends
 * its run). Run by the broker; a child counts.
 */
#ifndef SUBUIDD_METER_H
#define SUBUIDD_METER_H

#include <stdint.h>

struct broker;
struct meter;

/* Goes over all accounts that have limits, a few at a time: what an earlier version, another setting or other quotas of the
 * file system have left is put right. 0 or negative errno. Again: after a change of the settings. */
int meter_start(struct broker *broker);
void meter_close(struct broker *broker);

/* Something in the home of the account has changed, or its limits have. Cheap; what it does comes later. */
void meter_want(struct broker *broker, uint32_t uid);

/* The same for whoever waits for it: one that is over its limit is counted at once, and not when its turn comes. */
void meter_now(struct broker *broker, uint32_t uid);

#endif
