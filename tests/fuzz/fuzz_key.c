/* SPDX-License-Identifier: ISC */
/* What key_parse() accepts, written out again, is accepted and equal; what it refuses has left the
 * record alone. A from= list that is accepted can be put between quotes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/fingerprint.h"
#include "account/key.h"
#include "account/name.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_line(const char *line, size_t size)
{
	struct ssh_key key, again;
	char text[KEY_TYPE_MAX + KEY_BLOB_MAX + COMMENT_MAX + 8];

	memset(&key, 0x5a, sizeof(key));
	memset(&again, 0x5a, sizeof(again));
	if (key_parse(line, size, &key) != KEY_OK) {
		must(memcmp(&key, &again, sizeof(key)) == 0);
		return;
	}
	must(snprintf(text, sizeof(text), "%s %s %s\n", key.type, key.blob, key.comment) < (int)sizeof(text));
	must(key_parse(text, strlen(text), &again) == KEY_OK);
	must(memcmp(&key, &again, sizeof(key)) == 0);
	must(text_valid(key.comment, COMMENT_MAX) && strpbrk(key.type, " \"\n") == NULL);
	must(key_fingerprint(&key) == 0 && strlen(key.fingerprint) == 50);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	must(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	fuzz_line(text, size);
	if (from_valid(text))
		must(strlen(text) <= FROM_MAX && strpbrk(text, "\"\\ \n") == NULL);
	free(text);
	return 0;
}
