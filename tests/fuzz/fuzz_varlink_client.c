/* SPDX-License-Identifier: ISC */
/*
 * The client's end against a server of any bytes: a call ends with one of the errors that the header names, outputs
 * are filled exactly when it says so, and what is handed on is an object. First byte: one call or `more`, when the
 * caller has enough, and when the server closes.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "varlink/client.h"

#define UNTOUCHED ((void *)0x5a5a)
#define METHOD "a.b.C"

struct got {
	unsigned replies, enough;
	size_t bytes;
};

static int take(json_t *parameters, void *data)
{
	struct got *got = data;

	must(json_is_object(parameters));
	return ++got->replies == got->enough ? -ECANCELED : 0;
}

/* The messages that an honest reading finds: whole ones, in front. -1: one that is no reply. */
static int reply_of(const char *bytes, size_t size, size_t *next, bool *error, bool *continues)
{
	const char *end = size > 0 ? memchr(bytes, '\0', size) : NULL;
	json_t *message = NULL, *member;
	int r;

	if (end == NULL)
		return -ECONNRESET;
	*next = (size_t)(end - bytes) + 1;
	r = varlink_decode(bytes, *next - 1, &message);
	if (r < 0)
		return r;
	member = json_object_get(message, "error");
	*error = member != NULL;
	if (member != NULL && !json_is_string(member))
		r = -EPROTO;
	member = json_object_get(message, "continues");
	*continues = json_is_true(member);
	if (member != NULL && !json_is_boolean(member))
		r = -EPROTO;
	member = json_object_get(message, "parameters");
	if (member != NULL && !json_is_object(member) && !json_is_null(member))
		r = -EPROTO;
	json_decref(message);
	return r;
}

/* What a call has to come to. */
static int expected(const char *bytes, size_t size, bool more, unsigned enough, unsigned *replies)
{
	*replies = 0;
	for (;;) {
		size_t next = 0;
		bool error = false, continues = false;
		int r = reply_of(bytes, size, &next, &error, &continues);

		if (r < 0)
			return r;
		if (error)
			return -EREMOTEIO;
		if (!more)
			return continues ? -EPROTO : 0;
		if (++*replies == enough)
			return -ECANCELED;
		if (!continues)
			return 0;
		bytes += next;
		size -= next;
	}
}

static void check_outputs(int r, json_t *reply, char *error, bool filled)
{
	if (r == -EREMOTEIO) {
		must(reply != UNTOUCHED && json_is_object(reply) && error != UNTOUCHED && error != NULL);
		json_decref(reply);
		free(error);
		return;
	}
	must(error == UNTOUCHED && (reply != UNTOUCHED) == (r == 0 && filled));
	if (reply != UNTOUCHED) {
		must(json_is_object(reply));
		json_decref(reply);
	}
}

/* What the client has said is one message, and well formed. */
static void check_call(int fd, bool more)
{
	static struct varlink_stream stream;
	json_t *call = NULL;

	varlink_stream_init(&stream, fd, 5000);
	must(varlink_receive(&stream, &call) == 0);
	must(strcmp(json_string_value(json_object_get(call, "method")), METHOD) == 0);
	must(json_is_true(json_object_get(call, "more")) == more);
	must(stream.used == 0);
	json_decref(call);
}

static void serve(const char *bytes, size_t size, bool more, unsigned enough)
{
	static struct varlink_stream stream;
	struct got got = { .enough = enough };
	json_t *reply = UNTOUCHED;
	char *error = UNTOUCHED;
	unsigned replies;
	int pair[2], r, wanted = expected(bytes, size, more, enough, &replies);

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(size == 0 || send(pair[1], bytes, size, MSG_DONTWAIT) == (ssize_t)size);
	must(shutdown(pair[1], SHUT_WR) == 0);
	varlink_stream_init(&stream, pair[0], 5000);
	if (more)
		r = varlink_call_more(&stream, METHOD, NULL, take, &got, &reply, &error);
	else
		r = varlink_call(&stream, METHOD, NULL, &reply, &error);
	must(r == wanted);
	must(got.replies == replies);
	check_outputs(r, reply, error, !more);
	check_call(pair[1], more);
	close(pair[0]);
	close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t how = take_byte(&input);

	if (input.left >= VARLINK_MESSAGE_MAX)
		return 0;
	json_object_seed(1); /* the same in each run */
	serve((const char *)input.at, input.left, how % 2 == 1, (how >> 1) % 4);
	return 0;
}
