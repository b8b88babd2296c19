/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pass/pass.h"

#include <stdlib.h>
#include <string.h>

#include "lib/replica/wal/object.h"
#include "lib/store/store.h"

#define SUFFIX ".pass.lz4"

/* What can be read of a text, uncompressed; beyond it is a bomb. */
#define TEXT_MAX ((uint64_t)1 << 34)

enum { IN_MEMORY = 256 * 1024 };

/* -- names ----------------------------------------------------------------- */

int
pass_check_name(const char *name, struct err *e)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:+-";
	size_t n = strspn(name, chars);

	if (n == 0 || name[n] != '\0' || n > PASS_NAME_MAX || name[0] == '.' ||
	    name[0] == '-' || strcmp(name, "latest") == 0)
		return err_set(e, ERR_USAGE,
		    "\"%.120s\" is no name of a pass: up to %d letters, "
		    "digits and . _ : + -, not \"latest\"",
		    name, PASS_NAME_MAX);
	return 0;
}

void
pass_key(struct buf *b, const char *name)
{
	buf_addf(b, PASS_PREFIX "%s" SUFFIX, name);
}

bool
pass_is_key(const char *key, char name[PASS_NAME_MAX + 1])
{
	size_t prefix = strlen(PASS_PREFIX), suffix = strlen(SUFFIX), n;
	struct err e;

	if (strncmp(key, PASS_PREFIX, prefix) != 0)
		return false;
	key += prefix;
	n = strlen(key);
	if (n <= suffix || n - suffix > PASS_NAME_MAX ||
	    strcmp(key + n - suffix, SUFFIX) != 0)
		return false;
	memcpy(name, key, n - suffix);
	name[n - suffix] = '\0';
	return pass_check_name(name, &e) == 0;
}

/* -- writing --------------------------------------------------------------- */

struct pass_writer {
	struct object_enc *enc;
	struct buf line;
	uint64_t lines;
};

static int
flush(struct pass_writer *w, struct err *e)
{
	int rc = object_enc_add(w->enc, w->line.data, w->line.len, e);

	buf_reset(&w->line);
	return rc;
}

struct pass_writer *
pass_writer_new(struct spool *out, const char *name, int64_t began_ns,
    int64_t ended_ns, struct err *e)
{
	struct pass_writer *w = xcalloc(1, sizeof(*w));

	w->enc = object_enc_new();
	pass_head_put(&w->line, name, began_ns, ended_ns);
	if (object_enc_begin(w->enc, out, e) == 0 && flush(w, e) == 0)
		return w;
	pass_writer_free(w);
	return NULL;
}

int
pass_writer_add(struct pass_writer *w, const struct pass_line *l, struct err *e)
{
	w->lines++;
	pass_line_put(&w->line, l);
	return flush(w, e);
}

int
pass_writer_end(struct pass_writer *w, struct err *e)
{
	pass_end_put(&w->line, w->lines);
	return flush(w, e) == -1 ? -1 : object_enc_finish(w->enc, NULL, e);
}

void
pass_writer_free(struct pass_writer *w)
{
	if (w == NULL)
		return;
	object_enc_free(w->enc);
	buf_release(&w->line);
	free(w);
}

int
pass_put(struct store *s, const char *name, struct spool *object,
    int64_t ended_ns, struct err *e)
{
	struct buf key = { 0 };
	struct store_stage st = { .bytes = object, .mtime_ns = ended_ns };
	struct staged *staged;
	int rc = -1;

	pass_key(&key, name);
	st.key = buf_str(&key);
	if ((staged = s->ops->stage(s, &st, e)) != NULL) {
		s->ops->publish(s, &staged, 1);
		if ((rc = staged->rc) == -1)
			*e = staged->e;
		s->ops->drop(s, staged);
	}
	buf_release(&key);
	if (rc == -1 && e->class == ERR_BUSY) {
		err_set(e, ERR_EXISTS, "there is a pass of that name");
		err_hint(e,
		    "what was shipped is shipped: another name, as of "
		    "the date and the minute");
	}
	return rc;
}

/* -- reading --------------------------------------------------------------- */

static int
note_latest(void *ctx, const struct store_entry *en, struct err *e)
{
	char *latest = ctx, name[PASS_NAME_MAX + 1];

	(void)e;
	if (!en->prefix && en->odd == NULL && pass_is_key(en->key, name) &&
	    name[0] >= '0' && name[0] <= '9' && strcmp(name, latest) > 0)
		memcpy(latest, name, sizeof(name));
	return en->odd != NULL ? STORE_PASS : 0;
}

static int
find_latest(struct store *s, char name[PASS_NAME_MAX + 1], struct err *e)
{
	name[0] = '\0';
	if (s->ops->list(s, PASS_PREFIX, true, note_latest, name, e) == -1)
		return -1;
	return name[0] != '\0'
	    ? 0
	    : err_set(e, ERR_MISSING,
		  "there is no pass in %s whose name begins with a digit",
		  s->url);
}

/* On its way from the object to the spool. */
struct getting {
	struct pass *p;
	struct pass_text text;
};

static int
take_text(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	struct getting *g = ctx;

	if (pass_text_feed(&g->text, p, n, e) == -1)
		return -1;
	return spool_write(&g->p->text, p, n, e);
}

static int
read_object(struct getting *g, struct store *s, const char *key, struct err *e)
{
	struct object_dec *dec = object_dec_new();
	struct provenance pv;
	bool has;
	int rc;

	object_dec_begin(dec, take_text, g, TEXT_MAX);
	rc = s->ops->get(s, key, 0, UINT64_MAX, object_dec_feed, dec, e);
	if (rc == 0)
		rc = object_dec_finish(dec, &pv, &has, e);
	if (rc == 0)
		rc = pass_text_end(&g->text, e);
	object_dec_free(dec);
	return rc;
}

static int
get(struct pass *p, struct store *s, struct err *e)
{
	struct getting g = { .p = p };
	struct buf key = { 0 };
	int rc;

	pass_key(&key, p->name);
	rc = read_object(&g, s, buf_str(&key), e);
	if (rc == 0 && strcmp(g.text.name, p->name) != 0)
		rc = err_set(e, ERR_CORRUPT, "it is the pass %s", g.text.name);
	if (rc == -1 && e->class == ERR_MISSING)
		err_set(e, ERR_MISSING, "there is no pass %s in %s", p->name,
		    s->url);
	else if (rc == -1)
		err_in(e, "%s", buf_str(&key));
	p->began_ns = g.text.began_ns;
	p->ended_ns = g.text.ended_ns;
	p->lines = g.text.lines;
	pass_text_release(&g.text);
	buf_release(&key);
	return rc;
}

int
pass_get(struct pass *p, struct store *s, const char *name, const char *dir,
    struct err *e)
{
	*p = (struct pass){ .began_ns = 0 };
	spool_init(&p->text, dir, IN_MEMORY);
	if (strcmp(name, "latest") == 0) {
		if (find_latest(s, p->name, e) == -1)
			return -1;
	} else {
		if (pass_check_name(name, e) == -1)
			return -1;
		memcpy(p->name, name, strlen(name) + 1);
	}
	return get(p, s, e);
}

int
pass_lines(struct pass *p, pass_each *each, void *ctx, struct err *e)
{
	struct pass_text t = { .each = each, .ctx = ctx };
	uint8_t part[4096];
	uint64_t at = 0, n;
	int rc = 0;

	for (; rc == 0 && at < p->text.size; at += n) {
		n = p->text.size - at;
		if (n > sizeof(part))
			n = sizeof(part);
		rc = spool_read(&p->text, at, part, n, e);
		if (rc == 0)
			rc = pass_text_feed(&t, part, n, e);
	}
	pass_text_release(&t);
	return rc;
}

void
pass_release(struct pass *p)
{
	spool_release(&p->text);
}
