/* SPDX-License-Identifier: ISC */
/* Installs the system call filters that seccomp_rules.c generated when subuidd was built. */
#include "confine/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/seccomp_filters.h"

static int filter_enter(enum seccomp_program program, unsigned flags)
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
		[SECCOMP_SHELL_NET_ASKS] = FILTER(shell_net_asks),
		[SECCOMP_WORKER] = FILTER(worker),
		[SECCOMP_USERDB] = FILTER(userdb),
		[SECCOMP_THROTTLE] = FILTER(throttle),
		[SECCOMP_NEW_FILES_KEEPER] = FILTER(keeper),
		[SECCOMP_CONNECTOR] = FILTER(connector),
		[SECCOMP_GUEST] = FILTER(guest),
	};
	struct sock_fprog filter;
	long r;

	if ((size_t)program >= sizeof(filters) / sizeof(filters[0]) || filters[program].code == NULL)
		return -EINVAL;
	filter.len = *filters[program].length;
	/* The kernel only reads it, whatever its struct says. */
	filter.filter = (struct sock_filter *)(uintptr_t)filters[program].code;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
	return r < 0 ? -errno : (int)r;
}

int seccomp_confine(enum seccomp_program program)
{
	return filter_enter(program, 0);
}

int seccomp_ask(enum seccomp_program program)
{
	return filter_enter(program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}
