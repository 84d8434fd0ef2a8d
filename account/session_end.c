/* SPDX-License-Identifier: ISC */
/* The end of a session, in words for the login shell and for people. Pure; run by pam_subuid in processes of others,
 * by the login shell and by the daemon. */
#include "account/session_end.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *word, *why;
} causes[] = {
	[SESSION_END_ACCOUNT] = { "account", "when the account expires" },
	[SESSION_END_KEY] = { "key", "when the key expires" },
	[SESSION_END_PASSWORD] = { "password", "when the password expires" },
	[SESSION_END_HOURS] = { "hours", "as it may last no longer" },
};

void session_end_add(struct session_end *end, int64_t at, enum session_end_cause cause)
{
	if (at != 0 && (end->at == 0 || at < end->at))
		*end = (struct session_end){ at, cause };
}

void session_end_format(const struct session_end *end, char out[SESSION_END_MAX])
{
	snprintf(out, SESSION_END_MAX, "%lld %s", (long long)end->at, causes[end->cause].word);
}

int session_end_parse(const char *text, struct session_end *end)
{
	const size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 12 || text[digits] != ' ')
		return -EINVAL;
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (strcmp(text + digits + 1, causes[i].word) != 0)
			continue;
		*end = (struct session_end){ strtoll(text, NULL, 10), (enum session_end_cause)i };
		return 0;
	}
	return -EINVAL;
}

const char *session_end_why(const struct session_end *end)
{
	return causes[end->cause].why;
}

void session_end_text(const struct session_end *end, char out[SESSION_END_TEXT])
{
	const time_t at = (time_t)end->at;
	char date[sizeof("9999-12-31 23:59")];
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&at, &tm) != NULL && strftime(date, sizeof(date), "%F %H:%M", &tm) != 0)
		snprintf(out, SESSION_END_TEXT, "this session ends on %s UTC, %s", date, session_end_why(end));
}

unsigned session_end_due(const struct session_end *end, int64_t before, int64_t now)
{
	static const unsigned minutes[] = { 1, 10 }; /* after a long time without a look the last one alone */

	for (size_t i = 0; end->at != 0 && i < sizeof(minutes) / sizeof(minutes[0]); i++) {
		const int64_t then = end->at - (int64_t)minutes[i] * 60;

		if (then > before && then <= now)
			return minutes[i];
	}
	return 0;
}
