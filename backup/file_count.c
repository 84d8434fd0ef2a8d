/* SPDX-License-Identifier: ISC */
/*
 * Counts the lines of rsync's log byte by byte, without a buffer, so that no line is too long for it. Run by the login
 * shell with the sub-account's uid; the lines have names in them that the client chose.
 */
#include "backup/file_count.h"

/* Up to the first ']' of a line, then this and nothing else; or this, and a name. */
static const char mark[] = "] " FILE_COUNT_FORMAT;
static const char deleting[] = "] deleting ";

#define OTHER sizeof(deleting) /* a line about something else */

/* The two begin alike. */
static void next(struct file_count *count, char byte)
{
	if (count->deletes && count->at == sizeof(deleting) - 1)
		return; /* the name */
	if (!count->deletes && count->at < sizeof(mark) - 1 && byte == mark[count->at]) {
		count->at++;
	} else if (count->at >= 2 && count->at < sizeof(deleting) - 1 && byte == deleting[count->at] &&
		   (count->deletes || count->at == 2)) {
		count->deletes = true;
		count->at++;
	} else if (count->at > 0) {
		count->at = OTHER;
		count->deletes = false;
	}
}

void file_count_take(struct file_count *count, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			count->files += !count->deletes && count->at == sizeof(mark) - 1;
			count->deleted += count->deletes && count->at == sizeof(deleting) - 1;
			count->at = 0;
			count->deletes = false;
		} else {
			next(count, bytes[i]);
		}
	}
	count->any |= size > 0;
}
