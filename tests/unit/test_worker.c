/* SPDX-License-Identifier: ISC */
/*
 * JSON in at one end, requests out at the other, and back: the test is the peer and,
 * in a thread, the broker; worker_serve() runs in between, unsealed.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/worker.h"
#include "varlink/client.h"

#define KEY_BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIGq9IvEGUyWCpTLb1kKzGDmLyOqO1bLB1s9hOEhFqcSo"

/* Answers one request; sends on fd. Returns false to hang up. */
typedef bool (*broker_deed)(int fd, const struct request *request, int number);

static struct {
	int broker[2], peer[2];
	struct varlink_stream worker_stream, stream;
	pthread_t worker, play;
	broker_deed deed;
	struct request last;
	int requests, malformed, ended;
} t;

static void *run_worker(void *data)
{
	(void)data;
	varlink_stream_init(&t.worker_stream, t.peer[1], 5000);
	t.ended = worker_serve(t.broker[1], &t.worker_stream);
	shutdown(t.peer[1], SHUT_RDWR);
	shutdown(t.broker[1], SHUT_RDWR);
	return NULL;
}

static void *run_broker(void *data)
{
	struct request request;

	(void)data;
	for (;;) {
		ssize_t got = recv(t.broker[0], &request, sizeof(request), 0);

		if (got <= 0)
			break;
		t.malformed += wire_request_check(&request, (size_t)got) != 0;
		memset(&t.last, 0, sizeof(t.last));
		memcpy(&t.last, &request, (size_t)got);
		if (!t.deed(t.broker[0], &request, t.requests++))
			break;
	}
	shutdown(t.broker[0], SHUT_RDWR);
	return NULL;
}

static void start(broker_deed deed)
{
	memset(&t, 0, sizeof(t));
	t.deed = deed;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, t.broker), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t.peer), 0);
	varlink_stream_init(&t.stream, t.peer[0], 5000);
	assert_int_equal(pthread_create(&t.worker, NULL, run_worker, NULL), 0);
	assert_int_equal(pthread_create(&t.play, NULL, run_broker, NULL), 0);
}

/* What worker_serve() returned. */
static int stop(void)
{
	shutdown(t.peer[0], SHUT_RDWR);
	pthread_join(t.worker, NULL);
	pthread_join(t.play, NULL);
	for (int i = 0; i < 2; i++) {
		close(t.broker[i]);
		close(t.peer[i]);
	}
	assert_int_equal(t.malformed, 0);
	return t.ended;
}

static void answer_begin(struct answer *answer, uint32_t op)
{
	memset(answer, 0, sizeof(*answer));
	answer->op = op;
	answer->size = (uint32_t)wire_answer_size(op);
}

static bool answer_send(int fd, const struct answer *answer)
{
	return send(fd, answer, answer->size, MSG_NOSIGNAL) == (ssize_t)answer->size;
}

static json_t *call(const char *method, const char *parameters, char **error)
{
	char name[64] = "io.subuidd.Accounts.";
	json_t *object = json_loads(parameters, 0, NULL), *reply = NULL;

	assert_non_null(object);
	strncat(name, method, 40);
	*error = NULL;

	int r = varlink_call(&t.stream, name, object, &reply, error);

	json_decref(object);
	if (r != 0 && r != -EREMOTEIO)
		return NULL;
	return reply;
}

static void is_text(const json_t *object, const char *name, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(object, name)), text);
}

static void is_number(const json_t *object, const char *name, json_int_t number)
{
	assert_true(json_is_integer(json_object_get(object, name)));
	assert_int_equal(json_integer_value(json_object_get(object, name)), number);
}

/* As the broker sends it: without what a compiler leaves in the holes. */
static void account_fill(struct answer *answer)
{
	answer->account = (struct account_view){
		.account = { .uid = 2100000000,
			     .owner_uid = 1000,
			     .state = ACCOUNT_ACTIVE,
			     .flags = ACCOUNT_LOCKED,
			     .created = 1790000000,
			     .facts.expires_day = 22644,
			     .facts.quota = UINT64_C(10) << 30,
			     .facts.files = 200000,
			     .facts.view = VIEW_OWNER,
			     .owner = "alice",
			     .label = "web1",
			     .facts.comment = "the shop" },
		.keys = 2,
		.ranges = 1,
		.created = 1,
		.view = VIEW_THEIRS,
		.files_limit = 7,
		.bytes_used = 12345,
		.files_used = UINT64_MAX,
		.name = "alice+web1",
		.home = "/srv/subuid/alice/web1/home",
		.link = "/home/\xffil/subuid/web1",
	};
	wire_answer_clean(answer, answer->op);
}

static bool answer_account(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op);
	account_fill(&answer);
	return answer_send(fd, &answer);
}

static void add_goes_through_and_back(void **state)
{
	char *error;

	(void)state;
	start(answer_account);
	json_t *reply = call("Add",
			     "{\"label\":\"web1\",\"comment\":\"the shop\",\"key\":{\"key\":\"ssh-ed25519 " KEY_BLOB
			     " root@web1\",\"role\":\"sync\",\"options\":[\"no-fake-super\"]}}",
			     &error);

	assert_non_null(reply);
	assert_null(error);
	assert_int_equal(t.last.op, OP_ACCOUNT_ADD);
	assert_string_equal(t.last.add.name.label, "web1");
	assert_string_equal(t.last.add.facts.comment, "the shop");
	assert_int_equal(t.last.add.set, 1u << FACT_COMMENT);
	assert_string_equal(t.last.add.key.blob, KEY_BLOB);
	assert_int_equal(t.last.add.key.role, ROLE_SYNC);
	assert_int_equal(t.last.add.key.options, KEY_NO_FAKE_SUPER);

	const json_t *account = json_object_get(reply, "account");

	assert_true(json_is_true(json_object_get(reply, "created")));
	is_text(account, "name", "alice+web1");
	is_text(account, "owner", "alice");
	is_number(account, "ownerUid", 1000);
	is_text(account, "label", "web1");
	is_number(account, "uid", 2100000000);
	is_text(account, "state", "active");
	assert_true(json_is_true(json_object_get(account, "locked")));
	is_number(account, "created", 1790000000);
	is_text(account, "expires", "2031-12-31");
	is_number(account, "quota", (json_int_t)10 << 30);
	is_text(account, "comment", "the shop");
	is_text(account, "home", "/srv/subuid/alice/web1/home");
	is_text(account, "link", "/home/\\xffil/subuid/web1");
	is_text(account, "view", "owner");
	is_text(account, "effectiveView", "theirs");
	is_number(account, "files", 200000);
	is_number(account, "filesLimit", 7);
	is_number(account, "keys", 2);
	is_number(account, "ranges", 1);
	is_number(account, "usedBytes", 12345);
	assert_null(json_object_get(account, "usedFiles"));
	assert_int_equal(json_object_size(account), 21);
	json_decref(reply);
	assert_int_equal(stop(), 0);
}

static void the_peers_mistakes_do_not_reach_the_broker(void **state)
{
	static const char *const calls[][2] = {
		{ "Add", "{\"label\":\"Web1\"}" },
		{ "Add", "{}" },
		{ "Add", "{\"label\":\"a\",\"uid\":0}" },
		{ "Get", "{\"label\":7}" },
		{ "List", "{}" },
		{ "Nothing", "{}" },
		{ "Remove", "{\"label\":\"a\",\"purge\":true,\"keepHome\":true}" },
	};

	(void)state;
	start(answer_account);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char *error;
		json_t *reply = call(calls[i][0], calls[i][1], &error);

		assert_non_null(reply);
		assert_non_null(error);
		json_decref(reply);
		free(error);
	}
	assert_int_equal(stop(), 0);
	assert_int_equal(t.requests, 0);
}

static bool answer_failure(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op);
	failure_set(&answer.failure, FAILURE_LIMIT_REACHED, "alice", "has 16 accounts, the limit", "ask for more");
	return answer_send(fd, &answer);
}

static void refusals_keep_their_words(void **state)
{
	char *error;

	(void)state;
	start(answer_failure);
	json_t *reply = call("Add", "{\"label\":\"web1\"}", &error);

	assert_string_equal(error, "io.subuidd.Accounts.LimitReached");
	is_text(reply, "what", "alice");
	is_text(reply, "why", "has 16 accounts, the limit");
	is_text(reply, "todo", "ask for more");
	json_decref(reply);
	free(error);
	assert_int_equal(stop(), 0);
}

#define ROWS 70

/* Rows in batches of WIRE_BATCH, cursor: how many were sent. */
static bool answer_list(int fd, const struct request *request, int number)
{
	struct answer answer;
	uint64_t at = request->list.cursor;

	(void)number;
	for (int i = 0; i < WIRE_BATCH && at < ROWS; i++, at++) {
		answer_begin(&answer, request->op);
		answer.row = 1;
		account_fill(&answer);
		answer.account.account.uid = (uint32_t)at;
		if (!answer_send(fd, &answer))
			return false;
	}
	answer_begin(&answer, request->op);
	answer.more = at < ROWS;
	answer.cursor = at;
	return answer_send(fd, &answer);
}

struct seen {
	int rows, empty;
	json_int_t checked;
};

static int each_account(json_t *parameters, void *data)
{
	struct seen *seen = data;
	const json_t *account = json_object_get(parameters, "account");

	if (account == NULL) {
		seen->empty++;
		return 0;
	}
	is_number(account, "uid", seen->rows++);
	return 0;
}

static void lists_follow_the_cursor(void **state)
{
	struct seen seen = { 0 };
	json_t *parameters = json_pack("{s:b}", "all", 1), *error_parameters = NULL;
	char *error = NULL;

	(void)state;
	start(answer_list);
	assert_int_equal(varlink_call_more(&t.stream, "io.subuidd.Accounts.List", parameters, each_account, &seen,
					   &error_parameters, &error),
			 0);
	json_decref(parameters);
	assert_int_equal(seen.rows, ROWS);
	assert_int_equal(seen.empty, 1);
	assert_int_equal(t.requests, 3);
	assert_int_equal(t.last.list.all, 1);
	assert_int_equal(t.last.list.cursor, 64);
	assert_int_equal(stop(), 0);
}

static bool answer_same_cursor(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op);
	answer.more = 1;
	answer.cursor = request->list.cursor;
	return answer_send(fd, &answer);
}

static bool answer_other_op(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op == OP_ACCOUNT_GET ? OP_ACCOUNT_LOCK : OP_ACCOUNT_GET);
	account_fill(&answer);
	return answer_send(fd, &answer);
}

static bool answer_short(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op);
	return send(fd, &answer, answer.size - 1, MSG_NOSIGNAL) > 0;
}

static bool answer_row_only(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op);
	answer.row = 1;
	return answer_send(fd, &answer);
}

static bool answer_stray(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op);
	account_fill(&answer);
	answer.account.name[sizeof(answer.account.name) - 1] = 'x';
	return answer_send(fd, &answer);
}

static void a_broker_that_is_not_sound_ends_the_worker(void **state)
{
	static const broker_deed deeds[] = { answer_other_op, answer_short, answer_row_only, answer_stray };
	char *error;

	(void)state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		start(deeds[i]);
		assert_null(call("Get", "{\"label\":\"web1\"}", &error));
		assert_int_equal(stop(), -EPROTO);
	}

	struct seen seen = { 0 };
	json_t *error_parameters;

	start(answer_same_cursor);
	assert_true(varlink_call_more(&t.stream, "io.subuidd.Accounts.List", NULL, each_account, &seen,
				      &error_parameters, &error) < 0);
	assert_int_equal(stop(), -EPROTO);
}

static bool hang_up(int fd, const struct request *request, int number)
{
	(void)fd;
	(void)request;
	(void)number;
	return false;
}

static void a_broker_that_is_gone_ends_the_worker(void **state)
{
	char *error;

	(void)state;
	start(hang_up);
	assert_null(call("Get", "{\"label\":\"web1\"}", &error));
	assert_true(stop() < 0);
}

static void status_fill(struct answer *answer)
{
	answer->status = (struct daemon_status){ .accounts = 3,
						 .views = 1,
						 .landlock_abi = 7,
						 .generation = 12,
						 .caller_uid = 1000,
						 .caller = "alice",
						 .version = "0.1.0",
						 .homes = "/srv/subuid",
						 .separator = "%" };
}

static bool answer_keys(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	answer_begin(&answer, request->op);
	if (request->op == OP_STATUS) {
		status_fill(&answer);
		return answer_send(fd, &answer);
	}
	answer.key = (struct ssh_key){ .id = 12,
				       .uid = 2100000000,
				       .role = ROLE_PULL,
				       .options = KEY_NO_DELETE,
				       .created = 5,
				       .expires = 6,
				       .from = "192.0.2.1",
				       .type = "ssh-ed25519",
				       .comment = "c",
				       .fingerprint = "SHA256:x",
				       .blob = KEY_BLOB };
	return answer_send(fd, &answer);
}

/* The name is made of what the host says: its separator, and the caller where no owner was named. */
static void keys_tell_the_whole_name_of_their_account(void **state)
{
	char *error;

	(void)state;
	start(answer_keys);
	json_t *reply = call("KeyAdd", "{\"label\":\"web1\",\"key\":{\"key\":\"ssh-ed25519 " KEY_BLOB "\"}}", &error);
	const json_t *key = json_object_get(reply, "key");

	is_number(key, "id", 12);
	is_text(key, "account", "alice%web1");
	is_text(key, "role", "pull");
	assert_string_equal(json_string_value(json_array_get(json_object_get(key, "options"), 0)), "no-delete");
	is_text(key, "type", "ssh-ed25519");
	is_text(key, "key", "ssh-ed25519 " KEY_BLOB);
	is_text(key, "comment", "c");
	is_text(key, "fingerprint", "SHA256:x");
	is_text(key, "from", "192.0.2.1");
	is_number(key, "created", 5);
	is_number(key, "expires", 6);
	json_decref(reply);
	reply = call("KeyAdd", "{\"label\":\"web1\",\"owner\":\"bob\",\"key\":{\"key\":\"ssh-ed25519 " KEY_BLOB "\"}}",
		     &error);
	is_text(json_object_get(reply, "key"), "account", "bob%web1");
	json_decref(reply);
	assert_int_equal(t.requests, 3); /* the host was asked once */
	assert_int_equal(stop(), 0);
}

/* Ranges of alice and of her account; Status in the middle of a list would get a row for its answer. */
static bool answer_ranges(int fd, const struct request *request, int number)
{
	struct answer answer;

	(void)number;
	for (uint32_t i = 0; i < 2 && request->op == OP_RANGE_LIST; i++) {
		answer_begin(&answer, request->op);
		answer.row = 1;
		answer.range = (struct id_range){ .first = 65536 * (i + 1), .count = 65536, .owner = "alice" };
		if (i == 0)
			memcpy(answer.range.label, "web1", 5);
		if (!answer_send(fd, &answer))
			return false;
	}
	answer_begin(&answer, request->op);
	if (request->op == OP_STATUS)
		status_fill(&answer);
	return answer_send(fd, &answer);
}

static int each_range(json_t *parameters, void *data)
{
	struct seen *seen = data;
	const json_t *range = json_object_get(parameters, "range");

	if (range == NULL)
		return 0;
	is_number(range, "first", 65536 * (seen->rows + 1));
	if (seen->rows++ == 0)
		is_text(range, "account", "alice%web1");
	else
		assert_null(json_object_get(range, "account"));
	return 0;
}

static void ranges_tell_the_whole_name_of_their_account(void **state)
{
	struct seen seen = { 0 };
	json_t *error_parameters;
	char *error;

	(void)state;
	start(answer_ranges);
	assert_int_equal(varlink_call_more(&t.stream, "io.subuidd.Accounts.RangeList", NULL, each_range, &seen,
					   &error_parameters, &error),
			 0);
	assert_int_equal(seen.rows, 2);
	assert_int_equal(stop(), 0);
}

static bool answer_limits(int fd, const struct request *request, int number)
{
	struct answer answer;

	assert_int_equal(number, 0); /* one question: what is left out is the broker's to keep */
	answer_begin(&answer, request->op);
	answer.limit = (struct limit){ .accounts = 16, .keys = 3, .ranges = 18, .owner = "bob" };
	wire_answer_clean(&answer, answer.op);
	return answer_send(fd, &answer);
}

static void limits_are_set_in_one_request(void **state)
{
	char *error;

	(void)state;
	start(answer_limits);
	json_t *reply = call("LimitSet", "{\"owner\":\"bob\",\"keys\":3}", &error);
	const json_t *limit = json_object_get(reply, "limit");

	is_number(limit, "accounts", 16);
	is_number(limit, "keys", 3);
	is_number(limit, "ranges", 18);
	assert_int_equal(t.last.op, OP_LIMIT_SET);
	assert_int_equal(t.last.limit_set.set, SET_LIMIT_KEYS);
	assert_int_equal(t.last.limit_set.limit.keys, 3);
	json_decref(reply);
	assert_int_equal(stop(), 0);
}

static bool answer_check(int fd, const struct request *request, int number)
{
	struct answer answer;

	if (number == 1) {
		answer_begin(&answer, request->op);
		answer.row = 1;
		strncpy(answer.finding.subject, "alice+web1", sizeof(answer.finding.subject) - 1);
		strncpy(answer.finding.fault, "its link is gone", sizeof(answer.finding.fault) - 1);
		if (!answer_send(fd, &answer))
			return false;
	}
	answer_begin(&answer, request->op);
	answer.checked = 100;
	answer.more = number < 2;
	answer.cursor = (uint64_t)number + 1;
	return answer_send(fd, &answer);
}

static int each_finding(json_t *parameters, void *data)
{
	struct seen *seen = data;
	const json_t *finding = json_object_get(parameters, "finding");

	if (finding != NULL) {
		is_text(finding, "fault", "its link is gone");
		seen->rows++;
	} else {
		seen->checked = json_integer_value(json_object_get(parameters, "checked"));
	}
	return 0;
}

static void check_sums_up(void **state)
{
	struct seen seen = { 0 };
	json_t *error_parameters;
	char *error;

	(void)state;
	start(answer_check);
	assert_int_equal(varlink_call_more(&t.stream, "io.subuidd.Accounts.Check", NULL, each_finding, &seen,
					   &error_parameters, &error),
			 0);
	assert_int_equal(seen.rows, 1);
	assert_int_equal(seen.checked, 300);
	assert_int_equal(stop(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_goes_through_and_back),
		cmocka_unit_test(the_peers_mistakes_do_not_reach_the_broker),
		cmocka_unit_test(refusals_keep_their_words),
		cmocka_unit_test(lists_follow_the_cursor),
		cmocka_unit_test(a_broker_that_is_not_sound_ends_the_worker),
		cmocka_unit_test(a_broker_that_is_gone_ends_the_worker),
		cmocka_unit_test(keys_tell_the_whole_name_of_their_account),
		cmocka_unit_test(ranges_tell_the_whole_name_of_their_account),
		cmocka_unit_test(limits_are_set_in_one_request),
		cmocka_unit_test(check_sums_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
