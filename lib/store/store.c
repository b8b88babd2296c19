#include "lib/store/store.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/store/dir.h"

/* The length of the scheme of url ("s3" of "s3://x"), 0 if it has none. */
static size_t
scheme(const char *url)
{
	size_t n = 0;

	while (isalnum((unsigned char)url[n]) ||
	    (n > 0 && strchr("+-.", url[n]) != NULL && url[n] != '\0'))
		n++;
	return strncmp(url + n, "://", 3) == 0 ? n : 0;
}

bool
store_is_url(const char *s)
{
	return scheme(s) > 0;
}

/* Find the directory that url means: its path, not yet made normal. */
static const char *
directory(const char *url, struct err *e)
{
	size_t n = scheme(url);

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

char *
store_url(const char *url, struct err *e)
{
	struct buf path = { 0 };
	char *normal = NULL;

	if (locate(url, &path, e) == 0)
		normal = xasprintf("file://%s", buf_str(&path));
	buf_release(&path);
	return normal;
}

struct store *
store_open(
    const char *url, enum store_mode mode, bool must_exist, struct err *e)
{
	struct buf path = { 0 };
	struct store *s = NULL;

	if (locate(url, &path, e) == 0)
		s = store_dir_open(buf_str(&path), mode, must_exist, e);
	if (s != NULL)
		s->url = xasprintf("file://%s", buf_str(&path));
	buf_release(&path);
	return s;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	free(s->url);
	s->ops->close(s);
}
