/* SPDX-License-Identifier: Apache-2.0 */
/* loopback -- a server on 127.0.0.1, a thread for each connection. */
#ifndef LSPP_TESTS_TOOLS_LOOPBACK_H
#define LSPP_TESTS_TOOLS_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/base/buf.h"
#include "lib/sys/file.h"

/* Print the port, and call serve with a malloc'd int, the connection; both are
 * serve's to end.  Returns main()'s status, when nothing can be accepted. */
static inline int
loopback(const char *name, void *(*serve)(void *))
{
	struct sockaddr_in me = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(me);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), c;
	pthread_t t;

	if (fd == -1 || bind(fd, (struct sockaddr *)&me, sizeof(me)) == -1 ||
	    listen(fd, 128) == -1 ||
	    getsockname(fd, (struct sockaddr *)&me, &len) == -1) {
		perror(name);
		return 71;
	}
	printf("%d\n", ntohs(me.sin_port));
	fflush(stdout);
	while ((c = accept(fd, NULL, NULL)) != -1) {
		int *one = xmalloc(sizeof(*one));

		*one = c;
		if (pthread_create(&t, NULL, serve, one) == 0) {
			(void)pthread_detach(t);
			continue;
		}
		file_close(c);
		free(one);
	}
	return 0;
}

#endif
