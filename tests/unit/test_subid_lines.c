/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "subid/lines.h"

/* What is made of `present`, when `before` is what we wrote and `mine` what we want. behind NULL: only merged; else put
 * into its turn in the first file: all of ours are of one holder, whose uid is 77, behind so many lines of others. */
static void assert_made(const char *present, const char *before, const char *mine, const uint16_t *behind,
			const char *expected)
{
	struct subid_lines old = { 0 }, new = { 0 };
	struct subid_turn turns[8] = { 0 };
	char *out = NULL;
	size_t length = 0;
	int r;

	assert_int_equal(subid_lines_add_text(&old, before, strlen(before)), 0);
	assert_int_equal(subid_lines_add_text(&new, mine, strlen(mine)), 0);
	assert_int_equal(subid_lines_sort(&old), 0);
	assert_int_equal(subid_lines_sort(&new), 0);
	for (size_t i = 0; behind != NULL && i < new.count; i++)
		turns[i] = (struct subid_turn){ 77, { behind[i], 0 } };
	r = behind == NULL ? subid_lines_merge(present, strlen(present), &old, &new, &out, &length) :
			     subid_lines_place(present, strlen(present), &old, &new, turns, 0, &out, &length);
	assert_true(r >= 0);
	out = realloc(out, length + 1);
	out[length] = '\0';
	assert_string_equal(out, expected);
	assert_int_equal(r, strcmp(present, expected) != 0);
	free(out);
	subid_lines_free(&old);
	subid_lines_free(&new);
}

static void assert_merge(const char *present, const char *before, const char *mine, const char *expected)
{
	assert_made(present, before, mine, NULL, expected);
}

#define BEHIND(...) ((const uint16_t[8]){ __VA_ARGS__ })
#define ONE "x:1073741824:65536\n"
#define TWO "x:1073807360:65536\n"
#define JOINED "x:1073741824:131072\n"

static void a_holders_lines_are_in_their_turns(void **state)
{
	(void)state;
	assert_made("", "", ONE TWO, BEHIND(0), ONE TWO);
	assert_made("x:1:2\n", "", ONE TWO, BEHIND(1, 1), "x:1:2\n" ONE TWO);
	/* a line that root adds, and one of ours after it */
	assert_made("x:1:2\n" ONE "x:5:1\n", ONE, ONE TWO, BEHIND(1, 2), "x:1:2\n" ONE "x:5:1\n" TWO);
	/* into a file that has got another line meanwhile, by the uid too */
	assert_made("x:1:2\nz:9:9\n77:5:1\n", "", ONE, BEHIND(1), "x:1:2\nz:9:9\n" ONE "77:5:1\n");
	/* one that was joined stays where it was, and so does one that is split again */
	assert_made(ONE "x:5:1\n", ONE, JOINED, BEHIND(0), JOINED "x:5:1\n");
	assert_made(JOINED "x:5:1\nz:9:9\n", JOINED, ONE, BEHIND(0), ONE "z:9:9\nx:5:1\n");
	/* all of its lines were there before some are gone */
	assert_made("x:1:2\n", "", ONE, BEHIND(65535), "x:1:2\n" ONE);
	assert_made("x:1:2\n", "", ONE, BEHIND(0), ONE "x:1:2\n");
	/* others do not move, and a last line without an end is one in any place */
	assert_made("# word\nx:1:2\na:1:2\n\nx:5:1", "", ONE, BEHIND(1), "# word\nx:1:2\na:1:2\n\n" ONE "x:5:1\n");
	assert_made("x:5:1\na:1:2\n"
		    "x:1073741824:65536",
		    ONE, ONE, BEHIND(0), ONE "a:1:2\nx:5:1");
}

static void nothing_of_ours_changes_nothing(void **state)
{
	(void)state;
	assert_merge("", "", "", "");
	assert_merge("a:1:2\n", "", "", "a:1:2\n");
	assert_merge("a:1:2\n\n# word\nrubbish\n\na:1:2", "", "", "a:1:2\n\n# word\nrubbish\n\na:1:2");
}

static void ours_are_added_behind_theirs(void **state)
{
	(void)state;
	assert_merge("", "", "x:5:1\n", "x:5:1\n");
	assert_merge("a:1:2\n", "", "x:5:1\ny:6:1\n", "a:1:2\nx:5:1\ny:6:1\n");
	assert_merge("a:1:2", "", "x:5:1\n", "a:1:2\nx:5:1\n");
}

static void ours_stay_where_they_are_and_are_there_once(void **state)
{
	(void)state;
	assert_merge("x:5:1\na:1:2\n", "x:5:1\n", "x:5:1\n", "x:5:1\na:1:2\n");
	assert_merge("x:5:1\na:1:2\nx:5:1\n", "x:5:1\n", "x:5:1\n", "x:5:1\na:1:2\n");
	assert_merge("a:1:2\nx:5:1", "x:5:1\n", "x:5:1\ny:6:1\n", "a:1:2\nx:5:1\ny:6:1\n");
	assert_merge("", "", "x:5:1\nx:5:1\n", "x:5:1\n");
}

static void what_we_wrote_and_no_longer_want_goes(void **state)
{
	(void)state;
	assert_merge("a:1:2\nx:5:1\nb:3:4\n", "x:5:1\n", "", "a:1:2\nb:3:4\n");
	assert_merge("x:5:1", "x:5:1\n", "", "");
	assert_merge("x:5:1\n", "x:5:1\ny:6:1\n", "y:6:1\n", "y:6:1\n");
}

static void a_line_that_is_almost_ours_is_theirs(void **state)
{
	(void)state;
	assert_merge("x:5:10\nx:5:\n x:5:1\nx:5:1 \nX:5:1\n", "x:5:1\n", "", "x:5:10\nx:5:\n x:5:1\nx:5:1 \nX:5:1\n");
	assert_merge("x:5:1:\n", "x:5:1\n", "x:5:1\n", "x:5:1:\nx:5:1\n");
}

static void lines_are_made_of_names_and_numbers(void **state)
{
	struct subid_lines lines = { 0 }, other = { 0 };

	(void)state;
	assert_int_equal(subid_lines_add(&lines, "alice+web1", 4294901760u, 65534), 0);
	assert_int_equal(subid_lines_add(&lines, "alice", 1, 1), 0);
	assert_int_equal(subid_lines_sort(&lines), 0);
	assert_true(subid_lines_find(&lines, "alice+web1:4294901760:65534", 27) >= 0);
	assert_int_equal(subid_lines_find(&lines, "alice+web1:4294901760:6553", 26), -1);
	assert_int_equal(lines.count, 2);
	assert_int_equal(subid_lines_add_text(&other, lines.text, lines.length), 0);
	assert_int_equal(subid_lines_sort(&other), 0);
	assert_true(subid_lines_equal(&lines, &other));
	assert_int_equal(subid_lines_add(&other, "b", 2, 2), 0);
	assert_int_equal(subid_lines_sort(&other), 0);
	assert_false(subid_lines_equal(&lines, &other));
	subid_lines_free(&lines);
	subid_lines_free(&other);
}

#define TEXT 1200

static void line_add(char *text, int i)
{
	size_t length = strlen(text);

	snprintf(text + length, TEXT - length, "u%d:1:1\n", i);
}

/* Against a slow model: a random file, what was written, what is wanted. */
static void any_mixture_keeps_theirs_and_has_ours_once(void **state)
{
	(void)state;
	srandom(7);
	for (int round = 0; round < 2000; round++) {
		char present[TEXT] = "", before[TEXT] = "", mine[TEXT] = "", expected[TEXT] = "";
		int kind[16], in_mine[16], in_before[16], seen[16] = { 0 };

		for (int i = 0; i < 16; i++) {
			in_mine[i] = (int)(random() % 2);
			in_before[i] = (int)(random() % 2);
			if (in_before[i])
				line_add(before, i);
			if (in_mine[i])
				line_add(mine, i);
		}
		for (int i = 0; i < 16; i++) {
			kind[i] = (int)(random() % 20);
			line_add(present, kind[i]);
			if (kind[i] < 16 && (in_mine[kind[i]] ? seen[kind[i]] : in_before[kind[i]]))
				continue;
			if (kind[i] < 16)
				seen[kind[i]] = 1;
			line_add(expected, kind[i]);
		}
		for (int i = 0; i < 16; i++)
			if (in_mine[i] && !seen[i])
				line_add(expected, i);
		assert_merge(present, before, mine, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_of_ours_changes_nothing),
		cmocka_unit_test(a_holders_lines_are_in_their_turns),
		cmocka_unit_test(ours_are_added_behind_theirs),
		cmocka_unit_test(ours_stay_where_they_are_and_are_there_once),
		cmocka_unit_test(what_we_wrote_and_no_longer_want_goes),
		cmocka_unit_test(a_line_that_is_almost_ours_is_theirs),
		cmocka_unit_test(lines_are_made_of_names_and_numbers),
		cmocka_unit_test(any_mixture_keeps_theirs_and_has_ours_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
