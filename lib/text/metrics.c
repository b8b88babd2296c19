/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "lib/text/utf8.h"

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
	[METRIC_HEALED] = { "lspp_healed_total", "counter", ADDED,
	    "Databases of which pages were shipped that an earlier run had "
	    "taken for unchanged." },
	[METRIC_WAL_MAX] = { "lspp_wal_bytes_max", "gauge", REPLACED,
	    "Size of the largest -wal file that the last run met." },
	[METRIC_OLDEST] = { "lspp_oldest_unshipped_seconds", "gauge", REPLACED,
	    "Age of the oldest write that is not shipped, 0 if none." },
	[METRIC_FLEET] = { "lspp_fleet_databases", "gauge", REPLACED,
	    "Databases that the state knows, by tier." },
	[METRIC_FLEET_WAITING] = { "lspp_fleet_waiting_databases", "gauge",
	    REPLACED, "Databases with writes that are not shipped." },
	[METRIC_FLEET_FAILED] = { "lspp_fleet_failed_databases", "gauge",
	    REPLACED, "Databases that failed when they were last shipped." },
	[METRIC_FLEET_LEFT_OUT] = { "lspp_fleet_left_out_databases", "gauge",
	    REPLACED, "Databases that are there and come in no pass." },
	[METRIC_FLEET_SHRUNK] = { "lspp_fleet_shrunk_databases", "gauge",
	    REPLACED,
	    "Databases that shrank by more than a half, or lost their tables, "
	    "between two ships." },
	[METRIC_FLEET_LAG] = { "lspp_fleet_lag_seconds", "gauge", REPLACED,
	    "Age of the oldest unshipped write, percentiles over databases." },
	[METRIC_FLEET_BYTES] = { "lspp_fleet_bytes", "gauge", REPLACED,
	    "Size of the databases, of their last snapshots, and of the WAL "
	    "behind these, uncompressed." },
	[METRIC_FLEET_DUE] = { "lspp_fleet_snapshots_due", "gauge", REPLACED,
	    "Databases that get a snapshot with their next change, by why." },
	[METRIC_FLEET_UNVERIFIED] = { "lspp_fleet_unverified_databases",
	    "gauge", REPLACED, "Databases that were never verified." },
	[METRIC_FLEET_BROKEN] = { "lspp_fleet_broken_databases", "gauge",
	    REPLACED, "Databases with a broken replica." },
	[METRIC_FLEET_WRONG] = { "lspp_fleet_wrong_databases", "gauge",
	    REPLACED, "Databases whose replica is not what SQLite has." },
	[METRIC_FLEET_AHEAD] = { "lspp_fleet_ahead_databases", "gauge",
	    REPLACED, "Databases that lack what their replica has." },
	[METRIC_FLEET_HEALED] = { "lspp_fleet_healed_databases", "gauge",
	    REPLACED,
	    "Databases of which pages were shipped late, not compared since." },
	[METRIC_FLEET_VERIFIED] = { "lspp_fleet_verified_timestamp_seconds",
	    "gauge", REPLACED,
	    "Verification longest ago of those ever verified, 0 if none." },
	[METRIC_FLEET_PASS] = { "lspp_fleet_last_pass_timestamp_seconds",
	    "gauge", REPLACED,
	    "Begin of the last pass over the fleet, 0 if none." },
	[METRIC_FLEET_SEEN] = { "lspp_fleet_last_pass_databases", "gauge",
	    REPLACED, "Databases that the last pass over the fleet saw." },
	[METRIC_GROUPS] = { "lspp_groups", "gauge", REPLACED,
	    "Groups of databases by directory; some may be summed up." },
	[METRIC_GROUP] = { "lspp_group_databases", "gauge", REPLACED,
	    "Databases of a group." },
	[METRIC_GROUP_WAITING] = { "lspp_group_waiting_databases", "gauge",
	    REPLACED, "Databases of a group with unshipped writes." },
	[METRIC_GROUP_FAILED] = { "lspp_group_failed_databases", "gauge",
	    REPLACED, "Databases of a group that failed when last shipped." },
	[METRIC_GROUP_OLDEST] = { "lspp_group_oldest_unshipped_seconds",
	    "gauge", REPLACED,
	    "Age of the oldest unshipped write of a group." },
	[METRIC_GROUP_BYTES] = { "lspp_group_bytes", "gauge", REPLACED,
	    "Size of the databases of a group." },
	[METRIC_PRUNED] = { "lspp_pruned_objects_total", "counter", ADDED,
	    "Objects deleted from the replica, by why." },
	[METRIC_PRUNED_BYTES] = { "lspp_pruned_bytes_total", "counter", ADDED,
	    "Bytes of objects deleted from the replica, by why." },
	[METRIC_UNVERIFIED] = { "lspp_oldest_unverified_seconds", "gauge",
	    REPLACED,
	    "Since the database unverified for longest was verified, of those "
	    "that ever were." },
};

void
metrics_label(struct buf *labels, const char *name, const char *value)
{
	const char *s = value;
	size_t n;

	buf_addf(labels, "%s%s=\"", labels->len > 0 ? "," : "", name);
	for (; *s != '\0'; s += n) {
		n = utf8_length(s);
		if (n == 0 || (unsigned char)*s < 0x20 || *s == '%') {
			buf_addf(labels, "%%%02X", (unsigned char)*s);
			n = 1;
		} else if (*s == '\\' || *s == '"') {
			buf_addf(labels, "\\%c", *s);
		} else {
			buf_add(labels, s, n);
		}
	}
	buf_add(labels, "\"", 1);
}

void
metrics_add(
    struct metrics *m, enum metric metric, const char *labels, double value)
{
	struct metric_series *s;
	struct buf all = { 0 };

	if (m->n == m->room) {
		m->room = m->room > 0 ? 2 * m->room : 40;
		m->v = xrealloc(m->v, m->room * sizeof(*m->v));
	}
	s = &m->v[m->n++];
	metrics_label(&all, "program", m->program);
	if (m->job != NULL)
		metrics_label(&all, "job_name", m->job);
	s->metric = metric;
	s->value = value;
	s->name = xasprintf("%s{%s%s%s}", table[metric].name, buf_str(&all),
	    labels != NULL ? "," : "", labels != NULL ? labels : "");
	buf_release(&all);
}

void
metrics_databases(struct metrics *m, const char *state, uint64_t n)
{
	struct buf labels = { 0 };

	metrics_label(&labels, "state", state);
	metrics_add(m, METRIC_DATABASES, buf_str(&labels), (double)n);
	buf_release(&labels);
}

void
metrics_release(struct metrics *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].name);
	free(m->v);
	m->v = NULL;
	m->n = m->room = 0;
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

/* Returns how many lines were of series in m, -1 if some are no series at all.
 * m changes with 'really' alone. */
static int
merge(struct metrics *m, char *text, bool really)
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
		if (!really)
			continue;
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
	struct buf text = { 0 }, again = { 0 };
	int rc = 0;

	if (file_slurp(path, FILE_MAX, &text, e) == -1) {
		rc = e->class == ERR_MISSING ? 0 : -1;
		goto out;
	}
	buf_adds(&again, buf_str(&text));
	if (again.len == text.len && text.len > 0 &&
	    merge(m, (char *)text.data, false) > 0)
		(void)merge(m, (char *)again.data, true);
	else
		rc = err_set(
		    e, ERR_CORRUPT, "not a metrics file of %s", m->program);
out:
	buf_release(&text);
	buf_release(&again);
	return rc;
}

/* -- writing --------------------------------------------------------------- */

void
metrics_text(const struct metrics *m, struct buf *b)
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
	struct buf text = { 0 };
	int rc;

	metrics_text(m, &text);
	rc = file_replace(path, text.data, text.len, 0644, e);
	buf_release(&text);
	return rc;
}
