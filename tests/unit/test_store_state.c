/* SPDX-License-Identifier: ISC */
/* What loading a state asks of the store: counting it, another identity, marks, and what another file knows has
 * happened. */
#include <errno.h>

#include "store/state.h"
#include "tests/unit/store_fixture.h"

#define UID 2100000000u

static char copied[sizeof(path) + 8];

static void put_account(struct store *to, const char *label, uint32_t uid)
{
	struct account account = { .uid = uid,
				   .owner_uid = 1000,
				   .state = ACCOUNT_ACTIVE,
				   .created = 7,
				   .facts.expires_day = -1,
				   .owner = "alice" };

	snprintf(account.label, sizeof(account.label), "%s", label);
	assert_int_equal(store_account_insert(to, &account), 0);
}

static uint32_t put_key(struct store *to, uint32_t uid, const char *blob)
{
	struct ssh_key key = { .uid = uid, .role = ROLE_PUSH, .type = "ssh-ed25519", .fingerprint = "SHA256:x" };

	snprintf(key.blob, sizeof(key.blob), "%s", blob);
	assert_int_equal(store_key_insert(to, &key), 0);
	return key.id;
}

static void put_run(struct store *to, uint32_t uid, uint32_t key, int64_t ended)
{
	struct run run = { .magic = RUN_MAGIC,
			   .started = ended - 1,
			   .duration_ms = 1000,
			   .bytes_in = 1,
			   .bytes_out = 1,
			   .files = 1,
			   .key_id = key,
			   .kind = RUN_BACKUP,
			   .tool = "rsync" };

	assert_int_equal(store_run_add(to, uid, &run, ended, run_verdict(&run, true)), 0);
}

static void put_audit(struct store *to, const char *action)
{
	struct audit_entry entry = { .time = 9, .caller = "root", .target = "alice+web1" };

	snprintf(entry.action, sizeof(entry.action), "%s", action);
	assert_int_equal(store_audit_add(to, &entry), 0);
}

static void put_removed(struct store *to, uint32_t uid)
{
	const struct removed removed = { .uid = uid, .keep = 1, .when = 11, .owner = "alice", .label = "gone" };

	assert_int_equal(store_removed_insert(to, &removed), 0);
}

/* A copy of the file as it is now, in `copied`. */
static void copy_file(void)
{
	char command[512];

	store_close(store);
	snprintf(copied, sizeof(copied), "%s.copy", path);
	snprintf(command, sizeof(command), "cp %s %s", path, copied);
	assert_int_equal(system(command), 0);
	assert_int_equal(store_open(path, &store), 0);
}

/* web1 and web2 with a key and a run each; then a copy; then more in the first, which becomes the other one, and
 * `store` the copy: an older save. */
static uint32_t older_and_newer(void)
{
	struct store *newer;
	uint32_t key;

	assert_int_equal(store_begin(store), 0);
	put_account(store, "web1", UID);
	put_account(store, "gone", UID + 1);
	key = put_key(store, UID, "AAAA");
	put_run(store, UID, key, 100);
	put_audit(store, "account.add");
	assert_int_equal(store_commit(store), 0);
	copy_file();
	newer = store;
	assert_int_equal(store_open(copied, &store), 0);
	assert_int_equal(store_begin(newer), 0);
	put_run(newer, UID, key, 200);
	put_run(newer, UID + 1, key, 200);
	put_account(newer, "later", UID + 2);
	put_run(newer, UID + 2, key, 200);
	put_audit(newer, "account.lock");
	assert_int_equal(store_account_delete(newer, UID + 1, 11), 0);
	put_removed(newer, UID + 1);
	assert_int_equal(store_account_delete(newer, UID + 2, 11), 0);
	put_removed(newer, UID + 2);
	assert_int_equal(store_commit(newer), 0);
	store_close(newer);
	return key;
}

static void take(bool same)
{
	const struct id_range lost = {
		.first = UID + 2, .count = 1, .owner_uid = 1000, .created = 5, .owner = "alice", .label = "later"
	};

	assert_int_equal(store_other_attach(store, path), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_tombstone_insert(store, &lost), 0);
	assert_int_equal(store_other_take(store, same), 0);
	assert_int_equal(store_commit(store), 0);
	store_other_detach(store);
}

static void what_happened_since_is_taken_over(void **state)
{
	uint32_t key = older_and_newer();
	struct audit_entry entries[8];
	struct run_row runs[8];
	struct removed removed[4];
	struct watch watch;
	int64_t used = 0;

	(void)state;
	take(true);
	assert_int_equal(store_audit_list(store, NULL, 0, entries, 8), 2);
	assert_string_equal(entries[0].action, "account.lock");
	assert_string_equal(entries[1].action, "account.add");
	assert_int_equal(store_run_list(store, UID, 0, runs, 8), 2);
	assert_int_equal(runs[0].run.started, 199);
	assert_int_equal(store_run_list(store, UID + 1, 0, runs, 8), 0);
	assert_int_equal(store_watch_get(store, UID, &watch), 0);
	assert_int_equal(watch.last_good, 200);
	assert_int_equal(store_key_used(store, key, &used), 0);
	assert_int_equal(used, 200);
	/* UID + 1 is an account here: its data is not somebody's who was removed. */
	assert_int_equal(store_removed_list(store, 0, removed, 4), 1);
	assert_int_equal(removed[0].uid, UID + 2);
	assert_int_equal(removed[0].keep, 1);
}

static void of_another_store_the_audit_trail_is_all_that_is_taken(void **state)
{
	struct audit_entry entries[8];
	struct run_row runs[8];

	(void)state;
	older_and_newer();
	take(false);
	assert_int_equal(store_audit_list(store, NULL, 0, entries, 8), 3);
	assert_int_equal(store_run_list(store, UID, 0, runs, 8), 1);
}

static void no_more_runs_are_kept_than_before(void **state)
{
	static struct run_row runs[RUNS_KEPT + 8];
	uint32_t key = older_and_newer();
	struct store *newer;

	(void)state;
	assert_int_equal(store_open(path, &newer), 0);
	assert_int_equal(store_begin(newer), 0);
	for (int i = 0; i < RUNS_KEPT; i++)
		put_run(newer, UID, key, 1000 + i);
	assert_int_equal(store_commit(newer), 0);
	store_close(newer);
	take(true);
	assert_int_equal(store_run_list(store, UID, 0, runs, RUNS_KEPT + 8), RUNS_KEPT);
	assert_int_equal(runs[0].run.started, 1000 + RUNS_KEPT - 2);
}

static void nothing_is_taken_when_a_part_of_it_cannot_be(void **state)
{
	struct audit_entry entries[8];

	(void)state;
	older_and_newer();
	assert_int_equal(store_begin(store), 0);
	assert_true(store_other_take(store, true) < 0); /* nothing is attached */
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_audit_list(store, NULL, 0, entries, 8), 1);
}

static void rows_are_counted(void **state)
{
	struct store_counts counts;

	(void)state;
	older_and_newer();
	assert_int_equal(store_counts(store, &counts), 0);
	assert_true(counts.accounts == 2 && counts.keys == 1 && counts.runs == 1 && counts.audit == 1 &&
		    counts.tombstones == 0);
	assert_true(store_schema() > 5);
}

static void identity_and_marks_are_kept_by_the_file(void **state)
{
	uint32_t marks[HIGH_WATER_REGIONS] = { 0 }, found[HIGH_WATER_REGIONS];
	const uint32_t region = UID >> HIGH_WATER_REGION_BITS;

	(void)state;
	older_and_newer();
	marks[region] = UID + 4711;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_identity_set(store, UINT64_C(0xfedcba9876543210)), 0);
	assert_int_equal(store_marks_raise(store, marks), 0);
	assert_int_equal(store_commit(store), 0);
	marks[region] = UID; /* lower: nothing falls */
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_marks_raise(store, marks), 0);
	assert_int_equal(store_commit(store), 0);
	store_close(store);
	assert_int_equal(store_open(copied, &store), 0);
	assert_true(store_identity(store) == UINT64_C(0xfedcba9876543210));
	assert_int_equal(store_marks(store, found), 0);
	assert_int_equal(found[region], UID + 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_happened_since_is_taken_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_another_store_the_audit_trail_is_all_that_is_taken, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_more_runs_are_kept_than_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_taken_when_a_part_of_it_cannot_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(identity_and_marks_are_kept_by_the_file, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
