/* SPDX-License-Identifier: ISC */
/*
 * Stops what runs as an account, and lets it go on. By children (home/freeze.c), since the account chooses how many
 * processes there are; of one account one child after the other, so that a stop never outruns a later thaw. Run by the
 * broker.
 */
#ifndef SUBUIDD_FREEZE_H
#define SUBUIDD_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

#include "home/sessions.h"
#include "subuidd/base/child.h"

struct broker;

/* 1: `done` (may be NULL) will be told, in the event loop: 0; -EBUSY: some run on, or another negative errno; or
 * negative errno at once. */
int freeze_begin(struct broker *broker, uint32_t uid, enum sessions_freeze how, child_done done, void *data);

/* The same of an account that has just been frozen, and once more when a login that was under way has become a
 * session. */
int freeze_sessions(struct broker *broker, uint32_t uid, enum sessions_freeze how, child_done done, void *data);

/* A child of either kind is at work for the account. */
bool freeze_under_way(uint32_t uid);

#endif
