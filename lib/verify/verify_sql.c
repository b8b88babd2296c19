/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest state of a replica, restored and looked through by SQLite.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/restore/restore.h"
#include "lib/verify/verify_look.h"

int
look_sql(struct look *l, struct err *e)
{
	struct verifier *v = l->v;
	struct restore_want want = RESTORE_WANT;
	char *path = xasprintf("%s/.lspp-verify", v->dir);
	struct restore_target t = { .path = path,
		.trusted = strlen(path),
		.force = true,
		.force_open = true,
		.check = RESTORE_CHECK_FULL };
	struct restore_plan p = { 0 };
	struct restored *r = NULL;
	int rc;

	if (v->restorer == NULL)
		v->restorer = restorer_new(NULL);
	rc = restore_plan(l->j->store, l->j->db, &want, &p, e);
	if (rc == 0)
		rc = restore_stage(
		    v->restorer, l->j->store, l->j->db, &p, &t, &r, e);
	restored_drop(r);
	restore_plan_release(&p);
	free(path);
	if (rc == 0)
		return 0;
	/* It is what was shipped: beginning anew would change nothing. */
	if (e->class == ERR_CORRUPT)
		err_in(e, "it restores to what was shipped");
	return look_fault(l, false, e);
}
