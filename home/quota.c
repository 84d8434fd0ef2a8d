/* SPDX-License-Identifier: ISC */
/* Limits of bytes and files (inodes) of an account: sets them on its file system, and finds out whether that enforces
 * them. */
#include "home/quota.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "account/fields.h"
#include "confine/cleanup.h"
#include "home/internal.h"

/* 1, 0, or negative errno. */
static int on_btrfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) != 0 ? -errno : fs.f_type == (__typeof__(fs.f_type))BTRFS_SUPER_MAGIC;
}

static struct limits limits_of(const struct homes *homes, const struct account *account)
{
	return (struct limits){ .bytes = account->facts.quota,
				.files = account_files_limit(account, homes->files_per_size) };
}

/* `home` itself, whatever disk an administrator has mounted there. */
static int open_home(const struct homes *homes, const struct account *account)
{
	cleanup_fd int dir = home_account_open(homes, account);

	return dir < 0 ? dir : home_directory_open(dir, account->uid);
}

static struct home_kept kept_on(int home, const struct account *account, const struct limits *limits, bool btrfs)
{
	enum account_keeper bytes =
		btrfs ? quota_btrfs_keeper(home, account->uid) : quota_disk_keeper(home, account->uid);
	enum account_keeper files = btrfs ? KEPT_METERED : bytes;
	struct limits used = { USED_UNKNOWN, USED_UNKNOWN };

	if (btrfs && bytes == KEPT_BY_DISK)
		(void)quota_btrfs_used(home, account->uid, &used.bytes);
	else if (!btrfs)
		(void)quota_disk_used(home, account->uid, bytes, &used);
	return (struct home_kept){ .bytes = limits->bytes != 0 ? bytes : KEPT_NONE,
				   .files = limits->files != 0 ? files : KEPT_NONE,
				   .bytes_used = used.bytes,
				   .files_used = used.files };
}

int home_quota_set(const struct homes *homes, const struct account *account, struct home_kept *kept)
{
	const struct limits limits = limits_of(homes, account);
	cleanup_fd int home = open_home(homes, account);
	int r = home < 0 ? home : on_btrfs(home);
	bool btrfs = r == 1;

	if (r < 0)
		return r;
	r = btrfs ? quota_btrfs_set(home, account->uid, &limits) : quota_disk_set(home, account->uid, &limits);
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	*kept = kept_on(home, account, &limits, btrfs);
	return 0;
}

int home_quota_look(const struct homes *homes, const struct account *account, struct home_kept *kept)
{
	const struct limits limits = limits_of(homes, account);
	cleanup_fd int home = -1;
	int r;

	if (limits.bytes == 0 && limits.files == 0) {
		*kept = (struct home_kept){ KEPT_NONE, KEPT_NONE, USED_UNKNOWN, USED_UNKNOWN };
		return 0;
	}
	home = open_home(homes, account);
	r = home < 0 ? home : on_btrfs(home);
	if (r >= 0)
		*kept = kept_on(home, account, &limits, r == 1);
	return r < 0 ? r : 0;
}

void home_quota_forget(const struct homes *homes, uint32_t uid)
{
	if (homes->subvolumes)
		quota_btrfs_clear(homes->fd, uid);
	else
		quota_disk_clear(homes->fd, uid);
}
