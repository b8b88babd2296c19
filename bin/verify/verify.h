/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify -- what the parts of lspp-verify share.
 */
#ifndef LSPP_BIN_VERIFY_VERIFY_H
#define LSPP_BIN_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/bits.h"
#include "lib/choose/choose.h"
#include "lib/choose/choose_config.h"
#include "lib/choose/sample.h"
#include "lib/cli/cli.h"
#include "lib/cli/lines.h"
#include "lib/store/conf.h"
#include "lib/store/listed_page.h"
#include "lib/store/stats.h"
#include "lib/sys/pool.h"
#include "lib/verify/evidence.h"
#include "lib/verify/verify.h"

struct run {
	struct cli cli;
	struct lines in;
	struct store_conf conf;
	struct verify_want want;
	struct sample_size size; /* of --sample; { 0 }: all */
	const char *tmp;         /* directory for temporary files */
	int64_t settle_ns;       /* of --settle */

	struct chooser chooser;  /* the reader's; its store is NULL with -c */
	struct config_file file; /* with -c */
	struct config_chooser *by_file; /* likewise; else NULL */
	struct pool *pool;
	struct sample *sample; /* with --sample */
	bool from_state;       /* it is of what the state knows */
	struct state *reader;  /* the reader's handle, or NULL */
	/* With one pattern: the records of those that a listing found. */
	struct bits listed;
	struct pager pager; /* the reader's */
	struct err trouble; /* of the reader */

	struct state *st; /* the main thread's, NULL: nothing is noted, */
	const char *mute; /* and why */
	bool warned;

	uint64_t told, verified, broken;
	uint64_t contended; /* by another machine, or a prune without end */
	uint64_t compared[VERIFY_AHEAD + 1]; /* by what came of it */
	uint64_t never;                      /* of the state's */
	int64_t oldest_ns;
	struct store_stats stats; /* at the end */

	/* bin/verify/verify_evidence.c; without --report all are NULL. */
	struct evidence *evidence;
	const char *report, *key;
	uint64_t of; /* the sample is of so many */
	int64_t began_ns;
};

struct worker {
	struct run *run;
	struct verifier *verifier;
	struct state *st; /* or NULL */
};

/* One database on its way. */
struct request {
	struct job job;
	struct choice c; /* its rc and e become those of the request */
	int64_t root;    /* in the state; 0: not in it */
	int64_t at_ns, took_ns;
	bool marked;
	bool dropped;             /* a signal came before it was begun */
	struct listed_page *page; /* that c.below is of, or NULL */
	/* It may be being pruned: so many looks, and what the last one saw. */
	unsigned looks;
	size_t objects;
	uint64_t bytes; /* of these */
	struct verified out;
};

/* Read the options into run; wrong use ends the program. */
extern const struct cli_opt verify_option_table[], verify_more_table[];
void verify_options(struct run *run, char **operands);

/* Note in the state what was found of n requests, which are done. */
void verify_record(struct run *run, struct job **jobs, size_t n);
/* Tell what became of q, and count it. */
void verify_report(struct run *run, struct request *q);
/* At the end: requests, and what the state says of the fleet. */
void verify_sum_up(struct run *run);
/* For --report: before the first look, of each database, and behind the last. */
int verify_evidence_begin(struct run *run, struct err *e);
void verify_evidence_add(struct run *run, const struct request *q);
void verify_evidence_write(struct run *run, char **operands);
/* For cli: the numbers of --metrics, and of progress. */
void verify_measure(void *run, struct metrics *m);
void verify_watch(void *run, struct progress *p);

#endif
