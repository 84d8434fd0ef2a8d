/* SPDX-License-Identifier: ISC */
/* A peer's bytes through framing, decoding and dispatch. No input may crash the server or make it
 * answer anything but well-formed messages; a handler sees only what its table admits. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "varlink/server.h"
#include "tests/fuzz/fuzz.h"

static int take(struct varlink_call *call)
{
	json_t *s = json_object_get(call->parameters, "s"), *i = json_object_get(call->parameters, "i");
	json_t *b = json_object_get(call->parameters, "b"), *o = json_object_get(call->parameters, "o");

	must(json_is_string(s) && (i == NULL || json_is_integer(i)) && (b == NULL || json_is_boolean(b)));
	must(o == NULL || json_is_object(o));
	must(json_object_size(call->parameters) == 1u + (i != NULL) + (b != NULL) + (o != NULL));
	must(!call->upgrade && !(call->oneway && call->more));
	if (call->more) {
		int ret = varlink_reply_continues(call, json_incref(call->parameters));

		if (ret < 0)
			return ret;
	}
	return varlink_reply(call, json_incref(call->parameters));
}

static const struct varlink_parameter parameters[] = {
	{ .name = "s", .type = JSON_STRING, .required = true },
	{ .name = "i", .type = JSON_INTEGER },
	{ .name = "b", .type = JSON_TRUE },
	{ .name = "o", .type = JSON_OBJECT },
	{ .name = NULL },
};
static const struct varlink_method methods[] = {
	{ .name = "T", .parameters = parameters, .handle = take },
	{ .name = "N", .parameters = parameters },
	{ .name = NULL },
};
static const struct varlink_interface interface = { .name = "a.b",
						    .description = "interface a.b\n",
						    .methods = methods };
static const struct varlink_interface *const interfaces[] = { &interface, NULL };
static const struct varlink_service service = { "v", "p", "1", "u", interfaces, NULL };

static void check_answer(const char *bytes, size_t length)
{
	json_t *answer = NULL;

	must(varlink_decode(bytes, length, &answer) == 0);
	must(json_is_object(json_object_get(answer, "parameters")));
	json_decref(answer);
}

/* Answers that the peer has got, each ended by NUL (the last may be cut when the socket is full). */
static void check_answers(int fd)
{
	static char bytes[1 << 20];
	size_t used = 0;
	ssize_t got;

	while ((got = recv(fd, bytes + used, sizeof(bytes) - used, MSG_DONTWAIT)) > 0)
		used += (size_t)got;
	for (char *at = bytes, *end; (end = memchr(at, '\0', used)) != NULL; at = end + 1) {
		check_answer(at, (size_t)(end - at));
		used -= (size_t)(end + 1 - at);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct varlink_stream stream;
	static int pair[2] = { -1, -1 };
	int ret;

	/* nothing more can be read from pair[0], what is written to it arrives at pair[1] */
	if (pair[0] < 0)
		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && shutdown(pair[0], SHUT_RD) == 0);
	if (size > VARLINK_MESSAGE_MAX)
		return 0;
	varlink_stream_init(&stream, pair[0], 0);
	if (size > 0)
		memcpy(stream.buffer, data, size);
	stream.used = size;
	ret = varlink_serve(&service, &stream);
	must(ret == 0 || ret == -EBADMSG || ret == -ECONNRESET || ret == -EMSGSIZE || ret == -ETIMEDOUT);
	check_answers(pair[1]);
	return 0;
}
