/*
 * s3 -- a bucket, or a part of one, as a store.
 *
 * stage carries out the whole PUT on the caller's thread, so workers upload
 * side by side; publish hands the results out.  So an object is there from a
 * moment within stage() on, and stays when it is dropped unpublished: whoever
 * stages an object that needs another stages the other first, and looks whether
 * it failed.  'after' and 'mtime_ns' are not for S3: it cannot tell for free,
 * and sets the time itself.
 *
 * Objects are put with "If-None-Match: *", or what else holds there (enum
 * store_guard), or after a look.  When the answer is 412, what lies
 * there is compared with what was sent: the same bytes are success, others are
 * ERR_BUSY.  That also resolves an upload whose answer was lost (the second
 * try finds the first one's object).  Where looking is not allowed (a policy
 * of s3:PutObject alone) it cannot be told, and is ERR_BUSY: shipping then
 * begins a new generation, which is never wrong.
 *
 * Beyond part_size an object goes up in parts, several at a time, read from
 * the spool while they are sent: no part is ever in memory.  What was begun is
 * aborted when it fails and when a signal comes.
 *
 * Payloads are signed with their SHA-256 and carry their MD5; on AWS, or with
 * AWS_REQUEST_CHECKSUM_CALCULATION=when_supported, also their CRC32.  The
 * answer's ETag and checksum are compared with ours.
 *
 * Every request is tried again when it may help: connection lost or standing
 * still, 5xx, 429, SlowDown, a digest that did not match, a clock that is
 * wrong (once, by the server's Date), keys that have expired (once), another
 * region (once).  Waits are random and grow, Retry-After is obeyed, but no try
 * begins after the timeout, or the deadline, or a signal: a server that asks
 * for more time than that is asked once more at its end.  What fails for all
 * (wrong keys, no such bucket, nobody there who ever answered, or who served
 * anybody while one request was tried until the timeout; two, where a failure
 * may be about one object) fails at once for the rest of the run.
 *
 * Any function may be called by any thread.
 */
#ifndef LSPP_STORE_S3_S3_H
#define LSPP_STORE_S3_S3_H

#include "lib/store/conf.h"
#include "lib/store/driver.h"
#include "lib/store/stats.h"

/* The normal form of url; the caller frees it.  NULL with ERR_CONFIG. */
char *s3_url(const char *url, const struct store_conf *conf, struct err *e);

/* "s3://BUCKET/PREFIX" of any S3 URL, without its query. */
char *s3_root(const char *url, struct err *e);
/* Likewise of what has none: a "?" is one of the name. */
char *s3_place_in(const char *url, struct err *e);

void s3_stats(struct store *s, struct store_stats *out);

/*
 * The ops of the store.  The probe has several create one object at the same
 * moment, in the root: ".lspp-probe-" and a random number.  It is deleted again
 * where that is allowed.
 */
int s3_probe(struct store *s, struct err *e);
void s3_assume(struct store *s, enum store_guard guard, int64_t probed);
enum store_guard s3_guard(struct store *s, int64_t *probed);

/* remove_many of the store's ops: 1000 a request. */
int s3_remove_many(struct store *s, const char *const *keys, size_t n,
    store_removed *removed, void *ctx, struct err *e);

/*
 * list_page of the store's ops, delimiter may be NULL.  It goes on behind what
 * it got, by start-after: MinIO's tokens lead nowhere within what a long
 * delimiter rolled up.  A server that does not list in byte order is an error,
 * for something would be missing.  One that knows no delimiter of more than a
 * byte, or rolls up to something else, is asked without, and each() gets the
 * objects.
 */
int s3_now(struct store *s, int64_t *ns, struct err *e);
int s3_list_page(struct store *s, const char *prefix, const char *delimiter,
    const char *after, store_each *each, void *ctx, char **next, struct err *e);

/*
 * Who we are, for people: where the keys are from, their id's end, until when,
 * and which endpoint and region.  Appended to out, a line each.
 */
int s3_whoami(struct store *s, struct buf *out, struct err *e);

#endif
