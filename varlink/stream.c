/* SPDX-License-Identifier: ISC */
/* Sends and receives Varlink messages (JSON that ends with NUL) over a socket, with a deadline. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "confine/clock.h"
#include "varlink/stream.h"

static int64_t deadline_of(const struct varlink_stream *stream)
{
	return stream->timeout_ms < 0 ? INT64_MAX : clock_ms() + stream->timeout_ms;
}

/* Refuses once the deadline has passed, also when the descriptor is ready: a peer that moves one
 * byte at a time is always ready. */
static int wait_ready(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd entry = { .fd = fd, .events = events };
		int64_t left = deadline == INT64_MAX ? -1 : deadline - clock_ms();
		int ready;

		if (deadline != INT64_MAX && left < 0)
			return -ETIMEDOUT;
		ready = poll(&entry, 1, (int)left);
		if (ready > 0)
			return 0;
		if (ready == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

void varlink_stream_init(struct varlink_stream *stream, int fd, int timeout_ms)
{
	stream->fd = fd;
	stream->timeout_ms = timeout_ms;
	stream->used = stream->start = stream->scanned = stream->waiting = 0;
}

/* Length of the first message, without its NUL; false if its end has not arrived yet. */
static bool message_whole(struct varlink_stream *stream, size_t *length)
{
	const char *message = stream->buffer + stream->start;
	const char *end = memchr(message + stream->scanned, '\0', stream->used - stream->scanned);

	stream->scanned = stream->used;
	if (end == NULL)
		return false;
	*length = (size_t)(end - message);
	return true;
}

static void message_consume(struct varlink_stream *stream, size_t length)
{
	stream->start += length + 1;
	stream->used -= length + 1;
	stream->scanned = 0;
	if (stream->used == 0)
		stream->start = 0;
}

/* One read into the free space after the bytes already read. */
static int fill(struct varlink_stream *stream, int64_t deadline)
{
	ssize_t got;
	int ret;

	if (stream->start > 0) {
		memmove(stream->buffer, stream->buffer + stream->start, stream->used);
		stream->start = 0;
	}
	if (stream->used == sizeof(stream->buffer))
		return -EMSGSIZE;
	ret = wait_ready(stream->fd, POLLIN, deadline);
	if (ret < 0)
		return ret;
	got = recv(stream->fd, stream->buffer + stream->used, sizeof(stream->buffer) - stream->used, MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0)
		return stream->used == 0 ? -ENODATA : -ECONNRESET;
	stream->used += (size_t)got;
	return 0;
}

int varlink_receive_bytes(struct varlink_stream *stream, char **bytes, size_t *length)
{
	int64_t deadline = INT64_MIN;

	while (!message_whole(stream, length)) {
		int result;

		if (deadline == INT64_MIN)
			deadline = deadline_of(stream);
		result = fill(stream, deadline);
		if (result < 0)
			return result;
	}
	*bytes = stream->buffer + stream->start;
	message_consume(stream, *length);
	return 0;
}

int varlink_receive(struct varlink_stream *stream, json_t **ret)
{
	char *bytes;
	size_t length;
	int result = varlink_receive_bytes(stream, &bytes, &length);

	return result < 0 ? result : varlink_decode(bytes, length, ret);
}

static int send_all(struct varlink_stream *stream, const char *bytes, size_t length)
{
	int64_t deadline = deadline_of(stream);

	for (size_t sent = 0; sent < length;) {
		ssize_t n = send(stream->fd, bytes + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		int ret;

		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (sent == length)
			break;
		ret = wait_ready(stream->fd, POLLOUT, deadline);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int varlink_flush(struct varlink_stream *stream)
{
	size_t length = stream->waiting;

	stream->waiting = 0;
	return length > 0 ? send_all(stream, stream->out, length) : 0;
}

int varlink_put(struct varlink_stream *stream, const struct varlink_part *parts, int count)
{
	size_t length = 1;
	int ret = 0;

	for (int i = 0; i < count; i++)
		length += parts[i].length;
	if (length > sizeof(stream->out))
		return -EMSGSIZE;
	if (length > sizeof(stream->out) - stream->waiting)
		ret = varlink_flush(stream);
	if (ret < 0)
		return ret;
	for (int i = 0; i < count; i++) {
		memcpy(stream->out + stream->waiting, parts[i].bytes, parts[i].length);
		stream->waiting += parts[i].length;
	}
	stream->out[stream->waiting++] = '\0';
	return 0;
}

int varlink_send(struct varlink_stream *stream, const json_t *message)
{
	char bytes[VARLINK_MESSAGE_MAX];
	size_t length = json_dumpb(message, bytes, sizeof(bytes) - 1, JSON_COMPACT);
	int ret;

	if (length == 0)
		return -EINVAL;
	if (length > sizeof(bytes) - 1)
		return -EMSGSIZE;
	bytes[length] = '\0';
	ret = varlink_flush(stream);
	return ret < 0 ? ret : send_all(stream, bytes, length + 1);
}

/* jansson recurses as deep as the brackets go, so they are counted first. Text that is not JSON may be miscounted here,
 * but jansson refuses it. */
static bool too_deep(const char *bytes, size_t length)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if ((c == '{' || c == '[') && ++depth > VARLINK_DEPTH_MAX)
			return true;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return false;
}

int varlink_decode(const char *bytes, size_t length, json_t **ret)
{
	json_error_t error;
	json_t *message;

	if (length >= VARLINK_MESSAGE_MAX)
		return -EMSGSIZE;
	if (memchr(bytes, '\0', length) != NULL || too_deep(bytes, length))
		return -EBADMSG;
	message = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &error);
	if (message == NULL)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}
	*ret = message;
	return 0;
}
