/* SPDX-License-Identifier: ISC */
/* Names for ids inside ranges, such as alice+_1073742824, and the way back from the name to the id. */
#include <errno.h>
#include <string.h>

#include "account/id.h"
#include "account/range_name.h"

static char *put_text(char *at, const char *text, size_t max)
{
	size_t length = strnlen(text, max);

	memcpy(at, text, length);
	return at + length;
}

static char *put_number(char *at, uint32_t number)
{
	char digits[10];
	int n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

void range_name_format(const struct id_range *range, char separator, uint32_t id, char out[RANGE_NAME_MAX + 1])
{
	char *at = put_text(out, range->owner, OWNER_MAX);

	*at++ = separator;
	*at++ = '_';
	if (range->label[0] != '\0') {
		at = put_text(at, range->label, LABEL_MAX);
		*at++ = '_';
	}
	*put_number(at, id) = '\0';
}

void range_comment_format(const struct id_range *range, char separator, uint32_t id, char out[RANGE_COMMENT_MAX + 1])
{
	char *at = put_text(out, "Subordinate id ", 15);

	at = put_number(at, id - range->first);
	at = put_text(at, " of ", 4);
	at = put_text(at, range->owner, OWNER_MAX);
	if (range->label[0] != '\0') {
		*at++ = separator;
		at = put_text(at, range->label, LABEL_MAX);
	}
	*at = '\0';
}

int range_name_parse(const char *name, uint32_t *id)
{
	const char *last = strrchr(name, '_');

	if (last == NULL || last == name || strnlen(name, RANGE_NAME_MAX + 1) > RANGE_NAME_MAX)
		return -EINVAL;
	return id_parse(last + 1, id) < 0 ? -EINVAL : 0;
}
