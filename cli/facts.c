/* SPDX-License-Identifier: ISC */
/* What can be said of an account, between the command line and the interface. Runs as the caller. */
#include "cli/facts.h"

#include <stdio.h>
#include <string.h>

#include "account/fields.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/subuid.h"

int facts_put_files(json_t *parameters, const char *text)
{
	int64_t files;

	if (option_files(text, &files) < 0)
		return usage_error(text, "not a number of files", "for example 200000, none or default");
	json_object_set_new(parameters, "files", json_integer(files));
	return STATUS_DONE;
}

int facts_put_view(json_t *parameters, const char *text)
{
	uint32_t view;

	if (account_view_parse(text, &view) < 0)
		return usage_error(text, "not a view", "theirs, owner or default");
	json_object_set_new(parameters, "view", json_string(text));
	return STATUS_DONE;
}

void facts_warn_view(const json_t *account)
{
	if (strcmp(json_text(account, "effectiveView"), "owner") == 0)
		complain(json_text(account, "name"),
			 "its files look like their owner's own now, so that what was pushed can act as the owner: "
			 "git runs "
			 "what .git/config says, vim what .exrc says",
			 "use --view theirs, and subuid exec for what the modes close");
}

const char *files_text(const json_t *account, char out[FILES_TEXT_SIZE])
{
	uint64_t limit = json_number(account, "filesLimit");

	if (limit == 0)
		return "none";
	snprintf(out, FILES_TEXT_SIZE, "%llu%s", (unsigned long long)limit,
		 json_object_get(account, "files") == NULL ? " (from the quota)" : "");
	return out;
}
