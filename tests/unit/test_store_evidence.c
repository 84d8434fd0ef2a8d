/* SPDX-License-Identifier: ISC */
/* What tells a store that knows less than it should: its identity, marks and floor, the witness, the digest. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/sqlite.h"

#define UID 2100000000u
#define RANGE 1140850688u /* 0x44000000: the beginning of a region */
#define REGION(id) ((id) >> HIGH_WATER_REGION_BITS)

static char directory[64], path[128];
static struct store *store;

static void reopen(void)
{
	store_close(store);
	store = NULL;
	assert_int_equal(store_open(path, &store), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_store_evidence.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/state.db", directory);
	assert_int_equal(store_open(path, &store), 0);
	return 0;
}

static int tear_down(void **state)
{
	char text[160];

	(void)state;
	store_close(store);
	store = NULL;
	snprintf(text, sizeof(text), "rm -r %s", directory);
	return system(text);
}

/* Each in a transaction of its own. */
#define CHANGE(call)                                                                                                   \
	(__extension__({                                                                                               \
		assert_int_equal(store_begin(store), 0);                                                               \
		int changed_ = (call);                                                                                 \
		changed_ = changed_ < 0 ? changed_ : store_commit(store);                                              \
		if (store->open)                                                                                       \
			store_rollback(store);                                                                         \
		changed_;                                                                                              \
	}))

static int add(uint32_t uid)
{
	struct account account = { .uid = uid, .owner_uid = 1000, .state = ACCOUNT_INTENT, .facts.expires_day = -1 };

	strcpy(account.owner, "alice");
	snprintf(account.label, sizeof(account.label), "w%u", uid);
	strcpy(account.facts.comment, "a comment that is long enough to be found again");
	return CHANGE(store_account_insert(store, &account));
}

static int add_range(uint32_t first, uint32_t count)
{
	struct id_range range = { .first = first, .count = count, .owner_uid = 1000, .created = 5 };

	strcpy(range.owner, "alice");
	return CHANGE(store_range_insert(store, &range));
}

static int raw(const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

static uint32_t mark(uint32_t id)
{
	uint32_t marks[HIGH_WATER_REGIONS];

	assert_int_equal(store_marks(store, marks), 0);
	return marks[REGION(id)];
}

static int proved(void)
{
	char why[256] = "";

	return store_check(store, why, sizeof(why));
}

/* ---- which store, and up to where ---- */

static void a_store_is_itself_and_its_copies(void **state)
{
	uint64_t identity = store_identity(store);
	struct store *first = store, *copy = NULL;
	struct store_copy *copying = NULL;
	char other[160];

	(void)state;
	assert_true(identity != 0);
	assert_true(store_first_open(store));
	reopen();
	assert_true(store_identity(store) == identity);
	assert_false(store_first_open(store));
	first = store;
	assert_int_equal(store_copy_begin(first, &copying), 0);
	while (store_copy_step(copying) == 1)
		;
	assert_int_equal(store_copy_end(copying, &copy), 0);
	assert_true(store_identity(copy) == identity);
	store_close(copy);
	snprintf(other, sizeof(other), "%s/other.db", directory);
	assert_int_equal(store_open(other, &copy), 0);
	assert_true(store_identity(copy) != identity);
	store_close(copy);
}

static void marks_rise_and_never_fall(void **state)
{
	(void)state;
	assert_int_equal(mark(UID), 0);
	assert_int_equal(add(UID + 5), 0);
	assert_int_equal(add(UID + 2), 0);
	assert_int_equal(mark(UID), UID + 5);
	/* others' ids are not given out; tombstones from elsewhere must not be either */
	assert_int_equal(CHANGE(store_id_foreign(store, UID + 100, 1, 1)), 0);
	assert_int_equal(mark(UID), UID + 5);
	assert_int_equal(CHANGE(store_account_delete(store, UID + 5, 9)), 0);
	assert_int_equal(CHANGE(store_tombstone_release(store, UID + 5)), 0);
	assert_int_equal(mark(UID), UID + 5);
	/* over three regions */
	assert_int_equal(add_range(RANGE - RANGE_UNIT, RANGE_UNIT + (1u << 24) + RANGE_UNIT), 0);
	assert_int_equal(mark(RANGE - 1), RANGE - 1);
	assert_int_equal(mark(RANGE), RANGE + (1u << 24) - 1);
	assert_int_equal(mark(RANGE + (1u << 24)), RANGE + (1u << 24) + RANGE_UNIT - 1);
	assert_int_equal(mark(RANGE + (2u << 24)), 0);
	assert_int_not_equal(raw("UPDATE marks SET last = 0"), SQLITE_OK);
	assert_int_not_equal(raw("DELETE FROM marks"), SQLITE_OK);
	assert_int_equal(proved(), 0);
}

/* ---- the floor ---- */

static const struct id_block accounts = { UID, UID + 99 };

static int next_uid(uint32_t *uid)
{
	return store_ids_next(store, accounts, uid);
}

static int free_uid(uint32_t from, uint32_t *uid)
{
	return store_ids_free(store, accounts, from, 1, uid);
}

static void below_the_floor_nothing_is_chosen(void **state)
{
	uint32_t floor[HIGH_WATER_REGIONS] = { [REGION(UID)] = UID + 40 }, uid = 0;

	(void)state;
	assert_int_equal(add(UID), 0);
	assert_int_equal(next_uid(&uid), 0);
	assert_int_equal(uid, UID + 1); /* the control */
	store_floor(store, floor);
	assert_int_equal(next_uid(&uid), 0);
	assert_int_equal(uid, UID + 41);
	assert_int_equal(free_uid(UID, &uid), 0);
	assert_int_equal(uid, UID + 41);
	assert_int_equal(add(UID + 7), 0); /* named by number */
	floor[REGION(UID)] = UID + 99;
	store_floor(store, floor);
	assert_int_equal(next_uid(&uid), -ENOENT);
	assert_int_equal(free_uid(UID, &uid), -ENOENT);
	floor[REGION(UID)] = UID - 1; /* below the block: nothing of it */
	store_floor(store, floor);
	assert_int_equal(free_uid(UID, &uid), 0);
	assert_int_equal(uid, UID + 1);
}

static void a_floor_in_one_region_leaves_the_others(void **state)
{
	const struct id_block block = { RANGE - RANGE_UNIT * 4, RANGE + RANGE_UNIT * 4 - 1 };
	uint32_t floor[HIGH_WATER_REGIONS] = { 0 }, first = 0;

	(void)state;
	floor[REGION(RANGE - 1)] = block.first + RANGE_UNIT - 1;
	floor[REGION(RANGE)] = RANGE + RANGE_UNIT - 1;
	store_floor(store, floor);
	assert_int_equal(store_ids_next(store, block, &first), 0);
	assert_int_equal(first, RANGE + RANGE_UNIT);
	assert_int_equal(store_ids_free(store, block, block.first, RANGE_UNIT, &first), 0);
	assert_int_equal(first, block.first + RANGE_UNIT);
	assert_int_equal(store_ids_free(store, block, block.first, 3 * RANGE_UNIT, &first), 0);
	assert_int_equal(first, block.first + RANGE_UNIT);
	/* four do not fit below the second region's floor: behind it three are left */
	assert_int_equal(store_ids_free(store, block, block.first, 4 * RANGE_UNIT, &first), -ENOENT);
	assert_int_equal(store_ids_free(store, block, RANGE, 3 * RANGE_UNIT, &first), 0);
	assert_int_equal(first, RANGE + RANGE_UNIT);
}

/* Root's act holds after a start, which sets the floor; not once the store took the place of a newer one. */
static void what_root_released_is_free_below_the_floor(void **state)
{
	uint32_t floor[HIGH_WATER_REGIONS] = { [REGION(UID)] = UID + 99, [REGION(RANGE)] = RANGE + 8 * RANGE_UNIT - 1 };
	const struct id_block ranges = { RANGE, RANGE + 8 * RANGE_UNIT - 1 };
	uint32_t uid = 0, first = 0;

	(void)state;
	assert_int_equal(add(UID + 3), 0);
	assert_int_equal(add(UID + 30), 0);
	for (uint32_t i = 2; i < 5; i++)
		assert_int_equal(add_range(RANGE + i * RANGE_UNIT, RANGE_UNIT), 0);
	assert_int_equal(CHANGE(store_account_delete(store, UID + 30, 9)), 0);
	store_floor(store, floor);
	assert_int_equal(free_uid(UID, &uid), -ENOENT);
	assert_int_equal(CHANGE(store_tombstone_release(store, UID + 30)), 0);
	reopen();
	store_floor(store, floor);
	assert_int_equal(free_uid(UID, &uid), 0);
	assert_int_equal(uid, UID + 30);
	assert_int_equal(add(uid), 0);
	assert_int_equal(free_uid(UID, &uid), -ENOENT);
	for (uint32_t i = 2; i < 4; i++) {
		assert_int_equal(CHANGE(store_range_delete(store, RANGE + i * RANGE_UNIT, 9)), 0);
		assert_int_equal(CHANGE(store_tombstone_release(store, RANGE + i * RANGE_UNIT)), 0);
	}
	assert_int_equal(store_ids_free(store, ranges, RANGE, 2 * RANGE_UNIT, &first), 0);
	assert_int_equal(first, RANGE + 2 * RANGE_UNIT);
	assert_int_equal(store_ids_free(store, ranges, RANGE, 3 * RANGE_UNIT, &first), -ENOENT);
	assert_int_equal(proved(), 0);
	assert_int_equal(CHANGE(store_generation_raise(store, 1000)), 0);
	assert_int_equal(store_ids_free(store, ranges, RANGE, RANGE_UNIT, &first), -ENOENT);
}

static void a_generation_is_raised_and_stays(void **state)
{
	uint64_t before = store_generation(store);

	(void)state;
	assert_int_equal(CHANGE(store_generation_raise(store, 500)), 0);
	assert_int_equal(store_generation(store), 500);
	assert_int_equal(add(UID), 0);
	assert_int_equal(store_generation(store), 501);
	assert_int_equal(CHANGE(store_generation_raise(store, before)), 0);
	assert_int_equal(store_generation(store), 501);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_generation_raise(store, 900), 0);
	store_rollback(store);
	assert_int_equal(store_generation(store), 501);
	reopen();
	assert_int_equal(store_generation(store), 501);
	assert_int_equal(CHANGE(store_generation_raise(store, UINT64_MAX)), -EINVAL);
}

/* A limit that is lost with the end of the log is missed, too. */
static void every_change_that_decides_raises_the_generation(void **state)
{
	struct limit limit = { .accounts = 1, .keys = 1, .ranges = 1, .owner = "alice" };
	uint64_t before = store_generation(store);

	(void)state;
	assert_int_equal(CHANGE(store_limit_set(store, &limit)), 0);
	assert_int_equal(store_generation(store), before + 1);
	assert_int_equal(CHANGE(store_limit_delete(store, "alice")), 0);
	assert_int_equal(store_generation(store), before + 2);
}

/* ---- the witness ---- */

static struct {
	uint32_t marks[HIGH_WATER_REGIONS];
	uint64_t generation;
	unsigned given, committed;
	int answer;
} seen;

static int on_give(void *data, const uint32_t marks[HIGH_WATER_REGIONS])
{
	assert_ptr_equal(data, &seen);
	assert_int_equal(seen.committed, seen.given); /* before its commit */
	memcpy(seen.marks, marks, sizeof(seen.marks));
	seen.given++;
	return seen.answer;
}

static void on_commit(void *data, uint64_t generation)
{
	assert_ptr_equal(data, &seen);
	seen.generation = generation;
	seen.committed = seen.given;
}

static const struct store_witness witness = { on_give, on_commit, &seen };

static void ids_are_told_before_they_are_durable(void **state)
{
	struct account account;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	store_witness_set(store, &witness);
	assert_int_equal(add(UID + 9), 0);
	assert_int_equal(seen.given, 1);
	assert_int_equal(seen.marks[REGION(UID)], UID + 9);
	assert_true(seen.generation == store_generation(store));
	assert_int_equal(add_range(RANGE - RANGE_UNIT, 2 * RANGE_UNIT), 0);
	assert_int_equal(seen.marks[REGION(RANGE - 1)], RANGE - 1);
	assert_int_equal(seen.marks[REGION(RANGE)], RANGE + RANGE_UNIT - 1);
	assert_int_equal(seen.marks[REGION(UID)], 0); /* of this transaction alone */
	/* what gives no ids out asks nobody */
	assert_int_equal(CHANGE(store_id_foreign(store, UID + 50, 1, 1)), 0);
	assert_int_equal(CHANGE(store_account_delete(store, UID + 9, 1)), 0);
	assert_int_equal(seen.given, 2);
	assert_true(seen.generation == store_generation(store));
	/* the mark cannot be raised: nothing is given out */
	seen.answer = -EIO;
	assert_int_equal(add(UID + 10), -EIO);
	assert_int_equal(store_account_by_uid(store, UID + 10, &account), -ENOENT);
	seen.committed = seen.given;
	seen.answer = 0;
	assert_int_equal(add(UID + 10), 0);
}

static void tombstones_from_elsewhere_are_told_too(void **state)
{
	const struct id_range range = { .first = RANGE, .count = RANGE_UNIT, .owner_uid = 1000, .owner = "alice" };

	(void)state;
	memset(&seen, 0, sizeof(seen));
	store_witness_set(store, &witness);
	assert_int_equal(CHANGE(store_tombstone_insert(store, &range)), 0);
	assert_int_equal(seen.marks[REGION(RANGE)], RANGE + RANGE_UNIT - 1);
}

/* ---- the digest ---- */

static int column_known(void *data, int count, char **values, char **names)
{
	const struct store_digest *digest = data;

	(void)count, (void)names;
	for (size_t i = 0; i < STORE_DIGEST_COLUMNS && digest->columns[i] != NULL; i++)
		if (strcmp(digest->columns[i], values[0]) == 0)
			return 0;
	fail_msg("%s.%s is in no digest (digest.c)", digest->table, values[0]);
	return 1;
}

static void every_stored_column_is_in_the_digest(void **state)
{
	char sql[160];

	(void)state;
	for (size_t i = 0; i < store_digests_count; i++) {
		struct store_digest digest = store_digests[i];

		snprintf(sql, sizeof(sql), "SELECT name FROM pragma_table_xinfo('%s') WHERE hidden = 0", digest.table);
		assert_int_equal(sqlite3_exec(store->db, sql, column_known, &digest, NULL), SQLITE_OK);
	}
}

static void fill(void)
{
	struct limit limit = { .accounts = 1, .keys = 2, .ranges = 3, .owner = "alice" };
	struct removed removed = { .uid = UID + 1, .when = 5, .owner = "alice", .label = "w" };
	struct ssh_key key = {
		.uid = UID, .role = ROLE_PUSH, .type = "ssh-ed25519", .fingerprint = "SHA256:x", .blob = "AA"
	};
	struct audit_entry entry = { .time = 7, .caller = "alice", .action = "account.lock", .target = "alice+w" };
	struct run run = { .started = 7, .kind = RUN_BACKUP, .tool = "rsync" };

	assert_int_equal(add(UID), 0);
	assert_int_equal(add(UID + 1), 0);
	assert_int_equal(CHANGE(store_account_delete(store, UID + 1, 3)), 0);
	assert_int_equal(CHANGE(store_removed_insert(store, &removed)), 0);
	assert_int_equal(CHANGE(store_key_insert(store, &key)), 0);
	assert_int_equal(add_range(RANGE, RANGE_UNIT), 0);
	assert_int_equal(CHANGE(store_limit_set(store, &limit)), 0);
	limit.keys = 9;
	assert_int_equal(CHANGE(store_limit_set(store, &limit)), 0);
	assert_int_equal(CHANGE(store_audit_add(store, &entry)), 0);
	assert_int_equal(CHANGE(store_run_add(store, UID, &run, 8, RUN_GOOD)), 0);
	assert_int_equal(proved(), 0);
}

/* Changes a table as a stray write does: no trigger of it sees it, and all are there afterwards. */
static void behind(const char *table, const char *change)
{
	static const char create[] = "CREATE TRIGGER ";
	static char kept[16][4096];
	sqlite3_stmt *row;
	char sql[128];
	int count = 0;

	assert_int_equal(
		sqlite3_prepare_v2(store->db,
				   "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", -1,
				   &row, NULL),
		SQLITE_OK);
	sqlite3_bind_text(row, 1, table, -1, SQLITE_STATIC);
	while (sqlite3_step(row) == SQLITE_ROW) {
		assert_true(count < 16);
		snprintf(kept[count++], sizeof(kept[0]), "%s", (const char *)sqlite3_column_text(row, 1));
	}
	sqlite3_finalize(row);
	assert_true(count >= 3);
	for (int i = 0; i < count; i++) {
		snprintf(sql, sizeof(sql), "DROP TRIGGER %.*s", (int)strcspn(kept[i] + strlen(create), " "),
			 kept[i] + strlen(create));
		assert_int_equal(raw(sql), SQLITE_OK);
	}
	assert_int_equal(raw(change), SQLITE_OK);
	for (int i = 0; i < count; i++)
		assert_int_equal(raw(kept[i]), SQLITE_OK);
}

/* Each of the tables: a row that is changed by a statement is in the digest, by anything else it is found. */
static void a_row_that_was_changed_behind_it_is_found(void **state)
{
	static const char *const changes[][2] = {
		{ "ids", "UPDATE ids SET since = since + 1 WHERE first = 2100000001" },
		{ "accounts", "UPDATE accounts SET flags = flags + 1" },
		{ "keys", "UPDATE keys SET role = role + 1" },
		{ "ranges", "DELETE FROM ranges" },
		{ "removed", "DELETE FROM removed" },
		{ "limits", "UPDATE limits SET accounts = accounts + 1000" },
		{ "accounts", "UPDATE accounts SET comment = comment || 'x'" },
		{ "audit", "UPDATE audit SET caller = 'bob'" },
		{ "runs", "UPDATE runs SET status = 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		fill();
		behind(changes[i][0], "SELECT 1");
		assert_int_equal(proved(), 0); /* the control: the triggers are as they were */
		behind(changes[i][0], changes[i][1]);
		if (proved() != -EUCLEAN)
			fail_msg("not found: %s", changes[i][1]);
		tear_down(NULL);
		set_up(NULL);
	}
}

/* The control of it: the triggers keep the digest. */
static void a_row_that_was_changed_by_a_statement_is_no_finding(void **state)
{
	static const char *const changes[] = {
		"UPDATE accounts SET flags = flags + 1",
		"UPDATE limits SET accounts = accounts + 1000",
		"UPDATE runs SET status = 1",
		"UPDATE keys SET role = role + 1",
		"INSERT INTO audit SELECT seq + 1, time, uid, pid, status, target_uid, caller, action, target, detail, "
		"owner"
		" FROM audit",
		"DELETE FROM runs",
	};

	(void)state;
	fill();
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		assert_int_equal(raw(changes[i]), SQLITE_OK);
		assert_int_equal(proved(), 0);
	}
}

/* Where the text lies in the file. */
static off_t place_of(const char *text, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, buffer, size);
	const char *at = got < 0 ? NULL : memmem(buffer, (size_t)got, text, strlen(text));

	close(fd);
	assert_non_null(at);
	return at - buffer;
}

static void write_at(off_t where, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, text, strlen(text), where), strlen(text));
	close(fd);
}

/* SQLite itself has no checksum over its pages: a letter of a comment is a comment, too. */
static void a_byte_that_was_changed_in_the_file_is_found(void **state)
{
	static char buffer[1 << 20];
	off_t where;

	(void)state;
	fill();
	store_close(store);
	store = NULL;
	where = place_of("a comment that is long", buffer, sizeof(buffer));
	write_at(where, "A");
	assert_int_equal(store_open(path, &store), 0);
	assert_int_equal(raw("PRAGMA integrity_check"), SQLITE_OK); /* the control: it finds nothing */
	assert_int_equal(proved(), -EUCLEAN);
	store_close(store);
	store = NULL;
	write_at(where, "a");
	assert_int_equal(store_open(path, &store), 0);
	assert_int_equal(proved(), 0);
}

/* A copy and a view have the function, too: what changes the copy goes on as in the store. */
static void a_copy_keeps_its_digest(void **state)
{
	struct store *first, *copy = NULL;
	struct store_copy *copying = NULL;

	(void)state;
	fill();
	first = store;
	assert_int_equal(store_copy_begin(first, &copying), 0);
	while (store_copy_step(copying) == 1)
		;
	assert_int_equal(store_copy_end(copying, &copy), 0);
	store = copy;
	assert_int_equal(add(UID + 7), 0);
	assert_int_equal(CHANGE(store_account_delete(store, UID, 3)), 0);
	assert_int_equal(proved(), 0);
	store_close(copy);
	store = first;
}

/* Somebody with sqlite3(1): refused, with the name of what is lacking. */
static void another_program_changes_nothing(void **state)
{
	sqlite3 *db = NULL;

	(void)state;
	fill();
	store_close(store);
	store = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE accounts SET flags = 0", NULL, NULL, NULL), SQLITE_ERROR);
	assert_non_null(strstr(sqlite3_errmsg(db), "row_digest"));
	sqlite3_close(db);
	assert_int_equal(store_open(path, &store), 0);
	assert_int_equal(proved(), 0);
}

#define STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE(a_store_is_itself_and_its_copies),
		STORE(marks_rise_and_never_fall),
		STORE(below_the_floor_nothing_is_chosen),
		STORE(a_floor_in_one_region_leaves_the_others),
		STORE(what_root_released_is_free_below_the_floor),
		STORE(a_generation_is_raised_and_stays),
		STORE(every_change_that_decides_raises_the_generation),
		STORE(ids_are_told_before_they_are_durable),
		STORE(tombstones_from_elsewhere_are_told_too),
		STORE(every_stored_column_is_in_the_digest),
		STORE(a_row_that_was_changed_behind_it_is_found),
		STORE(a_row_that_was_changed_by_a_statement_is_no_finding),
		STORE(a_byte_that_was_changed_in_the_file_is_found),
		STORE(a_copy_keeps_its_digest),
		STORE(another_program_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
