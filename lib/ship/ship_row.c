/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fence in a layout with one row of positions, LTX: what keeps two from
 * writing one history, and what was pruned, or written by others, from being
 * gone on with.
 *
 * Whoever goes on with a record, or begins without one, puts a file of level 0
 * at the TXID behind the last one.  Of two that do one succeeds, for there is
 * one name.  So nothing has to be ended, and there is no owner's object: the
 * writer that is taken over meets all pages of the new line at its position.
 *
 * What is taken from level 0 goes from the lowest TXID on, and the last file
 * never goes.  So while the file before the position is there, and is ours,
 * nothing beyond it was taken, and a file at the position is the newest one.
 * Litestream's daemon removes files of level 0 within minutes, looks for nobody
 * and overwrites; and nothing tells whether one is at work elsewhere.  So that
 * file is looked at whenever one was put behind it, before that is acknowledged:
 * on S3 a request of 100 bytes, for each change.  What a daemon leaves beside a
 * database that is shipped from here tells before.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/when.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/replica/ltx/ltx_mark.h"
#include "lib/ship/ship_job.h"
#include "lib/store/listed.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"

/* A record that is younger is taken for the newest one, on S3. */
#define TRUST_NS INT64_C(3600000000000) /* an hour */

static enum ltx_levels
levels_of(const struct ship_job *j)
{
	return j->ship->store->ops->traits.flat ? LTX_LEVELS_FLAT
						: LTX_LEVELS_DIR;
}

/* What must be asked may not be. */
static int
must_look(struct err *e)
{
	if (e->class == ERR_DENIED)
		err_hint(e,
		    "to ship as LTX, s3:ListBucket and s3:GetObject are "
		    "needed");
	return -1;
}

/* -- what is there --------------------------------------------------------- */

/* The last of all files, of level 0 if there is one; NULL: there is none. */
static const struct ltx_name *
last_file(const struct ltx_list *l)
{
	const struct ltx_name *best = NULL, *n;

	for (size_t i = 0; i < l->n; i++) {
		n = &l->v[i].name;
		if (best == NULL || n->max > best->max ||
		    (n->max == best->max && n->level < best->level))
			best = n;
	}
	return best;
}

static int
list(struct ship_job *j, struct ltx_list *l, struct err *e)
{
	const struct listed from = LISTED_NOT(j->ship->store);

	return ltx_list(l, &from, j->rec.key, levels_of(j), e) == -1
	    ? must_look(e)
	    : 0;
}

/* May it be gone on behind that?  It is the newest, and says who wrote it. */
static int
check(struct ship_job *j, const char *key, int has, const struct provenance *pv,
    struct err *e)
{
	const uint8_t *self = j->ship->writer;

	if (j->ship->conf->new_generation)
		return 0;
	if (has == 0)
		return ship_unmarked(j, key, e);
	if (memcmp(pv->writer, self, sizeof(pv->writer)) == 0 ||
	    state_same_machine(pv->writer, self))
		return 0;
	return ship_foreign(j, key, e);
}

/* The folder of a daemon's files of level 0, beside the database. */
static void
put_daemons(const struct ship_job *j, struct buf *path)
{
	const char *slash = strrchr(j->abs, '/');

	buf_addf(path, "%.*s/.%s-litestream/ltx/0", (int)(slash - j->abs),
	    j->abs, slash + 1);
}

static void
put_daemons_file(const struct ship_job *j, uint64_t txid, struct buf *path)
{
	put_daemons(j, path);
	buf_addf(path, "/%016" PRIx64 "-%016" PRIx64 ".ltx", txid, txid);
}

/* Is it a copy of one of lspp's? */
static bool
is_marked(const char *path)
{
	uint8_t p[LTX_HEADER_SIZE];
	struct ltx_header h;
	struct provenance pv;
	struct err ignored;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool whole =
	    fd != -1 && file_pread(fd, p, sizeof(p), 0, &ignored) == sizeof(p);

	file_close(fd);
	return whole && ltx_header_parse(&h, p, &ignored) == 0 &&
	    ltx_marked(&h, &pv);
}

/* Was that file, which is the last one and ours, fetched to be gone on with? */
static bool
is_fetched(const struct ship_job *j, uint64_t txid)
{
	struct buf path = { 0 };
	bool is;

	put_daemons_file(j, txid, &path);
	is = is_marked(buf_str(&path));
	buf_release(&path);
	return is;
}

/*
 * A daemon is taken over from, whose newest file in the replica is that of
 * 'last', or who fetched that file.  If it has newer ones beside the database, it
 * puts these as soon as it is started again, whatever is there by then.
 */
static int
look_for_more(struct ship_job *j, uint64_t last, struct err *e)
{
	struct buf dir = { 0 };
	struct dirent *en;
	struct ltx_name n;
	DIR *d;
	int rc = 0;

	put_daemons(j, &dir);
	d = opendir(buf_str(&dir));
	while (d != NULL && rc == 0 && (en = readdir(d)) != NULL)
		if (ltx_parse(&n, en->d_name) && n.max > last) {
			rc = err_set(e, ERR_BUSY,
			    "Litestream's daemon would ship %s/%s, which it "
			    "has not yet, over what is shipped now",
			    buf_str(&dir), en->d_name);
			err_hint(e,
			    "what is in it is in the database, too: end the "
			    "daemon, and delete .%s-litestream",
			    strrchr(j->abs, '/') + 1);
		}
	if (d != NULL)
		(void)closedir(d);
	buf_release(&dir);
	return rc;
}

/* Is it the file that the record is behind? */
static bool
is_recorded(const struct ship_job *j, const struct ltx_name *n)
{
	return j->known && n->level == 0 && n->max == j->rec.pos.at - 1;
}

/* Is there a TXID behind it?  No replica comes to the last one by itself. */
static int
check_end(const struct ship_job *j, const struct ltx_name *n, const char *key,
    struct err *e)
{
	if (!j->codec->is_last(n->max))
		return 0;
	err_set(e, ERR_CONFIG, "%s: there is no TXID behind it", key);
	return err_hint(e,
	    "nothing that is shipped would be restored before it; if it is "
	    "not of this database, delete it");
}

/* A line is to begin behind the last file. */
static int
go_behind(struct ship_worker *w, struct ship_job *j, const struct ltx_name *n,
    struct err *e)
{
	struct provenance pv = { 0 };
	struct buf key = { 0 };
	int has;

	ltx_key(&key, j->rec.key, levels_of(j), n);
	has = ship_peek(j->ship, buf_str(&key), &pv, e);
	if (has == -1 && e->class == ERR_CORRUPT && is_recorded(j, n)) {
		has = 1; /* it was ours, and nothing came behind it */
		memcpy(pv.writer, j->ship->writer, sizeof(pv.writer));
		pv.captured_ns = j->rec.captured_ns;
	} else if (has == -1 && e->class == ERR_CORRUPT &&
	    j->ship->conf->new_generation)
		has = 0;
	else if (has == -1 && e->class == ERR_CORRUPT)
		err_hint(e,
		    "whose it is cannot be told; make sure that nothing else "
		    "ships this database, and go on with --new-generation");
	if (has == -1)
		(void)must_look(e);
	else if (check(j, buf_str(&key), has, &pv, e) == -1 ||
	    check_end(j, n, buf_str(&key), e) == -1 ||
	    ((has == 0 || is_fetched(j, n->max)) &&
		look_for_more(j, n->max, e) == -1))
		has = -1;
	buf_release(&key);
	if (has == -1)
		return -1;
	if (pv.captured_ns > j->fence.floor_ns)
		j->fence.floor_ns = pv.captured_ns;
	j->fence.page_size = pv.page_size;
	j->fence.next = n->max + 1;
	if (has == 1 && !j->known && !j->ship->conf->new_generation)
		ship_unrecorded(w, j, &pv);
	else if (!j->known)
		ship_anew(j, "asked for");
	return 0;
}

int
ship_row_fence(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct ltx_list l = { 0 };
	const struct ltx_name *last;
	int rc = list(j, &l, e);

	j->fence.next = 0;
	if (rc == 0 && (last = last_file(&l)) != NULL)
		rc = go_behind(w, j, last, e);
	ltx_list_release(&l);
	if (rc == -1)
		return -1;
	j->start = SHIP_CLAIMS;
	j->fence.asked = true;
	return 0;
}

/* -- pages of another size ------------------------------------------------- */

/* The levels up to which compaction would meet what is there: the first, and the
 * one above the highest that has a file. */
static int
levels_to_close(struct ship_job *j, struct err *e)
{
	struct ltx_list l = { 0 };
	unsigned top = 0;

	if (list(j, &l, e) == -1)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].name.level < LTX_SNAPSHOTS &&
		    l.v[i].name.level > top)
			top = l.v[i].name.level;
	ltx_list_release(&l);
	return (int)(top + 1 < LTX_SNAPSHOTS ? top + 1 : top);
}

/* Also behind a line that was begun with that size, by a run that was killed
 * before it came so far: the record is of what is before. */
static bool
is_other_size(const struct ship_job *j, uint32_t page_size)
{
	uint32_t last = j->fence.page_size;

	return (last != 0 && last != page_size) ||
	    (j->known && j->rec.page_size != page_size);
}

int
ship_row_close(
    struct ship_job *j, uint32_t page_size, struct spool *bytes, struct err *e)
{
	struct ltx_name n = { .min = 1, .max = j->next.pos.at - 1 };
	struct buf key = { 0 };
	int levels;

	if (!is_other_size(j, page_size) || j->ship->conf->dry_run)
		return 0;
	if ((levels = levels_to_close(j, e)) == -1)
		return -1;
	for (int i = 0; i < levels; i++) {
		n.level = (unsigned)i + 1;
		buf_reset(&key);
		ltx_key(&key, j->rec.key, levels_of(j), &n);
		j->keys[2 + i] = xstrdup(buf_str(&key));
		j->bytes[2 + i] = bytes;
	}
	buf_release(&key);
	return 0;
}

/* -- is it still ours? ----------------------------------------------------- */

/*
 * A daemon that goes on with this replica has fetched its last file, and puts
 * its next one beside the database before it is there.  One that ships to
 * another place has none of ours.
 */
static int
look_for_daemon(struct ship_job *j, struct err *e)
{
	struct buf next = { 0 };
	int rc = 0;

	put_daemons_file(j, j->rec.pos.at, &next);
	if (access(buf_str(&next), F_OK) == 0 &&
	    is_fetched(j, j->rec.pos.at - 1)) {
		rc = err_set(e, ERR_BUSY,
		    "Litestream's daemon ships this database, too: %s is on "
		    "its way",
		    buf_str(&next));
		err_hint(e,
		    "end it, and take the database over: lspp-ship "
		    "--new-generation ...");
	}
	buf_release(&next);
	return rc;
}

/* 1: that file is there, if damaged; 0; -1. */
static int
is_there(struct ship_job *j, enum layout_kind kind, uint64_t at, struct err *e)
{
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	ship_key(j, &key, kind, j->rec.pos.line, at);
	rc = ship_peek(j->ship, buf_str(&key), &pv, e);
	buf_release(&key);
	if (rc == -1 && e->class == ERR_MISSING)
		return 0;
	return rc == -1 && e->class != ERR_CORRUPT ? -1 : 1;
}

/* 1: there is some file that leads to the position or behind it, and no step at
 * it; 0; -1. */
static int
has_more(struct ship_job *j, struct err *e)
{
	struct ltx_list l = { 0 };
	const struct ltx_name *n;
	bool at = false, behind = false;

	if (list(j, &l, e) == -1)
		return -1;
	for (size_t i = 0; i < l.n; i++) {
		n = &l.v[i].name;
		at |= n->level == 0 && n->max == j->rec.pos.at;
		behind |= n->max >= j->rec.pos.at;
	}
	ltx_list_release(&l);
	return behind && !at;
}

/*
 * Is there anything that the record knows nothing of, but nothing at its
 * position?  What was there is lost, and what came behind it would be read onto
 * another state, or a snapshot in its place.  A directory tells for free of the
 * next file and of that snapshot alone.
 */
static int
nothing_behind(struct ship_job *j, struct err *e)
{
	uint64_t at = j->rec.pos.at;
	int rc;

	if (!j->ship->store->ops->traits.looks) {
		rc = has_more(j, e);
	} else {
		rc = is_there(j, LAYOUT_SEGMENT, at + 1, e);
		if (rc == 0)
			rc = is_there(j, LAYOUT_SNAPSHOT, at + 1, e);
		if (rc == 1 && (rc = is_there(j, LAYOUT_SEGMENT, at, e)) != -1)
			rc = !rc;
	}
	if (rc == 1)
		rc = err_set(e, ERR_MISSING,
		    "what followed the state that was shipped last is gone");
	return rc;
}

/* The file before the position: the state that the record is of? */
static int
check_last(struct ship_job *j, struct err *e)
{
	const struct record *r = &j->rec;
	struct provenance pv;
	struct buf key = { 0 };
	int rc;

	ship_key(j, &key, LAYOUT_SEGMENT, r->pos.line, r->pos.at - 1);
	rc = ship_peek(j->ship, buf_str(&key), &pv, e);
	if (rc == 0)
		rc = ship_unmarked(j, buf_str(&key), e);
	else if (rc == 1 &&
	    memcmp(pv.writer, j->ship->writer, sizeof(pv.writer)) != 0)
		rc = ship_foreign(j, buf_str(&key), e);
	else if (rc == 1 && (pv.pages != r->pages || pv.sum.hi != r->sum.hi))
		rc = err_set(e, ERR_MISSING,
		    "%s is of another state than the record", buf_str(&key));
	else if (rc == -1 && e->class == ERR_MISSING)
		err_in(e, "%s: gone from the replica", buf_str(&key));
	else if (rc == -1 && e->class == ERR_CORRUPT)
		e->class = ERR_MISSING; /* as good as gone */
	buf_release(&key);
	return rc == 1 ? 0 : must_look(e);
}

int
ship_row_confirm(struct ship_job *j, bool behind, struct err *e)
{
	bool looks = j->ship->store->ops->traits.looks;
	bool old = when_now() - j->rec.captured_ns > TRUST_NS ||
	    ship_may_be_pruned(j->rec.captured_ns);

	if (j->keys[0] == NULL ||
	    (j->start != SHIP_GOES_ON && j->start != SHIP_ENDS))
		return 0;
	if (behind)
		return check_last(j, e);
	if (look_for_daemon(j, e) == -1)
		return -1;
	/* Where looking costs nothing: before it is put in vain. */
	if (!old && !looks)
		return 0;
	return check_last(j, e) == -1 ? -1 : nothing_behind(j, e);
}
