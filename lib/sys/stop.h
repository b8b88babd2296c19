/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop -- SIGINT, SIGTERM and SIGHUP as a request to start nothing new.
 *
 * The first signal sets the request and wakes whoever polls stop_fd(); what is
 * in flight is finished and acknowledged.  A second one ends the process at
 * once.  Async-signal-safe; the only process-wide state of the library.
 */
#ifndef LSPP_SYS_STOP_H
#define LSPP_SYS_STOP_H

#include <stdbool.h>

struct err;

void stop_on_signals(void);
/*
 * A first SIGTERM is no request before so many seconds have gone by: time to
 * take what still comes through a pipe whose writers got the signal, too.
 */
void stop_drain(unsigned seconds);

bool stop_requested(void);
/*
 * For what may take long: -1 with ERR_BUSY once the request is a second old.
 * Until then what is in flight goes on, since most of it ends by then.
 */
int stop_overdue(struct err *e);
/*
 * Of who waits for a lock: the n-th look at it, from 0 on.  1: another, after a
 * pause; 0: ms are over, or the request is overdue.  It is what SQLite wants of a
 * busy handler; wait is a struct stop_wait.
 */
struct stop_wait {
	unsigned ms;
	unsigned waited_ms; /* private */
};
int stop_wait(void *wait, int n);
bool stop_since(unsigned ms); /* is the request at least so old? */
int stop_signal(void);        /* the first signal, or 0 */
int stop_fd(void);            /* readable from the request on; never read it */

#endif
