/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listed -- what is below a prefix, listed once and looked at several times.
 *
 * Of a store that lists by key, one request brings some thousand keys.  Where
 * that is all that there is, no look costs another one.  Where there is more, or
 * it is a directory, each look is a listing of its own.
 */
#ifndef LSPP_STORE_LISTED_H
#define LSPP_STORE_LISTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/store/store.h"

struct listed_entry {
	char *key;
	struct store_entry en; /* whose key it is */
};

struct listed {
	struct store *s; /* borrowed */
	/* private */
	char *prefix;     /* NULL: nothing is known of anything */
	int64_t asked_ns; /* by a monotonic clock: none of it is from before */
	bool failed;      /* and why: each look below the prefix does */
	struct err why;
	struct listed_entry *v;
	size_t n, room;
	bool part; /* v is another's */
};

/* No request before it is asked: each look is a listing. */
#define LISTED_NOT(store)    \
	(struct listed)      \
	{                    \
		.s = (store) \
	}

/* List it, as far as that is one request.  If that fails, each look fails so:
 * nothing is asked again. */
void listed_read(struct listed *l, struct store *s, const char *prefix);
void listed_release(struct listed *l);

/*
 * For who lists, and keeps what comes: begin now, then one more entry after the
 * other, and in the end that these are all that is below prefix.  Or the entries
 * of 'all' from there to there are that.
 */
void listed_begin(struct listed *l, struct store *s);
void listed_whole(struct listed *l, const char *prefix);
void listed_add(struct listed *l, const struct store_entry *en);
void listed_part(struct listed *l, const struct listed *all, const char *prefix,
    size_t from, size_t to);

/* Was it asked for so long ago, or longer? */
bool listed_is_old(const struct listed *l, int64_t for_ns);

/* As the store's list(). */
int listed_each(const struct listed *l, const char *prefix, bool delimited,
    store_each *each, void *ctx, struct err *e);

#endif
