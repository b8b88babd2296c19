/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/late_curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

#include "lib/base/err.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool ready;

#ifdef LSPP_STATIC

static int
load(struct err *e)
{
	(void)e;
	return 0;
}

#else

struct late_curl late_curl_calls;

/* The name of libcurl's ABI, which is the same since 2006. */
#define SONAME "libcurl.so.4"

static const struct {
	const char *name;
	void *to; /* a pointer to a function, as POSIX lets dlsym() give it */
} calls[] = {
	{ "curl_global_init", &late_curl_calls.global_init },
	{ "curl_easy_init", &late_curl_calls.easy_init },
	{ "curl_easy_setopt", &late_curl_calls.easy_setopt },
	{ "curl_easy_perform", &late_curl_calls.easy_perform },
	{ "curl_easy_getinfo", &late_curl_calls.easy_getinfo },
	{ "curl_easy_cleanup", &late_curl_calls.easy_cleanup },
	{ "curl_easy_strerror", &late_curl_calls.easy_strerror },
	{ "curl_slist_append", &late_curl_calls.slist_append },
	{ "curl_slist_free_all", &late_curl_calls.slist_free_all },
};

/* It stays loaded to the end: its threads and its buffers know no other time. */
static int
load(struct err *e)
{
	void *lib = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; lib != NULL && i < sizeof(calls) / sizeof(*calls);
	     i++) {
		void *call = dlsym(lib, calls[i].name);

		if (call == NULL)
			lib = NULL;
		else
			*(void **)calls[i].to = call;
	}
	if (lib != NULL)
		return 0;
	err_set(e, ERR_OS,
	    "cannot load libcurl, which object storage needs: %s", dlerror());
	return err_hint(e, "is it installed? Debian's package is libcurl4");
}

#endif

int
late_curl(struct err *e)
{
	int rc = 0;

	(void)pthread_mutex_lock(&lock);
	if (!ready && (rc = load(e)) == 0) {
		(void)curl_global_init(CURL_GLOBAL_DEFAULT);
		ready = true;
	}
	(void)pthread_mutex_unlock(&lock);
	return rc;
}
