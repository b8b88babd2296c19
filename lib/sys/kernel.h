/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel -- system calls of Linux that not every C library has by name, musl for
 * one: by their numbers, which are in <sys/syscall.h> of all.  Each: errno and
 * -1 as the call itself.
 */
#ifndef LSPP_SYS_KERNEL_H
#define LSPP_SYS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* openat2(2) that follows no symbolic link anywhere in path. */
int kernel_open_no_links(int at, const char *path, int flags);

/* rename(2) that replaces nothing: EEXIST. */
int kernel_rename_new(int at, const char *from, int to_at, const char *to);

/* Entries of the directory fd as struct dirent, one behind another. */
ssize_t kernel_getdents(int fd, void *p, size_t n);

/* Is name, which is not followed, where something is mounted? */
bool kernel_is_mount(int at, const char *name);

/* Make 'to' share the blocks of 'from', if the file system can. */
int kernel_clone(int to, int from);

#endif
