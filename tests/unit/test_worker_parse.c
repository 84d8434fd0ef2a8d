/* SPDX-License-Identifier: ISC */
/* JSON parameters into requests: whole and exact, or refused in words. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "confine/cleanup.h"
#include "subuidd/wire/request.h"
#include "worker/password.h"
#include "worker/worker.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGq9IvEGUyWCpTLb1kKzGDmLyOqO1bLB1s9hOEhFqcSo"

static int parse(uint32_t op, const char *json, struct request *request, struct failure_text *failure)
{
	json_t *parameters = json_loads(json, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	if (parameters == NULL)
		fail_msg("the test's own JSON: %s", json);
	memset(request, 0xaa, sizeof(*request));

	int r = worker_parse(op, parameters, request, failure);

	json_decref(parameters);
	return r;
}

/* What comes out has the exact shape that the broker demands, whatever was in the memory before. */
static struct request parsed(uint32_t op, const char *json)
{
	struct request request;
	struct failure_text failure = { 0 };

	if (parse(op, json, &request, &failure) != 0)
		fail_msg("%s: %s: %s", json, failure.what, failure.why);
	assert_int_equal(wire_request_check(&request, request.size), 0);
	assert_int_equal(request.op, op);
	return request;
}

static void refused(uint32_t op, const char *json, const char *what)
{
	struct request request;
	struct failure_text failure = { 0 };

	if (parse(op, json, &request, &failure) != -EINVAL)
		fail_msg("accepted: %s", json);
	assert_int_equal(failure.failure, FAILURE_INVALID);
	assert_string_equal(failure.what, what);
	assert_true(failure.why[0] != '\0');
}

static void add_takes_all_of_it(void **state)
{
	(void)state;
	struct request request = parsed(
		OP_ACCOUNT_ADD,
		"{\"label\":\"web1\",\"owner\":\"alice\",\"range\":70000,\"quota\":10737418240,\"files\":-1,"
		"\"view\":\"owner\",\"expires\":"
		"\"2031-12-31\","
		"\"comment\":\"the shop\",\"key\":{\"key\":\"" KEY " root@server\\n\",\"role\":\"pull\",\"options\":"
		"[\"no-delete\",\"no-overwrite\"],\"from\":\"192.0.2.0/24\",\"expires\":1900000000}}");
	const struct request_add *add = &request.add;

	assert_string_equal(add->name.owner, "alice");
	assert_string_equal(add->name.label, "web1");
	assert_int_equal(add->set, 1u << FACT_QUOTA | 1u << FACT_FILES | 1u << FACT_VIEW | 1u << FACT_EXPIRES |
					   1u << FACT_COMMENT);
	assert_int_equal(add->range_count, 70000);
	assert_int_equal(add->facts.quota, UINT64_C(10) << 30);
	assert_int_equal(add->facts.files, FILES_NONE);
	assert_int_equal(add->facts.view, VIEW_OWNER);
	assert_int_equal(add->facts.expires_day, 22644);
	assert_string_equal(add->facts.comment, "the shop");
	assert_string_equal(add->key.type, "ssh-ed25519");
	assert_string_equal(add->key.blob, strchr(KEY, ' ') + 1);
	assert_string_equal(add->key.comment, "root@server");
	assert_int_equal(add->key.role, ROLE_PULL);
	assert_int_equal(add->key.options, KEY_NO_DELETE | KEY_NO_OVERWRITE);
	assert_string_equal(add->key.from, "192.0.2.0/24");
	assert_int_equal(add->key.expires, 1900000000);
	assert_int_equal(add->key.id, 0);
	assert_string_equal(add->key.fingerprint, "");
}

static void add_needs_only_a_label(void **state)
{
	(void)state;
	struct request request = parsed(OP_ACCOUNT_ADD, "{\"label\":\"w\",\"key\":null,\"quota\":null}");

	assert_string_equal(request.add.name.owner, "");
	assert_int_equal(request.add.set, 0);
	assert_int_equal(request.add.facts.expires_day, -1);
	assert_string_equal(request.add.key.type, "");
	request = parsed(OP_KEY_ADD, "{\"label\":\"w\",\"key\":{\"key\":\"" KEY "\"}}");
	assert_int_equal(request.key_add.key.role, ROLE_PUSH);
}

static void add_refuses_what_is_not_right(void **state)
{
	static const struct {
		const char *json, *what;
	} cases[] = {
		{ "{}", "label" },
		{ "{\"label\":\"\"}", "label" },
		{ "{\"label\":\"Web\"}", "label" },
		{ "{\"label\":\"..\"}", "label" },
		{ "{\"label\":\"a+b\"}", "label" },
		{ "{\"label\":\"web1\\u0000x\"}", "label" },
		{ "{\"label\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "label" },
		{ "{\"label\":1}", "label" },
		{ "{\"label\":\"a\",\"owner\":\"\"}", "owner" },
		{ "{\"label\":\"a\",\"owner\":\"a/b\"}", "owner" },
		{ "{\"label\":\"a\",\"owner\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "owner" },
		{ "{\"label\":\"a\",\"owner\":[\"root\"]}", "owner" },
		{ "{\"label\":\"a\",\"range\":-1}", "range" },
		{ "{\"label\":\"a\",\"range\":4294967295}", "range" },
		{ "{\"label\":\"a\",\"range\":1.5}", "range" },
		{ "{\"label\":\"a\",\"range\":\"1\"}", "range" },
		{ "{\"label\":\"a\",\"quota\":-1}", "quota" },
		{ "{\"label\":\"a\",\"quota\":true}", "quota" },
		{ "{\"label\":\"a\",\"files\":-2}", "files" },
		{ "{\"label\":\"a\",\"files\":\"1\"}", "files" },
		{ "{\"label\":\"a\",\"view\":\"mine\"}", "view" },
		{ "{\"label\":\"a\",\"view\":1}", "view" },
		{ "{\"label\":\"a\",\"expires\":\"tomorrow\"}", "expires" },
		{ "{\"label\":\"a\",\"expires\":\"2031-02-30\"}", "expires" },
		{ "{\"label\":\"a\",\"comment\":\"a:b\"}", "comment" },
		{ "{\"label\":\"a\",\"comment\":\"a\\nb\"}", "comment" },
		{ "{\"label\":\"a\",\"comment\":\"\\u001b[31m\"}", "comment" },
		{ "{\"label\":\"a\",\"key\":\"" KEY "\"}", "key" },
		{ "{\"label\":\"a\",\"key\":{}}", "key" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"please\"}}", "key" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"no-pty " KEY "\"}}", "key" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\\n" KEY "\"}}", "key" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"-----BEGIN OPENSSH PRIVATE KEY-----\\n\"}}", "key" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"shell\":\"sh\"}}", "key" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"command\":\"sh\"}}", "role" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"role\":\"King\"}}", "key.role" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"role\":\"push,pull\"}}", "key.role" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"role\":\"sftp,sftp\"}}", "key.role" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"role\":\"sftp,\"}}", "key.role" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"role\":\"../x\"}}", "key.role" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"role\":\"forward\"}}", "key.forward" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"forward\":\"h:1\"}}", "key.forward" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"role\":\"forward\",\"forward\":\"*:1\"}}",
		  "key.forward" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"storageQuota\":-1}}", "storageQuota" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"options\":[\"pty\"]}}", "key.options" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"options\":\"no-delete\"}}", "key.options" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"from\":\"a\\\"b\"}}", "key.from" },
		{ "{\"label\":\"a\",\"key\":{\"key\":\"" KEY "\",\"expires\":-5}}", "expires" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(OP_ACCOUNT_ADD, cases[i].json, cases[i].what);
}

static void modify_takes_values_away(void **state)
{
	(void)state;
	struct request request =
		parsed(OP_ACCOUNT_MODIFY, "{\"label\":\"a\",\"quota\":0,\"expires\":\"\",\"comment\":\"\"}");

	assert_int_equal(request.modify.set, 1u << FACT_QUOTA | 1u << FACT_EXPIRES | 1u << FACT_COMMENT);
	assert_int_equal(request.modify.facts.expires_day, -1);
	assert_int_equal(request.modify.facts.quota, 0);
	request = parsed(OP_ACCOUNT_MODIFY, "{\"label\":\"a\",\"quota\":5}");
	assert_int_equal(request.modify.set, 1u << FACT_QUOTA);
	request = parsed(OP_ACCOUNT_MODIFY, "{\"label\":\"a\",\"files\":0,\"view\":\"default\"}");
	assert_int_equal(request.modify.set, 1u << FACT_FILES | 1u << FACT_VIEW);
	assert_int_equal(request.modify.facts.view, VIEW_DEFAULT);
	refused(OP_ACCOUNT_MODIFY, "{\"label\":\"a\"}", "parameters");
}

static void remove_keeps_or_purges(void **state)
{
	(void)state;
	struct request request = parsed(OP_ACCOUNT_REMOVE, "{\"label\":\"a\",\"purge\":true,\"keepHome\":false}");

	assert_int_equal(request.remove.purge, 1);
	assert_int_equal(request.remove.keep_home, 0);
	refused(OP_ACCOUNT_REMOVE, "{\"label\":\"a\",\"purge\":true,\"keepHome\":true}", "purge");
	refused(OP_ACCOUNT_REMOVE, "{\"label\":\"a\",\"purge\":1}", "purge");
}

static void key_is_named_by_id_or_fingerprint(void **state)
{
	static const char fingerprint[] = "SHA256:0123456789012345678901234567890123456789+/a";

	(void)state;
	struct request request = parsed(OP_KEY_REMOVE, "{\"label\":\"a\",\"id\":7}");

	assert_int_equal(request.key_remove.id, 7);
	request = parsed(OP_KEY_REMOVE,
			 "{\"label\":\"a\",\"fingerprint\":\"SHA256:0123456789012345678901234567890123456789+/a\"}");
	assert_string_equal(request.key_remove.fingerprint, fingerprint);
	assert_int_equal(request.key_remove.id, 0);
	refused(OP_KEY_REMOVE, "{\"label\":\"a\"}", "id");
	refused(OP_KEY_REMOVE, "{\"label\":\"a\",\"id\":0}", "id");
	refused(OP_KEY_REMOVE, "{\"label\":\"a\",\"id\":4294967296}", "id");
	refused(OP_KEY_REMOVE, "{\"label\":\"a\",\"id\":7,\"fingerprint\":\"x\"}", "id");
	refused(OP_KEY_REMOVE, "{\"label\":\"a\",\"fingerprint\":\"MD5:00\"}", "fingerprint");
	refused(OP_KEY_REMOVE, "{\"label\":\"a\",\"fingerprint\":\"SHA256:short\"}", "fingerprint");
}

/* What is given is in the set, and nothing else. */
static void key_changes_in_what_is_given(void **state)
{
	(void)state;
	struct request request = parsed(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{\"from\":\"\",\"expires\":0,"
						       "\"options\":[\"no-delete\"]}}");

	assert_int_equal(request.key_change.id, 7);
	assert_int_equal(request.key_change.set, 1u << KEY_ROW_FROM | 1u << KEY_ROW_EXPIRES | 1u << KEY_ROW_OPTIONS);
	request = parsed(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{\"role\":\"pull\"}}");
	assert_int_equal(request.key_change.set,
			 KEY_ROWS_ROLE | 1u << KEY_ROW_FORWARD | 1u << KEY_ROW_COMMAND | 1u << KEY_ROW_NET);
	request = parsed(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{\"forward\":\"h:1\"}}");
	assert_int_equal(request.key_change.set, 1u << KEY_ROW_FORWARD);
	request = parsed(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"clearOptions\":true}");
	assert_int_equal(request.key_change.set, 0);
	request =
		parsed(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{\"key\":\"ssh-ed25519 "
				      "AAAAC3NzaC1lZDI1NTE5AAAAIGq9IvEGUyWCpTLb1kKzGDmLyOqO1bLB1s9hOEhFqcSo word\"}}");
	assert_int_equal(request.key_change.set, KEY_ROWS_ITSELF);
	assert_string_equal(request.key_change.key.comment, "");
	refused(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7}", "parameters");
	refused(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{}}", "parameters");
	refused(OP_KEY_CHANGE, "{\"label\":\"a\",\"key\":{\"role\":\"pull\"}}", "id");
	refused(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{\"role\":\"forward\"}}", "key.forward");
	refused(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{\"created\":1}}", "key");
	refused(OP_KEY_ADD, "{\"label\":\"a\",\"key\":{\"key\":\"ssh-ed25519 x\",\"comment\":\"x\"}}", "key");
}

/* What the broker gets of a password: its first group and a hash. */
static void a_password_is_made_where_the_host_takes_them(void **state)
{
	static const char added[] =
		"{\"label\":\"a\",\"key\":{\"password\":true,\"comment\":\"nas\",\"role\":\"shell\","
		"\"options\":[\"tty\"],\"net\":\"443\"}}";
	char text[PASSWORD_TEXT_MAX + 1];
	struct request request;

	(void)state;
	refused(OP_KEY_ADD, added, "key.password");
	worker_password_cost(PASSWORD_COST_LEAST);
	request = parsed(OP_KEY_ADD, added);
	assert_true(worker_password_take(text));
	assert_false(worker_password_take(text));
	assert_string_equal(request.key_add.key.type, PASSWORD_TYPE);
	assert_string_equal(request.key_add.key.comment, "nas");
	assert_string_equal(request.key_add.key.net, "443");
	assert_int_equal(request.key_add.key.options, KEY_TTY);
	assert_true(password_selector_valid(request.key_add.key.blob));
	assert_true(password_hash_shaped(request.key_add.key.hash, PASSWORD_COST_LEAST));
	refused(OP_KEY_ADD, "{\"label\":\"a\",\"key\":{\"password\":true,\"key\":\"" KEY "\"}}", "key");
	refused(OP_KEY_ADD, "{\"label\":\"a\",\"key\":{\"password\":1}}", "key.password");
	refused(OP_KEY_ADD, "{\"label\":\"a\",\"key\":{\"password\":true,\"from\":\"*.example.org\"}}", "from");
	refused(OP_KEY_ADD, "{\"label\":\"a\",\"key\":{\"password\":true,\"role\":\"command\"}}", "role");
	refused(OP_ACCOUNT_ADD, "{\"label\":\"a\",\"key\":{\"password\":true}}", "key.password");
	refused(OP_KEY_CHANGE, "{\"label\":\"a\",\"id\":7,\"key\":{\"password\":true}}", "key");
	worker_password_forget();
	worker_password_cost(0);
}

static void lists_are_the_callers_an_owners_or_all(void **state)
{
	(void)state;
	assert_int_equal(parsed(OP_ACCOUNT_LIST, "{}").list.all, 0);
	assert_int_equal(parsed(OP_ACCOUNT_LIST, "{\"all\":true}").list.all, 1);
	assert_string_equal(parsed(OP_RANGE_LIST, "{\"owner\":\"bob\"}").list.name.owner, "bob");
	assert_int_equal(parsed(OP_AUDIT_LIST, "{\"before\":12}").list.cursor, 12);
	assert_string_equal(parsed(OP_KEY_LIST, "{\"label\":\"web1\"}").list.name.label, "web1");
	refused(OP_KEY_LIST, "{}", "label");
	refused(OP_ACCOUNT_LIST, "{\"all\":true,\"owner\":\"bob\"}", "all");
	refused(OP_AUDIT_LIST, "{\"before\":-1}", "before");
}

static void ranges_limits_and_the_rest(void **state)
{
	(void)state;
	assert_int_equal(parsed(OP_RANGE_ADD, "{\"count\":65536}").range_add.count, 65536);
	assert_int_equal(parsed(OP_RANGE_ADD, "{\"count\":1,\"after\":1073741824}").range_add.after, 1073741824);
	assert_string_equal(parsed(OP_RANGE_ADD, "{\"count\":1,\"label\":\"x\"}").range_add.name.label, "x");
	refused(OP_RANGE_ADD, "{\"count\":0}", "count");
	refused(OP_RANGE_ADD, "{}", "count");
	refused(OP_RANGE_ADD, "{\"count\":1,\"label\":\"\"}", "label");
	assert_int_equal(parsed(OP_RANGE_REMOVE, "{\"first\":1073741824}").range_remove.first, 1073741824);
	refused(OP_RANGE_REMOVE, "{\"first\":4294967295}", "first");
	assert_int_equal(parsed(OP_TOMBSTONE_RELEASE, "{\"first\":5}").release.first, 5);
	refused(OP_TOMBSTONE_RELEASE, "{\"first\":0}", "first");

	struct request request = parsed(OP_LIMIT_SET, "{\"owner\":\"bob\",\"keys\":3}");

	assert_string_equal(request.limit_set.limit.owner, "bob");
	assert_int_equal(request.limit_set.limit.keys, 3);
	assert_int_equal(request.limit_set.set, SET_LIMIT_KEYS);
	assert_int_equal(parsed(OP_LIMIT_SET, "{\"owner\":\"bob\",\"accounts\":0,\"ranges\":null}").limit_set.set,
			 SET_LIMIT_ACCOUNTS);
	assert_int_equal(parsed(OP_LIMIT_SET, "{\"owner\":\"bob\",\"ranges\":1}").limit_set.set, SET_LIMIT_RANGES);
	assert_int_equal(parsed(OP_LIMIT_SET, "{\"owner\":\"bob\",\"reset\":true}").limit_set.reset, 1);
	refused(OP_LIMIT_SET, "{\"keys\":3}", "owner");
	refused(OP_LIMIT_SET, "{\"owner\":\"bob\"}", "parameters");
	refused(OP_LIMIT_SET, "{\"owner\":\"bob\",\"keys\":3,\"reset\":true}", "reset");
	refused(OP_LIMIT_SET, "{\"owner\":\"bob\",\"keys\":-3}", "keys");
	assert_string_equal(parsed(OP_LIMIT_GET, "{}").name.owner, "");
	parsed(OP_STATUS, "{}");
	refused(OP_MAX_, "{}", "method");
	refused(0, "{}", "method");
}

static void repairs_are_named_as_findings_name_them(void **state)
{
	struct request request;

	(void)state;
	assert_int_equal(parsed(OP_REPAIR, "{\"repair\":\"index\"}").repair.repair, REPAIR_INDEX);
	request = parsed(OP_REPAIR, "{\"repair\":\"ask\",\"place\":\"removed\",\"uid\":2100000001,\"dryRun\":true}");
	assert_int_equal(request.repair.repair, REPAIR_ASK);
	assert_int_equal(request.repair.place, PLACE_REMOVED);
	assert_int_equal(request.repair.uid, 2100000001);
	assert_int_equal(request.dry_run, 1);
	request = parsed(OP_REPAIR,
			 "{\"repair\":\"leftover\",\"place\":\"link\",\"owner\":\"alice\",\"label\":\"web1\"}");
	assert_int_equal(request.repair.place, PLACE_LINK);
	assert_string_equal(request.repair.name.owner, "alice");
	assert_string_equal(request.repair.name.label, "web1");
	refused(OP_REPAIR, "{}", "repair");
	refused(OP_REPAIR, "{\"repair\":\"none\"}", "repair");
	refused(OP_REPAIR, "{\"repair\":\"everything\"}", "repair");
	refused(OP_REPAIR, "{\"repair\":\"ask\",\"place\":\"/etc\"}", "place");
	refused(OP_REPAIR, "{\"repair\":\"ask\",\"place\":\"removed\",\"uid\":-1}", "uid");
	refused(OP_REPAIR, "{\"repair\":\"account\",\"label\":\"../x\"}", "label");
	refused(OP_REPAIR, "{\"repair\":\"account\",\"dryRun\":1}", "dryRun");
}

static void an_owner_without_a_name_is_said_to_be_one(void **state)
{
	(void)state;
	refused(OP_OWNER_CHANGE, "{\"from\":\"\",\"to\":\"bob\"}", "from");
	refused(OP_OWNER_CHANGE, "{\"from\":\"alice\",\"to\":\"\"}", "to");
	refused(OP_OWNER_CHANGE, "{\"from\":\"alice\",\"to\":\"../x\"}", "../x");
}

static uint32_t op_of_seed(int dir, const char *name)
{
	size_t head = offsetof(struct request, name);
	cleanup_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct failure_text failure;
	struct request request;
	unsigned char op;
	ssize_t more;

	assert_true(fd >= 0 && read(fd, &op, 1) == 1);
	worker_request_begin(op, &request);
	more = read(fd, (char *)&request + head, sizeof(request) - head);
	if (more < 0 || (size_t)more + head != request.size || wire_request_check(&request, request.size) < 0 ||
	    request_sound(&request) < 0 || request_shape(&request, SEPARATOR_DEFAULT, &failure) != FAILURE_NONE)
		fail_msg("tests/fuzz/corpus/wire/%s is no request any more: `make wire-seeds`", name);
	return op;
}

/* Where a record has changed they are none any more, and the fuzzer begins with nothing, which nobody sees. */
static void the_seeds_of_the_fuzzer_are_requests(void **state)
{
	bool seen[OP_MAX_] = { false };
	struct dirent *entry;
	DIR *dir = opendir("tests/fuzz/corpus/wire");

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			seen[op_of_seed(dirfd(dir), entry->d_name)] = true;
	closedir(dir);
	for (uint32_t op = 1; op < OP_MAX_; op++)
		if (!seen[op])
			fail_msg("tests/fuzz/corpus/wire has no seed of op %u", op);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_takes_all_of_it),
		cmocka_unit_test(add_needs_only_a_label),
		cmocka_unit_test(add_refuses_what_is_not_right),
		cmocka_unit_test(modify_takes_values_away),
		cmocka_unit_test(remove_keeps_or_purges),
		cmocka_unit_test(key_is_named_by_id_or_fingerprint),
		cmocka_unit_test(key_changes_in_what_is_given),
		cmocka_unit_test(a_password_is_made_where_the_host_takes_them),
		cmocka_unit_test(lists_are_the_callers_an_owners_or_all),
		cmocka_unit_test(ranges_limits_and_the_rest),
		cmocka_unit_test(repairs_are_named_as_findings_name_them),
		cmocka_unit_test(an_owner_without_a_name_is_said_to_be_one),
		cmocka_unit_test(the_seeds_of_the_fuzzer_are_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
