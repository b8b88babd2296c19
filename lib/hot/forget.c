/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hot/forget.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/hot/tier_impl.h"
#include "lib/state/dblock.h"
#include "lib/state/fleet/came.h"
#include "lib/state/fleet/state_known.h"
#include "lib/state/state.h"
#include "lib/state/state_shrunk.h"
#include "lib/sys/file.h"

enum { LOCK_WAIT_MS = 10000 };

struct one {
	int64_t id, root;
	char *key;
};

struct forget {
	struct tiers *t;
	struct dblocks *locks;
	struct came came;
	struct buf abs;
	struct one *v; /* records of the path */
	size_t n;
};

struct forget *
forget_open(struct tiers *t, const char *dir, struct err *e)
{
	struct forget *f = xcalloc(1, sizeof(*f));

	f->t = t;
	f->locks = dblocks_open(dir, e);
	if (f->locks != NULL && came_load(&f->came, t->st, e) == 0)
		return f;
	forget_close(f);
	return NULL;
}

static void
drop_records(struct forget *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].key);
	f->n = 0;
}

void
forget_close(struct forget *f)
{
	if (f == NULL)
		return;
	drop_records(f);
	free(f->v);
	buf_release(&f->abs);
	came_release(&f->came);
	dblocks_close(f->locks);
	free(f);
}

static int
add(void *ctx, int64_t id, int64_t root, const char *key, struct err *e)
{
	struct forget *f = ctx;

	(void)e;
	if (!tiers_ask_for(f->t, root))
		return 0;
	f->v = xrealloc(f->v, (f->n + 1) * sizeof(*f->v));
	f->v[f->n++] = (struct one){ id, root, xstrdup(key) };
	return 0;
}

/* Does it come in passes? */
static bool
comes(const struct forget *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (came_has(&f->came, f->v[i].root, f->v[i].id) != 0)
			return true;
	return false;
}

static int
may_go(struct forget *f, bool force, const char **why, struct err *e)
{
	struct signature sig;
	struct err ignored;
	bool racy;

	switch (look_at(buf_str(&f->abs), &sig, &racy, &ignored)) {
	case LOOK_GONE: *why = "gone"; return 0;
	case LOOK_LOST: *why = "lost"; return 0;
	default: *why = comes(f) ? "there" : "left out";
	}
	if (force || !comes(f))
		return 0;
	err_set(e, ERR_EXISTS, "it is there and well, and comes in passes");
	return err_hint(e, "--force forgets it all the same");
}

/* It is well, but there was more of it: 1: that is forgotten; 0: there was not.
 */
static int
forget_shrunk(struct forget *f, struct err *e)
{
	struct shrunk s;
	int found = 0, rc = 0;

	for (size_t i = 0; i < f->n && rc != -1; i++) {
		const struct one *r = &f->v[i];

		rc = state_shrunk(f->t->st, r->root, r->key, &s, e);
		if (rc != 1 || s.at_ns == 0)
			continue;
		found = 1;
		s.at_ns = 0;
		rc = state_begin(f->t->st, e);
		if (rc == 0)
			rc = state_put_shrunk(f->t->st, r->root, r->key, &s, e);
		if (rc == 0)
			rc = state_commit(f->t->st, e);
		if (rc == -1)
			state_rollback(f->t->st);
	}
	return rc == -1 ? -1 : found;
}

static int
forget_one(struct forget *f, const struct one *r, struct err *e)
{
	int64_t lock = dblock_id(r->root, r->key);
	int rc = dblock_take(f->locks, lock, LOCK_WAIT_MS, e);

	if (rc == 1)
		rc = state_forget(f->t->st, r->root, r->key, e);
	(void)dblock_release(f->locks, lock);
	return rc == -1 ? -1 : 0;
}

int
forget_path(struct forget *f, const char *path, bool force, const char **why,
    struct err *e)
{
	struct err shrunk;
	int rc = 0;

	drop_records(f);
	buf_reset(&f->abs);
	if (path_absolute(path, &f->abs, e) == -1 ||
	    state_at(f->t->st, buf_str(&f->abs), add, f, e) == -1)
		return -1;
	if (f->n == 0)
		return err_set(e, ERR_MISSING,
		    "nothing is known of it: it was never shipped from here, "
		    "or is forgotten");
	if (may_go(f, force, why, e) == -1) {
		if (e->class != ERR_EXISTS ||
		    (rc = forget_shrunk(f, &shrunk)) == 0)
			return -1;
		*why = "shrunk";
		if (rc == -1)
			*e = shrunk;
		return rc == -1 ? -1 : 0;
	}
	for (size_t i = 0; i < f->n && rc == 0; i++)
		rc = forget_one(f, &f->v[i], e);
	return rc;
}
