/* SPDX-License-Identifier: ISC */
/*
 * getpwnam_r(3) and its kin say reliably that a user is found, but not that a user does not exist: glibc (2.36,
 * measured with a module that gives every status with every errno) returns what the *last* source said. So with
 * `passwd: files ldap systemd` a directory that is down and a local file that cannot be opened (EMFILE) both end as
 * "0, no result" as soon as a later source does not know the name, and so does a source in the last place that is
 * UNAVAIL with errno 0. An error number, on the other hand, is always an outage, ENOENT and ESRCH too (nslcd that does
 * not run gives UNAVAIL with ENOENT): plain "not found" is 0, whatever the module left in errno.
 *
 * So "found" and error numbers are taken from glibc, and a "no" only if each source, asked by itself, says NOTFOUND
 * (account/source.c).
 *
 * Runs in every program of ours and in foreign processes.
 */
#include "account/passwd.h"

#include <errno.h>
#include <nss.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "account/source.h"

#define BUFFER_MAX (16u << 20) /* a group of a million members */

enum kind { USER_NAME, USER_UID, GROUP_NAME, GROUP_GID, SHADOW_NAME };

static const struct {
	const char *database, *function;
} kinds[] = {
	[USER_NAME] = { "passwd", "getpwnam_r" },   [USER_UID] = { "passwd", "getpwuid_r" },
	[GROUP_NAME] = { "group", "getgrnam_r" },   [GROUP_GID] = { "group", "getgrgid_r" },
	[SHADOW_NAME] = { "shadow", "getspnam_r" },
};

struct question {
	enum kind kind;
	const char *name;
	uint32_t id;
	struct host_entry *entry;
};

void host_entry_done(struct host_entry *entry)
{
	int saved = errno;

	if (entry->buffer != NULL)
		explicit_bzero(entry->buffer, entry->size);
	if (entry->buffer != entry->first)
		free(entry->buffer);
	entry->buffer = NULL;
	entry->size = 0;
	errno = saved;
}

static int grow(struct host_entry *entry)
{
	size_t size = entry->size == 0 ? sizeof(entry->first) : entry->size * 4;
	char *buffer = entry->first;

	if (size > BUFFER_MAX)
		return -ENOBUFS;
	if (entry->size != 0)
		buffer = malloc(size);
	if (buffer == NULL)
		return -ENOMEM;
	host_entry_done(entry);
	entry->buffer = buffer;
	entry->size = size;
	return 0;
}

/* An error number is doubt. Errors that mean something to a person are kept; any other could mean something else to a
 * caller ("not found", "no index", "the name is too long"). */
static int doubt(int error)
{
	static const int kept[] = { EACCES, EPERM, EMFILE, ENFILE, ENOMEM, ENOBUFS, EIO, ETIMEDOUT, ECONNREFUSED };

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (error == kept[i])
			return -error;
	return -EAGAIN;
}

/* ---- glibc: users that are found */

/* 0 found, 1 not, else an error number with its sign. */
static int ask_libc(const struct question *q)
{
	struct host_entry *e = q->entry;
	struct passwd *user = NULL;
	struct group *group = NULL;
	struct spwd *shadow = NULL;
	int error = EINVAL;

	switch (q->kind) {
	case USER_NAME:
		error = getpwnam_r(q->name, &e->user, e->buffer, e->size, &user);
		break;
	case USER_UID:
		error = getpwuid_r(q->id, &e->user, e->buffer, e->size, &user);
		break;
	case GROUP_NAME:
		error = getgrnam_r(q->name, &e->group, e->buffer, e->size, &group);
		break;
	case GROUP_GID:
		error = getgrgid_r(q->id, &e->group, e->buffer, e->size, &group);
		break;
	case SHADOW_NAME:
		error = getspnam_r(q->name, &e->shadow, e->buffer, e->size, &shadow);
		break;
	}
	if (user != NULL || group != NULL || shadow != NULL)
		return 0;
	return error == 0 ? 1 : -error;
}

/* ---- each source: users that do not exist */

/* One source's own function, as glibc calls it: with errno for its error number. */
static enum nss_status call(const struct question *q, void *function)
{
	enum nss_status (*user_name)(const char *, struct passwd *, char *, size_t, int *);
	enum nss_status (*user_uid)(uid_t, struct passwd *, char *, size_t, int *);
	enum nss_status (*group_name)(const char *, struct group *, char *, size_t, int *);
	enum nss_status (*group_gid)(gid_t, struct group *, char *, size_t, int *);
	enum nss_status (*shadow_name)(const char *, struct spwd *, char *, size_t, int *);
	struct host_entry *e = q->entry;

	switch (q->kind) {
	case USER_NAME:
		memcpy(&user_name, &function, sizeof(function));
		return user_name(q->name, &e->user, e->buffer, e->size, &errno);
	case USER_UID:
		memcpy(&user_uid, &function, sizeof(function));
		return user_uid(q->id, &e->user, e->buffer, e->size, &errno);
	case GROUP_NAME:
		memcpy(&group_name, &function, sizeof(function));
		return group_name(q->name, &e->group, e->buffer, e->size, &errno);
	case GROUP_GID:
		memcpy(&group_gid, &function, sizeof(function));
		return group_gid(q->id, &e->group, e->buffer, e->size, &errno);
	case SHADOW_NAME:
		memcpy(&shadow_name, &function, sizeof(function));
		return shadow_name(q->name, &e->shadow, e->buffer, e->size, &errno);
	}
	return NSS_STATUS_UNAVAIL;
}

static int ask_source(void *function, void *data)
{
	const struct question *q = data;
	enum nss_status status;

	for (;;) {
		int r;

		errno = 0;
		status = call(q, function);
		if (status != NSS_STATUS_TRYAGAIN || errno != ERANGE)
			break;
		r = grow(q->entry);
		if (r < 0)
			return r;
	}
	return status == NSS_STATUS_SUCCESS ? 0 : status == NSS_STATUS_NOTFOUND ? -ENOENT : doubt(errno);
}

static int find(enum kind kind, const char *name, uint32_t id, struct host_entry *entry)
{
	struct question question = { kind, name, id, entry };
	int r = entry->buffer == NULL ? grow(entry) : 0;

	while (r == 0) {
		int answer = ask_libc(&question);

		if (answer == 0)
			return 0;
		if (answer == 1)
			return source_each(kinds[kind].database, kinds[kind].function, ask_source, &question);
		if (answer != -ERANGE && answer != -EINTR)
			return doubt(-answer);
		r = grow(entry);
	}
	return r;
}

/* An /etc/passwd that has lost root has lost other users too: a full disk may have cut it off, say. (nss-systemd makes
 * root up if nobody has it, so the file itself is asked.) */
static int local_users_sound(struct host_entry *entry)
{
	struct question root = { USER_NAME, "root", 0, entry };
	int r = source_one("passwd", "files", kinds[USER_NAME].function, ask_source, &root);

	return r == -ENOENT ? -EUCLEAN : r;
}

int user_find(const char *name, struct host_entry *entry)
{
	int r = find(USER_NAME, name, 0, entry), sound;

	if (r != -ENOENT)
		return r;
	sound = local_users_sound(entry);
	return sound < 0 ? sound : r;
}

int user_find_uid(uid_t uid, struct host_entry *entry)
{
	return find(USER_UID, NULL, uid, entry);
}

int group_find(const char *name, struct host_entry *entry)
{
	return find(GROUP_NAME, name, 0, entry);
}

int group_find_gid(gid_t gid, struct host_entry *entry)
{
	return find(GROUP_GID, NULL, gid, entry);
}

/* An outage, which glibc passes over if a later source knows the id: then all sources are asked, as usual. */
static int find_beyond_files(const struct source_functions *sources, enum kind kind, uint32_t id,
			     struct host_entry *entry)
{
	struct question question = { kind, NULL, id, entry };
	int r = entry->buffer == NULL ? grow(entry) : 0;

	if (r < 0)
		return r;
	r = -ENOENT;
	for (int i = 0; r == -ENOENT && i < sources->count; i++)
		r = ask_source(sources->functions[i], &question);
	return r == 0 || r == -ENOENT ? r : find(kind, NULL, id, entry);
}

int user_sources_beyond_files(struct source_functions *sources)
{
	return source_functions_beyond_files(kinds[USER_UID].database, kinds[USER_UID].function, sources);
}

int group_sources_beyond_files(struct source_functions *sources)
{
	return source_functions_beyond_files(kinds[GROUP_GID].database, kinds[GROUP_GID].function, sources);
}

int user_find_uid_beyond_files(const struct source_functions *sources, uid_t uid, struct host_entry *entry)
{
	return find_beyond_files(sources, USER_UID, uid, entry);
}

int group_find_gid_beyond_files(const struct source_functions *sources, gid_t gid, struct host_entry *entry)
{
	return find_beyond_files(sources, GROUP_GID, gid, entry);
}

int shadow_find(const char *name, struct host_entry *entry)
{
	return find(SHADOW_NAME, name, 0, entry);
}
