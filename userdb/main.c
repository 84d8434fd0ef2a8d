/* SPDX-License-Identifier: ISC */
/*
 * `userdb`: tells systemd of sub-accounts (io.systemd.UserDatabase), so that logind bounds what all sessions of one may
 * take together. Started by root; it makes its socket, becomes a user of its own without any right, closes itself in,
 * and only then hears anybody.
 *
 * Not socket-activated, and no User= in its unit, on purpose: libraries of systemd wait 45 seconds for a socket that
 * listens and does not answer, for each user that no file knows, in every process of the host. So the socket is there
 * only while somebody serves it: it gets its name as the last thing before. And what the service manager does for
 * User= asks NSS (initgroups(3)), which asks this very socket. The user is read of /etc/passwd, and nobody is asked.
 */
#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "account/id.h"
#include "confine/cleanup.h"
#include "confine/harden.h"
#include "confine/identity.h"
#include "confine/landlock.h"
#include "confine/seccomp.h"
#include "index/index.h"
#include "userdb/peers.h"
#include "userdb/record.h"
#include "userdb/serve.h"

#define USERDB_USER "subuidd-userdb"
#define USERDB_DIRECTORY "/run/systemd/userdb"
#define SOCKET_PATH USERDB_DIRECTORY "/" USERDB_SERVICE
#define SOCKET_UNNAMED USERDB_DIRECTORY "/." USERDB_SERVICE /* those who look for services pass over it */
#define BACKLOG 4096
#define MEMORY_MAX (128u * 1024 * 1024) /* the table of peers, twice, and some JSON; the index is mapped */
#define BEAT_MS_NONE 60000

static struct index_reader accounts = INDEX_READER(INDEX_PATH);

static __attribute__((noreturn)) void fatal(const char *what, int error)
{
	fprintf(stderr, "userdb: %s: %s\n", what, strerror(error < 0 ? -error : error));
	_exit(1);
}

static void user_find(uid_t *uid, gid_t *gid)
{
	cleanup_file FILE *file = fopen(SYSCONFDIR "/passwd", "re");
	const struct passwd *entry;

	if (file == NULL)
		fatal(SYSCONFDIR "/passwd", errno);
	while ((entry = fgetpwent(file)) != NULL) {
		if (strcmp(entry->pw_name, USERDB_USER) != 0)
			continue;
		if (id_special(entry->pw_uid) || id_special(entry->pw_gid))
			fatal("the user " USERDB_USER " is not one of its own", EPERM);
		*uid = entry->pw_uid;
		*gid = entry->pw_gid;
		return;
	}
	fatal("there is no user " USERDB_USER " in " SYSCONFDIR "/passwd; run `subuid setup`", ENOENT);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

/* Listens without a name that anybody looks for. Only root can write to any of this, below /run. */
static int listen_unnamed(void)
{
	const struct sockaddr_un address = address_of(SOCKET_UNNAMED);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	umask(0022);
	mkdir("/run/systemd", 0755);                       /* allowed-path: only root writes to /run */
	mkdir(USERDB_DIRECTORY, 0755);                     /* allowed-path: only root writes to /run */
	umask(0111);                                       /* anybody may connect */
	if (unlink(SOCKET_UNNAMED) < 0 && errno != ENOENT) /* allowed-path: only root writes to /run */
		fatal(SOCKET_UNNAMED, errno);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		fatal(SOCKET_UNNAMED, errno);
	return fd;
}

/* Where the service manager hears of us; -1: there is none. */
static int manager_connect(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = address_of(path != NULL ? path : "");
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path));
	int fd = path == NULL ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	else
		size = sizeof(address);
	if (connect(fd, (const struct sockaddr *)&address, size) < 0)
		fatal("NOTIFY_SOCKET", errno);
	return fd;
}

/* A third of the time after which the service manager ends us. */
static int beat_of(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	uint32_t number;

	return usec != NULL && id_parse(usec, &number) == 0 && number > 0 ? (int)(number / 3000) : BEAT_MS_NONE;
}

static void seal(void)
{
	const struct landlock_rule rules[] = { { .path = STATE_DIR, .fd = -1, .access = LANDLOCK_READ }, LANDLOCK_END };
	int r = process_harden();

	if (r < 0)
		fatal("hardening", r);
	r = process_bound(RLIMIT_DATA, MEMORY_MAX, PEERS_MAX + 32);
	if (r < 0)
		fatal("limits", r);
	r = landlock_confine(rules);
	if (r < 0)
		fatal("Landlock, which it does not run without, of " STATE_DIR, r);
	r = seccomp_confine(SECCOMP_USERDB);
	if (r < 0)
		fatal("seccomp, which it does not run without", r);
}

int main(void)
{
	static const char ready[] = "READY=1\nSTATUS=Serving";
	int listener, manager, beat = beat_of(), r;
	uid_t uid;
	gid_t gid;

	if (geteuid() != 0)
		fatal("is started by root alone", EPERM);
	r = descriptors_close_from(STDERR_FILENO + 1);
	if (r < 0)
		fatal("descriptors", r);
	user_find(&uid, &gid);
	listener = listen_unnamed();
	manager = manager_connect();
	json_object_seed(0);                         /* reads the system's random source: not possible later */
	if (rename(SOCKET_UNNAMED, SOCKET_PATH) < 0) /* allowed-path: only root writes to /run */
		fatal(SOCKET_PATH, errno);
	r = identity_become(uid, gid, NULL, 0);
	if (r < 0)
		fatal("becoming " USERDB_USER, r);
	seal();
	if (manager >= 0 && send(manager, ready, sizeof(ready) - 1, MSG_NOSIGNAL) < 0)
		fatal("NOTIFY_SOCKET", errno);
	fatal("serving", userdb_serve(listener, manager, beat, &accounts));
}
