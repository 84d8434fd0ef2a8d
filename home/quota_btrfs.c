/* SPDX-License-Identifier: ISC */
/*
 * Quota groups of btrfs. A limit of the home's own group (0/<subvolume>) does not cover subvolumes that containers make
 * below it, so the limit is set on the group 1/<uid>, of which all of them are members. With simple quotas (Linux 6.7)
 * a new subvolume joins the groups of the one that it is made in; before that, it joins when the account is next
 * counted (count.c).
 */
#include "home/quota.h"

#include <btrfsutil.h>
#include <endian.h>
#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>

#include "home/internal.h"

#define LEVEL_SHIFT 48
#define MEMBERS_MAX 4096

static uint64_t group_of(uint32_t uid)
{
	return (UINT64_C(1) << LEVEL_SHIFT) | uid;
}

/* ENOTCONN: not switched on. */
static int none_here(int r)
{
	return r == -ENOTCONN || r == -ENOENT || r == -EINVAL || r == -ENOTTY ? -EOPNOTSUPP : r;
}

static int group_call(int fd, unsigned long request, void *argument)
{
	int r = ioctl(fd, request, argument);

	return r < 0 ? none_here(-errno) : r;
}

static int group_make(int fd, uint64_t group, bool make)
{
	struct btrfs_ioctl_qgroup_create_args args = { .create = make, .qgroupid = group };
	int r = group_call(fd, BTRFS_IOC_QGROUP_CREATE, &args);

	return r == -EEXIST ? 0 : r;
}

/* A limit of all ones means no limit. */
static int group_limit(int fd, uint64_t group, uint64_t bytes)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.qgroupid = group,
		.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
		.lim.max_rfer = bytes == 0 ? UINT64_MAX : bytes,
	};

	return group_call(fd, BTRFS_IOC_QGROUP_LIMIT, &args);
}

static int member_set(int fd, uint64_t member, uint64_t group, bool assign)
{
	struct btrfs_ioctl_qgroup_assign_args args = { .assign = assign, .src = member, .dst = group };
	int r = group_call(fd, BTRFS_IOC_QGROUP_ASSIGN, &args);

	if (r > 0) { /* extents shared with others have to be counted again: the kernel does it in the background */
		struct btrfs_ioctl_quota_rescan_args rescan = { 0 };

		(void)ioctl(fd, BTRFS_IOC_QUOTA_RESCAN, &rescan);
	}
	return r == -EEXIST || r > 0 ? 0 : r;
}

/* The first member of the group after `after`; 0, -ENOENT, or another negative errno. */
static int member_next(int fd, uint64_t group, uint64_t after, uint64_t *member)
{
	struct btrfs_ioctl_search_args args = { .key = {
							.tree_id = BTRFS_QUOTA_TREE_OBJECTID,
							.min_objectid = group,
							.max_objectid = group,
							.min_type = BTRFS_QGROUP_RELATION_KEY,
							.max_type = BTRFS_QGROUP_RELATION_KEY,
							.min_offset = after + 1,
							.max_offset = UINT64_MAX,
							.max_transid = UINT64_MAX,
							.nr_items = 1,
						} };
	struct btrfs_ioctl_search_header head;

	if (ioctl(fd, BTRFS_IOC_TREE_SEARCH, &args) != 0)
		return -errno;
	if (args.key.nr_items == 0)
		return -ENOENT;
	memcpy(&head, args.buf, sizeof(head));
	*member = head.offset;
	return 0;
}

int quota_btrfs_join(int fd, uint32_t uid, uint64_t subvolume)
{
	return member_set(fd, subvolume, group_of(uid), true);
}

static int subvolume_id(int home, uint64_t *id)
{
	if (!home_is_subvolume(home))
		return -EOPNOTSUPP;
	errno = 0;
	return btrfs_util_subvolume_id_fd(home, id) == BTRFS_UTIL_OK ? 0 : errno != 0 ? -errno : -EIO;
}

int quota_btrfs_set(int home, uint32_t uid, const struct limits *limits)
{
	uint64_t id = 0;
	int r = subvolume_id(home, &id);

	if (r == 0 && limits->bytes != 0) {
		r = group_make(home, group_of(uid), true);
		if (r == 0)
			r = quota_btrfs_join(home, uid, id);
	}
	if (r == 0)
		r = group_limit(home, group_of(uid), limits->bytes);
	if (r == 0) /* from an earlier version of this program, which had only that one */
		(void)group_limit(home, id, 0);
	return r;
}

enum account_keeper quota_btrfs_keeper(int home, uint32_t uid)
{
	uint64_t id = 0, member = 0;

	return subvolume_id(home, &id) == 0 && member_next(home, group_of(uid), id - 1, &member) == 0 && member == id ?
		       KEPT_BY_DISK :
		       KEPT_METERED;
}

int quota_btrfs_used(int home, uint32_t uid, uint64_t *bytes)
{
	struct btrfs_ioctl_search_args args = { .key = {
							.tree_id = BTRFS_QUOTA_TREE_OBJECTID,
							.min_type = BTRFS_QGROUP_INFO_KEY,
							.max_type = BTRFS_QGROUP_INFO_KEY,
							.min_offset = group_of(uid),
							.max_offset = group_of(uid),
							.max_transid = UINT64_MAX,
							.nr_items = 1,
						} };
	struct btrfs_ioctl_search_header head;
	struct btrfs_qgroup_info_item info;

	if (ioctl(home, BTRFS_IOC_TREE_SEARCH, &args) != 0)
		return -errno;
	memcpy(&head, args.buf, sizeof(head));
	if (args.key.nr_items == 0 || head.len < sizeof(info))
		return -ENOENT;
	memcpy(&info, args.buf + sizeof(head), sizeof(info));
	*bytes = le64toh(info.rfer);
	return 0;
}

void quota_btrfs_lift(int homes_fd, uint32_t uid)
{
	(void)group_limit(homes_fd, group_of(uid), 0);
}

/* In kernels before 6.12 the groups of deleted subvolumes stay behind, and would keep this one; in later kernels they
 * disappear by themselves, but only once the kernel has emptied them. */
void quota_btrfs_clear(int homes_fd, uint32_t uid)
{
	const uint64_t group = group_of(uid);
	uint64_t member = 0;

	for (int i = 0; i < MEMBERS_MAX && member_next(homes_fd, group, 0, &member) == 0 && member < group; i++) {
		if (member_set(homes_fd, member, group, false) < 0)
			break;
		(void)group_make(homes_fd, member, false);
	}
	(void)group_make(homes_fd, group, false);
}
