/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_page -- what of the page of lspp-stat --html is always the same: what it
 * looks like, and the script that tells how old it is.
 */
#ifndef LSPP_BIN_STAT_PAGE_H
#define LSPP_BIN_STAT_PAGE_H

extern const char stat_page_head[];
/* Behind a time element with a datetime and data-most, the seconds beyond which
 * the page is old, and an element of class age. */
extern const char stat_page_script[];

#endif
