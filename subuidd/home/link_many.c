/* SPDX-License-Identifier: ISC */
/*
 * The links of many accounts of one owner, by one child that has become the owner (link.c): it looks at all of them, waits
 * for a word, and makes those that are wanted. A dry run says no word. Run by the broker, and by that child.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "subuidd/home/internal.h"

struct links_job {
	const struct homes *homes;
	const struct link_owner *owner;
	const struct account *const *accounts;
	size_t count;
	unsigned char *looks, *results; /* shared with the broker */
	int channel;
};

static void links_look(const struct links_job *job, struct link_job *one, int home, enum link_result result)
{
	for (size_t i = 0; i < job->count; i++) {
		link_job_texts(one, job->homes, job->accounts[i]);
		job->looks[i] = result == LINK_OK ? link_look(one, home) : (unsigned char)result;
	}
}

/* None is reported as made before all are synced. */
static enum link_result links_make(const struct links_job *job, struct link_job *one, int home, unsigned char *made)
{
	bool there = faccessat(home, one->directory, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	cleanup_fd int dir = path_make_directory(home, one->directory, 0700, job->owner->uid);

	if (dir < 0)
		return LINK_DIRECTORY;
	for (size_t i = 0; i < job->count; i++) {
		if (job->results[i] != LINK_WANTED)
			continue;
		link_job_texts(one, job->homes, job->accounts[i]);
		made[i] = (unsigned char)link_place(one, dir);
	}
	return fsync(dir) == 0 && (there || fsync(home) == 0) ? LINK_OK : LINK_FAILED;
}

static void links_tell(const struct links_job *job, enum link_result result, const unsigned char *made)
{
	for (size_t i = 0; i < job->count; i++)
		if (job->results[i] == LINK_WANTED)
			job->results[i] = result == LINK_OK ? made[i] : (unsigned char)result;
}

static int links_child(const void *argument)
{
	const struct links_job *job = argument;
	struct link_job one = link_job_of(job->homes, job->owner, true);
	unsigned char made[LINKS_AT_ONCE] = { 0 };
	enum link_result result = LINK_FAILED;
	int home = -1;

	if (link_owner_become(job->owner, job->channel) == 0) {
		umask(077);
		result = link_home_open(job->owner, &home);
	}
	links_look(job, &one, home, result);
	if (!link_say(job->channel, LINK_LOOKED) || !link_hear(job->channel))
		return 0;
	if (result == LINK_OK)
		result = links_make(job, &one, home, made);
	links_tell(job, result, made);
	(void)link_say(job->channel, LINK_LOOKED);
	return 0;
}

static int links_valid(const struct link_owner *owner, const struct account *const *accounts, size_t count)
{
	int r = count > LINKS_AT_ONCE ? -E2BIG : 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = link_job_valid(owner, accounts[i]);
	return r;
}

int link_prepare_many(const struct homes *homes, const struct link_owner *owner, const struct account *const *accounts,
		      size_t count, unsigned char *looks, unsigned char *results, pid_t *pid, int *pidfd, int *channel)
{
	struct links_job job = { homes, owner, accounts, count, looks, results, -1 };
	const struct child_job child = { .run = links_child, .argument = &job, .seconds = LINK_SECONDS };
	cleanup_fd int ours = -1, theirs = -1;
	int r = links_valid(owner, accounts, count), pair[2];

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	job.channel = theirs;
	r = child_start(&child, pid, pidfd);
	if (r == 0)
		*channel = steal_fd(&ours);
	return r;
}

static int links_remove_child(const void *argument)
{
	const struct links_job *job = argument;
	struct link_job one = link_job_of(job->homes, job->owner, false);
	enum link_result result;
	int home = -1;

	if (link_owner_become(job->owner, -1) < 0)
		return LINK_FAILED;
	result = link_home_open(job->owner, &home);
	for (size_t i = 0; i < job->count; i++) {
		link_job_texts(&one, job->homes, job->accounts[i]);
		job->results[i] = (unsigned char)(result == LINK_OK ? link_remove(&one, home) : result);
	}
	return LINK_OK;
}

int link_remove_many(const struct homes *homes, const struct link_owner *owner, const struct account *const *accounts,
		     size_t count, unsigned char *results, pid_t *pid, int *pidfd)
{
	struct links_job job = { homes, owner, accounts, count, NULL, results, -1 };
	const struct child_job child = { .run = links_remove_child, .argument = &job, .seconds = LINK_SECONDS };
	int r = links_valid(owner, accounts, count);

	return r < 0 ? r : child_start(&child, pid, pidfd);
}
