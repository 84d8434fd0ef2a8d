/* SPDX-License-Identifier: ISC */
/*
 * The bytes are those of a container: nothing here looks at them. Descriptors that come along are closed by the kernel,
 * since recv(2) leaves no room for them. A side that does not read holds up its own connection alone, and the daemon
 * ends one on which nothing happens.
 */
#include "cli/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 16384

struct way {
	int from, to;
	size_t at, length; /* of what waits to be written */
	bool ended;        /* nothing more comes */
	bool passed;       /* and `to` has been told so */
	char bytes[CHUNK];
};

struct pair {
	bool used;
	struct way in, out; /* from the peer to the daemon, and back */
};

struct relay {
	struct pair pairs[RELAY_MOST];
	struct pollfd polls[2 + 2 * RELAY_MOST]; /* stop, listener; the peer and the daemon of each pair */
};

static void pair_begin(struct relay *relay, int peer, int daemon)
{
	struct pair *pair = relay->pairs;

	while (pair->used) /* one is free, or nothing would have been accepted */
		pair++;
	pair->used = true;
	pair->in = (struct way){ .from = peer, .to = daemon };
	pair->out = (struct way){ .from = daemon, .to = peer };
}

static void pair_end(struct pair *pair)
{
	close(pair->in.from);
	close(pair->in.to);
	pair->used = false;
}

/* False: the connection is broken. */
static bool way_write(struct way *way)
{
	ssize_t sent = send(way->to, way->bytes + way->at, way->length, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	way->at += (size_t)sent;
	way->length -= (size_t)sent;
	return true;
}

static bool way_read(struct way *way)
{
	ssize_t got = recv(way->from, way->bytes, sizeof(way->bytes), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	way->at = 0;
	way->length = got > 0 ? (size_t)got : 0;
	way->ended = got <= 0;
	return got >= 0;
}

static bool way_turn(struct way *way, const struct pollfd *from, const struct pollfd *to)
{
	bool sound = true;

	if (way->length == 0 && !way->ended && from->revents != 0)
		sound = way_read(way);
	else if (way->length > 0 && to->revents != 0)
		sound = way_write(way);
	if (sound && way->ended && way->length == 0 && !way->passed) {
		way->passed = true;
		shutdown(way->to, SHUT_WR);
	}
	return sound;
}

static short wanted(const struct way *from, const struct way *to)
{
	return (short)((from->length == 0 && !from->ended ? POLLIN : 0) | (to->length > 0 ? POLLOUT : 0));
}

static void polls_set(struct relay *relay, int listener, int stop)
{
	bool room = false; /* for one more */

	for (int i = 0; i < RELAY_MOST; i++) {
		const struct pair *pair = &relay->pairs[i];
		const short peer = wanted(&pair->in, &pair->out), daemon = wanted(&pair->out, &pair->in);

		/* a peer that has gone would be told of again and again where nothing is wanted of it */
		relay->polls[2 + 2 * i] = (struct pollfd){ pair->used && peer != 0 ? pair->in.from : -1, peer, 0 };
		relay->polls[3 + 2 * i] = (struct pollfd){ pair->used && daemon != 0 ? pair->in.to : -1, daemon, 0 };
		room |= !pair->used;
	}
	relay->polls[0] = (struct pollfd){ stop, POLLIN, 0 };
	relay->polls[1] = (struct pollfd){ room ? listener : -1, POLLIN, 0 };
}

/* 0, or negative errno with which it ends. */
static int next_accept(struct relay *relay, int listener, int (*dial)(void *data), void *data)
{
	int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC), daemon;

	if (peer < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? 0 : -errno;
	daemon = dial(data);
	if (daemon >= 0)
		pair_begin(relay, peer, daemon);
	else
		close(peer);
	return daemon == -ESTALE ? daemon : 0;
}

static void pairs_turn(struct relay *relay)
{
	for (int i = 0; i < RELAY_MOST; i++) {
		struct pair *pair = &relay->pairs[i];
		const struct pollfd *peer = &relay->polls[2 + 2 * i], *daemon = peer + 1;

		/* once the daemon says nothing more, what the peer still says is for nobody */
		if (pair->used &&
		    (!way_turn(&pair->in, peer, daemon) || !way_turn(&pair->out, daemon, peer) || pair->out.passed))
			pair_end(pair);
	}
}

int relay_run(int listener, int stop, int (*dial)(void *data), void *data)
{
	static struct relay relay;
	int r = 0;

	memset(&relay, 0, sizeof(relay));
	while (r == 0) {
		polls_set(&relay, listener, stop);
		if (poll(relay.polls, sizeof(relay.polls) / sizeof(relay.polls[0]), -1) < 0) {
			r = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (relay.polls[0].revents != 0)
			break;
		pairs_turn(&relay);
		if (relay.polls[1].revents != 0)
			r = next_accept(&relay, listener, dial, data);
	}
	for (int i = 0; i < RELAY_MOST; i++)
		if (relay.pairs[i].used)
			pair_end(&relay.pairs[i]);
	return r;
}
