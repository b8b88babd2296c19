/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of lspp-verify.
 */
#include <stdlib.h>

#include "bin/verify/verify.h"
#include "lib/store/conf.h"

enum {
	OPT_DEEP = 256,
	OPT_SQL,
	OPT_SOURCE,
	OPT_SAMPLE,
	OPT_NEWEST,
	OPT_SETTLE,
	OPT_REPORT,
	OPT_SIGN,
};

const struct cli_opt verify_option_table[] = {
	{ "deep", 0, NULL, "read every byte, compare with the checksums",
	    OPT_DEEP },
	{ "sql", 0, NULL, "--deep, and SQLite's integrity_check of a restore",
	    OPT_SQL },
	{ "against-source", 0, NULL, "--deep, and compare with the databases",
	    OPT_SOURCE },
	{ "sample", 0, "N", "only N, or as 2%, those unverified longest",
	    OPT_SAMPLE },
	{ 0 },
};

const struct cli_opt verify_more_table[] = {
	{ "newest", 0, NULL, "only what the newest state is made of",
	    OPT_NEWEST },
	{ "settle", 0, "TIME", "what lspp-prune may be at is told after [30s]",
	    OPT_SETTLE },
	{ "report", 0, "FILE", "write what was proved to FILE and FILE.txt",
	    OPT_REPORT },
	{ "sign", 0, "KEY", "sign FILE with the private key in the file KEY",
	    OPT_SIGN },
	{ 0 },
};

static int
take_option(struct run *run, int o, const char *arg, struct err *e)
{
	struct verify_want *w = &run->want;

	switch (o) {
	case OPT_SQL: w->sql = w->deep = true; return 0;
	case OPT_SOURCE: w->source = w->deep = true; return 0;
	case OPT_DEEP: w->deep = true; return 0;
	case OPT_NEWEST: w->newest = true; return 0;
	case OPT_SETTLE:
		run->settle_ns = 1000000000 *
		    (int64_t)cli_duration(&run->cli, "settle", arg);
		return 0;
	case OPT_REPORT: run->report = arg; return 0;
	case OPT_SIGN: run->key = arg; return 0;
	case OPT_SAMPLE: return sample_parse(arg, &run->size, e);
	default: return store_conf_take(&run->conf, o, arg, e);
	}
}

void
verify_options(struct run *run, char **argv)
{
	const char *arg, *dir = getenv("TMPDIR");
	struct err e;
	int o;

	run->settle_ns = INT64_C(30000000000);
	cli_examples(&run->cli,
	    "  lspp-verify --deep --sample 4% >/dev/null\n"
	    "  lspp-verify -r s3://b/backups '**' >/dev/null");
	while ((o = cli_option(&run->cli, &arg)) != -1)
		if (take_option(run, o, arg, &e) == -1)
			cli_usage(&run->cli, "%s", e.msg);
	if (store_conf_check(&run->conf, &e) == -1)
		cli_usage(&run->cli, "%s", e.msg);
	if (run->key != NULL && run->report == NULL)
		cli_usage(&run->cli, "--sign signs what --report writes");
	if (run->report != NULL && run->cli.dry_run)
		cli_usage(&run->cli, "--report and -n: nothing is proved");
	run->tmp = dir != NULL && *dir != '\0' ? dir : "/var/tmp";
	run->from_state =
	    (run->size.n > 0 || run->size.percent > 0) && argv[optind] == NULL;
}
