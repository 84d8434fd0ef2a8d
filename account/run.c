/* SPDX-License-Identifier: ISC */
/*
 * The record of a run: whether it is one, since a sub-account can write it, and nothing in it is believed before it
 * has passed here; and what it says about the backups.
 */
#include "account/run.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define DURATION_MAX_MS (UINT64_C(1000) * 366 * 86400)
#define STARTED_MAX INT64_C(253402300799) /* 9999-12-31 */

static bool of_set(const char *text, size_t size, const char *extra)
{
	static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	size_t length = strnlen(text, size);

	for (size_t i = 0; i < length; i++)
		if (strchr(alnum, text[i]) == NULL && strchr(extra, text[i]) == NULL)
			return false;
	return true;
}

/* One NUL, and only 0 after it. */
static bool padded(const char *text, size_t size)
{
	for (size_t i = strnlen(text, size); i < size; i++)
		if (text[i] != '\0')
			return false;
	return text[size - 1] == '\0';
}

static bool printable(const char *text, size_t size)
{
	for (size_t i = 0; i < size && text[i] != '\0'; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return true;
}

static bool texts_sound(const struct run *run)
{
	if (!padded(run->tool, sizeof(run->tool)) || !padded(run->address, sizeof(run->address)) ||
	    !padded(run->fingerprint, sizeof(run->fingerprint)) || !padded(run->error, sizeof(run->error)))
		return false;
	return run->tool[0] != '\0' && of_set(run->tool, sizeof(run->tool), "-") &&
	       run->address[strspn(run->address, RUN_ADDRESS_SET)] == '\0' &&
	       of_set(run->fingerprint, sizeof(run->fingerprint), ":+/") && printable(run->error, sizeof(run->error));
}

/* Counts have to fit into a signed number of the store. */
static bool count_sound(uint64_t count)
{
	return count <= INT64_MAX || count == RUN_UNKNOWN;
}

int run_read(const void *bytes, size_t size, struct run *run)
{
	struct run found;

	if (size != sizeof(found))
		return -EINVAL;
	memcpy(&found, bytes, sizeof(found));
	if (found.magic != RUN_MAGIC || found.reserved != 0 || found.kind < RUN_BACKUP || found.kind >= RUN_KIND_MAX_)
		return -EINVAL;
	if (found.status >= RUN_SIGNAL + 65 && found.status != RUN_UNFINISHED)
		return -EINVAL;
	if (found.started < 0 || found.started > STARTED_MAX || found.duration_ms > DURATION_MAX_MS)
		return -EINVAL;
	if (!count_sound(found.bytes_in) || !count_sound(found.bytes_out) || !count_sound(found.files) ||
	    !count_sound(found.deleted))
		return -EINVAL;
	if (!texts_sound(&found))
		return -EINVAL;
	*run = found;
	return 0;
}

enum run_verdict run_verdict(const struct run *run, bool vanished_good)
{
	if (run->kind != RUN_BACKUP)
		return RUN_SAYS_NOTHING;
	if (run->status == RUN_RSYNC_VANISHED && strcmp(run->tool, "rsync") == 0)
		return vanished_good ? RUN_GOOD : RUN_BAD;
	return run->status == 0 ? RUN_GOOD : RUN_BAD;
}

static bool is_share(uint64_t count, uint64_t most, unsigned share)
{
	return share > 0 && count != RUN_UNKNOWN && count >= RUN_CHANGE_LEAST &&
	       (double)count * 100 >= (double)most * share;
}

enum run_change run_change(const struct run *run, uint64_t most, unsigned deleted_share, unsigned changed_share)
{
	if (run->kind != RUN_BACKUP || most == 0)
		return RUN_CHANGE_NONE;
	if (is_share(run->deleted, most, deleted_share))
		return RUN_CHANGE_DELETED;
	return is_share(run->files, most, changed_share) ? RUN_CHANGE_MANY : RUN_CHANGE_NONE;
}

/* Both ends are of the same run where a status that is not 0 was good. */
bool run_last_failed(uint32_t status, int64_t last, int64_t good)
{
	return status != 0 && (status != RUN_RSYNC_VANISHED || good != last);
}

void run_lost(int64_t started, struct run *run)
{
	*run = (struct run){ .magic = RUN_MAGIC,
			     .kind = RUN_BACKUP,
			     .status = RUN_UNFINISHED,
			     .started = started > 0 ? started : 0,
			     .bytes_in = RUN_UNKNOWN,
			     .bytes_out = RUN_UNKNOWN,
			     .files = RUN_UNKNOWN,
			     .deleted = RUN_UNKNOWN,
			     .tool = "unknown",
			     .error = "not recorded: the disk of the records or the quota on it was full" };
}
