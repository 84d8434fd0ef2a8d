/* SPDX-License-Identifier: ISC */
/* Disk quota: of the subvolume on btrfs, of the uid elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subuidd/home/internal.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443 /* Linux 5.14, the same on every architecture */
#endif

#define QUOTA_BLOCK 1024u /* of struct if_dqblk */

/* qgroupid 0 is the subvolume of the descriptor; a limit of all ones is none. */
static int subvolume_limit(int home, uint64_t bytes)
{
	struct btrfs_ioctl_qgroup_limit_args args = {
		.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
		.lim.max_rfer = bytes == 0 ? UINT64_MAX : bytes,
	};

	if (!home_is_subvolume(home))
		return -EOPNOTSUPP;
	if (ioctl(home, BTRFS_IOC_QGROUP_LIMIT, &args) == 0)
		return 0;
	return errno == ENOTCONN || errno == ENOENT || errno == EINVAL || errno == ENOTTY ? -EOPNOTSUPP : -errno;
}

static int user_limit(int home, uint32_t uid, uint64_t bytes)
{
	struct if_dqblk limit = {
		.dqb_bhardlimit = bytes / QUOTA_BLOCK + (bytes % QUOTA_BLOCK != 0),
		.dqb_valid = QIF_BLIMITS,
	};

	if (syscall(SYS_quotactl_fd, home, QCMD((unsigned)Q_SETQUOTA, USRQUOTA), uid, &limit) == 0)
		return 0;
	/* ESRCH: not switched on; the others: the kernel or the file system has none */
	return errno == ESRCH || errno == ENOSYS || errno == EINVAL || errno == ENODEV || errno == ENOTBLK
		       ? -EOPNOTSUPP
		       : -errno;
}

int home_quota_set(const struct homes *homes, const struct account *account)
{
	cleanup_fd int dir = home_account_open(homes, account);
	cleanup_fd int home = -1;
	struct statfs fs;
	int r;

	if (dir < 0)
		return dir;
	home = home_directory_open(dir, account->uid);
	if (home < 0)
		return home;
	if (fstatfs(home, &fs) != 0)
		return -errno;
	r = fs.f_type == (__typeof__(fs.f_type))BTRFS_SUPER_MAGIC ? subvolume_limit(home, account->facts.quota)
								  : user_limit(home, account->uid, account->facts.quota);
	/* no limit is wanted and none can be there */
	return r == -EOPNOTSUPP && account->facts.quota == 0 ? 0 : r;
}
