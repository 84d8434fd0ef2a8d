/* SPDX-License-Identifier: ISC */
/* The messages of a command that fails. */
#include <stdio.h>

#include "cli/print.h"
#include "cli/subuid.h"

void complain(const char *what, const char *why, const char *todo)
{
	bool more = todo != NULL && todo[0] != '\0';

	fflush(stdout);
	fprintf(stderr, "subuid: %s: %s%s%s\n", shown(what), shown(why), more ? "; " : "", more ? shown(todo) : "");
}

int usage_error(const char *what, const char *why, const char *todo)
{
	complain(what, why, todo);
	return STATUS_USAGE;
}
