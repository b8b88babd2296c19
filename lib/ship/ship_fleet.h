/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ship_fleet -- ship each database to where a litestream.yml says.
 *
 * A root is opened when the first path of it comes; if it cannot be, that is
 * the failure of each of its paths, and the others go on.  A database with
 * several replicas goes to one after the other.
 */
#ifndef LSPP_SHIP_SHIP_FLEET_H
#define LSPP_SHIP_SHIP_FLEET_H

#include "lib/config/config_file.h"
#include "lib/ship/ship.h"

struct ship_fleet;
struct store_stats;

/*
 * conf: of all roots; it has no url and no store.  interval_given: its
 * snapshot interval goes before what the file says.  All are borrowed.
 */
struct ship_fleet *ship_fleet_open(const struct config_file *f,
    const struct ship_conf *conf, bool interval_given, struct err *e);
void ship_fleet_close(struct ship_fleet *s); /* takes NULL */

/* For ship_worker_new() and ship_finish(). */
struct ship *ship_fleet_base(struct ship_fleet *s);

/* The job of a path.  Always from one thread. */
struct job *ship_fleet_job(struct ship_fleet *s, const char *path);

/* The requests that the stores of all roots counted.  No job may be made
 * meanwhile. */
void ship_fleet_stats(struct ship_fleet *s, struct store_stats *out);

#endif
