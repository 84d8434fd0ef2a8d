/* SPDX-License-Identifier: ISC */
/* A name that splits joins to itself; an escaped text has nothing in it that controls a terminal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "account/name.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_split(const char *name, char separator)
{
	char owner[OWNER_MAX + 1], label[LABEL_MAX + 1], joined[ACCOUNT_NAME_MAX + 1];

	if (name_split(name, separator, owner, label) < 0)
		return;
	must(name_has_separator(name) && strchr(owner, '/') == NULL && owner[0] != '.' && owner[0] != '-');
	must(owner_name_valid(owner, separator) && label_valid(label));
	must(name_join(owner, separator, label, joined) == 0 && strcmp(joined, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *escaped;
	size_t room;

	if (size < 2) {
		free(text);
		return 0;
	}
	must(text != NULL);
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	fuzz_split(text, SEPARATORS[data[0] % (sizeof(SEPARATORS) - 1)]);
	fuzz_split(text, (char)data[1]);

	/* exactly as large as is said: one byte more is for the sanitizer */
	room = 1 + (data[0] | (size_t)data[1] << 8) % (4 * size + 1);
	escaped = malloc(room);
	must(escaped != NULL && text_escape(text, escaped, room) == escaped);
	must(text_valid(escaped, room - 1));
	if (comment_valid(text, size) && room > 2 * size)
		must(strchr(text, '\\') != NULL || strcmp(text, escaped) == 0);
	free(escaped);
	free(text);
	return 0;
}
