/* SPDX-License-Identifier: ISC */
/*
 * Looks at what exists before an account is made: whether it can be taken up and, if not, to whom it belongs. Run by
 * the broker (root) for a change and for a dry run alike, by descriptor; nothing is followed, nothing is changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "confine/view.h"
#include "home/internal.h"

/* Where it is, for the message. */
struct place {
	char path[200];
	const struct account *account;
	struct home_look *look;
	bool known;
};

static __attribute__((format(printf, 3, 4))) int found(const struct place *place, enum home_there there,
						       const char *format, ...)
{
	va_list arguments;
	char what[128];

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	place->look->there = there;
	snprintf(place->look->why, sizeof(place->look->why), "%.127s %.127s", place->path, what);
	return 0;
}

static int not_ours(const struct place *place)
{
	return found(place, HOME_STRANGE, "exists, and is not an account directory that only root can write");
}

static bool strange(int error)
{
	return error == -EPERM || error == -ENOTDIR || error == -ELOOP;
}

/* An empty `home` that belongs to root is one that a crash left before it was given away. */
static int home_in_it(const struct place *place, int dir)
{
	cleanup_fd int fd = home_inside_open(dir);
	struct stat st;

	if (fd == -ENOENT)
		return 0;
	if (fd == -EXDEV)
		return found(place, HOME_STRANGE, "exists, and something is mounted over its home");
	if (strange(fd))
		return found(place, HOME_STRANGE, "exists, and its home is not a directory");
	if (fd < 0 || fstat(fd, &st) != 0)
		return fd < 0 ? fd : -errno;
	if (st.st_uid == place->account->uid || (st.st_uid == 0 && home_directory_empty(fd) == 1))
		return 0;
	return found(place, HOME_STRANGE, "exists, and the home in it belongs to uid %u", (unsigned)st.st_uid);
}

static int view_in_it(const struct place *place, int dir)
{
	struct stat st;
	int r = home_view_look(dir, &st);

	if (r == 1)
		place->look->flags |= ACCOUNT_VIEW_THERE;
	if (r != 0)
		return r == 1 || r == -ENOENT ? 0 : r;
	if (S_ISDIR(st.st_mode) && st.st_uid == 0 && (st.st_mode & 07777) == 0)
		return 0;
	return found(place, HOME_STRANGE, "exists, and the view in it is not a directory of root with mode 0000");
}

/* An account directory of this uid, wherever it is: whether it can be taken up. */
static int account_directory(const struct place *place, int dir, enum home_there there)
{
	uid_t owner = home_acl_owner(dir);
	int r;

	place->look->there = there;
	if (owner != 0 && owner != place->account->owner_uid && !(place->known && there == HOME_ASIDE))
		return found(place, HOME_OTHER_OWNER, "exists, and was made for an owner with uid %u, not %u",
			     (unsigned)owner, place->account->owner_uid);
	r = home_in_it(place, dir);
	if (r == 0 && place->look->there == there)
		r = view_in_it(place, dir);
	return r;
}

static int in_its_place(const struct homes *homes, struct place *place, int owner_dir)
{
	const struct account *account = place->account;
	cleanup_fd int dir = path_open_beneath(owner_dir, account->label, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	snprintf(place->path, sizeof(place->path), "%s/%s/%s", homes->path, account->owner, account->label);
	if (dir == -ENOENT)
		return 0;
	if (strange(dir))
		return not_ours(place);
	if (dir < 0 || fstat(dir, &st) != 0)
		return dir < 0 ? dir : -errno;
	if (!home_roots_directory(&st) || st.st_gid == 0)
		return not_ours(place);
	if (st.st_gid == account->uid) {
		place->look->flags |= ACCOUNT_HOME_THERE;
		return account_directory(place, dir, HOME_HIS);
	}
	place->look->uid = st.st_gid;
	return account->uid == 0 ?
		       found(place, HOME_OTHERS, "exists already, and belongs to uid %u", (unsigned)st.st_gid) :
		       found(place, HOME_OTHERS, "exists already, and belongs to uid %u, not %u", (unsigned)st.st_gid,
			     account->uid);
}

/* Appended to the message about what is in its place, which comes first. */
static int set_aside(const struct homes *homes, struct place *place)
{
	uint32_t uid = place->account->uid;
	cleanup_fd int parent = -1, dir = home_aside_open(homes, uid, &parent);

	if (dir == -ENOENT || home_look_conflict(place->look->there))
		return 0;
	snprintf(place->path, sizeof(place->path), "%s/%s/%u", homes->path, HOME_REMOVED, uid);
	if (strange(dir))
		return not_ours(place);
	if (dir < 0)
		return dir;
	if (place->look->there == HOME_HIS)
		return found(place, HOME_TWICE, "holds data of uid %u as well as %s/%s", uid, place->account->owner,
			     place->account->label);
	place->look->flags |= ACCOUNT_ASIDE_THERE;
	return account_directory(place, dir, HOME_ASIDE);
}

/* A directory that was being made when the host went down is empty, and would be used; anything else is not ours. */
static int half_made(const struct homes *homes, struct place *place)
{
	struct uid_name name = home_uid_name(place->account->uid);
	cleanup_fd int making = path_open_beneath(homes->fd, HOME_MAKING, O_RDONLY | O_DIRECTORY, 0);
	cleanup_fd int dir = making < 0 ? making : path_open_beneath(making, name.text, O_RDONLY | O_DIRECTORY, 0);
	cleanup_fd int home = dir < 0 ? dir : home_inside_open(dir);

	if (home == -ENOENT || home_look_conflict(place->look->there))
		return 0;
	snprintf(place->path, sizeof(place->path), "%s/%s/%s", homes->path, HOME_MAKING, name.text);
	if (strange(dir) || strange(home) || home == -EXDEV)
		return not_ours(place);
	if (home < 0)
		return home;
	return home_directory_empty(home) != 0 ? 0 : found(place, HOME_STRANGE, "exists, and contains data");
}

bool home_look_conflict(enum home_there there)
{
	return there != HOME_FREE && there != HOME_HIS && there != HOME_ASIDE;
}

int home_look(const struct homes *homes, const struct account *account, bool known, struct home_look *look)
{
	struct home_look result = { .there = HOME_FREE };
	struct place place = { .account = account, .look = &result, .known = known };
	struct account valid = *account;
	cleanup_fd int owner = -1;
	int r = 0;

	valid.uid = account->uid != 0 ? account->uid : 1;
	owner = home_owner_open(homes, &valid);
	if (owner >= 0) {
		result.flags |= ACCOUNT_OWNER_THERE;
		r = in_its_place(homes, &place, owner);
	} else if (strange(owner)) {
		snprintf(place.path, sizeof(place.path), "%s/%s", homes->path, account->owner);
		r = found(&place, HOME_STRANGE, "exists, and is not a directory that only root can write");
	} else if (owner != -ENOENT) {
		return owner;
	}
	if (r == 0 && account->uid != 0)
		r = set_aside(homes, &place);
	if (r == 0 && account->uid != 0 && result.there != HOME_HIS)
		r = half_made(homes, &place);
	if (r == 0)
		*look = result;
	return r;
}
