#include "lib/base/metrics.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/file.h"

#define FILE_MAX ((size_t)256 * 1024)

enum keep { REPLACED, ADDED, KEPT };

static const struct {
	const char *name, *type;
	enum keep keep;
	const char *help;
} table[METRIC_KINDS] = {
	[METRIC_DATABASES] = { "lspp_databases", "gauge", REPLACED,
	    "Databases of the last run, by what became of them." },
	[METRIC_LAST_SUCCESS] = { "lspp_last_success_timestamp_seconds",
	    "gauge", KEPT,
	    "End of the last run with exit status 0, 0 if none." },
	[METRIC_LAST_RUN] = { "lspp_last_run_timestamp_seconds", "gauge",
	    REPLACED, "End of the last run." },
	[METRIC_EXIT_CODE] = { "lspp_last_run_exit_code", "gauge", REPLACED,
	    "Exit status of the last run, 128 and the signal if by one." },
	[METRIC_DURATION] = { "lspp_run_duration_seconds", "gauge", REPLACED,
	    "Length of the last run." },
	[METRIC_REQUESTS] = { "lspp_requests_total", "counter", ADDED,
	    "Requests to object storage, each try by itself." },
	[METRIC_BYTES] = { "lspp_bytes_total", "counter", ADDED,
	    "Bytes of objects sent to the replica and received from it." },
	[METRIC_RETRIES] = { "lspp_retries_total", "counter", ADDED,
	    "Requests that were tries after the first." },
	[METRIC_SNAPSHOTS] = { "lspp_snapshots_total", "counter", ADDED,
	    "Snapshots stored, by why they were due." },
	[METRIC_WAL_MAX] = { "lspp_wal_bytes_max", "gauge", REPLACED,
	    "Size of the largest -wal file that the last run met." },
	[METRIC_OLDEST] = { "lspp_oldest_unshipped_seconds", "gauge", REPLACED,
	    "Age of the oldest write that is not shipped, 0 if none." },
};

/* Append s to the name of a series, as a label's value. */
static void
escape(char *out, size_t size, const char *s)
{
	size_t n = 0;

	for (; *s != '\0' && n + 3 < size; s++) {
		if (*s == '\\' || *s == '"')
			out[n++] = '\\';
		out[n++] = (unsigned char)*s < 0x20 || *s & 0x80 ? '?' : *s;
	}
	out[n] = '\0';
}

void
metrics_add(
    struct metrics *m, enum metric metric, const char *labels, double value)
{
	struct metric_series *s = &m->v[m->n++];
	char program[64];

	assert(m->n <= METRIC_SERIES);
	escape(program, sizeof(program), m->program);
	s->metric = metric;
	s->value = value;
	(void)snprintf(s->name, sizeof(s->name), "%s{program=\"%s\"%s%s}",
	    table[metric].name, program, labels != NULL ? "," : "",
	    labels != NULL ? labels : "");
}

/* -- an earlier file ------------------------------------------------------- */

static bool
parse(char *line, double *value)
{
	char *space = strrchr(line, ' '), *end;

	if (strncmp(line, "lspp_", 5) != 0 || space == NULL || space[1] == '\0')
		return false;
	*space = '\0';
	*value = strtod(space + 1, &end);
	return *end == '\0' && isfinite(*value) && *value >= 0;
}

static struct metric_series *
find(struct metrics *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].name, name) == 0)
			return &m->v[i];
	return NULL;
}

/* Returns how many lines were of series in m, -1 if some are of none. */
static int
merge(struct metrics *m, char *text)
{
	struct metric_series *s;
	int known = 0;
	double value;

	for (char *next; *text != '\0'; text = next) {
		if ((next = strchr(text, '\n')) == NULL)
			return -1;
		*next++ = '\0';
		if (*text == '#')
			continue;
		if (!parse(text, &value))
			return -1;
		if ((s = find(m, text)) == NULL)
			continue;
		known++;
		if (table[s->metric].keep == ADDED)
			s->value += value;
		else if (table[s->metric].keep == KEPT && s->value == 0)
			s->value = value;
	}
	return known;
}

int
metrics_merge(struct metrics *m, const char *path, struct err *e)
{
	struct metrics with = *m;
	struct buf text = { 0 };
	int rc = 0, known;

	if (file_slurp(path, FILE_MAX, &text, e) == -1) {
		rc = e->class == ERR_MISSING ? 0 : -1;
		goto out;
	}
	known = strlen(buf_str(&text)) == text.len && text.len > 0
	    ? merge(&with, (char *)text.data)
	    : -1;
	if (known <= 0)
		rc = err_set(
		    e, ERR_CORRUPT, "not a metrics file of %s", m->program);
	else
		*m = with;
out:
	buf_release(&text);
	return rc;
}

/* -- writing --------------------------------------------------------------- */

static void
format(const struct metrics *m, struct buf *b)
{
	const struct metric_series *s;
	bool first;

	for (unsigned k = 0; k < METRIC_KINDS; k++) {
		first = true;
		for (s = m->v; s < m->v + m->n; s++) {
			if (s->metric != k)
				continue;
			if (first)
				buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n",
				    table[k].name, table[k].help, table[k].name,
				    table[k].type);
			first = false;
			if (s->value == (double)(uint64_t)s->value)
				buf_addf(b, "%s %.0f\n", s->name, s->value);
			else
				buf_addf(b, "%s %.3f\n", s->name, s->value);
		}
	}
}

int
metrics_write(const struct metrics *m, const char *path, struct err *e)
{
	struct buf text = { 0 }, tmp = { 0 };
	int fd, rc;

	format(m, &text);
	path_dir(path, &tmp);
	buf_adds(&tmp, "/.lspp-XXXXXX");
	if ((fd = mkostemp((char *)tmp.data, O_CLOEXEC)) == -1) {
		rc = err_sys(e, "cannot write");
		goto out;
	}
	rc = file_write(fd, text.data, text.len, e);
	if (rc == 0 && fchmod(fd, 0644) == -1)
		rc = err_sys(e, "cannot set the mode");
	if (close(fd) == -1 && rc == 0)
		rc = err_sys(e, "cannot write");
	if (rc == 0 && rename(buf_str(&tmp), path) == -1)
		rc = err_sys(e, "cannot replace");
	if (rc == -1)
		(void)unlink(buf_str(&tmp));
out:
	buf_release(&text);
	buf_release(&tmp);
	return rc;
}
