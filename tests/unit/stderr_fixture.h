/* SPDX-License-Identifier: ISC */
/*
 * A standard error that nobody reads, as a client leaves it: full, and its descriptor blocks. Of both kinds: sshd gives
 * a pipe or a socket, by how it was built. What waits for the reader of it hangs: alarm(2) ends the test then.
 */
#ifndef TESTS_STDERR_FIXTURE_H
#define TESTS_STDERR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANG_SECONDS 120

enum stderr_kind { STDERR_PIPE, STDERR_SOCKET, STDERR_KINDS };

static int stderr_before = -1, stderr_reader = -1;

/* All that is there now; how much, of which the last `size` - 1 bytes at most are in `end`. */
static inline size_t stderr_read(char *end, size_t size)
{
	char bytes[4096];
	size_t total = 0, kept = 0;
	ssize_t got;

	while ((got = read(stderr_reader, bytes, sizeof(bytes))) > 0) {
		size_t more = (size_t)got < size - 1 ? (size_t)got : size - 1, stay = size - 1 - more;

		stay = kept < stay ? kept : stay;
		memmove(end, end + kept - stay, stay);
		memcpy(end + stay, bytes + (size_t)got - more, more);
		kept = stay + more;
		total += (size_t)got;
	}
	assert_true(got < 0 && errno == EAGAIN);
	end[kept] = '\0';
	return total;
}

static inline void stderr_fill(void)
{
	char bytes[1024];

	memset(bytes, '-', sizeof(bytes));
	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
	while (write(STDERR_FILENO, bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, 0), 0);
}

static inline void stderr_begin(enum stderr_kind kind)
{
	int ends[2];

	if (kind == STDERR_PIPE)
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	else
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	stderr_reader = ends[0];
	stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(stderr_before >= 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	stderr_fill();
	alarm(HANG_SECONDS);
}

/* Reads until there is room for something, and no more. */
static inline void stderr_make_room(void)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	char bytes[1024];

	while ((poll)(&room, 1, 0) == 0)
		assert_true(read(stderr_reader, bytes, sizeof(bytes)) > 0);
}

static inline void stderr_end(void)
{
	alarm(0);
	if (stderr_before < 0)
		return;
	assert_int_equal(dup2(stderr_before, STDERR_FILENO), STDERR_FILENO);
	close(stderr_before);
	close(stderr_reader);
	stderr_before = stderr_reader = -1;
}

/* Of a test that has failed in between: what it has to say would not be printed. */
static inline int stderr_teardown(void **state)
{
	(void)state;
	stderr_end();
	return 0;
}

#endif
