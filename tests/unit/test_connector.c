/* SPDX-License-Identifier: ISC */
/* A shell that asks, and its first process, which connects for it: on any kernel that has user notification. No root.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/connector.h"
#include "confine/harden.h"

#define SECONDS 60
#define RACES 4000
#define RACES_EACH 40 /* a busy host runs the other thread seldom: until both have been seen so often */

enum port { GRANTED, OTHER, FULL, SIX, PORTS }; /* FULL takes no more connections, and is granted, as SIX is */
static int listeners[PORTS];
static uint16_t ports[PORTS];
static uint16_t granted[PORTS + 1];

/* ---- who listens */

static socklen_t address_of(enum port port, struct sockaddr_in6 *address)
{
	struct sockaddr_in *four = (struct sockaddr_in *)(void *)address;

	memset(address, 0, sizeof(*address));
	if (port == SIX) {
		*address = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(ports[SIX]) };
		address->sin6_addr.s6_addr[15] = 1;
		return sizeof(*address);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(ports[port]);
	four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(*four);
}

static int port_open(enum port port)
{
	struct sockaddr_in6 address;
	socklen_t length = address_of(port, &address);

	listeners[port] = socket(port == SIX ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listeners[port], (struct sockaddr *)&address, length) != 0 ||
	    listen(listeners[port], port == FULL ? 0 : 128) != 0)
		return -errno;
	getsockname(listeners[port], (struct sockaddr *)&address, &length);
	ports[port] = ntohs(address.sin6_port);
	return 0;
}

/* Takes what comes, so that there is room for more. */
static int accept_all(enum port port)
{
	const pid_t tests = getpid(), pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : 0;
	if (process_bind(tests) < 0)
		_exit(EXIT_FAILURE);
	for (;;)
		close(accept(listeners[port], NULL, NULL));
}

static int ports_open(void **state)
{
	size_t count = 0;

	(void)state;
	for (enum port port = 0; port < PORTS; port++) {
		const int r = port_open(port);

		if (r < 0 && port != SIX)
			return r;
		if (r == 0 && port != OTHER)
			granted[count++] = ports[port];
	}
	for (int i = 0; i < 2; i++) { /* which nobody accepts */
		struct sockaddr_in6 address;
		const socklen_t length = address_of(FULL, &address);

		connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&address, length);
	}
	return accept_all(GRANTED);
}

/* ---- the two processes */

static int status_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int first(int (*act)(void))
{
	struct connector connector = CONNECTOR_NONE;
	sigset_t signals;
	pid_t pid, ended;
	int status;

	alarm(SECONDS);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (process_harden() < 0 || connector_prepare(&connector, granted) < 0)
		return 100;
	pid = fork();
	if (pid == 0) {
		process_bind(getppid());
		if (connector_ask(&connector) < 0)
			_exit(101);
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as what it executes is */
		_exit(act());
	}
	if (connector_begin(&connector, &signals) < 0)
		return 102;
	for (;;) {
		if (connector_wait(&connector) != SIGCHLD)
			return 103;
		while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
			if (ended == pid)
				return status_of(status);
	}
}

static int in_shell(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(first(act));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status_of(status);
}

/* ---- what a shell does */

/* 0 or errno. */
static int connected(int fd, enum port port)
{
	struct sockaddr_in6 address;
	const socklen_t length = address_of(port, &address);

	return connect(fd, (struct sockaddr *)&address, length) != 0 ? errno : 0;
}

static int tried(enum port port, int flags)
{
	const int fd = socket(port == SIX ? AF_INET6 : AF_INET, SOCK_STREAM | flags, 0);
	const int r = connected(fd, port);

	close(fd);
	return r;
}

static int act_ports(void)
{
	if (tried(GRANTED, 0) != 0)
		return 1;
	if (tried(OTHER, 0) != EACCES)
		return 2;
	if (ports[SIX] != 0 && tried(SIX, 0) != 0)
		return 3;
	return tried(OTHER, SOCK_NONBLOCK) == EACCES ? 0 : 4;
}

static void its_ports_alone(void **state)
{
	(void)state;
	assert_int_equal(in_shell(act_ports), 0);
}

static int act_nonsense(void)
{
	const struct sockaddr_un beside = { .sun_family = AF_UNIX, .sun_path = "/run/nobody" };
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in6 address;
	const socklen_t length = address_of(GRANTED, &address);
	const int fd = socket(AF_INET, SOCK_STREAM, 0), file = open("/dev/null", O_RDONLY);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return 1;
	if (connect(fd, (const struct sockaddr *)&beside, sizeof(beside)) == 0 || errno != EAFNOSUPPORT)
		return 2;
	if (connect(fd, &none, sizeof(none)) == 0 || errno != EAFNOSUPPORT)
		return 3;
	if (connect(fd, (struct sockaddr *)&address, 3) == 0 || errno != EINVAL)
		return 4;
	if (connect(fd, (struct sockaddr *)&address, (socklen_t)-1) == 0 || errno != EINVAL)
		return 5;
	if (connect(fd, (struct sockaddr *)(uintptr_t)4096, length) == 0 || errno != EFAULT) /* NOLINT */
		return 6;
	if (connect(99, (struct sockaddr *)&address, length) == 0 || errno != EBADF)
		return 7;
	if (connect(file, (struct sockaddr *)&address, length) == 0 || errno != ENOTSOCK)
		return 8;
	if (connect(pair[0], (struct sockaddr *)&address, length) == 0 || errno != EACCES)
		return 9;
	return connected(fd, GRANTED) == 0 ? 0 : 10;
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	assert_int_equal(in_shell(act_nonsense), 0);
}

static void *in_thread(void *data)
{
	atomic_int *result = data;

	*result = tried(GRANTED, 0);
	return NULL;
}

/* The socket is the caller's own, with its options; threads ask, too; what is under way is not waited for. */
static int act_as_ever(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error = -1, r = connected(fd, GRANTED);
	socklen_t size = sizeof(error);
	atomic_int result = -1;
	pthread_t thread;

	if (r != 0 && r != EINPROGRESS)
		return 1;
	if (poll(&ready, 1, 10000) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
		return 2;
	if (connected(fd, GRANTED) != EISCONN && connected(fd, GRANTED) != EISCONN)
		return 3;
	if (pthread_create(&thread, NULL, in_thread, &result) != 0 || pthread_join(thread, NULL) != 0 || result != 0)
		return 4;
	return tried(FULL, SOCK_NONBLOCK) == EINPROGRESS ? 0 : 5;
}

static void it_is_the_callers_own_socket(void **state)
{
	(void)state;
	assert_int_equal(in_shell(act_as_ever), 0);
}

static atomic_int waits;

static void *wait_for_full(void *data)
{
	(void)data;
	atomic_store(&waits, 1);
	atomic_store(&waits, 2 + tried(FULL, 0));
	return NULL;
}

static int act_waiting(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_full, NULL) != 0)
		return 1;
	while (atomic_load(&waits) == 0)
		sched_yield();
	for (int i = 0; i < 200; i++)
		if (tried(GRANTED, 0) != 0)
			return 2;
	return atomic_load(&waits) == 1 ? 0 : 3; /* the control: it waits still */
}

static void one_that_waits_holds_up_no_other(void **state)
{
	(void)state;
	assert_int_equal(in_shell(act_waiting), 0);
}

/* ---- after the look */

static struct sockaddr_in raced;

static void *change_port(void *data)
{
	volatile in_port_t *port = &raced.sin_port;

	(void)data;
	for (;;) {
		*port = htons(ports[OTHER]);
		*port = htons(ports[GRANTED]);
	}
	return NULL;
}

/* Nothing reaches the other port, whoever says what about the call. */
static int act_race(void)
{
	const struct linger at_once = { .l_onoff = 1 };
	int refused = 0, reached = 0;
	pthread_t thread;

	raced = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (pthread_create(&thread, NULL, change_port, NULL) != 0)
		return 1;
	for (int i = 0; i < RACES || refused < RACES_EACH || reached < RACES_EACH; i++) {
		const int fd = socket(AF_INET, SOCK_STREAM, 0);
		struct sockaddr_in peer = { 0 };
		socklen_t length = sizeof(peer);

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		if (connect(fd, (struct sockaddr *)&raced, sizeof(raced)) != 0 && errno != EACCES)
			return 2;
		if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0)
			refused++;
		else if (ntohs(peer.sin_port) == ports[OTHER])
			return 3;
		else
			reached++;
		close(fd);
	}
	return 0;
}

static void an_address_that_changes_reaches_no_other_port(void **state)
{
	(void)state;
	assert_int_equal(in_shell(act_race), 0);
	fcntl(listeners[OTHER], F_SETFL, O_NONBLOCK);
	assert_int_equal(accept(listeners[OTHER], NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- taking its place */

/* Neither traced nor robbed of the descriptor by which it answers; and a filter of one's own answers nothing. */
static int act_usurp(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
	if (geteuid() != 0 && open(path, O_RDWR) >= 0)
		return 1;
	if (connector_ask(&(struct connector)CONNECTOR_NONE) != -EBUSY)
		return 2;
	return tried(OTHER, 0) == EACCES ? 0 : 3;
}

static void nobody_takes_its_place(void **state)
{
	(void)state;
	assert_int_equal(in_shell(act_usurp), 0);
}

static void it_is_needed_where_there_are_ports_alone(void **state)
{
	const uint16_t none[] = { 0 };

	(void)state;
	assert_false(connector_needed(none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_ports_alone),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(it_is_the_callers_own_socket),
		cmocka_unit_test(one_that_waits_holds_up_no_other),
		cmocka_unit_test(an_address_that_changes_reaches_no_other_port),
		cmocka_unit_test(nobody_takes_its_place),
		cmocka_unit_test(it_is_needed_where_there_are_ports_alone),
	};

	return cmocka_run_group_tests(tests, ports_open, NULL);
}
