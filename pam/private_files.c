/* SPDX-License-Identifier: ISC */
/*
 * The names that a session sees: in place of /etc/passwd and /etc/group, files with the system's users and groups and
 * the account's own; and an nsswitch.conf that asks nobody else for these. Run by pam_subuid, as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "pam/private.h"

#define SYSTEM_IDS 1000u /* below: the system's (login.defs(5)) */
#define NOBODY 65534u

/* One line at a time from a file of the host into one for the session. */
typedef void copy_line(const struct private_view *view, char *line, FILE *out);

/* Whether the third field of name:x:id:… is one of the ids of the system, and where it ends. */
static bool system_line(const char *line, uint32_t *id, const char **end)
{
	const char *field = strchr(line, ':');

	field = field == NULL ? NULL : strchr(field + 1, ':');
	*end = field == NULL ? NULL : strchr(field + 1, ':');
	return *end != NULL && id_parse_bytes(field + 1, (size_t)(*end - field - 1), id) == 0 &&
	       (*id < SYSTEM_IDS || *id == NOBODY);
}

static void copy_user(const struct private_view *view, char *line, FILE *out)
{
	const char *end;
	uint32_t uid;

	(void)view;
	if (system_line(line, &uid, &end))
		fprintf(out, "%s\n", line);
}

/* The line without its members, which are other users; with the account in the groups that it is in. */
static void copy_group(const struct private_view *view, char *line, FILE *out)
{
	const struct index_host *host = view->host;
	const bool forwards = (view->account->flags & ACCOUNT_FORWARDS) != 0;
	const bool passwords = (view->account->flags & ACCOUNT_PASSWORDS) != 0;
	const bool both = (view->account->flags & ACCOUNT_BOTH) != 0;
	const char *end;
	uint32_t gid;
	bool member;

	if (!system_line(line, &gid, &end))
		return;
	member = gid == host->subuids_gid || (forwards && gid != 0 && gid == host->forward_gid) ||
		 (passwords && gid != 0 && gid == host->passwords_gid) || (both && gid != 0 && gid == host->both_gid);
	fprintf(out, "%.*s:%s\n", (int)(end - line), line, member ? view->account->name : "");
}

/* Every source but the files could tell who else is on the host. */
static void copy_sources(const struct private_view *view, char *line, FILE *out)
{
	static const char *const named[] = { "passwd", "group", "shadow", "gshadow", "initgroups", "subid" };
	const char *name = line + strspn(line, " \t");
	const size_t length = strcspn(name, ": \t");

	(void)view;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (strlen(named[i]) == length && strncmp(name, named[i], length) == 0)
			return;
	fprintf(out, "%s\n", line);
}

static void own_user(const struct private_view *view, FILE *out)
{
	const struct index_account *account = view->account;
	char directory[sizeof(view->host->homes) + ACCOUNT_NAME_MAX + 2];

	if (index_account_directory(view->host, account, directory, sizeof(directory)) > 0)
		fprintf(out, "%s:x:%u:%u:%s:%s:%s\n", account->name, (unsigned)account->uid, (unsigned)account->uid,
			account->comment, directory, view->host->shell);
}

static void own_group(const struct private_view *view, FILE *out)
{
	fprintf(out, "%s:x:%u:\n", view->account->name, (unsigned)view->account->uid);
}

static void own_sources(const struct private_view *view, FILE *out)
{
	(void)view;
	fputs("passwd: files\ngroup: files\nshadow: files\ngshadow: files\n", out);
}

static FILE *file_make(int directory, const char *name)
{
	cleanup_fd int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *out = fd < 0 || fchmod(fd, 0644) != 0 ? NULL : fdopen(fd, "we");

	if (out != NULL)
		steal_fd(&fd);
	return out;
}

static int lines_copy(const struct private_view *view, const char *from, copy_line *copy, FILE *out)
{
	cleanup_file FILE *in = fopen(from, "re");
	cleanup_free char *line = NULL;
	size_t room = 0;

	if (in == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (getline(&line, &room, in) > 0) {
		line[strcspn(line, "\n")] = '\0';
		copy(view, line, out);
	}
	return ferror(in) ? -EIO : 0;
}

static const struct {
	const char *from, *name;
	copy_line *copy;
	void (*own)(const struct private_view *view, FILE *out);
} files[] = {
	{ "/etc/passwd", "passwd", copy_user, own_user },
	{ "/etc/group", "group", copy_group, own_group },
	{ "/etc/nsswitch.conf", "nsswitch.conf", copy_sources, own_sources },
};

int private_files_make(const struct private_view *view, int directory)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *out = file_make(directory, files[i].name);
		int r;

		if (out == NULL)
			return -errno;
		r = lines_copy(view, files[i].from, files[i].copy, out);
		files[i].own(view, out);
		if (ferror(out) && r == 0)
			r = -EIO;
		if (fclose(out) != 0 && r == 0)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}
