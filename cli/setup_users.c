/* SPDX-License-Identifier: ISC */
/* The system users and groups, by the host's own shadow tools. */
#include "cli/setup.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static const char *const groups[] = { ACCOUNTS_GROUP, FORWARD_GROUP, WORKER_USER, KEYS_USER };

static const struct {
	const char *name, *comment;
} users[] = {
	{ WORKER_USER, "subuidd workers" },
	{ KEYS_USER, "subuidd sshd keys" },
};

static int group_make(struct setup *setup, const char *name)
{
	const char *const argv[] = { "groupadd", "--system", name, NULL };
	char what[64];

	snprintf(what, sizeof(what), "group %s", name);
	if (getgrnam(name) != NULL) {
		say(what, "as it should be");
		return 0;
	}
	say_change(setup, what, "made");
	if (setup->dry_run)
		return 0;
	if (record_add(setup, json_pack("{s:s, s:s}", "kind", "group", "name", name)) < 0)
		return -1;
	return command_must(argv, "make the group by hand and run it again");
}

/* A user of this name that is somebody's, or root, would run the workers with his rights. */
static int user_check(const struct passwd *entry, const char *what)
{
	const struct group *group = getgrnam(entry->pw_name);

	if (entry->pw_uid == 0 || group == NULL || group->gr_gid != entry->pw_gid)
		return setup_fail(what, "there already, but not as a system user with a group of its own",
				  "rename or remove it first");
	say(what, "as it should be");
	return 0;
}

static int user_make(struct setup *setup, const char *name, const char *comment)
{
	const char *shell = access("/usr/sbin/nologin", X_OK) == 0 ? "/usr/sbin/nologin" : "/sbin/nologin";
	const char *const argv[] = { "useradd", "--system", "--gid", name, "--no-create-home", "--home-dir",
				     "/nonexistent", "--shell", shell, "--comment", comment, name, NULL };
	const struct passwd *entry;
	char what[64];

	snprintf(what, sizeof(what), "user %s", name);
	entry = getpwnam(name);
	if (entry != NULL)
		return user_check(entry, what);
	say_change(setup, what, "made");
	if (setup->dry_run)
		return 0;
	if (record_add(setup, json_pack("{s:s, s:s}", "kind", "user", "name", name)) < 0)
		return -1;
	return command_must(argv, "make the user by hand and run it again");
}

int step_users(struct setup *setup)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (group_make(setup, groups[i]) < 0)
			return -1;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		if (user_make(setup, users[i].name, users[i].comment) < 0)
			return -1;
	return 0;
}

/* "There is none" counts only while lookups work at all: a broken nsswitch.conf knows nobody. */
static int gone(const char *what)
{
	if (getpwnam("root") != NULL && getgrnam("root") != NULL)
		return 0;
	return setup_fail(what, "the C library does not even find root", "mend " NSSWITCH_PATH);
}

int user_revert(struct setup *setup, const json_t *deed)
{
	const char *name = json_string_value(json_object_get(deed, "name"));
	const char *const argv[] = { "userdel", name, NULL };
	char what[64];

	snprintf(what, sizeof(what), "user %s", name);
	if (getpwnam(name) == NULL)
		return gone(what);
	say_change(setup, what, "removed");
	return setup->dry_run ? 0 : command_must(argv, "end its processes and run it again");
}

int group_revert(struct setup *setup, const json_t *deed)
{
	const char *name = json_string_value(json_object_get(deed, "name"));
	const char *const argv[] = { "groupdel", name, NULL };
	char what[64];

	snprintf(what, sizeof(what), "group %s", name);
	if (getgrnam(name) == NULL) /* userdel takes the group of the same name along */
		return gone(what);
	say_change(setup, what, "removed");
	return setup->dry_run ? 0 : command_must(argv, "remove it by hand and run it again");
}
