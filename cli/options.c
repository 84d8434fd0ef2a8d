/* SPDX-License-Identifier: ISC */
/* Reads the values of options: names, numbers, sizes and dates. */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "account/date.h"
#include "cli/duration.h"

int option_name(const char *text, char separator, char owner[OWNER_MAX + 1], char label[LABEL_MAX + 1])
{
	if (!label_valid(text))
		return name_split(text, separator, owner, label);
	owner[0] = '\0';
	memcpy(label, text, strlen(text) + 1);
	return 0;
}

/* Reads digits up to the first other character, *end. */
static int digits(const char *text, const char **end, uint64_t *number)
{
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return -ERANGE;
	*end = text;
	*number = value;
	return 0;
}

int option_number(const char *text, uint64_t first, uint64_t last, uint64_t *number)
{
	const char *end;
	uint64_t value;
	int r = digits(text, &end, &value);

	if (r < 0)
		return r;
	if (*end != '\0')
		return -EINVAL;
	if (value < first || value > last)
		return -ERANGE;
	*number = value;
	return 0;
}

static const char units[] = "KMGTP";

int option_size(const char *text, uint64_t *bytes)
{
	const char *end, *unit;
	uint64_t value;

	if (strcmp(text, "none") == 0) {
		*bytes = 0;
		return 0;
	}

	int r = digits(text, &end, &value);

	if (r < 0)
		return r;
	if (*end != '\0') {
		unit = strchr(units, *end >= 'a' && *end <= 'z' ? *end - ('a' - 'A') : *end);
		if (unit == NULL || (end[1] != '\0' && strcmp(end + 1, "iB") != 0))
			return -EINVAL;

		uint64_t factor = UINT64_C(1) << (10 * (unit - units + 1));

		if (__builtin_mul_overflow(value, factor, &value))
			return -ERANGE;
	}
	if (value > INT64_MAX)
		return -ERANGE;
	*bytes = value;
	return 0;
}

int option_files(const char *text, int64_t *files)
{
	static const struct {
		char unit;
		uint64_t factor;
	} thousands[] = { { '\0', 1 }, { 'K', 1000 }, { 'M', 1000000 }, { 'G', 1000000000 } };
	const char *end;
	uint64_t value;

	if (strcmp(text, "none") == 0 || strcmp(text, "default") == 0) {
		*files = text[0] == 'n' ? FILES_NONE : FILES_FROM_SIZE;
		return 0;
	}

	int r = digits(text, &end, &value);

	for (size_t i = 0; r == 0 && i < sizeof(thousands) / sizeof(thousands[0]); i++) {
		if (*end != thousands[i].unit || (*end != '\0' && end[1] != '\0'))
			continue;
		if (__builtin_mul_overflow(value, thousands[i].factor, &value) || value == 0 || value > FILES_MAX)
			return -ERANGE;
		*files = (int64_t)value;
		return 0;
	}
	return r < 0 ? r : -EINVAL;
}

static int days_from_now(const char *text, int64_t today, int64_t *day)
{
	const char *end;
	uint64_t count;
	int r = digits(text, &end, &count);

	if (r < 0)
		return r;
	if ((*end != 'd' && *end != 'w') || end[1] != '\0')
		return -EINVAL;
	if (count > DATE_DAY_MAX)
		return -ERANGE;
	*day = today + (int64_t)count * (*end == 'w' ? 7 : 1);
	return 0;
}

int option_date(const char *text, int64_t today, int32_t *day)
{
	int64_t value = -1;
	int32_t parsed;
	int r;

	if (strcmp(text, "never") == 0) {
		*day = -1;
		return 0;
	}
	if (text[0] == '+') {
		r = days_from_now(text + 1, today, &value);
	} else {
		r = date_parse(text, &parsed);
		value = r == 0 ? parsed : -1;
	}
	if (r < 0)
		return r;
	if (value <= today || value > DATE_DAY_MAX)
		return -ERANGE;
	*day = (int32_t)value;
	return 0;
}

/* Of hours or minutes. */
static int span_of_day(const char *text, uint64_t *seconds)
{
	const char unit = text[0] == '\0' ? '\0' : text[strlen(text) - 1];

	return unit == 'h' || unit == 'm' ? duration_parse(text, seconds) : -EINVAL;
}

int option_time(const char *text, int64_t now, int64_t *seconds)
{
	uint64_t span;
	int64_t at;
	int32_t day;
	int r;

	if (text[0] == '+' && span_of_day(text + 1, &span) == 0) {
		at = now + (int64_t)span;
	} else if (date_parse_minute(text, &at) < 0) {
		r = option_date(text, now / SECONDS_PER_DAY, &day);
		if (r == 0)
			*seconds = day < 0 ? 0 : (int64_t)day * SECONDS_PER_DAY;
		return r;
	}
	if (at <= now || at > (int64_t)DATE_DAY_MAX * SECONDS_PER_DAY)
		return -ERANGE;
	*seconds = at;
	return 0;
}

const char *size_text(uint64_t bytes, char out[24])
{
	int unit = -1;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024 && unit < (int)sizeof(units) - 2) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(out, 24, "%u", (unsigned)bytes);
	else if (rest * 10 / 1024 == 0)
		snprintf(out, 24, "%llu%c", (unsigned long long)whole, units[unit]);
	else
		snprintf(out, 24, "%llu.%u%c", (unsigned long long)whole, (unsigned)(rest * 10 / 1024), units[unit]);
	return out;
}
