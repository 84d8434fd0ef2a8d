/* SPDX-License-Identifier: ISC */
/* The settings of an account, between the command line and the interface. Runs as the caller. */
#include "cli/facts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "cli/fact_value.h"
#include "cli/print.h"
#include "cli/subuid.h"

#define FACT_OPTION 1000 /* and those after it: above all letters */

const struct option *facts_options(const struct option *own, struct option out[FACTS_OPTIONS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < facts_record.count; i++)
		out[count++] = (struct option){ facts_record.fields[i].name, required_argument, NULL, FACT_OPTION + (int)i };
	do
		out[count++] = *own;
	while ((own++)->name != NULL && count < FACTS_OPTIONS_MAX);
	return out;
}

bool facts_option(int c, const char *text, json_t *parameters, int *status)
{
	const struct field *field;
	json_t *value;

	if (c < FACT_OPTION || c >= FACT_OPTION + (int)facts_record.count)
		return false;
	field = &facts_record.fields[c - FACT_OPTION];
	value = fact_value(field, text, time(NULL) / SECONDS_PER_DAY);
	if (value == NULL && field->kind == FIELD_DAY)
		*status = usage_error(text, "not a day to come", "for example 2031-12-31, +30d or never");
	else if (value == NULL && field->kind == FIELD_TEXT)
		*status = usage_error(field->name, "not UTF-8", "");
	else if (value == NULL)
		*status = usage_error(text, field->why, field->todo);
	else
		json_object_set_new(parameters, field->name, value);
	return true;
}

static size_t help_lines(const struct field *field, char *out, size_t size)
{
	char option[64];
	const char *line = field->help;
	size_t used;

	snprintf(option, sizeof(option), "--%s %s", field->name, field->value);
	used = (size_t)snprintf(out, size, "  %-20s  ", option);
	for (; used < size; line = strchr(line, '\n') + 1) {
		used += (size_t)snprintf(out + used, size - used, "%.*s\n", (int)strcspn(line, "\n"), line);
		if (strchr(line, '\n') == NULL || used >= size)
			break;
		used += (size_t)snprintf(out + used, size - used, "%24s", "");
	}
	return used;
}

const char *facts_help(const char *before, const char *after, char out[FACTS_HELP_MAX])
{
	size_t used = (size_t)snprintf(out, FACTS_HELP_MAX, "%s", before);

	for (size_t i = 0; i < facts_record.count && used < FACTS_HELP_MAX; i++)
		used += help_lines(&facts_record.fields[i], out + used, FACTS_HELP_MAX - used);
	if (used < FACTS_HELP_MAX)
		snprintf(out + used, FACTS_HELP_MAX - used, "%s", after);
	return out;
}

const char *facts_names(char out[FACTS_HELP_MAX])
{
	size_t used = 0;

	for (size_t i = 0; i < facts_record.count; i++)
		used += (size_t)snprintf(out + used, FACTS_HELP_MAX - used, "%s--%s",
					 i == 0				     ? "" :
					 i + 1 < facts_record.count ? ", " :
									    " or ",
					 facts_record.fields[i].name);
	return out;
}

/* How many there may be, also when that follows from the quota. */
static const char *files_text(const json_t *account, char out[FACTS_TEXT_MAX])
{
	uint64_t limit = json_number(account, "filesLimit");

	if (limit == 0)
		snprintf(out, FACTS_TEXT_MAX, "none");
	else
		snprintf(out, FACTS_TEXT_MAX, "%llu%s", (unsigned long long)limit,
			 json_object_get(account, "files") == NULL ? " (from the quota)" : "");
	return out;
}

const char *facts_text(size_t fact, const json_t *account, char out[FACTS_TEXT_MAX])
{
	return fact == FACT_FILES ? files_text(account, out) : fact_text(&facts_record.fields[fact], account, out);
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
