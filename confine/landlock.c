/* SPDX-License-Identifier: ISC */
/*
 * Makes a Landlock ruleset from a table and enters it. Run by the gate and by tools (as the account), by
 * authorized-keys and by the worker, each before it reads what strangers sent; the broker and doctor only ask what the
 * kernel can do.
 */
#include "confine/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/cleanup.h"

/* The kernel's interface, which outgrows the headers of every distribution: rights
 * and struct are written down here, in the kernel's numbers (uapi/linux/landlock.h). */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_CHAR (UINT64_C(1) << 6)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_MAKE_REG (UINT64_C(1) << 8)
#define FS_MAKE_SOCK (UINT64_C(1) << 9)
#define FS_MAKE_FIFO (UINT64_C(1) << 10)
#define FS_MAKE_BLOCK (UINT64_C(1) << 11)
#define FS_MAKE_SYM (UINT64_C(1) << 12)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define FS_RESOLVE_UNIX (UINT64_C(1) << 16)
#define NET_BIND_TCP (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

#define RULE_NET_PORT 2

struct net_port_attr {
	uint64_t access;
	uint64_t port;
};

struct ruleset_attr {
	uint64_t fs;
	uint64_t net;    /* ABI 4 */
	uint64_t scoped; /* ABI 6 */
};

#define FS_ABI_1 (FS_REFER - 1)

/* What each ABI can refuse; for a newer kernel the last row of ours applies. ABI 7
 * brought logging flags and 8 thread synchronisation: nothing to refuse. */
static const struct {
	struct ruleset_attr handled;
	size_t size; /* of the struct that this ABI knows */
	const char *missing;
} abis[] = {
	{ { FS_ABI_1, 0, 0 },
	  offsetof(struct ruleset_attr, net),
	  "truncation, TCP, device ioctl, abstract sockets, signals, pathname sockets; no rename or hard link "
	  "between directories" },
	{ { FS_ABI_1 | FS_REFER, 0, 0 },
	  offsetof(struct ruleset_attr, net),
	  "truncation, TCP, device ioctl, abstract sockets, signals, pathname sockets" },
	{ { FS_ABI_1 | FS_REFER | FS_TRUNCATE, 0, 0 },
	  offsetof(struct ruleset_attr, net),
	  "TCP, device ioctl, abstract sockets, signals, pathname sockets" },
	{ { FS_ABI_1 | FS_REFER | FS_TRUNCATE, NET_BIND_TCP | NET_CONNECT_TCP, 0 },
	  offsetof(struct ruleset_attr, scoped),
	  "device ioctl, abstract sockets, signals, pathname sockets" },
	{ { FS_ABI_1 | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV, NET_BIND_TCP | NET_CONNECT_TCP, 0 },
	  offsetof(struct ruleset_attr, scoped),
	  "abstract sockets, signals, pathname sockets" },
#define ABI_6                                                                                                          \
	{                                                                                                              \
		{ FS_ABI_1 | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV, NET_BIND_TCP | NET_CONNECT_TCP,                    \
		  SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL },                                                                \
			sizeof(struct ruleset_attr), "pathname sockets"                                                \
	}
	ABI_6,
	ABI_6,
	ABI_6,
	{ { FS_ABI_1 | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV | FS_RESOLVE_UNIX, NET_BIND_TCP | NET_CONNECT_TCP,
	    SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL },
	  sizeof(struct ruleset_attr),
	  "" },
};
#define ABI_MAX ((int)(sizeof(abis) / sizeof(abis[0])))

#define ACCESS_READ (FS_READ_FILE | FS_READ_DIR)
/* No right to make devices, fifos or sockets, none to execute, none to use a device. */
#define ACCESS_WRITE                                                                                                   \
	(FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SYM | FS_REFER |         \
	 FS_TRUNCATE)
/* The only rights that a rule for something other than a directory may carry. */
#define ACCESS_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? -errno : (int)abi;
}

const char *landlock_missing(int abi)
{
	if (abi < 1)
		return "everything: no Landlock";
	return abis[(abi < ABI_MAX ? abi : ABI_MAX) - 1].missing;
}

static uint64_t access_rights(enum landlock_access access)
{
	switch (access) {
	case LANDLOCK_READ:
		return ACCESS_READ;
	case LANDLOCK_EXECUTE:
		return ACCESS_READ | FS_EXECUTE;
	case LANDLOCK_ADD:
		return ACCESS_READ | FS_WRITE_FILE | FS_MAKE_DIR | FS_MAKE_REG;
	case LANDLOCK_READ_WRITE:
		return ACCESS_READ | ACCESS_WRITE;
	case LANDLOCK_DEVICE:
		return FS_READ_FILE | FS_WRITE_FILE;
	case LANDLOCK_TERMINAL:
		return ACCESS_READ | FS_WRITE_FILE | FS_IOCTL_DEV;
	case LANDLOCK_ALL:
		return ACCESS_READ | ACCESS_WRITE | FS_EXECUTE | FS_MAKE_FIFO | FS_MAKE_SOCK | FS_RESOLVE_UNIX;
	case LANDLOCK_CONNECT:
		return ACCESS_READ | FS_RESOLVE_UNIX;
	}
	return 0;
}

static int add_rule(int ruleset, const struct landlock_rule *rule, uint64_t handled)
{
	struct landlock_path_beneath_attr attr = { 0 };
	cleanup_fd int opened = -1;
	struct stat st;

	attr.parent_fd = rule->fd;
	if (rule->path != NULL) {
		opened = open(rule->path, O_PATH | O_CLOEXEC);
		if (opened < 0)
			return rule->optional && errno == ENOENT ? 0 : -errno;
		attr.parent_fd = opened;
	}
	if (fstat(attr.parent_fd, &st) != 0)
		return -errno;
	attr.allowed_access = access_rights(rule->access) & handled;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= ACCESS_FILE;
	if (attr.allowed_access == 0)
		return -EINVAL;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) != 0)
		return -errno;
	return 0;
}

static int add_ports(int ruleset, const uint16_t *ports)
{
	for (; *ports != 0; ports++) {
		const struct net_port_attr attr = { .access = NET_CONNECT_TCP, .port = *ports };

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0) != 0)
			return -errno;
	}
	return 0;
}

int landlock_confine(const struct landlock_rule *rules)
{
	return landlock_confine_net(rules, &(const uint16_t){ 0 });
}

int landlock_confine_net(const struct landlock_rule *rules, const uint16_t *ports)
{
	cleanup_fd int ruleset = -1;
	int abi = landlock_abi(), r;

	if (abi < 1)
		return abi < 0 ? abi : -ENOSYS;
	if (ports[0] != 0 && abi < LANDLOCK_ABI_NET)
		return -EOPNOTSUPP;
	if (abi > ABI_MAX)
		abi = ABI_MAX;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &abis[abi - 1].handled, abis[abi - 1].size, 0);
	if (ruleset < 0)
		return -errno;
	for (; rules->path != NULL || rules->fd >= 0; rules++) {
		r = add_rule(ruleset, rules, abis[abi - 1].handled.fs);
		if (r < 0)
			return r;
	}
	r = add_ports(ruleset, ports);
	if (r < 0)
		return r;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		return -errno;
	return 0;
}
