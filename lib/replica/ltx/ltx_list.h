/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_list -- the LTX files that a replica has of a database.
 */
#ifndef LSPP_REPLICA_LTX_LIST_H
#define LSPP_REPLICA_LTX_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/replica/ltx/ltx_plan.h"

struct err;
struct listed;
struct ltx_header;
struct store;

/* Beyond that a replica was not written by anybody who wants it restored. */
#define LTX_FILES_MAX ((size_t)1 << 22)

/* What is right below the name of a database.  A directory may be there with
 * nothing in it. */
struct ltx_where {
	bool generations; /* the layout of Litestream 0.3 */
	bool dir, flat;   /* ltx_names.h */
};

/* All that is below a database, for what looks at more than one layout. */
void ltx_listed(struct listed *l, struct store *s, const char *db);

/* One delimited listing, which ends behind "ltx/". */
int ltx_look(const struct listed *from, const char *db, struct ltx_where *w,
    struct err *e);

struct ltx_list {
	struct ltx_file *v;
	size_t n, cap;
};

/*
 * Of all levels, in no order; what readers do not look at is left out.
 * ERR_CORRUPT: a name makes no sense.
 */
int ltx_list(struct ltx_list *l, const struct listed *from, const char *db,
    enum ltx_levels how, struct err *e);
void ltx_list_release(struct ltx_list *l);

/*
 * The same from a listing that the caller has, an entry at a time; skip: bytes
 * of its key before the level.  1: it is a file, and was taken; 0: it is none
 * that a reader looks at; -1.
 */
struct store_entry;
int ltx_list_take(struct ltx_list *l, const struct store_entry *en, size_t skip,
    enum ltx_levels how, struct err *e);

/*
 * All of a database, of whichever directories; *how and *where tell which.
 * ERR_CONFIG: it is in both.
 */
int ltx_list_any(struct ltx_list *l, const struct listed *from, const char *db,
    enum ltx_levels *how, struct ltx_where *where, struct err *e);

/*
 * For who does not know LTX: ERR_CONFIG, where the database is in it (also
 * beside generations), saying so; 0, where it is not.
 */
int ltx_refuse(struct store *s, const char *db, const char *who, struct err *e);

/* Is there any LTX file of db?  1, 0 or -1. */
int ltx_is_there(const struct listed *from, const char *db, struct err *e);

/* The header of a file, which costs one small read. */
int ltx_peek(struct store *s, const char *db, enum ltx_levels how,
    const struct ltx_name *n, struct ltx_header *h, struct err *e);
/* Likewise, of the file called key, whose name that is. */
int ltx_peek_key(struct store *s, const char *key, const struct ltx_name *n,
    struct ltx_header *h, struct err *e);

#endif
