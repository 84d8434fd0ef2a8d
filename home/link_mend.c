/* SPDX-License-Identifier: ISC */
/* A link in the owner's home that is gone or leads elsewhere, made again: by a child that has become the owner. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "home/internal.h"

#define ASIDE_MAX 99

bool link_leads_below(int dirfd, const char *name, const char *text, size_t length)
{
	char found[LINK_TEXT_MAX + 1];
	ssize_t n = readlinkat(dirfd, name, found, sizeof(found));

	return n > 0 && (size_t)n > length && memcmp(found, text, length) == 0;
}

/* A link to where the account was under its former name: `usermod -l -m` moves it along. */
static bool link_former(const struct link_job *job, int dir, const char *label)
{
	return job->renamed &&
	       (link_says(dir, label, job->former[0]) == 1 || link_says(dir, label, job->former[1]) == 1);
}

static bool link_ours(const struct link_job *job, int dir)
{
	return link_leads_below(dir, job->label, job->text, job->ours) || link_former(job, dir, job->label);
}

/* Never replaces anything, and the new name says whose it was. */
static int move_aside(const struct link_job *job, int dir)
{
	char name[LABEL_MAX + sizeof(".aside-99")];

	for (int i = 1; i <= ASIDE_MAX; i++) {
		snprintf(name, sizeof(name), "%s.aside-%d", job->label, i);
		if (renameat2(dir, job->label, dir, name, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static enum link_result clear_place(const struct link_job *job, int dir)
{
	bool ours = link_ours(job, dir);

	if (!ours && job->mend != LINK_MEND_ASIDE)
		return LINK_OCCUPIED;
	if (!ours)
		return move_aside(job, dir) == 0 ? LINK_OK : LINK_OCCUPIED;
	return unlinkat(dir, job->label, 0) == 0 || errno == ENOENT ? LINK_OK : LINK_FAILED;
}

/* The result that making the link would have. */
static enum link_result link_expect(const struct link_job *job, int dir, int says)
{
	if (says == -ENOENT || link_ours(job, dir))
		return LINK_MENDED;
	return LINK_OCCUPIED;
}

static enum link_result link_again(const struct link_job *job, int home, bool there)
{
	cleanup_fd int dir = path_make_directory(home, job->directory, 0700, job->owner.uid);
	int says = dir < 0 ? dir : link_says(dir, job->label, job->text);
	enum link_result result = LINK_OK;

	if (dir < 0)
		return LINK_DIRECTORY;
	if (says == 1)
		return LINK_OK;
	if (says < 0 && says != -ENOENT)
		return LINK_FAILED;
	if (says == 0)
		result = clear_place(job, dir);
	if (result != LINK_OK)
		return result;
	if (symlinkat(job->text, dir, job->label) != 0)
		return errno == EEXIST ? LINK_OCCUPIED : LINK_FAILED;
	return fsync(dir) == 0 && (there || fsync(home) == 0) ? LINK_MENDED : LINK_FAILED;
}

enum link_result link_mend(const struct link_job *job, int home)
{
	cleanup_fd int dir = path_open_beneath(home, job->directory, O_RDONLY | O_DIRECTORY, 0);
	int says;

	if (job->mend != LINK_MEND_LOOK)
		return link_again(job, home, dir >= 0);
	if (dir < 0)
		return dir == -ENOENT ? LINK_MENDED : LINK_DIRECTORY;
	says = link_says(dir, job->label, job->text);
	if (says == 1)
		return LINK_OK;
	return says < 0 && says != -ENOENT ? LINK_FAILED : link_expect(job, dir, says);
}
