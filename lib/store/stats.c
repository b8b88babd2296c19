/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/stats.h"

#include <inttypes.h>

#include "lib/base/buf.h"
#include "lib/text/json_write.h"
#include "lib/text/metrics.h"

/* By what most providers bill: writing and listing, reading, nothing. */
static const struct {
	const char *name, *labels;
} classes[STORE_REQUESTS] = {
	[STORE_REQUEST_PUT] = { "put", "op=\"put\",class=\"a\"" },
	[STORE_REQUEST_GET] = { "get", "op=\"get\",class=\"b\"" },
	[STORE_REQUEST_HEAD] = { "head", "op=\"head\",class=\"b\"" },
	[STORE_REQUEST_LIST] = { "list", "op=\"list\",class=\"a\"" },
	[STORE_REQUEST_DELETE] = { "delete", "op=\"delete\",class=\"free\"" },
};

const char *
stats_name(enum store_request r)
{
	return classes[r].name;
}

void
stats_add(struct store_stats *sum, const struct store_stats *x)
{
	for (int i = 0; i < STORE_REQUESTS; i++)
		sum->requests[i] += x->requests[i];
	sum->counted = sum->counted || x->counted;
	sum->retries += x->retries;
	sum->slow_downs += x->slow_downs;
	sum->sent += x->sent;
	sum->received += x->received;
}

uint64_t
stats_requests(const struct store_stats *x)
{
	uint64_t n = 0;

	for (int i = 0; i < STORE_REQUESTS; i++)
		n += x->requests[i];
	return n;
}

static void
plain(const struct store_stats *x, struct buf *out)
{
	for (int i = 0; i < STORE_REQUESTS; i++)
		buf_addf(
		    out, "%s=%" PRIu64 " ", classes[i].name, x->requests[i]);
	buf_addf(out,
	    "retries=%" PRIu64 " slow-downs=%" PRIu64 " sent=%" PRIu64
	    " received=%" PRIu64,
	    x->retries, x->slow_downs, x->sent, x->received);
}

static void
object(const struct store_stats *x, struct buf *out)
{
	json_begin(out, NULL);
	for (int i = 0; i < STORE_REQUESTS; i++)
		json_number(out, classes[i].name, x->requests[i]);
	json_number(out, "retries", x->retries);
	json_number(out, "slow_downs", x->slow_downs);
	json_number(out, "sent", x->sent);
	json_number(out, "received", x->received);
	json_end(out);
}

bool
stats_text(const struct store_stats *x, bool json, struct buf *out)
{
	if (x->counted && json)
		object(x, out);
	else if (x->counted)
		plain(x, out);
	return x->counted;
}

void
stats_metrics(const struct store_stats *x, struct metrics *m)
{
	uint64_t slow = x->slow_downs;

	/* The last one may have been given up on. */
	if (slow > x->retries)
		slow = x->retries;
	for (int i = 0; i < STORE_REQUESTS; i++)
		metrics_add(m, METRIC_REQUESTS, classes[i].labels,
		    (double)x->requests[i]);
	metrics_add(m, METRIC_BYTES, "dir=\"sent\"", (double)x->sent);
	metrics_add(m, METRIC_BYTES, "dir=\"received\"", (double)x->received);
	metrics_add(m, METRIC_RETRIES, "reason=\"slow_down\"", (double)slow);
	metrics_add(
	    m, METRIC_RETRIES, "reason=\"other\"", (double)(x->retries - slow));
}
