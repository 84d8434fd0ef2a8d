/* SPDX-License-Identifier: ISC */
/* Profiles of tools, a client's words against them, and the packets of sftp. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backup/sftp_stream.h"
#include "backup/tool_command.h"

#define PROFILE                                                                                                        \
	"# a comment\n"                                                                                                \
	"command = rclone|rc serve restic {options} {path}\n"                                                          \
	"accept = --stdio --log=*\n"                                                                                   \
	"execute = /usr/bin/rclone\n"                                                                                  \
	"environment = A=1 B={home}/x\n"                                                                               \
	"quota = --quota={quota}\n"                                                                                    \
	"[read-write]\n"                                                                                               \
	"run = /usr/bin/rclone serve --stdio\n"                                                                        \
	"run = {path}\n"                                                                                               \
	"[append-only]\n"                                                                                              \
	"run = /usr/bin/rclone add {path}\n"                                                                           \
	"new-files-only = yes\n"

static char text[TOOL_PROFILE_MAX + 1];

static int parse(const char *from, struct tool_profile *profile, struct tool_fault *fault)
{
	snprintf(text, sizeof(text), "%s", from);
	return tool_profile_parse(text, profile, fault);
}

static void a_profile_is_read(void **state)
{
	struct tool_profile profile;
	struct tool_fault fault;

	(void)state;
	assert_int_equal(parse(PROFILE, &profile, &fault), 0);
	assert_int_equal(profile.command.count, 5);
	assert_int_equal(profile.accept.count, 2);
	assert_int_equal(profile.form[TOOL_READ_WRITE].run.count, 4);
	assert_true(profile.form[TOOL_APPEND_ONLY].new_files_only);
	assert_false(profile.form[TOOL_READ_ONLY].present);
	assert_int_equal(parse("command = x\nexecute = /bin/x\nadds = a/*.b\nbegins = c\ntidies = d\nlog = "
			       "sftp\n[read-write]\nrun "
			       "= /bin/x\n",
			       &profile, &fault),
			 0);
	assert_string_equal(profile.adds.words[0], "a/*.b");
	assert_string_equal(profile.begins.words[0], "c");
	assert_string_equal(profile.tidies.words[0], "d");
	assert_string_equal(profile.log.words[0], "sftp");
}

static void one_wrong_line_is_no_profile(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} cases[] = {
		{ "", 0 },
		{ "command = x\n", 0 },
		{ "command = x\nexecute = /bin/x\n", 0 },
		{ "command = x\n[read-write]\nrun = /bin/x\n", 0 },
		{ "execute = /bin/x\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = bin/x\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\n[read-write]\nrun = x\n", 0 },
		{ "command = x\nexecute = /bin/x\n[read-write]\n", 0 },
		{ "command = {path}\nexecute = /bin/x\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x {rest} y\nexecute = /bin/x\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x {what}\nexecute = /bin/x\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\nenvironment = x\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\nenvironment = A=1 B=2 A=3\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\n[read-write]\nrun = /bin/xy\n", 0 },
		{ "command = x\nexecute = /bin/xy\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\n[append-only]\nrun = /bin/x\nown-dates = yes\n", 0 },
		{ "[read-write]\nown-dates = yes\n", 2 },
		{ "write = /tmp\n", 1 },
		{ "command = x\nexecute = /bin/x\nadds = /a\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\nadds = a b\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\nadds = a*/b\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\nbegins = ../a\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\nbegins = a/\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\ntidies = a b\n[read-write]\nrun = /bin/x\n", 0 },
		{ "command = x\nexecute = /bin/x\nlog = stdout\n[read-write]\nrun = /bin/x\n", 0 },
		{ "colour = red\n", 1 },
		{ "command = x\nfoo\n", 2 },
		{ "[write]\n", 1 },
		{ "[read-write]\n[read-write]\n", 2 },
		{ "[read-write]\nnew-files-only = yes\n", 2 },
		{ "[append-only]\nnew-files-only = maybe\n", 2 },
		{ "command = x\r\n", 1 },
		{ "command = 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3\n", 1 },
	};
	struct tool_profile profile = { .command.count = 77 };
	struct tool_fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].text, &profile, &fault), -EINVAL);
		assert_int_equal(fault.line, cases[i].line);
		assert_non_null(fault.why);
		assert_int_equal(profile.command.count, 77);
	}
}

/* The command that is run for a client's, its words with '|' between; or the answer as a number. */
static const char *run_of(const char *client, enum tool_form form, uint64_t quota)
{
	static char out[4096];
	struct tool_values values = { .home = "/srv/h", .quota = quota };
	struct gate_refusal refusal = { 0 };
	struct command_line line = { 0 };
	struct text_list argv = { 0 };
	struct tool_profile profile;
	struct tool_fault fault;
	int r;

	assert_int_equal(parse(PROFILE, &profile, &fault), 0);
	assert_int_equal(command_line_split(client, &line), 0);
	r = tool_command_match(&profile, &line, &values.path, &refusal);
	if (r == 1)
		r = tool_command_build(&profile, form, &values, &argv, &refusal) ?: 1;
	snprintf(out, sizeof(out), "%d", r);
	if (r == -EPERM)
		assert_true(refusal.what[0] != '\0' && refusal.why[0] != '\0');
	for (size_t i = 0, used = 0; r == 1 && i < argv.count; i++)
		used += (size_t)snprintf(out + used, sizeof(out) - used, "%s%s", i > 0 ? "|" : "", argv.items[i]);
	text_list_free(&argv);
	command_line_free(&line);
	return out;
}

static void nothing_of_the_clients_is_run_but_its_path(void **state)
{
	static const struct {
		const char *client, *expected;
	} cases[] = {
		{ "rclone serve restic --stdio repo", "/usr/bin/rclone|serve|--stdio|/srv/h/repo" },
		{ "/opt/x/rc serve restic --stdio --log=7 /a/b", "/usr/bin/rclone|serve|--stdio|/srv/h/a/b" },
		{ "rclone serve restic ''", "/usr/bin/rclone|serve|--stdio|/srv/h" },
		{ "rclone serve restic /srv/h/x", "/usr/bin/rclone|serve|--stdio|/srv/h/x" },
		{ "rclone serve restic /srv/hx", "/usr/bin/rclone|serve|--stdio|/srv/h/srv/hx" },
		{ "rclone serve restic 'a;b {home} $(id)'", "/usr/bin/rclone|serve|--stdio|/srv/h/a;b {home} $(id)" },
		{ "rclone serve restic :local:/etc", "/usr/bin/rclone|serve|--stdio|/srv/h/:local:/etc" },
		{ "rclone serve restic ..x", "/usr/bin/rclone|serve|--stdio|/srv/h/..x" },
		{ "rclone serve restic ..", "-1" },
		{ "rclone serve restic a/../b", "-1" },
		{ "rclone serve restic /..", "-1" },
		{ "rclone serve restic 'a\nb'", "-1" },
		{ "rclone serve restic", "-1" },
		{ "rclone serve restic a b", "-1" },
		{ "rclone serve restic --config=/x a", "-1" },
		{ "rclone serve restic --stdio", "-1" },
		{ "rclone serve http a", "0" },
		{ "rclone", "0" },
		{ "xrclone serve restic a", "0" },
		{ "", "0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(run_of(cases[i].client, TOOL_READ_WRITE, 0), cases[i].expected);
	assert_string_equal(run_of("rclone serve restic a", TOOL_READ_WRITE, 9),
			    "/usr/bin/rclone|serve|--stdio|/srv/h/a|--quota=9");
	assert_string_equal(run_of("rclone serve restic a", TOOL_APPEND_ONLY, 0), "/usr/bin/rclone|add|/srv/h/a");
	assert_string_equal(run_of("rclone serve restic a", TOOL_READ_ONLY, 0), "-1");
}

static void packets_that_open_to_write_make_a_new_file(void **state)
{
	static const struct {
		uint8_t flags, expected;
	} cases[] = { { 0x01, 0x01 }, { 0x00, 0x00 }, { 0x1a, 0x2a }, { 0x02, 0x2a }, { 0x06, 0x2a },
		      { 0x10, 0x2a }, { 0x11, 0x2b }, { 0x03, 0x2b }, { 0x2a, 0x2a }, { 0x40, 0x2a } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t packet[] = { 0, 0, 0, 18, 3, 0, 0, 0, 7, 0, 0, 0, 1, 'f', 0, 0, 0, cases[i].flags, 0, 0, 0, 0 };
		uint8_t before[sizeof(packet)];

		memcpy(before, packet, sizeof(packet));
		assert_int_equal(sftp_packet_size(packet, sizeof(packet)), sizeof(packet));
		assert_int_equal(sftp_packet_new_files(packet, sizeof(packet)), 0);
		assert_int_equal(packet[17], cases[i].expected);
		packet[17] = before[17];
		assert_memory_equal(packet, before, sizeof(packet));
	}
}

static void packets_that_are_none_are_refused(void **state)
{
	uint8_t name[] = { 0, 0, 0, 18, 3, 0, 0, 0, 7, 0, 0, 0, 6, 'f', 0, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t huge[] = { 0, 4, 0, 1, 3 }, none[] = { 0, 0, 0, 0 },
		far[] = { 0, 0, 0, 13, 3, 0, 0, 0, 7, 255, 255, 255, 255, 0, 0, 0, 0 };

	(void)state;
	assert_int_equal(sftp_packet_size(huge, sizeof(huge)), -EPROTO);
	assert_int_equal(sftp_packet_size(none, sizeof(none)), -EPROTO);
	assert_int_equal(sftp_packet_size(huge, 3), 0);
	assert_int_equal(sftp_packet_new_files(name, sizeof(name)), -EPROTO);
	assert_int_equal(sftp_packet_new_files(far, sizeof(far)), -EPROTO);
	assert_int_equal(sftp_packet_new_files(name, 16), -EPROTO);
	assert_int_equal(sftp_packet_new_files(name, 4), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_is_read),
		cmocka_unit_test(one_wrong_line_is_no_profile),
		cmocka_unit_test(nothing_of_the_clients_is_run_but_its_path),
		cmocka_unit_test(packets_that_open_to_write_make_a_new_file),
		cmocka_unit_test(packets_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
