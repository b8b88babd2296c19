/* SPDX-License-Identifier: Apache-2.0 */
/* lspp-hot -- print the databases that have something to ship. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bin/hot/hot.h"
#include "lib/cli/cli_replica.h"
#include "lib/hot/watch.h"
#include "lib/state/state.h"
#include "lib/store/conf.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"
#include "lib/text/json_write.h"
#include "lib/text/metrics.h"

/* --watch: others looked at each time, unless --scan-interval says how often:
 * 8,192 stat calls, less than a hundredth of a processor. */
#define OTHERS 4096

static const struct cli_opt options[] = {
	{ "watch", 0, NULL, "go on looking, and print them as they change",
	    WATCH },
	{ "for", 0, "TIME", "--watch: for so long, not until a signal", FOR },
	{ "interval", 0, "TIME", "--watch: between looks at hot ones [1s]",
	    INTERVAL },
	{ "scan-interval", 0, "TIME", "--watch: at all others [15s]",
	    SCAN_INTERVAL },
	{ "hot-for", 0, "TIME", "hot after a write [15s]", HOT_FOR },
	{ "every", 0, "TIME", "print each at most so often after a ship",
	    EVERY },
	{ "max-hot", 0, "N", "print N, those that wait longest", MAX_HOT },
	{ "tiers", 0, NULL, "print all, behind \"hot\" or \"cold\" and a tab",
	    TIERS },
	{ "cold", 0, NULL, "print those that are cold", COLD },
	{ "stale", 0, "TIME", "print those with older unshipped writes",
	    STALE },
	{ "wal-over", 0, "BYTES", "print those with a larger WAL", WAL_OVER },
	{ "gone", 0, NULL, "print those shipped that are not there any more",
	    GONE },
	{ "forget", 0, NULL, "know no more of what is gone, lost or left out",
	    FORGET },
	{ "force", 0, NULL, "--forget: nor of what is well", FORCE },
	{ "expect-min", 0, "N", "fail if fewer paths come in", EXPECT_MIN },
	{ 0 },
};

/* -- the state ------------------------------------------------------------- */

/* Notes are a help, not a need: a state that may only be read will do. */
static struct state *
open_state(struct run *r, struct err *e)
{
	struct state *st = state_open(r->cli.state, false, e);

	if (st == NULL && e->class != ERR_MISSING)
		return NULL;
	r->tiers.keep = st != NULL && !r->cli.dry_run && state_writable(st);
	return st;
}

/* The replica that was named, or any, or those of the file. */
static int
find_roots(struct run *r, const struct store_conf *conf, struct err *e)
{
	struct tiers *t = &r->tiers;
	char *url;
	int known;

	if (r->cli.config != NULL) {
		t->look = tier_config_look;
		t->ctx = &r->config;
		if (tier_config_roots(&r->config, t->st, e) == -1)
			return -1;
		t->roots = r->config.roots;
		t->n_roots = r->config.file.c.n_roots;
		return 0;
	}
	if (t->st == NULL || r->cli.replica == NULL)
		return 0;
	if ((url = store_url(r->cli.replica, conf, e)) == NULL)
		return -1;
	known = state_root(t->st, url, false, &t->root, e);
	free(url);
	t->no_root = known == 0;
	t->keep = t->keep && !t->no_root; /* notes are kept by root */
	return known == -1 ? -1 : 0;
}

static int
begin(struct run *r, const struct store_conf *conf, bool piped, struct err *e)
{
	struct tiers *t = &r->tiers;

	if (r->cli.config != NULL &&
	    tier_config_open(&r->config, r->cli.config, conf,
		!piped || r->cli.verbose, e) == -1)
		return -1;
	e->class = ERR_NONE;
	if ((t->st = open_state(r, e)) == NULL && e->class != ERR_MISSING)
		return -1;
	if (find_roots(r, conf, e) == -1)
		return -1;
	if (r->cli.config == NULL && r->cli.base != NULL) {
		if (path_absolute(r->cli.base, &r->base, e) == -1)
			return -1;
		t->base = buf_str(&r->base);
	}
	t->shard = r->cli.shard;
	t->missing = hot_missing;
	t->missing_ctx = r;
	return tiers_begin(t, e);
}

/* What is noted is for the next run: this one goes on without. */
void
hot_warn(struct run *r, const struct err *e)
{
	if (!r->warned)
		cli_warn(&r->cli, NULL, "cannot note what waits: %s", e->msg);
	r->warned = true;
}

static void
flush_notes(struct run *r)
{
	struct err e;

	if (tiers_flush(&r->tiers, &e) == -1)
		hot_warn(r, &e);
}

/* -- one pass -------------------------------------------------------------- */

/* Of what the state knows: no line would lead back to that path. */
static int
refuse_newline(struct run *r, const char *path)
{
	struct err e;

	err_set(&e, ERR_USAGE, "the name holds a newline");
	err_hint(&e, "use -0");
	cli_fail(&r->cli, path, &e, 1);
	return -1;
}

int
hot_print(struct run *r, const char *path, bool hot, const char *why)
{
	const char *tier = hot ? "hot" : "cold";
	struct buf *b;
	char *line;

	if (!r->cli.json && r->cli.end != '\0' &&
	    strchr(path, r->cli.end) != NULL)
		return refuse_newline(r, path);
	if (r->cli.json) {
		b = cli_object(&r->cli, path);
		json_text(b, "tier", tier);
		json_text(b, "why", why);
		cli_put_object(&r->cli);
	} else if (r->mode == TIERS) {
		line = xasprintf("%s\t%s", tier, path);
		cli_put(&r->cli, line);
		free(line);
	} else {
		cli_put(&r->cli, path);
	}
	return 0;
}

static void
print_dirty(void *ctx, const char *path, const char *why)
{
	(void)hot_print(ctx, path, true, why);
}

static void
measure(void *ctx, struct metrics *m)
{
	struct run *r = ctx;

	metrics_databases(m, "seen", r->seen);
	if (r->mode == WATCH || r->mode == GONE || r->mode == FORGET)
		return; /* which is no one moment's, and no look at files */
	metrics_databases(m, "hot", r->hot);
	metrics_add(m, METRIC_WAL_MAX, NULL, (double)r->wal_max);
	metrics_add(m, METRIC_OLDEST, NULL,
	    r->oldest_ns > 0 ? (double)(now_ns() - r->oldest_ns) / SECOND : 0);
}

static void
count(struct run *r, const struct tier *t)
{
	r->seen++;
	r->hot += t->dirty;
	if ((uint64_t)t->sig.wal.size > r->wal_max)
		r->wal_max = (uint64_t)t->sig.wal.size;
	if (t->dirty && t->since_ns > 0 &&
	    (r->oldest_ns == 0 || t->since_ns < r->oldest_ns))
		r->oldest_ns = t->since_ns;
}

bool
hot_is_stale(const struct run *r, const struct tier *t)
{
	return t->dirty && now_ns() - t->since_ns > r->stale_ns;
}

static bool
is_wanted(const struct run *r, const struct tier *t)
{
	switch (r->mode) {
	case TIERS: return true;
	case COLD: return !t->hot;
	case STALE: return t->lost || hot_is_stale(r, t);
	case WAL_OVER:
		return t->sig.wal.size > 0 &&
		    (uint64_t)t->sig.wal.size > r->wal_over;
	default: return t->dirty && !tier_is_held(t, r->every_ns);
	}
}

static void
sort_out(struct run *r, const char *path, const struct tier *t)
{
	if (!is_wanted(r, t))
		return;
	if (r->longest.max > 0)
		longest_add(&r->longest, path, t->why, t->since_ns);
	else
		(void)hot_print(r, path, t->hot, t->why);
}

/* A database that is gone is told once, if the state can remember that. */
static void
failed(struct run *r, const char *path, const struct err *e)
{
	struct err ignored;
	int was = tiers_failed(&r->tiers, path, e, &ignored);

	if (was == STATE_GONE) {
		cli_pass(&r->cli);
		cli_note(&r->cli, path, "gone, as was said before");
		return;
	}
	if (r->mode == STALE && was == STATE_THERE && !look_is_gone(path))
		(void)hot_print(r, path, true, "lost");
	cli_fail(&r->cli, path, e, 1);
}

/* One that came and is none any more: who is asked to ship it says so, too. */
static void
lost(struct run *r, const char *path)
{
	if (r->mode == STALE)
		cli_fail(&r->cli, path, &r->tiers.why, 1);
	else
		cli_pass(&r->cli);
}

static void
one_pass(struct run *r)
{
	int64_t began = now_ns();
	struct tier tier;
	const char *path;
	struct err e;

	while ((path = lines_next(&r->in)) != NULL) {
		if (tier_look(&r->tiers, path, &tier, &e) == -1) {
			failed(r, path, &e);
		} else {
			if (tier.lost)
				lost(r, path);
			else
				cli_pass(&r->cli);
			count(r, &tier);
			sort_out(r, path, &tier);
		}
		if (lines_waits(&r->in)) {
			flush_notes(r);
			lines_flush();
		}
	}
	flush_notes(r);
	longest_each(&r->longest, print_dirty, r);
	lines_flush();
	/* What ended early proves nothing about what did not come. */
	if (!r->fleet || stop_requested() || lines_failed(&r->in))
		return;
	if (tiers_passed(&r->tiers, began, r->seen, true, &e) == -1)
		hot_warn(r, &e);
	hot_missing_end(r);
	lines_flush();
}

int
hot_knows(const struct run *r, struct err *e)
{
	if (r->tiers.st == NULL)
		return err_set(e, ERR_MISSING,
		    "no state in %s: nothing was ever shipped from here",
		    r->cli.state);
	if (r->tiers.no_root)
		return err_set(e, ERR_MISSING,
		    "nothing was ever shipped to %s from here", r->cli.replica);
	return 0;
}

/* -- --gone ---------------------------------------------------------------- */

static int
print_gone(void *ctx, const char *path, struct err *e)
{
	struct run *r = ctx;
	struct stat sb;

	if (!shard_has_path(&r->tiers.shard, r->tiers.base, path))
		return 0;
	if (lstat(path, &sb) == 0) {
		cli_pass(&r->cli);
	} else if (errno == ENOENT) {
		if (hot_print(r, path, false, NULL) == 0)
			cli_pass(&r->cli);
	} else { /* an empty answer is to mean that all were looked at */
		err_sys(e, "lost: stat");
		cli_fail(&r->cli, path, e, 1);
	}
	return stop_requested() ? 1 : 0;
}

static int
list_gone(struct run *r, struct err *e)
{
	const struct tiers *t = &r->tiers;

	if (hot_knows(r, e) == -1)
		return -1;
	return state_paths(t->st, t->root, print_gone, r, e) == -1 ? -1 : 0;
}

/* -- --watch --------------------------------------------------------------- */

static void
watch_failed(void *ctx, const char *path, const struct err *e)
{
	failed(ctx, path, e);
}

static void
watch_flush(void *ctx)
{
	hot_missing_end(ctx);
	lines_flush();
}

static int
watch_next(void *ctx, int ms, const char **path)
{
	struct run *r = ctx;
	int rc = lines_await(&r->in, ms, path);

	if (rc == 1)
		cli_pass(&r->cli);
	return rc;
}

static int
go_on_watching(struct run *r, struct err *e)
{
	const struct watch_conf conf = { .tiers = &r->tiers,
		.fleet = r->fleet,
		.next = watch_next,
		.interval_ns = r->interval_ns,
		.scan_interval_ns = r->scan_interval_ns,
		.every_ns = r->every_ns,
		.at_least = r->others,
		.dirty = print_dirty,
		.failed = watch_failed,
		.flush = watch_flush,
		.ctx = r };
	struct watch *w = watch_new(&conf);
	int rc = watch_run(
	    w, r->for_ns > 0 ? r->began_ns + r->for_ns : INT64_MAX, e);

	r->seen = watch_size(w);
	watch_free(w);
	return rc;
}

/* -- options --------------------------------------------------------------- */

/* A time between looks. */
static int64_t
interval(struct run *r, const char *opt, const char *arg)
{
	int64_t ns = cli_duration_ns(&r->cli, opt, arg);

	if (ns == 0)
		cli_usage(&r->cli, "--%s: at least 1s", opt);
	return ns;
}

static void
set_mode(struct run *r, int mode)
{
	if (r->mode != 0 && r->mode != mode)
		cli_usage(&r->cli,
		    "--watch, --tiers, --cold, --stale, --wal-over, --gone and "
		    "--forget exclude each other");
	r->mode = mode;
}

static void
take_option(struct run *r, struct store_conf *conf, int o, const char *arg)
{
	struct cli *c = &r->cli;
	struct err e;

	switch (o) {
	case FOR: r->for_ns = interval(r, "for", arg); break;
	case INTERVAL: r->interval_ns = interval(r, "interval", arg); break;
	case SCAN_INTERVAL:
		r->scan_interval_ns = interval(r, "scan-interval", arg);
		r->others = 0;
		break;
	case HOT_FOR: r->tiers.hot_for_ns = interval(r, "hot-for", arg); break;
	case MAX_HOT:
		r->longest.max =
		    (size_t)cli_number(c, "max-hot", arg, 1, 1000000);
		break;
	case STALE: r->stale_ns = cli_duration_ns(&r->cli, "stale", arg); break;
	case WAL_OVER:
		r->wal_over = cli_number(c, "wal-over", arg, 0, INT64_MAX);
		break;
	case EVERY: r->every_ns = interval(r, "every", arg); break;
	case EXPECT_MIN:
		r->expected = cli_number(c, "expect-min", arg, 1, INT64_MAX);
		break;
	case WATCH:
	case TIERS:
	case COLD:
	case FORGET:
	case GONE: break;
	case FORCE: r->force = true; break;
	default:
		if (store_conf_take(conf, o, arg, &e) == -1)
			cli_usage(c, "%s", e.msg);
	}
	if (o == WATCH || (o >= TIERS && o <= FORGET))
		set_mode(r, o);
}

static void
take_options(struct run *r, struct store_conf *conf)
{
	bool watching = false;
	const char *arg;
	int o;

	cli_examples(&r->cli,
	    "  lspp-scan /srv/tenants | lspp-hot | wc -l\n"
	    "  lspp-scan /srv | lspp-hot --stale 5m");
	while ((o = cli_option(&r->cli, &arg)) != -1) {
		take_option(r, conf, o, arg);
		watching = watching || (o >= FOR && o <= SCAN_INTERVAL);
	}
	if (watching && r->mode != WATCH)
		cli_usage(&r->cli,
		    "--for, --interval and --scan-interval are for --watch");
	if (r->cli.shard.n > 0 && r->mode == FORGET)
		cli_usage(&r->cli, "--forget has no --shard: name them");
	if (r->force && r->mode != FORGET)
		cli_usage(&r->cli, "--force is for --forget");
	if (r->every_ns > 0 && r->mode != 0 && r->mode != WATCH)
		cli_usage(&r->cli,
		    "--every is for what is to be shipped: a pass, or --watch");
	if (r->longest.max > 0 && r->mode != 0)
		cli_usage(&r->cli,
		    "--max-hot is for a pass that prints what "
		    "is to be shipped");
}

static int
run(struct run *r, char **operands, struct err *e)
{
	if (r->mode == GONE) {
		if (operands[0] != NULL)
			cli_usage(&r->cli, "--gone takes no paths");
		return list_gone(r, e);
	}
	if (lines_open(&r->in, operands, r->cli.end, e) == -1)
		cli_misused(&r->cli, e);
	r->fleet = operands[0] == NULL;
	cli_total(&r->cli, lines_total(&r->in));
	if (r->mode == WATCH) {
		if (go_on_watching(r, e) == -1)
			return -1;
	} else if (r->mode == FORGET) {
		if (hot_forget(r, e) == -1)
			return -1;
	} else {
		one_pass(r);
	}
	return lines_close(&r->in, e);
}

/* A volume that is not mounted is not an empty fleet. */
static void
expect(struct run *r)
{
	uint64_t n = r->mode == WATCH ? r->seen : r->cli.passed + r->cli.failed;
	struct err e;

	if (n >= r->expected || stop_requested())
		return;
	err_set(&e, ERR_MISSING,
	    "%" PRIu64 " databases came in, expected at least %" PRIu64
	    ": is the volume mounted?",
	    n, r->expected);
	cli_fail(&r->cli, NULL, &e, 1);
}

int
main(int argc, char **argv)
{
	struct run r = { .began_ns = watch_clock_ns(),
		.interval_ns = SECOND,
		.scan_interval_ns = 15 * SECOND,
		.others = OTHERS,
		.tiers = { .hot_for_ns = 15 * SECOND } };
	struct store_conf conf = STORE_CONF;
	struct err e;
	int rc;

	cli_begin(&r.cli, argc, argv, "rCsc/0eqv", options, "[PATH ...]",
	    "Print the databases that changed since they were shipped.");
	cli_more(&r.cli, store_options, "s3");
	cli_measured(&r.cli, measure, &r);
	take_options(&r, &conf);
	cli_no_whoami(&r.cli, &conf);
	store_conf_tell(&conf, cli_on_warn, cli_on_debug, &r.cli);
	if ((rc = begin(&r, &conf, argv[optind] == NULL, &e)) == 0)
		rc = run(&r, argv + optind, &e);
	if (rc == 0)
		expect(&r);
	state_close(r.tiers.st);
	tiers_release(&r.tiers);
	tier_config_close(&r.config);
	buf_release(&r.base);
	return rc == -1 ? cli_fatal(&r.cli, &e) : cli_finish(&r.cli);
}
