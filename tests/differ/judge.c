/* SPDX-License-Identifier: Apache-2.0 */
/* Ships, and whether what they acknowledged is right. */
#include "tests/differ/differ.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REST_MS = 5200 };

static bool
known(const struct round *r, size_t lo, size_t hi, uint64_t sum)
{
	for (size_t i = lo; i <= hi && i < r->states; i++)
		if (r->hash[i] == sum)
			return true;
	return false;
}

/* Which state that is, for people. */
static const char *
which(const struct round *r, uint64_t sum)
{
	static char text[64];

	for (size_t i = r->states; i-- > 0;)
		if (r->hash[i] == sum) {
			(void)snprintf(text, sizeof(text), "state %zu", i);
			return text;
		}
	return "none that was ever committed";
}

static pid_t
start_ship(struct round *r)
{
	const char *argv[16] = { "lspp-ship", "-v", "-r", in_work(r, "rep"),
		"-C", r->src, "-s", in_work(r, "state") };
	int n = 8;

	if (chance(r, 8))
		argv[n++] = "--snapshot-interval=0s";
	if (chance(r, 5))
		argv[n++] = "--roll-at=4096";
	if (chance(r, 2))
		argv[n++] = "--new-generation";
	argv[n++] = r->db;
	argv[n] = NULL;
	return child_start(r, "ship", argv);
}

/* Was the path printed, too?  Only both together acknowledge it. */
static bool
acknowledged(struct round *r, int status)
{
	bool printed = strcmp(first_line(r, "ship.out"), r->db) == 0;

	note(r, "ship: %d, %s", status, first_line(r, "ship.err"));
	if (printed != (status == 0))
		fault(r, "failed", "printed %d, status %d", printed, status);
	if (status != 0 && status != 75)
		fault(r, "failed", "lspp-ship ended with %d: %s", status,
		    first_line(r, "ship.err"));
	return printed && status == 0;
}

static bool
image_differs(struct round *r, const char *file)
{
	const char *argv[] = { "cmp", "-s", file, in_work(r, "image"), NULL };

	return child_run(r, "cmp", argv) != 0;
}

/* What lies at out is sound, and one of the states. */
static bool
judge_file(struct round *r, const char *out, size_t lo, size_t hi,
    const char *kind, const char *what)
{
	const char *why;
	uint64_t sum = 0;

	if ((why = sum_file(out, &sum)) != NULL)
		fault(r, kind, "%s: %s", what, why);
	else if (!known(r, lo, hi, sum))
		fault(r, kind, "%s: %" PRIx64 " is %s, not one of %zu to %zu",
		    what, sum, which(r, sum), lo, hi);
	return r->fault == NULL;
}

/* lspp-restore of the newest state, or as options say, to work/out/a.db. */
static int
restore(struct round *r, const char *option, const char *value,
    const char *option2, const char *value2)
{
	const char *argv[] = { "lspp-restore", "-q", "-r", in_work(r, "rep"),
		"-o", in_work(r, "out"), "a.db", option, value, option2, value2,
		NULL };

	unlink(in_work(r, "out/a.db"));
	return child_run(r, "restore", argv);
}

static bool
judge_newest(
    struct round *r, size_t lo, size_t hi, const char *kind, bool image)
{
	const char *out = in_work(r, "out/a.db");

	if (restore(r, NULL, NULL, NULL, NULL) != 0) {
		fault(
		    r, kind, "lspp-restore: %s", first_line(r, "restore.err"));
		return false;
	}
	if (image && image_differs(r, out)) {
		fault(r, kind, "not the image that SQLite has");
		return false;
	}
	return judge_file(r, out, lo, hi, kind, "restored");
}

/* ---- what the replica is like after an acknowledged ship */

/* The largest name in a folder, "" if there is none. */
static void
largest(const char *dir, char *name, size_t room)
{
	struct dirent *d;
	DIR *dp = opendir(dir);

	*name = '\0';
	while (dp != NULL && (d = readdir(dp)) != NULL)
		if (d->d_name[0] != '.' && strcmp(d->d_name, name) > 0)
			(void)snprintf(name, room, "%s", d->d_name);
	if (dp != NULL)
		closedir(dp);
}

/* When the last object of a folder was written; its name, "" if none is. */
static int64_t
last_object(const char *dir, char *name, size_t room)
{
	char path[PATH_MAX + 512];
	struct stat st;

	largest(dir, name, room);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (*name == '\0' || stat(path, &st) == -1)
		return -1;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* The generation that was written to last, and the index it is at. */
static void
locate(struct round *r, struct ack *a)
{
	DIR *dp = opendir(in_work(r, "rep/a.db/generations"));
	int64_t newest = -1;
	struct dirent *d;

	while (dp != NULL && (d = readdir(dp)) != NULL) {
		char snap[256], wal[256];
		int64_t at, at_wal;

		if (strlen(d->d_name) != 16)
			continue;
		at = last_object(
		    in_work(r, "rep/a.db/generations/%s/snapshots", d->d_name),
		    snap, sizeof(snap));
		at_wal = last_object(
		    in_work(r, "rep/a.db/generations/%s/wal", d->d_name), wal,
		    sizeof(wal));
		if (at_wal > at)
			at = at_wal;
		if (at <= newest)
			continue;
		newest = at;
		(void)snprintf(
		    a->generation, sizeof(a->generation), "%.16s", d->d_name);
		a->index =
		    (uint32_t)strtoul(*wal == '\0' ? snap : wal, NULL, 16);
	}
	if (dp != NULL)
		closedir(dp);
}

static void
remember(struct round *r, size_t lo, size_t hi)
{
	struct ack *a;

	r->checked++;
	if (r->acks == MAX_ACKS)
		return;
	a = &r->ack[r->acks++];
	a->lo = lo;
	a->hi = hi;
	a->at_ns = now_ns();
	locate(r, a);
}

/* One of the peers that LITESTREAMS names; false: none is there. */
static bool
pick_peer(struct round *r, char *peer, size_t room)
{
	const char *p = getenv("LITESTREAMS"), *end;
	unsigned n = 1, k;

	if (p == NULL || *p == '\0')
		return false;
	for (const char *q = p; (q = strchr(q, ' ')) != NULL; q++)
		n++;
	for (k = below(r, n); k > 0; k--)
		p = strchr(p, ' ') + 1;
	end = strchr(p, ' ');
	(void)snprintf(peer, room, "%.*s",
	    (int)(end == NULL ? strlen(p) : (size_t)(end - p)), p);
	return true;
}

/* false: it could not. */
static bool
peer_restore(struct round *r, const char *peer, const char *option,
    const char *value, const char *generation)
{
	char url[PATH_MAX + 16];
	const char *argv[12] = { peer, "restore", "-o", in_work(r, "peer.db") };
	int n = 4;

	(void)snprintf(url, sizeof(url), "file://%s", in_work(r, "rep/a.db"));
	if (option != NULL) {
		argv[n++] = option;
		argv[n++] = value;
	}
	if (generation != NULL) {
		argv[n++] = "-generation";
		argv[n++] = generation;
	}
	argv[n++] = url;
	argv[n] = NULL;
	unlink(in_work(r, "peer.db"));
	unlink(in_work(r, "peer.db-wal"));
	unlink(in_work(r, "peer.db-shm"));
	return child_run(r, "peer", argv) == 0;
}

static void
judge_by_peer(struct round *r, size_t lo, size_t hi)
{
	char peer[PATH_MAX];

	if (!pick_peer(r, peer, sizeof(peer)))
		return;
	if (!peer_restore(r, peer, NULL, NULL, NULL))
		fault(r, "wrong", "%s restore: %s", peer,
		    first_line(r, "peer.err"));
	else if (judge_file(r, in_work(r, "peer.db"), lo, hi, "wrong", peer))
		r->peers++;
}

/* The image by another connection, where one may come: what a connection has
 * in its cache of free pages is not what is in the file. */
static bool
take_image(struct round *r)
{
	const char *argv[] = { "image", r->db, in_work(r, "image"), NULL };
	bool open = false;

	if (strncmp(r->lock, "excl", 4) == 0)
		return false;
	for (int i = 0; i < r->slots; i++) {
		if (r->s[i].txn)
			return false;
		open = open || r->s[i].open;
	}
	if (!open || child_run(r, "image", argv) != 0)
		return false;
	r->images++;
	r->moved_ns = now_ns(); /* who opens a WAL as root changes its ctime */
	return true;
}

/* ---- the ways to look */

static void
ship_killed(struct round *r)
{
	pid_t pid = start_ship(r);

	nap_ms(below(r, 25));
	kill(pid, SIGKILL);
	note(r, "ship killed: %d", child_wait(pid));
}

/* Transactions, until it is over.  However many they are, what is drawn after
 * them is the same. */
static int
ship_busy(struct round *r)
{
	pid_t pid = start_ship(r);
	uint64_t rng = r->rng;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0)
		transact(r, false);
	r->rng = rng;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool
look(struct round *r, enum look how)
{
	size_t lo = r->states - 1;
	bool image, unsure = r->unsure;
	int status;

	if (how == LOOK_KILLED) {
		ship_killed(r);
		return false;
	}
	if (unsure)
		how = LOOK_STILL;
	status = how == LOOK_BUSY ? ship_busy(r) : child_wait(start_ship(r));
	if (!acknowledged(r, status)) {
		r->busy++;
		return false;
	}
	/* What was seen of a dead writer is what the next one will see. */
	if (unsure)
		settle(r);
	image = how == LOOK_STILL && !unsure && chance(r, 50) && take_image(r);
	if (judge_newest(r, lo, r->states - 1, "wrong", image) && chance(r, 4))
		judge_by_peer(r, lo, r->states - 1);
	if (r->fault == NULL)
		remember(r, lo, r->states - 1);
	return true;
}

static void
wait_for_rest(struct round *r)
{
	int64_t ms = (r->moved_ns - now_ns()) / 1000000 + REST_MS;

	if (r->slow && ms > 0)
		nap_ms((long)ms);
}

void
look_rested(struct round *r)
{
	wait_for_rest(r);
	if (!look(r, LOOK_STILL))
		fault(r, "refused", "nobody moves: %s",
		    first_line(r, "ship.err"));
}

/* What lspp-hot says: has it something to ship? */
static bool
is_hot(struct round *r)
{
	const char *argv[] = { "lspp-hot", "-r", in_work(r, "rep"), "-s",
		in_work(r, "state"), r->db, NULL };
	int status = child_run(r, "hot", argv);
	bool printed = strcmp(first_line(r, "hot.out"), r->db) == 0;

	note(r, "hot: %d, %s%s", status, printed ? "printed " : "",
	    first_line(r, "hot.err"));
	if (status != 0)
		fault(r, "failed", "lspp-hot ended with %d: %s", status,
		    first_line(r, "hot.err"));
	return printed;
}

/* It says nothing: then nothing is missing. */
static void
judge_silence(struct round *r)
{
	size_t last = r->states - 1;

	r->silent++;
	judge_newest(r, last, last, "stale", take_image(r));
}

/*
 * It has the file for itself, and no journal that was finished after the last
 * write to it: nothing tells whether it is whole.
 */
static bool
keeps_secret(const struct round *r)
{
	char path[PATH_MAX + 16];
	struct stat db, journal;

	if (strncmp(r->lock, "excl", 4) != 0 ||
	    strcmp(r->s[0].journal, "wal") == 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s-journal", r->db);
	if (stat(path, &journal) == -1 || stat(r->db, &db) == -1)
		return true;
	return journal.st_mtim.tv_sec < db.st_mtim.tv_sec ||
	    (journal.st_mtim.tv_sec == db.st_mtim.tv_sec &&
		(journal.st_mtim.tv_nsec < db.st_mtim.tv_nsec ||
		    db.st_ctim.tv_nsec == 0));
}

void
rest(struct round *r)
{
	size_t last;

	settle(r);
	wait_for_rest(r);
	last = r->states - 1;
	if (is_hot(r)) {
		if (!acknowledged(r, child_wait(start_ship(r)))) {
			if (r->slow && !keeps_secret(r))
				fault(r, "refused", "at rest: %s",
				    first_line(r, "ship.err"));
			return;
		}
		/* Without an image: who opens a WAL as root changes its ctime.
		 */
		if (judge_newest(r, last, last, "wrong", false))
			remember(r, last, last);
	}
	if (r->fault != NULL)
		return;
	if (!is_hot(r))
		judge_silence(r);
	else if (r->slow)
		fault(r, "hot", "lspp-hot still prints what rests");
}

/* ---- the past */

/* Of the last acknowledged ship in an index, by its end. */
static void
judge_index(struct round *r, size_t i)
{
	const struct ack *a = &r->ack[i];
	char index[16], peer[PATH_MAX];
	size_t hi;

	if (i + 1 >= r->acks || *a->generation == '\0' ||
	    (strcmp(a[1].generation, a->generation) == 0 &&
		a[1].index == a->index))
		return;
	hi = a[1].hi; /* a ship between them that was killed may be its end */
	(void)snprintf(index, sizeof(index), "%08x", a->index);
	if (restore(r, "--generation", a->generation, "--index", index) != 0)
		fault(r, "wrong", "index %s of %s: %s", index, a->generation,
		    first_line(r, "restore.err"));
	else if (judge_file(r, in_work(r, "out/a.db"), a->lo, hi, "wrong",
		     "a past index"))
		r->past++;
	if (r->fault != NULL || !pick_peer(r, peer, sizeof(peer)) ||
	    strstr(peer, "-0.5") != NULL)
		return;
	if (!peer_restore(r, peer, "-index", index, a->generation))
		fault(r, "wrong", "%s, index %s of %s: %s", peer, index,
		    a->generation, first_line(r, "peer.err"));
	else if (judge_file(r, in_work(r, "peer.db"), a->lo, hi, "wrong", peer))
		r->peers++;
}

static void
judge_time(struct round *r, size_t i)
{
	const struct ack *a = &r->ack[i];
	char at[64], peer[PATH_MAX];
	time_t s = a->at_ns / 1000000000;
	struct tm tm;
	size_t n;

	n = strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
	(void)snprintf(
	    at + n, sizeof(at) - n, ".%09dZ", (int)(a->at_ns % 1000000000));
	if (restore(r, "--timestamp", at, NULL, NULL) != 0)
		fault(r, "wrong", "as of %s: %s", at,
		    first_line(r, "restore.err"));
	else if (judge_file(r, in_work(r, "out/a.db"), a->lo, a->hi, "wrong",
		     "the past"))
		r->past++;
	/* Litestream goes by whole indexes or files' times: what it restores
	 * is a state, and none that is newer. */
	if (r->fault == NULL && chance(r, 30) &&
	    pick_peer(r, peer, sizeof(peer)) &&
	    peer_restore(r, peer, "-timestamp", at, NULL) &&
	    judge_file(r, in_work(r, "peer.db"), 0, a->hi, "wrong", peer))
		r->peers++;
}

void
judge_past(struct round *r)
{
	for (size_t i = 0; i < r->acks && r->fault == NULL; i++) {
		if (chance(r, 15))
			judge_time(r, i);
		if (r->fault == NULL && chance(r, 60))
			judge_index(r, i);
	}
}
