/* SPDX-License-Identifier: ISC */
#include "subuidd/subid/line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/id.h"
#include "confine/cleanup.h"

#define FILE_MAX (64u << 20)

/* name:start:count. False: not a line that gives anything. */
static bool line_read(char *line, const char **name, uint32_t *first, uint32_t *count)
{
	char *start = strchr(line, ':'), *number = start != NULL ? strchr(start + 1, ':') : NULL;

	if (number == NULL)
		return false;
	*start++ = '\0';
	*number++ = '\0';
	*name = line;
	return id_parse(start, first) == 0 && id_parse(number, count) == 0 && id_range_valid(*first, *count);
}

static bool names(const char *name, const char *owner, uid_t owner_uid)
{
	uint32_t uid;

	return strcmp(name, owner) == 0 || (id_parse(name, &uid) == 0 && uid == owner_uid);
}

int subid_line_find(char *text, const char *owner, uid_t owner_uid, uint32_t first, uint32_t count)
{
	const struct id_block asked = { first, first + count - 1 };
	char *rest = text, *line;
	int found = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		uint32_t start, ids;
		const char *name;

		if (!line_read(line, &name, &start, &ids) ||
		    !id_blocks_overlap(asked, (struct id_block){ start, start + ids - 1 }))
			continue;
		if (found != 0 || start != first || ids != count || !names(name, owner, owner_uid))
			return -EEXIST;
		found = 1;
	}
	return found;
}

int subid_line_held(const char *path, const char *owner, uid_t owner_uid, uint32_t first, uint32_t count)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t used = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL)
		return -ENOMEM;
	while (used < (size_t)st.st_size) {
		ssize_t got = read(fd, text + used, (size_t)st.st_size - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	text[used] = '\0';
	/* a NUL would hide what comes after it */
	return memchr(text, '\0', used) != NULL ? -EBADMSG : subid_line_find(text, owner, owner_uid, first, count);
}
