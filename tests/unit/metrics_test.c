/* SPDX-License-Identifier: Apache-2.0 */
/* The file of metrics: what is written, what is read again. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "lib/text/metrics.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/metrics_test.XXXXXX";

static const char want[] =
    "# HELP lspp_databases Databases of the last run, by what became of "
    "them.\n"
    "# TYPE lspp_databases gauge\n"
    "lspp_databases{program=\"a\\\"b\",state=\"seen\"} 3\n"
    "lspp_databases{program=\"a\\\"b\",state=\"failed\"} 0\n"
    "# HELP lspp_last_success_timestamp_seconds End of the last run with exit "
    "status 0, 0 if none.\n"
    "# TYPE lspp_last_success_timestamp_seconds gauge\n"
    "lspp_last_success_timestamp_seconds{program=\"a\\\"b\"} 1764000000\n"
    "# HELP lspp_run_duration_seconds Length of the last run.\n"
    "# TYPE lspp_run_duration_seconds gauge\n"
    "lspp_run_duration_seconds{program=\"a\\\"b\"} 1.250\n"
    "# HELP lspp_bytes_total Bytes of objects sent to the replica and "
    "received from it.\n"
    "# TYPE lspp_bytes_total counter\n"
    "lspp_bytes_total{program=\"a\\\"b\",dir=\"sent\"} 4503599627370496\n";

static void
fill(struct metrics *m, double success)
{
	metrics_release(m);
	m->program = "a\"b";
	/* Not in the order of the file. */
	metrics_add(m, METRIC_DATABASES, "state=\"seen\"", 3);
	metrics_add(m, METRIC_BYTES, "dir=\"sent\"", (double)(1LL << 52));
	metrics_add(m, METRIC_LAST_SUCCESS, NULL, success);
	metrics_add(m, METRIC_DURATION, NULL, 1.25);
	metrics_add(m, METRIC_DATABASES, "state=\"failed\"", 0);
}

static void
test_file(const char *path)
{
	struct metrics m = { 0 };
	struct buf got = { 0 };
	struct stat st;
	struct err e;

	fill(&m, 1764000000);
	is_int(metrics_merge(&m, path, &e), 0, "there is no file yet");
	is_int(metrics_write(&m, path, &e), 0, "written");
	is_int(file_slurp(path, 1 << 20, &got, &e), 0, "read");
	is_str(buf_str(&got), want, "the series of one name are together");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0644, "for all");

	fill(&m, 0);
	is_int(metrics_merge(&m, path, &e), 0, "gone on from");
	is_int((long long)m.v[0].value, 3, "a gauge is of this run");
	is_int((long long)m.v[1].value, 1LL << 53, "a counter is added up");
	is_int((long long)m.v[2].value, 1764000000, "a success is remembered");
	fill(&m, 1764000060);
	is_int(metrics_merge(&m, path, &e), 0, "gone on from");
	is_int((long long)m.v[2].value, 1764000060, "until the next");
	buf_release(&got);
	metrics_release(&m);
}

static void
test_labels(void)
{
	struct buf b = { 0 };

	metrics_label(&b, "a", "x/\xc3\xa9\\\"");
	metrics_label(&b, "b", "\xff%\n");
	is_str(buf_str(&b), "a=\"x/\xc3\xa9\\\\\\\"\",b=\"%FF%25%0A\"",
	    "bytes that are no text, and what ends a value");
	buf_release(&b);
}

static void
test_broken(const char *path)
{
	static const char *const texts[] = {
		"", "lspp_databases",
		"lspp_databases{program=\"a\\\"b\",state=\"seen\"} 3",
		"lspp_databases{program=\"a\\\"b\",state=\"seen\"} \n",
		"lspp_databases{program=\"a\\\"b\",state=\"seen\"} x\n",
		"lspp_databases{program=\"a\\\"b\",state=\"seen\"} -1\n",
		"lspp_databases{program=\"a\\\"b\",state=\"seen\"} nan\n",
		"lspp_databases{program=\"a\\\"b\",state=\"seen\"} 3\n\n",
		"lspp_databases{program=\"other\",state=\"seen\"} 3\n",
		"lspp_bytes_total{program=\"a\\\"b\",dir=\"sent\"} 7\nelse 3\n"
	};
	struct metrics m = { 0 };
	struct err e;
	FILE *f;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if ((f = fopen(path, "w")) == NULL ||
		    fputs(texts[i], f) == EOF || fclose(f) == EOF)
			perror(path);
		fill(&m, 0);
		is_int(
		    metrics_merge(&m, path, &e), -1, "refused: %s", texts[i]);
		is_int(e.class, ERR_CORRUPT, "as what it is");
		is_int((long long)m.v[1].value, 1LL << 52, "nothing is taken");
	}
	metrics_release(&m);
}

int
main(void)
{
	char *path, *none;
	struct metrics m = { 0 };
	struct err e;

	if (mkdtemp(dir) == NULL)
		return 1;
	path = xasprintf("%s/x.prom", dir);
	none = xasprintf("%s/none/x.prom", dir);
	test_file(path);
	test_broken(path);
	test_labels();
	fill(&m, 0);
	is_int(metrics_write(&m, none, &e), -1, "no such directory");
	is_int(e.class, ERR_MISSING, "is said");
	is_int(unlink(path), 0, "one file");
	is_int(rmdir(dir), 0, "and nothing else is left");
	metrics_release(&m);
	free(path);
	free(none);
	return done();
}
