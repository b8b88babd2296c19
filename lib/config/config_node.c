/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What YAML says, as values of the keys that a table knows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/config/config_impl.h"

#define MERGES 16      /* that refer to each other */
#define PAIRS  2000000 /* that are looked at, through all aliases */

int
config_fail(struct parse *p, unsigned line, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(p->e, ERR_CONFIG, "line %u: %s", line, text);
}

void
config_warn(struct parse *p, unsigned line, const char *fmt, ...)
{
	struct config *c = p->c;
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < c->n_warnings; i++)
		if (strcmp(c->warning[i].text, text) == 0)
			return;
	c->warning =
	    xrealloc(c->warning, (c->n_warnings + 1) * sizeof(*c->warning));
	c->warning[c->n_warnings].line = line;
	c->warning[c->n_warnings++].text = xstrdup(text);
}

unsigned
node_line(const yaml_node_t *n)
{
	return (unsigned)n->start_mark.line + 1;
}

static const char *
scalar(const yaml_node_t *n)
{
	return (const char *)n->data.scalar.value;
}

static bool
is_plain(const yaml_node_t *n)
{
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool
is_one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

static bool
is_null(const yaml_node_t *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL",
		NULL };

	return n->type == YAML_SCALAR_NODE && is_plain(n) &&
	    is_one_of(scalar(n), words);
}

/* -- what a text means ----------------------------------------------------- */

static const char *const truths[] = { "y", "Y", "yes", "Yes", "YES", "true",
	"True", "TRUE", "on", "On", "ON", NULL };
static const char *const lies[] = { "n", "N", "no", "No", "NO", "false",
	"False", "FALSE", "off", "Off", "OFF", NULL };

struct unit {
	const char *name;
	double worth;
};

/* Numbers with units, added up; false if it is none. */
static bool
quantity(const char *s, const struct unit *units,
    int (*compare)(const char *, const char *, size_t), double *out)
{
	char *end;
	size_t n;
	int i;

	if (*s == '\0')
		return false;
	for (*out = 0; *s != '\0'; s = end + n) {
		if (strchr("0123456789.", *s) == NULL)
			return false;
		/* no exponent, no hexadecimal: what strtod() would take */
		n = strspn(s, "0123456789.");
		if (strchr("eExXpP", s[n]) != NULL && s[n] != '\0')
			return false;
		double v = strtod(s, &end);
		if (end != s + n)
			return false;
		end += strspn(end, " ");
		n = strcspn(end, "0123456789.");
		for (i = 0; units[i].name != NULL; i++)
			if (strlen(units[i].name) == n &&
			    compare(units[i].name, end, n) == 0)
				break;
		if (units[i].name == NULL)
			return false;
		*out += v * units[i].worth;
	}
	return *out < 9e18;
}

static bool
duration(const char *s, double *out)
{
	static const struct unit units[] = { { "ns", 1e-9 }, { "us", 1e-6 },
		{ "\xc2\xb5s", 1e-6 }, { "ms", 1e-3 }, { "s", 1 }, { "m", 60 },
		{ "h", 3600 }, { 0 } };

	if (strcmp(s, "0") == 0) {
		*out = 0;
		return true;
	}
	return quantity(s, units, strncmp, out);
}

static bool
size(const char *s, double *out)
{
	static const struct unit units[] = { { "", 1 }, { "b", 1 },
		{ "k", 1e3 }, { "kb", 1e3 }, { "ki", 1 << 10 },
		{ "kib", 1 << 10 }, { "m", 1e6 }, { "mb", 1e6 },
		{ "mi", 1 << 20 }, { "mib", 1 << 20 }, { "g", 1e9 },
		{ "gb", 1e9 }, { "gi", 1 << 30 }, { "gib", 1 << 30 }, { 0 } };

	return quantity(s, units, strncasecmp, out);
}

bool
value_true(const struct value *v)
{
	return v->s != NULL && is_one_of(v->s, truths);
}

int64_t
value_seconds(const struct value *v)
{
	double x;

	return v->s != NULL && duration(v->s, &x) ? (int64_t)x : 0;
}

uint64_t
value_size(const struct value *v)
{
	double x;

	return v->s != NULL && size(v->s, &x) ? (uint64_t)x : 0;
}

/* -- mappings -------------------------------------------------------------- */

static int
check_kind(struct parse *p, const struct key *k, const struct value *v)
{
	double x;

	if (k->kind == KEY_BOOL && !is_one_of(v->s, truths) &&
	    !is_one_of(v->s, lies))
		return config_fail(
		    p, v->line, "%s is neither true nor false", k->name);
	if (k->kind == KEY_TIME && !duration(v->s, &x))
		return config_fail(p, v->line,
		    "%s: \"%s\" is not a duration like 90s, 5m, 1h30m", k->name,
		    v->s);
	if (k->kind == KEY_SIZE && !size(v->s, &x))
		return config_fail(
		    p, v->line, "%s: \"%s\" is not a size", k->name, v->s);
	return 0;
}

static int
set(struct parse *p, const struct key *k, unsigned line, yaml_node_t *node,
    void *base)
{
	struct value *v = (struct value *)((char *)base + k->at);

	*v = (struct value){ .line = line };
	if (is_null(node))
		return 0;
	if (k->kind == KEY_NODE) {
		v->node = node;
		return 0;
	}
	if (node->type != YAML_SCALAR_NODE)
		return config_fail(
		    p, v->line, "%s: a single value is expected", k->name);
	v->s = scalar(node);
	if (strlen(v->s) != node->data.scalar.length)
		return config_fail(p, v->line, "%s: a NUL byte", k->name);
	/* "" is as good as nothing, as in Litestream. */
	if (*v->s == '\0')
		v->s = NULL;
	return v->s == NULL ? 0 : check_kind(p, k, v);
}

static const struct key *
find(const struct key *keys, const char *name)
{
	for (; keys != NULL && keys->name != NULL; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

struct fill {
	const char *what;
	const struct key *keys, *more;
	void *base;
	int merges;
};

static int fill(struct parse *p, struct fill *f, yaml_node_t *node);

static int
merge(struct parse *p, struct fill *f, yaml_node_t *node)
{
	yaml_node_item_t *item;
	int rc = 0;

	if (++f->merges > MERGES)
		return config_fail(
		    p, node_line(node), "too many merges (\"<<\")");
	if (node->type != YAML_SEQUENCE_NODE) {
		rc = fill(p, f, node);
	} else {
		/* The first of several is the strongest. */
		for (item = node->data.sequence.items.top;
		     item > node->data.sequence.items.start && rc == 0;)
			rc = fill(
			    p, f, yaml_document_get_node(&p->doc, *--item));
	}
	f->merges--;
	return rc;
}

static int
take_pair(struct parse *p, struct fill *f, yaml_node_t *key, yaml_node_t *value)
{
	const struct key *k;

	if (p->pairs++ == PAIRS)
		return config_fail(
		    p, node_line(key), "merged or repeated too often");
	if (key->type != YAML_SCALAR_NODE)
		return config_fail(
		    p, node_line(key), "%s: a key that is no text", f->what);
	if (strcmp(scalar(key), "<<") == 0 && is_plain(key))
		return merge(p, f, value);
	if ((k = find(f->keys, scalar(key))) == NULL)
		k = find(f->more, scalar(key));
	if (k == NULL) {
		config_warn(p, node_line(key),
		    "%s: the key \"%s\" is not known, and ignored", f->what,
		    scalar(key));
		return 0;
	}
	p->c->ltx |= k->kind == KEY_LTX;
	if (k->kind == KEY_NOTED || k->kind == KEY_LTX)
		config_warn(
		    p, node_line(key), "%s is ignored: %s", k->name, k->note);
	if (k->kind == KEY_NOTED || k->kind == KEY_LTX || k->kind == KEY_FINE)
		return 0;
	return set(p, k, node_line(key), value, f->base);
}

static int
fill(struct parse *p, struct fill *f, yaml_node_t *node)
{
	yaml_node_pair_t *pair;

	if (node->type != YAML_MAPPING_NODE)
		return config_fail(p, node_line(node),
		    "%s: keys with values are expected", f->what);
	for (pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++)
		if (take_pair(p, f, yaml_document_get_node(&p->doc, pair->key),
			yaml_document_get_node(&p->doc, pair->value)) == -1)
			return -1;
	return 0;
}

int
node_fill(struct parse *p, yaml_node_t *node, const char *what,
    const struct key *keys, const struct key *more, void *base)
{
	struct fill f = {
		.what = what, .keys = keys, .more = more, .base = base
	};

	return fill(p, &f, node);
}
