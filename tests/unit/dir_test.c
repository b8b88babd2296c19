/* SPDX-License-Identifier: Apache-2.0 */
/* The directory store: what is written, where, and what is refused. */
#include "tests/unit/dir_kit.h"

static void
test_keys(void)
{
	static const char *const bad[] = { "", "/a", "a/", "a//b", ".", "..",
		"a/../b", "../a", "a/.", "./a", ".lspp-tmp/a", "a/.lspp-x" };
	struct store *s = fresh(&best);
	struct staged *o;
	char name[260], *key;
	struct err e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o = stage_after(s, bad[i], "x", NULL, &e);
		ok(o == NULL && e.class == ERR_USAGE, "no key: \"%s\"", bad[i]);
		ok(s->ops->get(s, bad[i], 0, 1, sink, NULL, &e) == -1 &&
			e.class == ERR_USAGE,
		    "nor to get");
		ok(s->ops->remove(s, bad[i], &e) == -1 && e.class == ERR_USAGE,
		    "nor to remove");
	}
	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	key = xasprintf("a/%s/b", name);
	o = stage_after(s, key, "x", NULL, &e);
	ok(o == NULL && e.class == ERR_USAGE, "a component of 256 bytes");
	ok(strstr(e.msg, "256 bytes") != NULL, "is named: %s", e.msg);
	free(key);
	name[255] = '\0';
	is_int(put(s, name, "x", &e), 0, "255 bytes are well: %s", e.msg);
	is_int(put(s, "a/..b/.c", "x", &e), 0, "and dots in names");
	store_close(s);
}

static void
test_put(const struct dir_sys *sys, const char *how)
{
	struct store *s = fresh(sys);
	struct staged *o;
	struct stat st;
	struct err e;

	umask(022);
	o = stage(s, "a/b/c", "content");
	is_str(said("find root -type f ! -path '*/.lspp-tmp/*'"), "",
	    "%s: nothing to be seen of a staged object", how);
	is_str(listed(s, "", false, 0), "", "nor listed");
	is_int(o->rc, -1, "not published");
	s->ops->publish(s, &o, 1);
	is_int(o->rc, 0, "published");
	s->ops->drop(s, o);
	is_str(got(s, "a/b/c", 0, UINT64_MAX), "content", "reads back");
	is_str(said("find root -type f"), "root/a/b/c", "nothing beside it");
	is_int(stat(said("echo $PWD/root/a/b/c"), &st), 0, "there");
	is_int(st.st_mtim.tv_sec, MTIME / 1000000000, "its time");
	is_int(st.st_mtim.tv_nsec, MTIME % 1000000000, "to the ns");
	is_int(st.st_mode & 07777, 0640, "its mode");
	is_str(said("stat -c %a root/a root/a/b | uniq"), "750",
	    "the directories'");

	is_int(put(s, "a/b/c", "content", &e), 0, "the same again is well");
	is_int(put(s, "a/b/c", "CONTENT", &e), -1, "other bytes are not");
	is_int(e.class, ERR_BUSY, "that is a conflict");
	is_str(e.msg, "object a/b/c exists with other content", "and says so");
	is_int(put(s, "a/b/c", "content and more", &e), -1, "nor longer ones");
	is_str(got(s, "a/b/c", 0, UINT64_MAX), "content", "what was, is");
	is_int(put(s, "a/b", "x", &e), -1, "a directory has the name");
	is_int(e.class, ERR_BUSY, "so it is taken");
	is_int(put(s, "empty", "", &e), 0, "an empty object");
	is_str(got(s, "empty", 0, UINT64_MAX), "", "is empty");

	o = stage(s, "x/y/z", "content");
	s->ops->drop(s, o);
	s->ops->drop(s, NULL);
	is_str(said("find root -mindepth 1 -name 'x*'"), "",
	    "dropped without a trace");
	is_str(said("find root -type f | sort"), "root/a/b/c\nroot/empty",
	    "nothing else");
	store_close(s);
}

static void
test_batch(unsigned n, const struct dir_sys *sys, const char *how)
{
	struct store *s = fresh(sys);
	struct staged *list[16];
	char key[32];
	struct err e;
	int good = 0;

	is_int(put(s, "d/2", "mine", &e), 0, "%s: one is there", how);
	count_anew();
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "d/%u", i);
		list[i] = stage(s, key, key);
	}
	s->ops->publish(s, list, n);
	for (unsigned i = 0; i < n; i++)
		good += list[i]->rc == 0;
	is_int(good, n - 1, "all others are published");
	is_int(list[2]->rc, -1, "but one");
	is_int(list[2]->e.class, ERR_BUSY, "is in conflict");
	is_str(got(s, "d/2", 0, UINT64_MAX), "mine", "and stays");
	if (sys->syncfs != NULL && n >= DIR_SYNCFS)
		ok(syncfses == 2 && fsyncs == 0, "two syncs for all");
	else
		ok(syncfses == 0 && fsyncs == n + 1,
		    "one for each and one for the directory: %u", fsyncs);
	for (unsigned i = 0; i < n; i++)
		s->ops->drop(s, list[i]);
	store_close(s);
}

static void
test_after(void)
{
	struct store *s = fresh(&best);
	struct staged *o;
	struct err e;

	o = stage_after(s, "d/2", "x", "d/1", &e);
	ok(o == NULL, "nothing to come after");
	is_int(e.class, ERR_MISSING, "is missing");
	is_str(e.msg, "d/1: gone from the replica", "and named");
	is_str(said("ls -A root"), "", "no trace");
	(void)put(s, "d/1", "x", &e);
	o = stage_after(s, "d/2", "x", "d/1", &e);
	ok(o != NULL, "it is there");
	s->ops->drop(s, o);
	store_close(s);
}

static void
test_root(void)
{
	struct store *s;
	struct err e;
	char *path;

	sh("rm -rf root");
	s = dir_open(root, STORE_READ, false, &best, &e);
	ok(s == NULL && e.class == ERR_MISSING, "no root to read: %s", e.msg);
	s = dir_open(root, STORE_WRITE, true, &best, &e);
	ok(s == NULL && e.class == ERR_UNAVAILABLE, "gone: %s", e.msg);
	ok(strstr(e.msg, "mounted") != NULL, "asks whether it is mounted");
	is_str(said("ls -d root 2>&- || echo none"), "none", "not made");
	path = xasprintf("%s/deep", root);
	s = dir_open(path, STORE_WRITE, false, &best, &e);
	ok(s == NULL && e.class == ERR_UNAVAILABLE, "no parent: %s", e.msg);
	free(path);
	count_anew();
	s = dir_open(root, STORE_WRITE, false, &best, &e);
	ok(s != NULL, "made");
	is_int(fsyncs, 1, "and durable in its parent");
	store_close(s);
	count_anew();
	fail_at = 1;
	sh("rm -rf root");
	s = dir_open(root, STORE_WRITE, false, &best, &e);
	ok(s == NULL && e.class == ERR_IO, "not durable, not made: %s", e.msg);
	count_anew();
	sh("rm -rf root; ln -s real root; mkdir real");
	s = dir_open(root, STORE_WRITE, true, &best, &e);
	ok(s != NULL && put(s, "a", "x", &e) == 0, "the root may be a link");
	store_close(s);
	sh("rm root; touch root");
	s = dir_open(root, STORE_WRITE, false, &best, &e);
	ok(s == NULL && e.class == ERR_CONFIG, "a file is none: %s", e.msg);
	sh("rm -r root real");
}

/* Many threads stage side by side below the same directories. */

#define THREADS 8
#define EACH    50

struct stager {
	pthread_t thread;
	unsigned n;
	struct store *s;
	struct staged *list[EACH];
};

static void *
stage_many(void *arg)
{
	struct stager *t = arg;
	char key[64];

	for (unsigned i = 0; i < EACH; i++) {
		(void)snprintf(key, sizeof(key), "p/q%u/r/%u", i, t->n);
		t->list[i] = stage(t->s, key, key);
		if (i % 3 == 0) {
			t->s->ops->drop(t->s, t->list[i]);
			t->list[i] = stage(t->s, key, key);
		}
	}
	return NULL;
}

static void
test_threads(void)
{
	struct stager *t = xcalloc(THREADS, sizeof(*t));
	struct store *s = fresh(&best);
	unsigned bad = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		t[i].n = i;
		t[i].s = s;
		(void)pthread_create(&t[i].thread, NULL, stage_many, &t[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		(void)pthread_join(t[i].thread, NULL);
		s->ops->publish(s, t[i].list, EACH);
		for (unsigned k = 0; k < EACH; k++) {
			bad += t[i].list[k]->rc != 0;
			s->ops->drop(s, t[i].list[k]);
		}
	}
	is_int(bad, 0, "threads do not stand in each other's way");
	is_str(said("find root -type f | wc -l"), "400", "all are there");
	store_close(s);
	free(t);
}

int
main(void)
{
	static const struct dir_sys no_tmpfile = { my_fsync, my_syncfs, false,
		true, true };
	static const struct dir_sys no_fdlink = { my_fsync, my_syncfs, true,
		false, true };
	static const struct dir_sys no_link = { my_fsync, NULL, false, false,
		false };

	if (begin() == -1)
		return 1;
	test_keys();
	test_put(&best, "unnamed");
	test_put(&no_tmpfile, "named");
	test_put(&no_fdlink, "named too late");
	test_put(&no_link, "renamed");
	test_batch(3, &best, "three");
	test_batch(6, &best, "six");
	test_batch(6, &no_link, "six without syncfs");
	test_after();
	test_root();
	test_threads();
	return end();
}
