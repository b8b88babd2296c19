/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who writes: a state on a machine.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/state/state_impl.h"
#include "lib/sys/file.h"

enum { WRITER_MACHINE = STATE_ID_SIZE / 2 };

/* The name of this machine; "" if nothing tells it. */
static void
machine_name(struct buf *out)
{
	const char *given = getenv("LSPP_MACHINE");
	struct err none;

	if (given != NULL && *given != '\0')
		buf_adds(out, given);
	else if (file_slurp("/etc/machine-id", 4096, out, &none) == -1 ||
	    strspn(buf_str(out), "0123456789abcdef") != 32)
		buf_reset(out); /* none, or "uninitialized" */
}

static int
take_id(void *ctx, sqlite3_stmt *q, struct err *e)
{
	(void)e;
	sql_column(q, 0, ctx);
	return 1;
}

/*
 * Half of the writer's id is the machine's, half that of the state on this
 * machine: a copy of the state on another machine is another writer.
 */
int
state_load_writer(struct state *st, struct err *e)
{
	struct buf machine = { 0 }, id = { 0 };
	uint8_t sum[STATE_ID_SIZE];
	int rc = sql_each(st, e, take_id, &id,
	    "SELECT value FROM meta WHERE name = 'id'", NULL);

	if (rc == 1) {
		machine_name(&machine);
		if (machine.len > 0) {
			pagesum_store(sum,
			    pagesum_of(0, machine.data, (uint32_t)machine.len));
			memcpy(st->writer, sum, WRITER_MACHINE);
		}
		buf_add(&machine, id.data, id.len);
		pagesum_store(
		    sum, pagesum_of(0, machine.data, (uint32_t)machine.len));
		memcpy(st->writer + WRITER_MACHINE, sum, WRITER_MACHINE);
	} else if (rc == 0) {
		state_fail(st, e);
	}
	buf_release(&id);
	buf_release(&machine);
	return rc == 1 ? 0 : -1;
}

bool
state_same_machine(const uint8_t a[16], const uint8_t b[16])
{
	static const uint8_t unknown[WRITER_MACHINE];

	return memcmp(a, b, WRITER_MACHINE) == 0 &&
	    memcmp(a, unknown, WRITER_MACHINE) != 0;
}

void
state_writer(const struct state *st, uint8_t id[16])
{
	memcpy(id, st->writer, STATE_ID_SIZE);
}
