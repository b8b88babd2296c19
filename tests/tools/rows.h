/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a writer's rows are, in a number: a page that is not of the same moment
 * as the others changes it, also where all sums are right.  The writer keeps it
 * in meta.sum, from each change to the next; the judge counts anew.
 *
 * It is the XOR of FNV-1a over each row: free of order, and nothing that lspp
 * has.
 */
#ifndef LSPP_TESTS_ROWS_H
#define LSPP_TESTS_ROWS_H

#include <sqlite3.h>
#include <stdint.h>

/* The number of all rows that are there. */
#define ROWS_SUM                                                       \
	"(SELECT rows(kind, a, b) FROM ("                              \
	"SELECT 'account' AS kind, id AS a, balance AS b FROM account" \
	" UNION ALL SELECT 'log', n, note FROM log"                    \
	" UNION ALL SELECT 'ballast', id, x FROM ballast"              \
	" UNION ALL SELECT 'fill', 0, x FROM fill))"

static inline uint64_t
rows_bytes(uint64_t h, sqlite3_value *v)
{
	const unsigned char *p = sqlite3_value_blob(v);
	int n = sqlite3_value_bytes(v);

	for (int i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return (h ^ 0xff) * 0x100000001b3;
}

static inline uint64_t
rows_one(sqlite3_value **v)
{
	uint64_t h = 0xcbf29ce484222325;

	for (int i = 0; i < 3; i++)
		h = rows_bytes(h, v[i]);
	return h;
}

/* rows(KIND, A, B), an aggregate. */
static inline void
rows_step(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	uint64_t *sum = sqlite3_aggregate_context(ctx, sizeof(*sum));

	(void)n;
	if (sum != NULL)
		*sum ^= rows_one(v);
}

static inline void
rows_final(sqlite3_context *ctx)
{
	uint64_t *sum = sqlite3_aggregate_context(ctx, sizeof(*sum));

	if (sum != NULL)
		sqlite3_result_int64(ctx, (sqlite3_int64)*sum);
}

/* row(SUM, KIND, A, B): with that row, or without it. */
static inline void
rows_mix(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	(void)n;
	sqlite3_result_int64(ctx,
	    (sqlite3_int64)((uint64_t)sqlite3_value_int64(v[0]) ^
		rows_one(v + 1)));
}

static inline int
rows_register(sqlite3 *db)
{
	int rc = sqlite3_create_function(
	    db, "rows", 3, SQLITE_UTF8, NULL, NULL, rows_step, rows_final);

	return rc != SQLITE_OK ? rc
			       : sqlite3_create_function(db, "row", 4,
				     SQLITE_UTF8, NULL, rows_mix, NULL, NULL);
}

#endif
