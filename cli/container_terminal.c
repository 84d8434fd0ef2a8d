/* SPDX-License-Identifier: ISC */
/*
 * A command that runs as the account has the owner's terminal. TIOCSTI and TIOCLINUX would type there, as the owner: a
 * filter refuses these two. It is no allow-list, since containers run under it.
 */
#include "cli/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#elif defined(__arm__)
#define ARCH AUDIT_ARCH_ARM
#else
#define ARCH 0 /* each number that ioctl(2) has anywhere is looked at */
#endif

#define IOCTL_X32 (0x40000000u + 514)
#define IOCTL_OLD 54 /* of the 32-bit sides of x86 and ARM, and of most others */
#define IOCTL_NEW 29 /* of architectures since */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW 0
#else
#define LOW 4
#endif
#define LOAD(member, more) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member) + (more))
#define WHEN(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define END(action) BPF_STMT(BPF_RET | BPF_K, (action))

int container_guard_terminal(void)
{
	static struct sock_filter filter[] = {
		/* 0 */ LOAD(arch, 0),
		/* 1 */ WHEN(ARCH, 0, 4),
		/* 2 */ LOAD(nr, 0),
		/* 3 */ WHEN(SYS_ioctl, 5, 0),
		/* 4 */ WHEN(IOCTL_X32, 4, 0),
		/* 5 */ END(SECCOMP_RET_ALLOW),
		/* 6 */ LOAD(nr, 0),
		/* 7 */ WHEN(IOCTL_OLD, 1, 0),
		/* 8 */ WHEN(IOCTL_NEW, 0, 4),
		/* 9 */ LOAD(args[1], LOW), /* what the kernel takes of it */
		/* 10 */ WHEN(TIOCSTI, 1, 0),
		/* 11 */ WHEN(TIOCLINUX, 0, 1),
		/* 12 */ END(SECCOMP_RET_ERRNO | EPERM),
		/* 13 */ END(SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	cleanup_fd int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (terminal < 0) /* there is none that it could type on */
		return 0;
	/* as root of the namespace: no_new_privs would stay with containers */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 ? -errno : 0;
}
