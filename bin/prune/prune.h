/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune -- what the parts of lspp-prune share.
 */
#ifndef LSPP_BIN_PRUNE_PRUNE_H
#define LSPP_BIN_PRUNE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/choose/choose.h"
#include "lib/choose/choose_config.h"
#include "lib/cli/cli.h"
#include "lib/cli/lines.h"
#include "lib/prune/prune.h"
#include "lib/state/state.h"
#include "lib/store/conf.h"
#include "lib/store/stats.h"
#include "lib/store/store.h"
#include "lib/sys/pool.h"

#define WHYS (PRUNE_UPLOAD + 1)

/* Where unfinished uploads are looked for. */
struct place {
	struct store *store; /* borrowed */
	char *prefix;
};

/* The object of a pass that is too old. */
struct old_pass {
	char *key;
	uint64_t size;
};

/* Does this machine's clock agree with the store's? */
struct clock {
	struct store *store; /* borrowed */
	int rc;              /* -1 with e */
	struct err e;
};

struct run {
	struct cli cli;
	struct lines in;
	struct store_conf conf;
	struct prune_policy policy;
	int64_t gone_for_ns; /* -1: not asked for */
	int64_t uploads_ns;  /* age from which on they are aborted */
	bool yes;
	bool erase;     /* all of what is named */
	bool own_clock; /* is believed, whatever the replica's says */

	struct store *store; /* NULL with -c */
	struct target_conf target;
	struct chooser chooser;         /* with -c */
	struct config_file file;        /* likewise */
	struct config_chooser *by_file; /* likewise; else NULL */
	struct target_set seen;         /* unless alone */
	/* There is one operand.  A pattern finds nothing twice: then nothing is
	 * remembered of what was found. */
	bool alone;
	struct pool *pool;
	struct state *state;   /* with --gone-for */
	struct dblocks *locks; /* likewise */

	struct old_pass *pass; /* that no promise reaches back to */
	size_t passes;
	struct place *place;
	size_t places;
	struct clock *clock; /* of each store */
	size_t clocks;
	bool ended;      /* by one that is wrong */
	const char *tmp; /* the directory of temporary files */
	bool counting;   /* only what there is to do, before the question */
	bool headed;     /* the rows of -n */
	uint64_t todo, todo_bytes, todo_databases;
	uint64_t told, pruned; /* databases */
	uint64_t objects[WHYS], bytes[WHYS];
	uint64_t kept; /* with a note that they are Litestream's */
	struct store_stats stats;
};

/* Of a database: what was named is listed by itself; what a listing of many
 * found is its generations or its LTX, whichever came first, and the other. */
enum part { PART_ALL, PART_FIRST, PART_OTHER };

/* One database on its way. */
struct task {
	struct job job;
	char *name;          /* for messages */
	struct store *store; /* borrowed */
	struct prune_db *db; /* NULL: failed with e */
	enum part part;
	int rc;
	struct err e;
	bool gone;        /* it goes as a whole */
	int64_t lock;     /* while it does */
	char *path;       /* where it was */
	bool failed, any; /* of its objects */
	bool whole;       /* none of its snapshots may be marked */
};

/* Read the options into run; wrong use ends the program. */
extern const struct cli_opt prune_option_table[], prune_more_table[];
void prune_options(struct run *run);

/*
 * Once for each store, by the reader, before anything of it is planned, if it
 * can be behind an answer of the store: -1 ERR_BUSY if its clock says another
 * time than this machine's.
 */
int prune_clock(struct run *run, struct store *s, struct err *e);

/* With --gone-for, and with --erase if there is one. */
int prune_open_state(struct run *run, struct err *e);

/*
 * With --erase all of it goes, unless it is still there: t->rc.  With
 * --gone-for: does the database of t go as a whole, for not having been on
 * this machine for so long?  Then its plan is all of it.
 */
void prune_gone(struct run *run, struct task *t);
/*
 * At the last moment: is it still gone?  Then nobody on this machine ships it
 * until prune_end_gone(), which forgets it if all of it went.  -1: it is not.
 */
int prune_begin_gone(struct run *run, struct task *t);
void prune_end_gone(struct run *run, struct task *t);

/* What is unfinished and so old, where a pattern was for. */
void prune_uploads(struct run *run);

/* Over all of a root: note a pass that is as old as nothing that is kept; and
 * at the end, what was noted goes. */
void prune_note_pass(struct run *run, const struct store_entry *en);
void prune_passes(struct run *run);

/* An object: with -n that it would go, else that it is gone. */
void prune_print(struct run *run, const struct store *s, const char *key,
    uint64_t size, enum prune_why why);
void prune_report(struct run *run, struct task *t);
/* Keys that are no database's, once a listing. */
void prune_tell_unknown(struct run *run, struct prune_scan *scan);
void prune_note(struct run *run);
void prune_measure(void *run, struct metrics *m);
void prune_watch(void *run, struct progress *p);

#endif
