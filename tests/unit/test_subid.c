/* SPDX-License-Identifier: ISC */
/* The holders of ids: every way to a yes, and every refusal. */
#include "tests/unit/subid_fixture.h"

#define RANGE(i) (1073741824u + (i)*3 * 65536)

static void without_an_index_the_files_speak_alone(void **state)
{
	(void)state;
	write_file("etc/subuid", "owner0:100000:65536\n");
	assert_int_equal(has("owner0", 100000, 65536, ID_TYPE_UID), YES);
	assert_int_equal(has("owner0", UID_FIRST, 1, ID_TYPE_UID), NO);
	assert_string_equal(list("owner0", ID_TYPE_UID), "100000+65536");
	assert_string_equal(list("owner0", ID_TYPE_GID), "");
	assert_string_equal(owners(100000, ID_TYPE_UID), "1000");
	/* from here on there is one */
	index_publish();
}

static void an_owner_holds_his_ranges_and_his_accounts(void **state)
{
	(void)state;
	for (int type = ID_TYPE_UID; type <= ID_TYPE_GID; type++) {
		assert_int_equal(has("owner0", RANGE(0), 65536, type), YES);
		assert_int_equal(has("owner2", RANGE(2), 3 * 65536, type), YES);
		assert_int_equal(has("owner2", RANGE(2) + 65536, 65537, type), YES);
		assert_int_equal(has("owner0", UID_FIRST, 1, type), YES);
		assert_int_equal(has("owner0", UID_FIRST, 3, type), YES); /* the three are neighbours */
		assert_int_equal(has("1000", RANGE(0), 65536, type), YES);
		assert_string_equal(list("owner0", type), "1073741824+65536");
		assert_string_equal(list("1000", type), "1073741824+65536");
		assert_string_equal(list("files", type), "");
		assert_string_equal(owners(RANGE(0), type), "1000");
		assert_string_equal(owners(UID_FIRST + 4, type), "1001");
		assert_string_equal(owners(UID_FIRST + ACCOUNTS, type), "");
	}
}

static void nothing_foreign_and_nothing_past_the_end(void **state)
{
	(void)state;
	for (int type = ID_TYPE_UID; type <= ID_TYPE_GID; type++) {
		assert_int_equal(has("owner1", RANGE(0), 1, type), NO);
		assert_int_equal(has("owner1", RANGE(0), 65536, type), NO);
		assert_int_equal(has("owner0", RANGE(0), 65537, type), NO);
		assert_int_equal(has("owner0", RANGE(0) - 1, 1, type), NO);
		assert_int_equal(has("owner0", RANGE(0) - 1, 2, type), NO);
		assert_int_equal(has("owner0", RANGE(0) + 65536, 1, type), NO);
		assert_int_equal(has("owner0", UID_FIRST, 4, type), NO); /* the fourth is owner1's */
		assert_int_equal(has("owner0", UID_FIRST + 3, 1, type), NO);
		assert_int_equal(has("owner0", UID_FIRST - 1, 2, type), NO);
		assert_int_equal(has("owner0", 1000, 1, type), NO); /* the user's own uid: newuidmap's own affair */
		assert_int_equal(has("other", RANGE(0), 1, type), NO);
	}
}

static void no_count_no_wrap_no_special_id(void **state)
{
	static const uint64_t special[] = { 0, 65534, 65535, 4294967295u };

	(void)state;
	write_file("etc/subuid", "files:0:4294967295\nroot:0:4294967295\n");
	assert_int_equal(has("files", 1, 65533, ID_TYPE_UID), YES);
	assert_int_equal(has("files", 65536, 4294967295u - 65536, ID_TYPE_UID), YES);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(has("files", special[i], 1, ID_TYPE_UID), NO);
		assert_int_equal(has("root", special[i], 1, ID_TYPE_UID), NO);
		assert_string_equal(owners(special[i], ID_TYPE_UID), "");
	}
	assert_int_equal(has("files", 1, 65534, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 60000, 10000, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 70000, 0, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 65536, 4294967295u - 65535, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 70000, 4294967296u, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 70000, UINT64_MAX, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 70000, UINT64_MAX - 70000 + 2, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 4294967296u + 70000, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("files", UINT64_MAX, 2, ID_TYPE_UID), NO);
	assert_int_equal(has("owner0", RANGE(0), UINT64_MAX, ID_TYPE_UID), NO);
	assert_int_equal(has("owner0", (1ull << 32) + RANGE(0), 1, ID_TYPE_UID), NO);
	assert_string_equal(list("files", ID_TYPE_UID), "1+65533 65536+4294901759");
	assert_string_equal(owners(4294967296u + 70000, ID_TYPE_UID), "");
}

static void a_given_range_is_the_accounts_and_the_owners(void **state)
{
	(void)state;
	assert_int_equal(has("owner1+web3", GIVEN, 65536, ID_TYPE_UID), YES);
	assert_int_equal(has("owner1", GIVEN, 65536, ID_TYPE_UID), YES);
	assert_int_equal(has("owner1+web4", GIVEN, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("owner1+web3", RANGE(1), 1, ID_TYPE_UID), NO); /* its owner's own */
	assert_int_equal(has("owner1+web3", UID_FIRST + 4, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("owner1+web3", UID_FIRST + 3, 1, ID_TYPE_UID), NO);
	assert_string_equal(list("owner1+web3", ID_TYPE_GID), "1499987968+65536");
	assert_string_equal(list("owner1+web4", ID_TYPE_GID), "");
	assert_string_equal(owners(GIVEN, ID_TYPE_GID), "1001 2100000003");
	/* with its owner goes what it had from the owner */
	gone = "owner1";
	assert_int_equal(has("owner1+web3", GIVEN, 65536, ID_TYPE_UID), NO);
	assert_string_equal(list("owner1+web3", ID_TYPE_UID), "");
}

/* publish = both: the daemon's own lines say a name, and the index says name and uid. */
static void a_line_that_begins_in_the_index_gives_nobody_anything(void **state)
{
	(void)state;
	for (int type = ID_TYPE_UID; type <= ID_TYPE_GID; type++) {
		write_file(type == ID_TYPE_UID ? "etc/subuid" : "etc/subgid",
			   "files:1073741824:65536\nfiles:2100000000:1\nowner0:1073741824:65536\nfiles:100000:10\n");
		assert_int_equal(has("files", RANGE(0), 1, type), NO);
		assert_int_equal(has("files", RANGE(0), 65536, type), NO);
		assert_int_equal(has("files", UID_FIRST, 1, type), NO);
		assert_int_equal(has("files", 100000, 10, type), YES);
		assert_int_equal(has("owner0", RANGE(0), 65536, type), YES);
		assert_string_equal(list("files", type), "100000+10");
		assert_string_equal(list("owner0", type), "1073741824+65536");
		assert_string_equal(owners(RANGE(0), type), "1000");
		assert_string_equal(owners(UID_FIRST, type), "1000");
	}
	/* with the name went the lines that say it */
	gone = "owner0";
	assert_int_not_equal(has("owner0", RANGE(0), 65536, ID_TYPE_UID), YES);
	assert_string_equal(owners(RANGE(0), ID_TYPE_UID), "");
}

/* A name and a uid are somebody else's when the two do not belong together any more. */
static void who_came_later_inherits_nothing(void **state)
{
	struct account account = fixture_account(3);

	(void)state;
	/* another name of the same user, while the first is there */
	assert_int_equal(has("ownalias", RANGE(1), 65536, ID_TYPE_UID), YES);
	/* what the index has under the uid for a name that nobody has */
	account.uid = UID_FIRST + ACCOUNTS;
	strcpy(account.owner, "ghost");
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
	assert_int_equal(has("ownalias", account.uid, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("owner1", account.uid, 1, ID_TYPE_UID), NO);
	assert_string_equal(list("ownalias", ID_TYPE_UID), "1073938432+131072");
	assert_int_equal(index_remove_account(writer, &account), 0);
	/* owner3 is gone, the uid has a new name */
	gone = "owner3";
	assert_int_equal(has("renamed", RANGE(3), 65536, ID_TYPE_UID), NO);
	assert_int_equal(has("renamed", UID_FIRST + 9, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("1003", RANGE(3), 65536, ID_TYPE_UID), NO);
	assert_string_equal(list("renamed", ID_TYPE_UID), "");
	assert_string_equal(owners(RANGE(3), ID_TYPE_UID), "");
	assert_string_equal(owners(UID_FIRST + 9, ID_TYPE_UID), "");
	/* the name is there again, with another uid */
	gone = NULL;
	moved = (struct user){ "owner3", 4000 };
	assert_int_equal(has("owner3", RANGE(3), 65536, ID_TYPE_UID), NO);
	assert_int_equal(has("owner3", UID_FIRST + 9, 1, ID_TYPE_UID), NO);
	assert_string_equal(list("owner3", ID_TYPE_UID), "");
	assert_string_equal(owners(RANGE(3), ID_TYPE_UID), "");
	moved.name = NULL;
	assert_string_equal(owners(RANGE(3), ID_TYPE_UID), "1003");
	/* somebody has the uid of a sub-account under another name: this is not to be judged here */
	assert_int_equal(has("thief+web1", GIVEN, 1, ID_TYPE_UID), DOUBT);
	assert_string_equal(list("thief+web1", ID_TYPE_UID), "doubt");
}

static void a_number_is_a_uid_unless_it_is_a_name(void **state)
{
	(void)state;
	write_file("etc/subuid", "2000:100000:65536\n1999:300000:10\n2002:400000:10\n");
	assert_int_equal(has("2000", 100000, 65536, ID_TYPE_UID), YES);
	assert_int_equal(has("files", 100000, 65536, ID_TYPE_UID), YES);
	/* "1999" is the name of uid 2002: whose are the lines of uid 1999? */
	assert_int_equal(has("1999", 300000, 1, ID_TYPE_UID), DOUBT);
	assert_int_equal(has("2002", 400000, 10, ID_TYPE_UID), YES);
	assert_int_equal(has("02000", 100000, 1, ID_TYPE_UID), UNKNOWN);
	assert_int_equal(has("4294967296", 100000, 1, ID_TYPE_UID), UNKNOWN);
}

static void who_is_nobody_is_unknown(void **state)
{
	char long_name[400];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	write_file("etc/subuid", "deleted:100000:10\n0:300000:10\n");
	assert_int_equal(has("nosuchuser", 100000, 1, ID_TYPE_UID), UNKNOWN);
	assert_string_equal(list("nosuchuser", ID_TYPE_UID), "unknown");
	assert_int_equal(has("nosuchuser", 300000, 1, ID_TYPE_UID), UNKNOWN); /* uid 0 is not "no uid" */
	assert_int_equal(has("root", 300000, 10, ID_TYPE_UID), YES);
	assert_int_equal(has("", 100000, 1, ID_TYPE_UID), UNKNOWN);
	assert_int_equal(has(NULL, 100000, 1, ID_TYPE_UID), UNKNOWN);
	assert_int_equal(has(long_name, 100000, 1, ID_TYPE_UID), UNKNOWN);
	assert_string_equal(list("deleted", ID_TYPE_UID), "100000+10"); /* as shadow does */
	assert_string_equal(owners(100000, ID_TYPE_UID), "");           /* the user has no uid */
	assert_int_equal(has("owner0", RANGE(0), 1, 0), DOUBT);
	assert_int_equal(has("owner0", RANGE(0), 1, 3), DOUBT);
	assert_string_equal(list("owner0", 3), "doubt");
	assert_string_equal(owners(RANGE(0), 0), "doubt");
}

static void a_name_service_in_trouble_grants_nothing(void **state)
{
	(void)state;
	write_file("etc/subuid", "files:100000:10\n");
	passwd_error = EIO;
	assert_int_equal(has("owner0", RANGE(0), 1, ID_TYPE_UID), DOUBT);
	assert_int_equal(has("files", 100000, 1, ID_TYPE_UID), DOUBT);
	assert_string_equal(list("owner0", ID_TYPE_UID), "doubt");
	assert_string_equal(owners(RANGE(0), ID_TYPE_UID), "doubt");
	assert_string_equal(owners(100000, ID_TYPE_UID), "doubt");
	passwd_error = ENXIO; /* not to be taken for "no index" */
	assert_int_equal(has("owner0", RANGE(0), 1, ID_TYPE_UID), DOUBT);
	assert_string_equal(list("owner0", ID_TYPE_UID), "doubt");
	assert_string_equal(owners(RANGE(0), ID_TYPE_UID), "doubt");
	/* of the one alone whose ranges they are */
	stuck = "owner1";
	assert_int_equal(has("ownalias", RANGE(1), 1, ID_TYPE_UID), DOUBT);
	assert_string_equal(list("ownalias", ID_TYPE_UID), "doubt");
	assert_string_equal(list("owner1+web3", ID_TYPE_UID), "doubt");
	assert_int_equal(has("files", 100000, 1, ID_TYPE_UID), YES);
}

static void index_damage(const char *how)
{
	int fd = openat(fixture.dirfd, "index", O_RDWR | O_CLOEXEC);
	uint64_t over = 1;
	uint8_t byte;

	assert_true(fd >= 0);
	if (strcmp(how, "byte") == 0) {
		assert_int_equal(pread(fd, &byte, 1, 20), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
	} else if (strcmp(how, "mode") == 0) {
		assert_int_equal(fchmod(fd, 0666), 0);
	}
	/* what this process has mapped is over; it opens the file once more */
	assert_int_equal(pwrite(fd, &over, 8, offsetof(struct index_header, superseded)), 8);
	close(fd);
}

static void a_damaged_index_is_an_error_and_never_a_grant(void **state)
{
	static const char *const hows[] = { "byte", "mode" };

	(void)state;
	write_file("etc/subuid", "files:100000:10\nowner0:200000:10\n");
	for (size_t i = 0; i < 2; i++) {
		index_damage(hows[i]);
		assert_int_equal(has("owner0", RANGE(0), 1, ID_TYPE_UID), DOUBT);
		assert_int_equal(has("owner0", 200000, 1, ID_TYPE_UID), DOUBT);
		assert_int_equal(has("files", 100000, 1, ID_TYPE_UID), DOUBT);
		assert_int_equal(has("owner0+web0", 1, 1, ID_TYPE_UID), DOUBT);
		assert_string_equal(list("owner0", ID_TYPE_UID), "doubt");
		assert_string_equal(list("files", ID_TYPE_UID), "doubt");
		assert_string_equal(owners(UID_FIRST, ID_TYPE_UID), "doubt");
		unlinkat(fixture.dirfd, "index", 0);
		index_publish();
		assert_int_equal(has("owner0", RANGE(0), 1, ID_TYPE_UID), YES);
	}
	/* all of it lost: as if never set up */
	index_damage("lost");
	unlinkat(fixture.dirfd, "index", 0);
	assert_int_equal(has("files", 100000, 10, ID_TYPE_UID), YES);
	assert_int_equal(has("owner0", RANGE(0), 1, ID_TYPE_UID), NO);
	index_publish();
}

static void what_is_removed_is_gone_at_once(void **state)
{
	struct account account = fixture_account(5);

	(void)state;
	assert_int_equal(has("owner1", account.uid, 1, ID_TYPE_UID), YES);
	assert_int_equal(index_remove_account(writer, &account), 0);
	assert_int_equal(has("owner1", account.uid, 1, ID_TYPE_UID), NO);
	assert_string_equal(list("owner1", ID_TYPE_UID), "1073938432+131072");
	assert_string_equal(owners(account.uid, ID_TYPE_UID), "");
	assert_int_equal(index_put_account(writer, &account, '+'), 0);
}

static int descriptors(void)
{
	int open_count = 0;

	for (int fd = 0; fd < 256; fd++)
		open_count += fcntl(fd, F_GETFD) >= 0;
	return open_count;
}

static void no_descriptor_stays_and_none_is_needed(void **state)
{
	int before = descriptors();

	(void)state;
	write_file("etc/subuid", "files:100000:10\n");
	has("owner0", RANGE(0), 2, ID_TYPE_UID);
	has("files", 100000, 11, ID_TYPE_UID);
	list("owner0", ID_TYPE_UID);
	owners(100000, ID_TYPE_UID);
	assert_int_equal(descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_an_index_the_files_speak_alone, clean),
		cmocka_unit_test_setup(an_owner_holds_his_ranges_and_his_accounts, clean),
		cmocka_unit_test_setup(nothing_foreign_and_nothing_past_the_end, clean),
		cmocka_unit_test_setup(no_count_no_wrap_no_special_id, clean),
		cmocka_unit_test_setup(a_given_range_is_the_accounts_and_the_owners, clean),
		cmocka_unit_test_setup(a_line_that_begins_in_the_index_gives_nobody_anything, clean),
		cmocka_unit_test_setup(who_came_later_inherits_nothing, clean),
		cmocka_unit_test_setup(a_number_is_a_uid_unless_it_is_a_name, clean),
		cmocka_unit_test_setup(who_is_nobody_is_unknown, clean),
		cmocka_unit_test_setup(a_name_service_in_trouble_grants_nothing, clean),
		cmocka_unit_test_setup(a_damaged_index_is_an_error_and_never_a_grant, clean),
		cmocka_unit_test_setup(what_is_removed_is_gone_at_once, clean),
		cmocka_unit_test_setup(no_descriptor_stays_and_none_is_needed, clean),
	};

	return cmocka_run_group_tests_name("subid", tests, load, unload);
}
