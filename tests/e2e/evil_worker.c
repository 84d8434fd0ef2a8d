/* SPDX-License-Identifier: ISC */
/*
 * A worker that was taken over: says it is ready, then sends whatever it likes, at any
 * time, and forgets to read. Put in the place of the real one by test_broker.py.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "subuidd/wire/wire.h"

#define ROUNDS 500

static char bytes[70000];

static void names(struct request *request)
{
	snprintf(request->name.owner, sizeof(request->name.owner), "%s",
		 rand() % 2 ? "root" :
		 rand() % 2 ? "../x" :
			      "");
	snprintf(request->name.label, sizeof(request->name.label), "w%d", rand() % 9);
}

static size_t message(struct request *request, const void **what)
{
	size_t size;

	memset(request, 0, sizeof(*request));
	request->op = (uint32_t)(rand() % (OP_MAX_ + 4));
	request->size = (uint32_t)wire_request_size(request->op);
	size = request->size != 0 ? request->size : (size_t)(rand() % 6000);
	*what = request;
	switch (rand() % 6) {
	case 0:
		for (int i = 0; i < 20; i++)
			((unsigned char *)request)[(size_t)rand() % sizeof(*request)] = (unsigned char)rand();
		break;
	case 1:
		size = (size_t)(rand() % 9000);
		memset(bytes, rand(), size);
		*what = bytes;
		break;
	case 2:
		request->list.cursor = (uint64_t)rand() << 32 | (uint64_t)rand();
		request->list.all = (uint32_t)(rand() % 3);
		break;
	case 3:
		names(request);
		break;
	case 4:
		names(request);
		request->add.set = (uint32_t)rand() % 99;
		request->add.facts.quota = (uint64_t)rand() << 33;
		request->add.range_count = (uint32_t)rand() * 2u;
		break;
	default:
		snprintf(request->name.label, sizeof(request->name.label), "w%d", rand() % 3);
	}
	return size;
}

int main(void)
{
	const char ready = rand() % 16 ? WIRE_READY : 'X';
	struct wire_connection connection;
	struct request request;
	const void *what;

	srand((unsigned)getpid() * 7919u + (unsigned)time(NULL));
	if (send(WIRE_FD, &ready, 1, MSG_NOSIGNAL) < 0)
		return 1;
	if (rand() % 8 != 0 && recv(WIRE_FD, &connection, sizeof(connection), 0) <= 0)
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		size_t size = message(&request, &what);

		if (send(WIRE_FD, what, size, MSG_NOSIGNAL) < 0)
			return 1;
		if (rand() % 4 != 0 && recv(WIRE_FD, bytes, sizeof(bytes), rand() % 2 ? MSG_DONTWAIT : 0) == 0)
			return 1;
	}
	return 0;
}
