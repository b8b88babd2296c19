/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/stats.h"

size_t
store_scheme(const char *url)
{
	size_t n = 0;

	while (isalnum((unsigned char)url[n]) ||
	    (n > 0 && strchr("+-.", url[n]) != NULL && url[n] != '\0'))
		n++;
	return strncmp(url + n, "://", 3) == 0 ? n : 0;
}

bool
store_is_url(const char *s)
{
	return store_scheme(s) > 0;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	free(s->url);
	free(s->root);
	s->ops->close(s);
}

void
store_stats(struct store *s, struct store_stats *out)
{
	*out = (struct store_stats){ 0 };
	s->ops->stats(s, out);
}

struct few {
	uint8_t *p;
	size_t n, max;
};

static int
keep(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct few *f = ctx;

	if (n > f->max - f->n)
		return err_set(e, ERR_BUG, "more bytes than asked for");
	memcpy(f->p + f->n, p, n);
	f->n += n;
	return 0;
}

int
store_few(struct store *s, const char *key, uint64_t off, void *p, size_t *n,
    struct err *e)
{
	struct few f = { .p = p, .max = *n };
	int rc = s->ops->get(s, key, off, *n, keep, &f, e);

	*n = f.n;
	return rc;
}

int
store_refuse_odd(const struct store_entry *en, struct err *e)
{
	err_set(e, ERR_CONFIG,
	    "%s in the replica is %s: what may be behind it is not listed",
	    en->key, en->odd);
	return err_hint(
	    e, "put there what it stands for, or move it out of the replica");
}

int
store_no_backup(const struct store *s, struct err *e)
{
	err_set(e, ERR_MISSING, "no backup of that name in %s", s->url);
	return err_hint(e,
	    "lspp-scan -r URL prints the names that are there; is -C the one "
	    "that lspp-ship had?");
}
