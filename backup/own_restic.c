/* SPDX-License-Identifier: ISC */
/*
 * Preloaded into sftp-server beside own_root.c. restic cannot use an append-only key for sftp: it uploads under one
 * name and renames, and removes locks. It would find that out with half of a repository made. So the first directory of
 * one is refused, in words. That is a service to its user and protects nothing. A guest: libc only, keeps errno.
 */
#include "backup/own_root.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char words[] =
	"restic needs a key with the role restic (subuid key add NAME KEY --role restic --append-only); an append-only "
	"key for sftp cannot rename and remove, which restic does";

static char repository[PATH_MAX]; /* whose configuration was looked for in vain; "": none */
static bool refused;              /* the next answer is to say so */

void own_looked_at(const char *path, int result)
{
	static const char config[] = "/config";
	const size_t length = strlen(path), end = sizeof(config) - 1;

	if (result == 0 || errno != ENOENT || length <= end || length >= sizeof(repository) ||
	    strcmp(path + length - end, config) != 0)
		return;
	memcpy(repository, path, length - end);
	repository[length - end] = '\0';
}

bool own_refuses_directory(const char *path)
{
	static const char *const parts[] = { "", "/data", "/index", "/keys", "/locks", "/snapshots" };
	const size_t length = strlen(repository);

	if (getenv("SUBUID_NEW_FILES") == NULL || length == 0 || strncmp(path, repository, length) != 0)
		return false;
	for (size_t i = 0; !refused && i < sizeof(parts) / sizeof(parts[0]); i++)
		refused = strcmp(path + length, parts[i]) == 0 ||
			  (i == 1 && strncmp(path + length, "/data/", 6) == 0 && strlen(path + length) == 8);
	if (refused)
		errno = EIO; /* to sftp-server: any failure that has no status of its own */
	return refused;
}

static bool write_whole(int fd, const void *bytes, size_t size)
{
	while (size > 0) {
		long n = syscall(SYS_write, fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = (const char *)bytes + n;
		size -= (size_t)n;
	}
	return true;
}

static size_t put_number(uint8_t *out, size_t number)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(number >> (24 - 8 * i));
	return 4;
}

/* length, type, number of the request, status, and then words and language with a length each */
long own_answer(int fd, const void *bytes, size_t size)
{
	static const uint8_t before[] = { 0, 0, 0, 24, 101 }, failure[] = "\0\0\0\4\0\0\0\7Failure\0\0\0";
	enum { ANSWER = sizeof(before) + 4 + sizeof(failure) };
	const uint8_t *last = (const uint8_t *)bytes + (size < ANSWER ? 0 : size - ANSWER);
	uint8_t made[sizeof(words) + 32];
	const bool mine = refused; /* it is the last of what is to be written */
	size_t n;

	refused = false;
	if (!mine || size < ANSWER || memcmp(last, before, sizeof(before)) != 0 ||
	    memcmp(last + sizeof(before) + 4, failure, sizeof(failure)) != 0)
		return syscall(SYS_write, fd, bytes, size);
	n = put_number(made, 1 + 4 + 4 + 4 + sizeof(words) - 1 + 4);
	memcpy(made + n, last + n, 9); /* type, number, status */
	n += 9;
	n += put_number(made + n, sizeof(words) - 1);
	memcpy(made + n, words, sizeof(words) - 1);
	n += sizeof(words) - 1;
	n += put_number(made + n, 0);
	return write_whole(fd, bytes, size - ANSWER) && write_whole(fd, made, n) ? (long)size : -1;
}
