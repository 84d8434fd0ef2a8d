/* SPDX-License-Identifier: ISC */
/* An account of another name: its directory and its link follow; what stands in the way stays. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/home_fixture.h"

static struct link_owner owner = { .uid = OWNER_UID, .gid = OWNER_GID, .name = "alice-of-the-test" };
static struct account db1, bobs; /* another label; another owner with another uid */

static int setup(void **state)
{
	(void)state;
	db1 = bobs = web1;
	snprintf(db1.label, sizeof(db1.label), "db1");
	snprintf(bobs.owner, sizeof(bobs.owner), "bob");
	bobs.owner_uid = THIRD_UID;
	assert_int_equal(mkdir(at("alice"), 0755), 0);
	assert_int_equal(chown(at("alice"), OWNER_UID, OWNER_GID), 0);
	snprintf(owner.home, sizeof(owner.home), "%s", at("alice"));
	owner.uid = OWNER_UID;
	assert_int_equal(home_make(&homes, &web1), 0);
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	write_file(at("homes/alice/web1/home/pushed"), "data", 0644, WEB1_UID);
	return 0;
}

static int teardown(void **state)
{
	char text[512];

	(void)state;
	home_view_close(&homes, &web1);
	home_view_close(&homes, &db1);
	home_view_close(&homes, &bobs);
	snprintf(text, sizeof(text), "rm -rf %s/alice %s/homes/alice %s/homes/bob", fixture_top, fixture_top,
		 fixture_top);
	return system(text);
}

static int sees_pushed(void *path)
{
	int fd = open(path, O_RDONLY);

	return fd >= 0 ? 0 : errno;
}

static void assert_sound(const struct account *account)
{
	char why[256] = "";

	if (home_check(&homes, account, why, sizeof(why)) != 0)
		fail_msg("%s", why);
}

static void the_directory_follows_with_its_data_and_its_view(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) { /* and once more changes nothing */
		assert_int_equal(home_rename(&homes, &web1, &db1), 0);
		assert_sound(&db1);
		assert_int_equal(access(at("homes/alice/web1"), F_OK), -1);
		assert_int_equal(
			run_as(OWNER_UID, false, sees_pushed, (void *)(uintptr_t)at("homes/alice/db1/view/pushed")), 0);
	}
}

static void another_owner_is_let_in_and_the_former_is_not(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) {
		assert_int_equal(home_rename(&homes, &web1, &bobs), 0);
		assert_int_equal(home_view_open(&homes, &bobs, THIRD_UID), 0);
		assert_sound(&bobs);
		assert_int_equal(access(at("homes/alice"), F_OK), -1); /* it was the last one in it */
		assert_int_equal(
			run_as(THIRD_UID, false, sees_pushed, (void *)(uintptr_t)at("homes/bob/web1/view/pushed")), 0);
		assert_int_equal(
			run_as(OWNER_UID, false, sees_pushed, (void *)(uintptr_t)at("homes/bob/web1/view/pushed")),
			EACCES);
	}
}

/* The host went down behind the first of two steps: the second one is done when it is repeated. */
static void what_was_moved_lets_in_its_owner_at_last(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("homes/bob"), 0711), 0);
	assert_int_equal(rename(at("homes/alice/web1"), at("homes/bob/web1")), 0);
	assert_int_equal(home_rename(&homes, &web1, &bobs), 0);
	assert_int_equal(home_view_open(&homes, &bobs, THIRD_UID), 0);
	assert_sound(&bobs);
	assert_int_equal(access(at("homes/alice"), F_OK), -1);
}

static void nothing_is_replaced(void **state)
{
	struct account other = web2;

	(void)state;
	snprintf(other.label, sizeof(other.label), "db1");
	assert_int_equal(home_make(&homes, &other), 0);
	assert_int_equal(home_rename(&homes, &web1, &db1), -EEXIST);
	assert_sound(&web1);
	assert_int_equal(home_unmake(&homes, &other), 0);
	write_file(at("homes/alice/db1"), "", 0600, 0);
	assert_int_equal(home_rename(&homes, &web1, &db1), -ENOTDIR);
	assert_int_equal(unlink(at("homes/alice/db1")), 0);
	assert_int_equal(symlink("/etc", at("homes/alice/db1")), 0);
	assert_int_equal(home_rename(&homes, &web1, &db1), -ELOOP);
	assert_int_equal(unlink(at("homes/alice/db1")), 0);
	assert_sound(&web1);
	other = db1;
	other.uid++;
	assert_int_equal(home_rename(&homes, &web1, &other), -EINVAL);
}

static void one_that_is_gone_is_in_neither_place(void **state)
{
	(void)state;
	assert_int_equal(home_set_aside(&homes, &web1), 0);
	assert_int_equal(home_rename(&homes, &web1, &db1), -ENOENT);
}

/* ---- links */

static enum link_result link_of(const struct account *to, enum link_mend how)
{
	int pidfd = -1;
	pid_t pid = -1;

	assert_int_equal(link_start_rename(&homes, &owner, &web1, to, how, &pid, &pidfd), 0);
	return (enum link_result)wait_pidfd(pidfd);
}

static void assert_link(const char *path, const char *text)
{
	char found[256] = "";

	if (readlink(path, found, sizeof(found) - 1) < 0 || strcmp(found, text) != 0)
		fail_msg("%s leads to \"%s\"", path, found);
}

static void old_link(const char *label, const char *end)
{
	mkdir(at("alice/subuid"), 0700);
	assert_int_equal(chown(at("alice/subuid"), owner.uid, OWNER_GID), 0);
	assert_int_equal(symlink(at("homes/alice/web1/%s", end), at("alice/subuid/%s", label)), 0);
}

static void the_link_follows_the_label(void **state)
{
	(void)state;
	old_link("web1", "view");
	assert_int_equal(link_of(&db1, LINK_MEND_LOOK), LINK_MENDED);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));
	assert_int_equal(link_of(&db1, LINK_MEND), LINK_MENDED);
	assert_link(at("alice/subuid/db1"), at("homes/alice/db1/view"));
	assert_int_equal(access(at("alice/subuid/web1"), F_OK), -1);
	assert_int_equal(count_entries(at("alice/subuid")), 1);
	assert_int_equal(link_of(&db1, LINK_MEND), LINK_OK);
}

/* usermod -l -m has moved the home: the links lead to where the accounts of alice were. */
static void a_link_to_the_former_owners_place_is_replaced(void **state)
{
	static const char *const ends[] = { "view", "home" };

	(void)state;
	owner.uid = THIRD_UID;
	assert_int_equal(chown(at("alice"), THIRD_UID, OWNER_GID), 0);
	for (size_t i = 0; i < 2; i++) {
		old_link("web1", ends[i]);
		assert_int_equal(link_of(&bobs, LINK_MEND_LOOK), LINK_MENDED);
		assert_int_equal(link_of(&bobs, LINK_MEND), LINK_MENDED);
		assert_link(at("alice/subuid/web1"), at("homes/bob/web1/view"));
		assert_int_equal(unlink(at("alice/subuid/web1")), 0);
	}
}

static void what_is_the_owners_stays(void **state)
{
	(void)state;
	old_link("web1", "view");
	write_file(at("alice/subuid/db1"), "mine", 0600, OWNER_UID);
	assert_int_equal(link_of(&db1, LINK_MEND_LOOK), LINK_OCCUPIED);
	assert_int_equal(link_of(&db1, LINK_MEND), LINK_OCCUPIED);
	assert_int_equal(count_entries(at("alice/subuid")), 1); /* the old link leads nowhere, and is gone */
	assert_int_equal(unlink(at("alice/subuid/db1")), 0);
	assert_int_equal(symlink("/elsewhere", at("alice/subuid/web1")), 0);
	assert_int_equal(link_of(&db1, LINK_MEND), LINK_MENDED);
	assert_link(at("alice/subuid/web1"), "/elsewhere");
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
		EACH(the_directory_follows_with_its_data_and_its_view),
		EACH(another_owner_is_let_in_and_the_former_is_not),
		EACH(what_was_moved_lets_in_its_owner_at_last),
		EACH(nothing_is_replaced),
		EACH(one_that_is_gone_is_in_neither_place),
		EACH(the_link_follows_the_label),
		EACH(a_link_to_the_former_owners_place_is_replaced),
		EACH(what_is_the_owners_stays),
	};

	return cmocka_run_group_tests(tests, mount_it, unmount_it);
}
