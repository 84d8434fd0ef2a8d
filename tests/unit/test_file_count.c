/* SPDX-License-Identifier: ISC */
/* Lines of rsync's log, and the way of its other end to who counts them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "backup/file_count.h"

#define STAMP "2026/11/23 21:35:41 [4072"

static void lines_of_files_count_however_they_are_cut(void **state)
{
	static const char text[] = STAMP "] receiving file list\n" STAMP "] f\n" STAMP "] f\n" STAMP
		"] deleting x] f\n" STAMP "] ff\n" STAMP "]  f\n" STAMP "] f \n] f\n\nf\n f\n" STAMP "] \n" STAMP
		"]f\n" STAMP "] f\n" STAMP "] f";
	const size_t length = sizeof(text) - 1;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		struct file_count count = { 0 };

		for (size_t at = 0; at < length; at += piece)
			file_count_take(&count, text + at, piece < length - at ? piece : length - at);
		assert_int_equal(count.files, 4); /* the last one is not whole */
		assert_true(count.any);
	}
}

static void nothing_is_not_none(void **state)
{
	struct file_count count = { 0 };

	(void)state;
	file_count_take(&count, "", 0);
	assert_false(count.any);
	file_count_take(&count, "x", 1);
	assert_true(count.any);
	assert_int_equal(count.files, 0);
}

static void a_descriptor_arrives_and_is_answered(void **state)
{
	int ends[2], pipes[2], fd;
	char byte = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(file_count_receive(ends[0]), -EAGAIN);
	assert_int_equal(file_count_send(ends[1], pipes[0]), 0);
	fd = file_count_receive(ends[0]);
	assert_true(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(send(ends[0], "", 1, 0), 1);
	assert_true(file_count_taken(ends[1]));
	/* bytes without one; and who has gone */
	assert_int_equal(send(ends[1], "", 1, 0), 1);
	assert_int_equal(file_count_receive(ends[0]), -ENOENT);
	close(ends[0]);
	assert_false(file_count_taken(ends[1]));
	assert_int_equal(file_count_send(ends[1], pipes[0]), -EPIPE);
	close(ends[1]);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_files_count_however_they_are_cut),
		cmocka_unit_test(nothing_is_not_none),
		cmocka_unit_test(a_descriptor_arrives_and_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
