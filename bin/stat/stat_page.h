/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat_page -- how the page of lspp-stat --html begins: what it looks like.
 */
#ifndef LSPP_BIN_STAT_PAGE_H
#define LSPP_BIN_STAT_PAGE_H

extern const char stat_page_head[];

#endif
