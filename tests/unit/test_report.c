/* SPDX-License-Identifier: ISC */
/* What a gate says to the login shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backup/report.h"

static void a_descriptor_arrives_and_is_answered(void **state)
{
	struct report report;
	int ends[2], pipes[2], fd;
	char byte = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(report_receive(ends[0], &report), -EAGAIN);
	assert_int_equal(report_send(ends[1], &(struct report){ .kind = REPORT_FILES, .fd = pipes[0] }), 0);
	assert_int_equal(report_send(ends[1], &(struct report){ .kind = REPORT_REFUSED, .fd = -1 }), 0);
	assert_int_equal(report_receive(ends[0], &report), 0);
	assert_int_equal(report.kind, REPORT_FILES);
	fd = report.fd;
	assert_true(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(fd);
	assert_int_equal(report_receive(ends[0], &report), 0);
	assert_int_equal(report.kind, REPORT_REFUSED);
	assert_int_equal(report.fd, -1);
	assert_int_equal(
		report_send(ends[1], &(struct report){ .kind = REPORT_ADDS, .fd = -1, .text = "snapshots/?*" }), 0);
	assert_int_equal(report_receive(ends[0], &report), 0);
	assert_int_equal(report.kind, REPORT_ADDS);
	assert_string_equal(report.text, "snapshots/?*");
	assert_true(report_answer(ends[0]));
	assert_true(report_answered(ends[1]));
	close(ends[0]);
	assert_false(report_answered(ends[1]));
	assert_int_equal(report_send(ends[1], &(struct report){ .kind = REPORT_FILES, .fd = pipes[0] }), -EPIPE);
	close(ends[1]);
	close(pipes[0]);
	close(pipes[1]);
}

static void the_end_of_a_gate_is_the_end_of_its_reports(void **state)
{
	struct report report;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(report_send(ends[1], &(struct report){ .kind = REPORT_REFUSED, .fd = -1 }), 0);
	close(ends[1]);
	assert_int_equal(report_receive(ends[0], &report), 0);
	assert_int_equal(report.kind, REPORT_REFUSED);
	assert_true(report_receive(ends[0], &report) < 0);
	assert_false(report_answer(ends[0]));
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_descriptor_arrives_and_is_answered),
		cmocka_unit_test(the_end_of_a_gate_is_the_end_of_its_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
