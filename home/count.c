/* SPDX-License-Identifier: ISC */
/* The child of the broker that counts the content of an account's home. */
#include "home/count.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "home/internal.h"
#include "home/quota.h"
#include "home/subvolumes.h"

struct count_job {
	uint32_t uid;
	int home, userns;
	const struct count_limits *limits;
	struct home_count *result;
};

/* The kernel lists the subvolumes: nothing that belongs to the account is opened. */
static int join(const void *data, int home, uint64_t subvolume)
{
	const struct count_job *job = data;

	return quota_btrfs_join(home, job->uid, subvolume);
}

static int count_child(const void *argument)
{
	const struct count_job *job = argument;
	const int keep[] = { job->home, job->userns };
	struct rlimit files = { COUNT_DEPTH + 64, COUNT_DEPTH + 64 };

	(void)subvolumes_each(job->home, join, job); /* if quotas are off, there is nothing to join */
	if (job->limits->bytes == 0 && job->limits->files == 0)
		return 0;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 || home_keep_only(keep, 2) < 0 ||
	    home_ids_become(job->userns, job->uid) < 0 || child_bind() < 0)
		return 1;
	*job->result = tree_count(job->home, job->limits);
	return job->result->verdict == COUNT_NOT;
}

int home_count_start(const struct homes *homes, const struct account *account, const struct link_owner *owner,
		     const struct id_range *ranges, size_t count, const struct count_limits *limits,
		     struct home_count *result, int *pidfd)
{
	cleanup_fd int dir = home_account_open(homes, account);
	cleanup_fd int home = dir < 0 ? dir : home_directory_open(dir, account->uid);
	cleanup_fd int userns = home < 0 ? home : home_ids_namespace(homes, account->uid, owner, ranges, count);
	const struct count_job job = {
		.uid = account->uid, .home = home, .userns = userns, .limits = limits, .result = result
	};
	const struct child_job child = { .run = count_child, .argument = &job };
	pid_t pid;

	return userns < 0 ? userns : child_start(&child, &pid, pidfd);
}
