/* SPDX-License-Identifier: ISC */
/*
 * Removing what an account left with logind, cron and at. Run by a child of the broker (root), on descriptors of
 * directories into which only root, or the system user that owns them, can put files under another user's name.
 */
#include "home/traces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/id.h"
#include "account/name.h"
#include "account/range_name.h"
#include "confine/child.h"
#include "confine/cleanup.h"
#include "confine/path.h"

enum trace_kind {
	OF_ROOT, /* empty files of root, each with the name of a user */
	OF_NAME, /* files of users, each with its user's name */
	OF_UID,  /* files of users, with names that mean nothing */
};

static const struct {
	const char *path;
	enum trace_kind kind;
} places[] = {
	{ "/var/lib/systemd/linger", OF_ROOT },
	{ "/var/spool/cron/crontabs", OF_NAME }, /* Debian */
	{ "/var/spool/cron/atjobs", OF_UID },
	{ "/var/spool/cron", OF_NAME }, /* Fedora */
	{ "/var/spool/at", OF_UID },
};

/* The account's name, or the name of an id of its ranges. */
static bool name_ours(const struct traces *traces, const char *name)
{
	struct id_range range = { 0 };
	char ours[ACCOUNT_NAME_MAX + 1], of_range[RANGE_NAME_MAX + 1];
	uint32_t id;

	if (name_join(traces->owner, traces->separator, traces->label, ours) == 0 && strcmp(name, ours) == 0)
		return !traces->named_anew;
	if (range_name_parse(name, &id) < 0 || id == traces->ids.uid || !session_id(&traces->ids, id))
		return false;
	snprintf(range.owner, sizeof(range.owner), "%s", traces->owner);
	snprintf(range.label, sizeof(range.label), "%s", traces->label);
	range_name_format(&range, traces->separator, id, of_range);
	return strcmp(name, of_range) == 0;
}

static bool trace_ours(const struct traces *traces, enum trace_kind kind, const char *name, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return false;
	switch (kind) {
	case OF_ROOT:
		return st->st_uid == 0 && st->st_size == 0 && name_ours(traces, name);
	case OF_NAME:
		return session_id(&traces->ids, st->st_uid) && name_ours(traces, name);
	case OF_UID:
		return session_id(&traces->ids, st->st_uid);
	}
	return false;
}

/* 0, or the negative errno of something that stays. */
static int place_clean(const struct traces *traces, const char *path, enum trace_kind kind)
{
	cleanup_fd int fd = path_open_trusted(path, O_RDONLY);
	cleanup_dir DIR *dir = NULL;
	const struct dirent *entry;
	struct stat st;
	int r = 0;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
	if (fstat(fd, &st) < 0 || (st.st_mode & S_IWOTH) != 0 || st.st_uid > SYSTEM_UID_MAX ||
	    (dir = fdopendir(fd)) == NULL)
		return -EPERM;
	steal_fd(&fd);
	/* Root has no right here that the directory's owner does not have (at's belongs to daemon). */
	setfsuid(st.st_uid);
	while ((entry = readdir(dir)) != NULL)
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    trace_ours(traces, kind, entry->d_name, &st) && unlinkat(dirfd(dir), entry->d_name, 0) < 0 &&
		    errno != ENOENT)
			r = -errno;
	setfsuid(0);
	return r;
}

static int traces_child(const void *argument)
{
	const struct traces *traces = argument;
	int status = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (place_clean(traces, places[i].path, places[i].kind) < 0)
			status = 1;
	return status;
}

int traces_start(const struct traces *traces, pid_t *pid, int *pidfd)
{
	const struct child_job child = { .run = traces_child, .argument = traces, .seconds = TRACES_SECONDS };

	return session_id(&traces->ids, traces->ids.uid) ? child_start(&child, pid, pidfd) : -EINVAL;
}
