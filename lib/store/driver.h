/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver -- a kind of store: how it is named, what is true of it, what it does.
 *
 * A driver is a folder's worth of files that ends in one struct store_driver;
 * store_open.c lists the drivers, a line each.  Who uses a store asks for its traits
 * and never which driver it is.  For drivers and store_open.c alone.
 */
#ifndef LSPP_STORE_DRIVER_H
#define LSPP_STORE_DRIVER_H

#include "lib/store/store.h"

struct buf;
struct store_conf;

/* The functions return -1 or NULL with e; what they return is the caller's to
 * free.  url is what the operator gave, in any form. */
struct store_driver {
	const char *scheme; /* "s3" of "s3://" */
	const struct store_ops *ops;
	/* As store_open(); the driver sets url and root, too. */
	struct store *(*open)(const char *url, enum store_mode mode,
	    bool must_exist, const struct store_conf *conf, struct err *e);
	/* As the functions of store.h with these names. */
	char *(*url)(
	    const char *url, const struct store_conf *conf, struct err *e);
	char *(*real)(const char *url, struct err *e);
	char *(*place)(const char *url, struct err *e);
	/* The names of the parameters that a query may have, NULL at the end;
	 * NULL: URLs have no query. */
	const char *const *parameters;
	int (*whoami)(const char *url, const struct store_conf *conf,
	    struct buf *out, struct err *e);
};

extern const struct store_driver dir_driver; /* what has no scheme, too */
extern const struct store_driver s3_driver;

#endif
