/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a drill proved, of which each system call and each statement fails in turn:
 * a file is whole, the old one or the new one, nothing unfinished is left, and
 * none is without its signature where nothing is said to have failed.
 */
#include "tests/unit/fail_kit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/base/buf.h"
#include "lib/sys/file.h"
#include "lib/verify/evidence.h"
#include "tests/unit/tmp_kit.h"

#define S INT64_C(1000000000)

enum { FAILURES = 40, FILES = 3 }; /* more than a page tells */

static const char *const names[FILES] = { "out/e", "out/e.txt", "out/e.sig" };
static struct buf is[FILES], was[FILES];

static void
make_key(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	FILE *f = fopen("key", "we");

	fail_must(key != NULL && f != NULL &&
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		fclose(f) == 0,
	    "key");
	EVP_PKEY_free(key);
}

static int
add_rows(struct evidence *v, struct err *e)
{
	struct evidence_row row = { .replica = "file:///r",
		.name = "a.db",
		.generation = "0123456789abcdef",
		.proof = EVIDENCE_CHECKSUM,
		.source = VERIFY_BEHIND,
		.as_of_ns = 150 * S,
		.at_ns = 160 * S,
		.took_ns = S,
		.bytes = 1024 };
	char name[16];
	int rc = evidence_add(v, &row, e);

	row.proof = EVIDENCE_NONE;
	row.source = VERIFY_NOT_COMPARED;
	row.why = "it is damaged";
	row.name = name;
	for (int i = 0; i < FAILURES && rc == 0; i++) {
		(void)snprintf(name, sizeof(name), "b%d.db", i);
		rc = evidence_add(v, &row, e);
	}
	return rc;
}

static int
write_all(struct err *e)
{
	const struct evidence_drill d = { .version = "1.2.3",
		.host = "h",
		.chosen = "a sample of 4%",
		.of = 1000,
		.want = { .deep = true, .source = true },
		.jobs = 8,
		.began_ns = 160 * S,
		.ended_ns = 164 * S,
		.mode = 0644 };
	struct evidence *v;
	int rc = -1;

	if (evidence_check(names[0], "key", e) == -1 ||
	    (v = evidence_new(e)) == NULL)
		return -1;
	if (add_rows(v, e) == 0)
		rc = evidence_write(v, &d, names[0], "key", e);
	evidence_free(v);
	return rc;
}

static void
no_file(void)
{
	fail_remove("out");
	fail_must(mkdir("out", 0700) == 0, "out");
}

static void
old_files(void)
{
	no_file();
	for (int i = 0; i < FILES; i++)
		fail_copy("old", names[i]);
}

/* The bytes of a file; of none: none. */
static void
bytes_of(const char *file, struct buf *b)
{
	struct err e;

	buf_reset(b);
	(void)file_slurp(file, 1 << 20, b, &e);
}

static bool
file_is(int i, const struct buf *bytes)
{
	struct buf got = { 0 };
	bool same;

	bytes_of(names[i], &got);
	same = got.len == bytes->len &&
	    (got.len == 0 || memcmp(got.data, bytes->data, got.len) == 0);
	buf_release(&got);
	return same;
}

static int
files(void)
{
	DIR *d = opendir("out");
	int n = 0;

	fail_must(d != NULL, "out");
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 2;
}

static bool
cannot_remove(void)
{
	const char *name = atomic_load(&fail_name);

	return fail_all_behind || (name != NULL && strcmp(name, "unlink") == 0);
}

/* A signature is never beside a file that is not its own. */
static bool
whole(int rc, const struct err *e)
{
	const struct buf none = { 0 };
	struct err again;
	int there = 0;

	if (rc == -1 && (e->class == ERR_NONE || e->class == ERR_BUG))
		return false;
	for (int i = 0; i < FILES; i++) {
		if (!file_is(i, &is[i]) &&
		    (rc == 0 || (!file_is(i, &was[i]) && !file_is(i, &none))))
			return false;
		there += access(names[i], F_OK) == 0;
	}
	if ((files() != there && !cannot_remove()) ||
	    (file_is(2, &is[2]) && !file_is(0, &is[0])) ||
	    (was[2].len > 0 && file_is(2, &was[2]) && !file_is(0, &was[0])))
		return false;
	return write_all(&again) == 0 && file_is(0, &is[0]) &&
	    file_is(1, &is[1]) && file_is(2, &is[2]);
}

int
main(void)
{
	struct fail_work work = { "evidence", no_file, write_all, whole, 5 };
	struct err e;
	char *page;

	dir_begin();
	fail_must(chdir(dir) == 0, dir);
	seed = tap_seed();
	make_key();
	no_file();
	or_end(write_all(&e) == 0, &e);
	for (int i = 0; i < FILES; i++)
		bytes_of(names[i], &is[i]);
	page = (char *)is[1].data;
	ok(strstr(page, "a signal ended it: it is not complete") != NULL,
	    "it says that it is not complete");
	ok(strstr(page, "and 20 more, which the file names") != NULL,
	    "it says how many it does not name");
	ok(is[2].len == 64, "it is signed");
	fail_each(&work);
	fail_copy("key", "old");
	for (int i = 0; i < FILES; i++)
		bytes_of("old", &was[i]);
	work.before = old_files;
	work.what = "evidence in place of older";
	fail_each(&work);
	for (int i = 0; i < FILES; i++) {
		buf_release(&is[i]);
		buf_release(&was[i]);
	}
	return dir_done();
}
