/* SPDX-License-Identifier: ISC */
/* Lines that are adopted go away: see remove.h. A run that is killed between the two files finds the other file's line
 * when it is run again: its range is adopted. */
#include "subid/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "subid/text.h"

#define FILES 2

struct shortened {
	const char *name, *new; /* shadow's name for it: under the same locks */
	char *text;             /* as it is */
	size_t length;
	bool ready; /* `new` exists, to be put in its place */
};

static int file_prepare(int etc_fd, struct shortened *file, const struct subid_lines *away)
{
	const struct subid_lines none = { 0 };
	cleanup_free char *shorter = NULL;
	size_t length = 0;
	int r = subid_text_read(etc_fd, file->name, &file->text, &file->length);

	if (r == 0)
		r = subid_lines_merge(file->text, file->length, away, &none, &shorter, &length);
	if (r != 1)
		return r;
	r = subid_text_prepare(etc_fd, file->name, file->new, 0644, shorter, length);
	file->ready = r == 0;
	return r;
}

static int files_replace(int etc_fd, const struct shortened files[FILES])
{
	int done = 0, r = 0;

	for (; r == 0 && done < FILES; done++)
		if (files[done].ready && renameat(etc_fd, files[done].new, etc_fd, files[done].name) != 0)
			r = -errno;
	for (int i = 0; r < 0 && i < done - 1; i++) /* as they were */
		if (files[i].ready)
			subid_text_write(etc_fd, files[i].name, files[i].new, 0644, files[i].text, files[i].length);
	return r == 0 && fsync(etc_fd) != 0 ? -errno : r;
}

int subid_lines_remove(int etc_fd, const struct subid_lines away[FILES])
{
	struct shortened files[FILES] = { { .name = "subuid", .new = "subuid+" },
					  { .name = "subgid", .new = "subgid+" } };
	int r = 0;

	for (int i = 0; r == 0 && i < FILES; i++)
		r = file_prepare(etc_fd, &files[i], &away[i]);
	if (r == 0)
		r = files_replace(etc_fd, files);
	for (int i = 0; i < FILES; i++) {
		if (files[i].ready && r < 0)
			unlinkat(etc_fd, files[i].new, 0);
		free(files[i].text);
	}
	return r;
}
