/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/err.h"
#include "lib/mirror/mirror_impl.h"
#include "lib/replica/codec/codec.h"
#include "lib/replica/restore_ltx.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"

/* Where a plan leads. */
static void
place(const struct restore_plan *p, const struct restorer *r, struct state *to)
{
	const struct restore_ltx *l = p->ltx;
	const struct ltx_name *n;

	memcpy(to->line, p->generation, sizeof(to->line));
	if (l != NULL) {
		n = &l->files.v[l->plan.v[l->plan.n - 1]].name;
		to->at = l->plan.txid;
		to->level = n->level;
		to->min = n->min;
		to->flat = l->how == LTX_LEVELS_FLAT;
		return;
	}
	to->snapshot = p->segments == 0;
	to->at = to->end = p->snapshot;
	if (to->snapshot)
		return;
	to->at = p->segment[p->segments - 1].at;
	if (!restorer_end(r, &to->end, &to->chain))
		to->end = UINT64_MAX;
}

static int
read_page(int fd, uint32_t pgno, uint32_t size, uint8_t *page, struct err *e)
{
	ssize_t n = file_pread(fd, page, size, (uint64_t)(pgno - 1) * size, e);

	if (n == -1)
		return -1;
	if ((uint32_t)n < size)
		return err_set(e, ERR_IO,
		    "unfinished file: it ends in page %" PRIu32, pgno);
	return 0;
}

/* What is in it. */
static int
sum(int fd, struct state *to, uint8_t *page, struct err *e)
{
	struct dbhdr h;
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_sys(e, "unfinished file");
	if (file_pread(fd, page, DBHDR_SIZE, 0, e) != DBHDR_SIZE)
		return err_set(e, ERR_IO, "unfinished file: it has no header");
	if (dbhdr_parse(&h, page, e) == -1)
		return -1;
	to->page_size = h.page_size;
	to->pages = (uint32_t)((uint64_t)st.st_size / h.page_size);
	own_of(&to->own, page);
	for (uint32_t i = 1; i <= to->pages; i++) {
		if (read_page(fd, i, h.page_size, page, e) == -1 ||
		    stop_overdue(e) == -1)
			return -1;
		pagesum_xor(&to->sum, pagesum_of(i, page, h.page_size));
	}
	return 0;
}

int
mirror_restore(struct mirror *m, struct mirror_tools *t,
    const struct restore_target *target, struct restored **out,
    struct state *to, struct err *e)
{
	struct restore_want want = RESTORE_WANT;
	struct restore_plan p = { 0 };
	int rc;

	want.format = m->conf.format;
	want.crew = t->crew;
	*to = (struct state){ 0 };
	*out = NULL;
	rc = restore_find(
	    t->restorer, m->conf.store, m->conf.key, &want, &p, target, out, e);
	if (rc == 0) {
		place(&p, t->restorer, to);
		to->as_of_ns = (*out)->as_of_ns;
		to->plain = p.ltx == NULL && !(*out)->summed;
		rc = sum(restored_fd(*out), to, t->page, e);
	}
	if (rc == 0)
		rc = anchor_read(m, to, &to->anchor, e);
	if (rc == -1) {
		restored_drop(*out);
		*out = NULL;
	}
	restore_plan_release(&p);
	return rc;
}

int
restored_each(void *ctx, page_take *take, void *arg, struct err *e)
{
	struct restored_pages *p = ctx;

	for (uint32_t i = 1; i <= p->state->pages; i++)
		if (read_page(p->fd, i, p->state->page_size, p->page, e) ==
			-1 ||
		    take(arg, i, p->page, e) == -1)
			return -1;
	return 0;
}
