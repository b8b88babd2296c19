/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore -- what the parts of lspp-restore share.
 */
#ifndef LSPP_BIN_RESTORE_RESTORE_H
#define LSPP_BIN_RESTORE_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/choose/choose.h"
#include "lib/choose/choose_config.h"
#include "lib/cli/cli.h"
#include "lib/cli/lines.h"
#include "lib/pass/pass.h"
#include "lib/replica/jump.h"
#include "lib/replica/moments.h"
#include "lib/restore/restore.h"
#include "lib/store/conf.h"
#include "lib/store/listed_page.h"
#include "lib/store/stats.h"
#include "lib/store/store.h"
#include "lib/sys/crew.h"
#include "lib/sys/pool.h"

struct run {
	struct cli cli;
	struct lines in;
	struct store_conf conf;
	uint64_t gets, lists, bytes; /* that a dry run would cost */
	uint64_t told, restored, skipped, younger, older;
	struct store_stats stats; /* at the end */
	struct chooser chooser;   /* the reader's; its store is NULL with -c */
	struct config_file file;  /* with -c */
	struct config_chooser *by_file; /* likewise; else NULL */
	struct pool *pool;
	struct pager pager; /* the reader's */
	struct crew crew;   /* its workers, and the threads they start */
	bool force, force_open, live, if_not_exists, if_replica_exists,
	    if_existed, resume;
	int live_wait_ms;
	bool follow;
	int64_t for_ns, interval_ns; /* with follow; for_ns 0: until a signal */
	enum restore_check check;
	struct restore_want want;
	char generation[17]; /* want's */
	bool list;
	bool around; /* with list: the states around_ns */
	int64_t around_ns;
	const char *pass;      /* its name or "latest", or NULL */
	struct pass passed;    /* with it */
	char **operands;       /* likewise: what of it */
	const char *state_dir; /* or NULL */
	struct state *state;
	struct restore_own own;
	char *spare; /* for -o -: what would be the target; else NULL */
	bool headed; /* the rows of -n */
	bool narrow; /* for a terminal: a name is on a line of its own */
	struct request *held; /* the one database for standard output */
};

struct worker {
	struct run *run;
	struct restorer *restorer;
	struct mirror_tools *tools; /* with --follow, in its place */
};

/* A generation of a database, for --list. */
struct row {
	char generation[17];
	size_t snapshots, segments;
	uint64_t bytes;
	int64_t from_ns, until_ns; /* from_ns INT64_MAX: not restorable */
	char *missing;             /* the first object that is, or NULL */
	struct jump jump;          /* did a clock go back? */
};

/* One database on its way. */
struct request {
	struct job job;
	struct choice c; /* its rc and e become those of the request */
	unsigned attempts;
	bool younger;       /* than the wanted time */
	bool older;         /* than --newer-than */
	const char *passed; /* why it was passed over, which is fine */
	bool complete;      /* it was because that is there already */
	char *unseen;       /* why something newer may be elsewhere; or NULL */
	bool by_pass;       /* it is at that place, and what is there */
	struct restore_at at;
	struct listed_page *page; /* that c.below is of, or NULL */
	struct restore_plan plan;
	struct restored *restored; /* NULL with -n, when passed or failed */
	struct row *row;           /* with --list */
	size_t rows;
	struct moment *moment; /* with --around */
	size_t moments;
};

/* Read the options into run; wrong use ends the program. */
extern const struct cli_opt restore_option_table[], restore_more_table[];
void restore_options(struct run *run);

/* --list: look, on a worker; print, on the main thread; and free. */
void restore_list(const struct run *run, struct request *q);
void restore_list_print(struct run *run, const struct request *q);
void restore_list_release(struct request *q);

/*
 * Of several replicas the one with the newest state becomes that of q->c; what
 * may be newer in one that cannot be looked at goes to q->unseen.  -1: none of
 * them has what is wanted, with q->c.e.
 */
int restore_which(const struct run *run, struct request *q);

/* --follow: all that is read, until its time is over.  -1: it cannot go on. */
int restore_follow(struct run *run, struct err *e);

/* --pass: does it go with the others?  Get it; then, for the reader, feed what
 * of it is wanted. */
void restore_pass_check(struct run *run, char **operands);
int restore_pass_open(struct run *run, struct err *e);
void restore_pass_feed(struct run *run);

/* Tell what became of q, which is done, and count it. */
void restore_report(struct run *run, struct request *q);
/* At the end: the requests that were made, or with -n would be. */
void restore_note_requests(struct run *run);
/* For cli: the numbers of --metrics. */
void restore_measure(void *run, struct metrics *m);
void restore_watch(void *run, struct progress *p);

#endif
