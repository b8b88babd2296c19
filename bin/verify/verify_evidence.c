/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lspp-verify --report writes of a run.
 */
#include <sys/utsname.h>

#include "bin/verify/verify.h"
#include "lib/base/when.h"
#include "lib/store/store.h"
#include "lib/sys/stop.h"

int
verify_evidence_begin(struct run *run, struct err *e)
{
	if (run->report == NULL)
		return 0;
	if (evidence_check(run->report, run->key, e) == -1)
		return err_in(e, "--report");
	run->began_ns = when_now();
	run->evidence = evidence_new(e);
	return run->evidence == NULL ? -1 : 0;
}

static enum evidence_proof
proof_of(const struct run *run, const struct request *q)
{
	if (run->want.sql)
		return EVIDENCE_SQLITE;
	if (!run->want.deep)
		return EVIDENCE_NAMES;
	return q->out.checksum ? EVIDENCE_CHECKSUM : EVIDENCE_FRAMES;
}

void
verify_evidence_add(struct run *run, const struct request *q)
{
	bool earlier = q->c.rc == -1 && q->c.e.class == ERR_EARLIER;
	bool sound = q->c.rc == 0 || earlier;
	struct evidence_row row = {
		.replica = q->c.store != NULL ? q->c.store->url : NULL,
		.name = q->c.name,
		.generation =
		    q->out.generation[0] != '\0' ? q->out.generation : NULL,
		.proof = sound ? proof_of(run, q) : EVIDENCE_NONE,
		.source = q->out.source,
		.earlier = earlier,
		.why = sound ? NULL : q->c.e.msg,
		.as_of_ns = q->out.as_of_ns,
		.at_ns = q->at_ns,
		.took_ns = q->took_ns,
		.bytes = q->out.bytes,
	};
	struct err e;

	if (evidence_add(run->evidence, &row, &e) == 0)
		return;
	err_in(&e, "--report");
	cli_complain(&run->cli, &e);
	evidence_free(run->evidence);
	run->evidence = NULL;
}

/* Which databases these are, in words. */
static void
tell_choice(const struct run *run, char **operands, struct buf *b)
{
	if (run->size.n > 0)
		buf_addf(
		    b, "a sample of %llu", (unsigned long long)run->size.n);
	else if (run->size.percent > 0)
		buf_addf(b, "a sample of %g%%", run->size.percent);
	else if (*operands == NULL)
		buf_adds(b, "those on the standard input");
	for (; run->of == 0 && *operands != NULL; operands++)
		buf_addf(b, "%s%s", b->len > 0 ? " " : "", *operands);
	if (run->cli.shard.n > 0)
		buf_addf(b, "%spart %u of %u", b->len > 0 ? ", " : "",
		    run->cli.shard.k, run->cli.shard.n);
}

void
verify_evidence_write(struct run *run, char **operands)
{
	struct evidence_drill d = { .version = LSPP_VERSION,
		.of = run->of,
		.want = run->want,
		.jobs = run->cli.jobs,
		.began_ns = run->began_ns,
		.ended_ns = when_now(),
		.complete = !stop_requested(),
		.mode = 0666 & ~run->cli.umask };
	struct buf chosen = { 0 };
	struct utsname u;
	struct err e;

	if (run->evidence == NULL)
		return;
	d.host = uname(&u) == 0 ? u.nodename : "";
	tell_choice(run, operands, &chosen);
	d.chosen = buf_str(&chosen);
	if (evidence_write(run->evidence, &d, run->report, run->key, &e) ==
	    -1) {
		err_in(&e, "--report");
		cli_complain(&run->cli, &e);
	}
	buf_release(&chosen);
}
