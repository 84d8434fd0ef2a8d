/* SPDX-License-Identifier: ISC */
/*
 * The control groups of accounts: user.slice/user-UID.slice, which systemd makes for each that logs in through
 * pam_systemd or lingers, and subuidd/UID, which pam_subuid makes where systemd does not run. In the one hierarchy of
 * cgroup v2, or in the one beside those of v1. Root alone can write there. Run by children of the broker.
 */
#ifndef SUBUIDD_HOME_GROUPS_H
#define SUBUIDD_HOME_GROUPS_H

#include "home/sessions.h"

/* Writes the word into the file (cgroup.kill, cgroup.freeze) of each group of these ids that there is. cgroups: a
 * descriptor of /sys/fs/cgroup; -1: there is nothing to do. A kernel without the file does without it. */
void groups_write(const struct session_ids *ids, int cgroups, const char *file, const char *word);

/* True if the process of that number is in such a group, and the group is frozen. */
bool group_stands(const struct session_ids *ids, int cgroups, int proc, const struct session *session);

/* True if the process is in such a group, and the group bounds the memory of all that is in it. */
bool group_binds_memory(const struct session_ids *ids, int cgroups, int proc, const struct session *session);

/* True if the process is in such a group of somebody else: a container that the owner of an account runs with its ids.
 */
bool group_of_another(const struct session_ids *ids, int proc, const struct session *session);

/* True if this host has groups that can: without, there is no need to look at each. */
bool groups_bind_memory(int cgroups);

/* Removes those of pam_subuid that nothing runs in any more. */
void groups_tidy(int cgroups);

#endif
