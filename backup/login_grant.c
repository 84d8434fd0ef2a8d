/* SPDX-License-Identifier: ISC */
/* Reads the note of a session, and believes root alone. Run by the login shell, as the account. */
#include "backup/login_grant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"

/* "1234-0123456789abcdef…": the digits of the number, or 0. */
static size_t number_length(const char *name)
{
	const size_t digits = strspn(name, "0123456789");
	const char *secret = name + digits + 1;

	if (digits == 0 || digits > 10 || name[digits] != '-' || strlen(secret) != GRANT_SECRET ||
	    strspn(secret, "0123456789abcdef") != GRANT_SECRET)
		return 0;
	return digits;
}

static int note_open(const char *run, const char *name, size_t digits, uid_t owner, gid_t group)
{
	cleanup_fd int fd = -1;
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" GRANTS_DIRECTORY "/%.*s", run, (int)digits, name);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != owner || st.st_gid != group || (st.st_mode & 07777) != 0440)
		return -EPERM;
	return steal_fd(&fd);
}

int login_grant_read(const char *run, const char *name, uid_t owner, gid_t group, char words[KEY_WORDS_MAX + 1])
{
	const size_t digits = name != NULL ? number_length(name) : 0, length = digits + 1 + GRANT_SECRET;
	char note[GRANT_NAME_MAX + KEY_WORDS_MAX + 2] = "";
	cleanup_fd int fd = digits > 0 ? note_open(run, name, digits, owner, group) : -ENOENT;
	ssize_t got;

	if (fd < 0)
		return fd;
	got = read_full(fd, note, sizeof(note) - 1);
	if (got <= (ssize_t)length + 1 || strlen(note) != (size_t)got || memcmp(note, name, length) != 0 ||
	    note[length] != ' ' || (size_t)got - length - 1 > KEY_WORDS_MAX)
		return -EPERM;
	memcpy(words, note + length + 1, (size_t)got - length);
	return 0;
}

int login_words_of(const struct index_account *account, const char *given, const char **words)
{
	static char noted[KEY_WORDS_MAX + 1];
	int r;

	*words = given;
	if ((account->flags & (ACCOUNT_PASSWORDS | ACCOUNT_BOTH)) == 0 && strcmp(given, GRANTED) != 0)
		return 0;
	*words = noted;
	r = strcmp(given, GRANTED) == 0 ? 0 : -EPERM;
	return r < 0 ? r : login_grant_read(RUN_DIR, getenv(GRANT_VARIABLE), 0, getgid(), noted);
}

bool login_has_terminal(void)
{
	return isatty(STDIN_FILENO) == 1 || isatty(STDOUT_FILENO) == 1 || isatty(STDERR_FILENO) == 1;
}
