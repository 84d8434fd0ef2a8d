/* SPDX-License-Identifier: ISC */
/*
 * nsswitch.conf names one source of subordinate ids. The one that it named before ours goes on
 * being asked: `subuid setup` writes its name into STATE_DIR/subid-chain. It is loaded from
 * LIBDIR by its absolute path, stays loaded, and is as trusted as it was before.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "nss/subid.h"

#define CHAIN_PATH STATE_DIR "/subid-chain"
#define NAME_MAX_ 32
#define PREFIX_ LIBDIR "/libsubid_"
#define SUFFIX_ ".so"

struct chain {
	__typeof__(shadow_subid_has_range) *has_range;
	__typeof__(shadow_subid_list_owner_ranges) *list;
	__typeof__(shadow_subid_find_subid_owners) *find;
	__typeof__(shadow_subid_free) *free; /* of what it allocated; plug-ins before shadow 4.16 have none */
	void *handle;
};

/* [a-z0-9_-]{1,32}, with or without a newline; not ourselves. */
static int name_check(const char *text, size_t length, char name[NAME_MAX_ + 1])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (length == 0 || length > NAME_MAX_)
		return -EBADMSG;
	memcpy(name, text, length);
	name[length] = '\0';
	if (strspn(name, allowed) != length || strcmp(name, "subuid") == 0 || strcmp(name, "files") == 0)
		return -EBADMSG;
	return 0;
}

/* 1 with the name; 0: no chain is configured. */
static int name_read(char name[NAME_MAX_ + 1])
{
	cleanup_fd int fd = -1;
	char text[NAME_MAX_ + 2];
	struct stat st;
	ssize_t got;

	/* Most hosts have none: to look costs half of what an open that fails does. */
	if (lstat(CHAIN_PATH, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	fd = open(CHAIN_PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != SUBID_TRUSTED_UID || (st.st_mode & 022) != 0)
		return -EPERM;
	if (st.st_size > (off_t)sizeof(text))
		return -EBADMSG;
	do
		got = pread(fd, text, sizeof(text), 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return name_check(text, (size_t)got, name) < 0 ? -EBADMSG : 1;
}

static void symbol(void *handle, const char *name, void *function)
{
	void *found = dlsym(handle, name);

	memcpy(function, &found, sizeof(found));
}

static void chain_close(struct chain *chain)
{
	if (chain->handle != NULL)
		dlclose(chain->handle); /* RTLD_NODELETE: gives the count back, nothing more */
}

#define chain_cleanup __attribute__((cleanup(chain_close)))

/* 1, or 0: no chain is configured. A plug-in that is named and cannot be loaded is doubt; shadow itself would go on
 * without a word. */
static int chain_open(struct chain *chain)
{
	char name[NAME_MAX_ + 1], path[sizeof(PREFIX_) + NAME_MAX_ + sizeof(SUFFIX_)] = PREFIX_;
	int rc = name_read(name);

	if (rc != 1)
		return rc;
	memcpy(path + sizeof(PREFIX_) - 1, name, strlen(name) + 1);
	memcpy(path + sizeof(PREFIX_) - 1 + strlen(name), SUFFIX_, sizeof(SUFFIX_));
	chain->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (chain->handle == NULL)
		return -ELIBACC;
	symbol(chain->handle, "shadow_subid_has_range", &chain->has_range);
	symbol(chain->handle, "shadow_subid_list_owner_ranges", &chain->list);
	symbol(chain->handle, "shadow_subid_find_subid_owners", &chain->find);
	symbol(chain->handle, "shadow_subid_free", &chain->free);
	if (chain->has_range == NULL || chain->list == NULL || chain->find == NULL)
		return -ELIBBAD;
	return chain->has_range == shadow_subid_has_range ? -ELOOP : 1; /* ourselves by another name */
}

static void chain_free(const struct chain *chain, void *array)
{
	if (array == NULL)
		return;
	if (chain->free != NULL)
		chain->free(array);
	else
		free(array);
}

/* 1 it has answered, 0 it does not know the user. */
static int status_result(enum subid_status status)
{
	switch (status) {
	case SUBID_STATUS_SUCCESS:
		return 1;
	case SUBID_STATUS_UNKNOWN_USER:
		return 0;
	case SUBID_STATUS_ERROR_CONN:
		return -ENOTCONN;
	default:
		return -EIO;
	}
}

int subid_chain_holds(const char *owner, uint64_t first, uint64_t count, enum subid_type type, bool *holds)
{
	chain_cleanup struct chain chain = {0};
	bool answer = false;
	int rc = chain_open(&chain);

	if (rc != 1)
		return rc;
	rc = status_result(chain.has_range(owner, (unsigned long)first, (unsigned long)count, type, &answer));
	if (rc == 1)
		*holds = answer;
	return rc;
}

static int ranges_take(const struct subid_range *ranges, int count, struct subid_pieces *pieces)
{
	int rc = 0;

	if (count < 0 || (count > 0 && ranges == NULL))
		return -EIO;
	for (int i = 0; rc == 0 && i < count; i++) {
		uint64_t first = ranges[i].start, n = ranges[i].count;

		if (n > 0 && first < UINT32_MAX && n <= UINT32_MAX - first)
			rc = subid_pieces_add(pieces, first, first + n - 1);
	}
	return rc;
}

int subid_chain_list(const char *owner, enum subid_type type, struct subid_pieces *pieces)
{
	chain_cleanup struct chain chain = {0};
	struct subid_range *ranges = NULL;
	int count = 0, taken, rc = chain_open(&chain);

	if (rc != 1)
		return rc;
	rc = status_result(chain.list(owner, type, &ranges, &count));
	if (rc != 1)
		return rc;
	taken = ranges_take(ranges, count, pieces);
	chain_free(&chain, ranges);
	return taken < 0 ? taken : 1;
}

static int uids_take(const uid_t *uids, int count, struct subid_owners *owners)
{
	int rc = 0;

	if (count < 0 || (count > 0 && uids == NULL))
		return -EIO;
	for (int i = 0; rc == 0 && i < count; i++)
		rc = subid_owners_add(owners, uids[i]);
	return rc;
}

int subid_chain_owners(uint32_t id, enum subid_type type, struct subid_owners *owners)
{
	chain_cleanup struct chain chain = {0};
	uid_t *uids = NULL;
	int count = 0, taken, rc = chain_open(&chain);

	if (rc != 1)
		return rc;
	rc = status_result(chain.find(id, type, &uids, &count));
	if (rc != 1)
		return rc;
	taken = uids_take(uids, count, owners);
	chain_free(&chain, uids);
	return taken < 0 ? taken : 1;
}
