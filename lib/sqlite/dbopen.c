/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sqlite/dbopen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

/* In place of SQLite's "open" (os_unix.c); it makes them close-on-exec. */
static int
open_at_once(const char *path, int flags, int mode)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY, mode);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISFIFO(st.st_mode))
		return fd;
	(void)close(fd);
	errno = ENXIO;
	return -1;
}

static void
replace_open(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	if (vfs != NULL && vfs->xSetSystemCall != NULL)
		(void)vfs->xSetSystemCall(
		    vfs, "open", (sqlite3_syscall_ptr)open_at_once);
}

void
dbopen_never_waits(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, replace_open);
}
