/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has the database open that a restore would replace.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/restore/restore_place.h"
#include "lib/sys/file.h"

/* Who keeps us from a lock on these bytes; 0: nobody. */
static pid_t
who_locks(int dir, const char *name, off_t start, off_t len)
{
	struct flock fl = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = start,
		.l_len = len,
	};
	int fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	pid_t pid = 0;

	if (fd == -1)
		return 0;
	if (fcntl(fd, F_GETLK, &fl) == 0 && fl.l_type != F_UNLCK)
		pid = fl.l_pid > 0 ? fl.l_pid : -1; /* not of this namespace */
	file_close(fd);
	return pid;
}

static void
name_process(pid_t pid, struct buf *out)
{
	struct buf comm = { 0 };
	char path[64];
	struct err none;

	if (pid <= 0) {
		buf_adds(out, "another process, perhaps in a container");
		return;
	}
	buf_addf(out, "process %ld", (long)pid);
	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	if (file_slurp(path, 64, &comm, &none) == 0 && comm.len > 1)
		buf_addf(out, " (%.*s)", (int)comm.len - 1, buf_str(&comm));
	buf_release(&comm);
}

/* The bytes are those of sqlite.org/src: os.h, and os_unix.c of the -shm. */
int
place_in_use(int dir, const char *name, struct err *e)
{
	enum { PENDING_BYTE = 0x40000000, ALL = 512, DMS = 128 };
	char *shm = xasprintf("%s-shm", name);
	pid_t pid = who_locks(dir, name, PENDING_BYTE, ALL);
	struct buf who = { 0 };
	int rc = 0;

	if (pid == 0)
		pid = who_locks(dir, shm, DMS, 1);
	if (pid != 0) {
		name_process(pid, &who);
		rc = err_set(
		    e, ERR_BUSY, "%s is open in %s", name, buf_str(&who));
		err_hint(e,
		    "stop it, or write into the database with --live; "
		    "--force-open replaces the file under it, and what it "
		    "commits then is lost");
	}
	buf_release(&who);
	free(shm);
	return rc;
}
