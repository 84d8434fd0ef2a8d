/* SPDX-License-Identifier: ISC */
/* Installs the system call filters that seccomp_rules.c generated when subuidd was built. */
#include "confine/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/seccomp_filters.h"

int seccomp_confine(enum seccomp_program program)
{
/* clang-format off */
#define FILTER(name) { seccomp_filter_##name, &seccomp_filter_##name##_count }
	/* clang-format on */
	static const struct {
		const struct sock_filter *code;
		const unsigned short *length;
	} filters[] = {
		[SECCOMP_RSYNC] = FILTER(rsync),
		[SECCOMP_RSYNC_BLIND] = FILTER(rsync_blind),
		[SECCOMP_RSYNC_SENDER] = FILTER(rsync_sender),
		[SECCOMP_TOOL] = FILTER(tool),
		[SECCOMP_TOOL_READER] = FILTER(tool_reader),
		[SECCOMP_TOOL_NEW_FILES] = FILTER(tool_new_files),
		[SECCOMP_SHELL] = FILTER(shell),
		[SECCOMP_SHELL_NET] = FILTER(shell_net),
		[SECCOMP_WORKER] = FILTER(worker),
		[SECCOMP_USERDB] = FILTER(userdb),
		[SECCOMP_THROTTLE] = FILTER(throttle),
		[SECCOMP_NEW_FILES_KEEPER] = FILTER(keeper),
	};
	struct sock_fprog filter;

	if ((size_t)program >= sizeof(filters) / sizeof(filters[0]) || filters[program].code == NULL)
		return -EINVAL;
	filter.len = *filters[program].length;
	/* The kernel only reads it, whatever its struct says. */
	filter.filter = (struct sock_filter *)(uintptr_t)filters[program].code;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0 ? -errno : 0;
}
