/* SPDX-License-Identifier: ISC */
/* Asks the libsubid plug-in that was configured before ours whether it has given ids out. Run by the broker. */
#include "subuidd/ids/probe_chain.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <shadow/subid.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"

#define CHAIN_PATH STATE_DIR "/subid-chain"
#define NAME_BYTES_MAX 32
#define SPREAD 17
#define SPREAD_MAX 8193
#define STEP 4096 /* ids between two questions, of a range that is not larger than SPREAD_MAX of them */

struct chain {
	char name[NAME_BYTES_MAX + 1];
	enum subid_status (*find)(unsigned long id, enum subid_type type, uid_t **uids, int *count);
	void (*free)(void *array); /* plug-ins before shadow 4.16 have none: free(3) */
};

/* [a-z0-9_-]{1,32}, with or without a newline; as nss/subid_chain.c reads it. 1; 0: none is configured. */
static int name_read(char name[NAME_BYTES_MAX + 1])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	cleanup_fd int fd = open(CHAIN_PATH, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	char text[NAME_BYTES_MAX + 2] = "";
	struct stat st;
	size_t length;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0)
		return -EPERM;
	if (st.st_size >= (off_t)sizeof(text) || read(fd, text, sizeof(text) - 1) < 0)
		return -EBADMSG;
	length = strlen(text);
	if (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	if (length == 0 || length > NAME_BYTES_MAX || strspn(text, allowed) != length ||
	    strcmp(text, "subuid") == 0)
		return -EBADMSG;
	memcpy(name, text, length + 1);
	return 1;
}

static void symbol(void *handle, const char *name, void *function)
{
	void *found = dlsym(handle, name);

	memcpy(function, &found, sizeof(found));
}

/* Loaded once for each name, and for good: a plug-in may have threads or exit handlers. */
static int chain_open(struct chain **ret)
{
	static struct chain loaded;
	char name[NAME_BYTES_MAX + 1], path[sizeof(LIBDIR) + NAME_BYTES_MAX + 32];
	int r = name_read(name);
	void *handle;

	if (r != 1)
		return r;
	*ret = &loaded;
	if (strcmp(name, loaded.name) == 0)
		return 1;
	snprintf(path, sizeof(path), LIBDIR "/libsubid_%s.so", name);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (handle == NULL)
		return -ELIBACC;
	symbol(handle, "shadow_subid_find_subid_owners", &loaded.find);
	symbol(handle, "shadow_subid_free", &loaded.free);
	if (loaded.find == NULL)
		return -ELIBBAD;
	memcpy(loaded.name, name, sizeof(name));
	return 1;
}

static int id_taken(const struct chain *chain, uint32_t id, enum subid_type type)
{
	uid_t *uids = NULL;
	int count = 0;
	enum subid_status status = chain->find(id, type, &uids, &count);

	if (status == SUBID_STATUS_SUCCESS && uids != NULL) {
		if (chain->free != NULL)
			chain->free(uids);
		else
			free(uids);
	}
	if (status == SUBID_STATUS_SUCCESS)
		return count > 0;
	if (status == SUBID_STATUS_UNKNOWN_USER)
		return 0;
	return status == SUBID_STATUS_ERROR_CONN ? -ENOTCONN : -EIO;
}

int probe_chain_taken(uint32_t first, uint32_t last, struct id_block *holder)
{
	unsigned questions = (last - first) / STEP + 2;
	struct chain *chain = NULL;
	int r = chain_open(&chain);

	if (r != 1)
		return r;
	r = 0;
	questions = questions < SPREAD ? SPREAD : questions > SPREAD_MAX ? SPREAD_MAX : questions;
	for (unsigned i = 0; r == 0 && i < (first == last ? 1 : questions); i++) {
		uint32_t id = first + (uint32_t)((uint64_t)(last - first) * i / (questions - 1));

		r = id_taken(chain, id, ID_TYPE_UID);
		if (r == 0)
			r = id_taken(chain, id, ID_TYPE_GID);
		if (r == 1)
			*holder = (struct id_block){id, id};
	}
	return r;
}
