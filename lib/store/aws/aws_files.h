/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_files -- the shared files of AWS's tools: ~/.aws/config and
 * ~/.aws/credentials, or where AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE
 * say.  A file that is not there is empty, as /dev/null is; a pipe is read once
 * a process.
 *
 *	[profile dev]			in config; [dev] in credentials
 *	region = eu-west-1
 *	services = local
 *	[services local]
 *	s3 =
 *	  endpoint_url = http://...	read as "s3.endpoint_url"
 */
#ifndef LSPP_STORE_AWS_AWS_FILES_H
#define LSPP_STORE_AWS_AWS_FILES_H

#include <stdbool.h>

struct err;
struct aws_files;

struct aws_files *aws_files_open(struct err *e);
void aws_files_close(struct aws_files *f); /* takes NULL; wipes */

/* Is there a profile of that name in either file? */
bool aws_profile_exists(const struct aws_files *f, const char *profile);

/* A setting of a profile, credentials first; NULL if it is not set. */
const char *aws_profile_get(
    const struct aws_files *f, const char *profile, const char *name);

/* The endpoint that a profile configures for S3 or for all; NULL: none. */
const char *aws_profile_endpoint(
    const struct aws_files *f, const char *profile, const char *service);

/* An environment variable that is set and not empty, or NULL. */
const char *aws_env(const char *name);

/* Is a variable "true"? */
bool aws_env_true(const char *name);

#endif
