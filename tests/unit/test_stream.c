/* SPDX-License-Identifier: ISC */
/* The wire, over socket pairs: what arrives in pieces, too large, too late or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "varlink/stream.h"

#define QUICK 50 /* ms, for what must time out */
#define AMPLE 5000

static int poll_takes_ms;

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

/* The linker puts this in the place of poll(). */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	nanosleep(&(struct timespec){ .tv_nsec = poll_takes_ms * 1000000L }, NULL);
	return __real_poll(fds, count, timeout);
}

struct ends {
	int peer;
	struct varlink_stream stream;
};

static struct ends *ends_open(int timeout_ms)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	int pair[2];

	assert_non_null(ends);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ends->peer = pair[0];
	varlink_stream_init(&ends->stream, pair[1], timeout_ms);
	return ends;
}

static void ends_close(struct ends *ends)
{
	if (ends->peer >= 0)
		close(ends->peer);
	close(ends->stream.fd);
	free(ends);
}

static void peer_sends(struct ends *ends, const void *bytes, size_t length)
{
	assert_int_equal(send(ends->peer, bytes, length, MSG_NOSIGNAL), length);
}

static void peer_closes(struct ends *ends)
{
	close(ends->peer);
	ends->peer = -1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void assert_receives(struct ends *ends, const char *member, int value)
{
	json_t *message = NULL;

	assert_int_equal(varlink_receive(&ends->stream, &message), 0);
	assert_int_equal(json_integer_value(json_object_get(message, member)), value);
	json_decref(message);
}

static void several_messages_in_one_write(void **state)
{
	static const char bytes[] = "{\"a\":1}\0{\"b\":2}\0 {\"c\":3}\n\0{\"d\""; /* the last one is half a message */
	struct ends *ends = ends_open(AMPLE);
	json_t *message = NULL;

	(void)state;
	peer_sends(ends, bytes, sizeof(bytes) - 1);
	assert_receives(ends, "a", 1);
	assert_receives(ends, "b", 2);
	assert_receives(ends, "c", 3);
	peer_sends(ends, ":4}", 4);
	assert_receives(ends, "d", 4);
	peer_closes(ends);
	assert_int_equal(varlink_receive(&ends->stream, &message), -ENODATA);
	assert_null(message);
	ends_close(ends);
}

struct pieces {
	int fd;
	const char *bytes;
	size_t length, cut;
};

static void *send_pieces(void *data)
{
	const struct pieces *pieces = data;

	if (send(pieces->fd, pieces->bytes, pieces->cut, MSG_NOSIGNAL) < 0)
		return NULL;
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	(void)!send(pieces->fd, pieces->bytes + pieces->cut, pieces->length - pieces->cut, MSG_NOSIGNAL);
	return NULL;
}

static void split_at_each_byte(void **state)
{
	static const char bytes[] = "{\"a\":1,\"t\":\"\xc3\xbc\\\"{\"}\0{\"b\":2}";

	(void)state;
	for (size_t cut = 1; cut < sizeof(bytes); cut++) {
		struct ends *ends = ends_open(AMPLE);
		struct pieces pieces = { ends->peer, bytes, sizeof(bytes), cut };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, send_pieces, &pieces), 0);
		assert_receives(ends, "a", 1);
		assert_receives(ends, "b", 2);
		pthread_join(thread, NULL);
		ends_close(ends);
	}
}

static void byte_by_byte(void **state)
{
	static const char bytes[] = "{\"a\":1}\0{\"b\":2}";
	struct ends *ends = ends_open(AMPLE);
	json_t *message = NULL;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
		peer_sends(ends, bytes + i, 1);
		ends->stream.timeout_ms = i == 7 ? AMPLE : 1;
		if (i == 7)
			assert_receives(ends, "a", 1);
		else
			assert_int_equal(varlink_receive(&ends->stream, &message), -ETIMEDOUT);
	}
	peer_sends(ends, "", 1);
	ends->stream.timeout_ms = AMPLE;
	assert_receives(ends, "b", 2);
	ends_close(ends);
}

static void half_a_message_is_a_broken_connection(void **state)
{
	struct ends *ends = ends_open(AMPLE);
	json_t *message = NULL;

	(void)state;
	peer_sends(ends, "{\"a\":1}", 7); /* whole JSON, but its NUL is missing */
	peer_closes(ends);
	assert_int_equal(varlink_receive(&ends->stream, &message), -ECONNRESET);
	assert_null(message);
	ends_close(ends);
}

static void half_a_message_times_out(void **state)
{
	struct ends *ends = ends_open(QUICK);
	json_t *message = NULL;
	int64_t began = now_ms();

	(void)state;
	peer_sends(ends, "{\"a\"", 4);
	assert_int_equal(varlink_receive(&ends->stream, &message), -ETIMEDOUT);
	assert_true(now_ms() - began >= QUICK);
	assert_true(now_ms() - began < AMPLE);
	ends_close(ends);
}

/* Each byte comes in time, the message never: one deadline holds for all of it, also when there is
 * always something to read. */
static void dripping_peer_times_out(void **state)
{
	struct ends *ends = ends_open(QUICK);
	json_t *message = NULL;

	(void)state;
	peer_sends(ends, "{", 1);
	peer_closes(ends);
	poll_takes_ms = 2 * QUICK;
	assert_int_equal(varlink_receive(&ends->stream, &message), -ETIMEDOUT);
	poll_takes_ms = 0;
	ends_close(ends);
}

static void *flood(void *data)
{
	int fd = *(int *)data;
	static const char bytes[4096] = "{";

	while (send(fd, bytes + 1, sizeof(bytes) - 1, MSG_NOSIGNAL) > 0)
		continue;
	return NULL;
}

static void *flood_without_nul(void *data)
{
	int fd = *(int *)data;
	char bytes[4096];

	memset(bytes, ' ', sizeof(bytes));
	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		continue;
	return NULL;
}

static void oversize_is_refused_without_being_read(void **state)
{
	struct ends *ends = ends_open(AMPLE);
	json_t *message = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flood_without_nul, &ends->peer), 0);
	assert_int_equal(varlink_receive(&ends->stream, &message), -EMSGSIZE);
	assert_null(message);
	shutdown(ends->stream.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	ends_close(ends);
}

/* Empty messages are messages, and no JSON. */
static void nothing_but_nul_is_not_json(void **state)
{
	struct ends *ends = ends_open(AMPLE);
	json_t *message = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, flood, &ends->peer), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(varlink_receive(&ends->stream, &message), -EBADMSG);
	shutdown(ends->stream.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	ends_close(ends);
}

/* An object of exactly `size` bytes on the wire, NUL included. */
static void *message_of(size_t size)
{
	char *bytes = malloc(size);

	assert_non_null(bytes);
	memset(bytes, 'x', size);
	memcpy(bytes, "{\"a\":1,\"b\":\"", 12);
	memcpy(bytes + size - 3, "\"}", 3);
	return bytes;
}

static void *send_message(void *data)
{
	const struct pieces *pieces = data;

	for (size_t sent = 0; sent < pieces->length;) {
		ssize_t n = send(pieces->fd, pieces->bytes + sent, pieces->length - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	return NULL;
}

static void largest_message_passes_one_byte_more_does_not(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		size_t size = VARLINK_MESSAGE_MAX + more;
		char *bytes = message_of(size);
		struct ends *ends = ends_open(AMPLE);
		struct pieces pieces = { .fd = ends->peer, .bytes = bytes, .length = size };
		json_t *message = NULL;
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, send_message, &pieces), 0);
		if (more == 0)
			assert_receives(ends, "a", 1);
		else
			assert_int_equal(varlink_receive(&ends->stream, &message), -EMSGSIZE);
		pthread_join(thread, NULL);
		assert_int_equal(varlink_decode(bytes, size - 1, &message), more == 0 ? 0 : -EMSGSIZE);
		json_decref(message);
		ends_close(ends);
		free(bytes);
	}
}

static json_t *large_object(size_t size)
{
	char *bytes = message_of(size);
	json_t *object = json_loadb(bytes, size - 1, 0, NULL);

	assert_non_null(object);
	free(bytes);
	return object;
}

static void what_is_sent_is_received(void **state)
{
	struct ends *ends = ends_open(AMPLE);
	json_t *small = json_pack("{s:i}", "a", 7), *large = large_object(VARLINK_MESSAGE_MAX + 1);
	char bytes[32] = { 0 };

	(void)state;
	assert_int_equal(varlink_send(&ends->stream, small), 0);
	assert_int_equal(recv(ends->peer, bytes, sizeof(bytes), 0), 8);
	assert_memory_equal(bytes, "{\"a\":7}", 8);
	assert_int_equal(varlink_send(&ends->stream, large), -EMSGSIZE);
	assert_int_equal(recv(ends->peer, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	json_decref(small);
	json_decref(large);
	ends_close(ends);
}

/* Also on a descriptor that blocks: nothing here waits longer than the deadline. */
static void peer_that_never_reads_times_out(void **state)
{
	struct ends *ends = ends_open(QUICK);
	json_t *large = large_object(VARLINK_MESSAGE_MAX);
	int64_t began = now_ms();
	int ret = 0;

	(void)state;
	assert_int_equal(fcntl(ends->stream.fd, F_GETFL) & O_NONBLOCK, 0);
	for (int i = 0; i < 1000 && ret == 0; i++)
		ret = varlink_send(&ends->stream, large);
	assert_int_equal(ret, -ETIMEDOUT);
	assert_true(now_ms() - began < AMPLE);
	json_decref(large);
	ends_close(ends);
}

static void *sip(void *data)
{
	int fd = *(int *)data;
	char bytes[16];

	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	return NULL;
}

static void sipping_peer_times_out(void **state)
{
	struct ends *ends = ends_open(QUICK);
	json_t *large = large_object(VARLINK_MESSAGE_MAX);
	int ret = 0, small = 4096;
	pthread_t thread;

	(void)state;
	assert_int_equal(setsockopt(ends->stream.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(pthread_create(&thread, NULL, sip, &ends->peer), 0);
	for (int i = 0; i < 1000 && ret == 0; i++)
		ret = varlink_send(&ends->stream, large);
	assert_int_equal(ret, -ETIMEDOUT);
	shutdown(ends->stream.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	json_decref(large);
	ends_close(ends);
}

static void works_on_a_descriptor_that_does_not_block(void **state)
{
	struct ends *ends = ends_open(AMPLE);
	char *bytes = message_of(VARLINK_MESSAGE_MAX);
	struct pieces pieces = { ends->peer, bytes, VARLINK_MESSAGE_MAX, 10 };
	pthread_t thread;

	(void)state;
	assert_int_equal(fcntl(ends->stream.fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_pieces, &pieces), 0);
	assert_receives(ends, "a", 1);
	pthread_join(thread, NULL);
	free(bytes);
	ends_close(ends);
}

static void sending_to_nobody_is_an_error_not_a_signal(void **state)
{
	struct ends *ends = ends_open(AMPLE);
	json_t *message = json_object();

	(void)state;
	peer_closes(ends);
	assert_int_equal(varlink_send(&ends->stream, message), -EPIPE);
	json_decref(message);
	ends_close(ends);
}

static int decode(const char *text)
{
	json_t *message = NULL;
	int ret = varlink_decode(text, strlen(text), &message);

	assert_int_equal(ret == 0, message != NULL);
	json_decref(message);
	return ret;
}

static void decode_takes_objects_only(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"[]",
		"1",
		"\"a\"",
		"null",
		"{",
		"}",
		"{}{}",
		"{} x",
		"{a:1}",
		"{'a':1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":+1}",
		"{\"a\":NaN}",
		"{\"a\":1e999}",
		"{\"a\":99999999999999999999}",
		"{\"a\":1,\"a\":1}",
		"{\"p\":{\"a\":1,\"\\u0061\":2}}",
		"{\"a\":\"\\u0000\"}",
		"{\"\\u0000\":1}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\xc0\x80\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\n\"}",
		"\xef\xbb\xbf{}",
		"{/**/}",
		"{\"a\":\"\\x41\"}",
	};
	json_t *message = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (decode(bad[i]) != -EBADMSG)
			fail_msg("%s: %d", bad[i], decode(bad[i]));
	assert_int_equal(varlink_decode("{\"a\":\"b\0c\"}", 11, &message), -EBADMSG);
	assert_int_equal(varlink_decode("{}\0", 3, &message), -EBADMSG);
	assert_int_equal(decode("{}"), 0);
	assert_int_equal(decode("\n\t {\"a\":[1,-2.5,true,null,\"\xc3\xbc\\u00fc\"]} \n"), 0);
}

static void depth_is_bounded_before_the_parser_sees_it(void **state)
{
	char text[60000];
	int depth;

	(void)state;
	for (depth = 15; depth <= 17; depth++) {
		size_t used = 0;

		for (int i = 0; i < depth; i++)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "{\"a\":");
		used += (size_t)snprintf(text + used, sizeof(text) - used, "1");
		for (int i = 0; i < depth; i++)
			text[used++] = '}';
		text[used] = '\0';
		assert_int_equal(decode(text), depth <= VARLINK_DEPTH_MAX ? 0 : -EBADMSG);
	}
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(decode(text), -EBADMSG);
	/* brackets in strings do not count, also after an escaped quote */
	assert_int_equal(decode("{\"a\\\"[[[[[[[[[[[[[[[[[[[[\\\\\":\"{{{{{{{{{{{{{{{{{{{{{{{{\"}"), 0);
	/* many, but beside one another */
	assert_int_equal(decode("{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_messages_in_one_write),
		cmocka_unit_test(split_at_each_byte),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(half_a_message_is_a_broken_connection),
		cmocka_unit_test(half_a_message_times_out),
		cmocka_unit_test(dripping_peer_times_out),
		cmocka_unit_test(oversize_is_refused_without_being_read),
		cmocka_unit_test(nothing_but_nul_is_not_json),
		cmocka_unit_test(largest_message_passes_one_byte_more_does_not),
		cmocka_unit_test(what_is_sent_is_received),
		cmocka_unit_test(peer_that_never_reads_times_out),
		cmocka_unit_test(sipping_peer_times_out),
		cmocka_unit_test(works_on_a_descriptor_that_does_not_block),
		cmocka_unit_test(sending_to_nobody_is_an_error_not_a_signal),
		cmocka_unit_test(decode_takes_objects_only),
		cmocka_unit_test(depth_is_bounded_before_the_parser_sees_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
