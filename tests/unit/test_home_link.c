/* SPDX-License-Identifier: ISC */
/* The link in the owner's home, with everything that the owner or others may have put in its way. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/home_fixture.h"

static struct link_owner owner = { .uid = OWNER_UID, .gid = OWNER_GID, .name = "alice-of-the-test" };

static int forker = -1, forker_pidfd;

/* The child of the forker: what it saw of each, and what came of those that were wanted. */
static void run_prepared(size_t count, bool go, unsigned wanted, unsigned char looks[2], unsigned char results[2])
{
	const size_t at = LINKS_AT_ONCE - 2; /* the last ones */
	const struct account accounts[2] = { web1, web2 };
	siginfo_t info = { 0 };
	int memory = -1, pidfd = -1, channel = -1;
	unsigned char word = 0;
	struct links *links;
	pid_t pid = -1;

	assert_int_equal(links_share(&links, &memory), 0);
	assert_true(fcntl(memory, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ftruncate(memory, 0), -1); /* whoever has it: no process that has it mapped dies of that */
	assert_int_equal(link_prepare(forker, &homes, &owner, accounts, count, memory, at, &channel), 0);
	assert_int_equal(link_prepared(forker, &pid, &pidfd), 0);
	assert_true(fcntl(channel, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(channel, &word, 1), 1);
	assert_int_equal(word, LINK_LOOKED);
	for (unsigned i = 0; i < 2; i++)
		if (wanted & (1u << i))
			links->results[at + i] = LINK_WANTED;
	if (go) {
		assert_int_equal(write(channel, "", 1), 1);
		assert_int_equal(read(channel, &word, 1), 1);
	}
	close(channel);
	assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	assert_int_equal(info.si_code, CLD_EXITED);
	close(pidfd);
	close(memory);
	memcpy(looks, links->looks + at, 2);
	memcpy(results, links->results + at, 2);
	munmap(links, sizeof(*links));
}

static enum link_result link_made(void)
{
	unsigned char looks[2], results[2];

	run_prepared(1, true, 1, looks, results);
	assert_true(results[0] <= LINK_TIMEOUT);
	return (enum link_result)results[0];
}

static enum link_result link_removed(void)
{
	siginfo_t info = { 0 };
	int pidfd = -1;
	pid_t pid = -1;

	assert_int_equal(link_start_remove(&homes, &owner, &web1, &pid, &pidfd), 0);
	assert_true(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	assert_int_equal(info.si_pid, pid);
	close(pidfd);
	return link_result_of(info.si_code == CLD_EXITED ? info.si_status : -ETIMEDOUT);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("alice"), 0755), 0);
	assert_int_equal(chown(at("alice"), OWNER_UID, OWNER_GID), 0);
	assert_int_equal(mkdir(at("victim"), 0777), 0);
	assert_int_equal(chmod(at("victim"), 0777), 0);
	snprintf(owner.home, sizeof(owner.home), "%s", at("alice"));
	owner.uid = OWNER_UID;
	owner.gid = OWNER_GID;
	return link_forker_start(&forker, &forker_pidfd);
}

static int teardown(void **state)
{
	siginfo_t info = { 0 };
	char text[256];

	(void)state;
	if (forker >= 0)
		close(forker);
	forker = -1;
	waitid(P_PIDFD, (id_t)forker_pidfd, &info, WEXITED);
	close(forker_pidfd);
	snprintf(text, sizeof(text), "rm -rf %s/alice %s/victim %s/linked", fixture_top, fixture_top, fixture_top);
	return system(text);
}

static void assert_link(const char *path, const char *text)
{
	char found[256];
	ssize_t n = readlink(path, found, sizeof(found) - 1);

	assert_true(n > 0);
	found[n] = '\0';
	assert_string_equal(found, text);
}

static void it_is_made_as_the_owner_and_taken_away(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(link_made(), LINK_OK);
	assert_int_equal(lstat(at("alice/subuid/web1"), &st), 0);
	assert_int_equal(st.st_uid, OWNER_UID);
	assert_int_equal(st.st_gid, OWNER_GID);
	assert_int_equal(lstat(at("alice/subuid"), &st), 0);
	assert_int_equal(st.st_uid, OWNER_UID);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));
	assert_int_equal(link_made(), LINK_OK);
	assert_int_equal(link_removed(), LINK_OK);
	assert_int_equal(access(at("alice/subuid"), F_OK), -1);
	assert_int_equal(link_removed(), LINK_OK);
}

static void it_says_home_where_there_are_no_views_and_changes_with_the_host(void **state)
{
	(void)state;
	homes.views = false;
	assert_int_equal(link_made(), LINK_OK);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/home"));
	homes.views = true;
	assert_int_equal(link_made(), LINK_OK);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));
	homes.views = false;
	assert_int_equal(link_removed(), LINK_OK);
	homes.views = true;
	assert_int_equal(access(at("alice/subuid"), F_OK), -1);
}

static void his_other_things_stay(void **state)
{
	(void)state;
	assert_int_equal(link_made(), LINK_OK);
	write_file(at("alice/subuid/notes"), "mine", 0600, OWNER_UID);
	assert_int_equal(link_removed(), LINK_OK);
	assert_int_equal(access(at("alice/subuid/notes"), F_OK), 0);
}

static void assert_occupied(void)
{
	struct stat before, after;

	assert_int_equal(lstat(at("alice/subuid/web1"), &before), 0);
	assert_int_equal(link_made(), LINK_OCCUPIED);
	assert_int_equal(link_removed(), LINK_OCCUPIED);
	assert_int_equal(lstat(at("alice/subuid/web1"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mode, after.st_mode);
	remove(at("alice/subuid/web1"));
}

static void what_stands_there_is_never_replaced(void **state)
{
	char text[512];

	(void)state;
	assert_int_equal(mkdir(at("alice/subuid"), 0700), 0);
	assert_int_equal(chown(at("alice/subuid"), OWNER_UID, OWNER_GID), 0);
	write_file(at("alice/subuid/web1"), "mine", 0600, OWNER_UID);
	assert_occupied();
	assert_int_equal(mkdir(at("alice/subuid/web1"), 0700), 0);
	assert_occupied();
	assert_int_equal(mkfifo(at("alice/subuid/web1"), 0600), 0);
	assert_occupied();
	assert_int_equal(symlink("/etc/shadow", at("alice/subuid/web1")), 0);
	assert_occupied();
	assert_int_equal(symlink("", at("alice/subuid/web1")), -1);
	/* ours and more: also not ours */
	snprintf(text, sizeof(text), "%s/", at("homes/alice/web1/view"));
	assert_int_equal(symlink(text, at("alice/subuid/web1")), 0);
	assert_occupied();
	assert_int_equal(symlink(at("homes/alice/web2/view"), at("alice/subuid/web1")), 0);
	assert_occupied();
}

static void the_directory_is_his_own_and_no_link(void **state)
{
	(void)state;
	/* the trap: whoever followed it would write into the victim's directory */
	assert_int_equal(symlink(at("victim"), at("alice/subuid")), 0);
	assert_int_equal(link_made(), LINK_DIRECTORY);
	assert_int_equal(symlink(at("homes/alice/web1/view"), at("victim/web1")), 0);
	assert_int_equal(link_removed(), LINK_DIRECTORY);
	assert_int_equal(count_entries(at("victim")), 1);
	assert_int_equal(unlink(at("alice/subuid")), 0);

	/* to a directory of their own: still a link */
	assert_int_equal(mkdir(at("alice/other"), 0700), 0);
	assert_int_equal(chown(at("alice/other"), OWNER_UID, OWNER_GID), 0);
	assert_int_equal(symlink("other", at("alice/subuid")), 0);
	assert_int_equal(link_made(), LINK_DIRECTORY);
	assert_int_equal(link_removed(), LINK_DIRECTORY);
	assert_int_equal(count_entries(at("alice/other")), 0);
	assert_int_equal(unlink(at("alice/subuid")), 0);

	write_file(at("alice/subuid"), "a file", 0600, OWNER_UID);
	assert_int_equal(link_made(), LINK_DIRECTORY);
	assert_int_equal(unlink(at("alice/subuid")), 0);

	assert_int_equal(mkfifo(at("alice/subuid"), 0666), 0);
	assert_int_equal(link_made(), LINK_DIRECTORY);
	assert_int_equal(unlink(at("alice/subuid")), 0);

	assert_int_equal(mkdir(at("alice/subuid"), 0777), 0);
	assert_int_equal(chmod(at("alice/subuid"), 0777), 0);
	assert_int_equal(chown(at("alice/subuid"), THIRD_UID, THIRD_UID), 0);
	assert_int_equal(link_made(), LINK_DIRECTORY);
	assert_int_equal(count_entries(at("alice/subuid")), 0);
}

static void the_home_is_there_and_his(void **state)
{
	(void)state;
	assert_int_equal(chown(at("alice"), THIRD_UID, THIRD_UID), 0);
	assert_int_equal(chmod(at("alice"), 0777), 0);
	assert_int_equal(link_made(), LINK_NOT_HIS);
	assert_int_equal(chown(at("alice"), 0, 0), 0);
	assert_int_equal(chmod(at("alice"), 0700), 0);
	assert_int_equal(link_made(), LINK_NOT_HIS);
	strcpy(owner.home, "/");
	assert_int_equal(link_made(), LINK_NOT_HIS);
	strcpy(owner.home, "/nonexistent");
	assert_int_equal(link_made(), LINK_NO_HOME);
	strcpy(owner.home, "/dev/null");
	assert_int_equal(link_made(), LINK_NO_HOME);
	strcpy(owner.home, "relative");
	assert_int_equal(link_made(), LINK_NO_HOME);
	strcpy(owner.home, "");
	assert_int_equal(link_made(), LINK_NO_HOME);
	assert_int_equal(count_entries(at("alice")), 0);
}

static void a_home_behind_a_link_of_roots_is_fine(void **state)
{
	(void)state;
	assert_int_equal(symlink(at("alice"), at("linked")), 0);
	snprintf(owner.home, sizeof(owner.home), "%s", at("linked"));
	assert_int_equal(link_made(), LINK_OK);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));
}

static void it_is_not_made_with_more_rights_than_his(void **state)
{
	(void)state;
	/* the owner's home, but closed to the owner: only root could */
	assert_int_equal(chmod(at("alice"), 0500), 0);
	assert_int_equal(link_made(), LINK_DIRECTORY);
	assert_int_equal(count_entries(at("alice")), 0);
}

static void prepared_it_waits_for_a_word_and_answers(void **state)
{
	siginfo_t info = { 0 };
	unsigned char looks[2], results[2];
	int channel = -1;

	(void)state;
	assert_true(fcntl(forker, F_GETFD) & FD_CLOEXEC);
	run_prepared(1, false, 1, looks, results);
	assert_int_equal(looks[0], LINK_OK);
	assert_int_equal(results[0], LINK_WANTED); /* nobody said the word */
	assert_int_equal(count_entries(at("alice")), 0);

	run_prepared(1, true, 1, looks, results);
	assert_int_equal(results[0], LINK_OK);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));

	/* the answer is what a failure was */
	assert_int_equal(chmod(at("alice"), 0500), 0);
	assert_int_equal(link_removed(), LINK_OK);
	assert_int_equal(chmod(at("alice"), 0700), 0);
	assert_int_equal(rename(at("alice/subuid"), at("alice/moved")) == 0 || errno == ENOENT, 1);
	write_file(at("alice/subuid"), "", 0600, OWNER_UID);
	run_prepared(1, true, 1, looks, results);
	assert_int_equal(looks[0], LINK_DIRECTORY);
	assert_int_equal(results[0], LINK_DIRECTORY);

	/* it has not ended by all this, and ends when nobody can give it orders any more; then that is said */
	assert_int_equal(waitid(P_PIDFD, (id_t)forker_pidfd, &info, WEXITED | WNOHANG), 0);
	assert_int_equal(info.si_pid, 0);
	assert_int_equal(shutdown(forker, SHUT_WR), 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)forker_pidfd, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_code, CLD_EXITED);
	assert_int_equal(info.si_status, 0);
	assert_int_equal(link_prepare(forker, &homes, &owner, &web1, 1, forker, 0, &channel), -EPIPE);
	assert_int_equal(link_prepare(forker, &homes, &owner, &web1, 1, forker, LINKS_AT_ONCE, &channel), -E2BIG);
}

static void many_are_looked_at_and_those_that_are_wanted_made(void **state)
{
	unsigned char looks[2], results[2];

	(void)state;
	run_prepared(2, false, 3, looks, results);
	assert_int_equal(looks[0], LINK_OK);
	assert_int_equal(results[0], LINK_WANTED); /* nobody said the word */
	assert_int_equal(count_entries(at("alice")), 0);

	run_prepared(2, true, 2, looks, results);
	assert_int_equal(results[0], 0);
	assert_int_equal(results[1], LINK_OK);
	assert_int_equal(count_entries(at("alice/subuid")), 1);
	assert_link(at("alice/subuid/web2"), at("homes/alice/web2/view"));

	write_file(at("alice/subuid/web1"), "his", 0600, OWNER_UID);
	run_prepared(2, true, 3, looks, results);
	assert_int_equal(looks[0], LINK_OCCUPIED);
	assert_int_equal(looks[1], LINK_OK | LINK_LOOK_RIGHT);
	assert_int_equal(results[0], LINK_OCCUPIED);
	assert_int_equal(results[1], LINK_OK);

	/* what a look says is what making would */
	assert_int_equal(chmod(at("alice/subuid"), 0500), 0);
	assert_int_equal(unlink(at("alice/subuid/web1")), 0);
	run_prepared(2, true, 1, looks, results);
	assert_int_equal(looks[0], LINK_FAILED);
	assert_int_equal(results[0], LINK_FAILED);
	assert_int_equal(chmod(at("alice/subuid"), 0700), 0);
	assert_int_equal(unlink(at("alice/subuid/web2")), 0);
	run_prepared(2, false, 0, looks, results);
	assert_int_equal(looks[0], LINK_OK | LINK_LOOK_DIRECTORY);
}

/* What the intent says was there before is not taken back; without that it is (the control). */
static void what_was_there_before_stays(void **state)
{
	(void)state;
	assert_int_equal(link_made(), LINK_OK);
	web1.flags = link_look_flags(LINK_OK | LINK_LOOK_RIGHT);
	assert_int_equal(link_removed(), LINK_OK);
	assert_link(at("alice/subuid/web1"), at("homes/alice/web1/view"));
	web1.flags = link_look_flags(LINK_OK | LINK_LOOK_DIRECTORY);
	assert_int_equal(link_removed(), LINK_OK);
	assert_int_equal(count_entries(at("alice/subuid")), 0);
	assert_int_equal(link_made(), LINK_OK);
	web1.flags = 0;
	assert_int_equal(link_removed(), LINK_OK);
	assert_int_equal(count_entries(at("alice")), 0);
}

/* With no room for a new link the old one stays: at no moment is there none. */
static void a_link_that_cannot_be_renewed_stays(void **state)
{
	(void)state;
	assert_int_equal(link_made(), LINK_OK);
	homes.views = !homes.views;
	assert_int_equal(chmod(at("alice/subuid"), 0500), 0);
	assert_int_equal(link_made(), LINK_FAILED);
	assert_int_equal(chmod(at("alice/subuid"), 0700), 0);
	assert_int_equal(count_entries(at("alice/subuid")), 1);
	assert_int_equal(link_made(), LINK_OK);
	assert_int_equal(count_entries(at("alice/subuid")), 1);
	homes.views = !homes.views;
	assert_int_equal(link_removed(), LINK_OK);
}

static void root_is_no_owner(void **state)
{
	int pidfd, channel;
	pid_t pid;

	(void)state;
	owner.uid = 0;
	assert_int_equal(link_prepare(forker, &homes, &owner, &web1, 1, forker, 0, &channel), -EINVAL);
	assert_int_equal(link_start_remove(&homes, &owner, &web1, &pid, &pidfd), -EINVAL);
	owner.uid = THIRD_UID; /* not the one the account was made for */
	assert_int_equal(link_prepare(forker, &homes, &owner, &web1, 1, forker, 0, &channel), -EINVAL);
	assert_int_equal(link_start_remove(&homes, &owner, &web1, &pid, &pidfd), -EINVAL);
}

static void every_result_has_words(void **state)
{
	(void)state;
	assert_int_equal(link_result_of(-ETIMEDOUT), LINK_TIMEOUT);
	assert_int_equal(link_result_of(-EINTR), LINK_FAILED);
	assert_int_equal(link_result_of(LINK_MENDED + 1), LINK_FAILED);
	for (int i = LINK_OK; i <= LINK_TIMEOUT; i++) {
		assert_true(link_result_why((enum link_result)i)[0] != '\0');
		assert_true(i == LINK_OK || link_result_todo((enum link_result)i)[0] != '\0');
	}
}

#define LINK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK(it_is_made_as_the_owner_and_taken_away),
		LINK(it_says_home_where_there_are_no_views_and_changes_with_the_host),
		LINK(his_other_things_stay),
		LINK(what_stands_there_is_never_replaced),
		LINK(the_directory_is_his_own_and_no_link),
		LINK(the_home_is_there_and_his),
		LINK(a_home_behind_a_link_of_roots_is_fine),
		LINK(it_is_not_made_with_more_rights_than_his),
		LINK(prepared_it_waits_for_a_word_and_answers),
		LINK(many_are_looked_at_and_those_that_are_wanted_made),
		LINK(what_was_there_before_stays),
		LINK(a_link_that_cannot_be_renewed_stays),
		LINK(root_is_no_owner),
		LINK(every_result_has_words),
	};
	int failed;

	fixture_mount("tmpfs");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_unmount();
	return failed;
}
