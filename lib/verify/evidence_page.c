/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page that a person can hand on.
 */
#include <inttypes.h>
#include <sqlite3.h>

#include "lib/base/when.h"
#include "lib/text/human.h"
#include "lib/text/utf8.h"
#include "lib/verify/evidence_impl.h"

#define TOLD 20 /* failures; the others are in the file */

static const char *const proofs[] = {
	[EVIDENCE_NAMES] = "the names, lengths and order of all objects",
	[EVIDENCE_FRAMES] = "every byte decoded, the checksums of its frames",
	[EVIDENCE_CHECKSUM] =
	    "every byte decoded, the checksum of the whole database",
	[EVIDENCE_SQLITE] = "restored to a file that SQLite read whole",
};

static const char *const sources[] = {
	[VERIFY_EQUAL] = "equal to the live database, page for page",
	[VERIFY_BEHIND] = "behind it: it was written to since",
	[VERIFY_WRONG] = "not what the live database is, nor was",
	[VERIFY_AHEAD] = "ahead of it: the live database was put back",
};

static void
heading(struct buf *b, const char *text)
{
	buf_addf(b, "\n%s\n", text);
}

static void
field(struct buf *b, const char *name, const char *text)
{
	buf_addf(b, "  %-12s %s\n", name, text);
}

static void
add_time(struct buf *b, int64_t ns)
{
	if (ns < INT64_C(1000000000))
		buf_addf(b, "%.3fs", (double)(ns > 0 ? ns : 0) / 1e9);
	else
		human_duration(b, (uint64_t)(ns / 1000000000));
}

/* A name may hold anything; on paper it is one line. */
static void
add_name(struct buf *b, const char *s)
{
	size_t n;

	for (; *s != '\0'; s += n) {
		n = utf8_length(s);
		if (n == 0 ||
		    (n == 1 && ((unsigned char)*s < 0x20 || *s == 0x7f))) {
			buf_addf(b, "\\x%02x", (unsigned char)*s);
			n = 1;
		} else {
			buf_add(b, s, n);
		}
	}
}

static void
put_head(
    struct buf *b, const struct evidence_drill *d, const struct evidence_sum *s)
{
	char when[WHEN_SIZE];
	struct buf t = { 0 };

	buf_adds(b, "PROOF OF BACKUPS\n\n");
	field(b, "Began", when_text(d->began_ns, when));
	field(b, "Ended", when_text(d->ended_ns, when));
	if (!d->complete)
		field(b, "", "a signal ended it: it is not complete");
	field(b, "Machine", d->host);
	buf_addf(&t, "lspp %s, SQLite %s", d->version, sqlite3_libversion());
	field(b, "Programs", buf_str(&t));
	buf_reset(&t);
	buf_addf(&t, "%" PRIu64 " databases: %s", s->rows, d->chosen);
	if (d->of > 0)
		buf_addf(&t, " of %" PRIu64, d->of);
	field(b, "Looked at", buf_str(&t));
	buf_reset(&t);
	buf_addf(&t, "%" PRIu64 " sound, %" PRIu64 " failed",
	    s->sound + s->earlier, s->failed);
	if (s->earlier > 0)
		buf_addf(&t, "; of %" PRIu64 " older states may be lost",
		    s->earlier);
	field(b, "Result", buf_str(&t));
	buf_release(&t);
}

static void
put_counts(
    struct buf *b, const uint64_t *n, const char *const *what, int from, int to)
{
	for (int i = to; i >= from; i--)
		if (n[i] > 0)
			buf_addf(b, "  %12" PRIu64 " %s\n", n[i], what[i]);
}

static void
put_restore(
    struct buf *b, const struct evidence_drill *d, const struct evidence_sum *s)
{
	const char *how = evidence_restored(d);
	int64_t took = d->ended_ns - d->began_ns;

	heading(b, "TIME TO RESTORE");
	if (how == NULL || s->rows == 0) {
		buf_adds(b,
		    "  Not measured: nothing was restored. "
		    "--sql restores.\n");
		return;
	}
	buf_addf(b, "  %" PRIu64 " of %" PRIu64 " databases were %s in ",
	    s->sound + s->earlier, s->rows, how);
	add_time(b, took);
	buf_addf(b, ", %u at a time,\n  from ", d->jobs);
	human_bytes(b, (double)s->bytes);
	buf_adds(b, " of objects. The longest took ");
	add_time(b, s->longest_ns);
	buf_adds(b, ":\n  ");
	add_name(b, buf_str(&s->longest));
	buf_adds(b, "\n");
	if (d->of <= s->rows)
		return;
	buf_addf(b, "  All %" PRIu64 " at this pace, an estimate: ", d->of);
	add_time(b, (int64_t)((double)took / (double)s->rows * (double)d->of));
	buf_adds(b, "\n");
}

static void
put_age(struct buf *b, const struct evidence_sum *s)
{
	heading(b, "AGE OF THE NEWEST STATES");
	if (s->sound + s->earlier == 0) {
		buf_adds(b, "  None is sound.\n");
		return;
	}
	buf_adds(b, "  Half of them within ");
	add_time(b, s->age_median_ns);
	buf_adds(b, ", 95 of a hundred within ");
	add_time(b, s->age_most_ns);
	buf_adds(b, ",\n  the oldest ");
	add_time(b, s->age_longest_ns);
	buf_adds(b, ":\n  ");
	add_name(b, buf_str(&s->oldest));
	buf_adds(b,
	    "\n  A database that nobody writes to has an old state, and "
	    "loses nothing\n  by that.\n");
	if (s->source[VERIFY_BEHIND] == 0)
		return;
	buf_adds(b, "  Of those that are behind the oldest is ");
	add_time(b, s->behind_ns);
	buf_adds(b, ".\n");
}

struct told {
	struct buf *b;
	uint64_t n;
};

static int
put_failure(void *ctx, const char *name, const char *why)
{
	struct told *t = ctx;

	if (t->n == TOLD)
		return 1;
	t->n++;
	buf_adds(t->b, "  ");
	add_name(t->b, name);
	buf_adds(t->b, "\n      ");
	add_name(t->b, why);
	buf_adds(t->b, "\n");
	return 0;
}

static int
put_failures(struct evidence *v, const struct evidence_sum *s, struct buf *b,
    struct err *e)
{
	struct told t = { b, 0 };

	if (s->failed == 0)
		return 0;
	heading(b, "FAILED");
	if (evidence_failed(v, put_failure, &t, e) == -1)
		return -1;
	if (t.n < s->failed)
		buf_addf(b, "  and %" PRIu64 " more, which the file names\n",
		    s->failed - t.n);
	return 0;
}

int
evidence_page(struct evidence *v, const struct evidence_drill *d,
    const struct evidence_sum *s, const char *file,
    const char digest[EVIDENCE_DIGEST], struct buf *b, struct err *e)
{
	put_head(b, d, s);
	heading(b, "WHAT WAS PROVED");
	put_counts(b, s->proof, proofs, EVIDENCE_NAMES, EVIDENCE_PROOFS - 1);
	if (d->want.source)
		put_counts(b, s->source, sources, VERIFY_EQUAL, VERIFY_AHEAD);
	put_restore(b, d, s);
	put_age(b, s);
	if (put_failures(v, s, b, e) == -1)
		return -1;
	heading(b, "EACH DATABASE");
	buf_adds(b, "  ");
	add_name(b, file);
	buf_addf(b, "\n  SHA-256 %s\n", digest);
	return 0;
}
