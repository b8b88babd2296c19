/*
 * restore -- one database from a replica to a file, proven or not there.
 *
 * The states of a target:
 *	absent | unfinished (.lspp-XXXXXX beside it) | whole
 * An unfinished file gets its name only after everything was checked:
 *	1. every LZ4 frame is whole and its content checksum right
 *	2. the WAL segments are contiguous, and salts and running checksums
 *	   chain from frame to frame (FORMAT rules 1 and 5; sqlite.org
 *	   fileformat2 4.2)
 *	3. what lies in the file, read back, has the size and the pagesum that
 *	   the provenance of the last object claims; objects of litestream's
 *	   have none, then SQLite's quick_check must say ok
 * and after its bytes are durable.
 *
 * Unfinished files are locked (flock) while somebody works on them: what a
 * killed run left is removed when a directory is first used again.
 */
#ifndef LSPP_ENGINE_RESTORE_H
#define LSPP_ENGINE_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct store;

struct restore_plan {
	char generation[17];
	uint32_t snapshot;                        /* index */
	uint32_t *segment_index, *segment_offset; /* in order */
	size_t segments;
	uint64_t bytes;   /* compressed, of all objects */
	int64_t until_ns; /* capture time of the last object, or its mtime */
	/* A newer generation that has no snapshot and so cannot be restored
	   from; "" if there is none. */
	char passed_over[17];
};

/*
 * Choose what to restore the newest state of db from: one listing, and with
 * several generations the end of each one's last object.  ERR_MISSING when the
 * replica has no such database; ERR_CORRUPT names what is missing when a chain
 * has a hole.
 */
int restore_plan(
    struct store *s, const char *db, struct restore_plan *p, struct err *e);
void restore_plan_release(struct restore_plan *p);

/* What SQLite is asked to say about the file, beyond the checks above. */
enum restore_check {
	RESTORE_CHECK_AUTO, /* quick_check where there is no provenance */
	RESTORE_CHECK_NONE,
	RESTORE_CHECK_QUICK,
	RESTORE_CHECK_FULL, /* integrity_check */
};

struct restore_target {
	const char *path; /* of the file to be; it ends in a name */
	/*
	 * Symbolic links are followed in the first so many bytes of path (to
	 * a slash or before one), and refused in the directories after that.
	 */
	size_t trusted;
	bool force; /* replace what is there */
	enum restore_check check;
};

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
	/* private: the directory, and in it the unfinished file, locked */
	int dir, fd;
	uint64_t dev;
	char tmp[16]; /* "" once it has its name */
	char *name;
	bool force, synced;
};

/*
 * The decoder and buffers one worker needs; one thread at a time.
 */
struct restorer;
struct restorer *restorer_new(void);
void restorer_free(struct restorer *r); /* takes NULL */

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
 * Give n staged files their names, durably: one sync of the data for all, the
 * renames (never over an existing file unless forced), one sync of the
 * directories.  Each gets its own result.
 *
 * A forced restore over a database that has a -wal or -journal takes the old
 * database away first, then these: whoever looks in between, also after a
 * crash, finds no database rather than one with another's log.
 */
void restore_publish(struct restored **list, size_t n);

/* Free; a file that was not published is removed. */
void restored_drop(struct restored *r);

#endif
