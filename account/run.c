/* SPDX-License-Identifier: ISC */
/*
 * Checks the record of a run, which a sub-account can write: nothing in it is believed before it has passed here.
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

/* One end, and nothing behind it. */
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
	if (!count_sound(found.bytes_in) || !count_sound(found.bytes_out) || !count_sound(found.files))
		return -EINVAL;
	if (!texts_sound(&found))
		return -EINVAL;
	*run = found;
	return 0;
}
