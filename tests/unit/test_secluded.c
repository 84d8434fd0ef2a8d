/* SPDX-License-Identifier: ISC */
/* Arguments inside the protocol: what is accepted of them is what the same client without -s would have been accepted
 * for. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/rsync_arguments.h"
#include "backup/secluded.h"

static const struct gate_policy policies[] = {
	{ .directory = "/home/x" },
	{ .directory = "/home/x", .write_only = true, .no_delete = true, .no_overwrite = true, .fake_super = true },
	{ .directory = "/home/x", .read_only = true, .no_delete = true },
	{ .directory = "/home/x", .write_only = true, .blind = true, .no_delete = true },
	{ .directory = "/home/x", .absolute = true },
};

/* Whether it is accepted, and as what: arguments, paths and patterns, or what the refusal says. */
static void outcome(const struct gate_policy *policy, const struct command_line *line, char *out, size_t size)
{
	struct rsync_request request = { 0 };
	struct gate_refusal refusal = { 0 };
	struct text_list argv = { 0 }, inside = { 0 };
	int r = rsync_request_parse(policy, line, &request, &refusal);
	size_t used = 0;

	if (r == 0)
		r = rsync_options_build(policy, &request, ".", &argv, &inside, &refusal);
	used += (size_t)snprintf(out + used, size - used, "%d %s %s|", r, refusal.what, refusal.why);
	for (size_t i = 0; i < argv.count; i++)
		used += (size_t)snprintf(out + used, size - used, "%s\n", argv.items[i]);
	for (size_t i = 0; i < request.paths_count; i++)
		used += (size_t)snprintf(out + used, size - used, "<%s %s>", request.paths[i].text,
					 request.paths[i].pattern == NULL ? "-" : request.paths[i].pattern);
	assert_true(used < size);
	rsync_request_free(&request);
	text_list_free(&argv);
	text_list_free(&inside);
}

/* The command, the arguments with "|" for NUL, and what rsync 3.2.4 and later sends without -s. */
static const struct {
	const char *command, *arguments, *plain;
} pairs[] = {
	{ "rsync --server -slogDtpre.iLsfxCIvu", "rsync|.|d/", "rsync --server -logDtpre.iLsfxCIvu . d/" },
	{ "rsync --server --sender -slogDtpre.iLsfxCIvu", "rsync|.|a|b c",
	  "rsync --server --sender -logDtpre.iLsfxCIvu . a b\\ c" },
	{ "rsync --server -s", "rsync|.|d", "rsync --server . d" },
	{ "rsync --server -vse.Lsf --iconv=UTF-8", "rsync|--delete|.|d",
	  "rsync --server -ve.Lsf --iconv=UTF-8 --delete . d" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|--delete|--link-dest|../p q|.|d",
	  "rsync --server -re.iLsfxCIvu --delete --link-dest \\.\\./p\\ q . d" },
	{ "rsync --server --sender -sre.iLsfxCIvu", "rsync|.|*.c|a\\*b|c[de]?|x\\y|{a,b}",
	  "rsync --server --sender -re.iLsfxCIvu . *.c a\\*b c[de]? x\\\\y \\{a,b\\}" },
	{ "rsync --server --sender -sre.iLsfxCIvu", "rsync|.|~/d|~|a~|~x|$(id)|;id|a\nb|'\"`",
	  "rsync --server --sender -re.iLsfxCIvu . ~/d ~ a~ ~x \\$\\(id\\) \\;id a\\\nb \\'\\\"\\`" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|.|../up", "rsync --server -re.iLsfxCIvu . ../up" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|.|a|b", "rsync --server -re.iLsfxCIvu . a b" },
	{ "rsync --server -sLre.iLsfxCIvu", "rsync|.|a", "rsync --server -Lre.iLsfxCIvu . a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|--server|.|a", "rsync --server -re.iLsfxCIvu --server . a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|--sender|.|a", "rsync --server -re.iLsfxCIvu --sender . a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|--daemon|.|a", "rsync --server -re.iLsfxCIvu --daemon . a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|-s|.|a", "rsync --server -re.iLsfxCIvu -s . a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|--log-file=x|.|a", "rsync --server -re.iLsfxCIvu --log-file=x . a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|--rsh=sh|.|a", "rsync --server -re.iLsfxCIvu --rsh=sh . a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync|a", "rsync --server -re.iLsfxCIvu a" },
	{ "rsync --server -sre.iLsfxCIvu", "rsync", "rsync --server -re.iLsfxCIvu" },
	{ "sh --server -sre.iLsfxCIvu", "rsync|.|a", "sh --server -re.iLsfxCIvu . a" },
	{ "rsync --daemon -s", "rsync|.|a", "rsync --daemon . a" },
};

static size_t with_nul(const char *text, char *out)
{
	size_t size = strlen(text) + 1;

	for (size_t i = 0; i < size; i++)
		out[i] = text[i] == '|' ? '\0' : text[i];
	return size;
}

static void it_is_the_plain_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct command_line line, joined, plain;
		char bytes[256], ours[4096], theirs[4096];
		size_t size = with_nul(pairs[i].arguments, bytes);

		assert_int_equal(command_line_split(pairs[i].command, &line), 0);
		assert_int_equal(command_line_split(pairs[i].plain, &plain), 0);
		assert_true(secluded_asked(&line));
		assert_int_equal(secluded_join(&line, bytes, size, &joined), 0);
		for (size_t p = 0; p < sizeof(policies) / sizeof(policies[0]); p++) {
			outcome(&policies[p], &joined, ours, sizeof(ours));
			outcome(&policies[p], &plain, theirs, sizeof(theirs));
			assert_string_equal(ours, theirs);
		}
		command_line_free(&line);
		command_line_free(&joined);
		command_line_free(&plain);
	}
}

static void what_no_rsync_sends_is_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} cases[] = { { "", 0 },
		      { "rsync", 5 },
		      { "\0", 1 },
		      { "sh\0.\0", 5 },
		      { "rsync\0.\0x", 9 },
		      { "rsyncx\0.\0", 9 },
		      { "rsync\0\0.\0", 9 } };
	struct command_line line, joined;

	(void)state;
	assert_int_equal(command_line_split("rsync --server -sre.iLs", &line), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(secluded_join(&line, cases[i].bytes, cases[i].size, &joined), -EPROTO);
	command_line_free(&line);
}

static void an_s_elsewhere_is_another(void **state)
{
	static const char *const others[] = { "rsync --server -re.iLsfxCIvu . x", "rsync --server -r . -s",
					      "rsync --server -s . x", "rsync --server --stats", "rsync" };
	struct command_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(command_line_split(others[i], &line), 0);
		assert_false(secluded_asked(&line));
		command_line_free(&line);
	}
}

static long read_of(const char *bytes, size_t size, bool ended, unsigned seconds, size_t *left)
{
	static char out[SECLUDED_MAX];
	char rest[64];
	int ends[2];
	long r;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, size), (ssize_t)size);
	if (ended)
		close(ends[1]);
	r = secluded_read(ends[0], seconds, out);
	if (!ended)
		close(ends[1]);
	*left = (size_t)read(ends[0], rest, sizeof(rest));
	close(ends[0]);
	if (r > 0)
		assert_memory_equal(out, bytes, (size_t)r);
	return r;
}

static void what_follows_is_left_for_rsync(void **state)
{
	static const char session[] = "rsync\0.\0d\0\0\037\0\0\0data";
	static char endless[2 * 4096];
	size_t left;

	(void)state;
	assert_int_equal(read_of(session, sizeof(session) - 1, false, 0, &left), 10);
	assert_int_equal(left, 8);
	assert_int_equal(read_of("\0rest", 5, true, 0, &left), 0);
	assert_int_equal(left, 4);
	assert_int_equal(read_of("rsync\0.\0", 8, true, 0, &left), -EPROTO);
	memset(endless, 'x', sizeof(endless));
	assert_int_equal(read_of(endless, sizeof(endless), true, 0, &left), -EPROTO);
	assert_int_equal(read_of("rsync\0", 6, false, 1, &left), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_plain_command),
		cmocka_unit_test(what_no_rsync_sends_is_none),
		cmocka_unit_test(an_s_elsewhere_is_another),
		cmocka_unit_test(what_follows_is_left_for_rsync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
