/* SPDX-License-Identifier: ISC */
/* Days, as shadow(5) counts them: since 1970-01-01, UTC. Pure, libc only. */
#ifndef ACCOUNT_DATE_H
#define ACCOUNT_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define DATE_TEXT_MAX 10     /* "2027-01-31" */
#define DATE_MINUTE_MAX 16   /* "2027-01-31 18:30" */
#define DATE_DAY_MAX 2932896 /* 9999-12-31 */
#define SECONDS_PER_DAY 86400

/* "YYYY-MM-DD" from 1970-01-01 on, a day that exists. 0, -EINVAL (*day untouched). */
int date_parse(const char *text, int32_t *day);

/* The opposite, for 0..DATE_DAY_MAX; out: DATE_TEXT_MAX+1 bytes. 0, -ERANGE. */
int date_format(int64_t day, char *out);

/* A minute of UTC: "YYYY-MM-DDTHH:MM", also with a space for the T. Seconds since 1970. 0, -EINVAL (*seconds
 * untouched). */
int date_parse_minute(const char *text, int64_t *seconds);

/* "YYYY-MM-DD" where a day begins, else "YYYY-MM-DD HH:MM" of the minute; out: DATE_MINUTE_MAX+1 bytes. 0, -ERANGE. */
int date_format_minute(int64_t seconds, char *out);

/* Whether something is over that is usable until that day: from it on. -1: never; any other day before 0 is in the
 * past, like day 0. */
static inline bool date_over(int64_t day, int64_t today)
{
	return day != -1 && today >= day;
}

#endif
