/* SPDX-License-Identifier: ISC */
/* subuidd(8): options, becoming a daemon, and telling whoever started it how that went. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/identity.h"
#include "subuidd/broker.h"
#include "subuidd/log.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
	"usage: subuidd [--foreground]\n"
	"       subuidd --check-config | --help | --version\n"
	"\n"
	"Gives out sub-accounts: uids, keys and ranges that belong to an owner. See subuidd(8).\n"
	"\n"
	"  -f, --foreground    stay in the foreground, log to standard error\n"
	"  -t, --check-config  read the settings, say what is wrong with them, and end\n"
	"  -h, --help          this text\n"
	"  -V, --version       the version\n"
	"\n"
	"Signals: HUP reads the settings again, TERM and INT stop.\n";

struct options {
	bool foreground, check_config;
};

/* Ends the program where there is nothing more to do. */
static struct options options_parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' }, { "check-config", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },       { "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "fthV", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			options.foreground = true;
			break;
		case 't':
			options.check_config = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts("subuidd " VERSION);
			exit(EXIT_SUCCESS);
		default:
			fputs(usage, stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind != argc) {
		fputs(usage, stderr);
		exit(EXIT_USAGE);
	}
	return options;
}

/* In the process that was started: waits until the daemon serves (one byte) or has failed
 * (end of file; it has said why on standard error). */
static __attribute__((noreturn)) void await_daemon(int pipe_fd, pid_t child)
{
	char ready = 0;
	ssize_t got;

	waitpid(child, NULL, 0); /* the one in between ends at once */
	do
		got = read(pipe_fd, &ready, 1);
	while (got < 0 && errno == EINTR);
	_exit(got == 1 && ready == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Forks twice; only the daemon returns, with the descriptor to say "ready" on. */
static int daemonise(void)
{
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		fatal("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (pid > 0) {
		close(pair[1]);
		await_daemon(pair[0], pid);
	}
	close(pair[0]);
	if (setsid() < 0)
		fatal("setsid: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (pid > 0)
		_exit(EXIT_SUCCESS);
	return pair[1];
}

/* From here on nothing holds the terminal of whoever started us. */
static void daemon_ready(int ready_fd)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_fd int fd = ready_fd;
	const char ready = 1;

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		fatal("/dev/null: %s", strerror(errno));
	if (write(fd, &ready, 1) != 1)
		log_warn("nobody waited for the start");
}

/* A standard descriptor that is closed would be taken by the next open. */
static void descriptors_start(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR); /* without close-on-exec: 0, 1 and 2 are inherited */
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		_exit(EXIT_FAILURE);
	close(fd);
	if (descriptors_close_from(SD_LISTEN_FDS_START + (sd_listen_fds(0) > 0 ? sd_listen_fds(0) : 0)) < 0)
		_exit(EXIT_FAILURE);
}

/* Nothing of whoever started us but what the service manager says. */
static void environment_clean(void)
{
	static const char *const kept[] = { "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
					    "WATCHDOG_PID", "WATCHDOG_USEC", "JOURNAL_STREAM", "INVOCATION_ID" };
	char *values[sizeof(kept) / sizeof(*kept)];

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		const char *value = getenv(kept[i]);

		values[i] = value != NULL ? strdup(value) : NULL;
		if (value != NULL && values[i] == NULL)
			fatal("no memory");
	}
	if (clearenv() != 0)
		fatal("environment: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (values[i] != NULL && setenv(kept[i], values[i], 1) < 0)
			fatal("environment: %s", strerror(errno));
		free(values[i]);
	}
	if (setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0)
		fatal("environment: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct broker broker = { 0 };
	char why[REASON_MAX] = "";
	int ready_fd = -1;
	int r;

	r = settings_load("", &broker.settings, why, sizeof(why));
	if (r < 0)
		fatal("settings: %s", why[0] != '\0' ? why : strerror(-r));
	if (options.check_config)
		return EXIT_SUCCESS;
	if (geteuid() != 0)
		fatal("must be started by root");
	descriptors_start();
	environment_clean();
	if (chdir("/") < 0)
		fatal("/: %s", strerror(errno));
	if (!options.foreground)
		ready_fd = daemonise();
	r = broker_open(&broker, why);
	if (r < 0)
		fatal("%s", why[0] != '\0' ? why : strerror(-r));
	log_open("subuidd", !options.foreground);
	if (ready_fd >= 0)
		daemon_ready(ready_fd);
	log_info("serving %s", SOCKET_PATH);
	sd_notify(0, "READY=1\nSTATUS=Serving");
	r = broker_run(&broker);
	broker_close(&broker);
	if (r < 0)
		fatal("event loop: %s", strerror(-r));
	log_info("stopped");
	return EXIT_SUCCESS;
}
