/* SPDX-License-Identifier: ISC */
/* Steps of setup: what must be installed, the directory of the homes, nsswitch.conf and PAM. Run by root, on
 * files that only root can change. */
#include "cli/daemon.h"
#include "cli/program.h"
#include "setup/setup.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "account/passwd.h"
#include "setup/text.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define PAM_MODULE_PATH LIBDIR "/security/" PAM_MODULE

#define file_cleanup __attribute__((cleanup(setup_file_done)))

/* ---- what must be there before anything is changed */

/* A PAM line whose module cannot be loaded keeps everybody out, an nsswitch source
 * that cannot be loaded is passed over in silence: so both are loaded here first. */
int module_check(const char *path, const char *symbol)
{
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const char *why;
	int r = 0;

	if (module == NULL || dlsym(module, symbol) == NULL) {
		why = dlerror();
		r = setup_fail(path, why != NULL ? why : "cannot be loaded", "run `make install` and `ldconfig` first");
	}
	if (module != NULL)
		dlclose(module);
	return r;
}

int step_installed(struct setup *setup)
{
	static const char *const programs[] = { LIBEXECDIR "/worker", LIBEXECDIR "/authorized-keys",
						LIBEXECDIR "/login",  LIBEXECDIR "/userdb",
						LIBEXECDIR "/state",  BINDIR "/subuid-rrsync" };

	entry_cleanup struct host_entry root = { 0 }, group = { 0 };

	(void)setup;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (access(programs[i], X_OK) != 0)
			return setup_fail_errno(programs[i], -errno, "run `make install` first");
	if (user_find("root", &root) < 0 || group_find("root", &group) < 0)
		return setup_fail(NSSWITCH_PATH, "the C library does not find root", "fix it first");
	if (module_check("libnss_subuid.so.2", "_nss_subuid_getpwnam_r") < 0)
		return -1;
	return module_check(PAM_MODULE_PATH, "pam_sm_acct_mgmt");
}

/* ---- directories */

int directory_make(struct setup *setup, const char *path, mode_t mode)
{
	cleanup_fd int parent = -1, made = -1;
	const char *name;
	struct stat st;

	if (lstat(path, &st) == 0) {
		if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 0022) != 0)
			return setup_fail(path, "already exists, but is not a directory that only root can write",
					  "move it away");
		say(path, "as it should be");
		return 0;
	}
	say_change(setup, path, "made");
	if (setup->dry_run)
		return 0;
	if (record_add(setup, json_pack("{s:s, s:s}", "kind", "directory", "name", path)) < 0)
		return -1;
	parent = file_directory_open(path, &name);
	made = parent < 0 ? parent : path_make_directory(parent, name, mode, 0);
	return made < 0 ? setup_fail_errno(path, made, "") : 0;
}

int step_directories(struct setup *setup)
{
	return directory_make(setup, HOMES_DIR, 0711);
}

int directory_revert(struct setup *setup, const json_t *deed)
{
	const char *path = json_string_value(json_object_get(deed, "name")), *name;
	cleanup_fd int parent = -1;

	if (access(path, F_OK) != 0 || strcmp(path, STATE_DIR) == 0) /* that one goes last, with the record */
		return 0;
	if (setup->dry_run) {
		say_change(setup, path, "removed, if it is empty");
		return 0;
	}
	parent = file_directory_open(path, &name);
	if (parent < 0)
		return setup_fail_errno(path, parent, "");
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0) {
		say_change(setup, path, "removed");
	} else if (errno == ENOTEMPTY || errno == EEXIST || errno == EBUSY) {
		say(path, "stays: it has data in it");
	} else {
		return setup_fail_errno(path, -errno, "");
	}
	return 0;
}

/* ---- nsswitch.conf */

int step_nsswitch(struct setup *setup)
{
	file_cleanup struct setup_file file = { 0 };
	cleanup_free char *text = NULL, *whole = NULL;
	int r = file_load(NSSWITCH_PATH, &file);

	if (r == 0)
		r = nsswitch_add(file.text, false, &text);
	if (r == 0)
		r = subid_place(setup, text, &whole);
	if (r == 1)
		return -1;
	if (r < 0)
		return setup_fail(NSSWITCH_PATH,
				  r == -E2BIG || r == -EBADMSG ? "a line cannot be understood" : file_why(r),
				  "add `subuid` behind `files` to passwd, group and shadow by hand");
	return file_change(setup, NSSWITCH_PATH, whole, "nsswitch");
}

/* ---- PAM */

static const char *pam_module(void)
{
	/* libpam looks for a bare name where its own modules are */
	return access(LIBDIR "/security/pam_unix.so", F_OK) == 0 ? PAM_MODULE : PAM_MODULE_PATH;
}

static unsigned pam_stacks(const char *name)
{
	if (strcmp(name, "common-account") == 0)
		return PAM_ACCOUNT;
	return strncmp(name, "common-session", 14) == 0 ? PAM_SESSION : PAM_ACCOUNT | PAM_SESSION;
}

static bool pam_there(const char *text, unsigned stacks)
{
	return ((stacks & PAM_ACCOUNT) == 0 || pam_place(text, "account", NULL, NULL, NULL, 0) == PAM_PLACE_FIRST) &&
	       ((stacks & PAM_SESSION) == 0 || pam_place(text, "session", NULL, NULL, NULL, 0) == PAM_PLACE_FIRST) &&
	       ((stacks & PAM_AUTH) == 0 || pam_place(text, "auth", NULL, NULL, NULL, 0) == PAM_PLACE_FIRST);
}

static int pam_file(struct setup *setup, const char *path, unsigned stacks)
{
	file_cleanup struct setup_file file = { 0 };
	cleanup_free char *text = NULL;
	int r = file_load(path, &file);

	if (r < 0)
		return setup_fail(path, file_why(r),
				  "put `account required " PAM_MODULE "` first in the account stack by hand");
	if (pam_there(file.text, stacks)) {
		say(path, "as it should be");
		return 0;
	}
	r = pam_add(file.text, stacks, pam_module(), &text);
	if (r < 0)
		return setup_fail_errno(path, r, "");
	return file_change(setup, path, text, "pam");
}

int step_pam(struct setup *setup)
{
	bool any = false;

	for (const char *const *const *list = pam_files; *list != NULL && !any; list++) {
		for (const char *const *name = *list; *name != NULL; name++) {
			char path[PATH_MAX];

			snprintf(path, sizeof(path), PAM_DIR "/%s", *name);
			if (access(path, F_OK) != 0)
				continue;
			if (pam_file(setup, path, pam_stacks(*name)) < 0)
				return -1;
			any = true;
		}
	}
	if (!any)
		return setup_fail(PAM_DIR, "none of the files that usually hold the account stack exists",
				  "put `account required " PAM_MODULE "` first in the account stack of sshd by hand");
	return 0;
}

/* ---- passwords, where the settings say so */

int passwords_wanted(char *why, size_t size)
{
	static const char *const argv[] = { SBINDIR "/subuidd", "--setting", "passwords", NULL };
	cleanup_free char *said = NULL;
	int status = command_run(argv, &said);

	if (status == 0 && (strcmp(said, "yes\n") == 0 || strcmp(said, "no\n") == 0))
		return said[0] == 'y';
	snprintf(why, size, "%s", said != NULL && said[0] != '\0' ? said : "cannot be read");
	why[strcspn(why, "\n")] = '\0';
	return -EINVAL;
}

/* sshd alone asks for passwords of sub-accounts. Lines that its file has of ours already, because no other one has
 * them, stay. */
int step_passwords(struct setup *setup)
{
	static const char path[] = PAM_DIR "/sshd";
	file_cleanup struct setup_file file = { 0 };
	char why[512];
	int wanted = passwords_wanted(why, sizeof(why));

	if (wanted < 0)
		return setup_fail("settings", why, SETTINGS_TODO);
	if (wanted == 0)
		return 0;
	if (file_load(path, &file) < 0 || !file.exists)
		return setup_fail(path, "cannot be read, or does not exist",
				  "put `" PAM_AUTH_CONTROL PAM_MODULE "` first in the stack of sshd by hand");
	if (pam_file(setup, path, PAM_AUTH | pam_own_stacks(file.text)) < 0)
		return -1;
	return systemd_runs() ? verify_enable(setup) : 0;
}
