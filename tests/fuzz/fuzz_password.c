/* SPDX-License-Identifier: ISC */
/* What reaches the verifier: a question, and in it what somebody typed, from where. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "account/key.h"
#include "verify/check.h"

/* A second, plain reading of what was typed. */
static void typed_check(const char *typed)
{
	char letters[PASSWORD_LETTERS + 1] = "untouched", plain[PASSWORD_TYPED_MAX + 1], text[PASSWORD_TEXT_MAX + 1];
	size_t used = 0;

	for (const char *p = typed; *p != '\0'; p++)
		if (*p != ' ' && *p != '-')
			plain[used++] = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	plain[used] = '\0';
	if (!password_normal(typed, letters)) {
		must(strcmp(letters, "untouched") == 0);
		return;
	}
	must(strcmp(letters, plain) == 0 && strlen(plain) == PASSWORD_LETTERS);
	password_text(letters, text);
	must(password_normal(text, letters) && strcmp(letters, plain) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct password_question *question = (struct password_question *)take_copy(data, size);
	char from[FROM_MAX + 1];

	if (question_sound(question, size)) {
		must(size == sizeof(*question));
		typed_check(question->typed);
		snprintf(from, sizeof(from), "%s", question->name); /* any text will do */
		if (password_from_valid(from)) {
			must(from_valid(from));
			must(!password_from_admits(from, "host.example.org"));
		}
		(void)password_from_admits(from, question->address);
	}
	free(question);
	return 0;
}
