/* SPDX-License-Identifier: ISC */
/* Tells somebody who works at the terminal of a session when it ends. Part of the login shell. */
#include "backup/login_end.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "account/session_end.h"
#include "index/format.h"

static struct {
	struct session_end end; /* at 0: nobody is told */
	int64_t looked;
	const char *name;
} told;

void login_end_told(const char *name, const char *original)
{
	const char *ends = getenv(ENDS_VARIABLE);
	char text[SESSION_END_TEXT];

	if (ends == NULL || original != NULL || isatty(STDERR_FILENO) != 1 || session_end_parse(ends, &told.end) < 0)
		return;
	told.name = name;
	told.looked = time(NULL);
	session_end_text(&told.end, text);
	if (session_ends_soon(&told.end, told.looked))
		fprintf(stderr, "subuid: %s: %s\n", name, text);
	if (told.end.cause == SESSION_END_ACCOUNT)
		told.end.at = 0;
}

/* The shell may have made anything of the terminal. One that was stopped takes nothing, and is not waited for. */
void login_end_watch(void)
{
	struct pollfd terminal = { .fd = STDERR_FILENO, .events = POLLOUT };
	const int64_t now = time(NULL);
	const unsigned minutes = session_end_due(&told.end, told.looked, now);

	told.looked = now;
	if (minutes != 0 && poll(&terminal, 1, 0) == 1)
		dprintf(STDERR_FILENO, "\r\nsubuid: %s: this session ends in %u minute%s, %s\r\n", told.name, minutes,
			minutes == 1 ? "" : "s", session_end_why(&told.end));
}
