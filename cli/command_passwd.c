/* SPDX-License-Identifier: ISC */
/* `subuid passwd add`, `list` and `remove`: app passwords, for clients that have no keys. To the daemon they are keys.
 */
#include "cli/subuid.h"

#include <string.h>
#include <sys/prctl.h>

#include "account/password.h"
#include "account/role.h"
#include "cli/key.h"
#include "cli/new_key.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rows.h"

/* Shown once: the daemon keeps a hash of it alone. */
static void print_added(json_t *reply)
{
	const json_t *added = json_object_get(reply, "key");

	printf("%spassword %llu of %s: %s\n", common.dry_run ? "would be added: " : "",
	       (unsigned long long)json_number(added, "id"), shown(json_text(added, "account")),
	       shown(json_text(added, "role")));
	if (!common.dry_run)
		printf("\n  %s\n\nIt is not shown again. Upper case, blanks and hyphens make no difference.\n",
		       shown(json_text(reply, "password")));
}

static int passwd_add(int argc, char **argv)
{
	struct new_key key = { 0 };
	json_t *parameters, *object, *reply;
	int status = key_options("passwd add", 't', argc, argv, &key);

	if (status < 0)
		return -1 - status;
	status = new_key_json(&key, &object);
	if (status != STATUS_DONE)
		return status;
	status = name_parameters(argv[optind], &parameters);
	if (status != STATUS_DONE) {
		json_decref(object);
		return status;
	}
	json_object_set_new(object, "password", json_true());
	json_object_set_new(parameters, "key", object);
	prctl(PR_SET_DUMPABLE, 0); /* what comes back is for the terminal, and for no file */
	status = call_told("KeyAdd", parameters, NULL, &reply);
	if (reply != NULL)
		print_added(reply);
	json_decref(reply);
	return status;
}

static int passwd_list(int argc, char **argv)
{
	return key_list_of("passwd list", argc, argv, true);
}

static int passwd_remove(int argc, char **argv)
{
	return key_remove_of("passwd remove", "password", argc, argv);
}

int command_passwd(int argc, char **argv)
{
	static const struct subcommand commands[] = {
		{ "add", passwd_add }, { "list", passwd_list }, { "remove", passwd_remove }, { NULL, NULL }
	};

	return subcommand_run(commands, "passwd", argc, argv);
}
