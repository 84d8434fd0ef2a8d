/* SPDX-License-Identifier: ISC */
/*
 * Enters the namespaces of an account's containers. The calling process is the owner's until it has become the account:
 * until then it opens nothing in a mount namespace that the account rules, and is not dumpable, so that nobody in there
 * takes it over. Everything with the caller's own rights; the daemon writes the maps, or newuidmap while there is none.
 */
#include "cli/container.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account/failure.h"
#include "account/passwd.h"
#include "cli/lookup.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "index/verdict.h"

#define LOCK_TRIES 200
#define LOCK_NAP_MS 50

static int failed(const char *what, int error, const char *todo)
{
	const char *why = strerrordesc_np(error);

	complain(what, why != NULL ? why : "failed", todo);
	return STATUS_FAILED;
}

/* Two commands that begin at once would make two of them, of which later ones would find one. The lock is the owner's
 * own. -EAGAIN: somebody holds it. */
static int lock_take(int *lock)
{
	const struct timespec nap = { .tv_nsec = LOCK_NAP_MS * 1000000L };
	entry_cleanup struct host_entry caller = { 0 };
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/run/user/%u", getuid());
	*lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*lock >= 0 && (fstat(*lock, &st) != 0 || st.st_uid != getuid()))
		cleanup_fd_p(lock), *lock = -1;
	if (*lock < 0 && user_find_uid(getuid(), &caller) == 0)
		*lock = open(caller.user.pw_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*lock < 0)
		return -errno;
	for (int i = 0; flock(*lock, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -errno;
		nanosleep(&nap, NULL);
	}
	return 0;
}

/* In the namespace. None of the owner's groups comes along. */
static int become(void)
{
	if (setgroups(0, NULL) != 0 || setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
		return -errno;
	return 0;
}

/* What runs in there is root in it, and may look into each process that is not closed to it. */
static int join(int user, int mounts)
{
	int r;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setns(user, CLONE_NEWUSER) != 0)
		return -errno;
	r = become();
	return r == 0 && setns(mounts, CLONE_NEWNS) != 0 ? -errno : r;
}

/*
 * A directory of the namespace's own covers the account directory: whoever is in there passes through it to the home,
 * the ids of its ranges, too, which on the host do not get in. Beside the home is the directory for what runs; both
 * end with the last process.
 */
static int cover(const struct container *container)
{
	cleanup_fd int home = open_tree(AT_FDCWD, container->home,
					OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);

	if (home < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0 ||
	    mount("subuid", container->directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=10%") != 0 ||
	    mkdir(container->home, 0700) != 0 || mkdir(container->runtime, 0700) != 0 ||
	    move_mount(home, "", AT_FDCWD, container->home, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		return -errno;
	/* podman's locks lie there, and have to end with the rest: it takes them for those of its containers */
	if (mount("subuid", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=10%") != 0)
		return -errno;
	/* podman wants to pass its mounts on to its containers */
	return mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) != 0 ? -errno : 0;
}

static int map_beside(const struct exec_account *of)
{
	const uint32_t zero[] = { of->account.uid, of->account.uid };
	cleanup_free struct id_range *ranges = NULL;
	struct id_map maps[EXEC_MAPS_MAX];
	size_t count = 0;
	int status = lookup_ranges(of->account.owner_uid, of->account.uid, &ranges, &count), n;

	if (status != STATUS_DONE)
		return status;
	n = container_maps(ranges, count, maps);
	if (n < 0)
		return failed(of->account.name, -n, "");
	if (n == 0) {
		complain(of->account.name, "it has no range of ids for containers",
			 "`subuid range add 65536 NAME` gives it one");
		return failure_exit_status(FAILURE_CONFLICT);
	}
	return exec_namespace_beside(zero, maps, (size_t)n);
}

static int make(const struct container *container)
{
	const struct index_account *account = &container->of->account;
	int status =
		daemon_answers() ? exec_namespace(account->owner, account->label, true) : map_beside(container->of);
	int r;

	if (status != STATUS_DONE)
		return status;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return failed("subuid", errno, "");
	r = become();
	if (r < 0)
		return failed(account->name, -r, "your login's group must be your own (no newgrp)");
	r = cover(container);
	return r < 0 ? failed(container->directory, -r, "`subuid check` says whether it is as it should be") :
		       STATUS_DONE;
}

static int paths_make(struct container *container)
{
	const struct exec_account *of = container->of;
	int length = exec_account_home(of, container->home, sizeof(container->home));
	const char *end = length < 0 ? NULL : strrchr(container->home, '/');

	if (end == NULL)
		return length < 0 ? length : -EINVAL;
	snprintf(container->directory, sizeof(container->directory), "%.*s", (int)(end - container->home),
		 container->home);
	return snprintf(container->runtime, sizeof(container->runtime), "%s/run", container->directory) >=
			       (int)sizeof(container->runtime) ?
		       -ENAMETOOLONG :
		       0;
}

/* The daemon asks the same, but a command that joins others does not call it. */
static int barred(const struct index_account *account)
{
	const char *why = (account->flags & ACCOUNT_FROZEN) != 0 ? "frozen" : account_barred(account, time(NULL));
	char text[64];

	if (why == NULL)
		return STATUS_DONE;
	snprintf(text, sizeof(text), "it is %s, so nothing runs as it", why);
	complain(account->name, text, "subuid unlock, thaw or set --expires takes that back");
	return failure_exit_status(FAILURE_CONFLICT);
}

int container_enter(const struct exec_account *of, struct container *container)
{
	cleanup_fd int lock = -1, user = -1, mounts = -1;
	int status = barred(&of->account), r;

	if (status != STATUS_DONE)
		return status;
	*container = (struct container){ .of = of };
	r = paths_make(container);
	if (r < 0)
		return failed(of->account.name, -r, "");
	r = lock_take(&lock);
	if (r < 0)
		return failed("your home", -r, "another subuid exec --container may be at its beginning: try again");
	if (container_find(container, &user, &mounts) < 0)
		return make(container);
	r = join(user, mounts);
	return r < 0 ? failed(of->account.name, -r, "its containers cannot be joined: subuid kill ends them") :
		       STATUS_DONE;
}
