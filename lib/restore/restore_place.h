/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore_place -- the directories that restored files go to, and the
 * unfinished files in them.  Private to restore.
 *
 * Everything is done relative to a descriptor of the directory, so that what is
 * renamed or removed is what was looked at, whatever becomes of the path.
 *
 * Invariant 4 (ARCHITECTURE.md) is kept here and in restore_publish.c.
 */
#ifndef LSPP_RESTORE_RESTORE_PLACE_H
#define LSPP_RESTORE_RESTORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct err;
struct restored;

#define PLACE_SEEN 1024

/*
 * The directory used last, and which ones were looked through for what killed
 * runs left: a bounded memory, so one may be looked through twice.
 */
struct place {
	char *path; /* of dir; NULL: none */
	size_t trusted;
	int dir;
	bool own_dirs;   /* what is made gets owner and mode: own_set_dir() */
	bool unfinished; /* dir was made so, and has not got them yet */
	bool keep_parts; /* of large objects (restore_part.h) */
	struct {
		uint64_t dev, ino;
	} seen[PLACE_SEEN];
};

void place_init(struct place *p);
void place_release(struct place *p);

/*
 * What the directory of a file is made with until it is known whose it is to
 * be: nobody else may look into it.  The bit that is of no use there says so
 * also to the next run, should this one be killed.
 */
#define PLACE_UNFINISHED (S_ISVTX | 0700)
/* Those above it: whoever it is given to must get there. */
#define PLACE_WAY 0711

/*
 * Open the directory of 'path' in p->dir, making what is missing of it; links
 * are followed in the first 'trusted' bytes only.  Returns where the name
 * begins in path, or NULL.
 */
const char *place_open(
    struct place *p, const char *path, size_t trusted, struct err *e);

/*
 * path is name's for messages.  ERR_EXISTS if name, or with a suffix one of SQLite's side files, is there.
 * With force only what cannot be replaced is: anything but a regular file, and
 * a database where a side file would be.  Always, if name would be a side file
 * of what is there (lib/sqlite/beside.h).
 * ERR_CORRUPT if one is a file of the state that this process has open.
 */
int place_free(
    int dir, const char *name, const char *path, bool force, struct err *e);
/* The same but for the side files, for who asks in full before the rename. */
int place_free_name(
    int dir, const char *name, const char *path, bool force, struct err *e);

/* ERR_EXISTS if something is mounted on it: no file can take its place. */
int place_mounted(int dir, const char *name, const char *path, struct err *e);

/*
 * ERR_BUSY, naming the process, if another one has the database called name
 * open.  In WAL mode a connection holds a lock as long as it lives; in rollback
 * mode only while it reads or writes, so one that rests is not seen.
 */
int place_in_use(int dir, const char *name, struct err *e);

/*
 * Sync the directory, and those above it on the file system, any of which may
 * have been made just now, by this worker or another.  A clean one costs
 * next to nothing.  One that may not be read was not made by us.
 */
int place_sync(int dir, struct err *e);

/* A new unfinished file in p->dir, locked; r gets the descriptors. */
int place_create(struct place *p, struct restored *r, struct err *e);

#endif
