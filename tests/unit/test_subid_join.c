/* SPDX-License-Identifier: ISC */
/* The files, the chained plug-in, and what they and the index hold together. */
#include "tests/unit/subid_fixture.h"

#define RANGE(i) (1073741824u + (i)*3 * 65536)

/* ---- the files */

static void lines_by_name_and_by_uid(void **state)
{
	(void)state;
	write_file("etc/subuid", "other:50:10\nfiles:100000:65536\n2000:300000:10\n2001:400000:10");
	write_file("etc/subgid", "files:100000:65535\n");
	assert_int_equal(has("files", 100000, 65536, ID_TYPE_UID), YES);
	assert_int_equal(has("files", 300000, 10, ID_TYPE_UID), YES);
	assert_int_equal(has("files", 300000, 11, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 165536, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 99999, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("files", 50, 1, ID_TYPE_UID), NO);
	assert_int_equal(has("other", 400000, 10, ID_TYPE_UID), YES); /* the last line has no newline */
	assert_int_equal(has("other", 100000, 1, ID_TYPE_UID), NO);
	/* another name of the same user, as shadow has it */
	assert_int_equal(has("filesalias", 100000, 65536, ID_TYPE_UID), YES);
	/* uid granted and gid not */
	assert_int_equal(has("files", 165535, 1, ID_TYPE_UID), YES);
	assert_int_equal(has("files", 165535, 1, ID_TYPE_GID), NO);
	assert_int_equal(has("files", 300000, 1, ID_TYPE_GID), NO);
	assert_string_equal(list("files", ID_TYPE_UID), "100000+65536 300000+10");
	assert_string_equal(list("files", ID_TYPE_GID), "100000+65535");
	assert_string_equal(list("other", ID_TYPE_UID), "50+10 400000+10");
	assert_string_equal(owners(100000, ID_TYPE_UID), "2000");
	assert_string_equal(owners(300005, ID_TYPE_UID), "2000");
	assert_string_equal(owners(165535, ID_TYPE_GID), "");
}

static void a_line_that_could_be_read_in_two_ways_gives_nothing(void **state)
{
	static const char *const wrong[] = {
		"files:100000",          "files:100000:",           "files::65536",         ":100000:65536",
		"files:100000:65536:1",  "files:0x186a0:65536",     "files:0100000:65536",  "files:100000:065536",
		"files: 100000:65536",   "files:100000:65536 ",     "files:100000:65536\r", " files:100000:65536",
		"files :100000:65536",   "files:+100000:65536",     "files:100000:-1",      "files:-1:65536",
		"files:100000:0",        "files:100000:4294967295", "files:4294967295:1",   "files:4294967294:2",
		"files:4294967396:1000", "files:100000:4295032832", "files:100000:1e5",     "#files:100000:65536",
		"files\t:100000:65536",  "files,100000,65536",      "FILES:100000:65536",   "02000:100000:65536",
		"file:100000:65536",     "filess:100000:65536",     "2000 :100000:65536",   "+2000:100000:65536",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "%s\nfiles:200000:10\n", wrong[i]);
		write_file("etc/subuid", text);
		if (has("files", 100000, 1, ID_TYPE_UID) != NO)
			fail_msg("granted: %s", wrong[i]);
		assert_int_equal(has("files", 100, 1, ID_TYPE_UID), NO);
		assert_int_equal(has("files", 4294967294u, 1, ID_TYPE_UID), NO);
		assert_string_equal(list("files", ID_TYPE_UID), "200000+10");
	}
}

static void nul_and_long_lines_give_nothing(void **state)
{
	static const char nul[] = "files:100000:65536\0\nfiles\0es:100000:10\nfiles:200000:10\n";
	static char text[40000];
	size_t used = 0;

	(void)state;
	write_bytes("etc/subuid", nul, sizeof(nul) - 1);
	assert_string_equal(list("files", ID_TYPE_UID), "200000+10");
	assert_string_equal(owners(100000, ID_TYPE_UID), "");
	/* too long by one; as long as may be; and lines that lie across every boundary of what is read at once */
	memset(text, 'x', 1005);
	used = 1005 + (size_t)sprintf(text + 1005, ":100000:10000000000\n");
	assert_int_equal(used, 1025);
	used += (size_t)sprintf(text + used, "files:100000:65536%1006s\n", "");
	for (int i = 0; used < sizeof(text) - 64; i++)
		used += (size_t)sprintf(text + used, i % 2 ? "somebody:%d:1\n" : "files:%d:1\n", 300000 + i);
	write_bytes("etc/subuid", text, used);
	assert_int_equal(has("files", 100000, 1, ID_TYPE_UID), NO);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(has("files", 300000u + (unsigned)i, 1, ID_TYPE_UID), i % 2 ? NO : YES);
	/* a line may be 1023 bytes long */
	memset(text, '\n', 4);
	used = (size_t)sprintf(text, "files:200000:10\n");
	memset(text + used, 'y', 1023);
	memcpy(text + used + 1023 - 7, ":5:1000", 7);
	used += 1023;
	text[used] = '\0';
	write_bytes("etc/subuid", text, used);
	assert_string_equal(list("files", ID_TYPE_UID), "200000+10");
}

static void pieces_join_in_any_order(void **state)
{
	char text[8192];
	size_t used = 0;

	(void)state;
	for (unsigned i = 200; i-- > 0;)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "files:%u:10\n", 100000 + i * 10);
	write_file("etc/subuid", text);
	assert_int_equal(has("files", 100000, 2000, ID_TYPE_UID), YES);
	assert_int_equal(has("files", 100005, 1995, ID_TYPE_UID), YES);
	assert_int_equal(has("files", 100005, 1996, ID_TYPE_UID), NO);
	/* listed as they are written */
	write_file("etc/subuid", "files:200000:10\nfiles:100000:10\nfiles:100000:10\n");
	assert_string_equal(list("files", ID_TYPE_UID), "200000+10 100000+10 100000+10");
}

static void index_and_file_are_one(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "owner0:%u:100\n1000:%u:5\nowner0:100000:10\nowner0:%u:65536\n", RANGE(0) + 65536,
		 UID_FIRST - 5, RANGE(0));
	write_file("etc/subuid", text);
	assert_int_equal(has("owner0", RANGE(0), 65636, ID_TYPE_UID), YES);
	assert_int_equal(has("owner0", RANGE(0), 65637, ID_TYPE_UID), NO);
	assert_int_equal(has("owner0", RANGE(0), 65636, ID_TYPE_GID), NO);
	assert_int_equal(has("owner0", UID_FIRST - 5, 8, ID_TYPE_UID), YES);
	assert_int_equal(has("owner0", UID_FIRST - 5, 9, ID_TYPE_UID), NO);
	/* each id once, also one that the files repeat (publish = both); in the order in which they came: the range is
	 * behind none of the lines */
	assert_string_equal(list("owner0", ID_TYPE_UID), "1073741824+65636 2099999995+5 100000+10");
	assert_string_equal(owners(RANGE(0), ID_TYPE_UID), "1000");
	assert_string_equal(owners(UID_FIRST - 5, ID_TYPE_UID), "1000");
}

/* What the index grants costs no look at a file, and does not fail with one; all else does. */
static void a_file_that_cannot_be_trusted(const char *what)
{
	if (has("owner0", RANGE(0), 65536, ID_TYPE_UID) != YES)
		fail_msg("%s", what);
	assert_int_equal(has("owner0", RANGE(0), 65537, ID_TYPE_UID), DOUBT);
	assert_int_equal(has("files", 100000, 1, ID_TYPE_UID), DOUBT);
	assert_int_equal(has("other", 100000, 1, ID_TYPE_UID), DOUBT);
	assert_string_equal(list("owner0", ID_TYPE_UID), "doubt");
	assert_string_equal(list("files", ID_TYPE_UID), "doubt");
	assert_string_equal(owners(100000, ID_TYPE_UID), "doubt");
	assert_string_equal(list("owner0", ID_TYPE_GID), "1073741824+65536");
}

static void a_bad_file_is_an_error_and_never_a_grant(void **state)
{
	char path[PATH_MAX], target[PATH_MAX];

	(void)state;
	path_in(path, "etc/subuid");
	write_file("etc/subuid", "files:100000:65536\n");
	assert_int_equal(chmod(path, 0666), 0);
	a_file_that_cannot_be_trusted("mode 0666");
	assert_int_equal(chmod(path, 0664), 0);
	a_file_that_cannot_be_trusted("mode 0664");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(has("files", 100000, 1, ID_TYPE_UID), YES);
	assert_int_equal(truncate(path, (INT64_C(1) << 28) + 1), 0);
	a_file_that_cannot_be_trusted("too large");
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	a_file_that_cannot_be_trusted("a directory");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0644), 0);
	a_file_that_cannot_be_trusted("a pipe, which nobody waits for");
	unlink(path);
	assert_int_equal(symlink("subuid", path), 0);
	a_file_that_cannot_be_trusted("a loop");
	unlink(path);
	if (geteuid() == 0) {
		write_file("etc/subuid", "files:100000:65536\n");
		assert_int_equal(chown(path, 1000, 0), 0);
		a_file_that_cannot_be_trusted("somebody else's");
	}
	unlink(path);
	/* a link to a file of root's is the file */
	path_in(target, "etc/elsewhere");
	write_file("etc/elsewhere", "files:100000:65536\n");
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(has("files", 100000, 65536, ID_TYPE_UID), YES);
	unlink(target);
}

/* ---- the chain */

static int *counter(const char *name)
{
	char path[PATH_MAX];
	void *module, *found;

	path_in(path, "lib/libsubid_chained.so");
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
	if (module == NULL)
		return NULL;
	found = dlsym(module, name);
	dlclose(module);
	return found;
}

static void without_a_chain_file_nothing_is_loaded(void **state)
{
	(void)state;
	assert_int_equal(has("chained", 500000, 1, ID_TYPE_UID), NO);
	assert_string_equal(list("chained", ID_TYPE_UID), "");
	assert_null(counter("chained_calls"));
}

static void the_chain_answers_for_its_users(void **state)
{
	(void)state;
	write_file("state/subid-chain", "chained\n");
	assert_int_equal(has("chained", 500000, 65536, ID_TYPE_UID), YES);
	assert_int_equal(has("chained", 500000, 65537, ID_TYPE_UID), NO);
	assert_int_equal(has("chained", 500000, 1, ID_TYPE_GID), NO);
	assert_int_equal(has("other", 500000, 1, ID_TYPE_UID), NO); /* unknown there, and its "true" not believed */
	assert_int_equal(has("nosuchuser", 500000, 1, ID_TYPE_UID), UNKNOWN);
	assert_int_equal(has("broken", 500000, 1, ID_TYPE_UID), DOUBT);
	assert_int_equal(has("offline", 500000, 1, ID_TYPE_UID), OFFLINE);
	assert_string_equal(list("chained", ID_TYPE_UID), "500000+65536");
	assert_string_equal(list("chained", ID_TYPE_GID), "");
	assert_string_equal(list("broken", ID_TYPE_UID), "doubt");
	assert_string_equal(list("offline", ID_TYPE_UID), "offline");
	assert_string_equal(list("other", ID_TYPE_UID), "");
	assert_string_equal(owners(500000, ID_TYPE_UID), "3000 1000");
	assert_string_equal(owners(666, ID_TYPE_UID), "doubt");
	assert_int_equal(*counter("chained_live"), 0); /* its memory went back to it */
}

static void the_chain_is_joined_and_asked_last(void **state)
{
	int *calls;

	(void)state;
	write_file("state/subid-chain", "chained");
	write_file("etc/subuid", "owner0:499990:10\noffline:100000:10\n");
	calls = counter("chained_calls");
	*calls = 0;
	assert_int_equal(has("owner0", RANGE(0), 65536, ID_TYPE_UID), YES);
	assert_int_equal(has("owner0", 499990, 10, ID_TYPE_UID), YES);
	assert_int_equal(has("offline", 100000, 10, ID_TYPE_UID), YES); /* what is known needs nobody else */
	assert_int_equal(*calls, 0);
	assert_int_equal(has("owner0", 499990, 100, ID_TYPE_UID), YES);
	assert_int_equal(has("owner0", 499990, 65547, ID_TYPE_UID), NO);
	assert_string_equal(list("owner0", ID_TYPE_UID), "500000+65536 1073741824+65536 499990+10");
	assert_int_equal(*counter("chained_live"), 0);
}

static void a_chain_in_doubt_grants_nothing(void **state)
{
	static const char *const names[] = { "",
					     "\n",
					     "missing",
					     "copy",
					     "subuid",
					     "files",
					     "Chained",
					     "../chained",
					     "chained\n\n",
					     "chained \n",
					     "/chained",
					     "a b",
					     "0123456789012345678901234567890123",
					     "chained\nother\n" };
	char path[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		write_file("state/subid-chain", names[i]);
		if (has("chained", 500000, 1, ID_TYPE_UID) != DOUBT)
			fail_msg("\"%s\"", names[i]);
		assert_string_equal(list("chained", ID_TYPE_UID), "doubt");
		assert_string_equal(owners(500000, ID_TYPE_UID), "doubt");
		assert_int_equal(has("owner0", RANGE(0), 65536, ID_TYPE_UID), YES);
	}
	write_file("state/subid-chain", "chained\n");
	path_in(path, "state/subid-chain");
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(has("chained", 500000, 1, ID_TYPE_UID), DOUBT);
	unlink(path);
	write_file("state/elsewhere", "chained\n");
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(has("chained", 500000, 1, ID_TYPE_UID), DOUBT);
	if (geteuid() == 0) {
		write_file("state/subid-chain", "chained\n");
		assert_int_equal(chown(path, 1000, 0), 0);
		assert_int_equal(has("chained", 500000, 1, ID_TYPE_UID), DOUBT);
	}
}

/* The folder of plug-ins holds ours too, as on a host: it must never ask itself. */
static int load_with_index(void **state)
{
	char path[PATH_MAX];

	load(state);
	path_in(path, "lib/libsubid_subuid.so");
	unlink(path);
	assert_int_equal(symlink("../libsubid_subuid.so", path), 0);
	path_in(path, "lib/libsubid_copy.so");
	unlink(path);
	assert_int_equal(symlink("../libsubid_subuid.so", path), 0);
	index_publish();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_by_name_and_by_uid, clean),
		cmocka_unit_test_setup(a_line_that_could_be_read_in_two_ways_gives_nothing, clean),
		cmocka_unit_test_setup(nul_and_long_lines_give_nothing, clean),
		cmocka_unit_test_setup(pieces_join_in_any_order, clean),
		cmocka_unit_test_setup(index_and_file_are_one, clean),
		cmocka_unit_test_setup(a_bad_file_is_an_error_and_never_a_grant, clean),
		cmocka_unit_test_setup(without_a_chain_file_nothing_is_loaded, clean),
		cmocka_unit_test_setup(the_chain_answers_for_its_users, clean),
		cmocka_unit_test_setup(the_chain_is_joined_and_asked_last, clean),
		cmocka_unit_test_setup(a_chain_in_doubt_grants_nothing, clean),
	};

	return cmocka_run_group_tests_name("subid_join", tests, load_with_index, unload);
}
