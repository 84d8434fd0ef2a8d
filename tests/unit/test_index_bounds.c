/* SPDX-License-Identifier: ISC */
/* Bounds in the index: behind the records of accounts and owners, where look-ups of names and ids do not see them. */
#include <errno.h>

#include "account/bounds.h"
#include "index/view.h"
#include "tests/unit/index_fixture.h"

static int prepare(void **state)
{
	*state = fixture_make();
	return 0;
}

static int clean(void **state)
{
	fixture_free(*state);
	return 0;
}

static struct bounds all_from(uint64_t first)
{
	struct bounds bounds;

	for (unsigned i = 0; i < BOUNDS; i++)
		bounds.of[i] = first + i;
	return bounds;
}

static void check(struct fixture *f, const struct account *account, const struct bounds *own,
		  const struct bounds *owner)
{
	struct index_reader reader = { .path = f->path, .trusted = geteuid() };
	struct bounds said[2];
	struct index_account found;

	assert_int_equal(index_bounds_said(&reader, account->uid, account->owner_uid, &said[0], &said[1]), 0);
	assert_memory_equal(&said[0], own, sizeof(*own));
	assert_memory_equal(&said[1], owner, sizeof(*owner));
	assert_int_equal(index_account_by_uid(&reader, account->uid, &found), 0);
	assert_string_equal(found.comment, account->facts.comment);
	assert_string_equal(found.label, account->label);
}

/* The longest of each kind, and each length of a comment: wherever the record ends. */
static void what_is_said_is_found(void **state)
{
	static const struct bounds none;
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 3, 1, 1);
	const struct bounds own = all_from(UINT64_MAX - BOUNDS), owner = all_from(1);
	struct account account = fixture_account(0);

	for (size_t length = 0; length <= COMMENT_MAX; length++) {
		memset(account.facts.comment, 'c', length);
		account.facts.comment[length] = '\0';
		account.facts.bounds = own;
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check(f, &account, &own, &none);
		account.facts.bounds = (struct bounds){ .of = { [BOUND_LOGINS] = 7 } };
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check(f, &account, &account.facts.bounds, &none);
		account.facts.bounds = none;
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check(f, &account, &none, &none);
	}
	assert_int_equal(index_put_owner(writer, account.owner_uid, account.owner, &owner), 0);
	check(f, &account, &none, &owner);
	assert_int_equal(index_put_owner(writer, account.owner_uid, account.owner, &none), 0);
	check(f, &account, &none, &none);
	index_writer_free(writer);
}

/* An owner's come before the first account, and stay when the list and the file grow; the file is whole. */
static void they_stay_when_the_file_grows(void **state)
{
	static const struct bounds none;
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 0, 0, 1);
	const struct bounds owner = all_from(100);
	struct account account = { 0 };

	for (uint32_t i = 0; i < 400; i++) {
		account = fixture_account(i);
		account.owner_uid = 5000;
		strcpy(account.owner, "many");
		snprintf(account.label, sizeof(account.label), "l%u", i);
		account.facts.bounds = i % 2 == 0 ? none : all_from(i);
		if (i == 0)
			assert_int_equal(index_put_owner(writer, account.owner_uid, account.owner, &owner), 0);
		assert_int_equal(index_put_account(writer, &account, '+'), 0);
		check(f, &account, &account.facts.bounds, &owner);
	}
	for (uint32_t i = 0; i < 400; i++) {
		account.uid = fixture_account(i).uid;
		snprintf(account.label, sizeof(account.label), "l%u", i);
		memcpy(account.facts.comment, fixture_account(i).facts.comment, sizeof(account.facts.comment));
		account.facts.bounds = i % 2 == 0 ? none : all_from(i);
		check(f, &account, &account.facts.bounds, &owner);
	}
	index_writer_commit(writer, 9);
	index_writer_free(writer);
	assert_int_equal(index_writer_open(f->dirfd, &f->options, 9, &writer), 0);
	index_writer_free(writer);
}

/* An index of a version without them has 0 in its header. */
static void a_host_that_says_nothing_has_its_defaults(void **state)
{
	struct fixture *f = *state;
	struct index_writer *writer = fixture_publish(f, 1, 0, 1);
	struct index_reader reader = { .path = f->path, .trusted = geteuid() };
	struct account_bounds bounds;
	struct index_account account;

	assert_int_equal(index_account_by_uid(&reader, fixture_account(0).uid, &account), 0);
	assert_int_equal(index_bounds(&reader, &account, &bounds), 0);
	assert_int_equal(bounds.of.of[BOUND_PROCESSES], BOUND_PROCESSES_DEFAULT);
	assert_int_equal(bounds.of.of[BOUND_OPEN_FILES], BOUND_OPEN_FILES_DEFAULT);
	assert_int_equal(bounds.of.of[BOUND_BANDWIDTH], 0);
	assert_int_equal(bounds.process_memory, 0);
	account.uid++;
	assert_int_equal(index_bounds(&reader, &account, &bounds), -ENOENT);
	index_writer_free(writer);
}

/* A copy with these bytes behind its text. */
static int decoded(uint64_t word, uint64_t first, unsigned lines)
{
	union index_public_copy copy = { .head = { .length = 50, .lines = (uint8_t)lines } };
	struct bounds bounds;

	memcpy(copy.bytes + 56, &word, INDEX_LINE * lines - 56 < 8 ? INDEX_LINE * lines - 56 : 8);
	memcpy(copy.bytes + 64, &first, 8);
	return index_bounds_decode(&copy.head, &bounds);
}

static void damage_is_no_bound(void **state)
{
	(void)state;
	assert_int_equal(decoded(0, 0, 1), 0);
	assert_int_equal(decoded(1, 5, 2), 0);
	assert_int_equal(decoded(1, 5, 1), -EUCLEAN); /* the value is not in the record */
	assert_int_equal(decoded(1, 0, 2), -EUCLEAN);
	assert_int_equal(decoded(UINT64_C(1) << BOUNDS, 5, 2), -EUCLEAN);
	assert_int_equal(decoded(UINT64_MAX, UINT64_MAX, 2), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_said_is_found, prepare, clean),
		cmocka_unit_test_setup_teardown(they_stay_when_the_file_grows, prepare, clean),
		cmocka_unit_test_setup_teardown(a_host_that_says_nothing_has_its_defaults, prepare, clean),
		cmocka_unit_test(damage_is_no_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
