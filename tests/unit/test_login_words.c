/* SPDX-License-Identifier: ISC */
/* The words of a refusal: all that the key allows, and the way out of what people come with. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "account/role.h"
#include "backup/login_words.h"

static struct login_command key(const char *text)
{
	struct login_command command = { 0 };
	struct roles roles;

	assert_int_equal(roles_parse(text, &roles), 0);
	command.role = roles.role;
	command.forward = roles.forward;
	memcpy(command.tools, roles.tools, sizeof(command.tools));
	return command;
}

static void all_that_a_key_allows_is_said(void **state)
{
	static const struct {
		const char *roles, *takes;
	} cases[] = { { "push", "rsync to write" },
		      { "blind", "rsync to write" },
		      { "pull", "rsync to read" },
		      { "sync,sftp", "rsync and sftp" },
		      { "borg", "borg" },
		      { "push,sftp,borg,restic", "rsync to write, sftp, borg and restic" },
		      { "borg,forward", "borg and forwarding (ssh -N -L PORT:HOST:PORT)" } };
	char words[LOGIN_WORDS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct login_command command = key(cases[i].roles);

		login_words_takes(&command, words);
		assert_string_equal(words, cases[i].takes);
	}
}

static void the_way_out_is_said(void **state)
{
	static const struct {
		const char *roles, *original, *words;
	} cases[] = {
		{ "push", "id -u", "id: not allowed; this key takes rsync to write only: rsync -a DIR HOST:" },
		{ "pull", NULL, "no shell here; this key takes rsync to read only: rsync -a HOST: DIR" },
		{ "sync,sftp", "scp -t x", "leave out -O" },
		{ "push", "scp -t x", "scp needs a key with the role sftp" },
		{ "borg", "/usr/lib/openssh/sftp-server -l INFO",
		  "need a key with the role sftp; this key takes borg only" },
		{ "push", "sudo rsync --server . x", "sudo: leave it out of --rsync-path" },
		{ "borg", "sudo rsync --server . x", "sudo: not allowed; this key takes borg only" },
	};
	char words[LOGIN_WORDS_MAX + 1], endless[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct login_command command = key(cases[i].roles);

		login_words_refused(&command, cases[i].original, words);
		assert_non_null(strstr(words, cases[i].words));
	}
	memset(endless, 'x', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	login_words_refused(&(struct login_command){ .role = ROLE_PUSH }, endless, words);
	assert_non_null(
		strstr(words, "rsync -a DIR HOST:")); /* what is long of the client's is cut, and not what is said */
}

static void who_shows_what_to_its_user(void **state)
{
	(void)state;
	assert_string_equal(login_words_way("internal-sftp"), "-sftp");
	assert_string_equal(login_words_way("/usr/lib/openssh/sftp-server -e"), "-sftp");
	assert_string_equal(login_words_way("borg2 serve --umask=077"), "-wait");
	assert_string_equal(login_words_way("rclone serve restic --stdio x"), "-wait");
	assert_null(login_words_way("borg server"));
	assert_null(login_words_way("serve"));
	assert_null(login_words_way(""));
	assert_null(login_words_way("rsync --server . serve"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_a_key_allows_is_said),
		cmocka_unit_test(the_way_out_is_said),
		cmocka_unit_test(who_shows_what_to_its_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
