/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/aws/aws_files.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/sys/file.h"

#define FILE_MAX (1 << 20)

struct setting {
	char *section, *name, *value;
};

struct ini {
	struct setting *v;
	size_t n;
};

struct aws_files {
	struct ini config, credentials;
};

const char *
aws_env(const char *name)
{
	const char *v = getenv(name);

	return v != NULL && *v != '\0' ? v : NULL;
}

bool
aws_env_true(const char *name)
{
	const char *v = aws_env(name);

	return v != NULL && strcasecmp(v, "true") == 0;
}

/* -- one file -------------------------------------------------------------- */

static void
add(struct ini *f, const char *section, const char *name, const char *value)
{
	f->v = xrealloc(f->v, (f->n + 1) * sizeof(*f->v));
	f->v[f->n++] =
	    (struct setting){ xstrdup(section), xstrdup(name), xstrdup(value) };
}

static const char *
get(const struct ini *f, const char *section, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].section, section) == 0 &&
		    strcasecmp(f->v[i].name, name) == 0)
			return f->v[i].value;
	return NULL;
}

/* Without blanks at its ends; cut where it stands. */
static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	for (n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]) != NULL; n--)
		continue;
	s[n] = '\0';
	return s;
}

/* "[profile  x]" to "profile x". */
static char *
section_of(char *line)
{
	char *end = strchr(line, ']'), *name, *rest;

	if (end != NULL)
		*end = '\0';
	name = trim(line + 1);
	rest = name + strcspn(name, " \t");
	if (*rest == '\0')
		return xstrdup(name);
	*rest = '\0';
	return xasprintf("%s %s", name, trim(rest + 1));
}

/* A comment takes its place only behind a blank: secrets may hold "#". */
static void
cut_comment(char *s)
{
	for (char *p = s; *p != '\0'; p++)
		if ((*p == '#' || *p == ';') && p > s &&
		    (p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			return;
		}
}

static void
take_line(struct ini *f, char *line, char **section, char **outer)
{
	bool nested = *line == ' ' || *line == '\t';
	char *name = trim(line), *value, *full;

	if (*name == '\0' || *name == '#' || *name == ';')
		return;
	if (*name == '[') {
		free(*section);
		free(*outer);
		*outer = NULL;
		*section = section_of(name);
		add(f, *section, "", "");
		return;
	}
	if (*section == NULL || (value = strchr(name, '=')) == NULL)
		return;
	*value++ = '\0';
	cut_comment(value);
	name = trim(name);
	value = trim(value);
	if (nested && *outer != NULL) {
		full = xasprintf("%s.%s", *outer, name);
		add(f, *section, full, value);
		free(full);
		return;
	}
	free(*outer);
	*outer = *value == '\0' ? xstrdup(name) : NULL;
	if (*value != '\0')
		add(f, *section, name, value);
}

static void
parse(struct ini *f, char *text)
{
	char *section = NULL, *outer = NULL, *next;

	for (; text != NULL; text = next) {
		if ((next = strchr(text, '\n')) != NULL)
			*next++ = '\0';
		take_line(f, text, &section, &outer);
	}
	free(section);
	free(outer);
}

static char *
path_of(const char *variable, const char *below_home)
{
	const char *path = aws_env(variable), *home = aws_env("HOME");

	if (path == NULL)
		return home == NULL ? NULL
				    : xasprintf("%s/%s", home, below_home);
	if (path[0] == '~' && path[1] == '/' && home != NULL)
		return xasprintf("%s%s", home, path + 1);
	return xstrdup(path);
}

/*
 * A pipe ("<(...)") can be read once, and is asked for as often as a store is
 * opened: what was in it is kept.
 */
static struct piped {
	struct piped *next;
	char *path;
	struct buf text;
} * piped;
static pthread_mutex_t piped_lock = PTHREAD_MUTEX_INITIALIZER;

static int
read_pipe(const char *path, int fd, struct buf *b, struct err *e)
{
	struct piped *p;
	ssize_t n = 1;

	for (p = piped; p != NULL && strcmp(p->path, path) != 0; p = p->next)
		continue;
	if (p == NULL) {
		p = xcalloc(1, sizeof(*p));
		p->path = xstrdup(path);
		p->next = piped;
		piped = p;
		while (n > 0 && p->text.len <= FILE_MAX) {
			n = read(fd, buf_room(&p->text, 4096), 4096);
			p->text.len += n > 0 ? (size_t)n : 0;
		}
		if (n == -1)
			return err_sys(e, "cannot read it");
		if (n > 0)
			return err_set(e, ERR_CORRUPT, "it is too large");
	}
	if (p->text.len > 0)
		buf_add(b, p->text.data, p->text.len);
	return 0;
}

static int
slurp(const char *path, struct buf *b, struct err *e)
{
	struct stat st, null;
	int fd, rc;

	if (stat(path, &st) == -1)
		return file_slurp(path, FILE_MAX, b, e);
	if (S_ISCHR(st.st_mode) && stat("/dev/null", &null) == 0 &&
	    st.st_rdev == null.st_rdev)
		return 0;
	if (!S_ISFIFO(st.st_mode))
		return file_slurp(path, FILE_MAX, b, e);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return err_sys(e, "cannot open it");
	pthread_mutex_lock(&piped_lock);
	rc = read_pipe(path, fd, b, e);
	pthread_mutex_unlock(&piped_lock);
	file_close(fd);
	return rc;
}

static int
read_file(
    struct ini *f, const char *variable, const char *below_home, struct err *e)
{
	char *path = path_of(variable, below_home);
	struct buf b = { 0 };
	int rc = 0;

	if (path == NULL)
		return 0;
	if (slurp(path, &b, e) == 0) {
		buf_add(&b, "", 1);
		parse(f, (char *)b.data);
	} else if (e->class != ERR_MISSING) {
		rc = err_in(e, "%s", path);
	}
	buf_wipe(&b);
	free(path);
	return rc;
}

static void
release(struct ini *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].section);
		free(f->v[i].name);
		str_wipe(f->v[i].value);
	}
	free(f->v);
}

/* -- both ------------------------------------------------------------------ */

struct aws_files *
aws_files_open(struct err *e)
{
	struct aws_files *f = xcalloc(1, sizeof(*f));

	if (read_file(&f->config, "AWS_CONFIG_FILE", ".aws/config", e) == 0 &&
	    read_file(&f->credentials, "AWS_SHARED_CREDENTIALS_FILE",
		".aws/credentials", e) == 0)
		return f;
	aws_files_close(f);
	return NULL;
}

void
aws_files_close(struct aws_files *f)
{
	if (f == NULL)
		return;
	release(&f->config);
	release(&f->credentials);
	free(f);
}

/* "default" goes by either name in config. */
static const char *
config_get(const struct aws_files *f, const char *profile, const char *name)
{
	char *section = xasprintf("profile %s", profile);
	const char *v = get(&f->config, section, name);

	free(section);
	if (v == NULL && strcmp(profile, "default") == 0)
		v = get(&f->config, profile, name);
	return v;
}

bool
aws_profile_exists(const struct aws_files *f, const char *profile)
{
	return get(&f->credentials, profile, "") != NULL ||
	    config_get(f, profile, "") != NULL;
}

const char *
aws_profile_get(
    const struct aws_files *f, const char *profile, const char *name)
{
	const char *v = get(&f->credentials, profile, name);

	return v != NULL ? v : config_get(f, profile, name);
}

const char *
aws_profile_endpoint(
    const struct aws_files *f, const char *profile, const char *service)
{
	const char *services = aws_profile_get(f, profile, "services");
	char *section, *name = xasprintf("%s.endpoint_url", service);
	const char *v = NULL;

	if (services != NULL) {
		section = xasprintf("services %s", services);
		v = get(&f->config, section, name);
		free(section);
	}
	if (v == NULL)
		v = aws_profile_get(f, profile, name);
	free(name);
	return v != NULL ? v : aws_profile_get(f, profile, "endpoint_url");
}
