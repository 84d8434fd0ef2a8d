/* SPDX-License-Identifier: ISC */
/* Spans of time such as 90m, 26h and 3d, to and from seconds. */
#include "cli/duration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int duration_parse(const char *text, uint64_t *seconds)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++) {
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > DURATION_MAX)
			return -ERANGE;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*text != units[i].unit || text[1] != '\0')
			continue;
		value *= units[i].seconds;
		if (value == 0 || value > DURATION_MAX)
			return -ERANGE;
		*seconds = value;
		return 0;
	}
	return -EINVAL;
}

const char *duration_text(uint64_t seconds, char out[16])
{
	if (seconds < 120)
		snprintf(out, 16, "%us", (unsigned)seconds);
	else if (seconds < 120 * 60)
		snprintf(out, 16, "%um", (unsigned)(seconds / 60));
	else if (seconds < 72 * 3600)
		snprintf(out, 16, "%uh", (unsigned)(seconds / 3600));
	else
		snprintf(out, 16, "%lud", (unsigned long)(seconds / 86400 % 100000000));
	return out;
}
