/* SPDX-License-Identifier: ISC */
/* What lies below the homes is seen as it is, and nothing there leads elsewhere or holds the walk up. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "home/walk.h"
#include "tests/unit/home_fixture.h"

#define SEEN_MAX 64

struct seen {
	struct disk_entry entries[SEEN_MAX];
	int count, stop_after;
};

static struct seen seen;

static int collect(void *data, const struct disk_entry *entry)
{
	struct seen *to = data;

	assert_true(to->count < SEEN_MAX);
	to->entries[to->count++] = *entry;
	return to->stop_after > 0 && to->count == to->stop_after ? 7 : 0;
}

static void walk(void)
{
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(home_walk(&homes, collect, &seen), 0);
}

/* The one entry of this kind and these names; fails when it is not there exactly once. */
static const struct disk_entry *found(enum disk_kind kind, const char *owner, const char *label, uint32_t uid)
{
	const struct disk_entry *entry = NULL;

	for (int i = 0; i < seen.count; i++) {
		const struct disk_entry *e = &seen.entries[i];

		if (e->kind != kind || strcmp(e->owner, owner) != 0 || strcmp(e->label, label) != 0 || e->uid != uid)
			continue;
		assert_null(entry);
		entry = e;
	}
	if (entry == NULL)
		fail_msg("%s: not seen: kind %d owner %s label %s uid %u", fixture_type, (int)kind, owner, label, uid);
	return entry;
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(home_make(&homes, &web1), 0);
	return 0;
}

static int teardown(void **state)
{
	char text[512];

	(void)state;
	snprintf(text, sizeof(text),
		 "umount -q %s/homes/alice/web1/* %s/homes/alice; find %s/homes -mindepth 1 -delete; "
		 "mkdir -m 700 %s/homes/.removed %s/homes/.making",
		 fixture_top, fixture_top, fixture_top, fixture_top, fixture_top);
	return system(text);
}

static void an_account_says_whose_it_is(void **state)
{
	const struct disk_entry *entry;

	(void)state;
	walk();
	assert_int_equal(seen.count, 1);
	entry = found(DISK_ACCOUNT, "alice", "web1", WEB1_UID);
	assert_int_equal(entry->owner_uid, OWNER_UID);
	assert_true(entry->home && entry->view && !entry->data);
	write_file(at("homes/alice/web1/home/file"), "x", 0600, WEB1_UID);
	walk();
	assert_true(found(DISK_ACCOUNT, "alice", "web1", WEB1_UID)->data);
}

static void what_is_missing_is_seen(void **state)
{
	const struct disk_entry *entry;

	(void)state;
	assert_int_equal(rmdir(at("homes/alice/web1/home")), 0);
	assert_int_equal(rmdir(at("homes/alice/web1/view")), 0);
	walk();
	entry = found(DISK_ACCOUNT, "alice", "web1", WEB1_UID);
	assert_false(entry->home || entry->view || entry->data);
	/* a file or a link in the place of home is not followed, and not called nothing */
	assert_int_equal(symlink("/etc", at("homes/alice/web1/home")), 0);
	walk();
	entry = found(DISK_ACCOUNT, "alice", "web1", WEB1_UID);
	assert_true(!entry->home && entry->data);
}

static void mounts_are_not_entered(void **state)
{
	const struct disk_entry *entry;

	(void)state;
	assert_int_equal(home_view_open(&homes, &web1, OWNER_GID), 0);
	assert_int_equal(mount("tmpfs", at("homes/alice/web1/home"), "tmpfs", 0, "size=1m"), 0);
	walk();
	entry = found(DISK_ACCOUNT, "alice", "web1", WEB1_UID);
	assert_true(entry->home && entry->view && entry->data);
	umount(at("homes/alice/web1/home"));
	assert_int_equal(home_view_close(&homes, &web1), 0);
	assert_int_equal(mount("tmpfs", at("homes/alice"), "tmpfs", 0, "size=1m"), 0);
	assert_int_equal(mkdir(at("homes/alice/hidden"), 0710), 0);
	walk();
	found(DISK_OTHER, "alice", "", 0);
	assert_int_equal(seen.count, 1);
	umount(at("homes/alice"));
}

static void removed_and_half_made_ones(void **state)
{
	const struct disk_entry *entry;

	(void)state;
	assert_int_equal(home_make(&homes, &web2), 0);
	write_file(at("homes/alice/web2/home/file"), "x", 0600, WEB2_UID);
	assert_int_equal(home_set_aside(&homes, &web2), 0);
	assert_int_equal(mkdir(at("homes/.making/2100777003"), 0700), 0);
	assert_int_equal(mkdir(at("homes/.removed/02100777003"), 0700), 0);
	assert_int_equal(mkdir(at("homes/.making/probe"), 0700), 0);
	walk();
	entry = found(DISK_REMOVED, "", "", WEB2_UID);
	assert_int_equal(entry->owner_uid, OWNER_UID);
	assert_true(entry->home && entry->view && entry->data);
	assert_false(found(DISK_MAKING, "", "", 2100777003u)->home);
	found(DISK_OTHER, ".removed", "02100777003", 0);
	found(DISK_ACCOUNT, "alice", "web1", WEB1_UID);
	assert_int_equal(seen.count, 4);
}

static void an_empty_owner_and_strangers(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("homes/bob"), 0711), 0);
	assert_int_equal(mkdir(at("homes/carol"), 0711), 0);
	write_file(at("homes/carol/readme"), "x", 0644, 0);
	assert_int_equal(mkdir(at("homes/dave"), 0711), 0);
	assert_int_equal(chown(at("homes/dave"), THIRD_UID, THIRD_UID), 0);
	assert_int_equal(mkdir(at("homes/lost+found"), 0700), 0);
	write_file(at("homes/.high-water"), "x", 0600, 0);
	assert_int_equal(mkdir(at("homes/alice/theirs"), 0711), 0);
	assert_int_equal(chown(at("homes/alice/theirs"), THIRD_UID, THIRD_UID), 0);
	walk();
	found(DISK_OWNER_EMPTY, "bob", "", 0);
	found(DISK_OWNER_EMPTY, "carol", "", 0);
	found(DISK_OTHER, "carol", "readme", 0);
	found(DISK_OTHER, "dave", "", 0);
	found(DISK_OTHER, "alice", "theirs", 0);
	found(DISK_ACCOUNT, "alice", "web1", WEB1_UID);
	assert_int_equal(seen.count, 6);
}

static void hostile_names_pipes_and_links(void **state)
{
	char name[256] = "", cut[LABEL_MAX + 1] = "";

	(void)state;
	memset(name, 'n', 255);
	memset(cut, 'n', LABEL_MAX);
	assert_int_equal(mkdir(at("homes/alice/%s", name), 0711), 0);
	assert_int_equal(mkdir(at("homes/alice/\033[2J\n"), 0711), 0);
	assert_int_equal(mkdir(at("homes/-rf"), 0711), 0);
	assert_int_equal(mkfifo(at("homes/pipe"), 0600), 0);
	assert_int_equal(mkfifo(at("homes/alice/pipe"), 0600), 0);
	assert_int_equal(symlink("/etc", at("homes/alice/link")), 0);
	assert_int_equal(symlink("alice", at("homes/eve")), 0);
	walk();
	found(DISK_OTHER, "alice", cut, 0);
	found(DISK_OTHER, "alice", "\033[2J\n", 0);
	found(DISK_OTHER, "-rf", "", 0);
	found(DISK_OTHER, "pipe", "", 0);
	found(DISK_OTHER, "alice", "pipe", 0);
	found(DISK_OTHER, "alice", "link", 0);
	found(DISK_OTHER, "eve", "", 0);
	found(DISK_ACCOUNT, "alice", "web1", WEB1_UID);
	assert_int_equal(seen.count, 8);
}

static void the_visitor_ends_it(void **state)
{
	(void)state;
	assert_int_equal(home_make(&homes, &web2), 0);
	memset(&seen, 0, sizeof(seen));
	seen.stop_after = 1;
	assert_int_equal(home_walk(&homes, collect, &seen), 7);
	assert_int_equal(seen.count, 1);
}

static void names_alone_are_the_same_entries(void **state)
{
	struct seen names = { .count = 0 };

	(void)state;
	assert_int_equal(mkdir(at("homes/bob"), 0711), 0);
	assert_int_equal(home_make(&homes, &web2), 0);
	assert_int_equal(home_set_aside(&homes, &web2), 0);
	walk();
	assert_int_equal(home_walk_names(&homes, collect, &names), 0);
	assert_int_equal(names.count, seen.count);
	for (int i = 0; i < names.count; i++) {
		const struct disk_entry *entry = &names.entries[i];

		found(entry->kind, entry->owner, entry->label, entry->uid);
		assert_false(entry->home || entry->view || entry->data);
	}
}

#define WALK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const char *const types[] = { "ext4", "btrfs", "xfs", "tmpfs" };
	const struct CMUnitTest tests[] = {
		WALK(an_account_says_whose_it_is),  WALK(what_is_missing_is_seen),
		WALK(mounts_are_not_entered),       WALK(removed_and_half_made_ones),
		WALK(an_empty_owner_and_strangers), WALK(hostile_names_pipes_and_links),
		WALK(the_visitor_ends_it),          WALK(names_alone_are_the_same_entries),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		fixture_mount(types[i]);
		failed += cmocka_run_group_tests_name(types[i], tests, NULL, NULL);
		fixture_unmount();
	}
	return failed;
}
