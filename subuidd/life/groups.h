/* SPDX-License-Identifier: ISC */
/*
 * The place of the control groups of accounts (home/groups.h) where systemd does not run: subuidd/ in the hierarchy of
 * cgroup v2, with the controllers of it that bound something. Run by the broker, as it starts, with all rights of root:
 * the root of the hierarchy has no mode that lets anyone write.
 */
#ifndef SUBUIDD_GROUPS_H
#define SUBUIDD_GROUPS_H

/* Nothing where there is no such hierarchy, or systemd has one for each user. A failure is said in the log. */
void groups_start(void);

#endif
