/* SPDX-License-Identifier: ISC */
/*
 * Makes a container as an owner, without an image, out of the files of the host. A child becomes the owner and makes
 * the namespaces; newuidmap, run as the owner too, maps the ids; a child of that one makes the mounts, becomes a user
 * of the range and runs a program. A failure is told by the number of its step. Run by the doctor, as root, which
 * keeps nothing but what these children say.
 */
#include "setup/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 20

static const struct step {
	const char *name, *todo;
} steps[] = {
	{ "cannot become the owner", "" },
	{ "no user namespace",
	  "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
	  "kernel.apparmor_restrict_unprivileged_userns; or this host is itself a container that forbids them" },
	{ "newuidmap does not map the range", "`subuid doctor` says who answers newuidmap" },
	{ "newgidmap does not map the range", "`subuid doctor` says who answers newgidmap" },
	{ "no namespaces of mounts, processes and networks", "this host is itself a container that forbids them" },
	{ "no bind mount", "a file system or a security module does not allow it" },
	{ "no /proc", "something is mounted over a part of /proc, as in a container: mount a whole one somewhere" },
	{ "no tmpfs", "the kernel has to allow it in user namespaces" },
	{ "no overlay", "the kernel is older than 5.11, or has no overlayfs: podman needs fuse-overlayfs" },
	{ "cannot become a user of the range", "" },
	{ "a program does not run", "" },
};
enum {
	STEP_OWNER,
	STEP_USER,
	STEP_UIDS,
	STEP_GIDS,
	STEP_NAMESPACES,
	STEP_ROOT,
	STEP_PROC,
	STEP_TMPFS,
	STEP_OVERLAY,
	STEP_RANGE,
	STEP_PROGRAM,
};

/* What a child says of how it failed. */
struct said {
	int step, error;
};

static void fail(int fd, int step, int error)
{
	const struct said said = { step, error };

	if (write(fd, &said, sizeof(said)) != sizeof(said))
		_exit(2);
	_exit(1);
}

static int owner_become(const struct trial *trial)
{
	if (initgroups(trial->name, trial->gid) != 0 || setresgid(trial->gid, trial->gid, trial->gid) != 0 ||
	    setresuid(trial->uid, trial->uid, trial->uid) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return -errno;
	return 0;
}

/* Inside, as the first process of the namespace. */
static void inside(int say)
{
	static const char *const options = "lowerdir=/usr,upperdir=/tmp/upper,workdir=/tmp/work,userxattr";

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("/usr", "/usr", NULL, MS_BIND | MS_REC, NULL) != 0)
		fail(say, STEP_ROOT, errno);
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
		fail(say, STEP_PROC, errno);
	if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") != 0)
		fail(say, STEP_TMPFS, errno);
	if (mkdir("/tmp/upper", 0755) != 0 || mkdir("/tmp/work", 0755) != 0 ||
	    mount("overlay", "/usr", "overlay", 0, options) != 0)
		fail(say, STEP_OVERLAY, errno);
	if (setgroups(0, NULL) != 0 || setresgid(1, 1, 1) != 0 || setresuid(1, 1, 1) != 0)
		fail(say, STEP_RANGE, errno);
	execl("/usr/bin/true", "true", NULL);
	fail(say, STEP_PROGRAM, errno);
}

static void contained(const struct trial *trial, int ready, int mapped, int say)
{
	char byte = 0;
	int status = 0, r = owner_become(trial);
	pid_t pid;

	alarm(SECONDS);
	if (r < 0)
		fail(say, STEP_OWNER, -r);
	if (unshare(CLONE_NEWUSER) != 0)
		fail(say, STEP_USER, errno);
	if (write(ready, "", 1) != 1 || read(mapped, &byte, 1) != 1)
		_exit(2); /* the parent knows why */
	if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0 ||
	    unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
		fail(say, STEP_NAMESPACES, errno);
	pid = fork();
	if (pid == 0)
		inside(say);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		fail(say, STEP_NAMESPACES, errno);
	_exit(status == 0 ? 0 : 1);
}

/* As the owner: newuidmap looks at the one who calls it. */
static int map(const struct trial *trial, const char *mapper, pid_t pid, uint32_t own)
{
	char words[5][12];
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		snprintf(words[0], sizeof(words[0]), "%d", (int)pid);
		snprintf(words[1], sizeof(words[1]), "%u", own);
		snprintf(words[2], sizeof(words[2]), "%u", trial->first);
		snprintf(words[3], sizeof(words[3]), "%u", trial->count);
		if (owner_become(trial) == 0)
			execl(mapper, mapper, words[0], "0", words[1], "1", "1", words[2], words[3], NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return -errno;
	return status == 0 ? 0 : -EPERM;
}

static int failed(struct trial *trial, int step, int error)
{
	trial->step = steps[step].name;
	trial->todo = steps[step].todo;
	return -error;
}

static int follow(struct trial *trial, pid_t pid, const int pipes[3][2])
{
	struct said said;
	char byte;
	int status = 0;

	if (read(pipes[0][0], &byte, 1) == 1) {
		if (map(trial, "/usr/bin/newuidmap", pid, trial->uid) < 0)
			return failed(trial, STEP_UIDS, EPERM);
		if (map(trial, "/usr/bin/newgidmap", pid, trial->gid) < 0)
			return failed(trial, STEP_GIDS, EPERM);
		if (write(pipes[1][1], "", 1) != 1)
			return failed(trial, STEP_NAMESPACES, errno);
	}
	if (read(pipes[2][0], &said, sizeof(said)) == sizeof(said))
		return failed(trial, said.step, said.error);
	if (waitpid(pid, &status, 0) == pid && status == 0)
		return 0;
	return failed(trial, STEP_PROGRAM, ETIMEDOUT);
}

int trial_run(struct trial *trial)
{
	int pipes[3][2]; /* the namespace is there; its map is; what failed */
	pid_t pid;
	int r;

	for (int i = 0; i < 3; i++)
		if (pipe2(pipes[i], O_CLOEXEC) != 0)
			return failed(trial, STEP_OWNER, errno);
	pid = fork();
	if (pid == 0) {
		close(pipes[1][1]);
		contained(trial, pipes[0][1], pipes[1][0], pipes[2][1]);
	}
	close(pipes[0][1]);
	close(pipes[1][0]);
	close(pipes[2][1]);
	r = pid < 0 ? failed(trial, STEP_OWNER, errno) : follow(trial, pid, pipes);
	for (int i = 0; i < 3; i++)
		close(pipes[i][i == 1 ? 1 : 0]);
	if (r < 0 && pid > 0)
		waitpid(pid, NULL, 0); /* its pipes are closed, or its alarm ends it */
	return r;
}
