/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "setup/text.h"
#include "confine/cleanup.h"

struct line_case {
	const char *before, *after;
};

/* Lines as distributions and administrators write them. */
static const struct line_case line_cases[] = {
	{ "passwd:         files systemd", "passwd:         files subuid systemd" },
	{ "passwd: files", "passwd: files subuid" },
	{ "passwd:files", "passwd:files subuid" },
	{ "passwd: compat", "passwd: compat subuid" },
	{ "passwd:\tfiles\tsss", "passwd:\tfiles subuid\tsss" },
	{ "passwd:     sss files systemd", "passwd:     subuid sss files systemd" },
	{ "passwd: files ldap [NOTFOUND=return] db", "passwd: files subuid ldap [NOTFOUND=return] db" },
	{ "passwd: files [NOTFOUND=return] sss", "passwd: subuid files [NOTFOUND=return] sss" },
	{ "passwd: files [notfound=RETURN] sss", "passwd: subuid files [notfound=RETURN] sss" },
	{ "passwd: files [!SUCCESS=return] sss", "passwd: subuid files [!SUCCESS=return] sss" },
	{ "passwd: files [UNAVAIL=return] sss", "passwd: subuid files [UNAVAIL=return] sss" },
	{ "passwd: files [UNAVAIL=continue] sss", "passwd: files [UNAVAIL=continue] subuid sss" },
	{ "passwd: files[NOTFOUND=return]sss", "passwd: subuid files[NOTFOUND=return]sss" },
	{ "passwd: files[NOTFOUND=continue]sss", "passwd: files[NOTFOUND=continue] subuid sss" },
	{ "group: files [SUCCESS=merge]systemd[UNAVAIL=continue]sss",
	  "group: files [SUCCESS=merge]systemd[UNAVAIL=continue] subuid sss" },
	{ "group: files [SUCCESS=merge] systemd", "group: files [SUCCESS=merge] systemd subuid" },
	{ "group: files [SUCCESS=merge] sss [SUCCESS=merge] systemd ldap",
	  "group: files [SUCCESS=merge] sss [SUCCESS=merge] systemd subuid ldap" },
	{ "group: files [SUCCESS=merge] sss [!UNAVAIL=return] systemd",
	  "group: subuid files [SUCCESS=merge] sss [!UNAVAIL=return] systemd" },
	{ "passwd: files # no network here", "passwd: files subuid # no network here" },
	{ "passwd: files#x", "passwd: files subuid#x" },
	{ "  passwd: files", "  passwd: files subuid" },
	{ "passwd : files", "passwd : files subuid" },
	{ "passwd: files \t ", "passwd: files subuid \t " },
	{ "passwd: files\r", "passwd: files subuid\r" },
	{ "passwd:", "passwd: files subuid" },
	{ "passwd: # nothing", "passwd: files subuid # nothing" },
	{ "passwd: ldap", "passwd: subuid ldap" },
	{ "passwd: files subuid systemd", "passwd: files subuid systemd" },
	{ "passwd: subuid files", "passwd: subuid files" },
	{ "passwd: files [NOTFOUND=return] subuid", "passwd: subuid files [NOTFOUND=return]" },
	{ "initgroups: files [SUCCESS=continue] sss",
	  "initgroups: subuid [SUCCESS=continue] files [SUCCESS=continue] sss" },
	{ "passwd_compat: nis", "passwd_compat: nis" },
	{ "#passwd: ldap", "#passwd: ldap" },
	{ "hosts: files dns", "hosts: files dns" },
	{ "netgroup: nis", "netgroup: nis" },
	{ "gshadow: files", "gshadow: files" },
};

#define REST "passwd: subuid\ngroup: subuid\nshadow: subuid\n"

static void nsswitch_lines_get_our_source_where_it_is_always_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++) {
		char before[512], after[512], *out = NULL;

		/* the other databases are there already, in their own lines before this one */
		snprintf(before, sizeof(before), REST "%s\n", line_cases[i].before);
		snprintf(after, sizeof(after), REST "%s\n", line_cases[i].after);
		assert_int_equal(nsswitch_add(before, false, &out), 0);
		assert_string_equal(out, after);
		free(out);
	}
}

static void adding_twice_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++) {
		char *once = NULL, *twice = NULL;

		assert_int_equal(nsswitch_add(line_cases[i].before, true, &once), 0);
		assert_int_equal(nsswitch_add(once, true, &twice), 0);
		assert_string_equal(once, twice);
		free(once);
		free(twice);
	}
}

static void after_adding_every_database_reaches_us(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(line_cases) / sizeof(line_cases[0]); i++) {
		char *out = NULL;

		assert_int_equal(nsswitch_add(line_cases[i].before, false, &out), 0);
		assert_true(nsswitch_reaches(out, "passwd"));
		assert_true(nsswitch_reaches(out, "group"));
		assert_true(nsswitch_reaches(out, "shadow"));
		assert_false(nsswitch_reaches(out, "hosts"));
		free(out);
	}
}

static void removing_takes_exactly_our_source(void **state)
{
	static const struct line_case cases[] = {
		{ "passwd: files subuid systemd # x\n", "passwd: files systemd # x\n" },
		{ "passwd: files subuid\n", "passwd: files\n" },
		{ "passwd: files subuid   # x\n", "passwd: files   # x\n" },
		{ "passwd: subuid ldap\n", "passwd: ldap\n" },
		{ "initgroups: subuid [SUCCESS=continue] files\n", "initgroups: files\n" },
		{ "shadow: subuid\nhosts: dns\n", "hosts: dns\n" },
		{ "subid: subuid\n", "" },
		{ "passwd: subuids mysubuid\n", "passwd: subuids mysubuid\n" },
		{ "# subuid\nhosts: subuid dns\n", "# subuid\nhosts: subuid dns\n" },
		{ "passwd: files subuid", "passwd: files" },
		{ "", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = NULL;

		assert_int_equal(nsswitch_remove(cases[i].before, "", &out), 0);
		assert_string_equal(out, cases[i].after);
		free(out);
	}
}

static void missing_databases_are_added_at_the_end(void **state)
{
	char *out = NULL;

	(void)state;
	assert_int_equal(nsswitch_add("passwd: files\ngroup: files", true, &out), 0);
	assert_string_equal(out, "passwd: files subuid\ngroup: files subuid\n"
				 "shadow:         files subuid\nsubid:          subuid\n");
	free(out);
	assert_int_equal(nsswitch_add("", false, &out), 0);
	assert_string_equal(out, "passwd:         files subuid\ngroup:          files subuid\n"
				 "shadow:         files subuid\n");
	free(out);
}

static void subid_asks_us_in_the_place_of_its_first_source(void **state)
{
	static const struct line_case cases[] = {
		{ "subid: files\n", "subid: subuid\n" },  { "subid:\n", "subid: subuid\n" },
		{ "subid: sss\n", "subid: subuid\n" },    { "subid: sss files\n", "subid: subuid files\n" },
		{ "subid: subuid\n", "subid: subuid\n" }, { "subid: files # mine\n", "subid: subuid # mine\n" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char before[256], after[256], *out = NULL, source[16];

		snprintf(before, sizeof(before), REST "%s", cases[i].before);
		snprintf(after, sizeof(after), REST "%s", cases[i].after);
		assert_int_equal(nsswitch_add(before, true, &out), 0);
		assert_string_equal(out, after);
		nsswitch_first_source(out, "subid", source, sizeof(source));
		assert_string_equal(source, "subuid");
		free(out);
		/* and back: what was there before, or no line */
		assert_int_equal(nsswitch_remove(after, "sss", &out), 0);
		nsswitch_first_source(out, "subid", source, sizeof(source));
		assert_string_equal(source, "sss");
		free(out);
	}
}

static void a_line_that_cannot_be_understood_is_refused_and_nothing_is_returned(void **state)
{
	char many[512] = "passwd:", *out = NULL;

	(void)state;
	for (int i = 0; i < 40; i++)
		strcat(many, " x");
	assert_true(nsswitch_add(many, false, &out) < 0);
	many[strlen(many) - 2 * 8] = '\0'; /* 32: with ours there would be one too many to find it again */
	assert_true(nsswitch_add(many, false, &out) < 0);
	assert_true(nsswitch_add("passwd: files [NOTFOUND=return\n", false, &out) < 0);
	assert_true(nsswitch_add("passwd: [NOTFOUND=return] files\n", false, &out) < 0);
	assert_null(out);
}

static void an_unreachable_source_is_told_from_a_reachable_one(void **state)
{
	(void)state;
	assert_true(nsswitch_reaches("passwd: files subuid\n", "passwd"));
	assert_false(nsswitch_reaches("passwd: files [NOTFOUND=return] subuid\n", "passwd"));
	assert_false(nsswitch_reaches("passwd: sss [UNAVAIL=return] subuid\n", "passwd"));
	assert_false(nsswitch_reaches("passwd: files\n", "passwd"));
	assert_false(nsswitch_reaches("#passwd: subuid\n", "passwd"));
	/* the last line of a database is the one that counts */
	assert_false(nsswitch_reaches("passwd: files subuid\npasswd: files\n", "passwd"));
}

#define BLOCK "# subuidd: begin\naccount\trequired\t\t\tpam_subuid.so\n# subuidd: end\n"

static const char debian_account[] =
	"#\n# /etc/pam.d/common-account - authorization settings common to all services\n#\n\n"
	"# here are the per-package modules (the \"Primary\" block)\n"
	"account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so \n"
	"# here's the fallback if no module succeeds\n"
	"account\trequisite\t\t\tpam_deny.so\n"
	"account\trequired\t\t\tpam_permit.so\n"
	"# end of pam-auth-update config\n";

static void pam_line_goes_before_everything_that_may_skip_it(void **state)
{
	static const struct line_case cases[] = {
		{ "account sufficient pam_ldap.so\n", BLOCK "account sufficient pam_ldap.so\n" },
		{ "#%PAM-1.0\nauth required pam_env.so\naccount required pam_unix.so\n",
		  "#%PAM-1.0\nauth required pam_env.so\n" BLOCK "account required pam_unix.so\n" },
		{ "#%PAM-1.0\n# mine\n-account required pam_unix.so\n",
		  "#%PAM-1.0\n" BLOCK "# mine\n-account required pam_unix.so\n" },
		{ "auth required x.so \\\n account\naccount required y.so\n",
		  "auth required x.so \\\n account\n" BLOCK "account required y.so\n" },
		/* what libpam takes for one line: blanks behind the backslash, comments and empty lines between */
		{ "auth required x.so \\ \t\naccount\naccount required y.so\n",
		  "auth required x.so \\ \t\naccount\n" BLOCK "account required y.so\n" },
		{ "auth required x.so \\\n# why\n\n@b\naccount required y.so\n",
		  "auth required x.so \\\n# why\n\n@b\n" BLOCK "account required y.so\n" },
		{ "\\\naccount sufficient y.so\n", BLOCK "\\\naccount sufficient y.so\n" },
		{ "auth required x.so\n# open\nauth required y.so \\\n",
		  "auth required x.so\n" BLOCK "# open\nauth required y.so \\\n" },
		/* and what it does not */
		{ "auth required x.so \\ # why\naccount required y.so\n",
		  "auth required x.so \\ # why\n" BLOCK "account required y.so\n" },
		{ "# a \\\naccount required y.so\n", BLOCK "# a \\\naccount required y.so\n" },
		{ "auth required x.so \\\r\naccount required y.so\n",
		  "auth required x.so \\\r\n" BLOCK "account required y.so\n" },
		{ "@include common-auth\naccount required y.so\n",
		  BLOCK "@include common-auth\naccount required y.so\n" },
		{ "# here are the per-package modules (the \"Primary\" block)\n\naccount [success=1] pam_unix.so\n",
		  BLOCK "# here are the per-package modules (the \"Primary\" block)\n\n"
			"account [success=1] pam_unix.so\n" },
		{ "session required z.so", "session required z.so\n" BLOCK },
		{ "", BLOCK },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = NULL, *again = NULL;

		assert_int_equal(pam_add(cases[i].before, PAM_ACCOUNT, PAM_MODULE, &out), 0);
		assert_string_equal(out, cases[i].after);
		assert_int_equal(pam_place(out, "account", NULL, NULL, NULL, 0), PAM_PLACE_FIRST);
		assert_int_equal(pam_add(out, PAM_ACCOUNT, PAM_MODULE, &again), 0);
		assert_string_equal(again, out);
		free(again);
		free(out);
	}
}

static void pam_lines_of_both_stacks(void **state)
{
	static const char session[] = PAM_BEGIN "\nsession\trequired\t\t\tpam_subuid.so\n" PAM_END "\n";
	static const char both[] = PAM_BEGIN "\naccount\trequired\t\t\tpam_subuid.so\n"
					     "session\trequired\t\t\tpam_subuid.so\n" PAM_END "\n";
	char *out = NULL, *again = NULL, *back = NULL;

	(void)state;
	assert_int_equal(pam_add("# here are the per-package modules (the \"Primary\" block)\nsession optional x.so\n",
				 PAM_SESSION, PAM_MODULE, &out),
			 0);
	assert_memory_equal(out, session, sizeof(session) - 1);
	assert_int_equal(pam_place(out, "session", NULL, NULL, NULL, 0), PAM_PLACE_FIRST);
	assert_int_equal(pam_place(out, "account", NULL, NULL, NULL, 0), PAM_PLACE_ABSENT);
	free(out);
	/* a line that an older version put there gets its other half */
	assert_int_equal(pam_add("account required y.so\nsession sufficient z.so\n", PAM_ACCOUNT, PAM_MODULE, &out), 0);
	assert_int_equal(pam_add(out, PAM_ACCOUNT | PAM_SESSION, PAM_MODULE, &again), 0);
	assert_memory_equal(again, both, sizeof(both) - 1);
	assert_int_equal(pam_place(again, "session", NULL, NULL, NULL, 0), PAM_PLACE_FIRST);
	assert_int_equal(pam_remove(again, &back), 0);
	assert_string_equal(back, "account required y.so\nsession sufficient z.so\n");
	free(out);
	free(again);
	free(back);
	assert_int_equal(
		pam_place("session sufficient z.so\nsession required pam_subuid.so\n", "session", NULL, NULL, NULL, 0),
		PAM_PLACE_LATE);
}

#define AUTH_LINE PAM_AUTH_CONTROL PAM_MODULE "\n"
#define AUTH_BLOCK PAM_BEGIN "\n" AUTH_LINE PAM_END "\n"

/* As Fedora, Arch, Debian and openSUSE write the stack of sshd. */
static void auth_line_goes_before_whatever_may_end_the_stack(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "#%PAM-1.0\nauth       substack     password-auth\nauth include postlogin\naccount required x.so\n",
		  "#%PAM-1.0\n" AUTH_BLOCK
		  "auth       substack     password-auth\nauth include postlogin\naccount required x.so\n" },
		{ "#%PAM-1.0\n\nauth      include   system-remote-login\naccount   include   system-remote-login\n",
		  "#%PAM-1.0\n\n" AUTH_BLOCK
		  "auth      include   system-remote-login\naccount   include   system-remote-login\n" },
		{ "# Standard Un*x authentication.\n@include common-auth\naccount required pam_nologin.so\n", AUTH_BLOCK
		  "# Standard Un*x authentication.\n@include common-auth\naccount required pam_nologin.so\n" },
		{ "auth required pam_sepermit.so\nauth requisite pam_nologin.so\nauth include common-auth\n",
		  "auth required pam_sepermit.so\n"
		  "auth requisite pam_nologin.so\n" AUTH_BLOCK "auth include common-auth\n" },
		{ "auth required pam_unix.so\n", AUTH_BLOCK "auth required pam_unix.so\n" },
		{ "auth sufficient pam_env.so\n", AUTH_BLOCK "auth sufficient pam_env.so\n" },
		{ "auth required pam_env.so\naccount required x.so\n",
		  "auth required pam_env.so\n" AUTH_BLOCK "account required x.so\n" },
		/* a comment with the same words is none, and an old line of ours that is late goes to its place */
		{ "#" AUTH_LINE "auth include x\n", AUTH_BLOCK "#" AUTH_LINE "auth include x\n" },
		{ "auth include x\n" AUTH_BLOCK "account include x\n",
		  AUTH_BLOCK "auth include x\naccount include x\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_free char *out = NULL, *again = NULL;

		assert_int_not_equal(pam_place(cases[i].before, "auth", NULL, NULL, NULL, 0), PAM_PLACE_FIRST);
		assert_int_equal(pam_add(cases[i].before, PAM_AUTH, PAM_MODULE, &out), 0);
		assert_string_equal(out, cases[i].after);
		assert_int_equal(pam_place(out, "auth", NULL, NULL, NULL, 0), PAM_PLACE_FIRST);
		assert_int_equal(pam_own_stacks(out), PAM_AUTH);
		assert_int_equal(pam_add(out, PAM_AUTH, PAM_MODULE, &again), 0);
		assert_string_equal(again, out);
	}
	assert_int_equal(pam_place("auth required pam_subuid.so\n", "auth", NULL, NULL, NULL, 0), PAM_PLACE_ABSENT);
	assert_int_equal(pam_place("auth required pam_unix.so\n" AUTH_LINE, "auth", NULL, NULL, NULL, 0),
			 PAM_PLACE_LATE);
}

static void stacks_of_ours_are_between_our_marks(void **state)
{
	(void)state;
	assert_int_equal(pam_own_stacks(""), 0);
	assert_int_equal(pam_own_stacks(PAM_BEGIN "\n# account required pam_subuid.so\n" PAM_END "\n"), 0);
	assert_int_equal(pam_own_stacks("account required pam_subuid.so\n" AUTH_BLOCK), PAM_AUTH);
	assert_int_equal(pam_own_stacks(PAM_BEGIN
					"\naccount required pam_subuid.so\nsession required pam_subuid.so\n" PAM_END
					"\nauth required x.so\n"),
			 PAM_ACCOUNT | PAM_SESSION);
}

static void pam_line_stands_outside_the_block_of_pam_auth_update(void **state)
{
	char *out = NULL, *back = NULL, *ours, *primary;

	(void)state;
	assert_int_equal(pam_add(debian_account, PAM_ACCOUNT, PAM_MODULE, &out), 0);
	ours = strstr(out, "pam_subuid.so");
	primary = strstr(out, "# here are the per-package modules");
	assert_non_null(ours);
	assert_true(ours < primary);
	assert_int_equal(pam_remove(out, &back), 0);
	assert_string_equal(back, debian_account);
	free(out);
	free(back);
}

static void removing_from_an_edited_pam_file_leaves_the_rest(void **state)
{
	char *out = NULL;

	(void)state;
	assert_int_equal(pam_remove("a\n# subuidd: begin\naccount required pam_subuid.so services=sshd,su\n"
				    "account required mine.so\n# subuidd: end\nb\n",
				    &out),
			 0);
	assert_string_equal(out, "a\naccount required mine.so\nb\n");
	free(out);
	assert_int_equal(pam_remove("# subuidd: begin\naccount required pam_subuid.so\nb\n", &out), 0);
	assert_string_equal(out, "b\n");
	free(out);
}

static char *load_common(void *data, const char *name)
{
	return strcmp(name, "common-account") == 0 || strcmp(name, "system-auth") == 0 ? strdup(data) : NULL;
}

static void the_place_in_the_stack_is_found_through_includes(void **state)
{
	static const struct {
		const char *service, *common;
		enum pam_place place;
	} cases[] = {
		{ "@include common-account\n", BLOCK "account sufficient x.so\n", PAM_PLACE_FIRST },
		{ "account required pam_nologin.so\n@include common-account\n", BLOCK, PAM_PLACE_FIRST },
		{ "account sufficient pam_x.so\n@include common-account\n", BLOCK, PAM_PLACE_LATE },
		{ "account [success=2 default=bad] x.so\naccount include system-auth\n", BLOCK, PAM_PLACE_LATE },
		{ "account [success=ok default=bad] x.so\naccount include system-auth\n", BLOCK, PAM_PLACE_FIRST },
		{ "account [default=done] x.so\naccount substack system-auth\n", BLOCK, PAM_PLACE_LATE },
		{ "auth sufficient x.so\naccount include system-auth\n", BLOCK, PAM_PLACE_FIRST },
		{ "account include system-auth\n", "account required pam_unix.so\n", PAM_PLACE_ABSENT },
		{ "@include common-account\n", "account optional pam_subuid.so\n", PAM_PLACE_ABSENT },
		{ "@include common-account\n", "#account required pam_subuid.so\n", PAM_PLACE_ABSENT },
		{ "@include common-account\n", "account required \\\n  pam_subuid.so services=a\n", PAM_PLACE_FIRST },
		{ "@include common-account\n", "account required /lib/security/pam_subuid.so\n", PAM_PLACE_FIRST },
		{ "@include common-account\n", "@include common-account\n", PAM_PLACE_ABSENT },
		/* what a substack decides is decided for itself only */
		{ "account substack system-auth\n" BLOCK, "account sufficient x.so\n", PAM_PLACE_FIRST },
		{ "account include system-auth\n" BLOCK, "account sufficient x.so\n", PAM_PLACE_LATE },
	};
	cleanup_free char *debian_copy = strdup(debian_account);
	char options[64] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cleanup_free char *common = strdup(cases[i].common);

		assert_int_equal(pam_place(cases[i].service, "account", load_common, common, options, sizeof(options)),
				 cases[i].place);
		if (i == 10)
			assert_string_equal(options, "services=a");
	}
	assert_true(pam_has_account(debian_account, NULL, NULL));
	assert_true(pam_has_account("@include common-account\n", load_common, debian_copy));
	assert_false(pam_has_account("auth required x.so\n@include common-auth\n", load_common, debian_copy));
}

static char *load_itself(void *data, const char *name)
{
	(void)name;
	return strdup(data);
}

/* Eight deep, eight wide: 16 million files. */
static void files_that_include_each_other_come_to_an_end(void **state)
{
	static char text[] = "@include a\n@include a\n@include a\n@include a\n"
			     "@include a\n@include a\n@include a\n@include a\n";
	struct timespec before, after;

	(void)state;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	assert_false(pam_has_account(text, load_itself, text));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true(after.tv_sec - before.tv_sec < 2);
}

static void an_include_counts_in_the_global_part_only(void **state)
{
	static const char dir[] = "/etc/ssh", path[] = "/etc/ssh/sshd_config.d/50-subuidd.conf";

	(void)state;
	assert_true(sshd_config_includes("Include /etc/ssh/sshd_config.d/*.conf\n", dir, path));
	assert_true(sshd_config_includes("# x\ninclude sshd_config.d/*.conf # y\n", dir, path));
	assert_true(sshd_config_includes("Include=\"/etc/ssh/sshd_config.d/*.conf\"\n", dir, path));
	assert_true(sshd_config_includes("Include /a/*.conf /etc/ssh/sshd_config.d/50*\n", dir, path));
	assert_false(sshd_config_includes("#Include /etc/ssh/sshd_config.d/*.conf\n", dir, path));
	assert_false(sshd_config_includes("Match User x\nInclude /etc/ssh/sshd_config.d/*.conf\n", dir, path));
	assert_false(sshd_config_includes("Include /etc/ssh/*.conf\n", dir, path));
	assert_false(sshd_config_includes("", dir, path));
}

static void values_are_read_from_the_output_of_sshd(void **state)
{
	static const char output[] = "port 22\npermittty no\nauthorizedkeyscommand /x %u %t %k\n";
	char value[64];

	(void)state;
	sshd_value(output, "permittty", value, sizeof(value));
	assert_string_equal(value, "no");
	sshd_value(output, "authorizedkeyscommand", value, sizeof(value));
	assert_string_equal(value, "/x %u %t %k");
	sshd_value(output, "permit", value, sizeof(value));
	assert_string_equal(value, "");
}

static void differences_are_shown_line_by_line(void **state)
{
	char *shown = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&shown, &size);

	(void)state;
	text_diff(stream, "  ", "a\nb\nc\n", "a\nB\nc\nd\n");
	text_diff(stream, "  ", "", "new\n");
	text_diff(stream, "  ", "same\n", "same\n");
	fclose(stream);
	assert_string_equal(shown, "  -b\n  +B\n  +d\n  +new\n");
	free(shown);
}

static void sources_that_ask_over_a_network_are_known(void **state)
{
	char source[64] = "";

	(void)state;
	assert_false(
		nsswitch_needs_network("passwd: files subuid systemd sss\ngroup: compat winbind # nis\nhosts: dns\n",
				       false, source, sizeof(source)));
	assert_false(nsswitch_needs_network("# passwd: nis\n\nnetgroup: nis\n", false, source, sizeof(source)));
	assert_true(nsswitch_needs_network("passwd: files nis\n", false, source, sizeof(source)));
	assert_string_equal(source, "nis");
	assert_true(nsswitch_needs_network("passwd: files\n  group:\tfiles [!NOTFOUND=return SUCCESS=merge] hesiod",
					   false, source, sizeof(source)));
	assert_string_equal(source, "hesiod");
	assert_true(nsswitch_needs_network("initgroups: ldap\n", false, source, sizeof(source)));
	assert_string_equal(source, "ldap");
	assert_false(nsswitch_needs_network("passwd: files ldap\ngroup: files ldap\n", true, source, sizeof(source)));
	assert_false(nsswitch_needs_network("passwd: files [NOTFOUND=return nis\n", false, source, sizeof(source)));
}

static void the_line_of_fstab_comes_and_goes_alone(void **state)
{
	static const char line[] = "/var/lib/homes.img /srv/subuid btrfs loop 0 0";
	static const char *const texts[] = { "", "# none\n", "UUID=1 / ext4 defaults 0 1\n",
					     "# /dev/sda1 /srv/subuid ext4 0 0\nUUID=1 /srv/subuid2 xfs 0 0\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *with = NULL, *without = NULL, *again = NULL, *untouched = NULL;

		assert_int_equal(fstab_with(texts[i], "/srv/subuid", line, &with), 0);
		assert_non_null(strstr(with, line));
		assert_int_equal(fstab_with(with, "/srv/subuid", line, &again), -EEXIST);
		assert_null(again);
		assert_int_equal(fstab_without(with, &without), 0);
		assert_string_equal(without, texts[i]);
		assert_int_equal(fstab_without(texts[i], &untouched), 0);
		assert_string_equal(untouched, texts[i]);
		free(with);
		free(without);
		free(untouched);
	}
}

static void of_an_edited_fstab_only_our_line_goes(void **state)
{
	static const char edited[] = "a b c d 0 0\n" FSTAB_OURS "\nx /srv/subuid btrfs loop,noatime 0 0\ne f g h 0 0\n";
	static const char *const theirs[] = { "UUID=1 /srv/subuid xfs defaults 0 0\n", " \tsrv\t /srv/subuid" };
	char *out = NULL, *none = NULL;

	(void)state;
	assert_int_equal(fstab_without(edited, &out), 0);
	assert_string_equal(out, "a b c d 0 0\ne f g h 0 0\n");
	free(out);
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		assert_int_equal(fstab_with(theirs[i], "/srv/subuid", "x", &none), -EEXIST);
	assert_null(none);
}

static void lines_of_ours_are_added_and_taken_out(void **state)
{
	static const char before[] = "# who\nbob veth br0 3\n", edited[] = "carl veth br0 1\n";
	char *after = NULL, *now = NULL, *out = NULL;

	(void)state;
	assert_false(usernet_allows(before, "alice"));
	assert_false(usernet_allows("alicea veth br0 3\n@alice veth br0 3\n", "alice"));
	assert_true(usernet_allows("bob veth br0 3\nalice\tveth br0 3", "alice"));
	assert_int_equal(usernet_add("bob veth br0 3", "alice", &after), 0);
	assert_string_equal(after, "bob veth br0 3\nalice veth lxcbr0 10\n");
	free(after);
	assert_int_equal(usernet_add(before, "alice", &after), 0);
	assert_true(usernet_allows(after, "alice"));
	assert_true(asprintf(&now, "%s%s", after, edited) > 0);
	assert_int_equal(lines_take_out(now, before, after, &out), 0);
	assert_string_equal(out, "# who\nbob veth br0 3\ncarl veth br0 1\n");
	free(out);
	assert_int_equal(lines_take_out(after, "", after, &out), 0);
	assert_string_equal(out, "");
	free(out);
	free(now);
	free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nsswitch_lines_get_our_source_where_it_is_always_asked),
		cmocka_unit_test(adding_twice_changes_nothing),
		cmocka_unit_test(lines_of_ours_are_added_and_taken_out),
		cmocka_unit_test(after_adding_every_database_reaches_us),
		cmocka_unit_test(sources_that_ask_over_a_network_are_known),
		cmocka_unit_test(removing_takes_exactly_our_source),
		cmocka_unit_test(missing_databases_are_added_at_the_end),
		cmocka_unit_test(subid_asks_us_in_the_place_of_its_first_source),
		cmocka_unit_test(a_line_that_cannot_be_understood_is_refused_and_nothing_is_returned),
		cmocka_unit_test(an_unreachable_source_is_told_from_a_reachable_one),
		cmocka_unit_test(pam_line_goes_before_everything_that_may_skip_it),
		cmocka_unit_test(auth_line_goes_before_whatever_may_end_the_stack),
		cmocka_unit_test(stacks_of_ours_are_between_our_marks),
		cmocka_unit_test(pam_lines_of_both_stacks),
		cmocka_unit_test(pam_line_stands_outside_the_block_of_pam_auth_update),
		cmocka_unit_test(removing_from_an_edited_pam_file_leaves_the_rest),
		cmocka_unit_test(the_place_in_the_stack_is_found_through_includes),
		cmocka_unit_test(files_that_include_each_other_come_to_an_end),
		cmocka_unit_test(an_include_counts_in_the_global_part_only),
		cmocka_unit_test(values_are_read_from_the_output_of_sshd),
		cmocka_unit_test(differences_are_shown_line_by_line),
		cmocka_unit_test(the_line_of_fstab_comes_and_goes_alone),
		cmocka_unit_test(of_an_edited_fstab_only_our_line_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
