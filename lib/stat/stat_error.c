/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/stat/stat_error.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/text/err_kind.h"

void
stat_error_add(struct stat_fleet *f, const struct stat_error *one)
{
	struct stat_error *x, *end = f->error + f->n_errors;
	struct buf kind = { 0 };

	/* Never one line: of the run, of databases, and what is lost. */
	buf_adds(&kind,
	    one->lost                  ? "lost "
		: one->path[0] == '\0' ? "run "
				       : "");
	err_kind(&kind, one->msg, one->path);
	for (x = f->error; x < end; x++)
		if (x->class == one->class &&
		    strcmp(x->kind, buf_str(&kind)) == 0)
			break;
	if (x == f->error + STAT_ERRORS) {
		f->other_errors++;
		buf_release(&kind);
		return;
	}
	if (x == end) {
		f->n_errors++;
		*x = *one;
		x->n = 0;
		x->kind = xstrdup(buf_str(&kind));
		x->msg = xstrdup(one->msg);
		x->path = xstrdup(one->path);
	}
	x->n++;
	if (one->failing_ns < x->failing_ns)
		x->failing_ns = one->failing_ns;
	if (one->failed_ns > x->failed_ns)
		x->failed_ns = one->failed_ns;
	buf_release(&kind);
}

static int
latest_first(const void *a, const void *b)
{
	const struct stat_error *x = a, *y = b;

	return (x->failed_ns < y->failed_ns) - (x->failed_ns > y->failed_ns);
}

void
stat_error_sort(struct stat_fleet *f)
{
	qsort(f->error, f->n_errors, sizeof(f->error[0]), latest_first);
}

void
stat_error_release(struct stat_error *x)
{
	free(x->kind);
	free(x->msg);
	free(x->path);
}
