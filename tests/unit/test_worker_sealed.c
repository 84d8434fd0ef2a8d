/* SPDX-License-Identifier: ISC */
/*
 * The worker as it is installed: started the way the broker does it, sealed, and
 * looked at from outside (root: it has to become somebody else).
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include <grp.h>
#include <cmocka.h>

#include "worker/worker.h"
#include "varlink/client.h"

#define NOBODY 65534

static char program[PATH_MAX];

struct started {
	pid_t pid;
	int broker;
};

static const char *forbidden;

/* As on a kernel without it: the calls fail, nothing else is different. */
static void forbid(const char *syscall_name)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (filter == NULL || seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) < 0 ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name(syscall_name), 0) < 0 ||
	    seccomp_load(filter) < 0)
		_exit(97);
}

/* fd 3 and a log on 2, nothing else; the executable by descriptor, as its directory may be closed to nobody. */
static void child(int socket, uid_t uid)
{
	int image = open(program, O_PATH | O_CLOEXEC), log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	static char name[] = "worker";
	char *const argv[] = { name, NULL }, *const environment[] = { NULL };

	image = fcntl(image, F_DUPFD_CLOEXEC, 10);
	log = fcntl(log, F_DUPFD_CLOEXEC, 10);
	socket = fcntl(socket, F_DUPFD_CLOEXEC, 10);
	dup2(log, STDERR_FILENO);
	dup2(socket, WIRE_FD);
	close(0);
	close(1);
	if (forbidden != NULL)
		forbid(forbidden);
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(99);
	fexecve(image, argv, environment);
	_exit(98);
}

static struct started start(uid_t uid)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);

	pid_t pid = fork();

	if (pid == 0)
		child(pair[1], uid);
	assert_true(pid > 0);
	close(pair[1]);
	return (struct started){ pid, pair[0] };
}

static int ended(struct started *started)
{
	int status = -1;

	close(started->broker);
	assert_int_equal(waitpid(started->pid, &status, 0), started->pid);
	return status;
}

static void wait_ready(const struct started *started)
{
	struct pollfd poll_fd = { .fd = started->broker, .events = POLLIN };
	char byte = 0;

	assert_int_equal(poll(&poll_fd, 1, 10000), 1);
	assert_int_equal(recv(started->broker, &byte, 1, 0), 1);
	assert_int_equal(byte, WIRE_READY);
}

/* Returns the peer's end. */
static int give_connection(const struct started *started, uint32_t tag, int descriptors)
{
	struct wire_connection connection = { .tag = tag, .idle_seconds = 10 };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { &connection, sizeof(connection) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int pair[2], both[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	if (descriptors > 0) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE((size_t)descriptors * sizeof(int));

		struct cmsghdr *header = CMSG_FIRSTHDR(&message);

		both[0] = both[1] = pair[1];
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN((size_t)descriptors * sizeof(int));
		memcpy(CMSG_DATA(header), both, (size_t)descriptors * sizeof(int));
	}
	assert_int_equal(sendmsg(started->broker, &message, MSG_NOSIGNAL), sizeof(connection));
	close(pair[1]);
	return pair[0];
}

static void status_line(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	out[0] = '\0';
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			snprintf(out, size, "%s", line + strlen(name) + 1 + strspn(line + strlen(name) + 1, " \t"));
	fclose(file);
	out[strcspn(out, "\n")] = '\0';
}

static void is_status(pid_t pid, const char *name, const char *expected)
{
	char value[256];

	status_line(pid, name, value, sizeof(value));
	assert_string_equal(value, expected);
}

static void is_sealed_when_it_says_so(void **state)
{
	struct started started = start(NOBODY);
	char path[64], target[64];

	(void)state;
	wait_ready(&started);
	is_status(started.pid, "NoNewPrivs", "1");
	is_status(started.pid, "Seccomp", "2");
	is_status(started.pid, "CapEff", "0000000000000000");
	is_status(started.pid, "CapPrm", "0000000000000000");
	is_status(started.pid, "Groups", "");
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)started.pid, WIRE_FD + 1);
	assert_true(readlink(path, target, sizeof(target)) < 0);
	close(started.broker);

	int status;

	waitpid(started.pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void serves_one_connection_and_ends(void **state)
{
	struct started started = start(NOBODY);
	static struct varlink_stream stream;
	json_t *reply = NULL;
	char *error = NULL;
	int status;

	(void)state;
	wait_ready(&started);

	int peer = give_connection(&started, WIRE_CONNECTION, 1);

	varlink_stream_init(&stream, peer, 10000);
	assert_int_equal(varlink_call(&stream, "org.varlink.service.GetInfo", NULL, &reply, &error), 0);
	assert_string_equal(json_string_value(json_object_get(reply, "product")), "subuidd");
	json_decref(reply);

	json_t *parameters = json_pack("{s:s}", "interface", "io.subuidd.Accounts");

	assert_int_equal(
		varlink_call(&stream, "org.varlink.service.GetInterfaceDescription", parameters, &reply, &error), 0);
	json_decref(reply);
	json_decref(parameters);
	parameters = json_pack("{s:s}", "label", "Not A Label");
	assert_int_equal(varlink_call(&stream, "io.subuidd.Accounts.Get", parameters, &reply, &error), -EREMOTEIO);
	assert_string_equal(error, "io.subuidd.Accounts.Invalid");
	json_decref(reply);
	json_decref(parameters);
	free(error);
	close(peer);
	waitpid(started.pid, &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(started.broker);
}

/* Ends without having said that it is ready. */
static void refuses(struct started started)
{
	char byte;
	int status;

	assert_int_equal(recv(started.broker, &byte, 1, 0), 0);
	status = ended(&started);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void refuses_to_be_root(void **state)
{
	(void)state;
	refuses(start(0));
}

static void refuses_without_landlock(void **state)
{
	(void)state;
	forbidden = "landlock_create_ruleset";
	refuses(start(NOBODY));
	forbidden = "landlock_restrict_self";
	refuses(start(NOBODY));
	forbidden = NULL;
}

static void ends_when_the_connection_is_not_as_agreed(void **state)
{
	static const struct {
		uint32_t tag;
		int descriptors;
	} cases[] = { { 'X', 1 }, { WIRE_CONNECTION, 0 }, { WIRE_CONNECTION, 2 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct started started = start(NOBODY);
		int status;

		wait_ready(&started);

		int peer = give_connection(&started, cases[i].tag, cases[i].descriptors);

		waitpid(started.pid, &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		close(peer);
		close(started.broker);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_sealed_when_it_says_so),
		cmocka_unit_test(serves_one_connection_and_ends),
		cmocka_unit_test(refuses_to_be_root),
		cmocka_unit_test(refuses_without_landlock),
		cmocka_unit_test(ends_when_the_connection_is_not_as_agreed),
	};

	(void)argc;
	/* BUILD/tests/test_worker_sealed, BUILD/bin/worker */
	snprintf(program, sizeof(program), "%s", argv[0]);
	for (int i = 0; i < 2 && strrchr(program, '/') != NULL; i++)
		*strrchr(program, '/') = '\0';
	strncat(program, "/bin/worker", sizeof(program) - strlen(program) - 1);
	if (access(program, X_OK) < 0) {
		fprintf(stderr, "%s: not there: make it first\n", program);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
