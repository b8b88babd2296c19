/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch -- look at a fleet again and again, for a while.
 *
 * Hot databases (tier.h) are looked at at every interval, all others once in
 * scan_interval, evenly spread, or sooner, where there are few; later, where
 * that cannot be done, for the hot ones go first.  One look is two stat calls;
 * whether what was printed has been shipped, is asked of the state once in
 * scan_interval, and only for the hot ones.
 *
 * Those that are known are watched while paths still come: a read waits no
 * longer than until the next look is due, and behind looks that took longer
 * than an interval paths are read for as long as those took.  A path that comes
 * again is one entry, and is looked at.
 *
 * With every_ns it is reported when so much has gone by since it was shipped, as
 * the state has it, or since it was reported; not so behind a signal.
 *
 * A database is reported when its signature is another than when it was last
 * reported, once more if that was too fresh to show a further change, and
 * again after each hot_for that it stays unshipped.  It turns cold when all it
 * holds is shipped and hot_for has gone by.
 *
 * Polling, because nothing better is to be had for a fleet without privileges:
 * inotify wants a watch for each directory and says nothing of where a file
 * system was changed from elsewhere, and two stat calls of 100,000 databases in
 * 15 seconds are a few hundredths of a processor.
 *
 * About 70 bytes and the path for each database.  One thread.
 *
 * Why it is so:
 *
 * --watch polls: hot databases every second, of the others so many that each
 * is looked at in 15 seconds, and 4,096 at least.  It does so from the first
 * path on: one thread polls its input and the time of the next looks.  What
 * takes longer than an interval, reading or looking, gets no more time than
 * the other, so neither starves, and on a slow disk the looks at cold
 * databases end after an interval, for the hot ones.  A pass is noted only
 * when the input has ended and all that came of it were looked at.  Measured
 * with 100,000, one minute with nothing written is 1.6 seconds of a processor,
 * a fifth of that for the first look.  What the kernel offers is not better
 * there.  inotify wants a watch for each directory: with one directory a
 * tenant that is 1.5 seconds to set up, in every run, and inode and directory
 * entry of each held in memory, more than 1.3 KB; then idling is free, but a
 * commit is three to four events, and 500 commits a second cost the reader 1 %
 * of a processor, more than to look at the thousand hot ones.  It says nothing
 * of what came through a mapping or from another machine, so the polling would
 * stay.  fanotify for a whole file system needs privileges, and tells of all
 * that others do there.
 */
#ifndef LSPP_HOT_WATCH_H
#define LSPP_HOT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct tiers;
struct watch;

struct watch_conf {
	struct tiers *tiers;
	bool fleet; /* the paths are all there are: a pass is noted */
	/*
	 * A path to take up, valid until the next call: 1; 0: none has come
	 * within ms milliseconds, or about that; -1: no more will.
	 */
	int (*next)(void *ctx, int ms, const char **path);
	int64_t interval_ns, scan_interval_ns;
	int64_t
	    every_ns; /* a database is reported so often at most; 0: no limit */
	size_t at_least; /* look at so many others with the hot ones */
	/* It has something to ship; why as in tier.h. */
	void (*dirty)(void *ctx, const char *path, const char *why);
	/* It cannot be looked at; told once, until it can be again. */
	void (*failed)(void *ctx, const char *path, const struct err *e);
	/* All that there was to say at this moment was said. */
	void (*flush)(void *ctx);
	void *ctx;
};

/* conf must outlive it. */
struct watch *watch_new(const struct watch_conf *conf);
void watch_free(struct watch *w); /* takes NULL */

/*
 * Go on until all paths have come and it is end_ns (of the monotonic clock),
 * and then look at all of them once more; or until a signal (sys/stop.h), and
 * then at as many as can be in a second, hot ones first.  -1: the state cannot
 * be read.
 */
int watch_run(struct watch *w, int64_t end_ns, struct err *e);

size_t watch_size(const struct watch *w); /* databases that it knows */

/* The monotonic clock. */
int64_t watch_clock_ns(void);

#endif
