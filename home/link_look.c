/* SPDX-License-Identifier: ISC */
/*
 * Reads the links in an owner's home and finds those that no longer belong to an account, in a child that has become
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
#include "home/internal.h"

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
	if (!link_leads_below(dir, account->label, text, strlen(text) - strlen(account->label) - strlen(end) - 1))
		return LINK_IS_OTHER;
	return fstatat(dir, account->label, &st, 0) != 0 && errno == ENOENT ? LINK_IS_DANGLING : LINK_IS_OTHER;
}

/* A link exactly as we make them, for an account that the owner does not have. */
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

/* It is there and right, as was just seen: most of a directory's links. */
static bool label_right(const struct look_job *job, const char *label)
{
	for (size_t i = 0; i < job->count; i++)
		if (job->look->accounts[i] == LINK_IS_RIGHT && strcmp(job->accounts[i].label, label) == 0)
			return true;
	return false;
}

/* False: the directory cannot be read. */
static bool strays_look(const struct look_job *job, int directory)
{
	cleanup_fd int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct link_look *look = job->look;
	const struct dirent *entry;

	if (dir == NULL)
		return false;
	steal_fd(&fd); /* the directory's now */
	while (look->strays < LINK_STRAYS && (entry = readdir(dir)) != NULL) {
		if (label_right(job, entry->d_name) || !stray(job, directory, entry->d_name))
			continue;
		snprintf(look->stray[look->strays], sizeof(look->stray[0]), "%.*s", LABEL_MAX, entry->d_name);
		look->strays++;
	}
	return true;
}

static int look_child(const void *argument)
{
	const struct look_job *job = argument;
	cleanup_fd int home = -1, dir = -1;
	bool sound = true;
	enum link_result result = link_owner_become_with(job->owner, -1, job->groups, job->groups_count) < 0 ?
					  LINK_FAILED :
					  link_home_open(job->owner, &home);

	dir = result == LINK_OK      ? path_open_beneath(home, job->homes->link_directory, O_RDONLY | O_DIRECTORY, 0) :
	      result == LINK_NO_HOME ? -ENOENT :
				       -EACCES;
	for (size_t i = 0; i < job->count; i++) {
		job->look->accounts[i] = (unsigned char)account_look(job, dir, &job->accounts[i]);
		sound &= job->look->accounts[i] == LINK_IS_RIGHT;
	}
	if (job->known != NULL && (dir < 0 || !strays_look(job, dir) || job->look->strays > 0))
		sound = false;
	return sound ? 0 : LINKS_NOT_RIGHT;
}

int link_look_start(const struct homes *homes, const struct link_owner *owner, const struct account *accounts,
		    size_t count, bool grouped, link_known known, const void *data, unsigned seconds,
		    struct link_look *look, int *pidfd)
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
	if (grouped)
		job.groups_count = link_owner_groups(owner, &groups);
	job.groups = groups;
	return child_start(&child, &pid, pidfd);
}
