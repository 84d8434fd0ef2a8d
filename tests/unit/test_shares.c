/* SPDX-License-Identifier: ISC */
/* Shares of the connections, and which user makes way for which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "subuidd/door/shares.h"

static const struct caller root = { .uid = 0, .root = true, .admin = true };
static const struct caller alice = { .uid = 1000, .ordinary = true };
static const struct caller bob = { .uid = 1001, .ordinary = true };
static const struct caller alice_inside = { .uid = 1000, .ordinary = true, .contained = CONTAINED_NAMESPACE };
static const struct caller mapped_a = { .uid = 100000 };
static const struct caller mapped_b = { .uid = 165535 };

static void test_each_user_has_a_share_and_ids_without_accounts_have_one(void **state)
{
	struct shares shares = { 0 };
	struct share *a = share_take(&shares, &alice), *m = share_take(&shares, &mapped_a);

	(void)state;
	assert_ptr_equal(share_take(&shares, &alice), a);
	assert_ptr_equal(share_take(&shares, &mapped_b), m);
	assert_ptr_not_equal(a, m);
	assert_int_equal(share_held(&shares, &alice), 2);
	assert_int_equal(share_held(&shares, &mapped_a), 2);
	assert_int_equal(share_held(&shares, &bob), 0);
	assert_int_equal(share_held_uid(&shares, &alice), 2);
	assert_int_equal(share_held_uid(&shares, &mapped_a), 0);
	assert_int_equal(shares.held, 4);
	share_drop(&shares, a);
	share_drop(&shares, m);
	share_drop(&shares, a);
	assert_int_equal(share_held(&shares, &alice), 0);
	share_drop(&shares, m);
	assert_int_equal(shares.held, 0);
	assert_null(shares.first);
}

static void test_containers_of_a_user_are_a_share_of_their_own(void **state)
{
	struct shares shares = { 0 };
	struct share *out = share_take(&shares, &alice), *in = share_take(&shares, &alice_inside);
	const struct share root_inside = { .contained = true, .held = 32 }, root_outside = { .held = 32 };

	(void)state;
	assert_ptr_not_equal(out, in);
	assert_int_equal(share_held(&shares, &alice), 1);
	assert_int_equal(share_held_uid(&shares, &alice_inside), 1);
	share_drop(&shares, out);
	assert_int_equal(share_held(&shares, &alice), 0);
	assert_int_equal(share_held(&shares, &alice_inside), 1);
	share_drop(&shares, in);
	assert_true(share_yields(&root_inside, 0, false));
	assert_false(share_yields(&root_outside, 0, true));
}

static void test_the_larger_share_makes_way(void **state)
{
	const struct share large = { .uid = 1000, .held = 32 }, small = { .uid = 1001, .held = 1 };
	const struct share many = { .uid = 100000, .together = true, .held = 32 };
	const struct {
		const struct share *from;
		unsigned mine;
		bool quiet, yields;
	} cases[] = {
		{ &large, 0, false, true },  { &large, 30, false, true }, { &large, 31, false, false },
		{ &large, 32, true, false }, { &small, 0, false, false }, { &small, 0, true, true },
		{ &small, 1, true, false },  { &many, 0, false, true },   { &many, 31, true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(share_yields(cases[i].from, cases[i].mine, cases[i].quiet), cases[i].yields);
}

static void test_root_makes_way_for_nobody(void **state)
{
	struct shares shares = { 0 };
	struct share *share = share_take(&shares, &root);

	(void)state;
	for (int i = 0; i < 40; i++)
		assert_ptr_equal(share_take(&shares, &root), share);
	assert_false(share_yields(share, 0, true));
	for (int i = 0; i < 41; i++)
		share_drop(&shares, share);
	assert_null(shares.first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_user_has_a_share_and_ids_without_accounts_have_one),
		cmocka_unit_test(test_containers_of_a_user_are_a_share_of_their_own),
		cmocka_unit_test(test_the_larger_share_makes_way),
		cmocka_unit_test(test_root_makes_way_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
