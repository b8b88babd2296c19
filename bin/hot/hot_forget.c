/* SPDX-License-Identifier: Apache-2.0 */
/* --forget: what is known of databases that do not come any more. */
#include "bin/hot/hot.h"
#include "lib/hot/forget.h"

int
hot_forget(struct run *r, struct err *e)
{
	struct forget *f;
	const char *path, *why;
	struct err one;

	if (hot_knows(r, e) == -1)
		return -1;
	if (!r->tiers.keep)
		return err_set(e, ERR_DENIED,
		    "the state in %s cannot be written", r->cli.state);
	if ((f = forget_open(&r->tiers, r->cli.state, e)) == NULL)
		return -1;
	while ((path = lines_next(&r->in)) != NULL) {
		r->seen++;
		if (forget_path(f, path, r->force, &why, &one) == -1) {
			cli_fail(&r->cli, path, &one, 1);
		} else {
			cli_pass(&r->cli);
			(void)hot_print(r, path, false, why);
		}
		if (lines_waits(&r->in))
			lines_flush();
	}
	forget_close(f);
	return 0;
}
