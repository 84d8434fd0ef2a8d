/* SPDX-License-Identifier: ISC */
/*
 * The processes of an account end when it could no longer log in: it has expired, or its owner is locked,
 * expired, gone or somebody else. Nobody tells the daemon of these, so it looks: twice a minute, at the processes that
 * there are. (A lock and the removal of a key end sessions themselves; pam_subuid(8) ends a session with its key.) Run
 * by the broker; a child asks NSS, which may take its time.
 */
#ifndef SUBUIDD_ADMISSION_H
#define SUBUIDD_ADMISSION_H

struct broker;
struct admission;

/* 0 or negative errno. */
int admission_open(struct broker *broker);
void admission_close(struct broker *broker);

#endif
