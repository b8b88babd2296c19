/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/state/state_compared.h"

#include "lib/state/state_impl.h"

int
state_put_compared(struct state *st, int64_t root, const char *key,
    const struct compared *c, struct err *e)
{
	return sql_run(st, e,
	    "INSERT INTO compared VALUES(?1, ?2, ?3, 0, ?4, ?5, 0, 0)"
	    " ON CONFLICT DO UPDATE SET at_ns = ?3, class = ?4, msg = ?5",
	    WITH(NUMBER(root), NAME(key), NUMBER(c->at_ns), NUMBER(c->class),
		TEXT(c->msg)));
}

int
state_put_uncompared(struct state *st, int64_t root, const char *key,
    int64_t tried_ns, struct err *e)
{
	return sql_run(st, e,
	    "INSERT INTO compared VALUES(?1, ?2, 0, ?3, 0, NULL, 0, 0)"
	    " ON CONFLICT DO UPDATE SET tried_ns = ?3",
	    WITH(NUMBER(root), NAME(key), NUMBER(tried_ns)));
}

int
state_put_healed(struct state *st, int64_t root, const char *key, int64_t at_ns,
    struct err *e)
{
	return sql_run(st, e,
	    "INSERT INTO compared VALUES(?1, ?2, 0, 0, 0, NULL, ?3, 1)"
	    " ON CONFLICT DO UPDATE SET healed_ns = ?3, healed = healed + 1",
	    WITH(NUMBER(root), NAME(key), NUMBER(at_ns)));
}

bool
state_has_compared(struct state *st)
{
	return state_has(st, "compared");
}

int
state_compared_ns(
    struct state *st, int64_t root, const char *key, int64_t *ns, struct err *e)
{
	*ns = 0;
	return !state_has_compared(st)
	    ? 0
	    : sql_or_zero(st, e, ns,
		  "SELECT max(at_ns, tried_ns) FROM compared"
		  " WHERE root = ? AND key = ?",
		  WITH(NUMBER(root), NAME(key)));
}
