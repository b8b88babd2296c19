/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verify/evidence.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/text/json_write.h"
#include "lib/verify/evidence_impl.h"

#define PIECE ((size_t)64 * 1024)
#define MS    INT64_C(1000000)

/* As the queries have it. */
_Static_assert(VERIFY_BEHIND == 2, "source = 2 is behind");

struct evidence {
	sqlite3 *db;
	sqlite3_stmt *add;
};

static const char *const proofs[] = { [EVIDENCE_NONE] = NULL,
	[EVIDENCE_NAMES] = "names",
	[EVIDENCE_FRAMES] = "frames",
	[EVIDENCE_CHECKSUM] = "checksum",
	[EVIDENCE_SQLITE] = "sqlite" };

static const char *const sources[] = { [VERIFY_NOT_COMPARED] = NULL,
	[VERIFY_EQUAL] = "equal",
	[VERIFY_BEHIND] = "behind",
	[VERIFY_WRONG] = "wrong",
	[VERIFY_AHEAD] = "ahead" };

static int
failed(struct evidence *v, struct err *e)
{
	return err_set(e, ERR_IO, "temporary database: %s",
	    v->db != NULL ? sqlite3_errmsg(v->db) : "no memory");
}

struct evidence *
evidence_new(struct err *e)
{
	struct evidence *v = xcalloc(1, sizeof(*v));

	/* Without a name: a file of SQLite's that goes when it is closed. */
	if (sqlite3_open_v2("", &v->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX,
		NULL) == SQLITE_OK &&
	    sqlite3_exec(v->db,
		"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
		"PRAGMA cache_size = -1024;"
		"CREATE TABLE look(replica BLOB, name BLOB, generation TEXT,"
		" proof INTEGER, source INTEGER, earlier INTEGER, why BLOB,"
		" as_of_ns INTEGER, at_ns INTEGER, took_ns INTEGER,"
		" bytes INTEGER,"
		" age_ns INTEGER AS (max(at_ns - as_of_ns, 0))); BEGIN",
		NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(v->db,
		"INSERT INTO look VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1,
		&v->add, NULL) == SQLITE_OK)
		return v;
	failed(v, e);
	evidence_free(v);
	return NULL;
}

void
evidence_free(struct evidence *v)
{
	if (v == NULL)
		return;
	sqlite3_finalize(v->add);
	sqlite3_close(v->db);
	free(v);
}

/* Bytes of any kind; with their NUL, so that they come back as a text. */
static void
bind(sqlite3_stmt *q, int at, const char *s)
{
	if (s == NULL)
		sqlite3_bind_null(q, at);
	else
		sqlite3_bind_blob(q, at, s, (int)strlen(s) + 1, SQLITE_STATIC);
}

int
evidence_add(struct evidence *v, const struct evidence_row *row, struct err *e)
{
	sqlite3_stmt *q = v->add;
	int rc;

	bind(q, 1, row->replica);
	bind(q, 2, row->name);
	bind(q, 3, row->generation);
	sqlite3_bind_int(q, 4, row->proof);
	sqlite3_bind_int(q, 5, row->source);
	sqlite3_bind_int(q, 6, row->earlier);
	bind(q, 7, row->why);
	sqlite3_bind_int64(q, 8, row->as_of_ns);
	sqlite3_bind_int64(q, 9, row->at_ns);
	sqlite3_bind_int64(q, 10, row->took_ns);
	sqlite3_bind_int64(q, 11, (sqlite3_int64)row->bytes);
	rc = sqlite3_step(q);
	sqlite3_reset(q);
	return rc == SQLITE_DONE ? 0 : failed(v, e);
}

/* Each row that sql finds to each(), until that returns other than 0. */
static int
query(struct evidence *v, const char *sql,
    int (*each)(void *ctx, sqlite3_stmt *q, struct err *e), void *ctx,
    struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc = 0, step = SQLITE_ERROR;

	if (sqlite3_prepare_v2(v->db, sql, -1, &q, NULL) == SQLITE_OK)
		while (rc == 0 && (step = sqlite3_step(q)) == SQLITE_ROW)
			rc = each(ctx, q, e);
	if (rc == 0 && step != SQLITE_DONE)
		rc = failed(v, e);
	sqlite3_finalize(q);
	return rc == -1 ? -1 : 0;
}

/* -- what they come to ----------------------------------------------------- */

static int
count_kind(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct evidence_sum *s = ctx;
	uint64_t n = (uint64_t)sqlite3_column_int64(q, 4);
	bool sound = sqlite3_column_int(q, 2) == 0;
	bool earlier = sqlite3_column_int(q, 3) != 0;

	(void)e;
	s->rows += n;
	s->bytes += (uint64_t)sqlite3_column_int64(q, 5);
	s->proof[sqlite3_column_int(q, 0)] += n;
	s->source[sqlite3_column_int(q, 1)] += n;
	if (!sound)
		s->failed += n;
	else if (earlier)
		s->earlier += n;
	else
		s->sound += n;
	return 0;
}

struct one {
	int64_t *ns;
	struct buf *name; /* or NULL */
};

static int
take_one(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct one *one = ctx;

	(void)e;
	*one->ns = sqlite3_column_int64(q, 0);
	if (one->name != NULL && sqlite3_column_blob(q, 1) != NULL)
		buf_adds(one->name, sqlite3_column_blob(q, 1));
	return 0;
}

/* The age at which so many hundredths of those that are sound are younger. */
static int
quantile(struct evidence *v, unsigned hundredths, uint64_t n, int64_t *ns,
    struct err *e)
{
	struct one one = { ns, NULL };
	uint64_t at = n * hundredths / 100;
	char *sql = xasprintf("SELECT age_ns FROM look WHERE why IS NULL"
			      " ORDER BY age_ns LIMIT 1 OFFSET %llu",
	    (unsigned long long)(at < n ? at : n - 1));
	int rc = query(v, sql, take_one, &one, e);

	free(sql);
	return rc;
}

static int
evidence_sum(struct evidence *v, struct evidence_sum *s, struct err *e)
{
	uint64_t n;

	*s = (struct evidence_sum){ 0 };
	if (query(v,
		"SELECT proof, source, why IS NOT NULL, earlier, count(*),"
		" sum(bytes) FROM look GROUP BY 1, 2, 3, 4",
		count_kind, s, e) == -1 ||
	    query(v,
		"SELECT took_ns, name FROM look"
		" ORDER BY took_ns DESC, replica, name LIMIT 1",
		take_one, &(struct one){ &s->longest_ns, &s->longest },
		e) == -1)
		return -1;
	if ((n = s->sound + s->earlier) == 0)
		return 0;
	if (quantile(v, 50, n, &s->age_median_ns, e) == -1 ||
	    quantile(v, 95, n, &s->age_most_ns, e) == -1 ||
	    query(v,
		"SELECT age_ns, name FROM look WHERE why IS NULL"
		" ORDER BY age_ns DESC, replica, name LIMIT 1",
		take_one, &(struct one){ &s->age_longest_ns, &s->oldest },
		e) == -1)
		return -1;
	return query(v,
	    "SELECT ifnull(max(age_ns), 0) FROM look"
	    " WHERE why IS NULL AND source = 2",
	    take_one, &(struct one){ &s->behind_ns, NULL }, e);
}

static void
evidence_sum_release(struct evidence_sum *sum)
{
	buf_release(&sum->oldest);
	buf_release(&sum->longest);
}

struct failures {
	int (*each)(void *ctx, const char *name, const char *why);
	void *ctx;
};

static int
tell_failure(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct failures *f = ctx;

	(void)e;
	return f->each(
	    f->ctx, sqlite3_column_blob(q, 0), sqlite3_column_blob(q, 1));
}

int
evidence_failed(struct evidence *v,
    int (*each)(void *ctx, const char *name, const char *why), void *ctx,
    struct err *e)
{
	struct failures f = { each, ctx };

	return query(v,
	    "SELECT name, why FROM look WHERE why IS NOT NULL"
	    " ORDER BY replica, name",
	    tell_failure, &f, e);
}

const char *
evidence_restored(const struct evidence_drill *d)
{
	if (d->want.sql)
		return "restored";
	return d->want.deep ? "decoded" : NULL;
}

/* -- JSON ------------------------------------------------------------------ */

static void
put_ms(struct buf *b, const char *name, int64_t ns)
{
	json_number(b, name, (uint64_t)((ns > 0 ? ns : 0) / MS));
}

static void
put_drill(struct buf *b, const struct evidence_drill *d)
{
	json_number(b, "report", 1);
	json_text(b, "lspp", d->version);
	json_text(b, "sqlite", sqlite3_libversion());
	json_text(b, "host", d->host);
	json_time(b, "began", d->began_ns);
	json_time(b, "ended", d->ended_ns);
	json_bool(b, "complete", d->complete);
	json_begin(b, "asked");
	json_text(b, "databases", d->chosen);
	if (d->of > 0)
		json_number(b, "of", d->of);
	else
		json_null(b, "of");
	json_bool(b, "deep", d->want.deep);
	json_bool(b, "sql", d->want.sql);
	json_bool(b, "against_source", d->want.source);
	json_bool(b, "newest", d->want.newest);
	json_end(b);
}

static void
put_counts(struct buf *b, const struct evidence_sum *s)
{
	json_begin(b, "counts");
	json_number(b, "looked_at", s->rows);
	json_number(b, "sound", s->sound);
	json_number(b, "earlier", s->earlier);
	json_number(b, "failed", s->failed);
	json_end(b);
	json_begin(b, "proved");
	for (int i = EVIDENCE_NAMES; i < EVIDENCE_PROOFS; i++)
		json_number(b, proofs[i], s->proof[i]);
	json_end(b);
	json_begin(b, "source");
	for (int i = VERIFY_EQUAL; i <= VERIFY_AHEAD; i++)
		json_number(b, sources[i], s->source[i]);
	json_end(b);
}

static void
put_measures(
    struct buf *b, const struct evidence_drill *d, const struct evidence_sum *s)
{
	json_begin(b, "restore");
	json_text(b, "how", evidence_restored(d));
	put_ms(b, "took_ms", d->ended_ns - d->began_ns);
	json_number(b, "jobs", d->jobs);
	json_number(b, "bytes", s->bytes);
	put_ms(b, "longest_ms", s->longest_ns);
	json_text(b, "longest", s->rows > 0 ? buf_str(&s->longest) : NULL);
	json_end(b);
	json_begin(b, "age");
	put_ms(b, "median_ms", s->age_median_ns);
	put_ms(b, "most_ms", s->age_most_ns);
	put_ms(b, "longest_ms", s->age_longest_ns);
	json_text(b, "oldest", s->oldest.len > 0 ? buf_str(&s->oldest) : NULL);
	put_ms(b, "behind_ms", s->behind_ns);
	json_end(b);
}

struct rows {
	struct evidence_file *f;
	bool any;
};

static void
put_row_time(struct buf *b, const char *name, int64_t ns)
{
	if (ns > 0)
		json_time(b, name, ns);
	else
		json_null(b, name);
}

static int
put_row(void *ctx, sqlite3_stmt *q, struct err *e)
{
	struct rows *r = ctx;
	struct buf *b = &r->f->b;
	bool bad = sqlite3_column_type(q, 6) != SQLITE_NULL;

	buf_adds(b, r->any ? ",\n{" : "\n{");
	r->any = true;
	json_text(b, "replica", sqlite3_column_blob(q, 0));
	json_text(b, "database", sqlite3_column_blob(q, 1));
	json_text(b, "generation", sqlite3_column_blob(q, 2));
	json_text(b, "result",
	    bad                                 ? "failed"
		: sqlite3_column_int(q, 5) != 0 ? "earlier"
						: "sound");
	json_text(b, "proof", proofs[sqlite3_column_int(q, 3)]);
	json_text(b, "source", sources[sqlite3_column_int(q, 4)]);
	json_text(b, "why", sqlite3_column_blob(q, 6));
	put_row_time(b, "as_of", sqlite3_column_int64(q, 7));
	put_row_time(b, "at", sqlite3_column_int64(q, 8));
	put_ms(b, "took_ms", sqlite3_column_int64(q, 9));
	json_number(b, "bytes", (uint64_t)sqlite3_column_int64(q, 10));
	json_end(b);
	return b->len < PIECE ? 0 : evidence_flush(r->f, e);
}

static int
put_json(struct evidence *v, const struct evidence_drill *d,
    const struct evidence_sum *s, struct evidence_file *f, struct err *e)
{
	struct rows rows = { f, false };

	json_begin(&f->b, NULL);
	put_drill(&f->b, d);
	put_counts(&f->b, s);
	put_measures(&f->b, d, s);
	buf_adds(&f->b, ",\"databases\":[");
	if (query(v, "SELECT * FROM look ORDER BY replica, name", put_row,
		&rows, e) == -1)
		return -1;
	buf_adds(&f->b, "\n]}\n");
	return evidence_flush(f, e);
}

/* -- the three files ------------------------------------------------------- */

static int
put_page(struct evidence *v, const struct evidence_drill *d,
    const struct evidence_sum *s, const char *file, struct evidence_file *json,
    struct evidence_file *page, struct err *e)
{
	char digest[EVIDENCE_DIGEST];

	if (evidence_digest(json, digest, e) == -1)
		return -1;
	return evidence_page(v, d, s, file, digest, &page->b, e);
}

/* An old signature beside a new file would be taken for one of it. */
static int
publish(struct evidence_file *json, struct evidence_file *page,
    struct evidence_file *sig, const char *file, struct err *e)
{
	char *old = xasprintf("%s.sig", file);
	int rc = evidence_remove(old, e);

	free(old);
	if (rc == -1 || evidence_publish(json, e) == -1 ||
	    evidence_publish(page, e) == -1)
		return -1;
	return sig->fd == -1 ? 0 : evidence_publish(sig, e);
}

int
evidence_write(struct evidence *v, const struct evidence_drill *d,
    const char *file, const char *key, struct err *e)
{
	struct evidence_file json = { .fd = -1 }, page = json, sig = json;
	struct evidence_sum s = { 0 };
	int rc = -1;

	if (evidence_sum(v, &s, e) == 0 &&
	    evidence_create(&json, file, "", d->mode, e) == 0 &&
	    put_json(v, d, &s, &json, e) == 0 &&
	    evidence_create(&page, file, ".txt", d->mode, e) == 0 &&
	    put_page(v, d, &s, file, &json, &page, e) == 0 &&
	    (key == NULL ||
		(evidence_create(&sig, file, ".sig", d->mode, e) == 0 &&
		    evidence_sign(&json, key, &sig.b, e) == 0)))
		rc = publish(&json, &page, &sig, file, e);
	evidence_close(&json);
	evidence_close(&page);
	evidence_close(&sig);
	evidence_sum_release(&s);
	return rc;
}
