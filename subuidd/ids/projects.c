/* SPDX-License-Identifier: ISC */
/*
 * Asks whether projects(5) or projid(5) name a number already, so that no quota is set on somebody else's project. Run
 * by the broker or a child of it (root) when it chooses a uid; the administrator wrote the files.
 */
#include "subuidd/ids/projects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define FILE_MAX (1u << 20)

/* The whole of a field is this number. */
static bool is_number(const char *text, size_t length, uint32_t id)
{
	uint64_t value = 0;

	if (length == 0 || length > 10)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	return value == id;
}

bool projects_name(const char *text, size_t length, uint32_t id)
{
	const char *end = text + length;

	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text)) ?: end;
		const char *colon = memchr(text, ':', (size_t)(line_end - text));

		if (colon != NULL && text[0] != '#' &&
		    (is_number(text, (size_t)(colon - text), id) ||
		     is_number(colon + 1, (size_t)(line_end - colon - 1), id)))
			return true;
		text = line_end < end ? line_end + 1 : end;
	}
	return false;
}

static int file_names(const char *path, uint32_t id)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	cleanup_free char *text = NULL;
	size_t length = 0;
	ssize_t got = 1;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size > FILE_MAX)
		return -EFBIG;
	text = malloc(FILE_MAX);
	if (text == NULL)
		return -ENOMEM;
	while (got > 0 && length < FILE_MAX) {
		got = read(fd, text + length, FILE_MAX - length);
		if (got < 0)
			return -errno;
		length += (size_t)got;
	}
	return projects_name(text, length, id);
}

int project_taken(uint32_t id)
{
	int r = file_names(SYSCONFDIR "/projects", id);

	return r != 0 ? r : file_names(SYSCONFDIR "/projid", id);
}
