/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/restore/restore_own.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/replica/wal/provenance.h"
#include "lib/restore/restore.h"
#include "lib/restore/restore_place.h"

static const struct restore_own as_the_source = {
	RESTORE_KEEP,
	RESTORE_KEEP,
	RESTORE_KEEP,
};

/* What is asked for must be done, what the source had as far as we may. */
static int
set_owner(struct restored *r, const struct restore_own *own,
    const struct provenance *pv, struct err *e)
{
	bool root = geteuid() == 0;

	if ((own->uid != RESTORE_KEEP || own->gid != RESTORE_KEEP) &&
	    fchown(r->fd, own->uid, own->gid) == -1)
		return err_sys(e, "cannot set the owner");
	if (pv == NULL ||
	    (own->uid != RESTORE_KEEP && own->gid != RESTORE_KEEP))
		return 0;
	if (own->uid == RESTORE_KEEP && pv->uid != geteuid() &&
	    (!root || fchown(r->fd, pv->uid, (gid_t)-1) == -1))
		r->note = "its owner could not be restored";
	if (own->gid == RESTORE_KEEP && fchown(r->fd, (uid_t)-1, pv->gid) == -1)
		r->note = r->note != NULL
		    ? "its owner and group could not be restored"
		    : "its group could not be restored";
	return 0;
}

int
own_set(struct restored *r, const struct restore_own *own,
    const struct provenance *pv, struct err *e)
{
	uint32_t mode = pv != NULL ? pv->mode & 0777 : 0600;
	struct stat st;

	if (own == NULL)
		own = &as_the_source;
	if (set_owner(r, own, pv, e) == -1)
		return -1;
	if (own->mode != RESTORE_KEEP)
		mode = own->mode;
	else if (fstat(r->fd, &st) == -1)
		return err_sys(e, "unfinished file: cannot stat it");
	else if (pv != NULL && own->gid == RESTORE_KEEP && st.st_gid != pv->gid)
		mode &= ~(uint32_t)070;
	if (fchmod(r->fd, mode) == -1)
		return err_sys(e, "cannot set the mode");
	return 0;
}

int
own_set_dir(struct place *p, struct restored *r, const struct restore_own *own,
    const struct provenance *pv, struct err *e)
{
	bool known = pv != NULL && pv->has_dir, root = geteuid() == 0;
	uint32_t mode = known ? pv->dir_mode & 0777 : 0700, uid, gid;

	if (!p->unfinished)
		return 0;
	if (own == NULL)
		own = &as_the_source;
	uid = own->uid;
	gid = own->gid;
	if (uid == RESTORE_KEEP && pv != NULL && root)
		uid = known ? pv->dir_uid : pv->uid;
	if (gid == RESTORE_KEEP && pv != NULL)
		gid = known ? pv->dir_gid : pv->gid;
	if (!root) /* more may have to go there */
		mode |= 0700;
	if (fchown(p->dir, uid, gid) == -1) {
		r->note = "its directory's owner could not be restored";
		mode &= ~(uint32_t)070;
	}
	if (fchmod(p->dir, mode) == -1)
		return err_sys(e, "cannot set the directory's mode");
	p->unfinished = false;
	return 0;
}

int
restore_parse_check(const char *arg, enum restore_check *check, struct err *e)
{
	if (strcmp(arg, "none") == 0)
		*check = RESTORE_CHECK_NONE;
	else if (strcmp(arg, "quick") == 0)
		*check = RESTORE_CHECK_QUICK;
	else if (strcmp(arg, "full") == 0)
		*check = RESTORE_CHECK_FULL;
	else
		return err_set(e, ERR_USAGE,
		    "--check: \"%s\" is not none, quick or full", arg);
	return 0;
}

int
restore_parse_mode(const char *arg, uint32_t *mode, struct err *e)
{
	unsigned long n = strtoul(arg, NULL, 8);

	if (*arg == '\0' || strlen(arg) > 5 ||
	    arg[strspn(arg, "01234567")] != '\0' || n > 0777)
		return err_set(e, ERR_USAGE,
		    "--mode: \"%s\" is not an octal mode up to 0777", arg);
	*mode = (uint32_t)n;
	return 0;
}

/* An id as a number; the greatest means "keep" to chown(2) and to us. */
static bool
parse_id(const char *arg, uint32_t *id)
{
	unsigned long long n = strtoull(arg, NULL, 10);

	if (strlen(arg) > 10 || arg[strspn(arg, "0123456789")] != '\0' ||
	    n >= RESTORE_KEEP)
		return false;
	*id = (uint32_t)n;
	return true;
}

int
restore_parse_owner(
    const char *arg, uint32_t *uid, uint32_t *gid, struct err *e)
{
	size_t n = strcspn(arg, ":");
	char *user = xasprintf("%.*s", (int)n, arg);
	const char *group = arg[n] == ':' ? arg + n + 1 : "";
	const struct passwd *pw;
	const struct group *gr;
	int rc = -1;

	if ((*user == '\0' && *group == '\0') ||
	    (arg[n] == ':' && *group == '\0')) {
		err_set(e, ERR_USAGE,
		    "--owner: \"%s\" is not USER, USER:GROUP or :GROUP", arg);
		goto out;
	}
	if (*user != '\0' && (pw = getpwnam(user)) != NULL)
		*uid = pw->pw_uid;
	else if (*user != '\0' && !parse_id(user, uid)) {
		err_set(e, ERR_USAGE, "--owner: no user \"%s\"", user);
		goto out;
	}
	if (*group != '\0' && (gr = getgrnam(group)) != NULL)
		*gid = gr->gr_gid;
	else if (*group != '\0' && !parse_id(group, gid)) {
		err_set(e, ERR_USAGE, "--owner: no group \"%s\"", group);
		goto out;
	}
	rc = 0;
out:
	free(user);
	return rc;
}
