/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds -- who we are to AWS, and until when.
 *
 * The first of these that is there answers, and if it fails, that is the
 * failure: nobody is taken for somebody else by accident.
 *
 *	0. those that a litestream.yml gives
 *	1. the profile named by --profile
 *	2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN;
 *	   LITESTREAM_ACCESS_KEY_ID, LITESTREAM_SECRET_ACCESS_KEY
 *	3. AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN
 *	4. the profile AWS_PROFILE, else "default": keys, role_arn with
 *	   source_profile or credential_source, web_identity_token_file,
 *	   credential_process (SSO is not supported, and said so)
 *	5. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *	6. the instance's metadata (IMDSv2)
 *
 * Fetched once a process, and again five minutes before they expire, or when a
 * server does not take them any more: files are read again then, and programs
 * run.  A control character in one is refused.  Secrets
 * are wiped when given back; opening a chain switches core dumps off, and keeps
 * other processes of the same user from looking into this one's memory.
 */
#ifndef LSPP_STORE_AWS_CREDS_H
#define LSPP_STORE_AWS_CREDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/store/aws/http.h"

struct err;
struct aws_files;
struct creds_chain;

struct creds {
	char *key, *secret;
	char *token;     /* or NULL */
	int64_t expires; /* seconds since 1970; 0: never */
	char *source;    /* for people: "environment (AWS_...)" */
	unsigned serial; /* another one after each fetch */
};

void creds_release(struct creds *c); /* wipes; takes { 0 } */

/* All borrowed for the life of the chain. */
struct creds_conf {
	const char *key_id, *secret; /* these and no others; NULL: find them */
	const char *profile;         /* --profile, or NULL */
	const char *region;          /* for STS */
	uint64_t timeout_s;          /* of credential_process */
	const struct aws_files *files;
	struct http_conf http;
};

struct creds_chain *creds_open(const struct creds_conf *conf);
void creds_close(struct creds_chain *c); /* takes NULL */

/*
 * A copy of the present credentials, fetched when there are none or they run
 * out.  rejected: the serial of those that a server called expired (0: none);
 * they are replaced.  Any thread.
 */
int creds_get(
    struct creds_chain *c, unsigned rejected, struct creds *out, struct err *e);

/*
 * A server takes those of that serial no more: are there others by now?  Then
 * creds_get() gives these.
 */
bool creds_changed(struct creds_chain *c, unsigned serial);

#endif
