/* SPDX-License-Identifier: ISC */
/*
 * Visits everything below the homes. Owners' and account directories belong to root, so their content does not change
 * during the visit; of the part that an account can change (`home`) only the first names are read.
 */
#include "home/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "account/id.h"
#include "account/name.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "home/internal.h"

struct walk {
	disk_visitor visit;
	void *data;
	bool names;       /* no more names than these */
	disk_known known; /* NULL: none is */
};

/* One directory below the homes, and the kind of its entries. */
struct place {
	int fd;
	const char *name;
	enum disk_kind kind; /* of a good entry in it */
	bool accounts;       /* it had one */
};

/* Entries that this program or the file system keeps there, and that are not user data. */
static bool name_ours(const char *directory, const char *name)
{
	static const struct {
		const char *directory, *name;
	} ours[] = {
		{ "", ".high-water" },    { "", ".high-water.new" },     { "", "lost+found" },
		{ HOME_MAKING, "probe" }, { HOME_MAKING, "probe.view" },
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(directory, ours[i].directory) == 0 && strcmp(name, ours[i].name) == 0)
			return true;
	return false;
}

static void text_cut(char *to, size_t size, const char *from)
{
	size_t length = strnlen(from, size - 1);

	memcpy(to, from, length);
	to[length] = '\0';
}

static int visit_other(const struct walk *walk, const char *directory, const char *name)
{
	struct disk_entry entry = { .kind = DISK_OTHER };

	text_cut(entry.owner, sizeof(entry.owner), directory[0] != '\0' ? directory : name);
	if (directory[0] != '\0')
		text_cut(entry.label, sizeof(entry.label), name);
	return walk->visit(walk->data, &entry);
}

/* The next name, NULL at the end or when it cannot be read (*error). */
static const char *name_next(DIR *dir, int *error)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	*error = entry == NULL ? -errno : 0;
	return entry == NULL ? NULL : entry->d_name;
}

/* A descriptor of its own, so that the caller's keeps its position. */
static int directory_read(int dirfd, DIR **ret)
{
	cleanup_fd int fd = path_open_same_mount(dirfd, ".", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		return fd < 0 ? fd : -errno;
	steal_fd(&fd);
	*ret = dir;
	return 0;
}

/* A mount point is a directory, whatever is mounted there: it is not asked. */
static bool directory_there(int dirfd, const char *name)
{
	cleanup_fd int fd = path_open_same_mount(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);

	return fd >= 0 || fd == -EXDEV;
}

static bool home_has_data(int dirfd)
{
	cleanup_fd int fd = path_open_same_mount(dirfd, "home", O_RDONLY | O_DIRECTORY);

	return fd != -ENOENT && (fd < 0 || home_directory_empty(fd) != 1);
}

/* The content of an account directory. 0 or negative errno. */
static int account_look(int account_dir, struct disk_entry *entry)
{
	cleanup_fd int fd = path_open_same_mount(account_dir, ".", O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return fd;
	entry->owner_uid = home_acl_owner(fd);
	entry->home = directory_there(fd, "home");
	entry->view = directory_there(fd, "view");
	entry->data = home_has_data(fd);
	return 0;
}

/* Reads name and kind of one entry of a place. False: it is not ours. */
static bool entry_fill(const struct place *place, const char *name, const struct stat *st, struct disk_entry *entry)
{
	bool account = place->kind == DISK_ACCOUNT;

	*entry = (struct disk_entry){ .kind = place->kind };
	if (!home_roots_directory(st))
		return false;
	if (!account)
		return id_parse(name, &entry->uid) == 0;
	if (!label_valid(name))
		return false;
	entry->uid = st->st_gid;
	text_cut(entry->owner, sizeof(entry->owner), place->name);
	text_cut(entry->label, sizeof(entry->label), name);
	return true;
}

static int entry_visit(const struct walk *walk, struct place *place, const char *name)
{
	cleanup_fd int fd = path_open_same_mount(place->fd, name, O_PATH | O_NOFOLLOW);
	struct disk_entry entry;
	struct stat st;
	int r = 0;

	if (fd == -ENOENT)
		return 0;
	if (fd == -EXDEV || fd == -ELOOP)
		return visit_other(walk, place->name, name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	if (!entry_fill(place, name, &st, &entry))
		return name_ours(place->name, name) ? 0 : visit_other(walk, place->name, name);
	if (walk->known != NULL && walk->known(walk->data, &entry)) {
		place->accounts = true;
		return 0;
	}
	if (!walk->names)
		r = account_look(fd, &entry);
	if (r == -ENOENT)
		return 0;
	place->accounts = true;
	return r < 0 ? r : walk->visit(walk->data, &entry);
}

static int place_walk(const struct walk *walk, struct place *place)
{
	cleanup_dir DIR *dir = NULL;
	const char *name;
	int r = directory_read(place->fd, &dir);

	while (r == 0 && (name = name_next(dir, &r)) != NULL)
		r = entry_visit(walk, place, name);
	return r;
}

static int owner_walk(const struct walk *walk, struct place *place)
{
	struct disk_entry entry = { .kind = DISK_OWNER_EMPTY };
	int r = place_walk(walk, place);

	if (r != 0 || place->accounts)
		return r;
	text_cut(entry.owner, sizeof(entry.owner), place->name);
	return walk->visit(walk->data, &entry);
}

/* One entry of <homes>. */
static int top_visit(const struct walk *walk, int homes_fd, const char *name)
{
	bool removed = strcmp(name, HOME_REMOVED) == 0, making = strcmp(name, HOME_MAKING) == 0;
	bool owner = owner_name_valid(name, SEPARATOR_DEFAULT);
	cleanup_fd int fd = path_open_same_mount(homes_fd, name, O_RDONLY | O_DIRECTORY);
	struct place place = { .fd = fd, .name = name, .kind = removed ? DISK_REMOVED : DISK_MAKING };
	struct stat st;

	if (fd == -ENOENT || name_ours("", name))
		return 0;
	if (fd < 0 && fd != -ENOTDIR && fd != -ELOOP && fd != -EXDEV && fd != -ENXIO)
		return fd;
	if (fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	if (fd < 0 || !home_roots_directory(&st) || !(removed || making || owner))
		return visit_other(walk, "", name);
	if (removed || making)
		return place_walk(walk, &place);
	place.kind = DISK_ACCOUNT;
	return owner_walk(walk, &place);
}

static int homes_walk(const struct homes *homes, const struct walk *walk)
{
	cleanup_dir DIR *dir = NULL;
	const char *name;
	int r = directory_read(homes->fd, &dir);

	while (r == 0 && (name = name_next(dir, &r)) != NULL)
		r = top_visit(walk, homes->fd, name);
	return r;
}

int home_walk(const struct homes *homes, disk_visitor visit, void *data)
{
	return homes_walk(homes, &(struct walk){ .visit = visit, .data = data });
}

int home_walk_names(const struct homes *homes, disk_visitor visit, void *data)
{
	return homes_walk(homes, &(struct walk){ .visit = visit, .data = data, .names = true });
}

int home_walk_unknown(const struct homes *homes, disk_known known, disk_visitor visit, void *data)
{
	return homes_walk(homes, &(struct walk){ .visit = visit, .known = known, .data = data });
}
