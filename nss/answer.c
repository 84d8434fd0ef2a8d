/* SPDX-License-Identifier: ISC */
/*
 * Code that the NSS functions share: lookups in the index, the NSS status for an error, and room in the caller's
 * buffer.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "nss/answer.h"

#ifndef NSS_TRUSTED_UID
#define NSS_TRUSTED_UID 0 /* another only in the build that the unit tests load */
#endif

static struct index_reader index_file = { .path = INDEX_PATH, .trusted = NSS_TRUSTED_UID };

enum nss_status answer_status(int rc, int *errnop)
{
	switch (rc) {
	case 0:
		return NSS_STATUS_SUCCESS;
	case -ENOENT:
		*errnop = ENOENT;
		return NSS_STATUS_NOTFOUND;
	case -ERANGE:
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	case -ENXIO:
		*errnop = ENOENT; /* glibc's word for "the file does not exist" */
		return NSS_STATUS_UNAVAIL;
	default:
		*errnop = -rc;
		return NSS_STATUS_UNAVAIL;
	}
}

/* An ERANGE from the index could not be about the buffer. */
static int not_the_buffer(int rc)
{
	return rc == -ERANGE ? -EIO : rc;
}

int answer_by_name(const char *name, struct index_account *account, struct index_host *host)
{
	if (!name_has_separator(name))
		return -ENOENT;
	return not_the_buffer(index_account_and_host_by_name(&index_file, name, account, host));
}

int answer_by_uid(uint32_t uid, struct index_account *account, struct index_host *host)
{
	return not_the_buffer(index_account_and_host_by_uid(&index_file, uid, account, host));
}

static void range_fill(const struct id_range *found, const struct index_host *host, uint32_t id,
		       struct answer_range *range)
{
	range->id = id;
	range->subuids_gid = host->subuids_gid;
	range_name_format(found, host->separator, id, range->name);
	range_comment_format(found, host->separator, id, range->comment);
}

int answer_range_by_name(const char *name, struct answer_range *range)
{
	struct id_range found;
	struct index_host host;
	uint32_t id;
	int rc = name_has_separator(name) ? index_range_by_name(&index_file, name, &id, &found, &host) : -ENOENT;

	if (rc == 0)
		range_fill(&found, &host, id, range);
	return not_the_buffer(rc);
}

int answer_range_by_id(uint32_t id, struct answer_range *range)
{
	struct id_range found;
	struct index_host host;
	int rc = index_range_named(&index_file, id, &found, &host);

	if (rc == 0)
		range_fill(&found, &host, id, range);
	return not_the_buffer(rc);
}

int answer_next(answer_cursor *cursor, uint64_t *after, struct index_account *account, struct index_host *host)
{
	int rc = index_host(&index_file, host);

	if (rc == 0 && host->enumerate == 0)
		return -ENOENT;
	*after = atomic_load_explicit(cursor, memory_order_relaxed);
	if (rc == 0)
		rc = index_account_next(&index_file, after, account);
	return not_the_buffer(rc);
}

char **answer_pointers(struct answer_buffer *buffer, size_t count)
{
	size_t padding = -(uintptr_t)buffer->at % _Alignof(char *);
	void *pointers = buffer->at + padding;

	if (buffer->left < padding || (buffer->left - padding) / sizeof(char *) < count)
		return NULL;
	buffer->at += padding + count * sizeof(char *);
	buffer->left -= padding + count * sizeof(char *);
	return pointers;
}

char *answer_text(struct answer_buffer *buffer, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = buffer->at;

	if (buffer->left < size)
		return NULL;
	memcpy(copy, text, size);
	buffer->at += size;
	buffer->left -= size;
	return copy;
}

char *answer_home(struct answer_buffer *buffer, const struct index_host *host, const struct index_account *account)
{
	char *home = buffer->at;
	int length = index_account_directory(host, account, home, buffer->left);

	if (length < 0)
		return NULL;
	buffer->at += length + 1;
	buffer->left -= (size_t)length + 1;
	return home;
}
