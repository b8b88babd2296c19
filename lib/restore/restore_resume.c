/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_resume.h"
#include "lib/replica/peek.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/replica/codec/codec.h"
#include "lib/replica/wal/provenance.h"
#include "lib/restore/restore_place.h"
#include "lib/restore/restore_proof.h"
#include "lib/store/store.h"
#include "lib/sys/file.h"
#include "lib/sys/guard.h"

/* The provenance of the plan's last object: 1; 0 if it has none; -1. */
static int
last_provenance(struct store *s, const char *db, const struct restore_plan *p,
    struct provenance *pv, struct err *e)
{
	struct layout_name name = { LAYOUT_SNAPSHOT, p->snapshot };
	struct buf key = { 0 };
	int rc;

	if (p->segments > 0)
		name = (struct layout_name){ LAYOUT_SEGMENT,
			p->segment[p->segments - 1].at };
	p->codec->key(&key, db, p->generation, &name);
	rc = peek(s, buf_str(&key), pv, e);
	/* Another's object is found out when it is restored. */
	if (rc == 1 && !provenance_is(pv, p->generation, &name))
		rc = 0;
	buf_release(&key);
	return rc;
}

static int
open_target(int dir, const char *name, struct stat *st)
{
	int fd;

	if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    guard_is_own((int64_t)st->st_dev, (int64_t)st->st_ino))
		return -1;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1 && (fstat(fd, st) == -1 || !S_ISREG(st->st_mode))) {
		file_close(fd);
		fd = -1;
	}
	return fd;
}

/* A log beside it: somebody has used it since. */
static bool
is_in_use(int dir, const char *name)
{
	static const char *const suffix[] = { "-wal", "-journal" };
	struct stat st;
	bool is = false;
	char *side;

	for (int i = 0; i < 2 && !is; i++) {
		side = xasprintf("%s%s", name, suffix[i]);
		is = fstatat(dir, side, &st, AT_SYMLINK_NOFOLLOW) == 0;
		free(side);
	}
	return is;
}

/* Whoever made it may have been killed between the name and its sync. */
static int
make_durable(int dir, int fd, struct err *e)
{
	if (fsync(fd) == -1)
		return err_sys(e, "cannot sync");
	return place_sync(dir, e);
}

int
resume_look(int dir, const char *name, struct store *s, const char *db,
    struct restore_plan *p, uint8_t *buf, struct crew *crew,
    enum restore_there *there, struct err *e)
{
	struct provenance pv;
	struct stat st;
	int fd, rc = 0;

	*there = RESTORE_OTHER;
	if ((fd = open_target(dir, name, &st)) == -1 || is_in_use(dir, name))
		goto out;
	if ((rc = last_provenance(s, db, p, &pv, e)) == 0)
		*there = RESTORE_UNKNOWN;
	if (rc != 1)
		goto out;
	rc = proof_sum(fd, (uint64_t)st.st_size, &pv, buf, crew, e);
	if (rc == 0) {
		*there = RESTORE_WHOLE;
		p->until_ns = pv.captured_ns;
		rc = make_durable(dir, fd, e);
	} else if (e->class == ERR_CORRUPT) {
		rc = 0; /* of the target, not of the backup */
	}
out:
	file_close(fd);
	return rc;
}

/* Do two files hold the same bytes? */
static int
compare(int a, int b, bool *same, struct err *e)
{
	uint8_t *buf = xmalloc(2 * PROOF_BUF);
	uint64_t at = 0;
	ssize_t n, m;
	int rc = -1;

	*same = false;
	do {
		if ((n = file_pread(a, buf, PROOF_BUF, at, e)) == -1 ||
		    (m = file_pread(b, buf + PROOF_BUF, PROOF_BUF, at, e)) ==
			-1)
			goto out;
		if (n != m || memcmp(buf, buf + PROOF_BUF, (size_t)n) != 0)
			break;
		at += (uint64_t)n;
	} while (n > 0);
	*same = n == 0 && m == 0;
	rc = 0;
out:
	free(buf);
	return rc;
}

int
restored_same(const struct restored *r, bool *same, struct err *e)
{
	struct stat st;
	int fd = open_target(r->dir, r->name, &st), rc = 0;

	*same = false;
	if (fd != -1 && !is_in_use(r->dir, r->name))
		rc = compare(r->fd, fd, same, e);
	if (rc == 0 && *same)
		rc = make_durable(r->dir, fd, e);
	file_close(fd);
	return rc;
}
