/* SPDX-License-Identifier: ISC */
/* The two files of the high-water mark: see high_water.h. Run by the broker and the state program (root). */
#include "store/high_water.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/trusted.h"
#include "store/hash.h"

#define FILES 2u
#define PAGE 4096 /* a slot and the record each have one of their own */
#define FILE_SIZE (3 * PAGE)
#define RECORD_AT ((off_t)(2 * PAGE))

static const char magic[8] = "subuidhw";
static const char *const names[FILES] = { HIGH_WATER_STATE, HIGH_WATER_HOMES };

/* As in the file: little-endian, `check` covers everything before it. */
struct slot {
	char magic[8];
	uint64_t sequence, store, generation;
	uint32_t marks[HIGH_WATER_REGIONS];
	uint64_t check;
};
struct record {
	uint64_t store, generation, check;
};
_Static_assert(offsetof(struct slot, check) == sizeof(struct slot) - sizeof(uint64_t), "no hidden padding");

struct high_water_files {
	int fd[FILES];
	uint64_t sequence; /* of the newest slot in either */
	struct high_water mark;
};

/* ---- reading ---- */

static uint64_t check_of(const void *data, size_t size)
{
	return htole64(store_hash(0x6877, data, size));
}

static bool slot_sound(const struct slot *slot)
{
	return memcmp(slot->magic, magic, sizeof(magic)) == 0 && slot->store != 0 &&
	       slot->check == check_of(slot, offsetof(struct slot, check));
}

static int file_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return file_trusted(&st, geteuid()) ? 0 : -EPERM;
}

static int file_open(int dirfd, const char *name, int flags)
{
	cleanup_fd int fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0)
		return errno == ELOOP || errno == EISDIR ? -EPERM : -errno;
	r = file_ours(fd);
	return r < 0 ? r : steal_fd(&fd);
}

/* 1: all of it, 0: the file is shorter, negative errno. */
static int part_read(int fd, void *part, size_t size, off_t at)
{
	ssize_t got = pread(fd, part, size, at);

	return got < 0 ? -errno : (size_t)got == size;
}

static void slot_decode(const struct slot *slot, struct high_water *mark)
{
	mark->store = le64toh(slot->store);
	mark->generation = le64toh(slot->generation);
	for (unsigned i = 0; i < HIGH_WATER_REGIONS; i++)
		mark->marks[i] = le32toh(slot->marks[i]);
}

/* The newer sound slot, and the generation that was written since. 0 or -EUCLEAN or another negative errno. */
static int file_read(int fd, struct high_water *mark, uint64_t *sequence)
{
	struct record record;
	struct slot slot;
	bool found = false;
	int r = 0;

	for (unsigned i = 0; i < 2; i++) {
		r = part_read(fd, &slot, sizeof(slot), (off_t)i * PAGE);
		if (r < 0)
			return r;
		if (r == 0 || !slot_sound(&slot) || (found && le64toh(slot.sequence) < *sequence))
			continue;
		found = true;
		*sequence = le64toh(slot.sequence);
		slot_decode(&slot, mark);
	}
	r = found ? part_read(fd, &record, sizeof(record), RECORD_AT) : -EUCLEAN;
	if (r == 1 && record.check == check_of(&record, offsetof(struct record, check)) &&
	    le64toh(record.store) == mark->store && le64toh(record.generation) > mark->generation)
		mark->generation = le64toh(record.generation);
	return r < 0 ? r : 0;
}

void high_water_merge(struct high_water *to, uint64_t generation, const uint32_t marks[HIGH_WATER_REGIONS])
{
	if (generation > to->generation)
		to->generation = generation;
	for (unsigned i = 0; i < HIGH_WATER_REGIONS; i++)
		if (marks[i] > to->marks[i])
			to->marks[i] = marks[i];
}

/* Adds what one file knows. 0 (also if it tells nothing), or a negative errno that ends the reading. */
static int read_one(int dirfd, unsigned file, struct high_water *known, unsigned *files, bool *damaged)
{
	cleanup_fd int fd = file_open(dirfd, names[file], O_RDONLY);
	struct high_water mark = { 0 };
	uint64_t sequence = 0;
	int r = fd < 0 ? fd : file_read(fd, &mark, &sequence);

	if (r == -EUCLEAN)
		*damaged = true;
	if (r == -ENOENT || r == -EUCLEAN)
		return 0;
	if (r < 0)
		return r;
	if (known->store == 0)
		known->store = mark.store;
	else if (known->store != mark.store)
		*files |= HIGH_WATER_DIFFER;
	high_water_merge(known, mark.generation, mark.marks);
	*files |= 1u << file;
	return 0;
}

int high_water_read(int state_fd, int homes_fd, struct high_water *mark, unsigned *files)
{
	const int dirs[FILES] = { state_fd, homes_fd };
	struct high_water known = { 0 };
	unsigned found = 0;
	bool damaged = false;

	for (unsigned i = 0; i < FILES; i++) {
		int r = read_one(dirs[i], i, &known, &found, &damaged);

		if (r < 0)
			return r;
	}
	if (found == 0)
		return damaged ? -EUCLEAN : -ENOENT;
	*mark = known;
	*files = found;
	return 0;
}

/* ---- writing ---- */

static void slot_encode(const struct high_water *mark, uint64_t sequence, struct slot *slot)
{
	*slot = (struct slot){ .sequence = htole64(sequence),
			       .store = htole64(mark->store),
			       .generation = htole64(mark->generation) };
	memcpy(slot->magic, magic, sizeof(magic));
	for (unsigned i = 0; i < HIGH_WATER_REGIONS; i++)
		slot->marks[i] = htole32(mark->marks[i]);
	slot->check = check_of(slot, offsetof(struct slot, check));
}

static int part_write(int fd, const void *part, size_t size, off_t at)
{
	ssize_t put = pwrite(fd, part, size, at);

	return put < 0 ? -errno : (size_t)put == size ? 0 : -EIO;
}

static int record_write(int fd, const struct high_water *mark)
{
	struct record record = { .store = htole64(mark->store), .generation = htole64(mark->generation) };

	record.check = check_of(&record, offsetof(struct record, check));
	return part_write(fd, &record, sizeof(record), RECORD_AT);
}

static int slot_write(int fd, const struct high_water *mark, uint64_t sequence)
{
	struct slot slot;

	slot_encode(mark, sequence, &slot);
	return part_write(fd, &slot, sizeof(slot), (off_t)(sequence % 2) * PAGE);
}

/* Opens the same open file again, to read or to write: the files are not kept open for writing, because then nobody
 * could make the file system of the homes read-only while the daemon runs. */
static int file_again(int fd, int flags)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return again < 0 ? -errno : again;
}

static int slot_put(const struct high_water_files *files, unsigned file, const struct high_water *mark)
{
	cleanup_fd int fd = file_again(files->fd[file], O_RDWR);

	return fd < 0 ? fd : slot_write(fd, mark, files->sequence + 1);
}

/* Written to both, and on the disk before anybody acts on it. */
static int mark_write(struct high_water_files *files, const struct high_water *mark)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < FILES; i++)
		r = slot_put(files, i, mark);
	for (unsigned i = 0; r == 0 && i < FILES; i++)
		r = fdatasync(files->fd[i]) == 0 ? 0 : -errno;
	if (r < 0)
		return r; /* the same slots again: the other slots may be the only whole ones */
	files->sequence++;
	files->mark = *mark;
	return 0;
}

void store_in_place(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* other file systems refuse: nothing lost */
	}
}

static int file_fill(int fd, const struct high_water *mark)
{
	int r = fchmod(fd, 0600) == 0 ? -posix_fallocate(fd, 0, FILE_SIZE) : -errno;

	/* both slots: the first writes would have to turn space that is only allocated into data */
	for (uint64_t sequence = 1; r == 0 && sequence <= 2; sequence++)
		r = slot_write(fd, mark, sequence);
	if (r == 0)
		r = record_write(fd, mark);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* Complete before it has its name: a crash leaves no empty file. */
static int file_make(int dirfd, const char *name, const struct high_water *mark)
{
	cleanup_fd int fd = -1;
	char new[32];
	int r;

	snprintf(new, sizeof(new), "%s.new", name);
	if (unlinkat(dirfd, new, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dirfd, new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	store_in_place(fd);
	r = file_fill(fd, mark);
	if (r == 0 && renameat(dirfd, new, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, new, 0);
		return r;
	}
	return fsync(dirfd) == 0 ? steal_fd(&fd) : -errno;
}

static bool mark_same(const struct high_water *a, const struct high_water *b)
{
	return a->store == b->store && a->generation == b->generation &&
	       memcmp(a->marks, b->marks, sizeof(a->marks)) == 0;
}

/* One file, which may need rewriting (*write). A descriptor or negative errno. */
static int file_take(struct high_water_files *files, int dirfd, unsigned file, bool *write)
{
	cleanup_fd int fd = file_open(dirfd, names[file], O_RDWR);
	struct high_water there = { 0 };
	uint64_t sequence = 0;
	struct stat st;
	int r = fd < 0 ? fd : file_read(fd, &there, &sequence);

	/* a file that is shorter than ours would have to be given space while it is used */
	if (r == 0 && (fstat(fd, &st) < 0 || st.st_size != FILE_SIZE))
		r = -EUCLEAN;
	if (r == -ENOENT || r == -EUCLEAN) {
		r = file_make(dirfd, names[file], &files->mark);
		sequence = 2;
		if (r < 0)
			return r;
		cleanup_fd_p(&fd);
		fd = r;
	} else if (r == 0) {
		*write |= !mark_same(&there, &files->mark);
	}
	if (sequence > files->sequence)
		files->sequence = sequence;
	return r < 0 ? r : file_again(fd, O_RDONLY);
}

int high_water_open(int state_fd, int homes_fd, const struct high_water *mark, struct high_water_files **ret)
{
	const int dirs[FILES] = { state_fd, homes_fd };
	struct high_water_files *files = calloc(1, sizeof(*files));
	bool write = false;
	int r = 0;

	if (files == NULL || mark->store == 0) {
		free(files);
		return files == NULL ? -ENOMEM : -EINVAL;
	}
	files->mark = *mark;
	for (unsigned i = 0; i < FILES; i++)
		files->fd[i] = -1;
	for (unsigned i = 0; r >= 0 && i < FILES; i++)
		r = files->fd[i] = file_take(files, dirs[i], i, &write);
	if (r >= 0)
		r = write ? mark_write(files, mark) : 0;
	if (r < 0) {
		high_water_close(files);
		return r;
	}
	*ret = files;
	return 0;
}

void high_water_close(struct high_water_files *files)
{
	if (files == NULL)
		return;
	for (unsigned i = 0; i < FILES; i++)
		if (files->fd[i] >= 0)
			close(files->fd[i]);
	free(files);
}

int high_water_raise(struct high_water_files *files, uint32_t first, uint32_t last)
{
	struct high_water mark = files->mark;
	bool higher = false;

	if (first > last)
		return -EINVAL;
	for (uint32_t region = first >> HIGH_WATER_REGION_BITS; region <= last >> HIGH_WATER_REGION_BITS; region++) {
		uint32_t end = region << HIGH_WATER_REGION_BITS | ((1u << HIGH_WATER_REGION_BITS) - 1);
		uint32_t wanted = last < end ? last : end;

		if (wanted <= mark.marks[region])
			continue;
		mark.marks[region] = wanted;
		higher = true;
	}
	return higher ? mark_write(files, &mark) : 0;
}

void high_water_generation(struct high_water_files *files, uint64_t generation)
{
	files->mark.generation = generation;
	for (unsigned i = 0; i < FILES; i++) {
		cleanup_fd int fd = file_again(files->fd[i], O_RDWR);

		if (fd >= 0)
			(void)record_write(fd, &files->mark);
	}
}

int high_water_settle(struct high_water_files *files, const uint32_t marks[HIGH_WATER_REGIONS])
{
	struct high_water mark = files->mark;

	memcpy(mark.marks, marks, sizeof(mark.marks));
	return mark_same(&mark, &files->mark) ? 0 : mark_write(files, &mark);
}
