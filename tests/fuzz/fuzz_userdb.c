/* SPDX-License-Identifier: ISC */
/*
 * Anybody's calls to the user database, over an index with accounts and ranges. An input is one call or several, each
 * ended by NUL, as they come over the socket. Every reply is well-formed; a record is one that the index has, and says
 * whose it is; nothing is enumerated; and whoever has no separator in the name is nobody, whatever else was asked.
 */
#include <errno.h>
#include <sys/socket.h>

#include "account/name.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/index_fixture.h"
#include "userdb/methods.h"
#include "userdb/record.h"
#include "varlink/server.h"

#define ACCOUNTS 12u
#define RANGES 12u

static struct index_reader reader;
static struct fixture *fixture;
static struct index_writer *writer;
static struct index_reader twin; /* for the harness's own look */

static void begin(int pair[2])
{
	fixture = fixture_make();
	fixture->options.host.range_first = 1073741824u;
	fixture->options.host.range_last = 1879048191u;
	fixture->options.host.account_memory = 8;
	fixture->options.host.sessions = (struct index_sessions){ 8, 10, 64, 50, 0 };
	writer = fixture_publish(fixture, ACCOUNTS, RANGES, 1);
	reader = (struct index_reader){ .path = fixture->path, .trusted = getuid() };
	twin = reader;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && shutdown(pair[0], SHUT_RD) == 0);
}

static uint32_t asker; /* the account that asks; 0: anybody else */

static void check_record(const json_t *record)
{
	const char *user = json_string_value(json_object_get(record, "userName"));
	const char *group = json_string_value(json_object_get(record, "groupName"));
	json_int_t id = json_integer_value(json_object_get(record, user != NULL ? "uid" : "gid"));
	struct index_account account;
	struct index_host host;
	struct id_range range;
	uint32_t found;

	must((user != NULL) != (group != NULL) && id > 0 && id < UINT32_MAX);
	must(strcmp(json_string_value(json_object_get(record, "service")), USERDB_SERVICE) == 0);
	if (index_account_by_name(&twin, user != NULL ? user : group, &account) == 0)
		must(account.uid == id && (asker == 0 || asker == id));
	else
		must(index_range_by_name(&twin, user != NULL ? user : group, &found, &range, &host) == 0 &&
		     found == id && (asker == 0 || asker == range.account_uid));
	must(json_object_get(record, "privileged") == NULL && json_object_get(record, "secret") == NULL);
}

static void check_reply(const char *bytes, size_t length)
{
	json_t *reply = NULL, *parameters;

	must(varlink_decode(bytes, length, &reply) == 0);
	parameters = json_object_get(reply, "parameters");
	must(json_is_object(parameters));
	if (json_object_get(parameters, "record") != NULL)
		check_record(json_object_get(parameters, "record"));
	if (json_object_get(parameters, "groupName") != NULL)
		must(strcmp(json_string_value(json_object_get(parameters, "groupName")), USERDB_ACCOUNTS_GROUP) == 0);
	json_decref(reply);
}

/* Answers that the peer has got, each ended by NUL (the last may be cut when the socket is full); how many. */
static unsigned check_replies(int fd)
{
	static char bytes[1 << 20];
	size_t used = 0;
	unsigned count = 0;
	ssize_t got;

	while ((got = recv(fd, bytes + used, sizeof(bytes) - used, MSG_DONTWAIT)) > 0)
		used += (size_t)got;
	for (char *at = bytes, *end; (end = memchr(at, '\0', used)) != NULL; at = end + 1, count++) {
		check_reply(at, (size_t)(end - at));
		used -= (size_t)(end + 1 - at);
	}
	return count;
}

static bool asks_for_ours(json_t *message)
{
	json_t *parameters = json_object_get(message, "parameters");
	const char *user = json_string_value(json_object_get(parameters, "userName"));
	const char *group = json_string_value(json_object_get(parameters, "groupName"));

	if ((user != NULL && !name_has_separator(user)) ||
	    (user == NULL && group != NULL && !name_has_separator(group)))
		return false;
	return user != NULL || group != NULL || json_object_get(parameters, "uid") != NULL ||
	       json_object_get(parameters, "gid") != NULL;
}

static bool record_in(int fd)
{
	static char bytes[1 << 16];
	ssize_t got = recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT | MSG_PEEK);

	if (got <= 0)
		return false;
	bytes[got] = '\0';
	return strstr(bytes, "\"record\":") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct varlink_stream stream;
	static int pair[2] = { -1, -1 };
	struct input input = { data, size };

	if (pair[0] < 0)
		begin(pair);
	varlink_stream_init(&stream, pair[0], 0);
	asker = size % 2 == 0 ? 0 : fixture_account(1).uid;
	while (input.left > 0) {
		struct userdb userdb = { &reader, asker };
		const struct varlink_service service = userdb_service(&userdb);
		const uint8_t *end = memchr(input.at, '\0', input.left);
		size_t length = end != NULL ? (size_t)(end - input.at) : input.left;
		char *call = take_copy(input.at, length);
		json_t *message = NULL;

		if (varlink_decode(call, length, &message) == 0) {
			int r = varlink_dispatch(&service, &stream, message);

			must(r == 0 || r == -ETIMEDOUT);
			must(asks_for_ours(message) || !record_in(pair[1]));
			must(check_replies(pair[1]) <= 2);
		}
		json_decref(message);
		free(call);
		input.at += length + (end != NULL);
		input.left -= length + (end != NULL);
	}
	return 0;
}
