/* SPDX-License-Identifier: ISC */
/* Rows of long lists: written as text, read plainly, printed in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/print.h"
#include "cli/subuid.h"
#include "varlink/scan.h"
#include "varlink/text.h"

static char shown_why[64];

void complain(const char *what, const char *why, const char *todo)
{
	snprintf(shown_why, sizeof(shown_why), "%.20s %.20s %.20s", what, why, todo);
}

static bool scan(const char *text, char *buffer, struct scan_row *row)
{
	strcpy(buffer, text);
	return scan_row(buffer, strlen(text), "account", row);
}

static void a_plain_row_is_read(void **state)
{
	char buffer[512];
	struct scan_row row;

	(void)state;
	assert_true(scan("{\"parameters\":{\"account\":{\"name\":\"a+b\",\"uid\":21,\"locked\":true,\"silent\":false,"
			 "\"files\":-1,"
			 "\"link\":\"\"}},\"continues\":true}",
			 buffer, &row));
	assert_int_equal(row.count, 6);
	assert_string_equal(row.members[0].name, "name");
	assert_string_equal(row.members[0].value, "a+b");
	assert_true(row.members[0].string);
	assert_string_equal(row.members[1].value, "21");
	assert_false(row.members[1].string);
	assert_string_equal(row.members[2].value, "true");
	assert_string_equal(row.members[3].value, "false");
	assert_string_equal(row.members[4].value, "-1");
	assert_string_equal(row.members[5].value, "");
}

static void anything_else_is_left_as_it_is(void **state)
{
	static const char *const others[] = {
		"",
		"{}",
		"{\"parameters\":{\"account\":{\"a\":1}}}",
		"{\"parameters\":{\"account\":{\"a\":1}},\"continues\":false}",
		"{\"parameters\":{\"account\":{\"a\":1}},\"continues\":true} ",
		"{\"parameters\":{\"account\":{}},\"continues\":true}",
		"{\"parameters\":{\"finding\":{\"a\":1}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":\"\\u001b\"}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":\"\xc3\xbc\"}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":\"\x1b\"}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":[1]}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":01}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":1.5}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":-}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":1234567890123456789}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":null}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":1,}},\"continues\":true}",
		"{\"parameters\":{\"account\":{\"a\":\"b",
	};
	char buffer[512];
	struct scan_row row;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(scan(others[i], buffer, &row));
		assert_string_equal(buffer, others[i]);
	}
}

static void more_members_than_fit_are_not_plain(void **state)
{
	char text[1024] = "{\"parameters\":{\"account\":{\"a\":0", buffer[1024];
	struct scan_row row;

	(void)state;
	for (int i = 1; i < SCAN_MEMBERS_MAX; i++)
		strcat(text, ",\"a\":0");
	strcpy(buffer, text);
	strcat(buffer, "}},\"continues\":true}");
	assert_true(scan_row(buffer, strlen(buffer), "account", &row));
	assert_int_equal(row.count, SCAN_MEMBERS_MAX);
	strcat(text, ",\"a\":0}},\"continues\":true}");
	assert_false(scan_row(text, strlen(text), "account", &row));
}

/* As jansson would have written it, and as the other end reads it. */
static void what_is_written_is_json(void **state)
{
	char buffer[512], whole[600];
	struct json_text text = JSON_TEXT(buffer);
	struct scan_row row;
	json_t *read;

	(void)state;
	json_text_begin(&text, "");
	json_text_begin(&text, "account");
	assert_true(json_text_string(&text, "name", "a+b"));
	assert_false(json_text_string(&text, "comment", "\xc3\xbc"));
	assert_false(json_text_string(&text, "comment", "\""));
	json_text_number(&text, "least", INT64_MIN);
	json_text_number(&text, "none", 0);
	json_text_flag(&text, "locked", false);
	json_text_end(&text);
	json_text_end(&text);
	assert_false(text.failed);
	assert_memory_equal(
		buffer, "{\"account\":{\"name\":\"a+b\",\"least\":-9223372036854775808,\"none\":0,\"locked\":false}}",
		text.used);
	read = json_loadb(buffer, text.used, 0, NULL);
	assert_non_null(read);
	json_decref(read);

	text = (struct json_text)JSON_TEXT(buffer);
	json_text_begin(&text, "");
	json_text_begin(&text, "account");
	json_text_value(&text, "comment", json_string("\xc3\xbc \""));
	json_text_number(&text, "uid", 7);
	json_text_end(&text);
	json_text_end(&text);
	assert_false(text.failed);
	snprintf(whole, sizeof(whole), "{\"parameters\":%.*s,\"continues\":true}", (int)text.used, buffer);
	assert_false(scan_row(whole, strlen(whole), "account", &row));
	read = json_loads(whole, 0, NULL);
	assert_non_null(read);
	json_decref(read);
}

static void what_does_not_fit_is_told(void **state)
{
	char buffer[24];
	struct json_text text = JSON_TEXT(buffer);

	(void)state;
	json_text_begin(&text, "");
	json_text_string(&text, "name", "longer than there is room");
	assert_true(text.failed);
	assert_true(text.used <= sizeof(buffer));
	text = (struct json_text)JSON_TEXT(buffer);
	json_text_begin(&text, "");
	json_text_value(&text, "n", json_string("as long as that \xc3\xbc"));
	assert_true(text.failed);
}

/* The heads once, each row in its order, and a column is never narrower than before. */
static void a_long_table_goes_out_in_parts(void **state)
{
	static const char *const heads[] = { "NAME", ">NUMBER", NULL };
	struct table table = TABLE(heads);
	FILE *real = stdout;
	char *said = NULL, name[32];
	size_t size, lines = 0, at = 0;
	unsigned rows = 2 * TABLE_WINDOW + 3;

	(void)state;
	stdout = open_memstream(&said, &size);
	for (unsigned i = 0; i < rows; i++) {
		snprintf(name, sizeof(name), i == TABLE_WINDOW + 1 ? "a-longer-name-%u" : "n%u", i);
		table_cell(&table, name);
		table_number(&table, i);
		assert_true(table.used <= TABLE_WINDOW * 2);
	}
	assert_int_equal(table_print(&table), STATUS_DONE);
	fclose(stdout);
	stdout = real;
	for (char *line = strtok(said, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		assert_true(strlen(line) >= at);
		at = strlen(line);
		if (lines > 0)
			assert_int_equal(strtoul(strrchr(line, ' '), NULL, 10), lines - 1);
		lines++;
	}
	assert_int_equal(lines, rows + 1);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_row_is_read),
		cmocka_unit_test(anything_else_is_left_as_it_is),
		cmocka_unit_test(more_members_than_fit_are_not_plain),
		cmocka_unit_test(what_is_written_is_json),
		cmocka_unit_test(what_does_not_fit_is_told),
		cmocka_unit_test(a_long_table_goes_out_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
