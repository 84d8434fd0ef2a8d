/* SPDX-License-Identifier: ISC */
/*
 * Runs of accounts: taken from the spool, where their login shells leave them; and the alarm when an account has
 * been silent for too long. The spool is the one way in, whether the daemon is up (the kernel says at once
 * that a file was closed) or comes up later. Run by the broker.
 */
#ifndef SUBUIDD_RUNS_H
#define SUBUIDD_RUNS_H

#include "subuidd/broker.h"

/* Opens the spool and looks at what lies there. Without one (-errno, logged) the daemon serves all the same. */
int runs_open(struct broker *broker);
void runs_close(struct broker *broker);

/* Looks again, soon: at a change that may be due, and by the hour. */
void runs_look(struct broker *broker);

/* alarm.c: tells what has become silent or well again, and plans when to look next. */
void alarm_look(struct broker *broker);
/* alarm_event.c: this run of the account may have changed too much; most: files of its largest backup before. */
struct run;
void alarm_changed(struct broker *broker, uint32_t uid, const struct run *run, uint64_t most);
/* alarm_quota.c: broker->used_seen. */
void alarm_used(struct broker *broker, const struct account *account, uint64_t bytes, uint64_t files);
/* alarm_dates.c: looks for what soon ends, or is not used; again each hour. */
void alarm_dates_start(struct broker *broker);
int alarm_open(struct broker *broker); /* 0 or -ENOMEM */
void alarm_close(struct broker *broker);

#endif
