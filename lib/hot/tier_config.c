/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hot/tier_config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/state/fleet/rounds.h"
#include "lib/store/open/store_open.h"

int
tier_config_open(struct tier_config *tc, const char *name,
    const struct store_conf *base, bool warns, struct err *e)
{
	return config_file_open(&tc->file, name, base, warns, e);
}

int
tier_config_roots(struct tier_config *tc, struct state *st, struct err *e)
{
	size_t n = tc->file.c.n_roots;
	char *url;
	int rc = 0;

	tc->st = st;
	tc->roots = xcalloc(n + 1, sizeof(*tc->roots));
	for (size_t i = 0; i < n && st != NULL && rc != -1; i++) {
		url = store_url(tc->file.c.root[i].url, &tc->file.store[i], e);
		rc = url == NULL ? -1
				 : state_root(st, url, false, &tc->roots[i], e);
		free(url);
	}
	return rc == -1 ? -1 : 0;
}

const char *
tier_config_bare(const struct tier_config *tc)
{
	const struct config *c = &tc->file.c;

	for (const struct config_db *d = c->db; d < c->db + c->n; d++) {
		const char *bare = NULL;
		bool any = false;

		for (size_t i = 0; i < d->n; i++) {
			size_t root = d->replica[i].root;

			if (d->replica[i].refused != NULL)
				continue;
			if (tc->roots[root] != 0)
				any = true;
			else
				bare = c->root[root].url;
		}
		if (any && bare != NULL)
			return bare;
	}
	return NULL;
}

void
tier_config_close(struct tier_config *tc)
{
	config_file_close(&tc->file);
	free(tc->roots);
	tc->roots = NULL;
}

/* What the state says of one replica of it, added to seen. */
static int
add(struct tier_config *tc, int64_t root, const char *name, const char *abs,
    const struct signature *sig, struct state_seen *seen, struct err *e)
{
	struct record r;
	int rc = 0;

	if (tc->st != NULL && root != 0)
		rc = state_find(tc->st, root, name, &r, e);
	if (rc == -1)
		return -1;
	if (rc == 0) {
		seen->known = false;
		return 0;
	}
	if (strcmp(r.path, abs) != 0 || !signature_equal(&r.sig, sig))
		seen->changed = true;
	if (r.racy)
		seen->racy = true;
	if (r.captured_ns < seen->captured_ns)
		seen->captured_ns = r.captured_ns;
	rounds_came(seen->rounds, r.id);
	record_release(&r);
	return 0;
}

int
tier_config_look(void *ctx, const char *path, struct buf *abs,
    const struct signature *sig, struct state_seen *seen, struct err *e)
{
	struct tier_config *tc = ctx;
	const struct config_db *d = config_file_find(&tc->file, path, abs, e);
	struct buf name = { 0 };
	int rc = 0;

	if (d == NULL)
		return -1;
	*seen = (struct state_seen){
		.known = true, .captured_ns = INT64_MAX, .rounds = seen->rounds
	};
	for (size_t i = 0; i < d->n && rc == 0; i++) {
		rc = config_file_name(&tc->file, d, i, buf_str(abs), &name, e);
		if (rc == 0)
			rc = add(tc, tc->roots[d->replica[i].root],
			    buf_str(&name), buf_str(abs), sig, seen, e);
	}
	if (!seen->known)
		seen->captured_ns = 0;
	buf_release(&name);
	return rc;
}
