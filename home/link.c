/* SPDX-License-Identifier: ISC */
/*
 * The link in the owner's home. All of it happens in a child that has become the owner: anything that the owner, or
 * anyone who can write in their home, puts in the way is followed or refused only with the owner's rights. Root never
 * opens anything there.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "confine/path.h"
#include "home/internal.h"

/* All of the owner's groups, because their home may be reached by one of them only. Group 0 is left out: no child of
 * ours has it. */
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

/* The child asks for the groups, still as root but under its deadline, so that a hanging directory service does not
 * hold up the broker. */
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

/* As the owner. The path comes from passwd and may go through links, as it does for every login. */
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

/* The same account's link from before the host changed (views or not): it is ours, and is replaced without a moment in
 * which there is no link. */
static enum link_result link_renew(const struct link_job *job, int dir)
{
	char name[LABEL_MAX + sizeof(".subuid-new-")];

	snprintf(name, sizeof(name), ".subuid-new-%s", job->label);
	if (link_says(dir, name, job->text) == 1) /* left by a child that was ended in the middle of this */
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
 * may have been killed before this. The directory goes with the last link, unless something else is in it. */
static enum link_result links_gone(const struct link_job *job, int home, int dir)
{
	int saved = fsync(dir);

	if ((job->flags & ACCOUNT_LINKS_THERE) == 0 && unlinkat(home, job->directory, AT_REMOVEDIR) == 0)
		saved |= fsync(home);
	return saved == 0 ? LINK_OK : LINK_FAILED;
}

/* -1: it does not exist; *result says what follows. */
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

/* For an existing directory: reports what link_place() would do. */
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
	return (look & LINK_LOOK_RIGHT ? ACCOUNT_LINK_THERE : 0) |
	       (look & LINK_LOOK_DIRECTORY ? ACCOUNT_LINKS_THERE : 0);
}

/* ---- the children ---- */

static int link_child(const void *argument)
{
	const struct link_job *job = argument;
	enum link_result result;
	int home = -1;

	if (link_owner_become(&job->owner, -1) < 0)
		return LINK_FAILED;
	umask(077);
	result = link_home_open(&job->owner, &home);
	if (result == LINK_OK)
		result = job->renamed               ? link_rename(job, home) :
			 job->mend != LINK_MEND_NOT ? link_mend(job, home) :
						      link_remove(job, home);
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

struct link_job link_job_of(const struct homes *homes, const struct link_owner *owner)
{
	struct link_job job = { .owner = *owner };

	memcpy(job.directory, homes->link_directory, sizeof(job.directory));
	return job;
}

int link_job_start(struct link_job *job, pid_t *pid, int *pidfd)
{
	const struct child_job child = { .run = link_child, .argument = job, .seconds = LINK_SECONDS };

	return child_start(&child, pid, pidfd);
}

static int link_start(const struct homes *homes, const struct link_owner *owner, const struct account *account,
		      enum link_mend how, pid_t *pid, int *pidfd)
{
	struct link_job job;
	int r = link_job_valid(owner, account);

	if (r < 0)
		return r;
	job = link_job_of(homes, owner);
	link_job_texts(&job, homes, account);
	job.mend = how;
	return link_job_start(&job, pid, pidfd);
}

int link_start_mend(const struct homes *homes, const struct link_owner *owner, const struct account *account,
		    enum link_mend how, pid_t *pid, int *pidfd)
{
	return link_start(homes, owner, account, how, pid, pidfd);
}

int link_start_remove(const struct homes *homes, const struct link_owner *owner, const struct account *account,
		      pid_t *pid, int *pidfd)
{
	return link_start(homes, owner, account, LINK_MEND_NOT, pid, pidfd);
}

struct removal_job {
	const struct homes *homes;
	const struct link_owner *owner;
	const struct account *const *accounts;
	size_t count;
	unsigned char *results; /* shared with the broker */
};

static int links_remove_child(const void *argument)
{
	const struct removal_job *job = argument;
	struct link_job one = link_job_of(job->homes, job->owner);
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
	struct removal_job job = { homes, owner, accounts, count, results };
	const struct child_job child = { .run = links_remove_child, .argument = &job, .seconds = LINK_SECONDS };
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = link_job_valid(owner, accounts[i]);
	return r < 0 ? r : child_start(&child, pid, pidfd);
}
