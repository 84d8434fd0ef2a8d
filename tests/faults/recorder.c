/* SPDX-License-Identifier: ISC */
/*
 * recorder LOG DIRECTORY IMAGE [IMAGE ...]
 *
 * A disk that remembers. A FUSE file system with one file for each image (DIRECTORY/0, /1, ...), for loop devices to
 * stand on: what the file system above writes goes through to the image, and into LOG in the order in which it came,
 * with the flushes between. tests/faults/images.py makes from it what a loss of power may leave. One thread: a write
 * was answered before the flush that follows it is read, so that what the log has before a flush is what that flush
 * promises. Run by the tests, as root. In the foreground, until it is unmounted.
 */
#define FUSE_USE_VERSION 35

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DISKS_MAX 8
#define FIRST_INODE 2u /* 1 is the directory */
#define TIMEOUT 3600.0
#define REQUEST_MAX (1u << 20)

enum kind { WRITE = 1, FLUSH, ZERO };

/* What the log consists of; a WRITE is followed by its bytes. */
struct record {
	uint32_t kind, disk;
	uint64_t offset, length;
};

static int log_fd;
static int images[DISKS_MAX];
static unsigned disks;

static void fail(const char *what)
{
	fprintf(stderr, "recorder: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* Whole or not at all: a log that lacks something proves nothing. */
static void log_add(enum kind kind, fuse_ino_t inode, off_t offset, size_t length, const void *data)
{
	struct record record = { kind, (uint32_t)(inode - FIRST_INODE), (uint64_t)offset, length };
	struct iovec parts[] = { { &record, sizeof(record) }, { (void *)(uintptr_t)data, data != NULL ? length : 0 } };
	ssize_t whole = (ssize_t)(sizeof(record) + parts[1].iov_len);

	if (writev(log_fd, parts, 2) != whole)
		fail("log");
}

static int image_of(fuse_ino_t inode)
{
	return inode >= FIRST_INODE && inode < FIRST_INODE + disks ? images[inode - FIRST_INODE] : -1;
}

static int attributes(fuse_ino_t inode, struct stat *st)
{
	int fd = image_of(inode);

	memset(st, 0, sizeof(*st));
	if (inode == FUSE_ROOT_ID) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
	} else if (fd < 0) {
		return ENOENT;
	} else if (fstat(fd, st) < 0) {
		return errno;
	}
	st->st_ino = inode;
	return 0;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = { .attr_timeout = TIMEOUT, .entry_timeout = TIMEOUT };
	int error = parent == FUSE_ROOT_ID && name[0] >= '0' && name[0] <= '9' && name[1] == '\0' ? 0 : ENOENT;

	if (error == 0) {
		entry.ino = FIRST_INODE + (fuse_ino_t)(name[0] - '0');
		error = attributes(entry.ino, &entry.attr);
	}
	if (error != 0)
		fuse_reply_err(request, error);
	else
		fuse_reply_entry(request, &entry);
}

static void on_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	struct stat st;
	int error = attributes(inode, &st);

	(void)file;
	if (error != 0)
		fuse_reply_err(request, error);
	else
		fuse_reply_attr(request, &st, TIMEOUT);
}

static void on_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *file)
{
	if (image_of(inode) < 0)
		fuse_reply_err(request, EISDIR);
	else
		fuse_reply_open(request, file);
}

static void on_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, struct fuse_file_info *file)
{
	static char buffer[REQUEST_MAX];
	ssize_t n = pread(image_of(inode), buffer, size < sizeof(buffer) ? size : sizeof(buffer), offset);

	(void)file;
	if (n < 0)
		fuse_reply_err(request, errno);
	else
		fuse_reply_buf(request, buffer, (size_t)n);
}

static void on_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *file)
{
	(void)file;
	if (pwrite(image_of(inode), data, size, offset) != (ssize_t)size) {
		fuse_reply_err(request, EIO);
		return;
	}
	log_add(WRITE, inode, offset, size, data);
	fuse_reply_write(request, size);
}

static void on_fsync(fuse_req_t request, fuse_ino_t inode, int datasync, struct fuse_file_info *file)
{
	(void)datasync;
	(void)file;
	log_add(FLUSH, inode, 0, 0, NULL);
	fuse_reply_err(request, 0);
}

/* A discard reads as zeros afterwards, as a loop device promises. */
static void on_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset, off_t length,
			 struct fuse_file_info *file)
{
	(void)file;
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) == 0) {
		fuse_reply_err(request, EOPNOTSUPP);
	} else if (fallocate(image_of(inode), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) < 0) {
		fuse_reply_err(request, errno);
	} else {
		log_add(ZERO, inode, offset, (size_t)length, NULL);
		fuse_reply_err(request, 0);
	}
}

static void on_init(void *data, struct fuse_conn_info *connection)
{
	(void)data;
	connection->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE; /* what is written is here at once */
	connection->max_write = REQUEST_MAX;
}

static const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.lookup = on_lookup,
	.getattr = on_getattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.fsync = on_fsync,
	.fallocate = on_fallocate,
};

static void files_open(int argc, char **argv)
{
	log_fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		fail(argv[1]);
	for (int i = 3; i < argc; i++) {
		images[disks] = open(argv[i], O_RDWR | O_CLOEXEC);
		if (images[disks++] < 0)
			fail(argv[i]);
	}
}

int main(int argc, char **argv)
{
	char *words[] = { argv[0], (char *)(uintptr_t) "-o", (char *)(uintptr_t) "fsname=recorder" };
	struct fuse_args arguments = FUSE_ARGS_INIT(3, words);
	struct fuse_session *session;
	int r;

	if (argc < 4 || argc > 3 + DISKS_MAX) {
		fputs("usage: recorder LOG DIRECTORY IMAGE [IMAGE ...]\n", stderr);
		return 2;
	}
	files_open(argc, argv);
	session = fuse_session_new(&arguments, &operations, sizeof(operations), NULL);
	if (session == NULL || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[2]) != 0)
		return EXIT_FAILURE;
	r = fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
