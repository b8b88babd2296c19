/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf -- what a user may set about a store: the options that all programs
 * share, and where they come from.  A directory ignores them.
 *
 * struct store_conf conf = STORE_CONF; then store_conf_take() for each option;
 * store_open() reads the environment for what was not given.
 */
#ifndef LSPP_STORE_CONF_H
#define LSPP_STORE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/text/opt.h"

struct err;

/*
 * Called by any thread, possibly by several at once; text is one line, or
 * several for debug, and ends without a newline.
 */
typedef void store_tell(void *ctx, const char *text);

#define STORE_HEADERS 8

enum store_addressing { STORE_ADDRESS_AUTO, STORE_PATH, STORE_VIRTUAL };

/* Texts are borrowed (from argv, that is). */
struct store_conf {
	const char *endpoint, *region, *profile;
	const char *key_id, *secret; /* a litestream.yml's own; NULL: look */
	const char *probe_in; /* where something may be put, below the root;
				 NULL: in it */
	enum store_addressing addressing;
	const char *ca_file;
	bool insecure;
	const char *sse, *sse_kms_key, *sse_c_file; /* NULL: none */
	const char *storage_class;
	const char *headers[STORE_HEADERS]; /* "Name: value", on objects */
	size_t n_headers;

	uint64_t part_size; /* an object beyond it goes up in such parts */
	uint64_t timeout_s; /* of one request with all its tries */
	uint64_t connect_s;
	uint64_t stall_s;      /* nothing moves for so long */
	uint64_t deadline_s;   /* of the run; 0: none */
	uint64_t retries;      /* after the first try; UINT64_MAX: by time */
	uint64_t retry_wait_s; /* the longest between two tries */
	uint64_t rate;         /* requests a second; 0: any */
	uint64_t max_requests; /* of the run; 0: any */

	size_t keep; /* connections to keep that nobody uses */

	bool priced; /* the prices of 1000 requests were given, in dollars */
	double price_put, price_get;
	double price_list; /* negative: as price_put */

	bool whoami;     /* the program is to say who it is, and end */
	bool debug_sign; /* debug gets what is signed */
	store_tell *warn, *debug;
	void *tell_ctx;
};

#define STORE_CONF                                                        \
	{                                                                 \
		.part_size = 16 << 20, .timeout_s = 120, .connect_s = 5,  \
		.stall_s = 30, .retries = UINT64_MAX, .retry_wait_s = 20, \
		.keep = SIZE_MAX, .price_list = -1                        \
	}

/* The options: names, arguments, help; values from STORE_OPTION on. */
#define STORE_OPTION 0x10000
extern const struct cli_opt store_options[];

/*
 * Take one option; value is that of the table.  arg is borrowed.  -1 with
 * ERR_USAGE.
 */
int store_conf_take(
    struct store_conf *c, int value, const char *arg, struct err *e);

/* The PUT requests that an object of so many bytes needs. */
uint64_t store_conf_puts(const struct store_conf *c, uint64_t bytes);

/* The price of so many requests in US dollars, by c's prices. */
double store_conf_price(
    const struct store_conf *c, uint64_t puts, uint64_t lists, uint64_t gets);

/* Whom to tell. */
void store_conf_tell(
    struct store_conf *c, store_tell *warn, store_tell *debug, void *ctx);

/* Do those that were taken go together?  ERR_USAGE if not. */
int store_conf_check(const struct store_conf *c, struct err *e);

#endif
