/* SPDX-License-Identifier: ISC */
/* From the index' claims to lines: who is still who they were, and neighbours as one line. The user database is the
 * test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account/passwd.h"
#include "account/source.h"
#include "subid/line.h"
#include "subid/plan.h"

#define UNIT 65536u

/* ---- the user database */

static bool files_first;
static unsigned asked;
static int64_t passed; /* milliseconds that look-ups took */
static int answer_time;

int __wrap_user_find(const char *name, struct host_entry *entry);
bool __wrap_source_files_first(const char *database);
int __wrap_clock_gettime(clockid_t clock, struct timespec *when);

/* alice 1000, bob 1001; "down…" cannot be looked up; nobody else is there */
int __wrap_user_find(const char *name, struct host_entry *entry)
{
	asked++;
	passed += answer_time;
	if (strncmp(name, "down", 4) == 0)
		return -EAGAIN;
	if (strcmp(name, "alice") != 0 && strcmp(name, "bob") != 0)
		return -ENOENT;
	entry->user = (struct passwd){ .pw_uid = name[0] == 'a' ? 1000 : 1001 };
	return 0;
}

void host_entry_done(struct host_entry *entry)
{
	(void)entry; /* nothing is in it */
}

bool __wrap_source_files_first(const char *database)
{
	assert_string_equal(database, "passwd");
	return files_first;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *when)
{
	(void)clock;
	*when = (struct timespec){ .tv_sec = passed / 1000, .tv_nsec = passed % 1000 * 1000000 };
	return 0;
}

static int begin(void **state)
{
	(void)state;
	files_first = false;
	asked = 0;
	answer_time = 0;
	passed = 0;
	return 0;
}

/* ---- claims and lines */

static struct subid_claims claims;

static uint32_t place; /* of the next claim; 0: by their numbers */
static uint16_t behind[2];

static void claim(const char *owner, uint32_t owner_uid, const char *label, uint32_t first, uint32_t count)
{
	struct subid_claim added = { 0 };

	added.range = (struct id_range){ .first = first, .count = count, .owner_uid = owner_uid };
	added.range.place = place != 0 ? place++ : 0;
	memcpy(added.range.behind, behind, sizeof(behind));
	snprintf(added.range.owner, sizeof(added.range.owner), "%s", owner);
	snprintf(added.range.label, sizeof(added.range.label), "%s", label);
	assert_int_equal(subid_claims_add(&claims, &added), 0);
}

static void lines_from(const char *text, struct subid_lines *lines)
{
	*lines = (struct subid_lines){ 0 };
	assert_int_equal(subid_lines_add_text(lines, text, strlen(text)), 0);
	assert_int_equal(subid_lines_sort(lines), 0);
}

static unsigned assert_lines(const char *fixed_text, const char *before_text, const char *expected)
{
	struct subid_lines fixed, before, lines = { 0 };
	struct subid_turn *turns = NULL;
	unsigned waiting = 77;

	lines_from(fixed_text, &fixed);
	lines_from(before_text, &before);
	assert_int_equal(subid_claims_ask(&claims), 0);
	assert_int_equal(subid_lines_of(&claims, '+', &fixed, &before, &lines, &turns, &waiting), 0);
	free(turns);
	assert_int_equal(subid_lines_add_text(&lines, "", 1), 0);
	assert_string_equal(lines.text, expected);
	subid_lines_free(&fixed);
	subid_lines_free(&before);
	subid_lines_free(&lines);
	subid_claims_free(&claims);
	return waiting;
}

/* ---- tests */

static void neighbours_are_one_line(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		claim("alice", 1000, "", 2100000000 + (i * 7) % 300, 1);
	assert_int_equal(assert_lines("", "", "alice:2100000000:300\n"), 0);
	/* one in the middle is gone */
	for (uint32_t i = 0; i < 300; i++)
		if (i != 100)
			claim("alice", 1000, "", 2100000000 + i, 1);
	assert_lines("", "", "alice:2100000000:100\nalice:2100000101:199\n");
	/* and one is another's */
	for (uint32_t i = 0; i < 5; i++)
		claim(i == 2 ? "bob" : "alice", i == 2 ? 1001 : 1000, "", 2100000000 + i, 1);
	assert_lines("", "", "alice:2100000000:2\nalice:2100000003:2\nbob:2100000002:1\n");
	assert_lines("", "", "");
}

static void what_one_holder_has_is_joined_and_no_more(void **state)
{
	(void)state;
	claim("alice", 1000, "", 2 * UNIT, UNIT);
	claim("alice", 1000, "", UNIT, UNIT);
	claim("alice", 1000, "web1", 3 * UNIT, UNIT); /* what a sub-account has is its line alone */
	claim("alice", 1000, "web1", 4 * UNIT, 2 * UNIT);
	claim("alice", 1000, "web2", 6 * UNIT, UNIT);
	claim("alice", 1000, "", 7 * UNIT, 1);
	assert_lines("", "", "alice:65536:131072\nalice:458752:1\nalice+web1:196608:196608\nalice+web2:393216:65536\n");
	/* up to the last id that there is */
	claim("alice", 1000, "", 0xfffe0000u, UNIT);
	claim("alice", 1000, "", 0xfffd0000u, UNIT);
	assert_lines("", "", "alice:4294770688:131072\n");
}

static void lines_are_in_the_order_in_which_they_were_given(void **state)
{
	(void)state;
	place = 1;
	claim("alice", 1000, "", 5 * UNIT, UNIT);
	claim("bob", 1001, "", UNIT, UNIT);
	claim("alice", 1000, "", 6 * UNIT, UNIT); /* joined with the first */
	claim("alice", 1000, "", 3 * UNIT, UNIT);
	claim("alice", 1000, "", 2 * UNIT, UNIT); /* a neighbour, and before it: another map, if they were one */
	behind[1] = 1;                            /* a line of somebody else's came between these in one of the files */
	claim("alice", 1000, "", 7 * UNIT, UNIT);
	behind[0] = 1;
	claim("alice", 1000, "", 8 * UNIT, UNIT);
	place = behind[0] = behind[1] = 0;
	assert_lines("", "",
		     "alice:327680:131072\nalice:196608:65536\nalice:131072:65536\nalice:458752:65536\n"
		     "alice:524288:65536\nbob:65536:65536\n");
}

static void a_line_that_somebody_else_wrote_keeps_its_shape(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < 5; i++)
		claim("alice", 1000, "", i * UNIT, UNIT);
	assert_lines("alice:131072:65536\n", "", "alice:65536:65536\nalice:131072:65536\nalice:196608:131072\n");
}

static void whoever_is_somebody_else_by_now_has_no_line(void **state)
{
	(void)state;
	claim("alice", 1000, "", UNIT, UNIT);
	claim("alice", 999, "", 2 * UNIT, UNIT); /* an alice of before */
	claim("bob", 1000, "", 3 * UNIT, UNIT);
	claim("carol", 1002, "", 4 * UNIT, UNIT);
	assert_int_equal(
		assert_lines("", "alice:131072:65536\nbob:196608:65536\ncarol:262144:65536\n", "alice:65536:65536\n"),
		0);
	assert_int_equal(asked, 3); /* each name once */
}

static void doubt_takes_nothing_away_and_gives_nothing(void **state)
{
	(void)state;
	claim("down", 1003, "", UNIT, UNIT);
	claim("down", 1003, "", 2 * UNIT, UNIT);
	claim("down", 1003, "web1", 5 * UNIT, UNIT);
	claim("down", 1003, "", 9 * UNIT, UNIT);   /* has no line yet */
	claim("down2", 1004, "", 10 * UNIT, UNIT); /* nor has this one */
	claim("alice", 1000, "", 20 * UNIT, UNIT);
	assert_int_equal(assert_lines("",
				      "down:65536:131072\ndown:327680:65536\ndown+web1:327680:65536\n"
				      "alice:589824:65536\ndow:655360:65536\n",
				      "alice:1310720:65536\ndown:65536:131072\ndown+web1:327680:65536\n"),
			 2);
	/* what is given back in an outage splits the line all the same */
	for (uint32_t i = 0; i < 5; i++)
		if (i != 2)
			claim("down", 1003, "", 2100000000 + i, 1);
	assert_int_equal(assert_lines("", "down:2100000000:5\n", "down:2100000000:2\ndown:2100000003:2\n"), 0);
}

static void many_who_cannot_be_looked_up_are_not_all_waited_for(void **state)
{
	char name[32];

	(void)state;
	answer_time = 3000;
	for (uint32_t i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "down%u", i);
		claim(name, 1003, "", i * UNIT, UNIT);
	}
	claim("alice", 1000, "", 200 * UNIT, UNIT);
	assert_int_equal(assert_lines("", "", "alice:13107200:65536\n"), 100);
	assert_in_range(asked, 4, 5); /* alice, and ten seconds of the others */
}

static void local_users_are_read_in_one_pass(void **state)
{
	FILE *file = fopen(SYSCONFDIR "/passwd", "we");

	(void)state;
	assert_non_null(file);
	fputs("root:x:0:0::/:/bin/sh\n# a comment\nlocal:x:7:7::/:/bin/sh\nrubbish\nlocal:x:8:8::/:/bin/sh\n"
	      "alice:x:9:9::/:/bin/sh\n\n+::::::\nlast:x:10:10::/:/bin/sh",
	      file);
	fclose(file);
	files_first = true;
	claim("local", 7, "", UNIT, UNIT);
	claim("local", 8, "", 2 * UNIT, UNIT); /* the first of a name is who is meant */
	claim("alice", 1000, "", 3 * UNIT, UNIT);
	claim("last", 10, "", 4 * UNIT, UNIT);
	claim("bob", 1001, "", 5 * UNIT, UNIT); /* of another source */
	assert_lines("", "", "bob:327680:65536\nlast:262144:65536\nlocal:65536:65536\n");
	assert_int_equal(asked, 1);
	unlink(SYSCONFDIR "/passwd");
	claim("bob", 1001, "", 5 * UNIT, UNIT);
	assert_lines("", "", "bob:327680:65536\n");
}

static void lines_are_taken_apart_strictly(void **state)
{
	static const char *const wrong[] = {
		"",        "a",      "a:1",    ":1:2",           "a:1:",           "a::1",
		"a:1:2:3", "a:01:2", "a:1:0",  "a:-1:2",         "a:1:4294967296", "a:4294967295:1",
		"a: 1:2",  "a:1:2 ", "#a:1:2", "a:0:4294967296",
	};
	struct subid_line line = { .name = "untouched" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(subid_line_parse(wrong[i], strlen(wrong[i]), &line));
	assert_string_equal(line.name, "untouched");
	assert_true(subid_line_parse("alice+web1:100000:65536\nrest", 23, &line));
	assert_true(subid_line_is(&line, "alice+web1"));
	assert_int_equal(line.ids.first, 100000);
	assert_int_equal(subid_line_count(&line), 65536);
	assert_true(subid_line_parse("root:0:4294967295", 17, &line));
	assert_int_equal(line.ids.last, 4294967294u);
	assert_int_equal(subid_line_count(&line), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(neighbours_are_one_line, begin),
		cmocka_unit_test_setup(what_one_holder_has_is_joined_and_no_more, begin),
		cmocka_unit_test_setup(lines_are_in_the_order_in_which_they_were_given, begin),
		cmocka_unit_test_setup(a_line_that_somebody_else_wrote_keeps_its_shape, begin),
		cmocka_unit_test_setup(whoever_is_somebody_else_by_now_has_no_line, begin),
		cmocka_unit_test_setup(doubt_takes_nothing_away_and_gives_nothing, begin),
		cmocka_unit_test_setup(many_who_cannot_be_looked_up_are_not_all_waited_for, begin),
		cmocka_unit_test_setup(local_users_are_read_in_one_pass, begin),
		cmocka_unit_test_setup(lines_are_taken_apart_strictly, begin),
	};

	mkdir(SYSCONFDIR, 0755);
	return cmocka_run_group_tests_name("subid_plan", tests, NULL, NULL);
}
