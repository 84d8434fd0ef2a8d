/* SPDX-License-Identifier: ISC */
/*
 * The call is never let go on in the caller, whose other threads may change the address after any look at it. It is
 * done here, on the caller's socket, by a copy of the address: what was looked at is what is connected to. The caller
 * chooses every byte of it, and which process, thread and descriptor these are.
 */
#include "backup/connector.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/landlock.h"
#include "confine/seccomp.h"

#define STATUS_TEXT 256 /* the thread's leader is in the first lines of its status */

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* ---- who asks, and for what */

/* Descriptors are taken from processes, and threads ask. */
static pid_t leader_of(pid_t thread)
{
	static const char name[] = "\nTgid:\t"; /* a line break in the thread's name is shown as two letters */
	char path[32], text[STATUS_TEXT];
	cleanup_fd int fd = -1;
	const char *at;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, name);
	return at == NULL ? -1 : (pid_t)strtol(at + sizeof(name) - 1, NULL, 10);
}

/* A descriptor of the caller's own socket. */
static int socket_take(pid_t thread, int number)
{
	static const int options[] = { SO_DOMAIN, SO_TYPE, SO_PROTOCOL };
	cleanup_fd int pidfd = pidfd_open(leader_of(thread), 0);
	cleanup_fd int fd = pidfd < 0 ? -1 : pidfd_getfd(pidfd, number, 0);
	int is[] = { 0, 0, 0 };

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (getsockopt(fd, SOL_SOCKET, options[i], &is[i], &(socklen_t){ sizeof(is[i]) }) != 0)
			return -errno;
	if ((is[0] != AF_INET && is[0] != AF_INET6) || is[1] != SOCK_STREAM || is[2] != IPPROTO_TCP)
		return -EACCES;
	return steal_fd(&fd);
}

/* One copy, without what the kernel would not read of an address. */
static int address_take(const struct seccomp_notif *asked, union address *address, socklen_t *length)
{
	/* the addresses are another process's */
	const struct iovec theirs = { (void *)(uintptr_t)asked->data.args[1], asked->data.args[2] }; /* NOLINT */
	struct iovec ours = { address, sizeof(*address) };
	ssize_t n;

	if (theirs.iov_len < sizeof(address->in) || theirs.iov_len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (ours.iov_len > theirs.iov_len)
		ours.iov_len = theirs.iov_len;
	n = process_vm_readv((pid_t)asked->pid, &ours, 1, &theirs, 1, 0);
	*length = (socklen_t)ours.iov_len;
	return n < 0 ? -errno : (size_t)n < ours.iov_len ? -EFAULT : 0;
}

static int address_check(const union address *address, const uint16_t *ports)
{
	/* in both families the port is in the same place */
	_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "port");
	const uint16_t port = ntohs(address->in.sin_port);

	if (address->any.sa_family != AF_INET && address->any.sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	while (*ports != 0 && *ports != port)
		ports++;
	return *ports != 0 ? 0 : -EACCES;
}

/* ---- the answer */

/* The one that asked may have ended, or been interrupted. */
static void answer(int listener, uint64_t id, int error)
{
	struct seccomp_notif_resp said = { .id = id, .error = error };

	(void)!ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &said);
}

/* 1: a child of ours, which answers, since a connection may take minutes. Otherwise the answer. */
static int connect_for(const struct connector *connector, const struct seccomp_notif *asked)
{
	union address address = { 0 };
	cleanup_fd int fd = -1;
	socklen_t length = 0;
	pid_t child;
	int r = address_take(asked, &address, &length);

	if (r == 0)
		r = address_check(&address, connector->ports);
	if (r < 0)
		return r;
	fd = socket_take((pid_t)asked->pid, (int)asked->data.args[0]);
	if (fd < 0)
		return fd;
	if (ioctl(connector->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &asked->id) != 0)
		return -ESRCH; /* what was read is perhaps of another one, with the number of the one that asked */
	child = fork();
	if (child < 0)
		return -EAGAIN;
	if (child == 0) {
		r = connect(fd, &address.any, length) != 0 ? -errno : 0;
		answer(connector->listener, asked->id, r);
		_exit(EXIT_SUCCESS);
	}
	return 1;
}

/* The kernel wants it empty. */
static void question(const struct connector *connector)
{
	struct seccomp_notif asked = { 0 };
	int r;

	if (ioctl(connector->listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
		return; /* it is no longer asked */
	r = connect_for(connector, &asked);
	if (r <= 0)
		answer(connector->listener, asked.id, r);
}

/* ---- the two processes */

static void listener_message(union control *control, char *byte, struct iovec *data, struct msghdr *message)
{
	*data = (struct iovec){ byte, 1 };
	*message = (struct msghdr){
		.msg_iov = data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(*control)
	};
}

static int listener_receive(int channel)
{
	union control control = { 0 };
	char byte;
	struct iovec data;
	struct msghdr message;
	int fd;

	listener_message(&control, &byte, &data, &message);
	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) <= 0 || control.head.cmsg_type != SCM_RIGHTS ||
	    control.head.cmsg_len != CMSG_LEN(sizeof(int)))
		return -EPIPE; /* the shell has ended, and said why */
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

bool connector_needed(const uint16_t *ports)
{
	return ports[0] != 0 && landlock_abi() < LANDLOCK_ABI_NET;
}

int connector_prepare(struct connector *connector, const uint16_t *ports)
{
	connector->ports = ports;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connector->channel) != 0 ? -errno : 0;
}

int connector_ask(const struct connector *connector)
{
	union control control = {
		.head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }
	};
	cleanup_fd int listener = seccomp_ask(SECCOMP_SHELL_NET_ASKS);
	char byte = 0;
	struct iovec data;
	struct msghdr message;

	if (listener < 0)
		return listener;
	listener_message(&control, &byte, &data, &message);
	memcpy(CMSG_DATA(&control.head), &listener, sizeof(listener));
	return sendmsg(connector->channel[1], &message, MSG_NOSIGNAL) != 1 ? -errno : 0;
}

int connector_begin(struct connector *connector, const sigset_t *signals)
{
	cleanup_fd int ours = connector->channel[0];
	int keep[3] = { -1, -1, -1 }, r;

	close(connector->channel[1]); /* so that the shell's end is noticed */
	connector->signals = signalfd(-1, signals, SFD_CLOEXEC);
	if (connector->signals < 0)
		return -errno;
	connector->listener = listener_receive(ours);
	if (connector->listener < 0)
		return connector->listener;
	keep[0] = connector->signals < connector->listener ? connector->signals : connector->listener;
	keep[1] = connector->signals < connector->listener ? connector->listener : connector->signals;
	close(steal_fd(&ours));
	r = descriptors_keep(keep);
	return r < 0 ? r : seccomp_confine(SECCOMP_CONNECTOR);
}

int connector_wait(struct connector *connector)
{
	struct pollfd ends[] = { { .fd = connector->signals, .events = POLLIN },
				 { .fd = connector->listener, .events = POLLIN } };
	struct signalfd_siginfo signal;

	for (;;) {
		if (poll(ends, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if ((ends[0].revents & POLLIN) != 0)
			return read(connector->signals, &signal, sizeof(signal)) == sizeof(signal) ?
				       (int)signal.ssi_signo :
				       -EIO;
		if ((ends[1].revents & POLLIN) != 0)
			question(connector);
		else if (ends[1].revents != 0)
			ends[1].fd = -1; /* nobody is left who could ask */
	}
}
