/* SPDX-License-Identifier: ISC */
/*
 * Lowers the gate (subuid-rrsync, as the account, before rsync): root directory, Landlock, then system calls. The
 * client chose the command line, so nothing of it is opened before this has been done.
 */
#include "backup/gate_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backup/file_count.h"
#include "backup/rsync_binary.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/loader.h"
#include "confine/private_root.h"
#include "confine/seccomp.h"

#ifdef GATE_TEST
/* A build for rsync's own tests (make check-rrsync), whose stand-ins for rsync are scripts that keep
 * notes; never installed. */
static const char *test_directory(void)
{
	const char *path = getenv("SUBUID_RRSYNC_TEST_DIRECTORY");

	return path == NULL ? "/usr/lib" : path;
}
#endif

static int enter_directory(const char *directory)
{
	/* The administrator chose the path and any links in it; links of /proc are not followed. */
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	cleanup_fd int fd = (int)syscall(SYS_openat2, AT_FDCWD, directory, &how, sizeof(how));

	return fd < 0 || fchdir(fd) != 0 ? -errno : 0;
}

int gate_enter(const char *directory, const struct gate_policy *policy, bool private_root, struct gate_names *names,
	       int *files, const char **step, int *error)
{
	struct root_entry entries[] = {
		{ .path = rsync_binary_path() },
		{ .path = "/dev/null", .device = true },
		{ .path = "/usr/lib" },
		{ .path = "/lib", .optional = true },
		{ .path = "/lib64", .optional = true },
		{ .path = "/usr/lib64", .optional = true },
		{ .path = "/etc/ld.so.cache", .optional = true },
#ifdef GATE_TEST
		{ .path = "/usr", .optional = true },
		{ .path = "/bin", .optional = true },
		{ .path = test_directory(), .writable = true },
#endif
		{ .path = NULL },
		{ .path = NULL },
		{ .path = NULL },
		{ .path = NULL },
		{ .path = NULL },
	};
	struct root_entry *next = entries;
	int r = enter_directory(directory);

	if (r < 0 || !private_root)
		return r;
	while (next->path != NULL)
		next++;
	if (policy->snapshots != NULL)
		*next++ = (struct root_entry){ .path = policy->snapshots, .optional = true };
	if (policy->report)
		*next++ = (struct root_entry){ .path = FILE_COUNT_LOG, .file = files, .fifo = true };
	if (names != NULL) {
		*next++ = (struct root_entry){ .path = "/etc/passwd", .file = &names->passwd };
		*next = (struct root_entry){ .path = "/etc/group", .file = &names->group };
	}
	*error = private_root_enter(!policy->read_only, entries, step);
	if (*error == -ENOTRECOVERABLE)
		return *error;
	return *error < 0;
}

/*
 * Of the system rsync may read libraries and execute itself: no shell, no interpreter, no
 * /etc, so that users of this host mean nothing in a backup of another one. The rules for names go by descriptor:
 * without a private root, the files at these paths are this host's.
 */
static int confine_landlock(const struct gate_policy *policy, const struct gate_names *names, int files)
{
	cleanup_fd int root = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *loader = program_loader();
	const struct landlock_rule rules[] = {
		{ .path = NULL, .fd = root, .access = policy->read_only ? LANDLOCK_READ : LANDLOCK_READ_WRITE },
		{ .path = "/dev/null", .fd = -1, .access = LANDLOCK_DEVICE },
		{ .path = policy->snapshots != NULL ? policy->snapshots : "/usr/lib",
		  .fd = -1,
		  .access = LANDLOCK_READ,
		  .optional = 1 },
		{ .path = files < 0 ? "/dev/null" : NULL, .fd = files, .access = LANDLOCK_DEVICE },
		{ .path = rsync_binary_path(), .fd = -1, .access = LANDLOCK_EXECUTE },
		{ .path = "/usr/lib", .fd = -1, .access = LANDLOCK_READ },
		{ .path = "/lib", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = "/lib64", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = "/usr/lib64", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = "/etc/ld.so.cache", .fd = -1, .access = LANDLOCK_READ, .optional = 1 },
		{ .path = loader, .fd = -1, .access = LANDLOCK_EXECUTE, .optional = 1 },
#ifdef GATE_TEST
		{ .path = "/usr", .fd = -1, .access = LANDLOCK_EXECUTE },
		{ .path = "/bin", .fd = -1, .access = LANDLOCK_EXECUTE },
		{ .path = test_directory(), .fd = -1, .access = LANDLOCK_READ_WRITE },
#endif
		{ .path = NULL, .fd = names->passwd, .access = LANDLOCK_READ }, /* none: the end */
		{ .path = NULL, .fd = names->group, .access = LANDLOCK_READ },
		LANDLOCK_END,
	};

	return root < 0 ? -errno : landlock_confine(rules);
}

int gate_confine_files(struct gate_policy *policy, const struct gate_names *names, int files, char *path, size_t size,
		       const char **step)
{
	int r;

	*step = "no_new_privs";
	r = process_harden();
	if (r < 0)
		return r;
	/* The client chooses modes (rsync -p); if it does not, others still cannot write. */
	umask(umask(0) | S_IWGRP | S_IWOTH);
	*step = "working directory";
	if (getcwd(path, size) == NULL)
		return -errno;
	if (path[0] != '/') /* "(unreachable)" */
		return -ENOENT;
	policy->directory = path;
	policy->everything = strcmp(path, "/") == 0;
	*step = "Landlock";
	return confine_landlock(policy, names, files);
}

int gate_confine_calls(const struct gate_policy *policy, bool sender)
{
	return seccomp_confine(sender ? SECCOMP_RSYNC_SENDER : policy->blind ? SECCOMP_RSYNC_BLIND : SECCOMP_RSYNC);
}
