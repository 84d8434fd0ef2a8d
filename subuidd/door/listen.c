/* SPDX-License-Identifier: ISC */
/* Makes the socket, or takes it over from the service manager, and accepts connections. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "confine/cleanup.h"
#include "confine/path.h"
#include "subuidd/broker.h"
#include "subuidd/call/caller.h"
#include "subuidd/base/log.h"
#include "subuidd/door/workers.h"

#define ACCEPT_AT_A_TIME 32
#define ROOT_RESERVE 8u /* connections beyond the limit, so that root can put things right */
#define PAUSE_USEC 200000u
#define ACCEPTS_CONNECTIONS 0x10000u /* __SO_ACCEPTCON, in /proc/net/unix */

/* The message to a peer that is not served; ends with the NUL of the frame. */
static const char refusal_limit[] =
	"{\"error\":\"io.subuidd.Accounts.LimitReached\",\"parameters\":{\"what\":\"connection\","
	"\"why\":\"too many connections are open\",\"todo\":\"close some, or try again later\"}}";
static const char refusal_nobody[] =
	"{\"error\":\"io.subuidd.Accounts.NotPermitted\",\"parameters\":{\"what\":\"connection\","
	"\"why\":\"your uid does not exist on this host (a user namespace that does not map it?)\",\"todo\":\"\"}}";
static const char refusal_broken[] =
	"{\"error\":\"io.subuidd.Accounts.Failed\",\"parameters\":{\"what\":\"subuidd\","
	"\"why\":\"its workers cannot be started\",\"todo\":\"its log says why; subuid doctor looks for the cause\"}}";

static const char socket_name[] = "socket";

/* Besides the socket, the service manager may hold what `subuidd --hand-over` sends (handed.c). Negative: none, or more
 * than one.
 */
static int inherited(void)
{
	int count = sd_listen_fds(0), found = -1;

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
		if (sd_is_socket_unix(fd, SOCK_DGRAM, 0, NULL, 0) > 0)
			continue;
		if (found >= 0 || sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
			return -EINVAL;
		found = fd;
	}
	return found;
}

bool listen_activated(void)
{
	return inherited() >= 0;
}

static int listen_inherited(char *why, size_t size)
{
	int fd = inherited();

	if (fd < 0) {
		snprintf(why, size, "the service manager has to hand over exactly one listening UNIX stream socket");
		return -EINVAL;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return fd;
}

static int run_directory_open(void)
{
	int fd = path_open_trusted(RUN_DIR, O_RDONLY | O_DIRECTORY);
	cleanup_fd int parent = -1;

	if (fd != -ENOENT)
		return fd;
	parent = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return -errno;
	fd = path_make_directory(parent, strrchr(RUN_DIR, '/') + 1, 0755, 0);
	if (fd >= 0 && fchmod(fd, 0755) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* A service manager holds the socket while its service is stopped, and starts that for the next caller. To take its
 * place would leave it with a socket that nobody finds. Asked of the kernel, since a connection would start the
 * service. */
static bool manager_listens(void)
{
	cleanup_file FILE *file = access("/run/systemd/system", F_OK) == 0 ? fopen("/proc/net/unix", "re") : NULL;
	char line[512], flags[16], path[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "%*s %*s %*s %15s %*s %*s %*s %255s", flags, path) == 2 &&
		    (strtoul(flags, NULL, 16) & ACCEPTS_CONNECTIONS) != 0 && strcmp(path, SOCKET_PATH) == 0)
			return true;
	return false;
}

/* No other daemon listens: the lock on the state directory is ours, so an existing socket is a left-over. */
static int listen_bind(int directory)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET_PATH };
	mode_t before;
	int r;

	if (fd < 0)
		return -errno;
	if (unlinkat(directory, socket_name, 0) < 0 && errno != ENOENT)
		return -errno;
	before = umask(0111); /* 0666 from birth: the kernel says who the caller is */
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(before);
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	return r < 0 ? r : steal_fd(&fd);
}

int listen_open(char *why, size_t size)
{
	cleanup_fd int directory = -1;
	int fd;

	if (sd_listen_fds(0) > 0)
		return listen_inherited(why, size);
	if (manager_listens()) {
		snprintf(why, size,
			 "%s: systemd listens there, for subuidd.service; `systemctl start subuidd` starts it",
			 SOCKET_PATH);
		return -EADDRINUSE;
	}
	directory = run_directory_open();
	if (directory < 0) {
		snprintf(why, size, "%s: %s", RUN_DIR, strerror(-directory));
		return directory;
	}
	fd = listen_bind(directory);
	if (fd < 0)
		snprintf(why, size, "%s: %s", SOCKET_PATH, strerror(-fd));
	return fd;
}

void listen_close(int fd)
{
	cleanup_fd int directory = -1;
	bool inherited = listen_activated(); /* asked while the descriptor is open: sd_listen_fds() looks at it */

	if (fd < 0)
		return;
	close(fd);
	if (inherited)
		return;
	directory = path_open_trusted(RUN_DIR, O_RDONLY | O_DIRECTORY);
	if (directory >= 0)
		unlinkat(directory, socket_name, 0);
}

/* Not worth waiting for: a peer that does not read one line is not told. If the socket were closed with the peer's
 * request unread, the peer would get an error and lose the line, so the last few refused connections stay half
 * open. */
static void refuse(struct broker *broker, int fd, const char *text, size_t size)
{
	int *place = &broker->refused[broker->refused_next++ % REFUSED_MAX];
	int old = *place;

	*place = -1;
	if (send(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size && shutdown(fd, SHUT_WR) == 0)
		*place = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (old >= 0)
		close(old);
}

void listen_refuse_broken(struct broker *broker, int fd)
{
	refuse(broker, fd, refusal_broken, sizeof(refusal_broken));
}

/* A place for the caller: a free one, or one of a user who has more and is idle. */
static bool place_found(struct broker *broker, const struct caller *caller)
{
	const struct shares *shares = workers_shares(broker);
	unsigned most = broker->settings.connections + (caller->root ? ROOT_RESERVE : 0);

	if (!caller->root && share_held(shares, caller) >= broker->settings.connections_per_uid)
		return false;
	return shares->held < most || workers_make_room(broker, caller);
}

static void admit(struct broker *broker, int accepted)
{
	cleanup_fd int fd = accepted;
	struct caller caller;
	int r = caller_from_socket(fd, broker->listen_drained, &caller);

	if (r == -EACCES)
		refuse(broker, fd, refusal_nobody, sizeof(refusal_nobody));
	if (r < 0)
		return;
	/* before any look-up, so that a peer that connects endlessly costs little */
	if (!caller.root && share_held_uid(workers_shares(broker), &caller) >= broker->settings.connections_per_uid) {
		refuse(broker, fd, refusal_limit, sizeof(refusal_limit));
		return;
	}
	/* the caller's identity decides which share it counts for; if it is unknown now, it is asked again with the
	 * call */
	caller_admin(fd, broker->settings.admin_group, &caller);
	caller_name(&caller, broker->store, broker->settings.separator); /* a sub-account is never an admin */
	if (!place_found(broker, &caller)) {
		refuse(broker, fd, refusal_limit, sizeof(refusal_limit));
		return;
	}
	r = workers_serve(broker, steal_fd(&fd), &caller);
	if (r < 0)
		log_error("a connection of uid %u cannot be served: %s", (unsigned)caller.uid, strerror(-r));
}

static int listen_again(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct broker *broker = userdata;

	(void)usec;
	sd_event_source_disable_unref(source);
	if (broker->listen_source != NULL)
		sd_event_source_set_enabled(broker->listen_source, SD_EVENT_ON);
	return 0;
}

/* No descriptors are left: waiting peers go on waiting, instead of this loop spinning. */
static void listen_pause(struct broker *broker, int error)
{
	sd_event_source *timer = NULL;

	log_error("connections cannot be accepted for the moment: %s", strerror(error));
	if (sd_event_add_time_relative(broker->event, &timer, CLOCK_MONOTONIC, PAUSE_USEC, 10000, listen_again,
				       broker) >= 0)
		sd_event_source_set_enabled(broker->listen_source, SD_EVENT_OFF);
}

int listen_ready(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct broker *broker = userdata;

	(void)source;
	(void)events;
	for (int i = 0; i < ACCEPT_AT_A_TIME; i++) {
		int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (accepted >= 0) {
			admit(broker, accepted);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			listen_pause(broker, errno);
			return 0;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			broker->listen_drained |= errno == EAGAIN;
			return 0;
		}
	}
	return 0;
}
