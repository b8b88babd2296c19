/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --html: the fleet as one page, that needs nothing from elsewhere.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bin/stat/stat.h"
#include "bin/stat/stat_page.h"
#include "lib/base/when.h"
#include "lib/sys/file.h"
#include "lib/text/human.h"
#include "lib/text/utf8.h"

/* -- text ------------------------------------------------------------------ */

/* Is the character of n bytes at s one that may stand in a page? */
static bool
is_plain(const char *s, size_t n)
{
	unsigned char c = (unsigned char)s[0],
		      d = n > 1 ? (unsigned char)s[1] : 0;

	if (n == 1)
		return c >= 0x20 && c != 0x7f;
	if (n == 2)
		return c != 0xc2 || d >= 0xa0; /* no controls */
	if (n == 3 && c == 0xef && d == 0xbf)
		return (unsigned char)s[2] < 0xbe; /* U+FFFE, U+FFFF */
	return n > 0;
}

/* Bytes of others: nothing of them is markup, and all of them are seen. */
static void
text(struct buf *b, const char *s)
{
	size_t n;

	for (; *s != '\0'; s += n) {
		n = utf8_length(s);
		if (!is_plain(s, n)) {
			n = 1;
			buf_addf(b, "<i>\\x%02x</i>", (unsigned char)*s);
		} else if (*s == '&') {
			buf_adds(b, "&amp;");
		} else if (*s == '<') {
			buf_adds(b, "&lt;");
		} else if (*s == '>') {
			buf_adds(b, "&gt;");
		} else if (*s == '"') {
			buf_adds(b, "&quot;");
		} else if (*s == '\'') {
			buf_adds(b, "&#39;");
		} else {
			buf_add(b, s, n);
		}
	}
}

static void
path(struct buf *b, const char *s)
{
	buf_adds(b, "<bdi class=path>");
	text(b, s);
	buf_adds(b, "</bdi>");
}

/* "1,234,567" */
static void
number(struct buf *b, uint64_t n)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	for (int i = 0; i < len; i++)
		buf_addf(b, "%s%c", i > 0 && (len - i) % 3 == 0 ? "," : "",
		    digits[i]);
}

static void
duration(struct buf *b, int64_t ns)
{
	human_duration(b, stat_seconds(ns));
}

/* -- the parts ------------------------------------------------------------- */

/* As old as a database may be before it is unhealthy, and no less than what a
 * page that is made each minute is. */
static int64_t
oldest_s(const struct stat_run *r)
{
	const int64_t least = 120, s = r->max_lag_ns / 1000000000;

	return s < least ? least : s;
}

static void
put_head(const struct stat_run *r, struct buf *b)
{
	struct buf why = { 0 };
	bool healthy = stat_is_healthy(r, &why);
	char now[WHEN_SIZE];

	buf_adds(b, stat_page_head);
	buf_addf(b, "<header><h1>lspp fleet</h1><p class=\"state %s\">%s</p>",
	    healthy ? "ok" : "bad", healthy ? "Healthy" : "Needs attention");
	if (!healthy) {
		buf_adds(b, "<p class=why>");
		text(b, buf_str(&why));
		buf_adds(b, "</p>");
	}
	buf_adds(b,
	    "<p class=\"why stale\">This page is old: what makes it does not "
	    "run any more</p>");
	when_text(r->conf.now_ns, now);
	buf_addf(b,
	    "<p class=dim>As of <time datetime=\"%s\" data-most=%" PRId64
	    ">%s</time><span class=age></span>",
	    now, oldest_s(r), now);
	buf_adds(b, "; last pass ");
	stat_ago(r, b, r->fleet.life_ns);
	if (r->fleet.life_ns != 0)
		buf_adds(b, " before");
	if (r->fleet.seen_known) {
		buf_adds(b, ", it saw ");
		number(b, r->fleet.seen);
	}
	buf_adds(b, "</p></header>\n<main>\n");
	buf_release(&why);
}

static void
begin_card(struct buf *b, const char *name, bool bad)
{
	buf_addf(b, "<div class=\"card%s\"><dt>%s</dt><dd>", bad ? " bad" : "",
	    name);
}

static void
card(struct buf *b, const char *name, uint64_t n, bool bad)
{
	begin_card(b, name, bad);
	number(b, n);
	buf_adds(b, "</dd></div>\n");
}

static void
put_cards(const struct stat_run *r, struct buf *b)
{
	const struct stat_sum *s = &r->fleet.sum;

	buf_adds(b, "<dl class=cards>\n");
	card(b, "databases", s->databases, false);
	card(b, "waiting", s->waiting, false);
	begin_card(b, "longest lag", s->lag_max_ns > r->max_lag_ns);
	duration(b, s->lag_max_ns);
	buf_adds(b, "<small>p99 ");
	duration(b, s->lag_p99_ns);
	buf_adds(b, ", p50 ");
	duration(b, s->lag_p50_ns);
	buf_adds(b, "</small></dd></div>\n");
	card(b, "failed", s->failed, s->failed > r->max_failed);
	card(b, "lost", s->tier[STAT_LOST], s->tier[STAT_LOST] > 0);
	card(b, "left out", s->left_out, false);
	card(b, "shrunk", s->shrunk, false);
	begin_card(b, "size", false);
	human_bytes(b, (double)s->size);
	buf_adds(b, "<small>snapshots ");
	human_bytes(b, (double)s->snapshots);
	buf_adds(b, ", WAL ");
	human_bytes(b, (double)s->wal);
	buf_adds(b, "</small></dd></div>\n");
	card(b, "snapshots due",
	    s->due[STAT_INTERVAL] + s->due[STAT_WAL] + s->due[STAT_SEGMENTS],
	    false);
	begin_card(b, "never verified", false);
	number(b, s->unverified);
	if (s->verified_ns != 0) {
		buf_adds(b, "<small>the others within ");
		stat_ago(r, b, s->verified_ns);
		buf_adds(b, "</small>");
	}
	buf_adds(b, "</dd></div>\n");
	card(b, "broken", s->broken, s->broken > 0);
	card(b, "wrong", s->wrong, s->wrong > 0);
	card(b, "ahead", s->ahead, s->ahead > 0);
	card(b, "healed", s->healed, s->healed > 0);
	buf_adds(b, "</dl>\n");
}

/* A bar of the tiers; what is there is seen, however few. */
static void
put_tiers(const struct stat_run *r, struct buf *b)
{
	static const enum stat_tier order[] = { STAT_COLD, STAT_HOT, STAT_NEW,
		STAT_LOST, STAT_GONE };
	const struct stat_sum *s = &r->fleet.sum;
	double all = (double)(s->databases + s->tier[STAT_GONE]), x = 0, w;

	buf_adds(b,
	    "<section><h2>Tiers</h2>\n"
	    "<svg class=bar viewBox=\"0 0 1000 28\" "
	    "preserveAspectRatio=none aria-hidden=true>");
	for (size_t i = 0; i < STAT_TIERS; i++) {
		if (s->tier[order[i]] == 0)
			continue;
		w = (double)s->tier[order[i]] / all * 1000;
		w = w < 6 ? 6 : w;
		if (x + w > 1000)
			x = 1000 - w;
		buf_addf(b,
		    "<rect class=%s x=\"%.1f\" width=\"%.1f\" height=28 />",
		    stat_tier_name[order[i]], x, w);
		x += w;
	}
	buf_adds(b, "</svg>\n<p class=legend>");
	for (size_t i = 0; i < STAT_TIERS; i++) {
		buf_addf(b, "<span class=%s>%s ", stat_tier_name[order[i]],
		    stat_tier_name[order[i]]);
		number(b, s->tier[order[i]]);
		buf_adds(b, "</span> ");
	}
	buf_adds(b, "</p></section>\n");
}

static void
put_lags(const struct stat_run *r, struct buf *b)
{
	const uint64_t *lag = r->fleet.lag;
	uint64_t most = 1;
	double h;

	if (r->fleet.sum.waiting == 0)
		return;
	for (int i = 0; i < STAT_LAGS; i++)
		most = lag[i] > most ? lag[i] : most;
	buf_adds(b,
	    "<section><h2>Waiting, by lag</h2>\n"
	    "<svg class=hist viewBox=\"0 0 350 120\" role=img "
	    "aria-label=\"Databases by lag\">");
	for (int i = 0; i < STAT_LAGS; i++) {
		h = (double)lag[i] / (double)most * 80;
		if (lag[i] > 0 && h < 2)
			h = 2;
		buf_addf(b,
		    "<rect x=\"%d\" y=\"%.1f\" width=40 height=\"%.1f\" "
		    "rx=2 /><text x=\"%d\" y=\"%.1f\">",
		    i * 50 + 5, 98 - h, h, i * 50 + 25, 94 - h);
		if (lag[i] > 0)
			number(b, lag[i]);
		buf_addf(b, "</text><text class=dim x=\"%d\" y=114>%s%s</text>",
		    i * 50 + 25, i < STAT_LAGS - 1 ? "&le; " : "",
		    stat_lag_name[i]);
	}
	buf_adds(b, "</svg></section>\n");
}

static void
put_errors(const struct stat_run *r, struct buf *b)
{
	const struct stat_fleet *f = &r->fleet;
	const struct stat_error *x;

	if (f->n_errors == 0)
		return;
	buf_adds(b, "<section><h2>Last errors</h2>\n<ul>\n");
	for (x = f->error; x < f->error + f->n_errors; x++) {
		buf_addf(b, "<li><p class=msg>%s", x->lost ? "lost: " : "");
		text(b, x->msg);
		buf_adds(b, "</p><p class=dim><b>");
		number(b, x->n);
		buf_adds(b, "</b> for ");
		stat_ago(r, b, x->failing_ns);
		buf_adds(b, ", last ");
		stat_ago(r, b, x->failed_ns);
		buf_adds(b, " ago</p>");
		if (x->path[0] != '\0')
			path(b, x->path);
		buf_adds(b, "</li>\n");
	}
	if (f->other_errors > 0) {
		buf_adds(b, "<li class=dim>");
		number(b, f->other_errors);
		buf_adds(b, " for other reasons</li>\n");
	}
	buf_adds(b, "</ul></section>\n");
}

static void
finding(struct buf *b, const char *what, const char *msg)
{
	buf_addf(b, "<p class=msg>%s", what);
	text(b, msg);
	buf_adds(b, "</p>");
}

static void
put_db(const struct stat_run *r, const struct stat_db *d, struct buf *b)
{
	buf_adds(b, "<li>");
	path(b, d->path);
	buf_adds(b, "<p class=dim>");
	if (d->waits) {
		buf_adds(b, "<b>waiting for ");
		stat_ago(r, b, d->since_ns);
		buf_adds(b, "</b>, ");
	}
	human_bytes(b, (double)d->size);
	if (d->verified_ns != 0) {
		buf_adds(b, ", verified ");
		stat_ago(r, b, d->verified_ns);
		buf_adds(b, " ago</p>");
	} else {
		buf_adds(b, ", never verified</p>");
	}
	if (d->failed) {
		buf_adds(b, "<p class=msg>");
		text(b, d->msg);
		buf_addf(
		    b, " <span class=dim>(%u times)</span></p>", d->attempts);
	}
	if (d->lost_ns != 0)
		finding(b, "lost: ", d->lost_msg);
	if (d->left_out)
		finding(b, "there, but it comes in no pass", "");
	if (d->shrunk_ns != 0)
		finding(b,
		    d->no_tables ? "lost its tables"
				 : "shrank by more than a half",
		    "");
	if (d->broken)
		finding(b, "broken: ", d->broken_msg);
	if (d->wrong || d->ahead)
		finding(b, d->wrong ? "wrong: " : "", d->compared_msg);
	if (d->healed_ns != 0)
		finding(b, "healed, and not compared since", "");
	buf_adds(b, "</li>\n");
}

static void
put_worst(const struct stat_run *r, struct buf *b)
{
	const struct stat_fleet *f = &r->fleet;

	if (f->n_worst == 0)
		return;
	buf_adds(b, "<section><h2>Waiting longest</h2>\n<ol>\n");
	for (size_t i = 0; i < f->n_worst; i++)
		put_db(r, &f->worst[i], b);
	buf_adds(b, "</ol></section>\n");
}

static void
put_group(const struct stat_run *r, const struct stat_sum *s, struct buf *b)
{
	buf_adds(b, "<tr><th scope=row>");
	if (s->group != NULL)
		path(b, s->group);
	else
		buf_addf(b, "%zu others", r->groups.all - r->groups.n);
	buf_adds(b, "</th><td>");
	number(b, s->databases);
	buf_adds(b, "</td><td>");
	number(b, s->waiting);
	buf_addf(b, "</td><td%s>", s->failed > 0 ? " class=bad" : "");
	number(b, s->failed);
	buf_addf(b, "</td><td%s>",
	    s->lag_max_ns > r->max_lag_ns ? " class=bad" : "");
	duration(b, s->lag_max_ns);
	buf_adds(b, "</td><td class=wide>");
	human_bytes(b, (double)s->size);
	buf_adds(b, "</td></tr>\n");
}

static void
put_groups(const struct stat_run *r, struct buf *b)
{
	const struct stat_groups *g = &r->groups;

	if (g->n == 0)
		return;
	buf_adds(b,
	    "<section><h2>Groups</h2>\n<table><thead><tr>"
	    "<th>group</th><th>databases</th><th>waiting</th>"
	    "<th>failed</th><th>lag</th><th class=wide>size</th>"
	    "</tr></thead><tbody>\n");
	for (size_t i = 0; i < g->n; i++)
		put_group(r, &g->v[i], b);
	if (g->all > g->n)
		put_group(r, &g->others, b);
	buf_adds(b, "</tbody></table></section>\n");
}

int
stat_html(struct stat_run *r, struct err *e)
{
	struct buf b = { 0 };
	int rc;

	put_head(r, &b);
	put_cards(r, &b);
	put_tiers(r, &b);
	put_lags(r, &b);
	put_errors(r, &b);
	put_worst(r, &b);
	put_groups(r, &b);
	buf_adds(&b,
	    "</main>\n<footer class=dim>lspp-stat " LSPP_VERSION
	    ", from the state alone: what was written since the last "
	    "pass is not known here.</footer>\n");
	buf_adds(&b, stat_page_script);
	buf_adds(&b, "</body></html>\n");
	rc = file_replace(r->html, b.data, b.len, 0666 & ~r->cli.umask, e);
	if (rc == -1)
		err_in(e, "%s", r->html);
	buf_release(&b);
	return rc;
}
