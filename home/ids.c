/* SPDX-License-Identifier: ISC */
/*
 * Becomes an account with all the ids that files in its home may have: its own, those of its ranges (containers), its
 * owner's. For children of the broker that empty or count a home.
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "account/id.h"
#include "confine/harden.h"
#include "confine/user_namespace.h"
#include "home/internal.h"

#define MAPS_MAX                                                                                                       \
	(PURGE_RANGES_MAX +                                                                                            \
	 4) /* the account, its owner, the common group, HOME_UNTOUCHED; some 100 fit into a uid_map */

/*
 * Instead of identity_become: the uid, with all
 * capabilities of a user namespace that maps it, its ranges and maybe its owner, and nothing else. They hold over files
 * of these ids alone. There is no way back: root is not mapped, so that setresuid(0) is EINVAL.
 */
int home_ids_become(int userns, uint32_t uid)
{
	uid_t r, e, s;

	if (setns(userns, CLONE_NEWUSER) != 0 || setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
	    setresuid(HOME_UNTOUCHED, uid, HOME_UNTOUCHED) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	if (getresuid(&r, &e, &s) != 0 || r != HOME_UNTOUCHED || e != uid || s != HOME_UNTOUCHED ||
	    setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0)
		return -EPERM;
	return 0;
}

int home_keep_only(const int *fds, size_t count)
{
	int keep[KEEP_MAX + 1];
	size_t kept = 0;

	for (int fd = 0; fd < 1024 && kept < KEEP_MAX; fd++)
		for (size_t i = 0; i < count; i++)
			if (fds[i] == fd)
				keep[kept++] = fd;
	keep[kept] = -1;
	return descriptors_keep(keep) < 0 ? -EBADF : 0;
}

/* Adds one more id, if anybody can have it and it is not mapped yet. */
static void map_add(struct id_map *maps, size_t *count, uint32_t id)
{
	for (size_t i = 0; i < *count; i++)
		if (id >= maps[i].inside && id - maps[i].inside < maps[i].count)
			return;
	if (id != 0 && !id_special(id))
		maps[(*count)++] = (struct id_map){ id, id, 1 };
}

/*
 * Capabilities hold over a file when both its uid and its gid are mapped. A file made in a directory that the account
 * gave to its supplementary group belongs to that group, whoever made it.
 */
int home_ids_namespace(const struct homes *homes, uint32_t uid, const struct link_owner *owner,
		       const struct id_range *ranges, size_t count)
{
	struct id_map uids[MAPS_MAX] = { { uid, uid, 1 } }, gids[MAPS_MAX];
	size_t uids_count = 1, gids_count;

	if (count > PURGE_RANGES_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		if (!id_range_valid(ranges[i].first, ranges[i].count) || ranges[i].first == 0)
			return -EINVAL;
		uids[uids_count++] = (struct id_map){ ranges[i].first, ranges[i].first, ranges[i].count };
	}
	memcpy(gids, uids, sizeof(gids));
	gids_count = uids_count;
	map_add(uids, &uids_count, HOME_UNTOUCHED);
	map_add(gids, &gids_count, homes->common_gid);
	if (owner != NULL) {
		map_add(uids, &uids_count, owner->uid);
		map_add(gids, &gids_count, owner->gid);
	}
	return user_namespace_open(uids, uids_count, gids, gids_count);
}
