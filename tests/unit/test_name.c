/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "account/name.h"

#define LONGEST_OWNER "abcdefghijklmnopqrstuvwxyz012345"
#define LONGEST_LABEL "abcdefghijklmnopqrstuvwxyz01234"

static void label_is_lower_case_and_short(void **state)
{
	static const char *const good[] = { "a", "0", "web1", "a-b_c", "0-", LONGEST_LABEL };
	static const char *const bad[] = { "",      "-a",     "_a",  "A",   "web1 ", " web1", "a.b",
					   "a/b",   "..",     "a+b", "a:b", "a\nb",  "a\tb",  "\xc3\xa4",
					   "a\x7f", "a\x1b[", "a%",  "a=b", "a~",    "aB",    LONGEST_LABEL "5" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(label_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(label_valid(bad[i]));
}

static void owner_is_one_safe_path_component(void **state)
{
	static const char *const good[] = { "a",     "alice",      "Alice", "_www", "j.doe", "user@example.com",
					    "0user", LONGEST_OWNER };
	static const char *const bad[] = { "",    ".",   "..",  "-rf", "@a",   ".a",       "a/b",   "a+b",
					   "a b", "a:b", "a\n", "a$",  "a\\b", "\xc3\xa4", "a\x1b", LONGEST_OWNER "6" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(owner_name_valid(good[i], '+'));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(owner_name_valid(bad[i], '+'));
	assert_false(owner_name_valid("j.doe", '.'));
}

static void ordinary_names_have_no_separator(void **state)
{
	(void)state;
	assert_false(name_has_separator("alice"));
	assert_false(name_has_separator("user@example-com_"));
	assert_false(name_has_separator(""));
	assert_true(name_has_separator("alice+web1"));
	for (const char *c = SEPARATORS; *c != '\0'; c++)
		assert_true(name_has_separator((char[]){ 'a', *c, 'b', '\0' }));
}

static void split_gives_both_halves(void **state)
{
	char owner[OWNER_MAX + 1], label[LABEL_MAX + 1];

	(void)state;
	assert_int_equal(name_split("alice+web1", '+', owner, label), 0);
	assert_string_equal(owner, "alice");
	assert_string_equal(label, "web1");
	assert_int_equal(name_split(LONGEST_OWNER "+" LONGEST_LABEL, '+', owner, label), 0);
	assert_string_equal(owner, LONGEST_OWNER);
	assert_string_equal(label, LONGEST_LABEL);
	assert_int_equal(name_split("a.b=c", '=', owner, label), 0);
	assert_string_equal(owner, "a.b");
}

static void split_refuses_and_leaves_outputs_alone(void **state)
{
	static const char *const bad[] = { "",
					   "alice",
					   "+web1",
					   "alice+",
					   "alice++web1",
					   "a+b+c",
					   "alice+Web",
					   "../x+web1",
					   "a/b+web1",
					   "alice+../x",
					   "alice=web1",
					   "alice+web1\n",
					   "+",
					   "al ice+web1",
					   LONGEST_OWNER "6+a",
					   "a+" LONGEST_LABEL "5" };
	char owner[OWNER_MAX + 1] = "o", label[LABEL_MAX + 1] = "l";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(name_split(bad[i], '+', owner, label), -EINVAL);
	/* not a separator that may be set: a damaged setting admits nothing */
	assert_int_equal(name_split("alice/web1", '/', owner, label), -EINVAL);
	assert_int_equal(name_split("alice", '\0', owner, label), -EINVAL);
	assert_int_equal(name_split("alicexweb1", 'x', owner, label), -EINVAL);
	assert_string_equal(owner, "o");
	assert_string_equal(label, "l");
}

static void join_is_the_inverse_of_split(void **state)
{
	char name[ACCOUNT_NAME_MAX + 1] = "n";

	(void)state;
	assert_int_equal(name_join("alice", '+', "Web", name), -EINVAL);
	assert_int_equal(name_join("al+ice", '+', "web", name), -EINVAL);
	assert_int_equal(name_join("alice", ':', "web", name), -EINVAL);
	assert_int_equal(name_join("alice", '\0', "web", name), -EINVAL);
	assert_string_equal(name, "n");
	assert_int_equal(name_join(LONGEST_OWNER, '+', LONGEST_LABEL, name), 0);
	assert_string_equal(name, LONGEST_OWNER "+" LONGEST_LABEL);
}

static void comment_is_one_printable_field(void **state)
{
	static const char *const good[] = { "", "web server 1", "B\xc3\xbcro", "\xf0\x9f\x92\xbe", "a,b" };
	static const char *const bad[] = {
		"a:b",
		"a\nb",
		"a\tb",
		"\x1b[2J",
		"a\x7f",
		"\xc2\x9b",
		"\xc0\xaf",
		"\xe0\x80\xaf",
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xf8\x90\x80\x80",
		"\xc3",
		"a\x80",
		"\xe2\x82",
		"\xe2\x80\xaex",
		"\xe2\x80\xa8",
		"\xe2\x81\xa6x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(comment_valid(good[i], 127));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(comment_valid(bad[i], 127));
	assert_true(comment_valid("abc", 3));
	assert_false(comment_valid("abcd", 3));
	assert_true(text_valid("a:b", 3));
	assert_false(text_valid("a\nb", 3));
}

static void escape(const char *text, size_t size, const char *expected)
{
	char out[64];

	memset(out, 'x', sizeof(out));
	assert_ptr_equal(text_escape(text, out, size), out);
	assert_string_equal(out, expected);
	assert_int_equal(out[size], 'x');
}

static void escape_leaves_nothing_that_controls_a_terminal(void **state)
{
	(void)state;
	escape("plain B\xc3\xbcro", 63, "plain B\xc3\xbcro");
	escape("a\nb\\c", 63, "a\\x0ab\\\\c");
	escape("\x1b[31m\x7f", 63, "\\x1b[31m\\x7f");
	escape("\xc2\x9b", 63, "\\xc2\\x9b");
	escape("\xff\xc3", 63, "\\xff\\xc3");
	escape("\xe2\x80\xae", 63, "\\xe2\\x80\\xae");
	/* cut at a whole character or escape */
	escape("abc", 1, "");
	escape("abc", 3, "ab");
	escape("a\nb", 5, "a");
	escape("a\nb", 6, "a\\x0a");
	escape("a\xc3\xbc", 3, "a");
	escape("a\\", 3, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(label_is_lower_case_and_short),
		cmocka_unit_test(owner_is_one_safe_path_component),
		cmocka_unit_test(ordinary_names_have_no_separator),
		cmocka_unit_test(split_gives_both_halves),
		cmocka_unit_test(split_refuses_and_leaves_outputs_alone),
		cmocka_unit_test(join_is_the_inverse_of_split),
		cmocka_unit_test(comment_is_one_printable_field),
		cmocka_unit_test(escape_leaves_nothing_that_controls_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
