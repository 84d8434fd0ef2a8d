/* SPDX-License-Identifier: ISC */
/*
 * Code that the NSS functions share: lookups in the index, who may be told of what, the NSS status for an error, and
 * room in the caller's buffer.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

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

/* All of this process's uids are those of one account: that; 0: it is somebody else's, or a program with more rights
 * than the account. Asked of the kernel. */
static uint32_t asker_ask(void)
{
	struct index_account account;
	struct index_host host;
	uid_t real, effective, saved;

	if (getresuid(&real, &effective, &saved) != 0 || real != effective || real != saved)
		return 0;
	if (index_host(&index_file, &host) != 0 || real < host.uid_first || real > host.uid_last)
		return 0;
	return index_account_by_uid(&index_file, real, &account) == 0 ? real : 0;
}

/* The account that asks; 0: anybody else. Known for the second in which the index was looked at last, so that a lookup
 * makes no system call: a process that becomes an account's is told of others until that is over. */
static uint32_t asker(void)
{
	static _Atomic(uint64_t) known; /* second, uid */
	const uint32_t second = atomic_load_explicit(&index_file.looked, memory_order_relaxed);
	const uint64_t last = atomic_load_explicit(&known, memory_order_relaxed);
	uint32_t uid;

	if (second != 0 && last >> 32 == second)
		return (uint32_t)last;
	uid = asker_ask();
	atomic_store_explicit(&known, (uint64_t)second << 32 | uid, memory_order_relaxed);
	return uid;
}

/* What runs as an account is told of the account alone, and of the ranges that it holds. */
static int shown(uint32_t account_uid)
{
	const uint32_t uid = asker();

	return uid == 0 || uid == account_uid ? 0 : -ENOENT;
}

int answer_by_name(const char *name, struct index_account *account, struct index_host *host)
{
	int rc;

	if (!name_has_separator(name))
		return -ENOENT;
	rc = index_account_and_host_by_name(&index_file, name, account, host);
	return rc == 0 ? shown(account->uid) : not_the_buffer(rc);
}

int answer_by_uid(uint32_t uid, struct index_account *account, struct index_host *host)
{
	int rc = index_account_and_host_by_uid(&index_file, uid, account, host);

	return rc == 0 ? shown(account->uid) : not_the_buffer(rc);
}

static int range_fill(const struct id_range *found, const struct index_host *host, uint32_t id,
		      struct answer_range *range)
{
	if (shown(found->account_uid) != 0)
		return -ENOENT;
	range->id = id;
	range->subuids_gid = host->subuids_gid;
	range_name_format(found, host->separator, id, range->name);
	range_comment_format(found, host->separator, id, range->comment);
	return 0;
}

int answer_range_by_name(const char *name, struct answer_range *range)
{
	struct id_range found;
	struct index_host host;
	uint32_t id;
	int rc = name_has_separator(name) ? index_range_by_name(&index_file, name, &id, &found, &host) : -ENOENT;

	return rc == 0 ? range_fill(&found, &host, id, range) : not_the_buffer(rc);
}

int answer_range_by_id(uint32_t id, struct answer_range *range)
{
	struct id_range found;
	struct index_host host;
	int rc = index_range_named(&index_file, id, &found, &host);

	return rc == 0 ? range_fill(&found, &host, id, range) : not_the_buffer(rc);
}

/* The list of an account that asks. */
static int next_own(uint32_t uid, uint64_t *after, struct index_account *account)
{
	return (*after)++ == 0 ? index_account_by_uid(&index_file, uid, account) : -ENOENT;
}

int answer_next(answer_cursor *cursor, uint64_t *after, struct index_account *account, struct index_host *host)
{
	int rc = index_host(&index_file, host);
	uint32_t own;

	if (rc == 0 && host->enumerate == 0)
		return -ENOENT;
	*after = atomic_load_explicit(cursor, memory_order_relaxed);
	if (rc == 0) {
		own = asker();
		rc = own != 0 ? next_own(own, after, account) : index_account_next(&index_file, after, account);
	}
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
