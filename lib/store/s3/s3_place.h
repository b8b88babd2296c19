/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_place -- where a replica root on S3 is: endpoint, addressing, region.
 *
 *	s3://BUCKET[/PREFIX][?endpoint=URL&region=NAME&path-style=true|false]
 *	s3://BUCKET.HOST:PORT/PREFIX		http, the bucket in the path
 *	s3://BUCKET.s3.REGION.backblazeb2.com	and other providers' names
 *
 * The prefix is bytes: nothing in it is decoded but for a query, which begins
 * at the first "?".  Who says the endpoint, the first that does: the URL,
 * --endpoint-url, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_ENDPOINT, the
 * profile; else AWS.  And the region: the URL, --region, AWS_REGION,
 * AWS_DEFAULT_REGION, the profile, the endpoint's name; else us-east-1 until
 * the bucket says otherwise.
 */
#ifndef LSPP_STORE_S3_S3_PLACE_H
#define LSPP_STORE_S3_S3_PLACE_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/store/conf.h"

struct err;
struct aws_files;

struct s3_place {
	char *bucket, *prefix; /* no slash at either end; "" for none */
	char *scheme, *host;   /* without the bucket; with a port if given */
	char *path;            /* of the endpoint: "" or "/x" */
	char *region;
	bool custom;       /* an endpoint that is not AWS's own rule */
	bool region_asked; /* by the URL or --region: do not follow others */
	bool virtual_host;
	bool fips, dualstack;
};

int s3_place_find(struct s3_place *p, const char *url,
    const struct store_conf *conf, const struct aws_files *files,
    const char *profile, struct err *e);
void s3_place_release(struct s3_place *p);

/* Can it be a region?  It becomes a part of AWS's host, whoever says it. */
bool s3_place_is_region(const char *s);

/* Move to another region: AWS's host changes with it. */
void s3_place_region(struct s3_place *p, const char *region);

/* "s3://BUCKET/PREFIX", and with an endpoint of one's own "?endpoint=..." */
void s3_place_url(const struct s3_place *p, struct buf *out);

/* What a request for key ("": the bucket) says: Host, and the path, which is
 * not encoded.  key is that of an object in the bucket, prefix included. */
void s3_place_target(const struct s3_place *p, const char *key,
    struct buf *host, struct buf *path);

/*
 * The bucket and normal prefix of a URL, its query left out: enough to tell
 * whether it lies below another.  Without query a "?" is one of the prefix.
 */
int s3_place_split(
    const char *url, bool query, char **bucket, char **prefix, struct err *e);

#endif
