/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/stat/stat_sum.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/sys/file.h"

struct level {
	bool open;
	struct stat_sum sum;
	struct buf name; /* of the group: directories below the base */
	/* Of those that wait: the lags of the others are 0. */
	int64_t *lag;
	size_t n, room;
};

struct stat_sums {
	const struct stat_conf *conf;
	/* That of all; that of no directory, of one, ... of conf->depth; last,
	   if there are groups, that of what is not below the base. */
	struct level *level;
	size_t n;
};

struct stat_sums *
stat_sums_new(const struct stat_conf *conf)
{
	struct stat_sums *s = xcalloc(1, sizeof(*s));

	s->conf = conf;
	s->n = conf->depth > 0 ? conf->depth + 3 : 1;
	s->level = xcalloc(s->n, sizeof(*s->level));
	return s;
}

void
stat_sums_free(struct stat_sums *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		buf_release(&s->level[i].name);
		free(s->level[i].lag);
	}
	free(s->level);
	free(s);
}

/* -- one sum --------------------------------------------------------------- */

static void
add_lag(struct level *l, int64_t lag_ns)
{
	if (l->n == l->room) {
		l->room = l->room > 0 ? 2 * l->room : 64;
		l->lag = xrealloc(l->lag, l->room * sizeof(*l->lag));
	}
	l->lag[l->n++] = lag_ns;
}

static void
add(struct level *l, const struct stat_verdict *v, int64_t now_ns)
{
	struct stat_sum *s = &l->sum;
	const struct stat_db *d = &v->db;

	s->tier[d->tier]++;
	if (d->tier == STAT_GONE)
		return;
	s->databases++;
	s->replicas += v->replicas;
	s->waiting += d->waits;
	s->failed += d->failed;
	s->broken += d->broken;
	s->wrong += d->wrong;
	s->ahead += d->ahead;
	s->healed += d->healed_ns != 0;
	s->left_out += d->left_out;
	s->shrunk += d->shrunk_ns != 0;
	s->size += d->size;
	s->wal += v->wal;
	s->snapshots += v->snapshots;
	s->unverified += v->unverified;
	for (int i = 0; i < STAT_DUES; i++)
		s->due[i] += v->due[i];
	if (d->verified_ns != 0 && !v->unverified &&
	    (s->verified_ns == 0 || d->verified_ns < s->verified_ns))
		s->verified_ns = d->verified_ns;
	if (d->waits)
		add_lag(l, now_ns > d->since_ns ? now_ns - d->since_ns : 0);
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The lag that so many percent of the databases do not exceed. */
static int64_t
percentile(const struct level *l, unsigned percent)
{
	uint64_t zeros = l->sum.databases - l->n;
	uint64_t rank = (l->sum.databases * percent + 99) / 100;

	return rank <= zeros ? 0 : l->lag[rank - zeros - 1];
}

static void
finish(struct level *l)
{
	if (l->n == 0)
		return;
	qsort(l->lag, l->n, sizeof(*l->lag), by_size);
	l->sum.lag_max_ns = l->lag[l->n - 1];
	l->sum.lag_p50_ns = percentile(l, 50);
	l->sum.lag_p99_ns = percentile(l, 99);
}

/* -- groups ---------------------------------------------------------------- */

static void
end_level(struct stat_sums *s, struct level *l)
{
	finish(l);
	l->sum.group = buf_str(&l->name);
	s->conf->group(s->conf->ctx, &l->sum);
	l->sum = (struct stat_sum){ 0 };
	l->n = 0;
	l->open = false;
}

static bool
is_within(const struct level *l, const char *below)
{
	const char *name = buf_str(&l->name);
	size_t n = l->name.len;

	return strcmp(name, ".") == 0 ||
	    (strncmp(name, below, n) == 0 && below[n] == '/');
}

/* The level of the directories of below, at most depth; *n gets their length.
 */
static size_t
level_of(const char *below, unsigned depth, size_t *n)
{
	const char *slash;
	unsigned k;

	*n = 0;
	for (k = 0; k < depth; k++) {
		slash = strchr(below + *n + (k > 0), '/');
		if (slash == NULL)
			break;
		*n = (size_t)(slash - below);
	}
	return k + 1;
}

static void
name(struct level *l, const char *s, size_t n)
{
	buf_reset(&l->name);
	if (n == 0)
		buf_adds(&l->name, ".");
	else
		buf_add(&l->name, s, n);
	l->open = true;
}

static struct level *
group_of(struct stat_sums *s, const char *path)
{
	const char *below = path_below(s->conf->base, path);
	struct level *l;
	size_t n;

	if (below == NULL) {
		l = &s->level[s->n - 1];
		name(l, "/", 1);
		return l;
	}
	for (size_t i = s->n - 2; i > 0; i--)
		if (s->level[i].open && !is_within(&s->level[i], below))
			end_level(s, &s->level[i]);
	l = &s->level[level_of(below, s->conf->depth, &n)];
	if (!l->open)
		name(l, below, n);
	return l;
}

void
stat_sums_add(struct stat_sums *s, const struct stat_verdict *v)
{
	add(&s->level[0], v, s->conf->now_ns);
	if (s->n > 1)
		add(group_of(s, v->db.path), v, s->conf->now_ns);
}

void
stat_sums_end(struct stat_sums *s, struct stat_sum *total)
{
	for (size_t i = s->n - 1; i > 0; i--)
		if (s->level[i].open)
			end_level(s, &s->level[i]);
	finish(&s->level[0]);
	*total = s->level[0].sum;
}
