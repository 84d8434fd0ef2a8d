/* SPDX-License-Identifier: ISC */
/* Names that change (store/name.c). */
#include <errno.h>

#include "tests/unit/store_fixture.h"

#define WEB1 2100000000u
#define WEB2 2100000001u
#define NOW 5000
#define KNOWN 700

/* Each in a transaction of its own. */
#define CHANGE(call)                                                                                                   \
	(__extension__({                                                                                               \
		assert_int_equal(store_begin(store), 0);                                                               \
		int changed_ = (call);                                                                                 \
		if (changed_ < 0)                                                                                      \
			store_rollback(store);                                                                         \
		else                                                                                                   \
			assert_int_equal(store_commit(store), 0);                                                      \
		changed_;                                                                                              \
	}))

static void add(const char *owner, uint32_t owner_uid, const char *label, uint32_t uid)
{
	struct account a = { .uid = uid, .owner_uid = owner_uid, .state = ACCOUNT_ACTIVE, .created = 1 };

	a.facts.expires_day = -1;
	snprintf(a.owner, sizeof(a.owner), "%s", owner);
	snprintf(a.label, sizeof(a.label), "%s", label);
	assert_int_equal(CHANGE(store_account_insert(store, &a)), 0);
}

static void add_key(uint32_t uid, const char *blob)
{
	struct ssh_key k = { .uid = uid, .role = ROLE_PUSH, .created = 1, .type = "ssh-ed25519" };

	snprintf(k.fingerprint, sizeof(k.fingerprint), "SHA256:%s", blob);
	snprintf(k.blob, sizeof(k.blob), "%s", blob);
	assert_int_equal(CHANGE(store_key_insert(store, &k)), 0);
}

static void add_range(const char *owner, uint32_t owner_uid, uint32_t first, uint32_t account_uid)
{
	struct id_range r = {
		.first = first, .count = RANGE_UNIT, .owner_uid = owner_uid, .account_uid = account_uid, .created = 5
	};

	snprintf(r.owner, sizeof(r.owner), "%s", owner);
	assert_int_equal(CHANGE(store_range_insert(store, &r)), 0);
}

static struct account account(uint32_t uid)
{
	struct account a = { 0 };

	assert_int_equal(store_account_by_uid(store, uid, &a), 0);
	return a;
}

static int rename_to(uint32_t uid, const char *label)
{
	return CHANGE(store_account_rename(store, uid, label, NOW, KNOWN));
}

static int change(const char *from, uint32_t from_uid, const char *to, uint32_t to_uid)
{
	const struct owner_change c = { from, to, from_uid, to_uid, NOW, KNOWN, false };

	return CHANGE(store_owner_change(store, &c));
}

static int raw(const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

/* ---- one account */

static void a_renamed_account_is_moving_and_its_former_name_is_known(void **state)
{
	struct former_name former = { 0 };

	(void)state;
	add("alice", 1000, "web1", WEB1);
	assert_int_equal(store_former_moving(store, WEB1, &former), -ENOENT);
	assert_int_equal(rename_to(WEB1, "db1"), 0);
	assert_int_equal(account(WEB1).state, ACCOUNT_MOVING);
	assert_string_equal(account(WEB1).label, "db1");
	assert_int_equal(store_former_moving(store, WEB1, &former), 0);
	assert_string_equal(former.owner, "alice");
	assert_string_equal(former.label, "web1");
	assert_int_equal(former.owner_uid, 1000);
	assert_int_equal(former.when, NOW);
	assert_int_equal(former.known, KNOWN);
	assert_int_equal(rename_to(WEB1, "db2"), -ENOENT); /* it is not active */
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
	assert_int_equal(account(WEB1).state, ACCOUNT_ACTIVE);
	assert_int_equal(store_former_moving(store, WEB1, &former), -ENOENT);
	assert_int_equal(store_former_get(store, "alice", "web1", &former), 0);
	assert_int_equal(former.uid, WEB1);
	assert_int_equal(store_former_get(store, "alice", "db1", &former), -ENOENT);
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), -ENOENT);
}

static void a_name_that_somebody_has_is_refused(void **state)
{
	struct former_name former;

	(void)state;
	add("alice", 1000, "web1", WEB1);
	add("alice", 1000, "web2", WEB2);
	assert_int_equal(rename_to(WEB1, "web2"), -EEXIST);
	assert_string_equal(account(WEB1).label, "web1");
	assert_int_equal(account(WEB1).state, ACCOUNT_ACTIVE);
	assert_int_equal(store_former_moving(store, WEB1, &former), -ENOENT);
	assert_int_equal(rename_to(WEB1 + 7, "web9"), -ENOENT);
}

static void the_name_it_has_again_is_no_former_one(void **state)
{
	struct former_name former, rows[4];

	(void)state;
	add("alice", 1000, "web1", WEB1);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(rename_to(WEB1, i % 2 ? "web1" : "db1"), 0);
		assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
	}
	assert_int_equal(store_former_get(store, "alice", "web1", &former), -ENOENT);
	assert_int_equal(store_former_get(store, "alice", "db1", &former), 0);
	assert_int_equal(store_former_list(store, 0, rows, 4), 1);
	assert_int_equal(store_former_list(store, rows[0].seq, rows, 4), 0);
}

static void former_names_go_with_the_account_and_with_time(void **state)
{
	struct former_name former,
		kept = { .uid = WEB2, .owner_uid = 1000, .when = 9, .known = 9, .owner = "alice", .label = "old" };

	(void)state;
	add("alice", 1000, "web1", WEB1);
	add("alice", 1000, "web2", WEB2);
	assert_int_equal(rename_to(WEB1, "db1"), 0);
	assert_int_equal(CHANGE(store_former_forget(store, NOW + 1, KNOWN + 1, 8)), 0); /* not one that is moving */
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
	assert_int_equal(CHANGE(store_former_keep(store, &kept)), 0);
	assert_int_equal(CHANGE(store_former_keep(store, &kept)), -EEXIST);
	kept.uid = WEB2 + 7;
	assert_int_equal(CHANGE(store_former_keep(store, &kept)), -ENOENT);
	assert_int_equal(CHANGE(store_former_forget(store, NOW, KNOWN + 1, 8)), 1); /* "old" alone */
	assert_int_equal(CHANGE(store_former_forget(store, NOW + 1, KNOWN, 8)), 0);
	assert_int_equal(store_former_get(store, "alice", "web1", &former), 0);
	assert_int_equal(CHANGE(store_former_forget(store, NOW + 1, KNOWN + 1, 8)), 1);
	assert_int_equal(store_former_get(store, "alice", "web1", &former), -ENOENT);
	assert_int_equal(rename_to(WEB1, "web3"), 0);
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
	assert_int_equal(CHANGE(store_account_delete(store, WEB1, 8)), 0);
	assert_int_equal(store_former_get(store, "alice", "db1", &former), -ENOENT);
}

/* A removal does not fail by their number. */
static void of_very_many_former_names_the_last_ones_are_kept(void **state)
{
	struct former_name kept = { .owner = "alice", .uid = WEB1, .owner_uid = 1000, .when = NOW, .known = KNOWN };
	struct former_name former;

	(void)state;
	add("alice", 1000, "web1", WEB1);
	for (int i = 0; i < 1000; i++) {
		snprintf(kept.label, sizeof(kept.label), "a-label-that-is-rather-long-%d", i);
		assert_int_equal(CHANGE(store_former_keep(store, &kept)), 0);
	}
	assert_int_equal(CHANGE(store_kept_put(store, WEB1)), 0);
	assert_int_equal(raw("DELETE FROM former_names"), 0);
	assert_int_equal(CHANGE(store_kept_bring(store, WEB1)), 0);
	assert_int_equal(store_former_get(store, "alice", "a-label-that-is-rather-long-999", &former), 0);
	assert_int_equal(former.uid, WEB1);
	assert_int_equal(former.when, NOW);
	assert_int_equal(store_former_get(store, "alice", "a-label-that-is-rather-long-936", &former), 0);
	assert_int_equal(store_former_get(store, "alice", "a-label-that-is-rather-long-935", &former), -ENOENT);
}

static void keys_of_an_account_that_had_the_name(void **state)
{
	struct former_name former;

	(void)state;
	add("alice", 1000, "web1", WEB1);
	add("alice", 1000, "web2", WEB2);
	add_key(WEB1, "AAAA");
	add_key(WEB2, "BBBB");
	assert_int_equal(rename_to(WEB1, "db1"), 0);
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
	assert_int_equal(store_former_key(store, "alice", "web1", WEB2, "AAAA", &former), 0);
	assert_int_equal(former.uid, WEB1);
	assert_int_equal(store_former_key(store, "alice", "web1", WEB2, "BBBB", &former), -ENOENT);
	assert_int_equal(store_former_key(store, "alice", "db1", WEB2, "AAAA", &former), -ENOENT);
	assert_int_equal(store_former_key(store, "bob", "web1", WEB2, "AAAA", &former), -ENOENT);
	assert_int_equal(store_former_key(store, "alice", "web1", WEB1, "AAAA", &former), -ENOENT); /* its own */
	assert_int_equal(store_former_key(store, "alice", "web1", WEB2, NULL, &former), -ENOENT);
	add_key(WEB2, "AAAA");
	assert_int_equal(store_former_key(store, "alice", "web1", WEB2, NULL, &former), 0);
}

/* ---- an owner */

static uint32_t manage_add(const char *owner, uint32_t uid, const char *blob)
{
	struct ssh_key key = { .uid = uid, .type = "ssh-ed25519", .fingerprint = "SHA256:x" };

	snprintf(key.owner, sizeof(key.owner), "%s", owner);
	snprintf(key.blob, sizeof(key.blob), "%s", blob);
	assert_int_equal(CHANGE(store_manage_insert(store, &key)), 0);
	return key.id;
}

static void manage_keys_of_a_name_and_a_uid(void **state)
{
	struct owner_change given = { "alice", "alice", 1001, 1002, NOW, KNOWN, .given = true };
	struct ssh_key rows[4];
	uint32_t first, second;

	(void)state;
	first = manage_add("alice", 1000, "AAAA");
	second = manage_add("alice", 1001, "AAAA");
	manage_add("bob", 1001, "BBBB");
	assert_int_equal(store_manage_list(store, NULL, 0, 0, rows, 4), 3);
	assert_int_equal(store_manage_list(store, "alice", 0, 0, rows, 4), 2);
	assert_int_equal(store_manage_list(store, "alice", 1000, 0, rows, 4), 1);
	assert_int_equal(rows[0].id, first);
	assert_int_equal(store_manage_list(store, "alice", 1001, 0, rows, 4), 1);
	assert_int_equal(rows[0].id, second);
	assert_int_equal(change("alice", 1000, "alice", 1003), 0); /* the same person */
	assert_int_equal(store_manage_list(store, "alice", 1003, 0, rows, 4), 1);
	assert_int_equal(CHANGE(store_owner_change(store, &given)), 0);
	assert_int_equal(store_manage_list(store, "alice", 1002, 0, rows, 4), 0);
	assert_int_equal(store_manage_list(store, "alice", 0, 0, rows, 4), 1);
	assert_int_equal(store_manage_list(store, "bob", 1001, 0, rows, 4), 1);
}

static void everything_follows_an_owner(void **state)
{
	const struct removed aside = { .uid = WEB2, .when = 1, .known = 1, .owner = "alice", .label = "web2" };
	const struct limit limit = { .accounts = 7, .keys = 8, .ranges = 9, .owner = "alice" };
	struct removed removed = { 0 };
	struct limit found = { 0 };
	struct id_range range = { 0 };
	enum id_kind kind;
	uint32_t count = 0;

	(void)state;
	add("alice", 1000, "web1", WEB1);
	add("alice", 1000, "web2", WEB2);
	add("bob", 1001, "web9", WEB2 + 1);
	add_range("alice", 1000, 1073741824u, 0);
	add_range("alice", 1000, 1073741824u + RANGE_UNIT, WEB1);
	assert_int_equal(CHANGE(store_account_delete(store, WEB2, 1)), 0);
	assert_int_equal(CHANGE(store_removed_insert(store, &aside)), 0);
	assert_int_equal(CHANGE(store_limit_set(store, &limit)), 0);
	assert_int_equal(change("alice", 1000, "bob", 2000), 0);
	assert_int_equal(account(WEB1).state, ACCOUNT_MOVING);
	assert_string_equal(account(WEB1).owner, "bob");
	assert_int_equal(account(WEB1).owner_uid, 2000);
	assert_int_equal(account(WEB2 + 1).owner_uid, 1001); /* is not touched */
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(store_range_get(store, 1073741824u + i * RANGE_UNIT, &range), 0);
		assert_string_equal(range.owner, "bob");
		assert_int_equal(range.owner_uid, 2000);
	}
	assert_int_equal(store_removed_get(store, WEB2, &removed), 0);
	assert_string_equal(removed.owner, "bob");
	assert_int_equal(store_id_holder(store, WEB2, WEB2, &range, &kind), 0);
	assert_string_equal(range.owner, "bob");
	assert_int_equal(range.owner_uid, 2000);
	assert_int_equal(store_limit_get(store, "alice", &found), -ENOENT);
	assert_int_equal(store_limit_get(store, "bob", &found), 0);
	assert_int_equal(found.keys, 8);
	assert_int_equal(store_account_count(store, "bob", &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(store_range_units(store, "bob", &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(store_account_count(store, "alice", &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
}

static void another_user_of_the_name_keeps_what_is_theirs(void **state)
{
	(void)state;
	add("alice", 1000, "web1", WEB1);
	add("alice", 1005, "web2", WEB2);
	assert_int_equal(change("alice", 1000, "bob", 1000), 0);
	assert_string_equal(account(WEB2).owner, "alice");
	assert_int_equal(account(WEB2).state, ACCOUNT_ACTIVE);
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
}

static void another_uid_of_the_same_name(void **state)
{
	struct former_name former;

	(void)state;
	add("alice", 1000, "web1", WEB1);
	for (uint32_t uid = 1000; uid < 1003; uid++) {
		assert_int_equal(change("alice", uid, "alice", uid + 1), 0);
		assert_int_equal(store_former_moving(store, WEB1, &former), 0);
		assert_int_equal(former.owner_uid, uid);
		assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
		assert_int_equal(account(WEB1).owner_uid, uid + 1);
		assert_int_equal(store_former_get(store, "alice", "web1", &former), -ENOENT);
	}
}

static void an_owner_changes_whole_or_not_at_all(void **state)
{
	struct account clashes[4], intent = { .uid = WEB2 + 2,
					      .owner_uid = 1000,
					      .state = ACCOUNT_INTENT,
					      .created = 1,
					      .owner = "alice",
					      .label = "new" };
	struct limit limit = { .accounts = 1, .keys = 1, .ranges = 1, .owner = "alice" };

	(void)state;
	add("alice", 1000, "web1", WEB1);
	add("bob", 1001, "web1", WEB2);
	assert_int_equal(CHANGE(store_limit_set(store, &limit)), 0);
	assert_int_equal(store_owner_clashes(store, "alice", "bob", 0, clashes, 4), 1);
	assert_string_equal(clashes[0].label, "web1");
	assert_int_equal(change("alice", 1000, "bob", 1001), -EEXIST);
	assert_string_equal(account(WEB1).owner, "alice");
	assert_int_equal(store_limit_get(store, "alice", &limit), 0);
	intent.facts.expires_day = -1;
	assert_int_equal(CHANGE(store_account_insert(store, &intent)), 0);
	assert_int_equal(change("alice", 1000, "carol", 1002), -EBUSY);
	assert_string_equal(account(WEB1).owner, "alice");
	assert_int_equal(CHANGE(store_account_delete(store, WEB2 + 2, 1)), 0);
	limit.accounts = 5;
	memcpy(limit.owner, "carol", 6);
	assert_int_equal(CHANGE(store_limit_set(store, &limit)), 0);
	assert_int_equal(change("alice", 1000, "carol", 1002), 0);
	assert_int_equal(store_limit_get(store, "alice", &limit), -ENOENT);
	assert_int_equal(store_limit_get(store, "carol", &limit), 0);
	assert_int_equal(limit.accounts, 5); /* stays as it was set */
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
}

/* ---- what no statement may do by itself */

static void names_are_fixed_but_for_this(void **state)
{
	static const char *const refused[] = {
		"UPDATE accounts SET label = 'other' WHERE uid = 2100000000",
		"UPDATE accounts SET owner = 'mallory' WHERE uid = 2100000000",
		"UPDATE accounts SET state = 2, owner = 'mallory' WHERE uid = 2100000000",
		"UPDATE accounts SET uid = 2100000009 WHERE uid = 2100000000",
		"UPDATE accounts SET state = 1 WHERE uid = 2100000000",
		"UPDATE ranges SET owner = 'mallory' WHERE first = 1073741824",
		"UPDATE ranges SET account_uid = NULL WHERE first = 1073741824",
	};

	(void)state;
	add("alice", 1000, "web1", WEB1);
	add_range("alice", 1000, 1073741824u, WEB1);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if ((raw(refused[i]) & 0xff) != SQLITE_CONSTRAINT)
			fail_msg("%s: %s", refused[i], sqlite3_errmsg(store->db));
	assert_int_equal(rename_to(WEB1, "db1"), 0);
	assert_int_equal(raw("UPDATE accounts SET state = 4 WHERE uid = 2100000000") & 0xff, SQLITE_CONSTRAINT);
	assert_int_equal(raw("UPDATE accounts SET state = 1 WHERE uid = 2100000000") & 0xff, SQLITE_CONSTRAINT);
	assert_int_equal(CHANGE(store_account_moved(store, WEB1)), 0);
}

static void the_proof_finds_one_that_moves_from_nowhere(void **state)
{
	char why[256] = "";

	(void)state;
	add("alice", 1000, "web1", WEB1);
	assert_int_equal(raw("UPDATE accounts SET state = 2 WHERE uid = 2100000000"), SQLITE_OK);
	assert_int_equal(store_check(store, why, sizeof(why)), -EUCLEAN);
	assert_non_null(strstr(why, "moving"));
	assert_int_equal(raw("UPDATE accounts SET state = 3 WHERE uid = 2100000000"), SQLITE_OK);
	assert_int_equal(raw("INSERT INTO former_names (owner, label, uid, owner_uid, since, known, moving)"
			     " VALUES ('alice', 'x', 2100000000, 1000, 1, 1, 1)"),
			 SQLITE_OK);
	assert_int_equal(store_check(store, why, sizeof(why)), -EUCLEAN);
	assert_int_equal(raw("DELETE FROM former_names"), SQLITE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_renamed_account_is_moving_and_its_former_name_is_known, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_name_that_somebody_has_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_name_it_has_again_is_no_former_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(former_names_go_with_the_account_and_with_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_very_many_former_names_the_last_ones_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keys_of_an_account_that_had_the_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(everything_follows_an_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(manage_keys_of_a_name_and_a_uid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_user_of_the_name_keeps_what_is_theirs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_uid_of_the_same_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_owner_changes_whole_or_not_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_are_fixed_but_for_this, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_proof_finds_one_that_moves_from_nowhere, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
