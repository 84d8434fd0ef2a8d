/* SPDX-License-Identifier: ISC */
/*
 * Finds the namespaces of an account's containers by the processes in them, so that a second command sees what the
 * first one started. No file names them: the kernel says whose a namespace is, and it says that to its owner alone.
 * Run with the owner's rights.
 */
#include "cli/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define NAMES_MAX (4 * PATH_MAX)

static bool same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The caller made it, in the caller's own. An account that has a namespace of its own making cannot pretend this. */
static bool of_caller(int user, int own)
{
	cleanup_fd int parent = ioctl(user, NS_GET_PARENT);
	uid_t owner;

	return parent >= 0 && same(parent, own) && ioctl(user, NS_GET_OWNER_UID, &owner) == 0 && owner == getuid();
}

static FILE *proc_open(int process, const char *name)
{
	int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");

	if (file == NULL && fd >= 0)
		close(fd);
	return file;
}

/* The account is 0, and nobody else: in that of `subuid exec` without --container it keeps its number. */
static bool maps_account(int process, uint32_t uid)
{
	cleanup_file FILE *file = proc_open(process, "uid_map");
	const unsigned long wanted[] = { 0, uid, 1 };
	char line[64], *at = line;

	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strtoul(at, &at, 10) != wanted[i])
			return false;
	return true;
}

/* As mountinfo writes a path. */
static void escape(const char *path, char out[NAMES_MAX])
{
	size_t n = 0;

	for (; *path != '\0' && n + 5 < NAMES_MAX; path++)
		if (strchr(" \t\n\\", *path) != NULL)
			n += (size_t)snprintf(out + n, 5, "\\%03o", (unsigned char)*path);
		else
			out[n++] = *path;
	out[n] = '\0';
}

/* Not one that a command has made for itself in there: the account's directory is covered in it. */
static bool covers(int process, const char *directory)
{
	cleanup_file FILE *file = proc_open(process, "mountinfo");
	cleanup_free char *line = NULL;
	char place[NAMES_MAX];
	size_t room = 0;

	escape(directory, place);
	while (file != NULL && getline(&line, &room, file) > 0) {
		char *word = line, *at = NULL;

		for (int i = 0; i < 5; i++) /* id, parent, device, root, place */
			at = strsep(&word, " ");
		if (at != NULL && strcmp(at, place) == 0)
			return true;
	}
	return false;
}

static int look(int process, int own, const struct container *container, int *user, int *mounts)
{
	const uint32_t uid = container->of->account.uid;
	cleanup_fd int namespace = -1;
	struct stat st;

	if (fstat(process, &st) != 0 || st.st_uid != uid)
		return -ENOENT;
	namespace = openat(process, "ns/user", O_RDONLY | O_CLOEXEC);
	if (namespace < 0 || !of_caller(namespace, own) || !maps_account(process, uid) ||
	    !covers(process, container->directory))
		return -ENOENT;
	*mounts = openat(process, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (*mounts < 0)
		return -ENOENT;
	*user = steal_fd(&namespace);
	return 0;
}

int container_find(const struct container *container, int *user, int *mounts)
{
	cleanup_fd int own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	cleanup_dir DIR *processes = opendir("/proc");
	const struct dirent *entry;
	int r = -ENOENT;

	while (r != 0 && own >= 0 && processes != NULL && (entry = readdir(processes)) != NULL) {
		cleanup_fd int process = -1;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		process = openat(dirfd(processes), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = process < 0 ? -ENOENT : look(process, own, container, user, mounts);
	}
	return r;
}
