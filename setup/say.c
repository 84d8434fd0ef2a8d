/* SPDX-License-Identifier: ISC */
/* The messages of setup: what it changes, what is as it should be, what failed. */
#include <stdio.h>
#include <string.h>

#include "cli/subuid.h"
#include "setup/setup.h"

void say(const char *what, const char *text)
{
	printf("%s: %s\n", what, text);
}

void say_change(struct setup *setup, const char *what, const char *text)
{
	setup->changes++;
	printf("%s%s: %s\n", setup->dry_run ? "(dry run) " : "", what, text);
}

int setup_fail(const char *what, const char *why, const char *todo)
{
	complain(what, why, todo);
	return -1;
}

int setup_fail_errno(const char *what, int error, const char *todo)
{
	const char *why = strerrordesc_np(-error);

	return setup_fail(what, why != NULL ? why : "failed", todo);
}
