/* SPDX-License-Identifier: ISC */
/*
 * The world of an isolated shell: namespaces in which there is nobody else, a root with the home, programs, and files
 * that every user of the host may read. Run as the account; whatever cannot be had means that the shell is refused.
 */
#include "backup/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backup/connector.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/namespaces.h"
#include "confine/private_root.h"
#include "confine/seccomp.h"

#define PASSWD_MAX 2048
#define TMP "mode=1777,size=64m,nr_inodes=16384" /* of each: memory */
#define ENTRIES_MAX 64

static const char *const system_paths[] = {
	"/bin",
	"/sbin",
	"/lib",
	"/lib32",
	"/lib64",
	"/libx32",
	"/etc/alternatives",
	"/etc/bash.bashrc",
	"/etc/inputrc",
	"/etc/ld.so.cache",
	"/etc/locale.alias",
	"/etc/localtime",
	"/etc/magic",
	"/etc/mime.types",
	"/etc/terminfo",
	"/etc/timezone",
	NULL,
};

static const char *const net_paths[] = {
	"/etc/ca-certificates", "/etc/gai.conf",        "/etc/hosts",
	"/etc/protocols",       "/etc/resolv.conf",     "/etc/services",
	"/etc/ssl/certs",       "/etc/ssl/openssl.cnf", NULL,
};

static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", NULL };
static const char *const private_directories[] = { "/tmp", "/var/tmp", "/dev/shm", NULL };

int shell_namespaces(const struct shell_order *order, const char **step)
{
	const int net = order->ports[0] != 0 ? 0 : CLONE_NEWNET;
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	cleanup_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, order->home, &how, sizeof(how));

	*step = "directory";
	if (fd < 0 || fchdir(fd) != 0)
		return -errno;
	return namespaces_enter(CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWCGROUP | net, step);
}

static void paths_add(struct root_entry *entries, size_t *count, const char *const *paths, bool device)
{
	for (; *paths != NULL; paths++)
		entries[(*count)++] = (struct root_entry){ .path = *paths, .device = device, .optional = true };
}

static void terminal_add(struct root_entry *entries, size_t *count, const char *terminal)
{
	const struct root_entry all[] = {
		{ .path = "/dev/tty", .device = true },
		{ .path = "/dev/console", .from = terminal, .device = true },
		{ .path = "/dev/pts",
		  .kind = "devpts",
		  .options = "newinstance,ptmxmode=0666,mode=0620",
		  .device = true },
		{ .path = "/dev/ptmx", .link = "pts/ptmx" },
	};

	memcpy(entries + *count, all, sizeof(all));
	*count += sizeof(all) / sizeof(all[0]);
}

static int names_write(int passwd, int group, const struct shell_order *order)
{
	char text[PASSWD_MAX];
	const unsigned uid = getuid(), gid = getgid();
	int length = snprintf(text, sizeof(text),
			      "root:x:0:0:root:/root:/usr/sbin/nologin\n%s:x:%u:%u::%s:%s\n"
			      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
			      order->user, uid, gid, order->home, shell_program(order));

	if (length < 0 || (size_t)length >= sizeof(text))
		return -ENAMETOOLONG;
	if (write(passwd, text, (size_t)length) != length)
		return -EIO;
	length = snprintf(text, sizeof(text), "root:x:0:\n%s:x:%u:\nnogroup:x:65534:\n", order->user, gid);
	return write(group, text, (size_t)length) != length ? -EIO : 0;
}

static int root_enter(const struct shell_order *order, const char **step)
{
	static const struct root_entry always[] = {
		{ .path = "/usr" },
		{ .path = "/proc", .kind = "proc" },
		{ .path = "/dev/fd", .link = "/proc/self/fd" },
		{ .path = "/dev/stdin", .link = "/proc/self/fd/0" },
		{ .path = "/dev/stdout", .link = "/proc/self/fd/1" },
		{ .path = "/dev/stderr", .link = "/proc/self/fd/2" },
	};
	cleanup_fd int passwd = -1, group = -1;
	struct root_entry entries[ENTRIES_MAX] = { 0 };
	size_t count = sizeof(always) / sizeof(always[0]);
	char terminal[64];
	int r;

	memcpy(entries, always, sizeof(always));
	entries[count++] = (struct root_entry){ .path = "/etc/passwd", .file = &passwd };
	entries[count++] = (struct root_entry){ .path = "/etc/group", .file = &group };
	for (const char *const *path = private_directories; *path != NULL; path++)
		entries[count++] = (struct root_entry){ .path = *path, .kind = "tmpfs", .options = TMP };
	paths_add(entries, &count, system_paths, false);
	paths_add(entries, &count, devices, true);
	if (order->ports[0] != 0)
		paths_add(entries, &count, net_paths, false);
	*step = "terminal";
	if (order->tty && ttyname_r(STDIN_FILENO, terminal, sizeof(terminal)) != 0)
		return -ENOTTY;
	if (order->tty)
		terminal_add(entries, &count, terminal);
	r = private_root_enter(!order->read_only, entries, step);
	if (r < 0)
		return r;
	*step = "names";
	return names_write(passwd, group, order);
}

static int files_confine(const struct shell_order *order)
{
	cleanup_fd int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct landlock_rule rules[ENTRIES_MAX] = {
		{ .path = NULL, .fd = home, .access = order->read_only ? LANDLOCK_EXECUTE : LANDLOCK_ALL },
		{ .path = "/", .fd = -1, .access = LANDLOCK_READ }, /* all that is there is for every user */
		{ .path = "/usr", .fd = -1, .access = LANDLOCK_EXECUTE },
		{ .path = "/dev/tty", .fd = -1, .access = LANDLOCK_TERMINAL, .optional = 1 },
		{ .path = "/dev/console", .fd = -1, .access = LANDLOCK_TERMINAL, .optional = 1 },
		{ .path = "/dev/pts", .fd = -1, .access = LANDLOCK_TERMINAL, .optional = 1 },
	};
	size_t count = 6;

	if (home < 0)
		return -errno;
	for (const char *const *path = system_paths; strncmp(*path, "/etc/", 5) != 0; path++)
		rules[count++] = (struct landlock_rule){ *path, -1, LANDLOCK_EXECUTE, 1 };
	for (const char *const *path = devices; *path != NULL; path++)
		rules[count++] = (struct landlock_rule){ *path, -1, LANDLOCK_DEVICE, 1 };
	for (const char *const *path = private_directories; *path != NULL; path++)
		rules[count++] = (struct landlock_rule){ *path, -1, LANDLOCK_ALL, 0 };
	rules[count] = (struct landlock_rule)LANDLOCK_END;
	return connector_needed(order->ports) ? landlock_confine(rules) : landlock_confine_net(rules, order->ports);
}

int shell_confine(const struct shell_order *order, const char **step)
{
	int r = root_enter(order, step);

	if (r < 0)
		return r;
	*step = "capabilities";
	r = namespaces_drop();
	if (r < 0)
		return r;
	*step = "no_new_privs";
	r = process_harden();
	if (r < 0)
		return r;
	umask(umask(0) | S_IWGRP | S_IWOTH);
	*step = "Landlock";
	r = files_confine(order);
	if (r < 0)
		return r;
	*step = "system call filter";
	if (connector_needed(order->ports))
		return 0;
	return seccomp_confine(order->ports[0] != 0 ? SECCOMP_SHELL_NET : SECCOMP_SHELL);
}
