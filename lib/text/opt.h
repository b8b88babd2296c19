/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt -- a program's options as a table, and what their arguments mean.
 *
 * Here and not in cli.h, so that a library part can bring options of its own:
 * it never prints and never exits.
 */
#ifndef LSPP_TEXT_OPT_H
#define LSPP_TEXT_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* An option; a table of them ends with { 0 }. */
struct cli_opt {
	const char *name; /* long name, without "--" */
	int letter;       /* short option letter, or 0 for none */
	const char *arg;  /* name of its argument in the help, NULL: none */
	const char *help; /* one line */
	int value;        /* what cli_option() returns for it; > 255 */
};

/* The len bytes of s as a decimal number of at most max, to *out.  False if they
 * are none; *out is then as before. */
bool opt_decimal(const char *s, size_t len, uint64_t max, uint64_t *out);

/* Each: 0, or -1 with ERR_USAGE that names the option and the argument. */
int opt_number(const char *name, const char *arg, uint64_t min, uint64_t max,
    uint64_t *out, struct err *e);
/* Seconds of "90s", "5m", "24h", "7d"; a unit is needed. */
int opt_duration(
    const char *name, const char *arg, uint64_t *out, struct err *e);
/* Bytes of "4096", "8M", "1G": K, M and G are powers of 1024. */
int opt_size(const char *name, const char *arg, uint64_t min, uint64_t max,
    uint64_t *out, struct err *e);

#endif
