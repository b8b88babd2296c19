/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that is gone must not take the process with it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/store/aws/http.h"
#include "tests/unit/tap.h"

/* A server that is no server: accepts, reads a little, and hangs up. */
static void *
hang_up(void *ctx)
{
	int fd = *(int *)ctx, c;
	char some[16];

	while ((c = accept(fd, NULL, NULL)) != -1) {
		struct linger now = { 1, 0 };

		(void)!read(c, some, sizeof(some));
		(void)setsockopt(c, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(c);
	}
	return NULL;
}

static int
raise_it(void *ctx, uint64_t off, void *p, size_t n, struct err *e)
{
	(void)ctx;
	(void)off;
	(void)e;
	memset(p, 'x', n);
	(void)pthread_kill(pthread_self(), SIGPIPE);
	return 0;
}

static void
test_gone(unsigned short port)
{
	static const struct http_conf conf = {
		.connect_ms = 2000, .stall_s = 5, .direct = true
	};
	struct http_response r = { .status = 0 };
	struct err e = { .msg = "" };
	struct http *h = http_new(&conf, &e);
	sigset_t before, after;
	char url[64];
	struct http_request q = {
		.method = "PUT", .url = url, .read = raise_it, .size = 8 << 20
	};

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", port);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	is_int(http_do(h, &q, &r, &e), -1, "a PUT to who hangs up");
	is_int(r.fault, HTTP_LOST, "is lost: %s", e.msg);
	is_int(e.class, ERR_UNAVAILABLE, "and so is he");
	(void)sigpending(&after);
	ok(!sigismember(&after, SIGPIPE), "no signal is left over");
	(void)pthread_sigmask(SIG_SETMASK, NULL, &after);
	ok(sigismember(&before, SIGPIPE) == sigismember(&after, SIGPIPE),
	    "nor is it held back any longer");
	http_free(h);
	http_response_release(&r);
}

static void
test_nobody(void)
{
	static const struct http_conf conf = {
		.connect_ms = 2000, .stall_s = 5, .direct = true
	};
	struct http_response r = { .status = 0 };
	struct err e = { .msg = "" };
	struct http *h = http_new(&conf, &e);
	struct http_request q = { .method = "GET",
		.url = "http://127.0.0.1:1/" };

	is_int(http_do(h, &q, &r, &e), -1, "nobody there");
	is_int(r.fault, HTTP_UNSENT, "nothing was sent: %s", e.msg);
	q.url = "gopher://127.0.0.1:1/";
	is_int(http_do(h, &q, &r, &e), -1, "no HTTP");
	is_int(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777, "a date");
	is_int(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777,
	    "as RFC 850 has it");
	is_int(http_date("Sun Nov  6 08:49:37 1994"), 784111777,
	    "as asctime has it");
	is_int(http_date("Wed, 20 Jan 2038 00:00:00 GMT"), 2147558400,
	    "one that 32 bits do not hold");
	is_int(http_date("Sun, 06 Nov 1994 08:49:37 GMT, so far"), -1,
	    "and more behind it");
	is_int(http_date("today"), -1, "is none");
	http_free(h);
	http_response_release(&r);
}

int
main(void)
{
	struct sockaddr_in me = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(me);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t t;

	if (fd == -1 || bind(fd, (struct sockaddr *)&me, sizeof(me)) == -1 ||
	    listen(fd, 8) == -1 ||
	    getsockname(fd, (struct sockaddr *)&me, &len) == -1 ||
	    pthread_create(&t, NULL, hang_up, &fd) != 0)
		return 1;
	test_gone(ntohs(me.sin_port));
	test_nobody();
	(void)shutdown(fd, SHUT_RDWR);
	(void)pthread_join(t, NULL);
	close(fd);
	return done();
}
