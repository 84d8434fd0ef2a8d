/* SPDX-License-Identifier: ISC */
/*
 * Writes the note, as a file that the account can read and nobody but root can write. Its name is the number of this
 * process, so that one that was left behind by a kill is replaced in time; it begins with a secret that the session's
 * environment has, too: nobody names a note of another session.
 */
#include "pam/grant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/key_words.h"
#include "confine/cleanup.h"

#define GRANT_DATA "subuid-grant"

struct grant {
	int directory;
	char note[16]; /* its name */
};

static void grant_free(pam_handle_t *pamh, void *data, int status)
{
	struct grant *grant = data;

	(void)pamh, (void)status;
	if (grant->directory >= 0)
		close(grant->directory);
	free(grant);
}

static int directory_open(const char *run)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/" GRANTS_DIRECTORY, run);
	if (mkdir(path, 0711) != 0 && errno != EEXIST) /* allowed-path: only root writes to /run */
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0711) != 0) { /* whatever umask this process has */
		close(fd);
		return -EIO;
	}
	return fd;
}

/* Kept in the handle. 0 or negative errno. */
static int grant_begin(pam_handle_t *pamh, const char *run, const struct grant **ret)
{
	struct grant *grant = malloc(sizeof(*grant));
	int r;

	if (grant == NULL)
		return -ENOMEM;
	grant->directory = directory_open(run);
	snprintf(grant->note, sizeof(grant->note), "%d", (int)getpid());
	r = grant->directory < 0 ? grant->directory : 0;
	if (r == 0 && pam_set_data(pamh, GRANT_DATA, grant, grant_free) != PAM_SUCCESS)
		r = -ENOMEM;
	if (r < 0)
		grant_free(pamh, grant, 0);
	else
		*ret = grant;
	return r;
}

static int name_make(char name[GRANT_NAME_MAX + 1])
{
	uint8_t random[GRANT_SECRET / 2];
	int used = snprintf(name, GRANT_NAME_MAX + 1, "%d-", (int)getpid());

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		used += snprintf(name + used, (size_t)(GRANT_NAME_MAX + 1 - used), "%02x", random[i]);
	return 0;
}

/* Whole before the account may read it. */
static int note_write(const struct grant *grant, const char *text, gid_t gid)
{
	cleanup_fd int fd = -1;
	const ssize_t length = (ssize_t)strlen(text);

	unlinkat(grant->directory, grant->note, 0);
	fd = openat(grant->directory, grant->note, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)length) != length || fchown(fd, (uid_t)-1, gid) != 0 || fchmod(fd, 0440) != 0) {
		unlinkat(grant->directory, grant->note, 0);
		return -EIO;
	}
	return 0;
}

int grant_write(pam_handle_t *pamh, const char *run, const struct ssh_key *key)
{
	char name[GRANT_NAME_MAX + 1], words[KEY_WORDS_MAX + 1], note[GRANT_NAME_MAX + KEY_WORDS_MAX + 2],
		variable[sizeof(GRANT_VARIABLE) + 1 + GRANT_NAME_MAX];
	const struct grant *grant;
	int r = key_words_format(key, words, sizeof(words));

	if (r >= 0)
		r = grant_begin(pamh, run, &grant);
	if (r == 0)
		r = name_make(name);
	if (r < 0)
		return r;
	snprintf(note, sizeof(note), "%s %s", name, words);
	snprintf(variable, sizeof(variable), GRANT_VARIABLE "=%s", name);
	r = note_write(grant, note, key->uid);
	if (r == 0 && pam_putenv(pamh, variable) != PAM_SUCCESS)
		r = -ENOMEM;
	return r;
}

void grant_remove(pam_handle_t *pamh)
{
	const void *data;

	if (pam_get_data(pamh, GRANT_DATA, &data) == PAM_SUCCESS && data != NULL)
		unlinkat(((const struct grant *)data)->directory, ((const struct grant *)data)->note, 0);
}
