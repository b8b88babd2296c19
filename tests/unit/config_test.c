/* SPDX-License-Identifier: Apache-2.0 */
/* litestream.yml: which databases, and where each one's replica is. */
#include "lib/config/config.h"

#include <stdlib.h>

#include "lib/base/err.h"
#include "tests/unit/tap.h"

static const char *
get(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "KEY") == 0)
		return "AKID";
	if (strcmp(name, "SECRET") == 0)
		return "s3cr3t";
	if (strcmp(name, "LINES") == 0)
		return "/x.db\n  replica: {path: /r/x}";
	return NULL;
}

static const struct config_env env = {
	.get = get, .cwd = "/cwd", .home = "/home/u"
};

static struct config c;

/* Parse text into c. */
static void
parse(const char *text)
{
	struct err e;

	config_release(&c);
	if (config_parse(&c, text, strlen(text), &env, &e) == -1) {
		ok(false, "it is parsed");
		printf("# %s\n# %s\n", e.msg, text);
		exit(done());
	}
}

static void
fails(const char *text, const char *want)
{
	struct config none;
	struct err e;
	int rc = config_parse(&none, text, strlen(text), &env, &e);

	if (rc != -1)
		config_release(&none);
	ok(rc == -1 && e.class == ERR_CONFIG, "refused: %s", want);
	is_str(rc == -1 ? e.msg : "", want, "the message");
}

/* The URL of its root and its name there, as "URL NAME". */
static const char *
where(const char *path, size_t replica)
{
	static char out[1200];
	const struct config_db *d = config_find(&c, path);
	struct buf name = { 0 }, back = { 0 };
	struct err e;

	if (d == NULL)
		return "none";
	if (d->replica[replica].refused != NULL)
		return d->replica[replica].refused;
	if (config_name(d, replica, path, &name, &e) == -1)
		snprintf(out, sizeof(out), "%s", e.msg);
	else
		snprintf(out, sizeof(out), "%s %s",
		    c.root[d->replica[replica].root].url, buf_str(&name));
	ok(config_path(d, replica, buf_str(&name), &back) ==
		(name.len > 0 || d->kind == CONFIG_PATH),
	    "%s and back", path);
	if (back.len > 0)
		is_str(buf_str(&back), path, "the same");
	buf_release(&name);
	buf_release(&back);
	return out;
}

static const struct config_root *
root(const char *path)
{
	const struct config_db *d = config_find(&c, path);

	return d == NULL ? NULL : &c.root[d->replica[0].root];
}

static void
test_03(void)
{
	parse("access-key-id: $KEY\n"
	      "secret-access-key: ${SECRET}\n"
	      "dbs:\n"
	      "  - path: /data/a.db\n"
	      "    replicas:\n"
	      "      - url: s3://bucket/backups/a\n"
	      "        snapshot-interval: 1h30m\n"
	      "      - path: /mnt/a\n"
	      "  - path: rel/b.db\n"
	      "    replicas:\n"
	      "      - type: s3\n"
	      "        bucket: bucket\n"
	      "        path: backups/b\n"
	      "        region: eu-west-1\n"
	      "        endpoint: http://h:9000\n"
	      "        force-path-style: no\n"
	      "        access-key-id: own\n"
	      "        secret-access-key: other\n"
	      "  - path: ~/c.db\n"
	      "    replicas: [{bucket: b2, type: s3, skip-verify: true}]\n");
	is_int(c.n, 3, "three databases");
	is_int(c.n_warnings, 0, "no warnings");
	is_str(where("/data/a.db", 0), "s3://bucket/backups a", "a URL");
	is_str(where("/data/a.db", 1), "file:///mnt a", "the second replica");
	is_int(root("/data/a.db")->snapshot_s, 5400, "an interval");
	is_str(root("/data/a.db")->key_id, "AKID", "the key of all");
	is_str(root("/data/a.db")->secret, "s3cr3t", "and its secret");
	is_str(root("/data/a.db")->first, "a", "the first in it");
	is_str(where("/cwd/rel/b.db", 0),
	    "s3://bucket/backups?endpoint=http://h:9000&region=eu-west-1"
	    "&path-style=false b",
	    "in parts, of a relative path");
	is_str(root("/cwd/rel/b.db")->key_id, "own", "its own key");
	is_str(where("/home/u/c.db", 0), "s3://b2 ", "a bucket, no path");
	ok(root("/home/u/c.db")->insecure, "skip-verify");
	is_str(where("/data/d.db", 0), "none", "one that is not there");
}

static void
test_05(void)
{
	parse("region: us-west-2\n"
	      "snapshot: {interval: 12h}\n"
	      "dbs:\n"
	      "- dir: /srv/t\n"
	      "  pattern: '*.db'\n"
	      "  recursive: true\n"
	      "  replica: {url: 's3://bucket/fleet'}\n"
	      "- dir: /srv/flat{1}\n"
	      "  pattern: '[!a]?{x}**.sq'\n"
	      "  snapshot: {interval: 6h}\n"
	      "  replica: {type: file, path: /r/flat}\n"
	      "- path: sqlite3:///srv/t/own.db\n"
	      "  replica: {path: /own}\n"
	      "- dir: /lead\n"
	      "  pattern: x.db\n"
	      "  replica: {type: s3, bucket: b, path: /lead/slash/}\n");
	is_str(where("/srv/t/a/b/c.db", 0),
	    "s3://bucket/fleet?region=us-west-2 a/b/c.db", "below a dir");
	is_str(where("/srv/t/c.db", 0),
	    "s3://bucket/fleet?region=us-west-2 c.db", "in it");
	is_int(root("/srv/t/c.db")->snapshot_s, 43200, "of all");
	is_str(where("/srv/t/c.dbx", 0), "none", "by the pattern");
	is_str(where("/srv/flat{1}/!a{x}b.sq", 0), "file:///r/flat !a{x}b.sq",
	    "a pattern as Go's");
	is_int(root("/srv/flat{1}/!a{x}b.sq")->snapshot_s, 21600, "its own");
	is_str(where("/srv/flat{1}/sub/!a{x}b.sq", 0), "none", "no deeper");
	is_str(where("/srv/t/own.db", 0), "file:///own ",
	    "one that is named, before a dir");
	is_str(where("/lead/x.db", 0),
	    "s3://b?region=us-west-2 /lead/slash/x.db", "a leading slash");
	ok(c.ltx, "it says how LTX files are kept");
	parse("dbs:\n- path: /a\n  snapshot: {interval: 6h}\n"
	      "  replicas: [{path: /x}]\n");
	ok(!c.ltx, "this one does not");
	parse("dbs:\n- path: /a\n  replica: {path: /x}\n");
	ok(c.ltx, "nor this one, but 0.3 knows no such key");
	parse("dbs:\n- path: /a\n  replica: {path: /x, auto-recover: true}\n");
	ok(c.ltx, "this one does, of a replica");
	parse("snapshot: {interval: 6h}\nmulti-db:\n  enabled: true\n"
	      "  patterns: [/d/*.db]\n"
	      "  replica-template:\n    path: /x/{{tenant}}\n");
	ok(!c.ltx, "nor one of litestreampp");
}

static void
test_multi(void)
{
	parse(
	    "multi-db:\n"
	    "  enabled: true\n"
	    "  patterns:\n"
	    "  - /d/*/databases/*/branches/*/tenants/*.db\n"
	    "  - /f/*/*.sqlite\n"
	    "  replica-template:\n"
	    "    type: s3\n"
	    "    bucket: b\n"
	    "    path: fleet/{{project}}/{{database}}-{{branch}}/{{tenant}}\n");
	is_int(c.n, 2, "an entry for each pattern");
	is_str(where("/d/P/databases/D/branches/B/tenants/T.db", 0),
	    "s3://b/fleet P/D-B/T", "the deep form");
	is_str(where("/d/P/x/databases/D/branches/B/tenants/T.db", 0), "none",
	    "a star stands for one component");
	parse("multi-db:\n"
	      "  enabled: true\n"
	      "  patterns: [/f/*/*.sqlite]\n"
	      "  replica-template:\n"
	      "    url: "
	      "'s3://b/x-{{project}}/{{filename}}?endpoint=localhost:9'\n");
	is_str(where("/f/P/t.sqlite", 0), "s3://b?endpoint=localhost:9 x-P/t",
	    "the short form");
	parse("multi-db: {patterns: [/x], replica-template: {path: '/{{x}}'}}\n"
	      "dbs: [{path: /a, replica: {path: /b}}]\n");
	is_int(c.n, 1, "not enabled");
	is_str(c.warning[0].text,
	    "multi-db is not enabled: its databases are left out",
	    "it is said");
	fails("multi-db: {enabled: true, patterns: [/x/*.db],\n"
	      "  replica-template: {path: '/r/{{tenannt}}'}}",
	    "line 2: \"{{tenannt}}\" is no variable of a path");
	fails("multi-db: {enabled: true, patterns: [/x/*.db],\n"
	      "  replica-template: {path: /r/x}}",
	    "line 2: the path of replica-template is the same for all "
	    "databases: it has no variable");
}

static void
test_warnings(void)
{
	parse("addr: ':9090'\n"
	      "exec: app\n"
	      "# $NOBODY\n"
	      "dbs:\n"
	      "- path: /a$UNSET\n"
	      "  monitor-interval: 1s\n"
	      "  replicas: [{path: /r, colour: red, sync-interval: 1s}]\n"
	      "- path: /b\n"
	      "  monitor-interval: 1s\n"
	      "  replicas: [{path: /r, age: {recipients: []}}]\n");
	is_int(c.n_warnings, 6, "six warnings");
	is_str(c.warning[0].text,
	    "the variable UNSET is not set: it stands for nothing", "unset");
	is_int(c.warning[0].line, 5, "in line 5");
	is_str(
	    c.warning[1].text, "addr is ignored: there is no daemon", "addr");
	is_int(c.warning[1].line, 1, "in line 1");
	is_str(c.warning[2].text, "exec is ignored: lspp starts no program",
	    "exec");
	is_str(c.warning[4].text,
	    "a replica: the key \"colour\" is not known, and ignored",
	    "an unknown key");
	is_int(c.warning[4].line, 7, "in line 7");
	parse("dbs:\n- path: $LINES\n");
	is_str(where("/x.db", 0), "file:///r x", "a value of several lines");
	parse("dbs: [{path: '/a$$-${}b${*}c$1d$ e', replica: {path: /b}}]");
	is_str(where("/a-bcd$ e", 0), "file:///b ", "what Go makes of dollars");
	parse("x: &r {type: s3, bucket: b}\n"
	      "dbs:\n"
	      "- path: /a\n"
	      "  replica: {<<: *r, path: p/a}\n"
	      "- path: /b\n"
	      "  replica: {<<: [*r, {path: q, region: no}], path: p/b}\n");
	is_str(where("/a", 0), "s3://b/p a", "a merge");
	is_str(where("/b", 0), "s3://b/p?region=no b", "a merge of two");
}

/* A "$" in a password is a variable, but its name is for nobody's eyes. */
static void
test_secrets(void)
{
	static const char *const said[] = {
		"secret-access-key: a variable in it is not set: it stands for "
		"nothing",
		"password: a variable in it is not set: it stands for nothing",
		"a URL: a variable in it is not set: it stands for nothing",
		"a value of several lines: a variable in it is not set: it "
		"stands for nothing",
		"the variable PLAIN is not set: it stands for nothing",
	};

	parse("access-key-id: x\n"
	      "secret-access-key: pa55$SEKRET\n"
	      "dbs:\n"
	      "- path: /a\n"
	      "  replica: {\"password\" : $SEKRET, path: /r}\n"
	      "- path: /b\n"
	      "  replica: {path: /r/b, user: 's3:/AK:p$SEKRET@b'}\n"
	      "- path: /c\n"
	      "  replica:\n"
	      "    path: /r/c\n"
	      "    sas-token: >\n"
	      "      $SEKRET\n"
	      "- path: /seed/token$PLAIN\n"
	      "  replica: {path: /r/d}\n");
	is_int(c.n_warnings, 5, "five warnings");
	for (size_t i = 0; i < c.n_warnings && i < 5; i++)
		is_str(c.warning[i].text, said[i], "%s", said[i]);
	is_int(c.warning[0].line, 2, "in line 2");
	fails("skip-verify: SEKRET\ndbs: [{path: /a, replica: {path: /b}}]\n",
	    "line 1: skip-verify is neither true nor false");
}

static void
test_refused(void)
{
	parse("dbs:\n"
	      "- path: /a\n"
	      "  replicas:\n"
	      "  - url: sftp://u@h/p\n"
	      "  - type: gcs\n"
	      "    bucket: b\n"
	      "  - path: /ok\n"
	      "  - path: /ok\n"
	      "    age:\n"
	      "      recipients: [age1x]\n"
	      "  - {type: s3, bucket: b, sse-customer-key: x}\n");
	is_str(where("/a", 0),
	    "line 4: url: replicas of type sftp are not supported: file and s3 "
	    "are",
	    "sftp");
	is_str(where("/a", 1),
	    "line 5: type: replicas of type gcs are not supported: file and s3 "
	    "are",
	    "gcs");
	is_str(where("/a", 2), "file:///ok ", "one that can be used");
	is_str(where("/a", 3),
	    "line 9: age: encryption is not supported, and without it the data "
	    "would be open",
	    "age");
	ok(strncmp(where("/a", 4), "line 11: sse-customer-key", 25) == 0,
	    "a key in the file");
}

static void
test_errors(void)
{
	fails("dbs: [\n",
	    "line 2: while parsing a flow node: did not find "
	    "expected node content");
	fails("", "line 1: no databases");
	fails("dbs: []", "line 1: no databases");
	fails("dbs:\n  path: /a\n", "line 2: dbs: a list is expected");
	fails("- x", "line 1: the file: keys with values are expected");
	fails("dbs:\n- replica: {path: /x}",
	    "line 2: a database needs a path, or a dir");
	fails("dbs:\n- path: /a\n  dir: /b\n",
	    "line 2: a database has a path or a dir, not both");
	fails("dbs:\n- dir: /b\n  replica: {path: /x}",
	    "line 2: dir needs a pattern");
	fails("dbs:\n- dir: /b\n  pattern: '[a'\n  replica: {path: /x}",
	    "line 3: pattern: \"[a\" is malformed");
	fails("dbs:\n- path: /a\n", "line 2: a database without a replica");
	fails("dbs:\n- path: /a\n  replica: {path: /x}\n"
	      "- path: /b/../a\n  replica: {path: /y}\n",
	    "line 4: path: /a is there already, in line 2");
	fails("dbs:\n- path: /a\n  replica:\n    bucket: b\n    type: s3\n"
	      "    access-key-id: x\n",
	    "line 6: access-key-id and secret-access-key go together: one of "
	    "them is missing");
	fails("secret-access-key: x\ndbs:\n- path: /a\n  replica: {url: "
	      "'s3://b/x'}",
	    "line 1: access-key-id and secret-access-key go together: one of "
	    "them is missing");
	fails("dbs:\n- path: /a\n  replica:\n    path: /x\n    url: s3://b/x",
	    "line 4: a replica has a path or a url, not both");
	fails("dbs:\n- path: /a\n  replica:\n    path: s3://b/x",
	    "line 4: path: a URL goes into url");
	fails("dbs:\n- path: /a\n  replica:\n    type: s3\n",
	    "line 4: an s3 replica needs a bucket or a url");
	fails("dbs:\n- path: /a\n  replica: {path: /x, snapshot-interval: 24}",
	    "line 3: snapshot-interval: \"24\" is not a duration like 90s, 5m, "
	    "1h30m");
	fails("dbs:\n- path: /a\n  recursive: maybe\n",
	    "line 3: recursive is neither true nor false");
	fails("a: &a {<<: *a}\n<<: *a\n", "line 1: too many merges (\"<<\")");
	fails("dbs:\n- path: \"/a\\0b\"\n", "line 2: path: a NUL byte");
}

/* What of one replica, on line 3, is refused, and as what. */
static void
test_bad_replicas(void)
{
	static const struct {
		const char *replica, *want;
	} bad[] = {
		{ "url: nothing",
		    "url: \"nothing\" is not a URL like "
		    "s3://bucket/path" },
		{ "url: 's3://b/x#y'", "url: \"#\" cuts off the rest of it" },
		{ "url: 's3://b/%4'", "url: a \"%\" that encodes nothing" },
		{ "url: 's3://b/%4g'", "url: a \"%\" that encodes nothing" },
		{ "url: 's3://b/%00'", "url: a \"%\" that encodes nothing" },
		{ "url: 's3://b/x?region=%zz'",
		    "url: a \"%\" that encodes nothing" },
		{ "url: 'file://host/x'",
		    "url: \"file://host/x\": a file URL is file:///DIR, "
		    "without \"%\"; use path" },
		{ "url: 's3://b/x', bucket: b",
		    "a replica has a bucket or a url, not both" },
		{ "type: file", "a replica needs a path or a url" },
		{ "type: s3, bucket: a/b",
		    "\"a/b\" cannot be a bucket's name" },
		{ "type: s3, bucket: b, path: ../x",
		    "path: it begins with .." },
		{ "type: s3, bucket: b, path: ..", "path: it begins with .." },
		{ "type: s3, bucket: b, path: 'a?b'",
		    "path: \"?\" in the name of a replica is not supported" },
		{ "path: [x]", "path: a single value is expected" },
		{ "[x]: y", "a replica: a key that is no text" },
		{ "path: /x, snapshot-interval: 1.2.3s",
		    "snapshot-interval: \"1.2.3s\" is not a duration like 90s, "
		    "5m, 1h30m" },
		{ "path: /x, snapshot-interval: 1e3s",
		    "snapshot-interval: \"1e3s\" is not a duration like 90s, "
		    "5m, 1h30m" },
	};
	char *text, *want;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = xasprintf(
		    "dbs:\n- path: /a\n  replica: {%s}\n", bad[i].replica);
		want = xasprintf("line 3: %s", bad[i].want);
		fails(text, want);
		free(text);
		free(want);
	}
}

static void
test_bad_dbs(void)
{
	const struct config_env homeless = { .get = get, .cwd = "/cwd" };
	static const char home[] =
	    "dbs: [{path: ~/a.db, replica: {path: /x}}]\n";
	struct err e;

	fails("dbs:\n- path: /a\n  replicas: {path: /x}",
	    "line 3: replicas: a list is expected");
	fails("dbs:\n- path: /a\n  replicas: [{path: /x}]\n"
	      "  replica: {path: /y}",
	    "line 3: a database has a replica or replicas, not both");
	fails("dbs:\n- dir: /b\n  pattern: 'x/*.db'\n  replica: {path: /x}",
	    "line 3: pattern: it is for names of files and has no slash");
	fails("dbs:\n- dir: /b\n  pattern: 'a\\'\n  replica: {path: /x}",
	    "line 3: pattern: \"a\\\" is malformed");
	fails("dbs:\n- dir: /b\n  pattern: '[a\\'\n  replica: {path: /x}",
	    "line 3: pattern: \"[a\\\" is malformed");
	fails("multi-db: {enabled: true, patterns: /x,\n"
	      "  replica-template: {path: '/r/{{tenant}}'}}",
	    "line 1: multi-db needs a list of patterns and a "
	    "replica-template");
	fails("multi-db: {enabled: true, patterns: [[x]],\n"
	      "  replica-template: {path: '/r/{{tenant}}'}}",
	    "line 1: patterns: a text is expected");
	fails("multi-db: {enabled: true, patterns: ['/x/[a'],\n"
	      "  replica-template: {path: '/r/{{tenant}}'}}",
	    "line 1: patterns: \"/x/[a\" is malformed");
	fails("multi-db: {enabled: true, patterns: ['/x/*.db'],\n"
	      "  replica-template: {path: '/{{tenant}}'}}",
	    "line 2: path: / cannot be the root of replicas");
	ok(config_parse(&c, home, sizeof(home) - 1, &homeless, &e) == -1,
	    "no home directory");
	is_str(e.msg, "line 1: ~/a.db: there is no home directory", "it says");
	ok(config_parse(&c, "a\0b", 3, &env, &e) == -1, "a NUL byte");
	is_str(e.msg, "line 1: a NUL byte: no YAML", "it says");
}

/* How Litestream, or Go, has it: what is escaped, and odd ways to say a thing. */
static void
test_spellings(void)
{
	parse("dbs:\n"
	      "- path: sqlite:///data/a.db\n"
	      "  replica:\n"
	      "    url: 's3://b/p%41%2d/a?region=a%20b&sc=1&endpoint='\n"
	      "    snapshot-interval: '0'\n"
	      "- path: sqlite3:///data/b.db\n"
	      "  replica: {type: s3, bucket: b, path: /, region: 'x y'}\n"
	      "- path: /../data/c.db\n"
	      "  replica: {path: /r, storage-class: null, region: ''}\n");
	is_str(where("/data/a.db", 0), "s3://b/pA-?region=a%20b a",
	    "what is encoded in a URL");
	is_str(where("/data/b.db", 0), "s3://b?region=x%20y ",
	    "a path that is but a slash");
	is_str(where("/data/c.db", 0), "file:///r ", "not above the root");
	is_int(c.n_warnings, 1, "one warning");
	is_str(c.warning[0].text, "url: \"sc\" in the query is ignored",
	    "an unknown parameter");
	parse("dbs:\n- dir: /t\n  pattern: '[^a!]**[!b]\\*{x}'\n"
	      "  replica: {path: /r}\n");
	ok(config_find(&c, "/t/b-!*{x}") != NULL, "a pattern of Go's fits");
	ok(config_find(&c, "/t/a-!*{x}") == NULL, "not in a class");
	ok(config_find(&c, "/t/b-!y{x}") == NULL, "an escaped star");
}

/* A name in a replica that none of the databases can have. */
static void
test_other_names(void)
{
	struct buf path = { 0 };

	parse(
	    "dbs:\n- dir: /t\n  pattern: '*.db'\n"
	    "  replica: {path: /r/all}\n"
	    "- dir: /u\n  pattern: '*.db'\n  recursive: true\n"
	    "  replica: {url: 's3://b/u'}\n"
	    "multi-db: {enabled: true, patterns: ['/m/*/x.db'],\n"
	    "  replica-template: {path: '/r/m-{{project}}/x-{{filename}}'}}\n");
	is_str(where("/m/p/x.db", 0), "file:///r m-p/x-x", "a name");
	ok(!config_path(config_find(&c, "/m/p/x.db"), 0, "n-p/x-x", &path),
	    "another beginning");
	ok(!config_path(config_find(&c, "/m/p/x.db"), 0, "m-p/y-x", &path),
	    "another middle");
	ok(!config_path(config_find(&c, "/m/p/x.db"), 0, "m-p", &path),
	    "half of it");
	buf_release(&path);
}

/* A merge may refer to others, ten times each: that must not take for ever. */
static void
test_laughs(void)
{
	struct buf b = { 0 };
	struct err e;

	buf_adds(&b, "a0: &a0 {x: 1}\n");
	for (int i = 1; i < 15; i++) {
		buf_addf(&b, "a%d: &a%d {<<: [", i, i);
		for (int k = 0; k < 10; k++)
			buf_addf(&b, "%s*a%d", k > 0 ? "," : "", i - 1);
		buf_adds(&b, "]}\n");
	}
	buf_adds(&b, "<<: *a14\n");
	ok(config_parse(&c, buf_str(&b), b.len, &env, &e) == -1 &&
		strstr(e.msg, "too often") != NULL,
	    "merges upon merges end");
	buf_release(&b);
}

int
main(void)
{
	test_03();
	test_05();
	test_multi();
	test_warnings();
	test_secrets();
	test_refused();
	test_spellings();
	test_other_names();
	config_release(&c);
	test_errors();
	test_bad_replicas();
	test_bad_dbs();
	test_laughs();
	return done();
}
