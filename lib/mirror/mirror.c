/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mirror/mirror.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/replica/ltx/ltx_read.h"
#include "lib/replica/wal/object.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"

/* What failed is tried again after so many steps, though nothing is new. */
#define TRIES 15

struct mirror_tools *
mirror_tools_new(struct crew *crew, const char *tmp)
{
	struct mirror_tools *t = xcalloc(1, sizeof(*t));

	t->crew = crew;
	t->restorer = restorer_new(crew);
	t->dec = object_dec_new();
	t->ltx = ltx_read_new();
	walread_init(&t->wal, &t->stage.growth);
	stage_init(&t->stage, tmp);
	return t;
}

void
mirror_tools_free(struct mirror_tools *t)
{
	if (t == NULL)
		return;
	restorer_free(t->restorer);
	object_dec_free(t->dec);
	ltx_read_free(t->ltx);
	walread_release(&t->wal);
	stage_release(&t->stage);
	free(t);
}

struct mirror *
mirror_new(const struct mirror_conf *conf)
{
	struct mirror *m = xcalloc(1, sizeof(*m));

	m->conf = *conf;
	m->replica = position_replica(conf->store->root, conf->key);
	m->dir = -1;
	return m;
}

void
mirror_free(struct mirror *m)
{
	if (m == NULL)
		return;
	free(m->why);
	free(m->refused);
	free(m);
}

void
mirror_where(const struct mirror *m, struct mirror_where *w)
{
	*w = (struct mirror_where){ .ltx = state_is_ltx(&m->is),
		.as_of_ns = m->is.as_of_ns };
	memcpy(w->line, m->is.line, sizeof(w->line));
	if (w->ltx)
		w->txid = m->is.at;
}

int
mirror_refuse(struct err *e)
{
	return err_hint(e,
	    "--follow --force begins the copy anew, and what is there is lost");
}

/* Remember an error, or that there is none. */
static void
keep(struct err **kept, bool failed, const struct err *e)
{
	if (failed && *kept == NULL)
		*kept = xmalloc(sizeof(**kept));
	if (failed) {
		**kept = *e;
		return;
	}
	free(*kept);
	*kept = NULL;
}

/* -- is the copy what it should be? ---------------------------------------- */

/* Where the copy is: as far as a step needs it. */
static int
open_dir(struct mirror *m, struct mirror_tools *t, struct err *e)
{
	if (m->dir == -1)
		m->dir = restore_dir(t->restorer, &m->conf.target, &m->name, e);
	return m->dir == -1 ? -1 : 0;
}

static int
look_at(const struct mirror *m, struct seen *s, struct err *e)
{
	return seen_look(s, AT_FDCWD, m->conf.target.path, e);
}

/* What is in the directory, is that what the path leads to? */
static int
begin_copy(
    struct mirror *m, struct mirror_tools *t, struct copy *c, struct err *e)
{
	struct seen there = { 0 };
	int rc;

	if (open_dir(m, t, e) == -1 ||
	    copy_begin(c, m->dir, m->name, m->conf.wait_ms, e) == -1)
		return -1;
	rc = look_at(m, &there, e);
	if (rc == 0 &&
	    (c->dev != (int64_t)there.dev || c->ino != (int64_t)there.ino))
		rc =
		    err_set(e, ERR_BUSY, "its directory was moved or replaced");
	if (rc == -1)
		copy_end(c);
	return rc;
}

static int
foreign(const struct mirror *m, struct err *e)
{
	err_set(e, ERR_CORRUPT,
	    "it is not what %s-follow says: something else wrote into the "
	    "copy, or put another one there",
	    m->conf.target.path);
	return mirror_refuse(e);
}

/* Of this replica's copy. */
static int
read_position(struct mirror *m, struct position *p, struct err *e)
{
	int rc = position_read(m->dir, m->name, p, e);

	if (rc == 0)
		err_set(e, ERR_EXISTS, "%s exists, and %s-follow does not",
		    m->conf.target.path, path_base(m->conf.target.path));
	else if (rc == 1 && p->replica != m->replica)
		err_set(e, ERR_EXISTS,
		    "it is a copy of another database, or replica");
	else
		return rc == 1 ? 0 : -1;
	return mirror_refuse(e);
}

/* Where does the copy stand?  It is read in full.  The position is looked at
 * before anything is rolled back, and counts as it is under the lock: another run
 * that follows may just have written. */
static int
find_state(struct mirror *m, struct mirror_tools *t, struct err *e)
{
	struct position p = { 0 };
	struct copy c;
	int rc;

	if (open_dir(m, t, e) == -1 || read_position(m, &p, e) == -1 ||
	    begin_copy(m, t, &c, e) == -1)
		return -1;
	rc = read_position(m, &p, e);
	if (rc == 0) {
		m->is = p.is;
		rc = copy_is(&c, &p.is, t->page, e);
	}
	if (rc == 0) {
		m->is = p.was;
		rc = copy_is(&c, &p.was, t->page, e);
	}
	copy_end(&c);
	if (rc == 1)
		return look_at(m, &m->seen, e);
	return rc == -1 ? -1 : foreign(m, e);
}

/* It was, and nothing wrote into it since, as far as can be told cheaply. */
static int
look(struct mirror *m, struct mirror_tools *t, struct err *e)
{
	struct seen now;
	int rc;

	if (look_at(m, &now, e) == -1)
		return -1;
	if (seen_equal(&now, &m->seen))
		return 0;
	/* What was read once is not read again until it is another. */
	if (m->refused != NULL && seen_equal(&now, &m->odd)) {
		*e = *m->refused;
		return -1;
	}
	m->odd = now;
	rc = find_state(m, t, e);
	keep(&m->refused, rc == -1 && e->class != ERR_BUSY, e);
	return rc;
}

static int
hold_once(
    struct mirror *m, struct mirror_tools *t, struct copy *c, struct err *e)
{
	int rc;

	if (begin_copy(m, t, c, e) == -1) {
		m->listed = 0; /* look again at once */
		return -1;
	}
	rc = copy_page(c, 1, m->is.page_size, t->page, e);
	if (rc == 0 && copy_has_own(t->page, &m->is))
		return 1;
	copy_end(c);
	return rc;
}

/* Likewise, with a lock: nobody writes any more.  Another run that follows may
 * have, since it was looked at. */
static int
hold(struct mirror *m, struct mirror_tools *t, struct copy *c, struct err *e)
{
	int rc = hold_once(m, t, c, e);

	if (rc == 0 && (rc = find_state(m, t, e)) == 0 &&
	    (rc = hold_once(m, t, c, e)) == 0)
		rc = foreign(m, e);
	return rc == 1 ? 0 : rc;
}

/* -- the first step -------------------------------------------------------- */

static int
make(struct mirror *m, struct mirror_tools *t, struct err *e)
{
	struct position p = { .replica = m->replica };
	struct restored *r;
	struct state to;
	int rc, fd;

	if (mirror_restore(m, t, &m->conf.target, &r, &to, e) == -1)
		return -1;
	fd = restored_fd(r);
	to.counter = to.own.counter;
	rc = file_pread(fd, t->page, DBHDR_SIZE, 0, e) == DBHDR_SIZE ? 0 : -1;
	own_make(t->page, to.pages, to.counter);
	if (rc == 0)
		rc = file_pwrite(fd, t->page, DBHDR_SIZE, 0, e);
	p.was = p.is = to;
	if (rc == 0)
		rc = open_dir(m, t, e);
	if (rc == 0)
		rc = position_write(m->dir, m->name, &p, e);
	if (rc == 0) {
		restore_publish(&r, 1);
		*e = r->e;
		rc = r->rc;
	}
	if (rc == 0)
		rc = look_at(m, &m->seen, e);
	restored_drop(r);
	m->is = to;
	return rc;
}

static int
begin(struct mirror *m, struct mirror_tools *t, enum mirror_did *did,
    struct err *e)
{
	bool there = access(m->conf.target.path, F_OK) == 0;
	int rc;

	if (there && !m->conf.target.force) {
		rc = find_state(m, t, e);
		*did = MIRROR_RESUMED;
	} else {
		rc = make(m, t, e);
		*did = MIRROR_BEGUN;
	}
	if (rc == -1)
		*did = MIRROR_NOTHING;
	m->begun = rc == 0;
	return rc;
}

/* -- the others ------------------------------------------------------------ */

static int
write_copy(struct mirror *m, struct mirror_tools *t, struct copy *c,
    struct state *to, const struct pages *p, struct err *e)
{
	int rc = copy_write(c, &m->is, to, m->replica, p, t->page, e);

	copy_end(c);
	m->listed = 0; /* if it failed, again at once */
	if (rc == 0) {
		m->is = *to;
		rc = look_at(m, &m->seen, e);
	}
	return rc;
}

/* Is what a whole restore leads to older than what the copy is? */
static int
is_older(const struct mirror *m, const struct state *to, struct err *e)
{
	bool same = strcmp(m->is.line, to->line) == 0;

	if (same ? to->at < m->is.at
		 : to->plain == m->is.plain && to->as_of_ns < m->is.as_of_ns)
		return rewound(e, "its newest state is older than the copy");
	return 0;
}

static int
renew(struct mirror *m, struct mirror_tools *t, struct err *e)
{
	struct restore_target target = m->conf.target;
	struct restored *r;
	struct state to;
	struct restored_pages from = { .state = &to };
	const struct pages pages = { restored_each, &from };
	struct copy c;
	int rc;

	target.force = target.force_open = true;
	if (mirror_restore(m, t, &target, &r, &to, e) == -1)
		return -1;
	from.fd = restored_fd(r);
	from.page = xmalloc(PAGE_MAX);
	rc = is_older(m, &to, e);
	if (rc == 0)
		rc = hold(m, t, &c, e);
	if (rc == 0)
		rc = write_copy(m, t, &c, &to, &pages, e);
	free(from.page);
	restored_drop(r);
	return rc;
}

/* What follows, as far as it is sound: as follow_ltx(). */
static int
follow(struct mirror *m, struct mirror_tools *t, const struct restore_plan *p,
    bool *any, struct err *e)
{
	const struct pages pages = { stage_each, &t->stage };
	struct state to;
	struct copy c;
	struct err why;
	int rc;

	*any = false;
	if ((p->ltx != NULL) != state_is_ltx(&m->is))
		return 0;
	if (hold(m, t, &c, e) == -1)
		return -1;
	rc = stage_begin(&t->stage, &c, &m->is, e);
	if (rc == 0)
		rc = p->ltx != NULL ? follow_ltx(m, t, p, &to, e)
				    : follow_wal(m, t, p, &to, e);
	*any = t->stage.any;
	if (!*any) {
		copy_end(&c);
		return rc;
	}
	if (write_copy(m, t, &c, &to, &pages, &why) == -1) {
		*any = false;
		*e = why;
		return -1;
	}
	return rc;
}

/* All that the replica has. */
static int
advance(struct mirror *m, struct mirror_tools *t, enum mirror_did *did,
    struct err *e)
{
	struct restore_want want = RESTORE_WANT;
	struct restore_plan p;
	bool any = false, more = true;
	int rc = 0;

	want.format = m->conf.format;
	while (rc == 0 && more) {
		rc = restore_plan(m->conf.store, m->conf.key, &want, &p, e);
		if (rc == 0)
			rc = follow(m, t, &p, &any, e);
		restore_plan_release(&p);
		if (any)
			*did = MIRROR_APPLIED;
		else if (rc == 0 && (rc = renew(m, t, e)) == 0)
			*did = MIRROR_RENEWED;
		more = any && (rc == 0 || t->stage.spool.size > STAGE_MAX);
		rc = rc == -1 ? -1 : 0;
	}
	return rc;
}

static int
go_on(struct mirror *m, struct mirror_tools *t, enum mirror_did *did,
    struct err *e)
{
	uint64_t listed;
	int rc;

	if (look(m, t, e) == -1 || probe(m, &listed, e) == -1)
		return -1;
	if (listed == m->listed && m->why == NULL)
		return 0;
	if (listed == m->listed && ++m->tries % TRIES != 0) {
		*e = *m->why;
		return -1;
	}
	m->listed = listed;
	rc = advance(m, t, did, e);
	if (rc == 0)
		m->listed = listed;
	else if (e->class != ERR_CORRUPT && e->class != ERR_BUSY)
		m->listed = 0; /* it may be another at once */
	keep(&m->why, rc == -1, e);
	return rc;
}

int
mirror_step(struct mirror *m, struct mirror_tools *t, enum mirror_did *did,
    struct err *e)
{
	int rc;

	*did = MIRROR_NOTHING;
	rc = m->begun ? go_on(m, t, did, e) : begin(m, t, did, e);
	file_close(m->dir);
	m->dir = -1;
	return rc;
}
