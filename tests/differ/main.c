/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differ -- the differential runner: random things happen to a database, it is
 * shipped all the while, and each state that lspp-ship acknowledges is compared
 * with what SQLite itself reads in the source.
 *
 *	differ -d DIR [-kS] [-c COMMAND ...] [-D DIR] [-f NAME] [-j JOURNAL]
 *	    [-l LOCK] [-n STEPS] [-s SEED]
 *	differ scribe		an application, told what to do: scribe.c
 *
 *	-c	a scribe; several are used in turn [differ scribe]
 *	-d	work folder: replica, state, trace and what was restored
 *	-D	folder for the source, made below it [the work folder]
 *	-f	what that file system is called in the report [ns]
 *	-j	journal mode to begin with: delete truncate persist memory off
 *		wal
 *	-k	keep the work folder also if all is well
 *	-l	locking: normal exclusive nolock dotfile excl
 *	-n	so many steps [100]
 *	-s	the seed: everything that is not said is drawn from it
 *	-S	slow: time passes between steps, and behind rests of 5 s each
 *		database that can be read has to be shipped
 *
 * Needs lspp-ship, lspp-hot and lspp-restore in PATH; LITESTREAMS may name
 * programs that restore, too.
 *
 * What must hold after each ship that printed its path: lspp-restore makes a
 * sound database of it, whose content is a state that was committed between
 * the beginning and the end of the ship.  Whenever lspp-hot prints nothing: the
 * replica holds the last committed state.  When nobody writes: it ships, and
 * then lspp-hot prints nothing.  Past states are what they were.
 *
 * One thing is not tried: locks that nobody else sees (nolock, dotfile)
 * together with a journal that is not in a file.  Then nothing at all tells
 * that a writer is in the middle of a commit, for as long as he is not
 * scheduled.
 *
 * Prints a line for people if that does not hold, and one for all: "round
 * NAME=VALUE ...".  Exit status: 0; 1, a fault, whose work folder stays; 2, the
 * runner itself failed.
 */
#include "tests/differ/differ.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

unsigned
below(struct round *r, unsigned n)
{
	r->rng ^= r->rng << 13;
	r->rng ^= r->rng >> 7;
	r->rng ^= r->rng << 17;
	return (unsigned)(r->rng >> 33) % n;
}

bool
chance(struct round *r, unsigned percent)
{
	return below(r, 100) < percent;
}

int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void
nap_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static struct round *running; /* for die() */

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fprintf(stderr, "differ: ");
	(void)vfprintf(stderr, fmt, ap);
	if (running != NULL)
		(void)fprintf(stderr, " (seed %" PRIu64 ", step %ld, %s)",
		    running->seed, running->step, running->work);
	(void)fprintf(stderr, "\n");
	va_end(ap);
	for (int i = 0; running != NULL && i < SLOTS; i++)
		if (running->s[i].pid > 0)
			kill(running->s[i].pid, SIGKILL);
	exit(2);
}

void
note(struct round *r, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(r->trace, "%.6f %ld ", (double)now_ns() / 1e9, r->step);
	va_start(ap, fmt);
	(void)vfprintf(r->trace, fmt, ap);
	va_end(ap);
	(void)fputc('\n', r->trace);
}

void
fault(struct round *r, const char *kind, const char *fmt, ...)
{
	const char *ls[] = { "ls", "-la", "--time-style=full-iso", r->src,
		NULL };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(r, "FAULT %s: %s", kind, text);
	if (r->fault != NULL)
		return;
	r->fault = kind;
	child_run(r, "files", ls);
	(void)printf("FAULT %s seed=%" PRIu64 " step=%ld: %s; see %s\n", kind,
	    r->seed, r->step, text, r->work);
}

const char *
in_work(const struct round *r, const char *fmt, ...)
{
	static char names[64][PATH_MAX];
	static unsigned next;
	char *name = names[next++ % 64];
	va_list ap;
	int n = snprintf(name, PATH_MAX, "%s/", r->work);

	va_start(ap, fmt);
	(void)vsnprintf(name + n, (size_t)(PATH_MAX - n), fmt, ap);
	va_end(ap);
	return name;
}

static const char *
pick(struct round *r, const char *const names[], unsigned n)
{
	return names[below(r, n)];
}

bool
is_out_of_sight(const struct round *r)
{
	return strcmp(r->lock, "nolock") == 0 ||
	    strcmp(r->lock, "dotfile") == 0;
}

bool
is_in_memory(const char *journal)
{
	return strcmp(journal, "off") == 0 || strcmp(journal, "memory") == 0;
}

/* What was not said is drawn, always in the same order. */
static void
draw(struct round *r)
{
	static const char *const journals[] = { "wal", "wal", "wal", "delete",
		"delete", "truncate", "persist", "memory", "off" };
	static const char *const locks[] = { "normal", "normal", "normal",
		"normal", "normal", "normal", "exclusive", "nolock", "dotfile",
		"excl" };
	const char *journal, *lock;

	r->rng = (r->seed + 1) * 0x9e3779b97f4a7c15U;
	for (int i = 0; i < 10; i++)
		below(r, 2);
	journal = pick(r, journals, 9);
	lock = pick(r, locks, 10);
	r->journal = r->journal == NULL ? journal : r->journal;
	r->lock = r->lock == NULL ? lock : r->lock;
	if (is_out_of_sight(r) && is_in_memory(r->journal))
		r->journal = "delete";
	r->each = chance(r, 15);
	r->slots = 1 + (int)below(r, SLOTS);
	if (strcmp(r->lock, "nolock") == 0 || strcmp(r->lock, "excl") == 0 ||
	    strcmp(r->lock, "exclusive") == 0)
		r->slots = 1;
}

static void
usage(void)
{
	(void)fprintf(stderr,
	    "usage: differ -d dir [-kS] [-c command ...] [-D dir] [-f name] "
	    "[-j journal]\n\t[-l lock] [-n steps] [-s seed]\n");
	exit(2);
}

static void
options(struct round *r, int argc, char *argv[], bool *keep)
{
	const char *commands[16] = { "differ scribe" }, *dir = NULL;
	const char *src = NULL;
	int c, n = 0;

	while ((c = getopt(argc, argv, "c:d:D:f:j:kl:n:s:S")) != -1)
		switch (c) {
		case 'c': commands[n++ % 16] = optarg; break;
		case 'd': dir = optarg; break;
		case 'D': src = optarg; break;
		case 'f': r->fs = optarg; break;
		case 'j': r->journal = optarg; break;
		case 'k': *keep = true; break;
		case 'l': r->lock = optarg; break;
		case 'n': r->steps = strtol(optarg, NULL, 10); break;
		case 's': r->seed = strtoull(optarg, NULL, 10); break;
		case 'S': r->slow = true; break;
		default: usage();
		}
	if (dir == NULL || optind != argc)
		usage();
	draw(r);
	n = n == 0 ? 1 : n > 16 ? 16 : n;
	for (int i = 0; i < SLOTS; i++)
		r->s[i].command = commands[below(r, (unsigned)n)];
	(void)snprintf(r->work, sizeof(r->work), "%s/%" PRIu64, dir, r->seed);
	(void)snprintf(r->src, sizeof(r->src), "%s/src-%" PRIu64,
	    src == NULL ? r->work : src, r->seed);
	(void)snprintf(r->db, sizeof(r->db), "%s/a.db", r->src);
}

static void
run(struct round *r)
{
	create(r);
	for (r->step = 1; r->step <= r->steps && r->fault == NULL; r->step++)
		act(r);
	if (r->fault == NULL)
		rest(r);
	if (r->fault == NULL)
		judge_past(r);
	for (int i = 0; i < SLOTS; i++)
		scribe_stop(&r->s[i]);
}

static void
report(const struct round *r)
{
	(void)printf("round seed=%" PRIu64 " fs=%s pace=%s journal=%s lock=%s "
		     "each=%d sqlite=%s",
	    r->seed, r->fs, r->slow ? "slow" : "fast", r->journal, r->lock,
	    r->each, r->s[0].version);
	for (int i = 1; i < r->slots; i++)
		(void)printf(",%s", r->s[i].version);
	(void)printf(" states=%zu committed=%zu images=%zu silent=%zu past=%zu "
		     "peers=%zu busy=%zu fault=%s\n",
	    r->checked, r->states, r->images, r->silent, r->past, r->peers,
	    r->busy, r->fault == NULL ? "none" : r->fault);
}

int
main(int argc, char *argv[])
{
	struct round r = { .seed = 1, .steps = 100, .fs = "ns" };
	bool keep = false;

	if (argc == 2 && strcmp(argv[1], "scribe") == 0)
		return scribe_main();
	options(&r, argc, argv, &keep);
	if ((mkdir(r.work, 0777) == -1 && errno != EEXIST) ||
	    (mkdir(r.src, 0777) == -1 && errno != EEXIST))
		die("%s: %s", r.src, strerror(errno));
	r.trace = fopen(in_work(&r, "trace"), "we");
	r.ack = calloc(MAX_ACKS, sizeof(*r.ack));
	if (r.trace == NULL || r.ack == NULL)
		die("%s: %s", r.work, strerror(errno));
	running = &r;
	setenv("LSPP_MACHINE", "differ", 1);
	signal(SIGPIPE, SIG_IGN);
	run(&r);
	report(&r);
	if (r.fault == NULL && !keep) {
		remove_tree(&r, r.src);
		remove_tree(&r, r.work);
	}
	(void)fclose(r.trace);
	free(r.ack);
	free(r.hash);
	return r.fault == NULL ? 0 : 1;
}
