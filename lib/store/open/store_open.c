/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/open/store_open.h"

#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/store/conf.h"
#include "lib/store/driver.h"

static const struct store_driver *const drivers[] = { &dir_driver, &s3_driver };

/* "s3:/bucket", "s3:bucket" or "s3//bucket": no directory that anybody means. */
static int
check_slashes(const char *url, struct err *e)
{
	size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789");
	const char *rest = url + n;

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strlen(drivers[i]->scheme) != n ||
		    strncmp(url, drivers[i]->scheme, n) != 0 ||
		    (*rest != ':' && strncmp(rest, "//", 2) != 0))
			continue;
		rest += *rest == ':';
		rest += strspn(rest, "/");
		err_set(e, ERR_CONFIG, "%s is no URL", url);
		return err_hint(e,
		    "did you mean %.*s://%s%s? a directory of that name is "
		    "./%s",
		    (int)n, url, drivers[i] == &dir_driver ? "/" : "", rest,
		    url);
	}
	return 0;
}

/* NULL with e where there is none for that scheme. */
static const struct store_driver *
driver_of(const char *url, struct err *e)
{
	size_t n = store_scheme(url);

	if (n == 0)
		return check_slashes(url, e) == 0 ? &dir_driver : NULL;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strlen(drivers[i]->scheme) == n &&
		    strncasecmp(url, drivers[i]->scheme, n) == 0)
			return drivers[i];
	err_set(e, ERR_CONFIG, "a replica in %.*s:// is not supported", (int)n,
	    url);
	return NULL;
}

const struct store_traits *
store_traits(const char *url)
{
	static const struct store_traits none;
	const struct store_driver *d = driver_of(url, &(struct err){ 0 });

	return d != NULL ? &d->ops->traits : &none;
}

/* "?" is also a pattern's: what begins a query is known by its name. */
static bool
is_parameter(const struct store_driver *d, const char *p)
{
	for (const char *const *name = d->parameters; *name != NULL; name++)
		if (strncmp(p, *name, strlen(*name)) == 0 &&
		    p[strlen(*name)] == '=')
			return true;
	return false;
}

const char *
store_query(const char *url)
{
	const struct store_driver *d = driver_of(url, &(struct err){ 0 });
	const char *p = url;

	if (d == NULL || d->parameters == NULL)
		return url + strlen(url);
	for (; *p != '\0'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '?' && is_parameter(d, p + 1))
			return p;
	return p;
}

static const struct store_conf defaults = STORE_CONF;

char *
store_url(const char *url, const struct store_conf *conf, struct err *e)
{
	const struct store_driver *d = driver_of(url, e);

	return d == NULL ? NULL
			 : d->url(url, conf != NULL ? conf : &defaults, e);
}

char *
store_real(const char *url, struct err *e)
{
	const struct store_driver *d = driver_of(url, e);

	return d == NULL ? NULL : d->real(url, e);
}

char *
store_place(const char *url, struct err *e)
{
	const struct store_driver *d = driver_of(url, e);

	return d == NULL ? NULL : d->place(url, e);
}

struct store *
store_open(const char *url, enum store_mode mode, bool must_exist,
    const struct store_conf *conf, struct err *e)
{
	const struct store_driver *d = driver_of(url, e);

	return d == NULL ? NULL
			 : d->open(url, mode, must_exist,
			       conf != NULL ? conf : &defaults, e);
}

int
store_whoami(const char *url, const struct store_conf *conf, struct buf *out,
    struct err *e)
{
	const struct store_driver *d = driver_of(url, e);

	return d == NULL
	    ? -1
	    : d->whoami(url, conf != NULL ? conf : &defaults, out, e);
}
