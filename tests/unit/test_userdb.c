/* SPDX-License-Identifier: ISC */
/* io.systemd.UserDatabase: each answer, from an index of the test's own; and who keeps a place among the peers. */
#include <errno.h>
#include <sys/socket.h>

#include "tests/unit/index_fixture.h"
#include "userdb/methods.h"
#include "userdb/peers.h"
#include "userdb/record.h"
#include "userdb/serve.c"
#include "varlink/server.h"

#define GET "io.systemd.UserDatabase."
#define OURS "io.subuidd.UserDatabase"
#define ACCOUNTS 6u
#define MIB (INT64_C(1) << 20)

static struct fixture *fixture;
static struct index_writer *writer;
static struct index_reader reader;
static char reader_path[96];
static int pair[2];
static uint32_t asker; /* the account that asks; 0: anybody else */

static int begin(void **state)
{
	(void)state;
	fixture = fixture_make();
	fixture->options.host.forward_gid = 988;
	fixture->options.host.range_first = 1073741824u;
	fixture->options.host.range_last = 1879048191u;
	fixture->options.host.account_memory = 128; /* of 16 MiB */
	fixture->options.host.sessions =
		(struct index_sessions){ .per_key = 8, .per_account = 10, .memory = 64, .cpu_weight = 50 };
	writer = fixture_publish(fixture, ACCOUNTS, 12, 1);
	snprintf(reader_path, sizeof(reader_path), "%s", fixture->path);
	reader = (struct index_reader){ .path = reader_path, .trusted = getuid() };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	index_writer_free(writer);
	fixture_free(fixture);
	return 0;
}

/* Takes the reference of message; the first reply, the caller's. More of them: the next reply_next(). */
static json_t *reply_next(void)
{
	static char bytes[1 << 16];
	static size_t used;
	char *end_of;
	json_t *reply = NULL;
	ssize_t got;

	got = recv(pair[1], bytes + used, sizeof(bytes) - used, MSG_DONTWAIT);
	used += got > 0 ? (size_t)got : 0;
	end_of = memchr(bytes, '\0', used);
	if (end_of == NULL)
		return NULL;
	assert_int_equal(varlink_decode(bytes, (size_t)(end_of - bytes), &reply), 0);
	used -= (size_t)(end_of + 1 - bytes);
	memmove(bytes, end_of + 1, used);
	return reply;
}

static json_t *ask(const char *method, json_t *parameters, bool more)
{
	static struct varlink_stream stream;
	struct userdb userdb = { &reader, asker };
	const struct varlink_service service = userdb_service(&userdb);
	json_t *message = json_pack("{s:s, s:o, s:b}", "method", method, "parameters", parameters, "more", (int)more);

	assert_non_null(message);
	varlink_stream_init(&stream, pair[0], 0);
	assert_int_equal(varlink_dispatch(&service, &stream, message), 0);
	json_decref(message);
	return reply_next();
}

static json_t *by_name(const char *name)
{
	return json_pack("{s:s, s:s}", "userName", name, "service", OURS);
}

static json_t *by_uid(json_int_t uid)
{
	return json_pack("{s:I, s:s}", "uid", uid, "service", OURS);
}

/* Takes the reference. */
static void assert_error(json_t *reply, const char *error)
{
	assert_non_null(reply);
	assert_string_equal(json_string_value(json_object_get(reply, "error")), error);
	assert_null(reply_next());
	json_decref(reply);
}

/* Takes the references: a reply with this record, to the letter. */
static void assert_record(json_t *reply, json_t *expected)
{
	json_t *parameters = json_object_get(reply, "parameters");

	assert_non_null(reply);
	assert_non_null(expected);
	assert_null(json_object_get(reply, "error"));
	if (!json_equal(json_object_get(parameters, "record"), expected))
		fail_msg("%s\nis not\n%s", json_dumps(json_object_get(parameters, "record"), JSON_SORT_KEYS),
			 json_dumps(expected, JSON_SORT_KEYS));
	assert_true(json_is_false(json_object_get(parameters, "incomplete")));
	assert_null(reply_next());
	json_decref(reply);
	json_decref(expected);
}

static json_t *expected_account(uint32_t i)
{
	const struct account account = fixture_account(i);
	char name[ACCOUNT_NAME_MAX + 1], home[256];
	json_t *record;

	fixture_name(i, name);
	snprintf(home, sizeof(home), HOMES "/%s/%s", account.owner, account.label);
	record = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:I, s:i, s:i}", "userName", name, "uid",
			   (json_int_t)account.uid, "gid", (json_int_t)account.uid, "homeDirectory", home, "shell",
			   SHELL, "disposition", "regular", "service", OURS, "memoryMax", (json_int_t)(2048 * MIB),
			   "cpuWeight", 50, "tasksMax", 512 + 4 * 10);
	if (account.facts.comment[0] != '\0')
		json_object_set_new(record, "realName", json_string(account.facts.comment));
	if (account.facts.expires_day >= 0)
		json_object_set_new(record, "notAfterUSec",
				    json_integer(account.facts.expires_day * INT64_C(86400000000)));
	return record;
}

static void test_an_account_by_name_and_uid(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		char name[ACCOUNT_NAME_MAX + 1];

		fixture_name(i, name);
		assert_record(ask(GET "GetUserRecord", by_name(name), false), expected_account(i));
		assert_record(ask(GET "GetUserRecord", by_uid(UID_FIRST + i), false), expected_account(i));
		assert_record(ask(GET "GetUserRecord", by_uid(UID_FIRST + i), true), expected_account(i));
	}
}

static void test_a_locked_account_says_so(void **state)
{
	struct account account = fixture_account(1);
	json_t *expected = expected_account(1);

	(void)state;
	account.flags |= ACCOUNT_LOCKED;
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	json_object_set_new(expected, "locked", json_true());
	assert_record(ask(GET "GetUserRecord", by_uid(account.uid), false), expected);
}

static void test_an_id_of_a_range_is_nobody_who_logs_in(void **state)
{
	static const struct {
		json_int_t id;
		const char *name, *comment;
	} ids[] = {
		{ 1073741824, "owner0+_1073741824", "Subordinate id 0 of owner0" },
		{ 1073741824 + 9 * 3 * 65536 + 7, "owner9+_web9_1075511303", "Subordinate id 7 of owner9+web9" },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int named = 0; named < 2; named++)
			assert_record(ask(GET "GetUserRecord", named ? by_name(ids[i].name) : by_uid(ids[i].id), false),
				      json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:b}", "userName",
						ids[i].name, "uid", ids[i].id, "gid", ids[i].id, "realName",
						ids[i].comment, "homeDirectory", "/", "shell", "/usr/sbin/nologin",
						"disposition", "container", "service", OURS, "locked", 1));
		assert_record(ask(GET "GetGroupRecord", json_pack("{s:I, s:s}", "gid", ids[i].id, "service", OURS), 0),
			      json_pack("{s:s, s:I, s:s, s:s}", "groupName", ids[i].name, "gid", ids[i].id,
					"disposition", "container", "service", OURS));
	}
}

static void test_a_group_by_name_and_gid(void **state)
{
	char name[ACCOUNT_NAME_MAX + 1];

	(void)state;
	fixture_name(2, name);
	for (int named = 0; named < 2; named++)
		assert_record(ask(GET "GetGroupRecord",
				  named ? json_pack("{s:s, s:s}", "groupName", name, "service", OURS) :
					  json_pack("{s:I, s:s}", "gid", (json_int_t)UID_FIRST + 2, "service", OURS),
				  false),
			      json_pack("{s:s, s:I, s:s, s:s}", "groupName", name, "gid", (json_int_t)UID_FIRST + 2,
					"disposition", "regular", "service", OURS));
}

/* Bounds that the settings take away, or that an index of an older version does not know, are none. */
static void test_no_bounds_are_told_where_there_are_none(void **state)
{
	struct bounds bounds = { .of = { [BOUND_CPU_WEIGHT] = 50, [BOUND_PROCESSES] = 64, [BOUND_SESSIONS] = 8 } };
	struct index_account account;
	struct index_host host;
	json_t *record;

	(void)state;
	assert_int_equal(index_account_and_host_by_uid(&reader, UID_FIRST, &account, &host), 0);
	record = record_of_account(&account, &host, &bounds);
	assert_null(json_object_get(record, "memoryMax"));
	assert_non_null(json_object_get(record, "cpuWeight"));
	assert_int_equal(json_integer_value(json_object_get(record, "tasksMax")), 64 + 4 * 8);
	json_decref(record);
	bounds = (struct bounds){ 0 };
	record = record_of_account(&account, &host, &bounds);
	for (size_t i = 0; i < 4; i++)
		assert_null(json_object_get(record,
					    ((const char *[]){ "memoryMax", "cpuWeight", "ioWeight", "tasksMax" })[i]));
	json_decref(record);
}

static void test_others_are_nobody(void **state)
{
	static const char *const names[] = { "root", "",        "owner0",    "owner0+web9", "owner0+web0 ",
					     "+",    "owner0+", "owner0+_2", "subuids",     "owner0+_1073741824x" };
	static const json_int_t uids[] = { 0, 1000, UID_FIRST + ACCOUNTS, UID_LAST, 65534, UINT32_MAX - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_error(ask(GET "GetUserRecord", by_name(names[i]), false), GET "NoRecordFound");
		assert_error(ask(GET "GetGroupRecord", json_pack("{s:s, s:s}", "groupName", names[i], "service", OURS),
				 false),
			     GET "NoRecordFound");
		assert_error(ask(GET "GetMemberships", by_name(names[i]), true), GET "NoRecordFound");
	}
	for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++)
		assert_error(ask(GET "GetUserRecord", by_uid(uids[i]), false), GET "NoRecordFound");
}

static void test_what_is_wrong_is_said_so(void **state)
{
	char name[ACCOUNT_NAME_MAX + 1];

	(void)state;
	fixture_name(0, name);
	assert_error(ask(GET "GetUserRecord", json_pack("{s:s}", "userName", name), false), GET "BadService");
	assert_error(ask(GET "GetUserRecord",
			 json_pack("{s:s, s:s}", "userName", name, "service", "io.systemd.Multiplexer"), false),
		     GET "BadService");
	assert_error(ask(GET "GetMemberships", json_pack("{s:s}", "userName", name), true), GET "BadService");
	assert_error(
		ask(GET "GetUserRecord",
		    json_pack("{s:s, s:I, s:s}", "userName", name, "uid", (json_int_t)UID_FIRST + 1, "service", OURS),
		    false),
		GET "ConflictingRecordFound");
	assert_record(ask(GET "GetUserRecord",
			  json_pack("{s:s, s:I, s:s}", "userName", name, "uid", (json_int_t)UID_FIRST, "service", OURS),
			  false),
		      expected_account(0));
	assert_error(ask(GET "GetUserRecord", by_uid(-1), false), VARLINK_INVALID_PARAMETER);
	assert_error(ask(GET "GetUserRecord", by_uid(UINT32_MAX), false), VARLINK_INVALID_PARAMETER);
	assert_error(ask(GET "GetUserRecord", by_uid(INT64_C(0x100000000) + UID_FIRST), false),
		     VARLINK_INVALID_PARAMETER);
	assert_error(ask(GET "GetMemberships", by_name(name), false), VARLINK_EXPECTED_MORE);
}

/* Neither where the index allows it (the fixture's does) nor else: NSS lists them. */
static void test_nothing_is_enumerated(void **state)
{
	static const char *const methods[] = { GET "GetUserRecord", GET "GetGroupRecord", GET "GetMemberships" };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_error(ask(methods[i], json_pack("{s:s}", "service", OURS), true), GET "EnumerationNotSupported");
	assert_error(ask(GET "GetMemberships", json_pack("{s:s, s:s}", "groupName", "subuids", "service", OURS), true),
		     GET "NoRecordFound");
}

/* Takes the reference. */
static void assert_member(json_t *reply, const char *user, const char *group, bool continues)
{
	json_t *parameters = json_object_get(reply, "parameters");

	assert_string_equal(json_string_value(json_object_get(parameters, "userName")), user);
	assert_string_equal(json_string_value(json_object_get(parameters, "groupName")), group);
	assert_int_equal(json_is_true(json_object_get(reply, "continues")), continues);
	json_decref(reply);
}

static void test_memberships_are_those_of_nss(void **state)
{
	struct account account = fixture_account(3);
	char name[ACCOUNT_NAME_MAX + 1];

	(void)state;
	fixture_name(3, name);
	assert_member(ask(GET "GetMemberships", by_name(name), true), name, "subuids", false);
	assert_null(reply_next());
	assert_error(
		ask(GET "GetMemberships",
		    json_pack("{s:s, s:s, s:s}", "userName", name, "groupName", "subuids-forward", "service", OURS),
		    false),
		GET "NoRecordFound");
	account.flags |= ACCOUNT_FORWARDS;
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	assert_member(ask(GET "GetMemberships", by_name(name), true), name, "subuids", true);
	assert_member(reply_next(), name, "subuids-forward", false);
	assert_null(reply_next());
	assert_member(
		ask(GET "GetMemberships",
		    json_pack("{s:s, s:s, s:s}", "userName", name, "groupName", "subuids-forward", "service", OURS),
		    false),
		name, "subuids-forward", false);
	assert_member(ask(GET "GetMemberships", by_name("owner0+_1073741824"), true), "owner0+_1073741824", "subuids",
		      false);
	assert_null(reply_next());
}

/* "Nobody" would be an answer, and a wrong one. */
static void test_an_account_is_told_of_itself_alone(void **state)
{
	const struct account own = fixture_account(1), other = fixture_account(3);
	char name[ACCOUNT_NAME_MAX + 1], others[ACCOUNT_NAME_MAX + 1];
	json_t *group = json_pack("{s:I, s:s}", "gid", (json_int_t)other.uid, "service", OURS), *reply;

	(void)state;
	fixture_name(1, name);
	fixture_name(3, others);
	asker = own.uid;
	assert_record(ask(GET "GetUserRecord", by_name(name), false), expected_account(1));
	assert_record(ask(GET "GetUserRecord", by_uid(own.uid), false), expected_account(1));
	assert_error(ask(GET "GetUserRecord", by_name(others), false), GET "NoRecordFound");
	assert_error(ask(GET "GetUserRecord", by_uid(other.uid), false), GET "NoRecordFound");
	assert_error(ask(GET "GetGroupRecord", group, false), GET "NoRecordFound");
	assert_error(ask(GET "GetMemberships", by_name(others), true), GET "NoRecordFound");
	assert_error(ask(GET "GetUserRecord", by_uid(1073741824), false), GET "NoRecordFound");
	asker = fixture_range(9).account_uid; /* its own */
	reply = ask(GET "GetUserRecord", by_uid(1075511303), false);
	assert_non_null(json_object_get(json_object_get(reply, "parameters"), "record"));
	json_decref(reply);
	asker = 0;
	assert_record(ask(GET "GetUserRecord", by_name(others), false), expected_account(3)); /* the control */
}

static void test_without_an_index_nothing_is_known(void **state)
{
	(void)state;
	snprintf(reader_path, sizeof(reader_path), "%s/none", fixture->directory);
	assert_error(ask(GET "GetUserRecord", by_name("owner0+web0"), false), GET "ServiceNotAvailable");
	assert_error(ask(GET "GetUserRecord", by_uid(UID_FIRST), false), GET "ServiceNotAvailable");
	assert_error(ask(GET "GetGroupRecord", json_pack("{s:s, s:s}", "groupName", "owner0+web0", "service", OURS), 0),
		     GET "ServiceNotAvailable");
	assert_error(ask(GET "GetMemberships", by_name("owner0+web0"), true), GET "ServiceNotAvailable");
	assert_error(ask(GET "GetUserRecord", by_name("root"), false), GET "NoRecordFound"); /* whatever the index is */
}

/* ---- peers */

static struct peers peers;

/* A question of this many bytes, for a user who is nobody. */
static void question(char *bytes, size_t length)
{
	static const char form[] = "{\"method\":\"" GET "GetUserRecord\",\"parameters\":{\"service\":\"" OURS
				   "\",\"userName\":\"nobody+%0*d\"}}";
	const size_t others = sizeof(form) - sizeof("%0*d");

	assert_int_equal(snprintf(bytes, length + 1, form, (int)(length - others), 0), length);
}

/* Everybody waits while a question is decoded, which takes the longer the larger it is. */
static void test_a_question_over_the_bound_ends_its_connection(void **state)
{
	static const struct {
		size_t length;
		bool answered;
	} cases[] = { { 300, true }, { CALL_MAX, true }, { CALL_MAX + 1, false }, { VARLINK_MESSAGE_MAX - 1, false } };
	static char bytes[VARLINK_MESSAGE_MAX];
	struct userdb userdb = { .reader = &reader };
	const struct varlink_service service = userdb_service(&userdb);

	(void)state;
	peers_init(&peers);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer *peer = peers_take(&peers, dup(pair[0]), 1000, 0);

		question(bytes, cases[i].length);
		assert_int_equal(send(pair[1], bytes, cases[i].length + 1, 0), cases[i].length + 1);
		serve_one(peer, &service, 0);
		assert_int_equal(peer->stream.fd >= 0, cases[i].answered);
		if (!cases[i].answered) {
			assert_null(reply_next());
			continue;
		}
		assert_error(reply_next(), GET "NoRecordFound");
		peers_drop(peer);
	}
}

static void take(uid_t holder, int64_t now)
{
	int fd = dup(STDERR_FILENO);

	assert_true(fd >= 0);
	peers_take(&peers, fd, holder, now);
}

static unsigned held(uid_t holder)
{
	unsigned count = 0;

	for (size_t i = 0; i < PEERS_MAX; i++)
		count += peers.peer[i].stream.fd >= 0 && peers.peer[i].holder == holder;
	return count;
}

static void test_the_largest_share_makes_way(void **state)
{
	(void)state;
	peers_init(&peers);
	for (int64_t i = 0; i < 2 * (int64_t)PEERS_MAX; i++)
		take(1000, i);
	assert_int_equal(held(1000), PEERS_MAX);
	for (size_t i = 0; i < PEERS_MAX; i++) /* those of the first round are gone */
		assert_true(peers.peer[i].quiet_since >= (int64_t)PEERS_MAX);
	take(0, 0);
	take(1, 0);
	assert_int_equal(held(0), 1);
	assert_int_equal(held(1), 1);
	for (int64_t i = 0; i < 10 * (int64_t)PEERS_MAX; i++) /* and whoever is many does not drive them out */
		take(1000, 1000000 + i);
	assert_int_equal(held(0), 1);
	assert_int_equal(held(1), 1);
	peers_expire(&peers, 5000000, 5000);
	assert_int_equal(held(0) + held(1) + held(1000), 0);
}

static void test_the_quiet_go_and_the_others_stay(void **state)
{
	(void)state;
	peers_init(&peers);
	take(1000, 1000);
	take(1001, 2000);
	peers_expire(&peers, 5999, 5000);
	assert_int_equal(held(1000) + held(1001), 2);
	peers_expire(&peers, 6000, 5000);
	assert_int_equal(held(1000), 0);
	assert_int_equal(held(1001), 1);
	peers_expire(&peers, 100000, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_an_account_by_name_and_uid, begin, end),
		cmocka_unit_test_setup_teardown(test_a_locked_account_says_so, begin, end),
		cmocka_unit_test_setup_teardown(test_an_id_of_a_range_is_nobody_who_logs_in, begin, end),
		cmocka_unit_test_setup_teardown(test_a_group_by_name_and_gid, begin, end),
		cmocka_unit_test_setup_teardown(test_no_bounds_are_told_where_there_are_none, begin, end),
		cmocka_unit_test_setup_teardown(test_others_are_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_wrong_is_said_so, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_is_enumerated, begin, end),
		cmocka_unit_test_setup_teardown(test_memberships_are_those_of_nss, begin, end),
		cmocka_unit_test_setup_teardown(test_an_account_is_told_of_itself_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_without_an_index_nothing_is_known, begin, end),
		cmocka_unit_test_setup_teardown(test_a_question_over_the_bound_ends_its_connection, begin, end),
		cmocka_unit_test(test_the_largest_share_makes_way),
		cmocka_unit_test(test_the_quiet_go_and_the_others_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
