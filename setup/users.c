/* SPDX-License-Identifier: ISC */
/* The system users and groups, by the host's own shadow tools. */
#include "cli/program.h"
#include "setup/setup.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "account/passwd.h"

static const char *const groups[] = { ACCOUNTS_GROUP, FORWARD_GROUP, PASSWORDS_GROUP, BOTH_GROUP,  OWNERS_GROUP,
				      WORKER_USER,    KEYS_USER,     HOOK_USER,       USERDB_USER, VERIFY_USER };

static const struct {
	const char *name, *comment;
} users[] = {
	{ WORKER_USER, "subuidd workers" },   { KEYS_USER, "subuidd sshd keys" },
	{ HOOK_USER, "subuidd alarm hook" },  { USERDB_USER, "subuidd user database" },
	{ VERIFY_USER, "subuidd passwords" },
};

/* It is unknown whether the user exists, so nothing is added and nothing removed. */
static int no_answer(const char *what, int error)
{
	return setup_fail_errno(what, error, "run it again when the user database answers: see " NSSWITCH_PATH);
}

static int group_make(struct setup *setup, const char *name)
{
	const char *const argv[] = { "groupadd", "--system", name, NULL };
	entry_cleanup struct host_entry entry = { 0 };
	char what[64];
	int r;

	snprintf(what, sizeof(what), "group %s", name);
	r = group_find(name, &entry);
	if (r < 0 && r != -ENOENT)
		return no_answer(what, r);
	if (r == 0) {
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

/* If a person or root had this name, the workers would run with their rights. */
static int user_check(const struct passwd *entry, const char *what)
{
	entry_cleanup struct host_entry group = { 0 };
	int r = group_find(entry->pw_name, &group);

	if (r < 0 && r != -ENOENT)
		return no_answer(what, r);
	if (entry->pw_uid == 0 || r < 0 || group.group.gr_gid != entry->pw_gid)
		return setup_fail(what, "already exists, but not as a system user with a group of its own",
				  "rename or remove it first");
	say(what, "as it should be");
	return 0;
}

static int user_make(struct setup *setup, const char *name, const char *comment)
{
	const char *shell = access("/usr/sbin/nologin", X_OK) == 0 ? "/usr/sbin/nologin" : "/sbin/nologin";
	const char *const argv[] = { "useradd",    "--system",     "--gid",   name,  "--no-create-home",
				     "--home-dir", "/nonexistent", "--shell", shell, "--comment",
				     comment,      name,           NULL };
	entry_cleanup struct host_entry entry = { 0 };
	char what[64];
	int r;

	snprintf(what, sizeof(what), "user %s", name);
	r = user_find(name, &entry);
	if (r < 0 && r != -ENOENT)
		return no_answer(what, r);
	if (r == 0)
		return user_check(&entry.user, what);
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

/* "Does not exist" counts only while lookups work at all: a broken nsswitch.conf knows no user. */
static int gone(const char *what, int error)
{
	entry_cleanup struct host_entry root = { 0 };

	if (error != -ENOENT)
		return no_answer(what, error);
	if (user_find("root", &root) == 0 && group_find("root", &root) == 0)
		return 0;
	return setup_fail(what, "the C library does not even find root", "mend " NSSWITCH_PATH);
}

int user_revert(struct setup *setup, const json_t *deed)
{
	const char *name = json_string_value(json_object_get(deed, "name"));
	const char *const argv[] = { "userdel", name, NULL };
	entry_cleanup struct host_entry entry = { 0 };
	char what[64];
	int r = user_find(name, &entry);

	snprintf(what, sizeof(what), "user %s", name);
	if (r < 0)
		return gone(what, r);
	say_change(setup, what, "removed");
	return setup->dry_run ? 0 : command_must(argv, "end its processes and run it again");
}

int group_revert(struct setup *setup, const json_t *deed)
{
	const char *name = json_string_value(json_object_get(deed, "name"));
	const char *const argv[] = { "groupdel", name, NULL };
	entry_cleanup struct host_entry entry = { 0 };
	char what[64];
	int r = group_find(name, &entry);

	snprintf(what, sizeof(what), "group %s", name);
	if (r < 0) /* userdel takes the group of the same name along */
		return gone(what, r);
	say_change(setup, what, "removed");
	return setup->dry_run ? 0 : command_must(argv, "remove it by hand and run it again");
}
