/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica against the record of what was shipped to it.
 */
#include "lib/verify/verify_look.h"

#include <string.h>

#include "lib/base/when.h"

static struct history_generation *
find(const struct history *h, const char *id)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->v[i].id, id) == 0)
			return &h->v[i];
	return NULL;
}

/* The snapshot that it was last shipped with, unless there is a newer one. */
static bool
lacks_snapshot(struct look *l, const struct history_generation *g)
{
	const struct history_list *s = &g->snapshots;
	struct history_object o = { .at = l->rec.snapshot };

	if (s->n > 0 && s->v[s->n - 1].at >= o.at)
		return false;
	history_key(&l->h, g, LAYOUT_SNAPSHOT, &o, &l->v->key);
	return true;
}

/* The last object of the record's generation against the record. */
static int
compare(struct look *l, const struct provenance *pv, int has, struct err *e)
{
	const struct record *r = &l->rec;
	char shipped[WHEN_SIZE], there[WHEN_SIZE];

	if (has == 0)
		return err_set(e, ERR_CORRUPT,
		    "has no provenance, though the state has shipped it");
	if (pv->captured_ns < r->captured_ns)
		return err_set(e, ERR_CORRUPT,
		    "is the end, of %s: what was shipped until %s is gone",
		    when_text(pv->captured_ns, there),
		    when_text(r->captured_ns, shipped));
	if (pv->captured_ns == r->captured_ns &&
	    (pv->pages != r->pages || pv->page_size != r->page_size ||
		!pagesum_equal(pv->sum, r->sum)))
		return err_set(e, ERR_CORRUPT,
		    "brings another database than the one that was shipped");
	return 0;
}

/* What is newer than the record is another machine's. */
bool
look_is_foreign(const struct look *l)
{
	uint8_t me[16];

	if (!l->known || !l->has_last ||
	    l->last.captured_ns <= l->rec.captured_ns)
		return false;
	state_writer(l->j->st, me);
	return memcmp(me, l->last.writer, sizeof(me)) != 0 &&
	    !state_same_machine(me, l->last.writer);
}

int
look_state(struct look *l, struct err *e)
{
	struct history_generation *g = find(&l->h, l->rec.pos.line);
	struct provenance pv = l->last;
	int has = l->has_last;
	int rc = -1;

	/* That machine may have pruned it; look_foreign() tells. */
	if (g == NULL && look_is_foreign(l))
		return 0;
	if (g == NULL) {
		err_set(e, ERR_CORRUPT,
		    "generation %s, which was shipped to, is gone",
		    l->rec.pos.line);
		return look_fault(l, true, e);
	}
	if (g != l->newest && (has = look_last(l, g, &pv, e)) == -1)
		return look_fault(l, true, e);
	if (g == l->newest) {
		buf_reset(&l->v->key);
		buf_adds(&l->v->key, l->last_key);
	}
	if (lacks_snapshot(l, g))
		err_set(e, ERR_CORRUPT, "is missing");
	else
		rc = compare(l, &pv, has, e);
	if (rc == 0)
		return 0;
	err_in(e, "%s", buf_str(&l->v->key));
	return look_fault(l, true, e);
}

int
look_foreign(struct look *l, struct err *e)
{
	if (!look_is_foreign(l))
		return 0;
	err_set(e, ERR_BUSY, "it is sound, but %s was written by somebody else",
	    l->last_key);
	return err_hint(e,
	    "another machine ships this database to the same replica: end one "
	    "of the two");
}
