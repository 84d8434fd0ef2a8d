/* SPDX-License-Identifier: ISC */
/*
 * The numbers of /proc/PID/stat, as proc_pid_stat(5) counts the fields. The second one, the name, may have any
 * character in it. Header only, libc only: any folder may include it.
 */
#ifndef CONFINE_PROC_STAT_H
#define CONFINE_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum proc_stat {
	PROC_STAT_PARENT = 4,
	PROC_STAT_SESSION = 6,
	PROC_STAT_TERMINAL = 7, /* its device */
	PROC_STAT_USER = 14,    /* ticks */
	PROC_STAT_SYSTEM = 15,
	PROC_STAT_START = 22, /* ticks since the boot */
};

/* False: the text has no such number, or it may have been cut off in it (number untouched). */
static inline bool proc_stat_number(const char *text, enum proc_stat field, uint64_t *number)
{
	const char *at = strrchr(text, ')');
	char *end;
	uint64_t read;

	for (unsigned i = 2; at != NULL && i < (unsigned)field; i++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return false;
	read = strtoull(at + 1, &end, 10);
	if (end == at + 1 || *end != ' ')
		return false;
	*number = read;
	return true;
}

#endif
