/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask -- what a URL may hold that is for nobody's eyes.
 *
 * URLs are quoted in messages, and people put passwords into them: before the
 * "@", or as a parameter.  err and cli run every text through this.
 */
#ifndef LSPP_BASE_MASK_H
#define LSPP_BASE_MASK_H

/*
 * In each URL ("scheme://...", also with one slash) in text, user and password
 * become "***", and so do the values of parameters, but of those that S3 and
 * its URLs have.  In place; the text never gets longer.
 */
void mask_urls(char *text);

#endif
