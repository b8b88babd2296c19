/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/hot/look.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/source/signature.h"
#include "lib/sqlite/dbhdr.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"

enum { MAGIC = 16 };

bool
look_is_gone(const char *path)
{
	struct stat sb;

	return lstat(path, &sb) == -1 && errno == ENOENT;
}

int
look_into(const char *path, const struct signature *sig, struct err *e)
{
	uint8_t p[MAGIC];
	struct stat sb;
	ssize_t n;
	int fd;

	/* Closing a file of the state would drop our own locks on it. */
	if (guard_is_own(sig->db.dev, sig->db.ino))
		return guard_refuse(e);
	if ((fd = file_open(path, &sb, e)) == -1)
		return -1;
	if (guard_is_own((int64_t)sb.st_dev, (int64_t)sb.st_ino))
		return guard_refuse(e); /* it became one: left open */
	n = file_pread(fd, p, sizeof(p), 0, e);
	file_close(fd);
	if (n == -1 || (n == sizeof(p) && dbhdr_magic(p, sizeof(p))))
		return n == -1 ? -1 : 0;
	return err_set(e, ERR_CORRUPT,
	    n == 0 ? "it is empty" : "it is no database any more");
}

enum look
look_at(const char *path, struct signature *sig, bool *racy, struct err *e)
{
	if (signature_take(sig, path, racy, e) == 0)
		return look_into(path, sig, e) == 0 ? LOOK_WELL : LOOK_LOST;
	if (!look_is_gone(path))
		return LOOK_LOST;
	err_set(e, ERR_MISSING, "No such file or directory");
	return LOOK_GONE;
}
