/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/conf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	ENDPOINT = STORE_OPTION,
	REGION,
	PROFILE,
	PATH_STYLE,
	VIRTUAL_HOST,
	CACERT,
	INSECURE,
	SSE,
	SSE_KMS_KEY,
	SSE_C,
	STORAGE_CLASS,
	HEADER,
	PART_SIZE,
	TIMEOUT,
	CONNECT_TIMEOUT,
	STALL_TIMEOUT,
	DEADLINE,
	RETRIES,
	RETRY_MAX_WAIT,
	RATE,
	MAX_REQUESTS,
	PRICE,
	PRICE_PUT,
	PRICE_LIST,
	PRICE_GET,
	WHOAMI,
	DEBUG,
};

const struct cli_opt store_options[] = {
	{ "endpoint-url", 0, "URL", "S3 server, if it is not AWS", ENDPOINT },
	{ "region", 0, "NAME", "region of the bucket", REGION },
	{ "profile", 0, "NAME", "profile in ~/.aws", PROFILE },
	{ "path-style", 0, NULL, "the bucket in the path", PATH_STYLE },
	{ "virtual-host", 0, NULL, "the bucket in the host", VIRTUAL_HOST },
	{ "cacert", 0, "FILE", "certificates to trust", CACERT },
	{ "insecure", 0, NULL, "trust any certificate", INSECURE },
	{ "sse", 0, "HOW", "encrypt with AES256 or aws:kms", SSE },
	{ "sse-kms-key-id", 0, "ID", "the key for aws:kms", SSE_KMS_KEY },
	{ "sse-c", 0, "FILE", "encrypt with the 32-byte key in FILE", SSE_C },
	{ "storage-class", 0, "NAME", "storage class", STORAGE_CLASS },
	{ "header", 0, "LINE", "send 'x-amz-...: value' with objects", HEADER },
	{ "part-size", 0, "SIZE", "larger objects go up in parts [16M]",
	    PART_SIZE },
	{ "timeout", 0, "TIME", "of a request with its retries [2m]", TIMEOUT },
	{ "connect-timeout", 0, "TIME", "of a connection [5s]",
	    CONNECT_TIMEOUT },
	{ "stall-timeout", 0, "TIME", "when nothing moves [30s]",
	    STALL_TIMEOUT },
	{ "deadline", 0, "TIME", "of the whole run", DEADLINE },
	{ "retries", 0, "N", "tries after the first [within --timeout]",
	    RETRIES },
	{ "retry-max-wait", 0, "TIME", "between two tries [20s]",
	    RETRY_MAX_WAIT },
	{ "rate", 0, "N/s", "requests a second at most", RATE },
	{ "max-requests", 0, "N", "end the run (75) after so many",
	    MAX_REQUESTS },
	{ "price", 0, "STORE", "aws, r2, gcs or b2: what requests cost there",
	    PRICE },
	{ "price-put", 0, "USD", "of 1000 PUT, for --dry-run", PRICE_PUT },
	{ "price-list", 0, "USD", "of 1000 LIST [as PUT]", PRICE_LIST },
	{ "price-get", 0, "USD", "of 1000 GET", PRICE_GET },
	{ "whoami", 0, NULL, "print which credentials are used", WHOAMI },
	{ "debug", 0, "sign", "print what is signed", DEBUG },
	{ 0 },
};

static int
take_addressing(struct store_conf *c, enum store_addressing how, struct err *e)
{
	if (c->addressing != STORE_ADDRESS_AUTO && c->addressing != how)
		return err_set(e, ERR_USAGE,
		    "--path-style and --virtual-host exclude each other");
	c->addressing = how;
	return 0;
}

static int
take_sse(struct store_conf *c, const char *arg, struct err *e)
{
	if (strcmp(arg, "AES256") != 0 && strcmp(arg, "aws:kms") != 0)
		return err_set(e, ERR_USAGE,
		    "--sse: \"%s\" is not AES256 or aws:kms", arg);
	c->sse = arg;
	return 0;
}

/* Only what is signed: that is x-amz-*, and nothing that we set ourselves. */
static int
take_header(struct store_conf *c, const char *arg, struct err *e)
{
	size_t n = strcspn(arg, ":");

	if (arg[n] != ':' || strpbrk(arg, "\r\n") != NULL ||
	    strncasecmp(arg, "x-amz-", 6) != 0 || strcspn(arg, " \t") < n)
		return err_set(e, ERR_USAGE,
		    "--header: \"%s\" is not 'x-amz-NAME: VALUE'", arg);
	if (c->n_headers == STORE_HEADERS)
		return err_set(
		    e, ERR_USAGE, "--header: %d at most", STORE_HEADERS);
	c->headers[c->n_headers++] = arg;
	return 0;
}

static int
take_rate(struct store_conf *c, const char *arg, struct err *e)
{
	size_t n = strlen(arg);
	char *number;
	int rc;

	if (n < 3 || strcmp(arg + n - 2, "/s") != 0)
		return err_set(e, ERR_USAGE,
		    "--rate: \"%s\" is not a rate like 50/s", arg);
	number = xasprintf("%.*s", (int)n - 2, arg);
	rc = opt_number("rate", number, 1, 1000000, &c->rate, e);
	free(number);
	return rc;
}

static int
take_debug(struct store_conf *c, const char *arg, struct err *e)
{
	if (strcmp(arg, "sign") != 0)
		return err_set(
		    e, ERR_USAGE, "--debug: \"%s\" is not sign", arg);
	c->debug_sign = true;
	return 0;
}

/* US dollars of 1000 requests, as their price lists were on 2026-11-29: S3
 * Standard in us-east-1, R2's class A and B, Cloud Storage's in one region,
 * B2's class A (free), C and B. */
static const struct {
	const char *name;
	double put, list, get;
} price_lists[] = {
	{ "aws", 0.005, 0.005, 0.0004 },
	{ "r2", 0.0045, 0.0045, 0.00036 },
	{ "gcs", 0.005, 0.005, 0.0004 },
	{ "b2", 0, 0.004, 0.0004 },
};

static int
take_price_list(struct store_conf *c, const char *arg, struct err *e)
{
	for (size_t i = 0; i < sizeof(price_lists) / sizeof(price_lists[0]);
	     i++)
		if (strcmp(arg, price_lists[i].name) == 0) {
			c->priced = true;
			c->price_put = price_lists[i].put;
			c->price_list = price_lists[i].list;
			c->price_get = price_lists[i].get;
			return 0;
		}
	return err_set(
	    e, ERR_USAGE, "--price: \"%s\" is not aws, r2, gcs or b2", arg);
}

static int
take_price(struct store_conf *c, const char *name, const char *arg, double *out,
    struct err *e)
{
	char *end;

	*out = strtod(arg, &end);
	if (end == arg || *end != '\0' || !(*out >= 0 && *out < 1e6))
		return err_set(e, ERR_USAGE,
		    "--%s: \"%s\" is not a price like 0.005", name, arg);
	c->priced = true;
	return 0;
}

static int
take_number(struct store_conf *c, int value, const char *arg, struct err *e)
{
	switch (value) {
	case PART_SIZE:
		return opt_size(
		    "part-size", arg, 5 << 20, 5ull << 30, &c->part_size, e);
	case TIMEOUT: return opt_duration("timeout", arg, &c->timeout_s, e);
	case CONNECT_TIMEOUT:
		return opt_duration("connect-timeout", arg, &c->connect_s, e);
	case STALL_TIMEOUT:
		return opt_duration("stall-timeout", arg, &c->stall_s, e);
	case DEADLINE: return opt_duration("deadline", arg, &c->deadline_s, e);
	case RETRIES:
		return opt_number("retries", arg, 0, 1000000, &c->retries, e);
	case RETRY_MAX_WAIT:
		return opt_duration("retry-max-wait", arg, &c->retry_wait_s, e);
	case RATE: return take_rate(c, arg, e);
	case PRICE_PUT:
		return take_price(c, "price-put", arg, &c->price_put, e);
	case PRICE_LIST:
		return take_price(c, "price-list", arg, &c->price_list, e);
	case PRICE_GET:
		return take_price(c, "price-get", arg, &c->price_get, e);
	case MAX_REQUESTS:
		return opt_number("max-requests", arg, 1, UINT64_MAX / 2,
		    &c->max_requests, e);
	default: return err_set(e, ERR_BUG, "option %d is not known", value);
	}
}

int
store_conf_take(struct store_conf *c, int value, const char *arg, struct err *e)
{
	if (arg != NULL && *arg == '\0')
		return err_set(e, ERR_USAGE, "--%s has an empty argument",
		    store_options[value - STORE_OPTION].name);
	if (arg == NULL)
		arg = ""; /* of an option that takes none */
	switch (value) {
	case ENDPOINT: c->endpoint = arg; return 0;
	case REGION: c->region = arg; return 0;
	case PROFILE: c->profile = arg; return 0;
	case PATH_STYLE: return take_addressing(c, STORE_PATH, e);
	case VIRTUAL_HOST: return take_addressing(c, STORE_VIRTUAL, e);
	case CACERT: c->ca_file = arg; return 0;
	case INSECURE: c->insecure = true; return 0;
	case SSE: return take_sse(c, arg, e);
	case SSE_KMS_KEY: c->sse_kms_key = arg; return 0;
	case SSE_C: c->sse_c_file = arg; return 0;
	case STORAGE_CLASS: c->storage_class = arg; return 0;
	case HEADER: return take_header(c, arg, e);
	case WHOAMI: c->whoami = true; return 0;
	case PRICE: return take_price_list(c, arg, e);
	case DEBUG: return take_debug(c, arg, e);
	default: return take_number(c, value, arg, e);
	}
}

int
store_conf_check(const struct store_conf *c, struct err *e)
{
	if (c->sse_kms_key != NULL &&
	    (c->sse == NULL || strcmp(c->sse, "aws:kms") != 0))
		return err_set(
		    e, ERR_USAGE, "--sse-kms-key-id needs --sse aws:kms");
	if (c->sse_c_file != NULL && c->sse != NULL)
		return err_set(
		    e, ERR_USAGE, "--sse and --sse-c exclude each other");
	if (c->timeout_s == 0 || c->connect_s == 0 || c->stall_s == 0)
		return err_set(e, ERR_USAGE,
		    "a timeout of 0 leaves no time for any request");
	return 0;
}

void
store_conf_tell(
    struct store_conf *c, store_tell *warn, store_tell *debug, void *ctx)
{
	c->warn = warn;
	c->debug = debug;
	c->tell_ctx = ctx;
}

uint64_t
store_conf_puts(const struct store_conf *c, uint64_t bytes)
{
	if (bytes <= c->part_size)
		return 1;
	return 2 + (bytes + c->part_size - 1) / c->part_size;
}

double
store_conf_price(
    const struct store_conf *c, uint64_t puts, uint64_t lists, uint64_t gets)
{
	double list = c->price_list < 0 ? c->price_put : c->price_list;

	return ((double)puts * c->price_put + (double)lists * list +
		   (double)gets * c->price_get) /
	    1000;
}
