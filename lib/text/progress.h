/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress -- how far a run is, in a line for people.
 */
#ifndef LSPP_TEXT_PROGRESS_H
#define LSPP_TEXT_PROGRESS_H

#include <stdint.h>

struct buf;

struct progress {
	const char *verb; /* what was done with those: "done", "found" */
	uint64_t done, failed;
	uint64_t total;    /* with those that failed; 0: not known */
	uint64_t bytes;    /* sent and received; 0 is not told */
	uint64_t requests; /* likewise */
	int64_t ms;        /* since the beginning */
};

/*
 * Append "12 of 300 done, 1 failed, 87 requests, 4.5 MiB, 1.2 MiB/s, 1m20s
 * left" to out, without what is not known.
 */
void progress_text(const struct progress *p, struct buf *out);

#endif
