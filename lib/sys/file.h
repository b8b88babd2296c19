/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file -- whole reads and writes, durable directories, paths as bytes.
 *
 * Every descriptor made here is close-on-exec.  Nothing here follows errno
 * conventions outward: failures are records.
 *
 * Room sys: the kernel as the other rooms see it: files and paths, names in a
 *     directory, spools, threads with their jobs, signals, random numbers, and
 *     guards for POSIX locks.
 * Used by: all rooms from text upward.
 * Never: knows what is in a file.
 */
#ifndef LSPP_SYS_FILE_H
#define LSPP_SYS_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/base/buf.h"

struct err;

/*
 * Open path for reading without ever waiting (a FIFO does not hang) and fill
 * *st.  Anything but a regular file is ERR_CORRUPT ("not a regular file").
 * Returns the descriptor or -1.
 */
int file_open(const char *path, struct stat *st, struct err *e);
/* The same, where nothing that a symbolic link leads to is one, either; ERR_BUSY
 * where that is a directory on the way. */
int file_open_here(const char *path, struct stat *st, struct err *e);

/*
 * How many descriptors are held at most: by each worker, by each job that is
 * under way, and by the run beside them.
 */
struct file_needs {
	size_t run, worker, job;
};

/*
 * Raise the limit of open files as far as that is allowed, and lower *workers
 * and *jobs to what it then suffices for beside those that are open already.
 * ERR_OS, which says how many are needed: it is too low for one of each.
 */
int file_fit(
    const struct file_needs *n, unsigned *workers, size_t *jobs, struct err *e);

/*
 * openat(2) in one call that follows no symbolic link anywhere in path: openat2
 * of Linux 5.6.  -1 with errno, which is ELOOP where there is one.  Where the
 * call is not to be had, errno is ENOSYS or EPERM: the caller goes part by part.
 */
int file_openat_strict(int at, const char *path, int flags);
/* The same from the current directory; without the call only a link as the last
 * part is seen. */
int file_open_strict(const char *path, int flags);

/* close(2) that takes -1. */
void file_close(int fd);

/*
 * Read n bytes at off.  Returns the count, short only at the end of the file,
 * or -1.
 */
ssize_t file_pread(int fd, void *p, size_t n, uint64_t off, struct err *e);

/* Write all n bytes at off, or at the file position.  0 or -1. */
int file_pwrite(int fd, const void *p, size_t n, uint64_t off, struct err *e);
int file_write(int fd, const void *p, size_t n, struct err *e);

/*
 * Create dir and its missing parents with mode 0777 less umask; 0 or -1.
 * Nothing is synced: what must last calls file_sync_dir() on each parent.
 */
int file_mkdirs(const char *dir, struct err *e);

/* fsync the directory dir. */
int file_sync_dir(const char *dir, struct err *e);

/*
 * Read a whole small file (at most max bytes, else ERR_CORRUPT) into b in
 * place of what it held.
 */
int file_slurp(const char *path, size_t max, struct buf *b, struct err *e);

/*
 * Replace the file at path by n bytes, at once: who reads it sees the old or
 * the new.  Its directory is what must be writable.  Not synced: for what a
 * crash makes worthless anyway.
 */
int file_replace(
    const char *path, const void *p, size_t n, mode_t mode, struct err *e);

/*
 * path_absolute -- path made absolute against the current directory, with
 * "//" and "/./" folded and no trailing slash; symbolic links are not
 * resolved.  A ".." component is resolved by the file system (realpath of the
 * part up to it), because folding it as text goes wrong behind a link.  The
 * result replaces what out held.
 */
int path_absolute(const char *path, struct buf *out, struct err *e);

/*
 * What an absolute path comes to when its symbolic links are followed as far as
 * it exists, in place of what out held: two names of one place come to one.
 */
void path_real(const char *path, struct buf *out);

/*
 * The part of path below dir (both absolute and normal), without a leading
 * slash; NULL if path is not below dir.  Points into path.
 */
const char *path_below(const char *dir, const char *path);

/* The last component of path; points into path. */
const char *path_base(const char *path);

/* The directory part of path ("." if none) appended to out. */
void path_dir(const char *path, struct buf *out);

#endif
