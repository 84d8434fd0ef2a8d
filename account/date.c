/* SPDX-License-Identifier: ISC */
/* Dates such as 2027-01-31, to and from days since 1970-01-01. Knows no locale and no time zone. */
#include "account/date.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && leap(year));
}

static int days_of_year(int year)
{
	return leap(year) ? 366 : 365;
}

/* Exactly `length` digits, or -1. */
static int digits(const char *text, int length)
{
	int value = 0;

	for (int i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

static bool shape(const char *text)
{
	for (int i = 0; i < DATE_TEXT_MAX; i++)
		if (text[i] == '\0' || (text[i] == '-') != (i == 4 || i == 7))
			return false;
	return text[DATE_TEXT_MAX] == '\0';
}

int date_parse(const char *text, int32_t *day)
{
	int32_t sum = 0;

	if (text == NULL || !shape(text))
		return -EINVAL;

	int year = digits(text, 4), month = digits(text + 5, 2), of_month = digits(text + 8, 2);

	if (year < 1970 || month < 1 || month > 12 || of_month < 1 || of_month > days_of_month(year, month))
		return -EINVAL;
	for (int y = 1970; y < year; y++)
		sum += days_of_year(y);
	for (int m = 1; m < month; m++)
		sum += days_of_month(year, m);
	*day = sum + of_month - 1;
	return 0;
}

static void put_digits(char *out, int value, int length)
{
	while (length-- > 0) {
		out[length] = (char)('0' + value % 10);
		value /= 10;
	}
}

int date_format(int64_t day, char *out)
{
	int year = 1970, month = 1;

	if (day < 0 || day > DATE_DAY_MAX)
		return -ERANGE;
	for (; day >= days_of_year(year); year++)
		day -= days_of_year(year);
	for (; day >= days_of_month(year, month); month++)
		day -= days_of_month(year, month);
	put_digits(out, year, 4);
	out[4] = '-';
	put_digits(out + 5, month, 2);
	out[7] = '-';
	put_digits(out + 8, (int)day + 1, 2);
	out[DATE_TEXT_MAX] = '\0';
	return 0;
}

int date_parse_minute(const char *text, int64_t *seconds)
{
	char date[DATE_TEXT_MAX + 1];
	int32_t day;
	int hour, minute;

	if (text == NULL || strlen(text) != DATE_MINUTE_MAX || text[13] != ':' ||
	    (text[DATE_TEXT_MAX] != 'T' && text[DATE_TEXT_MAX] != ' '))
		return -EINVAL;
	memcpy(date, text, DATE_TEXT_MAX);
	date[DATE_TEXT_MAX] = '\0';
	hour = digits(text + 11, 2);
	minute = digits(text + 14, 2);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || date_parse(date, &day) < 0)
		return -EINVAL;
	*seconds = (int64_t)day * SECONDS_PER_DAY + hour * 3600 + minute * 60;
	return 0;
}

int date_format_minute(int64_t seconds, char *out)
{
	const int of_day = (int)(seconds % SECONDS_PER_DAY);

	if (seconds < 0 || date_format(seconds / SECONDS_PER_DAY, out) < 0)
		return -ERANGE;
	if (of_day == 0)
		return 0;
	out[10] = ' ';
	put_digits(out + 11, of_day / 3600, 2);
	out[13] = ':';
	put_digits(out + 14, of_day / 60 % 60, 2);
	out[DATE_MINUTE_MAX] = '\0';
	return 0;
}
