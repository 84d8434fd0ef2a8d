/* SPDX-License-Identifier: ISC */
/* The index through its writer and its reader: what is put is found, what is removed is not. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "index/check.h"
#include "index/view.h"
#include "account/id.h"
#include "index/writer/file.h"
#include "index/writer/guard.h"
#include "tests/unit/index_fixture.h"

static struct index_reader reader_of(const char *path)
{
	return (struct index_reader){ .path = path, .trusted = getuid() };
}

static int setup(void **state)
{
	*state = fixture_make();
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void check_account(struct index_reader *reader, const struct account *account)
{
	struct index_account by_name, by_uid;
	char name[ACCOUNT_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%s+%s", account->owner, account->label);
	assert_int_equal(index_account_by_name(reader, name, &by_name), 0);
	assert_int_equal(index_account_by_uid(reader, account->uid, &by_uid), 0);
	assert_account(&by_name, account);
	assert_account(&by_uid, account);
}

static void what_is_put_is_found(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 100, 10, 7);
	struct index_reader reader = reader_of(f->path);
	struct index_account account;
	struct id_range range;
	struct index_host host;
	uint64_t generation;

	for (uint32_t i = 0; i < 100; i++) {
		struct account expected = fixture_account(i);

		check_account(&reader, &expected);
	}
	for (uint32_t i = 0; i < 10; i++) {
		struct id_range expected = fixture_range(i);

		assert_int_equal(index_range_by_id(&reader, expected.first, &range), 0);
		assert_memory_equal(&range, &expected, sizeof(range));
		assert_int_equal(index_range_by_id(&reader, expected.first + expected.count - 1, &range), 0);
		assert_int_equal(range.first, expected.first);
	}
	assert_int_equal(index_range_by_id(&reader, 1073741823, &range), -ENOENT);
	assert_int_equal(index_range_by_id(&reader, fixture_range(0).first + 65536, &range), -ENOENT);
	assert_int_equal(index_account_by_name(&reader, "owner0+web1000", &account), -ENOENT);
	assert_int_equal(index_account_by_name(&reader, "owner0", &account), -ENOENT);
	assert_int_equal(index_account_by_name(&reader, "", &account), -ENOENT);
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST + 1000, &account), -ENOENT);
	assert_int_equal(index_account_by_uid(&reader, 0, &account), -ENOENT);
	assert_int_equal(index_host(&reader, &host), 0);
	assert_int_equal(index_generation(&reader, &generation), 0);
	assert_int_equal(generation, 7);
	assert_int_equal(host.subuids_gid, 987);
	assert_string_equal(host.homes, HOMES);
	assert_string_equal(host.shell, SHELL);
	index_writer_free(writer);
}

static void the_longest_row_fits(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 0, 0, 1);
	struct index_reader reader = reader_of(f->path);
	struct account account = fixture_account(0);
	struct id_range range = fixture_range(0);
	struct ssh_key key = fixture_key(0);
	struct ssh_key found;

	memset(account.owner, 'o', OWNER_MAX);
	memset(account.label, 'l', LABEL_MAX);
	memset(account.facts.comment, 'c', COMMENT_MAX);
	memset(range.label, 'l', LABEL_MAX);
	account.owner_uid = 1;
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	assert_int_equal(index_put_range(writer, &range), 0);
	check_account(&reader, &account);
	index_writer_free(writer);

	assert_int_equal(index_writer_create(f->dirfd, &f->key_options, &writer), 0);
	memset(key.blob, 'A', KEY_BLOB_MAX);
	memset(key.from, '1', FROM_MAX);
	memset(key.type, 't', KEY_TYPE_MAX);
	memset(key.fingerprint, 'f', FINGERPRINT_MAX);
	memset(key.tools, 'o', TOOLS_MAX);
	memset(key.forward, 'w', FORWARD_MAX);
	memset(key.command, 'c', COMMAND_MAX);
	memset(key.net, '1', NET_MAX);
	memset(key.hash, 'h', PASSWORD_HASH_MAX);
	assert_int_equal(index_put_key(writer, &key), 0);
	assert_int_equal(index_writer_publish(writer, 1), 0);
	reader = reader_of(f->keys);
	assert_int_equal(index_key(&reader, key.uid, key.blob, &found), 0);
	assert_memory_equal(&found, &key, sizeof(key));
	index_writer_free(writer);
}

static void a_change_replaces(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 10, 3, 1);
	struct index_reader reader = reader_of(f->path);

	for (uint32_t round = 0; round < 500; round++) { /* more than fits: grows on the way */
		struct account account = fixture_account(round % 10);
		struct id_range range = fixture_range(round % 3), found;

		account.flags = round % 2 ? ACCOUNT_LOCKED : 0;
		account.facts.expires_day = (int32_t)round;
		snprintf(account.facts.comment, sizeof(account.facts.comment), "round %u", round);
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check_account(&reader, &account);
		snprintf(range.label, sizeof(range.label), "web%u", round);
		assert_int_equal(index_put_range(writer, &range), 0);
		assert_int_equal(index_range_by_id(&reader, range.first + range.count - 1, &found), 0);
		assert_memory_equal(&found, &range, sizeof(range));
	}
	index_writer_free(writer);
}

static void what_is_removed_is_gone(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 60, 9, 1);
	struct index_reader reader = reader_of(f->path);
	struct index_account found;
	struct id_range range;

	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 60; i++) {
			struct account account = fixture_account(i);

			assert_int_equal(index_remove_account(writer, &account), 0);
			assert_int_equal(index_account_by_uid(&reader, account.uid, &found), -ENOENT);
			if (i > 0) {
				account = fixture_account(i - 1);
				assert_int_equal(index_put_account(writer, &account, '+'), 0);
				check_account(&reader, &account);
			}
		}
		struct account last = fixture_account(59);

		assert_int_equal(index_put_account(writer, &last, '+'), 0);
		for (uint32_t i = 0; i < 9; i++) {
			struct id_range gone = fixture_range(i);

			assert_int_equal(index_remove_range(writer, &gone), 0);
			assert_int_equal(index_range_by_id(&reader, gone.first, &range), -ENOENT);
			assert_int_equal(index_remove_range(writer, &gone), 0);
			assert_int_equal(index_put_range(writer, &gone), 0);
			assert_int_equal(index_range_by_id(&reader, gone.first + gone.count - 1, &range), 0);
		}
	}
	assert_int_equal(index_verify(writer), 0);
	index_writer_free(writer);
}

static void a_clash_is_refused(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 3, 1, 1);
	struct account account = fixture_account(1), other = fixture_account(2);
	struct id_range range = fixture_range(0);

	other.uid = account.uid; /* another name under the same uid */
	assert_int_equal(index_put_account(writer, &other, '+'), -EEXIST);
	account.uid = UID_FIRST + 77; /* another uid under the same name */
	assert_int_equal(index_put_account(writer, &account, '+'), -EEXIST);
	account.uid = UID_FIRST - 1;
	assert_int_equal(index_put_account(writer, &account, '+'), -ERANGE);
	account.uid = UID_FIRST + 78;
	assert_int_equal(index_put_account(writer, &account, '.'), -EINVAL);
	range.owner_uid++;
	assert_int_equal(index_put_range(writer, &range), -EEXIST);
	range.owner_uid--;
	range.account_uid = UID_FIRST + 2; /* ids never change hands */
	assert_int_equal(index_put_range(writer, &range), -EEXIST);
	assert_int_equal(index_verify(writer), 0);
	index_writer_free(writer);
}

/* Counts what the two walks show; each of the first `accounts` exactly once. */
static void check_walks(struct index_reader *reader, uint32_t accounts, uint32_t ranges)
{
	struct index_account account;
	struct id_range range;
	uint64_t cursor = 0;
	uint8_t *seen = calloc(accounts + 1, 1);
	uint32_t count = 0, ranges_seen = 0;
	int rc, is_range;

	while ((rc = index_account_next(reader, &cursor, &account)) == 0) {
		assert_true(account.uid - UID_FIRST < accounts);
		assert_int_equal(seen[account.uid - UID_FIRST]++, 0);
		count++;
	}
	assert_int_equal(rc, -ENOENT);
	assert_int_equal(count, accounts);
	for (uint32_t owner = 0; owner <= accounts / 3 + ranges; owner++) {
		cursor = 0;
		while ((rc = index_owner_next(reader, 1000 + owner, &cursor, &is_range, &account, &range)) == 0) {
			if (is_range) {
				assert_int_equal(range.owner_uid, 1000 + owner);
				ranges_seen++;
			} else {
				assert_int_equal(account.owner_uid, 1000 + owner);
				assert_int_equal(seen[account.uid - UID_FIRST]++, 1);
			}
		}
		assert_int_equal(rc, -ENOENT);
	}
	/* those of accounts once more, under the uid of the account */
	for (uint32_t i = 0; i < ranges; i++) {
		const struct id_range expected = fixture_range(i);

		cursor = 0;
		if (expected.account_uid == 0)
			continue;
		assert_int_equal(index_owner_next(reader, expected.account_uid, &cursor, &is_range, &account, &range),
				 0);
		assert_true(is_range);
		assert_memory_equal(&range, &expected, sizeof(range));
		assert_int_equal(index_owner_next(reader, expected.account_uid, &cursor, &is_range, &account, &range),
				 -ENOENT);
	}
	for (uint32_t i = 0; i < accounts; i++)
		assert_int_equal(seen[i], 2);
	assert_int_equal(ranges_seen, ranges);
	free(seen);
}

static void walks_show_everything_once(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 200, 30, 1);
	struct index_reader reader = reader_of(f->path);

	check_walks(&reader, 200, 30);
	index_writer_free(writer);
}

static void one_owner_may_have_many(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 0, 0, 1);
	struct index_reader reader = reader_of(f->path);
	struct index_account account;
	struct id_range range;
	uint64_t cursor = 0;
	uint32_t count = 0;
	int is_range;

	for (uint32_t i = 0; i < 3000; i++) {
		struct account one = fixture_account(i);

		one.owner_uid = 5;
		strcpy(one.owner, "panel");
		assert_int_equal(index_put_account(writer, &one, '+'), 0);
		if (i % 3 != 0)
			assert_int_equal(index_remove_account(writer, &one), 0);
	}
	while (index_owner_next(&reader, 5, &cursor, &is_range, &account, &range) == 0)
		count += is_range == 0;
	assert_int_equal(count, 1000);
	assert_int_equal(index_verify(writer), 0);
	index_writer_free(writer);
}

/* An account's own list: its entries come and go with the ranges, beside its owner's, also across growth. */
static void an_account_may_have_many(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 0, 0, 1);
	struct index_reader reader = reader_of(f->path);
	struct index_account account;
	struct id_range range;

	for (uint32_t i = 0; i < 3000; i++) {
		struct id_range one = { .first = 65536 * (i + 1),
					.count = 65536,
					.owner_uid = 5,
					.owner = "panel",
					.account_uid = UID_FIRST + i % 3,
					.label = "web" };

		assert_int_equal(index_put_range(writer, &one), 0);
		if (i % 2 != 0)
			assert_int_equal(index_remove_range(writer, &one), 0);
	}
	assert_int_equal(index_verify(writer), 0);
	for (uint32_t list = 0; list < 4; list++) {
		const uint32_t uid = list < 3 ? UID_FIRST + list : 5;
		uint64_t cursor = 0;
		uint32_t count = 0;
		int is_range;

		while (index_owner_next(&reader, uid, &cursor, &is_range, &account, &range) == 0) {
			assert_true(is_range && (list == 3 || range.account_uid == uid));
			count++;
		}
		assert_int_equal(count, list < 3 ? 500 : 1500);
	}
	index_writer_free(writer);
}

static void a_large_range_is_found_in_every_block(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 0, 0, 1);
	struct index_reader reader = reader_of(f->path);
	struct id_range large = { .first = 65536 * 3 + 5,
				  .count = 65536u * 30000,
				  .owner_uid = 9,
				  .owner = "big",
				  .account_uid = UID_FIRST };
	struct id_range found;

	for (int round = 0; round < 3; round++) {
		assert_int_equal(index_put_range(writer, &large), 0);
		snprintf(large.label, sizeof(large.label), "web%d", round);
		assert_int_equal(index_put_range(writer, &large), 0);
		for (uint32_t i = 0; i < 30000; i += 7) {
			assert_int_equal(index_range_by_id(&reader, large.first + i * 65536, &found), 0);
			assert_memory_equal(&found, &large, sizeof(found));
		}
		assert_int_equal(index_range_by_id(&reader, large.first - 1, &found), -ENOENT);
		assert_int_equal(index_range_by_id(&reader, large.first + large.count, &found), -ENOENT);
		assert_int_equal(index_verify(writer), 0);
		assert_int_equal(index_remove_range(writer, &large), 0);
		assert_int_equal(index_range_by_id(&reader, large.first + 65536 * 9, &found), -ENOENT);
		assert_int_equal(index_verify(writer), 0);
	}
	index_writer_free(writer);
}

static void keys_are_found_by_account_and_blob(void **state)
{
	struct fixture *f = *state;
	struct index_reader reader = reader_of(f->keys);
	struct index_writer *writer = NULL;
	struct ssh_key found;

	assert_int_equal(index_writer_create(f->dirfd, &f->key_options, &writer), 0);
	assert_int_equal(index_writer_publish(writer, 1), 0);
	for (uint32_t i = 0; i < 300; i++) {
		struct ssh_key key = fixture_key(i), old;

		assert_int_equal(index_put_key(writer, &key), 0);
		assert_int_equal(index_key(&reader, key.uid, key.blob, &found), 0);
		assert_memory_equal(&found, &key, sizeof(key));
		strcpy(key.hash, "$y$"); /* of a password: with or without a line before it */
		strcpy(key.net, i % 2 == 0 ? "443" : "");
		assert_int_equal(index_put_key(writer, &key), 0);
		assert_int_equal(index_key(&reader, key.uid, key.blob, &found), 0);
		assert_memory_equal(&found, &key, sizeof(key));
		memset(key.hash, 0, sizeof(key.hash));
		memset(key.net, 0, sizeof(key.net));
		key.role = ROLE_PULL;
		assert_int_equal(index_put_key(writer, &key), 0);
		assert_int_equal(index_key(&reader, key.uid, key.blob, &found), 0);
		assert_int_equal(found.role, ROLE_PULL);
		assert_int_equal(index_key(&reader, key.uid + 1, key.blob, &found), -ENOENT);
		if (i < 10)
			continue;
		old = fixture_key(i - 10);
		assert_int_equal(index_remove_key(writer, &old), 0);
		assert_int_equal(index_remove_key(writer, &old), 0);
		assert_int_equal(index_key(&reader, old.uid, old.blob, &found), -ENOENT);
	}
	index_writer_commit(writer, 9);
	index_writer_free(writer);
	writer = NULL;
	assert_int_equal(index_writer_open(f->dirfd, &f->key_options, 9, &writer), 0);
	assert_int_equal(index_put_key(writer, &(struct ssh_key){ .uid = 5 }), -ERANGE);
	assert_int_equal(index_put_account(writer, &(struct account){ .uid = UID_FIRST }, '+'), -EINVAL);
	index_writer_free(writer);
}

static void growth_is_followed(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 3, 0, 1);
	struct index_reader reader = reader_of(f->path);
	struct account first = fixture_account(0);
	ino_t inode = 0;
	unsigned files = 0;

	for (uint32_t i = 3; i < 2000; i++) {
		struct account account = fixture_account(i);
		struct stat st;

		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check_account(&reader, &account);
		check_account(&reader, &first);
		assert_int_equal(stat(f->path, &st), 0);
		files += st.st_ino != inode;
		inode = st.st_ino;
	}
	assert_true(files > 3 && files < 16);
	check_walks(&reader, 2000, 0);
	assert_int_equal(faccessat(f->dirfd, "index.old", F_OK, 0), -1);
	assert_int_equal(faccessat(f->dirfd, "index.new", F_OK, 0), -1);
	index_writer_free(writer);
}

static void a_new_file_in_its_place_is_followed(void **state)
{
	struct fixture *f = *state;
	struct index_reader reader = reader_of(f->path);
	struct index_writer *writer = NULL;
	struct index_account found;

	for (uint32_t round = 0; round < 10; round++) {
		struct account account = fixture_account(round);

		assert_int_equal(index_writer_create(f->dirfd, &f->options, &writer), 0);
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		if (round > 0) /* not before it is published */
			assert_int_equal(index_account_by_uid(&reader, account.uid, &found), -ENOENT);
		assert_int_equal(index_writer_publish(writer, round), 0);
		check_account(&reader, &account);
		if (round > 0)
			assert_int_equal(index_account_by_uid(&reader, account.uid - 1, &found), -ENOENT);
		index_writer_free(writer);
	}
}

/* As a writer that was killed between rename and mark leaves it. */
static void a_killed_publisher_is_made_good(void **state)
{
	struct fixture *f = *state;
	struct index_reader reader = reader_of(f->path);
	struct account old = fixture_account(1), new = fixture_account(2);
	struct index_account found;
	struct index_writer *writer = fixture_publish(f, 2, 0, 1);

	check_account(&reader, &old);
	index_writer_free(writer);
	assert_int_equal(renameat(f->dirfd, "index", f->dirfd, "index.old"), 0);
	writer = fixture_publish(f, 0, 0, 2); /* marks index.old: it is not what it put aside itself */
	check_walks(&reader, 0, 0);
	index_writer_free(writer);

	/* link made, not renamed yet: both names are the present file, which stays good */
	writer = fixture_publish(f, 3, 0, 3);
	index_writer_free(writer);
	assert_int_equal(linkat(f->dirfd, "index", f->dirfd, "index.old", 0), 0);
	check_account(&reader, &new);
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 3, &writer), 0);
	check_account(&reader, &new);
	assert_int_equal(faccessat(f->dirfd, "index.old", F_OK, 0), -1);
	index_writer_free(writer);

	/* renamed, not marked: open finds it */
	assert_int_equal(linkat(f->dirfd, "index", f->dirfd, "copy", 0), 0);
	writer = fixture_publish(f, 1, 0, 4);
	index_writer_free(writer);
	check_walks(&reader, 1, 0);
	assert_int_equal(unlinkat(f->dirfd, "copy", 0), 0);
	assert_int_equal(renameat(f->dirfd, "index", f->dirfd, "index.old"), 0);
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 4, &writer), -ESTALE);
	assert_int_equal(index_account_by_uid(&reader, old.uid, &found), -ENXIO);
}

static void without_a_replacement_it_is_unavailable(void **state)
{
	struct fixture *f = *state;
	struct index_reader reader = reader_of(f->path);
	struct account one = fixture_account(1);
	struct index_account found;
	struct index_writer *writer = fixture_publish(f, 2, 0, 1), *next = NULL;

	check_account(&reader, &one);
	assert_int_equal(index_writer_create(f->dirfd, &f->options, &next), 0);
	assert_int_equal(index_writer_publish(next, 2), 0);
	assert_int_equal(unlink(f->path), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(index_account_by_uid(&reader, one.uid, &found), -ENXIO);
	index_writer_free(next);
	index_writer_free(writer);
	writer = fixture_publish(f, 2, 0, 3);
	check_account(&reader, &one);
	index_writer_free(writer);
}

static void open_takes_only_what_is_current(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = NULL;
	struct index_options other = f->options;

	assert_int_equal(index_writer_open(f->dirfd, &f->options, 5, &writer), -ESTALE);
	writer = fixture_publish(f, 50, 5, 5);
	index_writer_free(writer);
	writer = NULL;
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 6, &writer), -ESTALE);
	assert_null(writer);
	strcpy(other.host.homes, "/elsewhere");
	assert_int_equal(index_writer_open(f->dirfd, &other, 5, &writer), -ESTALE);
	other = f->options;
	other.host.enumerate = 0;
	assert_int_equal(index_writer_open(f->dirfd, &other, 5, &writer), -ESTALE);
	other = f->options;
	other.file = INDEX_FILE_KEYS;
	assert_int_equal(index_writer_open(f->dirfd, &other, 5, &writer), -ESTALE);
	other = f->options;
	other.mode = 0600;
	assert_int_equal(index_writer_open(f->dirfd, &other, 5, &writer), -ESTALE);
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 5, &writer), 0);
	for (uint32_t i = 50; i < 300; i++) { /* and goes on with it */
		struct account account = fixture_account(i);

		assert_int_equal(index_put_account(writer, &account, '+'), 0);
	}
	index_writer_commit(writer, 6);
	index_writer_free(writer);
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 6, &writer), 0);
	index_writer_free(writer);
}

static void other_boot(const char *path)
{
	struct index_header header;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	header.boot_id[3] ^= 1;
	header.check = index_header_checksum(&header);
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
}

static void another_boot_is_built_anew(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 5, 0, 5);

	index_writer_free(writer);
	other_boot(f->path);
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 5, &writer), -ESTALE);
}

/* A full disk, as a file may not be larger than this one: nothing new, but what is there can
 * still be locked, and what was seen before still is. */
static void a_lock_gets_through_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 100, 0, 1);
	struct index_reader reader = reader_of(f->path);
	struct rlimit limit, small;
	struct account account;
	uint32_t i = 100, locks = 0;
	int rc;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = writer->view.header.file_size;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	do {
		account = fixture_account(i);
		rc = index_put_account(writer, &account, '+');
	} while (rc == 0 && i++ < 10000);
	assert_true(rc < 0);
	/* down to the last line of the reserve */
	for (; writer->lines < writer->view.header.records_lines; locks++) {
		account = fixture_account(5);
		account.facts.comment[0] = '\0';
		account.flags = locks % 2 ? 0 : ACCOUNT_LOCKED;
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check_account(&reader, &account);
	}
	assert_true(locks > 100);
	/* what is there already needs no line, something else has none */
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	account.flags ^= ACCOUNT_LOCKED;
	assert_true(index_put_account(writer, &account, '+') < 0);
	account.flags ^= ACCOUNT_LOCKED;
	check_account(&reader, &account);
	/* and it can go altogether */
	assert_int_equal(index_remove_account(writer, &account), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	account = fixture_account(i);
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	check_walks(&reader, i + 1, 0);
	assert_int_equal(index_verify(writer), 0);
	index_writer_free(writer);
}

static void what_is_equal_is_not_written(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 20, 5, 1);
	struct ssh_key key = fixture_key(3);
	uint64_t lines = writer->lines;

	for (uint32_t i = 0; i < 20; i++) {
		struct account account = fixture_account(i);

		assert_int_equal(index_put_account(writer, &account, '+'), 0);
	}
	for (uint32_t i = 0; i < 5; i++) {
		struct id_range range = fixture_range(i);

		assert_int_equal(index_put_range(writer, &range), 0);
	}
	assert_int_equal(writer->lines, lines);
	index_writer_free(writer);
	assert_int_equal(index_writer_create(f->dirfd, &f->key_options, &writer), 0);
	assert_int_equal(index_put_key(writer, &key), 0);
	lines = writer->lines;
	assert_int_equal(index_put_key(writer, &key), 0);
	assert_int_equal(writer->lines, lines);
	key.options ^= 1;
	assert_int_equal(index_put_key(writer, &key), 0);
	assert_true(writer->lines > lines);
	index_writer_free(writer);
}

/* Removed, or another in its place: the writer sees it, and a reader that has the old one mapped is told by the new. */
static void a_removed_file_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 3, 0, 1), *anew;
	struct index_reader reader = reader_of(f->path);
	struct account account = fixture_account(2), more = fixture_account(77);

	assert_true(index_writer_present(writer));
	check_account(&reader, &account);
	assert_int_equal(unlink(f->path), 0);
	assert_false(index_writer_present(writer));
	assert_int_equal(close(open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)), 0);
	assert_false(index_writer_present(writer));
	assert_int_equal(unlink(f->path), 0);
	check_account(&reader, &account); /* the control: nobody has told it */
	assert_int_equal(index_writer_create(f->dirfd, &f->options, &anew), 0);
	assert_false(index_writer_published(anew));
	assert_int_equal(index_put_account(anew, &more, '+'), 0);
	assert_int_equal(index_writer_publish(anew, 2), 0);
	assert_true(index_writer_published(anew) && index_writer_present(anew));
	index_writer_supersede(writer);
	check_account(&reader, &more);
	index_writer_free(writer);
	index_writer_free(anew);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* By the process that made it in a former life: it has nothing mapped through which it could tell. */
static void another_file_in_its_place_is_seen_by_who_looks(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 3, 0, 1), *anew;
	struct index_reader reader = reader_of(f->path);
	struct account account = fixture_account(2);
	struct index_account found;
	double until;

	check_account(&reader, &account);
	index_writer_free(writer);
	assert_int_equal(unlink(f->path), 0);
	account.flags ^= ACCOUNT_LOCKED;
	for (until = seconds() + 2.5; seconds() < until;) /* the control: while there is none, what was there goes on */
		assert_int_equal(index_account_by_uid(&reader, account.uid, &found), 0);
	assert_int_not_equal(found.flags, account.flags);
	assert_int_equal(index_writer_create(f->dirfd, &f->options, &anew), 0);
	assert_int_equal(index_put_account(anew, &account, '+'), 0);
	assert_int_equal(index_writer_publish(anew, 2), 0);
	for (until = seconds() + 60; found.flags != account.flags && seconds() < until;)
		assert_int_equal(index_account_by_uid(&reader, account.uid, &found), 0);
	assert_int_equal(found.flags, account.flags);
	check_account(&reader, &account);
	index_writer_free(anew);
}

static int even_uid(void *data, uint32_t uid)
{
	(void)data;
	return uid % 2 == 0;
}

static int even_range(void *data, const struct id_range *range)
{
	(void)data;
	return range->first / RANGE_UNIT % 2 == 0;
}

static int even_key(void *data, const struct ssh_key *key)
{
	(void)data;
	return key->id % 2 == 0;
}

/* A file of another boot and generation, without room for a new one. */
static void a_stale_file_serves_on_once_it_is_pruned(void **state)
{
	const struct index_keep keep = { NULL, even_uid, even_range, even_key };
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 100, 10, 5);
	struct index_reader reader = reader_of(f->path), keys = reader_of(f->keys);
	struct index_account found;
	struct id_range range;
	struct ssh_key key, found_key;

	index_writer_free(writer);
	other_boot(f->path);
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 5, &writer), -ESTALE);
	assert_int_equal(index_writer_open_stale(f->dirfd, &f->options, &writer), 0);
	assert_int_equal(index_prune(writer, &keep), 0);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(index_account_by_uid(&reader, UID_FIRST + i, &found), i % 2 == 0 ? 0 : -ENOENT);
	}
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(index_range_by_id(&reader, fixture_range(i).first, &range),
				 fixture_range(i).first / RANGE_UNIT % 2 == 0 ? 0 : -ENOENT);
	assert_int_equal(index_verify(writer), 0);
	index_writer_free(writer);
	assert_int_equal(index_writer_create(f->dirfd, &f->key_options, &writer), 0);
	for (uint32_t i = 0; i < 20; i++) {
		key = fixture_key(i);
		assert_int_equal(index_put_key(writer, &key), 0);
	}
	assert_int_equal(index_prune(writer, &keep), 0);
	assert_int_equal(index_writer_publish(writer, 1), 0);
	for (uint32_t i = 0; i < 20; i++) {
		key = fixture_key(i);
		assert_int_equal(index_key(&keys, key.uid, key.blob, &found_key), key.id % 2 == 0 ? 0 : -ENOENT);
	}
	index_writer_free(writer);
	/* of another host it does not serve */
	f->options.host.subuids_gid++;
	assert_int_equal(index_writer_open_stale(f->dirfd, &f->options, &writer), -ESTALE);
}

static int touch(void *data)
{
	*(volatile char *)data = 1;
	return 7;
}

/* A page without a disk below it, as a file that was cut short has them. */
static void a_page_that_fails_is_an_error(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char *page;

	assert_int_equal(ftruncate(fd, 4096), 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(index_guarded(touch, page), 7);
	assert_int_equal(ftruncate(fd, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(index_guarded(touch, page), -EIO);
	munmap(page, 4096);
	close(fd);
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void no_descriptor_is_kept(void **state)
{
	struct fixture *f = *state;
	struct index_reader reader = reader_of(f->path);
	struct index_writer *writer = fixture_publish(f, 3, 0, 1);
	unsigned before = open_descriptors();
	struct account account;

	for (uint32_t i = 3; i < 300; i++) {
		account = fixture_account(i);
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check_account(&reader, &account);
	}
	assert_int_equal(open_descriptors(), before);
	index_writer_free(writer);
}

static void errno_is_kept(void **state)
{
	struct fixture *f = *state;
	struct index_reader reader = reader_of(f->path), none = reader_of("/nonexistent/index");
	struct index_account found;
	struct index_writer *writer = fixture_publish(f, 3, 0, 1);

	errno = ENOTTY;
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &found), 0);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(index_account_by_uid(&none, UID_FIRST, &found), -ENXIO);
	assert_int_equal(errno, ENOTTY);
	index_writer_free(writer);
	writer = fixture_publish(f, 1, 0, 2);
	errno = ENOTTY;
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &found), 0);
	assert_int_equal(errno, ENOTTY);
	index_writer_free(writer);
}

static void the_home_is_below_the_owner(void **state)
{
	struct index_host host = { .homes = "/srv/subuid" };
	struct index_account account = { .owner = "alice", .label = "web1" };
	const char *home = "/srv/subuid/alice/web1/home";
	char out[64];

	(void)state;
	assert_int_equal(index_home(&host, &account, out, sizeof(out)), strlen(home));
	assert_string_equal(out, home);
	assert_int_equal(index_home(&host, &account, out, strlen(home) + 1), strlen(home));
	assert_int_equal(index_home(&host, &account, out, strlen(home)), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_is_put_is_found),
		TEST(the_longest_row_fits),
		TEST(a_change_replaces),
		TEST(what_is_removed_is_gone),
		TEST(a_clash_is_refused),
		TEST(walks_show_everything_once),
		TEST(one_owner_may_have_many),
		TEST(an_account_may_have_many),
		TEST(a_large_range_is_found_in_every_block),
		TEST(keys_are_found_by_account_and_blob),
		TEST(growth_is_followed),
		TEST(a_new_file_in_its_place_is_followed),
		TEST(a_killed_publisher_is_made_good),
		TEST(without_a_replacement_it_is_unavailable),
		TEST(open_takes_only_what_is_current),
		TEST(another_boot_is_built_anew),
		TEST(a_lock_gets_through_on_a_full_disk),
		TEST(what_is_equal_is_not_written),
		TEST(a_removed_file_is_noticed),
		TEST(another_file_in_its_place_is_seen_by_who_looks),
		TEST(a_stale_file_serves_on_once_it_is_pruned),
		TEST(a_page_that_fails_is_an_error),
		TEST(no_descriptor_is_kept),
		TEST(errno_is_kept),
		cmocka_unit_test(the_home_is_below_the_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
