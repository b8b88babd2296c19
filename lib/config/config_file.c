/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/config_file.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/store/open/store_open.h"
#include "lib/sys/file.h"

#define MAX_BYTES (16 << 20)

static const char *
variable(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

static char *
home(void)
{
	const char *v = getenv("HOME");
	char room[4096];
	struct passwd pw, *found;

	if (v != NULL && *v == '/')
		return xstrdup(v);
	if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) == 0 &&
	    found != NULL && pw.pw_dir[0] == '/')
		return xstrdup(pw.pw_dir);
	return NULL;
}

static int
parse(struct config_file *f, const struct buf *text, struct err *e)
{
	char *cwd = getcwd(NULL, 0), *dir = home();
	const struct config_env env = {
		.get = variable, .cwd = cwd, .home = dir
	};
	int rc;

	if (cwd == NULL)
		rc = err_sys(e, "cannot tell the current directory");
	else
		rc = config_parse(
		    &f->c, (const char *)text->data, text->len, &env, e);
	free(cwd);
	free(dir);
	return rc;
}

static void
tell(const struct config_file *f, const struct store_conf *base,
    const struct config_warning *w)
{
	char *text = xasprintf("%s: line %u: %s", f->name, w->line, w->text);

	if (base->warn != NULL)
		base->warn(base->tell_ctx, text);
	free(text);
}

/* Keys that everybody on the machine can read. */
static void
tell_if_open(const struct config_file *f, const struct buf *raw,
    const struct store_conf *base)
{
	const char *secret;
	struct stat st;
	char *text;

	if (base->warn == NULL || stat(f->name, &st) == -1 ||
	    (st.st_mode & S_IROTH) == 0)
		return;
	for (size_t i = 0; i < f->c.n_roots; i++) {
		/* One that a variable brought is not in the file. */
		secret = f->c.root[i].secret;
		if (secret == NULL || strstr(buf_str(raw), secret) == NULL)
			continue;
		text = xasprintf(
		    "%s: it holds a secret key, and all may read it: chmod o-r",
		    f->name);
		base->warn(base->tell_ctx, text);
		free(text);
		return;
	}
}

/* Connections that nobody uses: few, where each root has some of its own. */
enum { IDLE = 64, IDLE_FILES = 4 };

static void
set_store(struct store_conf *s, const struct config_root *r)
{
	if (r->key_id != NULL) {
		s->key_id = r->key_id;
		s->secret = r->secret;
	}
	if (r->storage_class != NULL)
		s->storage_class = r->storage_class;
	if (r->sse_kms_key != NULL) {
		s->sse = "aws:kms";
		s->sse_kms_key = r->sse_kms_key;
	}
	if (r->sse_c_file != NULL)
		s->sse_c_file = r->sse_c_file;
	if (r->part_size >= 5 << 20 && r->part_size <= 5ull << 30)
		s->part_size = r->part_size;
	s->insecure = s->insecure || r->insecure;
	s->probe_in = r->first;
}

/* -- who has a name -------------------------------------------------------- */

struct config_named {
	char *place;
	const struct config_db *d;
};

/* One that two roots lead to is the same. */
static char *
place_of(const struct config_file *f, size_t root, const char *name)
{
	const char *url = f->c.root[root].url;
	size_t n =
	    strncmp(url, "s3:", 3) == 0 ? strcspn(url, "?") : strlen(url);

	return xasprintf("%.*s/%s%s", (int)n, url, name, url + n);
}

static int
by_place(const void *a, const void *b)
{
	const struct config_named *x = a, *y = b;

	return strcmp(x->place, y->place);
}

/* Of one place the first entry comes first. */
static int
in_order(const void *a, const void *b)
{
	const struct config_named *x = a, *y = b;
	int c = by_place(a, b);

	if (c != 0)
		return c;
	return x->d < y->d ? -1 : x->d > y->d;
}

static void
note_names(struct config_file *f)
{
	const struct config_db *d, *end = f->c.db + f->c.n;
	const struct config_replica *r;
	size_t n = 0;

	for (d = f->c.db; d < end; d++)
		n += d->n;
	f->named = xcalloc(n + 1, sizeof(*f->named));
	for (d = f->c.db; d < end; d++)
		for (size_t i = 0; d->kind == CONFIG_PATH && i < d->n; i++) {
			r = &d->replica[i];
			if (r->refused == NULL)
				f->named[f->n_named++] = (struct config_named){
					place_of(f, r->root, r->name), d
				};
		}
	qsort(f->named, f->n_named, sizeof(*f->named), in_order);
}

/* The first of that place that is not d's; NULL: there is none. */
static const struct config_db *
find_named(const struct config_file *f, size_t root, const char *name,
    const struct config_db *d)
{
	const struct config_named key = { place_of(f, root, name), NULL };
	const struct config_named *end = f->named + f->n_named, *k = NULL;

	if (f->n_named > 0)
		k = bsearch(&key, f->named, f->n_named, sizeof(key), by_place);
	while (k != NULL && k > f->named && by_place(k - 1, &key) == 0)
		k--;
	while (k != NULL && k->d == d)
		k = ++k < end && by_place(k, &key) == 0 ? k : NULL;
	free(key.place);
	return k != NULL ? k->d : NULL;
}

const struct config_db *
config_file_named(const struct config_file *f, size_t root, const char *name)
{
	return find_named(f, root, name, NULL);
}

/* -- the file -------------------------------------------------------------- */

int
config_file_open(struct config_file *f, const char *name,
    const struct store_conf *base, bool warns, struct err *e)
{
	struct buf text = { 0 };
	int rc;

	*f = (struct config_file){ .name = name };
	rc = file_slurp(name, MAX_BYTES, &text, e);
	if (rc == 0)
		rc = parse(f, &text, e);
	if (rc == 0 && warns)
		tell_if_open(f, &text, base);
	buf_wipe(&text);
	if (rc == -1) {
		e->class = ERR_CONFIG;
		return err_in(e, "%s", name);
	}
	for (size_t i = 0; i < f->c.n_warnings && warns; i++)
		tell(f, base, &f->c.warning[i]);
	note_names(f);
	f->store = xcalloc(f->c.n_roots + 1, sizeof(*f->store));
	for (size_t i = 0; i < f->c.n_roots; i++) {
		f->store[i] = *base;
		set_store(&f->store[i], &f->c.root[i]);
		if (f->c.n_roots > 1)
			f->store[i].keep = IDLE / f->c.n_roots;
		if (store_conf_check(&f->store[i], e) == -1) {
			config_file_close(f);
			return err_in(e, "%s", name);
		}
	}
	return 0;
}

void
config_file_close(struct config_file *f)
{
	free(f->store);
	for (size_t i = 0; i < f->n_named; i++)
		free(f->named[i].place);
	free(f->named);
	config_release(&f->c);
	*f = (struct config_file){ 0 };
}

size_t
config_file_descriptors(const struct config_file *f)
{
	const struct store_traits *t;
	bool remote = false;
	size_t n = 0;

	for (size_t i = 0; i < f->c.n_roots; i++) {
		t = store_traits(f->c.root[i].url);
		n += t->held;
		remote |= t->remote;
	}
	return n + (remote ? IDLE * IDLE_FILES : 0);
}

int
config_file_whoami(const struct config_file *f, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < f->c.n_roots; i++) {
		buf_addf(out, "%s\n", f->c.root[i].url);
		if (store_whoami(f->c.root[i].url, &f->store[i], out, e) == -1)
			return -1;
	}
	return 0;
}

const struct config_db *
config_file_find(const struct config_file *f, const char *path, struct buf *abs,
    struct err *e)
{
	const struct config_db *d;

	if (path_absolute(path, abs, e) == -1)
		return NULL;
	if ((d = config_find(&f->c, buf_str(abs))) == NULL)
		err_set(e, ERR_CONFIG, "%s has no such database", f->name);
	return d;
}

int
config_file_name(const struct config_file *f, const struct config_db *d,
    size_t i, const char *abs, struct buf *name, struct err *e)
{
	buf_reset(name);
	if (d->replica[i].refused != NULL) {
		err_set(e, ERR_CONFIG, "%s", d->replica[i].refused);
		return err_in(e, "%s", f->name);
	}
	return config_name(d, i, abs, name, e);
}

int
config_file_own_name(const struct config_file *f, const struct config_db *d,
    size_t i, const char *abs, struct buf *name, struct err *e)
{
	const struct config_db *other;

	if (config_file_name(f, d, i, abs, name, e) == -1)
		return -1;
	other = find_named(f, d->replica[i].root, buf_str(name), d);
	if (other == NULL)
		return 0;
	err_set(e, ERR_CONFIG,
	    "%s: line %u: the same replica as that of %s: whose it is cannot "
	    "be told",
	    f->name, other->line, other->path);
	return err_hint(e,
	    "give one of the two another path; -r takes it by its name there");
}
