/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verify/verify.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/replica/follow.h"
#include "lib/replica/ltx/ltx_list.h"
#include "lib/restore/restore.h"
#include "lib/store/store.h"
#include "lib/verify/verify_look.h"

enum {
	LOOKS = 8,             /* until two agree */
	PAUSE_MS = 50,         /* between them */
	IN_MEMORY = 64 * 1024, /* of the numbers of pages */
};

struct verifier *
verifier_new(const char *dir)
{
	struct verifier *v = xcalloc(1, sizeof(*v));

	v->dir = dir;
	v->dec = object_dec_new();
	replay_init(&v->replay, dir);
	spool_init(&v->differ, dir, IN_MEMORY);
	return v;
}

void
verifier_free(struct verifier *v)
{
	if (v == NULL)
		return;
	object_dec_free(v->dec);
	replay_release(&v->replay);
	spool_release(&v->differ);
	restorer_free(v->restorer);
	buf_release(&v->key);
	free(v);
}

void
verified_release(struct verified *out)
{
	buf_release(&out->also);
	free(out->first_unknown);
	free(out->why_not);
	*out = (struct verified){ 0 };
}

/* -- the generations ------------------------------------------------------- */

/* Of those with a snapshot, or without one, the newest: of ours if there are
 * any, since the times of others are not of the same clock (follow.h). */
static int
find_last(struct look *l, bool bare, struct history_generation **g, int64_t *ns,
    struct err *e)
{
	int64_t from, until;

	*g = NULL;
	*ns = INT64_MIN;
	for (size_t i = 0; i < l->h.n; i++) {
		struct history_generation *k = &l->h.v[i];

		if ((k->snapshots.n == 0) != bare)
			continue;
		if (history_window(&l->h, k, &from, &until, e) == -1)
			return -1;
		if (*g != NULL &&
		    ((*g)->plain == k->plain ? until < *ns : k->plain))
			continue;
		*g = k;
		*ns = until;
	}
	return 0;
}

/* What a restore has to say, too. */
static int
look_beside(struct look *l, int64_t newest_ns, struct err *e)
{
	const struct history_generation *other = NULL;

	for (size_t i = 0; i < l->h.n; i++)
		if (l->h.v[i].plain)
			other = &l->h.v[i];
	if (other == NULL)
		return 0;
	if (follow_read(&l->h, e) == -1)
		return -1;
	for (size_t i = 0; i < l->h.n; i++)
		if (l->h.v[i].plain && !follow_is_older(&l->h.v[i], newest_ns))
			other = &l->h.v[i];
	if (follow_is_older(other, newest_ns))
		return 0;
	err_set(e, ERR_EARLIER,
	    "generation %s is not of lspp, and nothing tells whether it is "
	    "newer",
	    other->id);
	err_hint(e, FOLLOW_SETTLE);
	return look_fault(l, false, e);
}

/*
 * The generation that a restore would take: of those with a snapshot the one
 * whose last object is the newest, as in restore_plan.  *g is NULL if there is
 * none.
 */
static int
find_newest(struct look *l, struct history_generation **g, struct err *e)
{
	struct history_generation *bare;
	int64_t best, bare_ns;

	if (l->h.n == 1 && l->h.v[0].snapshots.n > 0) {
		*g = &l->h.v[0];
		return 0;
	}
	if (find_last(l, false, g, &best, e) == -1 ||
	    find_last(l, true, &bare, &bare_ns, e) == -1)
		return -1;
	l->beyond = *g == NULL ||
		(bare != NULL && bare->plain == (*g)->plain && bare_ns > best)
	    ? bare
	    : NULL;
	return *g == NULL || (*g)->plain ? 0 : look_beside(l, best, e);
}

/* There is nothing at all to restore from. */
static int
nothing(struct look *l, struct err *e)
{
	const char *url = l->j->store->url;

	if (!l->known && l->h.n == 0)
		return store_no_backup(l->j->store, e);
	if (l->known && access(l->rec.path, F_OK) == -1)
		return err_set(e, ERR_MISSING,
		    "nothing of it can be restored from %s, and its source is "
		    "gone, too",
		    url);
	if (l->h.n == 0)
		err_set(e, ERR_CORRUPT,
		    "it was shipped, but nothing of it is in %s", url);
	else
		err_set(e, ERR_CORRUPT,
		    "generation %s has no snapshot, and there is no other",
		    l->h.v[0].id);
	return look_fault(l, true, e);
}

/*
 * What is older than the newest state, and what a restore does not need.  The
 * newest generation comes first: look_newest() has begun it.
 */
static int
look_all_older(struct look *l, struct err *e)
{
	if (look_older(l, l->newest, e) == -1)
		return -1;
	for (size_t i = 0; i < l->h.n; i++)
		if (&l->h.v[i] != l->newest &&
		    look_older(l, &l->h.v[i], e) == -1)
			return -1;
	return look_owners(l, e);
}

static int
look_all(struct look *l, struct err *e)
{
	struct history_generation *g;
	int rc = look_ltx(l, e);

	if (rc != 0)
		return rc == 1 ? 0 : -1;
	if (find_newest(l, &g, e) == -1)
		return -1;
	if (g == NULL)
		return nothing(l, e);
	if (look_newest(l, g, e) == -1)
		return -1;
	l->plain = l->kind == LOOK_PLAIN;
	if (!l->out->newest && l->known && look_state(l, e) == -1)
		return -1;
	if (!l->out->newest && l->want->source && look_source(l, e) == -1)
		return -1;
	if (!l->out->newest && l->want->sql && look_sql(l, e) == -1)
		return -1;
	if (!l->want->newest
		? look_all_older(l, e) == -1
		: l->beyond != NULL && look_older(l, l->beyond, e) == -1)
		return -1;
	if (look_judge(l, e) == -1)
		return -1;
	return l->fault.class != ERR_CORRUPT ? look_foreign(l, e) : 0;
}

/* The record first: what it says is in the look's own listing, or was pruned
 * since. */
static int
begin(struct look *l, struct err *e)
{
	const struct verify_job *j = l->j;
	int rc = 0;

	if (j->st != NULL && j->root != 0)
		rc = state_find(j->st, j->root, j->db, &l->rec, e);
	if (rc == -1)
		return -1;
	l->known = rc == 1;
	if (l->known)
		memcpy(l->out->shipping, l->rec.pos.line,
		    sizeof(l->out->shipping));
	if (l->from == NULL) {
		ltx_listed(&l->listed, j->store, j->db);
		l->from = &l->listed;
	}
	return history_read_listed(
	    &l->h, l->from, j->db, NULL, !l->want->newest, e);
}

static void
end(struct look *l)
{
	struct verified *out = l->out;

	out->generations = l->h.n;
	out->checksum = !l->plain;
	out->recorded = l->known;
	out->unknown = l->h.unknown;
	out->first_unknown = l->h.first_unknown;
	l->h.first_unknown = NULL;
	history_release(&l->h);
	listed_release(&l->listed);
	if (l->known)
		record_release(&l->rec);
	free(l->last_key);
	free(l->states);
}

/* One look.  *objects is how many were listed. */
static int
look(struct verifier *v, const struct verify_job *j,
    const struct verify_want *want, struct verified *out, size_t *objects,
    struct err *e)
{
	struct look l = { .v = v, .j = j, .want = want, .out = out };
	unsigned attempts = out->attempts;
	int rc;

	if (attempts == 0)
		l.from = j->listed;
	verified_release(out);
	out->attempts = attempts + 1;
	rc = begin(&l, e);
	if (rc == 0)
		rc = look_all(&l, e);
	/* Behind look_all(): LTX files are counted there. */
	*objects = l.h.objects;
	/* That the newest state is lost counts, whatever else cannot be read.
	 */
	if (l.fault.class != ERR_NONE && (rc == 0 || out->newest)) {
		*e = l.fault;
		rc = -1;
	}
	end(&l);
	return rc;
}

/* What is listed and gone is being pruned; what is damaged may be, too. */
static bool
may_change(const struct err *e, size_t objects)
{
	return e->class == ERR_CORRUPT || e->class == ERR_EXISTS ||
	    (e->class == ERR_MISSING && objects > 0);
}

int
verify(struct verifier *v, const struct verify_job *j,
    const struct verify_want *want, struct verified *out, struct err *e)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	struct err before = { .msg = "" };
	size_t n = 0, n_before;

	out->attempts = 0;
	for (int i = 0; i < LOOKS; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		n_before = n;
		if (look(v, j, want, out, &n, e) == 0)
			return 0;
		if (out->unread || !may_change(e, n))
			return -1;
		if (e->class != ERR_MISSING && n >= n_before &&
		    strcmp(e->msg, before.msg) == 0)
			return -1;
		before = *e;
	}
	err_set(e, ERR_BUSY,
	    "it changes faster than it can be read; the last look: %s",
	    before.msg);
	return err_hint(e, "verify it while lspp-prune does not run");
}
