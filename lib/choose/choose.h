/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose -- which databases of a replica are meant, and where each goes.
 *
 * An operand is the name of a database, or else a pattern for names
 * (lib/text/glob.h); either as lib/choose/target.h has it.  The name wins: an
 * operand that looks like a pattern is first looked up as a name.  But with a
 * component "**" it is wrong use if it is both.  What a
 * pattern finds is handed out as it is found, so memory is bounded but for the
 * targets that were met: 24 bytes each.
 *
 * No two choices of one chooser have one target: a database that a pattern
 * finds again is passed over, everything else is a choice that failed.  With
 * files, nor is the target of one where SQLite has the log of another's.
 *
 * A chooser for one shard of a fleet (text/shard.h) passes over what is another's,
 * whether it was named or found.
 *
 * Room choose: which databases of a replica an operand means, where each goes,
 *     and a sample of them.
 * Used by: bin (restore, verify).
 * Never: reads an object, writes a file.
 */
#ifndef LSPP_CHOOSE_CHOOSE_H
#define LSPP_CHOOSE_CHOOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/choose/target.h"
#include "lib/store/listed.h"
#include "lib/store/store.h"
#include "lib/text/shard.h"

/* Another place where the same database is. */
struct choice_other {
	struct store *store; /* borrowed */
	struct buf key;
	int rc; /* -1: it cannot be had, with e */
	struct err e;
};

struct choice {
	/* As it was given; of what a pattern found, an operand that leads to
	   this database and target alone. */
	char *name;
	struct store *store; /* where it is: borrowed */
	struct buf key, path;
	size_t trusted; /* as in struct restore_target */
	int rc;         /* -1: failed with e, there is nothing to restore */
	struct err e;
	bool absent;   /* it failed because a pattern matched nothing */
	bool searched; /* a pattern found it: they come in order of "<key>/" */
	/* All that is below "<key>/", where lists was set and the search has seen
	   all of it. */
	bool listed;
	struct listed below;
	bool clash; /* it failed for another's target, or its log's place */
	/* choose_config(), without every_replica: its further replicas. */
	struct choice_other *other;
	size_t others;
};

/* A key that is to be there; -1: no more are wanted. */
typedef int choose_key(void *search, const char *key);

struct chooser {
	struct store *store; /* borrowed */
	struct target_conf target;
	struct shard shard;   /* of what is named or found, by the key */
	int end;              /* of a record: '\n' or '\0' */
	enum store_mode mode; /* of what choose_config() opens; 0: to read */
	/* Targets are made, so none may be another's log (sqlite/beside.h). */
	bool files;
	/* choose_config(): of each path all replicas, as often. */
	bool every_replica;
	/* There is one operand.  A pattern finds no name twice, so then nothing
	   is remembered of what was found. */
	bool alone;
	bool lists;      /* choose(): of what a pattern finds, what is below */
	bool paths_only; /* choose_config(): a pattern is wrong use */
	/* Takes over what c holds.  -1: no more choices are wanted. */
	int (*chosen)(void *ctx, struct choice *c);
	/* Of what else a pattern may find, after a listing: give each key there
	 * is to add, of that store.  May be NULL.  choose_config() asks with
	 * every_replica only. */
	void (*known)(
	    void *ctx, struct store *s, choose_key *add, void *search);
	void *ctx;
	/* private */
	struct target_set seen;
};

/* All that operand names.  0, or -1 if chosen() said so. */
int choose(struct chooser *h, const char *operand);
void choose_release(struct chooser *h); /* not what it borrows */

/* Has the store a database that is really called so?  1, 0 or -1. */
int choose_is_name(struct store *s, const char *key, struct err *e);

/* Is "**" a component of it? */
bool choose_is_any_depth(const char *operand);
/* Such a one is both; name tells how the name is written.  -1, ERR_USAGE. */
int choose_refuse(const char *operand, const char *name, struct err *e);

/* For e, which says that there is no such database: if there are some below that
 * name, as in a directory, the hint says how they are named.  One listing. */
void choose_hint_below(struct store *s, const char *key, struct err *e);

/* target_key(), and is it a name, by what the store has?  1; 0: it is a
 * pattern; -1. */
int choose_key_of(const struct target_conf *t, struct store *s,
    const char *operand, struct buf *key, struct err *e);

void choice_release(struct choice *c);

/* Replicas may hold what no path may be, or no line of output. */
int choice_name(const struct chooser *h, const char *name, struct err *e);

/* Fails c, as a clash, if its path cannot be beside one of those in s. */
int choice_apart(struct choice *c, const struct target_set *s);

/*
 * Can two of these operands lead to one target, from different databases, or to
 * two that cannot be beside each other?  Then it is worth choosing all of them
 * once before the first is restored.
 */
bool choose_may_clash(const struct target_conf *c, char **operands);

/*
 * A replica root for URLs, given as operands without one: the longest that all
 * are below, less what is a pattern or the name of a database.  What says an
 * endpoint is refused: an operand may be a name from a list.  NULL with
 * ERR_USAGE; the caller frees it.
 */
char *choose_root(char **operands, struct err *e);

#endif
