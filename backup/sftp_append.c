/* SPDX-License-Identifier: ISC */
/*
 * sftp-append SFTP-SERVER [ARG]...: runs it and passes the client's packets on, turning those that open a file for
 * writing into "make a new one". Clients say "make it, or truncate it", which the system call filter of the append-only
 * form refuses. That filter is what protects; this program only makes ordinary clients work with it. The server's
 * answers go to the client directly. Runs confined, as the account, beside the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/sftp_stream.h"
#include "confine/read_full.h"

/* 1: the client has sent something, or has gone; 0: the server has gone. */
static int wait_for_client(int server)
{
	struct pollfd ends[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = server } };

	while (poll(ends, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return ends[1].revents == 0;
}

static int pass(int server)
{
	static struct sftp_stream stream;
	size_t ready;
	ssize_t n;
	int r;

	for (;;) {
		r = wait_for_client(server);
		if (r <= 0)
			return r;
		n = read(STDIN_FILENO, stream.bytes + stream.used, sizeof(stream.bytes) - stream.used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = sftp_stream_take(&stream, (size_t)n, &ready);
		if (r == 0)
			r = write_full(server, stream.bytes, ready);
		if (r < 0)
			return r;
		sftp_stream_drop(&stream, ready);
	}
}

static int serve(const int pipes[2], char **argv)
{
	if (dup2(pipes[0], STDIN_FILENO) < 0)
		return EXIT_FAILURE;
	execv(argv[0], argv);
	perror(argv[0]);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	int pipes[2], status = 0, r;
	pid_t server;

	if (argc < 2 || pipe2(pipes, O_CLOEXEC) != 0)
		return 2;
	server = fork();
	if (server < 0)
		return EXIT_FAILURE;
	if (server == 0)
		return serve(pipes, argv + 1);
	close(pipes[0]);
	close(STDOUT_FILENO); /* only the server keeps it: the client sees when it ends */
	signal(SIGPIPE, SIG_IGN);
	r = pass(pipes[1]);
	close(pipes[1]);
	while (waitpid(server, &status, 0) < 0 && errno == EINTR)
		continue;
	if (r == -EPROTO)
		fputs("subuid: sftp: not packets of an sftp client\n", stderr);
	return r == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
