/* SPDX-License-Identifier: ISC */
/* Members of a JSON object that an untrusted peer wrote: type, range, length. Run by the worker. */
#include "worker/field.h"

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
int member_text(json_t *object, const char *name, const char **text, struct failure_text *failure)
{
	json_t *value = field_member(object, name);

	if (value == NULL)
		return 0;
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return field_invalid(failure, name, "not a string", "");
	*text = json_string_value(value);
	return 1;
}

void field_put(char *out, const char *text)
{
	while (*text != '\0')
		*out++ = *text++;
}

json_t *field_json(const char *text)
{
	char escaped[4 * 256 + 1];
	json_t *value = json_string(text);

	return value != NULL ? value : json_string(text_escape(text, escaped, sizeof(escaped)));
}
