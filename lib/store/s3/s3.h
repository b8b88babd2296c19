/* SPDX-License-Identifier: Apache-2.0 */
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
 *
 * Room store/s3: the driver of a bucket.
 * Used by: store/open, by its one struct store_driver.
 * Never: overwrites an object; keeps a part of an object in memory; sends
 *     another request once all of them are going to fail.
 *
 * Why it is so:
 *
 * s3.h says what a caller may rely on, man/lspp-s3.7 what a user may.  The
 * parts, each usable by itself: sigv4 and s3_xml (pure), http (one request
 * over libcurl), creds (whose keys), s3_place (what a URL means), pace (how
 * many requests, and when), s3_request (one request with all its tries), and
 * on top of that put, parts, get, list, delete.
 *
 * Staging is the PUT.  The workers upload side by side, and publishing only
 * hands out results.  So an object may be in the replica although the run
 * failed afterwards; that is no new case, since a kill between publishing and
 * recording has the same result, and invariant 7 covers both.  What is new is
 * order: a snapshot is only staged when its segment was not refused.
 *
 * 412 is a question, not an answer.  It may be ours: an upload whose answer
 * was lost, one that libcurl sent twice over a dead connection, or one of a
 * run that was killed.  So what lies there is always compared.  Where a policy
 * forbids looking, it counts as somebody else's; then shipping with a record
 * finds that it may not adopt either and begins a new generation.  That costs
 * a snapshot, and s3:PutObject stays all that is needed; but two machines with
 * copies of one state are told apart only where s3:GetObject is allowed.
 *
 * Conditions are probed, not trusted.  Some servers answer 200 to a PUT with
 * If-None-Match that overwrites, some refuse the header, some honour it for
 * those that come one by one and let several win that come at once.  So eight
 * requests create one object at the same moment (s3_probe), under a random
 * name, since one that is there already shows nothing of that.  The state
 * remembers the outcome, before the root itself is recorded, so that a kill in
 * between asks again; a day later the first PUT asks again, and a run with
 * nothing to put never does.  Where no condition holds each PUT looks first.
 *
 * An answer is not the object.  What a proxy makes of an object, or an error
 * with status 200, would be taken for damage, and a sound replica be begun
 * anew.  So a GET is only believed unencoded, and as the part that was asked
 * for; an object below 4 MiB is kept until its MD5 is the ETag's, or, since
 * not every ETag is one, until a HEAD says that it has that length.
 *
 * Failures that concern all are told once.  Wrong keys, no such bucket, nobody
 * there who ever answered: the first request finds out, and no other is sent.
 * A server that has answered before is waited for, up to --timeout; when it
 * has served nobody for that long, the rest of the run is given up rather than
 * waited for path by path.  Those paths are told of the root, not of the
 * object that the failed request was for.
 */
#ifndef LSPP_STORE_S3_S3_H
#define LSPP_STORE_S3_S3_H

#include "lib/store/conf.h"
#include "lib/store/driver.h"
#include "lib/store/stats.h"

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
