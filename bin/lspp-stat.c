/* SPDX-License-Identifier: Apache-2.0 */
/* lspp-stat -- tell how a fleet is, by what the state knows. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bin/stat/stat.h"
#include "lib/cli/cli_replica.h"
#include "lib/cli/lines.h"
#include "lib/state/state.h"
#include "lib/store/conf.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"
#include "lib/text/metrics.h"

#define SECOND INT64_C(1000000000)

enum {
	BY = 256,
	TOP,
	PROMETHEUS,
	HEALTH,
	HTML,
	MAX_LAG,
	MAX_FAILED,
	EXPECT_MIN,
	HOT_FOR,
	SNAPSHOT_INTERVAL,
};

enum {
	GROUPS = 100, /* with series, or on a page */
	WORST = 20,   /* databases on a page */
	TOP_MAX = 1000,
	DEPTH_MAX = 64,
};

static const struct cli_opt options[] = {
	{ "by", 0, "DEPTH", "by directory, so many levels below the base", BY },
	{ "top", 0, "N|KIND", "the worst N, or all of: lost, gone, failed, ...",
	    TOP },
	{ "prometheus", 0, NULL, "print series for Prometheus", PROMETHEUS },
	{ "html", 0, "FILE", "write a page", HTML },
	{ "health", 0, NULL, "one line, and an exit status: is all well?",
	    HEALTH },
	{ "max-lag", 0, "TIME", "unhealthy beyond [5m]", MAX_LAG },
	{ "max-failed", 0, "N", "unhealthy beyond [0]", MAX_FAILED },
	{ "expect-min", 0, "N", "unhealthy with fewer databases [1]",
	    EXPECT_MIN },
	{ "hot-for", 0, "TIME", "hot after a write [15s]", HOT_FOR },
	{ "snapshot-interval", 0, "TIME", "as of lspp-ship [24h]",
	    SNAPSHOT_INTERVAL },
	{ 0 },
};

struct run {
	struct stat_run stat;
	struct tier_config config; /* -c */
	struct state *st;
	int64_t root; /* -r */
	struct buf base;
	bool limits, top_given;
};

/* -- which databases ------------------------------------------------------- */

static int
find_root(struct run *r, const struct store_conf *conf, struct err *e)
{
	const char *replica = r->stat.cli.replica;
	char *url = store_url(replica, conf, e);
	int known;

	if (url == NULL)
		return -1;
	known = state_root(r->st, url, false, &r->root, e);
	free(url);
	if (known == 0)
		return err_set(e, ERR_MISSING,
		    "nothing was ever shipped to %s from here", replica);
	r->stat.conf.roots = &r->root;
	r->stat.conf.n_roots = 1;
	return known == -1 ? -1 : 0;
}

static int
find_roots(struct run *r, const struct store_conf *conf, struct err *e)
{
	if (r->stat.cli.config != NULL) {
		if (tier_config_roots(&r->config, r->st, e) == -1)
			return -1;
		r->stat.conf.roots = r->config.roots;
		r->stat.conf.n_roots = r->config.file.c.n_roots;
		r->stat.bare = tier_config_bare(&r->config);
		return 0;
	}
	return r->stat.cli.replica == NULL ? 0 : find_root(r, conf, e);
}

static int
open_state(struct run *r, const struct store_conf *conf, struct err *e)
{
	struct cli *c = &r->stat.cli;

	if (c->config != NULL &&
	    tier_config_open(&r->config, c->config, conf, true, e) == -1)
		return -1;
	if ((r->st = state_open(c->state, false, e)) != NULL)
		return find_roots(r, conf, e);
	if (e->class == ERR_MISSING)
		err_set(e, ERR_MISSING,
		    "no state in %s: nothing was ever shipped from here",
		    c->state);
	return -1;
}

/* Operands are databases, or directories of them. */
static int
take_operands(struct run *r, char **operands, struct err *e)
{
	struct buf abs = { 0 };
	size_t n = 0;
	int rc = 0;

	while (operands[n] != NULL)
		n++;
	if (n == 0)
		return 0;
	r->stat.conf.want = xcalloc(n + 1, sizeof(*r->stat.conf.want));
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = path_absolute(operands[i], &abs, e);
		r->stat.conf.want[i] = xstrdup(buf_str(&abs));
	}
	buf_release(&abs);
	return rc;
}

/* -- what is told ---------------------------------------------------------- */

static bool
streams(const struct run *r)
{
	return r->stat.mode == STAT_BY && !r->top_given;
}

static void
group(void *ctx, const struct stat_sum *s)
{
	struct run *r = ctx;

	stat_groups_add(&r->stat.groups, s);
	if (streams(r) && r->stat.cli.json)
		stat_json_group(&r->stat, s);
	else if (streams(r))
		stat_put_group(s);
}

/* With --top; without, they were told as they came. */
static void
put_groups(struct run *r)
{
	const struct stat_groups *g = &r->stat.groups;
	bool json = r->stat.cli.json;

	if (!streams(r) && !json)
		stat_put_groups_head();
	for (size_t i = 0; i < g->n && !streams(r); i++)
		if (json)
			stat_json_group(&r->stat, &g->v[i]);
		else
			stat_put_group(&g->v[i]);
	if (!json)
		stat_put_groups_end(&r->stat, !streams(r));
}

/* A series for each of too many is too much. */
static void
warn_of_others(struct run *r)
{
	const struct stat_groups *g = &r->stat.groups;

	if (g->all > g->n && r->stat.mode == STAT_PROMETHEUS)
		cli_warn(&r->stat.cli, NULL,
		    "%zu of %zu groups have series, the others are summed up "
		    "as //others",
		    g->n, g->all);
}

static void
put_worst(struct run *r)
{
	const struct stat_fleet *f = &r->stat.fleet;

	if (!r->stat.cli.json) {
		stat_put_worst(&r->stat);
		return;
	}
	for (size_t i = 0; i < f->n_worst; i++)
		stat_json_db(&r->stat, &f->worst[i]);
}

static void
put_prometheus(struct run *r)
{
	struct metrics m = { .program = r->stat.cli.program };
	struct buf text = { 0 };

	stat_measure(&r->stat, &m);
	metrics_text(&m, &text);
	if (text.len > 0)
		text.data[--text.len] = '\0'; /* lines_put() ends the line */
	lines_put('\n', buf_str(&text));
	buf_release(&text);
	metrics_release(&m);
}

static int
tell(struct run *r, struct err *e)
{
	switch (r->stat.mode) {
	case STAT_SUMMARY:
		if (r->stat.cli.json)
			stat_json_summary(&r->stat);
		else
			stat_put_summary(&r->stat);
		break;
	case STAT_TOP: put_worst(r); break;
	case STAT_BY: put_groups(r); break;
	case STAT_PROMETHEUS: put_prometheus(r); break;
	case STAT_HEALTH: stat_health(&r->stat); break;
	case STAT_HTML: return stat_html(&r->stat, e);
	}
	return 0;
}

/* The series of the fleet are those of a run that could read the state. */
static void
measure(void *ctx, struct metrics *m)
{
	struct run *r = ctx;

	metrics_databases(m, "seen", r->stat.fleet.sum.databases);
	if (r->stat.done)
		stat_measure(&r->stat, m);
}

/* -- options --------------------------------------------------------------- */

static void
set_mode(struct run *r, enum stat_mode mode)
{
	if (r->stat.mode != STAT_SUMMARY && r->stat.mode != mode)
		cli_usage(&r->stat.cli,
		    "--prometheus, --html and --health exclude each other");
	r->stat.mode = mode;
}

static void
take_html(struct run *r, const char *arg)
{
	size_t n = strlen(path_base(arg));

	/* No other file is replaced by a slip of the hand. */
	if (n <= 5 || strcmp(path_base(arg) + n - 5, ".html") != 0)
		cli_usage(
		    &r->stat.cli, "--html: \"%s\" does not end in .html", arg);
	r->stat.html = arg;
	set_mode(r, STAT_HTML);
}

/* So many, or those of a kind, or both. */
static void
take_top(struct run *r, const char *arg)
{
	struct stat_conf *sc = &r->stat.conf;

	r->top_given = true;
	for (int i = STAT_WORST + 1; i < STAT_KINDS; i++)
		if (strcmp(arg, stat_kind_name[i]) == 0) {
			sc->kind = (enum stat_kind)i;
			return;
		}
	if (*arg < '0' || *arg > '9')
		cli_usage(&r->stat.cli,
		    "--top: \"%s\" is neither a number nor gone, lost, "
		    "left-out, shrunk, failed, broken, wrong, ahead or healed",
		    arg);
	sc->top = (size_t)cli_number(&r->stat.cli, "top", arg, 1, TOP_MAX);
}

static void
take_option(struct run *r, struct store_conf *conf, int o, const char *arg)
{
	struct cli *c = &r->stat.cli;
	struct stat_conf *sc = &r->stat.conf;
	struct err e;

	switch (o) {
	case BY:
		sc->depth = (unsigned)cli_number(c, "by", arg, 1, DEPTH_MAX);
		break;
	case TOP: take_top(r, arg); break;
	case PROMETHEUS: set_mode(r, STAT_PROMETHEUS); break;
	case HEALTH: set_mode(r, STAT_HEALTH); break;
	case HTML: take_html(r, arg); break;
	case MAX_LAG:
		r->stat.max_lag_ns =
		    cli_duration_ns(&r->stat.cli, "max-lag", arg);
		break;
	case MAX_FAILED:
		r->stat.max_failed =
		    cli_number(c, "max-failed", arg, 0, INT64_MAX);
		break;
	case EXPECT_MIN:
		r->stat.expected =
		    cli_number(c, "expect-min", arg, 0, INT64_MAX);
		break;
	case HOT_FOR:
		sc->hot_for_ns = cli_duration_ns(&r->stat.cli, "hot-for", arg);
		break;
	case SNAPSHOT_INTERVAL:
		sc->snapshot_interval_ns =
		    cli_duration_ns(&r->stat.cli, "snapshot-interval", arg);
		break;
	default:
		if (store_conf_take(conf, o, arg, &e) == -1)
			cli_usage(c, "%s", e.msg);
	}
	r->limits = r->limits || (o >= MAX_LAG && o <= EXPECT_MIN);
}

/* What the options mean together. */
static void
settle(struct run *r)
{
	struct stat_run *s = &r->stat;
	bool page = s->mode == STAT_HTML;

	if (r->limits && s->mode != STAT_HEALTH && !page)
		cli_usage(&s->cli,
		    "--max-lag, --max-failed and --expect-min are for --health "
		    "and --html");
	if (s->cli.json && s->mode != STAT_SUMMARY)
		cli_usage(&s->cli,
		    "--json and --prometheus, --html or --health exclude each "
		    "other");
	if (s->mode == STAT_HEALTH && (s->conf.depth > 0 || r->top_given))
		cli_usage(&s->cli, "--health has no --by and no --top");
	if (s->conf.kind != STAT_WORST && s->conf.depth > 0)
		cli_usage(&s->cli, "--top %s is about databases: no --by",
		    stat_kind_name[s->conf.kind]);
	if (r->top_given && s->conf.top == 0)
		s->conf.top = TOP_MAX;
	s->groups.max = r->top_given ? s->conf.top : GROUPS;
	if (s->mode == STAT_SUMMARY && s->conf.depth > 0)
		s->mode = STAT_BY;
	else if (s->mode == STAT_SUMMARY && r->top_given)
		s->mode = STAT_TOP;
	if (page && s->conf.depth == 0)
		s->conf.depth = 1;
	if (page && !r->top_given)
		s->conf.top = WORST;
	if (s->mode == STAT_HEALTH)
		s->conf.top = 1;
	if (s->conf.depth > 0)
		s->conf.group = group;
	s->conf.ctx = r;
}

/* -- the run --------------------------------------------------------------- */

static int
run(struct run *r, const struct store_conf *conf, char **operands,
    struct err *e)
{
	struct stat_run *s = &r->stat;

	if (take_operands(r, operands, e) == -1 ||
	    path_absolute(
		s->cli.base != NULL ? s->cli.base : "/", &r->base, e) == -1 ||
	    open_state(r, conf, e) == -1)
		return -1;
	s->conf.base = buf_str(&r->base);
	s->conf.shard = s->cli.shard;
	s->conf.now_ns = now_ns();
	if (streams(r) && !s->cli.json)
		stat_put_groups_head();
	if (stat_fleet(&s->fleet, r->st, &s->conf, e) == -1)
		return -1;
	s->done = true;
	warn_of_others(r);
	return tell(r, e);
}

/* A probe reads one line and the exit status, whatever is wrong. */
static int
fail(struct run *r, const struct err *e)
{
	if (r->stat.mode != STAT_HEALTH)
		return cli_fatal(&r->stat.cli, e);
	stat_unhealthy(&r->stat, e->msg, (int)e->class);
	return cli_finish(&r->stat.cli);
}

static void
release(struct run *r)
{
	for (char **w = r->stat.conf.want; w != NULL && *w != NULL; w++)
		free(*w);
	free(r->stat.conf.want);
	stat_groups_release(&r->stat.groups);
	stat_fleet_release(&r->stat.fleet);
	state_close(r->st);
	tier_config_close(&r->config);
	buf_release(&r->base);
}

int
main(int argc, char **argv)
{
	struct run r = { .stat = { .max_lag_ns = 300 * SECOND,
			     .expected = 1,
			     .conf = { .hot_for_ns = 15 * SECOND,
				 .snapshot_interval_ns = 86400 * SECOND } } };
	struct cli *c = &r.stat.cli;
	struct store_conf conf = STORE_CONF;
	const char *arg;
	struct err e;
	int o, status;

	cli_begin(c, argc, argv, "rCsc/qv", options, "[PATH ...]",
	    "Tell how a fleet is, by what the state knows.");
	cli_more(c, store_options, "s3");
	cli_measured(c, measure, &r);
	cli_examples(c,
	    "  lspp-stat --health --max-lag 5m --max-failed 0\n"
	    "  lspp-stat --html /srv/www/fleet.html");
	while ((o = cli_option(c, &arg)) != -1)
		take_option(&r, &conf, o, arg);
	cli_no_whoami(c, &conf);
	settle(&r);
	store_conf_tell(&conf, cli_on_warn, cli_on_debug, c);
	if (run(&r, &conf, argv + optind, &e) == -1)
		status = fail(&r, &e);
	else
		status = cli_finish(c);
	release(&r);
	return status;
}
