/* SPDX-License-Identifier: ISC */
/*
 * This process enters the namespace itself and becomes the command, so that its exit status, signals, terminal and
 * process id are the command's. The maps are written from outside: by the daemon; of root by a child. While there is no
 * daemon the child has newuidmap and newgidmap write them, which grant the ids where they ask our plug-in, and not
 * where they read the files.
 */
#include "cli/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "cli/subuid.h"
#include "confine/cleanup.h"

#define TEXT_MAX 12 /* a number and its NUL */
#define NOT_STARTED 127
#define WORDS_MAX (2 + 3 * (1 + EXEC_MAPS_MAX) + 1)

static const char *const mappers[] = { "/usr/bin/newuidmap", "/usr/bin/newgidmap" };

/* `newuidmap PID 0 ZERO 1 INSIDE OUTSIDE COUNT ...` */
static void mapper_exec(const char *mapper, pid_t pid, uint32_t zero, const struct id_map *maps, size_t count)
{
	static char texts[WORDS_MAX][TEXT_MAX];
	char *words[WORDS_MAX + 1], name[32];
	const struct id_map first = { 0, zero, 1 };
	size_t n = 0;

	snprintf(name, sizeof(name), "%s", mapper);
	words[n++] = name;
	snprintf(texts[n], TEXT_MAX, "%d", (int)pid);
	words[n] = texts[n];
	n++;
	for (size_t i = 0; i <= count; i++) {
		const struct id_map *map = i == 0 ? &first : &maps[i - 1];
		const uint32_t numbers[] = { map->inside, map->outside, map->count };

		for (size_t k = 0; k < 3; k++, n++) {
			snprintf(texts[n], TEXT_MAX, "%u", numbers[k]);
			words[n] = texts[n];
		}
	}
	words[n] = NULL;
	execv(mapper, words);
	_exit(NOT_STARTED);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return NOT_STARTED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Root needs no program for this, and no table lists root's rights. */
static int map_write(pid_t pid, const char *file, const struct id_map *maps, size_t count)
{
	struct id_map all[EXEC_MAPS_MAX + 1] = { { 0, 0, 1 } };
	char text[ID_MAP_TEXT_MAX];
	int length;

	memcpy(all + 1, maps, count * sizeof(*maps));
	length = id_map_text(all, count + 1, text);
	return length < 0 ? length : id_map_write(pid, file, text, (size_t)length);
}

/* The child outside: 0, or 1 + the number of the mapper, + 2 when it is not installed. */
static int map_ids(int go, pid_t pid, const uint32_t zero[2], const struct id_map *maps, size_t count)
{
	char byte;

	if (read(go, &byte, 1) != 1)
		return 1; /* no namespace could be made, and the user has been told why */
	if (getuid() == 0)
		return map_write(pid, "uid_map", maps, count) == 0 && map_write(pid, "gid_map", maps, count) == 0 ? 0 :
														    1;
	for (int i = 0; i < 2; i++) {
		pid_t child = fork();
		int status;

		if (child == 0)
			mapper_exec(mappers[i], pid, zero[i], maps, count);
		status = child < 0 ? 1 : wait_for(child);
		if (status != 0)
			return 1 + i + (status == NOT_STARTED ? 2 : 0);
	}
	return 0;
}

static int unshare_complain(int error)
{
	const char *why = strerrordesc_np(error);

	complain("user namespace", why != NULL ? why : "cannot be made",
		 error == ENOSPC ? "sysctl user.max_user_namespaces allows no more" :
				   "the host must allow them: sysctl kernel.unprivileged_userns_clone, "
				   "kernel.apparmor_restrict_unprivileged_userns");
	return STATUS_FAILED;
}

static int mapper_complain(int result)
{
	const char *mapper = mappers[(result - 1) & 1];

	if (result > 2)
		complain(mapper, "not installed", "install the package uidmap");
	else
		complain(mapper, "did not map the account's ids",
			 "start subuidd, which needs no mapper; without it nsswitch.conf must say `subid: subuid`, "
			 "and your login's group must be your own (no newgrp)");
	return STATUS_FAILED;
}

/* newuidmap writes all lines at once, which the kernel takes up to a page. */
static bool maps_fit(const struct id_map *maps, size_t count)
{
	const struct id_map widest = { 0, UINT32_MAX, 1 }; /* the caller's own */
	char text[ID_MAP_TEXT_MAX], own[ID_MAP_TEXT_MAX];
	int length = id_map_text(maps, count, text);

	return count < EXEC_MAPS_MAX && length >= 0 && length + id_map_text(&widest, 1, own) < ID_MAP_TEXT_MAX;
}

int exec_namespace_beside(const uint32_t zero[2], const struct id_map *maps, size_t count)
{
	cleanup_fd int go = -1;
	void (*before)(int) = signal(SIGCHLD, SIG_DFL); /* if it were ignored, the children's statuses would be lost */
	int ends[2], result;
	pid_t self = getpid(), child;
	bool made;

	if (!maps_fit(maps, count)) {
		complain("user namespace", "the account has more ranges than the kernel maps at once",
			 "`subuid range list` shows them");
		return STATUS_FAILED;
	}
	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
		complain("subuid", strerrordesc_np(errno), "");
		return STATUS_FAILED;
	}
	if (child == 0) {
		close(ends[1]);
		_exit(map_ids(ends[0], self, zero, maps, count));
	}
	close(ends[0]);
	go = ends[1];
	made = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
	if (!made) {
		int error = errno;

		cleanup_fd_p(&go);
		go = -1;
		wait_for(child);
		return unshare_complain(error);
	}
	if (write(go, "", 1) != 1) {
		complain("subuid", strerrordesc_np(errno), "");
		return STATUS_FAILED;
	}
	result = wait_for(child);
	signal(SIGCHLD, before);
	return result == 0 ? STATUS_DONE : mapper_complain(result);
}

int exec_namespace(const char *owner, const char *label, bool container)
{
	json_t *reply = NULL;
	int status = call_connect(); /* while the daemon sees us on the host */

	if (status == STATUS_DONE && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		status = unshare_complain(errno);
	if (status == STATUS_DONE)
		status = call("Enter",
			      json_pack("{s:s, s:s, s:b}", "owner", owner, "label", label, "container", container),
			      &reply);
	json_decref(reply);
	return status;
}

int exec_cover(const char *directory)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSYMFOLLOW,
	};
	cleanup_fd int target = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_fd int tree = -1;

	if (target < 0)
		return -errno;
	tree = open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) != 0 ||
	    move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
		return -errno;
	return 0;
}
