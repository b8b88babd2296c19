/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/replica/codec/codec.h"
#include "lib/replica/ltx/ltx_own.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/restore_ltx.h"
#include "lib/replica/wal/object.h"
#include "lib/restore/restore_ahead.h"
#include "lib/restore/restore_apply.h"
#include "lib/restore/restore_ltx_read.h"
#include "lib/restore/restore_own.h"
#include "lib/restore/restore_part.h"
#include "lib/restore/restore_place.h"
#include "lib/restore/restore_proof.h"
#include "lib/restore/restore_resume.h"
#include "lib/store/store.h"
#include "lib/sys/crew.h"
#include "lib/sys/file.h"
#include "lib/sys/relay.h"

struct restorer {
	struct crew *crew;
	struct object_dec *dec;
	struct ltx_read *ltx; /* NULL: there was none yet */
	struct apply apply;
	struct place place;
	uint8_t *buf; /* PROOF_BUF bytes */
	struct buf key;
	size_t sound; /* objects of the plan that were read without a fault */
};

/* One restore. */
struct work {
	struct restorer *r;
	struct store *s;
	const char *db;
	const struct restore_plan *p;
	const struct restore_target *t;
	struct restored *out;
	struct provenance pv; /* of the object read last */
	bool has;             /* it has one */
	bool rolled;          /* of LTX: the state's own checksum is right */
	bool owned;           /* of LTX: pv has modes and owners */
	bool ours;            /* the snapshot had one: all have */
	struct part part;     /* of the snapshot, if it is worth one */
	struct ahead *ahead;  /* the segments */
	bool writer;          /* there is a place for a thread that writes */
	int64_t as_of_ns;     /* when what it brings was captured */
};

struct restorer *
restorer_new(struct crew *crew)
{
	struct restorer *r = xcalloc(1, sizeof(*r));

	r->crew = crew;
	r->dec = object_dec_new();
	apply_init(&r->apply);
	place_init(&r->place);
	r->buf = xmalloc(PROOF_BUF);
	return r;
}

void
restorer_free(struct restorer *r)
{
	if (r == NULL)
		return;
	object_dec_free(r->dec);
	ltx_read_free(r->ltx);
	apply_release(&r->apply);
	place_release(&r->place);
	free(r->buf);
	buf_release(&r->key);
	free(r);
}

size_t
restorer_sound(const struct restorer *r)
{
	return r->sound;
}

bool
restorer_end(const struct restorer *r, uint64_t *at, struct chain *c)
{
	const struct apply *a = &r->apply;

	*at = walread_at(&a->wal);
	walread_chain(&a->wal, c);
	return a->wal.frames == a->committed && !walread_is_cut(&a->wal);
}

/* Reading objects */

/* From so many bytes on an object's data is written on a thread of its own. */
#define LARGE ((uint64_t)1 << 20)

/* Is what the object says of itself true as far as it can be told by now? */
static int
check_provenance(const struct work *w, const struct layout_name *name,
    uint64_t pages, struct err *e)
{
	const struct provenance *pv = &w->pv;
	uint64_t raw = object_dec_raw(w->r->dec);

	if (!w->has)
		return 0;
	if (provenance_check(pv, w->p->generation, name, e) == -1)
		return -1;
	if (pv->length != raw)
		return err_set(e, ERR_CORRUPT,
		    "holds %" PRIu64 " bytes instead of %" PRIu64, raw,
		    pv->length);
	if (pv->page_size != w->r->apply.page_size || pv->pages != pages)
		return err_set(e, ERR_CORRUPT,
		    "brings a database of %" PRIu64 " pages of %" PRIu32
		    " bytes, not the %" PRIu32 " of %" PRIu32 " it says",
		    pages, w->r->apply.page_size, pv->pages, pv->page_size);
	return 0;
}

static int
pass_on(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	return relay_put(ctx, p, n, e);
}

static uint8_t *
room_there(void *ctx, size_t *n)
{
	return relay_room(ctx, n);
}

/* The object of the plan whose key is in r->key: the snapshot is the first. */
struct object {
	struct layout_name name;
	size_t segment; /* of the plan's, if it is one */
	uint64_t bytes;
};

static bool
is_snapshot(const struct object *o)
{
	return o->name.kind == LAYOUT_SNAPSHOT;
}

/* Its bytes to the decoder. */
static int
get(struct work *w, const struct object *o, struct err *e)
{
	const char *key = buf_str(&w->r->key);
	struct object_dec *dec = w->r->dec;

	if (!is_snapshot(o))
		return ahead_get(
		    w->ahead, o->segment, key, object_dec_feed, dec, e);
	if (w->part.fd != -1)
		return part_get(&w->part, w->s, key, object_dec_feed, dec, e);
	return w->s->ops->get(
	    w->s, key, 0, UINT64_MAX, object_dec_feed, dec, e);
}

/* Its data onto the file, by a thread of its own if it is much. */
static int
get_data(struct work *w, const struct object *o, struct err *e)
{
	object_sink *sink = is_snapshot(o) ? apply_snapshot : apply_wal;
	uint64_t max =
	    is_snapshot(o) ? OBJECT_SNAPSHOT_MAX : OBJECT_SEGMENT_MAX;
	struct restorer *r = w->r;
	struct relay *relay = NULL;
	struct err failed;
	int rc;

	if (w->writer && o->bytes >= LARGE)
		relay = relay_start(sink, &r->apply, e); /* or without */
	if (relay == NULL) {
		object_dec_begin(r->dec, sink, &r->apply, max);
	} else {
		object_dec_begin(r->dec, pass_on, relay, max);
		object_dec_into(r->dec, room_there);
	}
	rc = get(w, o, e);
	if (relay_end(relay, &failed) == -1 && rc == 0) {
		*e = failed;
		rc = -1;
	}
	return rc;
}

/* The object through the decoder onto the file. */
static int
read_object(struct work *w, const struct object *o, struct err *e)
{
	struct restorer *r = w->r;
	struct apply *a = &r->apply;
	uint64_t pages;

	if (!is_snapshot(o))
		growth_read(&a->growth, o->bytes);
	if (get_data(w, o, e) == -1)
		return -1;
	if (object_dec_finish(r->dec, &w->pv, &w->has, e) == -1)
		return -1;
	if (is_snapshot(o))
		w->ours = w->has;
	else if (w->ours && !w->has)
		return err_set(e, ERR_CORRUPT,
		    "has no provenance, as those before it have");
	if (is_snapshot(o) && apply_snapshot_end(a, e) == -1)
		return -1;
	pages = is_snapshot(o) ? a->size / a->page_size : a->pages;
	return check_provenance(w, &o->name, pages, e);
}

/* One more object is as it should be; stored_ns is when it was stored.  One
 * without data ends a history, and is no state. */
static void
sound(struct work *w, int64_t stored_ns)
{
	w->r->sound++;
	if (w->has && w->pv.length == 0)
		return;
	w->as_of_ns = w->has ? w->pv.captured_ns : stored_ns;
}

/* Segments before the damaged one are good for something. */
static void
hint_before(const struct work *w, struct err *e)
{
	char before[WHEN_SIZE];

	if (e->class == ERR_CORRUPT)
		err_hint(
		    e, RESTORE_HINT_BEFORE, when_text(w->as_of_ns, before));
}

static int
read_snapshot(struct work *w, struct err *e)
{
	struct object o = {
		.name = { LAYOUT_SNAPSHOT, w->p->snapshot },
		.bytes = w->p->snapshot_bytes,
	};
	struct buf *key = &w->r->key;

	buf_reset(key);
	w->p->codec->key(key, w->db, w->p->generation, &o.name);
	if (w->t->resume && w->part.fd == -1 && w->p->bytes >= PART_MIN)
		(void)part_open(&w->part, w->out->dir, w->s->url, buf_str(key));
	if (read_object(w, &o, e) == -1)
		return err_in(e, "%s", buf_str(key));
	sound(w, w->p->snapshot_ns);
	return 0;
}

/* Segment i begins where the one before it ended. */
static int
check_place(struct work *w, size_t i, struct err *e)
{
	const struct walread *wal = &w->r->apply.wal;
	struct buf *key = &w->r->key;
	uint64_t end = walread_at(wal), at = w->p->segment[i].at;
	struct layout_name name = { LAYOUT_SEGMENT, end > at ? at : end };

	if (end == at)
		return 0;
	buf_reset(key);
	w->p->codec->key(key, w->db, w->p->generation, &name);
	if (end > at)
		return err_set(e, ERR_CORRUPT,
		    "%s overlaps the segment before it, which ends at "
		    "%08" PRIx64,
		    buf_str(key), wal->pos);
	return err_set(e, ERR_CORRUPT, "%s is missing", buf_str(key));
}

static int
read_segment(struct work *w, size_t i, struct err *e)
{
	struct object o = {
		.name = { LAYOUT_SEGMENT, w->p->segment[i].at },
		.segment = i,
		.bytes = w->p->segment[i].bytes,
	};
	struct buf *key = &w->r->key;

	if (check_place(w, i, e) == -1)
		return -1;
	buf_reset(key);
	w->p->codec->key(key, w->db, w->p->generation, &o.name);
	if (read_object(w, &o, e) == -1)
		return err_in(e, "%s", buf_str(key));
	sound(w, w->p->segment[i].ns);
	return 0;
}

/* Is segment i the first of the plan in its log? */
static bool
begins_log(const struct restore_plan *p, size_t i)
{
	return i == 0 ||
	    !p->codec->same_log(p->segment[i].at, p->segment[i - 1].at);
}

static int
read_segments(struct work *w, struct err *e)
{
	const struct restore_plan *p = w->p;
	struct apply *a = &w->r->apply;

	for (size_t i = 0; i < p->segments; i++) {
		if (begins_log(p, i))
			apply_log(a, p->segment[i].at);
		if (read_segment(w, i, e) == -1) {
			hint_before(w, e);
			return -1;
		}
		if (i + 1 < p->segments && !begins_log(p, i + 1))
			continue;
		if (apply_log_end(a, e) == -1)
			return -1;
	}
	return 0;
}

static int
read_once(struct work *w, struct err *e)
{
	int rc;

	w->r->sound = 0;
	w->ahead = ahead_start(w->r->crew, w->s, w->db, w->p);
	rc = read_snapshot(w, e);
	if (rc == 0)
		rc = read_segments(w, e);
	ahead_stop(w->ahead);
	return rc;
}

/* All objects, onto the unfinished file. */
static int
read_all(struct work *w, struct err *e)
{
	struct apply *a = &w->r->apply;
	int rc;

	w->writer = w->p->bytes >= LARGE && crew_take(w->r->crew);
	apply_begin(a, w->out->fd, false);
	while ((rc = read_once(w, e)) == 0 && apply_again(a)) {
		if (ftruncate(w->out->fd, 0) == -1) {
			rc = err_sys(e, "unfinished file: cannot empty it");
			break;
		}
		apply_begin(a, w->out->fd, true);
	}
	if (w->writer)
		crew_leave(w->r->crew);
	return rc == -1 ? -1 : apply_end(a, e);
}

/* The finished file */

static int
prove(struct work *w, struct err *e)
{
	enum restore_check check = w->t->check;
	struct buf path = { 0 };
	int rc;

	if ((w->has || w->p->ltx != NULL) &&
	    proof_sum(w->out->fd, w->r->apply.size, &w->pv, w->r->buf,
		w->r->crew, e) == -1)
		return err_in(e, "up to %s", buf_str(&w->r->key));
	w->out->as_of_ns = w->as_of_ns;
	w->out->summed = w->has || w->rolled;
	if (check == RESTORE_CHECK_AUTO)
		check =
		    w->out->summed ? RESTORE_CHECK_NONE : RESTORE_CHECK_QUICK;
	w->out->checked = check;
	if (check == RESTORE_CHECK_NONE)
		return 0;
	path_dir(w->t->path, &path);
	buf_addf(&path, "/%s", w->out->tmp);
	rc = proof_sqlite(buf_str(&path), check == RESTORE_CHECK_FULL, e);
	buf_release(&path);
	return rc;
}

/* Would SQLite read it? */
static int
check_header(struct work *w, struct err *e)
{
	uint8_t p[DBHDR_SIZE];
	ssize_t n = file_pread(w->out->fd, p, sizeof(p), 0, e);

	if (n == -1)
		return err_in(e, "unfinished file");
	if ((size_t)n < sizeof(p))
		return err_set(e, ERR_CORRUPT, "it has no header");
	return dbhdr_check(p, w->pv.page_size, w->pv.pages, e);
}

/* Modes and owners, from what goes with the last file, if anything does. */
static int
read_own(struct work *w, struct err *e)
{
	const struct restore_ltx *x = w->p->ltx;
	struct buf key = { 0 }, note = { 0 };
	int rc;

	restore_ltx_key(x, w->db, x->plan.n - 1, &key);
	rc = w->s->ops->note(w->s, buf_str(&key), &note, e);
	if (rc == 1)
		w->owned = ltx_own_parse(&w->pv, buf_str(&note));
	buf_release(&key);
	buf_release(&note);
	return rc == -1 && e->class != ERR_DENIED && e->class != ERR_MISSING
	    ? -1
	    : 0;
}

/* All LTX files, likewise; what they lead to is proven as a provenance is. */
static int
read_ltx(struct work *w, struct err *e)
{
	struct restorer *r = w->r;
	struct ltx_state s;
	int rc;

	if (r->ltx == NULL)
		r->ltx = ltx_read_new();
	apply_begin(&r->apply, w->out->fd, false);
	w->ahead = ahead_start(r->crew, w->s, w->db, w->p);
	rc = restore_ltx_read(
	    r->ltx, &r->apply, w->ahead, w->s, w->db, w->p, &s, e);
	ahead_stop(w->ahead);
	r->sound = s.sound;
	if (rc == -1)
		return -1;
	w->pv = (struct provenance){
		.page_size = s.page_size,
		.pages = s.pages,
		.sum = s.sum,
	};
	w->as_of_ns = s.captured_ns;
	w->rolled = s.summed;
	if (s.marked && read_own(w, e) == -1)
		return -1;
	return check_header(w, e);
}

static int
make(struct work *w, struct err *e)
{
	int rc = w->p->ltx != NULL ? read_ltx(w, e) : read_all(w, e);
	const struct provenance *pv;

	if (rc == -1 || prove(w, e) == -1)
		return -1;
	pv = w->has || w->owned ? &w->pv : NULL;
	if (own_set(w->out, w->t->own, pv, e) == -1)
		return -1;
	return own_set_dir(&w->r->place, w->out, w->t->own, pv, e);
}

/* The bytes that were there may be those of another file. */
static int
start_over(struct work *w, struct err *e)
{
	w->part.have = 0;
	w->part.continued = false;
	if (ftruncate(w->part.fd, 0) == -1 || ftruncate(w->out->fd, 0) == -1)
		return err_sys(e, "unfinished file: cannot empty it");
	return make(w, e);
}

/* The unfinished file stays until the target has its name.  One of no use is
 * removed at once. */
static void
keep_part(struct work *w, int rc, const struct err *e)
{
	if (w->part.fd == -1)
		return;
	memcpy(w->out->part, w->part.name, sizeof(w->out->part));
	if (rc == -1 && e->class == ERR_CORRUPT)
		(void)unlinkat(w->out->dir, w->part.name, 0);
	part_close(&w->part);
}

int
restore_dir(struct restorer *r, const struct restore_target *t,
    const char **name, struct err *e)
{
	int fd;

	r->place.keep_parts = false;
	r->place.own_dirs = true;
	if ((*name = place_open(&r->place, t->path, t->trusted, e)) == NULL)
		return -1;
	fd = fcntl(r->place.dir, F_DUPFD_CLOEXEC, 3);
	return fd == -1 ? err_sys(e, "cannot open its directory") : fd;
}

int
restore_stage(struct restorer *r, struct store *s, const char *db,
    const struct restore_plan *p, const struct restore_target *t,
    struct restored **out, struct err *e)
{
	struct work w = {
		.r = r, .s = s, .db = db, .p = p, .t = t, .part.fd = -1
	};
	const char *name;
	int rc = -1;

	w.out = xcalloc(1, sizeof(*w.out));
	w.out->dir = w.out->fd = -1;
	r->place.keep_parts = t->resume;
	r->place.own_dirs = true;
	if ((name = place_open(&r->place, t->path, t->trusted, e)) == NULL)
		goto out;
	if (place_free(r->place.dir, name, t->path, t->force, e) == -1)
		goto out;
	if (t->force && !t->force_open &&
	    place_in_use(r->place.dir, name, e) == -1)
		goto out;
	w.out->path = xstrdup(t->path);
	w.out->name = xstrdup(name);
	w.out->force = t->force;
	w.out->force_open = t->force_open;
	if (place_create(&r->place, w.out, e) == -1)
		goto out;
	rc = make(&w, e);
	if (rc == -1 && e->class == ERR_CORRUPT && w.part.continued)
		rc = start_over(&w, e);
out:
	keep_part(&w, rc, e);
	if (rc == 0)
		*out = w.out;
	else
		restored_drop(w.out);
	return rc;
}

int
restore_look(struct restorer *r, struct store *s, const char *db,
    struct restore_plan *p, const struct restore_target *t,
    enum restore_there *there, struct err *e)
{
	const char *name;
	struct stat st;

	*there = RESTORE_NOTHING;
	if (lstat(t->path, &st) == -1)
		return 0;
	if (p->ltx != NULL) { /* it has to be made to be known */
		*there = RESTORE_UNKNOWN;
		return 0;
	}
	if ((name = place_open(&r->place, t->path, t->trusted, e)) == NULL)
		return -1;
	return resume_look(
	    r->place.dir, name, s, db, p, r->buf, r->crew, there, e);
}
