/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/err.h"

#include <errno.h>

#include "tests/unit/tap.h"

static void
test_set(void)
{
	struct err e;

	is_int(err_set(&e, ERR_BUSY, "page %d", 7), -1, "err_set returns -1");
	is_int(e.class, ERR_BUSY, "the class is kept");
	is_str(e.msg, "page 7", "the message is formatted");
	is_str(e.hint, "", "there is no hint");

	is_int(err_hint(&e, "try %s", "again"), -1, "err_hint returns -1");
	is_str(e.hint, "try again", "the hint is there");
	is_str(e.msg, "page 7", "err_hint keeps the message");

	err_in(&e, "snapshot %d", 3);
	is_str(e.msg, "snapshot 3: page 7", "err_in puts context before");
	is_str(e.hint, "try again", "err_in keeps the hint");
	is_int(e.class, ERR_BUSY, "err_in keeps the class");

	err_set(&e, ERR_IO, "again: %s", e.msg);
	is_str(e.msg, "again: snapshot 3: page 7", "a message of itself");
	is_str(e.hint, "", "err_set clears the hint");
}

static void
test_sys(void)
{
	struct err e;

	err_hint(&e, "old");
	errno = ENOENT;
	is_int(err_sys(&e, "cannot open %s", "x"), -1, "err_sys returns -1");
	is_str(e.msg, "cannot open x: No such file or directory",
	    "err_sys adds what errno means");
	is_int(e.class, ERR_MISSING, "and its class");
	is_str(e.hint, "", "err_sys clears the hint");
}

static void
test_long(void)
{
	char path[6000];
	struct err e;
	size_t n;

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	path[0] = 'A';

	errno = EACCES;
	err_sys(&e, "%s", path);
	n = strlen(e.msg);
	ok(n < sizeof(e.msg), "a long message fits");
	is_str(e.msg + n - 19, ": Permission denied", "its reason survives");
	ok(e.msg[0] == 'A' && strstr(e.msg, "...") != NULL,
	    "its context is cut in the middle");

	err_in(&e, "%s", path);
	n = strlen(e.msg);
	is_str(e.msg + n - 19, ": Permission denied",
	    "the reason survives more context");

	err_set(&e, ERR_BUG, "%s", path);
	is_int(strlen(e.msg), sizeof(e.msg) - 1, "err_set cuts");
	err_hint(&e, "%s", path);
	is_int(strlen(e.hint), sizeof(e.hint) - 1, "err_hint cuts");
}

static void
test_classes(void)
{
	static const struct {
		int errnum;
		enum err_class class;
	} t[] = {
		{ 0, ERR_NONE },
		{ ENOENT, ERR_MISSING },
		{ ENOTDIR, ERR_MISSING },
		{ ELOOP, ERR_MISSING },
		{ ENAMETOOLONG, ERR_MISSING },
		{ EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },
		{ EROFS, ERR_DENIED },
		{ EEXIST, ERR_EXISTS },
		{ EISDIR, ERR_EXISTS },
		{ EWOULDBLOCK, ERR_BUSY },
		{ EMFILE, ERR_OS },
		{ ENOMEM, ERR_OS },
		{ EBADF, ERR_BUG },
		{ ECONNREFUSED, ERR_UNAVAILABLE },
		{ ETIMEDOUT, ERR_UNAVAILABLE },
		{ ENOSPC, ERR_IO },
		{ EDQUOT, ERR_IO },
		{ EIO, ERR_IO },
		{ 99999, ERR_IO },
	};

	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		is_int(err_class_of(t[i].errnum), t[i].class,
		    "class of errno %d", t[i].errnum);
}

int
main(void)
{
	test_set();
	test_sys();
	test_long();
	test_classes();
	return done();
}
