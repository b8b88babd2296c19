/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest state of a replica against the live database: reading that, by way
 * of SQLite where it can be had, and what is to be known for a verdict.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/when.h"
#include "lib/source/source.h"
#include "lib/source/sqlread.h"
#include "lib/state/state_whose.h"
#include "lib/sys/guard.h"
#include "lib/sys/links.h"
#include "lib/verify/verify_judge.h"
#include "lib/verify/verify_look.h"

enum { MAX_HOLD_MS = 150 }; /* of a lock that keeps writers waiting */

#define SECOND INT64_C(1000000000)

/* -- pages ----------------------------------------------------------------- */

/* What a read begins with. */
static int
begin_live(void *ctx, uint32_t page_size, struct err *e)
{
	struct look *l = ctx;
	struct live *v = &l->live;

	v->page_size = page_size;
	v->pages = v->other = v->kept = v->reverted = 0;
	v->sum = (struct pagesum){ 0 };
	v->sums = (struct sums){ .st = l->j->st, .id = l->rec.id };
	return spool_reset(&l->v->differ, e);
}

/* A page that changed between the record and the newest object. */
static int
count_beyond(struct look *l, uint32_t pgno, struct pagesum sum,
    struct pagesum newest, struct err *e)
{
	struct live *v = &l->live;
	struct pagesum was;
	int rc;

	if (!l->beyond_record || pgno > l->rec.pages)
		return 0;
	if ((rc = sums_get(&v->sums, pgno, &was, e)) != 1)
		return rc;
	if (pgno == 1 || pagesum_equal(was, newest))
		return 0;
	v->kept += pagesum_equal(sum, newest);
	v->reverted += pagesum_equal(sum, was);
	return 0;
}

static int
take_live(void *ctx, uint32_t pgno, const uint8_t *page, struct err *e)
{
	struct look *l = ctx;
	struct live *v = &l->live;
	struct replay *r = &l->v->replay;
	struct pagesum sum = pagesum_of(pgno, page, v->page_size), newest;

	if (pgno == 1)
		memcpy(v->head, page, sizeof(v->head));
	pagesum_xor(&v->sum, sum);
	if (pgno > r->pages || v->page_size != r->page_size)
		return 0;
	if (replay_page(r, pgno, &newest, e) == -1)
		return -1;
	if (!pagesum_equal(sum, newest)) {
		v->other++;
		if (spool_write(&l->v->differ, &pgno, sizeof(pgno), e) == -1)
			return -1;
	}
	return count_beyond(l, pgno, sum, newest, e);
}

/* -- ways of reading ------------------------------------------------------- */

/* As it was shipped: page by page from the files. */
static int
read_files(struct look *l, struct source *src, struct err *e)
{
	const struct source_state *st = source_state(src);
	const uint8_t *page;
	uint32_t pgno;

	if (begin_live(l, st->page_size, e) == -1)
		return -1;
	while ((pgno = source_next(src)) != 0)
		if ((page = source_page(src, pgno, e)) == NULL ||
		    take_live(l, pgno, page, e) == -1)
			return -1;
	l->live.pages = st->pages;
	return 0;
}

/* 1; 0: not this way, and l->live.why_not says why; -1. */
static int
read_by_sqlite(struct look *l, const char *path, bool alone, struct err *e)
{
	struct live *v = &l->live;
	struct sqlread r = {
		.begin = begin_live, .page = take_live, .ctx = l, .alone = alone
	};
	int rc = sqlread(&r, path, e);
	uint32_t never;
	struct pagesum sum;

	if (rc == 0 && !alone)
		v->why_not = *e;
	if (rc != 1)
		return rc;
	v->pages = r.pages;
	v->by_sqlite = true;
	/* The page that SQLite never looks at is as it may be. */
	never = sqlread_lock_page(v->page_size);
	if (never > r.pages || never > l->v->replay.pages)
		return 1;
	if (replay_page(&l->v->replay, never, &sum, e) == -1)
		return -1;
	pagesum_xor(&v->sum, sum);
	return 1;
}

/* Without a transaction: what is read must be held still by its files. */
static int
read_held(struct look *l, const char *path, const char *real, struct err *e)
{
	struct source *src = source_open(path, MAX_HOLD_MS, e);
	enum source_read how;
	int rc = src == NULL ? -1 : 0, done;

	while (rc == 0) {
		rc = source_begin(src, NULL, 0, true, e);
		how = source_state(src)->read;
		done = 0;
		/* Nobody has it open in WAL mode. */
		if (rc == 0 && (how == SOURCE_PLAIN || how == SOURCE_CHAIN))
			rc = done = read_by_sqlite(l, real, true, e);
		if (rc == 0)
			rc = read_files(l, src, e);
		if (rc != -1)
			rc = source_end(src, e);
		l->live.by_sqlite = done == 1;
	}
	source_close(src);
	return rc == 1 ? 0 : -1;
}

/* Before SQLite reads all of it. */
static int
check_holes(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	if (fd == -1)
		return 0; /* SQLite says why */
	if (fstat(fd, &st) == 0)
		rc = source_refuse_holes(fd, st.st_size, e);
	close(fd);
	return rc;
}

/* In a transaction, if that can be had. */
static int
read_live(struct look *l, const char *path, struct err *e)
{
	char *real = links_resolve(path, "open", e);
	struct file_sig *f = &l->live.before.db;
	struct stat st;
	bool racy;
	int rc;

	if (real == NULL)
		return -1;
	if (stat(real, &st) == -1) {
		free(real);
		return err_sys(e, "open");
	}
	rc = signature_take(&l->live.before, path, &racy, e);
	if (rc == 0 && S_ISREG(st.st_mode)) {
		guard_enter(f->dev, f->ino);
		/* Closing it drops locks of this process: nobody has any. */
		rc = check_holes(real, e);
		if (rc == 0)
			rc = read_by_sqlite(l, real, false, e);
		guard_leave(f->dev, f->ino);
	}
	if (rc == 0)
		rc = read_held(l, path, real, e);
	if (rc != -1)
		rc = signature_take(&l->live.after, path, &racy, e);
	free(real);
	return rc;
}

/* What the replica ends with: can all that differs have changed since? */
static int
find_unmoved(struct look *l, const char *path, struct err *e)
{
	if (!l->known || !l->has_last ||
	    l->last.captured_ns != l->rec.captured_ns)
		return 0;
	return unmoved_find(path, &l->rec.source, l->rec.pages, &l->v->differ,
		   sizeof(uint32_t), &l->live.unmoved, e) == -1
	    ? -1
	    : 0;
}

static uint32_t
difference(uint32_t a, uint32_t b)
{
	return a > b ? a - b : b - a;
}

int
look_source(struct look *l, struct err *e)
{
	const char *path = l->known ? l->rec.path : l->j->path;
	struct replay *r = &l->v->replay;
	struct live *v = &l->live;

	l->beyond_record =
	    l->known && l->has_last && l->last.captured_ns > l->rec.captured_ns;
	if (read_live(l, path, e) == -1) {
		l->out->unread = true;
		return err_in(e, "source %s", path);
	}
	if (v->other > 0 && v->page_size == r->page_size &&
	    find_unmoved(l, path, e) == -1)
		return -1;
	v->other += difference(v->pages, r->pages);
	if (v->page_size != r->page_size)
		v->other = v->pages;
	v->read = true;
	memcpy(v->newest_head, r->head, sizeof(v->newest_head));
	l->out->newer = v->other;
	l->out->by_sqlite = v->by_sqlite;
	if (!v->by_sqlite)
		l->out->why_not = xstrdup(v->why_not.msg);
	l->out->source = VERIFY_EQUAL;
	return 0;
}

/* -- what is known of it --------------------------------------------------- */

/* A state that an object brings. */
void
look_note_state(struct look *l)
{
	struct look_state *s;

	if (!l->want->source || !l->has)
		return;
	if (l->n_states == l->room_states) {
		l->room_states = l->room_states > 0 ? 2 * l->room_states : 64;
		l->states =
		    xrealloc(l->states, l->room_states * sizeof(*l->states));
	}
	s = &l->states[l->n_states];
	*s = (struct look_state){ l->pv.sum, l->pv.pages, l->pv.captured_ns };
	/* Once the source is read, one that is not it is of no use. */
	if (!l->live.read || pagesum_equal(s->sum, l->live.sum))
		l->n_states++;
}

/* The newest time of which the replica has what the source is; 0: none. */
static int64_t
older_ns(const struct look *l)
{
	const struct live *v = &l->live;
	int64_t at = 0;

	for (size_t i = 0; i < l->n_states; i++)
		if (pagesum_equal(l->states[i].sum, v->sum) &&
		    l->states[i].pages == v->pages &&
		    l->states[i].captured_ns > at)
			at = l->states[i].captured_ns;
	if (at == 0 && l->known && pagesum_equal(l->rec.sum, v->sum) &&
	    l->rec.pages == v->pages)
		at = l->rec.captured_ns;
	return at;
}

/* SQLite adds to it, and begins at 0 again when it is full. */
static int
compare_counters(const struct look *l)
{
	struct dbhdr live, newest;
	struct err ignored;
	int32_t by;

	if (dbhdr_parse(&live, l->live.head, &ignored) == -1 ||
	    dbhdr_parse(&newest, l->live.newest_head, &ignored) == -1)
		return 0;
	by = (int32_t)(live.change_counter - newest.change_counter);
	return (by > 0) - (by < 0);
}

static int64_t
written_ns(const struct signature *s)
{
	return s->db.mtime_ns > s->wal.mtime_ns ? s->db.mtime_ns
						: s->wal.mtime_ns;
}

/*
 * By the clock of the file system, as far as the record goes; beyond it by
 * ours, which is another one, may be finer, and may have been ahead.
 */
static bool
written_earlier(const struct look *l, bool at_end)
{
	int64_t at = written_ns(&l->live.after);

	if (at_end)
		return at < written_ns(&l->rec.sig);
	if (l->beyond_record && !l->rec.racy && at <= written_ns(&l->rec.sig))
		return true;
	return l->has_last && l->last.captured_ns <= when_now() &&
	    at < l->last.captured_ns - 2 * SECOND;
}

/*
 * Does the replica go on behind the record by more than a ship that was killed
 * leaves: one step, of a run that the state knows?
 */
static bool
goes_further(const struct look *l)
{
	struct err ignored;
	const struct pos *pos = &l->rec.pos;
	const struct history_generation *g;
	size_t n = 0;

	if (l->last.run != 0 &&
	    state_knows_run(l->j->st, l->last.run, &ignored) == 0)
		return true;
	if (l->rec.format == FORMAT_LTX)
		return l->last.name.at > pos->at;
	for (size_t i = 0; i < l->h.n; i++) {
		g = &l->h.v[i];
		if (g == l->newest && strcmp(g->id, pos->line) != 0)
			n += g->segments.n;
		if (strcmp(g->id, pos->line) != 0)
			continue;
		for (size_t k = 0; k < g->segments.n; k++)
			n += g->segments.v[k].at >= pos->at;
	}
	return n > 1;
}

static bool
is_untouched(const struct look *l)
{
	const struct live *v = &l->live;

	if (!signature_equal(&v->before, &v->after))
		return false;
	if (l->known)
		return !l->rec.racy && signature_equal(&v->after, &l->rec.sig);
	return l->has_last && l->last.captured_ns <= when_now() &&
	    signature_newest_ns(&v->after) + SECOND < l->last.captured_ns;
}

static void
gather(const struct look *l, struct verify_facts *f)
{
	const struct live *v = &l->live;

	*f = (struct verify_facts){ .recorded = l->known,
		.untouched = is_untouched(l),
		.unmoved = v->unmoved.pages > 0,
		.older = older_ns(l) != 0,
		.counter = compare_counters(l),
		.kept = v->kept,
		.reverted = v->reverted };
	if (l->known) {
		f->at_end =
		    l->has_last && l->last.captured_ns == l->rec.captured_ns;
		f->beyond = l->beyond_record;
		f->further = f->beyond && goes_further(l);
		f->same_file = v->after.db.dev == l->rec.sig.db.dev &&
		    v->after.db.ino == l->rec.sig.db.ino;
	}
	f->earlier = written_earlier(l, f->at_end);
}

/* -- the verdict ----------------------------------------------------------- */

static int
tell_wrong(struct look *l, const char *path, struct err *e)
{
	if (!is_untouched(l))
		err_set(e, ERR_CORRUPT,
		    "source %s: %" PRIu32 " pages, the first %" PRIu32
		    ", are not those in the replica, and nothing was written "
		    "to them since it was shipped",
		    path, l->live.unmoved.pages, l->live.unmoved.first);
	else
		err_set(e, ERR_CORRUPT,
		    "source %s: %" PRIu32 " pages are not those in the "
		    "replica, and nothing was written to it since it was "
		    "shipped",
		    path, l->live.other);
	return look_fault(l, true, e);
}

static int
tell_ahead(struct look *l, const char *path, struct err *e)
{
	char there[WHEN_SIZE], here[WHEN_SIZE];
	int64_t at = older_ns(l);

	when_text(l->last.captured_ns, there);
	if (at != 0)
		err_set(e, ERR_EXISTS,
		    "the replica is ahead: it is of %s, and source %s is what "
		    "it was at %s",
		    there, path, when_text(at, here));
	else
		err_set(e, ERR_EXISTS,
		    "the replica is ahead: it is of %s, and what it brings "
		    "never was in source %s as it is now",
		    there, path);
	err_hint(e,
	    "was it put back? lspp-ship --new-generation %s goes on from it; "
	    "lspp-restore brings what it lacks",
	    path);
	return look_fault(l, false, e);
}

int
look_judge(struct look *l, struct err *e)
{
	const char *path = l->known ? l->rec.path : l->j->path;
	struct verify_facts f;

	/* Whose it is, look_foreign() tells. */
	if (!l->live.read || l->live.other == 0 || look_is_foreign(l))
		return 0;
	gather(l, &f);
	l->out->source = verify_judge(&f);
	switch (l->out->source) {
	case VERIFY_WRONG: return tell_wrong(l, path, e);
	case VERIFY_AHEAD: return tell_ahead(l, path, e);
	default: return 0;
	}
}
