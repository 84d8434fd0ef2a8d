/* SPDX-License-Identifier: ISC */
/* What `subuid import` makes of the text that it is given: CSV, JSON lines, and what is neither. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/import.h"
#include "cli/subuid.h"

struct common common; /* the program's own: cli/arguments.c */

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

static struct import_text text;
static struct failure_text failure;

static void given(const char *bytes, size_t length)
{
	import_text_free(&text);
	if (text.file != NULL)
		fclose(text.file);
	memset(&text, 0, sizeof(text));
	text.file = tmpfile();
	assert_non_null(text.file);
	assert_int_equal(fwrite(bytes, 1, length, text.file), length);
	rewind(text.file);
}

#define GIVEN(literal) given(literal, sizeof(literal) - 1)

static int tear_down(void **state)
{
	(void)state;
	import_text_free(&text);
	fclose(text.file);
	text.file = NULL;
	return 0;
}

/* The next object as one line of JSON, its members sorted. */
static void next_is(unsigned long line, const char *wanted)
{
	json_t *object = NULL;
	char *got;

	assert_int_equal(import_text_next(&text, &object, &failure), 1);
	got = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(got, wanted);
	assert_int_equal(text.line, line);
	free(got);
	json_decref(object);
}

static void next_is_some(void)
{
	json_t *object = NULL;

	assert_int_equal(import_text_next(&text, &object, &failure), 1);
	json_decref(object);
}

static void next_fails(int error, unsigned long line, const char *words)
{
	json_t *object = NULL;

	assert_int_equal(import_text_next(&text, &object, &failure), error);
	assert_null(object);
	assert_int_equal(text.line, line);
	if (strstr(failure.why, words) == NULL)
		fail_msg("\"%s: %s\" and not \"%s\"", failure.what, failure.why, words);
}

static void ends(void)
{
	json_t *object = NULL;

	assert_int_equal(import_text_next(&text, &object, &failure), 0);
	assert_int_equal(import_text_next(&text, &object, &failure), 0);
}

/* ---- CSV ---- */

static void csv_is_read_as_rfc_4180_has_it(void **state)
{
	(void)state;
	GIVEN("owner,label,comment\r\n"
	      "alice,web1,plain\r\n"
	      "\"alice\",\"web2\",\"a \"\"b\"\", c\"\r\n"
	      "alice,web3,\r\n"
	      "alice,web4,\"\"\r\n"
	      "alice,web5,\"two\r\nlines, \"\"and\"\"\nthree\"\r\n"
	      "alice,web6, as it is \r\n"
	      "\r\n \t\r\n,,\r\n"
	      "alice,web7,\xc3\xbc\xe2\x82\xac");
	next_is(2, "{\"comment\":\"plain\",\"label\":\"web1\",\"owner\":\"alice\"}");
	next_is(3, "{\"comment\":\"a \\\"b\\\", c\",\"label\":\"web2\",\"owner\":\"alice\"}");
	next_is(4, "{\"label\":\"web3\",\"owner\":\"alice\"}");
	next_is(5, "{\"label\":\"web4\",\"owner\":\"alice\"}");
	next_is(6, "{\"comment\":\"two\\r\\nlines, \\\"and\\\"\\nthree\",\"label\":\"web5\",\"owner\":\"alice\"}");
	next_is(9, "{\"comment\":\" as it is \",\"label\":\"web6\",\"owner\":\"alice\"}");
	next_is(13, "{\"comment\":\"\xc3\xbc\xe2\x82\xac\",\"label\":\"web7\",\"owner\":\"alice\"}");
	ends();
}

static void a_mark_of_utf_8_and_blank_lines_are_passed_over(void **state)
{
	(void)state;
	GIVEN("\xef\xbb\xbf\n\r\n \"owner\" , label \nalice,web1\n");
	next_fails(-EBADMSG, 3, "closing quote");
	GIVEN("\xef\xbb\xbf\n\r\n\"owner\", label \nalice,web1\n");
	next_is(4, "{\"label\":\"web1\",\"owner\":\"alice\"}");
	ends();
	GIVEN("\xef\xbb\xbf{\"owner\":\"alice\"}\r\n\r\n{\"owner\":\"bob\"}");
	next_is(1, "{\"owner\":\"alice\"}");
	next_is(3, "{\"owner\":\"bob\"}");
	ends();
	GIVEN("");
	ends();
	GIVEN("\n \n");
	ends();
}

static void a_header_that_is_none_is_said_to_be_none(void **state)
{
	static const struct {
		const char *header, *what, *words;
	} cases[] = {
		{ "alice,web1", "alice", "unknown column" },
		{ "owner,,label", "header", "has no name" },
		{ "owner,", "header", "has no name" },
		{ "owner,label,owner", "owner", "two columns" },
		{ "label,comment", "owner", "missing" },
		{ "owner;label", "owner;label", "unknown column" },
		{ "owner\tlabel", "owner\\x09label", "unknown column" },
		{ "owner,\"label", "line", "not closed" },
		{ "owner,\"label\"x", "header", "closing" },
		{ "Owner,label", "Owner", "unknown column" },
		{ "[{\"owner\":\"a\"}]", "file", "JSON list" },
		{ "\xff\xfeo\n", "file", "not UTF-8" },
		{ "\xfe\xff\n", "file", "not UTF-8" },
		{ "\xef\xbbx", "file", "neither CSV" },
		{ "owner,kind", "kind", "unknown column" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		given(cases[i].header, strlen(cases[i].header));
		next_fails(-EBADMSG, 1, cases[i].words);
		assert_string_equal(failure.what, cases[i].what);
	}
	GIVEN("owner;label\n");
	next_fails(-EBADMSG, 1, "unknown column");
	assert_non_null(strstr(failure.todo, "commas"));
	GIVEN("own\0er\n");
	next_fails(-EBADMSG, 1, "NUL");
}

static void a_line_that_is_wrong_does_not_take_the_next_one_along(void **state)
{
	(void)state;
	GIVEN("owner,label,comment\n"
	      "alice,web1,5\" disk\n"
	      "alice,web2,ok\n"
	      "alice,web3,\"x\"y\n"
	      "alice,web4,\"x\"\"\"\n"
	      "alice,web5\n"
	      "alice,web6,a,b\n"
	      "alice,web7,\xff\n"
	      "al\0ice,web8,x\n"
	      "\0\n"
	      "alice,web9,\xed\xa0\x80\n"
	      "alice,web0,end\n");
	next_fails(-EINVAL, 2, "not quoted");
	next_is(3, "{\"comment\":\"ok\",\"label\":\"web2\",\"owner\":\"alice\"}");
	next_fails(-EINVAL, 4, "closing quote");
	next_is(5, "{\"comment\":\"x\\\"\",\"label\":\"web4\",\"owner\":\"alice\"}");
	next_fails(-EINVAL, 6, "fewer fields");
	next_fails(-EINVAL, 7, "more fields");
	next_fails(-EINVAL, 8, "not UTF-8");
	next_fails(-EINVAL, 9, "NUL");
	next_fails(-EINVAL, 10, "NUL");
	next_fails(-EINVAL, 11, "not UTF-8");
	next_is(12, "{\"comment\":\"end\",\"label\":\"web0\",\"owner\":\"alice\"}");
	ends();
}

/* What stands in quotes is never a line, wherever they end. */
static void quotes_that_are_not_closed_hold_all_that_follows(void **state)
{
	(void)state;
	GIVEN("owner,label\nalice,\"web1\nalice,web2\nalice,web3\n");
	next_fails(-EINVAL, 2, "not closed");
	ends();
}

static void what_is_too_long_is_passed_over_whole(void **state)
{
	static const char inside[] = "\nmallory,x\n";
	char *long_one = malloc(3 * IMPORT_LINE_MAX);
	size_t used;

	(void)state;
	assert_non_null(long_one);
	used = (size_t)sprintf(long_one, "owner,comment\nalice,\"");
	while (used < 2 * IMPORT_LINE_MAX)
		used += (size_t)sprintf(long_one + used, "%s", inside);
	used += (size_t)sprintf(long_one + used, "\"\nbob,x\n");
	given(long_one, used);
	next_fails(-EINVAL, 2, "too long");
	next_is_some();
	ends();
	/* the longest, and one more */
	for (size_t more = 0; more < 2; more++) {
		used = (size_t)sprintf(long_one, "owner,comment\n");
		memset(long_one + used, 'x', IMPORT_LINE_MAX + more);
		memcpy(long_one + used, "alice,", 6);
		given(long_one, used + IMPORT_LINE_MAX + more);
		if (more == 0)
			next_is_some();
		else
			next_fails(-EINVAL, 2, "too long");
		ends();
	}
	free(long_one);
}

/* ---- JSON lines ---- */

static void json_lines_are_one_object_each(void **state)
{
	(void)state;
	GIVEN("{\"owner\":\"alice\"}\n"
	      "{\"owner\":\n"
	      "[1]\n"
	      "{\"a\":1,\"a\":2}\n"
	      "{\"a\":\"\\u0000\"}\n"
	      "{\"a\":\"\xff\"}\n"
	      "{\"a\":1} {\"b\":2}\n"
	      "{\"a\":\"x\0y\"}\n"
	      "owner,label\n"
	      "{\"comment\":\"a \\\"quote\"}\n"
	      " {\"owner\":\"bob\"}");
	next_is(1, "{\"owner\":\"alice\"}");
	next_fails(-EINVAL, 2, "");
	next_fails(-EINVAL, 3, "not a JSON object");
	next_fails(-EINVAL, 4, "duplicate");
	next_fails(-EINVAL, 5, "");
	next_fails(-EINVAL, 6, "decode");
	next_fails(-EINVAL, 7, "");
	next_fails(-EINVAL, 8, "NUL");
	next_fails(-EINVAL, 9, "");
	next_is(10, "{\"comment\":\"a \\\"quote\"}");
	next_is(11, "{\"owner\":\"bob\"}");
	ends();
}

/* ---- rows ---- */

static char *rows_of(const char *json)
{
	json_t *object = json_loads(json, 0, NULL), *rows = json_array();
	int r = import_rows(object, 7, rows, &failure);
	char *got = r < 0 ? NULL : json_dumps(rows, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(rows);
	json_decref(object);
	return got;
}

static void a_line_becomes_rows(void **state)
{
	static const struct {
		const char *line, *rows;
	} cases[] = {
		{ "{\"owner\":\"a\",\"label\":\"w\",\"uid\":\"2100000000\",\"quota\":\"1K\",\"locked\":\"yes\"}",
		  "[{\"kind\":\"account\",\"label\":\"w\",\"line\":7,\"locked\":true,\"owner\":\"a\",\"quota\":1024,"
		  "\"uid\":2100000000}]" },
		{ "{\"owner\":\"a\",\"limits\":\"keys=4, ranges=2 accounts=50\"}",
		  "[{\"accounts\":50,\"keys\":4,\"kind\":\"limit\",\"line\":7,\"owner\":\"a\",\"ranges\":2}]" },
		{ "{\"owner\":\"a\",\"limits\":{\"accounts\":0,\"keys\":2147483647,\"ranges\":\"1\"},\"label\":null}",
		  "[{\"accounts\":0,\"keys\":2147483647,\"kind\":\"limit\",\"line\":7,\"owner\":\"a\",\"ranges\":1}]" },
		{ "{\"owner\":\"a\",\"ranges\":\"65536 1073741824:65536\"}",
		  "[{\"count\":65536,\"kind\":\"range\",\"line\":7,\"owner\":\"a\"},"
		  "{\"count\":65536,\"first\":1073741824,\"kind\":\"range\",\"line\":7,\"owner\":\"a\"}]" },
		{ "{\"owner\":\"a\",\"ranges\":[65536,{\"first\":\"1073741824\",\"count\":1}]}",
		  "[{\"count\":65536,\"kind\":\"range\",\"line\":7,\"owner\":\"a\"},"
		  "{\"count\":1,\"first\":1073741824,\"kind\":\"range\",\"line\":7,\"owner\":\"a\"}]" },
		{ "{\"owner\":\"a\",\"label\":\"w\",\"key\":\"" KEY
		  "\",\"role\":\"push,borg\",\"options\":\"no-delete\","
		  "\"storageQuota\":\"1M\"}",
		  "[{\"kind\":\"account\",\"label\":\"w\",\"line\":7,\"owner\":\"a\"},{\"key\":{\"key\":\"" KEY "\","
		  "\"options\":[\"no-delete\"],\"role\":\"push,borg\",\"storageQuota\":1048576},\"kind\":\"key\","
		  "\"label\":\"w\",\"line\":7,\"owner\":\"a\"}]" },
		/* a restriction beside an object of a key holds for it, unless that says otherwise */
		{ "{\"owner\":\"a\",\"label\":\"w\",\"keys\":[{\"key\":\"" KEY
		  "\",\"role\":\"pull\"}],\"role\":\"push\","
		  "\"from\":\"192.0.2.1\"}",
		  "[{\"kind\":\"account\",\"label\":\"w\",\"line\":7,\"owner\":\"a\"},{\"key\":{\"from\":\"192.0.2.1\","
		  "\"key\":\"" KEY
		  "\",\"role\":\"pull\"},\"kind\":\"key\",\"label\":\"w\",\"line\":7,\"owner\":\"a\"}]" },
		{ "{\"kind\":\"tombstone\",\"first\":5}", "[{\"first\":5,\"kind\":\"tombstone\",\"line\":7}]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = rows_of(cases[i].line);

		if (got == NULL)
			fail_msg("%s: %s: %s", cases[i].line, failure.what, failure.why);
		assert_string_equal(got, cases[i].rows);
		free(got);
	}
}

static void what_would_be_passed_over_in_silence_is_refused(void **state)
{
	static const char *const members[] = {
		"\"colour\":1",
		"\"uid\":0",
		"\"uid\":-1",
		"\"uid\":4294967295",
		"\"uid\":\"4294967295\"",
		"\"uid\":1.5",
		"\"uid\":\" 7\"",
		"\"uid\":\"0x10\"",
		"\"uid\":true",
		"\"uid\":\"99999999999999999999\"",
		"\"files\":-2",
		"\"files\":\"lots\"",
		"\"files\":true",
		"\"view\":\"mine\"",
		"\"view\":1",
		"\"quota\":-1",
		"\"quota\":\"10X\"",
		"\"quota\":\"99999999P\"",
		"\"quota\":[]",
		"\"locked\":\"maybe\"",
		"\"locked\":1",
		"\"expires\":\"2031-02-30\"",
		"\"expires\":5",
		"\"key\":5",
		"\"key\":\"ssh-ed25519\"",
		"\"key\":\"-----BEGIN OPENSSH PRIVATE KEY-----\"",
		"\"keys\":{}",
		"\"keys\":[5]",
		"\"keys\":[{}]",
		"\"key\":\"" KEY "\",\"storageQuota\":\"much\"",
		"\"role\":\"pull\"",
		"\"options\":\"no-delete\"",
		"\"from\":\"192.0.2.1\"",
		"\"forward\":\"localhost:1\"",
		"\"storageQuota\":\"1G\"",
		"\"limits\":\"accounts=1 keys=1\"",
		"\"limits\":\"accounts=1 keys=1 ranges=1 homes=1\"",
		"\"limits\":\"accounts=1 keys=1 ranges=1 ranges=2\"",
		"\"limits\":\"accounts=1x keys=1 ranges=1\"",
		"\"limits\":\"xaccounts=1 keys=1 ranges=1\"",
		"\"limits\":\"accounts=1 keys=1 ranges=\"",
		"\"limits\":\"accounts=1 keys=1 =1\"",
		"\"limits\":\"accounts=1 keys=1 ranges=2147483648\"",
		"\"limits\":5",
		"\"limits\":{\"accounts\":1,\"keys\":1}",
		"\"limits\":{\"accounts\":1,\"keys\":1,\"ranges\":1,\"homes\":1}",
		"\"ranges\":0",
		"\"ranges\":\"0\"",
		"\"ranges\":\"many\"",
		"\"ranges\":\":65536\"",
		"\"ranges\":\"5:\"",
		"\"ranges\":\"0:65536\"",
		"\"ranges\":\"1:2:3\"",
		"\"ranges\":\"4294967295:1\"",
		"\"ranges\":-65536",
		"\"ranges\":{\"first\":5}",
		"\"ranges\":{\"count\":5,\"last\":7}",
		"\"ranges\":[[1]]",
		"\"ranges\":[null]",
		"\"ranges\":1.5",
	};
	char line[512];

	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		snprintf(line, sizeof(line), "{\"owner\":\"a\",\"label\":\"w\",%s}", members[i]);
		memset(&failure, 0, sizeof(failure));
		if (rows_of(line) != NULL)
			fail_msg("%s is accepted", members[i]);
		assert_true(failure.what[0] != '\0' && failure.why[0] != '\0');
	}
	assert_null(rows_of("{\"label\":\"w\"}"));
	assert_null(rows_of("{\"owner\":5,\"label\":\"w\"}"));
	assert_null(rows_of("{\"owner\":\"a\"}"));
	assert_null(rows_of("{\"owner\":\"a\",\"comment\":\"x\"}"));
	assert_null(rows_of("{\"owner\":\"a\",\"ranges\":1,\"uid\":5}"));
	assert_null(rows_of("{}"));
}

int main(void)
{
#define T(f) cmocka_unit_test_teardown(f, tear_down)
	const struct CMUnitTest tests[] = {
		T(csv_is_read_as_rfc_4180_has_it),
		T(a_mark_of_utf_8_and_blank_lines_are_passed_over),
		T(a_header_that_is_none_is_said_to_be_none),
		T(a_line_that_is_wrong_does_not_take_the_next_one_along),
		T(quotes_that_are_not_closed_hold_all_that_follows),
		T(what_is_too_long_is_passed_over_whole),
		T(json_lines_are_one_object_each),
		cmocka_unit_test(a_line_becomes_rows),
		cmocka_unit_test(what_would_be_passed_over_in_silence_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
