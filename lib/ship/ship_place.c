/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two databases, one place.
 *
 * The state knows a database by its root and its name below that.  With a
 * litestream.yml the same place can be the name "t/x.db" in one root and "x.db"
 * in another.  Whoever comes second finds a generation of this state there, as
 * if a record had been lost, and would take it over from the first.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/ship/ship_job.h"
#include "lib/store/open/store_open.h"

struct search {
	struct ship_worker *w;
	const struct ship_job *j;
	const char *place; /* "ROOT/NAME" of the job */
};

/* The name of the place below that root, or NULL. */
static const char *
name_in(const char *place, const char *root)
{
	size_t n = strlen(root);

	if (strncmp(place, root, n) != 0)
		return NULL;
	if (place[n] == '\0')
		return place + n;
	return place[n] == '/' ? place + n + 1 : NULL;
}

static int
look(void *ctx, int64_t id, const char *url, struct err *e)
{
	struct search *s = ctx;
	char *root = store_real(url, e);
	const char *name = root != NULL ? name_in(s->place, root) : NULL;
	struct record r;
	struct stat sb;
	int rc = 0;

	if (root != NULL && name != NULL && id != s->j->rec.root)
		rc = state_find(s->w->st, id, name, &r, e);
	free(root);
	if (rc != 1)
		return rc;
	rc = 0;
	if (strcmp(r.path, s->j->abs) != 0 && stat(r.path, &sb) == 0) {
		rc = err_set(e, ERR_CONFIG,
		    "its place in the replica, %s, "
		    "belongs to %s",
		    s->place, r.path);
		err_hint(e,
		    "two databases cannot have one name in a replica: use one "
		    "base (-C) for all runs");
	}
	record_release(&r);
	return rc;
}

int
ship_check_place(struct ship_worker *w, struct ship_job *j, struct err *e)
{
	struct buf place = { 0 };
	struct search s = { .w = w, .j = j };
	char *root;
	int rc;

	if (w->st == NULL)
		return 0;
	if ((root = store_real(j->ship->store->url, e)) == NULL)
		return -1;
	buf_adds(&place, root);
	free(root);
	if (j->rec.key[0] != '\0')
		buf_addf(&place, "/%s", j->rec.key);
	s.place = buf_str(&place);
	rc = state_roots(w->st, look, &s, e);
	buf_release(&place);
	return rc;
}
