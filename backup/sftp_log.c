/* SPDX-License-Identifier: ISC */
/* Follows the log of sftp-server. Run by the login shell of a sub-account, which holds nothing to steal. */
#include "backup/sftp_log.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. Anyone who makes two names collide has lied about their own run. */
static uint64_t hash(const char *name, size_t length)
{
	uint64_t value = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < length; i++)
		value = (value ^ (unsigned char)name[i]) * UINT64_C(1099511628211);
	return value;
}

static bool name_take_away(struct sftp_log *log, uint64_t name)
{
	for (size_t i = 0; i < log->count; i++) {
		if (log->names[i] != name)
			continue;
		log->names[i] = log->names[--log->count];
		return true;
	}
	return false;
}

static void name_add(struct sftp_log *log, uint64_t name)
{
	name_take_away(log, name);
	if (log->count == SFTP_LOG_NAMES)
		log->many = true;
	else
		log->names[log->count++] = name;
}

/* Between the quotes that begin at *at and the last ones before `end` (quotes in a name are not escaped); *at is
 * behind them then. */
static bool quoted(const char **at, const char *end, uint64_t *name)
{
	const char *begin = *at + 1, *last;

	if (**at != '"')
		return false;
	if (end == NULL)
		end = "\"";
	last = strstr(begin, end);
	if (last == NULL)
		return false;
	for (const char *next = last; next != NULL; next = strstr(next + 1, end))
		last = next;
	*name = hash(begin, (size_t)(last - begin));
	*at = last + strlen(end);
	return true;
}

static void closed(struct sftp_log *log, const char *rest, bool forced)
{
	static const char between[] = " written ";
	unsigned long long got, written;
	uint64_t name;
	char *end;

	if (!quoted(&rest, "\" bytes read ", &name)) {
		log->many = true; /* a name so long that the numbers were cut off */
		log->cut |= forced;
		return;
	}
	got = strtoull(rest, &end, 10);
	if (end == rest || strncmp(end, between, sizeof(between) - 1) != 0)
		return;
	rest = end + sizeof(between) - 1;
	written = strtoull(rest, &end, 10);
	if (end == rest)
		return;
	log->files += got > 0 || written > 0;
	log->cut |= forced && written > 0;
	if (written > 0)
		name_add(log, name);
}

static void renamed(struct sftp_log *log, const char *rest)
{
	uint64_t from, to;

	/* behind the middle stands the second name's quote */
	if (!quoted(&rest, "\" new ", &from) || !quoted(&rest, NULL, &to))
		return;
	if (name_take_away(log, from))
		name_add(log, to);
	else
		name_take_away(log, to);
}

static const char *after(const char *line, const char *start)
{
	size_t length = strlen(start);

	return strncmp(line, start, length) == 0 ? line + length : NULL;
}

void sftp_log_line(struct sftp_log *log, const char *line)
{
	const char *rest;
	uint64_t name;

	if ((rest = after(line, "close ")) != NULL)
		closed(log, rest, false);
	else if ((rest = after(line, "forced close ")) != NULL)
		closed(log, rest, true);
	else if ((rest = after(line, "rename old ")) != NULL || (rest = after(line, "posix-rename old ")) != NULL)
		renamed(log, rest);
	else if ((rest = after(line, "remove name ")) != NULL && quoted(&rest, NULL, &name))
		name_take_away(log, name);
}

bool sftp_log_added(const struct sftp_log *log)
{
	return log->many || log->count > 0;
}
