/* SPDX-License-Identifier: Apache-2.0 */
/* lspp-scan -- print the databases in directories and in replicas. */
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/choose/target.h"
#include "lib/cli/cli.h"
#include "lib/cli/cli_replica.h"
#include "lib/cli/lines.h"
#include "lib/scan/config_scan.h"
#include "lib/scan/scan.h"
#include "lib/source/signature.h"
#include "lib/state/state.h"
#include "lib/store/conf.h"
#include "lib/store/open/store_open.h"
#include "lib/store/stats.h"
#include "lib/sys/file.h"
#include "lib/sys/stop.h"
#include "lib/text/glob.h"
#include "lib/text/json_write.h"
#include "lib/text/metrics.h"
#include "lib/text/progress.h"

enum { FOLLOW = 256, ONE_FS, EXCLUDE, EXPECT_MIN, KNOWN };

static const struct cli_opt options[] = {
	{ "follow", 'L', NULL, "follow symbolic links", FOLLOW },
	{ "one-file-system", 'x', NULL, "do not enter other file systems",
	    ONE_FS },
	{ "exclude", 0, "PATTERN", "leave out what matches (repeatable)",
	    EXCLUDE },
	{ "expect-min", 0, "N", "fail if fewer databases are found",
	    EXPECT_MIN },
	{ "known", 0, "DIR", "do not open what the state in DIR knows", KNOWN },
	{ 0 },
};

/* Looks into the state between which it stays as it was. */
enum { LOOKS = 4096 };

struct search {
	struct cli c;
	struct scan scan;
	struct store_conf conf;
	size_t excludes;
	atomic_ullong found;
	uint64_t expected;
	struct store_stats stats; /* of all operands, but */
	struct store *store;      /* of this one, or NULL */
	const char *operand;
	bool operand_failed, any_failed;
	struct buf url;       /* of what was found in it */
	struct buf base, abs; /* of names: of paths, and of what was found */
	struct buf above;  /* of keys: the way from -r to this operand's root */
	const char *known; /* --known DIR, or NULL */
	struct state *st;  /* of --known; NULL: none, or it cannot be asked */
	unsigned looks;
};

/* A database in a replica has objects instead of a size. */
static void
put_object(struct cli *c, const char *path)
{
	struct buf *b = cli_object(c, path);
	struct stat st;

	if (!store_is_url(path) && stat(path, &st) == 0)
		json_number(b, "size", (uint64_t)st.st_size);
	else
		json_null(b, "size");
	cli_put_object(c);
}

static int
found(void *ctx, const char *path)
{
	struct search *f = ctx;
	struct err e;

	f->found++;
	if (f->c.json)
		put_object(&f->c, path);
	else if (f->c.end != '\0' && strchr(path, f->c.end) != NULL) {
		err_set(&e, ERR_USAGE, "the name holds a newline");
		err_hint(&e, "use -0");
		cli_fail(&f->c, path, &e, 1);
	} else
		lines_put(f->c.end, path);
	return stop_requested() || lines_errno() != 0 ? -1 : 0;
}

/* A shard's are those that have such a name in a replica: the key, or what is
 * below the base. */
static int
found_here(void *ctx, const char *path)
{
	struct search *f = ctx;
	struct err e;

	if (f->c.shard.n > 0 && path_absolute(path, &f->abs, &e) == 0 &&
	    !shard_has_path(&f->c.shard, buf_str(&f->base), buf_str(&f->abs)))
		return stop_requested() ? -1 : 0;
	return found(f, path);
}

static bool
has_key(const struct search *f, const char *key)
{
	char *name = xasprintf("%s/%s", buf_str(&f->above), key);
	bool has = shard_has(&f->c.shard, name);

	free(name);
	return has;
}

/* A database of the store: told as what leads to it, whatever its name is. */
static int
found_in_replica(void *ctx, const char *path)
{
	struct search *f = ctx;
	const char *root = f->store->root, *key = path + strlen(root);
	struct err e;

	key += *key == '/';
	if (!has_key(f, key))
		return stop_requested() ? -1 : 0;
	buf_reset(&f->url);
	target_url(root, key, &f->url);
	if (*key == '\0' || target_key_is_normal(key))
		return found(f, buf_str(&f->url));
	f->any_failed = true;
	err_set(&e, ERR_USAGE,
	    "the name of a database in the replica is no path below it");
	cli_fail(&f->c, path, &e, 1);
	return stop_requested() ? -1 : 0;
}

static void
failed(void *ctx, const char *path, const struct err *e)
{
	struct search *f = ctx;

	f->any_failed = true;
	if (strcmp(path, f->operand) == 0)
		f->operand_failed = true;
	cli_fail(&f->c, path, e, 1);
}

static void
done_with_directory(void *ctx)
{
	(void)ctx;
	lines_flush();
}

static void
measure(void *ctx, struct metrics *m)
{
	struct search *f = ctx;

	metrics_databases(m, "seen", f->found);
	stats_metrics(&f->stats, m);
}

static void
watch(void *ctx, struct progress *p)
{
	struct search *f = ctx;
	struct store_stats all = f->stats, x = { 0 };

	if (f->store != NULL)
		store_stats(f->store, &x);
	stats_add(&all, &x);
	p->verb = "found";
	p->done = f->found;
	p->bytes = 0; /* of listings: nobody's measure */
	p->requests = stats_requests(&all);
}

/* Change what watch() looks at: nobody looks meanwhile. */
static void
look_at(struct search *f, struct store *st, const struct store_stats *add)
{
	cli_watch(&f->c, NULL, NULL);
	f->store = st;
	if (add != NULL)
		stats_add(&f->stats, add);
	cli_watch(&f->c, watch, f);
}

/* Where the root is below that of -r, a key is what it is below that. */
static void
find_above(struct search *f, const char *root)
{
	const char *replica = f->c.replica, *below = NULL;
	char *plain, *place = NULL;
	struct err e;

	buf_reset(&f->above);
	if (replica == NULL)
		return;
	plain =
	    xasprintf("%.*s", (int)(store_query(replica) - replica), replica);
	if ((place = store_place(plain, &e)) != NULL)
		below = path_below(place, root);
	if (below != NULL)
		buf_adds(&f->above, below);
	free(place);
	free(plain);
}

/* -- what the state knows -------------------------------------------------- */

/* A state that cannot be asked costs time, and no database. */
static void
drop_state(struct search *f, const struct err *e)
{
	if (e->class != ERR_MISSING)
		cli_warn(&f->c, NULL, "--known is of no use: %s", e->msg);
	state_close(f->st);
	f->st = NULL;
}

/*
 * What it is now is not looked at.  A file that is no database any more has
 * another signature, and lspp-hot looks into each such.
 */
static bool
is_known(void *ctx, const char *path)
{
	const struct signature none = { 0 };
	struct state_seen seen = { 0 };
	struct search *f = ctx;
	struct err e;

	if (f->st == NULL || path_absolute(path, &f->abs, &e) == -1)
		return false;
	if (state_look(f->st, 0, buf_str(&f->abs), &none, &seen, &e) == -1) {
		drop_state(f, &e);
		return false;
	}
	if (++f->looks % LOOKS == 0)
		state_look_end(f->st);
	return seen.known;
}

static void
ask_state(struct search *f)
{
	struct err e;

	f->scan.known = is_known;
	if ((f->st = state_open(f->known, false, &e)) == NULL)
		drop_state(f, &e);
}

/* The databases of a root whose keys match pattern, if that is not empty. */
static void
search_root(
    struct search *f, const char *url, const char *root, const char *pattern)
{
	struct scan scan = f->scan;
	struct store_stats stats = { 0 };
	struct buf requests = { 0 };
	uint64_t before = f->found;
	struct store *st;
	struct err e;

	f->any_failed = false;
	scan.found = found_in_replica;
	if ((st = store_open(root, STORE_READ, false, &f->conf, &e)) == NULL)
		failed(f, url, &e);
	else {
		find_above(f, st->root);
		look_at(f, st, NULL);
		(void)scan_replica(&scan, st, pattern);
	}
	/* What failed has the name of a place in the replica, not of this. */
	if (f->any_failed && f->found == before)
		f->operand_failed = true;
	if (st != NULL)
		store_stats(st, &stats);
	if (stats_text(&stats, f->c.json, &requests))
		cli_note(&f->c, url, "requests: %s", buf_str(&requests));
	buf_release(&requests);
	look_at(f, NULL, &stats);
	store_close(st);
}

/* The fixed part of a URL is the root, the rest a pattern for keys. */
static void
search_url(struct search *f, const char *url)
{
	const char *query = store_query(url);
	char *all = xasprintf("%.*s", (int)(query - url), url);
	size_t fixed = glob_is_pattern(all) ? glob_fixed(all) : strlen(all);
	char *root = xasprintf("%.*s%s", (int)fixed, url, query);

	search_root(f, url, root, all + fixed);
	free(root);
	free(all);
}

/* A list may hold anybody's names: they do not say with whom to speak. */
static int
check_listed(const struct lines *in, const char *url, struct err *e)
{
	if (!in->reading || *store_query(url) == '\0')
		return 0;
	return err_set(e, ERR_USAGE,
	    "a URL on the standard input says no endpoint, region or "
	    "path-style");
}

/*
 * An operand that could be looked at counts as passed, whatever is wrong below
 * it: then some paths failed, and not all.
 */
static void
search(struct search *f, struct lines *in)
{
	uint64_t before;
	struct err e;

	while (lines_errno() == 0 && (f->operand = lines_next(in)) != NULL) {
		f->operand_failed = false;
		before = f->found;
		if (check_listed(in, f->operand, &e) == -1)
			failed(f, f->operand, &e);
		else if (store_is_url(f->operand))
			search_url(f, f->operand);
		else
			(void)scan_local(&f->scan, f->operand);
		if (!f->operand_failed)
			cli_pass(&f->c);
		cli_note(&f->c, f->operand, "%llu databases",
		    (unsigned long long)(f->found - before));
		lines_flush();
	}
}

/* With -r; without operands, with LSPP_REPLICA where nobody feeds a list, a
 * terminal or /dev/null. */
static bool
wants_replica(struct search *f, char **operands)
{
	struct stat st;

	if (f->c.replica == NULL)
		return false;
	if (f->c.replica != getenv("LSPP_REPLICA")) {
		if (operands[0] != NULL)
			cli_usage(&f->c, "-r takes no operand");
		return true;
	}
	return operands[0] == NULL && fstat(STDIN_FILENO, &st) == 0 &&
	    S_ISCHR(st.st_mode);
}

static int
search_all(struct search *f, char **operands)
{
	struct lines in;
	struct err e;

	if (wants_replica(f, operands)) {
		f->operand = f->c.replica;
		search_root(f, f->operand, f->operand, "");
		if (!f->operand_failed)
			cli_pass(&f->c);
		return 0;
	}
	if (lines_open(&in, operands, f->c.end, &e) == -1) {
		if (*operands == NULL)
			err_hint(&e, "name a directory, or a replica with -r");
		cli_misused(&f->c, &e);
	}
	search(f, &in);
	if (lines_close(&in, &e) == -1)
		cli_fail(&f->c, NULL, &e, 1);
	return 0;
}

/* --whoami, of -r or of all that -c names. */
static int
whoami(struct search *f)
{
	struct config_file file = { 0 };
	struct err e;

	if (f->c.config != NULL &&
	    config_file_open(&file, f->c.config, &f->conf, true, &e) == -1)
		return cli_fatal(&f->c, &e);
	return cli_whoami(&f->c, &file, &f->conf);
}

/* -c: what the file names, less what the operands do not want. */
static int
search_config(struct search *f, char **operands)
{
	struct config_file file;
	struct config_want want;
	struct err e;

	if (config_want_make(&want, operands, &e) == -1)
		cli_usage(&f->c, "%s", e.msg);
	if (config_file_open(&file, f->c.config, &f->conf, true, &e) == -1) {
		config_want_release(&want);
		return cli_fatal(&f->c, &e);
	}
	f->operand = f->c.config;
	(void)config_scan(&file, &want, &f->scan);
	if (f->found > 0)
		cli_pass(&f->c);
	cli_note(
	    &f->c, f->operand, "%llu databases", (unsigned long long)f->found);
	config_file_close(&file);
	config_want_release(&want);
	return 0;
}

static void
add_exclude(struct search *f, const char *pattern)
{
	struct scan *s = &f->scan;
	struct err e;

	if (glob_check(pattern, &e) == -1)
		cli_usage(&f->c, "--exclude: %s", e.msg);
	s->exclude =
	    xrealloc(s->exclude, (f->excludes + 2) * sizeof(*s->exclude));
	s->exclude[f->excludes++] = xstrdup(pattern);
	s->exclude[f->excludes] = NULL;
}

static void
take_options(struct search *f)
{
	const char *arg;
	struct err e;
	int o;

	cli_examples(&f->c,
	    "  lspp-scan /srv/tenants | lspp-hot | lspp-ship -r "
	    "file:///backup/fleet\n"
	    "  lspp-scan --exclude cache '/srv/tenants/*/{app,users}.db'");
	while ((o = cli_option(&f->c, &arg)) != -1)
		switch (o) {
		case FOLLOW: f->scan.follow = true; break;
		case ONE_FS: f->scan.one_fs = true; break;
		case EXCLUDE: add_exclude(f, arg); break;
		case EXPECT_MIN:
			f->expected = cli_number(
			    &f->c, "--expect-min", arg, 1, UINT64_MAX);
			break;
		case KNOWN: f->known = arg; break;
		default:
			if (store_conf_take(&f->conf, o, arg, &e) == -1)
				cli_usage(&f->c, "%s", e.msg);
		}
}

/* Were there as many as there should be?  Returns the exit status. */
static int
finish(struct search *f)
{
	bool too_few = f->found < f->expected && !stop_requested();
	struct err e;

	if (too_few) {
		err_set(&e, ERR_MISSING,
		    "found %llu databases, expected at least %llu: is the "
		    "volume mounted?",
		    (unsigned long long)f->found,
		    (unsigned long long)f->expected);
		cli_complain(&f->c, &e);
	}
	return cli_finish(&f->c);
}

/* A walk holds the directories on its way, a worker a connection. */
static int
fit(struct search *f, struct err *e)
{
	static const struct file_needs needs = { .run = 36, .worker = 8 };
	size_t jobs = 1;

	return file_fit(&needs, &f->c.jobs, &jobs, e);
}

int
main(int argc, char **argv)
{
	struct search f = {
		.scan = {
			.found = found_here,
			.failed = failed,
			.pause = done_with_directory,
		},
		.conf = STORE_CONF,
	};
	struct err e;
	int status;

	f.scan.ctx = &f;
	cli_begin(&f.c, argc, argv, "rCc/0ejqv", options,
	    "[DIR | FILE | PATTERN | URL ...]",
	    "Print the databases in directories and in replicas.");
	cli_more(&f.c, store_options, "s3");
	cli_measured(&f.c, measure, &f);
	take_options(&f);
	if (fit(&f, &e) == -1)
		return cli_fatal(&f.c, &e);
	f.scan.jobs = f.c.jobs;
	if (f.c.config == NULL && f.c.base != NULL &&
	    path_absolute(f.c.base, &f.base, &e) == -1)
		return cli_fatal(&f.c, &e);
	store_conf_tell(&f.conf, cli_on_warn, cli_on_debug, &f.c);
	if (f.conf.whoami)
		return whoami(&f);
	/* A pipe has a small buffer by default. */
	(void)setvbuf(stdout, NULL, _IOFBF, 65536);
	if (f.known != NULL)
		ask_state(&f);
	look_at(&f, NULL, NULL);
	if (f.c.config != NULL)
		status = search_config(&f, argv + optind);
	else
		status = search_all(&f, argv + optind);
	cli_watch(&f.c, NULL, NULL);
	if (status == 0)
		status = finish(&f);
	for (size_t i = 0; i < f.excludes; i++)
		free(f.scan.exclude[i]);
	free(f.scan.exclude);
	buf_release(&f.url);
	buf_release(&f.base);
	buf_release(&f.abs);
	buf_release(&f.above);
	state_close(f.st);
	return status;
}
