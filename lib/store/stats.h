/*
 * stats -- what a store was asked for, as providers bill it.
 */
#ifndef LSPP_STORE_STATS_H
#define LSPP_STORE_STATS_H

#include <stdint.h>

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
	uint64_t requests[STORE_REQUESTS]; /* sent, each try by itself */
	uint64_t retries;                  /* of them, tries after the first */
	uint64_t slow_downs;               /* the server asked for less */
	uint64_t sent, received;           /* bytes of bodies */
};

/* "put", "get", ... */
extern const char *const store_request_names[STORE_REQUESTS];

#endif
