/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of lspp-prune.
 */
#include <stdlib.h>
#include <unistd.h>

#include "bin/prune/prune.h"
#include "lib/base/when.h"

enum {
	KEEP_FOR = 256,
	KEEP_LAST,
	KEEP_HOURLY, /* and on, as enum prune_period */
	KEEP_DAILY,
	KEEP_WEEKLY,
	KEEP_MONTHLY,
	GONE_FOR,
	ERASE,
	FOREIGN,
	GRACE,
	UPLOADS,
	OWN_CLOCK,
	YES,
};

#define SECOND   INT64_C(1000000000)
#define DAY      (SECOND * 24 * 3600)
#define MAX_KEPT 100000

const struct cli_opt prune_option_table[] = {
	{ "keep-for", 0, "TIME", "keep every state of so long", KEEP_FOR },
	{ "keep-last", 0, "N", "keep what N snapshots lead to", KEEP_LAST },
	{ "keep-hourly", 0, "N", "keep the newest state of N hours",
	    KEEP_HOURLY },
	{ "keep-daily", 0, "N", "of N days,", KEEP_DAILY },
	{ "keep-weekly", 0, "N", "of N weeks,", KEEP_WEEKLY },
	{ "keep-monthly", 0, "N", "of N months", KEEP_MONTHLY },
	{ "yes", 0, NULL, "delete without asking", YES },
	{ 0 },
};

const struct cli_opt prune_more_table[] = {
	{ "gone-for", 0, "TIME",
	    "delete replicas of databases gone for so long", GONE_FOR },
	{ "erase", 0, NULL, "delete all of what is named, now", ERASE },
	{ "grace", 0, "TIME", "keep what was superseded since [2d]", GRACE },
	{ "uploads", 0, "TIME", "abort unfinished uploads so old [7d]",
	    UPLOADS },
	{ "own-clock", 0, NULL, "go by this machine's clock, not the replica's",
	    OWN_CLOCK },
	{ "foreign", 0, NULL, "prune what Litestream wrote, too", FOREIGN },
	{ 0 },
};

static uint32_t
number(struct run *run, const char *opt, const char *arg)
{
	return (uint32_t)cli_number(&run->cli, opt, arg, 1, MAX_KEPT);
}

static void
take_option(struct run *run, int o, const char *arg)
{
	static const char *const names[] = { "keep-hourly", "keep-daily",
		"keep-weekly", "keep-monthly" };
	struct prune_policy *p = &run->policy;
	struct err e;

	switch (o) {
	case KEEP_FOR:
		p->keep_for_ns = cli_duration_ns(&run->cli, "keep-for", arg);
		break;
	case KEEP_LAST: p->last = number(run, "keep-last", arg); break;
	case KEEP_HOURLY:
	case KEEP_DAILY:
	case KEEP_WEEKLY:
	case KEEP_MONTHLY:
		o -= KEEP_HOURLY;
		p->count[o] = number(run, names[o], arg);
		break;
	case GONE_FOR:
		run->gone_for_ns = cli_duration_ns(&run->cli, "gone-for", arg);
		break;
	case GRACE:
		p->grace_ns = cli_duration_ns(&run->cli, "grace", arg);
		break;
	case UPLOADS:
		run->uploads_ns = cli_duration_ns(&run->cli, "uploads", arg);
		break;
	case ERASE: run->erase = true; break;
	case FOREIGN: p->foreign = true; break;
	case OWN_CLOCK: run->own_clock = true; break;
	case YES: run->yes = true; break;
	default:
		if (store_conf_take(&run->conf, o, arg, &e) == -1)
			cli_usage(&run->cli, "%s", e.msg);
	}
}

void
prune_options(struct run *run)
{
	struct prune_policy *p = &run->policy;
	const char *arg, *dir = getenv("TMPDIR");
	struct err e;
	int o;

	run->tmp = dir != NULL && *dir != '\0' ? dir : "/var/tmp";
	p->now_ns = when_now();
	p->keep_for_ns = run->gone_for_ns = -1;
	p->grace_ns = PRUNE_GRACE_MIN_NS;
	p->alone = true;
	run->uploads_ns = 7 * DAY;
	cli_examples(&run->cli,
	    "  lspp-prune -r s3://b/fleet -n --keep-for 7d --keep-daily 30 "
	    "'**'\n"
	    "  lspp-prune -r s3://b/fleet --yes --gone-for 90d '**'");
	while ((o = cli_option(&run->cli, &arg)) != -1)
		take_option(run, o, arg);
	if (store_conf_check(&run->conf, &e) == -1)
		cli_usage(&run->cli, "%s", e.msg);
	if (run->conf.whoami)
		return;
	if (run->erase && (prune_policy_any(p) || run->gone_for_ns != -1))
		cli_usage(&run->cli, "--erase keeps nothing");
	if (!prune_policy_any(p) && run->gone_for_ns == -1 && !run->erase)
		cli_usage(&run->cli,
		    "what is to be kept?  --keep-for, --keep-last, "
		    "--keep-daily, ...; or --gone-for, or --erase");
	/* Unfinished uploads are all the first shard's. */
	if (run->erase)
		run->uploads_ns = 0;
	else if (run->cli.shard.k > 1)
		run->uploads_ns = INT64_MAX;
	if (!run->cli.dry_run && !run->yes && !isatty(STDIN_FILENO))
		cli_usage(&run->cli,
		    "there is nobody to ask: --yes deletes, -n shows what");
}
