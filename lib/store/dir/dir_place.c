/* SPDX-License-Identifier: Apache-2.0 */
/* Where a directory is that a URL or a path names. */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/dir/dir_impl.h"
#include "lib/sys/file.h"

/* The path that url means, not yet made normal. */
static const char *
directory(const char *url, struct err *e)
{
	if (!store_is_url(url))
		return url;
	url = strstr(url, "://") + 3;
	if (strncmp(url, "localhost/", 10) == 0)
		url += 9;
	if (*url != '/') {
		err_set(e, ERR_CONFIG, "a file URL needs an absolute path");
		err_hint(e, "three slashes: file:///DIR");
		return NULL;
	}
	return url;
}

int
dir_locate(const char *url, struct buf *out, struct err *e)
{
	const char *dir;

	if (*url == '\0')
		return err_set(e, ERR_CONFIG, "the replica URL is empty");
	if ((dir = directory(url, e)) == NULL)
		return err_in(e, "%s", url);
	if (path_absolute(dir, out, e) == -1)
		return err_in(e, "%s", url);
	/* This is "file://$DIR/" with an unset variable. */
	if (strcmp(buf_str(out), "/") == 0)
		return err_set(
		    e, ERR_CONFIG, "%s: / cannot be a replica root", url);
	return 0;
}

char *
dir_root(const char *url, struct err *e)
{
	struct buf path = { 0 };
	char *root = NULL;

	if (dir_locate(url, &path, e) == 0)
		root = xasprintf("file://%s", buf_str(&path));
	buf_release(&path);
	return root;
}

char *
dir_url(const char *url, const struct store_conf *conf, struct err *e)
{
	(void)conf;
	return dir_root(url, e);
}

char *
dir_real(const char *url, struct err *e)
{
	struct buf path = { 0 }, real = { 0 };
	char *root = NULL;

	if (dir_locate(url, &path, e) == 0) {
		path_real(buf_str(&path), &real);
		root = xasprintf("file://%s", buf_str(&real));
	}
	buf_release(&path);
	buf_release(&real);
	return root;
}

int
dir_whoami(const char *url, const struct store_conf *conf, struct buf *out,
    struct err *e)
{
	(void)url;
	(void)conf;
	(void)e;
	buf_adds(out, "a directory: no credentials\n");
	return 0;
}
