/* SPDX-License-Identifier: ISC */
#include "subuidd/worker/field.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

int field_invalid(struct failure_text *failure, const char *what, const char *why, const char *todo)
{
	failure_set(failure, FAILURE_INVALID, what, why, todo);
	return -EINVAL;
}

json_t *field_member(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return json_is_null(value) ? NULL : value;
}

/* A string with a NUL inside would be cut: refused. */
int field_text(json_t *object, const char *name, const char **text, struct failure_text *failure)
{
	json_t *value = field_member(object, name);

	if (value == NULL)
		return 0;
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return field_invalid(failure, name, "not a string", "");
	*text = json_string_value(value);
	return 1;
}

int field_integer(json_t *object, const char *name, json_int_t first, json_int_t last, json_int_t *number,
		  struct failure_text *failure)
{
	json_t *value = field_member(object, name);

	if (value == NULL)
		return 0;
	if (!json_is_integer(value))
		return field_invalid(failure, name, "not an integer", "");
	if (json_integer_value(value) < first || json_integer_value(value) > last)
		return field_invalid(failure, name,
				     first == 0 && json_integer_value(value) < 0 ? "below 0" : "out of range", "");
	*number = json_integer_value(value);
	return 1;
}

int field_flag(json_t *object, const char *name, uint32_t *flag, struct failure_text *failure)
{
	json_t *value = field_member(object, name);

	if (value != NULL && !json_is_boolean(value))
		return field_invalid(failure, name, "not true or false", "");
	*flag = json_is_true(value);
	return 0;
}

void field_put(char *out, const char *text)
{
	while (*text != '\0')
		*out++ = *text++;
}

int field_number(json_t *parameters, const char *name, json_int_t first, uint32_t *number,
		 struct failure_text *failure)
{
	json_int_t value = 0;
	int r = field_integer(parameters, name, first, UINT32_MAX - 1, &value, failure);

	if (r == 0)
		return field_invalid(failure, name, "missing", "");
	*number = (uint32_t)value;
	return r < 0 ? r : 0;
}

json_t *field_json(const char *text)
{
	char escaped[4 * 256 + 1];
	json_t *value = json_string(text);

	return value != NULL ? value : json_string(text_escape(text, escaped, sizeof(escaped)));
}
