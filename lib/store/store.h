/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store -- objects by key, wherever they are.
 *
 * Keys are paths without a leading slash.  Objects are written once: nothing
 * is ever overwritten.  Writing has two halves, so that one sync can make many
 * objects durable:
 *
 *	stage    any thread: the bytes travel
 *	publish  one thread: a batch gets its names, durably, in order
 *
 * An object that publish() reports is in the store, whole and durable.  Before
 * that a directory holds nothing of it, also after a kill (what a killed
 * process left is cleaned up when it is next opened for writing).  On S3 it is
 * there, whole, from a moment within stage() on, also when it is dropped.  So
 * who stages an object that needs another one stages the other first, and only
 * goes on if it has not failed.
 *
 * A driver embeds struct store as its first member.  stage, get and list may
 * be called by many threads at once; what publishes or removes by one at a
 * time.
 *
 * Room store: objects by key, wherever they are.  What all drivers share is
 *     here; dir/ and s3/ are the drivers, aws/ is how s3/ talks to its server,
 *     open/ knows which drivers there are.
 * Used by: config, replica, scan, choose, restore, mirror, prune, ship, verify, bin.
 * Never: knows what an object holds.  A user of it never asks which driver it
 *     has, only for its traits.
 */
#ifndef LSPP_STORE_STORE_H
#define LSPP_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/sys/spool.h"

struct buf;
struct store;
struct store_stats;

/* A staged object; owned by the caller until published or dropped. */
struct staged {
	int rc; /* after publish: 0, or -1 with e filled */
	struct err e;
	bool failed; /* publish is going to say so: known while staging */
	/*
	 * Another of the same list, before this one, or NULL.  If that is not
	 * published, this is not either, and fails as that does.  Set by the
	 * caller; where staging is all (S3) the caller does not stage it then.
	 */
	struct staged *behind;
};

/* Bytes of an object in order; -1 ends the get with that error. */
typedef int store_sink(void *ctx, const uint8_t *p, size_t n, struct err *e);

/* An object as list() reports it, in byte order of keys. */
struct store_entry {
	const char *key; /* full key; with delimited listing a common prefix
			    ends in '/' */
	uint64_t size;
	int64_t mtime_ns;
	/* It came there, be it as a copy, no later than that where mtime_ns
	 * does not say so; or 0. */
	int64_t put_ns;
	bool prefix; /* a common prefix, not an object */
	/* NULL; or it is neither, and this is what it is: a listing does not
	 * reach what may be behind it. */
	const char *odd;
};
/* What a store_each may say of an odd one: pass it over. */
#define STORE_PASS 2
/*
 * 0: go on; 1: stop, list returns 0; -1: list fails with e.  An odd entry that is
 * not passed over by name, with STORE_PASS, fails the listing: one that leaves
 * something out is not to look complete.
 */
typedef int store_each(void *ctx, const struct store_entry *en, struct err *e);

/* The result for key i of a remove_many(), in any order. */
typedef void store_removed(void *ctx, size_t i, int rc, const struct err *e);

/* An upload that was begun and has not become an object. */
struct store_upload {
	const char *key; /* that it is for; of a directory its own name */
	const char *id;  /* "" in a directory */
	int64_t begun_ns;
	uint64_t size; /* as far as it is known */
};
/* As store_each. */
typedef int store_upload_each(
    void *ctx, const struct store_upload *u, struct err *e);

struct store_stage {
	const char *key;
	struct spool *bytes; /* the object; only read */
	int64_t mtime_ns; /* the object's time, where the driver can set it */
	/* Where it cannot, the time goes with the object all the same, for who
	 * looks for it where Litestream 0.5 keeps it. */
	bool timed;
	/* A line that goes with it, where the store has a place for such, or
	 * NULL: see note(). */
	const char *note;
	/*
	 * A key that must be in the store already, or NULL: an object that
	 * continues others is worthless without them.  A driver that can tell
	 * for free (a directory) fails with ERR_MISSING when it is gone, while
	 * staging, and when it has gone by the time of publish.
	 */
	const char *after;
	/* Likewise one that must not be there: where it is, 'after' is as good
	 * as gone. */
	const char *unless;
};

/* What keeps an object from being overwritten.  A state remembers the numbers.
 */
enum store_guard {
	STORE_GUARD_UNKNOWN, /* taken for STORE_GUARDED */
	STORE_GUARDED,       /* If-None-Match, also for two at one moment */
	STORE_GUARDED_GOOG,  /* Google's x-goog-if-generation-match */
	STORE_GUARD_IN_TURN, /* If-None-Match, but not for two at one moment */
	STORE_GUARD_IGNORED, /* no condition: it is looked for first */
	STORE_GUARD_REFUSED, /* likewise, and the header is an error */
	STORE_GUARDS
};

/*
 * What is true of a kind of store, for those who use it.  All false: a plain
 * table of objects, near at hand.
 */
struct store_traits {
	bool remote;   /* each call is a request, and takes a round trip */
	bool flat;     /* keys are bytes, and no directories: a folder is what a
			  listing by a delimiter makes of them (list_page) */
	bool looks;    /* store_stage.after is looked for, at no cost */
	bool times;    /* an object's time is store_stage.mtime_ns */
	bool links;    /* one root may have several names */
	bool guarded;  /* what keeps objects from being overwritten is not
			  known before probe() or assume() */
	unsigned held; /* descriptors that an open store holds for good */
};

struct store_ops {
	struct store_traits traits;
	/* NULL on failure.  ERR_BUSY is reported by publish, not here. */
	struct staged *(*stage)(
	    struct store *s, const struct store_stage *st, struct err *e);
	/*
	 * Make n staged objects durable under their keys.  Each gets its own
	 * result: 0 also when an object with the same bytes was there already;
	 * ERR_BUSY when one with other bytes was, which then stays as it is.
	 */
	void (*publish)(struct store *s, struct staged **list, size_t n);
	/* Free a staged object. */
	void (*drop)(struct store *s, struct staged *st);
	/*
	 * n bytes from off, fewer at the end of the object; n of UINT64_MAX
	 * is all.  off of UINT64_MAX asks for the tail: the last n bytes, or
	 * all when there are fewer.  No such key is ERR_MISSING.  The sink may
	 * run on a thread of its own until get returns.
	 */
	int (*get)(struct store *s, const char *key, uint64_t off, uint64_t n,
	    store_sink *sink, void *ctx, struct err *e);
	/*
	 * Every object whose key begins with prefix.  With a delimiter ('/'),
	 * what lies below the next '/' is reported once as a prefix.  No such
	 * prefix: no entries, success.  A driver with real directories may
	 * report a prefix below which there is no object.
	 */
	int (*list)(struct store *s, const char *prefix, bool delimited,
	    store_each *each, void *ctx, struct err *e);
	/* Success also when there is no such object. */
	int (*remove)(struct store *s, const char *key, struct err *e);
	/*
	 * Remove n objects; each is reported once, when it is durably gone or
	 * could not be removed.  -1 if at least one failed, with the first
	 * error.  In a directory they go in the order of the keys; on S3 1000
	 * with one request.
	 */
	int (*remove_many)(struct store *s, const char *const *keys, size_t n,
	    store_removed *removed, void *ctx, struct err *e);
	/*
	 * What is unfinished: multipart uploads for keys that begin with
	 * prefix; of a directory, whatever the prefix, the files of writers
	 * that are not there any more.  ERR_DENIED: we may not list them, or
	 * the server does not know how.
	 */
	int (*uploads)(struct store *s, const char *prefix,
	    store_upload_each *each, void *ctx, struct err *e);
	/* Give one up; success also when there is none any more. */
	int (*abort)(
	    struct store *s, const struct store_upload *u, struct err *e);
	void (*close)(struct store *s);
	/*
	 * The line that went with an object, in place of what b held.  1; 0:
	 * there is none, be it that none went, or that it was lost on the way
	 * (a copy of the object need not have it); -1.
	 */
	int (*note)(
	    struct store *s, const char *key, struct buf *b, struct err *e);
	/*
	 * What time it is by the store's own clock, which may cost a request: 0
	 * with *ns; 1: it cannot be asked; -1.
	 */
	int (*now)(struct store *s, int64_t *ns, struct err *e);

	/* Can there be an object of that key?  stage() asks by itself; who puts
	 * another one before it asks first. */
	int (*can_name)(struct store *s, const char *key, struct err *e);
	void (*stats)(struct store *s, struct store_stats *out);

	/*
	 * traits.flat: some of the objects whose keys begin with prefix, those behind the
	 * key 'after' (NULL: from the first on); what holds delimiter behind
	 * the prefix is reported once, up to and with it, as a prefix.  *next
	 * is what to give as 'after' to go on (the caller frees it), or
	 * anything behind that; NULL when there is no more, or when each()
	 * stopped it.
	 */
	int (*list_page)(struct store *s, const char *prefix,
	    const char *delimiter, const char *after, store_each *each,
	    void *ctx, char **next, struct err *e);
	/*
	 * traits.guarded: is an object never overwritten?  1; 0: not if two put it at the same
	 * moment; -1.  To be asked once for a root; later runs assume() what
	 * guard() tells behind it, and when that was, in s since 1970.  A day
	 * after that it is found out again, before the next object is put.
	 */
	int (*probe)(struct store *s, struct err *e);
	void (*assume)(struct store *s, enum store_guard guard, int64_t probed);
	enum store_guard (*guard)(struct store *s, int64_t *probed);
};

struct store {
	const struct store_ops *ops;
	char *url;  /* normal form, without a trailing slash: names the root in
		       state and messages; freed by store_close() */
	char *root; /* what the names of its databases begin with: url, less
		       a query; likewise */
};

/* What the caller is going to do: STORE_WRITE may create the root, and cleans
 * up behind killed writers; STORE_REMOVE only removes and aborts. */
enum store_mode { STORE_READ, STORE_WRITE, STORE_REMOVE };

void store_close(struct store *s); /* takes NULL */

/* The length of the scheme of url ("s3" of "s3://x"), 0 if it has none. */
size_t store_scheme(const char *url);

/* Is s a URL ("file:///dir", "s3://bucket"), not a path? */
bool store_is_url(const char *s);

/* Since it was opened (lib/store/stats.h); any thread may ask. */
void store_stats(struct store *s, struct store_stats *out);

/* As get(), of a few bytes, *n at most: into p; *n becomes how many there are. */
int store_few(struct store *s, const char *key, uint64_t off, void *p,
    size_t *n, struct err *e);

/* Fails, ERR_CONFIG: en is odd. */
int store_refuse_odd(const struct store_entry *en, struct err *e);

/* Fails, ERR_MISSING: what an operator named has no object there. */
int store_no_backup(const struct store *s, struct err *e);

#endif
