/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "account/fields.h"
#include "account/record.h"

static void words_of_a_view(void **state)
{
	static const char *const wrong[] = { "", "mine", "Theirs", "owner ", "0" };
	uint32_t view = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(account_view_parse(wrong[i], &view), -EINVAL);
	assert_int_equal(view, 77);
	for (uint32_t i = VIEW_DEFAULT; i <= VIEW_OWNER; i++) {
		assert_int_equal(account_view_parse(account_view_words[i], &view), 0);
		assert_int_equal(view, i);
	}
	assert_null(account_view_words[VIEW_OWNER + 1]);
}

static void the_host_decides_where_the_account_does_not(void **state)
{
	struct account account = { .facts.view = VIEW_DEFAULT };

	(void)state;
	assert_int_equal(account_view_kind(&account, VIEW_THEIRS), VIEW_THEIRS);
	assert_int_equal(account_view_kind(&account, VIEW_OWNER), VIEW_OWNER);
	account.facts.view = VIEW_THEIRS;
	assert_int_equal(account_view_kind(&account, VIEW_OWNER), VIEW_THEIRS);
	account.facts.view = VIEW_OWNER;
	assert_int_equal(account_view_kind(&account, VIEW_THEIRS), VIEW_OWNER);
	/* what nobody knows is the careful one */
	account.facts.view = 9;
	assert_int_equal(account_view_kind(&account, VIEW_OWNER), VIEW_THEIRS);
}

static void a_quota_brings_a_limit_of_files(void **state)
{
	struct account account = { .facts.quota = UINT64_C(10) << 30 };

	(void)state;
	assert_int_equal(account_files_limit(&account, 16384), 655360);
	assert_int_equal(account_files_limit(&account, 0), 0);
	account.facts.quota = 1 << 20;
	assert_int_equal(account_files_limit(&account, 16384), FILES_LEAST);
	account.facts.quota = 0;
	assert_int_equal(account_files_limit(&account, 16384), 0);
	account.facts.files = 5;
	assert_int_equal(account_files_limit(&account, 16384), 5);
	account.facts.quota = UINT64_C(1) << 60;
	assert_int_equal(account_files_limit(&account, 0), 5);
	account.facts.files = FILES_NONE;
	assert_int_equal(account_files_limit(&account, 16384), 0);
}

static void keys_are_equal_when_they_may_do_the_same(void **state)
{
	struct ssh_key a = {
		.id = 1, .uid = 2, .role = ROLE_PUSH, .options = KEY_READ_ONLY, .from = "x", .comment = "c"
	};
	struct ssh_key b = a;

	(void)state;
	b.id = b.uid = 7;
	b.created = 9;
	b.blob[0] = b.type[0] = b.fingerprint[0] = 'y';
	assert_true(record_equal(&key_record, &a, &b));
	b.role = ROLE_PULL;
	assert_false(record_equal(&key_record, &a, &b));
	for (size_t i = 0; i < key_record.count; i++) {
		const struct field *field = &key_record.fields[i];

		b = a;
		((char *)&b)[field->offset] ^= 1;
		assert_int_equal(record_equal(&key_record, &a, &b), (field->use & FIELD_WHICH) != 0);
	}
}

static void names_of_a_record_in_a_sentence(void **state)
{
	char out[256], small[12];

	(void)state;
	assert_string_equal(
		record_names(&limit_record, "give ", "--", out, sizeof(out)),
		"give --accounts, --keys, --ranges, --default, --owner, --processes, --memory, --open-files, "
		"--file-size, --cpu-weight, --io-weight, --sessions, --logins or --bandwidth");
	assert_string_equal(record_names(&limit_record, "", "", small, sizeof(small)), "accounts, k");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_a_view),
		cmocka_unit_test(the_host_decides_where_the_account_does_not),
		cmocka_unit_test(a_quota_brings_a_limit_of_files),
		cmocka_unit_test(keys_are_equal_when_they_may_do_the_same),
		cmocka_unit_test(names_of_a_record_in_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
