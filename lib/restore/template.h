/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template -- one database, held still, and any number of new ones like it.
 *
 * The template is only read, as every source is (source/source.h): what a WAL
 * of it holds is in the copies, and the template itself is not touched.  All
 * copies of one struct db_template have the same bytes, those of one committed
 * state, whatever becomes of the template meanwhile.
 *
 * A copy shares its blocks with the others where the file system can
 * (FICLONE), else the kernel copies, else we do.
 */
#ifndef LSPP_RESTORE_TEMPLATE_H
#define LSPP_RESTORE_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/restore/restore_place.h"

struct err;
struct restored;

/* Only read after template_open(), by any number of threads. */
struct db_template {
	int fd; /* of a file without a name */
	uint64_t size;
	mode_t mode; /* of the template, unless the caller changes them: */
	uid_t uid;
	gid_t gid;
	bool told; /* mode is the caller's, whatever the group */
};

/*
 * Take the image of the database at path.  The file for it is made in dir, or
 * in /tmp where that cannot be.  ERR_BUSY: it is written faster than it can be
 * read, or has a hot journal.
 */
int template_open(
    struct db_template *t, const char *path, const char *dir, struct err *e);
void template_close(struct db_template *t);

/*
 * A copy beside target, without its name as yet: give it one with
 * restore_publish() or restored_name().  Missing directories are made.  place
 * is one thread's.  ERR_EXISTS: there is a file of that name; that there is a
 * -wal, -shm or -journal of one, is told when it is to get its name.
 */
int template_copy(const struct db_template *t, struct place *place,
    const char *target, struct restored **out, struct err *e);

#endif
