/* SPDX-License-Identifier: ISC */
/*
 * Hides directories in the root of a session, and opens others in it all the same: the account's home and the
 * administrator's exceptions. Run by pam_subuid, as root.
 */
#include "pam/private_build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/snapshot.h"
#include "confine/cleanup.h"
#include "confine/path.h"

/* Where daemons would say who else is on the host, or is logged in. */
static const char *const telling[] = {
	"/run/systemd/userdb",
	"/run/systemd/users",
	"/run/systemd/sessions",
	"/run/nscd",
	"/run/nslcd",
	"/run/samba",
	"/var/lib/sss",
	"/var/lib/AccountsService",
	"/run/sudo",
	"/run/screen",
	"/var/lib/systemd/linger",
};

static bool beneath(const char *path, const char *directory)
{
	const size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* A directory that does not exist is not opened; nothing else is because of that. */
static int place_open(struct building *b, const char *path, int directory, uint64_t attributes, bool optional)
{
	cleanup_fd int fd = directory;
	struct place *place = &b->places[b->count];

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	place->tree = mount_copy(fd, "", AT_RECURSIVE, attributes);
	if (place->tree < 0)
		return place->tree;
	place->path = path;
	place->optional = optional;
	b->count++;
	return 0;
}

/* The administrator chose the path of the homes, and links in it; the account can change nothing of it. */
static int home_open(const struct building *b)
{
	return path_open_in_root(b->host, b->view->home, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/* The history of the home, where it has one, for keys that only read. The gates of other keys hold their programs to
 * the home; a login by su or cron reads it, and changes nothing either. */
static int snapshots_open(struct building *b)
{
	int r = snapshots_beside(b->view->home, b->snapshots, sizeof(b->snapshots));

	if (r < 0)
		return r;
	return place_open(b, b->snapshots, path_open_in_root(b->host, b->snapshots, O_PATH | O_DIRECTORY | O_NOFOLLOW),
			  MOUNT_PLAIN | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, true);
}

int places_open(struct building *b)
{
	const struct session_rules *rules = b->view->rules;
	const uint64_t attributes = MOUNT_PLAIN | (b->view->executes ? 0 : MOUNT_ATTR_NOEXEC);
	int r = place_open(b, b->view->home, home_open(b), attributes, false);

	snprintf(b->named, sizeof(b->named), "/home/%s", b->view->account->name);
	if (r == 0)
		r = place_open(b, b->named, home_open(b), attributes, true);
	if (r == 0)
		r = snapshots_open(b);
	for (unsigned i = 0; r == 0 && i < rules->bind_count; i++)
		r = place_open(b, rules->bind[i].path, path_open_trusted(rules->bind[i].path, O_PATH),
			       MOUNT_PLAIN | (rules->bind[i].writable ? 0 : MOUNT_ATTR_RDONLY), false);
	return r;
}

/* The directories of a path below one of the frame, to mount on. */
static int places_make(int directory, const char *path)
{
	cleanup_fd int at = fcntl(directory, F_DUPFD_CLOEXEC, 0);
	char name[NAME_MAX + 1];

	if (at < 0)
		return -errno;
	for (path += strspn(path, "/"); *path != '\0'; path += strspn(path, "/")) {
		const size_t length = strcspn(path, "/");
		int next;

		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		next = path_make_directory(at, name, 0755, 0);
		if (next < 0)
			return next;
		close(at);
		at = next;
		path += length;
	}
	return 0;
}

/* An empty directory in the place of this one, but for places to mount on. */
static int cover(struct building *b, const char *path)
{
	cleanup_fd int target = path_open_in_root(b->root, path, O_PATH | O_DIRECTORY), made = -1, tree = -1;
	char name[16];
	int r = 0;

	if (target < 0)
		return target == -ENOENT || target == -ENOTDIR ? 0 : target;
	snprintf(name, sizeof(name), "%u", b->covers++);
	made = path_make_directory(b->frame, name, 0755, 0);
	if (made < 0)
		return made;
	for (unsigned i = 0; r == 0 && i < b->count; i++)
		if (beneath(b->places[i].path, path))
			r = places_make(made, b->places[i].path + strlen(path));
	if (r < 0)
		return r;
	tree = mount_copy(b->frame, name, 0, READ_ONLY | MOUNT_ATTR_NOEXEC);
	return tree < 0 ? tree : mount_put(tree, target);
}

static bool hidden_already(const struct session_rules *rules, const char *path, unsigned but)
{
	for (unsigned i = 0; i < rules->hide_count; i++)
		if (i != but && beneath(path, rules->hide[i]) && (i < but || strcmp(path, rules->hide[i]) != 0))
			return true;
	return false;
}

int hide_all(struct building *b)
{
	const struct session_rules *rules = b->view->rules;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(telling) / sizeof(telling[0]); i++)
		r = cover(b, telling[i]);
	for (unsigned i = 0; r == 0 && i < rules->hide_count; i++)
		if (!hidden_already(rules, rules->hide[i], i))
			r = cover(b, rules->hide[i]);
	if (r == 0 && !hidden_already(rules, b->view->host->homes, UINT_MAX))
		r = cover(b, b->view->host->homes);
	return r;
}

/* The path leads through a mount of the host that the session does not have; the rest of it is covered. */
static int way_make(struct building *b, const char *path)
{
	char way[PATH_MAX];

	if ((size_t)snprintf(way, sizeof(way), "%s", path) >= sizeof(way))
		return -ENAMETOOLONG;
	for (;;) {
		int fd;

		*strrchr(way, '/') = '\0';
		if (way[0] == '\0')
			return -ENOENT;
		fd = path_open_in_root(b->root, way, O_PATH | O_DIRECTORY);
		if (fd >= 0)
			close(fd);
		if (fd != -ENOENT)
			return fd < 0 ? fd : cover(b, way);
	}
}

int places_put(struct building *b)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < b->count; i++) {
		const struct place *place = &b->places[i];
		int target = path_open_in_root(b->root, place->path, O_PATH | O_DIRECTORY);

		if (target == -ENOENT && place->optional)
			continue;
		if (target == -ENOENT) {
			r = way_make(b, place->path);
			target = r < 0 ? r : path_open_in_root(b->root, place->path, O_PATH | O_DIRECTORY);
		}
		r = put_and_close(place->tree, target);
	}
	return r;
}
