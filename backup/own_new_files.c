/* SPDX-License-Identifier: ISC */
/*
 * Preloaded into sftp-server beside own_root.c: the tool's end of new_files.h, where the session has one. It confines
 * nothing. A guest: libc only, prints nothing.
 */
#include "backup/own_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backup/new_files.h"

#define EXPORT __attribute__((visibility("default")))

static bool kept_here(void)
{
	return getenv("SUBUID_NEW_FILES") != NULL;
}

static bool order_send(const struct new_files_order *order, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct new_files_order copy = *order;
	struct iovec data = { &copy, sizeof(copy) };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(int));
	return sendmsg(NEW_FILES_SOCKET, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(copy);
}

static int order_answered(const struct new_files_order *order, int fd)
{
	int answer = EPERM;

	if (!order_send(order, fd) || read(NEW_FILES_SOCKET, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		answer = EPERM;
	errno = answer;
	return answer == 0 ? 0 : -1;
}

/* It is answered, too: another session may ask for its date as soon as the client knows of the file. */
void own_file_made(int fd)
{
	const int before = errno;

	if (kept_here())
		order_answered(&(struct new_files_order){ .kind = NEW_FILES_MADE }, fd);
	errno = before;
}

/* The kernel has refused it; it may be a file that was just made. */
static bool refused_here(int result)
{
	return result != 0 && errno == EPERM && kept_here();
}

int own_file_dates(int result, int fd, const struct timespec times[2])
{
	struct new_files_order order = { .kind = NEW_FILES_DATES };

	if (times == NULL || !refused_here(result))
		return result;
	order.access.seconds = times[0].tv_sec;
	order.access.nanoseconds = times[0].tv_nsec;
	order.change.seconds = times[1].tv_sec;
	order.change.nanoseconds = times[1].tv_nsec;
	return order_answered(&order, fd);
}

/* Clients set what a file or directory has by now: nothing is to be done. Others never get the right to write. */
static bool mode_is(const struct stat *st, mode_t mode)
{
	return ((st->st_mode ^ mode) & 07777 & ~(mode_t)(S_IWGRP | S_IWOTH)) == 0;
}

/* scp cuts what it has uploaded to the length that it has. */
EXPORT int ftruncate(int fd, off_t size)
{
	int result = (int)syscall(SYS_ftruncate, fd, size);
	struct stat st;

	return result != 0 && errno == EACCES && kept_here() && fstat(fd, &st) == 0 && st.st_size == size ? 0 : result;
}

int own_file_mode(int result, int fd, mode_t mode)
{
	return refused_here(result) ?
		       order_answered(&(struct new_files_order){ .kind = NEW_FILES_MODE, .mode = mode }, fd) :
		       result;
}

/* To be changed by it, a file has to be open; by its number alone it is found among those of this session. */
static int path_open(const char *path)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(AT_FDCWD, path, O_RDONLY | flags);

	return fd >= 0 ? fd : openat(AT_FDCWD, path, O_PATH | flags);
}

int own_path_dates(int result, const char *path, const struct timespec times[2])
{
	int fd;

	if (!refused_here(result) || (fd = path_open(path)) < 0)
		return result;
	result = own_file_dates(result, fd, times);
	close(fd);
	return result;
}

int own_path_mode(int result, const char *path, mode_t mode)
{
	struct stat st;
	int fd;

	if (refused_here(result) && fstatat(AT_FDCWD, path, &st, 0) == 0 && mode_is(&st, mode))
		return 0;
	if (!refused_here(result) || (fd = path_open(path)) < 0)
		return result;
	result = own_file_mode(result, fd, mode);
	close(fd);
	return result;
}

#if defined(__LP64__)
EXPORT int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));
#endif
