/* SPDX-License-Identifier: ISC */
#include "account/snapshot.h"

#include <errno.h>
#include <string.h>

/* Two digits from 0 to most, of which the first has index at. */
static bool pair(const char *text, size_t at, int least, int most)
{
	int value = (text[at] - '0') * 10 + text[at + 1] - '0';

	return value >= least && value <= most;
}

static int month_days(const char *text)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int month = (text[5] - '0') * 10 + text[6] - '0';
	int year = 0;

	for (size_t i = 0; i < 4; i++)
		year = year * 10 + text[i] - '0';
	return month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : days[month - 1];
}

bool snapshot_name_begins(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

	for (size_t i = 0; i < SNAPSHOT_NAME; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return (text[SNAPSHOT_NAME] == '\0' || text[SNAPSHOT_NAME] == '/') && pair(text, 5, 1, 12) &&
	       pair(text, 8, 1, month_days(text)) && pair(text, 11, 0, 23) && pair(text, 14, 0, 59) &&
	       pair(text, 17, 0, 59);
}

const char *snapshot_path(const char *path, bool own)
{
	const size_t length = sizeof(SNAPSHOTS_SHOWN) - 1;

	while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	if (strncmp(path, SNAPSHOTS_SHOWN, length) != 0 || (path[length] != '\0' && path[length] != '/'))
		return NULL;
	path += length;
	path += strspn(path, "/");
	return own && !snapshot_name_begins(path) ? NULL : path;
}

int snapshots_beside(const char *home, char *path, size_t size)
{
	static const char name[] = "/snapshots";
	const char *slash = strrchr(home, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - home);

	if (length + sizeof(name) > size)
		return -ENAMETOOLONG;
	memcpy(path, home, length);
	memcpy(path + length, name, sizeof(name));
	return 0;
}
