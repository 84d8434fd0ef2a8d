/* SPDX-License-Identifier: ISC */
/* Places of sessions, with processes that hold them; and which refusals are told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/account.h"
#include "pam/slots.h"

static char run[] = "/tmp/test-slots-XXXXXX";
static time_t boot_seconds = 100;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = (struct timespec){ .tv_sec = boot_seconds };
	return 0;
}

static int prepare(void **state)
{
	(void)state;
	return mkdtemp(run) == NULL ? -1 : 0;
}

static int clean(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", run);
	return system(command); /* NOLINT: a name of our own */
}

/* Another session: takes a place of the account and one of the key, says what it got, and stays until it is killed. */
static pid_t session(uint32_t key, int expected)
{
	int said[2], got = 1;
	pid_t pid;

	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		int fd = slots_open(run, 7);

		got = slots_take_account(fd, 3);
		if (got == 0)
			got = slots_take_key(fd, key, 2);
		if (write(said[1], &got, sizeof(got)) != (ssize_t)sizeof(got))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(said[0], &got, sizeof(got)), sizeof(got));
	assert_int_equal(got, expected);
	close(said[0]);
	close(said[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void places_are_taken_and_given_back(void **state)
{
	pid_t first = session(1, 0), second = session(1, 0), third, fourth;
	struct stat st;
	char path[64];
	int fd;

	(void)state;
	third = session(1, -EBUSY); /* of the key; it has the account's last one */
	fourth = session(2, -EBUSY);
	end(third);
	end(fourth);
	third = session(2, 0);
	end(session(2, -EBUSY)); /* of the account */
	end(first);
	first = session(1, 0);
	end(first);
	end(second);
	end(third);
	fd = slots_open(run, 7);
	for (int i = 0; i < 5; i++) /* one process, one place */
		assert_int_equal(slots_take_account(fd, 1), 0);
	end(session(1, 0));
	close(fd);
	snprintf(path, sizeof(path), "%s/sessions", run);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/sessions/7", run);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* What sshd becomes for the account is a child: it has no lock, and takes none away. */
static void a_child_cannot_give_a_place_back(void **state)
{
	int fd = slots_open(run, 7), status;
	pid_t pid;

	(void)state;
	assert_int_equal(slots_take_account(fd, 1), 0);
	pid = fork();
	if (pid == 0) {
		struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

		_exit(fcntl(fd, F_SETLK, &all) == 0 && fcntl(fd, F_OFD_SETLK, &all) == 0 && close(fd) == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	pid = fork();
	if (pid == 0)
		_exit(slots_take_account(fd, 1) == -EBUSY ? 0 : 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	slots_leave_account(fd);
	close(fd);
}

static void in_no_minute_are_more_logins(void **state)
{
	int fd = slots_open(run, 9);
	unsigned wait = 0;

	(void)state;
	for (int i = 0; i < 3; i++, boot_seconds += 10) /* at 100, 110 and 120 */
		assert_int_equal(slots_login(fd, 3, &wait), 0);
	assert_int_equal(slots_login(fd, 3, &wait), -EBUSY);
	assert_int_equal(wait, 30);
	assert_int_equal(slots_login(fd, 4, &wait), 0); /* at 130: another number counts the same logins */
	boot_seconds = 160;
	assert_int_equal(slots_login(fd, 3, &wait), -EBUSY);
	assert_int_equal(wait, 10);
	assert_int_equal(slots_login(fd, 4, &wait), 0);
	boot_seconds = 1000;
	for (unsigned round = 0; round < 3; round++, boot_seconds += 60)
		for (unsigned i = 0; i <= LOGINS_MAX; i++)
			assert_int_equal(slots_login(fd, LOGINS_MAX, &wait), i < LOGINS_MAX ? 0 : -EBUSY);
	assert_true(slots_tell(fd, 1000, &wait)); /* the other thing in the file */
	assert_int_equal(slots_login(fd, LOGINS_MAX, &wait), 0);
	close(fd);
}

static pid_t login_later(int fd)
{
	unsigned wait;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(fd);
	fd = slots_open(run, 10);
	_exit(slots_login(fd, 20, &wait) == 0 ? 0 : 1);
}

static void many_at_once_are_no_more(void **state)
{
	int fd = slots_open(run, 10), status, taken = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		assert_true(login_later(fd) > 0);
	for (int i = 0; i < 40; i++) {
		assert_true(wait(&status) > 0);
		taken += status == 0;
	}
	assert_int_equal(taken, 20);
	close(fd);
}

static void refusals_of_a_minute_are_one_line(void **state)
{
	int fd = slots_open(run, 8);
	unsigned more = 9;

	(void)state;
	assert_true(slots_tell(fd, 1000, &more));
	assert_int_equal(more, 0);
	for (int i = 0; i < 70; i++)
		assert_false(slots_tell(fd, 1000 + i % 60, &more));
	assert_true(slots_tell(fd, 1060, &more));
	assert_int_equal(more, 70);
	assert_false(slots_tell(fd, 1061, &more));
	assert_true(slots_tell(fd, 500, &more)); /* a clock that was set back */
	assert_int_equal(more, 1);
	assert_true(slots_tell(-1, 500, &more));
	assert_true(slots_tell(-1, 500, &more));
	close(fd);
}

static uint64_t denied(const char *name)
{
	uint64_t count = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/denied/%s", run, name);
	file = fopen(path, "re");
	assert_true(file == NULL || fread(&count, sizeof(count), 1, file) == 1);
	if (file != NULL)
		fclose(file);
	return count;
}

static void refusals_are_counted_for_the_owner_and_for_all(void **state)
{
	(void)state;
	assert_int_equal(denied("all"), 0);
	for (int i = 0; i < 3; i++)
		slots_denied(run, 1000);
	slots_denied(run, 1001);
	assert_int_equal(denied("1000"), 3);
	assert_int_equal(denied("1001"), 1);
	assert_int_equal(denied("1002"), 0);
	assert_int_equal(denied("all"), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_taken_and_given_back),
		cmocka_unit_test(a_child_cannot_give_a_place_back),
		cmocka_unit_test(in_no_minute_are_more_logins),
		cmocka_unit_test(many_at_once_are_no_more),
		cmocka_unit_test(refusals_of_a_minute_are_one_line),
		cmocka_unit_test(refusals_are_counted_for_the_owner_and_for_all),
	};

	return cmocka_run_group_tests(tests, prepare, clean);
}
