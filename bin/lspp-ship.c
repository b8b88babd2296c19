/* SPDX-License-Identifier: Apache-2.0 */
/* lspp-ship -- bring replicas up to date; print each path that is durable. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/cli/cli.h"
#include "lib/cli/cli_replica.h"
#include "lib/cli/lines.h"
#include "lib/pass/pass.h"
#include "lib/replica/format.h"
#include "lib/replica/wal/walpos.h"
#include "lib/ship/ship.h"
#include "lib/ship/ship_fleet.h"
#include "lib/state/state.h"
#include "lib/store/conf.h"
#include "lib/store/open/store_open.h"
#include "lib/store/stats.h"
#include "lib/sys/file.h"
#include "lib/sys/pool.h"
#include "lib/sys/stop.h"
#include "lib/text/json_write.h"
#include "lib/text/metrics.h"
#include "lib/text/progress.h"

enum {
	SNAPSHOT_INTERVAL = 256,
	ROLL_AT,
	MAX_HOLD,
	LOCK_WAIT,
	NEW_GENERATION,
	FORMAT,
	DRAIN,
	PASS,
};

enum {
	IN_FLIGHT = 512, /* jobs at once */
	BATCH = 256,     /* that one sync makes durable */
	/* For a batch to fill, in ms; with requests it fills slowly. */
	LINGER_NEAR = 20,
	LINGER_FAR = 200,
};

static const struct cli_opt options[] = {
	{ "snapshot-interval", 0, "TIME", "a snapshot at least so often [24h]",
	    SNAPSHOT_INTERVAL },
	{ "format", 0, "FORMAT", "begin replicas in wal or ltx [wal]", FORMAT },
	{ "new-generation", 0, NULL, "begin a new history of each database",
	    NEW_GENERATION },
	{ "drain", 0, "TIME", "on SIGTERM, read on for at most so long",
	    DRAIN },
	{ "pass", 0, "NAME", "at the end, put what all are at as this pass",
	    PASS },
	{ 0 },
};

/* Seldom needed. */
static const struct cli_opt more_options[] = {
	{ "roll-at", 0, "BYTES", "WAL in one index [1073741824]", ROLL_AT },
	{ "max-hold", 0, "MS", "longest wait of a rollback writer [150]",
	    MAX_HOLD },
	{ "lock-wait", 0, "TIME", "wait for another run so long [10s]",
	    LOCK_WAIT },
	{ 0 },
};

/* As in reports and as in metrics. */
static const struct {
	const char *reason, *labels;
} snapshot_reasons[] = {
	{ "first", "reason=\"first\"" },
	{ "interval", "reason=\"interval\"" },
	{ "wal size", "reason=\"wal_size\"" },
	{ "segments", "reason=\"segments\"" },
};
#define SNAPSHOT_REASONS \
	(sizeof(snapshot_reasons) / sizeof(snapshot_reasons[0]))

struct run {
	struct cli cli;
	struct lines in;
	struct ship *ship;
	struct config_file file;  /* with -c */
	struct ship_fleet *fleet; /* likewise; else NULL */
	bool interval_given;
	bool piped;       /* paths come on standard input */
	const char *pass; /* its name, or NULL */
	size_t in_flight; /* jobs at once */
	int64_t began_ns;
	const struct store_conf *store;
	uint64_t objects, puts, bytes; /* that a dry run would send */
	uint64_t seen, shipped, unchanged, lost, wal_max;
	uint64_t healed;
	uint64_t snapshots[SNAPSHOT_REASONS];
	struct store_stats stats; /* at the end */
};

static struct job *
next_job(void *ctx)
{
	struct run *r = ctx;
	const char *path = lines_next(&r->in);

	if (path == NULL)
		return NULL;
	return r->fleet != NULL ? ship_fleet_job(r->fleet, path)
				: ship_job_new(r->ship, path, NULL);
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
	if (r->owner_key != NULL)
		cli_note(c, path, "began as %s", r->owner_key);
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

static const char *
what(const struct ship_report *r)
{
	static const char *const names[] = { [SHIP_UNCHANGED] = "unchanged",
		[SHIP_SEGMENT] = "segment",
		[SHIP_SNAPSHOT] = "snapshot",
		[SHIP_BOTH] = "segment+snapshot" };

	return names[r->what];
}

/* Where it is shipped to. */
static void
put_position(struct buf *b, const struct ship_report *r)
{
	bool wal = r->pos != NULL && r->format == FORMAT_WAL;
	char txid[CODEC_LABEL];

	json_text(b, "generation", wal ? r->pos->line : NULL);
	if (wal) {
		json_number(b, "index", walpos_index(r->pos->at));
		json_number(b, "offset", walpos_offset(r->pos->at));
	} else {
		json_null(b, "index");
		json_null(b, "offset");
	}
	if (r->pos != NULL && !wal) {
		format_codec(r->format, false)->label(txid, r->pos->at);
		json_text(b, "txid", txid);
	} else {
		json_null(b, "txid");
	}
	if (r->pos != NULL)
		json_time(b, "captured", r->captured_ns);
	else
		json_null(b, "captured");
}

static void
put_object(struct cli *c, const struct ship_report *r)
{
	struct buf *b = cli_object(c, r->path);

	json_text(b, "what", what(r));
	put_position(b, r);
	json_number(b, "pages", r->pages);
	json_number(b, "bytes", r->bytes);
	json_text(b, "segment", r->key);
	json_text(b, "snapshot", r->snapshot_key);
	json_text(b, "ending", r->ending_key);
	json_text(b, "owner", r->owner_key);
	json_text(b, "reason", r->snapshot_key != NULL ? r->reason : NULL);
	json_number(b, "healed", r->healed);
	json_text(b, "hint", *r->hint ? r->hint : NULL);
	json_text(b, "read", *r->read ? r->read : NULL);
	json_bool(b, "dry_run", c->dry_run);
	cli_put_object(c);
}

/* What r would cost.  The bytes are all objects' together: of several, all but
 * the largest are taken for small. */
static void
count(struct run *run, const struct ship_report *r)
{
	unsigned n = (r->ending_key != NULL) + (r->owner_key != NULL) +
	    (r->key != NULL) + (r->snapshot_key != NULL);

	if (n == 0)
		return;
	run->objects += n;
	run->bytes += r->bytes;
	run->puts += n - 1 + store_conf_puts(run->store, r->bytes);
}

static void
tell_price(struct run *run)
{
	if (!run->cli.dry_run)
		return;
	if (run->store->priced)
		cli_warn(&run->cli, NULL,
		    "would send %llu objects, %llu bytes, with %llu PUT "
		    "requests: $%.6f",
		    (unsigned long long)run->objects,
		    (unsigned long long)run->bytes,
		    (unsigned long long)run->puts,
		    store_conf_price(run->store, run->puts, 0, 0));
	else
		cli_note(&run->cli, NULL,
		    "would send %llu objects, %llu bytes, with %llu PUT "
		    "requests",
		    (unsigned long long)run->objects,
		    (unsigned long long)run->bytes,
		    (unsigned long long)run->puts);
}

/* For the metrics. */
static void
tally(struct run *run, const struct ship_report *r)
{
	run->seen += !r->more;
	run->healed += r->rc == 0 && r->healed > 0;
	run->lost += r->rc == 0 && r->lost;
	if (r->rc == -1 || r->more)
		return;
	if (r->what == SHIP_UNCHANGED)
		run->unchanged++;
	else
		run->shipped++;
	if (r->wal_size > run->wal_max)
		run->wal_max = r->wal_size;
	for (size_t i = 0; i < SNAPSHOT_REASONS; i++)
		if (r->snapshot_key != NULL && r->reason != NULL &&
		    strcmp(r->reason, snapshot_reasons[i].reason) == 0)
			run->snapshots[i]++;
}

static void
measure(void *ctx, struct metrics *m)
{
	struct run *run = ctx;

	metrics_databases(m, "seen", run->seen);
	metrics_databases(m, "shipped", run->shipped);
	metrics_databases(m, "unchanged", run->unchanged);
	metrics_databases(m, "state_lost", run->lost);
	for (size_t i = 0; i < SNAPSHOT_REASONS; i++)
		metrics_add(m, METRIC_SNAPSHOTS, snapshot_reasons[i].labels,
		    (double)run->snapshots[i]);
	metrics_add(m, METRIC_HEALED, NULL, (double)run->healed);
	metrics_add(m, METRIC_WAL_MAX, NULL, (double)run->wal_max);
	stats_metrics(&run->stats, m);
}

static void
watch(void *ctx, struct progress *p)
{
	struct run *run = ctx;
	struct store_stats x;

	ship_stats(run->ship, &x);
	p->bytes = x.sent + x.received;
	p->requests = stats_requests(&x);
}

static void
report(void *ctx, const struct ship_report *r)
{
	struct run *run = ctx;
	struct cli *c = &run->cli;
	bool done = !r->more && !r->failed; /* it is in all of its replicas */

	tally(run, r);
	if (r->rc == -1) {
		cli_fail(c, r->path, r->e, r->attempts);
		return;
	}
	if (r->notice != NULL)
		cli_warn(c, r->path, "%s", r->notice);
	note(c, r);
	if (done)
		cli_pass(c);
	if (c->dry_run)
		count(run, r);
	else if (!done)
		return;
	if (c->json) {
		put_object(c, r);
		return;
	}
	if (!c->dry_run) {
		lines_put(c->end, r->path);
		return;
	}
	if (r->ending_key != NULL)
		lines_put(c->end, r->ending_key);
	if (r->owner_key != NULL)
		lines_put(c->end, r->owner_key);
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

/*
 * What is open at once, at most.  A job: two objects in a directory, each with
 * the directory that it goes to, and the sums of each.  A worker: five spools,
 * the state, a database with what SQLite opens beside it, and a connection or
 * what a directory needs to be walked.
 */
static const struct file_needs needs = { .run = 12, .worker = 20, .job = 6 };

/* Before anything is opened: the first that is not to be had would be told
 * without the number that is needed. */
static int
fit(struct run *r, struct err *e)
{
	struct file_needs n = needs;

	if (r->cli.config == NULL && store_traits(r->cli.replica)->remote)
		n.job = 2; /* staged objects are not here */
	r->in_flight = IN_FLIGHT;
	return cli_fit(&r->cli, &r->file, n, &r->in_flight, e);
}

static int
run(struct run *r, struct err *e)
{
	struct pool_ops ops = {
		.next = next_job, .work = ship_work, .finish = finish
	};
	struct store_stats x = { 0 };
	unsigned n = r->cli.jobs, i;
	int rc = 0;
	void **workers = xcalloc(n, sizeof(*workers));

	ship_stats(r->ship, &x);
	ops.linger_ms = x.counted ? LINGER_FAR : LINGER_NEAR;
	for (i = 0; i < n && rc == 0; i++)
		if ((workers[i] = ship_worker_new(r->ship, e)) == NULL)
			rc = -1;
	if (rc == 0)
		rc = pool_run(&ops, r, workers, n, r->in_flight, BATCH, e);
	if (rc == 0 && r->piped && !stop_requested())
		ship_ran(r->ship, r->began_ns, r->seen > 0);
	for (i = 0; i < n; i++)
		ship_worker_free(workers[i]);
	free(workers);
	return rc;
}

static void
take_format(struct cli *c, struct ship_conf *conf, const char *arg)
{
	if (strcmp(arg, "wal") == 0)
		conf->format = FORMAT_WAL;
	else if (strcmp(arg, "ltx") == 0)
		conf->format = FORMAT_LTX;
	else
		cli_usage(c, "--format: \"%s\" is neither wal nor ltx", arg);
	conf->format_asked = true;
}

static void
read_options(struct run *r, struct ship_conf *conf, struct store_conf *store)
{
	struct cli *c = &r->cli;
	const char *arg;
	struct err e;
	int opt;

	cli_examples(c,
	    "  lspp-scan /srv/tenants | lspp-hot | lspp-ship -r "
	    "file:///backup/fleet\n"
	    "  lspp-ship -r file:///backup/fleet --failed again < failed");
	while ((opt = cli_option(c, &arg)) != -1)
		switch (opt) {
		case SNAPSHOT_INTERVAL:
			conf->snapshot_interval_ns = 1000000000 *
			    (int64_t)cli_duration(c, "snapshot-interval", arg);
			r->interval_given = true;
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
		case FORMAT: take_format(c, conf, arg); break;
		case DRAIN:
			stop_drain((unsigned)cli_duration(c, "drain", arg));
			break;
		case PASS:
			r->pass = arg;
			if (pass_check_name(arg, &e) == -1)
				cli_usage(c, "--pass: %s", e.msg);
			break;
		default:
			if (store_conf_take(store, opt, arg, &e) == -1)
				cli_usage(c, "%s", e.msg);
		}
	r->piped = c->argv[optind] == NULL;
	if (c->replica == NULL && c->config == NULL)
		cli_usage(c, "no replica: use -r URL, LSPP_REPLICA or -c FILE");
	if (r->pass != NULL && (c->config != NULL || c->dry_run))
		cli_usage(c, "--pass goes with neither -c nor -n");
	if (r->pass != NULL && !r->piped)
		cli_usage(c,
		    "--pass is of a fleet: its paths come on standard input");
	if (store_conf_check(store, &e) == -1)
		cli_usage(c, "%s", e.msg);
}

/* Once a run, not once a database. */
static void
tell_lost(struct run *r)
{
	if (r->lost > 0)
		cli_warn(&r->cli, NULL,
		    "the state in %s is new, but this machine has shipped "
		    "before: %llu databases began anew, with a snapshot each",
		    r->cli.state, (unsigned long long)r->lost);
}

/* A container often has no id: then a lost state cannot be told from another
 * machine. */
static void
tell_nameless(struct run *r)
{
	if (ship_nameless(r->ship))
		cli_warn(&r->cli, NULL,
		    "this machine has no id in /etc/machine-id: set "
		    "LSPP_MACHINE to a name that stays, or a lost state stops "
		    "with 75");
}

static void
tell_requests(struct run *r)
{
	struct buf requests = { 0 };

	if (stats_text(&r->stats, r->cli.json, &requests))
		cli_note(&r->cli, NULL, "requests: %s", buf_str(&requests));
	buf_release(&requests);
}

/* What was shipped is shipped, whatever becomes of it. */
static void
put_pass(struct run *r)
{
	struct ship_passed x;
	struct err e;

	if (r->pass == NULL)
		return;
	if (stop_requested())
		err_set(&e, ERR_BUSY, "the run was ended by a signal");
	else if (lines_failed(&r->in))
		err_set(&e, ERR_IO, "not all paths could be read");
	else if (ship_pass(r->ship, r->pass, r->began_ns, &x, &e) == 0) {
		cli_note(&r->cli, NULL,
		    "pass %s: %llu databases, of which %llu failed, %llu bytes",
		    r->pass, (unsigned long long)x.databases,
		    (unsigned long long)x.failed, (unsigned long long)x.bytes);
		return;
	}
	err_in(&e, "pass %s is not put", r->pass);
	cli_fail(&r->cli, NULL, &e, 1);
}

static int
ship_all(struct run *r, struct ship_conf *conf, struct err *e)
{
	int rc = -1;

	if ((r->ship = ship_open(conf, e)) != NULL) {
		cli_total(&r->cli, lines_total(&r->in));
		tell_nameless(r);
		cli_watch(&r->cli, watch, r);
		rc = run(r, e);
		cli_watch(&r->cli, NULL, NULL);
		if (rc == 0)
			put_pass(r);
	}
	tell_price(r);
	if (r->ship != NULL)
		ship_stats(r->ship, &r->stats);
	tell_lost(r);
	tell_requests(r);
	ship_close(r->ship);
	return rc;
}

/* -c: each to where the file says. */
static int
ship_fleet(struct run *r, const struct ship_conf *conf, struct err *e)
{
	int rc;

	r->fleet = ship_fleet_open(&r->file, conf, r->interval_given, e);
	if (r->fleet == NULL)
		return -1;
	r->ship = ship_fleet_base(r->fleet);
	tell_nameless(r);
	rc = run(r, e);
	tell_price(r);
	ship_fleet_stats(r->fleet, &r->stats);
	tell_lost(r);
	tell_requests(r);
	ship_fleet_close(r->fleet);
	return rc;
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

	cli_begin(&r.cli, argc, argv, "rCscj0neqv", options, "[PATH ...]",
	    "Ship what changed in SQLite databases to a replica.");
	cli_more(&r.cli, more_options, "more");
	cli_more(&r.cli, store_options, "s3");
	cli_measured(&r.cli, measure, &r);
	read_options(&r, &conf, &store);
	store_conf_tell(&store, cli_on_warn, cli_on_debug, &r.cli);
	conf.store = r.store = &store;
	conf.url = r.cli.replica;
	conf.state_dir = r.cli.state;
	conf.dry_run = r.cli.dry_run;
	conf.fleet = r.piped;
	r.began_ns = now_ns();
	if (r.cli.config != NULL &&
	    config_file_open(&r.file, r.cli.config, &store,
		!r.piped || r.cli.verbose, &e) == -1)
		return cli_fatal(&r.cli, &e);
	if (store.whoami)
		return cli_whoami(&r.cli, &r.file, &store);
	if (lines_open(&r.in, argv + optind, r.cli.end, &e) == -1)
		cli_misused(&r.cli, &e);
	rc = path_absolute(r.cli.base != NULL ? r.cli.base : "/", &base, &e);
	conf.base = buf_str(&base);
	if (rc == 0)
		rc = fit(&r, &e);
	if (rc == 0)
		rc = r.cli.config != NULL ? ship_fleet(&r, &conf, &e)
					  : ship_all(&r, &conf, &e);
	if (lines_close(&r.in, rc == 0 ? &e : &(struct err){ 0 }) == -1)
		rc = -1;
	buf_release(&base);
	config_file_close(&r.file);
	return rc == -1 ? cli_fatal(&r.cli, &e) : cli_finish(&r.cli);
}
