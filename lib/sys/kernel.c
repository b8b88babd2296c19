/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sys/kernel.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the headers of the kernel say, which need not be there. */
enum {
	OPEN_NO_SYMLINKS = 0x04, /* RESOLVE_NO_SYMLINKS */
	RENAME_REPLACES_NONE = 1 << 0,
	STATX_ONLY_TYPE = 0x1,
	STATX_MOUNT_ROOT = 0x2000,
};
#define CLONE_FILE _IOW(0x94, 9, int) /* FICLONE */

/* struct open_how */
struct how {
	uint64_t flags, mode, resolve;
};

/* The beginning of struct statx, and room for all of it. */
struct what {
	uint32_t mask, blksize;
	uint64_t attributes, rest[30];
};

int
kernel_open_no_links(int at, const char *path, int flags)
{
	struct how how = { .resolve = OPEN_NO_SYMLINKS };

	/* On a machine of 32 bits only open(3) itself asks for large files. */
	if ((flags & O_PATH) == 0)
		flags |= O_LARGEFILE;
	how.flags = (uint64_t)(unsigned)flags;
	return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

int
kernel_rename_new(int at, const char *from, int to_at, const char *to)
{
	return (int)syscall(
	    SYS_renameat2, at, from, to_at, to, RENAME_REPLACES_NONE);
}

ssize_t
kernel_getdents(int fd, void *p, size_t n)
{
	return syscall(SYS_getdents64, fd, p, n);
}

bool
kernel_is_mount(int at, const char *name)
{
	struct what x = { 0 };

	return syscall(SYS_statx, at, name, AT_SYMLINK_NOFOLLOW,
		   STATX_ONLY_TYPE, &x) == 0 &&
	    (x.attributes & STATX_MOUNT_ROOT) != 0;
}

int
kernel_clone(int to, int from)
{
	return ioctl(to, CLONE_FILE, from);
}
