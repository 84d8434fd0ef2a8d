/* SPDX-License-Identifier: ISC */
/* Server and client over socket pairs: a thread serves, the test is the peer. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "varlink/client.h"
#include "varlink/server.h"

#define AMPLE 5000

/* ---- a service ---- */

static int calls; /* of Echo */
static char service_data[] = "data";

static int echo(struct varlink_call *call)
{
	/* in the serving thread, where cmocka's asserts do not work */
	if (!json_is_object(call->parameters) || strcmp(call->method, "org.example.Test.Echo") != 0 ||
	    call->data != service_data || call->service->data != service_data || call->upgrade)
		return -EPROTO;
	calls++;
	return varlink_reply(call, json_incref(call->parameters));
}

static int count(struct varlink_call *call)
{
	json_int_t to = json_integer_value(json_object_get(call->parameters, "to"));

	if (!call->more)
		return varlink_error(call, VARLINK_EXPECTED_MORE, NULL);
	for (json_int_t i = 1; i < to; i++) {
		int ret = varlink_reply_continues(call, json_pack("{s:I}", "n", i));

		if (ret < 0)
			return ret;
	}
	return varlink_reply(call, json_pack("{s:I}", "n", to));
}

static int continue_always(struct varlink_call *call)
{
	return varlink_reply_continues(call, NULL);
}

static int fail_always(struct varlink_call *call)
{
	return varlink_error(call, "org.example.Test.Failed", json_pack("{s:s}", "why", "because"));
}

static int end_always(struct varlink_call *call)
{
	(void)call;
	return -EIO;
}

static const struct varlink_parameter echo_parameters[] = {
	{ .name = "s", .type = JSON_STRING }, { .name = "i", .type = JSON_INTEGER }, { .name = "b", .type = JSON_TRUE },
	{ .name = "o", .type = JSON_OBJECT }, { .name = "a", .type = JSON_ARRAY },   { .name = NULL },
};
static const struct varlink_parameter count_parameters[] = {
	{ .name = "to", .type = JSON_INTEGER, .required = true },
	{ .name = NULL },
};
static const struct varlink_parameter none[] = { { .name = NULL } };
static const struct varlink_method methods[] = {
	{ .name = "Echo", .parameters = echo_parameters, .handle = echo },
	{ .name = "Count", .parameters = count_parameters, .handle = count },
	{ .name = "Continue", .parameters = none, .handle = continue_always },
	{ .name = "Fail", .parameters = none, .handle = fail_always },
	{ .name = "End", .parameters = none, .handle = end_always },
	{ .name = "Later", .parameters = none },
	{ .name = NULL },
};
static const struct varlink_interface test_interface = {
	.name = "org.example.Test",
	.description = "interface org.example.Test\n",
	.methods = methods,
};
static const struct varlink_interface *const interfaces[] = { &test_interface, NULL };
static const struct varlink_service service = {
	.vendor = "V",
	.product = "P",
	.version = "1",
	.url = "U",
	.interfaces = interfaces,
	.data = service_data,
};

/* ---- both ends ---- */

struct ends {
	struct varlink_stream peer, served;
	pthread_t thread;
	int result; /* of varlink_serve */
};

static void *serve(void *arg)
{
	struct ends *ends = arg;

	ends->result = varlink_serve(&service, &ends->served);
	shutdown(ends->served.fd, SHUT_RDWR);
	return NULL;
}

static struct ends *ends_open(void)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	int pair[2];

	assert_non_null(ends);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	varlink_stream_init(&ends->peer, pair[0], AMPLE);
	varlink_stream_init(&ends->served, pair[1], AMPLE);
	assert_int_equal(pthread_create(&ends->thread, NULL, serve, ends), 0);
	return ends;
}

/* Returns what varlink_serve() returned. */
static int ends_close(struct ends *ends)
{
	int result;

	shutdown(ends->peer.fd, SHUT_WR);
	pthread_join(ends->thread, NULL);
	result = ends->result;
	close(ends->peer.fd);
	close(ends->served.fd);
	free(ends);
	return result;
}

static void put(struct ends *ends, const char *text)
{
	assert_int_equal(send(ends->peer.fd, text, strlen(text) + 1, MSG_NOSIGNAL), strlen(text) + 1);
}

static void assert_answer(struct ends *ends, const char *expected)
{
	json_t *message = NULL;
	char *text;

	assert_int_equal(varlink_receive(&ends->peer, &message), 0);
	text = json_dumps(message, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, expected);
	free(text);
	json_decref(message);
}

static void exchange(struct ends *ends, const char *call, const char *answer)
{
	put(ends, call);
	assert_answer(ends, answer);
}

#define ERROR(name, key, value)                                                                                        \
	"{\"error\":\"org.varlink.service." name "\",\"parameters\":{\"" key "\":\"" value "\"}}"
#define INVALID(value) ERROR("InvalidParameter", "parameter", value)

/* ---- tests ---- */

static void call_is_answered(void **state)
{
	struct ends *ends = ends_open();

	(void)state;
	exchange(ends, "{\"method\":\"org.example.Test.Echo\"}", "{\"parameters\":{}}");
	exchange(ends, "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"s\":\"x\",\"i\":1,\"b\":false}}",
		 "{\"parameters\":{\"b\":false,\"i\":1,\"s\":\"x\"}}");
	/* null is as good as left out, everywhere */
	exchange(ends,
		 "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"s\":null,\"i\":2,\"o\":null},"
		 "\"more\":null,\"upgrade\":false}",
		 "{\"parameters\":{\"i\":2}}");
	exchange(ends, "{\"method\":\"org.example.Test.Echo\",\"parameters\":null}", "{\"parameters\":{}}");
	exchange(ends, "{\"method\":\"org.example.Test.Fail\"}",
		 "{\"error\":\"org.example.Test.Failed\",\"parameters\":{\"why\":\"because\"}}");
	assert_int_equal(ends_close(ends), 0);
}

static void service_describes_itself(void **state)
{
	struct ends *ends = ends_open();
	json_t *reply = NULL, *asked = json_pack("{s:s}", "interface", "org.varlink.service");
	char *error = NULL;

	(void)state;
	exchange(ends, "{\"method\":\"org.varlink.service.GetInfo\"}",
		 "{\"parameters\":{\"interfaces\":[\"org.varlink.service\",\"org.example.Test\"],"
		 "\"product\":\"P\",\"url\":\"U\",\"vendor\":\"V\",\"version\":\"1\"}}");
	exchange(ends,
		 "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		 "\"parameters\":{\"interface\":\"org.example.Test\"}}",
		 "{\"parameters\":{\"description\":\"interface org.example.Test\\n\"}}");
	exchange(ends,
		 "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		 "\"parameters\":{\"interface\":\"org.example.No\"}}",
		 ERROR("InterfaceNotFound", "interface", "org.example.No"));
	assert_int_equal(
		varlink_call(&ends->peer, "org.varlink.service.GetInterfaceDescription", asked, &reply, &error), 0);
	assert_non_null(strstr(json_string_value(json_object_get(reply, "description")),
			       "error InvalidParameter (parameter: string)"));
	json_decref(reply);
	json_decref(asked);
	exchange(ends, "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}", INVALID("interface"));
	assert_int_equal(ends_close(ends), 0);
}

static void wrong_calls_are_told_apart(void **state)
{
	static const struct {
		const char *call, *answer;
	} rows[] = {
		{ "{\"method\":\"org.example.Other.Echo\"}",
		  ERROR("InterfaceNotFound", "interface", "org.example.Other") },
		{ "{\"method\":\"org.example.Tes.Echo\"}", ERROR("InterfaceNotFound", "interface", "org.example.Tes") },
		{ "{\"method\":\"org.example.Test.Nope\"}",
		  ERROR("MethodNotFound", "method", "org.example.Test.Nope") },
		{ "{\"method\":\"org.example.Test.Later\"}",
		  ERROR("MethodNotImplemented", "method", "org.example.Test.Later") },
		{ "{}", INVALID("method") },
		{ "{\"method\":null}", INVALID("method") },
		{ "{\"method\":1}", INVALID("method") },
		{ "{\"method\":\"\"}", INVALID("method") },
		{ "{\"method\":\"Echo\"}", INVALID("method") },
		{ "{\"method\":\"example.Echo\"}", INVALID("method") },
		{ "{\"method\":\"ex-ample.Echo\"}", INVALID("method") },
		{ "{\"method\":\"org.example.Test.echo\"}", INVALID("method") },
		{ "{\"method\":\"org.example.Test.\"}", INVALID("method") },
		{ "{\"method\":\"org.example.Test.Echo \"}", INVALID("method") },
		{ "{\"method\":\"org..Test.Echo\"}", INVALID("method") },
		{ "{\"method\":\".org.example.Test.Echo\"}", INVALID("method") },
		{ "{\"method\":\"org.-example.Test.Echo\"}", INVALID("method") },
		{ "{\"method\":\"org.example/../Test.Echo\"}", INVALID("method") },
		{ "{\"method\":\"org.ex\\nample.Test.Echo\"}", INVALID("method") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":[]}", INVALID("parameters") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":\"{}\"}", INVALID("parameters") },
		{ "{\"method\":\"org.example.Test.Echo\",\"more\":1}", INVALID("more") },
		{ "{\"method\":\"org.example.Test.Echo\",\"oneway\":\"true\"}", INVALID("oneway") },
		{ "{\"method\":\"org.example.Test.Echo\",\"upgrade\":true}", INVALID("upgrade") },
		{ "{\"method\":\"org.example.Test.Echo\",\"uid\":0}", INVALID("uid") },
		{ "{\"method\":\"org.example.Test.Echo\",\"uid\":null}", INVALID("uid") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"x\":1}}", INVALID("x") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"x\":null}}", INVALID("x") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"s\":1}}", INVALID("s") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"i\":\"1\"}}", INVALID("i") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"i\":1.0}}", INVALID("i") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"b\":0}}", INVALID("b") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"o\":[]}}", INVALID("o") },
		{ "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"a\":{}}}", INVALID("a") },
		{ "{\"method\":\"org.example.Test.Count\"}", INVALID("to") },
		{ "{\"method\":\"org.example.Test.Count\",\"parameters\":{\"to\":null}}", INVALID("to") },
		{ "{\"method\":\"org.example.Test.Count\",\"parameters\":{\"to\":3}}",
		  "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}" },
	};
	struct ends *ends = ends_open();

	(void)state;
	calls = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		exchange(ends, rows[i].call, rows[i].answer);
	/* none of them reached a handler, and the connection goes on */
	assert_int_equal(calls, 0);
	exchange(ends, "{\"method\":\"org.example.Test.Echo\"}", "{\"parameters\":{}}");
	assert_int_equal(ends_close(ends), 0);
	assert_int_equal(calls, 1);
}

static void more_streams_and_calls_queue_up(void **state)
{
	struct ends *ends = ends_open();

	(void)state;
	put(ends, "{\"method\":\"org.example.Test.Count\",\"parameters\":{\"to\":3},\"more\":true}");
	put(ends, "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"i\":4},\"more\":true}");
	assert_answer(ends, "{\"continues\":true,\"parameters\":{\"n\":1}}");
	assert_answer(ends, "{\"continues\":true,\"parameters\":{\"n\":2}}");
	assert_answer(ends, "{\"parameters\":{\"n\":3}}");
	assert_answer(ends, "{\"parameters\":{\"i\":4}}");
	assert_int_equal(ends_close(ends), 0);
}

static void oneway_is_done_and_not_answered(void **state)
{
	struct ends *ends = ends_open();

	(void)state;
	calls = 0;
	put(ends, "{\"method\":\"org.example.Test.Echo\",\"oneway\":true}");
	put(ends, "{\"method\":\"org.example.Test.Fail\",\"oneway\":true}");
	put(ends, "{\"method\":\"org.example.Test.Nope\",\"oneway\":true}");
	put(ends, "{\"method\":\"org.example.Test.Echo\",\"oneway\":true,\"upgrade\":true}");
	put(ends, "{\"method\":\"org.example.Test.Count\",\"parameters\":{\"to\":3},\"oneway\":true,\"more\":true}");
	exchange(ends, "{\"method\":\"org.example.Test.Echo\",\"parameters\":{\"i\":9}}", "{\"parameters\":{\"i\":9}}");
	assert_int_equal(ends_close(ends), 0);
	assert_int_equal(calls, 2);
}

static void handler_that_fails_ends_the_connection(void **state)
{
	static const struct {
		const char *call;
		int result;
	} rows[] = {
		{ "{\"method\":\"org.example.Test.End\"}", -EIO },
		{ "{\"method\":\"org.example.Test.Continue\"}", -EINVAL }, /* continues was not asked for */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ends *ends = ends_open();
		json_t *message = NULL;

		put(ends, rows[i].call);
		assert_int_equal(varlink_receive(&ends->peer, &message), -ENODATA);
		assert_int_equal(ends_close(ends), rows[i].result);
	}
}

static void what_is_no_message_is_told_once_and_ends(void **state)
{
	static const char *const bad[] = { "[]", "nonsense", "{\"method\":\"a\",\"method\":\"b\"}", "",
					   "[[[[[[[[[[[[[[[[[[[[[[[[" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ends *ends = ends_open();
		json_t *message = NULL;

		exchange(ends, bad[i], INVALID("message"));
		assert_int_equal(varlink_receive(&ends->peer, &message), -ENODATA);
		assert_int_equal(ends_close(ends), -EBADMSG);
	}
}

static void half_a_call_ends_the_connection(void **state)
{
	struct ends *ends = ends_open();

	(void)state;
	calls = 0;
	assert_int_equal(send(ends->peer.fd, "{\"method\":\"org.example.Test.Echo\"}", 34, MSG_NOSIGNAL), 34);
	assert_int_equal(ends_close(ends), -ECONNRESET);
	assert_int_equal(calls, 0);
}

static void oversize_call_ends_the_connection(void **state)
{
	struct ends *ends = ends_open();
	char bytes[4096];

	(void)state;
	memset(bytes, ' ', sizeof(bytes));
	while (send(ends->peer.fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		continue;
	assert_answer(ends, INVALID("message"));
	assert_int_equal(ends_close(ends), -EMSGSIZE);
}

/* ---- client ---- */

static void client_calls(void **state)
{
	struct ends *ends = ends_open();
	json_t *parameters = json_pack("{s:i}", "i", 5), *reply = NULL;
	char *error = NULL;

	(void)state;
	assert_int_equal(varlink_call(&ends->peer, "org.example.Test.Echo", parameters, &reply, &error), 0);
	assert_true(json_equal(reply, parameters));
	assert_int_equal(parameters->refcount, 1);
	assert_null(error);
	json_decref(reply);
	reply = NULL;
	assert_int_equal(varlink_call(&ends->peer, "org.example.Test.Fail", NULL, &reply, &error), -EREMOTEIO);
	assert_string_equal(error, "org.example.Test.Failed");
	assert_string_equal(json_string_value(json_object_get(reply, "why")), "because");
	json_decref(reply);
	free(error);
	json_decref(parameters);
	assert_int_equal(ends_close(ends), 0);
}

static int sum(json_t *parameters, void *arg)
{
	json_int_t *total = arg;

	*total += json_integer_value(json_object_get(parameters, "n"));
	return *total >= 100 ? 42 : 0;
}

static void client_follows_a_stream(void **state)
{
	struct ends *ends = ends_open();
	json_t *to = json_pack("{s:i}", "to", 10), *large = json_pack("{s:i}", "to", 1000), *told = NULL;
	json_int_t total = 0;
	char *error = NULL;

	(void)state;
	assert_int_equal(varlink_call_more(&ends->peer, "org.example.Test.Count", to, sum, &total, &told, &error), 0);
	assert_int_equal(total, 55);
	assert_int_equal(varlink_call_more(&ends->peer, "org.example.Test.Fail", NULL, sum, &total, &told, &error),
			 -EREMOTEIO);
	assert_string_equal(error, "org.example.Test.Failed");
	json_decref(told);
	free(error);
	total = 0;
	assert_int_equal(varlink_call_more(&ends->peer, "org.example.Test.Count", large, sum, &total, &told, &error),
			 42);
	assert_int_equal(total, 105);
	shutdown(ends->peer.fd, SHUT_RDWR);
	json_decref(to);
	json_decref(large);
	ends_close(ends);
}

/* What a client makes of answers that a sound service does not give. */
static int call_answered(const char *bytes, size_t length, json_t **reply, char **error)
{
	struct varlink_stream *stream = malloc(sizeof(*stream));
	int pair[2], ret;

	assert_non_null(stream);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	varlink_stream_init(stream, pair[0], AMPLE);
	assert_int_equal(send(pair[1], bytes, length, MSG_NOSIGNAL), length);
	close(pair[1]);
	ret = varlink_call(stream, "a.b.C", NULL, reply, error);
	close(pair[0]);
	free(stream);
	return ret;
}

static void client_distrusts_answers(void **state)
{
	static const struct {
		const char *answer;
		int result;
	} rows[] = {
		{ "{\"error\":1}", -EPROTO },
		{ "{\"parameters\":[]}", -EPROTO },
		{ "{\"continues\":1}", -EPROTO },
		{ "{\"continues\":true}", -EPROTO },
		{ "[]", -EBADMSG },
		{ "{", -EBADMSG },
	};
	json_t *reply = NULL;
	char *error = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(call_answered(rows[i].answer, strlen(rows[i].answer) + 1, &reply, &error),
				 rows[i].result);
	assert_int_equal(call_answered("{}", 2, &reply, &error), -ECONNRESET);
	assert_int_equal(call_answered("", 0, &reply, &error), -ECONNRESET);
	assert_null(reply);
	assert_null(error);
	/* said before the connection was closed on us, when the call could not be written any more */
	assert_int_equal(call_answered("{\"error\":\"a.b.Busy\"}", 21, &reply, &error), -EREMOTEIO);
	assert_string_equal(error, "a.b.Busy");
	assert_int_equal(json_object_size(reply), 0);
	free(error);
	json_decref(reply);
}

static void connect_says_why_not(void **state)
{
	char directory[] = "/tmp/test_varlink.XXXXXX", long_path[200];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener, fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	assert_int_equal(varlink_connect(address.sun_path), -ENOENT);
	assert_int_equal(varlink_connect(""), -EINVAL);
	memset(long_path, 'a', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(varlink_connect(long_path), -ENAMETOOLONG);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(varlink_connect(address.sun_path), -ECONNREFUSED);
	assert_int_equal(listen(listener, 5), 0);
	fd = varlink_connect(address.sun_path);
	assert_true(fd >= 0);
	close(fd);
	close(listener);
	unlink(address.sun_path);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_is_answered),
		cmocka_unit_test(service_describes_itself),
		cmocka_unit_test(wrong_calls_are_told_apart),
		cmocka_unit_test(more_streams_and_calls_queue_up),
		cmocka_unit_test(oneway_is_done_and_not_answered),
		cmocka_unit_test(handler_that_fails_ends_the_connection),
		cmocka_unit_test(what_is_no_message_is_told_once_and_ends),
		cmocka_unit_test(half_a_call_ends_the_connection),
		cmocka_unit_test(oversize_call_ends_the_connection),
		cmocka_unit_test(client_calls),
		cmocka_unit_test(client_follows_a_stream),
		cmocka_unit_test(client_distrusts_answers),
		cmocka_unit_test(connect_says_why_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
