/* SPDX-License-Identifier: ISC */
/*
 * Says no: one line to standard error, which the client's user sees, and one to the system log. Shared by all
 * gates.
 */
#include "backup/refuse.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "account/name.h"
#include "backup/gate_policy.h"

#define TEXT_MAX (2 * REFUSAL_TEXT_MAX + 3)
#define ESCAPED_MAX (4 * TEXT_MAX)

static bool without_log;

void refuse_without_log(void)
{
	without_log = true;
}

static void tell(const char *program, const char *what, const char *why, char *escaped)
{
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%s: %s", what, why);
	text_escape(text, escaped, ESCAPED_MAX);
	fprintf(stderr, "%s: %s\n", program, escaped);
}

void refuse_text(const char *program, const char *text)
{
	char escaped[ESCAPED_MAX];

	text_escape(text, escaped, sizeof(escaped));
	fprintf(stderr, "%s: %s\n", program, escaped);
}

void refuse_part(const char *program, const char *what, const char *why)
{
	char escaped[ESCAPED_MAX];

	tell(program, what, why, escaped);
}

int refuse(const char *program, const char *what, const char *why, int status)
{
	char escaped[ESCAPED_MAX];

	tell(program, what, why, escaped);
	if (!without_log)
		syslog(LOG_NOTICE, "uid %u: refused: %s", (unsigned)getuid(), escaped);
	return status;
}

int refuse_unconfined(const char *program, const char *step, int error)
{
	char why[REFUSAL_TEXT_MAX + 1];

	snprintf(why, sizeof(why), "this host cannot confine the program (%s); nothing was run", strerror(-error));
	return refuse(program, step, why, EXIT_UNCONFINED);
}
