/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passes that are older than all that is promised: what they lead to goes, too.
 */
#include <stdlib.h>

#include "bin/prune/prune.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/stop.h"

void
prune_note_pass(struct run *run, const struct store_entry *en)
{
	const struct prune_policy *p = &run->policy;
	int64_t longest = prune_policy_longest(p), age;

	age = p->now_ns - en->mtime_ns;
	if (longest == 0 || en->mtime_ns <= 0 || age <= p->grace_ns ||
	    age - p->grace_ns <= longest)
		return;
	run->pass = xrealloc(run->pass, (run->passes + 1) * sizeof(*run->pass));
	run->pass[run->passes++] =
	    (struct old_pass){ xstrdup(en->key), en->size };
}

static void
delete_pass(struct run *run, const struct old_pass *o)
{
	struct store *s = run->store;
	struct err e;

	run->todo++;
	run->todo_bytes += o->size;
	if (run->counting)
		return;
	if (run->cli.dry_run || s->ops->remove(s, o->key, &e) == 0)
		prune_print(run, s, o->key, o->size, PRUNE_SUPERSEDED);
	else
		cli_fail(&run->cli, o->key, &e, 1);
}

void
prune_passes(struct run *run)
{
	bool go = run->passes > 0 && !run->ended && !stop_requested();
	struct err e;

	/* That of databases is told with them, and ends the run. */
	if (go && prune_clock(run, run->store, &e) == -1) {
		cli_fail(&run->cli, NULL, &e, 1);
		go = false;
	}
	for (size_t i = 0; i < run->passes; i++) {
		if (go && !stop_requested())
			delete_pass(run, &run->pass[i]);
		free(run->pass[i].key);
	}
	free(run->pass);
	run->pass = NULL;
	run->passes = 0;
}
