/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore -- one database from a replica to a file, proven or not there.
 *
 * The states of a target:
 *	absent | unfinished (.lspp-XXXXXX beside it) | whole
 * An unfinished file gets its name only after everything was checked:
 *	1. every LZ4 frame is whole and its content checksum right
 *	2. the WAL segments are contiguous, and salts and running checksums
 *	   chain from frame to frame (lspp-format(5) rules 1 and 5;
 *	   sqlite.org fileformat2 4.2)
 *	3. what lies in the file, read back, has the size and the pagesum that
 *	   the provenance of the last object claims; objects of litestream's
 *	   have none, then SQLite's quick_check must say ok
 * and after its bytes are durable.
 *
 * Unfinished files are locked (flock) while somebody works on them: what a
 * killed run left is removed when a directory is first used again.
 *
 * Room restore: one database from a replica to a file (invariant 4); and
 *     lspp-new's template to many files.
 * Used by: live, mirror, verify (--sql), bin.
 * Never: gives a file its name before the proof and the sync; writes to a
 *     replica.
 *
 * Why it is so:
 *
 * Objects stream through the decoder onto the file, frame by frame.  What is
 * large does so on several threads, as many as -j has places for (crew.h): one
 * fetches and unpacks, one writes (relay.h), others get the next segments
 * (restore_ahead), one object of at most 1 MiB each, so that 256 segments on
 * S3 do not cost 256 round trips in turn.  So memory follows -j, and with -j
 * 1, or when every worker has a database of its own, there are no such
 * threads.
 *
 * The disk begins with each 8 MiB, not with the sync at the end; room is made
 * 32 MiB ahead, which halves the cost of writing on ext4, and given back.
 *
 * Each frame is written when it comes, also if a later one replaces it: to
 * write only the newest one needs a map of the pages, whose size follows the
 * database's, and saves little, as a virtual WAL holds a page once for each
 * ship.
 */
#ifndef LSPP_RESTORE_RESTORE_H
#define LSPP_RESTORE_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/replica/restore_plan.h"

struct crew;
struct store;

/* The checks that SQLite itself makes of the file, beyond those above. */
enum restore_check {
	RESTORE_CHECK_AUTO, /* quick_check where there is no provenance */
	RESTORE_CHECK_NONE,
	RESTORE_CHECK_QUICK,
	RESTORE_CHECK_FULL, /* integrity_check */
};

/* The mode, owner or group that the source had, as far as it is known. */
#define RESTORE_KEEP UINT32_MAX

/* Whose a restored file is to be; each may be RESTORE_KEEP. */
struct restore_own {
	uint32_t mode, uid, gid;
};

struct restore_target {
	const char *path; /* of the file to be; it ends in a name */
	/*
	 * Symbolic links are followed in the first so many bytes of path (to
	 * a slash or before one), and refused in the directories after that.
	 */
	size_t trusted;
	bool force;      /* replace what is there */
	bool force_open; /* also what a process has open */
	enum restore_check check;
	const struct restore_own *own; /* NULL: as the source had it */
	/*
	 * Go on with a large snapshot that a killed run with resume had begun
	 * to get, and leave it so that another can.  Costs the space of it.
	 */
	bool resume;
};

/*
 * The values of options: "none", "quick" or "full"; an octal mode, as "0640";
 * "user", "user:group" or ":group", each a name or a number.  0, or -1
 * ERR_USAGE.
 */
int restore_parse_check(
    const char *arg, enum restore_check *check, struct err *e);
int restore_parse_mode(const char *arg, uint32_t *mode, struct err *e);
int restore_parse_owner(
    const char *arg, uint32_t *uid, uint32_t *gid, struct err *e);

/*
 * Would restore_stage() refuse path for what is there already?  ERR_EXISTS for
 * the file, or a -wal, -shm or -journal beside it.  Makes nothing.
 */
int restore_target_free(const char *path, struct err *e);

/* A file that is restored and proven but has no name yet. */
struct restored {
	int rc; /* after restore_publish(): 0, or -1 with e */
	struct err e;
	const char *note; /* something worth telling with -v, or NULL */
	int64_t as_of_ns; /* when the state was captured, as far as known */
	bool summed;      /* compared with the provenance's checksum */
	enum restore_check checked; /* by SQLite: none, quick or full */
	/* private: the directory, and in it the unfinished file, locked */
	int dir, fd;
	uint64_t dev;
	char tmp[16];      /* "" once it has its name */
	char part[32];     /* what is of no use when it has; "" if nothing is */
	char *path, *name; /* as it was asked for, and in the directory */
	bool force, force_open, synced;
};

/*
 * The decoder and buffers one worker needs; one thread at a time.  For a large
 * database it starts threads of its own as far as there are places for them in
 * crew, which is borrowed: NULL, there are none.
 */
struct restorer;
struct restorer *restorer_new(struct crew *crew);
void restorer_free(struct restorer *r); /* takes NULL */

/* Which kind of file is at the place of a target? */
enum restore_there {
	RESTORE_NOTHING,
	RESTORE_WHOLE,   /* what the plan leads to, page for page */
	RESTORE_OTHER,   /* something else, or it has been used */
	RESTORE_UNKNOWN, /* the replica does not say what it leads to */
};

/*
 * For a run that goes on with another's work: reads the target, and of the
 * replica the end of one object, which gives p->until_ns.  When it is whole, it
 * and its name are durable: the other run may have been killed before.
 */
int restore_look(struct restorer *r, struct store *s, const char *db,
    struct restore_plan *p, const struct restore_target *t,
    enum restore_there *there, struct err *e);

/*
 * A descriptor, the caller's, of the directory that t's path is in, without a
 * link on the way that restore_stage() would not follow; missing ones are made.
 * *name is in t->path.  Or -1.
 */
int restore_dir(struct restorer *r, const struct restore_target *t,
    const char **name, struct err *e);

/*
 * Carry out plan p into an unfinished file beside target.  The target's parent
 * directories are made.  Fails with ERR_EXISTS when target, or a -wal, -shm or
 * -journal beside it, exists and force is not set, and always when the target
 * is something else than a regular file.  ERR_MISSING: an object of the plan
 * is gone; a retention run may have been faster, so plan once more.
 */
int restore_stage(struct restorer *r, struct store *s, const char *db,
    const struct restore_plan *p, const struct restore_target *t,
    struct restored **out, struct err *e);

/*
 * Of the last restore_stage(): how many objects, the snapshot among them, were
 * read without a fault.
 */
size_t restorer_sound(const struct restorer *r);

/*
 * Likewise, of segments of which the last was: the place behind it, and what the
 * log goes on from.  False: frames are there whose commit has not come, which
 * are not in the file.
 */
struct chain;
bool restorer_end(const struct restorer *r, uint64_t *at, struct chain *c);

/*
 * Plan and stage: what w wants, or with w->good, when that turns out to be
 * damaged, what can be had instead; p->earlier and p->why then tell.
 *
 * RESTORE_LAST_GOOD goes back to the segment before the damaged or missing
 * object, and where a snapshot is damaged, to the one before it with all
 * segments since.
 *
 * RESTORE_BISECT checks each state it tries in full: the newest, then 1, 3, 7,
 * ... segments back until one is good, then halves what is between.  That is
 * the newest good state if every state after the first bad one is bad; damage
 * that the application repaired in between may hide a newer one.
 */
int restore_find(struct restorer *r, struct store *s, const char *db,
    const struct restore_want *w, struct restore_plan *p,
    const struct restore_target *t, struct restored **out, struct err *e);

/*
 * Give n staged files their names, durably: one sync of the data for all, the
 * renames (never over an existing file unless forced), one sync of the
 * directories.  Each gets its own result.  At last the path of each is looked
 * at: ERR_BUSY if it does not lead to the file, since a directory on the way
 * was moved or replaced after the file was begun.
 *
 * A forced restore over a database that has a -wal or -journal takes the old
 * database away first, then these: whoever looks in between, also after a
 * crash, finds no database rather than one with another's log.
 */
void restore_publish(struct restored **list, size_t n);

/* Does the target, where nobody has used it, hold the same bytes already?
 * Then it is durable. */
int restored_same(const struct restored *r, bool *same, struct err *e);

/*
 * Instead of publishing it: the proven bytes to fd, a pipe perhaps.  The file
 * has no name from then on.
 */
int restored_write(struct restored *r, int fd, struct err *e);

/* The file as long as it has no name, to be read and, by who knows why,
 * written. */
int restored_fd(const struct restored *r);

/* Only the name, of one, for what need not be durable. */
int restored_name(struct restored *r, struct err *e);

/* Free; a file that was not published is removed.  Takes NULL. */
void restored_drop(struct restored *r);

#endif
