/* SPDX-License-Identifier: ISC */
/*
 * A worker that was taken over, which knows what it wants: adds two accounts of FORGED_OWNER, `given` and `hidden`,
 * each with an alarm, of which the second one's mask says nothing. Put in the place of the real one by test_broker.py.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "subuidd/wire/wire.h"

static struct request request;
static struct answer answer;

static int add(const char *label, uint32_t set)
{
	request = (struct request){ .op = OP_ACCOUNT_ADD, .size = (uint32_t)wire_request_size(OP_ACCOUNT_ADD) };
	snprintf(request.add.name.owner, sizeof(request.add.name.owner), "%s", FORGED_OWNER);
	snprintf(request.add.name.label, sizeof(request.add.name.label), "%s", label);
	request.add.facts.alarm = 3600;
	request.add.set = set;
	return send(WIRE_FD, &request, request.size, MSG_NOSIGNAL) > 0 &&
			       recv(WIRE_FD, &answer, sizeof(answer), 0) > 0 && answer.failure.failure == FAILURE_NONE ?
		       0 :
		       1;
}

/* Keeps the caller's socket, which ends with us. */
static int connection_take(void)
{
	struct wire_connection connection;
	struct iovec part = { &connection, sizeof(connection) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};

	return recvmsg(WIRE_FD, &message, 0) > 0 ? 0 : 1;
}

int main(void)
{
	const char ready = WIRE_READY;

	if (send(WIRE_FD, &ready, 1, MSG_NOSIGNAL) < 0 || connection_take() != 0)
		return 1;
	return add("given", 1u << FACT_ALARM) | add("hidden", 0);
}
