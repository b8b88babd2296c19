/* SPDX-License-Identifier: Apache-2.0 */
/*
 * atcall -- run a program up to its N-th system call, then something happens.
 *
 *	atcall [-a] [-e FAULT] [-f NAME] [-k KIND] [-n N] [-o FILE] [-x COMMAND]
 *	    PROGRAM...
 *
 *	-a	-e: and at each call behind it that is counted
 *	-e	count the calls that FAULT can happen to; what happens is that it
 *		does: ENOSPC, EIO, EMFILE, EINTR, or "short", a call that moves
 *		half of the bytes, or one of two
 *	-f	count only calls on a descriptor of a file whose path ends so
 *	-k	count: "write" (what changes files or makes them durable, and
 *		what asks a server to), "read" (read and pread), "sync", "all" [all]
 *	-n	at this call, before it is carried out [never]
 *	-o	write how many were counted to FILE at the end, and with -e on a
 *		second line the call: its number, or "sync" if it is one and
 *		nothing was printed before; and the path of its descriptor
 *	-x	what happens: run COMMAND, then let the program go on; without
 *		it the program is killed, with SIGKILL
 *
 * What gcov writes when a program ends, in a build of `make cover`, is not counted.
 *
 * All threads are counted together; those other than the one that made the
 * call go on while COMMAND runs.  Exits as the program did, 137 if it was
 * killed.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tools/atcall_fault.h"

static const long write_calls[] = {
	SYS_write,
	SYS_writev,
	SYS_pwrite64,
	SYS_openat,
	SYS_linkat,
	SYS_unlinkat,
	SYS_mkdirat,
	SYS_renameat2,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_fsync,
	SYS_fdatasync,
	SYS_syncfs,
	SYS_utimensat,
	SYS_fchmod,
	SYS_connect,
	SYS_sendto,
	SYS_sendmsg,
	SYS_recvfrom,
#ifdef SYS_open
	SYS_open,
	SYS_link,
	SYS_unlink,
	SYS_mkdir,
	SYS_rename,
#endif
#ifdef SYS_renameat
	SYS_renameat,
#endif
};

static const long read_calls[] = { SYS_read, SYS_pread64, SYS_readv,
	SYS_preadv };

static const long sync_calls[] = { SYS_fsync, SYS_fdatasync, SYS_syncfs };

struct watch {
	const char *file, *command, *out;
	const long *calls; /* NULL: all */
	size_t n_calls;
	long at, count;
	const struct fault *fault; /* instead of command */
	bool all_behind, printed, over;
	char hit[PATH_MAX + 32];
	pid_t child;
	int status;
};

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "atcall: %s: %s\n", what, strerror(errno));
	exit(125);
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* Is the descriptor fd of the thread one of the file that is watched? */
static bool
is_file(const struct watch *w, pid_t tid, unsigned long long fd)
{
	char link[64], path[PATH_MAX + 1];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/fd/%llu", (int)tid, fd);
	if ((n = readlink(link, path, sizeof(path) - 1)) == -1)
		return false;
	path[n] = '\0';
	return ends_with(path, w->file);
}

/* Does gcov open a file of its own? */
static bool
is_gcov(pid_t tid, const struct __ptrace_syscall_info *info)
{
	char path[PATH_MAX + sizeof(long)] = "";
	unsigned long at = info->entry.args[1];
	long word;

	if (info->op != PTRACE_SYSCALL_INFO_ENTRY ||
	    info->entry.nr != SYS_openat)
		return false;
	for (size_t i = 0; i < PATH_MAX; i += sizeof(word)) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, tid, at + i, NULL);
		if (errno != 0)
			return false;
		memcpy(path + i, &word, sizeof(word));
		if (memchr(&word, 0, sizeof(word)) != NULL)
			break;
	}
	return ends_with(path, ".gcda");
}

static bool
counts(const struct watch *w, pid_t tid, const struct __ptrace_syscall_info *at)
{
	struct __ptrace_syscall_info info = *at;
	bool found = w->calls == NULL;

	if (info.op != PTRACE_SYSCALL_INFO_ENTRY || w->over)
		return false;
	for (size_t i = 0; i < w->n_calls; i++)
		if ((long)info.entry.nr == w->calls[i])
			found = true;
	if (w->fault != NULL && !fault_fits(w->fault, &info))
		return false;
	return found &&
	    (w->file == NULL || is_file(w, tid, info.entry.args[0]));
}

/* The leak checker is a tracer, too: there can be only one. */
static void
no_leak_detection(void)
{
	const char *was = getenv("ASAN_OPTIONS");
	char now[1024];

	(void)snprintf(
	    now, sizeof(now), "%s:detect_leaks=0", was != NULL ? was : "");
	(void)setenv("ASAN_OPTIONS", now, 1);
}

static void
tell_hit(struct watch *w, pid_t tid, const struct __ptrace_syscall_info *info)
{
	char link[64], path[PATH_MAX] = "";

	(void)snprintf(link, sizeof(link), "/proc/%d/fd/%llu", (int)tid,
	    (unsigned long long)info->entry.args[0]);
	if (readlink(link, path, sizeof(path) - 1) == -1)
		path[0] = '\0';
	if (fault_is_sync((long)info->entry.nr) && !w->printed)
		(void)snprintf(w->hit, sizeof(w->hit), "sync %s", path);
	else
		(void)snprintf(w->hit, sizeof(w->hit), "%llu %s",
		    (unsigned long long)info->entry.nr, path);
}

static void
at_call(struct watch *w, pid_t tid, const struct __ptrace_syscall_info *info)
{
	if (w->fault != NULL && w->hit[0] == '\0')
		tell_hit(w, tid, info);
	if (w->fault != NULL)
		fault_begin(w->fault, tid, info);
	else if (w->command == NULL)
		kill(w->child, SIGKILL);
	else if (system(w->command) != 0)
		(void)fprintf(stderr, "atcall: %s: failed\n", w->command);
}

/* A stop of a thread: what signal to pass on when it goes on. */
static int
look(struct watch *w, pid_t tid, int status)
{
	struct __ptrace_syscall_info info = { 0 };
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) ==
		    -1)
			return 0;
		fault_end(tid, &info);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY &&
		    info.entry.nr == SYS_write && info.entry.args[0] == 1)
			w->printed = true;
		w->over = w->over || is_gcov(tid, &info);
		if (counts(w, tid, &info) &&
		    (++w->count == w->at ||
			(w->all_behind && w->at > 0 && w->count > w->at)))
			at_call(w, tid, &info);
		return 0;
	}
	/* A new thread, an exec: ptrace's own stops. */
	if (status >> 16 != 0 || sig == SIGSTOP || sig == SIGTRAP)
		return 0;
	return sig;
}

static void
watch(struct watch *w)
{
	int status, sig;
	pid_t tid;

	for (;;) {
		while ((tid = waitpid(-1, &status, __WALL)) == -1)
			if (errno != EINTR)
				return; /* ECHILD: all have gone */
		if (!WIFSTOPPED(status)) {
			if (tid == w->child)
				w->status = status;
			continue;
		}
		sig = look(w, tid, status);
		if (ptrace(PTRACE_SYSCALL, tid, NULL, (long)sig) == -1 &&
		    errno != ESRCH)
			die("ptrace");
	}
}

static void
start(struct watch *w, char *argv[])
{
	int status;

	if ((w->child = fork()) == -1)
		die("fork");
	if (w->child == 0) {
		no_leak_detection();
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
			die("ptrace");
		raise(SIGSTOP);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	if (waitpid(w->child, &status, 0) == -1 || !WIFSTOPPED(status))
		die("cannot trace");
	if (ptrace(PTRACE_SETOPTIONS, w->child, NULL,
		(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
		    PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) == -1 ||
	    ptrace(PTRACE_SYSCALL, w->child, NULL, NULL) == -1)
		die("ptrace");
}

static void
set_kind(struct watch *w, const char *kind)
{
	if (strcmp(kind, "write") == 0) {
		w->calls = write_calls;
		w->n_calls = sizeof(write_calls) / sizeof(write_calls[0]);
	} else if (strcmp(kind, "read") == 0) {
		w->calls = read_calls;
		w->n_calls = sizeof(read_calls) / sizeof(read_calls[0]);
	} else if (strcmp(kind, "sync") == 0) {
		w->calls = sync_calls;
		w->n_calls = sizeof(sync_calls) / sizeof(sync_calls[0]);
	} else if (strcmp(kind, "all") != 0) {
		(void)fprintf(stderr, "atcall: -k %s?\n", kind);
		exit(2);
	}
}

static void
write_count(const struct watch *w)
{
	FILE *f = fopen(w->out, "we");

	if (f == NULL || fprintf(f, "%ld\n%s\n", w->count, w->hit) < 0 ||
	    fclose(f) == EOF)
		die(w->out);
}

int
main(int argc, char *argv[])
{
	struct watch w = { 0 };
	int c;

	while ((c = getopt(argc, argv, "+ae:f:k:n:o:x:")) != -1)
		switch (c) {
		case 'a': w.all_behind = true; break;
		case 'e':
			if ((w.fault = fault_named(optarg)) == NULL)
				return 2;
			break;
		case 'f': w.file = optarg; break;
		case 'k': set_kind(&w, optarg); break;
		case 'n': w.at = strtol(optarg, NULL, 10); break;
		case 'o': w.out = optarg; break;
		case 'x': w.command = optarg; break;
		default: return 2;
		}
	if (optind == argc) {
		(void)fprintf(stderr, "usage: atcall [option ...] PROGRAM\n");
		return 2;
	}
	start(&w, argv + optind);
	watch(&w);
	if (w.out != NULL)
		write_count(&w);
	return WIFSIGNALED(w.status) ? 128 + WTERMSIG(w.status)
				     : WEXITSTATUS(w.status);
}
