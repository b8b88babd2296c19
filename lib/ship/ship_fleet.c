/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ship/ship_fleet.h"

#include <stdlib.h>

#include "lib/base/err.h"
#include "lib/store/stats.h"

struct root {
	struct ship_conf conf;
	struct ship *ship; /* NULL: not opened yet, or in vain */
	bool tried;
	struct err e; /* in vain */
};

struct ship_fleet {
	const struct config_file *file;
	struct ship *base;
	struct root *root;
	struct buf abs, name;
};

struct ship_fleet *
ship_fleet_open(const struct config_file *f, const struct ship_conf *conf,
    bool interval_given, struct err *e)
{
	struct ship_fleet *s = xcalloc(1, sizeof(*s));

	s->file = f;
	if ((s->base = ship_open(conf, e)) == NULL) {
		free(s);
		return NULL;
	}
	s->root = xcalloc(f->c.n_roots + 1, sizeof(*s->root));
	for (size_t i = 0; i < f->c.n_roots; i++) {
		const struct config_root *r = &f->c.root[i];
		struct ship_conf *own = &s->root[i].conf;

		*own = *conf;
		own->url = r->url;
		own->base = NULL;
		own->store = &f->store[i];
		if (f->c.ltx && !conf->format_asked)
			own->format = FORMAT_LTX;
		if (r->snapshot_s > 0 && !interval_given)
			own->snapshot_interval_ns = r->snapshot_s * 1000000000;
	}
	return s;
}

void
ship_fleet_close(struct ship_fleet *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->file->c.n_roots; i++)
		ship_close(s->root[i].ship);
	ship_close(s->base);
	free(s->root);
	buf_release(&s->abs);
	buf_release(&s->name);
	free(s);
}

struct ship *
ship_fleet_base(struct ship_fleet *s)
{
	return s->base;
}

static struct ship *
ship_of(struct ship_fleet *s, struct root *r, struct err *e)
{
	if (!r->tried)
		r->ship = ship_join(s->base, &r->conf, &r->e);
	r->tried = true;
	if (r->ship == NULL)
		*e = r->e;
	return r->ship;
}

static struct job *
refused(struct ship_fleet *s, const char *path, const struct err *e)
{
	struct job *j = ship_job_new(s->base, path, NULL);

	ship_job_refuse(j, e);
	return j;
}

/* The job of path, the database d, for its replica i. */
static struct job *
one_job(
    struct ship_fleet *s, const char *path, const struct config_db *d, size_t i)
{
	struct ship *ship;
	struct err e;

	if (config_file_name(s->file, d, i, buf_str(&s->abs), &s->name, &e) ==
	    -1)
		return refused(s, path, &e);
	ship = ship_of(s, &s->root[d->replica[i].root], &e);
	if (ship == NULL)
		return refused(s, path, &e);
	return ship_job_new(ship, path, buf_str(&s->name));
}

struct job *
ship_fleet_job(struct ship_fleet *s, const char *path)
{
	const struct config_db *d;
	struct job *j, *next = NULL;
	struct err e;

	if ((d = config_file_find(s->file, path, &s->abs, &e)) == NULL)
		return refused(s, path, &e);
	for (size_t i = d->n; i-- > 0; next = j) {
		j = one_job(s, path, d, i);
		if (next != NULL)
			ship_job_then(j, next);
	}
	return next;
}

void
ship_fleet_stats(struct ship_fleet *s, struct store_stats *out)
{
	struct store_stats one;

	*out = (struct store_stats){ 0 };
	for (size_t i = 0; i < s->file->c.n_roots; i++) {
		if (s->root[i].ship == NULL)
			continue;
		ship_stats(s->root[i].ship, &one);
		stats_add(out, &one);
	}
}
