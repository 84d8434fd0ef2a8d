/* SPDX-License-Identifier: ISC */
/* Runs in foreign processes: heap buffers of bounded size, nothing static, errno kept by the callers. */
#include "pam/owner.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdlib.h>
#include <string.h>

#include "confine/cleanup.h"

#define BUFFER_FIRST 1024u
#define BUFFER_MAX (1024u * 1024u) /* no passwd entry is larger; a source that asks for more is broken */

/* A heap buffer that grows until a lookup is content with it. */
struct lookup {
	char *buffer;
	size_t size;
};

static int lookup_grow(struct lookup *lookup)
{
	size_t size = lookup->size == 0 ? BUFFER_FIRST : lookup->size * 2;
	char *buffer;

	if (size > BUFFER_MAX)
		return -ENOBUFS;
	buffer = realloc(lookup->buffer, size);
	if (buffer == NULL)
		return -ENOMEM;
	lookup->buffer = buffer;
	lookup->size = size;
	return 0;
}

static void lookup_done(struct lookup *lookup)
{
	if (lookup->buffer != NULL)
		explicit_bzero(lookup->buffer, lookup->size); /* a password hash was in it */
	cleanup_free_p(&lookup->buffer);
}

/* getpwnam_r(3): besides 0, these too say "no such name". */
static int lookup_error(int error, bool found)
{
	if (found)
		return 0;
	return error == 0 || error == ENOENT || error == ESRCH ? -ENOENT : -error;
}

static int passwd_lookup(const char *name, struct passwd *entry, struct lookup *lookup)
{
	struct passwd *found = NULL;
	int error;

	do {
		int r = lookup_grow(lookup);

		if (r < 0)
			return r;
		error = getpwnam_r(name, entry, lookup->buffer, lookup->size, &found);
	} while (error == ERANGE || error == EINTR);
	return lookup_error(error, found != NULL);
}

static int shadow_lookup(const char *name, struct spwd *entry, struct lookup *lookup)
{
	struct spwd *found = NULL;
	int error;

	do {
		int r = lookup_grow(lookup);

		if (r < 0)
			return r;
		error = getspnam_r(name, entry, lookup->buffer, lookup->size, &found);
	} while (error == ERANGE || error == EINTR);
	return lookup_error(error, found != NULL);
}

/* passwd says `x`: the password and the expiry are in shadow, and without them there is no answer. */
static bool shadowed(const char *field)
{
	return strcmp(field, "x") == 0;
}

void owner_lookup(const char *name, struct owner_facts *facts)
{
	__attribute__((cleanup(lookup_done))) struct lookup passwd_space = { 0 }, shadow_space = { 0 };
	struct passwd passwd;
	struct spwd shadow;
	int error;

	*facts = (struct owner_facts){ .expires_day = -1 };
	facts->error = passwd_lookup(name, &passwd, &passwd_space);
	if (facts->error != 0)
		return;
	facts->uid = passwd.pw_uid;
	error = shadow_lookup(name, &shadow, &shadow_space);
	if (error == 0) {
		facts->locked = password_locked(shadow.sp_pwdp);
		facts->expires_day = shadow.sp_expire;
	} else if (error == -ENOENT && !shadowed(passwd.pw_passwd)) {
		facts->locked = password_locked(passwd.pw_passwd);
	} else {
		facts->error = error == -ENOENT ? -ENODATA : error;
	}
}

bool known_elsewhere(const char *name)
{
	__attribute__((cleanup(lookup_done))) struct lookup space = { 0 };
	struct passwd passwd;

	if (passwd_lookup(name, &passwd, &space) != 0)
		return false;
	return strcmp(passwd.pw_shell, LIBEXECDIR "/login") != 0;
}
