/* SPDX-License-Identifier: ISC */
/* When a disk is full, what helps against an error, the parts of an account in words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "account/account.h"
#include "account/advice.h"
#include "account/part.h"
#include "index/state_look.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static void a_disk_is_full_by_share_and_by_bytes(void **state)
{
	(void)state;
	assert_false(state_full(0, 0, FULL_BYTES, FULL_BYTES_ANY)); /* has no such number */
	assert_true(state_full(0, 4 * GIB, FULL_BYTES, FULL_BYTES_ANY));
	assert_true(state_full(15 * MIB, 64 * MIB, FULL_BYTES, FULL_BYTES_ANY));   /* few in any case */
	assert_false(state_full(17 * MIB, 64 * MIB, FULL_BYTES, FULL_BYTES_ANY));  /* small, not full */
	assert_true(state_full(50 * MIB, 4 * GIB, FULL_BYTES, FULL_BYTES_ANY));    /* 1.2 % */
	assert_false(state_full(100 * MIB, 4 * GIB, FULL_BYTES, FULL_BYTES_ANY));  /* 2.4 % */
	assert_false(state_full(2 * GIB, 1000 * GIB, FULL_BYTES, FULL_BYTES_ANY)); /* 0.2 %, and room */
	assert_true(state_full(GIB - 1, 1000 * GIB, FULL_BYTES, FULL_BYTES_ANY));
	assert_true(state_full(255, 1000, FULL_INODES, FULL_INODES_ANY));
	assert_false(state_full(300, 1000, FULL_INODES, FULL_INODES_ANY));
	assert_true(state_full(9999, 1000000, FULL_INODES, FULL_INODES_ANY));
	assert_false(state_full(UINT64_MAX, UINT64_MAX, FULL_BYTES, FULL_BYTES_ANY));
}

static void what_a_disk_answers_is_no_damage(void **state)
{
	static const int disks[] = { EIO, EROFS, ENOSPC, EDQUOT };

	(void)state;
	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		assert_true(advice_disk(disks[i]));
		assert_true(advice_disk(-disks[i]));
		assert_non_null(advice_for(-disks[i]));
		assert_null(strstr(advice_for(disks[i]), "load"));
	}
	assert_false(advice_disk(-EUCLEAN));
	assert_null(advice_for(-EUCLEAN));
	assert_null(advice_for(0));
}

static void parts_in_words(void **state)
{
	char text[64], small[8];

	(void)state;
	assert_string_equal(parts_text(0, text, sizeof(text)), "");
	assert_string_equal(parts_text(PART_HOME | PART_LINK, text, sizeof(text)), "home, link");
	assert_string_equal(parts_text(PART_END - 1, text, sizeof(text)), "data, home, access, view, link");
	assert_int_equal(parts_text(PART_END - 1, small, sizeof(small)) - small, 0);
	assert_null(part_name(PART_END));
	assert_null(part_name(PART_HOME | PART_VIEW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_full_by_share_and_by_bytes),
		cmocka_unit_test(what_a_disk_answers_is_no_damage),
		cmocka_unit_test(parts_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
