/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_fixture.h"

static void open_store(void)
{
	assert_int_equal(store_open(path, &store), 0);
}

static struct account an_account(const char *owner, const char *label, uint32_t uid)
{
	struct account a = {
		.uid = uid, .owner_uid = 1000, .state = ACCOUNT_INTENT, .created = 1700000000, .facts.expires_day = -1
	};

	snprintf(a.owner, sizeof(a.owner), "%s", owner);
	snprintf(a.label, sizeof(a.label), "%s", label);
	return a;
}

static struct ssh_key a_key(uint32_t uid, const char *blob)
{
	struct ssh_key k = {
		.uid = uid, .role = ROLE_PUSH, .created = 1, .type = "ssh-ed25519", .fingerprint = "SHA256:abc"
	};

	snprintf(k.blob, sizeof(k.blob), "%s", blob);
	return k;
}

static struct id_range a_range(const char *owner, uint32_t first, uint32_t count, uint32_t account_uid)
{
	struct id_range r = {
		.first = first, .count = count, .owner_uid = 1000, .account_uid = account_uid, .created = 5
	};

	snprintf(r.owner, sizeof(r.owner), "%s", owner);
	return r;
}

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

static int add(const char *owner, const char *label, uint32_t uid)
{
	struct account a = an_account(owner, label, uid);

	return CHANGE(store_account_insert(store, &a));
}

static int add_range(const char *owner, uint32_t first, uint32_t count, uint32_t account_uid)
{
	struct id_range r = a_range(owner, first, count, account_uid);

	return CHANGE(store_range_insert(store, &r));
}

static int add_key(uint32_t uid, const char *blob, uint32_t *id)
{
	struct ssh_key k = a_key(uid, blob);
	int r = CHANGE(store_key_insert(store, &k));

	*id = k.id;
	return r;
}

static int raw(const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

/* While no store has it open. */
static int raw_file(const char *sql)
{
	sqlite3 *db;
	int code = sqlite3_open(path, &db);

	if (code == SQLITE_OK)
		code = sqlite3_exec(db, sql, NULL, NULL, NULL);
	sqlite3_close(db);
	return code;
}

/* ---- the file ---- */

static void the_file_is_private(void **state)
{
	struct stat st;
	char name[160];

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(name, sizeof(name), "%s-wal", path);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_file_that_others_reach_is_refused(void **state)
{
	struct store *other = NULL;
	char name[160], link_name[160];

	(void)state;
	store_close(store);
	store = NULL;
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(store_open(path, &other), -EPERM);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(link_name, sizeof(link_name), "%s/link.db", directory);
	assert_int_equal(symlink(path, link_name), 0);
	assert_int_equal(store_open(link_name, &other), -ELOOP);
	assert_int_equal(unlink(link_name), 0);
	assert_int_equal(link(path, link_name), 0);
	assert_int_equal(store_open(path, &other), -EPERM);
	assert_int_equal(unlink(link_name), 0);
	snprintf(name, sizeof(name), "%s-wal", path);
	assert_int_equal(unlink(name), 0); /* empty after a clean end */
	assert_int_equal(symlink("/dev/null", name), 0);
	assert_int_equal(store_open(path, &other), -ELOOP);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(store_open(path, &other), -EPERM);
	assert_int_equal(chmod(directory, 0700), 0);
	assert_int_equal(store_open("/nonexistent/state.db", &other), -ENOENT);
	assert_null(other);
	open_store();
}

static void a_second_daemon_is_refused(void **state)
{
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	child = fork(); /* locks are per process */
	if (child == 0) {
		struct store *other = NULL;

		_exit(store_open(path, &other) == -EBUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void write_file(const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), (ssize_t)length);
	close(fd);
}

static void bytes_that_are_no_database_are_refused(void **state)
{
	char junk[8192];
	struct store *other = NULL;

	(void)state;
	store_close(store);
	store = NULL;
	memset(junk, 'x', sizeof(junk));
	write_file(junk, sizeof(junk));
	assert_int_equal(store_open(path, &other), -EUCLEAN);
	write_file("", 0);
	open_store();
}

static void versions_that_are_not_ours_are_refused(void **state)
{
	struct store *other = NULL;
	sqlite3 *db;
	char sql[64];

	(void)state;
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", store_schema_version() + 1);
	assert_int_equal(raw(sql), SQLITE_OK);
	store_close(store);
	store = NULL;
	assert_int_equal(store_open(path, &other), -EPROTO);

	/* somebody else's database: version 0, but not empty */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(store_open(path, &other), -EPROTO);
	/* and with our version, but not our mark */
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(store_open(path, &other), -EPROTO);
	assert_null(other);
	assert_int_equal(unlink(path), 0);
	open_store();
}

static int first_number(void *data, int columns, char **values, char **names)
{
	(void)columns, (void)names;
	*(int *)data = atoi(values[0]);
	return 0;
}

static int number(const char *sql)
{
	int value = -1;

	assert_int_equal(sqlite3_exec(store->db, sql, first_number, &value, NULL), SQLITE_OK);
	return value;
}

/* A file of version 1, read from the project's directory: keys keep what they may do, and their ids. */
static void version_1_is_brought_to_the_newest(void **state)
{
	static char sql[32768];
	uint32_t marks[HIGH_WATER_REGIONS];
	struct id_range ranges[4];
	struct account account;
	struct ssh_key key;
	struct limit limit;
	uint64_t last = 0;
	char why[256] = "";
	FILE *file = fopen("tests/unit/store_v1.sql", "re");
	sqlite3 *db;

	(void)state;
	assert_non_null(file);
	sql[fread(sql, 1, sizeof(sql) - 1, file)] = '\0';
	fclose(file);
	store_close(store);
	store = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(chmod(path, 0600), 0);
	open_store();
	assert_int_equal(number("PRAGMA user_version"), store_schema_version());
	assert_true(store_first_open(store));
	assert_int_equal(store_check(store, why, sizeof(why)), 0);
	assert_int_equal(store_marks(store, marks), 0);
	assert_int_equal(marks[2100000000u >> 24], 2100000011u);
	assert_int_equal(marks[1140850688u >> 24], 1141112831u);
	assert_int_equal(marks[0x50], 0);
	assert_int_equal(store_account_by_uid(store, 2100000000u, &account), 0);
	assert_int_equal(account.facts.view, VIEW_DEFAULT);
	assert_int_equal(account.facts.files, FILES_FROM_SIZE);
	assert_int_equal(store_key_get(store, 2, &key), 0);
	assert_int_equal(key.role, ROLE_SYNC);
	assert_string_equal(key.from, "10.0.0.1");
	assert_string_equal(key.tools, "");
	assert_string_equal(key.forward, "");
	assert_int_equal(key.storage_quota, 0);
	assert_int_equal(store_key_forwards(store, 2100000000u), 0);

	assert_int_equal(store_limit_list(store, 0, &limit, 1, &last), number("SELECT count(*) FROM limits"));

	/* whose ranges tombstones were: those that were given back while the account of this name was there */
	assert_int_equal(store_tombstone_list_account(store, 2100000010u, 0, ranges, 4), 2);
	assert_int_equal(ranges[0].first, 1140850688);
	assert_int_equal(ranges[1].first, 1140916224);
	assert_int_equal(store_tombstone_list_account(store, 2100000011u, 0, ranges, 4), 1);
	assert_int_equal(ranges[0].first, 1140981760);
	assert_int_equal(CHANGE(store_tombstone_release(store, 1140850688)), -EBUSY);

	key = a_key(2100000000u, "DDDD");
	key.role = ROLE_NONE;
	assert_true(CHANGE(store_key_insert(store, &key)) < 0); /* it could do nothing */
	strcpy(key.tools, "sftp,borg");
	strcpy(key.forward, "[::1]:22");
	key.storage_quota = UINT64_C(1) << 40;
	assert_int_equal(CHANGE(store_key_insert(store, &key)), 0);
	assert_int_equal(key.id, 4); /* 3 was somebody's */
	assert_int_equal(store_key_get(store, 4, &key), 0);
	assert_int_equal(key.role, ROLE_NONE);
	assert_string_equal(key.tools, "sftp,borg");
	assert_string_equal(key.forward, "[::1]:22");
	assert_int_equal(key.storage_quota, UINT64_C(1) << 40);
	assert_int_equal(store_key_forwards(store, 2100000000u), 1);
	assert_int_equal(CHANGE(store_key_delete(store, 4)), 0);
	assert_int_equal(store_key_forwards(store, 2100000000u), 0);
}

static void version_0_is_brought_to_the_newest(void **state)
{
	sqlite3 *db;

	(void)state;
	store_close(store);
	store = NULL;
	assert_int_equal(unlink(path), 0);
	/* a version 0 file as a crash before the first step leaves it: a database without a table */
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "PRAGMA journal_mode = WAL; CREATE TABLE t (x); DROP TABLE t", NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(chmod(path, 0600), 0);
	open_store();
	assert_int_equal(number("PRAGMA user_version"), store_schema_version());
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(number("PRAGMA foreign_keys"), 1);
	assert_int_equal(number("PRAGMA synchronous"), 2);
	assert_int_equal(number("PRAGMA trusted_schema"), 0);
	assert_int_equal(number("PRAGMA cell_size_check"), 1);
}

static void what_was_committed_is_there_after_opening_again(void **state)
{
	struct account a = an_account("alice", "web1", 2100000000u), b;
	uint64_t generation;

	(void)state;
	a.facts.quota = 123;
	a.facts.files = FILES_NONE;
	a.facts.view = VIEW_OWNER;
	a.flags = ACCOUNT_LOCKED;
	a.facts.expires_day = 20000;
	snprintf(a.facts.comment, sizeof(a.facts.comment), "G\xc3\xa4ste");
	assert_int_equal(CHANGE(store_account_insert(store, &a)), 0);
	generation = store_generation(store);
	assert_int_equal(store_begin(store), 0);
	b = an_account("alice", "web2", 2100000001u);
	assert_int_equal(store_account_insert(store, &b), 0);
	store_close(store); /* not committed */
	open_store();
	assert_int_equal(store_account_get(store, "alice", "web1", &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(store_account_get(store, "alice", "web2", &b), -ENOENT);
	assert_int_equal(store_generation(store), generation);
}

/* ---- accounts ---- */

static void an_account_lives_and_leaves_a_tombstone(void **state)
{
	struct account a, got;
	struct id_range dead[4];
	uint32_t id, count;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add_key(2100000000u, "AAAA", &id), 0);
	assert_int_equal(add_range("alice", 1073741824u, 65536, 2100000000u), 0);
	assert_int_equal(store_account_by_uid(store, 2100000000u, &a), 0);
	a.state = ACCOUNT_ACTIVE;
	a.flags = ACCOUNT_LOCKED;
	a.facts.quota = 1u << 30;
	a.facts.files = 77;
	a.facts.view = VIEW_THEIRS;
	assert_int_equal(CHANGE(store_account_update(store, &a)), 0);
	assert_int_equal(store_account_get(store, "alice", "web1", &got), 0);
	assert_memory_equal(&got, &a, sizeof(a));
	a.state = ACCOUNT_INTENT; /* never back */
	assert_int_equal(CHANGE(store_account_update(store, &a)), -EEXIST);
	a.uid = 2100000077u;
	assert_int_equal(CHANGE(store_account_update(store, &a)), -ENOENT);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 77)), 0);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 77)), -ENOENT);
	assert_int_equal(store_account_get(store, "alice", "web1", &got), -ENOENT);
	assert_int_equal(store_key_get(store, id, &(struct ssh_key){ 0 }), -ENOENT);
	assert_int_equal(store_tombstone_list(store, 0, dead, 4), 2);
	assert_int_equal(dead[0].first, 1073741824u);
	assert_int_equal(dead[0].count, 65536);
	assert_string_equal(dead[0].label, "web1");
	assert_int_equal(dead[1].first, 2100000000u);
	assert_int_equal(dead[1].count, 1);
	assert_int_equal(dead[1].created, 77);
	assert_string_equal(dead[1].owner, "alice");
	assert_int_equal(dead[1].owner_uid, 1000);
	assert_int_equal(store_account_count(store, "alice", &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(store_range_units(store, "alice", &count), 0);
	assert_int_equal(count, 0);
}

static void no_id_twice_not_even_after_removal(void **state)
{
	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("bob", "web1", 2100000000u), -EEXIST);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 1)), 0);
	assert_int_equal(add("bob", "web1", 2100000000u), -EEXIST);
	assert_int_equal(CHANGE(store_tombstone_release(store, 2100000000u)), 0);
	assert_int_equal(CHANGE(store_tombstone_release(store, 2100000000u)), -ENOENT);
	assert_int_equal(add("bob", "web1", 2100000000u), 0);
	assert_int_equal(CHANGE(store_tombstone_release(store, 2100000000u)), -ENOENT); /* in use again */
	assert_int_equal(add("alice", "web1", 2100000001u), 0);
	assert_int_equal(add("alice", "web1", 2100000002u), -EEXIST); /* the name is taken */
}

static void a_refused_insert_leaves_the_transaction_as_it_was(void **state)
{
	struct account a = an_account("alice", "web1", 2100000000u), b = an_account("alice", "web1", 2100000001u);
	uint32_t first;

	(void)state;
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_account_insert(store, &a), 0);
	assert_int_equal(store_account_insert(store, &b), -EEXIST); /* after its id went in */
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_ids_free(store, (struct id_block){ 2100000000u, 2100000009u }, 0, 1, &first), 0);
	assert_int_equal(first, 2100000001u);
}

static void rows_that_are_wrong_in_themselves_are_refused(void **state)
{
	static const char *const labels[] = { "",        "-a",  "_a",  "A",
					      "a+b",     "a/b", "a.b", "abcdefghijklmnopqrstuvwxyz0123456",
					      "\xc3\xa4" };
	static const char *const owners[] = { "", ".a", "-a", "a+b", "a/b", "a b", "a\nb" };
	static const uint32_t ids[] = { 0, 65534, 65535, UINT32_MAX };
	struct account a;

	(void)state;
	for (unsigned i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		a = an_account("alice", labels[i], 2100000000u);
		if (strlen(labels[i]) <= LABEL_MAX)
			assert_int_equal(CHANGE(store_account_insert(store, &a)), -EINVAL);
	}
	for (unsigned i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		assert_int_equal(add(owners[i], "web1", 2100000000u), -EINVAL);
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_int_equal(add("alice", "web1", ids[i]), -EINVAL);
	a = an_account("alice", "web1", 2100000000u);
	a.state = 5;
	assert_int_equal(CHANGE(store_account_insert(store, &a)), -EINVAL);
	a.state = ACCOUNT_INTENT;
	a.facts.quota = UINT64_MAX;
	assert_int_equal(CHANGE(store_account_insert(store, &a)), -EINVAL);
	a.facts.quota = 0;
	a.facts.files = -2;
	assert_int_equal(CHANGE(store_account_insert(store, &a)), -EINVAL);
	a.facts.files = 0;
	a.facts.view = 3;
	assert_int_equal(CHANGE(store_account_insert(store, &a)), -EINVAL);
	a.facts.view = 0;
	a.facts.expires_day = -2;
	assert_int_equal(CHANGE(store_account_insert(store, &a)), -EINVAL);
	assert_int_equal(add_range("alice", 1073741824u, 0, 0), -EINVAL);
	assert_int_equal(add_range("alice", 4294901760u, 65536, 0), -EINVAL); /* holds 2^32-1 */
	assert_int_equal(add_range("alice", 0, 65536, 0), -EINVAL);
	assert_int_equal(number("SELECT count(*) FROM ids"), 0);
}

/* The schema holds also when our own code is wrong. */
static void the_schema_itself_states_the_invariants(void **state)
{
	static const char *const refused[] = {
		"INSERT INTO ids VALUES (2099999990, 2100000000, 'foreign', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES (2100000000, 2100000000, 'foreign', 0, '', '', 0, 0)",
		"INSERT OR REPLACE INTO ids VALUES (2100000000, 2100000000, 'account', 0, '', '', 0, 0)",
		"INSERT OR REPLACE INTO ids VALUES (2100000003, 2100000003, 'account', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES (1073741824, 1073807359, 'range', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES (1073807359, 1073807359, 'foreign', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES (1000000000, 2000000000, 'foreign', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES (65000, 70000, 'foreign', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES (5, 6, 'account', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES ('x', 6, 'foreign', 0, '', '', 0, 0)",
		"INSERT INTO ids VALUES (5, 6, 'mine', 0, '', '', 0, 0)",
		"UPDATE ids SET last = 2100000005 WHERE first = 2100000000",
		"UPDATE ids SET first = 5 WHERE first = 2100000003",
		"UPDATE ids SET kind = 'account' WHERE first = 2100000003",
		"UPDATE ids SET kind = 'tombstone' WHERE first = 2100000000", /* its account points to it */
		"DELETE FROM ids WHERE first = 2100000000",
		"DELETE FROM ids",
		"INSERT INTO accounts (uid, owner, owner_uid, label, state, flags, created, expires_day, quota, "
		"comment)"
		" VALUES (2100000009, 'bob', 1, 'x', 1, 0, 0, -1, 0, '')",
		"INSERT INTO accounts (uid, owner, owner_uid, label, state, flags, created, expires_day, quota, "
		"comment)"
		" VALUES (2100000003, 'bob', 1, 'x', 1, 0, 0, -1, 0, '')",
		"UPDATE accounts SET uid = 2100000003",
		"UPDATE accounts SET owner = 'bob'",
		"DELETE FROM audit",
		"UPDATE audit SET caller = 'nobody'",
		"INSERT OR REPLACE INTO audit VALUES (1, 0, 0, 0, 0, 0, 'nobody', '', '', '', '')",
		"UPDATE ranges SET owner = 'bob'",
	};
	struct audit_entry entry = { .caller = "alice", .action = "account.add", .target = "alice+web1" };

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("alice", "gone", 2100000003u), 0);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000003u, 1)), 0);
	assert_int_equal(add_range("alice", 1073741824u, 65536, 0), 0);
	assert_int_equal(CHANGE(store_audit_add(store, &entry)), 0);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if ((raw(refused[i]) & 0xff) != SQLITE_CONSTRAINT && sqlite3_errcode(store->db) != SQLITE_MISMATCH)
			fail_msg("not refused: %s (%s)", refused[i], sqlite3_errmsg(store->db));
}

/* What a list counts by one question is what each list of its own has. */
static void what_is_listed_is_counted(void **state)
{
	struct listed_account rows[8];
	struct belongings has;
	struct ssh_key keys[8];
	struct id_range ranges[8];
	uint32_t id;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		char label[8], blob[8];

		snprintf(label, sizeof(label), "w%u", i);
		assert_int_equal(add(i % 2 == 0 ? "alice" : "bob", label, 2100000000u + i), 0);
		for (uint32_t n = 0; n < i; n++) {
			snprintf(blob, sizeof(blob), "AAAA%u", n);
			assert_int_equal(add_key(2100000000u + i, blob, &id), 0);
		}
	}
	assert_int_equal(add_range("bob", 1073741824u, 65536, 2100000003u), 0);
	assert_int_equal(add_range("bob", 1073741824u + 65536, 65536, 0), 0);
	assert_int_equal(CHANGE(store_watch_alarm(store, 2100000001u, 50, 200)), 0);
	assert_int_equal(store_account_listed(store, NULL, 0, rows, 8), 4);
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t uid = 2100000000u + i;
		int counted = store_range_list_account(store, uid, 0, ranges, 8);

		assert_int_equal(rows[i].account.uid, uid);
		assert_int_equal(rows[i].belongings.keys, store_key_list(store, uid, 0, keys, 8));
		assert_int_equal(rows[i].belongings.ranges, counted);
		assert_int_equal(rows[i].belongings.watch.uid, uid);
		assert_int_equal(rows[i].belongings.watch.alarm, i == 1 ? 50 : 0);
		assert_int_equal(store_account_belongings(store, uid, &has), 0);
		assert_memory_equal(&has, &rows[i].belongings, sizeof(has));
	}
	assert_int_equal(store_account_listed(store, "bob", 2100000001u, rows, 8), 1);
	assert_int_equal(rows[0].account.uid, 2100000003u);
	assert_int_equal(store_account_belongings(store, 4711, &has), 0);
	assert_int_equal(has.keys + has.ranges, 0);
}

static void by_owner_a_list_goes_on_after_the_last_row(void **state)
{
	struct account rows[3];

	(void)state;
	assert_int_equal(add("bob", "w1", 2100000000u), 0);
	assert_int_equal(add("alice", "w2", 2100000001u), 0);
	assert_int_equal(add("bob", "w3", 2100000002u), 0);
	assert_int_equal(add("alice", "w4", 2100000003u), 0);
	assert_int_equal(store_account_list_by_owner(store, "", 0, rows, 3), 3);
	assert_int_equal(rows[0].uid, 2100000001u);
	assert_int_equal(rows[1].uid, 2100000003u);
	assert_int_equal(rows[2].uid, 2100000000u);
	assert_int_equal(store_account_list_by_owner(store, "bob", rows[2].uid, rows, 3), 1);
	assert_int_equal(rows[0].uid, 2100000002u);
	assert_int_equal(store_account_list_by_owner(store, "bob", rows[0].uid, rows, 3), 0);
}

static void lists_go_on_after_the_last_row(void **state)
{
	struct account rows[3];
	uint32_t count;

	(void)state;
	for (uint32_t i = 0; i < 7; i++) {
		char label[8];

		snprintf(label, sizeof(label), "w%u", 9 - i);
		assert_int_equal(add(i % 2 == 0 ? "alice" : "bob", label, 2100000000u + i), 0);
	}
	assert_int_equal(store_account_list(store, NULL, 0, rows, 3), 3);
	assert_int_equal(rows[2].uid, 2100000002u);
	assert_int_equal(store_account_list(store, NULL, rows[2].uid, rows, 3), 3);
	assert_int_equal(store_account_list(store, NULL, rows[2].uid, rows, 3), 1);
	assert_int_equal(store_account_list(store, NULL, rows[0].uid, rows, 3), 0);
	assert_int_equal(store_account_list(store, "alice", 0, rows, 3), 3);
	assert_int_equal(rows[2].uid, 2100000004u);
	assert_int_equal(store_account_list(store, "alice", rows[2].uid, rows, 3), 1);
	assert_int_equal(rows[0].uid, 2100000006u);
	assert_int_equal(store_account_list(store, "carol", 0, rows, 3), 0);
	assert_int_equal(store_account_count(store, "alice", &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(store_account_count(store, NULL, &count), 0);
	assert_int_equal(count, 7);
}

/* Two guards stand before an id in use: the foreign key, and the trigger alone. */
static void an_id_in_use_is_not_deleted(void **state)
{
	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(raw("PRAGMA foreign_keys = OFF"), SQLITE_OK);
	assert_int_equal(raw("DELETE FROM ids WHERE first = 2100000000") & 0xff, SQLITE_CONSTRAINT);
	assert_int_equal(raw("PRAGMA foreign_keys = ON"), SQLITE_OK);
}

/* ---- keys, ranges, limits, removed ---- */

static void keys_are_never_numbered_twice(void **state)
{
	struct ssh_key k, rows[4];
	uint32_t first, second, third;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("alice", "web2", 2100000001u), 0);
	assert_int_equal(add_key(2100000000u, "AAAA", &first), 0);
	assert_int_equal(add_key(2100000000u, "AAAA", &second), -EEXIST);
	assert_int_equal(second, 0);
	assert_int_equal(add_key(2100000001u, "AAAA", &second), 0);
	assert_int_equal(add_key(2100000002u, "AAAA", &third), -ENOENT); /* no such account */
	assert_int_equal(CHANGE(store_key_delete(store, second)), 0);
	assert_int_equal(CHANGE(store_key_delete(store, second)), -ENOENT);
	assert_int_equal(add_key(2100000001u, "BBBB", &third), 0);
	assert_true(third > second);
	assert_int_equal(store_key_get(store, third, &k), 0);
	assert_string_equal(k.blob, "BBBB");
	assert_string_equal(k.type, "ssh-ed25519");
	assert_int_equal(store_key_list(store, 0, 0, rows, 4), 2);
	assert_int_equal(store_key_list(store, 2100000000u, 0, rows, 4), 1);
	assert_int_equal(rows[0].id, first);
	assert_int_equal(store_key_list(store, 2100000000u, first, rows, 4), 0);
	k = a_key(2100000000u, "AA\"A");
	assert_int_equal(CHANGE(store_key_insert(store, &k)), -EINVAL);
	k = a_key(2100000000u, "CCCC");
	snprintf(k.from, sizeof(k.from), "1.2.3.4\",command=\"x");
	assert_int_equal(CHANGE(store_key_insert(store, &k)), -EINVAL);
}

static void ranges_do_not_overlap_and_are_counted(void **state)
{
	struct id_range r, rows[4];
	uint32_t units;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add_range("alice", 1073741824u, 131072, 0), 0);
	assert_int_equal(add_range("bob", 1073741824u + 65536, 65536, 0), -EEXIST);
	assert_int_equal(add_range("bob", 1073741824u - 65536, 131072, 0), -EEXIST);
	assert_int_equal(add_range("bob", 1073741824u + 131072, 65536, 2100000000u), -EEXIST); /* alice's account */
	assert_int_equal(add_range("alice", 1073741824u + 131072, 65536, 2100000000u), 0);
	assert_int_equal(store_range_get(store, 1073741824u + 131072, &r), 0);
	assert_string_equal(r.label, "web1");
	assert_int_equal(r.account_uid, 2100000000u);
	assert_int_equal(r.count, 65536);
	assert_int_equal(store_range_units(store, "alice", &units), 0);
	assert_int_equal(units, 3);
	assert_int_equal(store_range_list(store, NULL, 0, rows, 4), 2);
	assert_int_equal(store_range_list(store, "alice", 1073741824u, rows, 4), 1);
	assert_int_equal(store_range_list(store, "bob", 0, rows, 4), 0);
	assert_int_equal(CHANGE(store_range_delete(store, 1073741824u, 9)), 0);
	assert_int_equal(CHANGE(store_range_delete(store, 1073741824u, 9)), -ENOENT);
	assert_int_equal(add_range("bob", 1073741824u, 65536, 0), -EEXIST);
	assert_int_equal(store_range_units(store, "alice", &units), 0);
	assert_int_equal(units, 1);
	assert_int_equal(store_range_units(store, NULL, &units), 0);
	assert_int_equal(units, 1);
}

static uint32_t place_of(uint32_t first)
{
	struct id_range range;

	assert_int_equal(store_range_get(store, first, &range), 0);
	return range.place;
}

static void a_range_has_a_place_among_those_of_its_holder(void **state)
{
	const uint32_t one = 1073741824u, two = one + 65536, line = two + 65536;
	struct id_range range = a_range("alice", one, 65536, 0), rows[4];
	uint32_t place = 77;

	(void)state;
	assert_int_equal(store_range_place(store, "alice", 0, &place), 0);
	assert_int_equal(place, 0);
	range.place = 5;
	range.behind[0] = range.behind[1] = 1; /* behind a line of the files */
	assert_int_equal(CHANGE(store_range_insert(store, &range)), 0);
	assert_int_equal(store_range_place(store, "alice", 0, &place), 0);
	assert_int_equal(place, 6);
	assert_int_equal(store_range_place(store, "bob", 0, &place), 0);
	assert_int_equal(place, 0);
	range = a_range("alice", two, 65536, 0);
	range.place = 6;
	range.behind[0] = 2;
	range.behind[1] = UINT16_MAX; /* not known yet */
	assert_int_equal(CHANGE(store_range_insert(store, &range)), 0);
	assert_int_equal(store_range_unsettled(store, 0, rows, 4), 1);
	assert_int_equal(rows[0].first, two);
	rows[0].behind[1] = 3;
	assert_int_equal(CHANGE(store_range_settle(store, &rows[0])), 0);
	assert_int_equal(store_range_unsettled(store, 0, rows, 4), 0);
	/* the second line becomes a range: behind the first range, before the second */
	assert_int_equal(CHANGE(store_range_make_way(store, "alice", 1, &place)), 0);
	assert_int_equal(place, 6);
	assert_true(place_of(one) == 5 && place_of(two) == 7);
	assert_int_equal(store_range_get(store, two, &range), 0);
	assert_true(range.behind[0] == 1 && range.behind[1] == 2);
	/* one that nothing comes behind */
	assert_int_equal(CHANGE(store_range_make_way(store, "alice", 9, &place)), 0);
	assert_int_equal(place, 8);
	range = a_range("alice", line, 65536, 0);
	range.place = place;
	assert_int_equal(CHANGE(store_range_insert(store, &range)), 0);
	assert_int_equal(store_digest_prove(store->db), SQLITE_OK);
}

static void limits_are_an_owners_own(void **state)
{
	struct limit l = { .accounts = 1, .keys = 2, .ranges = 3, .owner = "alice" }, got;

	(void)state;
	assert_int_equal(store_limit_get(store, "alice", &got), -ENOENT);
	assert_int_equal(CHANGE(store_limit_set(store, &l)), 0);
	l.keys = UINT32_MAX;
	assert_int_equal(CHANGE(store_limit_set(store, &l)), 0);
	assert_int_equal(store_limit_get(store, "alice", &got), 0);
	assert_memory_equal(&l, &got, sizeof(l));
	assert_int_equal(CHANGE(store_limit_delete(store, "alice")), 0);
	assert_int_equal(CHANGE(store_limit_delete(store, "alice")), -ENOENT);
}

static void ids_whose_data_is_set_aside_are_not_released(void **state)
{
	struct removed r = { .uid = 2100000000u, .when = 50, .owner = "alice", .label = "web1" }, rows[2];

	(void)state;
	assert_int_equal(CHANGE(store_removed_insert(store, &r)), -ENOENT); /* never given out */
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 50)), 0);
	assert_int_equal(CHANGE(store_removed_insert(store, &r)), 0);
	assert_int_equal(CHANGE(store_removed_insert(store, &r)), -EEXIST);
	assert_int_equal(CHANGE(store_tombstone_release(store, 2100000000u)), -EBUSY);
	assert_int_equal(store_removed_due(store, 50, INT64_MAX, NULL, rows, 2), 0);
	assert_int_equal(store_removed_due(store, 51, INT64_MAX, NULL, rows, 2), 1);
	assert_memory_equal(&rows[0], &r, sizeof(r));
	assert_int_equal(CHANGE(store_removed_delete(store, 2100000000u)), 0);
	assert_int_equal(CHANGE(store_removed_delete(store, 2100000000u)), -ENOENT);
	assert_int_equal(CHANGE(store_tombstone_release(store, 2100000000u)), 0);
}

static int add_run(uint32_t uid, int64_t started, uint32_t status, uint32_t kind);

/* All of a table, as text. */
static void dump(const char *table, char out[1024])
{
	sqlite3_stmt *rows;
	char sql[128];
	size_t used = 0;

	snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
	assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &rows, NULL), SQLITE_OK);
	out[0] = '\0';
	while (sqlite3_step(rows) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(rows) && used < 1024; i++) {
			const unsigned char *text = sqlite3_column_text(rows, i);

			used += (size_t)snprintf(out + used, 1024 - used, "%d:%s|", sqlite3_column_type(rows, i),
						 text != NULL ? (const char *)text : "");
		}
	sqlite3_finalize(rows);
	assert_true(used > 0 && used < 1024);
}

/* Each table that an account has rows in: as it was, column for column. */
static void an_account_that_was_removed_comes_back_whole(void **state)
{
	static const char *const tables[] = { "accounts", "keys", "key_uses", "ranges", "watches", "runs" };
	const uint32_t uid = 2100000000u, first = 1073741824u;
	char before[6][1024], after[1024];
	struct account account = { 0 }, kept = { 0 };
	struct id_range range;

	(void)state;
	assert_int_equal(add("alice", "web1", uid), 0);
	assert_int_equal(add_range("alice", first, 65536, uid), 0);
	assert_int_equal(raw("UPDATE accounts SET state = 3, flags = 1, quota = 9007199254740993, comment = 'a \"b\" "
			     "\\ ü', files = -1,"
			     " view = 2, contact = 'a@b', expires_day = 99"),
			 SQLITE_OK);
	assert_int_equal(
		raw("INSERT INTO keys (id, uid, role, options, created, expires, source, type, comment, fingerprint,"
		    " blob, tools, storage_quota, forward) VALUES (7, 2100000000, 1, 3, 50, 60, '10.0.0.0/8',"
		    " 'ssh-ed25519', 'c', 'SHA256:x', 'AAAA', 'borg', 5, 'h:1')"),
		SQLITE_OK);
	assert_int_equal(raw("INSERT INTO key_uses VALUES (7, 70)"), SQLITE_OK);
	assert_int_equal(add_run(uid, 100, 23, RUN_BACKUP), 0);
	assert_int_equal(CHANGE(store_watch_alarm(store, uid, 3600, 80)), 0);
	assert_int_equal(store_account_get(store, "alice", "web1", &account), 0);
	for (size_t i = 0; i < 6; i++)
		dump(tables[i], before[i]);

	assert_int_equal(CHANGE(store_kept_put(store, uid)), 0);
	assert_int_equal(CHANGE(store_account_delete(store, uid, 100)), 0);
	assert_int_equal(store_kept_account(store, uid, &kept), 0);
	assert_memory_equal(&kept, &account, sizeof(account));
	assert_int_equal(store_kept_ranges(store, uid, 0, &range, 1), 1);
	assert_true(range.first == first && range.count == 65536 && range.account_uid == uid);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_tombstone_release(store, uid), 0);
	assert_int_equal(store_tombstone_release(store, first), 0);
	assert_int_equal(store_account_insert(store, &kept), 0);
	assert_int_equal(store_range_insert(store, &range), 0);
	assert_int_equal(store_kept_bring(store, uid), 0);
	assert_int_equal(store_commit(store), 0);
	for (size_t i = 0; i < 6; i++) {
		dump(tables[i], after);
		assert_string_equal(after, before[i]);
	}
	assert_int_equal(CHANGE(store_kept_delete(store, uid)), 0);
	assert_int_equal(store_kept_account(store, uid, &kept), -ENOENT);
	assert_int_equal(store_digest_prove(store->db), SQLITE_OK);
}

/* Containers may have left files in its home under their ids. */
static void ranges_of_removed_accounts_are_known_until_its_data_is_gone(void **state)
{
	struct removed gone = { .uid = 2100000000u, .when = 50, .owner = "alice", .label = "web1" };
	const uint32_t a = 1073741824, b = a + 65536, c = b + 65536, d = c + 65536;
	struct id_range rows[4];

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("alice", "web2", 2100000001u), 0);
	assert_int_equal(add_range("alice", a, 65536, 2100000000u), 0);
	assert_int_equal(add_range("alice", b, 65536, 2100000000u), 0);
	assert_int_equal(add_range("alice", c, 65536, 2100000001u), 0);
	assert_int_equal(add_range("alice", d, 65536, 0), 0);
	assert_int_equal(CHANGE(store_range_delete(store, b, 40)), 0); /* given back before */
	assert_int_equal(CHANGE(store_range_delete(store, d, 40)), 0); /* the owner's own */
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 50)), 0);
	assert_int_equal(CHANGE(store_removed_insert(store, &gone)), 0);
	/* another account of that name */
	assert_int_equal(add("alice", "web1", 2100000002u), 0);
	assert_int_equal(add_range("alice", d + 65536, 65536, 2100000002u), 0);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000002u, 60)), 0);

	assert_int_equal(store_tombstone_list_account(store, 2100000000u, 0, rows, 4), 2);
	assert_int_equal(rows[0].first, a);
	assert_int_equal(rows[0].count, 65536);
	assert_int_equal(rows[1].first, b);
	assert_int_equal(store_tombstone_list_account(store, 2100000000u, a, rows, 4), 1);
	assert_int_equal(store_tombstone_list_account(store, 2100000001u, 0, rows, 4), 0);
	assert_int_equal(CHANGE(store_tombstone_release(store, a)), -EBUSY);
	assert_int_equal(CHANGE(store_tombstone_release(store, b)), -EBUSY);
	assert_int_equal(CHANGE(store_tombstone_release(store, d)), 0);
	assert_int_equal(CHANGE(store_removed_delete(store, 2100000000u)), 0);
	assert_int_equal(CHANGE(store_tombstone_release(store, a)), 0);
}

static void keep_without_end_is_never_due(void **state)
{
	struct removed r = { .uid = 2100000000u, .keep = 1, .when = 50, .owner = "alice", .label = "web1" }, rows[2];

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(CHANGE(store_removed_insert(store, &r)), 0);
	assert_int_equal(store_removed_due(store, INT64_MAX, INT64_MAX, NULL, rows, 2), 0);
}

/* ---- audit ---- */

static void note(const char *caller, const char *target, uint32_t target_uid)
{
	struct audit_entry e = {
		.time = 1, .uid = 1000, .pid = 42, .action = "account.add", .target_uid = target_uid, .detail = "x"
	};

	snprintf(e.caller, sizeof(e.caller), "%s", caller);
	snprintf(e.target, sizeof(e.target), "%s", target);
	assert_int_equal(CHANGE(store_audit_add(store, &e)), 0);
	assert_true(e.seq > 0);
}

static void an_owner_reads_his_own_trail_only(void **state)
{
	struct audit_entry rows[8];

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	note("alice", "alice+web1", 2100000000u);
	note("root", "alice+web1", 2100000000u);
	note("bob", "bob+x", 0);
	note("root", "alice+never", 0);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 1)), 0);
	note("root", "gone", 2100000000u); /* by the tombstone */
	assert_int_equal(store_audit_list(store, NULL, 0, rows, 8), 5);
	assert_int_equal(rows[0].seq, 5);
	assert_int_equal(rows[4].seq, 1);
	assert_int_equal(store_audit_list(store, NULL, 3, rows, 8), 2);
	assert_int_equal(store_audit_list(store, "alice", 0, rows, 8), 4);
	assert_int_equal(rows[0].seq, 5);
	assert_int_equal(rows[1].seq, 4);
	assert_int_equal(rows[3].pid, 42);
	assert_int_equal(store_audit_list(store, "alice", 0, rows, 2), 2);
	assert_int_equal(store_audit_list(store, "alice", rows[1].seq, rows, 8), 2);
	assert_int_equal(rows[0].seq, 2);
	assert_int_equal(store_audit_list(store, "bob", 0, rows, 8), 1);
	assert_int_equal(store_audit_list(store, "ali", 0, rows, 8), 0);
}

/* ---- transactions and generation ---- */

static void the_generation_rises_with_what_is_published(void **state)
{
	struct limit l = { .owner = "alice" };
	uint64_t before = store_generation(store);
	uint32_t id;

	(void)state;
	note("alice", "alice+web1", 0);
	assert_int_equal(store_generation(store), before);
	assert_int_equal(CHANGE(store_limit_set(store, &l)), 0); /* not published, and not to be lost unseen */
	assert_int_equal(store_generation(store), ++before);
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(store_generation(store), before + 1);
	assert_int_equal(add("alice", "web1", 2100000001u), -EEXIST);
	assert_int_equal(store_generation(store), before + 1);
	assert_int_equal(add_key(2100000000u, "AAAA", &id), 0);
	assert_int_equal(store_generation(store), before + 2);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_key_delete(store, id), 0);
	store_rollback(store);
	assert_int_equal(store_generation(store), before + 2);
	assert_int_equal(store_key_get(store, id, &(struct ssh_key){ 0 }), 0);
	store_close(store);
	open_store();
	assert_int_equal(store_generation(store), before + 2);
}

static void aborts(void (*act)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void begin_twice(void)
{
	if (store_begin(store) == 0)
		store_begin(store);
}

static void insert_alone(void)
{
	struct account a = an_account("alice", "web1", 2100000000u);

	store_account_insert(store, &a);
}

static void commit_alone(void)
{
	store_commit(store);
}

static void misuse_is_a_bug(void **state)
{
	(void)state;
	aborts(begin_twice);
	aborts(insert_alone);
	aborts(commit_alone);
}

/* ---- faults ---- */

static int fault; /* errno that writes or syncs fail with, 0 none */

static ssize_t failing_pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	if (fault != 0) {
		errno = fault;
		return -1;
	}
	return pwrite(fd, bytes, length, offset);
}

/* The real os_unix.c of SQLite with its system calls replaced; Debian's has HAVE_PREAD, so all writes come by here.
 */
static void inject(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)failing_pwrite), SQLITE_OK);
	assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)failing_pwrite), SQLITE_OK);
}

static void a_fault_leaves_the_store_usable(int error, int expected)
{
	struct account a = an_account("alice", "web1", 2100000000u);
	uint64_t generation = store_generation(store);
	uint32_t count;
	int r;

	inject();
	assert_int_equal(store_begin(store), 0);
	fault = error;
	r = store_account_insert(store, &a);
	r = r ?: store_commit(store);
	store_rollback(store);
	fault = 0;
	assert_int_equal(r, expected);
	assert_true(strlen(store_error(store)) > 0);
	assert_int_equal(store_generation(store), generation);
	assert_int_equal(store_account_count(store, NULL, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	store_close(store);
	open_store();
	assert_int_equal(store_generation(store), generation + 1);
}

static void a_full_disk_is_survived(void **state)
{
	(void)state;
	a_fault_leaves_the_store_usable(ENOSPC, -ENOSPC);
}

static void a_used_up_quota_is_a_full_disk(void **state)
{
	(void)state;
	a_fault_leaves_the_store_usable(EDQUOT, -ENOSPC);
}

static void a_bad_disk_is_survived(void **state)
{
	(void)state;
	a_fault_leaves_the_store_usable(EIO, -EIO);
}

static void a_read_only_disk_is_survived(void **state)
{
	(void)state;
	a_fault_leaves_the_store_usable(EROFS, -EROFS);
}

static void a_database_at_its_size_limit_is_full(void **state)
{
	char sql[64];
	int r = 0;

	(void)state;
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %d", number("PRAGMA page_count"));
	assert_int_equal(raw(sql), SQLITE_OK);
	for (uint32_t i = 0; r == 0 && i < 10000; i++) {
		char label[16];

		snprintf(label, sizeof(label), "w%u", i);
		r = add("alice", label, 2100000000u + i);
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(raw("PRAGMA max_page_count = 1000000"), SQLITE_OK);
	assert_int_equal(add("bob", "web1", 2100020000u), 0);
}

static void a_damaged_file_is_said_to_be_one(void **state)
{
	struct account rows[2];
	char why[256];
	char junk[4096];
	struct store *other = NULL;
	int fd, r = 0;

	(void)state;
	for (uint32_t i = 0; i < 500; i++) {
		char label[16];

		snprintf(label, sizeof(label), "w%u", i);
		assert_int_equal(add("alice", label, 2100000000u + i), 0);
	}
	store_close(store); /* checkpoints */
	store = NULL;
	memset(junk, 0xee, sizeof(junk));
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (off_t at = 4096 * 4; at < lseek(fd, 0, SEEK_END); at += 4096)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
	close(fd);
	r = store_open(path, &other);
	if (r == 0) {
		r = store_account_list(other, NULL, 0, rows, 2);
		assert_int_equal(store_check(other, why, sizeof(why)), -EUCLEAN);
		assert_true(strlen(why) > 0);
	}
	store_close(other);
	assert_int_equal(r, -EUCLEAN);
}

static int reads_until_fault; /* the one that fails; 0: none */

static ssize_t failing_pread(int fd, void *bytes, size_t length, off_t offset)
{
	if (reads_until_fault != 0 && --reads_until_fault == 0) {
		errno = EIO;
		return -1;
	}
	return pread(fd, bytes, length, offset);
}

/* Whatever is read then: a repair would make a new store in the place of this one. */
static void a_disk_that_does_not_answer_is_not_a_damaged_file(void **state)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	int failed = 0;

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		char label[16];

		snprintf(label, sizeof(label), "w%u", i);
		assert_int_equal(add("alice", label, 2100000000u + i), 0);
	}
	store_close(store); /* checkpoints */
	store = NULL;
	assert_int_equal(vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)failing_pread), SQLITE_OK);
	assert_int_equal(vfs->xSetSystemCall(vfs, "pread", (sqlite3_syscall_ptr)failing_pread), SQLITE_OK);
	for (int read = 1;; read++) {
		struct store *other = NULL;
		char why[256] = "";
		int r, left;

		reads_until_fault = read;
		r = store_open(path, &other);
		if (r == 0)
			r = store_check(other, why, sizeof(why));
		left = reads_until_fault;
		reads_until_fault = 0;
		store_close(other);
		if (left > 0) /* there are no more */
			break;
		failed++;
		if (r != 0 && r != -EIO)
			fail_msg("read %d: %d %s", read, r, why);
	}
	vfs->xSetSystemCall(vfs, NULL, NULL);
	assert_true(failed > 20);
	open_store();
}

/* Adds accounts for ever and says each one after its commit. */
static void add_until_killed(int acknowledged, uint32_t uid)
{
	if (store_open(path, &store) < 0)
		_exit(1);
	for (;; uid++) {
		struct account a = an_account("alice", "", uid);

		snprintf(a.label, sizeof(a.label), "w%u", uid);
		if (store_begin(store) < 0 || store_account_insert(store, &a) < 0 || store_commit(store) < 0 ||
		    write(acknowledged, &uid, sizeof(uid)) != sizeof(uid))
			_exit(1);
	}
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
	uint32_t next = 2100000000u;
	unsigned seed = 5, acknowledged = 0;
	char why[256];

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct account a;
		uint32_t uid, count;
		int ends[2], status;
		pid_t child;

		store_close(store);
		store = NULL;
		assert_int_equal(pipe(ends), 0);
		child = fork();
		if (child == 0)
			add_until_killed(ends[1], next);
		close(ends[1]);
		if (round % 2 == 0) { /* from the first one on; in the other rounds from the start of the process on */
			assert_int_equal(read(ends[0], &uid, sizeof(uid)), sizeof(uid));
			next = uid + 1;
			acknowledged++;
		}
		usleep((useconds_t)rand_r(&seed) % 30000);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		open_store();
		for (; read(ends[0], &uid, sizeof(uid)) == sizeof(uid); next = uid + 1, acknowledged++)
			assert_int_equal(store_account_by_uid(store, uid, &a), 0);
		close(ends[0]);
		/* the one that was on its way is there whole or not at all */
		if (store_account_by_uid(store, next, &a) == 0)
			next++;
		assert_int_equal(store_account_count(store, NULL, &count), 0);
		assert_int_equal(count, next - 2100000000u);
		if (store_check(store, why, sizeof(why)) != 0)
			fail_msg("%s", why);
	}
	assert_true(acknowledged >= 20);
}

/* ---- free ids ---- */

static const struct id_block pool = { 2100000000u, 2100000009u };

static int free_at(struct id_block block, uint32_t from, uint32_t count, uint32_t *first)
{
	return store_ids_free(store, block, from, count, first);
}

static void free_ids_are_found(void **state)
{
	const struct id_block units = { 1073741824u, 1073741824u + 4 * 65536 - 1 };
	uint32_t first = 0;

	(void)state;
	assert_int_equal(store_ids_next(store, pool, &first), 0);
	assert_int_equal(first, pool.first);
	assert_int_equal(add("alice", "a", 2100000000u), 0);
	assert_int_equal(add("alice", "b", 2100000005u), 0);
	assert_int_equal(store_ids_next(store, pool, &first), 0);
	assert_int_equal(first, 2100000006u);
	assert_int_equal(free_at(pool, 0, 1, &first), 0);
	assert_int_equal(first, 2100000001u);
	assert_int_equal(free_at(pool, 2100000003u, 1, &first), 0);
	assert_int_equal(first, 2100000003u);
	assert_int_equal(free_at(pool, 2100000005u, 1, &first), 0);
	assert_int_equal(first, 2100000006u);
	assert_int_equal(add("alice", "c", 2100000009u), 0);
	assert_int_equal(free_at(pool, 2100000009u, 1, &first), -ENOENT);
	assert_int_equal(store_ids_next(store, pool, &first), -ENOENT);
	assert_int_equal(free_at(pool, 0, 0, &first), -EINVAL);
	assert_int_equal(free_at(pool, 2100000010u, 1, &first), -ENOENT);

	assert_int_equal(CHANGE(store_id_foreign(store, units.first + 5, 1, 1)), 0);
	assert_int_equal(CHANGE(store_id_foreign(store, units.first + 5, 1, 1)), -EEXIST);
	assert_int_equal(free_at(units, 0, 65536, &first), 0);
	assert_int_equal(first, units.first + 65536);
	assert_int_equal(free_at(units, units.first + 65537, 1000, &first), 0);
	assert_int_equal(first, units.first + 2 * 65536);
	assert_int_equal(free_at(units, 0, 3 * 65536, &first), 0);
	assert_int_equal(free_at(units, 0, 3 * 65536 + 1, &first), -ENOENT);
	assert_int_equal(add_range("alice", units.first + 2 * 65536, 65536, 0), 0);
	assert_int_equal(free_at(units, 0, 2 * 65536, &first), -ENOENT);
	assert_int_equal(free_at(units, units.first + 65537, 65536, &first), 0);
	assert_int_equal(first, units.first + 3 * 65536);
	assert_int_equal(CHANGE(store_tombstone_release(store, units.first + 5)), 0);
	assert_int_equal(free_at(units, 0, 2 * 65536, &first), 0);
	assert_int_equal(first, units.first);
	assert_int_equal(free_at((struct id_block){ 1, UINT32_MAX - 1 }, 65534, 1, &first), 0);
	assert_int_equal(first, 65536); /* never nobody */
}

#define MODEL 400u

/* Random marks and releases against an array of what is held. */
static void gaps_agree_with_a_model(void **state)
{
	const struct id_block block = { 3000000000u, 3000000000u + MODEL - 1 };
	uint32_t held[MODEL] = { 0 }; /* first of the block that holds it, + 1 */
	unsigned seed = 7;
	char why[256];

	(void)state;
	for (int step = 0; step < 3000; step++) {
		uint32_t at = (uint32_t)rand_r(&seed) % MODEL, count = 1 + (uint32_t)rand_r(&seed) % 9, first = 0,
			 expected;
		bool overlap = false;

		if (at + count > MODEL)
			count = MODEL - at;
		for (uint32_t i = at; i < at + count; i++)
			overlap |= held[i] != 0;
		if (rand_r(&seed) % 3 == 0 && held[at] != 0) {
			uint32_t begin = held[at] - 1;

			assert_int_equal(CHANGE(store_tombstone_release(store, block.first + begin)), 0);
			for (uint32_t i = 0; i < MODEL; i++)
				if (held[i] == begin + 1)
					held[i] = 0;
		} else {
			assert_int_equal(CHANGE(store_id_foreign(store, block.first + at, count, 1)),
					 overlap ? -EEXIST : 0);
			for (uint32_t i = at; !overlap && i < at + count; i++)
				held[i] = at + 1;
		}
		at = (uint32_t)rand_r(&seed) % MODEL;
		for (expected = at; expected < MODEL && held[expected] != 0; expected++)
			;
		if (expected == MODEL) {
			assert_int_equal(free_at(block, block.first + at, 1, &first), -ENOENT);
		} else {
			assert_int_equal(free_at(block, block.first + at, 1, &first), 0);
			assert_int_equal(first, block.first + expected);
		}
		if (step % 100 == 0 && store_check(store, why, sizeof(why)) != 0)
			fail_msg("%s", why);
	}
}

/* ---- runs ---- */

static struct run a_run(int64_t started, uint32_t status, uint32_t kind)
{
	struct run run = { .magic = RUN_MAGIC,
			   .started = started,
			   .duration_ms = 2000,
			   .bytes_in = 5,
			   .bytes_out = RUN_UNKNOWN,
			   .files = RUN_UNKNOWN,
			   .key_id = 1,
			   .status = status,
			   .kind = kind,
			   .tool = "rsync",
			   .address = "192.0.2.1",
			   .fingerprint = "SHA256:abc",
			   .error = "why" };

	return run;
}

static int add_run(uint32_t uid, int64_t started, uint32_t status, uint32_t kind)
{
	struct run run = a_run(started, status, kind);

	return CHANGE(store_run_add(store, uid, &run, started + 2, run_verdict(&run, true)));
}

static void runs_are_listed_newest_first_and_the_oldest_go(void **state)
{
	struct run_row rows[8];
	struct run run = a_run(1000 + RUNS_KEPT + 2, 0, RUN_BACKUP);

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("alice", "web2", 2100000001u), 0);
	assert_int_equal(add_run(2100000002u, 1000, 0, RUN_BACKUP), -ENOENT);
	assert_int_equal(add_run(2100000001u, 1000, 0, RUN_BACKUP), 0);
	for (int i = 1; i <= RUNS_KEPT + 2; i++)
		assert_int_equal(add_run(2100000000u, 1000 + i, 0, RUN_BACKUP), 0);
	assert_int_equal(number("SELECT count(*) FROM runs WHERE uid = 2100000000"), RUNS_KEPT);
	assert_int_equal(number("SELECT min(started) FROM runs WHERE uid = 2100000000"), 1003);
	assert_int_equal(store_run_list(store, 2100000000u, 0, rows, 8), 8);
	run.reserved = 0;
	run.magic = 0; /* of the file alone */
	assert_memory_equal(&rows[0].run, &run, sizeof(run));
	assert_int_equal(rows[0].uid, 2100000000u);
	assert_int_equal(rows[1].run.started, run.started - 1);
	assert_int_equal(store_run_list(store, 2100000000u, rows[7].seq, rows, 8), 8);
	assert_int_equal(rows[0].run.started, run.started - 8);
	assert_int_equal(store_run_list(store, 2100000001u, 0, rows, 8), 1);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 5)), 0);
	assert_int_equal(number("SELECT count(*) FROM runs"), 1);
	assert_int_equal(number("SELECT count(*) FROM watches"), 1);
}

static void only_good_backups_count(void **state)
{
	struct watch watch;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(store_watch_get(store, 2100000000u, &watch), 0);
	assert_int_equal(watch.last_run, 0);
	assert_int_equal(add_run(2100000000u, 100, 0, RUN_BACKUP), 0);
	assert_int_equal(add_run(2100000000u, 200, 23, RUN_BACKUP), 0);
	assert_int_equal(add_run(2100000000u, 300, 0, RUN_READ), 0);
	assert_int_equal(add_run(2100000000u, 400, 0, RUN_PROBE), 0);
	assert_int_equal(add_run(2100000000u, 500, 1, RUN_REFUSED), 0);
	assert_int_equal(add_run(2100000000u, 50, 12, RUN_BACKUP), 0); /* late out of the spool */
	assert_int_equal(store_watch_get(store, 2100000000u, &watch), 0);
	assert_int_equal(watch.last_good, 102);
	assert_int_equal(watch.last_run, 202);
	assert_int_equal(watch.last_status, 23);
	assert_int_equal(add_run(2100000000u, 600, 24, RUN_BACKUP), 0); /* rsync's */
	assert_int_equal(store_watch_get(store, 2100000000u, &watch), 0);
	assert_int_equal(watch.last_good, 602);
	assert_int_equal(watch.last_status, 24);
}

/* Accounts and limits leave the digest, and the columns of versions behind 19 the tables. */
static void drop_columns(void)
{
	static const char *const tables[] = { "accounts", "limits" };
	static const char *const columns[] = { "processes", "memory",   "open_files", "file_size", "cpu_weight",
					       "io_weight", "sessions", "logins",     "bandwidth" };
	char sql[512];

	for (uint32_t uid = 2100000000u; uid < 2100000003u; uid++) {
		snprintf(
			sql, sizeof(sql),
			"UPDATE meta SET value = row_digest(value, 'accounts', uid, owner, owner_uid, label, state,"
			" flags, created, expires_day, quota, comment, view, files, contact, processes, memory,"
			" open_files, file_size, cpu_weight, io_weight, sessions, logins, bandwidth, factors, services)"
			" FROM accounts WHERE name = 'digest' AND uid = %u",
			uid);
		assert_int_equal(raw(sql), SQLITE_OK);
	}
	assert_int_equal(raw("DROP TRIGGER digest_accounts_insert; DROP TRIGGER digest_accounts_delete;"
			     "DROP TRIGGER digest_accounts_update; DROP TRIGGER digest_limits_insert;"
			     "DROP TRIGGER digest_limits_delete; DROP TRIGGER digest_limits_update;"
			     "ALTER TABLE accounts DROP COLUMN factors; ALTER TABLE accounts DROP COLUMN services"),
			 SQLITE_OK);
	for (size_t i = 0; i < 2 * BOUNDS; i++) {
		snprintf(sql, sizeof(sql), "ALTER TABLE %s DROP COLUMN %s", tables[i % 2], columns[i / 2]);
		assert_int_equal(raw(sql), SQLITE_OK);
	}
}

/* Up to version 11 the last run was told that was no probe: from then on it is the last backup. */
static void a_step_tells_of_the_last_backup(void **state)
{
	struct watch watch;
	int seq;

	(void)state;
	for (uint32_t uid = 2100000000u; uid < 2100000003u; uid++)
		assert_int_equal(add("alice", uid == 2100000000u ? "a" : uid == 2100000001u ? "b" : "c", uid), 0);
	assert_int_equal(add_run(2100000000u, 100, 0, RUN_BACKUP), 0);
	assert_int_equal(add_run(2100000000u, 200, 23, RUN_BACKUP), 0);
	assert_int_equal(add_run(2100000000u, 300, 0, RUN_READ), 0);
	assert_int_equal(add_run(2100000001u, 300, 12, RUN_READ), 0);
	assert_int_equal(raw("UPDATE watches SET last_run = 302, last_status = 0 WHERE uid = 2100000000"), SQLITE_OK);
	assert_int_equal(raw("INSERT INTO watches (uid, last_run, last_status) VALUES (2100000001, 302, 12)"),
			 SQLITE_OK);
	/* its runs are not kept any more */
	assert_int_equal(
		raw("INSERT INTO watches (uid, last_run, last_status, last_good) VALUES (2100000002, 90, 1, 80)"),
		SQLITE_OK);
	assert_int_equal(raw("DELETE FROM runs WHERE seq = (SELECT max(seq) FROM runs)"), SQLITE_OK);
	seq = number("SELECT seq FROM sqlite_sequence WHERE name = 'runs'");
	drop_columns();
	assert_int_equal(raw("DROP TRIGGER digest_keys_insert; DROP TRIGGER digest_keys_update;"
			     "DROP TRIGGER digest_keys_delete; DROP INDEX keys_password;"
			     "ALTER TABLE keys DROP COLUMN hash; ALTER TABLE keys DROP COLUMN net;"
			     "ALTER TABLE keys DROP COLUMN command;"
			     "DROP TRIGGER told_key; DROP TABLE told; DROP TABLE kept; DROP TABLE manage_keys;"
			     "DROP TABLE former_names; DROP TABLE changing; DROP INDEX removed_owner;"
			     "DROP INDEX ids_held_owner; DROP TRIGGER accounts_renamed; DROP TRIGGER ranges_renamed;"
			     "DROP TRIGGER ranges_follow_their_account; DROP TRIGGER accounts_fixed;"
			     "CREATE TRIGGER accounts_fixed BEFORE UPDATE OF uid ON accounts BEGIN SELECT 1; END;"
			     "DROP TRIGGER ranges_fixed; DROP TRIGGER digest_ranges_insert;"
			     "DROP TRIGGER digest_ranges_update; DROP TRIGGER digest_ranges_delete;"
			     "ALTER TABLE ranges DROP COLUMN place; ALTER TABLE ranges DROP COLUMN behind_uids;"
			     "ALTER TABLE ranges DROP COLUMN behind_gids;"
			     "CREATE TRIGGER ranges_fixed BEFORE UPDATE ON ranges BEGIN SELECT 1; END;"
			     "PRAGMA user_version = 11"),
			 SQLITE_OK);
	store_close(store);
	open_store();
	assert_int_equal(store_watch_get(store, 2100000000u, &watch), 0);
	assert_true(watch.last_run == 202 && watch.last_status == 23 && watch.last_good == 102);
	assert_int_equal(store_watch_get(store, 2100000001u, &watch), 0);
	assert_true(watch.last_run == 0 && watch.last_status == 0 && watch.last_good == 0);
	assert_int_equal(store_watch_get(store, 2100000002u, &watch), 0);
	assert_true(watch.last_run == 80 && watch.last_status == 0 && watch.last_good == 80);
	assert_int_equal(number("SELECT count(*) FROM runs"), 3);
	assert_int_equal(number("SELECT seq FROM sqlite_sequence WHERE name = 'runs'"), seq);
	assert_int_equal(store_digest_prove(store->db), SQLITE_OK);
}

static void what_was_told_is_kept_as_long_as_what_it_is_about(void **state)
{
	uint32_t key = 0;
	int64_t mark = 0;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add_key(2100000000u, "AAAA", &key), 0);
	assert_int_equal(store_told_get(store, 2100000000u, TOLD_QUOTA, 0, &mark), -ENOENT);
	assert_int_equal(CHANGE(store_told_put(store, 2100000000u, TOLD_QUOTA, 0, 80)), 0);
	assert_int_equal(CHANGE(store_told_put(store, 2100000000u, TOLD_QUOTA, 0, 95)), 0);
	assert_int_equal(CHANGE(store_told_put(store, 2100000000u, TOLD_KEY_UNUSED, key, 7)), 0);
	assert_int_equal(CHANGE(store_told_put(store, 2100000000u, TOLD_KEY_EXPIRES, key, 8)), 0);
	assert_int_equal(store_told_get(store, 2100000000u, TOLD_QUOTA, 0, &mark), 0);
	assert_int_equal(mark, 95);
	assert_int_equal(store_told_get(store, 2100000000u, TOLD_KEY_UNUSED, key, &mark), 0);
	assert_int_equal(mark, 7);
	assert_int_equal(CHANGE(store_key_delete(store, key)), 0);
	assert_int_equal(number("SELECT count(*) FROM told"), 1);
	assert_int_equal(CHANGE(store_told_delete(store, 2100000000u, TOLD_QUOTA, 0)), 0);
	assert_int_equal(store_told_get(store, 2100000000u, TOLD_QUOTA, 0, &mark), -ENOENT);
	assert_int_equal(CHANGE(store_told_put(store, 2100000000u, TOLD_EXPIRES, 0, 20000)), 0);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000000u, 5)), 0);
	assert_int_equal(number("SELECT count(*) FROM told"), 0);
	assert_int_equal(store_digest_prove(store->db), SQLITE_OK);
}

static void silence_is_due_and_told_once(void **state)
{
	struct watch rows[4];
	int64_t due = 0;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add_run(2100000000u, 100, 0, RUN_BACKUP), 0);
	assert_int_equal(store_watch_next(store, 0, &due), -ENOENT);
	assert_int_equal(CHANGE(store_watch_alarm(store, 2100000000u, 50, 200)), 0);
	assert_int_equal(store_watch_next(store, 0, &due), 0);
	assert_int_equal(due, 250); /* not before it was asked for */
	assert_int_equal(store_watch_changed(store, true, 249, NULL, rows, 4), 0);
	assert_int_equal(store_watch_changed(store, true, 250, NULL, rows, 4), 1);
	assert_int_equal(rows[0].uid, 2100000000u);
	assert_int_equal(CHANGE(store_watch_told(store, 2100000000u, true)), 0);
	assert_int_equal(store_watch_changed(store, true, 1000, NULL, rows, 4), 0);
	assert_int_equal(store_watch_next(store, 0, &due), -ENOENT);
	assert_int_equal(store_watch_changed(store, false, 300, NULL, rows, 4), 0);
	assert_int_equal(add_run(2100000000u, 298, 0, RUN_BACKUP), 0);
	assert_int_equal(store_watch_changed(store, false, 300, NULL, rows, 4), 1);
	assert_int_equal(CHANGE(store_watch_told(store, 2100000000u, false)), 0);
	assert_int_equal(store_watch_changed(store, false, 300, NULL, rows, 4), 0);
	assert_int_equal(store_watch_next(store, 0, &due), 0);
	assert_int_equal(due, 350);
	assert_int_equal(CHANGE(store_watch_alarm(store, 2100000000u, 0, 300)), 0);
	assert_int_equal(store_watch_next(store, 0, &due), -ENOENT);
}

static void what_is_told_together_is_of_one_owner_and_contact(void **state)
{
	struct watch rows[4];
	int64_t due = 0;
	int count = 0;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("alice", "web2", 2100000001u), 0);
	assert_int_equal(add("bob", "web1", 2100000002u), 0);
	assert_int_equal(add("alice", "web3", 2100000003u), 0);
	assert_int_equal(add("alice", "web4", 2100000004u), 0);
	for (uint32_t uid = 2100000000u; uid < 2100000004u; uid++)
		assert_int_equal(CHANGE(store_watch_alarm(store, uid, uid == 2100000003u ? 500 : 50, 200)), 0);
	assert_int_equal(store_watch_changed(store, true, 250, NULL, rows, 2), 2);
	assert_int_equal(rows[1].uid, 2100000001u);
	assert_int_equal(store_watch_changed(store, true, 250, &rows[1], rows, 4), 1);
	assert_int_equal(rows[0].uid, 2100000002u);
	assert_int_equal(CHANGE(store_watch_told_together(store, "alice", "ops@example.org", true, 250, &count)), 0);
	assert_int_equal(count, 0); /* those whom others are told about are not */
	assert_int_equal(CHANGE(store_watch_told_together(store, "alice", "", true, 250, &count)), 0);
	assert_int_equal(count, 2); /* neither bob's, nor the one that is not due, nor the one without an alarm */
	assert_int_equal(store_watch_changed(store, true, 250, NULL, rows, 4), 1);
	assert_int_equal(rows[0].uid, 2100000002u);
	assert_int_equal(store_watch_next(store, 250, &due), 0);
	assert_int_equal(due, 700);
	assert_int_equal(CHANGE(store_watch_told_together(store, "alice", "", false, 249, &count)), 0);
	assert_int_equal(count, 2);
	assert_int_equal(store_watch_changed(store, true, 250, NULL, rows, 4), 3);
}

static void alarms_of_one_owner_and_kind_are_forgotten(void **state)
{
	int64_t mark = 0;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("bob", "web1", 2100000001u), 0);
	for (uint32_t uid = 2100000000u; uid < 2100000002u; uid++) {
		assert_int_equal(CHANGE(store_told_put(store, uid, TOLD_EXPIRES, 0, 7)), 0);
		assert_int_equal(CHANGE(store_told_put(store, uid, TOLD_KEY_UNUSED, 3, 8)), 0);
	}
	assert_int_equal(CHANGE(store_told_forget(store, "alice", TOLD_EXPIRES)), 0);
	assert_int_equal(store_told_get(store, 2100000000u, TOLD_EXPIRES, 0, &mark), -ENOENT);
	assert_int_equal(store_told_get(store, 2100000000u, TOLD_KEY_UNUSED, 3, &mark), 0);
	assert_int_equal(store_told_get(store, 2100000001u, TOLD_EXPIRES, 0, &mark), 0);
}

static void a_key_of_another_account_is_not_used_by_it(void **state)
{
	struct ssh_key key = a_key(2100000001u, "AAAA");
	int64_t when = 0;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("alice", "web2", 2100000001u), 0);
	assert_int_equal(CHANGE(store_key_insert(store, &key)), 0);
	assert_int_equal(key.id, 1);
	assert_int_equal(add_run(2100000000u, 100, 0, RUN_BACKUP), 0);
	assert_int_equal(store_key_used(store, 1, &when), -ENOENT);
	assert_int_equal(add_run(2100000001u, 100, 0, RUN_BACKUP), 0);
	assert_int_equal(store_key_used(store, 1, &when), 0);
	assert_int_equal(when, 102);
	assert_int_equal(CHANGE(store_key_delete(store, 1)), 0);
	assert_int_equal(store_key_used(store, 1, &when), -ENOENT);
	assert_int_equal(number("SELECT count(*) FROM runs"), 2);
}

/* ---- a proof beside changes ---- */

static size_t file_read(char **text)
{
	FILE *file = fopen(path, "re");
	size_t size;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = (size_t)ftell(file);
	rewind(file);
	*text = malloc(size);
	assert_non_null(*text);
	assert_int_equal(fread(*text, 1, size, file), size);
	fclose(file);
	return size;
}

/* In the child: 0, or the step at which it was not as it should be. */
static int view_proved(uint32_t accounts, int damaged)
{
	struct store *view = NULL;
	uint32_t count = 0;
	char why[256];

	if (store_view(path, &view) != 0)
		return 1;
	if (store_account_count(view, NULL, &count) != 0 || count != accounts)
		return 2;
	if (store_begin(view) == 0 && store_account_delete(view, 2100000000u, 1) != -EROFS)
		return 3;
	store_rollback(view);
	return store_check(view, why, sizeof(why)) == (damaged ? -EUCLEAN : 0) ? 0 : 4;
}

static int viewed(uint32_t accounts, int damaged)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(view_proved(accounts, damaged));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void changes_go_on_beside_a_proof(void **state)
{
	char *before, *after, label[16];
	uint32_t count = 0, n = 0;
	size_t size;

	(void)state;
	while (n < 50) {
		snprintf(label, sizeof(label), "w%u", n);
		assert_int_equal(add("alice", label, 2100000000u + n++), 0);
	}
	assert_int_equal(store_freeze(store), 0);
	assert_int_equal(store_freeze(store), 0); /* once more: as it is, until each has thawed it */
	store_thaw(store);
	size = file_read(&before);
	while (n < 700) { /* more than the log holds before it is brought over otherwise */
		snprintf(label, sizeof(label), "w%u", n);
		assert_int_equal(add("alice", label, 2100000000u + n++), 0);
	}
	assert_int_equal(file_read(&after), size);
	assert_memory_equal(before, after, size);
	free(after);
	assert_int_equal(viewed(50, 0), 0);
	assert_int_equal(store_account_count(store, NULL, &count), 0);
	assert_int_equal(count, 700);
	store_thaw(store);
	snprintf(label, sizeof(label), "w%u", n);
	assert_int_equal(add("alice", label, 2100000000u + n), 0);
	assert_true(file_read(&after) != size || memcmp(before, after, size) != 0); /* the control */
	free(before);
	free(after);
	assert_int_equal(store_freeze(store), 0);
	assert_int_equal(viewed(701, 0), 0);
	store_thaw(store);
	store_close(store); /* and what was committed is there */
	store = NULL;
	open_store();
	assert_int_equal(store_account_count(store, NULL, &count), 0);
	assert_int_equal(count, 701);
}

static void a_proof_finds_what_is_wrong_in_a_frozen_store(void **state)
{
	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(raw("UPDATE usage SET accounts = 7 WHERE owner = 'alice'"), SQLITE_OK);
	assert_int_equal(store_freeze(store), 0);
	assert_int_equal(viewed(1, 1), 0);
	store_thaw(store);
	assert_int_equal(raw("UPDATE usage SET accounts = 1 WHERE owner = 'alice'"), SQLITE_OK);
}

/* ---- plans ---- */

static int plan_line(void *data, int columns, char **values, char **names)
{
	const char *sql = data, *plan = values[3];

	(void)columns, (void)names;
	/* of a load and a repair, which forget all that was released; its triggers make SQLite go through the rows */
	if (strcmp(plan, "SCAN released") == 0 && strcmp(sql, "DELETE FROM released") == 0)
		return 0;
	/* the former names of one account, out of one object */
	if (strstr(sql, "json_each(k.content") != NULL && strstr(plan, "k ") == NULL)
		return 0;
	/* a subquery and the union of two of them hold one batch at the most; SQLite's own table has a row for each of
	 * ours */
	if ((strstr(plan, "SCAN") != NULL && strstr(plan, "SCAN (subquery") == NULL &&
	     strstr(plan, "CONSTANT ROW") == NULL && strstr(plan, "SCAN sqlite_sequence") == NULL &&
	     strstr(plan, "SCAN pragma_") == NULL) ||
	    (strstr(plan, "TEMP B-TREE") != NULL && strncmp(plan, "UNION", 5) != 0))
		fail_msg("%s\nfor: %s", plan, sql);
	return 0;
}

static void every_statement_goes_by_index(void **state)
{
	char sql[2048], text[STORE_SQL_MAX];

	(void)state;
	for (unsigned i = 0; i < SQL_STATEMENTS; i++) {
		assert_non_null(store_sql[i]);
		if (strncmp(store_sql[i], "BEGIN", 5) == 0 || strchr(store_sql[i], ' ') == NULL ||
		    strstr(store_sql[i], " part") != NULL)
			continue;
		snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", store_sql_text(i, text));
		union {
			const char *text;
			void *data;
		} given = { .text = store_sql[i] };
		if (sqlite3_exec(store->db, sql, plan_line, given.data, NULL) != SQLITE_OK)
			fail_msg("%s: %s", store_sql[i], sqlite3_errmsg(store->db));
	}
}

static int plan_has_both(void *data, int columns, char **values, char **names)
{
	(void)columns, (void)names;
	if (strstr(values[3], "=? AND ") != NULL)
		*(bool *)data = true;
	return 0;
}

/* By owner and position in one look, not by reading everybody's rows from there on. */
static void an_owners_list_reads_his_rows_only(void **state)
{
	static const enum store_statement lists[] = { SQL_ACCOUNT_LIST_OWNER, SQL_ACCOUNT_LISTED_OWNER,
						      SQL_KEY_LIST_UID, SQL_RANGE_LIST_OWNER };
	char sql[2048], text[STORE_SQL_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		bool both = false;

		snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", store_sql_text(lists[i], text));
		assert_int_equal(sqlite3_exec(store->db, sql, plan_has_both, &both, NULL), SQLITE_OK);
		if (!both)
			fail_msg("%s", store_sql[lists[i]]);
	}
}

/* Triggers have no plan of their own to ask for: count the steps of the machine at two sizes instead. */
static int steps_of_one_change(uint32_t uid)
{
	int steps = 0;

	assert_int_equal(add("zoe", "last", uid), 0);
	for (unsigned i = 0; i < SQL_STATEMENTS; i++)
		if (store->statement[i] != NULL)
			sqlite3_stmt_status(store->statement[i], SQLITE_STMTSTATUS_VM_STEP, 1);
	assert_int_equal(CHANGE(store_account_delete(store, uid, 1)), 0);
	assert_int_equal(CHANGE(store_tombstone_release(store, uid)), 0);
	assert_int_equal(add("zoe", "last", uid), 0);
	for (unsigned i = 0; i < SQL_STATEMENTS; i++)
		if (store->statement[i] != NULL)
			steps += sqlite3_stmt_status(store->statement[i], SQLITE_STMTSTATUS_VM_STEP, 1);
	assert_int_equal(CHANGE(store_account_delete(store, uid, 1)), 0);
	assert_int_equal(CHANGE(store_tombstone_release(store, uid)), 0);
	return steps;
}

static void a_change_costs_the_same_at_any_size(void **state)
{
	int few, many;

	(void)state;
	few = steps_of_one_change(2100900000u);
	assert_int_equal(store_begin(store), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		struct account a = an_account(i % 2 == 0 ? "alice" : "zoe", "", 2100000000u + 2 * i);

		snprintf(a.label, sizeof(a.label), "w%u", i);
		assert_int_equal(store_account_insert(store, &a), 0);
	}
	assert_int_equal(store_commit(store), 0);
	many = steps_of_one_change(2100900000u);
	if (many > few + few / 4)
		fail_msg("%d steps with a few accounts, %d with 20000", few, many);
}

static int every_row_read(void)
{
	struct account account;
	struct ssh_key key;
	struct id_range range;
	struct removed removed;
	struct limit limit;
	uint64_t last;
	int n = store_account_list(store, NULL, 0, &account, 1);

	n = n < 0 ? n : store_key_list(store, 0, 0, &key, 1);
	n = n < 0 ? n : store_range_list(store, NULL, 0, &range, 1);
	n = n < 0 ? n : store_tombstone_list(store, 0, &range, 1);
	n = n < 0 ? n : store_removed_due(store, 100, INT64_MAX, NULL, &removed, 1);
	n = n < 0 ? n : store_limit_list(store, 0, &limit, 1, &last);
	return n < 0 ? n : 0;
}

/* What a damaged page can hold, although no statement could have written it. */
static void unsound_rows_are_refused(void **state)
{
	static const struct {
		const char *change, *undo;
	} cases[] = {
		{ "UPDATE accounts SET owner = '../../etc'", "UPDATE accounts SET owner = 'alice'" },
		{ "UPDATE accounts SET label = 'a/b'", "UPDATE accounts SET label = 'web1'" },
		{ "UPDATE accounts SET label = ''", "UPDATE accounts SET label = 'web1'" },
		{ "UPDATE accounts SET state = 9", "UPDATE accounts SET state = 1" },
		{ "UPDATE accounts SET state = 0", "UPDATE accounts SET state = 1" },
		{ "UPDATE accounts SET owner_uid = uid", "UPDATE accounts SET owner_uid = 1000" },
		{ "UPDATE keys SET type = 'a b'", "UPDATE keys SET type = 'ssh-ed25519'" },
		{ "UPDATE keys SET blob = 'AAAA\" x'", "UPDATE keys SET blob = 'AAAA'" },
		{ "UPDATE keys SET blob = ''", "UPDATE keys SET blob = 'AAAA'" },
		{ "UPDATE keys SET expires = -1", "UPDATE keys SET expires = 0" },
		{ "UPDATE ranges SET owner = '/'", "UPDATE ranges SET owner = 'alice'" },
		{ "UPDATE ids SET last = 4294967295 WHERE kind = 'range'",
		  "UPDATE ids SET last = first + 65535 WHERE kind = 'range'" },
		{ "UPDATE ids SET last = first - 1 WHERE kind = 'range'",
		  "UPDATE ids SET last = first + 65535 WHERE kind = 'range'" },
		{ "UPDATE ids SET held_owner = '..' WHERE kind = 'tombstone'",
		  "UPDATE ids SET held_owner = 'alice' WHERE kind = 'tombstone'" },
		{ "UPDATE ids SET held_label = '..' WHERE kind = 'tombstone'",
		  "UPDATE ids SET held_label = 'web2' WHERE kind = 'tombstone'" },
		{ "UPDATE removed SET owner = 'a/b'", "UPDATE removed SET owner = 'alice'" },
		{ "UPDATE removed SET label = '..'", "UPDATE removed SET label = 'web2'" },
		{ "UPDATE limits SET owner = ''", "UPDATE limits SET owner = 'alice'" },
	};
	char why[256] = "";
	struct removed aside = { .uid = 2100000001u, .when = 5, .owner = "alice", .label = "web2" };
	struct limit limit = { .owner = "alice" };
	uint32_t id;

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(add("alice", "web2", 2100000001u), 0);
	assert_int_equal(add_key(2100000000u, "AAAA", &id), 0);
	assert_int_equal(add_range("alice", 1073741824u, RANGE_UNIT, 0), 0);
	assert_int_equal(CHANGE(store_account_delete(store, 2100000001u, 5)), 0);
	assert_int_equal(CHANGE(store_removed_insert(store, &aside)), 0);
	assert_int_equal(CHANGE(store_limit_set(store, &limit)), 0);
	assert_int_equal(every_row_read(), 0);
	assert_int_equal(raw("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;"
			     "DROP TRIGGER accounts_fixed; DROP TRIGGER accounts_forward; DROP TRIGGER ranges_fixed;"
			     "DROP TRIGGER ids_fixed"),
			 SQLITE_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(raw(cases[i].change), SQLITE_OK);
		if (every_row_read() != -EUCLEAN)
			fail_msg("read: %s", cases[i].change);
		assert_int_equal(raw(cases[i].undo), SQLITE_OK);
		assert_int_equal(every_row_read(), 0);
	}
	/* and triggers that are not there are missed */
	assert_int_equal(store_check(store, why, sizeof(why)), -EUCLEAN);
	assert_non_null(strstr(why, "triggers"));
	assert_int_equal(store_schema_seal(store->db), SQLITE_OK);
}

static void a_hash_takes_the_place_of_the_one_that_was_seen_alone(void **state)
{
	struct ssh_key key = a_key(2100000000u, "abcd");
	char hash[PASSWORD_HASH_MAX + 1];

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	strcpy(key.type, "password");
	strcpy(key.hash, "old");
	assert_int_equal(CHANGE(store_key_insert(store, &key)), 0);
	assert_int_equal(CHANGE(store_key_rehash(store, key.id, "other", "new")), -ENOENT);
	assert_int_equal(store_key_hash(store, key.id, hash), 0);
	assert_string_equal(hash, "old");
	assert_int_equal(CHANGE(store_key_rehash(store, key.id, "old", "new")), 0);
	assert_int_equal(CHANGE(store_key_rehash(store, key.id, "old", "newer")), -ENOENT);
	assert_int_equal(store_key_hash(store, key.id, hash), 0);
	assert_string_equal(hash, "new");
	assert_int_equal(store_digest_prove(store->db), SQLITE_OK);
}

/* A step makes the digest again: earlier damage is found before it. */
static void a_step_does_not_vouch_for_damage(void **state)
{
	char back[64];

	(void)state;
	assert_int_equal(add("alice", "web1", 2100000000u), 0);
	assert_int_equal(store_digest_prove(store->db), SQLITE_OK);
	snprintf(back, sizeof(back), "PRAGMA user_version = %d",
		 store_schema_version() - 1); /* a step that can be made only once */
	assert_int_equal(raw(back), SQLITE_OK);
	store_close(store);
	assert_int_equal(store_open(path, &store),
			 -ENOTRECOVERABLE); /* the control: sound, but the step was made already */
	store = NULL;
	assert_int_equal(raw_file("UPDATE meta SET value = value + 1 WHERE name = 'digest'"), SQLITE_OK);
	assert_int_equal(store_open(path, &store), -EUCLEAN);
	store = NULL;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_file_is_private),
		T(a_file_that_others_reach_is_refused),
		T(a_second_daemon_is_refused),
		T(bytes_that_are_no_database_are_refused),
		T(versions_that_are_not_ours_are_refused),
		T(a_hash_takes_the_place_of_the_one_that_was_seen_alone),
		T(version_0_is_brought_to_the_newest),
		T(version_1_is_brought_to_the_newest),
		T(a_step_does_not_vouch_for_damage),
		T(what_was_committed_is_there_after_opening_again),
		T(an_account_lives_and_leaves_a_tombstone),
		T(no_id_twice_not_even_after_removal),
		T(a_refused_insert_leaves_the_transaction_as_it_was),
		T(rows_that_are_wrong_in_themselves_are_refused),
		T(the_schema_itself_states_the_invariants),
		T(an_id_in_use_is_not_deleted),
		T(what_is_listed_is_counted),
		T(by_owner_a_list_goes_on_after_the_last_row),
		T(lists_go_on_after_the_last_row),
		T(keys_are_never_numbered_twice),
		T(ranges_do_not_overlap_and_are_counted),
		T(a_range_has_a_place_among_those_of_its_holder),
		T(limits_are_an_owners_own),
		T(an_account_that_was_removed_comes_back_whole),
		T(ids_whose_data_is_set_aside_are_not_released),
		T(ranges_of_removed_accounts_are_known_until_its_data_is_gone),
		T(keep_without_end_is_never_due),
		T(an_owner_reads_his_own_trail_only),
		T(runs_are_listed_newest_first_and_the_oldest_go),
		T(only_good_backups_count),
		T(a_step_tells_of_the_last_backup),
		T(what_was_told_is_kept_as_long_as_what_it_is_about),
		T(silence_is_due_and_told_once),
		T(what_is_told_together_is_of_one_owner_and_contact),
		T(alarms_of_one_owner_and_kind_are_forgotten),
		T(a_key_of_another_account_is_not_used_by_it),
		T(the_generation_rises_with_what_is_published),
		T(misuse_is_a_bug),
		T(a_full_disk_is_survived),
		T(a_used_up_quota_is_a_full_disk),
		T(a_bad_disk_is_survived),
		T(a_read_only_disk_is_survived),
		T(a_database_at_its_size_limit_is_full),
		T(a_damaged_file_is_said_to_be_one),
		T(a_disk_that_does_not_answer_is_not_a_damaged_file),
		T(unsound_rows_are_refused),
		T(what_was_acknowledged_survives_kill_9),
		T(free_ids_are_found),
		T(gaps_agree_with_a_model),
		T(changes_go_on_beside_a_proof),
		T(a_proof_finds_what_is_wrong_in_a_frozen_store),
		T(every_statement_goes_by_index),
		T(an_owners_list_reads_his_rows_only),
		T(a_change_costs_the_same_at_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
