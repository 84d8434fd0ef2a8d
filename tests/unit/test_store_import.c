/* SPDX-License-Identifier: ISC */
/* What an import asks of the store: ids by number, tombstones of other hosts, parts of a transaction, a copy. */
#include <errno.h>

#include "tests/unit/store_fixture.h"

#define UID 2100000000u

static struct account an_account(const char *label, uint32_t uid)
{
	struct account a = {
		.uid = uid, .owner_uid = 1000, .state = ACCOUNT_INTENT, .created = 7, .facts.expires_day = -1
	};

	snprintf(a.owner, sizeof(a.owner), "alice");
	snprintf(a.label, sizeof(a.label), "%s", label);
	return a;
}

static struct id_range a_range(uint32_t first, uint32_t count)
{
	return (struct id_range){
		.first = first, .count = count, .owner_uid = 1000, .created = 5, .owner = "alice", .label = "old"
	};
}

static int put_account(struct store *to, const char *label, uint32_t uid)
{
	struct account a = an_account(label, uid);

	return store_account_insert(to, &a);
}

static int put_tombstone(uint32_t first, uint32_t count)
{
	struct id_range range = a_range(first, count);

	return store_tombstone_insert(store, &range);
}

/* ---- tombstones of another host ---- */

static void a_tombstone_takes_its_ids_for_good(void **state)
{
	struct id_range rows[4];
	uint32_t first = 0;

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(put_tombstone(UID, 10), 0);
	assert_int_equal(put_account(store, "web1", UID + 9), -EEXIST);
	assert_int_equal(put_account(store, "web1", UID + 10), 0);
	assert_int_equal(store_ids_free(store, (struct id_block){ UID, UID + 99 }, UID, 1, &first), 0);
	assert_int_equal(first, UID + 11);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_tombstone_list(store, 0, rows, 4), 1);
	assert_int_equal(rows[0].first, UID);
	assert_int_equal(rows[0].count, 10);
	assert_int_equal(rows[0].owner_uid, 1000);
	assert_int_equal(rows[0].created, 5);
	assert_string_equal(rows[0].owner, "alice");
	assert_string_equal(rows[0].label, "old");
}

static void a_tombstone_of_ids_that_are_not_free_is_refused_whole(void **state)
{
	static const struct {
		uint32_t first, count;
	} wrong[] = { { UID, 1 }, { UID - 5, 6 }, { UID - 5, 100 }, { UID + 20, 1 }, { UID + 15, 10 } };
	struct id_range rows[4];

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(put_account(store, "web1", UID), 0);
	assert_int_equal(put_tombstone(UID + 20, 5), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(put_tombstone(wrong[i].first, wrong[i].count), -EEXIST);
	assert_int_equal(put_tombstone(UID + 1, 19), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_tombstone_list(store, 0, rows, 4), 2);
}

static void numbers_that_are_no_ids_are_no_tombstones(void **state)
{
	static const struct {
		uint32_t first, count;
	} wrong[] = { { 0, 1 },         { UID, 0 },        { 65534, 1 },          { 65535, 1 },
		      { 60000, 10000 }, { UINT32_MAX, 1 }, { UINT32_MAX - 1, 2 }, { 2, UINT32_MAX } };
	struct id_range rows[4];

	(void)state;
	assert_int_equal(store_begin(store), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(put_tombstone(wrong[i].first, wrong[i].count), -EINVAL);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_tombstone_list(store, 0, rows, 4), 0);
}

/* ---- who has an id ---- */

static void who_has_an_id_is_known_of_every_kind(void **state)
{
	struct id_range range = a_range(1073741824u, 65536), holder = { .first = 77 };
	enum id_kind kind = 0;

	(void)state;
	assert_int_equal(store_id_holder(store, 1, UINT32_MAX - 1, &holder, &kind), -ENOENT);
	assert_int_equal(holder.first, 77);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(put_account(store, "web1", UID), 0);
	range.label[0] = '\0';
	assert_int_equal(store_range_insert(store, &range), 0);
	assert_int_equal(put_tombstone(UID + 5, 3), 0);
	assert_int_equal(store_id_foreign(store, UID + 10, 2, 9), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_id_holder(store, UID, UID, &holder, &kind), 0);
	assert_true(kind == ID_ACCOUNT && holder.first == UID && holder.count == 1);
	assert_int_equal(store_id_holder(store, 1073741824u + 65535, 1073741824u + 65600, &holder, &kind), 0);
	assert_true(kind == ID_RANGE && holder.first == 1073741824u && holder.count == 65536);
	assert_int_equal(store_id_holder(store, UID + 6, UID + 6, &holder, &kind), 0);
	assert_true(kind == ID_TOMBSTONE && holder.first == UID + 5 && holder.count == 3 && holder.created == 5);
	assert_string_equal(holder.owner, "alice");
	assert_int_equal(store_id_holder(store, UID + 11, UID + 11, &holder, &kind), 0);
	assert_true(kind == ID_FOREIGN && holder.created == 9 && holder.owner[0] == '\0');
	/* the highest of several, and nothing in the gaps between them */
	assert_int_equal(store_id_holder(store, UID, UID + 8, &holder, &kind), 0);
	assert_int_equal(kind, ID_TOMBSTONE);
	assert_int_equal(store_id_holder(store, UID + 1, UID + 4, &holder, &kind), -ENOENT);
	assert_int_equal(store_id_holder(store, UID + 12, UINT32_MAX - 1, &holder, &kind), -ENOENT);
}

/* ---- parts of a transaction ---- */

static void a_part_is_taken_back_by_itself(void **state)
{
	struct account found;
	uint32_t count = 0;

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_save(store), 0);
	assert_int_equal(put_account(store, "one", UID), 0);
	assert_int_equal(store_save_end(store, 0), 0);
	assert_int_equal(store_save(store), 0);
	assert_int_equal(put_account(store, "two", UID + 1), 0);
	assert_int_equal(put_account(store, "two", UID + 2), -EEXIST);
	assert_int_equal(store_save_end(store, -ECANCELED), -ECANCELED);
	assert_int_equal(put_account(store, "three", UID + 1),
			 0); /* its id and its place in the count are free again */
	assert_int_equal(store_account_count(store, "alice", &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_account_get(store, "alice", "one", &found), 0);
	assert_int_equal(store_account_get(store, "alice", "two", &found), -ENOENT);
}

/* ---- a copy ---- */

static void put_many(uint32_t from, uint32_t count)
{
	char label[16];

	assert_int_equal(store_begin(store), 0);
	for (uint32_t i = from; i < from + count; i++) {
		snprintf(label, sizeof(label), "w%u", i);
		assert_int_equal(put_account(store, label, UID + i), 0);
	}
	assert_int_equal(store_commit(store), 0);
}

static struct store *copied(void)
{
	struct store_copy *copy = NULL;
	struct store *to = NULL;
	int r;

	assert_int_equal(store_copy_begin(store, &copy), 0);
	while ((r = store_copy_step(copy)) == 1)
		continue;
	assert_int_equal(r, 0);
	assert_int_equal(store_copy_end(copy, &to), 0);
	return to;
}

static void a_copy_has_all_and_goes_its_own_way(void **state)
{
	char why[256] = "";
	struct account found;
	struct store *to;
	uint32_t count = 0;

	(void)state;
	put_many(0, 100);
	to = copied();
	assert_int_equal(store_generation(to), store_generation(store));
	assert_int_equal(store_begin(to), 0);
	assert_int_equal(put_account(to, "mine", UID + 500), 0);
	assert_int_equal(put_account(to, "w1", UID + 501), -EEXIST); /* the invariants hold there, too */
	assert_int_equal(store_account_delete(to, UID + 3, 9), 0);
	assert_int_equal(store_commit(to), 0);
	assert_int_equal(store_begin(to), 0);
	assert_int_equal(put_account(to, "back", UID + 502), 0);
	store_rollback(to);
	assert_int_equal(store_account_count(to, NULL, &count), 0);
	assert_int_equal(count, 100);
	assert_int_equal(store_check(to, why, sizeof(why)), 0);
	assert_int_equal(store_account_get(store, "alice", "mine", &found), -ENOENT);
	assert_int_equal(store_account_get(store, "alice", "w3", &found), 0);
	put_many(600, 1);
	assert_int_equal(store_account_get(to, "alice", "w600", &found), -ENOENT);
	store_close(to);
}

static void a_copy_follows_what_is_changed_while_it_is_made(void **state)
{
	struct store_copy *copy = NULL;
	struct store *to = NULL;
	struct account found;
	char why[256] = "";
	uint32_t count = 0;
	int r;

	(void)state;
	put_many(0, 30000); /* some 6 MiB: two pieces at least */
	assert_int_equal(store_copy_begin(store, &copy), 0);
	assert_int_equal(store_copy_step(copy), 1);
	put_many(40000, 1);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_account_delete(store, UID + 7, 9), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(put_account(store, "undone", UID + 50000), 0);
	store_rollback(store);
	while ((r = store_copy_step(copy)) == 1)
		continue;
	assert_int_equal(r, 0);
	assert_int_equal(store_copy_end(copy, &to), 0);
	assert_int_equal(store_account_get(to, "alice", "w40000", &found), 0);
	assert_int_equal(store_account_get(to, "alice", "w7", &found), -ENOENT);
	assert_int_equal(store_account_get(to, "alice", "undone", &found), -ENOENT);
	assert_int_equal(store_account_count(to, NULL, &count), 0);
	assert_int_equal(count, 30000);
	assert_int_equal(store_check(to, why, sizeof(why)), 0);
	store_close(to);
}

static void a_copy_may_be_abandoned(void **state)
{
	struct store_copy *copy = NULL;

	(void)state;
	put_many(0, 30000);
	assert_int_equal(store_copy_begin(store, &copy), 0);
	store_copy_abandon(copy);
	assert_int_equal(store_copy_begin(store, &copy), 0);
	assert_int_equal(store_copy_step(copy), 1);
	store_copy_abandon(copy);
	store_copy_abandon(NULL);
	put_many(40000, 1);
}

/* ---- what was known on another host ---- */

static struct run a_run(int64_t started, uint32_t key_id, const char *fingerprint)
{
	struct run run = { .magic = RUN_MAGIC,
			   .started = started,
			   .duration_ms = 1500,
			   .bytes_in = 10,
			   .bytes_out = RUN_UNKNOWN,
			   .files = RUN_UNKNOWN,
			   .key_id = key_id,
			   .kind = RUN_BACKUP };

	snprintf(run.tool, sizeof(run.tool), "rsync");
	snprintf(run.fingerprint, sizeof(run.fingerprint), "%s", fingerprint);
	return run;
}

static int keep(uint32_t uid, int64_t started, uint32_t key_id, const char *fingerprint)
{
	struct run run = a_run(started, key_id, fingerprint);
	int r;

	assert_int_equal(store_begin(store), 0);
	r = store_run_keep(store, uid, &run);
	assert_int_equal(store_commit(store), 0);
	return r;
}

static uint32_t put_key(uint32_t uid, const char *blob, uint32_t id)
{
	struct ssh_key key = { .uid = uid, .role = ROLE_PUSH, .type = "ssh-ed25519" };

	snprintf(key.blob, sizeof(key.blob), "%s", blob);
	snprintf(key.fingerprint, sizeof(key.fingerprint), "SHA256:%s", blob);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_key_insert_as(store, &key, id), 0);
	assert_int_equal(store_commit(store), 0);
	return key.id;
}

static void make_account(const char *label, uint32_t uid)
{
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(put_account(store, label, uid), 0);
	assert_int_equal(store_commit(store), 0);
}

/* A number that a key had here, or elsewhere, is no other key's. */
static void keys_keep_their_numbers_and_none_is_given_twice(void **state)
{
	uint32_t highest = 7;

	(void)state;
	make_account("web1", UID);
	assert_int_equal(store_key_highest(store, &highest), 0);
	assert_int_equal(highest, 0);
	assert_int_equal(put_key(UID, "AAAA", 41), 41);
	assert_int_equal(put_key(UID, "AAAB", 0), 42);
	assert_int_equal(keep(UID, 100, 77, "SHA256:gone"), 0);
	assert_int_equal(store_key_highest(store, &highest), 0);
	assert_int_equal(highest, 77);
	assert_int_equal(put_key(UID, "AAAC", 0), 78);
}

static void the_first_number_of_a_store_may_be_kept_by_a_run(void **state)
{
	(void)state;
	make_account("web1", UID);
	assert_int_equal(keep(UID, 100, 5, "SHA256:gone"), 0);
	assert_int_equal(put_key(UID, "AAAA", 0), 6);
}

static void runs_of_another_host_are_kept_once_and_nothing_follows_from_them(void **state)
{
	struct run_row rows[8];
	struct watch watch;
	int64_t used = 0;
	uint32_t key;

	(void)state;
	make_account("web1", UID);
	make_account("web2", UID + 1);
	key = put_key(UID, "AAAA", 0);
	put_key(UID + 1, "AAAB", 9);
	assert_int_equal(keep(UID, 100, 9, "SHA256:AAAA"), 0);          /* its own key, which had another number */
	assert_int_equal(keep(UID, 200, 9, "SHA256:gone"), 0);          /* a number that is another's here */
	assert_int_equal(keep(UID, 300, UINT32_MAX, "SHA256:gone"), 0); /* one that would be the last of all */
	assert_int_equal(keep(UID, 100, key, "SHA256:AAAA"), -EEXIST);
	assert_int_equal(keep(UID + 2, 100, 0, ""), -ENOENT);
	assert_int_equal(store_run_list_all(store, 0, rows, 8), 3);
	assert_int_equal(rows[0].uid, UID);
	assert_int_equal(rows[0].run.key_id, key);
	assert_int_equal(rows[1].run.key_id, 0);
	assert_int_equal(rows[2].run.key_id, 0);
	assert_int_equal(rows[0].run.bytes_out == RUN_UNKNOWN, 1);
	assert_int_equal(store_run_list_all(store, rows[1].seq, rows, 8), 1);
	assert_int_equal(rows[0].run.started, 300);
	assert_int_equal(store_watch_get(store, UID, &watch), 0);
	assert_int_equal(watch.last_run, 0);
	assert_int_equal(store_key_used(store, key, &used), -ENOENT);
}

/* Those that are there are newer. */
static void a_full_history_takes_no_older_runs(void **state)
{
	struct run_row row;

	(void)state;
	make_account("web1", UID);
	for (int i = 0; i < RUNS_KEPT; i++)
		assert_int_equal(keep(UID, 1000 + i, 0, ""), 0);
	assert_int_equal(keep(UID, 1, 0, ""), -EEXIST);
	assert_int_equal(store_run_list_all(store, 0, &row, 1), 1);
	assert_int_equal(row.run.started, 1000);
}

static void what_is_known_of_silence_and_keys_is_put_as_it_was(void **state)
{
	const struct watch put = {
		.uid = UID, .last_run = 50, .last_status = 23, .last_good = 40, .alarm = 100, .since = 30, .told = 1
	};
	struct watch watch;
	int64_t used = 0;
	uint32_t key;

	(void)state;
	make_account("web1", UID);
	key = put_key(UID, "AAAA", 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_watch_put(store, &put), 0);
	assert_int_equal(store_watch_put(store, &put), -EEXIST);
	assert_int_equal(store_key_use(store, key, UID, 60), 0);
	assert_int_equal(store_key_use(store, key, UID, 20), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_watch_get(store, UID, &watch), 0);
	assert_int_equal(watch.last_run, 50);
	assert_int_equal(watch.last_status, 23);
	assert_int_equal(watch.last_good, 40);
	assert_int_equal(watch.alarm, 100);
	assert_int_equal(watch.since, 30);
	assert_int_equal(watch.told, 1);
	assert_int_equal(watch.due, 140);
	assert_int_equal(store_key_used(store, key, &used), 0);
	assert_int_equal(used, 60);
}

static void a_tombstone_says_whose_range_it_was(void **state)
{
	struct id_range range = a_range(UID + 65536, 65536), rows[2];

	(void)state;
	range.account_uid = UID;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_tombstone_insert(store, &range), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_tombstone_list(store, 0, rows, 2), 1);
	assert_int_equal(rows[0].account_uid, UID);
	assert_int_equal(store_tombstone_list_account(store, UID, 0, rows, 2), 1);
}

static void what_is_set_aside_is_found_by_its_uid(void **state)
{
	struct removed removed = { .uid = UID, .keep = 1, .when = 9, .owner = "alice", .label = "web1" }, found;

	(void)state;
	make_account("web1", UID);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_account_delete(store, UID, 9), 0);
	assert_int_equal(store_removed_insert(store, &removed), 0);
	assert_int_equal(store_removed_get(store, UID, &found), 0);
	assert_int_equal(store_removed_get(store, UID + 1, &found), -ENOENT);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(found.keep, 1);
	assert_int_equal(found.when, 9);
	assert_string_equal(found.label, "web1");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_tombstone_takes_its_ids_for_good),
		T(a_tombstone_of_ids_that_are_not_free_is_refused_whole),
		T(numbers_that_are_no_ids_are_no_tombstones),
		T(who_has_an_id_is_known_of_every_kind),
		T(a_part_is_taken_back_by_itself),
		T(a_copy_has_all_and_goes_its_own_way),
		T(a_copy_follows_what_is_changed_while_it_is_made),
		T(a_copy_may_be_abandoned),
		T(keys_keep_their_numbers_and_none_is_given_twice),
		T(the_first_number_of_a_store_may_be_kept_by_a_run),
		T(runs_of_another_host_are_kept_once_and_nothing_follows_from_them),
		T(a_full_history_takes_no_older_runs),
		T(what_is_known_of_silence_and_keys_is_put_as_it_was),
		T(a_tombstone_says_whose_range_it_was),
		T(what_is_set_aside_is_found_by_its_uid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
