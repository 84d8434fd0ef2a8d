/* SPDX-License-Identifier: ISC */
/* NAME of a command line, as the daemon takes it. */
#include "account/account.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/subuid.h"

int daemon_facts(struct daemon_facts *facts)
{
	json_t *reply;
	int status = call("Status", NULL, &reply);

	if (status != STATUS_DONE)
		return status;
	facts->separator = json_text(reply, "separator")[0];
	facts->generation = json_number(reply, "generation");
	json_decref(reply);
	return STATUS_DONE;
}

int name_parameters(const char *name, json_t **parameters)
{
	struct daemon_facts facts = { .separator = SEPARATOR_DEFAULT };
	char owner[OWNER_MAX + 1], label[LABEL_MAX + 1];

	if (!label_valid(name)) { /* only then the separator matters */
		int status = daemon_facts(&facts);

		if (status != STATUS_DONE)
			return status;
	}
	if (option_name(name, facts.separator, owner, label) < 0)
		return usage_error(name[0] ? name : "NAME", "not the name of an account",
				   "a label of your own such as web1, or an owner's such as alice+web1");

	json_t *object = json_pack("{s:s, s:s*}", "label", label, "owner", owner[0] ? owner : NULL);

	if (object == NULL) {
		complain("subuid", "out of memory", "");
		return STATUS_FAILED;
	}
	*parameters = object;
	return STATUS_DONE;
}

int name_operand(const char *command, int argc, char **argv, json_t **parameters)
{
	int status = STATUS_DONE;

	if (option_next(command, argc, argv, &status) == 0)
		status = name_parameters(argv[optind], parameters);
	else
		return -1 - status;
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

int call_named(int argc, char **argv, void (*take)(void *data, json_t *account), void *data)
{
	int status = STATUS_DONE;

	for (int i = optind; i < argc && status == STATUS_DONE; i++) {
		json_t *parameters = NULL, *reply = NULL;

		status = name_parameters(argv[i], &parameters);
		if (status == STATUS_DONE)
			status = call("Get", parameters, &reply);
		if (status == STATUS_DONE)
			take(data, json_object_get(reply, "account"));
		json_decref(reply);
	}
	return status;
}
