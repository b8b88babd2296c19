/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the faults of a database is told first.
 */
#include "lib/base/buf.h"
#include "lib/verify/verify_look.h"

enum { TELL = 4096 }; /* bytes of further faults */

static void
add_fault(struct verified *out, const struct err *e)
{
	if (out->also.len < TELL)
		buf_addf(&out->also, "%s\n", e->msg);
	out->more++;
}

/*
 * Those of the newest state come first, then that it is ahead, and those that
 * may be none last.
 */
static int
rank(const struct err *e, bool newest)
{
	return newest                 ? 3
	    : e->class == ERR_EXISTS  ? 2
	    : e->class == ERR_CORRUPT ? 1
				      : 0;
}

int
look_fault(struct look *l, bool newest, struct err *e)
{
	if (e->class != ERR_CORRUPT && e->class != ERR_EARLIER &&
	    e->class != ERR_EXISTS)
		return -1;
	if (l->fault.class == ERR_NONE) {
		l->fault = *e;
	} else if (rank(e, newest) > rank(&l->fault, l->out->newest)) {
		add_fault(l->out, &l->fault);
		l->fault = *e;
	} else {
		add_fault(l->out, e);
	}
	l->out->newest |= newest;
	return 0;
}
