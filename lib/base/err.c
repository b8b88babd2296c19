/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/mask.h"

/* Copy text into out; what does not fit is cut from its middle. */
static void
fit(char *out, size_t size, const char *text)
{
	static const char dots[] = "...";
	size_t len = strlen(text), room = size - 1, head, tail;

	if (len <= room) {
		memcpy(out, text, len + 1);
		return;
	}
	head = (room - (sizeof(dots) - 1)) / 2;
	tail = room - (sizeof(dots) - 1) - head;
	memcpy(out, text, head);
	memcpy(out + head, dots, sizeof(dots) - 1);
	memcpy(out + head + sizeof(dots) - 1, text + len - tail, tail);
	out[room] = '\0';
}

/*
 * Make the message "context: reason".  A context may be as long as a path;
 * the reason is what must survive.  It may be e->msg.
 */
static int
join(struct err *e, const char *context, const char *reason)
{
	char why[sizeof(e->msg)];
	size_t n, at;

	fit(why, sizeof(why) / 4 * 3, reason);
	n = strlen(why);
	fit(e->msg, sizeof(e->msg) - n - 2, context);
	at = strlen(e->msg);
	memcpy(e->msg + at, ": ", 2);
	memcpy(e->msg + at + 2, why, n + 1);
	return -1;
}

static void
format(char *out, size_t size, const char *fmt, va_list ap)
{
	if (vsnprintf(out, size, fmt, ap) < 0)
		out[0] = '\0';
	mask_urls(out);
}

int
err_set(struct err *e, enum err_class class, const char *fmt, ...)
{
	char msg[sizeof(e->msg)];
	va_list ap;

	va_start(ap, fmt);
	format(msg, sizeof(msg), fmt, ap); /* may read e->msg */
	va_end(ap);
	e->class = class;
	memcpy(e->msg, msg, sizeof(msg));
	e->hint[0] = '\0';
	return -1;
}

/* What helps, where the number alone tells; "". */
static const char *
help(int errnum)
{
	switch (errnum) {
	case ENOSPC: return "make room on that disk";
	case EDQUOT: return "the quota is used up: make room, or raise it";
	case EFBIG: return "is the size of files limited? ulimit -f";
	case EROFS: return "it is mounted to be read only";
	case EIO: return "the kernel's log (dmesg) may say which disk it is";
	case ESTALE: return "the server has exported it anew: mount it again";
	case EMFILE:
		return "raise the limit: ulimit -n, or LimitNOFILE= of a "
		       "systemd unit";
	case ENFILE: return "raise the system's limit: sysctl fs.file-max";
	default: return "";
	}
}

int
err_sys(struct err *e, const char *fmt, ...)
{
	char context[8192];
	int errnum = errno;
	va_list ap;

	va_start(ap, fmt);
	format(context, sizeof(context), fmt, ap);
	va_end(ap);
	e->class = err_class_of(errnum);
	(void)snprintf(e->hint, sizeof(e->hint), "%s", help(errnum));
	/* strerror: of one buffer a thread in glibc, constant in musl. */
	return join(e, context, strerror(errnum));
}

int
err_in(struct err *e, const char *fmt, ...)
{
	char context[8192];
	va_list ap;

	va_start(ap, fmt);
	format(context, sizeof(context), fmt, ap);
	va_end(ap);
	return join(e, context, e->msg);
}

int
err_hint(struct err *e, const char *fmt, ...)
{
	char hint[sizeof(e->hint)];
	va_list ap;

	va_start(ap, fmt);
	format(hint, sizeof(hint), fmt, ap);
	va_end(ap);
	memcpy(e->hint, hint, sizeof(hint));
	return -1;
}

enum err_class
err_class_of(int errnum)
{
	switch (errnum) {
	case 0: return ERR_NONE;
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG: return ERR_MISSING;
	case EACCES:
	case EPERM:
	case EROFS: return ERR_DENIED;
	case EEXIST:
	case EISDIR:
	case ENOTEMPTY: return ERR_EXISTS;
	case EAGAIN:
	case EBUSY:
	case EDEADLK:
	case EINTR:
	case ENOLCK:
	case ETXTBSY: return ERR_BUSY;
	case EMFILE:
	case ENFILE:
	case ENOMEM: return ERR_OS;
	case EBADF:
	case EFAULT: return ERR_BUG;
	case ECONNABORTED:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENETUNREACH:
	case ENOTCONN:
	case ETIMEDOUT: return ERR_UNAVAILABLE;
	default: return ERR_IO;
	}
}
