/* SPDX-License-Identifier: ISC */
/*
 * `subuid doctor`: what is installed and configured on this host: programs, rsync, the NSS and PAM modules,
 * nsswitch.conf, PAM, system users. Run by root, and loads both modules into its own process, as sshd will.
 */
#include "cli/program.h"
#include "setup/doctor.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "account/passwd.h"
#include "account/id.h"
#include "setup/setup.h"
#include "setup/text.h"
#include "cli/subuid.h"
#include "confine/cleanup.h"
#include "confine/path.h"

#define file_cleanup __attribute__((cleanup(setup_file_done)))
#define SETUP_TODO "run `subuid setup`"
#define INSTALL_TODO "run `make install`, or install the package"

/* ---- installed parts */

/* If a program's own user may read its file, anyone with that uid can write into the process before it has hardened
 * itself. */
static bool check_unreadable(struct doctor *doctor, int directory, const char *name, const struct stat *st)
{
	cleanup_fd int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if ((st->st_mode & 0044) == 0 && (fd < 0 || fgetxattr(fd, "system.posix_acl_access", NULL, 0) <= 0))
		return true;
	found_f(doctor, FINDING_BAD, "programs", "chmod 0711 " LIBEXECDIR "/NAME, without an ACL",
		LIBEXECDIR "/%s can be read by users other than root: anyone who has its uid can take it over", name);
	return false;
}

/* With 1 a process can be written to even though its program may not be read. */
static bool check_dumpable(struct doctor *doctor)
{
	cleanup_fd int fd = open("/proc/sys/fs/suid_dumpable", O_RDONLY | O_CLOEXEC);
	char value = '0';

	if (fd < 0 || read(fd, &value, 1) != 1 || value != '1')
		return true;
	found(doctor, FINDING_BAD, "programs",
	      "fs.suid_dumpable is 1: anyone who has the uid of a set-uid program, or of one of ours, can take it over",
	      "sysctl -w fs.suid_dumpable=0, and take it out of /etc/sysctl.d");
	return false;
}

static void check_programs(struct doctor *doctor)
{
	static const struct {
		const char *name;
		bool secret; /* somebody else may have its uid, and could write into a process that has just started */
	} programs[] = { { "worker", true },
			 { "authorized-keys", true },
			 { "login", true },
			 { "userdb", true },
			 { "state", false } };
	cleanup_fd int directory = path_open_trusted(LIBEXECDIR, O_RDONLY);
	struct stat st;
	bool good = directory >= 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]) && directory >= 0; i++) {
		if (fstatat(directory, programs[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    st.st_uid == 0 && (st.st_mode & 0022) == 0 && (st.st_mode & 0111) == 0111) {
			good &= !programs[i].secret || check_unreadable(doctor, directory, programs[i].name, &st);
			continue;
		}
		good = false;
		found_f(doctor, FINDING_BAD, "programs", INSTALL_TODO,
			LIBEXECDIR "/%s is missing, or is not a program that belongs to root and only root can write",
			programs[i].name);
	}
	if (directory < 0)
		found_error(doctor, "programs", directory, INSTALL_TODO);
	if (stat(BINDIR "/subuid-rrsync", &st) != 0 || st.st_uid != 0 || (st.st_mode & 0022) != 0) {
		good = false;
		found(doctor, FINDING_BAD, "programs", BINDIR "/subuid-rrsync is missing, or does not belong to root",
		      INSTALL_TODO);
	}
	good &= check_dumpable(doctor);
	if (good)
		found(doctor, FINDING_GOOD, "programs", "in place, and only root can write them", "");
}

static void check_rsync(struct doctor *doctor)
{
	static const char *const argv[] = { "rsync", "--version", NULL };
	cleanup_free char *output = NULL;
	int status = command_run(argv, &output);

	if (status != 0) {
		found(doctor, FINDING_BAD, "rsync", "not installed, so that every push fails", "apt-get install rsync");
		return;
	}
	output[strcspn(output, "\n")] = '\0';
	found(doctor, FINDING_GOOD, "rsync", output, "");
}

static void check_newuidmap(struct doctor *doctor)
{
	if (!command_exists("newuidmap"))
		found(doctor, FINDING_NOTE, "newuidmap", "not installed: no containers and no `subuid exec`",
		      "apt-get install uidmap");
}

static void check_nss_module(struct doctor *doctor)
{
	void *module = dlopen("libnss_subuid.so.2", RTLD_NOW | RTLD_LOCAL);
	entry_cleanup struct host_entry entry = { 0 };
	int r;

	if (module == NULL) {
		found(doctor, FINDING_BAD, "NSS module", dlerror(), INSTALL_TODO ", and run ldconfig");
		return;
	}
	dlclose(module);
	if (!doctor->has_account) {
		found(doctor, FINDING_GOOD, "NSS module", "can be loaded; there is no account to look up yet", "");
		return;
	}
	r = user_find(doctor->account.name, &entry);
	if (r < 0 && r != -ENOENT)
		found_error(doctor, "NSS module", r, DOUBT_TODO);
	else if (r < 0 || entry.user.pw_uid != doctor->account.uid)
		found_f(doctor, FINDING_BAD, "NSS module", SETUP_TODO "; restart nscd if it runs",
			"the C library does not find %s as uid %u", doctor->account.name, doctor->account.uid);
	else
		found_f(doctor, FINDING_GOOD, "NSS module", "", "the C library finds %s as uid %u", entry.user.pw_name,
			entry.user.pw_uid);
}

static void check_pam_module(struct doctor *doctor)
{
	void *module = dlopen(LIBDIR "/security/" PAM_MODULE, RTLD_NOW | RTLD_LOCAL);

	if (module == NULL || dlsym(module, "pam_sm_acct_mgmt") == NULL)
		found(doctor, FINDING_BAD, "PAM module", module == NULL ? dlerror() : "lacks pam_sm_acct_mgmt",
		      INSTALL_TODO);
	else
		found(doctor, FINDING_GOOD, "PAM module", "can be loaded", "");
	if (module != NULL)
		dlclose(module);
}

/* ---- nsswitch.conf */

static void check_nsswitch(struct doctor *doctor)
{
	static const char *const databases[] = { "passwd", "group", "shadow" };
	file_cleanup struct setup_file file = { 0 };
	bool good = true;
	char source[64];
	int r = file_load(NSSWITCH_PATH, &file);

	if (r < 0) {
		found(doctor, FINDING_BAD, "nsswitch", file_why(r), "");
		return;
	}
	for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++) {
		if (nsswitch_reaches(file.text, databases[i]))
			continue;
		good = false;
		found_f(doctor, FINDING_BAD, "nsswitch", SETUP_TODO, "%s does not ask us, or not always", databases[i]);
	}
	nsswitch_first_source(file.text, "initgroups", source, sizeof(source));
	if (source[0] != '\0' && !nsswitch_reaches(file.text, "initgroups")) {
		good = false;
		found(doctor, FINDING_BAD, "nsswitch",
		      "initgroups does not ask us, so that sub-accounts are not in their group", SETUP_TODO);
	}
	if (good)
		found(doctor, FINDING_GOOD, "nsswitch", "passwd, group and shadow ask us", "");
	doctor_subid(doctor, file.text);
}

/* ---- PAM */

char *doctor_service(void *data, const char *name)
{
	file_cleanup struct setup_file file = { 0 };
	char path[PATH_MAX];

	(void)data;
	if (name[0] == '/')
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), PAM_DIR "/%s", name);
	if (file_load(path, &file) < 0 || !file.exists)
		return NULL;
	return steal_ptr(&file.text);
}

static void check_pam_sshd(struct doctor *doctor)
{
	cleanup_free char *text = doctor_service(NULL, "sshd");
	char options[256] = "";

	if (text == NULL)
		text = doctor_service(NULL, "other");
	switch (text == NULL ? PAM_PLACE_ABSENT :
			       pam_place(text, "account", doctor_service, NULL, options, sizeof(options))) {
	case PAM_PLACE_FIRST:
		if (options[0] != '\0' && strncmp(options, "services=", 9) != 0)
			found_f(doctor, FINDING_BAD, "PAM: sshd", "see pam_subuid(8)", "unknown option: %s", options);
		else
			found_f(doctor, FINDING_GOOD, "PAM: sshd", "", "%s is asked in every case%s%s", PAM_MODULE,
				options[0] != '\0' ? ", " : "", options);
		return;
	case PAM_PLACE_LATE:
		found(doctor, FINDING_BAD, "PAM: sshd", "a module before " PAM_MODULE " may end the account stack",
		      "move our line to the top of the account stack in " PAM_DIR);
		return;
	case PAM_PLACE_ABSENT:
		break;
	}
	found(doctor, FINDING_BAD, "PAM: sshd", PAM_MODULE " is not required, so that locked accounts can log in",
	      SETUP_TODO);
}

static void check_pam_sessions(struct doctor *doctor)
{
	cleanup_free char *text = doctor_service(NULL, "sshd");

	if (text != NULL && pam_place(text, "session", doctor_service, NULL, NULL, 0) == PAM_PLACE_FIRST)
		found(doctor, FINDING_GOOD, "PAM: sshd sessions", "each key has a limit of connections at once", "");
	else
		found(doctor, FINDING_BAD, "PAM: sshd sessions",
		      PAM_MODULE " is not in the session stack, so that one key can take all places of its account",
		      SETUP_TODO);
}

/* A service that does not ask us (su, cron, …) admits sub-accounts, which it should not. */
static void check_pam_others(struct doctor *doctor)
{
	cleanup_dir DIR *directory = opendir(PAM_DIR);
	char list[512] = "";
	const struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		cleanup_free char *text = NULL;
		size_t used = strlen(list);

		if (entry->d_name[0] == '.' || strncmp(entry->d_name, "common-", 7) == 0 ||
		    strcmp(entry->d_name, "sshd") == 0)
			continue;
		text = doctor_service(NULL, entry->d_name);
		if (text == NULL || !pam_has_account(text, doctor_service, NULL) ||
		    pam_place(text, "account", doctor_service, NULL, NULL, 0) == PAM_PLACE_FIRST)
			continue;
		snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "", entry->d_name);
	}
	if (list[0] != '\0')
		found_f(doctor, FINDING_NOTE, "PAM: other services",
			"put our line there too if they open sessions for other users", "without %s: %s", PAM_MODULE,
			list);
}

/* ---- users and groups */

/* A user and the group of its name. */
static int user_there(const char *name)
{
	entry_cleanup struct host_entry user = { 0 }, group = { 0 };
	int r = user_find(name, &user);

	if (r == 0 && user.user.pw_uid == 0)
		r = -ENOENT;
	return r < 0 ? r : group_find(name, &group);
}

/* r: result of the look-up. False, after reporting that it does not exist, or that this is unknown. */
static bool there(struct doctor *doctor, int r, const char *what, const char *name)
{
	if (r == -ENOENT)
		found_f(doctor, FINDING_BAD, "system users", SETUP_TODO, "%s%s does not exist", what, name);
	else if (r < 0)
		found_error(doctor, "system users", r, DOUBT_TODO);
	return r == 0;
}

static bool check_accounts_group(struct doctor *doctor)
{
	entry_cleanup struct host_entry entry = { 0 };
	const struct group *group = &entry.group;

	if (!there(doctor, group_find(ACCOUNTS_GROUP, &entry), "the group ", ACCOUNTS_GROUP))
		return false;
	if (doctor->index_error == 0 && group->gr_gid != doctor->host.subuids_gid) {
		found(doctor, FINDING_BAD, "system users",
		      "the group " ACCOUNTS_GROUP " has another number than the index says", "restart subuidd");
		return false;
	}
	if (group->gr_mem == NULL || group->gr_mem[0] == NULL)
		return true;
	found_f(doctor, FINDING_BAD, "system users", "take them out with `gpasswd -d`",
		"%s is in the group " ACCOUNTS_GROUP ", so that sshd treats them as a sub-account", group->gr_mem[0]);
	return false;
}

static void check_users(struct doctor *doctor)
{
	static const char *const users[] = { WORKER_USER, KEYS_USER, HOOK_USER, USERDB_USER, VERIFY_USER };
	entry_cleanup struct host_entry forward = { 0 }, passwords = { 0 }, both = { 0 };
	bool good = true;

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		good &= there(doctor, user_there(users[i]), users[i], ", or its group,");
	good &= check_accounts_group(doctor);
	good &= there(doctor, group_find(FORWARD_GROUP, &forward), "the group ", FORWARD_GROUP);
	good &= there(doctor, group_find(PASSWORDS_GROUP, &passwords), "the group ", PASSWORDS_GROUP);
	good &= there(doctor, group_find(BOTH_GROUP, &both), "the group ", BOTH_GROUP);
	if (good)
		found(doctor, FINDING_GOOD, "system users",
		      WORKER_USER ", " KEYS_USER ", " HOOK_USER ", " USERDB_USER ", " VERIFY_USER
				  ", group " ACCOUNTS_GROUP,
		      "");
}

static void check_network(struct doctor *doctor)
{
	char why[160];

	if (network_lacking(why, sizeof(why)))
		found_f(doctor, FINDING_BAD, "network", SETUP_TODO, "%s, and " SERVICE_UNIT " has none", why);
}

void doctor_host(struct doctor *doctor)
{
	check_programs(doctor);
	check_rsync(doctor);
	check_newuidmap(doctor);
	check_nss_module(doctor);
	check_pam_module(doctor);
	check_nsswitch(doctor);
	check_pam_sshd(doctor);
	check_pam_sessions(doctor);
	check_pam_others(doctor);
	check_users(doctor);
	doctor_linger(doctor);
	check_network(doctor);
	if (doctor->index_error == 0)
		doctor_subid_files(doctor);
	if (access("/run/nscd/socket", F_OK) == 0)
		found(doctor, FINDING_NOTE, "nscd", "runs: a lock or removal may be seen late through its cache",
		      "no need for it here: `systemctl disable --now nscd`");
}
