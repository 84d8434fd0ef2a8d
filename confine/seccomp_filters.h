/* SPDX-License-Identifier: ISC */
/* The filters as programs for the kernel; their text is made by confine/seccomp_rules.c and those beside it at build
 * time. */
#ifndef CONFINE_SECCOMP_FILTERS_H
#define CONFINE_SECCOMP_FILTERS_H

#include <linux/filter.h>

extern const struct sock_filter seccomp_filter_rsync[], seccomp_filter_rsync_blind[], seccomp_filter_rsync_sender[],
	seccomp_filter_tool[], seccomp_filter_tool_reader[], seccomp_filter_tool_new_files[], seccomp_filter_shell[],
	seccomp_filter_shell_net[], seccomp_filter_worker[], seccomp_filter_userdb[], seccomp_filter_keeper[],
	seccomp_filter_throttle[], seccomp_filter_shell_net_asks[], seccomp_filter_connector[], seccomp_filter_guest[];
extern const unsigned short seccomp_filter_rsync_count, seccomp_filter_rsync_blind_count,
	seccomp_filter_rsync_sender_count, seccomp_filter_tool_count, seccomp_filter_tool_reader_count,
	seccomp_filter_tool_new_files_count, seccomp_filter_shell_count, seccomp_filter_shell_net_count,
	seccomp_filter_worker_count, seccomp_filter_userdb_count, seccomp_filter_keeper_count,
	seccomp_filter_throttle_count, seccomp_filter_shell_net_asks_count, seccomp_filter_connector_count,
	seccomp_filter_guest_count;

#endif
