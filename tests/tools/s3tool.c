/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3tool -- the S3 store by itself, for tests.
 *
 *	s3tool URL put KEY FILE ...	pairs; "KEY: message" of those that fail
 *	s3tool URL get KEY [OFF N]	to stdout; "-" is the largest number
 *	s3tool URL ls [PREFIX]		"size key"; all below PREFIX
 *	s3tool URL ls-d [PREFIX]	with a delimiter
 *	s3tool URL ls-after KEY [PREFIX]
 *	s3tool URL rm KEY ...		one by one
 *	s3tool URL rm-many KEY ...	"rc key"
 *	s3tool URL probe		"1" or "0"
 *	s3tool URL whoami
 *	s3tool URL mb			make the bucket
 *	s3tool URL policy FILE		the bucket's
 *	s3tool URL url			the normal form
 *
 * Options before URL: those of the store; --stats counts on stderr at the end,
 * --look makes puts look first, -jN puts on N threads, -xN does it all N times.
 * The exit status is the class of the last failure.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/mask.h"
#include "lib/store/open/store_open.h"
#include "lib/store/s3/s3_impl.h"
#include "lib/sys/file.h"
#include "lib/sys/spool.h"
#include "lib/sys/stop.h"

static int status;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
fail(const char *what, const struct err *e)
{
	char shown[1024];

	pthread_mutex_lock(&lock);
	(void)snprintf(shown, sizeof(shown), "%s", what);
	mask_urls(shown);
	fprintf(stderr, "%s: %s\n", shown, e->msg);
	if (e->hint[0] != '\0')
		fprintf(stderr, "hint: %s\n", e->hint);
	status = (int)e->class;
	pthread_mutex_unlock(&lock);
}

static void
tell(void *ctx, const char *text)
{
	(void)ctx;
	fprintf(stderr, "s3tool: %s\n", text);
}

/* -- commands -------------------------------------------------------------- */

static int
load(const char *file, struct spool *b, struct err *e)
{
	static const size_t piece = 1 << 20;
	uint8_t *p = xmalloc(piece);
	struct stat st;
	uint64_t off = 0;
	ssize_t n = -1;
	int fd = file_open(file, &st, e);

	if (fd != -1)
		while ((n = file_pread(fd, p, piece, off, e)) > 0 &&
		    spool_write(b, p, (size_t)n, e) == 0)
			off += (uint64_t)n;
	file_close(fd);
	free(p);
	return n == 0 ? 0 : -1;
}

static void
put(struct store *s, const char *key, const char *file)
{
	struct staged *staged = NULL;
	struct store_stage st = { .key = key };
	struct spool b;
	struct err e;

	spool_init(&b, "/tmp", 65536);
	st.bytes = &b;
	if (load(file, &b, &e) == -1 ||
	    (staged = s->ops->stage(s, &st, &e)) == NULL) {
		fail(key, &e);
	} else {
		s->ops->publish(s, &staged, 1);
		if (staged->rc == -1)
			fail(key, &staged->e);
		else
			printf("%s\n", key);
		s->ops->drop(s, staged);
	}
	spool_release(&b);
}

struct puts {
	struct store *s;
	char **argv;
};

static void *
put_some(void *ctx)
{
	struct puts *p = ctx;
	char **pair;

	for (;;) {
		pthread_mutex_lock(&lock);
		pair = p->argv;
		if (pair[0] != NULL)
			p->argv += 2;
		pthread_mutex_unlock(&lock);
		if (pair[0] == NULL)
			return NULL;
		put(p->s, pair[0], pair[1]);
	}
}

static void
put_all(struct store *s, char **argv, unsigned jobs)
{
	pthread_t threads[64];
	struct puts p = { s, argv };
	unsigned n;

	for (n = 0; n < jobs && n < 64; n++)
		if (pthread_create(&threads[n], NULL, put_some, &p) != 0)
			break;
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

static int
to_stdout(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)ctx;
	(void)e;
	fwrite(p, 1, n, stdout);
	return 0;
}

static uint64_t
number(const char *s)
{
	return strcmp(s, "-") == 0 ? UINT64_MAX : strtoull(s, NULL, 10);
}

static void
get(struct store *s, char **argv, int argc)
{
	uint64_t off = argc > 2 ? number(argv[1]) : 0;
	uint64_t n = argc > 2 ? number(argv[2]) : UINT64_MAX;
	struct err e;

	if (s->ops->get(s, argv[0], off, n, to_stdout, NULL, &e) == -1)
		fail(argv[0], &e);
}

static int
print_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)ctx;
	(void)e;
	printf("%llu %s\n", (unsigned long long)en->size, en->key);
	return 0;
}

static void
list(struct store *s, const char *prefix, bool delimited)
{
	struct err e;

	if (s3_list(s, prefix, delimited, print_entry, NULL, &e) == -1)
		fail("ls", &e);
}

static void
list_after(struct store *s, const char *prefix, const char *after)
{
	char *at = xstrdup(after), *next = NULL;
	struct err e;

	while (at != NULL) {
		if (s3_list_page(s, prefix, NULL, at, print_entry, NULL, &next,
			&e) == -1)
			fail("ls-after", &e);
		free(at);
		at = next;
	}
}

static void
on_removed(void *ctx, size_t i, int rc, const struct err *e)
{
	printf("%d %s\n", rc, ((char **)ctx)[i]);
	if (rc == -1)
		fail(((char **)ctx)[i], e);
}

static void
remove_keys(struct store *s, char **argv, int argc, bool many)
{
	struct err e;

	if (many)
		(void)s3_remove_many(s, (const char *const *)argv, (size_t)argc,
		    on_removed, argv, &e);
	for (; !many && *argv != NULL; argv++)
		if (s->ops->remove(s, *argv, &e) == -1)
			fail(*argv, &e);
}

static void
probe(struct store *s)
{
	struct err e;
	int rc = s3_probe(s, &e);

	if (rc == -1)
		fail("probe", &e);
	else
		printf("%d\n", rc);
}

static void
whoami(struct store *s)
{
	struct buf b = { 0 };
	struct err e;

	if (s3_whoami(s, &b, &e) == -1)
		fail("whoami", &e);
	fputs(buf_str(&b), stdout);
	buf_release(&b);
}

static void
make_bucket(struct store *s)
{
	struct http_response r = { 0 };
	struct s3_piece none = { .off = 0 };
	struct s3_call c = { .method = "PUT",
		.class = STORE_REQUEST_PUT,
		.key = "",
		.read = s3_piece_read,
		.read_ctx = &none };
	struct err e;

	if (s3_do((struct s3 *)s, &c, &r, &e) == -1)
		fail("mb", &e);
	http_response_release(&r);
}

static void
set_policy(struct store *s, const char *file)
{
	struct http_response r = { 0 };
	struct s3_digest d = { .size = 0 };
	struct s3_piece piece = { .off = 0 };
	struct s3_call c = { .method = "PUT",
		.class = STORE_REQUEST_PUT,
		.key = "",
		.sha256 = d.sha256,
		.read = s3_piece_read,
		.read_ctx = &piece };
	struct spool b;
	struct err e;

	spool_init(&b, "/tmp", 65536);
	piece.bytes = &b;
	s3_param(&c, "policy", "");
	if (load(file, &b, &e) == -1 || s3_digest(&b, 0, b.size, &d, &e) == -1)
		fail(file, &e);
	c.size = b.size;
	if (s3_do((struct s3 *)s, &c, &r, &e) == -1)
		fail(file, &e);
	http_response_release(&r);
	spool_release(&b);
}

static void
command(struct store *s, char **argv, int argc, unsigned jobs)
{
	const char *c = argv[0], *prefix = argc > 1 ? argv[1] : "";

	if (strcmp(c, "put") == 0)
		put_all(s, argv + 1, jobs);
	else if (strcmp(c, "get") == 0)
		get(s, argv + 1, argc - 1);
	else if (strcmp(c, "ls") == 0)
		list(s, prefix, false);
	else if (strcmp(c, "ls-d") == 0)
		list(s, prefix, true);
	else if (strcmp(c, "ls-after") == 0)
		list_after(s, argc > 2 ? argv[2] : "", prefix);
	else if (strcmp(c, "rm") == 0 || strcmp(c, "rm-many") == 0)
		remove_keys(s, argv + 1, argc - 1, c[2] == '-');
	else if (strcmp(c, "probe") == 0)
		probe(s);
	else if (strcmp(c, "whoami") == 0)
		whoami(s);
	else if (strcmp(c, "mb") == 0)
		make_bucket(s);
	else if (strcmp(c, "policy") == 0)
		set_policy(s, prefix);
	else if (strcmp(c, "url") == 0)
		printf("%s\n", s->url);
}

/* -- main ------------------------------------------------------------------ */

static void
print_stats(struct store *s)
{
	struct store_stats x;

	s3_stats(s, &x);
	for (int i = 0; i < STORE_REQUESTS; i++)
		fprintf(stderr, "%s=%llu ", stats_name(i),
		    (unsigned long long)x.requests[i]);
	fprintf(stderr, "retries=%llu slow=%llu\n",
	    (unsigned long long)x.retries, (unsigned long long)x.slow_downs);
}

struct own {
	bool stats, look;
	unsigned jobs, times;
};

static void
take_options(int argc, char **argv, struct store_conf *conf, struct own *own)
{
	struct option longs[64] = { { "stats", no_argument, NULL, 1 },
		{ "look", no_argument, NULL, 2 } };
	struct err e;
	int n = 2, o;

	for (const struct cli_opt *t = store_options; t->name != NULL; t++)
		longs[n++] = (struct option){ t->name,
			t->arg != NULL ? required_argument : no_argument, NULL,
			t->value };
	while ((o = getopt_long(argc, argv, "+j:x:", longs, NULL)) != -1) {
		if (o == 1)
			own->stats = true;
		else if (o == 2)
			own->look = true;
		else if (o == 'j')
			own->jobs = (unsigned)number(optarg);
		else if (o == 'x')
			own->times = (unsigned)number(optarg);
		else if (o == '?')
			exit(2);
		else if (store_conf_take(conf, o, optarg, &e) == -1) {
			fail("usage", &e);
			exit(2);
		}
	}
	if (store_conf_check(conf, &e) == -1 || argc - optind < 2) {
		fail("usage", &e);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	struct store_conf conf = STORE_CONF;
	struct own own = { .jobs = 1, .times = 1 };
	struct store *s;
	struct err e = { .msg = "URL COMMAND ..." };

	stop_on_signals();
	conf.warn = tell;
	conf.debug = tell;
	take_options(argc, argv, &conf, &own);
	s = store_open(argv[optind], STORE_WRITE, false, &conf, &e);
	if (s == NULL) {
		fail(argv[optind], &e);
		return status;
	}
	if (own.look)
		s3_assume(s, STORE_GUARD_IGNORED, INT64_MAX / 2);
	for (; own.times > 0; own.times--)
		command(s, argv + optind + 1, argc - optind - 1, own.jobs);
	if (own.stats)
		print_stats(s);
	store_close(s);
	if (fflush(stdout) != 0)
		status = 74;
	return status;
}
