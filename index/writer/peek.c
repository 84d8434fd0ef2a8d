/* SPDX-License-Identifier: ISC */
/* A look at an index file that may be anybody's, of any time and in any state. Run by the broker (root). */
#include "index/writer/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/view.h"
#include "confine/cleanup.h"

static int view_look(const struct index_view *view, struct index_peek *ret)
{
	struct index_account account;
	struct index_host host;
	uint64_t cursor = 0;
	int r = index_view_host(view, &host);

	if (r < 0)
		return r;
	ret->generation = host.generation;
	/* the keys' file has no table of accounts: none is found */
	ret->accounts = view->header.table[INDEX_BY_ID].slots != 0 && index_view_next(view, &cursor, &account) == 0;
	return 0;
}

int index_peek(int dirfd, const char *name, struct index_peek *ret)
{
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct index_view view;
	struct stat st;
	void *base;
	int r;

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
		return -EPERM;
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
