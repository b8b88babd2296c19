/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differ -- what the parts of the differential runner share: main.c says what
 * it is for and how it is called.
 *
 *	sum.c	the content of a database, as SQLite reads it, in a number
 *	scribe.c	an application with one connection, told what to do
 *	talk.c	telling it
 *	child.c	running lspp and its peers
 *	acts.c	what happens to a database: random SQL, checkpoints, deaths
 *	judge.c	ships, and whether what they acknowledged is right
 */
#ifndef LSPP_TESTS_DIFFER_H
#define LSPP_TESTS_DIFFER_H

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { SLOTS = 3, MAX_ACKS = 4096 };

#define FMT(n, m) __attribute__((format(printf, n, m)))

struct scribe {
	const char *command; /* what runs it; borrowed */
	pid_t pid;           /* 0: not running */
	FILE *to, *from;
	bool open, txn;
	char journal[12]; /* its mode, as of the last transaction */
	char version[24];
	char reply[512];
};

/* An acknowledged ship: the state is one of hash[lo..hi]. */
struct ack {
	int64_t at_ns; /* when it was over */
	size_t lo, hi;
	char generation[17];
	uint32_t index;
};

/* A database, what may be done to it, and what became of it. */
struct round {
	uint64_t seed, rng;
	bool slow, each; /* each: opened for each transaction */
	const char *lock, *fs, *journal;
	char work[PATH_MAX / 4], src[PATH_MAX / 2], db[PATH_MAX];
	struct scribe s[SLOTS];
	int slots;
	long step, steps;

	/* Every committed state, in order; unsure: a writer died, and only
	 * the next one will know which is the last. */
	uint64_t *hash;
	size_t states;
	bool unsure, robbed; /* robbed: of its state */
	int64_t moved_ns;    /* when somebody last did something */

	struct ack *ack;
	size_t acks, checked, busy, silent, past, peers, images;
	const char *fault; /* wrong, stale, refused, hot, failed; or NULL */
	FILE *trace;
};

/* ---- main.c */
unsigned below(struct round *r, unsigned n);
bool chance(struct round *r, unsigned percent);
int64_t now_ns(void);
void nap_ms(long ms);
void note(struct round *r, const char *fmt, ...) FMT(2, 3);
/* The round is over, by that fault. */
void fault(struct round *r, const char *kind, const char *fmt, ...) FMT(3, 4);
/* Of the runner itself, or of SQLite: nothing that lspp did. */
_Noreturn void die(const char *fmt, ...) FMT(1, 2);
/* A name below the round's work folder: valid until 64 more were made. */
const char *in_work(const struct round *r, const char *fmt, ...) FMT(2, 3);

/* Its locks are seen by no other program. */
bool is_out_of_sight(const struct round *r);
bool is_in_memory(const char *journal);

/* ---- sum.c */
/* Of one read transaction; -1: SQLite's message is in db. */
int sum_content(sqlite3 *db, uint64_t *sum);
/* Of a file that nobody else has; NULL, or why it is no sound database. */
const char *sum_file(const char *path, uint64_t *sum);

/* ---- scribe.c */
int scribe_main(void);

/* ---- talk.c */
void scribe_start(struct round *r, struct scribe *s);
void scribe_stop(struct scribe *s);
void scribe_kill(struct round *r, struct scribe *s);
/* Whether it answered "ok"; the text is in reply. */
bool ask(struct round *r, struct scribe *s, const char *fmt, ...) FMT(3, 4);
/* Without waiting for the answer. */
void tell(struct round *r, struct scribe *s, const char *fmt, ...) FMT(3, 4);
bool scribe_open(struct round *r, struct scribe *s);
void scribe_close(struct round *r, struct scribe *s);
/* Adds what s sees to the committed states, if it is another. */
bool learn(struct round *r, struct scribe *s);

/* ---- child.c */
/* The last argument is NULL; output goes to work/NAME.out and .err. */
pid_t child_start(struct round *r, const char *name, const char *const argv[]);
/* Exit status; 128 + signal. */
int child_wait(pid_t pid);
int child_run(struct round *r, const char *name, const char *const argv[]);
/* The first line of work/NAME, without newline; "" if there is none. */
const char *first_line(struct round *r, const char *name);
/* Copies of files and folders, by cp and rm. */
void copy_tree(struct round *r, const char *from, const char *to);
void remove_tree(struct round *r, const char *path);

/* ---- acts.c */
void create(struct round *r);
void act(struct round *r);
/* One transaction by whoever may write. */
void transact(struct round *r, bool looked_at);
/* All transactions ended, and what a dead writer left recovered. */
void settle(struct round *r);

/* ---- judge.c */
enum look { LOOK_STILL, LOOK_BUSY, LOOK_KILLED };
/* Whether a ship acknowledged it. */
bool look(struct round *r, enum look how);
/* Nobody moves for so long that it has to. */
void look_rested(struct round *r);
/* Nobody writes: a pass must bring it, and then there is nothing to do. */
void rest(struct round *r);
void judge_past(struct round *r);

#endif
