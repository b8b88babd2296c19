/*
 * Was the source held still while it was read?
 */
#include <string.h>
#include <sys/stat.h>

#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/engine/source_impl.h"
#include "lib/format/dbhdr.h"

static bool
path_is(const char *path, int fd)
{
	struct stat a, b;

	return stat(path, &a) == 0 && fstat(fd, &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int
held_by_signature(struct source *s, struct err *e)
{
	struct signature now;
	bool racy;
	int journal;

	if (signature_take(&now, s->path, &racy, e) == -1)
		return e->class == ERR_MISSING ? 0 : -1;
	if (!signature_equal(&now, &s->st.sig))
		return 0;
	if (s->unlocked_journal || source_wal_has_frames(s))
		return 1;
	if (s->rollback && source_file_locked(s))
		return 0;
	journal = source_journal_in_use(s, e);
	return journal == -1 ? -1 : !journal;
}

/*
 * Under SQLite's lock no writer is in the middle of the file: if it is still
 * the one that was read, it was the committed one.
 */
static int
held_under_lock(struct source *s, struct err *e)
{
	uint8_t p[DBHDR_SIZE];
	struct dbhdr h;
	int rc;

	if (source_take_lock(s, e) != 1)
		return e->class == ERR_BUSY && e->hint[0] == '\0' ? 0 : -1;
	if (file_pread(s->fd, p, sizeof(p), 0, e) != sizeof(p) ||
	    dbhdr_parse(&h, p, e) == -1)
		return 0;
	rc = held_by_signature(s, e);
	return rc == 1 ? h.change_counter == s->counter : rc;
}

/*
 * No checkpoint and no restart: whatever was appended meanwhile lies behind
 * the frames that were used.
 */
static int
held_by_index(struct source *s, struct err *e)
{
	uint8_t hdr[WAL_HDR_SIZE] = { 0 };
	struct walindex now;
	int rc;

	if ((rc = source_read_index(s, &now, e)) != 1)
		return rc;
	if (!source_same_salts(now.salt, s->index.salt) ||
	    now.frames < s->index.frames)
		return 0;
	if (s->st.read == SOURCE_SHARED &&
	    (now.backfill != s->index.backfill ||
		now.backfill_attempted != s->index.backfill_attempted))
		return 0;
	if (!s->overlay_used)
		return 1;
	if (file_pread(s->wal_fd, hdr, sizeof(hdr), 0, e) == -1)
		return -1;
	return memcmp(hdr, s->hdr_bytes, sizeof(hdr)) == 0;
}

static int
held(struct source *s, struct err *e)
{
	if (s->unlocked_journal)
		return held_under_lock(s, e);
	if (source_by_signature(s))
		return held_by_signature(s, e);
	if (!path_is(s->path, s->fd))
		return 0;
	if (s->st.read == SOURCE_JOURNAL || s->frozen)
		return 1;
	if (!path_is(s->wal_path, s->wal_fd) ||
	    !path_is(s->shm_path, s->shm_fd))
		return 0;
	return held_by_index(s, e);
}

int
source_end(struct source *s, struct err *e)
{
	struct err why = { 0 };
	int sound = source_check_all(s, &why), rc = held(s, e);

	source_let_go(s);
	if (rc == 1 && sound == -1) {
		*e = why;
		rc = -1;
	}
	if (rc == 1)
		s->tries = 0;
	return rc;
}
