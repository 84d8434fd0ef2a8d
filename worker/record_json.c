/* SPDX-License-Identifier: ISC */
/* Records and JSON, both ways, by their tables. */
#include "worker/record_json.h"

#include <errno.h>
#include <string.h>

#include "account/date.h"
#include "worker/field.h"

/* ---- in ---- */

static int wrong(const struct field *field, const char *why, struct failure_text *failure)
{
	return field_invalid(failure, field->name, field->why != NULL ? field->why : why,
			     field->todo != NULL ? field->todo : "");
}

static int64_t number_most(const struct field *field)
{
	if (field->most != 0)
		return field->most;
	if (field->size == sizeof(uint64_t))
		return INT64_MAX;
	return field->kind == FIELD_SIGNED ? INT32_MAX : UINT32_MAX;
}

static int number_parse(const struct field *field, json_t *value, void *base, struct failure_text *failure)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value))
		return field_invalid(failure, field->name, "not an integer", "");
	if (number < 0 && field->least == 0)
		return field_invalid(failure, field->name, "below 0", "");
	if (number < field->least || number > number_most(field))
		return wrong(field, "out of range", failure);
	field_number_put(field, base, number);
	return 0;
}

/* NULL: not one. A string with a NUL inside would be cut: refused. */
static const char *text_of(json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static int day_parse(const struct field *field, const char *text, void *base, struct failure_text *failure)
{
	int32_t day = -1;

	if (text[0] != '\0' && date_parse(text, &day) < 0)
		return wrong(field, "not a day", failure);
	field_number_put(field, base, day);
	return 0;
}

static int word_parse(const struct field *field, const char *text, void *base, struct failure_text *failure)
{
	int64_t number = field_word_find(field, text);

	if (number < 0)
		return wrong(field, "unknown", failure);
	field_number_put(field, base, number);
	return 0;
}

static int member_parse(const struct field *field, json_t *value, void *base, struct failure_text *failure)
{
	const char *text;

	if (field->kind == FIELD_NUMBER || field->kind == FIELD_SIGNED)
		return number_parse(field, value, base, failure);
	if (field->kind == FIELD_FLAG) {
		if (!json_is_boolean(value))
			return field_invalid(failure, field->name, "not true or false", "");
		field_number_put(field, base, json_is_true(value));
		return 0;
	}
	text = text_of(value);
	if (text == NULL)
		return field_invalid(failure, field->name, "not a string", "");
	if (field->kind == FIELD_DAY)
		return day_parse(field, text, base, failure);
	if (field->kind == FIELD_WORD)
		return word_parse(field, text, base, failure);
	if (strlen(text) >= field->size || strlen(text) < (size_t)field->least)
		return wrong(field, text[0] == '\0' ? "empty" : "too long", failure);
	field_put((char *)base + field->offset, text);
	return 0;
}

int record_parse(const struct record *record, json_t *object, void *base, uint32_t *set, struct failure_text *failure)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		json_t *value = (field->use & FIELD_GIVEN) != 0 ? field_member(object, field->name) : NULL;
		int r;

		if (value == NULL && (field->use & FIELD_REQUIRED) != 0)
			return field_invalid(failure, field->name, "missing", field->todo != NULL ? field->todo : "");
		if (value == NULL) {
			if (field->kind == FIELD_DAY)
				field_number_put(field, base, -1);
			continue;
		}
		r = member_parse(field, value, base, failure);
		if (r < 0)
			return r;
		*set |= (field->use & FIELD_REQUIRED) == 0 ? 1u << i : 0;
	}
	return 0;
}

/* ---- out ---- */

static json_t *day_json(int64_t day)
{
	char text[DATE_TEXT_MAX + 1] = "";

	if (day >= 0)
		date_format(day, text);
	return json_string(text);
}

static json_t *member_json(const struct field *field, const void *base)
{
	const char *word;
	int64_t number;

	if (field->kind == FIELD_TEXT)
		return field_json(field_text(field, base));
	number = field_number(field, base);
	switch (field->kind) {
	case FIELD_FLAG:
		return json_boolean(number != 0);
	case FIELD_DAY:
		return day_json(number);
	case FIELD_WORD:
		word = field_word(field, number);
		return json_string(word != NULL ? word : "unknown");
	default:
		return json_integer(number);
	}
}

bool record_put(json_t *object, const struct record *record, const void *base)
{
	bool failed = false;

	for (size_t i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];

		if (!field_left_out(field, base))
			failed |= json_object_set_new(object, field->name, member_json(field, base)) < 0;
	}
	return failed;
}

/* ---- out, as text: of a list there are a million */

static void string_text(struct json_text *text, const char *name, const char *value)
{
	if (!json_text_string(text, name, value))
		json_text_value(text, name, field_json(value));
}

static void member_as_text(struct json_text *text, const struct field *field, const void *base)
{
	char value[FIELD_PRINT_MAX];

	switch (field->kind) {
	case FIELD_TEXT:
		string_text(text, field->name, field_text(field, base));
		break;
	case FIELD_FLAG:
		json_text_flag(text, field->name, field_number(field, base) != 0);
		break;
	case FIELD_DAY:
	case FIELD_WORD:
		string_text(text, field->name,
			    field_empty(field, base) && field->kind == FIELD_DAY ? "" :
										   field_print(field, base, value));
		break;
	default:
		json_text_number(text, field->name, field_number(field, base));
	}
}

void record_text(struct json_text *text, const struct record *record, const void *base)
{
	for (size_t i = 0; i < record->count; i++)
		if (!field_left_out(&record->fields[i], base))
			member_as_text(text, &record->fields[i], base);
}
