/* SPDX-License-Identifier: Apache-2.0 */
/* A litestream.yml; names go to paths and back. */
#include "lib/config/config.h"

#include <string.h>

#include "lib/base/err.h"
#include "tests/fuzz/fuzz.h"

static const char *
get(void *ctx, const char *name)
{
	(void)ctx;
	return *name == 'N' ? NULL : name;
}

/* What has a name has just that, and what matches belongs to somebody. */
static void
try(const struct config *c, const struct config_db *d, size_t i)
{
	const struct config_replica *r = &d->replica[i];
	struct buf path = { 0 }, name = { 0 };
	struct err e;

	must((r->refused == NULL) == (r->name != NULL));
	if (r->refused != NULL)
		return;
	must(r->root < c->n_roots && c->root[r->root].url != NULL);
	if (config_path(d, i, "a/b.db", &path)) {
		must(config_find(c, buf_str(&path)) != NULL);
		must(config_name(d, i, buf_str(&path), &name, &e) == 0);
		must(strcmp(buf_str(&name), "a/b.db") == 0);
	}
	buf_reset(&name);
	(void)config_name(d, i, "/a/databases/b/tenants/c.db", &name, &e);
	buf_release(&path);
	buf_release(&name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_env env = { .get = get, .cwd = "/c" };
	struct config c;
	struct err e;

	if (config_parse(&c, (const char *)data, size, &env, &e) == -1) {
		must(e.class == ERR_CONFIG && e.msg[0] != '\0');
		return 0;
	}
	must(c.n > 0);
	for (size_t i = 0; i < c.n; i++) {
		must(c.db[i].path[0] == '/' && c.db[i].n > 0);
		must((c.db[i].kind == CONFIG_PATH) == (c.db[i].glob == NULL));
		for (size_t k = 0; k < c.db[i].n; k++)
			try(&c, &c.db[i], k);
	}
	config_release(&c);
	return 0;
}
