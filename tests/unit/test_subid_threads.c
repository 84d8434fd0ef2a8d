/* SPDX-License-Identifier: ISC */
/* Threads of one program on libsubid ask while the index is changed and replaced: what does not change is answered
 * the same each time, what comes and goes is there whole or not at all. Run under ThreadSanitizer too, the plug-in
 * with it. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/subid_fixture.h"

#define THREADS 6
#define ROUNDS 200
#define ROUNDS_MAX 20000 /* until both answers were seen, on a machine that lets no thread run meanwhile */
#define RANGE(i) (1073741824u + (i)*3 * 65536)
#define COMING 12u /* ranges of owner2 that come and go */
#define UNIT 65536u

static atomic_bool stop;
static atomic_uint wrong, came, went;

/* cmocka's assertions leave by longjmp: not out of a thread. */
static void expect(bool right)
{
	if (!right)
		atomic_fetch_add(&wrong, 1);
}

static struct id_range coming_range(uint32_t i)
{
	struct id_range range = fixture_range(RANGES + i % COMING);

	range.count = UNIT;    /* no neighbours: each is a piece of its own */
	range.account_uid = 0; /* the user's own */
	range.label[0] = '\0';
	range.owner_uid = 1002;
	strcpy(range.owner, "owner2");
	return range;
}

/* YES, NO, or DOUBT: which is never right here. */
static int ask_has(const char *owner, uint32_t first, uint32_t count, enum subid_type type)
{
	bool result = true;
	enum subid_status status;

	errno = ENOTTY;
	status = subid.has_range(owner, first, count, type, &result);
	return errno != ENOTTY || status != SUBID_STATUS_SUCCESS ? DOUBT : result;
}

static void has_what_stays(enum subid_type type)
{
	expect(ask_has("owner0", RANGE(0), UNIT, type) == YES);
	expect(ask_has("owner1", RANGE(1) + UNIT / 2, UNIT, type) == YES);
	expect(ask_has("owner0", UID_FIRST, 3, type) == YES);
	expect(ask_has("files", 100000, 10, type) == YES);
	expect(ask_has("chained", 500000, UNIT, ID_TYPE_UID) == YES);
	expect(ask_has("owner1", RANGE(0), 1, type) == NO);
	expect(ask_has("owner0", RANGE(0), UNIT + 1, type) == NO);
	expect(ask_has("owner1+web4", GIVEN, 1, type) == NO); /* another account's, when it is there */
	expect(ask_has("files", 100000, 11, type) == NO);
}

static void has_what_comes(uint32_t i, enum subid_type type)
{
	struct id_range range = coming_range(i);
	int whole = ask_has("owner2", range.first, range.count, type);

	expect(whole == YES || whole == NO);
	atomic_fetch_add(whole == YES ? &came : &went, 1);
	expect(ask_has("owner3", range.first, 1, type) == NO);
	expect(ask_has("owner2", range.first, range.count + 1, type) == NO);
	whole = ask_has("owner1+web3", GIVEN, UNIT, type);
	expect(whole == YES || whole == NO);
}

static bool is(const struct subid_range *piece, unsigned long first, unsigned long count)
{
	return piece->start == first && piece->count == count;
}

/* Of owner2: the owner's own, which stay, and any of those that come, ascending, each whole. */
static bool pieces_sound(const struct subid_range *pieces, int count)
{
	int stay = 0;

	for (int i = 0; i < count; i++) {
		bool comes = false;

		if (i > 0 && pieces[i].start < pieces[i - 1].start + pieces[i - 1].count)
			return false;
		for (uint32_t k = 0; k < COMING; k++)
			comes |= is(&pieces[i], coming_range(k).first, UNIT);
		if (!comes && !is(&pieces[i], RANGE(2), 3 * UNIT))
			return false;
		stay += !comes;
	}
	return stay == 1;
}

static void lists(enum subid_type type)
{
	struct subid_range *pieces = NULL;
	int count = 0;

	expect(subid.list("owner0", ID_TYPE_GID, &pieces, &count) == SUBID_STATUS_SUCCESS);
	expect(count == 1 && is(&pieces[0], RANGE(0), UNIT));
	subid.free(pieces);
	expect(subid.list("owner2", type, &pieces, &count) == SUBID_STATUS_SUCCESS);
	expect(pieces_sound(pieces, count));
	subid.free(pieces);
	expect(subid.list("owner1+web3", type, &pieces, &count) == SUBID_STATUS_SUCCESS);
	expect(count == 0 || (count == 1 && is(&pieces[0], GIVEN, UNIT)));
	subid.free(pieces);
	expect(subid.list("files", type, &pieces, &count) == SUBID_STATUS_SUCCESS);
	expect(count == 1 && is(&pieces[0], 100000, 10));
	subid.free(pieces);
	expect(subid.list("chained", ID_TYPE_UID, &pieces, &count) == SUBID_STATUS_SUCCESS);
	expect(count == 1 && is(&pieces[0], 500000, UNIT));
	subid.free(pieces);
}

/* This owner and this account (0: none) alone; with `may_be_none`, also nobody. */
static void owners_are(uint32_t id, enum subid_type type, uid_t owner, uid_t account, bool may_be_none)
{
	int count = 0, expected = owner == 0 ? 0 : account == 0 ? 1 : 2;
	uid_t *uids = NULL;

	expect(subid.find(id, type, &uids, &count) == SUBID_STATUS_SUCCESS);
	if (count != 0 || !may_be_none)
		expect(count == expected && (count < 1 || uids[0] == owner) && (count < 2 || uids[1] == account));
	subid.free(uids);
}

static void finds(uint32_t i, enum subid_type type)
{
	owners_are(RANGE(0) + i % UNIT, type, 1000, 0, false);
	owners_are(UID_FIRST + 4, type, 1001, 0, false);
	owners_are(RANGE(0) + UNIT, type, 0, 0, false);
	owners_are(100005, type, 2000, 0, false);
	owners_are(500000, ID_TYPE_UID, 3000, 1000, false);
	owners_are(coming_range(i).first + i % UNIT, type, 1002, 0, true);
	owners_are(GIVEN + i % UNIT, type, 1001, UID_FIRST + 3, true);
}

static void *ask_on(void *seed)
{
	uint32_t random = (uint32_t)(uintptr_t)seed * 2654435761u + 1;

	while (!atomic_load(&stop)) {
		enum subid_type type = random & 1u << 31 ? ID_TYPE_GID : ID_TYPE_UID;

		random = random * 1664525u + 1013904223u;
		has_what_stays(type);
		has_what_comes(random >> 8, type);
		lists(type);
		finds(random >> 8, type);
	}
	return NULL;
}

/* As the daemon does: ranges come and go in the file, which then is replaced by a new one. */
static void republish(void)
{
	for (uint32_t i = 0; i < 4 * COMING; i++) {
		struct id_range coming = coming_range(i), going = coming_range(i + COMING / 2);

		assert_int_equal(index_put_range(writer, &coming), 0);
		if (i >= COMING / 2)
			assert_int_equal(index_remove_range(writer, &going), 0);
	}
	index_publish();
}

static void answers_in_threads_are_right_while_the_index_is_republished(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	write_file("etc/subuid", "files:100000:10\n");
	write_file("etc/subgid", "files:100000:10\n");
	write_file("state/subid-chain", "chained\n");
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_on, (void *)i), 0);
	for (int i = 0; i < ROUNDS || (i < ROUNDS_MAX && (came < 100 || went < 100)); i++)
		republish();
	atomic_store(&stop, true);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(atomic_load(&came) >= 100 && atomic_load(&went) >= 100);
}

/* What the plug-in was handed by the one behind it went back to that one, from each thread. */
static void nothing_of_the_chained_plugin_is_kept(void **state)
{
	void *module;
	char path[PATH_MAX];
	_Atomic int *calls, *live;

	(void)state;
	path_in(path, "lib/libsubid_chained.so");
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(module);
	calls = symbol(module, "chained_calls");
	live = symbol(module, "chained_live");
	assert_true(atomic_load(calls) > 100);
	assert_int_equal(atomic_load(live), 0);
	dlclose(module);
}

static int load_with_index(void **state)
{
	load(state);
	index_publish();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_threads_are_right_while_the_index_is_republished),
		cmocka_unit_test(nothing_of_the_chained_plugin_is_kept),
	};

	return cmocka_run_group_tests_name("subid_threads", tests, load_with_index, unload);
}
