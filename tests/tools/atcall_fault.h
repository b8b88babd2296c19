/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What atcall makes happen to a system call, by ptrace: it fails, or moves half of
 * its bytes.  A call that fails is not carried out, but for close(): the
 * kernel has closed the descriptor when that fails.
 *
 * For x86-64 and arm64; elsewhere no fault has a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#ifndef NT_PRSTATUS
#define NT_PRSTATUS 1
#endif

enum { NOSPC = 1, IO = 2, MFILE = 4, INTR = 8, SHORT = 16 };

struct fault {
	const char *name;
	int bit, error;
};

static const struct fault faults[] = {
	{ "ENOSPC", NOSPC, ENOSPC },
	{ "EIO", IO, EIO },
	{ "EMFILE", MFILE, EMFILE },
	{ "EINTR", INTR, EINTR },
	{ "short", SHORT, 0 },
};

static const struct {
	long number;
	int can; /* which faults happen to it */
} fault_calls[] = {
	{ SYS_read, IO | INTR | SHORT },
	{ SYS_pread64, IO | INTR | SHORT },
	{ SYS_write, NOSPC | IO | INTR | SHORT },
	{ SYS_pwrite64, NOSPC | IO | INTR | SHORT },
	{ SYS_readv, IO | INTR },
	{ SYS_writev, NOSPC | IO | INTR },
	{ SYS_openat, NOSPC | IO | MFILE | INTR },
	{ SYS_openat2, NOSPC | IO | MFILE | INTR },
	{ SYS_fsync, NOSPC | IO | INTR },
	{ SYS_fdatasync, NOSPC | IO | INTR },
	{ SYS_syncfs, NOSPC | IO },
	{ SYS_ftruncate, NOSPC | IO | INTR },
	{ SYS_fallocate, NOSPC | IO | INTR },
	{ SYS_copy_file_range, NOSPC | IO },
	{ SYS_linkat, NOSPC | IO },
	{ SYS_symlinkat, NOSPC | IO },
	{ SYS_mkdirat, NOSPC | IO },
	{ SYS_renameat2, NOSPC | IO },
	{ SYS_unlinkat, NOSPC | IO },
	{ SYS_fsetxattr, NOSPC | IO },
	{ SYS_fgetxattr, IO },
	{ SYS_newfstatat, IO },
	{ SYS_fstat, IO },
	{ SYS_statx, IO },
	{ SYS_fstatfs, IO | INTR },
	{ SYS_faccessat, IO },
	{ SYS_getdents64, IO },
	{ SYS_readlinkat, IO },
	{ SYS_utimensat, NOSPC | IO },
	{ SYS_fchmod, IO },
	{ SYS_fchown, IO },
	{ SYS_fchownat, IO },
	{ SYS_flock, INTR },
	/* A lock that errs is to SQLite one that is held, and is waited for. */
	{ SYS_fcntl, MFILE | INTR },
	{ SYS_close, IO | INTR },
	{ SYS_dup, MFILE },
	{ SYS_dup3, MFILE },
	{ SYS_pipe2, MFILE },
	{ SYS_socket, MFILE },
	{ SYS_eventfd2, MFILE },
	{ SYS_epoll_create1, MFILE },
	{ SYS_timerfd_create, MFILE },
	{ SYS_signalfd4, MFILE },
	{ SYS_inotify_init1, MFILE },
	{ SYS_ppoll, INTR },
	{ SYS_epoll_pwait, INTR },
	{ SYS_clock_nanosleep, INTR },
	{ SYS_getrandom, INTR },
#ifdef SYS_open
	{ SYS_open, NOSPC | IO | MFILE | INTR },
	{ SYS_stat, IO },
	{ SYS_lstat, IO },
	{ SYS_access, IO },
	{ SYS_mkdir, NOSPC | IO },
	{ SYS_link, NOSPC | IO },
	{ SYS_rename, NOSPC | IO },
	{ SYS_unlink, NOSPC | IO },
	{ SYS_rmdir, IO },
	{ SYS_readlink, IO },
	{ SYS_chmod, IO },
	{ SYS_poll, INTR },
	{ SYS_epoll_wait, INTR },
	{ SYS_dup2, MFILE },
#endif
#ifdef SYS_renameat
	{ SYS_renameat, NOSPC | IO },
#endif
};

/* A call that was begun and has to end otherwise. */
static struct fault_pending {
	pid_t tid;
	const struct fault *fault;
	uint64_t length; /* of a short one, as it was */
} pending[256];

#if defined(__x86_64__)
typedef struct user_regs_struct fault_regs;
#define FAULT_RESULT(r) ((r).rax)
#define FAULT_LENGTH(r) ((r).rdx)
#elif defined(__aarch64__)
typedef struct user_regs_struct fault_regs;
#define FAULT_RESULT(r) ((r).regs[0])
#define FAULT_LENGTH(r) ((r).regs[2])
#endif

static const struct fault *
fault_named(const char *name)
{
#ifdef FAULT_RESULT
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (strcmp(faults[i].name, name) == 0)
			return &faults[i];
#endif
	(void)fprintf(stderr, "atcall: -e %s?\n", name);
	return NULL;
}

static bool
fault_is_sync(long number)
{
	return number == SYS_fsync || number == SYS_fdatasync ||
	    number == SYS_syncfs;
}

static bool
fault_fits(const struct fault *f, const struct __ptrace_syscall_info *info)
{
	long number = (long)info->entry.nr;

	if (f->bit == SHORT && info->entry.args[2] < 2)
		return false;
	if (f->bit == MFILE && number == SYS_fcntl &&
	    info->entry.args[1] != F_DUPFD &&
	    info->entry.args[1] != F_DUPFD_CLOEXEC)
		return false;
	for (size_t i = 0; i < sizeof(fault_calls) / sizeof(fault_calls[0]);
	     i++)
		if (fault_calls[i].number == number)
			return (fault_calls[i].can & f->bit) != 0;
	return false;
}

#ifdef FAULT_RESULT

static bool
fault_regs_get(pid_t tid, fault_regs *r)
{
	struct iovec v = { r, sizeof(*r) };

	return ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &v) == 0;
}

static void
fault_regs_set(pid_t tid, fault_regs *r)
{
	struct iovec v = { r, sizeof(*r) };

	(void)ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &v);
}

/* The call that is about to be made becomes one that there is not. */
static void
fault_no_call(pid_t tid, fault_regs *r)
{
#if defined(__x86_64__)
	r->orig_rax = (unsigned long long)-1;
	fault_regs_set(tid, r);
#else
	int none = -1;
	struct iovec v = { &none, sizeof(none) };

	(void)r;
	(void)ptrace(
	    PTRACE_SETREGSET, tid, (void *)0x404 /* NT_ARM_SYSTEM_CALL */, &v);
#endif
}

static void
fault_begin(
    const struct fault *f, pid_t tid, const struct __ptrace_syscall_info *info)
{
	struct fault_pending *p = pending;
	fault_regs r;

	while (p < pending + 255 && p->fault != NULL)
		p++;
	if (!fault_regs_get(tid, &r))
		return;
	*p = (struct fault_pending){ tid, f, info->entry.args[2] };
	if (f->bit == SHORT) {
		FAULT_LENGTH(r) = p->length / 2;
		fault_regs_set(tid, &r);
	} else if ((long)info->entry.nr != SYS_close) {
		fault_no_call(tid, &r);
	}
}

static void
fault_end(pid_t tid, const struct __ptrace_syscall_info *info)
{
	struct fault_pending *p = pending;
	fault_regs r;

	if (info->op != PTRACE_SYSCALL_INFO_EXIT)
		return;
	while (p < pending + 256 && (p->fault == NULL || p->tid != tid))
		p++;
	if (p == pending + 256 || !fault_regs_get(tid, &r))
		return;
	if (p->fault->bit == SHORT)
		FAULT_LENGTH(r) = p->length;
	else
		FAULT_RESULT(r) = (uint64_t)-p->fault->error;
	fault_regs_set(tid, &r);
	p->fault = NULL;
}

#else

static void
fault_begin(
    const struct fault *f, pid_t tid, const struct __ptrace_syscall_info *info)
{
	(void)f, (void)tid, (void)info;
}

static void
fault_end(pid_t tid, const struct __ptrace_syscall_info *info)
{
	(void)tid, (void)info;
}

#endif
