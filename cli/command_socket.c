/* SPDX-License-Identifier: ISC */
/*
 * `subuid socket`: a socket on which everyone is one account, for a container. Each connection of it goes on to the
 * daemon as one of the caller's own, which Become has turned into the account's before the first byte of the container
 * is passed on. So the daemon has no more sockets to watch, this process is all that there is of it, and it is the
 * caller's to end.
 */
#include "cli/subuid.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/print.h"
#include "cli/relay.h"
#include "confine/cleanup.h"
#include "varlink/client.h"

#define BECOME_MS 10000

static const char socket_name[] = "socket";

struct place {
	int directory; /* O_PATH */
	int listener;
	ino_t inode; /* of the socket */
	dev_t device;
};

struct of_account {
	json_t *name; /* owner and label */
	uint64_t uid; /* another account may get the name */
};

/* One connection of the daemon's that is this account's. A descriptor or negative errno; -ESTALE: the account is gone.
 */
static int dial(void *data)
{
	static struct varlink_stream stream;
	const struct of_account *of = data;
	cleanup_fd int fd = varlink_connect(common.socket);
	cleanup_free char *error = NULL;
	json_t *reply = NULL;
	uint64_t uid = 0;
	int r;

	if (fd < 0)
		return fd;
	varlink_stream_init(&stream, fd, BECOME_MS);
	r = varlink_call(&stream, "io.subuidd.Accounts.Become", of->name, &reply, &error);
	if (r == 0)
		uid = json_number(reply, "uid");
	json_decref(reply);
	if (r == -EREMOTEIO && strcmp(error, "io.subuidd.Accounts.NotFound") == 0)
		return -ESTALE;
	if (r < 0)
		return r;
	return uid == of->uid ? steal_fd(&fd) : -ESTALE;
}

/* "/proc/self/fd/3/socket", which fits into an address whatever the name of the directory. */
static struct sockaddr_un address_of(int directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory, socket_name);
	return address;
}

/* One that nobody listens on any more is removed: 0. -EADDRINUSE: somebody listens, or it is no socket. */
static int left_over_remove(int directory)
{
	const struct sockaddr_un address = address_of(directory);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat found;

	if (fd < 0)
		return -errno;
	if (fstatat(directory, socket_name, &found, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(found.st_mode) || connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	    errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlinkat(directory, socket_name, 0) < 0 ? -errno : 0;
}

static int place_open(const char *path, struct place *place)
{
	cleanup_fd int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = address_of(directory);
	struct stat made;
	mode_t before;
	int r;

	if (directory < 0 || listener < 0)
		return -errno;
	r = left_over_remove(directory);
	if (r < 0)
		return r;
	before = umask(0111); /* ids of a container are others' ids; the directory says who comes near */
	r = bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(before);
	if (r < 0)
		return r;
	if (fstatat(directory, socket_name, &made, AT_SYMLINK_NOFOLLOW) < 0 || listen(listener, SOMAXCONN) < 0)
		return -errno;
	*place = (struct place){ steal_fd(&directory), steal_fd(&listener), made.st_ino, made.st_dev };
	return 0;
}

/* Unless it is another one by now. */
static void place_close(const struct place *place)
{
	struct stat found;

	if (fstatat(place->directory, socket_name, &found, AT_SYMLINK_NOFOLLOW) == 0 && found.st_ino == place->inode &&
	    found.st_dev == place->device)
		unlinkat(place->directory, socket_name, 0);
	close(place->listener);
	close(place->directory);
}

static int until_signal(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return -errno;
	return signalfd(-1, &ends, SFD_CLOEXEC);
}

static int failed(const char *what, int error)
{
	const char *why = strerrordesc_np(-error);

	if (error == -EADDRINUSE)
		complain(what, "something listens there already", "end that, or name another directory");
	else
		complain(what, why != NULL ? why : "failed", "");
	return STATUS_FAILED;
}

static int told(const char *directory, const char *name)
{
	json_t *object = common.json ? json_pack("{s:s+, s:s}", "socket", directory, "/socket", "account", name) : NULL;

	if (common.json)
		print_json(object);
	else
		printf("%s/%s: %s\n", directory, socket_name, name);
	json_decref(object);
	return fflush(stdout) == 0 ? STATUS_DONE : STATUS_FAILED;
}

static int serve(const char *directory, const char *name, struct of_account *of)
{
	cleanup_fd int stop = until_signal();
	struct place place;
	int status, r = stop < 0 ? -errno : place_open(directory, &place);

	if (r < 0)
		return failed(directory, r);
	status = told(directory, name);
	if (status == STATUS_DONE)
		r = relay_run(place.listener, stop, dial, of);
	place_close(&place);
	if (r == -ESTALE)
		complain(name, "there is no such account any more", "");
	else if (r < 0)
		return failed(directory, r);
	return r < 0 ? STATUS_FAILED : status;
}

int command_socket(int argc, char **argv)
{
	struct of_account of = { 0 };
	json_t *reply = NULL, *account;
	int status = name_operand("socket", argc, argv, &of.name);

	if (status < 0)
		return -1 - status;
	status = call("Get", json_incref(of.name), &reply);
	account = json_object_get(reply, "account");
	if (status == STATUS_DONE) {
		of.uid = json_number(account, "uid");
		status = serve(argv[optind + 1], json_text(account, "name"), &of);
	}
	json_decref(reply);
	json_decref(of.name);
	return status;
}
