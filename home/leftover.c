/* SPDX-License-Identifier: ISC */
/*
 * Leftovers below the homes, of accounts that do not exist. Run by the broker (root) for a repair that root asked for.
 * Root's directories are removed by rmdir(2) if they are empty; anything else is at most moved.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/view.h"
#include "home/internal.h"

/* A directory below the homes, its parent directory, and its name there. */
struct place {
	int parent, dir;
	char name[LABEL_MAX + OWNER_MAX + 2];
};

static void place_close(struct place *place)
{
	cleanup_fd int parent = place->parent, dir = place->dir;

	(void)parent;
	(void)dir;
}
#define cleanup_place __attribute__((cleanup(place_close)))

static int roots_directory(int fd)
{
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	return home_roots_directory(&st) ? 0 : -EPERM;
}

static int owner_valid(const char *owner)
{
	return owner[0] == '\0' || owner[0] == '.' || strchr(owner, '/') != NULL ? -EINVAL : 0;
}

/* An account directory that is not this uid's is -ESTALE. */
static int place_open(const struct homes *homes, const struct account *account, enum home_place at, struct place *place)
{
	struct uid_name uid = home_uid_name(account->uid);
	const char *above = at == HOME_AT_MAKING ? HOME_MAKING : at == HOME_AT_REMOVED ? HOME_REMOVED : account->owner;
	struct stat st;
	const char *name = at == HOME_AT_LABEL ? account->label : at == HOME_AT_OWNER ? account->owner : uid.text;
	int r = at == HOME_AT_LABEL ? home_account_valid(account) :
		at == HOME_AT_OWNER ? owner_valid(account->owner) :
				      0;

	if (r < 0)
		return r;
	memcpy(place->name, name, strlen(name) + 1);
	place->parent = path_open_beneath(homes->fd, at == HOME_AT_OWNER ? "." : above, O_RDONLY | O_DIRECTORY, 0);
	r = roots_directory(place->parent);
	if (r < 0)
		return r;
	place->dir = path_open_beneath(place->parent, name, O_RDONLY | O_DIRECTORY, 0);
	r = roots_directory(place->dir);
	if (r == 0 && at == HOME_AT_LABEL && (fstat(place->dir, &st) != 0 || st.st_gid != account->uid))
		return -ESTALE;
	return r;
}

/* 1: the account directory has data in it, whoever owns its `home`. */
static int holds_data(int dir)
{
	cleanup_fd int home = home_inside_open(dir);
	int r;

	if (home == -ENOENT)
		return 0;
	if (home < 0)
		return home == -ENOTDIR || home == -ELOOP || home == -EXDEV ? 1 : home;
	r = home_directory_empty(home);
	return r < 0 ? r : !r;
}

int home_leftover_empty(const struct homes *homes, const struct account *account, enum home_place at)
{
	cleanup_place struct place place = { -1, -1, "" };
	int r = place_open(homes, account, at, &place);

	if (r < 0)
		return r;
	if (at == HOME_AT_OWNER) {
		r = home_directory_empty(place.dir);
		return r < 0 ? r : r == 1 ? 0 : -ENOTEMPTY;
	}
	r = holds_data(place.dir);
	return r == 1 ? -ENOTEMPTY : r;
}

int home_leftover_owner(const struct homes *homes, const struct account *account, enum home_place at,
			uint32_t *owner_uid)
{
	cleanup_place struct place place = { -1, -1, "" };
	int r = place_open(homes, account, at, &place);
	uint32_t found = r < 0 ? 0 : home_acl_owner(place.dir);

	if (r == 0 && found != 0)
		*owner_uid = found;
	return r == 0 && found == 0 ? -ENODATA : r;
}

int home_leftover_remove(const struct homes *homes, const struct account *account, enum home_place at)
{
	cleanup_place struct place place = { -1, -1, "" };
	int r = place_open(homes, account, at, &place);

	if (r < 0)
		return r;
	if (at != HOME_AT_OWNER)
		r = home_dismantle(place.parent, place.name, place.dir);
	else if (unlinkat(place.parent, place.name, AT_REMOVEDIR) != 0 || fsync(place.parent) != 0)
		r = -errno;
	if (r == 0 && at == HOME_AT_LABEL)
		unlinkat(homes->fd, account->owner,
			 AT_REMOVEDIR); /* the owner's directory is removed with the last one */
	return r == -EEXIST ? -ENOTEMPTY : r;
}

int home_leftover_set_aside(const struct homes *homes, const struct account *account, enum home_place at)
{
	struct uid_name uid = home_uid_name(account->uid);
	cleanup_place struct place place = { -1, -1, "" };
	cleanup_fd int removed = -1;
	int r = place_open(homes, account, at, &place);

	if (r < 0 || at == HOME_AT_REMOVED)
		return r;
	if (at == HOME_AT_OWNER)
		return -EINVAL;
	removed = path_make_directory(homes->fd, HOME_REMOVED, 0700, 0);
	if (removed < 0)
		return removed;
	r = view_unmount(place.dir, "view");
	if (r == 0)
		r = home_move(place.parent, place.name, removed, uid.text);
	if (r == 0 && (fsync(removed) != 0 || fsync(place.parent) != 0))
		r = -errno;
	if (r == 0 && at == HOME_AT_LABEL)
		unlinkat(homes->fd, account->owner, AT_REMOVEDIR);
	return r;
}
