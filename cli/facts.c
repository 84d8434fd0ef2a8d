/* SPDX-License-Identifier: ISC */
/* The settings of an account, between the command line and the interface. Runs as the caller. */
#include "cli/facts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "account/date.h"
#include "cli/duration.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/subuid.h"
#include "cli/usage.h"

/* exported: seconds have no unit there */
static int number_of(const struct field *field, const char *text, bool exported, int64_t *number)
{
	uint64_t plain = 0;
	int r;

	switch (field->form) {
	case FORM_BOUND:
	case FORM_BOUND_SIZE:
		if (strcmp(text, "default") == 0) {
			*number = 0;
			return 0;
		}
		r = field->form == FORM_BOUND ? option_number(text, 0, INT64_MAX, &plain) : option_size(text, &plain);
		break;
	case FORM_SIZE:
		r = option_size(text, &plain);
		break;
	case FORM_SPAN:
		r = strcmp(text, "never") == 0 ? 0 : duration_parse(text, &plain);
		if (r < 0 && exported)
			r = option_number(text, 1, DURATION_MAX, &plain);
		break;
	case FORM_COUNT:
		return option_files(text, number);
	default:
		r = option_number(text, 0, INT64_MAX, &plain);
	}
	*number = (int64_t)plain;
	return r;
}

static json_t *day_value(const char *text, int64_t today)
{
	char date[DATE_TEXT_MAX + 1] = "";
	int32_t day = -1;
	int r = today < 0 ? date_parse(text, &day) : -EINVAL;

	if (r < 0)
		r = option_date(text, today < 0 ? 0 : today, &day);
	if (r < 0)
		return NULL;
	if (day >= 0)
		date_format(day, date);
	return json_string(date);
}

static json_t *fact_value(const struct field *field, const char *text, int64_t today)
{
	int64_t number = 0;

	switch (field->kind) {
	case FIELD_TEXT:
		return json_string(text);
	case FIELD_DAY:
		return day_value(text, today);
	case FIELD_WORD:
		return field_word_find(field, text) >= 0 ? json_string(text) : NULL;
	default:
		if (number_of(field, text, today < 0, &number) < 0 || number < field->least || number > field->most)
			return NULL;
		return json_integer(number);
	}
}

json_t *fact_value_import(const struct field *field, const json_t *value)
{
	json_int_t number = json_integer_value(value);

	if (json_is_string(value))
		return fact_value(field, json_string_value(value), -1);
	if (!json_is_integer(value) || (field->kind != FIELD_NUMBER && field->kind != FIELD_SIGNED) ||
	    number < field->least || number > field->most)
		return NULL;
	return json_integer(number);
}

static const char *number_text(const struct field *field, uint64_t number, char out[FACTS_TEXT_MAX])
{
	if (field->form == FORM_SIZE || field->form == FORM_BOUND_SIZE)
		return size_text(number, out);
	if (field->form == FORM_SPAN)
		return duration_text(number, out);
	snprintf(out, FACTS_TEXT_MAX, "%llu", (unsigned long long)number);
	return out;
}

static const char *fact_text(const struct field *field, const json_t *account, char out[FACTS_TEXT_MAX])
{
	const json_t *value = json_object_get(account, field->name);

	out[0] = '\0';
	if (json_is_string(value))
		snprintf(out, FACTS_TEXT_MAX, "%s", json_string_value(value));
	else if (json_is_integer(value))
		number_text(field, (uint64_t)json_integer_value(value), out);
	return out;
}

bool facts_option(int c, const char *text, json_t *parameters, int *status)
{
	const struct field *field;
	json_t *value;

	if (c < USAGE_FACT || c >= USAGE_FACT + (int)facts_record.count)
		return false;
	field = &facts_record.fields[c - USAGE_FACT];
	if (common.over_ssh && c == USAGE_FACT + FACT_VIEW && strcmp(text, "owner") == 0) {
		*status = usage_error("--view owner", "not over ssh: what is pushed could act as the owner then",
				      "set it on this host");
		return true;
	}
	value = fact_value(field, text, time(NULL) / SECONDS_PER_DAY);
	if (value == NULL && field->kind == FIELD_DAY)
		*status = usage_error(text, "not a future day", "for example 2031-12-31, +30d or never");
	else if (value == NULL && field->kind == FIELD_TEXT)
		*status = usage_error(field->name, "not UTF-8", "");
	else if (value == NULL)
		*status = usage_error(text, field->why, field->todo);
	else
		json_object_set_new(parameters, field->name, value);
	return true;
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

const char *facts_number_text(size_t fact, const json_t *number, char out[FACTS_TEXT_MAX])
{
	return number_text(&facts_record.fields[fact], (uint64_t)json_integer_value(number), out);
}

bool facts_expired(const char *expires)
{
	int32_t day;

	return date_parse(expires, &day) == 0 && date_over(day, time(NULL) / SECONDS_PER_DAY);
}

void facts_warn_view(const json_t *account)
{
	if (strcmp(json_text(account, "effectiveView"), "owner") == 0)
		complain(json_text(account, "name"),
			 "its files now look like the owner's own, so pushed files can act as the owner: "
			 "git runs what .git/config says, vim what .exrc says",
			 "use --view theirs, and subuid exec for files that the modes close");
}
