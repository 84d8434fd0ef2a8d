/* SPDX-License-Identifier: ISC */
/* sshd's configuration: changed only if sshd itself says that the result means what it should. */
#include "cli/program.h"
#include "setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/key_words.h"
#include "account/passwd.h"
#include "setup/text.h"
#include "confine/cleanup.h"

#define PROBE_DIR "/run"
#define PROBE_GROUP PROBE_DIR "/group"
#define PROBE_KEY PROBE_DIR "/hostkey"

#define file_cleanup __attribute__((cleanup(setup_file_done)))

const struct sshd_demand sshd_demands[] = {
	{ "authorizedkeysfile", "none" },
	{ "authorizedkeyscommand", LIBEXECDIR "/authorized-keys %u %t %k" },
	{ "authorizedkeyscommanduser", KEYS_USER },
	{ "authenticationmethods", "publickey" },
	{ "passwordauthentication", "no" },
	{ "kbdinteractiveauthentication", "no" },
	{ "hostbasedauthentication", "no" },
	{ "trustedusercakeys", "none" },
	{ "permituserenvironment", "no" },
	{ "forcecommand", "none" },
	{ "chrootdirectory", "none" },
	{ "permituserrc", "no" },
	{ "permittunnel", "no" },
	{ "disableforwarding", "yes" },
	{ "usepam", "yes" },
	{ NULL, NULL },
};

const struct sshd_demand sshd_password_demands[] = {
	{ "authenticationmethods", "publickey password keyboard-interactive:pam" },
	{ "passwordauthentication", "yes" },
	{ "kbdinteractiveauthentication", "yes" },
	{ "permitemptypasswords", "no" },
	{ "forcecommand", GRANTED },
	{ "disableforwarding", "yes" },
	{ NULL, NULL },
};

/* Only what a manage key needs: anything else of an owner's logins is the host's. A command that is forced by sshd
 * comes before that of the key. */
const struct sshd_demand sshd_owner_demands[] = {
	{ "authorizedkeyscommand", LIBEXECDIR "/authorized-keys %u %t %k %U" },
	{ "authorizedkeyscommanduser", KEYS_USER },
	{ "pubkeyauthentication", "yes" },
	{ "forcecommand", "none" },
	{ NULL, NULL },
};

const struct sshd_demand *sshd_unmet(const struct sshd_demand *demands, const char *output)
{
	for (const struct sshd_demand *demand = demands; demand->keyword != NULL; demand++) {
		char value[512];

		sshd_value(output, demand->keyword, value, sizeof(value));
		if (strcmp(value, demand->value) != 0)
			return demand;
	}
	return NULL;
}

/* ---- asking sshd */

/* /etc/group as it is, and one line more that makes user a member. In this mount namespace only. */
static int member_mount(const char *user, const char *name)
{
	entry_cleanup struct host_entry group = { 0 };
	file_cleanup struct setup_file file = { 0 };
	cleanup_file FILE *out = NULL;
	int r = group_find(name, &group);

	if (r < 0)
		return r;
	r = file_load(SYSCONFDIR "/group", &file);
	if (r < 0)
		return r;
	out = fopen(PROBE_GROUP, "we");
	if (out == NULL)
		return -errno;
	fprintf(out, "%s%s:x:%u:%s\n", file.text, name, group.group.gr_gid, user);
	if (fclose(steal_ptr(&out)) != 0)
		return -errno;
	return mount(PROBE_GROUP, SYSCONFDIR "/group", NULL, MS_BIND, NULL) == 0 ? 0 : -errno;
}

/* An empty /run: no nscd that answers from before, and the directory that sshd wants. */
static int probe_enter(const char *user, const char *group)
{
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("subuid", PROBE_DIR, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0 ||
	    mkdir(PROBE_DIR "/sshd", 0755) != 0)
		return -errno;
	return group != NULL ? member_mount(user, group) : 0;
}

static int sshd_run(const char *user, char **output)
{
	static const char *const keygen[] = { "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", (PROBE_KEY), NULL };
	char spec[128] = "";
	const char *argv[] = { "sshd", "-t", NULL, NULL, NULL, NULL, NULL };
	size_t count = 2;
	int status;

	if (user != NULL) {
		snprintf(spec, sizeof(spec), "user=%s,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22", user);
		argv[1] = "-T";
		argv[count++] = "-C";
		argv[count++] = spec;
	}
	status = command_run(argv, output);
	/* An image whose host keys are made at its first boot: one that is never used will do. */
	if (status <= 0 || strstr(*output, "no hostkeys available") == NULL || command_run(keygen, NULL) != 0)
		return status;
	free(steal_ptr(output));
	argv[count++] = "-h";
	argv[count] = PROBE_KEY;
	return command_run(argv, output);
}

/* Runs in the child: its answer goes into the shared memory. */
static int probe(const char *user, const char *group, int answer)
{
	cleanup_free char *output = NULL;
	int status = probe_enter(user, group);

	if (status == 0)
		status = sshd_run(user, &output);
	if (output != NULL && write(answer, output, strlen(output)) != (ssize_t)strlen(output))
		status = -EIO;
	return status < 0 ? 255 : status;
}

static int answer_read(int answer, char **output)
{
	off_t size = lseek(answer, 0, SEEK_END);
	cleanup_free char *text = size < 0 ? NULL : calloc(1, (size_t)size + 1);

	if (text == NULL)
		return -ENOMEM;
	if (pread(answer, text, (size_t)size, 0) != size)
		return -EIO;
	*output = steal_ptr(&text);
	return 0;
}

int sshd_ask(const char *user, const char *group, char **output)
{
	cleanup_fd int answer = memfd_create("answer", MFD_CLOEXEC);
	int status, r;
	pid_t pid;

	if (answer < 0)
		return -errno;
	if (!command_exists("sshd"))
		return -ENOENT;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(probe(user, group, answer));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -ECHILD;
	r = answer_read(answer, output);
	return r < 0 ? r : WEXITSTATUS(status);
}

/* ---- the step */

/* sshd's answer, or -1 after saying why there is none. */
static int ask(const char *user, const char *group, char **output, const char *todo)
{
	int status = sshd_ask(user, group, output);

	if (status == 0 && *output != NULL)
		return 0;
	if (status < 0)
		setup_fail_errno("sshd", status, todo);
	else if (*output == NULL)
		setup_fail("sshd", "cannot be asked", todo);
	else {
		(*output)[strcspn(*output, "\n")] = '\0';
		setup_fail("sshd", (*output)[0] != '\0' ? *output : "cannot be asked in a mount namespace", todo);
	}
	return -1;
}

static int before_check(const char *output)
{
	char value[64];

	sshd_value(output, "permituserenvironment", value, sizeof(value));
	if (strcmp(value, "no") != 0)
		return setup_fail("PermitUserEnvironment",
				  "it is not `no`, so that a sub-account could set the environment "
				  "of its logins",
				  "set it to `no` in " SSHD_CONFIG " (it cannot be set for some users only)");
	sshd_value(output, "usepam", value, sizeof(value));
	if (strcmp(value, "yes") != 0)
		return setup_fail("UsePAM", "it is not `yes`, so that locked accounts could log in",
				  "set it to `yes` in " SSHD_CONFIG);
	return 0;
}

static int include_check(struct setup *setup)
{
	file_cleanup struct setup_file config = { 0 };
	int r = file_load(SSHD_CONFIG, &config);

	if (r < 0 || !config.exists)
		return setup_fail(SSHD_CONFIG, r < 0 ? file_why(r) : "it does not exist", "");
	if (!sshd_config_includes(config.text, SSHD_DIR, SSHD_DROPIN))
		return setup_fail(SSHD_CONFIG, "does not include " SSHD_DROPIN_DIR "/*.conf",
				  "put `Include " SSHD_DROPIN_DIR "/*.conf` at its top");
	return directory_make(setup, SSHD_DROPIN_DIR, 0755);
}

static int demand_fail(const char *whose, const struct sshd_demand *unmet, const char *output)
{
	char why[600], value[400];

	sshd_value(output, unmet->keyword, value, sizeof(value));
	snprintf(why, sizeof(why), "for %s `%s` is `%s` and not `%s`", whose, unmet->keyword, value, unmet->value);
	return setup_fail("sshd", why, "another Match block comes first: move it behind " SSHD_DROPIN);
}

/* What a member of this group gets must be what we demand of it. */
static int group_check(const char *whose, const char *group, const struct sshd_demand *demands)
{
	cleanup_free char *output = NULL;
	const struct sshd_demand *unmet;

	if (ask(KEYS_USER, group, &output, "the drop-in is taken out again") < 0)
		return -1;
	unmet = sshd_unmet(demands, output);
	return unmet != NULL ? demand_fail(whose, unmet, output) : 0;
}

static int passwords_check(void)
{
	char why[512];
	int wanted = passwords_wanted(why, sizeof(why));

	if (wanted < 0)
		return setup_fail("settings", why, SETTINGS_TODO);
	return wanted == 0 ? 0 : group_check("an account with passwords", PASSWORDS_GROUP, sshd_password_demands);
}

/* For root nothing may have changed, and a member of a group of ours must get all of its settings. */
static int after_check(const char *before)
{
	cleanup_free char *root = NULL, *owner = NULL, *test = NULL;

	if (ask(NULL, NULL, &test, "the drop-in is taken out again") < 0 ||
	    ask("root", NULL, &root, "the drop-in is taken out again") < 0 ||
	    ask(KEYS_USER, OWNERS_GROUP, &owner, "the drop-in is taken out again") < 0)
		return -1;
	if (strcmp(root, before) != 0) {
		text_diff(stdout, "  ", before, root);
		return setup_fail(SSHD_DROPIN, "changes what sshd does for root", "see the difference above");
	}
	if (group_check("a sub-account", ACCOUNTS_GROUP, sshd_demands) < 0 || passwords_check() < 0)
		return -1;
	/* how owners log in is the host's to say: doctor tells whose manage keys do not work, or would give more */
	if (sshd_unmet(sshd_owner_demands, owner) != NULL)
		say("sshd", "manage keys of owners do not work here: see `subuid doctor`");
	return 0;
}

/* Whether this sshd has the timeouts that end a connection without a command. */
static bool knows_timeouts(void)
{
	static const char *const argv[] = {
		"sshd", "-T", "-f", "/dev/null", "-o", "UnusedConnectionTimeout=60", "-o", "ChannelTimeout=session=60",
		NULL
	};
	cleanup_free char *output = NULL;
	int status = command_run(argv, &output);

	/* it may fail for another reason than not knowing them: no host keys yet */
	return status == 0 || (status > 0 && strstr(output, "onfiguration option") == NULL);
}

/* The package's file with this host's timeout in it, or without the lines that need one. */
static int dropin_make(const char *source, char **wanted)
{
	static const char *const argv[] = { SBINDIR "/subuidd", "--setting", "unused_seconds", NULL };
	cleanup_free char *seconds = NULL;
	bool known = knows_timeouts();

	if (command_run(argv, &seconds) != 0)
		return setup_fail("settings", seconds != NULL ? seconds : "cannot be read", SETTINGS_TODO);
	seconds[strcspn(seconds, "\n")] = '\0';
	if (sshd_dropin(source, known && strcmp(seconds, "0") != 0 ? seconds : NULL, wanted) < 0)
		return setup_fail_errno(SSHD_DROPIN, -ENOMEM, "");
	if (!known)
		say("sshd", "older than 9.2: a connection without a command stays until its client leaves; only the "
			    "number of connections is limited");
	return 0;
}

/* True if the drop-in exists and is neither what we would write nor what we last wrote. */
static bool edited(const struct setup *setup, const struct setup_file *now, const char *wanted)
{
	return now->exists && strcmp(now->text, wanted) != 0 && !record_has(setup, "file", SSHD_DROPIN);
}

int step_sshd(struct setup *setup)
{
	file_cleanup struct setup_file source = { 0 }, now = { 0 };
	cleanup_free char *before = NULL, *wanted = NULL;
	unsigned changes = setup->changes;
	int r;

	if (!command_exists("sshd")) {
		say("sshd", "not installed: nobody can log in by ssh; install it and run this again");
		return 0;
	}
	if (ask("root", NULL, &before, "fix its configuration first") < 0 || before_check(before) < 0 ||
	    include_check(setup) < 0)
		return -1;
	r = file_load(SSHD_DROPIN_SOURCE, &source);
	if (r < 0 || !source.exists)
		return setup_fail(SSHD_DROPIN_SOURCE, r < 0 ? file_why(r) : "it does not exist",
				  "run `make install` first");
	r = file_load(SSHD_DROPIN, &now);
	if (r < 0)
		return setup_fail(SSHD_DROPIN, file_why(r), "move it away");
	if (dropin_make(source.text, &wanted) < 0)
		return -1;
	if (edited(setup, &now, wanted))
		return setup_fail(SSHD_DROPIN, "already exists, and is not ours", "move it away");
	if (file_change(setup, SSHD_DROPIN, wanted, "whole") < 0)
		return -1;
	setup->sshd_changed = setup->changes != changes;
	return setup->dry_run ? 0 : after_check(before);
}
