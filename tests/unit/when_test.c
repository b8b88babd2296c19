/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as people write them. */
#include <stdlib.h>
#include <time.h>

#include "lib/base/err.h"
#include "lib/base/when.h"
#include "tests/unit/tap.h"

#define S   1000000000LL
#define NOW (1795488467 * S + 7)

static int64_t
parse(const char *s)
{
	struct err e;
	int64_t ns;

	return when_parse(s, NOW, &ns, &e) == 0 ? ns : -1;
}

static void
test_rfc3339(void)
{
	is_int(parse("1970-01-01T00:00:00Z"), 0, "the beginning");
	is_int(parse("2026-11-24T02:47:47Z"), 1795488467 * S, "UTC");
	is_int(parse("2026-11-24 02:47:47z"), 1795488467 * S, "with a blank");
	is_int(parse("2026-11-24T03:47:47+01:00"), 1795488467 * S, "east");
	is_int(parse("2026-11-23T21:17:47-05:30"), 1795488467 * S, "west");
	is_int(parse("2026-11-24T02:47:47.25Z"), 1795488467 * S + S / 4,
	    "a fraction");
	is_int(parse("2026-11-24T02:47:47.1234567899Z"),
	    1795488467 * S + 123456789, "finer than ns is dropped");
	is_int(parse("2024-02-29T00:00:00Z"), 1709164800 * S, "a leap day");
	is_int(parse("2016-12-31T23:59:60Z"), 1483228800 * S, "a leap second");
}

static void
test_wrong(void)
{
	static const char *const wrong[] = { "", "now", "2026-11-24",
		"2026-11-24T02:47Z", "2026-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00ZZ", "2026-01-01T00:00:00+0100",
		"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60",
		"1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "+5h", "-5h",
		"5", "h", "5H", "5h ", "5h  ago", "5hago", "1.5h", "@", "@x",
		"@1x", "@-1", "@1.", "@99999999999999999999", "1795488467",
		"99999999999999999999h" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		is_int(parse(wrong[i]), -1, "\"%s\" is none", wrong[i]);
}

/* NOW is 03:47:47 on November 24 there. */
static int64_t
here(const char *s)
{
	struct err e;
	int64_t ns;

	return when_parse(s, NOW, &ns, &e) == 1 ? ns : -1;
}

static void
test_local(void)
{
	const int64_t noon = 1795518000 * S; /* 11:00 UTC */
	char text[WHEN_LOCAL_SIZE];

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	is_int(here("2026-11-24 12:00"), noon, "a date and a time");
	is_int(here("2026-11-24T12:00:00.5"), noon + S / 2, "to the second");
	is_int(here("today 12:00"), noon, "today");
	is_int(here("yesterday 12:00:01"), noon - 86399 * S, "yesterday");
	is_int(here("2026-07-24 12:00"), 1784887200 * S, "in summer");
	is_int(here("2026-11-24T12:00:00Z"), -1, "one of another zone");
	is_int(here("yesterday"), -1, "no time of the day");
	is_int(here("yesterday 24:00"), -1, "no such time");
	is_str(when_local(noon, text), "2026-11-24 12:00:00 +0100 (CET)",
	    "the zone is told");
	unsetenv("TZ");
	tzset();
}

static void
test_relative(void)
{
	is_int(parse("@1795488467"), 1795488467 * S, "seconds");
	is_int(parse("@1795488467.5"), 1795488467 * S + S / 2, "and a half");
	is_int(parse("0s"), NOW, "0s is now");
	is_int(parse("90s"), NOW - 90 * S, "90s");
	is_int(parse("5m ago"), NOW - 300 * S, "5m ago");
	is_int(parse("2h"), NOW - 7200 * S, "2h");
	is_int(parse("1d"), NOW - 86400 * S, "1d");
	is_int(parse("3w ago"), NOW - 1814400 * S, "3w ago");
	is_int(parse("99999w"), 0, "ages ago");
}

static void
test_text(void)
{
	char out[WHEN_SIZE];

	is_str(when_text(0, out), "1970-01-01T00:00:00.000Z", "the beginning");
	is_str(when_text(1795488467 * S, out), "2026-11-24T02:47:47.000Z",
	    "a second");
	is_str(when_text(1795488467 * S + 1, out), "2026-11-24T02:47:47.001Z",
	    "a ns later is rounded up");
	is_str(when_text(1795488467 * S + 999999999, out),
	    "2026-11-24T02:47:48.000Z", "over the second, too");
	is_int(parse(when_text(NOW, out)) >= NOW, 1,
	    "what is printed covers what happened");
	is_str(when_text(-5 * S, out), "an unknown time", "before 1970");
}

/* What anybody may give a file with touch(1). */
static void
test_files(void)
{
	const struct timespec far[] = { { INT64_MAX, 999999999 },
		{ INT64_MIN, 0 }, { 10413792000, 0 }, { -10413792000, 0 } };

	is_int(when_ns(&(struct timespec){ 2, 5 }), 2 * S + 5, "a time");
	is_int(when_ns(&(struct timespec){ -1, 5 }), -S + 5, "one before 1970");
	for (int i = 0; i < 4; i++)
		is_int(when_ns(&far[i]),
		    i % 2 ? -(INT64_MAX / 2) : INT64_MAX / 2,
		    "of a year that no number of ns holds");
}

int
main(void)
{
	test_rfc3339();
	test_wrong();
	test_local();
	test_relative();
	test_text();
	test_files();
	return done();
}
