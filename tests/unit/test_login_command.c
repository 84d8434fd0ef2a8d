/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "account/role.h"
#include "backup/login_command.h"
#include "index/verdict.h"

#define FP "SHA256:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

static struct ssh_key a_key(void)
{
	struct ssh_key key = { .id = 12,
			       .uid = 2100000001,
			       .role = ROLE_PUSH,
			       .options = KEY_NO_DELETE,
			       .type = "ssh-ed25519",
			       .fingerprint = FP,
			       .blob = "AAAA+/==" };

	return key;
}

static void line_is_as_documented(void **state)
{
	struct ssh_key key = a_key();
	char out[1024];
	int length;

	(void)state;
	length = authorized_keys_line(&key, out, sizeof(out));
	assert_string_equal(out, "restrict,command=\"push no-delete key=12 fp=" FP "\" ssh-ed25519 AAAA+/==\n");
	assert_int_equal(length, strlen(out));
	key.expires = 1798761600; /* 2027-01-01 */
	strcpy(key.from, "10.0.0.0/8,*.example.org");
	assert_true(authorized_keys_line(&key, out, sizeof(out)) > 0);
	assert_string_equal(out, "restrict,expiry-time=\"20270101000000Z\",from=\"10.0.0.0/8,*.example.org\","
				 "command=\"push no-delete key=12 fp=" FP "\" ssh-ed25519 AAAA+/==\n");
	assert_int_equal(authorized_keys_line(&key, out, 100), -ENOSPC);
}

static void damaged_fields_make_no_line(void **state)
{
	struct ssh_key key;
	char out[1024];

	(void)state;
#define DAMAGED(change)                                                                                                \
	do {                                                                                                           \
		key = a_key();                                                                                         \
		change;                                                                                                \
		assert_true(authorized_keys_line(&key, out, sizeof(out)) < 0);                                         \
	} while (0)
	DAMAGED(key.role = 99);
	DAMAGED(key.options |= 1u << 30); /* it may have been a restriction */
	DAMAGED(key.expires = -1);
	DAMAGED(key.id = UINT32_MAX); /* the login shell would not read them back */
	DAMAGED(key.storage_quota = (UINT64_C(1) << 60) + 1);
	DAMAGED(strcpy(key.fingerprint, "SHA256:short"));
	DAMAGED(key.fingerprint[20] = '"');
	DAMAGED(strcpy(key.from, "x\",command=\"sh"));
	DAMAGED(strcpy(key.from, "a b"));
	DAMAGED(strcpy(key.type, "ssh-ed25519 x"));
	DAMAGED(strcpy(key.type, ""));
	DAMAGED(strcpy(key.blob, "AAAA\nssh-rsa"));
}

static void what_is_written_reads_back(void **state)
{
	static const enum role roles[] = { ROLE_PUSH, ROLE_PULL, ROLE_SYNC };

	(void)state;
	for (unsigned options = 0; options < 8; options++) {
		for (size_t i = 0; i < 3; i++) {
			struct login_command command;
			struct ssh_key key = a_key();
			char text[LOGIN_COMMAND_MAX + 1];

			key.role = roles[i];
			key.options = options;
			assert_true(key_words_format(&key, text, sizeof(text)) > 0);
			assert_int_equal(login_command_parse(text, &command), 0);
			assert_int_equal(command.role, key.role);
			assert_int_equal(command.options, options);
			assert_int_equal(command.key_id, 12);
			assert_string_equal(command.fingerprint, FP);
		}
	}
}

static void tools_and_a_forward_read_back(void **state)
{
	struct login_command command;
	struct ssh_key key = a_key();
	char text[LOGIN_COMMAND_MAX + 1], line[8192];

	(void)state;
	key.role = ROLE_NONE;
	key.options = KEY_APPEND_ONLY;
	key.storage_quota = UINT64_C(1) << 60;
	strcpy(key.tools, "sftp,borg");
	strcpy(key.forward, "db.example.net:5432");
	assert_true(key_words_format(&key, text, sizeof(text)) > 0);
	assert_string_equal(text, "sftp,borg,forward append-only quota=1152921504606846976 key=12 fp=" FP);
	assert_int_equal(login_command_parse(text, &command), 0);
	assert_int_equal(command.role, ROLE_NONE);
	assert_int_equal(command.forward, 1);
	assert_string_equal(command.tools, "sftp,borg");
	assert_true(command.storage_quota == UINT64_C(1) << 60);
	assert_true(authorized_keys_line(&key, line, sizeof(line)) > 0);
	assert_non_null(strstr(line, "restrict,"));
	assert_non_null(strstr(line, ",port-forwarding,permitopen=\"db.example.net:5432\","));
	/* without the role, no word of forwarding */
	strcpy(key.forward, "");
	assert_true(authorized_keys_line(&key, line, sizeof(line)) > 0);
	assert_null(strstr(line, "forward"));
	assert_null(strstr(line, "permitopen"));
}

static void nothing_but_one_address_is_forwarded_to(void **state)
{
	static const char *const bad[] = { "*:22",    "h:*",   "h",         "h:",     ":22",    "h:0",
					   "h:65536", "h:022", "h:22,i:22", "h\":22", "h 1:22", "[::1:22",
					   "::1:22",  "[]:22", "-h:22",     "h:22\n", "[*]:22" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char line[8192];
		struct ssh_key key = a_key();

		assert_false(forward_valid(bad[i]));
		strcpy(key.forward, bad[i]);
		assert_int_equal(authorized_keys_line(&key, line, sizeof(line)), -EINVAL);
	}
	assert_true(forward_valid("localhost:1"));
	assert_true(forward_valid("10.0.0.1:65535"));
	assert_true(forward_valid("[2001:db8::1]:22"));
}

static void the_gate_follows_what_the_client_asks(void **state)
{
	struct login_command command = {
		.role = ROLE_PUSH, .tools = "sftp,borg", .options = KEY_APPEND_ONLY, .storage_quota = 10
	};
	const struct account_bounds bounds = { 0 };
	const char *argv[LOGIN_GATE_ARGUMENTS];
	struct login_numbers numbers;

	(void)state;
	assert_true(login_command_is_rsync(&command, "rsync --server . x"));
	assert_true(login_command_is_rsync(&command, "/usr/bin/rsync --server . x"));
	assert_false(login_command_is_rsync(&command, "xrsync --server . x"));
	assert_false(login_command_is_rsync(&command, "borg serve rsync"));
	assert_false(login_command_is_rsync(&command, ""));
	assert_true(login_command_looks("rsync --server --sender -vlogDtpre.iLsfxCIvu . x"));
	assert_true(login_command_looks("rsync --server -vnlogDtpre.iLsfxCIvu . x"));
	assert_true(login_command_looks("rsync --server -r --dry-run . x"));
	assert_true(login_command_looks("rsync --server -r -n . x"));
	assert_true(login_command_looks("rsync --server -r --list-only . x"));
	assert_false(login_command_looks("rsync --server -vlogDtpre.iLsfxCIvun . -n"));
	assert_false(login_command_looks("rsync --server -r --numeric-ids --dry-running . x"));
	assert_false(login_command_looks("rsync --server -re31.nLs --delete . --dry-run -n"));
	assert_false(login_command_looks("rsync --server -r - . x"));
	assert_false(login_command_looks(""));
	assert_true(login_command_serves_rsync("rsync --server . x"));
	assert_true(login_command_serves_rsync("/usr/bin/rsync --fake-super  --server --sender -r . x"));
	assert_false(login_command_serves_rsync("rsync --version"));
	assert_false(login_command_serves_rsync("rsync --servers . --server"));
	assert_false(login_command_serves_rsync("/usr/lib/openssh/sftp-server"));
	assert_false(login_command_serves_rsync(""));
	command.tools[0] = '\0';
	assert_true(login_command_is_rsync(&command, "borg serve"));
	command.role = ROLE_NONE;
	strcpy(command.tools, "borg");
	assert_false(login_command_is_rsync(&command, "rsync --server . x"));
	login_tool_arguments(&command, &(struct index_host){ .sessions.memory = 4 }, &bounds, "-takes=borg", "/h", argv,
			     &numbers);
	assert_string_equal(argv[1], "-report");
	assert_string_equal(argv[2], "-append-only");
	assert_string_equal(argv[3], "-quota=10");
	assert_string_equal(argv[4], "-memory=64");
	assert_string_equal(argv[5], "-key=0");
	assert_string_equal(argv[6], "-takes=borg");
	assert_string_equal(argv[7], "--");
	assert_string_equal(argv[8], "borg");
	assert_string_equal(argv[9], "/h");
	assert_null(argv[10]);
}

static void anything_else_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"push",
		"sh",
		"push key=12",
		"push fp=" FP,
		"push key=12 fp=" FP " ",
		"push  key=12 fp=" FP,
		" push key=12 fp=" FP,
		"push key=12 fp=" FP " x",
		"push no-delete no-delete key=12 fp=" FP,
		"push key=12 no-delete fp=" FP,
		"push no-such key=12 fp=" FP,
		"push key= fp=" FP,
		"push key=-1 fp=" FP,
		"push key=4294967296 fp=" FP,
		"push key=12 fp=SHA256:x",
		"push\tkey=12 fp=" FP,
		"Root key=12 fp=" FP,
		"shells, key=12 fp=" FP,
		"push,pull key=12 fp=" FP,
		"sftp, key=12 fp=" FP,
		",sftp key=12 fp=" FP,
		"sftp,sftp key=12 fp=" FP,
		"sftp quota=0 key=12 fp=" FP,
		"sftp quota=01 key=12 fp=" FP,
		"sftp key=12 quota=1 fp=" FP,
		"sftp quota=1152921504606846977 key=12 fp=" FP,
		"push key=12 fp=" FP "\n",
		"push key=12;sh fp=" FP,
		"rsync --server . x",
	};
	struct login_command command = { .key_id = 7 };
	char longer[LOGIN_COMMAND_MAX + 50];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(login_command_parse(cases[i], &command), -EINVAL);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(login_command_parse(longer, &command), -EINVAL);
	assert_int_equal(command.key_id, 7); /* untouched */
}

static void roles_map_to_options_of_the_gate(void **state)
{
	static const struct {
		struct login_command command;
		const char *expected;
		struct index_sessions sessions;
		struct account_bounds bounds;
	} cases[] = {
		{ { .role = ROLE_PUSH },
		  "subuid-rrsync -report -wo -fake-super -absolute -- /h",
		  { 0 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_BLIND },
		  "subuid-rrsync -report -blind -fake-super -absolute -- /h",
		  { 0 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_PUSH, .options = KEY_APPEND_ONLY },
		  "subuid-rrsync -report -wo -no-del -no-overwrite -fake-super -absolute -- /h",
		  { 0 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_PULL },
		  "subuid-rrsync -report -ro -snapshots -fake-super -absolute -- /h",
		  { 0 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_SYNC },
		  "subuid-rrsync -report -fake-super -absolute -- /h",
		  { 0 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_PUSH, .options = 7 },
		  "subuid-rrsync -report -wo -no-del -no-overwrite -absolute -- /h",
		  { 0 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_PUSH, .options = 3 },
		  "subuid-rrsync -report -wo -no-del -no-overwrite -fake-super -absolute -- /h",
		  { 0 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_PULL },
		  "subuid-rrsync -report -ro -snapshots -fake-super -absolute -memory=1024 -timeout=3600 -- /h",
		  { .memory = 64, .silence = 3600 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_PULL },
		  "subuid-rrsync -report -ro -snapshots -fake-super -absolute -memory=16 -timeout=0 -- /h",
		  { .memory = 1 },
		  { .process_memory = 0 } },
		{ { .role = ROLE_PUSH },
		  "subuid-rrsync -report -wo -fake-super -absolute -processes=64 -open-files=100 -file-size=4096 "
		  "-memory-bound=1048576 -bwlimit=2 -- /h",
		  { 0 },
		  { .of.of = { [BOUND_PROCESSES] = 64,
			       [BOUND_OPEN_FILES] = 100,
			       [BOUND_FILE_SIZE] = 4096,
			       [BOUND_BANDWIDTH] = 1025 },
		    .process_memory = 1 << 20 } },
		{ { .role = ROLE_PUSH },
		  "subuid-rrsync -report -wo -fake-super -absolute -- /h",
		  { 0 },
		  { .of.of = { [BOUND_PROCESSES] = BOUND_PROCESSES_DEFAULT,
			       [BOUND_OPEN_FILES] = BOUND_OPEN_FILES_DEFAULT } } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *argv[LOGIN_GATE_ARGUMENTS];
		struct login_numbers numbers;
		char joined[512] = "";

		login_gate_arguments(&cases[i].command, &(struct index_host){ .sessions = cases[i].sessions },
				     &cases[i].bounds, "/h", argv, &numbers);
		for (size_t k = 0; argv[k] != NULL; k++) {
			if (k > 0)
				strcat(joined, " ");
			strcat(joined, argv[k]);
		}
		assert_string_equal(joined, cases[i].expected);
	}
}

static void shell_key(struct ssh_key *key, const char *tools, const char *line, const char *net, uint32_t options)
{
	*key = (struct ssh_key){ .id = 5, .role = ROLE_NONE, .options = options };
	strcpy(key->tools, tools);
	strcpy(key->command, line);
	strcpy(key->net, net);
	strcpy(key->fingerprint, FP);
	strcpy(key->type, "ssh-ed25519");
	strcpy(key->blob, "AAAA");
}

static void a_line_reads_back_whatever_is_in_it(void **state)
{
	static const char line[] = "echo \"100% $(x)\" 'a\\' \xc3\xa4; #,=";
	struct login_command command;
	struct ssh_key key;
	char text[LOGIN_COMMAND_MAX + 1], authorized[4096];

	(void)state;
	shell_key(&key, "command", line, "443,53", KEY_TTY);
	assert_true(key_words_format(&key, text, sizeof(text)) > 0);
	assert_null(strpbrk(text, "\"'\\$;#\n"));
	assert_int_equal(login_command_parse(text, &command), 0);
	assert_string_equal(command.line, line);
	assert_string_equal(command.net, "443,53");
	assert_int_equal(command.options, KEY_TTY);
	assert_true(authorized_keys_line(&key, authorized, sizeof(authorized)) > 0);
	assert_non_null(strstr(authorized, "restrict,pty,command=\"command tty net=443,53 run=echo%20%22100%25"));
	memset(key.command, 'x', COMMAND_MAX);
	assert_true(key_words_format(&key, text, sizeof(text)) > 0);
	memset(key.command, '%', COMMAND_MAX);
	assert_true(key_words_format(&key, text, sizeof(text)) > 0);
	assert_int_equal(login_command_parse(text, &command), 0);
	assert_string_equal(command.line, key.command);
}

static void no_terminal_without_the_option(void **state)
{
	struct ssh_key key;
	char authorized[4096];

	(void)state;
	shell_key(&key, "shell", "", "", 0);
	assert_true(authorized_keys_line(&key, authorized, sizeof(authorized)) > 0);
	assert_null(strstr(authorized, "pty"));
}

static void what_does_not_go_together_is_no_command(void **state)
{
	static const struct {
		const char *tools, *line, *net;
		uint32_t options;
	} cases[] = {
		{ "command", "", "", 0 },     { "shell", "ls", "", 0 },         { "command,sftp", "ls", "", 0 },
		{ "sftp", "", "443", 0 },     { "sftp", "", "", KEY_TTY },      { "shell", "", "", KEY_APPEND_ONLY },
		{ "shell", "", "0", 0 },      { "shell", "", "443,443", 0 },    { "shell", "", "65536", 0 },
		{ "shell", "", "443,", 0 },   { "shell", "", ",443", 0 },       { "shell", "", "01", 0 },
		{ "command", "a\nb", "", 0 }, { "shell,command", "ls", "", 0 },
	};
	static const char *const texts[] = {
		"shell run=ls key=5 fp=" FP,    "command run= key=5 fp=" FP,   "command key=5 fp=" FP,
		"command run=%0A key=5 fp=" FP, "command run=%2 key=5 fp=" FP, "command run=%zz key=5 fp=" FP,
		"shell net= key=5 fp=" FP,      "sftp tty key=5 fp=" FP,       "shell net=1,1 key=5 fp=" FP,
		"command run=%00 key=5 fp=" FP,
	};
	struct login_command command;
	struct ssh_key key;
	char text[LOGIN_COMMAND_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		shell_key(&key, cases[i].tools, cases[i].line, cases[i].net, cases[i].options);
		assert_int_equal(key_words_format(&key, text, sizeof(text)), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(login_command_parse(texts[i], &command), -EINVAL);
}

static void locked_and_expired_are_barred(void **state)
{
	struct index_account account = { .expires_day = -1 };

	(void)state;
	assert_null(account_barred(&account, INT64_C(1) << 40));
	account.expires_day = 100;
	assert_null(account_barred(&account, 100 * 86400 - 1));
	assert_string_equal(account_barred(&account, 100 * 86400), "expired");
	account.flags = ACCOUNT_LOCKED;
	assert_string_equal(account_barred(&account, 0), "locked");
}

static void what_writes_is_taken_away_over_the_limit(void **state)
{
	static const char push[] = "rsync --server -r . x", pull[] = "rsync --server --sender -r . x";
	struct login_command command = { .role = ROLE_PUSH };

	(void)state;
	assert_false(login_command_narrow(&command, push));
	assert_false(login_command_narrow(&command, pull)); /* it never could */
	assert_true(login_command_narrow(&command, "true"));
	command.role = ROLE_BLIND;
	assert_false(login_command_narrow(&command, push));
	command.role = ROLE_SYNC;
	assert_false(login_command_narrow(&command, push));
	assert_int_equal(command.role, ROLE_SYNC);
	assert_true(login_command_narrow(&command, pull));
	assert_int_equal(command.role, ROLE_PULL); /* whatever the words say, the gate lets nothing in */
	assert_true(login_command_narrow(&command, push));
	assert_int_equal(command.role, ROLE_PULL);
	command = (struct login_command){ .role = ROLE_NONE, .tools = "sftp", .options = KEY_APPEND_ONLY };
	assert_false(login_command_narrow(&command, "sftp"));
	assert_int_equal(command.options, KEY_APPEND_ONLY);
	command.options = 0;
	assert_true(login_command_narrow(&command, "sftp"));
	assert_int_equal(command.options, KEY_READ_ONLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_is_as_documented),
		cmocka_unit_test(damaged_fields_make_no_line),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(tools_and_a_forward_read_back),
		cmocka_unit_test(nothing_but_one_address_is_forwarded_to),
		cmocka_unit_test(the_gate_follows_what_the_client_asks),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(what_writes_is_taken_away_over_the_limit),
		cmocka_unit_test(roles_map_to_options_of_the_gate),
		cmocka_unit_test(locked_and_expired_are_barred),
		cmocka_unit_test(a_line_reads_back_whatever_is_in_it),
		cmocka_unit_test(no_terminal_without_the_option),
		cmocka_unit_test(what_does_not_go_together_is_no_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
