/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "account/id.h"

static void special_ids_are_never_given_out(void **state)
{
	static const uint64_t special[] = { 0, 65534, 65535, UINT32_MAX, 1ull << 32, UINT64_MAX };
	static const uint64_t ordinary[] = { 1, 1000, 65533, 65536, 2100000000, UINT32_MAX - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		assert_true(id_special(special[i]));
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++)
		assert_false(id_special(ordinary[i]));
}

static void parse_takes_plain_decimals(void **state)
{
	static const char *const bad[] = { "",   " 1",   "1 ",  "+1",  "-1",       "01",
					   "00", "0x10", "1e3", "1.0", "\xd9\xa1", "1\n" };
	static const char *const large[] = { "4294967295", "4294967296", "18446744073709551616",
					     "99999999999999999999999999999999999999999999999" };
	uint32_t id = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(id_parse(bad[i], &id), -EINVAL);
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		assert_int_equal(id_parse(large[i], &id), -ERANGE);
	/* ill-formed outdoes too large */
	assert_int_equal(id_parse("99999999999999999999x", &id), -EINVAL);
	assert_int_equal(id, 7);
	assert_int_equal(id_parse("0", &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(id_parse("4294967294", &id), 0);
	assert_int_equal(id, 4294967294u);
}

static void range_ends_below_the_last_id(void **state)
{
	(void)state;
	assert_true(id_range_valid(0, 1));
	assert_true(id_range_valid(1073741824, 65536));
	assert_true(id_range_valid(4294967294u, 1));
	assert_true(id_range_valid(0, 4294967295u));
	assert_false(id_range_valid(1, 0));
	assert_false(id_range_valid(4294967295u, 1));
	assert_false(id_range_valid(4294967294u, 2));
	assert_false(id_range_valid(0, 4294967296u));
	assert_false(id_range_valid(1, UINT64_MAX)); /* wraps in 64 bits */
	assert_false(id_range_valid(UINT64_MAX, 1));
}

static void overlap_is_symmetric_and_inclusive(void **state)
{
	static const struct {
		struct id_block a, b;
		bool overlap;
	} rows[] = {
		{ { 10, 20 }, { 21, 30 }, false }, { { 10, 20 }, { 20, 30 }, true },
		{ { 10, 20 }, { 0, 9 }, false },   { { 10, 20 }, { 0, 10 }, true },
		{ { 10, 20 }, { 12, 13 }, true },  { { 10, 20 }, { 0, UINT32_MAX }, true },
		{ { 5, 5 }, { 5, 5 }, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(id_blocks_overlap(rows[i].a, rows[i].b), rows[i].overlap);
		assert_int_equal(id_blocks_overlap(rows[i].b, rows[i].a), rows[i].overlap);
	}
}

static void block_is_first_to_last(void **state)
{
	static const char *const bad[] = { "",      "-",     "1",    "1-", "-2", "2-1", "1-4294967295",
					   "1 - 2", "1-2-3", "01-2", "a-b" };
	struct id_block block = { 1, 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(id_block_parse(bad[i], &block), -EINVAL);
	assert_int_equal(block.first, 1);
	assert_int_equal(block.last, 2);
	assert_int_equal(id_block_parse("2100000000-2147352575", &block), 0);
	assert_int_equal(block.first, 2100000000);
	assert_int_equal(block.last, 2147352575);
	assert_int_equal(id_block_parse("5-5", &block), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(special_ids_are_never_given_out), cmocka_unit_test(parse_takes_plain_decimals),
		cmocka_unit_test(range_ends_below_the_last_id),    cmocka_unit_test(overlap_is_symmetric_and_inclusive),
		cmocka_unit_test(block_is_first_to_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
