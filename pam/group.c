/* SPDX-License-Identifier: ISC */
/*
 * Where systemd does not run, a session enters the control group of its account, which bounds all of them together, and
 * by which they are frozen and killed. The daemon makes the place; the groups are made here, when the first session
 * begins, and are removed by the daemon when the last has ended. Run by root, before anything is the account's. Without
 * a group a session goes on, bounded by its own limits; `subuid doctor` says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#include <security/pam_ext.h>

#include "account/bounds.h"
#include "account/name.h"
#include "confine/cgroup.h"
#include "pam/session.h"

#define TRIES 3 /* the daemon may remove an empty group at any moment */

/* The place that the daemon has made; -ENOENT: there is none, as where systemd runs. */
static int place_open(void)
{
	cleanup_fd int fd = cgroup_open(CGROUP_OURS);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == 0 ? steal_fd(&fd) : -ENOENT;
}

static int word_write(int group, const char *file, const char *word)
{
	cleanup_fd int fd = openat(group, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word) ? 0 : -errno;
}

/* A controller that the host does not have bounds nothing. none: the word for no bound, since the group may have had
 * one. */
static int bound(int group, const char *file, uint64_t value, const char *none)
{
	char word[24];
	int r;

	snprintf(word, sizeof(word), "%llu", (unsigned long long)value);
	if (value == 0)
		snprintf(word, sizeof(word), "%s", none);
	r = word_write(group, file, word);
	return r == -ENOENT ? 0 : r;
}

static int enter(int place, const char *name, const struct bounds *bounds)
{
	cleanup_fd int group = -1;
	int r;

	if (mkdirat(place, name, 0755) != 0 && errno != EEXIST)
		return -errno;
	group = openat(place, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (group < 0)
		return -errno;
	r = bound(group, "memory.max", bounds->of[BOUND_MEMORY], "max");
	if (r == 0)
		r = bound(group, "pids.max", bounds_tasks(bounds), "max");
	if (r == 0)
		r = bound(group, "cpu.weight", bounds->of[BOUND_CPU_WEIGHT], "100");
	if (r == 0)
		r = bound(group, "io.weight", bounds->of[BOUND_IO_WEIGHT], "100");
	return r == 0 ? word_write(group, "cgroup.procs", "0") : r;
}

void session_group(const pam_handle_t *pamh, const struct index_account *account)
{
	cleanup_fd int place = place_open();
	struct account_bounds bounds;
	char name[16], logged[NAME_LOGGED_MAX];
	int tries = TRIES, r;

	if (place < 0)
		return;
	snprintf(name, sizeof(name), "%u", account->uid);
	r = index_bounds(&pam_index, account, &bounds);
	if (r == 0)
		do
			r = enter(place, name, &bounds.of);
		while ((r == -ENOENT || r == -ENODEV) && --tries > 0);
	if (r < 0)
		pam_syslog(pamh, LOG_WARNING, "%s: this session has no control group: %s",
			   text_escape(account->name, logged, sizeof(logged)), strerrorname_np(-r));
}
