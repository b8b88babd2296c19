/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature -- what two stat calls say about a database.
 *
 * A commit changes the database file or its -wal: in WAL mode it does not touch
 * the main file, so both are looked at.  Equal signatures mean the same
 * content, except that a change within the same tick of the file system's clock
 * leaves no trace: a signature whose newest ctime is within a second of the
 * moment it was taken is racy (as git's index calls it), and equality with it
 * proves nothing.  That moment is known as well as the clock was read before and
 * after: in between a process may stand still for any time.
 *
 * How long a tick is, the time itself tells.  Without fractions of a second it
 * is of a file system that keeps none (ext3, ext4 with inodes of 128 bytes: 1
 * s; FAT: 2 s), a multiple of 100 ms of one that keeps tenths; any other moves
 * with the kernel's timer, 10 ms at the slowest.  A time of a fine clock looks
 * coarse once in ten million, and costs a wait.
 *
 * A clock that was set back comes by its times once more.  By a moment of a fine
 * clock it does not; by a whole second it does.  So a coarse time that is yet to
 * come is racy until the clock has left it behind.
 *
 * Invariant 3 (ARCHITECTURE.md) rests on this.
 */
#ifndef LSPP_SOURCE_SIGNATURE_H
#define LSPP_SOURCE_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct stat;

struct file_sig {
	int64_t dev, ino, size, mtime_ns, ctime_ns; /* all 0: no such file */
};

/* No padding: compared as bytes. */
struct signature {
	struct file_sig db, wal;
};

/* The time of day in ns since 1970. */
int64_t now_ns(void);

void file_sig_of(struct file_sig *f, const struct stat *st);

/* Are its times those of a clock that many changes share a moment of? */
bool file_sig_is_coarse(const struct file_sig *f);

/*
 * f was taken at some moment between these two: how many ns too early for a
 * later change to show in its ctime?  0: any change from then on makes it
 * another.
 */
int64_t file_sig_unsettled_ns(
    const struct file_sig *f, int64_t from_ns, int64_t to_ns);

/*
 * Take the signature of the database at path; symbolic links are followed, and
 * the -wal is the one beside the file itself.  *racy as described above.
 * ERR_MISSING when there is no such file.
 */
int signature_take(
    struct signature *s, const char *path, bool *racy, struct err *e);

/* Is s racy, taken at some moment between these two? */
bool signature_racy(const struct signature *s, int64_t from_ns, int64_t to_ns);

bool signature_equal(const struct signature *a, const struct signature *b);

/* When either file was last changed, by its ctime. */
int64_t signature_newest_ns(const struct signature *s);

#endif
