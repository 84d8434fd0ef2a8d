/* SPDX-License-Identifier: ISC */
/*
 * The link in the owner's home. All of it happens in a child that has become the owner: anything that the owner, or
 * anyone who can write in their home, puts in the way is followed or refused with the owner's rights alone. Root
 * never opens anything there.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "confine/path.h"
#include "subuidd/home/internal.h"

/* All of the owner's groups, because their home may be reached by one of them only. Group 0 is left out: no child of ours
 * has it. */
int link_owner_groups(const struct link_owner *owner, gid_t **ret)
{
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
	*ret = steal_ptr(&groups);
	return kept;
}

int link_owner_become_with(const struct link_owner *owner, int channel, const gid_t *groups, int count)
{
	const int keep[] = { 0, 1, 2, channel, -1 };

	if (count < 0)
		return count;
	if (descriptors_keep(keep) < 0)
		return -EBADF;
	return identity_become(owner->uid, owner->gid, groups, (size_t)count) ?: child_bind();
}

/* The groups are asked for in the child, still as root but under its deadline, so that a directory service that hangs does
 * not hold the broker. */
int link_owner_become(const struct link_owner *owner, int channel)
{
	cleanup_free gid_t *groups = NULL;
	int count = link_owner_groups(owner, &groups);

	return link_owner_become_with(owner, channel, groups, count);
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

/* The same account's link from before the host changed (views or not): ours, replaced without a moment in which
 * there is none. */
static enum link_result link_renew(const struct link_job *job, int dir)
{
	char name[LABEL_MAX + sizeof(".subuid-new-")];

	snprintf(name, sizeof(name), ".subuid-new-%s", job->label);
	if (link_says(dir, name, job->text) == 1) /* of one that was ended in the middle of this */
		unlinkat(dir, name, 0);
	if (symlinkat(job->text, dir, name) != 0)
		return LINK_FAILED;
	if (renameat(dir, name, dir, job->label) == 0)
		return LINK_OK;
	unlinkat(dir, name, 0);
	return LINK_FAILED;
}

enum link_result link_place(const struct link_job *job, int dir)
{
	if (symlinkat(job->text, dir, job->label) == 0)
		return LINK_OK;
	if (errno != EEXIST)
		return LINK_FAILED;
	if (link_says(dir, job->label, job->text) == 1)
		return LINK_OK;
	return link_says(dir, job->label, job->other) == 1 ? link_renew(job, dir) : LINK_OCCUPIED;
}

static enum link_result link_make(const struct link_job *job, int home)
{
	bool there = faccessat(home, job->directory, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	cleanup_fd int dir = path_make_directory(home, job->directory, 0700, job->owner.uid);
	enum link_result result = dir < 0 ? LINK_DIRECTORY : link_place(job, dir);

	if (result != LINK_OK)
		return result;
	/* before the answer says that it exists */
	return fsync(dir) == 0 && (there || fsync(home) == 0) ? LINK_OK : LINK_FAILED;
}

/* The link in its directory. On the disk with the next fsync(2) of that. */
static enum link_result link_take(const struct link_job *job, int dir)
{
	int says = link_says(dir, job->label, job->text);

	if (says == 0)
		says = link_says(dir, job->label, job->other);
	if (says == 0)
		return LINK_OCCUPIED;
	if (says < 0 && says != -ENOENT)
		return LINK_FAILED;
	return says == -ENOENT || unlinkat(dir, job->label, 0) == 0 || errno == ENOENT ? LINK_OK : LINK_FAILED;
}

/* Done before the answer says that they are gone, even if there was nothing to remove: the child that removed it
 * may have been killed before this. With the last link goes the directory, unless something else is in it. */
static enum link_result links_gone(const struct link_job *job, int home, int dir)
{
	int saved = fsync(dir);

	if ((job->flags & ACCOUNT_LINKS_THERE) == 0 && unlinkat(home, job->directory, AT_REMOVEDIR) == 0)
		saved |= fsync(home);
	return saved == 0 ? LINK_OK : LINK_FAILED;
}

/* -1: it does not exist; *result says what that means. */
static int link_directory(const struct link_job *job, int home, enum link_result *result)
{
	int dir = path_open_beneath(home, job->directory, O_RDONLY | O_DIRECTORY, 0);

	*result = dir >= 0 || (dir == -ENOENT && fsync(home) == 0) ? LINK_OK : LINK_DIRECTORY;
	return dir < 0 ? -1 : dir;
}

enum link_result link_remove(const struct link_job *job, int home)
{
	enum link_result result = LINK_OK, gone;
	cleanup_fd int dir = job->flags & ACCOUNT_LINK_THERE ? -1 : link_directory(job, home, &result);

	if (dir < 0)
		return result;
	result = link_take(job, dir);
	gone = links_gone(job, home, dir);
	return result == LINK_OK ? gone : result;
}

/* ---- before it is made ---- */

static bool may_write(int dirfd)
{
	return faccessat(dirfd, ".", W_OK | X_OK, AT_EACCESS) == 0;
}

/* Whether path_make_directory() would give one: *dir, -1 if it does not exist yet. */
static enum link_result directory_look(const struct link_job *job, int home, int *dir)
{
	cleanup_fd int fd = openat(home, job->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT && may_write(home) ? LINK_OK : LINK_DIRECTORY;
	if (fstat(fd, &st) != 0 || st.st_uid != job->owner.uid)
		return LINK_DIRECTORY;
	*dir = steal_fd(&fd);
	return LINK_OK;
}

/* In an existing directory: says what link_place() would do. */
static unsigned char label_look(const struct link_job *job, int dir)
{
	int says = link_says(dir, job->label, job->text);

	if (says == 1)
		return LINK_OK | LINK_LOOK_RIGHT;
	if (says == 0 && link_says(dir, job->label, job->other) != 1)
		return LINK_OCCUPIED;
	if ((says < 0 && says != -ENOENT) || !may_write(dir))
		return LINK_FAILED;
	if (says == 0)
		return LINK_OK | LINK_LOOK_RIGHT;
	return home_directory_empty(dir) == 1 ? LINK_OK | LINK_LOOK_DIRECTORY : LINK_OK;
}

unsigned char link_look(const struct link_job *job, int home)
{
	cleanup_fd int dir = -1;
	enum link_result result = directory_look(job, home, &dir);

	return dir < 0 ? (unsigned char)result : label_look(job, dir);
}

uint32_t link_look_flags(unsigned char look)
{
	return (look & LINK_LOOK_RIGHT ? ACCOUNT_LINK_THERE : 0) | (look & LINK_LOOK_DIRECTORY ? ACCOUNT_LINKS_THERE : 0);
}

/* ---- the children ---- */

bool link_say(int channel, unsigned char byte)
{
	return send(channel, &byte, 1, MSG_NOSIGNAL) == 1;
}

bool link_hear(int channel)
{
	unsigned char word;

	return read(channel, &word, 1) == 1;
}

int link_child(const void *argument)
{
	const struct link_job *job = argument;
	enum link_result result;
	int home = -1;

	if (link_owner_become(&job->owner, job->channel) < 0)
		return LINK_FAILED;
	umask(077);
	result = link_home_open(&job->owner, &home);
	if (job->channel >= 0) {
		unsigned char look = result == LINK_OK ? link_look(job, home) : (unsigned char)result;

		if (!link_say(job->channel, look) || !link_hear(job->channel))
			return LINK_FAILED; /* nothing came of the account */
	}
	if (result == LINK_OK)
		result = job->mend != LINK_MEND_NOT ? link_mend(job, home) :
			 job->make		    ? link_make(job, home) :
						      link_remove(job, home);
	/* before the end of the process, which takes longer than all this; the exit status says the same */
	if (job->channel >= 0)
		(void)link_say(job->channel, (unsigned char)result);
	return (int)result;
}

void link_job_texts(struct link_job *job, const struct homes *homes, const struct account *account)
{
	memcpy(job->label, account->label, sizeof(job->label));
	job->ours = strlen(homes->path) + 1 + strlen(account->owner) + 1;
	snprintf(job->text, sizeof(job->text), "%s/%s/%s/%s", homes->path, account->owner, account->label,
		 homes->views ? "view" : "home");
	snprintf(job->other, sizeof(job->other), "%s/%s/%s/%s", homes->path, account->owner, account->label,
		 homes->views ? "home" : "view");
	job->flags = account->flags & ACCOUNT_THERE;
}

int link_job_valid(const struct link_owner *owner, const struct account *account)
{
	int r = home_account_valid(account);

	if (r < 0)
		return r;
	return owner->uid == 0 || owner->gid == 0 || owner->uid != account->owner_uid ? -EINVAL : 0;
}

struct link_job link_job_of(const struct homes *homes, const struct link_owner *owner, bool make)
{
	struct link_job job = { .owner = *owner, .make = make, .channel = -1 };

	memcpy(job.directory, homes->link_directory, sizeof(job.directory));
	return job;
}

int link_job_fill(const struct homes *homes, const struct link_owner *owner, const struct account *account, bool make,
		  struct link_job *job)
{
	int r = link_job_valid(owner, account);

	if (r < 0)
		return r;
	*job = link_job_of(homes, owner, make);
	link_job_texts(job, homes, account);
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
