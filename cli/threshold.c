/* SPDX-License-Identifier: ISC */
/* Reads and writes thresholds as monitoring systems have them. */
#include "cli/threshold.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/duration.h"

/* One end; `none` of an empty or, at the beginning, an infinite one. */
static int end_parse(const char *text, uint64_t none, uint64_t *end)
{
	if (text[0] == '\0' || strcmp(text, "~") == 0) {
		*end = none;
		return 0;
	}
	if (strcmp(text, "0") == 0) {
		*end = 0;
		return 0;
	}
	return duration_parse(text, end);
}

int threshold_parse(const char *text, struct threshold *threshold)
{
	struct threshold parsed = { .given = true, .inside = text[0] == '@' };
	char copy[64], *colon;
	int r;

	text += parsed.inside;
	if (text[0] == '\0' || strcmp(text, ":") == 0 || snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return -EINVAL;
	colon = strchr(copy, ':');
	if (colon != NULL)
		*colon = '\0';
	r = colon != NULL ? end_parse(copy, 0, &parsed.start) : 0;
	if (r == 0)
		r = end_parse(colon != NULL ? colon + 1 : copy, UINT64_MAX, &parsed.end);
	if (r == 0 && (parsed.start > parsed.end || (colon == NULL && parsed.end == UINT64_MAX)))
		r = -EINVAL;
	if (r == 0)
		*threshold = parsed;
	return r;
}

struct threshold threshold_above(uint64_t seconds)
{
	return (struct threshold){ .given = true, .end = seconds };
}

bool threshold_alerts(const struct threshold *threshold, uint64_t value)
{
	return threshold->given && (value < threshold->start || value > threshold->end) == !threshold->inside;
}

const char *threshold_text(const struct threshold *threshold, char out[THRESHOLD_TEXT_MAX])
{
	char start[24] = "", end[24] = "";

	out[0] = '\0';
	if (!threshold->given)
		return out;
	if (threshold->start > 0 || threshold->inside || threshold->end == UINT64_MAX)
		snprintf(start, sizeof(start), "%" PRIu64 ":", threshold->start);
	if (threshold->end != UINT64_MAX)
		snprintf(end, sizeof(end), "%" PRIu64, threshold->end);
	snprintf(out, THRESHOLD_TEXT_MAX, "%s%s%s", threshold->inside ? "@" : "", start, end);
	return out;
}
