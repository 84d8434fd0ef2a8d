/* SPDX-License-Identifier: ISC */
/* Values of facts between people and the interface. */
#include "cli/fact_value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/date.h"
#include "cli/duration.h"
#include "cli/options.h"

static int number_of(const struct field *field, const char *text, int64_t *number)
{
	uint64_t plain = 0;
	int r;

	switch (field->form) {
	case FORM_SIZE:
		r = option_size(text, &plain);
		break;
	case FORM_SPAN:
		r = strcmp(text, "never") == 0 ? 0 : duration_parse(text, &plain);
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

json_t *fact_value(const struct field *field, const char *text, int64_t today)
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
		if (number_of(field, text, &number) < 0 || number < field->least || number > field->most)
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

static const char *number_text(const struct field *field, uint64_t number, char out[FACT_TEXT_MAX])
{
	if (field->form == FORM_SIZE)
		return size_text(number, out);
	if (field->form == FORM_SPAN)
		return duration_text(number, out);
	snprintf(out, FACT_TEXT_MAX, "%llu", (unsigned long long)number);
	return out;
}

const char *fact_text(const struct field *field, const json_t *account, char out[FACT_TEXT_MAX])
{
	const json_t *value = json_object_get(account, field->name);

	out[0] = '\0';
	if (json_is_string(value))
		snprintf(out, FACT_TEXT_MAX, "%s", json_string_value(value));
	else if (json_is_integer(value))
		number_text(field, (uint64_t)json_integer_value(value), out);
	return out;
}
