/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/stat/stat_fleet.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/ship/ship.h"
#include "lib/stat/stat_error.h"
#include "lib/stat/stat_judge.h"
#include "lib/stat/stat_sum.h"
#include "lib/state/state.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

#define SECOND INT64_C(1000000000)

const char *const stat_tier_name[STAT_TIERS] = { "hot", "cold", "new", "lost",
	"gone" };
const char *const stat_kind_name[STAT_KINDS] = { "worst", "gone", "lost",
	"left-out", "shrunk", "failed", "broken", "wrong", "ahead", "healed" };
const char *const stat_lag_name[STAT_LAGS] = { "1s", "10s", "1m", "10m", "1h",
	"1d", "more" };
static const int64_t lag_s[STAT_LAGS - 1] = { 1, 10, 60, 600, 3600, 86400 };

/* -- the worst ------------------------------------------------------------- */

static bool
is_worse(const struct stat_db *a, const struct stat_db *b)
{
	if (a->waits != b->waits)
		return a->waits;
	if (a->waits && a->since_ns != b->since_ns)
		return a->since_ns < b->since_ns;
	return strcmp(a->path, b->path) < 0;
}

static void
db_release(struct stat_db *d)
{
	free(d->path);
	free(d->msg);
	free(d->broken_msg);
	free(d->compared_msg);
	free(d->lost_msg);
}

static void
db_copy(struct stat_db *to, const struct stat_db *d)
{
	*to = *d;
	to->path = xstrdup(d->path);
	to->msg = d->failed ? xstrdup(d->msg) : NULL;
	to->broken_msg = d->broken ? xstrdup(d->broken_msg) : NULL;
	to->compared_msg =
	    d->wrong || d->ahead ? xstrdup(d->compared_msg) : NULL;
	to->lost_msg = d->lost_ns != 0 ? xstrdup(d->lost_msg) : NULL;
}

static bool
is_of_kind(const struct stat_db *d, enum stat_kind kind)
{
	if (kind == STAT_IS_GONE || d->tier == STAT_GONE)
		return kind == STAT_IS_GONE && d->tier == STAT_GONE;
	switch (kind) {
	case STAT_IS_LOST: return d->tier == STAT_LOST;
	case STAT_IS_LEFT_OUT: return d->left_out;
	case STAT_IS_SHRUNK: return d->shrunk_ns != 0;
	case STAT_IS_FAILED: return d->failed;
	case STAT_IS_BROKEN: return d->broken;
	case STAT_IS_WRONG: return d->wrong;
	case STAT_IS_AHEAD: return d->ahead;
	case STAT_IS_HEALED: return d->healed_ns != 0;
	default:
		return d->waits || d->broken || d->wrong || d->ahead ||
		    d->healed_ns != 0 || d->tier == STAT_LOST;
	}
}

static void
add_worst(
    struct stat_fleet *f, const struct stat_conf *c, const struct stat_db *d)
{
	size_t i = f->n_worst, top = c->top;

	if (top == 0 || !is_of_kind(d, c->kind))
		return;
	if (i == top) {
		if (!is_worse(d, &f->worst[i - 1]))
			return;
		db_release(&f->worst[--i]);
	} else {
		f->n_worst++;
	}
	for (; i > 0 && is_worse(d, &f->worst[i - 1]); i--)
		f->worst[i] = f->worst[i - 1];
	db_copy(&f->worst[i], d);
}

/* -- signs of life --------------------------------------------------------- */

static int64_t
max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Is it asked for, and was anything ever done with it? */
static bool
counts(const struct stat_conf *c, const struct stat_root *r)
{
	return r->id == 0 ||
	    (stat_asks_for(c, r->id) &&
		(r->n_replicas > 0 || r->pass_ns > 0 || r->ran_ns > 0));
}

static int
read_roots(struct stat_fleet *f, struct state *st, const struct stat_conf *c,
    struct err *e)
{
	size_t n, kept = 0;

	if (stat_roots(st, &f->roots, &n, e) == -1)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (counts(c, &f->roots[i]))
			f->roots[kept++] = f->roots[i];
		else
			free(f->roots[i].url);
	f->n_roots = kept;
	return 0;
}

/*
 * Of a root, or of all: as state_life().  Where lspp-hot passes, a run that
 * ships what came may be one by hand, and lspp-hot fail each time.
 */
static int64_t
life(const struct stat_root *all, const struct stat_root *r)
{
	int64_t pass = max(all->pass_ns, r->pass_ns);

	return pass > 0 ? pass : max(all->ran_ns, r->ran_ns);
}

static void
find_life(struct stat_fleet *f)
{
	const struct stat_root *all = &f->roots[0], *r;
	const struct stat_root *pass = all;
	int64_t at;

	f->life_ns = f->latest_ns = life(all, all);
	for (size_t i = 1; i < f->n_roots; i++) {
		r = &f->roots[i];
		at = life(all, r);
		if (i == 1 || at > f->latest_ns) {
			f->latest_ns = at;
			f->latest = r;
		}
		if (f->stillest != NULL && at >= f->life_ns)
			continue;
		f->life_ns = at;
		f->stillest = r;
		pass = r->pass_ns > all->pass_ns ? r : all;
	}
	f->seen_known = pass->pass_ns > 0;
	f->seen = pass->seen;
}

/* -- all of it ------------------------------------------------------------- */

static bool
is_wanted(const struct stat_conf *c, const char *path)
{
	if (!shard_has_path(&c->shard, c->base, path))
		return false;
	if (c->want == NULL)
		return true;
	for (char **w = c->want; *w != NULL; w++)
		if (strcmp(*w, path) == 0 || path_below(*w, path) != NULL)
			return true;
	return false;
}

static void
add_errors(struct stat_fleet *f, const struct stat_db *d)
{
	const struct stat_error failed = { .class = d->class,
		.msg = d->msg,
		.path = d->path,
		.failing_ns = d->failing_ns,
		.failed_ns = d->failed_ns };
	const struct stat_error lost = { .lost = true,
		.class = d->lost_class,
		.msg = d->lost_msg,
		.path = d->path,
		.failing_ns = d->lost_ns,
		.failed_ns = d->lost_ns };

	if (d->failed)
		stat_error_add(f, &failed);
	if (d->tier == STAT_LOST)
		stat_error_add(f, &lost);
}

static void
add_db(struct stat_fleet *f, const struct stat_conf *c, const struct stat_db *d)
{
	int64_t lag = c->now_ns - d->since_ns;
	int i = 0;

	add_worst(f, c, d);
	if (d->tier == STAT_GONE)
		return;
	add_errors(f, d);
	if (!d->waits)
		return;
	while (i < STAT_LAGS - 1 && lag > lag_s[i] * SECOND)
		i++;
	f->lag[i]++;
}

/* Failures of a run before its first database. */
static void
add_run(
    struct stat_fleet *f, const struct stat_conf *c, const struct stat_row *row)
{
	const struct stat_trouble *t = row->trouble;

	for (size_t i = 0; i < row->n_troubles; i++, t++) {
		const struct stat_error x = { .class = t->class,
			.msg = (char *)buf_str(&t->msg),
			.path = (char *)row->path, /* "" */
			.failing_ns = t->since_ns,
			.failed_ns = t->at_ns };

		if (t->root == 0 || stat_asks_for(c, t->root))
			stat_error_add(f, &x);
	}
}

static int
read_all(struct stat_fleet *f, struct stat_rows *rows, struct stat_sums *sums,
    const struct came *came, const struct stat_conf *c, struct err *e)
{
	const struct stat_row *row;
	struct stat_verdict v;
	int rc;

	while ((rc = stat_rows_next(rows, &row, e)) == 1) {
		if (stop_overdue(e) == -1)
			return -1;
		if (row->path[0] == '\0') {
			add_run(f, c, row);
		} else if (is_wanted(c, row->path) &&
		    stat_judge(c, came, row, &v)) {
			stat_sums_add(sums, &v);
			add_db(f, c, &v.db);
		}
	}
	if (rc == 0)
		stat_sums_end(sums, &f->sum);
	return rc;
}

int
stat_fleet(struct stat_fleet *f, struct state *st, const struct stat_conf *conf,
    struct err *e)
{
	struct stat_sums *sums = stat_sums_new(conf);
	struct came came = { 0 };
	struct stat_rows *rows;
	int rc = -1;

	*f = (struct stat_fleet){ 0 };
	f->worst = xcalloc(conf->top + 1, sizeof(*f->worst));
	if ((rows = stat_rows_open(st, e)) == NULL ||
	    read_roots(f, st, conf, e) == -1 || came_load(&came, st, e) == -1 ||
	    state_number(st, SHIP_BACK_FROM, &f->back_from_ns, e) == -1 ||
	    state_number(st, SHIP_BACK_TO, &f->back_to_ns, e) == -1)
		goto out;
	find_life(f);
	rc = read_all(f, rows, sums, &came, conf, e);
	stat_error_sort(f);
out:
	stat_rows_close(rows);
	stat_sums_free(sums);
	came_release(&came);
	return rc;
}

void
stat_fleet_release(struct stat_fleet *f)
{
	for (size_t i = 0; i < f->n_worst; i++)
		db_release(&f->worst[i]);
	for (size_t i = 0; i < f->n_errors; i++)
		stat_error_release(&f->error[i]);
	free(f->worst);
	stat_roots_free(f->roots, f->n_roots);
	*f = (struct stat_fleet){ 0 };
}
