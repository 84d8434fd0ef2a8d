/* SPDX-License-Identifier: ISC */
/* Rates of two looks at what accounts use: numbers that are given out again, counters that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/use.h"

static struct use_account account_of(uint32_t uid, bool grouped, struct use_counters counters)
{
	return (struct use_account){ .account.uid = uid, .processes = 1, .grouped = grouped, .counters = counters };
}

static void a_number_that_is_given_out_again_is_another_process(void **state)
{
	struct use_process then[] = { { .pid = 10, .start = 5, .counters = { 1000000, 100, 100 } },
				      { .pid = 11, .start = 6, .counters = { 9000000, 900, 900 } } };
	struct use_process now[] = { { .pid = 10, .start = 5, .counters = { 1500000, 300, 100 } },
				     { .pid = 11, .start = 7, .counters = { 250000, 50, 0 } } };
	struct use_account accounts[] = { account_of(2100000000, false, (struct use_counters){ 0 }) };
	const struct use before = { .when = 1000, .processes = then, .process_count = 2 };
	struct use use = {
		.when = 2000, .processes = now, .process_count = 2, .accounts = accounts, .account_count = 1
	};

	(void)state;
	use_rates(&before, &use);
	assert_int_equal((int)accounts[0].cpu_percent, 75);
	assert_int_equal((int)accounts[0].read_rate, 250);
	assert_int_equal((int)accounts[0].written_rate, 0);
}

static void a_group_counts_what_has_ended(void **state)
{
	struct use_account then[] = { account_of(2100000000, true, (struct use_counters){ 1000, 10, USE_UNKNOWN }) };
	struct use_account accounts[] = { account_of(2100000000, true,
						     (struct use_counters){ 2001000, 2010, USE_UNKNOWN }) };
	const struct use before = { .when = 1000, .accounts = then, .account_count = 1 };
	struct use use = { .when = 3000, .accounts = accounts, .account_count = 1 };

	(void)state;
	use_rates(&before, &use);
	assert_int_equal((int)accounts[0].cpu_percent, 100);
	assert_int_equal((int)accounts[0].read_rate, 1000);
	assert_true(accounts[0].written_rate < 0);
}

static void what_cannot_be_read_is_unknown(void **state)
{
	struct use_process now[] = { { .pid = 10, .counters = { 100, USE_UNKNOWN, 5 } } };
	struct use_account accounts[] = { account_of(2100000000, false, (struct use_counters){ 0 }) };
	const struct use before = { .when = 1000 };
	struct use use = {
		.when = 2000, .processes = now, .process_count = 1, .accounts = accounts, .account_count = 1
	};

	(void)state;
	use_rates(&before, &use);
	assert_true(accounts[0].read_rate < 0);
	assert_int_equal((int)accounts[0].written_rate, 5);
	assert_ptr_equal(use_of(&use, 2100000000), &accounts[0]);
	assert_null(use_of(&use, 2100000001));
}

static void sizes_have_two_digits_and_a_unit(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0" },
		      { 1023, "1023" },
		      { 1024, "1.0K" },
		      { 10240, "10K" },
		      { 1048576, "1.0M" },
		      { 5u << 20, "5.0M" },
		      { 300u << 20, "300M" },
		      { 1ull << 30, "1.0G" },
		      { 1ull << 40, "1.0T" },
		      { 1ull << 60, "1.0E" },
		      { UINT64_MAX, "16E" } };
	char out[USE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_string_equal(use_size_text(sizes[i].bytes, out), sizes[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_that_is_given_out_again_is_another_process),
		cmocka_unit_test(a_group_counts_what_has_ended),
		cmocka_unit_test(what_cannot_be_read_is_unknown),
		cmocka_unit_test(sizes_have_two_digits_and_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
