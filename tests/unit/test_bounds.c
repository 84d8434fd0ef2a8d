/* SPDX-License-Identifier: ISC */
/* Bounds: which of three says what holds, and how much of a stream may pass. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "account/bounds.h"
#include "backup/bandwidth.h"
#include "confine/limits.h"

#define SECOND INT64_C(1000000000)

static void the_account_says_it_and_never_more_than_it_may(void **state)
{
	static const struct {
		uint64_t host, owner, account, effective;
		enum bound_source source;
	} cases[] = {
		{ 0, 0, 0, 0, BOUND_OF_HOST },
		{ 512, 0, 0, 512, BOUND_OF_HOST },
		{ 512, 0, 64, 64, BOUND_OF_ACCOUNT },
		{ 512, 0, 512, 512, BOUND_OF_ACCOUNT },
		{ 512, 0, 513, 512, BOUND_OF_HOST },
		{ 512, 0, UINT64_MAX, 512, BOUND_OF_HOST },
		{ 512, 64, 0, 64, BOUND_OF_OWNER },
		{ 512, 64, 65, 64, BOUND_OF_OWNER },
		{ 512, 64, 63, 63, BOUND_OF_ACCOUNT },
		{ 512, 4096, 0, 4096, BOUND_OF_OWNER },
		{ 512, 4096, 2048, 2048, BOUND_OF_ACCOUNT },
		{ 0, 64, 65, 64, BOUND_OF_OWNER },
		{ 0, 64, 0, 64, BOUND_OF_OWNER },
		{ 0, 0, 1, 1, BOUND_OF_ACCOUNT },
		{ 0, 0, UINT64_MAX, UINT64_MAX, BOUND_OF_ACCOUNT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned bound = 0; bound < BOUNDS; bound++) {
			struct bounds host = { 0 }, owner = { 0 }, account = { 0 }, effective;
			enum bound_source source[BOUNDS];

			host.of[bound] = cases[i].host;
			owner.of[bound] = cases[i].owner;
			account.of[bound] = cases[i].account;
			bounds_resolve(&host, &owner, &account, &effective, source);
			assert_int_equal(effective.of[bound], cases[i].effective);
			assert_int_equal(source[bound], cases[i].source);
			assert_int_equal(effective.of[(bound + 1) % BOUNDS], 0); /* each by itself */
			bounds_resolve(&host, &owner, &account, &effective, NULL);
			assert_int_equal(effective.of[bound], cases[i].effective);
		}
}

static void only_an_owners_limit_gives_a_process_more_memory(void **state)
{
	static const struct {
		uint64_t process, owner, account, effective, expected;
	} cases[] = {
		{ 100, 0, 0, 400, 0 },   { 100, 0, 50, 50, 50 },       { 100, 0, 300, 300, 100 },
		{ 0, 0, 300, 300, 300 }, { 100, 4000, 0, 4000, 4000 }, { 100, 4000, 30, 30, 30 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bounds owner = { .of = { [BOUND_MEMORY] = cases[i].owner } };
		struct bounds account = { .of = { [BOUND_MEMORY] = cases[i].account } };
		struct bounds effective = { .of = { [BOUND_MEMORY] = cases[i].effective } };

		assert_int_equal(bounds_process_memory(cases[i].process, &owner, &account, &effective),
				 cases[i].expected);
	}
}

static void nothing_is_said_until_something_is(void **state)
{
	struct bounds bounds = { 0 };

	(void)state;
	assert_true(bounds_none(&bounds));
	bounds.of[BOUNDS - 1] = 1;
	assert_false(bounds_none(&bounds));
}

/* What passes in this time, of a stream that always has more. */
static uint64_t passed(uint64_t rate, int64_t time, int64_t pause)
{
	struct bandwidth bandwidth;
	int64_t now = 5 * SECOND, end = now + time;
	uint64_t all = 0;

	bandwidth_begin(&bandwidth, rate, now);
	while (now < end) {
		int64_t until = now;
		uint64_t room = bandwidth_room(&bandwidth, now, &until);

		if (room != 0) {
			assert_true(room <= BANDWIDTH_PIECE);
			bandwidth_use(&bandwidth, room);
			all += room;
			now += pause;
		} else {
			assert_true(until > now);
			now = until;
		}
	}
	return all;
}

static void a_stream_has_its_bandwidth(void **state)
{
	static const uint64_t rates[] = { 100, 1000, 65536, 1 << 20, UINT64_C(100) << 20, UINT64_C(10) << 30 };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t all = passed(rates[i], 60 * SECOND, 1000);

		assert_in_range(all, rates[i] * 54, rates[i] * 60 + rates[i] / 10 + 512);
	}
	/* what was not used for a while is not there later, but for a tenth of a second */
	assert_in_range(passed(1 << 20, 10 * SECOND, SECOND), 1, 11 * BANDWIDTH_PIECE);
}

static void silence_saves_nothing_up(void **state)
{
	struct bandwidth bandwidth;
	uint64_t all = 0, room;
	int64_t until;

	(void)state;
	bandwidth_begin(&bandwidth, 1 << 20, 0);
	while ((room = bandwidth_room(&bandwidth, 3600 * SECOND, &until)) != 0) {
		bandwidth_use(&bandwidth, room);
		all += room;
	}
	assert_in_range(all, (1 << 20) / 20, (1 << 20) / 10);
	assert_in_range(until, 3600 * SECOND, 3601 * SECOND);
}

static void words_for_the_gates(void **state)
{
	static const char *const wrong[] = { "-processes=",   "-processes=0", "-processes=-1",
					     "-processes=1x", "-processes",   "-open-files",
					     "-file-size= 1", "-memory=1",    "-processes=18446744073709551616" };
	struct limits limits = { .memory = 7 };

	(void)state;
	assert_true(limits_option("-processes=64", &limits));
	assert_true(limits_option("-open-files=100", &limits));
	assert_true(limits_option("-file-size=1099511627776", &limits));
	assert_true(limits_option("-memory-bound=4096", &limits));
	assert_int_equal(limits.processes, 64);
	assert_int_equal(limits.files, 100);
	assert_int_equal(limits.file_size, UINT64_C(1) << 40);
	assert_int_equal(limits.memory_bound, 4096);
	assert_int_equal(limits.memory, 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(limits_option(wrong[i], &limits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_account_says_it_and_never_more_than_it_may),
		cmocka_unit_test(only_an_owners_limit_gives_a_process_more_memory),
		cmocka_unit_test(nothing_is_said_until_something_is),
		cmocka_unit_test(a_stream_has_its_bandwidth),
		cmocka_unit_test(silence_saves_nothing_up),
		cmocka_unit_test(words_for_the_gates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
