/* SPDX-License-Identifier: ISC */
/* The index file itself: made, mapped, and renamed into its place. Run by the broker, its only writer. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/check.h"
#include "confine/cleanup.h"
#include "index/writer/file.h"

enum { SUFFIX_NEW, SUFFIX_OLD };

static void side_name(const struct index_writer *writer, int suffix, char out[48])
{
	snprintf(out, 48, "%s.%s", writer->name, suffix == SUFFIX_NEW ? "new" : "old");
}

bool index_table_wanted(enum index_file file, enum index_table_id table)
{
	return (table == INDEX_BY_KEY) == (file != INDEX_FILE_PUBLIC);
}

void index_word_store(struct index_writer *writer, unsigned word, uint64_t value)
{
	static const size_t offset[] = {
		[INDEX_WORD_SUPERSEDED] = offsetof(struct index_header, superseded),
		[INDEX_WORD_GENERATION] = offsetof(struct index_header, generation),
		[INDEX_WORD_LINES_USED] = offsetof(struct index_header, lines_used),
	};
	void *at = writer->base + offset[word];

	__atomic_store_n((uint64_t *)at, index_seal(writer->view.header.seed, INDEX_SEAL_HEADER, word, value),
			 __ATOMIC_RELEASE);
}

/* ---- a new file ---- */

static int boot_id_read(uint8_t id[16])
{
	cleanup_fd int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[37] = "";
	unsigned n = 0;

	if (fd < 0)
		return -errno;
	if (read(fd, text, 36) != 36)
		return -EIO;
	for (const char *p = text; *p != '\0' && n < 32; p++) {
		const char *digits = "0123456789abcdef", *digit = strchr(digits, *p);

		if (digit == NULL)
			continue; /* '-' */
		id[n / 2] = (uint8_t)((n % 2 == 0 ? 0 : id[n / 2] << 4) | (digit - digits));
		n++;
	}
	return n == 32 ? 0 : -EIO;
}

static int header_make(const struct index_writer *writer, const struct index_size *size, struct index_header *header)
{
	uint64_t offset = sizeof(*header);
	int rc;

	memset(header, 0, sizeof(*header));
	memcpy(header->magic, INDEX_MAGIC, sizeof(header->magic));
	header->version = INDEX_VERSION;
	header->header_size = sizeof(*header);
	for (unsigned i = 0; i < INDEX_TABLES; i++) {
		header->table[i] = (struct index_table){ .offset = offset, .slots = size->slots[i] };
		offset += size->slots[i] * sizeof(index_slot);
	}
	header->records_offset = offset;
	header->records_lines = size->lines;
	header->file_size = offset + size->lines * INDEX_LINE;
	header->host = writer->options.host;
	rc = boot_id_read(header->boot_id);
	if (rc < 0)
		return rc;
	if (getrandom(&header->seed, sizeof(header->seed), 0) != (ssize_t)sizeof(header->seed))
		return -EIO;
	header->check = index_header_checksum(header);
	return index_header_sound(header, header->file_size) ? 0 : -EINVAL;
}

/* Owner and mode before content; all space before the first store into the map. */
static int file_prepare(const struct index_writer *writer, int fd, uint64_t size)
{
	int flags;

	/* on btrfs: written in place, so that a full disk cannot refuse a page that is already ours */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* other file systems refuse: nothing lost */
	}
	if (fchown(fd, (uid_t)-1, writer->options.group) < 0 || fchmod(fd, writer->options.mode) < 0)
		return -errno;
	return -posix_fallocate(fd, 0, (off_t)size);
}

static int file_map_writable(struct index_writer *writer, int fd, uint64_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct stat st;

	if (base == MAP_FAILED)
		return -errno;
	if (fstat(fd, &st) < 0) {
		munmap(base, size);
		return -errno;
	}
	writer->base = base;
	writer->dev = st.st_dev;
	writer->ino = st.st_ino;
	return 0;
}

static void tables_clear(struct index_writer *writer)
{
	for (unsigned t = 0; t < INDEX_TABLES; t++)
		for (uint64_t i = 0; i < writer->view.header.table[t].slots; i++)
			index_slot_write(writer, t, i, 0, INDEX_TAG_EMPTY);
}

int index_file_create(struct index_writer *writer, const struct index_size *size)
{
	struct index_header header;
	char name[48];
	int rc = header_make(writer, size, &header);

	if (rc < 0)
		return rc;
	side_name(writer, SUFFIX_NEW, name);
	if (unlinkat(writer->dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	cleanup_fd int fd = openat(writer->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	rc = file_prepare(writer, fd, header.file_size);
	if (rc == 0)
		rc = file_map_writable(writer, fd, header.file_size);
	if (rc < 0) {
		unlinkat(writer->dirfd, name, 0);
		return rc;
	}
	memcpy(writer->base, &header, sizeof(header));
	writer->view.base = writer->base;
	writer->view.header = header;
	tables_clear(writer);
	index_word_store(writer, INDEX_WORD_SUPERSEDED, 0);
	index_word_store(writer, INDEX_WORD_GENERATION, 0);
	index_word_store(writer, INDEX_WORD_LINES_USED, 0);
	return 0;
}

/* ---- the present file ---- */

/* Bytes behind the NUL of a text may be any. */
bool index_host_equal(const struct index_host *a, const struct index_host *b)
{
	return memcmp(a, b, offsetof(struct index_host, separator)) == 0 && a->separator == b->separator &&
	       a->account_memory == b->account_memory && a->session_hours == b->session_hours &&
	       a->session_shell == b->session_shell && strcmp(a->homes, b->homes) == 0 &&
	       strcmp(a->shell, b->shell) == 0 &&
	       memcmp(&a->both_gid, &b->both_gid, sizeof(*a) - offsetof(struct index_host, both_gid)) == 0;
}

static bool header_ours(const struct index_writer *writer, bool any_boot)
{
	const struct index_header *header = &writer->view.header;
	uint8_t boot_id[16];

	if (!any_boot && (boot_id_read(boot_id) < 0 || memcmp(boot_id, header->boot_id, sizeof(boot_id)) != 0))
		return false;
	for (unsigned i = 0; i < INDEX_TABLES; i++)
		if ((header->table[i].slots != 0) != index_table_wanted(writer->options.file, i))
			return false;
	return index_view_current(&writer->view) && index_host_equal(&header->host, &writer->options.host);
}

/* A copy with holes would fault in the middle of a change on a full disk. On such a disk xfs refuses the call even if
 * there is no hole. */
static int holes_fill(int fd, const struct stat *st)
{
	int error = posix_fallocate(fd, 0, st->st_size);

	return error == ENOSPC && st->st_blocks * 512 >= st->st_size ? 0 : -error;
}

int index_file_map(struct index_writer *writer, bool any_boot)
{
	cleanup_fd int fd = openat(writer->dirfd, writer->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? -ESTALE : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_gid != writer->options.group ||
	    (st.st_mode & 07777) != writer->options.mode || st.st_size < (off_t)sizeof(struct index_header))
		return -ESTALE;
	rc = holes_fill(fd, &st);
	if (rc == 0)
		rc = file_map_writable(writer, fd, (uint64_t)st.st_size);
	if (rc < 0)
		return rc;
	if (index_view_init(&writer->view, writer->base, (uint64_t)st.st_size) < 0) {
		munmap(writer->base, (size_t)st.st_size);
		writer->base = NULL;
		return -ESTALE;
	}
	return header_ours(writer, any_boot) ? 0 : -ESTALE;
}

void index_file_unmap(struct index_writer *writer)
{
	if (writer->base != NULL)
		munmap(writer->base, writer->view.header.file_size);
	writer->base = NULL;
}

bool index_writer_present(const struct index_writer *writer)
{
	struct stat st;

	return fstatat(writer->dirfd, writer->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == writer->dev &&
	       st.st_ino == writer->ino;
}

/* ---- taking the place of the present file ---- */

/* The first page of a file that readers may have mapped, to mark it; NULL if it cannot be such a file (not a regular
 * file of ours with a header in it). */
static int old_map(int dirfd, const char *name, uint8_t **page)
{
	cleanup_fd int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	void *base;

	*page = NULL;
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_size < (off_t)sizeof(struct index_header))
		return 0;
	base = mmap(NULL, sizeof(struct index_header), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	if (memcmp(base, INDEX_MAGIC, 8) != 0) {
		munmap(base, sizeof(struct index_header));
		return 0;
	}
	*page = base;
	return 0;
}

/* Any word but the sealed 0 will do: the header, and the seed in it, may be damaged. */
static void old_mark(uint8_t *page)
{
	void *word = page + offsetof(struct index_header, superseded);

	__atomic_store_n((uint64_t *)word, 1, __ATOMIC_RELEASE);
	munmap(page, sizeof(struct index_header));
}

static bool same_file(int dirfd, const char *a, const char *b)
{
	struct stat x, y;

	return fstatat(dirfd, a, &x, AT_SYMLINK_NOFOLLOW) == 0 && fstatat(dirfd, b, &y, AT_SYMLINK_NOFOLLOW) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int index_file_recover(const struct index_writer *writer)
{
	uint8_t *page;
	char old[48];
	int rc;

	side_name(writer, SUFFIX_OLD, old);
	if (!same_file(writer->dirfd, writer->name, old)) {
		rc = old_map(writer->dirfd, old, &page);
		if (rc < 0)
			return rc;
		if (page != NULL)
			old_mark(page);
	}
	return unlinkat(writer->dirfd, old, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* The link NAME.old and the map exist before the rename: after it, marking the old file cannot
 * fail, and a writer killed in between finds NAME.old when it comes back. */
static int place_take(const struct index_writer *writer, const char *new, const char *old)
{
	uint8_t *page;
	int rc = index_file_recover(writer);

	if (rc < 0)
		return rc;
	if (linkat(writer->dirfd, writer->name, writer->dirfd, old, 0) < 0 && errno != ENOENT)
		return -errno;
	rc = old_map(writer->dirfd, old, &page);
	if (rc == 0 && renameat(writer->dirfd, new, writer->dirfd, writer->name) < 0) {
		rc = -errno;
		if (page != NULL)
			munmap(page, sizeof(struct index_header));
	}
	if (rc < 0) {
		unlinkat(writer->dirfd, old, 0);
		return rc;
	}
	if (page != NULL)
		old_mark(page);
	if (unlinkat(writer->dirfd, old, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int index_file_publish(struct index_writer *writer)
{
	char new[48], old[48];
	int rc;

	side_name(writer, SUFFIX_NEW, new);
	side_name(writer, SUFFIX_OLD, old);
	cleanup_fd int fd = openat(writer->dirfd, new, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0) /* it includes everything that was stored through the map */
		return -errno;
	rc = place_take(writer, new, old);
	if (rc < 0)
		return rc;
	writer->published = true;
	return fsync(writer->dirfd) < 0 ? -errno : 0;
}
