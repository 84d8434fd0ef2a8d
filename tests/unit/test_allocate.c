/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "subuidd/ids/allocate.h"
#include "subuidd/ids/probe.h"
#include "tests/unit/store_fixture.h"

static struct settings settings;

/* A host on which some ids are taken. */
static struct fake {
	struct id_block block; /* in a subid file; 0-0 none */
	uint32_t uid, gid;     /* of passwd and group */
	int error;
	unsigned starts, questions;
} fake;

static int fake_start(void *data)
{
	struct fake *host = data;

	host->starts++;
	return 0;
}

static int fake_uid(void *data, uint32_t uid)
{
	struct fake *host = data;

	host->questions++;
	return host->error != 0 ? host->error : uid == host->uid;
}

static int fake_gid(void *data, uint32_t gid)
{
	struct fake *host = data;

	return gid == host->gid;
}

static int fake_block(void *data, uint32_t first, uint32_t last, struct id_block *holder)
{
	struct fake *host = data;

	if (host->error != 0)
		return host->error;
	if (host->block.last != 0 && id_blocks_overlap(host->block, (struct id_block){ first, last })) {
		*holder = host->block;
		return 1;
	}
	if (first != last && host->uid >= first && host->uid <= last) {
		*holder = (struct id_block){ host->uid, host->uid };
		return 1;
	}
	return 0;
}

static const struct allocate_probe probe = { fake_start, fake_uid, fake_gid, fake_block, &fake };

static int begin(void **state)
{
	assert_int_equal(set_up(state), 0);
	settings_default(&settings);
	fake = (struct fake){ 0 };
	return store_begin(store);
}

static int commit(void **state)
{
	assert_int_equal(store_commit(store), 0);
	return tear_down(state);
}

static unsigned names;

/* Allocates and takes. */
static int take_uid(uint32_t *uid)
{
	struct account a = { .owner_uid = 1000, .state = ACCOUNT_INTENT, .facts.expires_day = -1, .owner = "alice" };
	int r = allocate_uid(store, &settings, &probe, 1, uid);

	if (r < 0)
		return r;
	a.uid = *uid;
	snprintf(a.label, sizeof(a.label), "w%u", names++);
	assert_int_equal(store_account_insert(store, &a), 0);
	return 0;
}

static int take_range(uint32_t count, uint32_t *first, uint32_t *got)
{
	struct id_range r = { .owner_uid = 1000, .owner = "alice" };
	int error = allocate_range(store, &settings, &probe, 1, &count, first);

	if (error < 0)
		return error;
	r.first = *first;
	r.count = *got = count;
	assert_int_equal(store_range_insert(store, &r), 0);
	return 0;
}

static void ids_rise_and_are_not_used_again(void **state)
{
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(take_uid(&a), 0);
	assert_int_equal(a, 2100000000u);
	assert_int_equal(take_uid(&b), 0);
	assert_int_equal(b, a + 1);
	assert_int_equal(store_account_delete(store, b, 1), 0);
	assert_int_equal(take_uid(&c), 0);
	assert_int_equal(c, b + 1);
	assert_int_equal(fake.starts, 3);
}

static void nothing_that_others_hold_is_given_out(void **state)
{
	uint32_t uid, first, count;

	(void)state;
	fake.uid = 2100000000u;
	fake.gid = 2100000001u;
	fake.block = (struct id_block){ 2100000002u, 2100000500u };
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(uid, 2100000501u);
	assert_true(fake.questions <= 4); /* the block is passed over in one step */
	fake.uid = 1073741824u + 65536 + 77;
	fake.block = (struct id_block){ 1073741824u + 5, 1073741824u + 5 };
	assert_int_equal(take_range(65536, &first, &count), 0);
	assert_int_equal(first, 1073741824u + 2 * 65536);
}

static void of_two_units_the_free_one_is_not_lost(void **state)
{
	uint32_t first, count;

	(void)state;
	settings.ranges[0] = (struct id_block){ 1073741824u, 1073741824u + 5 * 65536 - 1 };
	fake.block = (struct id_block){ 1073741824u + 65536 + 5, 1073741824u + 65536 + 6 };
	assert_int_equal(take_range(65537, &first, &count), 0);
	assert_int_equal(count, 131072);
	assert_int_equal(first, 1073741824u + 2 * 65536);
	assert_int_equal(take_range(1, &first, &count), 0);
	assert_int_equal(first, 1073741824u + 4 * 65536);
	assert_int_equal(take_range(1, &first, &count), 0);
	assert_int_equal(first, 1073741824u);
	assert_int_equal(take_range(1, &first, &count), -ENOENT);
}

static void a_foreign_block_over_ids_of_ours(void **state)
{
	uint32_t uid;

	(void)state;
	settings.accounts[0] = (struct id_block){ 2100000000u, 2100000009u };
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(store_id_foreign(store, 2100000008u, 1, 1), 0);
	fake.block = (struct id_block){ 2100000001u, 2100000008u };
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(uid, 2100000009u);
	assert_int_equal(take_uid(&uid), -ENOENT);
	fake.block = (struct id_block){ 0, 0 };
	assert_int_equal(take_uid(&uid), -ENOENT); /* marked: root releases them */
	assert_int_equal(store_tombstone_release(store, 2100000003u), 0);
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(uid, 2100000003u);
}

static void a_host_that_cannot_say_gets_nothing(void **state)
{
	uint32_t uid = 7, first = 7, count = 1;

	(void)state;
	fake.error = -EIO;
	assert_int_equal(allocate_uid(store, &settings, &probe, 1, &uid), -EIO);
	assert_int_equal(allocate_range(store, &settings, &probe, 1, &count, &first), -EIO);
	assert_int_equal(uid, 7);
	assert_int_equal(first, 7);
	assert_int_equal(count, 1);
	count = 0;
	assert_int_equal(allocate_range(store, &settings, &probe, 1, &count, &first), -EINVAL);
}

static void special_ids_are_passed_over(void **state)
{
	uint32_t uid;

	(void)state;
	settings.accounts[0] = (struct id_block){ 65533, 65536 };
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(uid, 65533);
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(uid, 65536);
	assert_int_equal(take_uid(&uid), -ENOENT);
	settings.ranges[0] = (struct id_block){ 0, 131071 };
	uint32_t first, count;
	assert_int_equal(take_range(1, &first, &count), -ENOENT); /* 65536 is taken, the first unit has 0 and nobody */
}

static void blocks_are_used_in_their_order(void **state)
{
	uint32_t uid;

	(void)state;
	settings.accounts[0] = (struct id_block){ 2100000001u, 2100000001u };
	settings.accounts[1] = (struct id_block){ 2100000000u, 2100000000u };
	settings.accounts_count = 2;
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(uid, 2100000001u);
	assert_int_equal(take_uid(&uid), 0);
	assert_int_equal(uid, 2100000000u);
	assert_int_equal(take_uid(&uid), -ENOENT);
}

static void a_range_can_follow_at_its_place_or_not_at_all(void **state)
{
	uint32_t first, got, count = 1;

	(void)state;
	settings.ranges[0] = (struct id_block){ 1073741824u, 1073741824u + 8 * 65536 - 1 };
	assert_int_equal(take_range(1, &first, &got), 0);
	/* free: chosen, rounded up, and nothing taken by asking */
	assert_int_equal(allocate_range_at(store, &settings, &probe, first + 65536, &count), 0);
	assert_int_equal(count, 65536);
	assert_int_equal(allocate_range_at(store, &settings, &probe, first + 65536, &count), 0);
	/* ours, once ours, or across one of ours */
	assert_int_equal(allocate_range_at(store, &settings, &probe, first, &count), -EEXIST);
	assert_int_equal(take_range(1, &first, &got), 0);
	assert_int_equal(store_range_delete(store, first, 1), 0);
	assert_int_equal(allocate_range_at(store, &settings, &probe, first, &count), -EEXIST);
	assert_int_equal(take_range(1, &first, &got), 0);
	/* others': a line, an entry; not to be told */
	first += 65536;
	fake.block = (struct id_block){ first + 65535, first + 65535 };
	assert_int_equal(allocate_range_at(store, &settings, &probe, first, &count), -EEXIST);
	fake.block = (struct id_block){ 0, 0 };
	fake.uid = first + 7;
	assert_int_equal(allocate_range_at(store, &settings, &probe, first, &count), -EEXIST);
	fake.error = -EIO;
	assert_int_equal(allocate_range_at(store, &settings, &probe, first, &count), -EIO);
	fake.error = 0;
	/* outside, over the end, beside the grid, none, all */
	assert_int_equal(allocate_range_at(store, &settings, &probe, 1073741824u + 8 * 65536, &count), -ENOENT);
	count = 2 * 65536;
	assert_int_equal(allocate_range_at(store, &settings, &probe, 1073741824u + 7 * 65536, &count), -ENOENT);
	assert_int_equal(allocate_range_at(store, &settings, &probe, first + 1, &count), -ENOENT);
	count = 0;
	assert_int_equal(allocate_range_at(store, &settings, &probe, first, &count), -ENOENT);
	count = UINT32_MAX;
	assert_int_equal(allocate_range_at(store, &settings, &probe, first, &count), -ENOENT);
	assert_int_equal(count, UINT32_MAX);
}

/* ---- the property: whatever comes, no id twice ---- */

#define STEPS 100000u
#define UNITS 2048u

static struct {
	uint8_t uid[STEPS * 2]; /* ever given out */
	uint8_t unit[UNITS];
	uint32_t live_uid[STEPS], live_range[STEPS];
	size_t uids, ranges;
} model;

static void model_uid(unsigned *seed)
{
	uint32_t uid = 0;

	if (rand_r(seed) % 50 == 0)
		fake.uid = settings.accounts[0].first + (uint32_t)rand_r(seed) % STEPS;
	assert_int_equal(take_uid(&uid), 0);
	assert_in_range(uid, settings.accounts[0].first, settings.accounts[0].last);
	assert_int_not_equal(uid, fake.uid);
	assert_int_equal(model.uid[uid - settings.accounts[0].first]++, 0);
	model.live_uid[model.uids++] = uid;
}

static void model_range(unsigned *seed)
{
	uint32_t first = 0, count = 0;
	int r = take_range(1 + (uint32_t)rand_r(seed) % (3 * 65536), &first, &count);

	if (r == -ENOENT)
		return;
	assert_int_equal(r, 0);
	assert_int_equal(first % RANGE_UNIT, 0);
	assert_int_equal(count % RANGE_UNIT, 0);
	assert_in_range(first, settings.ranges[0].first, settings.ranges[0].last);
	assert_in_range(first + count - 1, settings.ranges[0].first, settings.ranges[0].last);
	for (uint32_t i = 0; i < count / RANGE_UNIT; i++)
		assert_int_equal(model.unit[(first - settings.ranges[0].first) / RANGE_UNIT + i]++, 0);
	model.live_range[model.ranges++] = first;
}

static void no_id_is_given_out_twice(void **state)
{
	unsigned seed = 11;

	(void)state;
	settings.accounts[0] = (struct id_block){ 2100000000u, 2100000000u + STEPS * 2 - 1 };
	settings.ranges[0] = (struct id_block){ 1073741824u, 1073741824u + UNITS * RANGE_UNIT - 1 };
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned what = (unsigned)rand_r(&seed) % 100;

		if (what < 60) {
			model_uid(&seed);
		} else if (what < 63) {
			model_range(&seed);
		} else if (what < 65 && model.ranges > 0) {
			size_t i = (size_t)rand_r(&seed) % model.ranges;

			assert_int_equal(store_range_delete(store, model.live_range[i], 1), 0);
			model.live_range[i] = model.live_range[--model.ranges];
		} else if (model.uids > 0) {
			size_t i = (size_t)rand_r(&seed) % model.uids;

			assert_int_equal(store_account_delete(store, model.live_uid[i], 1), 0);
			model.live_uid[i] = model.live_uid[--model.uids];
		}
	}
}

/* ---- the real host ---- */

static void put(const char *name, const char *text)
{
	char place[160];
	FILE *file;

	snprintf(place, sizeof(place), "%s/etc/%s", directory, name);
	file = fopen(place, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void the_real_host_is_asked(void **state)
{
	struct host_probe host;
	struct allocate_probe real;
	struct id_block holder;
	char place[160];
	uint32_t uid, first, count = 65536;

	(void)state;
	snprintf(place, sizeof(place), "%s/etc", directory);
	assert_int_equal(mkdir(place, 0700), 0);
	assert_int_equal(host_probe_open(directory, &host, &real), 0);
	assert_int_equal(real.start(real.data), 0);
	assert_int_equal(real.uid_taken(real.data, 0), 1);
	assert_int_equal(real.gid_taken(real.data, 0), 1);
	assert_int_equal(real.uid_taken(real.data, 2146999999u), 0);
	/* only enumeration can find the system's ids in this block: it is asked for at 61, 4152, 8244 … */
	assert_int_equal(real.block_taken(real.data, 61, 65530, &holder), 1);
	assert_true(real.uid_taken(real.data, holder.first) == 1 || real.gid_taken(real.data, holder.first) == 1);
	assert_int_equal(allocate_uid(store, &settings, &real, 1, &uid), 0);
	assert_int_equal(uid, 2100000000u);
	put("subuid", "someone:1073741824:65536\n");
	put("subgid", "someone:1073807360:65536\nsomeone:2100000000:10\njunk\n");
	assert_int_equal(allocate_range(store, &settings, &real, 1, &count, &first), 0);
	assert_int_equal(first, 1073741824u + 2 * 65536);
	assert_int_equal(allocate_uid(store, &settings, &real, 1, &uid), 0);
	assert_int_equal(uid, 2100000010u);
	assert_int_equal(host.subuid.list.unreadable + host.subgid.list.unreadable, 1);
	snprintf(path, sizeof(path), "%s/etc/subuid", directory);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* cannot be read as a file */
	assert_int_equal(allocate_uid(store, &settings, &real, 1, &uid), -EINVAL);
	assert_int_equal(allocate_range(store, &settings, &real, 1, &count, &first), -EINVAL);
	host_probe_close(&host);
}

static int take_small(uint32_t size, uint32_t *first)
{
	struct id_range r = { .owner_uid = 1000, .owner = "alice", .count = size };
	int error = allocate_small(store, &settings, &probe, 1, size, first);

	if (error < 0)
		return error;
	r.first = *first;
	assert_int_equal(r.first % size, 0);
	return store_range_insert(store, &r); /* which refuses ids that were given before */
}

/* Small ranges fill what others of them left of a block, whole blocks go above: nothing of the pool is lost. */
static void a_pool_is_filled_to_its_last_id(void **state)
{
	const uint64_t pool = 8 * RANGE_UNIT;
	uint32_t first = 0, got;
	uint64_t used = 0;
	unsigned small = 0;

	(void)state;
	settings.ranges[0] = (struct id_block){ 1073741824u, 1073741824u + (uint32_t)pool - 1 };
	assert_int_equal(take_small(RANGE_SMALL_LEAST + 1, &first), -EINVAL);
	assert_int_equal(take_small(RANGE_UNIT, &first), -EINVAL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(take_small(RANGE_SMALL_LEAST, &first), 0);
		assert_int_equal(take_small(RANGE_SMALL_MOST, &first), 0);
		assert_int_equal(take_range(RANGE_UNIT, &first, &got), 0);
		used += RANGE_SMALL_LEAST + RANGE_SMALL_MOST + RANGE_UNIT;
	}
	while (take_range(RANGE_UNIT, &first, &got) == 0)
		used += RANGE_UNIT;
	assert_int_equal(used / RANGE_UNIT, pool / RANGE_UNIT - 1); /* all but the one that the small ones began */
	for (; take_small(RANGE_SMALL_LEAST, &first) == 0; small++)
		used += RANGE_SMALL_LEAST;
	assert_int_equal(small, (RANGE_UNIT - 3 * (RANGE_SMALL_LEAST + RANGE_SMALL_MOST)) / RANGE_SMALL_LEAST);
	assert_int_equal(used, pool);
	assert_int_equal(take_small(RANGE_SMALL_LEAST, &first), -ENOENT);
	assert_int_equal(take_small(RANGE_SMALL_MOST, &first), -ENOENT);
}

/* Sixteen owners for each block of 65536. */
static void a_pool_of_small_ranges(void **state)
{
	const uint64_t pool = 64 * RANGE_UNIT;
	uint32_t first = 0;
	uint64_t count = 0;

	(void)state;
	settings.ranges[0] = (struct id_block){ 1073741824u, 1073741824u + (uint32_t)pool - 1 };
	while (take_small(RANGE_SMALL_LEAST, &first) == 0) {
		assert_int_equal(first, settings.ranges[0].first + count * RANGE_SMALL_LEAST);
		count++;
	}
	assert_int_equal(count, pool / RANGE_SMALL_LEAST);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, commit)
	const struct CMUnitTest tests[] = {
		T(ids_rise_and_are_not_used_again),
		T(nothing_that_others_hold_is_given_out),
		T(of_two_units_the_free_one_is_not_lost),
		T(a_foreign_block_over_ids_of_ours),
		T(a_host_that_cannot_say_gets_nothing),
		T(special_ids_are_passed_over),
		T(blocks_are_used_in_their_order),
		T(a_range_can_follow_at_its_place_or_not_at_all),
		T(no_id_is_given_out_twice),
		T(a_pool_is_filled_to_its_last_id),
		T(a_pool_of_small_ranges),
		T(the_real_host_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
