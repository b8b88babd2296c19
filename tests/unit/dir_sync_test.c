/* SPDX-License-Identifier: Apache-2.0 */
/* The directory store: what is durable when, and what is left by failures. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "tests/unit/dir_kit.h"

static void
test_order(unsigned n)
{
	struct store *s = fresh(&best);
	struct staged *list[8];
	char key[32], *path = xasprintf("%s/a/b/0", root);

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "a/b/%u", i);
		list[i] = stage(s, key, key);
	}
	watched = path;
	s->ops->publish(s, list, n);
	is_int(list[0]->rc, 0, "%u published", n);
	for (unsigned i = 0; i < (n < DIR_SYNCFS ? n : 1); i++)
		ok(!there[i], "no name before the data is synced");
	ok(there[fsyncs + syncfses - 1], "and a sync after the name");
	if (n < DIR_SYNCFS)
		is_int(fsyncs, n + 3, "a/b, a and the root are synced");
	for (unsigned i = 0; i < n; i++)
		s->ops->drop(s, list[i]);
	count_anew();
	free(path);
	store_close(s);
}

/* What is known to be durable is not synced again, what was made anew is. */
static void
test_chain(void)
{
	struct store *s = fresh(&best);
	struct err e;

	(void)put(s, "a/b/c/1", "1", &e);
	is_int(fsyncs, 1 + 4, "the first: itself, a/b/c, a/b, a, root");
	count_anew();
	(void)put(s, "a/b/c/2", "2", &e);
	is_int(fsyncs, 1 + 1, "the second: itself, a/b/c");
	count_anew();
	(void)put(s, "a/x/y/1", "2", &e);
	is_int(fsyncs, 1 + 3, "a new branch: itself, a/x/y, a/x, a");
	sh("rm -r root/a/b");
	count_anew();
	(void)put(s, "a/b/c/1", "1", &e);
	is_int(fsyncs, 1 + 3, "what was taken away is made and synced");
	count_anew();
	(void)put(s, "a/b/c/1", "1", &e);
	is_int(fsyncs, 1 + 2, "what was there before is synced as well");
	store_close(s);
	/* Directories that a killed run made are not known to last. */
	s = dir_open(root, STORE_WRITE, true, &best, &e);
	count_anew();
	(void)put(s, "a/b/c/3", "3", &e);
	is_int(fsyncs, 1 + 4, "a new run knows nothing");
	store_close(s);
}

/* Of n objects "a/0" and so on: how many messages name another's? */
static unsigned
mistaken(struct staged **list, unsigned n)
{
	unsigned bad = 0;
	char key[32];

	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++) {
			(void)snprintf(key, sizeof(key), "a/%u", j);
			bad += i != j && strstr(list[i]->e.msg, key) != NULL;
		}
	return bad;
}

static void
test_failed_sync(unsigned n, unsigned at, const char *what)
{
	struct store *s = fresh(&best);
	struct staged *list[8];
	char key[32];
	struct err e;
	unsigned bad = 0;

	(void)put(s, "a/before", "x", &e);
	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "a/%u", i);
		list[i] = stage(s, key, key);
	}
	count_anew();
	fail_at = at;
	s->ops->publish(s, list, n);
	for (unsigned i = 0; i < n; i++)
		bad += list[i]->rc == -1 && list[i]->e.class == ERR_IO;
	is_int(bad, n, "%u objects, %s: all fail", n, what);
	is_int(mistaken(list, n), 0, "and no one is told another's object");
	is_str(listed(s, "", false, 0), "a/before ", "no name is left");
	count_anew();
	s->ops->publish(s, list, n);
	bad = 0;
	for (unsigned i = 0; i < n; i++) {
		bad += list[i]->rc == -1 && list[i]->e.class == ERR_IO;
		s->ops->drop(s, list[i]);
	}
	is_int(bad, n, "also the second time, when all syncs work");
	is_str(listed(s, "", false, 0), "a/before ", "still none");
	is_int(put(s, "a/0", "anew", &e), 0, "bytes written anew are well");
	store_close(s);
}

static void
take_b_away(unsigned n)
{
	if (n == 3) /* the data of two is durable, they have names */
		sh("mv root/b root/c");
}

/* One directory that is not to be had costs what is in it. */
static void
test_lost_directory(void)
{
	struct store *s = fresh(&best);
	struct staged *list[2] = { stage(s, "a/0", "x"), stage(s, "b/1", "x") };

	meanwhile = take_b_away;
	s->ops->publish(s, list, 2);
	meanwhile = NULL;
	is_int(list[0]->rc, 0, "the other is durable");
	is_int(list[1]->rc, -1, "not what is not there any more");
	ok(strstr(list[1]->e.msg, "directory b ") != NULL, "%s",
	    list[1]->e.msg);
	is_str(listed(s, "", false, 0), "a/0 ", "and its name is gone");
	s->ops->drop(s, list[0]);
	s->ops->drop(s, list[1]);
	store_close(s);
}

static void
test_killed(const struct dir_sys *sys, const char *how)
{
	struct store *s = fresh(sys);
	pid_t pid;
	int status;

	store_close(s);
	if ((pid = fork()) == 0) {
		struct err e;

		s = dir_open(root, STORE_WRITE, true, sys, &e);
		(void)stage(s, "a/b/c", "x");
		(void)stage(s, "a/b/d", "x");
		(void)kill(getpid(), SIGKILL);
	}
	(void)waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status), "%s: killed after stage", how);
	s = store_open(root, STORE_READ, true, NULL, &(struct err){ 0 });
	is_str(listed(s, "", false, 0), "", "nothing is listed");
	store_close(s);
	s = store_open(root, STORE_WRITE, true, NULL, &(struct err){ 0 });
	is_str(said("find root -type f"), "", "nor left after the next run");
	store_close(s);
}

/* Only what nobody holds is cleaned up. */
static void
test_clean_up(void)
{
	static const struct dir_sys named = { my_fsync, my_syncfs, false, true,
		true };
	struct store *s = fresh(&named), *t;
	struct staged *o = stage(s, "a/b", "x");
	struct err e;

	sh("touch root/.lspp-tmp/left; mkdir root/.lspp-tmp/dir");
	t = dir_open(root, STORE_WRITE, true, &named, &e);
	is_str(said("ls root/.lspp-tmp | grep -c left"), "0", "removed");
	s->ops->publish(s, &o, 1);
	is_int(o->rc, 0, "what is in use is not");
	s->ops->drop(s, o);
	is_str(said("ls root/.lspp-tmp"), "dir", "nothing else is left");
	store_close(t);
	store_close(s);
}

static void
test_full(void)
{
	struct buf big = { 0 };
	struct store *s;
	struct staged *o;
	struct err e;

	s = dir_open(root, STORE_WRITE, true, &best, &e);
	for (int i = 0; i < 150000; i++)
		buf_addf(&big, "%010d", i);
	o = stage_after(s, "a/big", buf_str(&big), NULL, &e);
	ok(o == NULL && e.class == ERR_IO, "a full disk: %s", e.msg);
	is_str(said("find root -mindepth 1"), "", "nothing is left");
	is_int(put(s, "a/small", "x", &e), 0, "what fits, goes on");
	buf_release(&big);
	store_close(s);
}

static void
test_read_only(void)
{
	struct store *s;
	struct staged *o;
	struct err e;

	s = dir_open(root, STORE_WRITE, true, &best, &e);
	if (mount(NULL, root, NULL, MS_REMOUNT | MS_RDONLY, NULL) == -1) {
		ok(false, "remount: %s", strerror(errno));
		return;
	}
	o = stage_after(s, "a/new", "x", NULL, &e);
	ok(o == NULL && e.class == ERR_DENIED, "turned read-only: %s", e.msg);
	o = stage_after(s, "b/new", "x", NULL, &e);
	ok(o == NULL && e.class == ERR_DENIED, "no directory: %s", e.msg);
	store_close(s);
	s = dir_open(root, STORE_WRITE, true, &best, &e);
	ok(s == NULL && e.class == ERR_DENIED, "is not opened: %s", e.msg);
	s = dir_open(root, STORE_READ, true, &best, &e);
	is_str(listed(s, "", false, 0), "a/small ", "but to read");
	store_close(s);
}

static void
test_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1) {
		ok(true, "full and read-only disks # SKIP needs root");
		return;
	}
	sh("rm -rf root; mkdir root");
	if (mount("tmpfs", root, "tmpfs", 0, "size=1m") == -1) {
		ok(true, "full and read-only disks # SKIP no tmpfs");
		return;
	}
	test_full();
	test_read_only();
	(void)umount2(root, MNT_DETACH);
}

int
main(void)
{
	static const struct dir_sys no_tmpfile = { my_fsync, my_syncfs, false,
		true, true };

	if (begin() == -1)
		return 1;
	test_order(2);
	test_order(6);
	test_chain();
	test_failed_sync(2, 1, "the first data sync fails");
	test_failed_sync(2, 2, "the second data sync fails");
	test_failed_sync(2, 3, "the directory sync fails");
	test_failed_sync(6, 1, "the first syncfs fails");
	test_failed_sync(6, 2, "the second syncfs fails");
	test_lost_directory();
	test_killed(&best, "unnamed");
	test_killed(&no_tmpfile, "named");
	test_clean_up();
	test_mounts();
	return end();
}
