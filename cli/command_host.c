/* SPDX-License-Identifier: ISC */
/* `subuid setup` and `subuid doctor`: a separate program does them. No other command needs the code that this program
 * is linked with (the index, the confinement, the loader of modules). */
#include <stddef.h>

#include "cli/own_program.h"
#include "cli/subuid.h"

#define WORDS_MAX 24

static int host(const char *verb, int argc, char **argv)
{
	const char *words[WORDS_MAX + 1] = { verb };

	if (argc > WORDS_MAX)
		return usage_error(verb, "too many arguments", "");
	for (int i = 1; i < argc; i++)
		words[i] = argv[i];
	return own_program_become(HOST_PROGRAM, words);
}

int command_setup(int argc, char **argv)
{
	return host("setup", argc, argv);
}

int command_doctor(int argc, char **argv)
{
	return host("doctor", argc, argv);
}
