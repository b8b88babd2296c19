/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass as an object of the root (lib/pass/pass.h): what the state has when a
 * run has ended.
 *
 * All that the run shipped is published and recorded by then, and the state is
 * read in one transaction.  So nothing is in the object that is not restorable,
 * whoever else ships meanwhile; a run that is killed before leaves none.
 */
#include "lib/base/buf.h"
#include "lib/pass/pass.h"
#include "lib/ship/ship_job.h"
#include "lib/state/fleet/state_cut.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

enum { IN_MEMORY = 256 * 1024 };

struct passing {
	struct ship *ship;
	struct pass_writer *w;
	struct pass_line line;
	struct ship_passed *out;
};

static void
set(struct buf *b, const char *s)
{
	buf_reset(b);
	buf_adds(b, s);
}

static void
take_record(struct restore_at *at, const struct record *r)
{
	*at = (struct restore_at){
		.format = r->format,
		.pos = r->pos,
		.snapshot = r->snapshot,
		.segments = r->segments,
		.page_size = r->page_size,
		.pages = r->pages,
		.sum = r->sum,
		.captured_ns = r->captured_ns,
	};
}

/* What was never shipped has no name in the replica yet. */
static const char *
key_of(const struct passing *p, const struct cut_row *row)
{
	const char *key = row->key;

	if (key == NULL)
		key = path_below(p->ship->conf->base, row->path);
	return key != NULL ? key : row->path;
}

static int
add(void *ctx, const struct cut_row *row, struct err *e)
{
	static const enum pass_stands stands[] = {
		[CUT_OK] = PASS_OK,
		[CUT_FAILED] = PASS_FAILED,
		[CUT_LOST] = PASS_LOST,
		[CUT_GONE] = PASS_GONE,
	};
	struct passing *p = ctx;
	struct pass_line *l = &p->line;

	l->shipped = row->rec != NULL;
	l->stands = stands[row->stands];
	if (!l->shipped && l->stands == PASS_GONE)
		return 0; /* there is no state of it, and none is missed */
	set(&l->key, key_of(p, row));
	if (row->rec != NULL)
		take_record(&l->at, row->rec);
	l->since_ns = row->since_ns;
	l->class = row->class;
	set(&l->why, row->why);
	p->out->databases++;
	p->out->failed += l->stands == PASS_FAILED || l->stands == PASS_LOST;
	if (stop_requested())
		return err_set(e, ERR_BUSY, "the run is ended by a signal");
	return pass_writer_add(p->w, l, e);
}

static int
put(struct ship *s, const char *name, int64_t began_ns, struct spool *object,
    struct ship_passed *out, struct err *e)
{
	struct passing p = { .ship = s, .out = out };
	int64_t ended_ns = now_ns();
	int rc = -1;

	p.w = pass_writer_new(object, name, began_ns, ended_ns, e);
	if (p.w != NULL && state_cut(s->st, s->root, add, &p, e) == 0)
		rc = pass_writer_end(p.w, e);
	pass_line_release(&p.line);
	pass_writer_free(p.w);
	return rc == -1 ? -1 : pass_put(s->store, name, object, ended_ns, e);
}

int
ship_pass(struct ship *s, const char *name, int64_t began_ns,
    struct ship_passed *out, struct err *e)
{
	struct spool object;
	int rc;

	*out = (struct ship_passed){ 0 };
	ship_trouble_flush(s);
	if (s->troubles->unnoted)
		return err_set(e, ERR_IO,
		    "what failed could not be noted in the state, and would "
		    "not be told");
	spool_init(&object, s->conf->state_dir, IN_MEMORY);
	rc = put(s, name, began_ns, &object, out, e);
	out->bytes = object.size;
	spool_release(&object);
	return rc;
}
