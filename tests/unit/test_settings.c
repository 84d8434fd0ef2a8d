/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "subuidd/base/settings.h"

static char root[64];
static char why[512];
static struct settings settings;

static int set_up(void **state)
{
	static const char *const directories[] = { "/usr", "/usr/lib", "/usr/lib/subuidd.conf.d", "/etc",
						   "/etc/subuidd.conf.d" };
	char path[256];

	(void)state;
	snprintf(root, sizeof(root), "%s", "/tmp/test_settings.XXXXXX");
	assert_non_null(mkdtemp(root));
	for (unsigned i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", root, directories[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	memset(&settings, 0xa5, sizeof(settings));
	why[0] = '\0';
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void put_bytes(const char *name, const char *text, size_t length, mode_t mode)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fchmod(fileno(file), mode), 0);
	assert_int_equal(fclose(file), 0);
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text), 0644);
}

static int load(void)
{
	return settings_load(root, &settings, why, sizeof(why));
}

static void accepted(const char *text)
{
	put("/etc/subuidd.conf", text);
	if (load() != 0)
		fail_msg("refused: %s\nof: %s", why, text);
}

/* Refused with all the words in the sentence, settings untouched. */
static void refused(const char *text, const char *place, const char *word)
{
	struct settings before;

	memset(&settings, 0xa5, sizeof(settings));
	before = settings;
	put("/etc/subuidd.conf", text);
	if (load() == 0)
		fail_msg("accepted: %s", text);
	assert_memory_equal(&settings, &before, sizeof(settings));
	if (strstr(why, place) == NULL || strstr(why, word) == NULL)
		fail_msg("'%s' does not say '%s' and '%s'", why, place, word);
}

static void no_file_gives_the_defaults(void **state)
{
	struct settings expected;

	(void)state;
	assert_int_equal(load(), 0);
	settings_default(&expected);
	assert_int_equal(settings.accounts[0].first, 2100000000u);
	assert_int_equal(settings.accounts[0].last, 2147352575u);
	assert_int_equal(settings.ranges[0].last, 1879048191u);
	assert_int_equal(settings.separator, '+');
	assert_string_equal(settings.homes, expected.homes);
	assert_int_equal(settings.idle_seconds, 30);
	assert_string_equal(settings.backup_directory, "/var/backups/subuidd");
	assert_int_equal(settings.backups_kept, 7);
}

static void the_shipped_file_is_the_defaults(void **state)
{
	struct settings expected;
	char text[8192], bare[8192], *out = bare;
	FILE *file = fopen("subuidd/subuidd.conf", "re");
	size_t length;

	(void)state;
	assert_non_null(file);
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	accepted(text);
	settings_default(&expected);
	assert_string_equal(settings.homes, expected.homes);
	/* with its examples switched on it says the same: "#key" without a blank is an example */
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (line[0] == '[' || (line[0] == '#' && line[1] >= 'a' && line[1] <= 'z'))
			out += snprintf(out, 256, "%s\n", line + (line[0] == 0x23));
	accepted(bare);
	assert_int_equal(settings.accounts_count, expected.accounts_count);
	assert_memory_equal(settings.accounts, expected.accounts, sizeof(expected.accounts[0]));
	assert_memory_equal(settings.ranges, expected.ranges, sizeof(expected.ranges[0]));
	assert_int_equal(settings.separator, expected.separator);
	assert_int_equal(settings.enumerate, expected.enumerate);
	assert_int_equal(settings.range_names, expected.range_names);
	assert_int_equal(settings.publish, expected.publish);
	assert_string_equal(settings.homes, expected.homes);
	assert_string_equal(settings.link_directory, expected.link_directory);
	assert_int_equal(settings.views_at_start, expected.views_at_start);
	assert_int_equal(settings.view, VIEW_THEIRS);
	assert_int_equal(settings.files_per_size, 16384);
	assert_int_equal(settings.grace_days, expected.grace_days);
	assert_int_equal(settings.limit_accounts, expected.limit_accounts);
	assert_int_equal(settings.limit_keys, expected.limit_keys);
	assert_int_equal(settings.limit_ranges, expected.limit_ranges);
	assert_int_equal(settings.sessions_key, expected.sessions_key);
	assert_int_equal(settings.sessions_account, expected.sessions_account);
	assert_int_equal(settings.unused_seconds, expected.unused_seconds);
	assert_int_equal(settings.silence_seconds, expected.silence_seconds);
	assert_int_equal(settings.session_hours, expected.session_hours);
	assert_int_equal(settings.session_grace, expected.session_grace);
	assert_int_equal(settings.memory_mib, expected.memory_mib);
	assert_int_equal(settings.account_memory_mib, 4096);
	assert_in_range(expected.account_memory_mib, 256, 4096); /* a smaller host's is less */
	assert_int_equal(settings.cpu_weight, expected.cpu_weight);
	assert_string_equal(settings.admin_group, "");
	assert_int_equal(settings.connections_per_uid, expected.connections_per_uid);
	assert_int_equal(settings.connections, expected.connections);
	assert_int_equal(settings.idle_seconds, expected.idle_seconds);
}

static void values_are_taken(void **state)
{
	(void)state;
	accepted("# a comment\n"
		 "[ids]\n"
		 "accounts = 2100000000-2100000999, 2100002000-2100002000   # two\n"
		 "   # an indented comment right after a value\n"
		 "\n"
		 "ranges=1073741824-1073807359\n"
		 "[limits]\n"
		 "ranges = 3\n"
		 "accounts = 5\n"
		 "[names]\n"
		 "separator = =\n"
		 "enumerate = yes\n"
		 "range_names = no\n"
		 "[subid]\n"
		 "publish = both\n"
		 "[homes]\n"
		 "directory = \"/data/sub.uid\"\n"
		 "[access]\n"
		 "admin_group = panel\n"
		 "[sessions]\n"
		 "account_memory_mib = 0\n");
	assert_int_equal(settings.accounts_count, 2);
	assert_int_equal(settings.accounts[1].first, 2100002000u);
	assert_int_equal(settings.ranges[0].last, 1073807359u);
	assert_int_equal(settings.limit_accounts, 5);
	assert_int_equal(settings.limit_ranges, 3);
	assert_int_equal(settings.limit_keys, 16);
	assert_int_equal(settings.separator, '=');
	assert_true(settings.enumerate);
	assert_false(settings.range_names);
	assert_int_equal(settings.publish, PUBLISH_BOTH);
	assert_string_equal(settings.homes, "/data/sub.uid");
	assert_string_equal(settings.admin_group, "panel");
	assert_int_equal(settings.account_memory_mib, 0);
	accepted("[sessions]\naccount_memory_mib = 524288\n");
	assert_int_equal(settings.account_memory_mib, 524288);
}

static void key_of_the_same_name_in_two_groups(void **state)
{
	(void)state;
	accepted("[ids]\naccounts = 2100000000-2100000999\n[limits]\naccounts = 7\n");
	assert_int_equal(settings.limit_accounts, 7);
	assert_int_equal(settings.accounts[0].last, 2100000999u);
}

static void unknown_keys_and_groups_are_refused(void **state)
{
	(void)state;
	refused("[ids]\nacounts = 2100000000-2100000999\n", "/etc/subuidd.conf:2:", "no such key");
	refused("[limit]\n\naccounts = 3\n", "/etc/subuidd.conf:3:", "no such key");
	refused("accounts = 3\n", "/etc/subuidd.conf:1:", "no such key");
	refused("[limits]\naccounts = 3\nkeys = 1\naccounts = 4\n", "/etc/subuidd.conf:4:", "given twice");
	refused("[limits]\naccounts = 3\naccounts = 3\n", "/etc/subuidd.conf:3:", "given twice");
}

static void lines_of_no_shape_are_refused(void **state)
{
	static const char nul[] = "[limits]\nkeys = 3\0 4\n";

	(void)state;
	refused("[limits]\nkeys = 3\n 4\n", "conf:3:", "neither");
	refused("[limits]\n= 3\n", "conf:2:", "neither");
	refused("[limits]\nkeys 3\n", "conf:2:", "neither");
	refused("[limits\nkeys = 3\n", "conf:1:", "bracket");
	refused("[]\nkeys = 3\n", "conf:1:", "");
	refused("[limits] x\nkeys = 3\n", "conf:1:", "");
	refused("[limits]\nkeys = \x1b[2J3\n", "conf:2:", "control byte");
	put_bytes("/etc/subuidd.conf", nul, sizeof(nul) - 1, 0644);
	assert_int_equal(load(), -EINVAL);
}

static void bounds_are_kept(void **state)
{
	(void)state;
	refused("[limits]\nkeys = -1\n", "conf:2: [limits] keys", "not a number from 0 to");
	refused("[limits]\nkeys = 4294967296\n", "[limits] keys", "not a number");
	refused("[limits]\nkeys = 0x10\n", "[limits] keys", "not a number");
	refused("[limits]\nkeys =\n", "[limits] keys", "not a number");
	refused("[service]\nconnections = 0\n", "[service] connections", "from 1 to 4096");
	refused("[sessions]\nper_key = 0\n", "[sessions] per_key", "from 1 to 1024");
	refused("[sessions]\nmemory_mib = 32\n", "[sessions] memory_mib", "from 64 to 524288");
	refused("[sessions]\naccount_memory_mib = 63\n", "[sessions] account_memory_mib",
		"neither 0 nor a number from 64 to 524288");
	refused("[sessions]\nper_key = 33\n", "[sessions] per_key", "more than per_account");
	refused("[service]\nconnections = 8\n", "[service] connections", "more than connections");
	refused("[service]\nidle_seconds = 3601\n", "[service] idle_seconds", "from 1");
	refused("[subid]\npublish = nowhere\n", "[subid] publish", "neither plugin, files nor both");
	refused("[names]\nenumerate = perhaps\n", "[names] enumerate", "neither yes nor no");
	refused("[names]\nseparator = -\n", "[names] separator", "not one of");
	refused("[names]\nseparator = ++\n", "[names] separator", "not one of");
	refused("[names]\nseparator =\n", "[names] separator", "not one of");
}

static void id_blocks_are_sound(void **state)
{
	(void)state;
	refused("[ids]\naccounts = 1000-2000\n", "conf:2: [ids] accounts", "below 65536");
	refused("[ids]\naccounts = 65534-70000\n", "[ids] accounts", "below 65536");
	refused("[ids]\naccounts = 65535-65535\n", "[ids] accounts", "below 65536");
	refused("[ids]\naccounts = 2100000000-4294967295\n", "[ids] accounts", "not a list");
	refused("[ids]\naccounts = 2100000000-4294967294\n", "[ids] accounts", "negative");
	refused("[ids]\naccounts = 2100000000-2147483648\n", "[ids] accounts", "negative");
	accepted("[ids]\naccounts = 2100000000-2147483647\n");
	refused("[ids]\naccounts = 2100000100-2100000000\n", "[ids] accounts", "not a list");
	refused("[ids]\naccounts = 2100000000\n", "[ids] accounts", "not a list");
	refused("[ids]\naccounts = \n", "[ids] accounts", "no block");
	refused("[ids]\naccounts = 2100000000-2100000100 2100000100-2100000200\n", "accounts", "overlap");
	refused("[ids]\nranges = 1073741825-1073807359\n", "[ids] ranges", "multiple");
	refused("[ids]\nranges = 1073741824-1073807358\n", "[ids] ranges", "multiple");
	refused("[ids]\naccounts = 1073741824-1073741900\n", "conf:2: [ids] accounts", "overlap");
	refused("[ids]\nranges = 2099970048-2100035583\n", "conf:2: [ids] ranges", "overlap");
	refused("[ids]\naccounts = 100000-100001 100002-100003 100004-100005 100006-100007 100008-100009 "
		"100010-100011 100012-100013 100014-100015 100016-100017 100018-100019 100020-100021 "
		"100022-100023 100024-100025 100026-100027 100028-100029 100030-100031 100032-100033\n",
		"[ids] accounts", "more than 16");
}

static void paths_are_plain(void **state)
{
	static const char *const bad[] = { "srv/subuid", "/", "/srv/../etc", "/srv//subuid", "/srv/subuid/", "/srv/.",
					   "/srv/a b",   "",  "/srv/a:b",    "/srv/-a" };
	char text[512];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[homes]\ndirectory = %s\n", bad[i]);
		refused(text, "[homes] directory", "");
	}
	snprintf(text, sizeof(text), "[homes]\ndirectory = /%0200d\n", 0);
	refused(text, "[homes] directory", "too long");
	refused("[homes]\nlink_directory = a/b\n", "[homes] link_directory", "one directory");
	refused("[homes]\nlink_directory = ..\n", "[homes] link_directory", "one directory");
	refused("[homes]\nlink_directory =\n", "[homes] link_directory", "one directory");
	accepted("[homes]\nlink_directory = .subuid\n");
}

static void views_and_files(void **state)
{
	(void)state;
	refused("[homes]\nview = default\n", "conf:2: [homes] view", "neither");
	refused("[homes]\nview =\n", "[homes] view", "neither");
	accepted("[homes]\nview = owner\n");
	assert_int_equal(settings.view, VIEW_OWNER);
	refused("[homes]\nfiles_per_size = 0\n", "[homes] files_per_size", "not a size");
	refused("[homes]\nfiles_per_size =\n", "[homes] files_per_size", "not a size");
	refused("[homes]\nfiles_per_size = K\n", "[homes] files_per_size", "not a size");
	refused("[homes]\nfiles_per_size = 2G\n", "[homes] files_per_size", "not a size");
	refused("[homes]\nfiles_per_size = 4294967295M\n", "[homes] files_per_size", "not a size");
	refused("[homes]\nfiles_per_size = 99999999999999999999\n", "[homes] files_per_size", "not a size");
	accepted("[homes]\nfiles_per_size = 1M\n");
	assert_int_equal(settings.files_per_size, 1 << 20);
	accepted("[homes]\nfiles_per_size = none\n");
	assert_int_equal(settings.files_per_size, 0);
}

static void files_are_layered(void **state)
{
	(void)state;
	put("/usr/lib/subuidd.conf", "[limits]\nkeys = 1\naccounts = 1\n");
	put("/usr/lib/subuidd.conf.d/50-a.conf", "[limits]\nranges = 2\n");
	assert_int_equal(load(), 0);
	assert_int_equal(settings.limit_keys, 1);
	assert_int_equal(settings.limit_ranges, 2);
	put("/etc/subuidd.conf", "[limits]\nkeys = 3\n");
	put("/etc/subuidd.conf.d/60-b.conf", "[limits]\nranges = 6\n");
	put("/etc/subuidd.conf.d/10-c.conf", "[limits]\nranges = 1\nkeys = 4\n");
	put("/etc/subuidd.conf.d/readme", "not read");
	put("/etc/subuidd.conf.d/.swp.conf", "not read");
	assert_int_equal(load(), 0);
	assert_int_equal(settings.limit_accounts, 16); /* the file in /etc replaces the vendor's */
	assert_int_equal(settings.limit_keys, 4);
	assert_int_equal(settings.limit_ranges, 6);
	put("/etc/subuidd.conf.d/60-b.conf", "");
	assert_int_equal(load(), 0);
	assert_int_equal(settings.limit_ranges, 2);
	put("/etc/subuidd.conf.d/50-a.conf", "[limits]\nranges = 9\n"); /* masks the vendor's of that name */
	assert_int_equal(load(), 0);
	assert_int_equal(settings.limit_ranges, 9);
	put("/etc/subuidd.conf.d/70-d.conf", "[limits]\nranges = x\n");
	assert_int_equal(load(), -EINVAL);
	assert_non_null(strstr(why, "/etc/subuidd.conf.d/70-d.conf:2: [limits] ranges"));
}

static void files_that_others_can_write_are_refused(void **state)
{
	char path[256];

	(void)state;
	put_bytes("/etc/subuidd.conf", "", 0, 0664);
	assert_int_equal(load(), -EPERM);
	assert_non_null(strstr(why, "group or others"));
	put_bytes("/etc/subuidd.conf", "", 0, 0646);
	assert_int_equal(load(), -EPERM);
	put("/etc/subuidd.conf", "");
	put_bytes("/etc/subuidd.conf.d/a.conf", "", 0, 0666);
	assert_int_equal(load(), -EPERM);
	put("/etc/subuidd.conf.d/a.conf", "");
	assert_int_equal(load(), 0);
	snprintf(path, sizeof(path), "%s/etc/subuidd.conf.d", root);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(load(), -EPERM);
	assert_int_equal(chmod(path, 0755), 0);
	if (geteuid() == 0) { /* an ordinary user can give nothing away */
		snprintf(path, sizeof(path), "%s/etc/subuidd.conf", root);
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(load(), -EPERM);
		assert_non_null(strstr(why, "ordinary user"));
	}
}

static void a_directory_or_fifo_is_not_a_file(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/etc/subuidd.conf", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(load() < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(no_file_gives_the_defaults),
		T(the_shipped_file_is_the_defaults),
		T(values_are_taken),
		T(key_of_the_same_name_in_two_groups),
		T(unknown_keys_and_groups_are_refused),
		T(lines_of_no_shape_are_refused),
		T(bounds_are_kept),
		T(id_blocks_are_sound),
		T(paths_are_plain),
		T(views_and_files),
		T(files_are_layered),
		T(files_that_others_can_write_are_refused),
		T(a_directory_or_fifo_is_not_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
