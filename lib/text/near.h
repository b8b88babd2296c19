/* SPDX-License-Identifier: Apache-2.0 */
/*
 * near -- which word was meant by one that is misspelt.
 */
#ifndef LSPP_TEXT_NEAR_H
#define LSPP_TEXT_NEAR_H

#include <stdbool.h>

/*
 * How many slips are between two words: a letter that is missing, too many or
 * another, or two that changed places.  Of words longer than 31 bytes: 99.
 */
unsigned near_distance(const char *a, const char *b);

/* Are so few slips in a word likely? */
bool near_is(const char *word, unsigned slips);

#endif
