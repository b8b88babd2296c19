/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap -- a test that says what it found in the Test Anything Protocol.
 *
 * main runs checks, each a line "ok N - name" on stdout with a diagnosis on
 * "# " lines where it is not, and returns done(), which prints the plan: a
 * test that dies on the way has none and so is known to have failed.
 */
#ifndef LSPP_TESTS_UNIT_TAP_H
#define LSPP_TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAP_FN(n, m) __attribute__((unused, format(printf, n, m)))

/* The checks return whether they held. */
#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(got, want, ...) \
	tap_str((got), (want), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, ...)                                           \
	tap_int((long long)(got), (long long)(want), __FILE__, __LINE__, \
	    __VA_ARGS__)

static unsigned tap_count, tap_failed;

static inline bool
tap_line(bool good, const char *file, int line, const char *fmt, va_list ap)
{
	printf("%sok %u - ", good ? "" : "not ", ++tap_count);
	vprintf(fmt, ap);
	printf("\n");
	if (!good) {
		tap_failed++;
		printf("#   at %s:%d\n", file, line);
	}
	fflush(stdout); /* nothing left for a fork to print again */
	return good;
}

static TAP_FN(4, 5) bool tap_ok(
    bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	good = tap_line(good, file, line, fmt, ap);
	va_end(ap);
	return good;
}

/* Either may be NULL. */
static TAP_FN(5, 6) bool tap_str(const char *got, const char *want,
    const char *file, int line, const char *fmt, ...)
{
	bool good = got == want ||
	    (got != NULL && want != NULL && strcmp(got, want) == 0);
	va_list ap;

	va_start(ap, fmt);
	tap_line(good, file, line, fmt, ap);
	va_end(ap);
	if (!good) {
		printf("#   got  \"%s\"\n", got == NULL ? "(NULL)" : got);
		printf("#   want \"%s\"\n", want == NULL ? "(NULL)" : want);
		fflush(stdout);
	}
	return good;
}

static TAP_FN(5, 6) bool tap_int(long long got, long long want,
    const char *file, int line, const char *fmt, ...)
{
	bool good = got == want;
	va_list ap;

	va_start(ap, fmt);
	tap_line(good, file, line, fmt, ap);
	va_end(ap);
	if (!good) {
		printf("#   got  %lld\n#   want %lld\n", got, want);
		fflush(stdout);
	}
	return good;
}

/* What a random test draws from: LSPP_SEED, or the time.  It is told. */
static inline unsigned long long
tap_seed(void)
{
	const char *given = getenv("LSPP_SEED");
	unsigned long long drawn = given != NULL
	    ? strtoull(given, NULL, 10)
	    : (unsigned long long)time(NULL);

	printf("# LSPP_SEED=%llu\n", drawn);
	return drawn;
}

/* The plan; returns what main is to return. */
static inline int
done(void)
{
	printf("1..%u\n", tap_count);
	return fflush(stdout) == 0 && tap_failed == 0 && tap_count > 0 ? 0 : 1;
}

#endif
