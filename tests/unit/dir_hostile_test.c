/* SPDX-License-Identifier: Apache-2.0 */
/* The directory store under others' hands: things that go, links. */
#include "tests/unit/dir_kit.h"

static void
test_root_removed(void)
{
	struct store *s = fresh(&best);
	struct staged *o = stage(s, "a/b", "x"), *none;
	struct listing l = { 0 };
	struct err e;

	/* Also when another one of that name has come. */
	sh("rm -rf root; mkdir root");
	s->ops->publish(s, &o, 1);
	is_int(o->rc, -1, "the root was removed");
	is_int(o->e.class, ERR_UNAVAILABLE, "so it is not there: %s", o->e.msg);
	s->ops->drop(s, o);
	none = stage_after(s, "c/d", "x", NULL, &e);
	ok(none == NULL && e.class == ERR_UNAVAILABLE, "no stage: %s", e.msg);
	none = stage_after(s, "c/d", "x", "a/b", &e);
	ok(none == NULL && e.class == ERR_UNAVAILABLE,
	    "what it comes after is not missing: %s", e.msg);
	is_int(s->ops->list(s, "a/", false, each, &l, &e), -1, "no list");
	is_int(e.class, ERR_UNAVAILABLE, "because it is not there");
	is_int(s->ops->list(s, "", false, each, &l, &e), -1, "of all neither");
	is_int(e.class, ERR_UNAVAILABLE, "because it is not there");
	is_int(s->ops->get(s, "a/b", 0, 1, sink, &l.b, &e), -1, "no get");
	is_int(e.class, ERR_UNAVAILABLE, "because it is not there");
	is_int(s->ops->remove(s, "a/b", &e), -1, "no remove");
	is_int(e.class, ERR_UNAVAILABLE, "because it is not there");
	is_str(said("ls -A root"), "", "the new one is not touched");
	buf_release(&l.b);
	store_close(s);
}

static void
test_dir_removed(void)
{
	static const struct dir_sys named = { my_fsync, my_syncfs, false, true,
		true };
	struct store *s = fresh(&best);
	struct staged *o = stage(s, "a/b/c", "x");

	sh("rmdir root/a/b root/a");
	s->ops->publish(s, &o, 1);
	is_int(o->rc, 0, "an empty directory was cleared away: %s", o->e.msg);
	s->ops->drop(s, o);
	is_str(got(s, "a/b/c", 0, 9), "x", "it is made again");
	store_close(s);
	s = fresh(&named);
	o = stage(s, "a/b/c", "x");
	sh("rmdir root/a/b root/a");
	s->ops->publish(s, &o, 1);
	is_int(o->rc, 0, "with named files, too: %s", o->e.msg);
	s->ops->drop(s, o);
	store_close(s);
}

static void
test_links(void)
{
	struct store *s = fresh(&best);
	struct staged *o;
	struct err e;

	sh("mkdir -p other; echo secret > other/f; ln -s ../other root/l");
	o = stage_after(s, "l/x", "x", NULL, &e);
	ok(o == NULL && e.class == ERR_EXISTS, "no way out: %s", e.msg);
	o = stage_after(s, "l/y/x", "x", NULL, &e);
	ok(o == NULL && e.class == ERR_EXISTS, "nor deeper: %s", e.msg);
	is_int(s->ops->remove(s, "l/f", &e), -1, "nor to remove");
	is_str(said("ls other"), "f", "nothing came or went");
	is_str(got(s, "l/f", 0, 6), "secret", "reading follows");
	is_str(listed(s, "", false, 0),
	    "l in the replica is a symbolic link: what may be behind it is not "
	    "listed",
	    "listing does not, and says so");
	is_str(listed(s, "l/", false, 0), "l/f ", "unless told to");
	sh("ln -s ../other/f root/f");
	is_int(put(s, "f", "x", &e), -1, "a link has the name");
	is_int(e.class, ERR_BUSY, "so it is taken: %s", e.msg);
	sh("mkfifo root/fifo; touch root/file");
	is_int(put(s, "fifo", "x", &e), -1, "a FIFO has the name");
	is_str(got(s, "fifo", 0, 1), "(missing)", "and is no object");
	is_str(got(s, "l", 0, 1), "(missing)", "nor is a directory");
	o = stage_after(s, "file/x", "x", NULL, &e);
	ok(o == NULL && e.class == ERR_EXISTS, "a file on the way: %s", e.msg);
	is_str(said("cat other/f"), "secret", "untouched");
	sh("rm -r other");
	store_close(s);
}

static int
pass(void *ctx, const struct store_entry *en, struct err *e)
{
	struct listing *l = ctx;

	(void)e;
	buf_addf(&l->b, "%s%s ", en->key, en->odd != NULL ? "?" : "");
	return en->odd != NULL ? STORE_PASS : 0;
}

/* What is neither a file nor a directory may stand for one. */
static void
test_odd(void)
{
	static const char *const make[] = { "ln -s nowhere", "ln -s .",
		"ln -s ../d/1", "mkfifo" };
	struct store *s = fresh(&best);
	struct listing l = { 0 };
	struct err e;

	sh("mkdir -p root/a root/d; touch root/a/1 root/d/1");
	for (size_t i = 0; i < sizeof(make) / sizeof(*make); i++) {
		char *made = xasprintf("cd root/d && %s 0", make[i]);

		sh(made);
		is_int(s->ops->list(s, "", false, each, &l, &e), -1, made);
		is_int(e.class, ERR_CONFIG, "is refused");
		ok(strncmp(e.msg, "d/0 in the replica is ", 22) == 0,
		    "by name: %s", e.msg);
		ok(strstr(listed(s, "d/", true, 0), "d/0 in the ") != NULL,
		    "with a delimiter, too");
		is_str(listed(s, "", true, 0), "a/* d/* ", "not from above");
		is_str(listed(s, "a/", false, 0), "a/1 ", "nor from beside");
		is_str(listed(s, "d/1", false, 0), "d/1 ", "nor by a name");
		buf_reset(&l.b);
		is_int(s->ops->list(s, "", false, pass, &l, &e), 0,
		    "passed over by name");
		is_str(buf_str(&l.b), "a/1 d/0? d/1 ", "the others are there");
		sh("rm root/d/0");
		free(made);
	}
	buf_release(&l.b);
	store_close(s);
}

int
main(void)
{
	if (begin() == -1)
		return 1;
	test_root_removed();
	test_dir_removed();
	test_links();
	test_odd();
	return end();
}
