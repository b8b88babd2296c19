#include "lib/engine/history.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/format/provenance.h"
#include "lib/store/store.h"

static struct history_object *
add(struct history_list *l)
{
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 4 : l->cap * 2;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	return &l->v[l->n++];
}

/* The generation called id, made if it is not the last one; NULL with e. */
static struct history_generation *
generation_of(struct history *h, const char *id, struct err *e)
{
	struct history_generation *g = h->n == 0 ? NULL : &h->v[h->n - 1];

	if (g != NULL && strcmp(g->id, id) == 0)
		return g;
	if (h->n == HISTORY_GENERATIONS) {
		err_set(e, ERR_CORRUPT, "holds more than %d generations",
		    HISTORY_GENERATIONS);
		err_hint(e, "--generation ID restores from one of them");
		return NULL;
	}
	if (h->v == NULL || h->n == h->cap) {
		h->cap = h->cap == 0 ? 2 : h->cap * 2;
		h->v = xrealloc(h->v, h->cap * sizeof(*h->v));
	}
	g = &h->v[h->n++];
	memset(g, 0, sizeof(*g));
	memcpy(g->id, id, sizeof(g->id));
	return g;
}

/*
 * Without 'all': is it of use to a restore of the newest state?  Of snapshots,
 * and of segments without one, only the last is.
 */
static bool
of_use(struct history *h, struct history_generation *g,
    const struct layout_name *name)
{
	struct history_list *l = &g->snapshots;

	if (h->all)
		return true;
	if (name->kind == LAYOUT_SEGMENT && l->n > 0)
		return name->index >= l->v[0].index;
	if (name->kind == LAYOUT_SEGMENT)
		l = &g->segments;
	h->objects -= l->n;
	l->n = 0;
	return true;
}

/* An owner's object, or one that is nothing to us. */
static int
note_other(struct history *h, const struct store_entry *en)
{
	uint32_t number;

	if (layout_parse_owner(&number, en->key + h->prefix)) {
		*add(&h->owners) = (struct history_object){
			.mtime_ns = en->mtime_ns,
			.size = en->size,
			.index = number,
		};
	} else if (h->unknown++ == 0) {
		h->first_unknown = xstrdup(en->key);
	}
	return 0;
}

int
history_take(struct history *h, const struct store_entry *en, struct err *e)
{
	const char *p = en->key + h->prefix, *slash = strchr(p, '/');
	struct history_generation *g;
	struct history_list *l;
	struct layout_name name;
	char id[LAYOUT_GENERATION];

	if (slash == NULL || slash - p != LAYOUT_GENERATION - 1)
		return note_other(h, en);
	memcpy(id, p, sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	if (!layout_is_generation(id) || !layout_parse(&name, slash + 1))
		return note_other(h, en);
	if ((g = generation_of(h, id, e)) == NULL)
		return -1;
	if (!of_use(h, g, &name))
		return 1;
	l = name.kind == LAYOUT_SNAPSHOT ? &g->snapshots : &g->segments;
	if (h->objects++ == HISTORY_OBJECTS)
		return err_set(e, ERR_CORRUPT, "holds more than %zu objects",
		    HISTORY_OBJECTS);
	*add(l) = (struct history_object){ .mtime_ns = en->mtime_ns,
		.size = en->size,
		.index = name.index,
		.offset = name.kind == LAYOUT_SEGMENT ? name.offset : 0 };
	return 1;
}

static int
note_object(void *ctx, const struct store_entry *en, struct err *e)
{
	return history_take(ctx, en, e) == -1 ? -1 : 0;
}

void
history_begin(struct history *h, struct store *s, const char *db, bool all)
{
	struct buf prefix = { 0 };

	*h = (struct history){ .s = s, .db = db, .all = all };
	layout_generation_prefix(&prefix, db, NULL);
	h->prefix = prefix.len;
	buf_release(&prefix);
}

int
history_read(struct history *h, struct store *s, const char *db,
    const char *generation, bool all, struct err *e)
{
	struct buf prefix = { 0 };
	int rc;

	history_begin(h, s, db, all);
	layout_generation_prefix(&prefix, db, generation);
	rc = s->ops->list(s, buf_str(&prefix), false, note_object, h, e);
	buf_release(&prefix);
	return rc;
}

void
history_release(struct history *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->v[i].snapshots.v);
		free(h->v[i].segments.v);
	}
	free(h->v);
	free(h->owners.v);
	free(h->first_unknown);
	*h = (struct history){ 0 };
}

void
history_key(const struct history *h, const struct history_generation *g,
    enum layout_kind kind, const struct history_object *o, struct buf *b)
{
	buf_reset(b);
	if (kind == LAYOUT_SNAPSHOT)
		layout_snapshot_key(b, h->db, g->id, o->index);
	else
		layout_segment_key(b, h->db, g->id, o->index, o->offset);
}

static int
tail_sink(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)e;
	buf_add(ctx, p, n);
	return 0;
}

int
history_time(const struct history *h, struct history_generation *g,
    enum layout_kind kind, const struct history_object *o, int64_t *ns,
    struct err *e)
{
	struct layout_name name = { kind, o->index, o->offset };
	struct buf key = { 0 }, tail = { 0 };
	struct provenance pv;
	struct err ignored;
	int has = -1, rc = -1;

	*ns = o->mtime_ns;
	if (g->plain)
		return 0;
	history_key(h, g, kind, o, &key);
	if (h->s->ops->get(h->s, buf_str(&key), UINT64_MAX, PROVENANCE_SIZE,
		tail_sink, &tail, e) == -1) {
		err_in(e, "%s", buf_str(&key));
		goto out;
	}
	if (tail.len == PROVENANCE_SIZE)
		has = provenance_parse(&pv, tail.data, &ignored);
	if (has == 1 && provenance_is(&pv, g->id, &name))
		*ns = pv.captured_ns;
	/* All objects of a generation are of one kind. */
	g->plain = has == 0 && kind == LAYOUT_SNAPSHOT;
	rc = 0;
out:
	buf_release(&tail);
	buf_release(&key);
	return rc;
}

int
history_window(const struct history *h, struct history_generation *g,
    int64_t *from_ns, int64_t *until_ns, struct err *e)
{
	const struct history_list *l = &g->segments;
	int64_t last;

	*from_ns = INT64_MAX;
	*until_ns = INT64_MIN;
	if (g->snapshots.n > 0) {
		if (history_time(h, g, LAYOUT_SNAPSHOT, g->snapshots.v, from_ns,
			e) == -1 ||
		    history_time(h, g, LAYOUT_SNAPSHOT,
			&g->snapshots.v[g->snapshots.n - 1], until_ns, e) == -1)
			return -1;
	}
	if (l->n == 0)
		return 0;
	if (history_time(h, g, LAYOUT_SEGMENT, &l->v[l->n - 1], &last, e) == -1)
		return -1;
	if (last > *until_ns)
		*until_ns = last;
	return 0;
}

size_t
history_whole(
    const struct history_object *v, size_t n, uint32_t index, uint32_t *gone)
{
	*gone = index;
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && v[i].index == v[i - 1].index)
			continue;
		if (v[i].index != *gone || v[i].offset != 0)
			return i;
		(*gone)++;
	}
	return n;
}
