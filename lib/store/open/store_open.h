/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_open -- from a URL to a store, and what the URL means.
 *
 * The one place that knows which drivers there are: all others see store.h.
 *
 * Room store/open: from a URL to a store.
 * Used by: config, choose, state, hot, ship, bin.
 * Never: does more than find the driver and ask it.
 */
#ifndef LSPP_STORE_OPEN_STORE_OPEN_H
#define LSPP_STORE_OPEN_STORE_OPEN_H

#include "lib/store/store.h"

struct store_conf;

/*
 * Open the replica root named by url: "file:///dir", a bare directory path
 * (made absolute), or "s3://bucket/prefix" (s3_place.h).  Other
 * schemes are ERR_CONFIG, naming the scheme.  conf (NULL: the defaults) is for
 * S3 and must outlive the store; no request is made here.
 *
 * must_exist: the root has been seen before; when it is gone (a disk that is
 * not mounted), fail with ERR_UNAVAILABLE rather than create it anew.
 */
struct store *store_open(const char *url, enum store_mode mode, bool must_exist,
    const struct store_conf *conf, struct err *e);

/* The normal form of url, as in store->url; NULL with ERR_CONFIG if it is none.
 * The caller frees it. */
char *store_url(const char *url, const struct store_conf *conf, struct err *e);

/* The same as in store->root, a directory by where its links lead: to tell
 * whether two are one. */
char *store_real(const char *url, struct err *e);

/*
 * Likewise of the URL of something in a store: all of it is its name, byte for
 * byte, and none of it a query.
 */
char *store_place(const char *url, struct err *e);

/* The traits of the store of that URL; all false if there is no such store. */
const struct store_traits *store_traits(const char *url);

/* Where the query of an S3 URL begins, at a "?" that no backslash takes for
 * itself and a parameter that is known; the end of all others. */
const char *store_query(const char *url);

/* Lines for people, appended to out: with which credentials, and where. */
int store_whoami(const char *url, const struct store_conf *conf,
    struct buf *out, struct err *e);

#endif
