/* SPDX-License-Identifier: Apache-2.0 */
/*
 * glob -- patterns over whole paths, as github.com/bmatcuk/doublestar/v4
 * matches them (the oracle in tests/data/doublestar-v4.tsv).
 *
 *	*	any run of bytes without '/'
 *	**	as a whole component: any number of components, also none
 *	?	one character (a UTF-8 sequence, or one byte where it is none)
 *	[a-z] [!a] [^a]	classes
 *	{a,b}	alternatives, nested
 *	\x	the character x itself
 *
 * The time is bounded by the product of the two lengths.  Unlike there, an
 * alternative is matched as it stands: its stars do not join with those beside
 * the braces, and a class may hold braces and commas.
 *
 * Room text: from text to values and back: patterns, options, numbers for
 *     people, JSON, metrics, UTF-8, kinds of messages, progress.
 * Used by: store (options, counters), config, scan, choose, prune, ship, stat,
 *     cli, bin.
 * Never: knows of databases or stores; prints.
 */
#ifndef LSPP_TEXT_GLOB_H
#define LSPP_TEXT_GLOB_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

/*
 * 1: matches, 0: does not, -1: malformed pattern (ERR_USAGE).  A '}' without
 * '{' is malformed, too, but matches itself where all the rest does.
 */
int glob_match(const char *pattern, const char *path, struct err *e);

/* 0 if the pattern is well formed, whatever it matches; else -1 ERR_USAGE. */
int glob_check(const char *pattern, struct err *e);

/* Has s any of * ? [ { or \ in it? */
bool glob_is_pattern(const char *s);

/*
 * The length of the fixed part: the longest prefix of whole components, with
 * its slash, in which nothing is a pattern.  "a/b/" of "a/b/x*.db".
 */
size_t glob_fixed(const char *pattern);

/*
 * Could anything below directory dir (a path as the pattern would see it, no
 * trailing slash) match?  Used to prune a walk: true when in doubt.
 */
bool glob_may_descend(const char *pattern, const char *dir);

/*
 * A place to go on from behind at, in byte order: nothing that matches lies
 * between the two, and at itself when what matches may follow at once.  False:
 * nothing behind at can match.
 */
bool glob_next(const char *pattern, const char *at, struct buf *next);

/* Append text as a pattern that matches just itself: each of * ? [ ] { } \
 * gets a backslash. */
void glob_literal(const char *text, struct buf *out);

/*
 * Is pattern what glob_literal() makes of a text?  Then that text is appended;
 * else nothing is.
 */
bool glob_unliteral(const char *pattern, struct buf *out);

#endif
