/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds_fetch -- how the files of creds ask others for credentials; nobody
 * else includes this.
 */
#ifndef LSPP_STORE_AWS_CREDS_FETCH_H
#define LSPP_STORE_AWS_CREDS_FETCH_H

#include "lib/store/aws/creds.h"

enum { CREDS_SMALL = 65536 }; /* bytes: more is no credentials */

/*
 * What containers, instances and programs answer: JSON, with the session token
 * under that name.  The text is wiped.
 */
int creds_parse(
    struct buf *text, const char *token_name, struct creds *out, struct err *e);

/* Each fills *out (but for its serial) or fails. */
int creds_from_container(
    const struct creds_conf *conf, struct creds *out, struct err *e);
int creds_from_imds(
    const struct creds_conf *conf, struct creds *out, struct err *e);
/* The output of a shell command.  It is ended after conf->timeout_s. */
int creds_from_process(const struct creds_conf *conf, const char *command,
    struct creds *out, struct err *e);

struct creds_role {
	const char *arn, *session, *external_id, *token_file;
	const struct creds *by; /* who assumes it; NULL with token_file */
};
int creds_from_role(const struct creds_conf *conf,
    const struct creds_role *role, struct creds *out, struct err *e);

/* AWS_CONTAINER_CREDENTIALS_*: is one of them set? */
bool creds_has_container(void);

#endif
