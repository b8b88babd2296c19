/* SPDX-License-Identifier: Apache-2.0 */
/*
 * late_curl -- libcurl, loaded when the first handle is made.
 *
 * A distribution's libcurl brings thirty libraries with it (LDAP, Kerberos, SSH,
 * RTMP).  A program whose replica is a directory loads none of them: it starts in a
 * third of the time, and what it does not load has no flaw that a database could
 * use.  Where the programs are static (-DLSPP_STATIC) libcurl is part of them.
 *
 * Include this in place of <curl/curl.h>.  The functions have libcurl's own names;
 * those that are not in the table below cannot be called.  Options lose libcurl's
 * check of their types at compile time, but for a static build, which `make lint`
 * compiles.
 */
#ifndef LSPP_STORE_AWS_LATE_CURL_H
#define LSPP_STORE_AWS_LATE_CURL_H

#include <curl/curl.h>

struct err;

/*
 * Load libcurl, unless that is done: before any other function of it.  ERR_OS, with
 * the reason, if it is not installed or does not load; then the next call tries
 * again.  Thread-safe.
 */
int late_curl(struct err *e);

#ifndef LSPP_STATIC
/* Written by late_curl() alone.  The parentheses keep libcurl's macros away. */
struct late_curl {
	__typeof__((curl_global_init)) *global_init;
	__typeof__((curl_easy_init)) *easy_init;
	__typeof__((curl_easy_setopt)) *easy_setopt;
	__typeof__((curl_easy_perform)) *easy_perform;
	__typeof__((curl_easy_getinfo)) *easy_getinfo;
	__typeof__((curl_easy_cleanup)) *easy_cleanup;
	__typeof__((curl_easy_strerror)) *easy_strerror;
	__typeof__((curl_slist_append)) *slist_append;
	__typeof__((curl_slist_free_all)) *slist_free_all;
};
extern struct late_curl late_curl_calls;

#undef curl_easy_setopt
#undef curl_easy_getinfo
#define curl_global_init    late_curl_calls.global_init
#define curl_easy_init      late_curl_calls.easy_init
#define curl_easy_setopt    late_curl_calls.easy_setopt
#define curl_easy_perform   late_curl_calls.easy_perform
#define curl_easy_getinfo   late_curl_calls.easy_getinfo
#define curl_easy_cleanup   late_curl_calls.easy_cleanup
#define curl_easy_strerror  late_curl_calls.easy_strerror
#define curl_slist_append   late_curl_calls.slist_append
#define curl_slist_free_all late_curl_calls.slist_free_all
#endif

#endif
