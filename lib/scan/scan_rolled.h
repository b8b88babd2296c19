/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan_rolled -- the databases in a store that lists by key (S3).
 *
 * Whatever lies below "<key>/generations/" is one entry of a listing, so the
 * requests follow the databases and not their objects; a folder of that name
 * is always taken for a database's.  The listing begins with what every match
 * begins with, and passes over what no match lies in.  More than a page of it
 * is divided among s->jobs workers, by common prefixes, where these hold enough
 * databases each.
 *
 * Databases are reported in byte order of "<key>/", on the caller's thread.  In
 * memory are at most some hundred KB of keys a worker.
 *
 * Why it is so:
 *
 * Scanning asks for a delimiter of "/generations/", so that a database is one
 * entry, whatever its number of objects.  It goes on with start-after, never
 * with a server's token: behind a page it knows the next place where a match
 * can be (glob_next), so a pattern passes over what cannot match, with never
 * more requests than listing all.  MinIO counts objects, not entries, toward a
 * page, and its tokens lead round in circles within a database of a thousand
 * objects; with start-after it only costs more pages.  A common prefix that
 * does not end in the delimiter, or an error 400, means that the server does
 * not know such a delimiter: then all objects are listed, since what it rolled
 * up otherwise would be databases that nobody sees.  What is more than a page
 * is divided by the common prefixes behind it, if these hold enough databases
 * each: ranges of keys go through a pool, and are reported in order, so that
 * memory follows the workers.
 */
#ifndef LSPP_SCAN_SCAN_ROLLED_H
#define LSPP_SCAN_SCAN_ROLLED_H

struct scan;
struct store;

/* st->ops->list_page is not NULL; pattern is well formed, or NULL.  As
 * scan_replica(). */
int scan_rolled(const struct scan *s, struct store *st, const char *pattern);

#endif
