/* SPDX-License-Identifier: ISC */
/*
 * Quotas of the uid and of the project, by quotactl_fd(2): ext4 and xfs. A new account directory gets the project
 * when it is made, while it belongs to root and is empty, whether or not the file system counts: files made in it later
 * inherit the project, and quotas that are switched on another day find it there.
 */
#include "home/quota.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443 /* Linux 5.14, the same on every architecture */
#endif

#define QUOTA_BLOCK 1024u /* of struct if_dqblk */

static int quota_call(int fd, unsigned command, unsigned type, uint32_t id, void *argument)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, type), id, argument) == 0 ? 0 : -errno;
}

/* FS_QUOTA_*: the quotas that are counted and enforced. */
static unsigned quota_state(int fd)
{
	struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };

	return quota_call(fd, Q_XGETQSTATV, USRQUOTA, 0, &state) == 0 ? state.qs_flags : 0;
}

/* ESRCH: not switched on; the others: the kernel or the file system has none. */
static int none_here(int r)
{
	return r == -ESRCH || r == -ENOSYS || r == -EINVAL || r == -ENODEV || r == -ENOTBLK ? -EOPNOTSUPP : r;
}

static int limit_set(int fd, unsigned type, uint32_t id, const struct limits *limits)
{
	struct if_dqblk limit = {
		.dqb_bhardlimit = limits->bytes / QUOTA_BLOCK + (limits->bytes % QUOTA_BLOCK != 0),
		.dqb_ihardlimit = limits->files,
		.dqb_valid = QIF_LIMITS,
	};

	return none_here(quota_call(fd, Q_SETQUOTA, type, id, &limit));
}

void quota_disk_tag(int dir, uint32_t uid)
{
	struct fsxattr attributes;

	/* A directory with another project is in a tree that an administrator counts: it keeps that project. */
	if (ioctl(dir, FS_IOC_FSGETXATTR, &attributes) != 0 || attributes.fsx_projid != 0)
		return;
	attributes.fsx_projid = uid;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	(void)ioctl(dir, FS_IOC_FSSETXATTR, &attributes);
}

static bool tagged(int home, uint32_t uid)
{
	struct fsxattr attributes;

	return ioctl(home, FS_IOC_FSGETXATTR, &attributes) == 0 && attributes.fsx_projid == uid &&
	       (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT) != 0;
}

int quota_disk_set(int home, uint32_t uid, const struct limits *limits)
{
	int user = limit_set(home, USRQUOTA, uid, limits);
	int project = tagged(home, uid) ? limit_set(home, PRJQUOTA, uid, limits) : -EOPNOTSUPP;

	if (user < 0 && user != -EOPNOTSUPP)
		return user;
	return project == -EOPNOTSUPP ? user : project;
}

enum account_keeper quota_disk_keeper(int home, uint32_t uid)
{
	unsigned state = quota_state(home);

	if ((state & FS_QUOTA_PDQ_ENFD) != 0 && tagged(home, uid))
		return KEPT_BY_DISK;
	return (state & FS_QUOTA_UDQ_ENFD) != 0 ? KEPT_FOR_UID : KEPT_METERED;
}

int quota_disk_used(int home, uint32_t uid, enum account_keeper keeper, struct limits *used)
{
	struct if_dqblk quota = { 0 };
	int r;

	if (keeper != KEPT_BY_DISK && keeper != KEPT_FOR_UID)
		return -EOPNOTSUPP;
	r = quota_call(home, Q_GETQUOTA, keeper == KEPT_BY_DISK ? PRJQUOTA : USRQUOTA, uid, &quota);
	if (r == 0)
		*used = (struct limits){ .bytes = quota.dqb_curspace, .files = quota.dqb_curinodes };
	return none_here(r);
}

/* The uid is never given out again: its counters disappear with the last file, once it has no limit. */
void quota_disk_clear(int homes_fd, uint32_t uid)
{
	const struct limits none = { 0, 0 };

	(void)limit_set(homes_fd, USRQUOTA, uid, &none);
	(void)limit_set(homes_fd, PRJQUOTA, uid, &none);
}
