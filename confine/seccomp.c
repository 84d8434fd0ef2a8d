/* SPDX-License-Identifier: ISC */
#include "confine/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/seccomp_filters.h"

int seccomp_confine(enum seccomp_program program)
{
	struct sock_fprog filter = { 0 };

	/* The kernel only reads it, whatever its struct says. */
	switch (program) {
	case SECCOMP_RSYNC:
		filter.filter = (struct sock_filter *)(uintptr_t)seccomp_filter_rsync;
		filter.len = seccomp_filter_rsync_count;
		break;
	case SECCOMP_RSYNC_SENDER:
		filter.filter = (struct sock_filter *)(uintptr_t)seccomp_filter_rsync_sender;
		filter.len = seccomp_filter_rsync_sender_count;
		break;
	case SECCOMP_TOOL:
		filter.filter = (struct sock_filter *)(uintptr_t)seccomp_filter_tool;
		filter.len = seccomp_filter_tool_count;
		break;
	case SECCOMP_TOOL_READER:
		filter.filter = (struct sock_filter *)(uintptr_t)seccomp_filter_tool_reader;
		filter.len = seccomp_filter_tool_reader_count;
		break;
	case SECCOMP_TOOL_NEW_FILES:
		filter.filter = (struct sock_filter *)(uintptr_t)seccomp_filter_tool_new_files;
		filter.len = seccomp_filter_tool_new_files_count;
		break;
	case SECCOMP_WORKER:
		filter.filter = (struct sock_filter *)(uintptr_t)seccomp_filter_worker;
		filter.len = seccomp_filter_worker_count;
		break;
	}
	if (filter.len == 0)
		return -EINVAL;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0 ? -errno : 0;
}
