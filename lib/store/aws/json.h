/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json -- the members of a small JSON document, by SQLite's own functions.
 */
#ifndef LSPP_STORE_AWS_JSON_H
#define LSPP_STORE_AWS_JSON_H

#include <stddef.h>

struct err;

struct json_member {
	const char *name;
	char *value; /* out: on the heap, or NULL: not there, or not text */
};

/*
 * Fill the values of n members of the object in text; -1 with ERR_CONFIG if it
 * is no JSON.  The caller frees the values.
 */
int json_members(
    const char *text, struct json_member *m, size_t n, struct err *e);

#endif
