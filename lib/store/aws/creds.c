/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/creds.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/store/aws/aws_files.h"
#include "lib/store/aws/creds_fetch.h"

enum {
	AHEAD = 300, /* seconds before they expire that new ones are fetched */
	AGAIN = 30,  /* seconds until that is tried again if it failed */
	DEPTH = 8,   /* of profiles that name another as their source */
};

struct creds_chain {
	struct creds_conf conf;
	pthread_mutex_t lock;
	struct creds now;
	unsigned serial;
	int64_t not_before; /* of the next try to refresh */
	bool failed;        /* and there never were any: */
	struct err why;
};

/* -- values ---------------------------------------------------------------- */

void
creds_release(struct creds *c)
{
	str_wipe(c->key);
	str_wipe(c->secret);
	str_wipe(c->token);
	free(c->source);
	*c = (struct creds){ 0 };
}

static char *
copy(const char *s)
{
	return s == NULL ? NULL : xstrdup(s);
}

static void
duplicate(struct creds *to, const struct creds *from)
{
	*to = (struct creds){ .key = copy(from->key),
		.secret = copy(from->secret),
		.token = copy(from->token),
		.expires = from->expires,
		.source = copy(from->source),
		.serial = from->serial };
}

/* 1: both are there; 0: neither is; -1: half a pair. */
static int
pair(struct creds *out, const char *key, const char *secret,
    const char *key_name, const char *secret_name, struct err *e)
{
	if (key == NULL && secret == NULL)
		return 0;
	if (key == NULL || secret == NULL)
		return err_set(e, ERR_CONFIG, "%s is set, and %s is not",
		    key == NULL ? secret_name : key_name,
		    key == NULL ? key_name : secret_name);
	out->key = xstrdup(key);
	out->secret = xstrdup(secret);
	return 1;
}

/* -- where they come from -------------------------------------------------- */

static int
from_environment(struct creds *out, struct err *e)
{
	const char *key = aws_env("AWS_ACCESS_KEY_ID");
	const char *secret = aws_env("AWS_SECRET_ACCESS_KEY");
	int rc = pair(
	    out, key, secret, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", e);

	if (rc == 1) {
		out->token = copy(aws_env("AWS_SESSION_TOKEN"));
		out->source = xstrdup("environment (AWS_ACCESS_KEY_ID)");
	}
	if (rc != 0)
		return rc;
	rc = pair(out, aws_env("LITESTREAM_ACCESS_KEY_ID"),
	    aws_env("LITESTREAM_SECRET_ACCESS_KEY"), "LITESTREAM_ACCESS_KEY_ID",
	    "LITESTREAM_SECRET_ACCESS_KEY", e);
	if (rc == 1)
		out->source = xstrdup("environment (LITESTREAM_ACCESS_KEY_ID)");
	return rc;
}

static int
from_web_identity(
    const struct creds_conf *conf, struct creds *out, struct err *e)
{
	struct creds_role role = {
		.token_file = aws_env("AWS_WEB_IDENTITY_TOKEN_FILE"),
		.arn = aws_env("AWS_ROLE_ARN"),
		.session = aws_env("AWS_ROLE_SESSION_NAME"),
	};

	if (role.token_file == NULL)
		return 0;
	if (role.arn == NULL)
		return err_set(e, ERR_CONFIG,
		    "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is "
		    "not");
	return creds_from_role(conf, &role, out, e) == -1 ? -1 : 1;
}

static int from_profile(const struct creds_conf *conf, const char *name,
    int depth, struct creds *out, struct err *e);

/* credential_source: who assumes the role. */
static int
from_named_source(const struct creds_conf *conf, const char *source,
    struct creds *out, struct err *e)
{
	int rc;

	if (strcmp(source, "Environment") == 0) {
		rc = from_environment(out, e);
		return rc == 0 ? err_set(e, ERR_CONFIG,
				     "there are no keys in the environment")
			       : rc;
	}
	if (strcmp(source, "EcsContainer") == 0)
		return creds_from_container(conf, out, e);
	if (strcmp(source, "Ec2InstanceMetadata") == 0)
		return creds_from_imds(conf, out, e);
	return err_set(
	    e, ERR_CONFIG, "credential_source \"%s\" is not known", source);
}

static int
from_profile_role(const struct creds_conf *conf, const char *name, int depth,
    struct creds *out, struct err *e)
{
	const struct aws_files *f = conf->files;
	const char *source = aws_profile_get(f, name, "source_profile");
	const char *named = aws_profile_get(f, name, "credential_source");
	struct creds_role role = {
		.arn = aws_profile_get(f, name, "role_arn"),
		.session = aws_profile_get(f, name, "role_session_name"),
		.external_id = aws_profile_get(f, name, "external_id"),
		.token_file =
		    aws_profile_get(f, name, "web_identity_token_file"),
	};
	struct creds by = { 0 };
	int rc;

	if (role.token_file == NULL && source == NULL && named == NULL)
		return err_set(e, ERR_CONFIG,
		    "role_arn needs source_profile, credential_source or "
		    "web_identity_token_file");
	if (role.token_file != NULL)
		rc = 1;
	else if (source == NULL)
		rc = from_named_source(conf, named, &by, e);
	else if (strcmp(source, name) == 0) /* its own keys */
		rc = pair(&by, aws_profile_get(f, name, "aws_access_key_id"),
		    aws_profile_get(f, name, "aws_secret_access_key"),
		    "aws_access_key_id", "aws_secret_access_key", e);
	else
		rc = from_profile(conf, source, depth + 1, &by, e);
	if (rc != -1) {
		role.by = by.key == NULL ? NULL : &by;
		rc = creds_from_role(conf, &role, out, e);
	}
	creds_release(&by);
	return rc == -1 ? -1 : 1;
}

/* 1, 0: the profile says nothing of credentials, -1. */
static int
ask_profile(const struct creds_conf *conf, const char *name, int depth,
    struct creds *out, struct err *e)
{
	const struct aws_files *f = conf->files;
	const char *command;
	int rc;

	if (depth > DEPTH)
		return err_set(e, ERR_CONFIG, "too many source profiles");
	if (aws_profile_get(f, name, "role_arn") != NULL)
		return from_profile_role(conf, name, depth, out, e);
	rc = pair(out, aws_profile_get(f, name, "aws_access_key_id"),
	    aws_profile_get(f, name, "aws_secret_access_key"),
	    "aws_access_key_id", "aws_secret_access_key", e);
	if (rc == 1)
		out->token =
		    copy(aws_profile_get(f, name, "aws_session_token"));
	if (rc != 0)
		return rc;
	if ((command = aws_profile_get(f, name, "credential_process")) != NULL)
		return creds_from_process(conf, command, out, e) == -1 ? -1 : 1;
	if (aws_profile_get(f, name, "sso_start_url") != NULL ||
	    aws_profile_get(f, name, "sso_session") != NULL) {
		err_set(e, ERR_CONFIG, "SSO is not supported");
		return err_hint(e,
		    "credential_process = aws configure "
		    "export-credentials --profile NAME");
	}
	return 0;
}

static int
from_profile(const struct creds_conf *conf, const char *name, int depth,
    struct creds *out, struct err *e)
{
	char *source;
	int rc;

	if (!aws_profile_exists(conf->files, name))
		return err_set(e, ERR_CONFIG, "there is no profile %s", name);
	rc = ask_profile(conf, name, depth, out, e);
	if (rc == -1)
		return err_in(e, "profile %s", name);
	if (rc == 1) {
		source = out->source == NULL
		    ? xasprintf("profile %s", name)
		    : xasprintf("profile %s, %s", name, out->source);
		free(out->source);
		out->source = source;
	}
	return rc;
}

static int
from_chosen_profile(
    const struct creds_conf *conf, struct creds *out, struct err *e)
{
	const char *name = aws_env("AWS_PROFILE");

	if (name == NULL)
		name = aws_env("AWS_DEFAULT_PROFILE");
	if (name == NULL && !aws_profile_exists(conf->files, "default"))
		return 0;
	return from_profile(conf, name == NULL ? "default" : name, 0, out, e);
}

static int
from_instance(const struct creds_conf *conf, struct creds *out, struct err *e)
{
	if (!aws_env_true("AWS_EC2_METADATA_DISABLED") &&
	    creds_from_imds(conf, out, e) == 0)
		return 0;
	err_set(e, ERR_CONFIG, "no credentials for S3 were found");
	return err_hint(e,
	    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
	    "AWS_PROFILE; cron passes on no variables of yours");
}

/* They go into headers, where a line's end begins another one. */
static int
check_text(const struct creds *c, struct err *e)
{
	const char *const v[] = { c->key, c->secret, c->token };

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (const char *p = v[i]; p != NULL && *p != '\0'; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				return err_set(e, ERR_CONFIG,
				    "%s: the %s holds a control character",
				    c->source,
				    i == 0       ? "access key"
					: i == 1 ? "secret"
						 : "session token");
	return 0;
}

static int
find(const struct creds_conf *conf, struct creds *out, struct err *e)
{
	int rc;

	if (conf->key_id != NULL) {
		out->key = xstrdup(conf->key_id);
		out->secret = xstrdup(conf->secret);
		out->source = xstrdup("the configuration file");
		return 0;
	}
	if (conf->profile != NULL) {
		rc = from_profile(conf, conf->profile, 0, out, e);
		if (rc == 0)
			return err_set(e, ERR_CONFIG,
			    "profile %s has no credentials", conf->profile);
		return rc == -1 ? -1 : 0;
	}
	if ((rc = from_environment(out, e)) != 0 ||
	    (rc = from_web_identity(conf, out, e)) != 0 ||
	    (rc = from_chosen_profile(conf, out, e)) != 0)
		return rc == -1 ? -1 : 0;
	if (creds_has_container())
		return creds_from_container(conf, out, e);
	return from_instance(conf, out, e);
}

/* The files are read each time: who makes session keys replaces them. */
static int
fetch(struct creds_chain *c, struct creds *out, struct err *e)
{
	struct creds_conf conf = c->conf;
	struct aws_files *files = NULL;
	int rc;

	if (c->serial > 0) {
		if ((files = aws_files_open(e)) == NULL)
			return -1;
		conf.files = files;
	}
	rc = find(&conf, out, e);
	if (rc == 0)
		rc = check_text(out, e);
	aws_files_close(files);
	return rc;
}

/* -- the chain ------------------------------------------------------------- */

/* The limit does for a file, not where cores are piped to a program. */
static void
dump_no_core(void)
{
	struct rlimit core;

	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &core);
	}
#ifdef PR_SET_DUMPABLE
	(void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
#endif
}

struct creds_chain *
creds_open(const struct creds_conf *conf)
{
	struct creds_chain *c = xcalloc(1, sizeof(*c));

	dump_no_core();
	c->conf = *conf;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void
creds_close(struct creds_chain *c)
{
	if (c == NULL)
		return;
	creds_release(&c->now);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* Those we have go on serving while they are good and others cannot be had. */
static int
refresh(struct creds_chain *c, int64_t now, bool rejected, struct err *e)
{
	struct creds fresh = { 0 };

	if (fetch(c, &fresh, e) == 0) {
		creds_release(&c->now);
		c->now = fresh;
		c->now.serial = ++c->serial;
		return 0;
	}
	creds_release(&fresh);
	c->not_before = now + AGAIN;
	if (!rejected && c->now.key != NULL && c->now.expires > now)
		return 0;
	if (c->now.key == NULL) {
		c->failed = true;
		c->why = *e;
	}
	return -1;
}

static bool
due(const struct creds_chain *c, int64_t now)
{
	if (c->now.key == NULL)
		return true;
	if (c->now.expires == 0 || c->now.expires - now > AHEAD)
		return false;
	return now >= c->not_before || c->now.expires <= now;
}

static bool
differs(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

bool
creds_changed(struct creds_chain *c, unsigned serial)
{
	struct creds fresh = { 0 };
	struct err ignored;
	bool changed;

	pthread_mutex_lock(&c->lock);
	changed = serial != c->serial;
	if (!changed && c->now.key != NULL && fetch(c, &fresh, &ignored) == 0 &&
	    (differs(fresh.key, c->now.key) ||
		differs(fresh.secret, c->now.secret) ||
		differs(fresh.token, c->now.token))) {
		creds_release(&c->now);
		c->now = fresh;
		c->now.serial = ++c->serial;
		fresh = (struct creds){ 0 };
		changed = true;
	}
	creds_release(&fresh);
	pthread_mutex_unlock(&c->lock);
	return changed;
}

int
creds_get(
    struct creds_chain *c, unsigned rejected, struct creds *out, struct err *e)
{
	int64_t now = (int64_t)time(NULL);
	bool bad;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	bad = rejected != 0 && rejected == c->now.serial;
	if (c->failed) {
		*e = c->why;
		rc = -1;
	} else if (bad || due(c, now)) {
		rc = refresh(c, now, bad, e);
	}
	if (rc == 0)
		duplicate(out, &c->now);
	pthread_mutex_unlock(&c->lock);
	return rc;
}
