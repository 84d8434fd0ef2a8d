/* SPDX-License-Identifier: ISC */
/*
 * The place of the control groups of accounts (home/groups.h) where systemd does not run: subuidd/ in the hierarchy of
 * cgroup v2, with the controllers of it that bound something. Run by the broker, as it starts.
 */
#ifndef SUBUIDD_GROUPS_H
#define SUBUIDD_GROUPS_H

/* 0; -ENOENT: there is no such hierarchy, or systemd has one for each user; or another negative errno. */
int groups_open(void);

#endif
