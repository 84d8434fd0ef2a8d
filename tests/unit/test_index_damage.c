/* SPDX-License-Identifier: ISC */
/* Damaged, truncated, foreign and hostile index files: the right answer or "unavailable", never a
 * wrong one, never a crash, never without end. */
#include <errno.h>
#include <time.h>

#include "index/check.h"
#include "index/view.h"
#include "index/writer/file.h"
#include "tests/unit/index_fixture.h"

#define ACCOUNTS 7u
#define RANGES 3u
#define KEYS 5u

struct image {
	struct fixture *f;
	uint8_t *bytes; /* of a sound file, aligned as a map is */
	uint64_t size;
};

static void image_read(struct image *image, const char *path)
{
	FILE *file = fopen(path, "re");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	image->size = (uint64_t)st.st_size;
	image->bytes = aligned_alloc(64, image->size);
	assert_non_null(image->bytes);
	assert_int_equal(fread(image->bytes, 1, image->size, file), image->size);
	fclose(file);
}

static struct image image_public(void **state)
{
	struct image image = { .f = *state };
	struct index_writer *writer = fixture_publish(image.f, ACCOUNTS, RANGES, 1);
	struct account gone = fixture_account(ACCOUNTS);

	/* a tombstone, perhaps, and a hole */
	assert_int_equal(index_put_account(writer, &gone, '+'), 0);
	assert_int_equal(index_remove_account(writer, &gone), 0);
	index_writer_free(writer);
	image_read(&image, image.f->path);
	return image;
}

static struct image image_keys(void **state)
{
	struct image image = { .f = *state };
	struct index_writer *writer = NULL;

	assert_int_equal(index_writer_create(image.f->dirfd, &image.f->key_options, &writer), 0);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct ssh_key key = fixture_key(i);

		assert_int_equal(index_put_key(writer, &key), 0);
	}
	assert_int_equal(index_writer_publish(writer, 1), 0);
	index_writer_free(writer);
	image_read(&image, image.f->keys);
	return image;
}

/* Counts answers: each is right or "unavailable". */
static unsigned right_or_unavailable(const struct index_view *view)
{
	struct index_account account;
	struct id_range range;
	char name[ACCOUNT_NAME_MAX + 1];
	unsigned right = 0, seen = 0;
	uint64_t cursor = 0;
	int rc, is_range;

	for (uint32_t i = 0; i < ACCOUNTS + 2; i++) {
		struct account expected = fixture_account(i);

		fixture_name(i, name);
		rc = index_view_by_name(view, name, &account);
		assert_true(rc == -EUCLEAN || rc == (i < ACCOUNTS ? 0 : -ENOENT));
		if (rc == 0)
			assert_account(&account, &expected);
		right += rc == 0;
		rc = index_view_by_uid(view, UID_FIRST + i, &account);
		assert_true(rc == -EUCLEAN || rc == (i < ACCOUNTS ? 0 : -ENOENT));
		if (rc == 0)
			assert_account(&account, &expected);
		right += rc == 0;
	}
	for (uint32_t i = 0; i < RANGES; i++) {
		struct id_range expected = fixture_range(i);

		rc = index_view_range_by_id(view, expected.first + expected.count - 1, &range);
		assert_true(rc == -EUCLEAN || rc == 0);
		if (rc == 0)
			assert_memory_equal(&range, &expected, sizeof(range));
		right += rc == 0;
		rc = index_view_range_by_id(view, expected.first + expected.count, &range);
		assert_true(rc == -EUCLEAN || rc == -ENOENT);
	}
	while ((rc = index_view_next(view, &cursor, &account)) == 0)
		seen++;
	assert_true(rc == -EUCLEAN || (rc == -ENOENT && seen == ACCOUNTS));
	for (uint32_t owner = 0; owner < 3; owner++) {
		seen = 0;
		cursor = 0;
		while ((rc = index_view_owner_next(view, 1000 + owner, &cursor, &is_range, &account, &range)) == 0)
			seen++;
		assert_true(rc == -EUCLEAN || (rc == -ENOENT && seen == (owner < 2 ? 4u : 2u)));
	}
	return right;
}

static unsigned keys_right_or_unavailable(const struct index_view *view)
{
	unsigned right = 0;

	for (uint32_t i = 0; i < KEYS + 1; i++) {
		struct ssh_key expected = fixture_key(i), key;
		int rc = index_view_key(view, expected.uid, expected.blob, &key);

		assert_true(rc == -EUCLEAN || rc == (i < KEYS ? 0 : -ENOENT));
		if (rc == 0)
			assert_memory_equal(&key, &expected, sizeof(key));
		right += rc == 0;
	}
	return right;
}

static void every_byte(const struct image *image, unsigned (*check)(const struct index_view *))
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	struct index_view view;
	unsigned all, spoiled = 0;

	assert_int_equal(index_view_init(&view, image->bytes, image->size), 0);
	all = check(&view);
	assert_true(all >= KEYS);
	for (uint64_t i = 0; i < image->size; i++) {
		for (size_t k = 0; k < sizeof(flips); k++) {
			image->bytes[i] ^= flips[k];
			if (index_view_init(&view, image->bytes, image->size) < 0)
				spoiled++;
			else
				spoiled += check(&view) < all;
			image->bytes[i] ^= flips[k];
		}
	}
	assert_true(spoiled > 3 * 356); /* at least what the header's checksum covers */
}

static void one_damaged_byte_gives_no_wrong_answer(void **state)
{
	struct image image = image_public(state);

	every_byte(&image, right_or_unavailable);
	free(image.bytes);
	image = image_keys(state);
	every_byte(&image, keys_right_or_unavailable);
	free(image.bytes);
}

/* The map changes after it was checked: as one_damaged_byte, with the header checked before. */
static void damage_after_the_map_was_made(void **state)
{
	struct image image = image_public(state);
	struct index_view view;

	assert_int_equal(index_view_init(&view, image.bytes, image.size), 0);
	for (uint64_t i = 0; i < image.size; i++) {
		image.bytes[i] ^= 0x55;
		right_or_unavailable(&view);
		image.bytes[i] ^= 0x55;
	}
	free(image.bytes);
}

static void write_file(const char *path, const void *bytes, uint64_t size)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void a_truncated_copy_is_unavailable(void **state)
{
	struct image image = image_public(state);
	struct index_reader reader = { .path = image.f->path, .trusted = getuid() };
	struct index_account account;

	for (uint64_t size = 0; size <= image.size + 64; size += size < 600 ? 1 : 67) {
		uint8_t more[64] = { 0 };

		write_file(image.f->path, image.bytes, size < image.size ? size : image.size);
		if (size > image.size) {
			FILE *file = fopen(image.f->path, "ae");

			assert_int_equal(fwrite(more, 1, size - image.size, file), size - image.size);
			fclose(file);
		}
		reader = (struct index_reader){ .path = image.f->path, .trusted = getuid() };
		assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), size == image.size ? 0 : -EUCLEAN);
	}
	free(image.bytes);
}

static void only_a_trusted_file_is_read(void **state)
{
	struct image image = image_public(state);
	struct index_reader reader = { .path = image.f->path, .trusted = getuid() };
	struct index_account account;
	static const mode_t bad[] = { 0664, 0646, 0622, 0666, 0777 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(chmod(image.f->path, bad[i]), 0);
		assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), -EPERM);
	}
	assert_int_equal(chmod(image.f->path, 0644), 0);
	reader.trusted = getuid() + 1;
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), -EPERM);
	reader.trusted = getuid();
	assert_int_equal(renameat(image.f->dirfd, "index", image.f->dirfd, "copy"), 0);
	assert_int_equal(symlinkat("copy", image.f->dirfd, "index"), 0);
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), -EPERM);
	assert_int_equal(unlink(image.f->path), 0);
	assert_int_equal(mkfifo(image.f->path, 0644), 0); /* would block an open that waits for a writer */
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), -EPERM);
	assert_int_equal(unlink(image.f->path), 0);
	assert_int_equal(mkdir(image.f->path, 0755), 0);
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), -EPERM);
	assert_int_equal(rmdir(image.f->path), 0);
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), -ENXIO);
	assert_int_equal(renameat(image.f->dirfd, "copy", image.f->dirfd, "index"), 0);
	assert_int_equal(index_account_by_uid(&reader, UID_FIRST, &account), 0);
	free(image.bytes);
}

/* Sealed and checksummed by somebody who knows how, but not what a writer leaves. */
static void a_table_without_an_end_ends(void **state)
{
	struct image image = image_public(state);
	struct index_header *header = (void *)image.bytes;
	struct index_view view;
	struct index_account account;
	struct timespec before, after;

	for (uint64_t i = 0; i < header->table[INDEX_BY_ID].slots; i++) {
		uint64_t hash = index_hash_number(header->seed, UID_FIRST + 1000);
		index_slot slot =
			index_seal(header->seed, INDEX_BY_ID, i, index_slot_value(1 + i % 4, index_hash_tag(hash)));

		memcpy(image.bytes + header->table[INDEX_BY_ID].offset + i * 8, &slot, 8);
	}
	assert_int_equal(index_view_init(&view, image.bytes, image.size), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	assert_int_equal(index_view_by_uid(&view, UID_FIRST + 1000, &account), -EUCLEAN);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true(after.tv_sec - before.tv_sec < 2);
	free(image.bytes);
}

static void a_writer_does_not_take_over_a_damaged_file(void **state)
{
	struct image image = image_public(state);
	const struct index_header *header = (const void *)image.bytes;
	uint64_t used = image.size, taken = 0;
	struct index_writer *writer = NULL;

	memcpy(&used, image.bytes + offsetof(struct index_header, lines_used), 8);
	used = header->records_offset + (used & UINT64_C(0xffffffffffff)) * INDEX_LINE;
	for (uint64_t i = 0; i < used; i += 3) {
		int rc;

		image.bytes[i] ^= 0x10;
		write_file(image.f->path, image.bytes, image.size);
		image.bytes[i] ^= 0x10;
		rc = index_writer_open(image.f->dirfd, &image.f->options, 1, &writer);
		assert_true(rc == 0 || rc == -ESTALE);
		if (rc == 0) {
			/* only where it says nothing: padding, and lines that nothing names any more */
			assert_int_equal(right_or_unavailable(&writer->view), 2 * ACCOUNTS + RANGES);
			index_writer_free(writer);
			taken++;
		}
	}
	assert_true(taken < used / 3 / 3);
	write_file(image.f->path, image.bytes, image.size);
	assert_int_equal(index_writer_open(image.f->dirfd, &image.f->options, 1, &writer), 0);
	index_writer_free(writer);
	free(image.bytes);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_damaged_byte_gives_no_wrong_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_after_the_map_was_made, setup, teardown),
		cmocka_unit_test_setup_teardown(a_truncated_copy_is_unavailable, setup, teardown),
		cmocka_unit_test_setup_teardown(only_a_trusted_file_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(a_table_without_an_end_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(a_writer_does_not_take_over_a_damaged_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
