/* SPDX-License-Identifier: ISC */
/*
 * Answers the user database's peers. Run without privilege; the peers are anybody.
 *
 * Every process that looks up a user who is not in a file, and every login, waits for this one. So no peer is waited
 * for: a call is read as its bytes come, one is answered in each turn of a connection, and an answer that a peer's
 * socket does not take ends the connection.
 */
#include "userdb/serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine/clock.h"
#include "userdb/methods.h"
#include "userdb/peers.h"

#define QUIET_MS 5000       /* systemd's libraries send their call as they connect */
#define NO_ROOM_MS 10       /* the host has no descriptors or memory: no busy loop */
#define CALL_MAX 4096u      /* bytes: some 300 are usual. 64 KiB of JSON take 8 ms, and all others wait for them */
#define ACCEPTED_AT_ONCE 32 /* before those that are there have their turn */

/* Sub-accounts and ids of ranges are many uids of one user's: they are one holder together. *account: 0 none. */
static uid_t holder_of(int fd, struct index_reader *reader, uint32_t *account)
{
	struct index_account found;
	struct id_range range;
	struct ucred peer;
	socklen_t size = sizeof(peer);

	*account = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return HOLDER_TOGETHER;
	if (index_account_by_uid(reader, peer.uid, &found) == 0) {
		*account = peer.uid;
		return HOLDER_TOGETHER;
	}
	return index_range_by_id(reader, peer.uid, &range) == 0 ? HOLDER_TOGETHER : peer.uid;
}

static void welcome(struct peers *peers, int fd, struct index_reader *reader, int64_t now)
{
	uint32_t account;
	uid_t holder = holder_of(fd, reader, &account);

	peers_take(peers, fd, holder, now)->account = account;
}

/* 0, or what is wrong with the listening socket. */
static int accept_some(int listener, struct peers *peers, struct index_reader *reader, int64_t now)
{
	for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			welcome(peers, fd, reader, now);
		else if (errno == EAGAIN)
			return 0;
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			return poll(NULL, 0, NO_ROOM_MS), 0;
		else if (errno != ECONNABORTED && errno != EINTR)
			return -errno;
	}
	return 0;
}

static int call_receive(struct peer *peer, json_t **message)
{
	size_t length;
	char *bytes;
	int r = varlink_receive_bytes(&peer->stream, &bytes, &length);

	if (r == 0 && length > CALL_MAX)
		r = -EMSGSIZE;
	return r < 0 ? r : varlink_decode(bytes, length, message);
}

/* One call, if it has come whole. Bytes that cannot be one, or an answer that cannot be sent, ends the connection. */
static void serve_one(struct peer *peer, const struct varlink_service *service, int64_t now)
{
	json_t *message;
	int r = call_receive(peer, &message);

	peer->more = false;
	if (r == -ETIMEDOUT)
		return;
	if (r == 0) {
		peer->quiet_since = now;
		peer->more = peer->stream.used > 0;
		((struct userdb *)service->data)->account = peer->account;
		r = varlink_dispatch(service, &peer->stream, message);
		json_decref(message);
	}
	if (r < 0)
		peers_drop(peer);
}

/* The table as poll(2) has it, the listening socket last. True: somebody's bytes are here already. */
static bool watch(const struct peers *peers, int listener, struct pollfd *entries)
{
	bool more = false;

	for (size_t i = 0; i < PEERS_MAX; i++) {
		entries[i] = (struct pollfd){ .fd = peers->peer[i].stream.fd, .events = POLLIN };
		more |= entries[i].fd >= 0 && peers->peer[i].more;
	}
	entries[PEERS_MAX] = (struct pollfd){ .fd = listener, .events = POLLIN };
	return more;
}

static int turn(int listener, struct peers *peers, const struct varlink_service *service, int wait_ms)
{
	const struct userdb *userdb = service->data;
	struct pollfd entries[PEERS_MAX + 1];
	bool more = watch(peers, listener, entries);
	int64_t now;

	if (poll(entries, PEERS_MAX + 1, more ? 0 : wait_ms) < 0 && errno != EINTR)
		return -errno;
	now = clock_ms();
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (entries[i].fd >= 0 && (entries[i].revents != 0 || peers->peer[i].more))
			serve_one(&peers->peer[i], service, now);
	peers_expire(peers, now, QUIET_MS);
	return entries[PEERS_MAX].revents == 0 ? 0 : accept_some(listener, peers, userdb->reader, now);
}

int userdb_serve(int listener, int manager, int beat_ms, struct index_reader *reader)
{
	static const char beat[] = "WATCHDOG=1";
	static struct peers peers; /* 32 MiB of addresses, of which a page for each place is used */
	struct userdb userdb = { .reader = reader };
	const struct varlink_service service = userdb_service(&userdb);
	int64_t beaten = clock_ms();
	int r = 0;

	peers_init(&peers);
	while (r == 0) {
		r = turn(listener, &peers, &service, beat_ms < QUIET_MS ? beat_ms : QUIET_MS);
		if (manager < 0 || clock_ms() - beaten < beat_ms)
			continue;
		beaten = clock_ms();
		send(manager, beat, strlen(beat), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	return r;
}
