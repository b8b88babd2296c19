/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats -- what a store was asked for, as providers bill it.
 */
#ifndef LSPP_STORE_STATS_H
#define LSPP_STORE_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct metrics;

/* Classes of requests; parts and their beginning and end count as PUT. */
enum store_request {
	STORE_REQUEST_PUT,
	STORE_REQUEST_GET,
	STORE_REQUEST_HEAD,
	STORE_REQUEST_LIST,
	STORE_REQUEST_DELETE,
	STORE_REQUESTS,
};

/* Since the store was opened. */
struct store_stats {
	bool counted; /* requests are; in a directory there are none */
	uint64_t requests[STORE_REQUESTS]; /* sent, each try by itself */
	uint64_t retries;                  /* of them, tries after the first */
	uint64_t slow_downs;               /* the server asked for less */
	uint64_t sent, received;           /* bytes of bodies, of objects */
};

/* "put", "get", ... */
const char *stats_name(enum store_request r);

void stats_add(struct store_stats *sum, const struct store_stats *x);
uint64_t stats_requests(const struct store_stats *x); /* of all classes */

/* Appended to out: "put=1 get=0 ... sent=40960 received=0", or a JSON object.
 * False if nothing was counted. */
bool stats_text(const struct store_stats *x, bool json, struct buf *out);

/* The series of requests, bytes and retries. */
void stats_metrics(const struct store_stats *x, struct metrics *m);

#endif
