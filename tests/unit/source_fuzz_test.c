/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of live databases, on files whose bytes were changed at random:
 * it ends within bounded time and memory, and what it reads restores to what
 * SQLite reads of a copy of the files, or it refuses them.
 *
 *	LSPP_SEED=N	draws the same files again
 *	LSPP_SOAK=1	many more of them
 *	LSPP_ROUND=N	of them that one only, in this process
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/unit/damage_kit.h"
#include "tests/unit/tmp_kit.h"

enum {
	WORKERS = 8,  /* most of the time is waiting for a file to settle */
	LONGEST = 30, /* seconds for one */
	MEMORY = 1 << 30,
	FILES = 4,
};

static const char *const suffix[FILES] = { "", "-wal", "-shm", "-journal" };
/* -- what is drawn --------------------------------------------------------- */

static uint64_t state;

static uint32_t
draw(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 32) * n >> 32);
}

/* -- databases to begin with ----------------------------------------------- */

struct base {
	const char *name, *sql;
	const char *aside; /* more, of which only the files' bytes are kept */
	struct buf file[FILES];
};

#define FILL                                                           \
	"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c" \
	" WHERE x < 60) INSERT INTO t SELECT NULL, randomblob(x * 9) FROM c;"
#define TABLE "CREATE TABLE t(a INTEGER PRIMARY KEY, b);"
#define WAL   "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"

static struct base bases[] = {
	{ .name = "rollback", .sql = "PRAGMA page_size=1024;" TABLE FILL },
	{ .name = "persist",
	    .sql =
		"PRAGMA page_size=512; PRAGMA journal_mode=PERSIST;" TABLE FILL
		"UPDATE t SET b = 1 WHERE a < 30" },
	{ .name = "hot",
	    .sql = "PRAGMA page_size=512; PRAGMA cache_size=5;" TABLE FILL,
	    .aside = "PRAGMA cache_size=5; PRAGMA synchronous=OFF; BEGIN;"
		     "UPDATE t SET b = randomblob(400)" },
	{ .name = "wal", .sql = "PRAGMA page_size=512;" WAL TABLE FILL },
	{ .name = "wal4k",
	    .sql = "PRAGMA page_size=4096;" WAL TABLE FILL FILL },
	{ .name = "wal64k", .sql = "PRAGMA page_size=65536;" WAL TABLE FILL },
	{ .name = "checkpointed",
	    .sql =
		"PRAGMA page_size=1024;" WAL TABLE FILL
		"PRAGMA wal_checkpoint; UPDATE t SET b = 'x' WHERE a % 9 = 0;"
		"UPDATE t SET b = 'y' WHERE a = 7" },
	{ .name = "reset",
	    .sql = "PRAGMA page_size=1024;" WAL TABLE FILL
		   "PRAGMA wal_checkpoint(RESTART)" },
	{ .name = "grown",
	    .sql = "PRAGMA page_size=512;" WAL TABLE FILL
		   "PRAGMA wal_checkpoint(TRUNCATE);" FILL FILL },
	{ .name = "shrunk",
	    .sql = "PRAGMA page_size=512; PRAGMA auto_vacuum=FULL;" WAL TABLE
		FILL FILL "PRAGMA wal_checkpoint(TRUNCATE);"
		   "DELETE FROM t WHERE a > 20" },
	{ .name = "torn",
	    .sql = "PRAGMA page_size=512; PRAGMA cache_size=5;" WAL TABLE FILL,
	    .aside = "PRAGMA cache_size=5; BEGIN;"
		     "UPDATE t SET b = randomblob(400)" },
};

enum { BASES = sizeof(bases) / sizeof(bases[0]) };

static char *
name_of(const char *where, const char *name, int file)
{
	return xasprintf("%s/%s%s", where, name, suffix[file]);
}

static void
load_files(struct base *b, const char *where, const char *name)
{
	char *path;

	for (int i = 0; i < FILES; i++) {
		path = name_of(where, name, i);
		buf_reset(&b->file[i]);
		if (access(path, F_OK) == 0)
			damage_load(&b->file[i], path);
		free(path);
	}
}

static void
store_files(struct buf file[FILES], const char *where, const char *name)
{
	char *path;

	for (int i = 0; i < FILES; i++) {
		path = name_of(where, name, i);
		(void)unlink(path);
		if (file[i].len > 0 || i == 0)
			damage_store(&file[i], path);
		free(path);
	}
}

/* What is not as it was, into the same files. */
static void
change_files(
    struct buf file[FILES], const struct buf was[FILES], const char *where)
{
	char *path;
	int fd;

	for (int i = 0; i < FILES; i++) {
		if (file[i].len == was[i].len &&
		    (file[i].len == 0 ||
			memcmp(file[i].data, was[i].data, was[i].len) == 0))
			continue;
		path = name_of(where, "x.db", i);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd == -1 || ftruncate(fd, (off_t)file[i].len) == -1 ||
		    pwrite(fd, buf_str(&file[i]), file[i].len, 0) !=
			(ssize_t)file[i].len)
			damage_die(path);
		close(fd);
		free(path);
	}
}

/* In a process that dies, so that all is left as it is. */
static void
make(struct base *b)
{
	char *path = name_of(dir, b->name, 0);
	int status;
	pid_t pid = -1;

	damage_sql(path, b->sql);
	if (b->aside != NULL && (pid = fork()) == 0) {
		sqlite3 *db = NULL;

		_exit(sqlite3_open(path, &db) != SQLITE_OK ||
		    sqlite3_exec(db, b->aside, NULL, NULL, NULL) != SQLITE_OK);
	} else if (b->aside != NULL) {
		if (waitpid(pid, &status, 0) == -1 || status != 0)
			damage_die(b->name);
	}
	load_files(b, dir, b->name);
	free(path);
}

/* -- changes --------------------------------------------------------------- */

static const uint32_t telling[] = { 0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x200, 0x400,
	0x1000, 0xffff, 0x10000, 0x1ffff, 0x20000, 0x00ffffff, 0x3fffffff,
	0x40000000, 0x7fffffff, 0x80000000, 0xf0000000, 0xfffffffe,
	0xffffffff };

/* Where the numbers are that count: headers rather than pages. */
static size_t
place(const struct buf *b, int file)
{
	size_t frame = 0;
	uint32_t size;

	if (draw(3) == 0 || b->len < 512)
		return draw((uint32_t)b->len);
	if (file == 0)
		return draw(100);
	if (file != 1)
		return draw(136);
	size = be32(b->data + 8);
	if (draw(3) != 0 && size >= 512 && size <= 65536)
		frame = WAL_HDR_SIZE +
		    (size_t)draw((uint32_t)((b->len - WAL_HDR_SIZE) /
			(WAL_FRAME_HDR_SIZE + size))) *
			(WAL_FRAME_HDR_SIZE + size);
	if (frame > 0 && draw(3) == 0) /* the page's own header: page 1? */
		return frame + WAL_FRAME_HDR_SIZE + draw(100);
	return frame > 0 ? frame + draw(WAL_FRAME_HDR_SIZE)
			 : draw(WAL_HDR_SIZE);
}

static void
put_number(struct buf *b, size_t at)
{
	uint32_t v = telling[draw(sizeof(telling) / sizeof(telling[0]))];

	at &= ~(size_t)3;
	if (at + 4 > b->len)
		return;
	if (draw(4) == 0)
		v = be32(b->data + at) + (draw(2) ? 1 : -1u);
	be32_put(b->data + at, v);
}

/* Another length: cut, or longer by zeros or by what is there already. */
static void
resize(struct buf *b)
{
	size_t n = 1 + draw(5000);

	if (draw(2) == 0) {
		b->len -= n < b->len ? n : b->len;
		return;
	}
	(void)buf_room(b, n);
	if (draw(2) == 0 || b->len < n)
		memset(b->data + b->len, 0, n);
	else
		memcpy(b->data + b->len, b->data + draw((uint32_t)(b->len - n)),
		    n);
	b->len += n;
}

static void
copy_block(struct buf *b)
{
	size_t n = 24 + draw(2000);

	if (b->len > n)
		memmove(b->data + draw((uint32_t)(b->len - n)),
		    b->data + draw((uint32_t)(b->len - n)), n);
}

static void
change(struct buf *b, int file)
{
	size_t at;

	if (b->len == 0)
		return;
	at = place(b, file);
	switch (draw(8)) {
	case 0:
	case 1: b->data[at] ^= (uint8_t)(1 << draw(8)); break;
	case 2: b->data[at] = (uint8_t)draw(256); break;
	case 3:
	case 4:
	case 5: put_number(b, at); break;
	case 6: resize(b); break;
	default:
		if (draw(3) == 0)
			b->len = draw(4) == 0 ? 0 : draw((uint32_t)b->len);
		else
			copy_block(b);
	}
}

/*
 * The files that may be bent, a bit each; of the log only what is behind that
 * byte.
 */
static void
bend(struct buf file[FILES], unsigned which, size_t behind)
{
	struct buf tail = { 0 };

	if (behind > file[1].len)
		behind = file[1].len;
	for (uint32_t n = 1 + draw(4); n > 0; n--) {
		int i = (int)draw(10);

		i = i < 4 ? 0 : i < 8 ? 1 : i - 6;
		if (file[i].len == 0 || (which & 1u << i) == 0)
			i = which & 1 ? 0 : 1;
		if (i != 1 || behind == 0) {
			change(&file[i], i);
			continue;
		}
		buf_reset(&tail);
		buf_add(&tail, file[1].data + behind, file[1].len - behind);
		change(&tail, 3);
		file[1].len = behind;
		buf_add(&file[1], tail.data, tail.len);
	}
	/* Bytes that were changed on purpose have the right checksum. */
	if (file[1].len > WAL_HDR_SIZE && draw(3) != 0)
		damage_resum(&file[1]);
	buf_release(&tail);
}

/* -- one round ------------------------------------------------------------- */

struct round {
	char *in, *copy, *back; /* folders: of the reader, SQLite, a restore */
	struct buf file[FILES];
	struct damage_image img;
	struct buf want, got;
	const char *wrong;
};

static void
folders(struct round *r, const char *under)
{
	r->in = xasprintf("%s/%s-in", dir, under);
	r->copy = xasprintf("%s/%s-copy", dir, under);
	r->back = xasprintf("%s/%s-back", dir, under);
	if (mkdir(r->in, 0700) == -1 || mkdir(r->copy, 0700) == -1 ||
	    mkdir(r->back, 0700) == -1)
		damage_die("mkdir");
}

static int
sqlite_reads(struct buf file[FILES], const char *where, struct buf *bytes)
{
	char *path = name_of(where, "x.db", 0);
	int rc;

	store_files(file, where, "x.db");
	rc = damage_sqlite(bytes, path);
	free(path);
	return rc;
}

/* What was read, as a restore writes it, against what SQLite reads. */
static void
compare(struct round *r, int (*want)(struct round *))
{
	struct buf only[FILES] = { { 0 } };

	only[0] = r->img.bytes;
	if (sqlite_reads(only, r->back, &r->got) != SQLITE_OK)
		r->wrong = "what was read is no database";
	else if (want == NULL)
		return;
	else if (want(r) != SQLITE_OK)
		r->wrong = "SQLite refuses it";
	else if (r->want.len != r->got.len ||
	    memcmp(r->want.data, r->got.data, r->got.len) != 0)
		r->wrong = "SQLite reads something else";
}

/* Of a copy: nobody has it open, so a new wal-index is made. */
static int
of_a_copy(struct round *r)
{
	return sqlite_reads(r->file, r->copy, &r->want);
}

/* Of the files themselves, as another connection beside the one that rests. */
static int
beside(struct round *r)
{
	char *path = name_of(r->in, "x.db", 0);
	char *out = name_of(r->copy, "beside", 0);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int rc = damage_sqlite(&r->want, path);

		if (rc == SQLITE_OK)
			damage_store(&r->want, out);
		_exit(rc & 0xff);
	}
	if (waitpid(pid, &status, 0) == -1 || !WIFEXITED(status))
		damage_die("beside");
	status = WEXITSTATUS(status);
	if (status == SQLITE_OK)
		damage_load(&r->want, out);
	free(path);
	free(out);
	return status;
}

static int
reading(struct round *r, const struct source_pos *since, struct err *e)
{
	char *path = name_of(r->in, "x.db", 0);
	int rc;

	(void)alarm(LONGEST);
	rc = damage_read(&r->img, path, since, e);
	(void)alarm(0);
	if (rc == -1 && e->class != ERR_CORRUPT && e->class != ERR_BUSY)
		r->wrong = "refused as what it is not";
	free(path);
	return rc;
}

static int
play_dead(struct round *r, struct err *e)
{
	bend(r->file, ~0u, 0);
	store_files(r->file, r->in, "x.db");
	if (reading(r, NULL, e) == -1)
		return -1;
	compare(r, of_a_copy);
	return 0;
}

/* It was read, then transactions were added, and bent. */
static int
play_since(struct round *r, const struct base *b, struct err *e)
{
	struct source_pos since;
	size_t frames, behind, all = r->file[1].len;
	struct buf was[FILES];
	uint32_t size;

	if (all <= WAL_HDR_SIZE)
		return play_dead(r, e);
	size = be32(b->file[1].data + 8) + WAL_FRAME_HDR_SIZE;
	frames = (all - WAL_HDR_SIZE) / size;
	r->file[1].len = WAL_HDR_SIZE + (1 + draw((uint32_t)frames)) * size;
	store_files(r->file, r->in, "x.db");
	memcpy(was, b->file, sizeof(was));
	was[1].len = r->file[1].len;
	r->file[1].len = all;
	if (reading(r, NULL, e) == -1)
		return -1;
	since = r->img.st.pos;
	behind = WAL_HDR_SIZE + (size_t)since.frames * size;
	bend(r->file, draw(2) ? 3 : 2, behind);
	change_files(r->file, was, r->in);
	if (reading(r, &since, e) == -1)
		return -1;
	compare(r, of_a_copy);
	return 0;
}

/* Somebody has it open, and rests, while its files are bent. */
static int
play_live(struct round *r, const struct base *b, struct err *e)
{
	char *path = name_of(r->in, "x.db", 0);
	bool index = draw(2) == 0;
	struct base now = { .name = b->name };
	pid_t app;
	int rc;

	store_files(r->file, r->in, "x.db");
	app = damage_rest(path);
	load_files(&now, r->in, "x.db");
	for (int i = 0; i < FILES; i++) {
		buf_reset(&r->file[i]);
		buf_add(&r->file[i], now.file[i].data, now.file[i].len);
	}
	bend(r->file, index ? 7 : 3, 0);
	change_files(r->file, now.file, r->in);
	/* An index that was bent says what it says.  Beside an empty file
	 * SQLite would delete the log of whoever is connected. */
	if ((rc = reading(r, NULL, e)) == 0)
		compare(r, index || r->file[0].len == 0 ? NULL : beside);
	damage_end(app);
	for (int i = 0; i < FILES; i++)
		buf_release(&now.file[i]);
	free(path);
	return rc;
}

/* 1: read; 0: refused. */
static int
play(struct round *r, unsigned long long seed, unsigned n)
{
	const struct base *b;
	struct err e = { 0 };
	int rc;

	state = seed * 1000003 + n;
	(void)draw(2);
	r->wrong = NULL;
	b = &bases[draw(BASES)];
	for (int i = 0; i < FILES; i++) {
		buf_reset(&r->file[i]);
		buf_add(&r->file[i], b->file[i].data, b->file[i].len);
	}
	if (n % 20 == 19 && b->aside == NULL)
		rc = play_live(r, b, &e);
	else
		rc = n % 4 == 3 ? play_since(r, b, &e) : play_dead(r, &e);
	if (r->wrong != NULL)
		fprintf(stderr, "# LSPP_SEED=%llu LSPP_ROUND=%u, %s: %s%s%s\n",
		    seed, n, b->name, r->wrong, rc == -1 ? ": " : "",
		    rc == -1 ? e.msg : "");
	return rc == 0;
}

/* What each worker plays; the parent tells it when one has died. */
static unsigned *playing;

static void
bound_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__)
	struct rlimit rl = { MEMORY, MEMORY };

	if (setrlimit(RLIMIT_AS, &rl) == -1)
		damage_die("setrlimit");
#endif
}

/* Every WORKERS-th from n on.  What was read is told by the pipe. */
static void
work(unsigned long long seed, unsigned n, unsigned rounds, int out)
{
	struct round r = { 0 };
	unsigned told[3] = { 0 }; /* played, read, wrong */
	const unsigned me = n;
	char name[16];

	snprintf(name, sizeof(name), "%u", n);
	folders(&r, name);
	bound_memory();
	for (; n < rounds; n += WORKERS) {
		playing[me] = n;
		told[0]++;
		told[1] += (unsigned)play(&r, seed, n);
		told[2] += r.wrong != NULL;
	}
	if (write(out, told, sizeof(told)) != sizeof(told))
		_exit(1);
	_exit(0);
}

static void
play_all(unsigned long long seed, unsigned rounds)
{
	unsigned told[3], sum[3] = { 0 }, died = 0;
	pid_t pid[WORKERS];
	int out[2], status;

	playing = mmap(NULL, WORKERS * sizeof(*playing), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (playing == MAP_FAILED || pipe(out) == -1)
		damage_die("pipe");
	for (unsigned i = 0; i < WORKERS; i++)
		if ((pid[i] = fork()) == 0)
			work(seed, i, rounds, out[1]);
	close(out[1]);
	while (read(out[0], told, sizeof(told)) == sizeof(told))
		for (int i = 0; i < 3; i++)
			sum[i] += told[i];
	for (unsigned i = 0; i < WORKERS; i++)
		if (waitpid(pid[i], &status, 0) == -1 || status != 0) {
			died++;
			printf("# LSPP_SEED=%llu LSPP_ROUND=%u: %s %d\n", seed,
			    playing[i],
			    WIFSIGNALED(status) ? "signal" : "status",
			    WIFSIGNALED(status) ? WTERMSIG(status)
						: WEXITSTATUS(status));
		}
	printf("# %u read, of %u\n", sum[1], sum[0]);
	is_int(died, 0, "none takes too long, or too much memory");
	is_int(sum[0], rounds, "all are played");
	is_int(sum[2], 0, "what is read is what SQLite reads");
	ok(sum[1] > rounds / 10, "some are read");
	close(out[0]);
}

int
main(void)
{
	const char *one = getenv("LSPP_ROUND");
	unsigned long long seed = tap_seed();
	struct round r = { 0 };

	dir_begin();
	for (int i = 0; i < BASES; i++)
		make(&bases[i]);
	if (one != NULL) {
		folders(&r, "one");
		ok(play(&r, seed, (unsigned)strtoull(one, NULL, 10)) >= 0 &&
			r.wrong == NULL,
		    "in %s", dir);
		return done();
	}
	play_all(seed, getenv("LSPP_SOAK") != NULL ? 40000 : 600);
	return dir_done();
}
