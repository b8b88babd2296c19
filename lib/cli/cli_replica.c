/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cli/cli_replica.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/open/store_open.h"
#include "lib/store/stats.h"

int
cli_whoami(struct cli *c, struct config_file *f, const struct store_conf *conf)
{
	struct buf b = { 0 };
	struct err e;
	int rc;

	cli_unmeasured(c);
	if (c->replica == NULL && c->config == NULL)
		cli_usage(c, "no replica: -r URL, LSPP_REPLICA or -c FILE");
	rc = c->config != NULL ? config_file_whoami(f, &b, &e)
			       : store_whoami(c->replica, conf, &b, &e);
	if (rc == 0)
		(void)fputs(buf_str(&b), stdout);
	buf_release(&b);
	config_file_close(f);
	return rc == -1 ? cli_fatal(c, &e) : cli_finish(c);
}

void
cli_no_whoami(struct cli *c, const struct store_conf *conf)
{
	if (conf->whoami)
		cli_usage(c, "--whoami: %s speaks to no server", c->program);
}

int
cli_prepare(struct cli *c, struct config_file *f, struct store_conf *conf,
    struct buf *base, struct err *e)
{
	store_conf_tell(conf, cli_on_warn, cli_on_debug, c);
	if (c->config != NULL &&
	    config_file_open(f, c->config, conf, true, e) == -1)
		return -1;
	if (conf->whoami)
		exit(cli_whoami(c, f, conf));
	return path_absolute(c->base != NULL ? c->base : "/", base, e);
}

void
cli_choose(struct lines *in, struct config_chooser *by_file, struct chooser *h)
{
	const char *operand;
	int rc = 0;

	while (rc == 0 && (operand = lines_next(in)) != NULL)
		rc = by_file != NULL ? choose_config(by_file, operand)
				     : choose(h, operand);
}

int
cli_fit(struct cli *c, const struct config_file *f, struct file_needs n,
    size_t *jobs, struct err *e)
{
	if (c->config != NULL)
		n.run += config_file_descriptors(f);
	return file_fit(&n, &c->jobs, jobs, e);
}

void
cli_requests(
    struct config_chooser *by_file, struct store *store, struct store_stats *x)
{
	*x = (struct store_stats){ 0 };
	if (by_file != NULL)
		config_chooser_stats(by_file, x);
	else if (store != NULL)
		store_stats(store, x);
}

void
cli_requests_progress(
    struct config_chooser *by_file, struct store *store, struct progress *p)
{
	struct store_stats x;

	cli_requests(by_file, store, &x);
	p->bytes = x.sent + x.received;
	p->requests = stats_requests(&x);
}
