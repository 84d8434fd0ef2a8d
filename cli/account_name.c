/* SPDX-License-Identifier: ISC */
/* NAME of a command line, as the daemon takes it. */
#include "account/account.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/subuid.h"

static int separator_of_host(char *separator)
{
	json_t *reply;
	int status = call("Status", NULL, &reply);

	if (status != STATUS_DONE)
		return status;
	*separator = json_text(reply, "separator")[0];
	json_decref(reply);
	return STATUS_DONE;
}

int name_parameters(const char *name, json_t **parameters)
{
	char owner[OWNER_MAX + 1], label[LABEL_MAX + 1], separator = SEPARATOR_DEFAULT;

	if (!label_valid(name)) { /* only then the separator matters */
		int status = separator_of_host(&separator);

		if (status != STATUS_DONE)
			return status;
	}
	if (option_name(name, separator, owner, label) < 0)
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
