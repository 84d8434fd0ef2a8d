/* SPDX-License-Identifier: ISC */
/*
 * A client's command, as a probe. The answer is made of ordinary bytes that stand in the command in the same
 * order, and ends where it says; no byte that a shell acts on is in a probe; what is none leaves the answer alone.
 */
#include "tests/fuzz/fuzz.h"

#include "backup/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	char *command = take_text(&input), *answer = malloc(PROBE_ANSWER_MAX + 1);

	must(answer != NULL);
	memset(answer, 0x5a, PROBE_ANSWER_MAX + 1);
	if (!probe_answer(command, answer)) {
		must(!probe_is(command));
		for (size_t i = 0; i <= PROBE_ANSWER_MAX; i++)
			must(answer[i] == 0x5a);
	} else {
		const char *from = command;
		size_t length = strlen(answer);

		must(probe_is(command));
		must(strpbrk(command, "$`;&|<>(){}[]*?~!#\\\n\r") == NULL);
		must(length == 0 || answer[length - 1] == '\n');
		for (size_t i = 0; i + 1 < length; i++) {
			while (*from != '\0' && *from != answer[i] && !(answer[i] == ' ' && *from == '\t'))
				from++;
			must(*from != '\0');
			from++;
		}
	}
	free(command);
	free(answer);
	return 0;
}
