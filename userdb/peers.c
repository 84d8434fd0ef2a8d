/* SPDX-License-Identifier: ISC */
/* Places and shares. Run by the service that answers systemd; the peers are anybody. */
#include "userdb/peers.h"

#include <stddef.h>
#include <unistd.h>

void peers_init(struct peers *peers)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		peers->peer[i].stream.fd = -1;
}

void peers_drop(struct peer *peer)
{
	close(peer->stream.fd);
	peer->stream.fd = -1;
}

static unsigned share_of(const struct peers *peers, uid_t holder)
{
	unsigned count = 0;

	for (size_t i = 0; i < PEERS_MAX; i++)
		count += peers->peer[i].stream.fd >= 0 && peers->peer[i].holder == holder;
	return count;
}

/* Of the largest share, the one that has been quiet for longest. Every place is taken. */
static struct peer *who_makes_way(struct peers *peers)
{
	struct peer *chosen = &peers->peer[0];
	unsigned largest = share_of(peers, chosen->holder);

	for (size_t i = 1; i < PEERS_MAX; i++) {
		struct peer *peer = &peers->peer[i];
		unsigned share = peer->holder == chosen->holder ? largest : share_of(peers, peer->holder);

		if (share < largest || (share == largest && peer->quiet_since >= chosen->quiet_since))
			continue;
		chosen = peer;
		largest = share;
	}
	return chosen;
}

static struct peer *place(struct peers *peers)
{
	struct peer *peer;

	for (size_t i = 0; i < PEERS_MAX; i++)
		if (peers->peer[i].stream.fd < 0)
			return &peers->peer[i];
	peer = who_makes_way(peers);
	peers_drop(peer);
	return peer;
}

struct peer *peers_take(struct peers *peers, int fd, uid_t holder, int64_t now)
{
	struct peer *peer = place(peers);

	/* Nobody is waited for: what has not come is read when it has, and an answer that does not fit ends it. */
	varlink_stream_init(&peer->stream, fd, 0);
	peer->holder = holder;
	peer->account = 0;
	peer->quiet_since = now;
	peer->more = false;
	return peer;
}

void peers_expire(struct peers *peers, int64_t now, int64_t quiet_ms)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (peers->peer[i].stream.fd >= 0 && now - peers->peer[i].quiet_since >= quiet_ms)
			peers_drop(&peers->peer[i]);
}
