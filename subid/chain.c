/* SPDX-License-Identifier: ISC */
/* Finds and loads the plug-in that was configured before ours, by its absolute path: see chain.h. */
#include "subid/chain.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "confine/cleanup.h"
#include "confine/read_full.h"
#include "confine/trusted.h"

#define PREFIX_ HOST_LIBDIR "/libsubid_"
#define SUFFIX_ ".so"

bool subid_chain_named(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return length > 0 && length <= SUBID_CHAIN_NAME_MAX && name[length] == '\0' && strcmp(name, "subuid") != 0 &&
	       strcmp(name, "files") != 0;
}

/* 1 with the name, which may have a newline behind it there; 0: no chain is configured. */
static int name_read(char name[SUBID_CHAIN_NAME_MAX + 1])
{
	char text[SUBID_CHAIN_NAME_MAX + 3];
	cleanup_fd int fd = -1;
	struct stat st;
	ssize_t got;

	/* Most hosts have none: to look costs half of what an open that fails does. */
	if (lstat(SUBID_CHAIN_PATH, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	fd = file_open_trusted_inside(SUBID_CHAIN_PATH, SUBID_TRUSTED_UID, &st);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
	got = read_full(fd, text, sizeof(text) - 1);
	if (got < 0)
		return (int)got;
	got -= got > 0 && text[got - 1] == '\n';
	text[got] = '\0';
	if (strlen(text) != (size_t)got || !subid_chain_named(text))
		return -EBADMSG;
	memcpy(name, text, (size_t)got + 1);
	return 1;
}

static void symbol(void *handle, const char *name, void *function)
{
	void *found = dlsym(handle, name);

	memcpy(function, &found, sizeof(found));
}

int subid_chain_open(struct subid_chain *chain)
{
	char name[SUBID_CHAIN_NAME_MAX + 1], path[sizeof(PREFIX_) + SUBID_CHAIN_NAME_MAX + sizeof(SUFFIX_)] = PREFIX_;
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
	return chain->has_range == NULL || chain->list == NULL || chain->find == NULL ? -ELIBBAD : 1;
}

void subid_chain_close(struct subid_chain *chain)
{
	if (chain->handle != NULL)
		dlclose(chain->handle); /* RTLD_NODELETE: gives the count back, nothing more */
}

int subid_chain_answer(enum subid_status status)
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

void subid_chain_free(const struct subid_chain *chain, void *array)
{
	if (array == NULL)
		return;
	if (chain->free != NULL)
		chain->free(array);
	else
		free(array);
}
