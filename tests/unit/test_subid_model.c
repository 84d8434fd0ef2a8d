/* SPDX-License-Identifier: ISC */
/* 100,000 random requests: has_range, list_owner_ranges and find_subid_owners say what a plain model says. */
#include "tests/unit/subid_fixture.h"

#define TRIPLES 100000
#define HELD_MAX 64

/* What is held, as plainly as it can be said. uid 0: nobody. */
struct held {
	uid_t uid;
	uint64_t first, count;
	bool granted; /* and not listed */
};
static struct held model[2][HELD_MAX];
static size_t model_count[2];
static uint64_t seed = 0x2545f4914f6cdd1dull;

static uint32_t random_below(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) % limit);
}

static void model_add(int gid, uid_t uid, uint64_t first, uint64_t count)
{
	assert_true(model_count[gid] < HELD_MAX);
	model[gid][model_count[gid]++] = (struct held){ uid, first, count, false };
}

/* Granted, and not listed: an owner's accounts, and what these were given. */
static void model_grant(int gid, uid_t uid, uint64_t first, uint64_t count)
{
	model_add(gid, uid, first, count);
	model[gid][model_count[gid] - 1].granted = true;
}

static bool lists_id(int gid, uid_t uid, uint64_t id)
{
	for (size_t i = 0; i < model_count[gid]; i++)
		if (!model[gid][i].granted && model[gid][i].uid == uid && id >= model[gid][i].first &&
		    id - model[gid][i].first < model[gid][i].count)
			return id != 0 && id != 65534 && id != 65535 && id < 4294967295u;
	return false;
}

static bool holds_id(int gid, uid_t uid, uint64_t id)
{
	for (size_t i = 0; i < model_count[gid]; i++)
		if (model[gid][i].uid == uid && id >= model[gid][i].first &&
		    id - model[gid][i].first < model[gid][i].count)
			return id != 65534 && id != 65535;
	return false;
}

/* By ends of pieces: the ids in between are held when the piece is. */
static bool model_holds(int gid, uid_t uid, uint64_t first, uint64_t count)
{
	uint64_t at = first, end = first + count;

	if (count == 0 || end < first)
		return false;
	while (at < end) {
		uint64_t next = at;

		if (at == 0 || at >= 4294967295u || !holds_id(gid, uid, at))
			return false;
		for (size_t i = 0; i < model_count[gid]; i++) {
			const struct held *held = &model[gid][i];

			if (held->uid == uid && at >= held->first && at - held->first < held->count &&
			    held->first + held->count > next)
				next = held->first + held->count;
		}
		for (uint64_t special = 65534; special <= 65535; special++)
			if (at <= special && special < next && special < end)
				return false;
		at = next;
	}
	return true;
}

/* The index says whose this is. */
static bool in_index(uint64_t id)
{
	if (id - UID_FIRST < ACCOUNTS || id - GIVEN < 65536)
		return true;
	for (uint32_t i = 0; i < RANGES; i++)
		if (id - fixture_range(i).first < fixture_range(i).count)
			return true;
	return false;
}

/* Files with some ten lines of two owners of the index and one who is only there. */
static void files_make(void)
{
	static const struct user named[] = { { "owner0", 1000 }, { "1000", 1000 },  { "owner1", 1001 },
					     { "1001", 1001 },   { "files", 2000 }, { "2000", 2000 } };

	for (int gid = 0; gid < 2; gid++) {
		char text[4096];
		size_t used = 0;

		for (int i = 0; i < 20; i++) {
			const struct user *user = &named[random_below(6)];
			uint32_t first = 65500 + random_below(300), count = 1 + random_below(60);

			if (i % 5 == 4) /* next to what the index holds */
				first = (random_below(2) ? UID_FIRST : 1073741824u) - random_below(20) +
					random_below(60);
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s:%u:%u\n", user->name, first,
						 count);
			/* such a line, of one id of ours or of neighbours, says what the index says better */
			if (!in_index(first) && !in_index((uint64_t)first + count - 1))
				model_add(gid, user->uid, first, count);
		}
		write_file(gid ? "etc/subgid" : "etc/subuid", text);
	}
}

static void model_make(void)
{
	for (int gid = 0; gid < 2; gid++) {
		model_count[gid] = 0;
		for (uint32_t i = 0; i < 9; i++)
			model_grant(gid, 1000 + i / 3, UID_FIRST + i, 1);
		for (uint32_t i = 0; i < 3; i++)
			model_add(gid, 1000 + i, fixture_range(i).first, fixture_range(i).count);
		model_grant(gid, 1001, GIVEN, 65536);
		model_add(gid, UID_FIRST + 3, GIVEN, 65536);
	}
	files_make();
}

/* Most of them near some edge. */
static uint64_t random_id(void)
{
	const struct held *held = &model[0][random_below((uint32_t)model_count[0])];

	switch (random_below(8)) {
	case 0:
		return random_below(4) == 0 ? UINT64_MAX - random_below(3) : 4294967290u + random_below(10);
	case 1:
		return 65480 + random_below(400);
	case 2:
		return random_below(3);
	case 3:
	case 4:
		return held->first + held->count - 3 + random_below(6);
	case 5:
		return held->first + random_below((uint32_t)held->count);
	default:
		return held->first - 3 + random_below(6);
	}
}

static uint64_t random_count(uint64_t first)
{
	const struct held *held = &model[0][random_below((uint32_t)model_count[0])];

	switch (random_below(8)) {
	case 0:
		return random_below(2) ? 0 : UINT64_MAX - random_below(3);
	case 1:
		return 0 - first + random_below(3); /* wraps, or not quite */
	case 2:
		return held->count - 1 + random_below(3);
	case 3:
		return 65536 * (1 + random_below(4)) - 2 + random_below(4);
	default:
		return 1 + random_below(random_below(2) ? 3 : 80);
	}
}

static const struct user askers[] = { { "owner0", 1000 }, { "owner1", 1001 },
				      { "owner2", 1002 }, { "files", 2000 },
				      { "1001", 1001 },   { "owner1+web3", UID_FIRST + 3 },
				      { "other", 2001 },  { "owner1+web4", UID_FIRST + 4 } };

static void has_range_is_what_the_model_says(void **state)
{
	unsigned granted = 0;

	(void)state;
	for (int i = 0; i < TRIPLES; i++) {
		const struct user *asker = &askers[random_below(sizeof(askers) / sizeof(askers[0]))];
		int gid = (int)random_below(2), expected;
		uint64_t first, count;

		if (i % 5000 == 0)
			model_make();
		first = random_id();
		count = random_count(first);
		expected = model_holds(gid, asker->uid, first, count) ? YES : NO;
		granted += expected == YES;
		if (has(asker->name, first, count, gid ? ID_TYPE_GID : ID_TYPE_UID) != expected)
			fail_msg("%s %s %llu+%llu: expected %d", asker->name, gid ? "gid" : "uid",
				 (unsigned long long)first, (unsigned long long)count, expected);
	}
	assert_in_range(granted, TRIPLES / 20, TRIPLES - TRIPLES / 20); /* both answers were tried */
}

/* Every piece of the list can be had; on it are the lines and the holder's own ranges, and not one id more. */
static void the_list_is_what_can_be_had(void **state)
{
	(void)state;
	for (int round = 0; round < 50; round++) {
		model_make();
		for (size_t k = 0; k < sizeof(askers) / sizeof(askers[0]); k++) {
			enum subid_type type = random_below(2) ? ID_TYPE_GID : ID_TYPE_UID;
			int gid = type == ID_TYPE_GID, count;
			struct subid_range *ranges;

			assert_int_equal(subid.list(askers[k].name, type, &ranges, &count), SUBID_STATUS_SUCCESS);
			for (int i = 0; i < count; i++)
				assert_int_equal(has(askers[k].name, ranges[i].start, ranges[i].count, type), YES);
			for (int i = 0; i < 200; i++) {
				uint64_t id = random_id();
				bool listed = false;

				for (int j = 0; j < count; j++)
					listed |= id >= ranges[j].start && id - ranges[j].start < ranges[j].count;
				assert_int_equal(listed, lists_id(gid, askers[k].uid, id));
			}
			subid.free(ranges);
		}
	}
}

static void the_owners_are_those_who_hold_it(void **state)
{
	(void)state;
	for (int i = 0; i < 5000; i++) {
		int gid = (int)random_below(2), count;
		uint64_t id;
		uid_t *uids;

		if (i % 100 == 0)
			model_make();
		id = random_id();
		assert_int_equal(subid.find(id, gid ? ID_TYPE_GID : ID_TYPE_UID, &uids, &count), SUBID_STATUS_SUCCESS);
		for (size_t k = 0; k < sizeof(askers) / sizeof(askers[0]); k++) {
			int times = 0;

			for (int j = 0; j < count; j++)
				times += uids[j] == askers[k].uid;
			assert_int_equal(times, model_holds(gid, askers[k].uid, id, 1));
		}
		subid.free(uids);
	}
}

static int load_with_index(void **state)
{
	const char *given = getenv("SUBID_SEED");

	if (given != NULL)
		seed = strtoull(given, NULL, 0) | 1;
	load(state);
	index_publish();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_range_is_what_the_model_says),
		cmocka_unit_test(the_list_is_what_can_be_had),
		cmocka_unit_test(the_owners_are_those_who_hold_it),
	};

	return cmocka_run_group_tests_name("subid_model", tests, load_with_index, unload);
}
