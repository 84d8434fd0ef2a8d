/* SPDX-License-Identifier: ISC */
/* What is missing of an account on the disk, and what is left over: found, made again, removed; never data. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/home_fixture.h"

static struct link_owner owner = { .uid = OWNER_UID, .gid = OWNER_GID, .name = "alice-of-the-test" };

static int setup(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("alice"), 0755), 0);
	assert_int_equal(chown(at("alice"), OWNER_UID, OWNER_GID), 0);
	snprintf(owner.home, sizeof(owner.home), "%s", at("alice"));
	assert_int_equal(home_make(&homes, &web1), 0);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	return 0;
}

static int teardown(void **state)
{
	char text[512];

	(void)state;
	home_view_close(&homes, &web1);
	snprintf(text, sizeof(text), "rm -rf %s/alice %s/homes/alice %s/homes/.removed/2* %s/homes/.making/2*",
		 fixture_top, fixture_top, fixture_top, fixture_top);
	return system(text);
}

/* What a look finds is what is made, and then nothing is missing. */
static void mended(unsigned parts)
{
	unsigned found = 77;

	assert_int_equal(home_mend(&homes, &web1, OWNER_GID, true, true, &found), 0);
	assert_int_equal(found, parts);
	assert_int_equal(home_mend(&homes, &web1, OWNER_GID, true, true, &found), 0);
	assert_int_equal(found, parts);
	assert_int_equal(home_mend(&homes, &web1, OWNER_GID, true, false, &found), 0);
	assert_int_equal(found, parts);
	assert_int_equal(home_mend(&homes, &web1, OWNER_GID, true, true, &found), 0);
	assert_int_equal(found, 0);
	assert_int_equal(home_check(&homes, &web1, (char[256]){ "" }, 256), 0);
}

static void nothing_is_missing(void **state)
{
	(void)state;
	mended(0);
}

static void each_part_is_made_again(void **state)
{
	(void)state;
	assert_int_equal(home_view_close(&homes, &web1), 0);
	mended(PART_VIEW);
	assert_int_equal(rmdir(at("homes/alice/web1/home")), 0);
	mended(PART_HOME | PART_VIEW);
	assert_int_equal(chmod(at("homes/alice/web1"), 0755), 0);
	mended(PART_ACCESS);
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_int_equal(rmdir(at("homes/alice/web1/view")), 0);
	mended(PART_VIEW);
	assert_int_equal(home_unmake(&homes, &web1), 0);
	mended(PART_HOME | PART_VIEW);
}

static void data_that_lies_aside_is_put_back(void **state)
{
	(void)state;
	write_file(at("homes/alice/web1/home/precious"), "data", 0600, WEB1_UID);
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	mended(PART_DATA | PART_VIEW);
	assert_int_equal(access(at("homes/alice/web1/home/precious"), F_OK), 0);
}

static void what_stands_in_the_way_is_left(void **state)
{
	unsigned found = 77;

	(void)state;
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_int_equal(rmdir(at("homes/alice/web1/home")), 0);
	write_file(at("homes/alice/web1/home"), "mine", 0600, 0);
	assert_true(home_mend(&homes, &web1, OWNER_GID, true, false, &found) < 0);
	assert_int_equal(found, 77);
	assert_int_equal(count_entries(at("homes/alice/web1")), 2);
	assert_int_equal(unlink(at("homes/alice/web1/home")), 0);
	/* data both here and there */
	assert_int_equal(mkdir(at("homes/.removed/%u", WEB1_UID), 0710), 0);
	assert_int_equal(chown(at("homes/.removed/%u", WEB1_UID), 0, WEB1_UID), 0);
	assert_int_equal(mkdir(at("homes/.removed/%u/home", WEB1_UID), 0700), 0);
	assert_int_equal(chown(at("homes/.removed/%u/home", WEB1_UID), WEB1_UID, WEB1_UID), 0);
	assert_int_equal(home_mend(&homes, &web1, OWNER_GID, true, false, &found), -EEXIST);
}

/* ---- leftovers ---- */

static void a_leftover_with_data_is_not_removed(void **state)
{
	(void)state;
	write_file(at("homes/alice/web1/home/precious"), "data", 0600, WEB1_UID);
	assert_int_equal(home_leftover_empty(&homes, &web1, HOME_AT_LABEL), -ENOTEMPTY);
	assert_int_equal(home_leftover_remove(&homes, &web1, HOME_AT_LABEL), -ENOTEMPTY);
	assert_int_equal(access(at("homes/alice/web1/home/precious"), F_OK), 0);
	assert_int_equal(home_leftover_remove(&homes, &web1, HOME_AT_OWNER), -ENOTEMPTY);
	assert_int_equal(home_leftover_set_aside(&homes, &web1, HOME_AT_LABEL), 0);
	assert_int_equal(access(at("homes/.removed/%u/home/precious", WEB1_UID), F_OK), 0);
	assert_int_equal(home_leftover_remove(&homes, &web1, HOME_AT_REMOVED), -ENOTEMPTY);
	assert_int_equal(access(at("homes/.removed/%u/home/precious", WEB1_UID), F_OK), 0);
	/* never over what lies there */
	assert_int_equal(home_make(&homes, &web1), 0);
	assert_int_equal(home_leftover_set_aside(&homes, &web1, HOME_AT_LABEL), -EEXIST);
}

static void an_empty_leftover_goes(void **state)
{
	uint32_t found = 0;

	(void)state;
	assert_int_equal(home_leftover_owner(&homes, &web1, HOME_AT_LABEL, &found), 0);
	assert_int_equal(found, OWNER_UID);
	assert_int_equal(home_leftover_empty(&homes, &web1, HOME_AT_LABEL), 0);
	assert_int_equal(home_leftover_remove(&homes, &web1, HOME_AT_LABEL), 0);
	assert_int_equal(access(at("homes/alice"), F_OK), -1);
	assert_int_equal(home_leftover_remove(&homes, &web1, HOME_AT_LABEL), -ENOENT);
	assert_int_equal(mkdir(at("homes/alice"), 0711), 0);
	assert_int_equal(home_leftover_remove(&homes, &web1, HOME_AT_OWNER), 0);
	assert_int_equal(access(at("homes/alice"), F_OK), -1);
}

static void another_accounts_directory_is_none_of_its(void **state)
{
	struct account other = web1;

	(void)state;
	other.uid = WEB2_UID;
	assert_int_equal(home_leftover_empty(&homes, &other, HOME_AT_LABEL), -ESTALE);
	assert_int_equal(home_leftover_remove(&homes, &other, HOME_AT_LABEL), -ESTALE);
	assert_int_equal(home_leftover_set_aside(&homes, &other, HOME_AT_LABEL), -ESTALE);
	assert_int_equal(access(at("homes/alice/web1/home"), F_OK), 0);
}

/* ---- links ---- */

static enum link_result run_mend(enum link_mend how)
{
	siginfo_t info = { 0 };
	int pidfd = -1;
	pid_t pid = -1;

	assert_int_equal(link_start_mend(&homes, &owner, &web1, how, &pid, &pidfd), 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	close(pidfd);
	return info.si_code == CLD_EXITED ? (enum link_result)info.si_status : LINK_TIMEOUT;
}

static void assert_link(const char *path, const char *text)
{
	char found[256] = "";

	assert_true(readlink(path, found, sizeof(found) - 1) > 0);
	assert_string_equal(found, text);
}

static void a_link_is_made_again(void **state)
{
	const char *right = at("homes/alice/web1/view");

	(void)state;
	assert_int_equal(run_mend(LINK_MEND_LOOK), LINK_MENDED);
	assert_int_equal(access(at("alice/subuid"), F_OK), -1);
	assert_int_equal(run_mend(LINK_MEND), LINK_MENDED);
	assert_int_equal(run_mend(LINK_MEND_LOOK), LINK_OK);
	assert_int_equal(run_mend(LINK_MEND), LINK_OK);
	assert_link(at("alice/subuid/web1"), right);
	/* into the owner's accounts: ours */
	assert_int_equal(unlink(at("alice/subuid/web1")), 0);
	assert_int_equal(symlink(at("homes/alice/web9/home"), at("alice/subuid/web1")), 0);
	assert_int_equal(run_mend(LINK_MEND_LOOK), LINK_MENDED);
	assert_int_equal(run_mend(LINK_MEND), LINK_MENDED);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));
}

static void what_is_the_owners_is_renamed_at_most(void **state)
{
	(void)state;
	assert_int_equal(run_mend(LINK_MEND), LINK_MENDED);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(unlink(at("alice/subuid/web1")), 0);
		write_file(at("alice/subuid/web1"), "mine", 0600, OWNER_UID);
		assert_int_equal(run_mend(LINK_MEND_LOOK), LINK_OCCUPIED);
		assert_int_equal(run_mend(LINK_MEND), LINK_OCCUPIED);
		assert_int_equal(run_mend(LINK_MEND_ASIDE), LINK_MENDED);
		assert_int_equal(access(at("alice/subuid/web1.aside-%d", i), F_OK), 0);
		assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));
	}
	/* another owner's accounts are not this one's to judge */
	assert_int_equal(unlink(at("alice/subuid/web1")), 0);
	assert_int_equal(symlink(at("homes/bob/web1/view"), at("alice/subuid/web1")), 0);
	assert_int_equal(run_mend(LINK_MEND), LINK_OCCUPIED);
}

/* Somebody who can write in the home puts a link to elsewhere in the place of the directory. */
static void nothing_is_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("victim"), 0777), 0);
	assert_int_equal(chmod(at("victim"), 0777), 0);
	assert_int_equal(symlink(at("victim"), at("alice/subuid")), 0);
	assert_int_equal(lchown(at("alice/subuid"), OWNER_UID, OWNER_GID), 0);
	assert_int_equal(run_mend(LINK_MEND), LINK_DIRECTORY);
	assert_int_equal(run_mend(LINK_MEND_ASIDE), LINK_DIRECTORY);
	assert_int_equal(count_entries(at("victim")), 0);
	assert_int_equal(rmdir(at("victim")), 0);
}

static int mount_it(void **state)
{
	(void)state;
	fixture_mount("ext4");
	return 0;
}

static int unmount_it(void **state)
{
	(void)state;
	fixture_unmount();
	return 0;
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(nothing_is_missing),
		EACH(each_part_is_made_again),
		EACH(data_that_lies_aside_is_put_back),
		EACH(what_stands_in_the_way_is_left),
		EACH(a_leftover_with_data_is_not_removed),
		EACH(an_empty_leftover_goes),
		EACH(another_accounts_directory_is_none_of_its),
		EACH(a_link_is_made_again),
		EACH(what_is_the_owners_is_renamed_at_most),
		EACH(nothing_is_followed),
	};

	return cmocka_run_group_tests(tests, mount_it, unmount_it);
}
