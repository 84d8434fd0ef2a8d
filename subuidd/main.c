/* SPDX-License-Identifier: ISC */
/* subuidd(8): options, becoming a daemon, and telling the process that started it how that went. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/harden.h"
#include "subuidd/broker.h"
#include "subuidd/life/evidence.h"
#include "subuidd/base/log.h"
#include "subuidd/call/refusal.h"

enum { EXIT_USAGE = 2 };

/* Bytes that no sentence begins with: the daemon serves; the store is not accepted, and the sentence follows. */
#define DAEMON_READY '\1'
#define DAEMON_REFUSES '\2'

static const char usage[] =
	"usage: subuidd [--foreground]\n"
	"       subuidd --check-config | --setting NAME | --withdraw | --hand-over | --help | --version\n"
	"\n"
	"Gives out sub-accounts: uids, keys and ranges that belong to an owner. See subuidd(8).\n"
	"\n"
	"  -f, --foreground    stay in the foreground, log to standard error\n"
	"  -t, --check-config  read the settings, say what is wrong with them, and end\n"
	"  -s, --setting NAME  print publish, hook, passwords or unused_seconds, after the same reading\n"
	"  -w, --withdraw      unmount the views, take the lines out of /etc/subuid and /etc/subgid, and end\n"
	"  -o, --hand-over     by the service manager, before a daemon that has mounts of its own\n"
	"  -h, --help          this text\n"
	"  -V, --version       the version\n"
	"\n"
	"Signals: HUP reads the settings again, TERM and INT stop.\n";

struct options {
	bool foreground, check_config;
	const char *setting; /* asked for by `subuid setup` and `subuid doctor`; NULL none */
	bool withdraw;       /* by `subuid setup --undo` */
	bool hand_over;      /* by the unit, handed.h */
};

/* Ends the program if there is nothing more to do. */
static struct options options_parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' },    { "check-config", no_argument, NULL, 't' },
		{ "setting", required_argument, NULL, 's' }, { "withdraw", no_argument, NULL, 'w' },
		{ "hand-over", no_argument, NULL, 'o' },     { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },       { NULL, 0, NULL, 0 },
	};
	struct options options = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "fts:wohV", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			options.foreground = true;
			break;
		case 't':
			options.check_config = true;
			break;
		case 's':
			if (strcmp(optarg, "publish") != 0 && strcmp(optarg, "unused_seconds") != 0 &&
			    strcmp(optarg, "hook") != 0 && strcmp(optarg, "passwords") != 0) {
				fputs(usage, stderr);
				exit(EXIT_USAGE);
			}
			options.setting = optarg;
			break;
		case 'w':
			options.withdraw = true;
			break;
		case 'o':
			options.hand_over = true;
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

/* In the process that was started: waits until the daemon serves (one byte) or says why not. */
static __attribute__((noreturn)) void await_daemon(int pipe_fd, pid_t child)
{
	char text[REASON_MAX + 1] = "";
	bool refuses;
	size_t length = 0;
	ssize_t got;

	waitpid(child, NULL, 0); /* the one in between ends at once */
	do {
		got = read(pipe_fd, text + length, sizeof(text) - 1 - length);
		length += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && text[0] != DAEMON_READY) || (got < 0 && errno == EINTR));
	if (text[0] == DAEMON_READY)
		_exit(EXIT_SUCCESS);
	refuses = text[0] == DAEMON_REFUSES;
	fprintf(stderr, "subuidd: error: %s\n",
		length > 0 ? text + refuses : "it ended while starting; see the system's log");
	_exit(refuses ? EVIDENCE_STATUS : EXIT_FAILURE);
}

/* From here on nothing holds the terminal or the pipes of the process that started us: the workers would hold them
 * too. */
static void descriptors_detach(void)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		fatal("/dev/null: %s", strerror(errno));
}

/* The last descriptor that a process closes when it ends: anyone who waits for its end finds lock and store
 * released. */
static int closed_last(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 512);

	if (high < 0)
		return fd;
	close(fd);
	return high;
}

/* Forks twice; only the daemon returns, with the descriptor to say how the start went. */
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
	descriptors_detach();
	return closed_last(pair[1]);
}

/* To the process that waits for the start (-1: none). */
static void start_tell(int start_fd, const char *text, size_t length)
{
	cleanup_fd int fd = start_fd;

	if (fd >= 0 && write(fd, text, length) != (ssize_t)length)
		log_warn("nobody waits for the start");
}

/* The start has failed. */
static __attribute__((noreturn)) void start_fail(int start_fd, bool refused, const char *why)
{
	char text[REASON_MAX + 1];

	snprintf(text, sizeof(text), "%s%s", refused ? (const char[]){ DAEMON_REFUSES, '\0' } : "", why);
	/* left open: the waiting process goes on when all of this process is gone */
	if (start_fd >= 0 && write(start_fd, text, strnlen(text, sizeof(text))) < 0)
		log_warn("nobody waits for the start");
	if (!refused)
		fatal("%s", why);
	log_error("%s", why);
	exit(EVIDENCE_STATUS);
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

static bool environment_kept(const char *entry)
{
	static const char *const kept[] = { "NOTIFY_SOCKET=", "LISTEN_PID=",    "LISTEN_FDS=",     "LISTEN_FDNAMES=",
					    "WATCHDOG_PID=",  "WATCHDOG_USEC=", "JOURNAL_STREAM=", "INVOCATION_ID=" };

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (strncmp(entry, kept[i], strlen(kept[i])) == 0)
			return true;
	return false;
}

/* Keeps nothing of the starting process but the words of the service manager. */
static void environment_clean(void)
{
	size_t kept = 0;

	for (char **entry = environ; *entry != NULL; entry++)
		if (environment_kept(*entry))
			environ[kept++] = *entry;
	environ[kept] = NULL;
	if (setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0)
		fatal("environment: %s", strerror(errno));
}

/* Asks for no settings: a host whose settings are wrong can be switched off. */
static __attribute__((noreturn)) void withdraw(void)
{
	char why[REASON_MAX] = "";

	if (geteuid() != 0)
		fatal("must be started by root");
	descriptors_start();
	environment_clean();
	if (broker_withdraw(why) < 0)
		fatal("%s", why);
	exit(EXIT_SUCCESS);
}

static __attribute__((noreturn)) void settings_wrong(const struct options *options, const char *why)
{
	char text[REASON_MAX + 16];

	snprintf(text, sizeof(text), "settings: %s", why);
	if (!options->check_config && options->setting == NULL && geteuid() == 0)
		refusal_record(text);
	fatal("%s", text);
}

/* In the host's mount namespace, with all of root's rights; the daemon has neither. */
static __attribute__((noreturn)) void hand_over(const struct settings *settings)
{
	char why[REASON_MAX] = "";

	umask(077);
	if (handed_give(settings->homes, why, sizeof(why)) < 0)
		fatal("%s", why);
	exit(EXIT_SUCCESS);
}

static void setting_print(const struct settings *settings, const char *name)
{
	if (strcmp(name, "publish") == 0)
		puts(publish_names[settings->publish]);
	else if (strcmp(name, "hook") == 0)
		puts(settings->hook);
	else if (strcmp(name, "passwords") == 0)
		puts(settings->passwords ? "yes" : "no");
	else
		printf("%u\n", (unsigned)settings->unused_seconds);
}

int main(int argc, char **argv)
{
	struct options options = options_parse(argc, argv);
	struct broker broker = { 0 };
	char why[REASON_MAX] = "";
	int start_fd = -1;
	int r;

	if (options.withdraw)
		withdraw();
	r = settings_load("", &broker.settings, why, sizeof(why));
	if (r < 0)
		settings_wrong(&options, why[0] != '\0' ? why : strerror(-r));
	if (options.setting != NULL)
		setting_print(&broker.settings, options.setting);
	if (options.check_config || options.setting != NULL)
		return EXIT_SUCCESS;
	if (geteuid() != 0)
		fatal("must be started by root");
	descriptors_start();
	environment_clean();
	if (chdir("/") < 0)
		fatal("/: %s", strerror(errno));
	if (options.hand_over)
		hand_over(&broker.settings);
	if (!options.foreground)
		start_fd = daemonise();
	log_open("subuidd", !options.foreground);
	r = broker_open(&broker, why);
	if (r < 0) {
		if (why[0] == '\0')
			snprintf(why, sizeof(why), "%s", strerror(-r));
		if (r != -EBUSY) /* another one runs */
			refusal_record(why);
		start_fail(start_fd, broker.refused_store[0] != '\0', why);
	}
	refusal_forget();
	start_tell(start_fd, &(const char){ DAEMON_READY }, 1);
	log_info("serving %s", SOCKET_PATH);
	sd_notify(0, "READY=1\nSTATUS=Serving");
	r = broker_run(&broker);
	broker_close(&broker);
	if (broker.refused_store[0] != '\0')
		start_fail(-1, true, broker.refused_store);
	if (r < 0)
		fatal("event loop: %s", strerror(-r));
	log_info("stopped");
	return EXIT_SUCCESS;
}
