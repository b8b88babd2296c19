/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ltx_own -- modes and owners, for which an LTX file has no room: a line that
 * goes with the file (store_stage.note).
 *
 *	mode=640 uid=1000 gid=1000 dir-mode=750 dir-uid=0 dir-gid=0
 *
 * Modes are octal.  The last three, of the directory that the database is in,
 * may be missing.  What goes with a file can be lost, so who restores one that
 * has no such line knows neither.
 */
#ifndef LSPP_REPLICA_LTX_LTX_OWN_H
#define LSPP_REPLICA_LTX_LTX_OWN_H

#include <stdbool.h>

struct provenance;

enum { LTX_OWN_SIZE = 128 };

/* What pv says of them. */
void ltx_own_write(const struct provenance *pv, char text[LTX_OWN_SIZE]);
/* False: it is no such line, and *pv is as it was. */
bool ltx_own_parse(struct provenance *pv, const char *text);

#endif
