/* SPDX-License-Identifier: ISC */
/* The kinds of failure: their names on the wire and the exit status of subuid(1) for each. */
#include <string.h>

#include "account/failure.h"
#include "account/name.h"

static const struct {
	const char *name;
	int exit_status;
} failures[FAILURE_MAX_] = {
	[FAILURE_NONE] = { NULL, 0 },
	[FAILURE_FAILED] = { "Failed", 1 },
	[FAILURE_INVALID] = { "Invalid", 2 },
	[FAILURE_NOT_FOUND] = { "NotFound", 3 },
	[FAILURE_EXISTS] = { "Exists", 4 },
	[FAILURE_CONFLICT] = { "Conflict", 4 },
	[FAILURE_NOT_PERMITTED] = { "NotPermitted", 5 },
	[FAILURE_LIMIT_REACHED] = { "LimitReached", 6 },
	[FAILURE_POOL_EXHAUSTED] = { "PoolExhausted", 6 },
	[FAILURE_BUSY] = { "Busy", 1 },
};

/* The arrays go over the wire whole, so the bytes after the text are 0, not old content. Works on a copy, since `from`
 * may be the present text. */
static void set_text(char *to, const char *from)
{
	char escaped[FAILURE_TEXT_MAX + 1] = "";

	text_escape(from != NULL ? from : "", escaped, sizeof(escaped));
	memcpy(to, escaped, sizeof(escaped));
}

enum failure failure_set(struct failure_text *text, enum failure failure, const char *what, const char *why,
			 const char *todo)
{
	text->failure = (uint32_t)failure;
	set_text(text->what, what);
	set_text(text->why, why);
	set_text(text->todo, todo);
	return failure;
}

const char *failure_name(enum failure failure)
{
	return (unsigned)failure < FAILURE_MAX_ ? failures[failure].name : NULL;
}

enum failure failure_from_name(const char *name)
{
	for (unsigned i = FAILURE_NONE + 1; i < FAILURE_MAX_; i++)
		if (strcmp(name, failures[i].name) == 0)
			return (enum failure)i;
	return FAILURE_FAILED;
}

int failure_exit_status(enum failure failure)
{
	return (unsigned)failure < FAILURE_MAX_ ? failures[failure].exit_status : 1;
}
