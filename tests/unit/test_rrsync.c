/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backup/brace.h"
#include "backup/command_line.h"
#include "backup/rsync_arguments.h"

/* ---- the splitter ----------------------------------------------------------------- */

/* Words are joined by '|' ; a pattern follows its text after '~'. */
static int split(const char *in, char *out, size_t size)
{
	struct command_line line;
	int r = command_line_split(in, &line);

	out[0] = '\0';
	for (size_t i = 0; r == 0 && i < line.count; i++) {
		size_t used = strlen(out);

		snprintf(out + used, size - used, "%s%s%s%s", i > 0 ? "|" : "", line.words[i].text,
			 line.words[i].pattern != NULL ? "~" : "",
			 line.words[i].pattern != NULL ? line.words[i].pattern : "");
	}
	if (r == 0)
		command_line_free(&line);
	return r;
}

static void words_are_split_as_a_shell_does(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "  \t\n ", "" },
		{ "a b  c", "a|b|c" },
		{ "a\\ b", "a b" },
		{ "'a b' \"c d\"", "a b|c d" },
		{ "a'b'\"c\"d", "abcd" },
		{ "''", "" },
		{ "a '' b", "a||b" },
		{ "\"a\\\"b\\$c\\x\"", "a\"b$c\\x" },
		{ "'a\\b'", "a\\b" },
		{ "$HOME `id` $(id) ;|&<>{a,b}!#", "$HOME|`id`|$(id)|;|&<>{a,b}!#~;|&<>{a,b}!#" },
		{ "{a,\\{b} '{a,b}' a\\,b.", "{a,{b}~{a,\\{b}|{a,b}|a,b." },
		{ "a\\\nb", "a\nb" },
		{ "*.txt", "*.txt~*.txt" },
		{ "\\*.txt", "*.txt" },
		{ "'*'*", "**~\\**" },
		{ "a\\\\*", "a\\*~a\\\\*" },
		{ "a]b", "a]b" },
		{ "[ab]?", "[ab]?~[ab]?" },
		{ "~ ~/x ~u \\~ a~", "/|/x|~u|~|a~" },
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(split(cases[i].in, out, sizeof(out)), 0);
		assert_string_equal(out, cases[i].out);
	}
}

static void an_open_quote_is_refused(void **state)
{
	static const char *const cases[] = { "'a", "\"a", "a\\", "\"a\\", "a 'b\" c", "\"\\\"" };
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(split(cases[i], out, sizeof(out)), -EINVAL);
}

static void the_longest_line_fits_and_one_more_does_not(void **state)
{
	static char in[COMMAND_LINE_MAX + 2];
	struct command_line line;

	(void)state;
	memset(in, '*', COMMAND_LINE_MAX);
	assert_int_equal(command_line_split(in, &line), 0);
	command_line_free(&line);
	for (size_t i = 0; i < COMMAND_LINE_MAX; i += 2)
		memcpy(in + i, "~ ", 2);
	assert_int_equal(command_line_split(in, &line), 0);
	assert_int_equal(line.count, COMMAND_LINE_MAX / 2);
	command_line_free(&line);
	in[COMMAND_LINE_MAX] = 'x';
	assert_int_equal(command_line_split(in, &line), -E2BIG);
}

/* ---- braces ------------------------------------------------------------------------- */

static void braces_are_expanded_as_a_shell_does(void **state)
{
	/* each one seen to be what bash 5.2 makes of it */
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "a", "a" },
		{ "{}", "{}" },
		{ "{a}", "{a}" },
		{ "{a", "{a" },
		{ "a}", "a}" },
		{ "{a,b}", "a|b" },
		{ "x{a,b}y", "xay|xby" },
		{ "{,a}", "|a" },
		{ "{a,}x", "ax|x" },
		{ "{a,b}{c,d}", "ac|ad|bc|bd" },
		{ "{a,{b,c}d}e", "ae|bde|cde" },
		{ "{x{a,b}y}", "{xay}|{xby}" },
		{ "a{b,c", "a{b,c" },
		{ "{{a,b}", "{a|{b" },
		{ "{a,b}}", "a}|b}" },
		{ "{a\\,b}", "{a\\,b}" },
		{ "\\{a,b}", "\\{a,b}" },
		{ "{a\\},b}", "a\\}|b" },
		{ "{1..3}", "1|2|3" },
		{ "{3..1}", "3|2|1" },
		{ "{1..7..3}", "1|4|7" },
		{ "{08..10}", "08|09|10" },
		{ "{-1..1}", "-1|0|1" },
		{ "{a..c}", "a|b|c" },
		{ "{c..a..2}", "c|a" },
		{ "{1..}", "{1..}" },
		{ "{1..b}", "{1..b}" },
		{ "{1.3}", "{1.3}" },
		{ "{1..2}{a,b}", "1a|1b|2a|2b" },
		{ "{1..3..0}", "1|2|3" },
		{ "{*,?}.x", "*.x|?.x" },
		{ "a\\", "a\\" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text_list words = { 0 };
		char out[256] = "";

		assert_int_equal(brace_expand(cases[i].in, &words), 0);
		for (size_t j = 0; j < words.count; j++) {
			strcat(out, j > 0 ? "|" : "");
			strcat(out, words.items[j]);
		}
		assert_string_equal(out, cases[i].out);
		text_list_free(&words);
	}
}

static void braces_have_a_bound(void **state)
{
	static char nested[3 * 70 + 1], wide[BRACE_BYTES_MAX];
	struct text_list words = { 0 };

	(void)state;
	assert_int_equal(brace_expand("{1..4096}", &words), 0);
	assert_int_equal(words.count, BRACE_WORDS_MAX);
	text_list_free(&words);
	assert_int_equal(brace_expand("{1..4097}", &words), -E2BIG);
	text_list_free(&words);
	assert_int_equal(brace_expand("{0..9}{0..9}{0..9}{0..9}{0..9}{0..9}{0..9}", &words), -E2BIG);
	text_list_free(&words);
	for (size_t i = 0; i < 70; i++)
		memcpy(nested + 3 * i, "{,}", 3);
	assert_int_equal(brace_expand(nested, &words), -E2BIG);
	text_list_free(&words);
	memset(wide, 'x', sizeof(wide) - 1);
	memcpy(wide, "{1..9}", 6);
	assert_int_equal(brace_expand(wide, &words), -E2BIG);
	text_list_free(&words);
}

/* ---- the table --------------------------------------------------------------------- */

static void every_option_is_found_by_its_whole_name(void **state)
{
	/* first, last, and neighbours that are each other's beginning */
	static const char *const known[] = { "A",      "z",      "b", "backup-dir", "delete",        "delete-after",
					     "super",  "suffix", "s", "safe-links", "write-devices", "no-W",
					     "append", "x",      "y" };
	static const char *const unknown[] = { "a",       "h",   "delet",  "delete-", "deletes",  "server",
					       "sender",  "rsh", "DELETE", "zz",      "relative", "confine-root",
					       "copy-as", "",    "f",      "F",       "T" };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct rsync_option *option = rsync_option_find(known[i], strlen(known[i]));

		assert_non_null(option);
		assert_string_equal(option->name, known[i]);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_null(rsync_option_find(unknown[i], strlen(unknown[i])));
	assert_non_null(rsync_option_find("delete=1", 6)); /* up to the length only */
}

/* ---- from a command to arguments ---------------------------------------------------- */

static const struct gate_policy plain = { .directory = "/d" };

/* The arguments joined by ' ', then " --" and the paths; or "what: why". */
static int arguments(const struct gate_policy *policy, const char *command, const char *base, char *out, size_t size)
{
	struct gate_refusal refusal = { 0 };
	struct rsync_request request = { 0 };
	struct text_list argv = { 0 }, inside = { 0 };
	struct command_line line = { 0 };
	size_t used = 0;
	int r;

	assert_int_equal(command_line_split(command, &line), 0);
	r = rsync_request_parse(policy, &line, &request, &refusal);
	if (r == 0)
		r = rsync_options_build(policy, &request, base, &argv, &inside, &refusal);
	for (size_t i = 0; r == 0 && i < argv.count; i++)
		used += (size_t)snprintf(out + used, size - used, "%s ", argv.items[i]);
	if (r == 0)
		used += (size_t)snprintf(out + used, size - used, "--");
	for (size_t i = 0; r == 0 && i < request.paths_count; i++)
		used += (size_t)snprintf(out + used, size - used, " %s", request.paths[i].text);
	if (r < 0)
		snprintf(out, size, "%s: %s", refusal.what, refusal.why);
	rsync_request_free(&request);
	text_list_free(&argv);
	text_list_free(&inside);
	command_line_free(&line);
	return r;
}

/* What it is there for is said of a refused command, too; whatever quotes are in it, and of options alone. */
static void what_a_run_is_for_is_read_once(void **state)
{
	static const struct {
		const char *command;
		enum rsync_intent intent;
	} cases[] = {
		{ "rsync --server -r . x", RSYNC_WRITES },
		{ "rsync '--server' -r . x", RSYNC_WRITES },
		{ "rsync --server -r --suffix --dry-run . x", RSYNC_WRITES },
		{ "rsync --server -r --suffix=-n . x", RSYNC_WRITES },
		{ "rsync --server -re31.nLs . x", RSYNC_WRITES },
		{ "rsync --server -r . -n", RSYNC_WRITES },
		{ "rsync --server -r . ../x", RSYNC_WRITES },
		{ "rsync --server --no-such-option -n . x", RSYNC_WRITES },
		{ "rsync --server", RSYNC_WRITES },
		{ "rsync --fake-super --server -r . x", RSYNC_WRITES },
		{ "rsync --server -rn . x", RSYNC_READS },
		{ "rsync --server '-r\\n' . x", RSYNC_WRITES }, /* no option of that letter */
		{ "rsync --server \\-\\n . x", RSYNC_READS },
		{ "rsync --server -r --list-only . x", RSYNC_READS },
		{ "rsync --server -r --only-write-batch=b . x", RSYNC_READS },
		{ "rsync --server -n --daemon . x", RSYNC_READS },
		{ "rsync --server --sender -r . x", RSYNC_READS },
		{ "rsync --server '--sender' -r --remove-source-files . x", RSYNC_READS },
		{ "rsync --super --server --sender -r . x", RSYNC_READS },
		{ "rsync --version", RSYNC_NONE },
		{ "rsync", RSYNC_NONE },
		{ "borg --server", RSYNC_NONE },
		{ "", RSYNC_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rsync_request request = { .intent = (enum rsync_intent)99 };
		struct gate_refusal refusal = { 0 };
		struct command_line line = { 0 };

		assert_int_equal(command_line_split(cases[i].command, &line), 0);
		if (rsync_request_parse(&plain, &line, &request, &refusal) < 0)
			assert_null(request.options);
		if (request.intent != cases[i].intent)
			fail_msg("%s: %d", cases[i].command, (int)request.intent);
		rsync_request_free(&request);
		command_line_free(&line);
	}
}

static void accepted_commands_are_made_anew(void **state)
{
	static const struct {
		const char *in, *base, *out;
	} cases[] = {
		{ "rsync --server -vlogDtpre.iLsfxCIvu . x", ".", "--server -vlogDtpre.iLsfxCIvu --chmod=ug-s -- x" },
		{ "rsync --server --sender -vlogDtpre.iLsfxCIvu . x y", ".",
		  "--server --sender -vlogDtpre.iLsfxCIvu -- x y" },
		{ "/usr/local/bin/rsync --server -r . /x//y/", ".", "--server -r --chmod=ug-s -- x//y/" },
		{ "rsync --server -r . /", ".", "--server -r --chmod=ug-s -- ." },
		{ "rsync --server -r . ''", ".", "--server -r --chmod=ug-s -- ." },
		{ "rsync --server -r . a/./b", ".", "--server -r --chmod=ug-s -- a/./b" },
		{ "rsync --server -r . ...", ".", "--server -r --chmod=ug-s -- ..." },
		{ "rsync --server -r . ..x/y..", ".", "--server -r --chmod=ug-s -- ..x/y.." },
		{ "rsync --server -r -B700 -@-1 -e31.Ls . x", ".", "--server -r -B700 -@-1 -e31.Ls --chmod=ug-s -- x" },
		{ "rsync --server -r --suffix .bak --bwlimit=5 . x", ".",
		  "--server -r --suffix=.bak --bwlimit=5 --chmod=ug-s -- x" },
		{ "rsync --server -r --suffix -v . x", ".", "--server -r --suffix=-v --chmod=ug-s -- x" },
		{ "rsync --server -r --temp-dir . . x", "x", "--server -r --temp-dir=. --chmod=ug-s -- x" },
		{ "rsync --server -r --temp-dir=/t . x", "x", "--server -r --temp-dir=/d/t --chmod=ug-s -- x" },
		{ "rsync --server -r --backup-dir=old/1 . x", "x", "--server -r --backup-dir=old/1 --chmod=ug-s -- x" },
		{ "rsync --server -r --link-dest=../p . x/y", "x/y",
		  "--server -r --link-dest=/d/x/p --chmod=ug-s -- x/y" },
		{ "rsync --server -r --link-dest=../.. . x/y", "x/y",
		  "--server -r --link-dest=/d --chmod=ug-s -- x/y" },
		{ "rsync --server -r --log-file=/l/x . x", "x", "--server -r --log-file=./l/x --chmod=ug-s -- x" },
		{ "rsync --server --sender -r --files-from=- --from0 . x", ".",
		  "--server --sender -r --files-from=- --from0 -- x" },
		{ "rsync --server --sender -r --files-from=/a/-/b . x", ".",
		  "--server --sender -r --files-from=./a/-/b -- x" },
		{ "rsync --server --sender -r . {/a,b}/{x,'{y,z}'} '{q,r}'", ".",
		  "--server --sender -r -- a/x a/{y,z} b/x b/{y,z} {q,r}" },
		{ "rsync --server --sender -r . {,x}", ".", "--server --sender -r -- . x" },
		/* on a pull the receiver's directories are the client's own */
		{ "rsync --server --sender -r --partial-dir=/home/me/p --link-dest /y . x", ".",
		  "--server --sender -r -- x" },
	};
	char out[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = arguments(&plain, cases[i].in, cases[i].base, out, sizeof(out));

		assert_string_equal(out, cases[i].out);
		assert_int_equal(r, 0);
	}
}

static void refused_commands_stay_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"rsync",
		"ls",
		"rsyncx --server . x",
		"rsync --sender --server . x",
		"rsync --server",
		"rsync --server x",
		"rsync --server - . x",
		"rsync --server -- . x",
		"rsync --server -h . x",
		"rsync --server -e . x",
		"rsync --server -vesh . x",
		"rsync --server -ve.x/y . x",
		"rsync --server -B . x",
		"rsync --server -B-7 . x",
		"rsync --server -B7r . x",
		"rsync --server -rs . x",
		"rsync --server -L . x",
		"rsync --server -rK . x",
		"rsync --server -kr . x",
		"rsync --server --server . x",
		"rsync --server --sender --sender . x",
		"rsync --server --daemon . x",
		"rsync --server --d . x",
		"rsync --server --delete-aft . x",
		"rsync --server --config=x . x",
		"rsync --server --chmod=u+s . x",
		"rsync --server --drop-D . x",
		"rsync --server -r --munge-links=1 . x",
		"rsync --server -r --temp-dir= . x",
		"rsync --server -r --temp-dir '' . x",
		"rsync --server -r --temp-dir=.. . x",
		"rsync --server -r --temp-dir=x/.. . x",
		"rsync --server -r --link-dest=../../x . x",
		"rsync --server -r --link-dest=/../x . x",
		"rsync --server -r . ..",
		"rsync --server -r . /..",
		"rsync --server -r . x/..",
		"rsync --server -r . x/../y",
		"rsync --server -r . ../x",
		"rsync --server -r . x y",
		"rsync --server --sender -r . x ..",
		"rsync --server -r . \\.\\./x",
		"rsync --server -r . '..'",
		"rsync --server -r . {a,b}",
		"rsync --server --sender -r . {.,x}./y",
		"rsync --server --sender -r . x{/../..,}",
		"rsync --server --sender -r . {0..99999}",
		"rsync --server --relative . x",
	};
	char out[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (arguments(&plain, cases[i], "x", out, sizeof(out)) != -EPERM)
			fail_msg("accepted: %s", cases[i]);
		assert_non_null(strstr(out, ": "));
	}
}

static void what_a_run_costs_is_bounded(void **state)
{
	static const struct gate_policy patient = { .directory = "/d",
						    .timeout = 100,
						    .limits.memory = UINT64_C(256) << 20 };
	static const struct {
		const char *client, *expected;
	} cases[] = {
		{ "", "--timeout=100" },
		{ "--timeout=20", "--timeout=20" },
		{ "--timeout=100", "--timeout=100" },
		{ "--timeout=101", "--timeout=100" },
		{ "--timeout=0", "--timeout=100" },
		{ "--timeout=5 --timeout=0", "--timeout=100" },
		{ "--timeout=x", NULL },
		{ "--timeout=-1", NULL },
		{ "--timeout=0x10", NULL },
		{ "--timeout=", NULL },
		{ "--compress-level=22", "--compress-level=9 --timeout=100" },
		{ "--compress-level=-5", "--compress-level=-5 --timeout=100" },
		{ "--compress-choice=zstd --compress-level=22",
		  "--compress-choice=zstd --compress-level=12 --timeout=100" },
		{ "--compress-level=22 --compress-choice=zstd",
		  "--compress-level=12 --compress-choice=zstd --timeout=100" },
		{ "--compress-choice=zlib --compress-level=22",
		  "--compress-choice=zlib --compress-level=9 --timeout=100" },
		{ "--compress-choice=newer --compress-level=22",
		  "--compress-choice=newer --compress-level=9 --timeout=100" },
		{ "--compress-level=9x", NULL },
		{ "--compress-level=", NULL },
		{ "--compress-level=1234567890", NULL },
		{ "--compress-threads=256", "--compress-threads=4 --timeout=100" },
		{ "--compress-threads=2", "--compress-threads=2 --timeout=100" },
		{ "--max-alloc=0", "--max-alloc=268435456 --timeout=100" },
		{ "--max-alloc=0.0", "--max-alloc=268435456 --timeout=100" },
		{ "--max-alloc=4g", "--max-alloc=268435456 --timeout=100" },
		{ "--max-alloc=256M", "--max-alloc=256M --timeout=100" },
		{ "--max-alloc=257M", "--max-alloc=268435456 --timeout=100" },
		{ "--max-alloc=200MB", "--max-alloc=200MB --timeout=100" },
		{ "--max-alloc=1e9", NULL },
		{ "--max-alloc=inf", NULL },
		{ "--max-alloc=-1", NULL },
		{ "--max-alloc=1M1", NULL },
	};
	char command[256], expected[256], out[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(command, sizeof(command), "rsync --server %s . x", cases[i].client);
		if (cases[i].expected == NULL) {
			assert_int_equal(arguments(&patient, command, "x", out, sizeof(out)), -EPERM);
			continue;
		}
		snprintf(expected, sizeof(expected), "--server %s --chmod=ug-s -- x", cases[i].expected);
		assert_int_equal(arguments(&patient, command, "x", out, sizeof(out)), 0);
		assert_string_equal(out, expected);
	}
	/* no time of its own: the client's, or none */
	assert_int_equal(arguments(&plain, "rsync --server --timeout=9999 . x", "x", out, sizeof(out)), 0);
	assert_string_equal(out, "--server --timeout=9999 --chmod=ug-s -- x");
	assert_int_equal(arguments(&plain, "rsync --server --timeout=0 --max-alloc=0 . x", "x", out, sizeof(out)), 0);
	assert_string_equal(out, "--server --max-alloc=1073741824 --chmod=ug-s -- x");
}

static void the_policy_has_the_last_word(void **state)
{
	static const struct gate_policy all = { .directory = "/d",
						.munge = true,
						.no_overwrite = true,
						.fake_super = true,
						.drop_devices = true,
						.confine_root = true };
	static const struct gate_policy unfaked = { .directory = "/d", .drop_devices = true };
	static const struct gate_policy blind = { .directory = "/d", .write_only = true, .blind = true };
	static const struct gate_policy absolute = { .directory = "/d", .absolute = true };
	char out[1024];

	(void)state;
	assert_int_equal(arguments(&all, "rsync --server -r --super --fake-super . x", "x", out, sizeof(out)), 0);
	assert_string_equal(out, "--server -r --confine-root=/d --munge-links --ignore-existing --fake-super -- x");
	assert_int_equal(arguments(&unfaked, "rsync --server -r --super . x", "x", out, sizeof(out)), 0);
	assert_string_equal(out, "--server -r --super --chmod=ug-s --drop-D -- x");
	assert_int_equal(arguments(&absolute, "rsync --server -r . /d/x", "x", out, sizeof(out)), 0);
	assert_string_equal(out, "--server -r --chmod=ug-s -- x");
	assert_int_equal(
		arguments(&blind, "rsync --server -vr --no-W --log-format=%i -e.LsfxC . x", "x", out, sizeof(out)), 0);
	assert_string_equal(out, "--server -vr --no-W --log-format=%i -e.LsfxC --chmod=ug-s --whole-file -- x");
	assert_int_equal(arguments(&absolute, "rsync --server -r . /dx", "x", out, sizeof(out)), 0);
	assert_string_equal(out, "--server -r --chmod=ug-s -- dx");
	/* one place, by each of its names */
	for (size_t i = 0; i < 2; i++) {
		static const char *const commands[] = { "rsync --server -r --link-dest=/prev . x",
							"rsync --server -r --link-dest=/d/prev . x" };

		assert_int_equal(arguments(&absolute, commands[i], "x", out, sizeof(out)), 0);
		assert_string_equal(out, "--server -r --link-dest=/d/prev --chmod=ug-s -- x");
	}
}

static void each_restriction_refuses_its_options(void **state)
{
	static const struct gate_policy read_only = { .directory = "/d", .read_only = true, .no_delete = true };
	static const struct gate_policy write_only = { .directory = "/d", .write_only = true };
	static const struct gate_policy no_delete = { .directory = "/d", .no_delete = true };
	static const struct gate_policy no_overwrite = { .directory = "/d", .no_overwrite = true };
	static const struct gate_policy blind = {
		.directory = "/d", .write_only = true, .no_delete = true, .blind = true
	};
	static const struct {
		const struct gate_policy *policy;
		const char *command;
	} cases[] = {
		{ &read_only, "rsync --server -r . x" },
		{ &read_only, "rsync --server --sender -r --remove-source-files . x" },
		{ &read_only, "rsync --server --sender -r --log-file=x . x" },
		{ &write_only, "rsync --server --sender -r . x" },
		{ &write_only, "rsync --server -r --files-from=x . x" },
		{ &no_delete, "rsync --server -r --delete . x" },
		{ &no_delete, "rsync --server -r --delete-missing-args . x" },
		{ &no_delete, "rsync --server -r --force . x" },
		{ &no_delete, "rsync --server --sender -r --remove-sent-files . x" },
		{ &no_overwrite, "rsync --server -rb . x" },
		{ &no_overwrite, "rsync --server -r --backup-dir x . x" },
		{ &no_overwrite, "rsync --server -r --partial-dir x . x" },
		{ &no_overwrite, "rsync --server -r --delay-updates . x" },
		{ &no_overwrite, "rsync --server -r --log-file=x . x" },
		{ &blind, "rsync --server --sender -r . x" },
		{ &blind, "rsync --server -r --files-from=x . x" },
		{ &blind, "rsync --server -rn . x" },
		{ &blind, "rsync --server -rc . x" },
		{ &blind, "rsync --server -rCy . x" },
		{ &blind, "rsync --server -ru . x" },
		{ &blind, "rsync --server -rm . x" },
		{ &blind, "rsync --server -r -B1 . x" },
		{ &blind, "rsync --server -r --block-size=1 . x" },
		{ &blind, "rsync --server -r --append . x" },
		{ &blind, "rsync --server -r --delete . x" },
		{ &blind, "rsync --server -r --delete-excluded . x" },
		{ &blind, "rsync --server -r --force . x" },
		{ &blind, "rsync --server -r --compare-dest=y . x" },
		{ &blind, "rsync --server -r --copy-dest=y . x" },
		{ &blind, "rsync --server -r --link-dest=y . x" },
		{ &blind, "rsync --server -r --partial-dir=y . x" },
		{ &blind, "rsync --server -r --fuzzy . x" },
		{ &blind, "rsync --server -r --size-only . x" },
		{ &blind, "rsync --server -r --existing . x" },
		{ &blind, "rsync --server -r --info=all4 . x" },
		{ &blind, "rsync --server -r --log-file=y . x" },
		{ &blind, "rsync --server -r --log-format=%C . x" },
		{ &blind, "rsync --server -r --only-write-batch=X . x" },
	};
	char out[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (arguments(cases[i].policy, cases[i].command, "x", out, sizeof(out)) != -EPERM)
			fail_msg("accepted: %s", cases[i].command);
		/* and without the restriction, or the other way round, it is a good command */
		if (arguments(&plain, cases[i].command, "x", out, sizeof(out)) != 0)
			fail_msg("control refused: %s: %s", cases[i].command, out);
	}
}

static void paths_are_resolved_by_text(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(path_resolve("a/b", "../c/./d//", out, sizeof(out)), 0);
	assert_string_equal(out, "a/c/d");
	assert_int_equal(path_resolve("a", "..", out, sizeof(out)), 0);
	assert_string_equal(out, ".");
	assert_int_equal(path_resolve("a", "/b", out, sizeof(out)), 0);
	assert_string_equal(out, "b");
	assert_int_equal(path_resolve("", "..", out, sizeof(out)), -EXDEV);
	assert_int_equal(path_resolve("a", "../../a", out, sizeof(out)), -EXDEV);
	assert_int_equal(path_resolve("a", "../../..", out, sizeof(out)), -EXDEV);
	assert_int_equal(path_resolve("", "0123456789abcde", out, sizeof(out)), 0);
	assert_int_equal(path_resolve("", "0123456789abcdef", out, sizeof(out)), -ENAMETOOLONG);
	assert_string_equal(out, "0123456789abcde"); /* untouched */
}

static void own_options(void **state)
{
	char blind[] = "-blind", private[] = "-private", shared[] = "-no-private";
	char a0[] = "gate", ro[] = "-ro", wo[] = "-wo", fake[] = "-fake-super", bad[] = "-x", end[] = "--",
	     dir[] = "dir";
	struct gate_refusal refusal;
	struct gate_policy policy;
	const char *directory;

	(void)state;
	assert_int_equal(gate_options_parse(3, (char *[]){ a0, ro, dir, NULL }, &policy, &directory, &refusal), 0);
	assert_true(policy.read_only && policy.no_delete && !policy.fake_super);
	assert_string_equal(directory, "dir");
	assert_int_equal(gate_options_parse(4, (char *[]){ a0, fake, end, ro, NULL }, &policy, &directory, &refusal),
			 0);
	assert_true(policy.fake_super && !policy.read_only);
	assert_int_equal(gate_options_parse(4, (char *[]){ a0, ro, wo, dir, NULL }, &policy, &directory, &refusal),
			 -EPERM);
	assert_int_equal(gate_options_parse(4, (char *[]){ a0, ro, blind, dir, NULL }, &policy, &directory, &refusal),
			 -EPERM);
	assert_int_equal(
		gate_options_parse(4, (char *[]){ a0, private, shared, dir, NULL }, &policy, &directory, &refusal),
		-EPERM);
	assert_int_equal(gate_options_parse(3, (char *[]){ a0, blind, dir, NULL }, &policy, &directory, &refusal), 0);
	assert_true(policy.blind && policy.write_only && policy.no_delete);
	assert_int_equal(gate_options_parse(3, (char *[]){ a0, bad, dir, NULL }, &policy, &directory, &refusal),
			 -EPERM);
	assert_int_equal(gate_options_parse(2, (char *[]){ a0, ro, NULL }, &policy, &directory, &refusal), -EPERM);
	assert_int_equal(gate_options_parse(3, (char *[]){ a0, dir, dir, NULL }, &policy, &directory, &refusal),
			 -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_split_as_a_shell_does),
		cmocka_unit_test(an_open_quote_is_refused),
		cmocka_unit_test(the_longest_line_fits_and_one_more_does_not),
		cmocka_unit_test(braces_are_expanded_as_a_shell_does),
		cmocka_unit_test(braces_have_a_bound),
		cmocka_unit_test(every_option_is_found_by_its_whole_name),
		cmocka_unit_test(what_a_run_is_for_is_read_once),
		cmocka_unit_test(accepted_commands_are_made_anew),
		cmocka_unit_test(refused_commands_stay_refused),
		cmocka_unit_test(the_policy_has_the_last_word),
		cmocka_unit_test(what_a_run_costs_is_bounded),
		cmocka_unit_test(each_restriction_refuses_its_options),
		cmocka_unit_test(paths_are_resolved_by_text),
		cmocka_unit_test(own_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
