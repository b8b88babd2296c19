#include "lib/store/store_open.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/store/conf.h"
#include "lib/store/dir.h"
#include "lib/store/s3.h"

/* Find the directory that url means: its path, not yet made normal. */
static const char *
directory(const char *url, struct err *e)
{
	size_t n = store_scheme(url);

	if (n == 0)
		return url;
	if (n != 4 || strncasecmp(url, "file", n) != 0) {
		err_set(e, ERR_CONFIG, "a replica in %.*s:// is not supported",
		    (int)n, url);
		return NULL;
	}
	url += n + 3;
	if (strncmp(url, "localhost/", 10) == 0)
		url += 9;
	if (*url != '/') {
		err_set(e, ERR_CONFIG, "a file URL needs an absolute path");
		err_hint(e, "three slashes: file:///DIR");
		return NULL;
	}
	return url;
}

/* The absolute and normal path of the directory, in out. */
static int
locate(const char *url, struct buf *out, struct err *e)
{
	const char *dir;

	if (*url == '\0')
		return err_set(e, ERR_CONFIG, "the replica URL is empty");
	if ((dir = directory(url, e)) == NULL)
		return err_in(e, "%s", url);
	if (path_absolute(dir, out, e) == -1)
		return err_in(e, "%s", url);
	/* What an unset variable in "file://$DIR/" comes to. */
	if (strcmp(buf_str(out), "/") == 0)
		return err_set(
		    e, ERR_CONFIG, "%s: / cannot be a replica root", url);
	return 0;
}

static const struct store_conf defaults = STORE_CONF;

char *
store_url(const char *url, const struct store_conf *conf, struct err *e)
{
	struct buf path = { 0 };
	char *normal = NULL;

	if (store_is_s3(url))
		return s3_url(url, conf != NULL ? conf : &defaults, e);
	if (locate(url, &path, e) == 0)
		normal = xasprintf("file://%s", buf_str(&path));
	buf_release(&path);
	return normal;
}

char *
store_root(const char *url, struct err *e)
{
	return store_is_s3(url) ? s3_root(url, e) : store_url(url, NULL, e);
}

char *
store_real(const char *url, struct err *e)
{
	struct buf path = { 0 }, real = { 0 };
	char *root = NULL;

	if (store_is_s3(url))
		return s3_root(url, e);
	if (locate(url, &path, e) == 0) {
		path_real(buf_str(&path), &real);
		root = xasprintf("file://%s", buf_str(&real));
	}
	buf_release(&path);
	buf_release(&real);
	return root;
}

char *
store_place(const char *url, struct err *e)
{
	return store_is_s3(url) ? s3_place_in(url, e) : store_url(url, NULL, e);
}

static struct store *
open_s3(const char *url, const struct store_conf *conf, enum store_mode mode,
    struct err *e)
{
	struct store *s = s3_open(url, conf, mode, e);

	if (s != NULL && (s->root = s3_root(url, e)) == NULL) {
		store_close(s);
		return NULL;
	}
	return s;
}

struct store *
store_open(const char *url, enum store_mode mode, bool must_exist,
    const struct store_conf *conf, struct err *e)
{
	struct buf path = { 0 };
	struct store *s = NULL;

	if (store_is_s3(url))
		return open_s3(url, conf != NULL ? conf : &defaults, mode, e);
	if (locate(url, &path, e) == 0)
		s = store_dir_open(buf_str(&path), mode, must_exist, e);
	if (s != NULL) {
		s->url = xasprintf("file://%s", buf_str(&path));
		s->root = xstrdup(s->url);
	}
	buf_release(&path);
	return s;
}

int
store_whoami(const char *url, const struct store_conf *conf, struct buf *out,
    struct err *e)
{
	struct store *s;
	int rc;

	if (!store_is_s3(url)) {
		buf_adds(out, "a directory: no credentials\n");
		return 0;
	}
	if ((s = store_open(url, STORE_READ, false, conf, e)) == NULL)
		return -1;
	rc = s->ops->whoami(s, out, e);
	store_close(s);
	return rc;
}
