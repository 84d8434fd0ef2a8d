/* SPDX-License-Identifier: ISC */
/*
 * Varlink's wire (https://varlink.org/Method-Call): JSON objects, each ended by one
 * NUL byte, over a stream socket. Blocking sockets with deadlines; both ends.
 */
#ifndef VARLINK_STREAM_H
#define VARLINK_STREAM_H

#include <jansson.h>
#include <stddef.h>

#define VARLINK_MESSAGE_MAX (64u * 1024u) /* bytes of one message, NUL included */
#define VARLINK_DEPTH_MAX 16

struct varlink_stream {
	int fd;         /* borrowed */
	int timeout_ms; /* for one whole message, -1 none */
	size_t used;    /* bytes in buffer, from start on */
	size_t start;   /* of the next message in buffer */
	size_t scanned; /* bytes from start on that hold no NUL */
	size_t waiting; /* bytes in out that are not sent yet */
	char buffer[VARLINK_MESSAGE_MAX];
	char out[VARLINK_MESSAGE_MAX];
};

/* System calls from here on: poll, recvfrom, sendto, clock_gettime and memory, on a
 * descriptor that may block or not. One more comes from jansson: its first object reads /dev/urandom
 * for the hash seed, so a program that gives up opening files calls json_object_seed(0) before. */
void varlink_stream_init(struct varlink_stream *stream, int fd, int timeout_ms);

/* Reads one message. 0; -ENODATA: the peer closed between messages; -ECONNRESET:
 * inside one; -EMSGSIZE too long; -EBADMSG not a JSON object, too deep, duplicate keys, NUL in a
 * string; -ETIMEDOUT. The caller decrefs *ret. */
int varlink_receive(struct varlink_stream *stream, json_t **ret);

/* Writes one message whole, or -EMSGSIZE (nothing written), -EPIPE, -ETIMEDOUT, … (the connection can no longer be
 * used). Does not take the reference. No SIGPIPE. */
int varlink_send(struct varlink_stream *stream, const json_t *message);

/* The next message as it came, without its NUL; valid until the next call. Errors as above, except -EBADMSG. */
int varlink_receive_bytes(struct varlink_stream *stream, char **bytes, size_t *length);

/* Adds one message, made of parts (with its NUL). It is sent once there are many, with the next varlink_send(), or with
 * varlink_flush(). Errors as for varlink_send(). */
struct varlink_part {
	const char *bytes;
	size_t length;
};
int varlink_put(struct varlink_stream *stream, const struct varlink_part *parts, int count);
int varlink_flush(struct varlink_stream *stream);

/* Pure: decodes one message (bytes without the NUL). Fuzzed. Same errors as above. */
int varlink_decode(const char *bytes, size_t length, json_t **ret);

#endif
