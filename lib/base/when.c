/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/when.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/err.h"

#define SECOND ((int64_t)1000000000)
/* 2262 is where 64 bits of ns end. */
#define YEAR_MIN    1970
#define YEAR_MAX    2261
#define SECONDS_MAX (INT64_MAX / SECOND - 86400)

/* Exactly n digits. */
static bool
digits(const char **s, int n, int *out)
{
	*out = 0;
	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*out = *out * 10 + (**s - '0');
	}
	return true;
}

static bool
literal(const char **s, const char *any)
{
	if (**s == '\0' || strchr(any, **s) == NULL)
		return false;
	(*s)++;
	return true;
}

/* Any number of digits, up to SECONDS_MAX. */
static bool
number(const char **s, int64_t *out)
{
	const char *start = *s;

	for (*out = 0; **s >= '0' && **s <= '9'; (*s)++) {
		*out = *out * 10 + (**s - '0');
		if (*out > SECONDS_MAX)
			return false;
	}
	return *s > start;
}

/* ".123", if it is there, in ns; what is finer is dropped. */
static bool
fraction(const char **s, int64_t *ns)
{
	int64_t unit = SECOND / 10;

	*ns = 0;
	if (!literal(s, "."))
		return true;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		*ns += unit * (**s - '0');
	return true;
}

static bool
date(const char **s, struct tm *tm)
{
	struct tm check;
	time_t t;

	if (!digits(s, 4, &tm->tm_year) || !literal(s, "-") ||
	    !digits(s, 2, &tm->tm_mon) || !literal(s, "-") ||
	    !digits(s, 2, &tm->tm_mday) || tm->tm_year < YEAR_MIN ||
	    tm->tm_year > YEAR_MAX)
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	/* February 30 would become March 2. */
	check = *tm;
	t = timegm(&check);
	return t >= 0 && check.tm_mon == tm->tm_mon &&
	    check.tm_mday == tm->tm_mday;
}

/* "Z" or "+01:00", in seconds; 0: neither is there, -1: nonsense. */
static int
offset(const char **s, int64_t *out)
{
	int sign = **s == '-' ? -1 : 1, h, m;

	*out = 0;
	if (literal(s, "Zz"))
		return 1;
	if (!literal(s, "+-"))
		return 0;
	if (!digits(s, 2, &h) || !literal(s, ":") || !digits(s, 2, &m) ||
	    h > 23 || m > 59)
		return -1;
	*out = (int64_t)sign * (h * 3600 + m * 60);
	return 1;
}

static bool
rfc3339(const char *s, int64_t *ns)
{
	struct tm tm = { 0 };
	int64_t part, east;

	if (!date(&s, &tm) || !literal(&s, "Tt ") ||
	    !digits(&s, 2, &tm.tm_hour) || !literal(&s, ":") ||
	    !digits(&s, 2, &tm.tm_min) || !literal(&s, ":") ||
	    !digits(&s, 2, &tm.tm_sec) || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60 || !fraction(&s, &part))
		return false;
	if (offset(&s, &east) != 1 || *s != '\0')
		return false;
	*ns = ((int64_t)timegm(&tm) - east) * SECOND + part;
	return true;
}

/* "today" and "yesterday", of the local zone, as a date. */
static bool
day(const char **s, int64_t now_ns, struct tm *tm)
{
	static const char *const names[] = { "today", "yesterday" };
	time_t now = (time_t)(now_ns / SECOND);
	size_t n;

	for (int i = 0; i < 2; i++) {
		n = strlen(names[i]);
		if (strncmp(*s, names[i], n) != 0)
			continue;
		*s += n;
		if (localtime_r(&now, tm) == NULL)
			return false;
		tm->tm_mday -= i; /* mktime() takes it as it is meant */
		return true;
	}
	return date(s, tm);
}

/* A time of day in the local zone.  Of one that comes twice in a night the zone
 * in the answer tells which was taken. */
static bool
local(const char *s, int64_t now_ns, int64_t *ns)
{
	struct tm tm = { 0 };
	int64_t part = 0;
	time_t t;

	if (!day(&s, now_ns, &tm) || !literal(&s, "Tt ") ||
	    !digits(&s, 2, &tm.tm_hour) || !literal(&s, ":") ||
	    !digits(&s, 2, &tm.tm_min) || tm.tm_hour > 23 || tm.tm_min > 59)
		return false;
	tm.tm_sec = 0;
	if (literal(&s, ":") &&
	    (!digits(&s, 2, &tm.tm_sec) || tm.tm_sec > 60 ||
		!fraction(&s, &part)))
		return false;
	tm.tm_isdst = -1;
	if (*s != '\0' || (t = mktime(&tm)) < 0)
		return false;
	*ns = (int64_t)t * SECOND + part;
	return true;
}

static bool
epoch(const char *s, int64_t *ns)
{
	int64_t seconds, part;

	if (!literal(&s, "@") || !number(&s, &seconds) || !fraction(&s, &part))
		return false;
	*ns = seconds * SECOND + part;
	return *s == '\0';
}

static bool
ago(const char *s, int64_t now_ns, int64_t *ns)
{
	static const char units[] = "smhdw";
	static const int64_t seconds[] = { 1, 60, 3600, 86400, 604800 };
	const char *unit;
	int64_t n;

	if (!number(&s, &n) || *s == '\0' || (unit = strchr(units, *s)) == NULL)
		return false;
	if (s[1] != '\0' && strcmp(s + 1, " ago") != 0)
		return false;
	/* Before 1970 is as good as 1970. */
	if (n > now_ns / SECOND / seconds[unit - units])
		*ns = 0;
	else
		*ns = now_ns - n * seconds[unit - units] * SECOND;
	return true;
}

int
when_parse(const char *s, int64_t now_ns, int64_t *ns, struct err *e)
{
	if (epoch(s, ns) || ago(s, now_ns, ns) || rfc3339(s, ns))
		return 0;
	if (local(s, now_ns, ns))
		return 1;
	return err_set(e, ERR_USAGE,
	    "\"%s\" is no time like 2026-11-24T02:18:31Z, \"2026-11-24 "
	    "02:18\", \"yesterday 14:00\", @1795488467 or 2h",
	    s);
}

const char *
when_text(int64_t ns, char out[WHEN_SIZE])
{
	int64_t ms = ns / 1000000 + (ns % 1000000 > 0);
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	if (ms < 0 || gmtime_r(&t, &tm) == NULL ||
	    (n = strftime(out, WHEN_SIZE, "%Y-%m-%dT%H:%M:%S", &tm)) == 0)
		(void)snprintf(out, WHEN_SIZE, "an unknown time");
	else
		(void)snprintf(
		    out + n, WHEN_SIZE - n, ".%03dZ", (int)(ms % 1000));
	return out;
}

const char *
when_local(int64_t ns, char out[WHEN_LOCAL_SIZE])
{
	time_t t = (time_t)(ns / SECOND);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, WHEN_LOCAL_SIZE, "%Y-%m-%d %H:%M:%S %z (%Z)", &tm) ==
		0)
		(void)snprintf(out, WHEN_LOCAL_SIZE, "an unknown time");
	return out;
}

int64_t
when_ns(const struct timespec *ts)
{
	const int64_t most = INT64_MAX / 2;

	if (ts->tv_sec >= most / SECOND)
		return most;
	if (ts->tv_sec <= -most / SECOND)
		return -most;
	return (int64_t)ts->tv_sec * SECOND + ts->tv_nsec;
}

int64_t
when_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return when_ns(&ts);
}
