/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faulty -- an HTTP server between a client and a real one, which counts and
 * does what rules say.
 *
 *	faulty RULES LOG [UPSTREAM_PORT]
 *
 * Listens on a free port of 127.0.0.1 and prints its number.  RULES is a file,
 * read anew for each request; a line is
 *
 *	METHOD TEXT COUNT ACTION [ARGUMENT]
 *
 * where METHOD may be "*", TEXT is a part of the request's first line or
 * headers ("*": any), and COUNT is how many requests it is good for ("-": all).
 * The first line that fits is followed:
 *
 *	answer FILE	send the file, nothing goes on to the other server; to
 *			a PUT with the ETag of what came
 *	raw FILE	likewise, with status line and headers in the file
 *	status N [CODE]	an S3 error of that status, likewise
 *	refuse		close the connection, likewise
 *	hang		say nothing until the client goes, likewise
 *	drop		pass it on, close the connection without an answer
 *	short N		pass on N bytes of its body and end that connection,
 *			then this one
 *	reset-up N	likewise, and reset this one
 *	reset-down N	pass it on, send N bytes of the answer, then reset
 *	lie N [CODE]	pass it on, answer with that error all the same
 *	cut N		pass it on, of the answer's body send N bytes
 *	flip N		pass it on, a bit in byte N of the answer's body changed
 *	flip-body N	a bit in byte N of the request's body changed
 *	strip HEADER	pass it on without that header
 *	kill PID	SIGTERM to a process, then pass it on
 *
 * LOG gets "METHOD TARGET STATUS" for each; a file LOG.head all headers.
 *
 * Connections are closed after an answer, unless FAULTY_KEEP is set: then only
 * by what breaks them.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "tests/tools/loopback.h"

#define RULES 64

static const char *rules_file, *log_file;
static int upstream;
static bool keep;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* How often each line was followed. */
static struct used {
	char line[256];
	long n;
} used[RULES];

struct action {
	char verb[16], arg[200];
};

/* -- rules ----------------------------------------------------------------- */

static long *
count_of(const char *line)
{
	int i;

	for (i = 0; i < RULES - 1 && used[i].line[0] != '\0'; i++)
		if (strcmp(used[i].line, line) == 0)
			return &used[i].n;
	(void)snprintf(used[i].line, sizeof(used[i].line), "%s", line);
	return &used[i].n;
}

static bool
fits(const char *line, const char *method, const char *head, struct action *a)
{
	char m[16], text[128], count[16];
	long *n;

	a->arg[0] = '\0';
	if (sscanf(line, "%15s %127s %15s %15s %199[^\n]", m, text, count,
		a->verb, a->arg) < 4)
		return false;
	if ((strcmp(m, "*") != 0 && strcmp(m, method) != 0) ||
	    (strcmp(text, "*") != 0 && strstr(head, text) == NULL))
		return false;
	n = count_of(line);
	if (strcmp(count, "-") != 0 && *n >= strtol(count, NULL, 10))
		return false;
	++*n;
	return true;
}

static bool
find_rule(const char *method, const char *head, struct action *a)
{
	struct buf b = { 0 };
	bool found = false;
	struct err e;
	char *p, *next;

	pthread_mutex_lock(&lock);
	if (file_slurp(rules_file, 1 << 16, &b, &e) == 0 && b.len > 0)
		for (p = (char *)b.data; !found && p != NULL; p = next) {
			if ((next = strchr(p, '\n')) != NULL)
				*next++ = '\0';
			found = fits(p, method, head, a);
		}
	pthread_mutex_unlock(&lock);
	buf_release(&b);
	return found;
}

static void
append(const char *suffix, const char *text)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s", log_file, suffix);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		perror(path);
	file_close(fd);
}

/* -- bytes ----------------------------------------------------------------- */

static bool
send_all(int fd, const void *p, size_t n)
{
	ssize_t done;

	for (; n > 0; p = (const char *)p + done, n -= (size_t)done)
		if ((done = send(fd, p, n, MSG_NOSIGNAL)) <= 0)
			return false;
	return true;
}

static bool
receive(int fd, struct buf *b)
{
	ssize_t n = recv(fd, buf_room(b, 65536), 65536, 0);

	if (n <= 0)
		return false;
	b->len += (size_t)n;
	buf_add(b, "", 0);
	return true;
}

/* Behind the empty line; 0 if it is not there yet. */
static size_t
body_of(const struct buf *b)
{
	const char *end =
	    b->len == 0 ? NULL : memmem(b->data, b->len, "\r\n\r\n", 4);

	return end == NULL ? 0 : (size_t)(end - (const char *)b->data) + 4;
}

static size_t
content_length(const struct buf *b, size_t body)
{
	const char *p = (const char *)b->data, *end = p + body;

	for (; p != NULL && p < end; p = memchr(p, '\n', (size_t)(end - p))) {
		p += *p == '\n';
		if (strncasecmp(p, "content-length:", 15) == 0)
			return strtoul(p + 15, NULL, 10);
	}
	return 0;
}

/* A whole request; false: the client has gone. */
static bool
read_request(int fd, struct buf *b, size_t *body)
{
	static const char go_on[] = "HTTP/1.1 100 CONTINUE\r\n\r\n";
	bool asked = false;

	while ((*body = body_of(b)) == 0 ||
	    b->len < *body + content_length(b, *body)) {
		char *expect =
		    *body == 0 ? NULL : memmem(b->data, *body, "Expect: ", 8);

		if (expect != NULL && !asked) {
			expect[0] = expect[1] = 'X'; /* another header */
			asked = true;
			if (!send_all(fd, go_on, sizeof(go_on) - 1))
				return false;
		}
		if (!receive(fd, b))
			return false;
	}
	return true;
}

/* A header by another name is none. */
static void
strip(struct buf *b, const char *name)
{
	size_t body = body_of(b), n = strlen(name);

	for (size_t i = 0; i + n < body; i++)
		if (b->data[i] == '\n' &&
		    strncasecmp((char *)b->data + i + 1, name, n) == 0)
			b->data[i + 1] = '_';
}

/* With "Connection: close" behind the first line. */
static bool
send_closing(int fd, const struct buf *b, size_t limit)
{
	static const char close_it[] = "Connection: close\r\n";
	const char *p = (const char *)b->data, *line = strstr(p, "\r\n");
	size_t head;

	if (line == NULL)
		return false;
	head = (size_t)(line - p) + 2;
	if (limit > b->len)
		limit = b->len;
	if (limit <= head) /* not even that line */
		return send_all(fd, p, limit);
	return send_all(fd, p, head) &&
	    send_all(fd, close_it, sizeof(close_it) - 1) &&
	    send_all(fd, p + head, limit - head);
}

/* The first n bytes of a request; true: there is an answer. */
static bool
forward(const struct buf *request, size_t n, struct buf *answer)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)upstream),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool done = false;

	if (fd != -1 && upstream != 0 &&
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	    send_closing(fd, request, n)) {
		if (n < request->len)
			(void)shutdown(fd, SHUT_WR);
		while (receive(fd, answer))
			continue;
		done = body_of(answer) > 0;
	}
	file_close(fd);
	return done;
}

/* -- answers --------------------------------------------------------------- */

static void
error_answer(const char *arg, struct buf *out)
{
	char code[64] = "InternalError";
	struct buf xml = { 0 };
	int status;

	status = (int)strtol(arg, NULL, 10);
	(void)sscanf(arg, "%*d %63s", code);
	buf_addf(&xml, "<Error><Code>%s</Code><Message>made</Message></Error>",
	    code);
	buf_addf(out,
	    "HTTP/1.1 %d Made\r\nContent-Type: application/xml\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    status, xml.len);
	buf_add(out, xml.data, xml.len);
	buf_release(&xml);
}

static void
add_etag(const struct buf *request, struct buf *out)
{
	size_t body = body_of(request);
	uint8_t md[EVP_MAX_MD_SIZE];

	if (memcmp(request->data, "PUT ", 4) != 0 ||
	    EVP_Digest(request->data + body, request->len - body, md, NULL,
		EVP_md5(), NULL) != 1)
		return;
	buf_adds(out, "ETag: \"");
	for (int i = 0; i < 16; i++)
		buf_addf(out, "%02x", md[i]);
	buf_adds(out, "\"\r\n");
}

static void
file_answer(const char *file, const struct buf *request, struct buf *out)
{
	struct buf b = { 0 };
	struct err e;

	if (file_slurp(file, 1 << 24, &b, &e) == -1) {
		error_answer("500 NoSuchFile", out);
	} else {
		buf_adds(out, "HTTP/1.1 200 OK\r\n");
		add_etag(request, out);
		buf_addf(
		    out, "Content-Length: %zu\r\n\r\n%s", b.len, buf_str(&b));
	}
	buf_release(&b);
}

static void
raw_answer(const char *file, struct buf *out)
{
	struct err e;

	if (file_slurp(file, 1 << 24, out, &e) == -1)
		error_answer("500 NoSuchFile", out);
}

static void
flip(struct buf *b, const char *arg)
{
	size_t at = body_of(b) + strtoul(arg, NULL, 10);

	if (at < b->len)
		b->data[at] ^= 1;
}

/* How much of the answer is sent; 0: nothing. */
static size_t
act(const struct action *a, struct buf *request, struct buf *answer)
{
	size_t pass = request->len;

	if (strcmp(a->verb, "refuse") == 0 || strcmp(a->verb, "hang") == 0)
		return 0;
	if (strcmp(a->verb, "strip") == 0)
		strip(request, a->arg);
	if (strcmp(a->verb, "kill") == 0)
		(void)kill((pid_t)strtol(a->arg, NULL, 10), SIGTERM);
	if (strcmp(a->verb, "status") == 0)
		error_answer(a->arg, answer);
	else if (strcmp(a->verb, "answer") == 0)
		file_answer(a->arg, request, answer);
	else if (strcmp(a->verb, "raw") == 0)
		raw_answer(a->arg, answer);
	else {
		if (strcmp(a->verb, "flip-body") == 0)
			flip(request, a->arg);
		if (strcmp(a->verb, "short") == 0 ||
		    strcmp(a->verb, "reset-up") == 0)
			pass = body_of(request) + strtoul(a->arg, NULL, 10);
		if (!forward(request, pass, answer))
			error_answer("502 BadGateway", answer);
	}
	if (strcmp(a->verb, "drop") == 0 || pass < request->len)
		return 0;
	if (strcmp(a->verb, "reset-down") == 0)
		return strtoul(a->arg, NULL, 10);
	if (strcmp(a->verb, "lie") == 0) {
		buf_reset(answer);
		error_answer(a->arg, answer);
	}
	if (strcmp(a->verb, "flip") == 0)
		flip(answer, a->arg);
	if (strcmp(a->verb, "cut") == 0)
		return body_of(answer) + strtoul(a->arg, NULL, 10);
	return answer->len;
}

static void
note(const struct buf *request, size_t body, const struct buf *answer,
    size_t sent)
{
	struct buf line = { 0 };
	const char *p = (const char *)request->data;
	const char *a = (const char *)answer->data;

	buf_add(&line, p, strcspn(p, "\r\n"));
	line.len =
	    (size_t)(strrchr((char *)line.data, ' ') - (char *)line.data);
	buf_addf(&line, " %.3s\n", sent == 0 || a == NULL ? "000" : a + 9);
	append("", buf_str(&line));
	buf_reset(&line);
	buf_add(&line, p, body);
	append(".head", buf_str(&line));
	buf_release(&line);
}

/* One request; true: the connection is good for another. */
static bool
serve_one(int fd, struct buf *request, struct buf *answer)
{
	struct action a = { .verb = "pass" };
	struct linger now = { 1, 0 }; /* close() resets */
	char method[16] = "", *head;
	size_t body, n;

	if (!read_request(fd, request, &body))
		return false;
	head = strndup((char *)request->data, body);
	(void)sscanf(head, "%15s", method);
	if (!find_rule(method, head, &a))
		memcpy(a.verb, "pass", 5);
	free(head);
	n = act(&a, request, answer);
	if (strncmp(a.verb, "reset-", 6) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	note(request, body, answer, n);
	while (strcmp(a.verb, "hang") == 0 && receive(fd, request))
		continue;
	if (n == 0)
		return false;
	if (!keep || n < answer->len) {
		(void)send_closing(fd, answer, n);
		return false;
	}
	strip(answer, "Connection:");
	return send_all(fd, answer->data, n);
}

static void *
serve(void *ctx)
{
	struct buf request = { 0 }, answer = { 0 };
	int fd = *(int *)ctx;

	while (serve_one(fd, &request, &answer)) {
		buf_reset(&request);
		buf_reset(&answer);
	}
	file_close(fd);
	free(ctx);
	buf_release(&request);
	buf_release(&answer);
	return NULL;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	rules_file = argv[1];
	log_file = argv[2];
	keep = getenv("FAULTY_KEEP") != NULL;
	upstream = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
	return loopback("faulty", serve);
}
