/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/opt.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/err.h"

bool
opt_decimal(const char *s, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t v = 0, digit;

	if (len == 0)
		return false;
	for (; len > 0; s++, len--) {
		if (*s < '0' || *s > '9')
			return false;
		digit = (uint64_t)(*s - '0');
		if (digit > max || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

int
opt_number(const char *name, const char *arg, uint64_t min, uint64_t max,
    uint64_t *out, struct err *e)
{
	if (opt_decimal(arg, strlen(arg), max, out) && *out >= min)
		return 0;
	return err_set(e, ERR_USAGE,
	    "--%s: \"%s\" is not a number from %llu to %llu", name, arg,
	    (unsigned long long)min, (unsigned long long)max);
}

int
opt_duration(const char *name, const char *arg, uint64_t *out, struct err *e)
{
	static const char letters[] = "smhd";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	size_t len = strlen(arg);
	const char *unit = len > 0 ? strchr(letters, arg[len - 1]) : NULL;

	if (unit == NULL || *unit == '\0' ||
	    !opt_decimal(
		arg, len - 1, INT64_MAX / seconds[unit - letters], out))
		return err_set(e, ERR_USAGE,
		    "--%s: \"%s\" is not a duration like 90s, 5m, 24h or 7d",
		    name, arg);
	*out *= seconds[unit - letters];
	return 0;
}

int
opt_size(const char *name, const char *arg, uint64_t min, uint64_t max,
    uint64_t *out, struct err *e)
{
	static const char letters[] = "KMG";
	size_t len = strlen(arg);
	const char *unit = len > 0 ? strchr(letters, arg[len - 1]) : NULL;
	unsigned shift = 0;

	if (unit != NULL && *unit != '\0') {
		shift = 10 * (unsigned)(unit - letters + 1);
		len--;
	}
	if (!opt_decimal(arg, len, max >> shift, out) || (*out << shift) < min)
		return err_set(e, ERR_USAGE,
		    "--%s: \"%s\" is not a size from %llu to %llu, like "
		    "65536, 8M or 1G",
		    name, arg, (unsigned long long)min,
		    (unsigned long long)max);
	*out <<= shift;
	return 0;
}
