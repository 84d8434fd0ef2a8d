/* SPDX-License-Identifier: ISC */
/*
 * The link in the owner's home. All of it happens in a child that has become the
 * owner: whatever he, or who can write in his home, puts in the way, is followed or refused
 * with his rights alone. Root never opens anything there.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "confine/path.h"
#include "subuidd/home/internal.h"

/*
 * All of the owner's groups, because his home may be reached by one of them only.
 * Asked in the child, still as root but under its deadline, so that a directory service that
 * hangs does not hold the broker. Group 0 is left out: no child of ours has it.
 */
int link_owner_become(const struct link_owner *owner, int channel)
{
	const int keep[] = { 0, 1, 2, channel, -1 };
	cleanup_free gid_t *groups = NULL;
	int count = 64, kept = 0;

	for (;;) {
		int asked = count;

		groups = reallocarray(groups, (size_t)count, sizeof(*groups));
		if (groups == NULL)
			return -ENOMEM;
		if (getgrouplist(owner->name, owner->gid, groups, &count) >= 0)
			break;
		if (count <= asked || count > NGROUPS_MAX)
			return -E2BIG;
	}
	for (int i = 0; i < count; i++)
		if (groups[i] != 0)
			groups[kept++] = groups[i];
	if (descriptors_keep(keep) < 0)
		return -EBADF;
	return identity_become(owner->uid, owner->gid, groups, (size_t)kept) ?: child_bind();
}

static enum link_result home_result(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return LINK_NO_HOME;
	case EACCES:
	case EPERM:
		return LINK_NOT_HIS;
	default:
		return LINK_FAILED;
	}
}

/* As the owner. The path is passwd's and may go through links, as it does for every login. */
enum link_result link_home_open(const struct link_owner *owner, int *ret)
{
	cleanup_fd int fd = -1;
	struct stat st;

	if (owner->home[0] != '/')
		return LINK_NO_HOME;
	fd = open(owner->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return home_result(errno);
	if (fstat(fd, &st) != 0)
		return LINK_FAILED;
	if (st.st_uid != owner->uid)
		return LINK_NOT_HIS;
	*ret = steal_fd(&fd);
	return LINK_OK;
}

/* 1 a link with exactly this text, 0 something else, -ENOENT nothing. */
int link_says(int dirfd, const char *name, const char *text)
{
	char found[LINK_TEXT_MAX + 1];
	ssize_t n = readlinkat(dirfd, name, found, sizeof(found));

	if (n < 0)
		return errno == EINVAL ? 0 : -errno; /* EINVAL: not a link */
	return (size_t)n == strlen(text) && memcmp(found, text, (size_t)n) == 0;
}

static enum link_result link_place(const struct link_job *job, int dir)
{
	/* the same account's link from before the host changed: ours, so that it may be made anew */
	if (link_says(dir, job->label, job->other) == 1)
		unlinkat(dir, job->label, 0);
	if (symlinkat(job->text, dir, job->label) != 0) {
		if (errno != EEXIST)
			return LINK_FAILED;
		if (link_says(dir, job->label, job->text) != 1)
			return LINK_OCCUPIED;
	}
	return LINK_OK;
}

static enum link_result link_make(const struct link_job *job, int home)
{
	bool there = faccessat(home, job->directory, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	cleanup_fd int dir = path_make_directory(home, job->directory, 0700, job->owner.uid);
	enum link_result result = dir < 0 ? LINK_DIRECTORY : link_place(job, dir);

	if (result != LINK_OK)
		return result;
	/* before the answer says that it is there */
	return fsync(dir) == 0 && (there || fsync(home) == 0) ? LINK_OK : LINK_FAILED;
}

static enum link_result link_remove(const struct link_job *job, int home)
{
	cleanup_fd int dir = path_open_beneath(home, job->directory, O_RDONLY | O_DIRECTORY, 0);
	int says;

	if (dir < 0)
		return dir == -ENOENT ? LINK_OK : LINK_DIRECTORY;
	says = link_says(dir, job->label, job->text);
	if (says == 0)
		says = link_says(dir, job->label, job->other);
	if (says == 0)
		return LINK_OCCUPIED;
	if (says < 0 && says != -ENOENT)
		return LINK_FAILED;
	if (says == 1 && unlinkat(dir, job->label, 0) != 0 && errno != ENOENT)
		return LINK_FAILED;
	/* the last one takes the directory along; it stays when there is anything in it */
	unlinkat(home, job->directory, AT_REMOVEDIR);
	return LINK_OK;
}

int link_child(const void *argument)
{
	const struct link_job *job = argument;
	enum link_result result;
	unsigned char answer, word;
	int home = -1;

	if (link_owner_become(&job->owner, job->channel) < 0)
		return LINK_FAILED;
	umask(077);
	result = link_home_open(&job->owner, &home);
	if (job->channel >= 0 && read(job->channel, &word, 1) != 1)
		return LINK_FAILED; /* nothing came of the account */
	if (result == LINK_OK)
		result = job->mend != LINK_MEND_NOT ? link_mend(job, home) :
			 job->make		    ? link_make(job, home) :
						      link_remove(job, home);
	answer = (unsigned char)result;
	/* before the end of the process, which takes longer than all this; the exit status says the same */
	if (job->channel >= 0)
		(void)!write(job->channel, &answer, 1);
	return (int)result;
}

static void link_texts(struct link_job *job, const struct homes *homes, const struct account *account)
{
	memcpy(job->label, account->label, sizeof(job->label));
	job->ours = strlen(homes->path) + 1 + strlen(account->owner) + 1;
	snprintf(job->text, sizeof(job->text), "%s/%s/%s/%s", homes->path, account->owner, account->label,
		 homes->views ? "view" : "home");
	snprintf(job->other, sizeof(job->other), "%s/%s/%s/%s", homes->path, account->owner, account->label,
		 homes->views ? "home" : "view");
}

static int link_valid(const struct link_owner *owner, const struct account *account)
{
	int r = home_account_valid(account);

	if (r < 0)
		return r;
	return owner->uid == 0 || owner->gid == 0 || owner->uid != account->owner_uid ? -EINVAL : 0;
}

static struct link_job link_of(const struct homes *homes, const struct link_owner *owner, bool make)
{
	struct link_job job = { .owner = *owner, .make = make, .channel = -1 };

	memcpy(job.directory, homes->link_directory, sizeof(job.directory));
	return job;
}

int link_job_fill(const struct homes *homes, const struct link_owner *owner, const struct account *account, bool make,
		  struct link_job *job)
{
	int r = link_valid(owner, account);

	if (r < 0)
		return r;
	*job = link_of(homes, owner, make);
	link_texts(job, homes, account);
	return 0;
}

int link_start_mend(const struct homes *homes, const struct link_owner *owner, const struct account *account,
		    enum link_mend how, pid_t *pid, int *pidfd)
{
	struct link_job job;
	const struct child_job child = { .run = link_child, .argument = &job, .seconds = LINK_SECONDS };
	int r = link_job_fill(homes, owner, account, true, &job);

	job.mend = how;
	return r < 0 ? r : child_start(&child, pid, pidfd);
}

int link_start(const struct homes *homes, const struct link_owner *owner, const struct account *account, bool make,
	       pid_t *pid, int *pidfd)
{
	struct link_job job;
	const struct child_job child = { .run = link_child, .argument = &job, .seconds = LINK_SECONDS };
	int r = link_job_fill(homes, owner, account, make, &job);

	return r < 0 ? r : child_start(&child, pid, pidfd);
}

struct links_job {
	const struct homes *homes;
	const struct link_owner *owner;
	const struct account *const *accounts;
	size_t count;
	bool make;
	unsigned char *results; /* shared with the broker */
};

/* Of none it is said that it is there before all are written out. */
static enum link_result links_make(const struct links_job *job, struct link_job *one, int home, unsigned char *made)
{
	bool there = faccessat(home, one->directory, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	cleanup_fd int dir = path_make_directory(home, one->directory, 0700, job->owner->uid);

	if (dir < 0)
		return LINK_DIRECTORY;
	for (size_t i = 0; i < job->count; i++) {
		link_texts(one, job->homes, job->accounts[i]);
		made[i] = (unsigned char)link_place(one, dir);
	}
	return fsync(dir) == 0 && (there || fsync(home) == 0) ? LINK_OK : LINK_FAILED;
}

static enum link_result links_run(const struct links_job *job, unsigned char *done)
{
	struct link_job one = link_of(job->homes, job->owner, job->make);
	cleanup_fd int home = -1;
	enum link_result result = link_home_open(job->owner, &home);

	if (result != LINK_OK)
		return result;
	if (job->make)
		return links_make(job, &one, home, done);
	for (size_t i = 0; i < job->count; i++) {
		link_texts(&one, job->homes, job->accounts[i]);
		done[i] = (unsigned char)link_remove(&one, home);
	}
	return LINK_OK;
}

static int links_child(const void *argument)
{
	const struct links_job *job = argument;
	unsigned char made[HOMES_AT_ONCE] = { 0 };
	enum link_result result = LINK_FAILED;

	if (link_owner_become(job->owner, -1) == 0) {
		umask(077);
		result = links_run(job, made);
	}
	for (size_t i = 0; i < job->count; i++)
		job->results[i] = result == LINK_OK ? made[i] : (unsigned char)result;
	return 0;
}

int link_start_many(const struct homes *homes, const struct link_owner *owner, const struct account *const *accounts,
		    size_t count, bool make, unsigned char *results, pid_t *pid, int *pidfd)
{
	struct links_job job = { homes, owner, accounts, count, make, results };
	const struct child_job child = { .run = links_child, .argument = &job, .seconds = LINK_SECONDS };

	if (count > HOMES_AT_ONCE)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		int r = link_valid(owner, accounts[i]);

		if (r < 0)
			return r;
		results[i] = LINK_TIMEOUT;
	}
	return child_start(&child, pid, pidfd);
}

enum link_result link_result_of(const siginfo_t *info)
{
	if (info->si_code != CLD_EXITED)
		return LINK_TIMEOUT;
	return info->si_status >= LINK_OK && info->si_status < LINK_TIMEOUT ? (enum link_result)info->si_status
									    : LINK_FAILED;
}

const char *link_result_why(enum link_result result)
{
	switch (result) {
	case LINK_OK:
	case LINK_MENDED:
		return "the link is as it should be";
	case LINK_NO_HOME:
		return "the owner's home directory is not there";
	case LINK_NOT_HIS:
		return "the owner's home directory is not the owner's own";
	case LINK_OCCUPIED:
		return "something else stands where the link should be";
	case LINK_DIRECTORY:
		return "the directory for the link cannot be made, or is a symlink or somebody else's";
	case LINK_TIMEOUT:
		return "the owner's home directory did not answer in time";
	case LINK_FAILED:
		break;
	}
	return "the link in the owner's home cannot be made or removed";
}

const char *link_result_todo(enum link_result result)
{
	switch (result) {
	case LINK_OK:
	case LINK_MENDED:
		return "";
	case LINK_NO_HOME:
		return "log in once, or have the home directory made, and try again";
	case LINK_NOT_HIS:
		return "have the home directory's owner set right, and try again";
	case LINK_OCCUPIED:
		return "move it away, or choose another label";
	case LINK_DIRECTORY:
		return "move away what stands there, or make room, and try again";
	case LINK_TIMEOUT:
		return "see whether the home directory's server is up, and try again";
	case LINK_FAILED:
		break;
	}
	return "see whether the home directory can be written, and try again";
}
