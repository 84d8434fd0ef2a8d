/* SPDX-License-Identifier: ISC */
/* Finds the control groups of an account by their names, and writes into them. Run by children of the broker (root). */
#include "home/groups.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/id.h"
#include "confine/cgroup.h"

#define GROUP_MAX 64 /* "user.slice/user-4294967295.slice" */

static bool slice_uid(const char *name, uint32_t *uid)
{
	static const char before[] = "user-", behind[] = ".slice";
	const char *at = name + sizeof(before) - 1;
	size_t length;

	if (strncmp(name, before, sizeof(before) - 1) != 0)
		return false;
	length = strcspn(at, ".");
	return strcmp(at + length, behind) == 0 && id_parse_bytes(at, length, uid) == 0;
}

static bool plain_uid(const char *name, uint32_t *uid)
{
	return id_parse(name, uid) == 0;
}

static const struct place {
	const char *name;
	bool (*uid)(const char *name, uint32_t *uid);
} places[] = { { CGROUP_USERS, slice_uid }, { CGROUP_OURS, plain_uid } };
#define OURS 1
#define PLACES (sizeof(places) / sizeof(places[0]))

static const char *const hierarchies[] = { ".", CGROUPS_BESIDE };
#define HIERARCHIES (sizeof(hierarchies) / sizeof(hierarchies[0]))

static DIR *place_open(int hierarchy, const struct place *place)
{
	cleanup_fd int fd = openat(hierarchy, place->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir != NULL)
		steal_fd(&fd); /* the directory's now */
	return dir;
}

static void place_write(const struct session_ids *ids, int hierarchy, const struct place *place, const char *file,
			const char *word)
{
	cleanup_dir DIR *dir = place_open(hierarchy, place);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char path[NAME_MAX + GROUP_MAX];
		cleanup_fd int to = -1;
		uint32_t uid;

		if (!place->uid(entry->d_name, &uid) || !session_id(ids, uid))
			continue;
		snprintf(path, sizeof(path), "%.*s/%s", NAME_MAX, entry->d_name, file);
		to = openat(dirfd(dir), path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
		if (to >= 0)
			(void)!write(to, word, strlen(word));
	}
}

void groups_write(const struct session_ids *ids, int cgroups, const char *file, const char *word)
{
	for (size_t i = 0; i < HIERARCHIES; i++) {
		cleanup_fd int hierarchy = openat(cgroups, hierarchies[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		for (size_t j = 0; hierarchy >= 0 && j < PLACES; j++)
			place_write(ids, hierarchy, &places[j], file, word);
	}
}

/* The first bytes of a file that the kernel writes, as a text. */
static bool text_read(int dir, const char *path, char *text, size_t size)
{
	cleanup_fd int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return true;
}

/* "0::/user.slice/user-1000.slice/session-1.scope" of the lines of /proc/PID/cgroup. *uid: whose group it is. */
static bool group_find(int proc, const struct session *session, char group[GROUP_MAX], uint32_t *uid)
{
	char path[32], text[4096], name[GROUP_MAX];
	const char *line;

	snprintf(path, sizeof(path), "%s/cgroup", session->pid);
	if (!text_read(proc, path, text, sizeof(text)))
		return false;
	line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	if (line == NULL)
		return false;
	line = strchr(line, '/') + 1;
	for (size_t i = 0; i < PLACES; i++) {
		const size_t length = strlen(places[i].name);

		if (strncmp(line, places[i].name, length) != 0 || line[length] != '/')
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + length + 1, "/\n"), line + length + 1);
		snprintf(group, GROUP_MAX, "%s/%.40s", places[i].name, name);
		return places[i].uid(name, uid);
	}
	return false;
}

static bool group_of(const struct session_ids *ids, int proc, const struct session *session, char group[GROUP_MAX])
{
	uint32_t uid;

	return group_find(proc, session, group, &uid) && session_id(ids, uid);
}

bool group_of_another(const struct session_ids *ids, int proc, const struct session *session)
{
	char group[GROUP_MAX];
	uint32_t uid;

	return group_find(proc, session, group, &uid) && !session_id(ids, uid);
}

/* What the kernel says in that file of the group that the process is in, if it is one of these ids'. */
static bool group_read(const struct session_ids *ids, int cgroups, int proc, const struct session *session,
		       const char *file, char *text, size_t size)
{
	char group[GROUP_MAX], path[2 * GROUP_MAX];

	if (cgroups < 0 || !group_of(ids, proc, session, group))
		return false;
	for (size_t i = 0; i < HIERARCHIES; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", hierarchies[i], group, file);
		if (text_read(cgroups, path, text, size))
			return true;
	}
	return false;
}

bool group_stands(const struct session_ids *ids, int cgroups, int proc, const struct session *session)
{
	char text[256];

	return group_read(ids, cgroups, proc, session, "cgroup.events", text, sizeof(text)) &&
	       strstr(text, "frozen 1") != NULL;
}

bool group_binds_memory(const struct session_ids *ids, int cgroups, int proc, const struct session *session)
{
	char text[32];

	return group_read(ids, cgroups, proc, session, "memory.max", text, sizeof(text)) &&
	       strncmp(text, "max", 3) != 0;
}

bool groups_bind_memory(int cgroups)
{
	for (size_t i = 0; i < HIERARCHIES; i++)
		for (size_t j = 0; cgroups >= 0 && j < PLACES; j++) {
			char path[2 * GROUP_MAX];

			snprintf(path, sizeof(path), "%s/%s/memory.max", hierarchies[i], places[j].name);
			if (faccessat(cgroups, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				return true;
		}
	return false;
}

void groups_tidy(int cgroups)
{
	for (size_t i = 0; i < HIERARCHIES; i++) {
		cleanup_fd int hierarchy = openat(cgroups, hierarchies[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		cleanup_dir DIR *dir = hierarchy < 0 ? NULL : place_open(hierarchy, &places[OURS]);
		const struct dirent *entry;
		uint32_t uid;

		while (dir != NULL && (entry = readdir(dir)) != NULL)
			if (plain_uid(entry->d_name, &uid)) /* the kernel keeps those that are in use */
				(void)!unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
}
