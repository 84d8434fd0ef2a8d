/* SPDX-License-Identifier: ISC */
/* passwd and group files that came from anywhere, and what is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backup/name_table.h"

static char made[64 * 1024];

static const char *make(enum name_table_kind kind, const char *from, size_t size)
{
	size_t length = name_table_make(kind, from, size, made);

	assert_true(length <= NAME_TABLE_GROWTH * size);
	made[length] = '\0';
	return made;
}

static const char *passwd(const char *from)
{
	return make(NAME_TABLE_PASSWD, from, strlen(from));
}

static void names_and_numbers_alone_are_left(void **state)
{
	(void)state;
	assert_string_equal(passwd("root:x:0:0:root:/root:/bin/bash\npostgres:x:112:118:,,,:/var:/bin/sh\n"),
			    "root:x:0:0:::\npostgres:x:112:0:::\n");
	assert_string_equal(make(NAME_TABLE_GROUP, "wheel:x:70:carol,dave\nempty:x:71:", 33),
			    "wheel:x:70:\nempty:x:71:\n");
	assert_string_equal(passwd("a::1"), "a:x:1:0:::\n");
	assert_string_equal(passwd("a:x:0001:1"), "a:x:1:0:::\n");
	assert_string_equal(passwd("a:x:4294967294:1"), "a:x:4294967294:0:::\n");
	assert_string_equal(passwd("host$:x:1:\nA.b_c-d@e\\f+g:x:2:\nm\xc3\xbcller:x:3:\n"),
			    "host$:x:1:0:::\nA.b_c-d@e\\f+g:x:2:0:::\nm\xc3\xbcller:x:3:0:::\n");
}

static void lines_that_name_nobody_are_passed_over(void **state)
{
	static const char *const lines[] = {
		"",
		"\n\n\n",
		":",
		":::",
		"a",
		"a:",
		"a:x",
		"a:x:",
		"a:x::",
		":x:1:",
		"a:x:-1:",
		"a:x:+1:",
		"a:x: 1:",
		"a:x:1 :",
		"a:x:0x1:",
		"a:x:4294967295:",
		"a:x:4294967296:",
		"a:x:99999999999:",
		"a b:x:1:",
		"a\tb:x:1:",
		"a\033b:x:1:",
		"a\177b:x:1:",
		"a/b:x:1:",
		"a*:x:1:",
		"a,b:x:1:",
		"+:::",
		"+a:x:1:",
		"-a:x:1:",
		"#a:x:1:",
		"a\r:x:1:",
		"a:x:1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_string_equal(passwd(lines[i]), "");
	assert_string_equal(make(NAME_TABLE_PASSWD, "a\0b:x:1:\nb:x:2:", 15), "b:x:2:0:::\n");
	assert_string_equal(make(NAME_TABLE_PASSWD, "a:x:1\0:\n", 8), "");
}

static void a_name_fits_into_one_byte_s_length(void **state)
{
	char line[300];

	(void)state;
	memset(line, 'n', sizeof(line));
	memcpy(line + NAME_TABLE_NAME_MAX, ":x:1:", 6);
	assert_int_equal(strlen(passwd(line)), NAME_TABLE_NAME_MAX + strlen(":x:1:0:::\n"));
	memset(line, 'n', sizeof(line));
	memcpy(line + NAME_TABLE_NAME_MAX + 1, ":x:1:", 6);
	assert_string_equal(passwd(line), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers_alone_are_left),
		cmocka_unit_test(lines_that_name_nobody_are_passed_over),
		cmocka_unit_test(a_name_fits_into_one_byte_s_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
