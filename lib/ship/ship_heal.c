/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass over all pages looks at what earlier ones did not, because the hint
 * said that nothing had changed there.  If something had, it is shipped now,
 * as any change is; but that is a fault, of ours or of the file system, and the
 * replica was wrong since.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/ship/ship_job.h"
#include "lib/source/unmoved.h"

/*
 * With a rollback journal each commit counts up in page 1, unless the lock is
 * kept from one to the next; then the file has another time at least.
 */
static int
without_commit(const struct ship_job *j, const struct source_state *st,
    struct spool *log, struct unmoved *u, struct err *e)
{
	const struct file_sig *was = &j->rec.sig.db, *now = &st->sig.db;
	struct sum_entry en;

	if (was->dev != now->dev || was->ino != now->ino ||
	    was->size != now->size || was->mtime_ns != now->mtime_ns)
		return 0;
	for (uint64_t at = 0; at < log->size; at += sizeof(en)) {
		if (spool_read(log, at, &en, sizeof(en), e) == -1)
			return -1;
		if (en.pgno == 1)
			return 0;
		if (u->pages++ == 0)
			u->first = en.pgno;
	}
	return 1;
}

int
ship_heal(struct ship_job *j, const struct source_state *st, bool wal,
    struct spool *log, struct err *e)
{
	struct unmoved u = { 0 };
	size_t said;
	int rc;

	rc = wal ? unmoved_find(j->abs, &j->rec.source, j->rec.pages, log,
		       sizeof(struct sum_entry), &u, e)
		 : without_commit(j, st, log, &u, e);
	j->healed = rc == 1 ? u.pages : 0;
	if (rc == -1 || j->healed == 0)
		return rc == -1 ? -1 : 0;
	said = strlen(j->notice);
	snprintf(j->notice + said, sizeof(j->notice) - said,
	    "%s%" PRIu32 " pages, the first %" PRIu32
	    ", had changed when an earlier run found them unchanged: they are "
	    "shipped now, and until now the replica was wrong; lspp-verify "
	    "--against-source looks at the rest",
	    said > 0 ? "; " : "", u.pages, u.first);
	return 0;
}
