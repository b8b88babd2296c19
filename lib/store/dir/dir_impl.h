/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir -- a directory as a store.
 *
 * stage writes to a file without a name (O_TMPFILE) in the directory where the
 * object is to be, or where that is not to be had, to .lspp-tmp/ below the
 * root under an advisory lock, so that the next run can tell what a killed one
 * left and removes it.
 *
 * publish syncs the data of a whole batch, links the names (a link never
 * overwrites), and syncs the directories: two waits for a batch, however many
 * objects are in it (syncfs when there are several, else fsync for each).
 * Objects are not visible before their data is durable.  When a sync fails,
 * the whole batch fails and its names are taken back: pages that were not
 * written are clean to the kernel, and a second sync would tell a lie.
 *
 * Objects are made with mode 0640 and directories with 0750, less umask.
 * A killed process may leave empty directories; those are listed as prefixes.
 * Nothing is written through a symbolic link below the root; the root itself
 * may be one, and reading follows those in a key.  What list() meets on its way
 * and is neither a file nor a directory is an odd entry (store.h).
 *
 * Names that begin with ".lspp-" are the driver's own: never listed, and
 * refused in keys, as are empty components, "." and "..".
 *
 * This header is for these files and for the tests alone:
 *
 *	dir_place.c	which directory a URL names
 *	dir.c		the root, keys, parent directories
 *	dir_stage.c	stage, drop
 *	dir_publish.c	publish
 *	dir_read.c	get, list
 *	dir_remove.c	remove, what is unfinished
 *
 * Room store/dir: the driver of a directory.
 * Used by: store/open, by its one struct store_driver.
 * Never: overwrites a name; shows an object before its data is durable; writes
 *     through a symbolic link below the root.
 *
 * Why it is so:
 *
 * An object is written without a name, the data of a batch is synced, the
 * names are linked (a link never overwrites), the directories are synced.
 * syncfs waits twice for a batch of any size.  Restores are made durable the
 * same way.
 */
#ifndef LSPP_STORE_DIR_DIR_IMPL_H
#define LSPP_STORE_DIR_DIR_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <xxhash.h>

#include "lib/store/driver.h"

#define DIR_NOTE   "user.lspp" /* the attribute of an object's note */
#define DIR_TMP    ".lspp-tmp"
#define DIR_OWN    ".lspp-" /* how names of ours begin */
#define DIR_PIECE  ((size_t)256 * 1024)
#define DIR_FLAGS  (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define DIR_SYNCFS 4 /* from so many objects on, one syncfs is cheaper */

/* The system as the driver sees it; other than the real one only in tests. */
struct dir_sys {
	int (*fsync)(int fd);
	int (*syncfs)(int fd); /* NULL: there is none that reports errors */
	bool tmpfile;          /* files without a name can be made, */
	bool fdlink;           /* and get one */
	bool hardlink;         /* files with a name get another */
};

/*
 * A set of paths that forgets: a path it has, it was given.  So its size is
 * fixed, however many databases there are.
 */
#define DIR_PATHS 4096
struct dir_paths {
	XXH128_hash_t slot[DIR_PATHS];
};

struct dir {
	struct store store;
	struct dir_sys sys;
	enum store_mode mode;
	char *path;
	int root;
	dev_t dev;
	atomic_ullong sent, received; /* bytes of objects */
	atomic_bool named;    /* a file without a name could not be linked */
	pthread_mutex_t lock; /* for the rest */
	int tmp;              /* DIR_TMP, or -1 */
	/* directories known to be in their parents durably */
	struct dir_paths durable;
};

/* A staged object. */
struct dir_object {
	struct staged staged;
	char *key;
	char *after, *unless; /* must be there, and not; or NULL */
	int64_t mtime_ns;
	int parent;    /* the directory it goes to */
	int fd;        /* its bytes */
	unsigned made; /* levels of directories made for it, from below */
	dev_t dev;
	char tmp[40]; /* its name in DIR_TMP, "" if it has none */
	bool linked;  /* by the publish that is running */
	bool failed;  /* a sync failed: its bytes may be gone */
};

/* The absolute and normal path of the directory that url means. */
int dir_locate(const char *url, struct buf *out, struct err *e);

/* Of the driver. */
char *dir_url(const char *url, const struct store_conf *conf, struct err *e);
char *dir_root(const char *url, struct err *e);
char *dir_real(const char *url, struct err *e);
int dir_whoami(const char *url, const struct store_conf *conf, struct buf *out,
    struct err *e);

/* path is absolute and normal.  The caller sets url and root. */
struct store *dir_open(const char *path, enum store_mode mode, bool must_exist,
    const struct dir_sys *sys, struct err *e);

/* ERR_USAGE for a key that is none. */
int dir_check_key(const char *key, struct err *e);

/* If the root itself has gone, say that in e, whatever it says. */
void dir_blame_root(struct dir *d, struct err *e);

/* How often somebody may take a directory from under us. */
#define DIR_RACES 16

/* Is the directory open on fd gone from the file system? */
bool dir_is_removed(int fd);

/* Open the directory of o->key anew, making what is missing. */
int dir_open_parent(struct dir *d, struct dir_object *o, struct err *e);

/* Remove the directories of key that are empty, from below, at most levels. */
void dir_prune(struct dir *d, const char *key, unsigned levels);

/* Remove what killed runs left in DIR_TMP: what nobody has locked. */
void dir_clean_up(struct dir *d);

/* A file in DIR_TMP, locked: o->fd and o->tmp. */
int dir_open_named(struct dir *d, struct dir_object *o, struct err *e);
int dir_set_time(struct dir_object *o, struct err *e);

/* Is 'after' there, and 'unless' not (NULL: either way)?  ERR_MISSING. */
int dir_check_after(
    struct dir *d, const char *after, const char *unless, struct err *e);

bool dir_paths_has(const struct dir_paths *p, const char *path, size_t len);
void dir_paths_add(struct dir_paths *p, const char *path, size_t len);

struct staged *dir_stage(
    struct store *s, const struct store_stage *st, struct err *e);
void dir_drop(struct store *s, struct staged *st);
void dir_publish(struct store *s, struct staged **list, size_t n);
int dir_note(struct store *s, const char *key, struct buf *b, struct err *e);
int dir_get(struct store *s, const char *key, uint64_t off, uint64_t n,
    store_sink *sink, void *ctx, struct err *e);
int dir_list(struct store *s, const char *prefix, bool delimited,
    store_each *each, void *ctx, struct err *e);
int dir_remove(struct store *s, const char *key, struct err *e);
int dir_remove_many(struct store *s, const char *const *keys, size_t n,
    store_removed *removed, void *ctx, struct err *e);
int dir_uploads(struct store *s, const char *prefix, store_upload_each *each,
    void *ctx, struct err *e);
int dir_abort(struct store *s, const struct store_upload *u, struct err *e);

/* Remove the name key, no link on the way followed; -1 with errno. */
int dir_unlink(struct dir *d, const char *key);

#endif
