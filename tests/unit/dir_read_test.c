/* SPDX-License-Identifier: Apache-2.0 */
/* The directory store: reading, listing, removing. */
#include "tests/unit/dir_kit.h"

static void
test_get(void)
{
	struct store *s = fresh(&best);
	struct buf big = { 0 }, back = { 0 };
	struct err e;

	(void)put(s, "k", "0123456789", &e);
	is_str(got(s, "k", 0, UINT64_MAX), "0123456789", "all");
	is_str(got(s, "k", 3, 4), "3456", "a part");
	is_str(got(s, "k", 8, 100), "89", "to the end");
	is_str(got(s, "k", 10, 1), "", "at the end");
	is_str(got(s, "k", 99, UINT64_MAX), "", "behind it");
	is_str(got(s, "k", 0, 0), "", "nothing");
	is_str(got(s, "k", UINT64_MAX, 3), "789", "the tail");
	is_str(got(s, "k", UINT64_MAX, 30), "0123456789", "a longer one");
	is_str(got(s, "k", UINT64_MAX, 0), "", "an empty one");
	is_str(got(s, "no", 0, 1), "(missing)", "no such object");
	is_str(got(s, "k/no", 0, 1), "(missing)", "nor below one");
	for (int i = 0; i < 200000; i++)
		buf_addf(&big, "%d,", i);
	is_int(put(s, "big", buf_str(&big), &e), 0, "more than one piece");
	is_int(s->ops->get(s, "big", 0, UINT64_MAX, sink, &back, &e), 0,
	    "and back");
	ok(back.len == big.len && memcmp(back.data, big.data, big.len) == 0,
	    "the same");
	buf_release(&big);
	buf_release(&back);
	store_close(s);
}

static int
refuse(void *ctx, const uint8_t *p, size_t n, struct err *e)
{
	(void)ctx, (void)p, (void)n;
	return err_set(e, ERR_CORRUPT, "refused");
}

static int
refuse_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	(void)ctx, (void)en;
	return err_set(e, ERR_CORRUPT, "refused");
}

static void
test_refused(void)
{
	struct store *s = fresh(&best);
	struct err e;

	(void)put(s, "k", "x", &e);
	is_int(s->ops->get(s, "k", 0, 1, refuse, NULL, &e), -1, "a sink fails");
	is_str(e.msg, "refused", "with its own words");
	is_int(s->ops->list(s, "", false, refuse_entry, NULL, &e), -1,
	    "a listing, too");
	is_str(e.msg, "refused", "with its own words");
	store_close(s);
	s = store_open(root, STORE_READ, false, NULL, &e);
	ok(stage_after(s, "x", "x", NULL, &e) == NULL && e.class == ERR_BUG,
	    "no writing where only reading was said");
	is_int(s->ops->remove(s, "k", &e), -1, "nor removing");
	store_close(s);
}

static int
note_entry(void *ctx, const struct store_entry *en, struct err *e)
{
	struct store_entry *out = ctx;

	(void)e;
	*out = *en;
	return 0;
}

static void
test_list(void)
{
	struct store *s = fresh(&best);
	struct store_entry en = { 0 };
	struct buf deep = { 0 };
	struct err e;

	sh("cd root; mkdir -p a a-b b empty .lspp-tmp/x b/.lspp-y; "
	   "touch a/b a/c a-b/x a.x a0 b/1 b/2 b/3 .lspp-z .lspp-tmp/x/y");
	is_str(listed(s, "", false, 0), "a-b/x a.x a/b a/c a0 b/1 b/2 b/3 ",
	    "in byte order of keys");
	is_str(listed(s, "", true, 0), "a-b/* a.x a/* a0 b/* empty/* ",
	    "delimited");
	is_str(listed(s, "a", false, 0), "a-b/x a.x a/b a/c a0 ", "by prefix");
	is_str(listed(s, "a", true, 0), "a-b/* a.x a/* a0 ", "both");
	is_str(listed(s, "a/", false, 0), "a/b a/c ", "a directory");
	is_str(listed(s, "b/2", false, 0), "b/2 ", "a whole key");
	is_str(listed(s, "a-", true, 0), "a-b/* ", "the start of a directory");
	is_str(listed(s, "c", false, 0), "", "nothing begins so");
	is_str(listed(s, "c/d/", false, 0), "", "no such directory");
	is_str(listed(s, "a0/", false, 0), "", "which is an object");
	is_str(listed(s, "empty/", true, 0), "", "empty");
	is_str(listed(s, "", false, 3), "a-b/x a.x a/b ", "stopped");
	is_int(s->ops->list(s, "../", false, each, NULL, &e), -1, "no way up");
	is_int(e.class, ERR_USAGE, "is no prefix");
	(void)put(s, "z/time", "12345", &e);
	(void)s->ops->list(s, "z/", false, note_entry, &en, &e);
	is_int(en.size, 5, "the size of an object");
	is_int(en.mtime_ns, MTIME, "its time");
	for (int i = 0; i < 400; i++)
		buf_adds(&deep, "deep/");
	buf_adds(&deep, "end");
	is_int(put(s, buf_str(&deep), "x", &e), 0, "a deep one: %s", e.msg);
	buf_adds(&deep, " ");
	is_str(listed(s, "deep/", false, 0), buf_str(&deep), "is listed");
	buf_release(&deep);
	store_close(s);
}

static void
test_remove(void)
{
	struct store *s = fresh(&best);
	struct err e;

	(void)put(s, "a/b/c/1", "x", &e);
	(void)put(s, "a/b/c/2", "x", &e);
	(void)put(s, "a/d", "x", &e);
	is_int(s->ops->remove(s, "a/b/c/1", &e), 0, "removed");
	is_str(listed(s, "", false, 0), "a/b/c/2 a/d ", "it alone");
	is_int(s->ops->remove(s, "a/b/c/2", &e), 0, "the last of a directory");
	is_str(said("ls root/a"), "d", "takes the empty ones with it");
	is_int(s->ops->remove(s, "a/b/c/2", &e), 0, "gone already is well");
	is_int(s->ops->remove(s, "a", &e), -1, "a directory is no object");
	is_int(s->ops->remove(s, "a/d", &e), 0, "the very last");
	is_str(said("ls -A root; echo there"), "there", "the root stays");
	is_int(put(s, "a/b/c/1", "x", &e), 0, "and goes on");
	store_close(s);
}

int
main(void)
{
	if (begin() == -1)
		return 1;
	test_get();
	test_refused();
	test_list();
	test_remove();
	return end();
}
