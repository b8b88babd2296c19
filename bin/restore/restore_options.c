/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of lspp-restore.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/restore/restore.h"
#include "lib/base/buf.h"
#include "lib/base/when.h"
#include "lib/replica/ltx/ltx_plan.h"
#include "lib/replica/wal/layout.h"

enum {
	OPT_OUTPUT = 256,
	OPT_FORCE,
	OPT_FORCE_OPEN,
	OPT_LIVE,
	OPT_LIVE_WAIT,
	OPT_IF_NOT_EXISTS,
	OPT_IF_REPLICA_EXISTS,
	OPT_CHECK,
	OPT_MODE,
	OPT_OWNER,
	OPT_RESUME,
	OPT_TIMESTAMP,
	OPT_GENERATION,
	OPT_INDEX,
	OPT_FORMAT,
	OPT_TXID,
	OPT_LIST,
	OPT_AROUND,
	OPT_LAST_GOOD,
	OPT_IF_EXISTED,
	OPT_NEWER_THAN,
	OPT_BISECT,
	OPT_STATE,
	OPT_FOLLOW,
	OPT_FOR,
	OPT_INTERVAL,
	OPT_PASS,
};

const struct cli_opt restore_option_table[] = {
	{ "output", 'o', "DIR", "restore below DIR; - is standard output",
	    OPT_OUTPUT },
	{ "timestamp", 0, "TIME", "the newest state captured until TIME",
	    OPT_TIMESTAMP },
	{ "pass", 0, "NAME", "as of that pass of lspp-ship, or the latest",
	    OPT_PASS },
	{ "list", 0, NULL, "print what there is, restore nothing", OPT_LIST },
	{ "force", 0, NULL, "replace databases that exist", OPT_FORCE },
	{ "live", 0, NULL, "write into databases that stay open", OPT_LIVE },
	{ "follow", 0, NULL, "a copy that goes on with what comes",
	    OPT_FOLLOW },
	{ "if-not-exists", 0, NULL, "pass over databases that exist",
	    OPT_IF_NOT_EXISTS },
	{ "if-replica-exists", 0, NULL, "pass over what has no backup",
	    OPT_IF_REPLICA_EXISTS },
	{ "check", 0, "HOW", "SQLite's check: none, quick, full", OPT_CHECK },
	{ "resume", 0, NULL, "go on after a run that was ended", OPT_RESUME },
	{ 0 },
};

const struct cli_opt restore_more_table[] = {
	{ "if-existed", 0, NULL, "pass over what is younger than --timestamp",
	    OPT_IF_EXISTED },
	{ "newer-than", 0, "TIME", "pass over what has nothing newer",
	    OPT_NEWER_THAN },
	{ "around", 0, "TIME", "with --list: the states around TIME",
	    OPT_AROUND },
	{ "generation", 0, "ID", "the newest state of this generation",
	    OPT_GENERATION },
	{ "index", 0, "HEX", "to the end of this index of --generation",
	    OPT_INDEX },
	{ "format", 0, "FORMAT", "from wal or ltx, where it is in both",
	    OPT_FORMAT },
	{ "txid", 0, "HEX", "LTX: the state of this transaction", OPT_TXID },
	{ "to-last-good", 0, NULL, "before a hole, if there is one",
	    OPT_LAST_GOOD },
	{ "bisect", 0, NULL, "the newest that SQLite finds no fault with",
	    OPT_BISECT },
	{ "force-open", 0, NULL, "replace also what is open", OPT_FORCE_OPEN },
	{ "live-wait", 0, "TIME", "--live, --follow: for a lock, so long [10s]",
	    OPT_LIVE_WAIT },
	{ "interval", 0, "TIME", "--follow: look so often [1s]", OPT_INTERVAL },
	{ "for", 0, "TIME", "--follow: end after so long", OPT_FOR },
	{ "mode", 0, "MODE", "mode of the files, not the source's", OPT_MODE },
	{ "owner", 0, "USER:GROUP", "owner, not the source's", OPT_OWNER },
	{ "state", 's', "DIR", "compare with what lspp-ship recorded there",
	    OPT_STATE },
	{ 0 },
};

/* Whose noon it is should not be guessed. */
static int
parse_time(struct run *run, const char *opt, const char *arg, int64_t *ns,
    struct err *e)
{
	char local[WHEN_LOCAL_SIZE];
	int rc = when_parse(arg, when_now(), ns, e);

	if (rc == -1)
		return err_in(e, "%s", opt);
	if (rc == 1)
		cli_warn(
		    &run->cli, NULL, "%s: %s", opt, when_local(*ns, local));
	return 0;
}

static int
take_time(struct run *run, const char *arg, struct err *e)
{
	char text[WHEN_SIZE];

	if (parse_time(run, "--timestamp", arg, &run->want.at_ns, e) == -1)
		return -1;
	if (run->want.at_ns > when_now())
		return err_set(e, ERR_USAGE, "--timestamp: %s is in the future",
		    when_text(run->want.at_ns, text));
	return 0;
}

static int
take_generation(struct run *run, const char *arg, struct err *e)
{
	if (!layout_is_generation(arg))
		return err_set(e, ERR_USAGE,
		    "--generation: \"%s\" is not 16 hex digits", arg);
	memcpy(run->generation, arg, sizeof(run->generation));
	run->want.generation = run->generation;
	return 0;
}

/* As it is in the names of objects. */
static int
take_index(struct run *run, const char *arg, struct err *e)
{
	size_t n = strspn(arg, "0123456789abcdef");
	unsigned long index = strtoul(arg, NULL, 16);

	if (n == 0 || n > 8 || arg[n] != '\0' || index > LAYOUT_INDEX_MAX)
		return err_set(e, ERR_USAGE,
		    "--index: \"%s\" is not an index of 8 hex digits", arg);
	run->want.before = walpos((uint32_t)index + 1, 0);
	return 0;
}

static int
take_format(struct run *run, const char *arg, struct err *e)
{
	if (strcmp(arg, "wal") == 0)
		run->want.format = RESTORE_WAL;
	else if (strcmp(arg, "ltx") == 0)
		run->want.format = RESTORE_LTX;
	else
		return err_set(e, ERR_USAGE,
		    "--format: \"%s\" is neither wal nor ltx", arg);
	return 0;
}

/* As it is in the names of files, and as litestream writes it. */
static int
take_txid(struct run *run, const char *arg, struct err *e)
{
	uint64_t *txid = &run->want.txid;

	if (!ltx_parse_txid(txid, arg) || *txid == 0 || *txid == LTX_NEWEST)
		return err_set(e, ERR_USAGE,
		    "--txid: \"%s\" is not a TXID of 16 hex digits", arg);
	return 0;
}

static int
take_time_option(struct run *run, int o, const char *arg, struct err *e)
{
	switch (o) {
	case OPT_TIMESTAMP: return take_time(run, arg, e);
	case OPT_GENERATION: return take_generation(run, arg, e);
	case OPT_INDEX: return take_index(run, arg, e);
	case OPT_FORMAT: return take_format(run, arg, e);
	case OPT_TXID: return take_txid(run, arg, e);
	case OPT_LIST: run->list = true; return 0;
	case OPT_AROUND:
		run->around = true;
		return parse_time(run, "--around", arg, &run->around_ns, e);
	case OPT_NEWER_THAN:
		return parse_time(
		    run, "--newer-than", arg, &run->want.newer_ns, e);
	case OPT_LAST_GOOD: run->want.good = RESTORE_LAST_GOOD; return 0;
	case OPT_BISECT: run->want.good = RESTORE_BISECT; return 0;
	case OPT_STATE: run->state_dir = arg; return 0;
	default: return store_conf_take(&run->conf, o, arg, e);
	}
}

static void
check_time_options(struct run *run)
{
	const struct restore_want *w = &run->want;

	if (w->before != UINT64_MAX && w->at_ns != INT64_MAX)
		cli_usage(
		    &run->cli, "--index and --timestamp exclude each other");
	if (w->before != UINT64_MAX && w->generation == NULL)
		cli_usage(&run->cli, "--index needs --generation");
	if (w->txid != 0 && (w->at_ns != INT64_MAX || w->generation != NULL))
		cli_usage(&run->cli,
		    "--txid goes with neither --timestamp nor --generation");
	if (w->txid != 0 && w->format == RESTORE_WAL)
		cli_usage(&run->cli, "--txid is of --format ltx");
	if (w->txid != 0)
		run->want.format = RESTORE_LTX;
	if (w->generation != NULL && w->format == RESTORE_LTX)
		cli_usage(&run->cli, "--generation is of --format wal");
	if (run->if_existed && w->at_ns == INT64_MAX && run->pass == NULL)
		cli_usage(
		    &run->cli, "--if-existed needs --timestamp or --pass");
	if (run->around && !run->list)
		cli_usage(&run->cli, "--around needs --list");
	if (run->list &&
	    (w->before != UINT64_MAX || w->at_ns != INT64_MAX ||
		w->newer_ns != 0 || w->good != RESTORE_EXACT ||
		w->format != RESTORE_ANY || run->cli.dry_run))
		cli_usage(&run->cli, "--list restores nothing");
	if (run->state_dir != NULL && *run->state_dir == '\0')
		cli_usage(&run->cli, "-s/--state has an empty argument");
	if (run->cli.dry_run && w->good == RESTORE_BISECT)
		cli_usage(
		    &run->cli, "--bisect finds out by restoring: not with -n");
}

/* With -o - the unfinished file is beside no target, but where large files may
 * lie. */
static void
take_output(struct run *run, const char *arg)
{
	const char *dir = getenv("TMPDIR");

	if (*arg == '\0')
		cli_usage(&run->cli, "-o has an empty argument");
	free(run->spare);
	run->spare = NULL;
	run->chooser.target.into = arg;
	if (strcmp(arg, "-") != 0)
		return;
	if (isatty(STDOUT_FILENO))
		cli_usage(&run->cli,
		    "-o -: standard output is a terminal: >FILE or a pipe");
	run->spare = xasprintf(
	    "%s/.lspp-output", dir != NULL && *dir != '\0' ? dir : "/var/tmp");
}

/* Does it go with the others? */
static void
check_options(struct run *run)
{
	struct err e;

	if (run->force && run->if_not_exists)
		cli_usage(&run->cli,
		    "--force and --if-not-exists exclude "
		    "each other");
	if (run->spare != NULL && run->cli.json)
		cli_usage(&run->cli, "-o - and --json exclude each other");
	if (run->resume && run->if_not_exists)
		cli_usage(&run->cli,
		    "--resume and --if-not-exists exclude each other");
	if (run->spare != NULL && run->if_not_exists)
		cli_usage(&run->cli,
		    "--if-not-exists: standard output is always there");
	if (run->live &&
	    (run->force || run->if_not_exists || run->resume ||
		run->spare != NULL))
		cli_usage(&run->cli,
		    "--live goes with none of --force, --if-not-exists, "
		    "--resume and -o -");
	if (run->live &&
	    (run->own.mode != RESTORE_KEEP || run->own.uid != RESTORE_KEEP ||
		run->own.gid != RESTORE_KEEP))
		cli_usage(&run->cli,
		    "--live changes neither owner nor mode of the database");
	if (store_conf_check(&run->conf, &e) == -1)
		cli_usage(&run->cli, "%s", e.msg);
}

static int64_t
take_for(struct run *run, const char *arg)
{
	int64_t ns = cli_duration_ns(&run->cli, "for", arg);

	if (ns == 0)
		cli_usage(&run->cli, "--for: at least 1s");
	return ns;
}

/* Also in milliseconds. */
static int64_t
take_interval(struct run *run, const char *arg)
{
	size_t n = strspn(arg, "0123456789");
	int64_t ns;

	if (n > 0 && n < 9 && strcmp(arg + n, "ms") == 0)
		ns = (int64_t)strtoul(arg, NULL, 10) * 1000000;
	else
		ns = cli_duration_ns(&run->cli, "interval", arg);
	if (ns < 100000000)
		cli_usage(&run->cli, "--interval: at least 100ms");
	return ns;
}

/* What makes no sense of a copy that goes on with the newest state. */
static void
check_follow(struct run *run)
{
	const struct restore_want *w = &run->want;

	if (!run->follow && (run->for_ns > 0 || run->interval_ns > 0))
		cli_usage(&run->cli, "--for and --interval need --follow");
	if (run->interval_ns == 0)
		run->interval_ns = 1000000000;
	if (!run->follow)
		return;
	if (w->at_ns != INT64_MAX || w->txid != 0 || w->generation != NULL ||
	    w->newer_ns != 0 || w->good != RESTORE_EXACT)
		cli_usage(&run->cli,
		    "--follow is of the newest state: it goes with none of "
		    "--timestamp, --txid, --generation, --newer-than, "
		    "--to-last-good and --bisect");
	if (run->list || run->cli.dry_run || run->live || run->resume ||
	    run->spare != NULL || run->if_not_exists ||
	    run->if_replica_exists || run->state_dir != NULL)
		cli_usage(&run->cli,
		    "--follow goes with none of -n, -o -, -s, --list, --live, "
		    "--resume, --if-not-exists and --if-replica-exists");
}

void
restore_options(struct run *run)
{
	const char *arg;
	struct err e;
	int o, rc = 0;

	run->live_wait_ms = 10000;
	run->own = (struct restore_own){
		RESTORE_KEEP,
		RESTORE_KEEP,
		RESTORE_KEEP,
	};
	cli_examples(&run->cli,
	    "  lspp-restore -r /backup/fleet --if-not-exists '**'\n"
	    "  lspp-restore -r s3://b/backups -o /tmp/look 'eu/**/*.db'");
	while ((o = cli_option(&run->cli, &arg)) != -1) {
		switch (o) {
		case OPT_OUTPUT: take_output(run, arg); break;
		case OPT_FORCE: run->force = true; break;
		case OPT_FORCE_OPEN: run->force = run->force_open = true; break;
		case OPT_LIVE: run->live = true; break;
		case OPT_LIVE_WAIT:
			run->live_wait_ms = 1000 *
			    (int)cli_duration(&run->cli, "live-wait", arg);
			break;
		case OPT_RESUME: run->resume = true; break;
		case OPT_FOLLOW: run->follow = true; break;
		case OPT_PASS: run->pass = arg; break;
		case OPT_FOR: run->for_ns = take_for(run, arg); break;
		case OPT_INTERVAL:
			run->interval_ns = take_interval(run, arg);
			break;
		case OPT_IF_NOT_EXISTS: run->if_not_exists = true; break;
		case OPT_IF_REPLICA_EXISTS:
			run->if_replica_exists = true;
			break;
		case OPT_IF_EXISTED: run->if_existed = true; break;
		case OPT_CHECK:
			rc = restore_parse_check(arg, &run->check, &e);
			break;
		case OPT_MODE:
			rc = restore_parse_mode(arg, &run->own.mode, &e);
			break;
		case OPT_OWNER:
			rc = restore_parse_owner(
			    arg, &run->own.uid, &run->own.gid, &e);
			break;
		default: rc = take_time_option(run, o, arg, &e);
		}
		if (rc == -1)
			cli_usage(&run->cli, "%s", e.msg);
	}
	run->narrow = run->cli.end != '\0' && isatty(STDOUT_FILENO);
	check_options(run);
	check_time_options(run);
	check_follow(run);
	restore_pass_check(run, run->operands = run->cli.argv + optind);
}
