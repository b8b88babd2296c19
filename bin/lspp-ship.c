/* lspp-ship -- bring replicas up to date; print each path that is durable. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/cli.h"
#include "lib/base/file.h"
#include "lib/base/lines.h"
#include "lib/base/pool.h"
#include "lib/engine/ship.h"
#include "lib/store/conf.h"
#include "lib/store/store.h"

enum {
	SNAPSHOT_INTERVAL = 256,
	ROLL_AT,
	MAX_HOLD,
	LOCK_WAIT,
	NEW_GENERATION,
};

enum {
	IN_FLIGHT = 512, /* jobs at once, and so descriptors */
	BATCH = 256,     /* that one sync makes durable */
	LINGER_MS = 20,  /* for a batch to fill */
};

static const struct cli_opt options[] = {
	{ "snapshot-interval", 0, "TIME", "a snapshot at least so often [24h]",
	    SNAPSHOT_INTERVAL },
	{ "roll-at", 0, "BYTES", "WAL in one index [1073741824]", ROLL_AT },
	{ "max-hold", 0, "MS", "longest wait of a rollback writer [150]",
	    MAX_HOLD },
	{ "lock-wait", 0, "TIME", "wait for another run so long [10s]",
	    LOCK_WAIT },
	{ "new-generation", 0, NULL, "begin a new history of each database",
	    NEW_GENERATION },
	{ 0 },
};

struct run {
	struct cli cli;
	struct lines in;
	struct ship *ship;
	const struct store_conf *store;
	uint64_t objects, puts, bytes; /* that a dry run would send */
};

static struct job *
next_job(void *ctx)
{
	struct run *r = ctx;
	const char *path = lines_next(&r->in);

	return path != NULL ? ship_job_new(r->ship, path) : NULL;
}

static void
note(struct cli *c, const struct ship_report *r)
{
	const char *path = r->path;

	if (r->what == SHIP_UNCHANGED) {
		cli_note(c, path, "unchanged%s%s%s%s",
		    *r->hint ? ", hint " : "", r->hint,
		    *r->read ? ", read " : "", r->read);
		return;
	}
	if (r->ending_key != NULL)
		cli_note(c, path, "ended a generation %s", r->ending_key);
	if (r->key != NULL)
		cli_note(c, path,
		    "shipped segment %s, pages %u, bytes %llu, hint %s, read "
		    "%s",
		    r->key, r->pages, (unsigned long long)r->bytes, r->hint,
		    r->read);
	if (r->snapshot_key != NULL)
		cli_note(c, path,
		    "shipped snapshot %s, pages %u, bytes %llu, hint all, "
		    "read %s, reason %s",
		    r->snapshot_key, r->pages, (unsigned long long)r->bytes,
		    r->read, r->reason);
}

/* What r would cost.  The bytes are all objects' together: of several, all but
 * the largest are taken for small. */
static void
count(struct run *run, const struct ship_report *r)
{
	unsigned n = (r->ending_key != NULL) + (r->key != NULL) +
	    (r->snapshot_key != NULL);

	if (n == 0)
		return;
	run->objects += n;
	run->bytes += r->bytes;
	run->puts += n - 1 + store_conf_puts(run->store, r->bytes);
}

static void
tell_price(struct run *run)
{
	double price = run->store->price_put;

	if (!run->cli.dry_run)
		return;
	if (price > 0)
		cli_warn(&run->cli, NULL,
		    "would send %llu objects, %llu bytes, with %llu PUT "
		    "requests: $%.6f",
		    (unsigned long long)run->objects,
		    (unsigned long long)run->bytes,
		    (unsigned long long)run->puts,
		    (double)run->puts * price / 1000);
	else
		cli_note(&run->cli, NULL,
		    "would send %llu objects, %llu bytes, with %llu PUT "
		    "requests",
		    (unsigned long long)run->objects,
		    (unsigned long long)run->bytes,
		    (unsigned long long)run->puts);
}

static void
report(void *ctx, const struct ship_report *r)
{
	struct run *run = ctx;
	struct cli *c = &run->cli;

	if (r->rc == -1) {
		cli_fail(c, r->path, r->e, r->attempts);
		return;
	}
	if (r->notice != NULL)
		cli_warn(c, r->path, "%s", r->notice);
	note(c, r);
	cli_pass(c);
	if (!c->dry_run) {
		lines_put(c->end, r->path);
		return;
	}
	count(run, r);
	if (r->ending_key != NULL)
		lines_put(c->end, r->ending_key);
	if (r->key != NULL)
		lines_put(c->end, r->key);
	if (r->snapshot_key != NULL)
		lines_put(c->end, r->snapshot_key);
}

static void
finish(struct pool *p, struct job **jobs, size_t n, void *ctx)
{
	struct run *r = ctx;

	ship_finish(r->ship, p, jobs, n, report, r);
	lines_flush();
}

/* A job may hold an object's descriptor or two, and one of its sums. */
static size_t
in_flight(unsigned workers)
{
	size_t files = file_limit(), own = 64 + (size_t)workers * 16;
	size_t jobs = files > own ? (files - own) / 3 : 1;

	return jobs < IN_FLIGHT ? jobs : IN_FLIGHT;
}

static int
run(struct run *r, struct err *e)
{
	static const struct pool_ops ops = { .next = next_job,
		.work = ship_work,
		.finish = finish,
		.linger_ms = LINGER_MS };
	unsigned n = r->cli.jobs, i;
	size_t limit = in_flight(n);
	void **workers = xcalloc(n, sizeof(*workers));
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++)
		if ((workers[i] = ship_worker_new(r->ship, e)) == NULL)
			rc = -1;
	if (rc == 0)
		rc = pool_run(&ops, r, workers, n, limit, BATCH, e);
	for (i = 0; i < n; i++)
		ship_worker_free(workers[i]);
	free(workers);
	return rc;
}

static void
read_options(struct run *r, struct ship_conf *conf, struct store_conf *store)
{
	struct cli *c = &r->cli;
	const char *arg;
	struct err e;
	int opt;

	while ((opt = cli_option(c, &arg)) != -1)
		switch (opt) {
		case SNAPSHOT_INTERVAL:
			conf->snapshot_interval_ns = 1000000000 *
			    (int64_t)cli_duration(c, "snapshot-interval", arg);
			break;
		case ROLL_AT:
			conf->roll_at =
			    cli_number(c, "roll-at", arg, 4096, 1 << 30);
			break;
		case MAX_HOLD:
			conf->max_hold_ms = (unsigned)cli_number(
			    c, "max-hold", arg, 1, 3600000);
			break;
		case LOCK_WAIT:
			conf->lock_wait_ms =
			    1000 * (unsigned)cli_duration(c, "lock-wait", arg);
			break;
		case NEW_GENERATION: conf->new_generation = true; break;
		default:
			if (store_conf_take(store, opt, arg, &e) == -1)
				cli_usage(c, "%s", e.msg);
		}
	if (c->replica == NULL)
		cli_usage(c, "no replica: use -r URL or LSPP_REPLICA");
	if (store_conf_check(store, &e) == -1)
		cli_usage(c, "%s", e.msg);
}

static int
ship_all(struct run *r, struct ship_conf *conf, struct err *e)
{
	struct buf requests = { 0 };
	int rc = -1;

	if ((r->ship = ship_open(conf, e)) != NULL)
		rc = run(r, e);
	tell_price(r);
	if (r->ship != NULL && ship_requests(r->ship, &requests))
		cli_note(&r->cli, NULL, "requests: %s", buf_str(&requests));
	buf_release(&requests);
	ship_close(r->ship);
	return rc;
}

/* --whoami: instead of everything else. */
static int
whoami(struct cli *c, const struct store_conf *conf)
{
	struct buf b = { 0 };
	struct err e;

	if (store_whoami(c->replica, conf, &b, &e) == -1)
		return cli_fatal(c, &e);
	(void)fputs(buf_str(&b), stdout);
	buf_release(&b);
	return cli_finish(c);
}

int
main(int argc, char **argv)
{
	struct ship_conf conf = { .snapshot_interval_ns = 86400000000000,
		.roll_at = 1 << 30,
		.max_hold_ms = 150,
		.lock_wait_ms = 10000 };
	struct store_conf store = STORE_CONF;
	struct run r = { 0 };
	struct buf base = { 0 };
	struct err e;
	int rc;

	cli_begin(&r.cli, argc, argv, "rCsj0neqv", options, "[PATH ...]",
	    "Ship what changed in SQLite databases to a replica.");
	cli_more(&r.cli, store_options, "s3");
	read_options(&r, &conf, &store);
	store_conf_tell(&store, cli_on_warn, cli_on_debug, &r.cli);
	conf.store = r.store = &store;
	conf.url = r.cli.replica;
	conf.state_dir = r.cli.state;
	conf.dry_run = r.cli.dry_run;
	if (store.whoami)
		return whoami(&r.cli, &store);
	if (lines_open(&r.in, argv + optind, r.cli.end, &e) == -1)
		cli_usage(&r.cli, "%s", e.msg);
	rc = path_absolute(r.cli.base != NULL ? r.cli.base : "/", &base, &e);
	conf.base = buf_str(&base);
	if (rc == 0)
		rc = ship_all(&r, &conf, &e);
	if (lines_close(&r.in, rc == 0 ? &e : &(struct err){ 0 }) == -1)
		rc = -1;
	buf_release(&base);
	return rc == -1 ? cli_fatal(&r.cli, &e) : cli_finish(&r.cli);
}
