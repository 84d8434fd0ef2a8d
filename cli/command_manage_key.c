/* SPDX-License-Identifier: ISC */
/* `subuid manage-key`: an owner's own keys, which manage the accounts over ssh (manage.c). */
#include "cli/subuid.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/passwd.h"
#include "cli/key.h"
#include "cli/new_key.h"
#include "cli/print.h"
#include "cli/rows.h"
#include "confine/cleanup.h"

#define OWNERS_GROUP "subuid-owners" /* setup/setup.h */
#define GROUPS_MOST 65536

static int add_parse(int argc, char **argv, struct new_key *key, const char **owner)
{
	int c, status = STATUS_DONE;

	while (status == STATUS_DONE && (c = option_next("manage-key add", argc, argv, &status)) > 0) {
		if (new_key_option(key, c, optarg))
			continue;
		if (c == 'c')
			key->comment = optarg;
		else if (c == 'o')
			*owner = optarg;
		else
			status = key_expires(optarg, &key->expires);
	}
	if (status != STATUS_DONE || c < 0)
		return -1 - status;
	status = operands_check("manage-key add", argc, 0, 1);
	if (status == STATUS_DONE && argc - optind == 1)
		key->file = argv[optind];
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

/* sshd asks for these keys of the group's members alone. If nobody knows, they are none. */
static bool is_member(const struct passwd *user)
{
	entry_cleanup struct host_entry group = { 0 };
	int count = 64, most;
	cleanup_free gid_t *groups = NULL;

	if (group_find(OWNERS_GROUP, &group) != 0)
		return false;
	for (most = count; most <= GROUPS_MOST; most = count) {
		free(steal_ptr(&groups));
		groups = calloc((size_t)most, sizeof(*groups));
		if (groups == NULL)
			return false;
		if (getgrouplist(user->pw_name, user->pw_gid, groups, &count) >= 0)
			break;
	}
	for (int i = 0; groups != NULL && most <= GROUPS_MOST && i < count; i++)
		if (groups[i] == group.group.gr_gid)
			return true;
	return false;
}

/* What still keeps the key from working: root's to change. */
static void hints_print(const char *owner)
{
	entry_cleanup struct host_entry entry = { 0 };

	if (user_find(owner, &entry) != 0)
		return;
	if (!is_member(&entry.user))
		printf("\nNot yet: sshd looks for such keys of members of " OWNERS_GROUP " alone. As root:\n\n"
		       "  usermod -a -G " OWNERS_GROUP " %s\n",
		       shown(owner));
	if (shell_refuses(entry.user.pw_shell))
		printf("\nNot yet: the login shell of %s, %s, runs nothing. As root, one that only manages:\n\n"
		       "  usermod -s " LIBEXECDIR "/login %s\n",
		       shown(owner), shown(entry.user.pw_shell), shown(owner));
}

static int print_added(json_t *reply, const struct new_key *key)
{
	json_t *added = json_object_get(reply, "key");
	const char *owner = json_text(added, "owner");

	if (common.json)
		return print_json(added);
	printf("%smanage key %llu of %s: %s\n", common.dry_run ? "would be added: " : "",
	       (unsigned long long)json_number(added, "id"), shown(owner), shown(json_text(added, "fingerprint")));
	if (common.dry_run)
		return STATUS_DONE;
	client_print(owner, owner, 0, key);
	hints_print(owner);
	return STATUS_DONE;
}

static int manage_key_add(int argc, char **argv)
{
	struct new_key key = { .file = "-", .role = "manage" };
	json_t *parameter, *parameters, *reply;
	const char *owner = NULL;
	int status = add_parse(argc, argv, &key, &owner);

	if (status < 0)
		return -1 - status;
	status = new_key_json(&key, &parameter);
	if (status != STATUS_DONE)
		return status;
	parameters = json_pack("{s:o, s:s*}", "key", parameter, "owner", owner);
	if (parameters == NULL)
		return usage_error("--owner", "not UTF-8", "");
	status = call_change("ManageKeyAdd", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	status = print_added(reply, &key);
	json_decref(reply);
	return status;
}

static int print_list(const json_t *keys)
{
	static const char *const heads[] = { ">ID", "OWNER", "FROM", "EXPIRES", "FINGERPRINT", "COMMENT", NULL };
	struct table table = TABLE(heads);
	char owner[OWNER_TEXT_MAX];
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key) {
		const char *from = json_text(key, "from");

		table_number(&table, json_number(key, "id"));
		table_cell(&table, owner_text(json_text(key, "owner"), json_number(key, "uid"), owner, sizeof(owner)));
		table_cell(&table, from[0] != '\0' ? from : "any");
		table_cell(&table, time_text((int64_t)json_number(key, "expires")));
		table_cell(&table, json_text(key, "fingerprint"));
		table_cell(&table, json_text(key, "comment"));
	}
	return table_print(&table);
}

static int manage_key_list(int argc, char **argv)
{
	json_t *parameters, *keys;
	int status = owner_all_parameters("manage-key list", argc, argv, &parameters);

	if (status < 0)
		return -1 - status;
	status = call_list("ManageKeyList", parameters, "key", &keys);
	if (status != STATUS_DONE)
		return status;
	status = common.json ? print_json(keys) : print_list(keys);
	json_decref(keys);
	return status;
}

static int manage_key_remove(int argc, char **argv)
{
	const char *owner = NULL, *which;
	json_t *parameters, *reply;
	int c, status = STATUS_DONE;

	while ((c = option_next("manage-key remove", argc, argv, &status)) > 0)
		owner = optarg;
	if (c < 0)
		return status;
	status = operands_check("manage-key remove", argc, 1, 1);
	if (status != STATUS_DONE)
		return status;
	which = argv[optind];
	parameters = json_pack("{s:s*}", "owner", owner);
	if (parameters == NULL)
		return usage_error("--owner", "not UTF-8", "");
	status = key_which(which, parameters);
	if (status != STATUS_DONE) {
		json_decref(parameters);
		return status;
	}
	status = call_change("ManageKeyRemove", parameters, &reply);
	if (status != STATUS_DONE)
		return status;
	if (common.json)
		status = print_json(reply);
	else
		printf(common.dry_run ? "would be removed: manage key %s\n" : "manage key %s is removed\n",
		       shown(which));
	json_decref(reply);
	return status;
}

int command_manage_key(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{ "add", manage_key_add },
		{ "list", manage_key_list },
		{ "remove", manage_key_remove },
		{ NULL, NULL },
	};

	return subcommand_run(commands, "manage-key", argc, argv);
}
