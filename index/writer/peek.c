/* SPDX-License-Identifier: ISC */
/* A look at an index file that may come from any host and any time, in any state. Run by the broker (root). */
#include "index/writer/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/view.h"
#include "confine/cleanup.h"
#include "confine/trusted.h"

static int view_look(const struct index_view *view, struct index_peek *ret)
{
	struct index_account account;
	uint64_t cursor = 0;
	int r = index_view_generation(view, &ret->generation);

	if (r < 0)
		return r;
	/* the keys' file has no table of accounts: none is found */
	ret->accounts = view->header.table[INDEX_BY_ID].slots != 0 && index_view_next(view, &cursor, &account) == 0;
	return 0;
}

int index_peek(int dirfd, const char *name, struct index_peek *ret)
{
	struct stat st;
	cleanup_fd int fd = file_open_trusted(dirfd, name, geteuid(), &st);
	struct index_view view;
	void *base;
	int r;

	if (fd < 0)
		return fd;
	if (st.st_size < (off_t)sizeof(struct index_header))
		return -EUCLEAN;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	r = index_view_init(&view, base, (uint64_t)st.st_size);
	if (r == 0)
		r = view_look(&view, ret);
	munmap(base, (size_t)st.st_size);
	return r;
}
