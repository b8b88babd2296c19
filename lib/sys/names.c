/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/kernel.h"

static int
compare(const char *a, size_t alen, const char *b, size_t blen)
{
	int order = memcmp(a, b, alen < blen ? alen : blen);

	return order != 0 ? order : (alen > blen) - (alen < blen);
}

static int
by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return compare(x->s, x->len, y->s, y->len);
}

/* False: it is gone. */
static bool
look(int fd, const char *name, bool follow, unsigned char *type)
{
	struct stat st;

	if (fstatat(fd, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0)
		*type = IFTODT(st.st_mode);
	else if (!follow && errno == ENOENT)
		return false;
	else if (follow)
		*type = DT_LNK; /* leads nowhere, or in a circle */
	return true;
}

/* Entries are kept as type, name, NUL until all are there. */
static void
add(struct names *ns, int fd, const struct dirent *de, bool follow)
{
	const char *s = de->d_name;
	unsigned char type = de->d_type;

	if (s[0] == '.' && (s[1] == '\0' || (s[1] == '.' && s[2] == '\0')))
		return;
	if (type == DT_UNKNOWN && !look(fd, s, false, &type))
		return;
	if (type == DT_LNK && follow)
		(void)look(fd, s, true, &type);
	buf_add(&ns->bytes, &type, 1);
	buf_adds(&ns->bytes, s);
	if (type == DT_DIR)
		buf_add(&ns->bytes, "/", 1);
	buf_add(&ns->bytes, "", 1);
	ns->n++;
}

static void
point(struct names *ns)
{
	const char *p = buf_str(&ns->bytes);

	if (ns->n > ns->room) {
		ns->room = ns->n;
		ns->v = xrealloc(ns->v, ns->room * sizeof(*ns->v));
	}
	for (size_t i = 0; i < ns->n; i++) {
		ns->v[i].type = (unsigned char)*p++;
		ns->v[i].s = p;
		ns->v[i].len = strlen(p);
		p += ns->v[i].len + 1;
	}
	if (ns->n > 1)
		qsort(ns->v, ns->n, sizeof(*ns->v), by_name);
}

int
names_read(struct names *ns, int fd, bool follow, struct err *e)
{
	_Alignas(struct dirent) char block[32768];
	const struct dirent *de;
	ssize_t got;

	buf_reset(&ns->bytes);
	ns->n = 0;
	while ((got = kernel_getdents(fd, block, sizeof(block))) > 0)
		for (ssize_t at = 0; at < got; at += de->d_reclen) {
			de = (const struct dirent *)(block + at);
			add(ns, fd, de, follow);
		}
	if (got == -1) {
		ns->n = 0;
		return err_sys(e, "cannot read directory");
	}
	point(ns);
	return 0;
}

void
names_release(struct names *ns)
{
	buf_release(&ns->bytes);
	free(ns->v);
	*ns = (struct names){ 0 };
}

bool
names_has(const struct names *ns, const char *s, size_t len)
{
	size_t low = 0, high = ns->n, mid;
	int order;

	while (low < high) {
		mid = low + (high - low) / 2;
		order = compare(s, len, ns->v[mid].s, ns->v[mid].len);
		if (order == 0)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}
