/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_scan -- the databases on this machine that a litestream.yml names.
 */
#ifndef LSPP_SCAN_CONFIG_SCAN_H
#define LSPP_SCAN_CONFIG_SCAN_H

#include "lib/config/config_file.h"
#include "lib/scan/scan.h"

/*
 * Which of them: patterns for absolute paths, or those without a slash for the
 * last component.  { 0 } is all.
 */
struct config_want {
	char **pattern; /* NULL-terminated, or NULL */
};

/*
 * operands: patterns or paths, relative ones against the current directory.
 * ERR_USAGE for a malformed one; then there is nothing to release.
 */
int config_want_make(struct config_want *w, char **operands, struct err *e);
void config_want_release(struct config_want *w); /* takes { 0 } */
bool config_wants(const struct config_want *w, const char *path);

/*
 * Report what is wanted and there, entry by entry, each database once, by its
 * absolute path.  What an entry names that is not there is reported as failed.
 * 0, or -1 if found() said so.
 */
int config_scan(const struct config_file *f, const struct config_want *w,
    const struct scan *s);

#endif
