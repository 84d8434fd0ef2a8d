/* SPDX-License-Identifier: ISC */
/* Changes the settings of an existing account; also root's release of ids. */
#include "cli/subuid.h"

#include <stdio.h>
#include <string.h>

#include "account/record.h"
#include "cli/facts.h"
#include "cli/options.h"
#include "cli/print.h"

/* -1 - status to end with. */
static int set_options(int argc, char **argv, json_t *parameters)
{
	char todo[256];
	int c, status = STATUS_DONE;

	while (status == STATUS_DONE && (c = option_next("set", argc, argv, &status)) != 0) {
		if (c < 0)
			return -1 - status;
		facts_option(c, optarg, parameters, &status);
	}
	if (status == STATUS_DONE && json_object_size(parameters) == 0)
		status = usage_error("set", "nothing to change",
				     record_names(&facts_record, "give ", "--", todo, sizeof(todo)));
	return status == STATUS_DONE ? STATUS_DONE : -1 - status;
}

static const char *field_none(const struct field *field)
{
	return field->kind == FIELD_DAY || field->form == FORM_SPAN ? "never" : "none";
}

static int print_set(const json_t *account)
{
	char text[FACTS_TEXT_MAX];

	if (common.json)
		return print_json(account);
	printf(common.dry_run ? "would be set: %s:" : "%s:", shown(json_text(account, "name")));
	for (size_t i = 0; i < FACTS; i++) {
		const struct field *field = &facts_record.fields[i];
		const char *value = facts_text(i, account, text);

		if (i >= FACT_BOUNDS && value[0] == '\0')
			continue;
		if (field->kind == FIELD_TEXT)
			printf("%s%s", value[0] != '\0' ? ", " : "", shown(value));
		else
			printf("%s %s %s", i > 0 ? "," : "", field->name,
			       value[0] != '\0' ? shown(value) : field_none(field));
	}
	putchar('\n');
	return STATUS_DONE;
}

int command_set(int argc, char **argv)
{
	json_t *values = json_object(), *parameters = NULL, *reply;
	bool view = false;
	int status = set_options(argc, argv, values);

	if (status < 0) {
		json_decref(values);
		return -1 - status;
	}
	status = name_parameters(argv[optind], &parameters);
	if (status == STATUS_DONE) {
		view = json_object_get(values, "view") != NULL;
		json_object_update(parameters, values);
		status = call_change("Modify", parameters, &reply);
	}
	json_decref(values);
	if (status != STATUS_DONE)
		return status;
	if (view)
		facts_warn_view(json_object_get(reply, "account"));
	status = print_set(json_object_get(reply, "account"));
	json_decref(reply);
	return status;
}

int command_release(int argc, char **argv)
{
	json_t *reply;
	uint64_t first;
	int status = STATUS_DONE;

	if (option_next("release", argc, argv, &status) < 0)
		return status;
	if (option_number(argv[optind], 1, UINT32_MAX - 1, &first) < 0)
		return usage_error(argv[optind], "not an id",
				   "the uid of a removed account, or the first id of a range");
	status = call_told("Release", json_pack("{s:I}", "first", (json_int_t)first), NULL, &reply);
	if (reply != NULL)
		printf(common.dry_run ? "would be released: the ids from %llu on\n" :
					"the ids from %llu on may be given out again\n",
		       (unsigned long long)first);
	json_decref(reply);
	return status;
}
