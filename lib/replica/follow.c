/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/replica/follow.h"

#include <inttypes.h>

#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/replica/history.h"
#include "lib/replica/wal/object.h"
#include "lib/store/store.h"

enum { LINE = 64, OWNER_MAX = LINE * HISTORY_GENERATIONS };

void
follow_write(struct buf *b, const struct follow_end *end)
{
	buf_addf(b, "%s ", end->generation);
	if (end->has_snapshot)
		buf_addf(b, "%08" PRIx32 " ", walpos_index(end->snapshot));
	else
		buf_adds(b, "- ");
	if (end->has_segment)
		buf_addf(b, "%08" PRIx32 "_%08" PRIx32 "\n",
		    walpos_index(end->segment), walpos_offset(end->segment));
	else
		buf_adds(b, "-\n");
}

/* A line, less its newline.  False: it is none. */
/* Eight hex digits, as they are written. */
static bool
number(const char *s, uint32_t *v)
{
	static const char digits[] = "0123456789abcdef";
	const char *d;

	*v = 0;
	for (int i = 0; i < 8; i++) {
		if (s[i] == '\0' || (d = strchr(digits, s[i])) == NULL)
			return false;
		*v = *v << 4 | (uint32_t)(d - digits);
	}
	return true;
}

static bool
parse(struct follow_end *end, const char *line)
{
	char gen[20], snapshot[12], segment[20], extra;
	uint32_t index = 0, offset = 0;

	*end = (struct follow_end){ 0 };
	if (sscanf(line, "%19s %11s %19s %c", gen, snapshot, segment, &extra) !=
		3 ||
	    !layout_is_generation(gen))
		return false;
	memcpy(end->generation, gen, sizeof(end->generation));
	end->has_snapshot = strcmp(snapshot, "-") != 0;
	end->has_segment = strcmp(segment, "-") != 0;
	if (end->has_snapshot &&
	    (strlen(snapshot) != 8 || !number(snapshot, &index)))
		return false;
	end->snapshot = walpos(index, 0);
	if (end->has_segment &&
	    (strlen(segment) != 17 || segment[8] != '_' ||
		!number(segment, &index) || !number(segment + 9, &offset)))
		return false;
	end->segment = walpos(index, offset);
	return true;
}

/* Is all that there is of g now within end? */
static bool
within(const struct history_generation *g, const struct follow_end *end)
{
	const struct history_list *s = &g->snapshots, *w = &g->segments;
	const struct history_object *last = w->n > 0 ? &w->v[w->n - 1] : NULL;

	if (s->n > 0 &&
	    (!end->has_snapshot || s->v[s->n - 1].at > end->snapshot))
		return false;
	if (last == NULL)
		return true;
	return end->has_segment && last->at <= end->segment;
}

static void
take_line(struct history *h, const char *line, int64_t ns)
{
	struct follow_end end;

	if (!parse(&end, line))
		return;
	for (size_t i = 0; i < h->n; i++) {
		struct history_generation *g = &h->v[i];

		if (strcmp(g->id, end.generation) == 0 && within(g, &end) &&
		    (g->followed_ns == 0 || ns < g->followed_ns))
			g->followed_ns = ns;
	}
}

static int
data_sink(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)e;
	buf_add(ctx, p, n);
	return 0;
}

static int
read_owner(struct history *h, struct object_dec *dec,
    const struct history_object *o, struct buf *data, struct err *e)
{
	struct layout_name name = { LAYOUT_OWNER, o->at };
	struct provenance pv;
	struct buf key = { 0 };
	bool has = false;
	int rc;

	h->codec->key(&key, h->db, NULL, &name);
	buf_reset(data);
	object_dec_begin(dec, data_sink, data, OWNER_MAX);
	rc = h->s->ops->get(
	    h->s, buf_str(&key), 0, UINT64_MAX, object_dec_feed, dec, e);
	if (rc == 0)
		rc = object_dec_finish(dec, &pv, &has, e);
	if (rc == -1 && e->class != ERR_CORRUPT && e->class != ERR_MISSING)
		err_in(e, "%s", buf_str(&key));
	else
		rc = rc == 0 && has && provenance_is(&pv, pv.generation, &name);
	buf_release(&key);
	h->closed_ns = 0;
	if (rc != 1)
		return rc;
	if (strcmp(pv.generation, LAYOUT_CLOSED) == 0)
		h->closed_ns = pv.captured_ns;
	if (h->began_ns == 0 || pv.captured_ns < h->began_ns)
		h->began_ns = pv.captured_ns;
	for (char *p = (char *)buf_str(data), *end;
	     (end = strchr(p, '\n')) != NULL; p = end + 1) {
		*end = '\0';
		take_line(h, p, pv.captured_ns);
	}
	return 1;
}

int
follow_read(struct history *h, struct err *e)
{
	struct object_dec *dec = object_dec_new();
	struct buf data = { 0 };
	int rc = 0;

	for (size_t i = 0; i < h->owners.n && rc != -1; i++)
		rc = read_owner(h, dec, &h->owners.v[i], &data, e);
	buf_release(&data);
	object_dec_free(dec);
	return rc == -1 ? -1 : 0;
}

bool
follow_is_older(const struct history_generation *g, int64_t captured_ns)
{
	return g->followed_ns != 0 && g->followed_ns <= captured_ns;
}

/* Whose is it?  Once g->plain or g->ours says so. */
static int
tell(struct history *h, struct history_generation *g, struct err *e)
{
	struct history_time t;
	bool snapshot = g->snapshots.n > 0;

	if (g->plain || g->ours)
		return 0;
	return history_time(h, g, snapshot ? LAYOUT_SNAPSHOT : LAYOUT_SEGMENT,
	    snapshot ? g->snapshots.v : g->segments.v, &t, e);
}

int
follow_closed(struct history *h, struct err *e)
{
	bool closed;

	if (follow_read(h, e) == -1)
		return -1;
	closed = h->closed_ns != 0;
	for (size_t i = 0; i < h->n && closed; i++) {
		if (tell(h, &h->v[i], e) == -1)
			return -1;
		closed =
		    !h->v[i].plain || follow_is_older(&h->v[i], h->closed_ns);
	}
	return closed ? 0 : follow_unclosed(e);
}

int
follow_unclosed(struct err *e)
{
	err_set(e, ERR_CONFIG,
	    "it is in two layouts, generations/ and LTX, and nothing tells "
	    "which of them is newer");
	return err_hint(e,
	    "--format wal restores what is in generations/, --format ltx what "
	    "Litestream 0.5 wrote");
}
