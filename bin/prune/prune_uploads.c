/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unfinished uploads, and what killed writers left in a directory.
 */
#include "bin/prune/prune.h"
#include "lib/base/err.h"
#include "lib/sys/stop.h"

struct old {
	struct run *run;
	struct store *store;
};

/* A directory has none but its own; a bucket may have others' beside ours. */
static bool
is_object(const struct store_upload *u)
{
	return *u->id == '\0' || prune_is_object(u->key);
}

static int
abort_old(void *ctx, const struct store_upload *u, struct err *e)
{
	struct old *o = ctx;
	struct run *run = o->run;
	struct err why;

	(void)e;
	if (u->begun_ns <= 0 || !is_object(u) ||
	    run->policy.now_ns - u->begun_ns < run->uploads_ns)
		return 0;
	run->todo++;
	run->todo_bytes += u->size;
	if (run->counting)
		return 0;
	if (run->cli.dry_run || o->store->ops->abort(o->store, u, &why) == 0)
		prune_print(run, o->store, u->key, u->size, PRUNE_UPLOAD);
	else
		cli_fail(&run->cli, u->key, &why, 1);
	return stop_requested() ? 1 : 0;
}

/* Whoever cannot list them has none to care for. */
void
prune_uploads(struct run *run)
{
	struct err e;
	int rc;

	for (size_t i = 0; i < run->places && !run->ended; i++) {
		struct store *s = run->place[i].store;
		struct old o = { run, s };

		if (stop_requested())
			break;
		if ((rc = prune_clock(run, s, &e)) == 0)
			rc = s->ops->uploads(
			    s, run->place[i].prefix, abort_old, &o, &e);
		else if (run->cli.failed > 0)
			continue; /* was told */
		if (rc == 0)
			continue;
		if (e.class == ERR_DENIED)
			cli_warn(&run->cli, NULL, "%s", e.msg);
		else
			cli_fail(&run->cli, NULL, &e, 1);
	}
}
