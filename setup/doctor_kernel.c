/* SPDX-License-Identifier: ISC */
/*
 * The doctor's checks of the kernel: Landlock, seccomp, openat2, user namespaces, id-mapped mounts, and setuid
 * files.
 */
#include "setup/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "setup/setup.h"
#include "confine/cleanup.h"
#include "confine/landlock.h"
#include "confine/path.h"
#include "confine/mounts.h"
#include "confine/view.h"
#include "index/session_rules.h"

#define NOBODY 65534

static void check_landlock(struct doctor *doctor)
{
	int abi = landlock_abi();
	const char *missing;

	if (abi < 1) {
		found(doctor, FINDING_BAD, "kernel: Landlock", "missing, so that every push is refused",
		      "boot a kernel with CONFIG_SECURITY_LANDLOCK and `landlock` in lsm= (Debian 12 and later "
		      "have it)");
		return;
	}
	missing = landlock_missing(abi);
	found_f(doctor, missing[0] != '\0' ? FINDING_NOTE : FINDING_GOOD, "kernel: Landlock",
		missing[0] != '\0' ? "SECURITY.md says how it is covered; a newer kernel has it" : "", "ABI %d%s%s",
		abi, missing[0] != '\0' ? ", without " : "", missing);
}

static void check_seccomp(struct doctor *doctor)
{
	unsigned action = SECCOMP_RET_KILL_PROCESS;

	if (prctl(PR_GET_SECCOMP) < 0 || syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
		found(doctor, FINDING_BAD, "kernel: seccomp", "system calls cannot be filtered",
		      "boot a kernel with CONFIG_SECCOMP_FILTER");
	else
		found(doctor, FINDING_GOOD, "kernel: seccomp", "filters and kills", "");
}

static void check_openat2(struct doctor *doctor)
{
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int inside = path_open_beneath(root, "etc", O_PATH | O_DIRECTORY, 0);

	if (inside < 0)
		found_error(doctor, "kernel: openat2", inside,
			    "Linux 5.6 or later is needed, and a container's filter must allow it");
	else
		found(doctor, FINDING_GOOD, "kernel: openat2", "paths can be held below a directory", "");
}

static int child_status(pid_t pid)
{
	int status;

	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (pid < 0)
		return -EAGAIN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* Tried as nobody, since root always can. */
static void check_user_namespaces(struct doctor *doctor)
{
	pid_t pid = fork();
	int error;

	if (pid == 0) {
		if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
		    unshare(CLONE_NEWUSER) != 0)
			_exit(errno);
		_exit(0);
	}
	error = child_status(pid);
	if (error == 0)
		found(doctor, FINDING_GOOD, "kernel: user namespaces", "open to everybody", "");
	else
		found(doctor, FINDING_NOTE, "kernel: user namespaces",
		      "closed to ordinary users, so that they have no containers and subuid-rrsync on its own "
		      "confines less",
		      "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone");
}

static int view_try_in(int probe)
{
	cleanup_fd int source = path_make_directory(probe, "source", 0700, 0);
	cleanup_fd int target = path_make_directory(probe, "target", 0700, 0);
	int r;

	if (source < 0 || target < 0)
		return source < 0 ? source : target;
	r = view_mount(source, target, NOBODY, NOBODY, NOBODY - 1, NOBODY - 1);
	return r < 0 ? r : view_unmount(probe, "target");
}

/* Mounts a directory of root's, made for this, on another, as the daemon does for an owner. In a child
 * with a mount namespace of its own, which every descriptor must be of. */
static int view_try(const char *path)
{
	cleanup_fd int homes = -1, probe = -1;
	char name[64];
	int r;

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -errno;
	homes = path_open_trusted(path, O_RDONLY);
	if (homes < 0)
		return homes;
	snprintf(name, sizeof(name), ".doctor.%d", (int)getpid());
	probe = path_make_directory(homes, name, 0700, 0);
	if (probe < 0)
		return probe;
	r = view_try_in(probe);
	unlinkat(probe, "source", AT_REMOVEDIR);
	unlinkat(probe, "target", AT_REMOVEDIR);
	unlinkat(homes, name, AT_REMOVEDIR);
	return r;
}

static void check_views(struct doctor *doctor)
{
	const char *path = doctor->index_error == 0 ? doctor->host.homes : HOMES_DIR;
	pid_t pid = fork();
	int error;

	if (pid == 0)
		_exit(-view_try(path));
	error = child_status(pid);
	if (error == ENOENT || error == ENOTDIR || error == EPERM || error == ELOOP)
		found_f(doctor, FINDING_BAD, "owner's view", "run `subuid setup`", "%s: %s", path,
			strerrordesc_np(error));
	else if (error == 0)
		found(doctor, FINDING_GOOD, "owner's view", "can be mounted, of either kind", "");
	else
		found_f(doctor, FINDING_NOTE, "owner's view",
			"put homes on ext4, xfs or btrfs with Linux 5.12 or later to have id-mapped mounts",
			"ACLs, because the file system of %s cannot be id-mapped (%s)", path,
			strerrordesc_np(abs(error)));
}

/* The calls that may be refused where root is not the host's: in a container. */
static int session_try(void)
{
	static const struct mount_option options[] = { { "hidepid", "invisible" }, { NULL, NULL } };
	int r;

	if (unshare(CLONE_NEWNS) != 0)
		return errno;
	r = mount_new("proc", options, MOUNT_DATA);
	return r < 0 ? -r : 0;
}

static void check_sessions(struct doctor *doctor)
{
	cleanup_free struct session_rules *rules = malloc(sizeof(*rules));
	const int r = rules == NULL ? -ENOMEM : session_rules_read(SESSION_RULES_PATH, 0, rules);
	pid_t pid;
	int error;

	if (r < 0) {
		found_f(doctor, FINDING_BAD, "sessions", "restart subuidd, which writes it", "none is let in: %s: %s",
			SESSION_RULES_PATH, strerrordesc_np(-r));
		return;
	}
	if (!rules->private) {
		found(doctor, FINDING_NOTE, "sessions", "see the whole host, since private = no",
		      "see subuidd.conf(5)");
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(session_try());
	error = child_status(pid);
	if (error == 0)
		found(doctor, FINDING_GOOD, "sessions", "have file systems of their own", "");
	else
		found_f(doctor, FINDING_BAD, "sessions", "set private = no in subuidd.conf(5)",
			"none is let in, because this host gives no mounts of their own (%s)",
			strerrordesc_np(abs(error)));
}

/* A file with mode 6755 that an account made would give the account's uid to the process of any user who runs
 * it. */
static void check_setuid(struct doctor *doctor)
{
	const char *path = doctor->index_error == 0 ? doctor->host.homes : HOMES_DIR;
	cleanup_fd int homes = path_open_trusted(path, O_RDONLY);
	struct statvfs fs;

	if (homes < 0 || fstatvfs(homes, &fs) != 0)
		return; /* the check of the owner's view reports the same fault */
	if ((fs.f_flag & ST_NOSUID) != 0)
		found_f(doctor, FINDING_GOOD, "set-uid files", "",
			"%s is mounted nosuid: set-uid files of accounts have no effect", path);
	else
		found_f(doctor, FINDING_NOTE, "set-uid files",
			"mount it with nosuid,nodev in its line of /etc/fstab, or by a line of its own: DIR DIR none "
			"bind,nosuid,nodev 0 0",
			"%s is not mounted nosuid: a file of an account can give the account's uid to anyone who "
			"runs it",
			path);
}

void doctor_kernel(struct doctor *doctor)
{
	fflush(NULL);
	check_landlock(doctor);
	check_seccomp(doctor);
	check_openat2(doctor);
	check_user_namespaces(doctor);
	check_views(doctor);
	check_sessions(doctor);
	check_setuid(doctor);
}
