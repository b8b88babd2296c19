/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/buf.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static void
test_text(void)
{
	struct buf b = { 0 };

	is_str(buf_str(&b), "", "an empty buf is an empty string");
	buf_add(&b, NULL, 0);
	is_int(b.len, 0, "nothing added");
	is_int(b.data[0], 0, "and yet ended");
	buf_adds(&b, "page ");
	buf_addf(&b, "%d of %s", 3, "many");
	buf_add(&b, "!?", 1);
	is_str(buf_str(&b), "page 3 of many!", "text in three ways");
	is_int(b.len, 15, "its length");
	buf_addf(&b, "%s", "");
	is_str(buf_str(&b), "page 3 of many!", "an empty format adds nothing");

	buf_reset(&b);
	is_int(b.len, 0, "reset");
	ok(b.cap >= 16 && b.data != NULL, "reset keeps the memory");
	is_str(buf_str(&b), "", "reset text is empty");
	buf_release(&b);
	ok(b.data == NULL && b.len == 0 && b.cap == 0, "released");
	buf_release(&b);
	ok(b.data == NULL, "released twice");
}

static void
test_growth(void)
{
	struct buf b = { 0 };
	size_t i, bad = 0;
	uint8_t *to;

	for (i = 0; i < 100000; i++) {
		uint8_t byte = (uint8_t)(i * 7);

		buf_add(&b, &byte, 1);
		bad += b.data[b.len] != 0;
	}
	is_int(b.len, 100000, "100000 bytes, one at a time");
	is_int(bad, 0, "a NUL follows at every length");
	for (i = bad = 0; i < b.len; i++)
		bad += b.data[i] != (uint8_t)(i * 7);
	is_int(bad, 0, "all as added");

	to = buf_room(&b, 5000);
	ok(to == b.data + 100000, "room is behind the contents");
	memset(to, 'x', 5000);
	b.len += 5000;
	is_int(b.data[b.len], 0, "all of the room filled: ended");
	to = buf_room(&b, 100);
	memset(to, 'y', 100);
	b.len += 10;
	is_int(strlen(buf_str(&b) + 105000), 10, "part of it filled: ended");
	buf_release(&b);
}

static void
test_alloc(void)
{
	char *s = xasprintf("%s-%04d", "a", 42), *t = xstrdup(s);
	int *zero = xcalloc(3, sizeof(int));
	char *empty = xasprintf("%s", "");

	is_str(s, "a-0042", "xasprintf");
	ok(t != s, "xstrdup is a copy");
	is_str(t, "a-0042", "of the same");
	is_str(empty, "", "xasprintf of nothing is a string");
	ok(zero[0] == 0 && zero[2] == 0, "xcalloc is zero");
	free(s);
	free(t);
	free(zero);
	free(empty);
	s = xmalloc(0);
	t = xcalloc(0, 8);
	ok(s != NULL && t != NULL, "no bytes are something, too");
	s = xrealloc(s, 100);
	ok(s != NULL, "xrealloc");
	free(s);
	free(t);
}

/* A size that no machine has and malloc would not even try. */
static void
test_out_of_memory(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct buf b = { 0 };

		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(1);
		buf_room(&b, SIZE_MAX - 3);
		_exit(0);
	}
	ok(pid > 0 && waitpid(pid, &status, 0) == pid, "a process for it");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 71,
	    "out of memory ends with status 71");
}

int
main(void)
{
	test_text();
	test_growth();
	test_alloc();
	test_out_of_memory();
	return done();
}
