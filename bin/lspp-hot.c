/* lspp-hot -- print the databases that have something to ship. */
#include <getopt.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/cli.h"
#include "lib/base/file.h"
#include "lib/base/lines.h"
#include "lib/engine/signature.h"
#include "lib/engine/state.h"
#include "lib/store/conf.h"
#include "lib/store/store.h"

static const struct cli_opt options[] = { { 0 } };

struct hot {
	struct state *st; /* NULL: nothing was ever shipped */
	int64_t root;     /* 0: any */
	bool no_root;     /* nothing was ever shipped to that replica */
};

/* 1: there is something to ship; 0; -1. */
static int
is_hot(struct hot *h, const char *path, struct buf *abs, struct err *e)
{
	struct signature sig;
	bool racy;
	int rc;

	if (signature_take(&sig, path, &racy, e) == -1)
		return -1;
	if (h->st == NULL || h->no_root)
		return 1;
	buf_reset(abs);
	if (path_absolute(path, abs, e) == -1)
		return -1;
	rc = state_shipped(h->st, h->root, buf_str(abs), &sig, e);
	return rc == -1 ? -1 : !rc;
}

static int
open_hot(struct hot *h, const struct cli *c, const struct store_conf *conf,
    struct err *e)
{
	char *url;
	int known;

	h->st = state_open(c->state, false, e);
	if (h->st == NULL)
		return e->class == ERR_MISSING ? 0 : -1;
	if (c->replica == NULL)
		return 0;
	if ((url = store_url(c->replica, conf, e)) == NULL)
		return -1;
	known = state_root(h->st, url, false, &h->root, e);
	free(url);
	h->no_root = known == 0;
	return known == -1 ? -1 : 0;
}

static void
filter(struct hot *h, struct lines *in, struct cli *c)
{
	struct buf abs = { 0 };
	const char *path;
	struct err e;
	int hot;

	while ((path = lines_next(in)) != NULL) {
		if ((hot = is_hot(h, path, &abs, &e)) == -1) {
			cli_fail(c, path, &e, 1);
			continue;
		}
		cli_pass(c);
		if (hot)
			lines_put(c->end, path);
		if (lines_waits(in))
			lines_flush();
	}
	lines_flush();
	buf_release(&abs);
}

int
main(int argc, char **argv)
{
	struct hot h = { 0 };
	struct lines in;
	struct store_conf conf = STORE_CONF;
	const char *arg;
	struct cli c;
	struct err e;
	int o;

	cli_begin(&c, argc, argv, "rs0eqv", options, "[PATH ...]",
	    "Print the databases that changed since they were shipped.");
	cli_more(&c, store_options, "s3");
	while ((o = cli_option(&c, &arg)) != -1)
		if (store_conf_take(&conf, o, arg, &e) == -1)
			cli_usage(&c, "%s", e.msg);
	if (lines_open(&in, argv + optind, c.end, &e) == -1)
		cli_usage(&c, "%s", e.msg);
	if (open_hot(&h, &c, &conf, &e) == -1)
		return cli_fatal(&c, &e);
	filter(&h, &in, &c);
	state_close(h.st);
	if (lines_close(&in, &e) == -1)
		return cli_fatal(&c, &e);
	return cli_finish(&c);
}
