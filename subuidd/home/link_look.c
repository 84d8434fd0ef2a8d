/* SPDX-License-Identifier: ISC */
/*
 * Reads the links in an owner's home and finds those that belong to no account any more, in a child that has become
 * the owner and follows nothing. The child may hang if that home hangs; its parent does not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/name.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/path.h"
#include "subuidd/home/internal.h"

struct look_job {
	const struct homes *homes;
	const struct link_owner *owner;
	const struct account *accounts;
	size_t count;
	link_known known;
	const void *data;
	struct link_look *look;
	const gid_t *groups;
	int groups_count;
};

static int link_text(const struct homes *homes, const char *owner, const char *label, const char *end,
		     char text[LINK_TEXT_MAX])
{
	return snprintf(text, LINK_TEXT_MAX, "%s/%s/%s/%s", homes->path, owner, label, end);
}

/* dir: where the links are; -ENOENT: there is no such directory. */
static enum link_state account_look(const struct look_job *job, int dir, const struct account *account)
{
	const char *end = job->homes->views ? "view" : "home";
	char text[LINK_TEXT_MAX];
	struct stat st;
	int says;

	link_text(job->homes, account->owner, account->label, end, text);
	says = dir < 0 ? dir : link_says(dir, account->label, text);
	if (says == 1)
		return LINK_IS_RIGHT;
	if (says < 0)
		return says == -ENOENT ? LINK_IS_MISSING : LINK_IS_UNREADABLE;
	if (fstatat(dir, account->label, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISLNK(st.st_mode))
		return LINK_IS_OCCUPIED;
	return fstatat(dir, account->label, &st, 0) != 0 && errno == ENOENT ? LINK_IS_DANGLING : LINK_IS_OTHER;
}

/* A link just as we make them, for an account that the owner has not. */
static bool stray(const struct look_job *job, int dir, const char *label)
{
	char view[LINK_TEXT_MAX], home[LINK_TEXT_MAX];

	if (!label_valid(label))
		return false;
	link_text(job->homes, job->owner->name, label, "view", view);
	link_text(job->homes, job->owner->name, label, "home", home);
	if (link_says(dir, label, view) != 1 && link_says(dir, label, home) != 1)
		return false;
	return !job->known(job->data, label);
}

static void strays_look(const struct look_job *job, int directory)
{
	cleanup_fd int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct link_look *look = job->look;
	const struct dirent *entry;

	if (dir == NULL)
		return;
	steal_fd(&fd); /* the directory's now */
	while (look->strays < LINK_STRAYS && (entry = readdir(dir)) != NULL) {
		if (!stray(job, directory, entry->d_name))
			continue;
		snprintf(look->stray[look->strays], sizeof(look->stray[0]), "%.*s", LABEL_MAX, entry->d_name);
		look->strays++;
	}
}

static int look_child(const void *argument)
{
	const struct look_job *job = argument;
	cleanup_fd int home = -1, dir = -1;
	enum link_result result = link_owner_become_with(job->owner, -1, job->groups, job->groups_count) < 0 ?
					  LINK_FAILED :
					  link_home_open(job->owner, &home);

	dir = result == LINK_OK ? path_open_beneath(home, job->homes->link_directory, O_RDONLY | O_DIRECTORY, 0) :
	      result == LINK_NO_HOME ? -ENOENT :
				       -EACCES;
	for (size_t i = 0; i < job->count; i++)
		job->look->accounts[i] = (unsigned char)account_look(job, dir, &job->accounts[i]);
	if (job->known != NULL && dir >= 0)
		strays_look(job, dir);
	return 0;
}

int link_look_start(const struct homes *homes, const struct link_owner *owner, const struct account *accounts,
		    size_t count, link_known known, const void *data, unsigned seconds, struct link_look *look,
		    int *pidfd)
{
	cleanup_free gid_t *groups = NULL;
	struct look_job job = { homes, owner, accounts, count, known, data, look, NULL, 0 };
	const struct child_job child = { .run = look_child, .argument = &job, .seconds = seconds };
	pid_t pid;

	if (count > HOMES_AT_ONCE)
		return -E2BIG;
	if (owner->uid == 0 || owner->gid == 0)
		return -EINVAL;
	memset(look->accounts, LINK_IS_SILENT, sizeof(look->accounts));
	look->strays = 0;
	job.groups_count = link_owner_groups(owner, &groups);
	job.groups = groups;
	return child_start(&child, &pid, pidfd);
}
