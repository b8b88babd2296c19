# SPDX-License-Identifier: Apache-2.0
# A litestream.yml: the databases it names go to where it says, and come back
# from there.

load lib/lspp
load lib/s3_up

setup() {
	set +T
	s3_clean_environment "$T"
	export LSPP_STATE=$T/state
	cd "$T"
}

teardown() {
	end_process "$T/ls.pid"
}

# db FILE... -- a database of one row each, its own name.
db() {
	local f
	for f; do
		mkdir -p "$(dirname "$f")"
		sqlite3 "$f" "PRAGMA journal_mode=wal; CREATE TABLE t (x);
			INSERT INTO t VALUES ('$f')" >/dev/null
	done
}

# yml <<'END' -- the configuration, __T__ being $T.
yml() {
	sed "s|__T__|$T|g" >c.yml
}

# a bucket, but no keys in the environment
bucket() {
	s3_bucket
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ENDPOINT_URL
	export BUCKET
}

@test "0.3: databases, paths and URLs; litestream restores from there" {
	db a.db b.db
	mkdir r
	yml <<'END'
dbs:
- path: __T__/a.db
  replicas:
  - path: __T__/r/a
- path: b.db
  replicas:
  - url: file://__T__/r/deep
END
	run -0 --separate-stderr lspp-scan -c c.yml
	assert_output "$T/a.db
$T/b.db"
	assert_equal "$stderr" ''
	run -0 --separate-stderr sh -c 'lspp-scan -c c.yml | lspp-ship -c c.yml'
	assert_equal "$(sort <<<"$output")" "$T/a.db
$T/b.db"
	assert_equal "$stderr" ''
	assert [ -d r/a/generations ]
	assert [ -d r/deep/generations ]
	for v in 03 05; do
		for f in a b; do
			rm -f out.db
			litestream $v restore -config c.yml -o out.db "$T/$f.db"
			same_db out.db $f.db
		done
	done
	# The state knows them: nothing moves.
	sha_tree r >before
	run -0 lspp-ship -c c.yml a.db b.db
	sha_tree r | diff before -
}

@test "0.5: dir, pattern, recursive; the path below it is the name" {
	db t/a.db t/sub/b.db t/sub/deep/c.db flat/d.db flat/sub/e.db t/x.sqlite
	echo no database >t/no.db
	yml <<'END'
dbs:
- dir: __T__/t
  pattern: '*.db'
  recursive: true
  replica: {path: __T__/rt}
- dir: flat
  pattern: '[!a]?db'
  replica: {url: 'file://__T__/rn'}
- dir: flat
  pattern: '?.db'
  replica: {path: rf}
END
	run -0 lspp-scan -c c.yml
	assert_output "$T/t/a.db
$T/t/sub/b.db
$T/t/sub/deep/c.db
$T/flat/d.db"
	lspp-scan -c c.yml | lspp-ship -c c.yml
	run -0 sh -c 'find rt rf -name "*.ltx" | sed "s|/ltx/.*||" | sort'
	assert_output "rf/d.db
rt/a.db
rt/sub/b.db
rt/sub/deep/c.db"
	litestream 05 restore -o out.db "file://$T/rt/sub/b.db"
	same_db out.db t/sub/b.db
	# A file of the pattern's own name is not the pattern.
	db 't/*.db'
	run -0 lspp-scan -c c.yml
	assert_line "$T/t/a.db"
	assert_line "$T/t/*.db"
}

@test "the real litestream finds the same databases in a dir" {
	db t/a.db t/sub/b.db 't/sub/[x].db'
	yml <<'END'
dbs:
- dir: __T__/t
  pattern: '*.db'
  recursive: true
  replica: {path: __T__/r}
END
	lspp-scan -c c.yml | sort >ours
	litestream 05 replicate -config c.yml -once >log 2>&1
	# LTX lies where lspp would write: the names are the same.
	find r -name ltx | sed "s|^r/|$T/t/|; s|/ltx\$||" | sort >theirs
	diff ours theirs
}

@test "a file of Litestream 0.5 begins replicas in LTX, and no others" {
	db a.db b.db
	yml <<'END'
snapshot: {interval: 24h}
dbs:
- path: __T__/a.db
  replica: {path: __T__/r/a.db}
- path: __T__/b.db
  replica: {path: __T__/r/b.db}
END
	lspp-ship -c c.yml --format wal a.db
	run -0 lspp-ship -c c.yml a.db b.db
	assert [ -d r/a.db/generations ]
	assert [ ! -e r/a.db/ltx ]
	assert [ -d r/b.db/ltx ]
	assert [ ! -e r/b.db/generations ]
	litestream 05 restore -config c.yml -o out.db "$T/b.db"
	same_db out.db b.db
	# What there is of another, or was shipped with another state, stays alone.
	run -78 lspp-ship -c c.yml -s other a.db
	assert_output --partial '--format wal goes on in that layout'
	sed -i '/^snapshot/d; s/replica: \(.*\)/replicas: [\1]/' c.yml
	run -78 lspp-ship -c c.yml -s other b.db
	assert_output --partial '--format ltx goes on in that layout'
	run -0 lspp-ship -c c.yml b.db
}

@test "the key replica alone makes a file one of Litestream 0.5" {
	db a.db b.db
	yml <<'END'
dbs:
- path: __T__/a.db
  replica: {path: __T__/r/a.db}
END
	lspp-ship -c c.yml a.db
	assert [ -d r/a.db/ltx ]
	assert [ ! -e r/a.db/generations ]
	litestream 05 restore -config c.yml -o out.db "$T/a.db"
	same_db out.db a.db
	# Litestream 0.3 finds no replica in it; either finds this one.
	yml <<'END'
dbs:
- path: __T__/b.db
  replicas: [{path: __T__/r/b.db}]
END
	lspp-ship -c c.yml b.db
	assert [ -d r/b.db/generations ]
	assert [ ! -e r/b.db/ltx ]
	litestream 03 restore -config c.yml -o out03.db "$T/b.db"
	same_db out03.db b.db
}

@test "multi-db: the variables of a template" {
	db data/P/databases/D/branches/B/tenants/T.db data/Q/databases/E/branches/B/tenants/T.db \
		flat/p/t.db
	yml <<'END'
multi-db:
  enabled: true
  patterns:
  - data/*/databases/*/branches/*/tenants/*.db
  - __T__/flat/*/*.db
  replica-template:
    path: __T__/r/{{project}}/{{database}}-{{branch}}/{{tenant}}
END
	lspp-scan -c c.yml | lspp-ship -c c.yml
	for d in P/D-B/T Q/E-B/T p/default-main/t; do
		assert [ -d "r/$d/generations" ]
	done
	# Two databases with one name: one of them is told.
	sed -i 's|/{{tenant}}||; s|{{project}}|x|' c.yml
	db flat/p/u.db
	run -1 --separate-stderr lspp-ship -c c.yml flat/p/t.db flat/p/u.db
	assert_regex "$stderr" 'default-main, belongs to'
}

@test "S3: keys, endpoint, region and path in the file alone" {
	bucket
	db a.db t/x.db
	yml <<END
access-key-id: \${KEY_OF_S3}
secret-access-key: $S3_SECRET
dbs:
- path: $T/a.db
  replicas:
  - type: s3
    bucket: $BUCKET
    path: backups/a
    endpoint: http://127.0.0.1:$S3_PORT
    region: us-east-1
    force-path-style: true
- dir: $T/t
  pattern: "*.db"
  replicas:
  - url: s3://$BUCKET/fleet?endpoint=http://127.0.0.1:$S3_PORT
END
	export KEY_OF_S3=$S3_KEY
	chmod 600 c.yml
	run -0 --separate-stderr lspp-ship -c c.yml a.db t/x.db
	assert_equal "$(sort <<<"$output")" $'a.db\nt/x.db'
	assert_equal "$stderr" ''
	s3_objects >objects
	run -0 grep -c '^backups/a/generations/.*snapshot' objects
	run -0 grep -c '^fleet/x.db/generations/.*snapshot' objects
	litestream 03 restore -config c.yml -o out.db "$T/a.db"
	same_db out.db a.db
	# Nobody else learns of the keys.
	run -0 --separate-stderr lspp-ship -v -c c.yml a.db
	refute_regex "$output$stderr" "$S3_SECRET"
	run -1 grep -rl "$S3_SECRET" "$LSPP_STATE"
	run -0 lspp-ship -c c.yml --whoami
	assert_output --partial 'the configuration file'
	refute_output --partial "$S3_SECRET"
	chmod 644 c.yml
	run -0 --separate-stderr lspp-ship -c c.yml a.db
	assert_regex "$stderr" 'holds a secret key, and all may read it'
}

@test "S3: each root has its own keys, and its own failure" {
	bucket
	db a.db b.db
	yml <<END
dbs:
- path: a.db
  replica: &r
    url: s3://$BUCKET/a
    endpoint: http://127.0.0.1:$S3_PORT
    access-key-id: $S3_KEY
    secret-access-key: wrong
- path: b.db
  replica: {<<: *r, secret-access-key: $S3_SECRET, url: 's3://$BUCKET/b'}
END
	chmod 600 c.yml
	run -1 --separate-stderr lspp-ship -c c.yml --failed failed a.db b.db
	assert_output b.db
	assert_equal "$(cat failed)" a.db
}

@test "S3: what is written outside the path of a database is nothing" {
	bucket
	s3_faulty
	unset AWS_ENDPOINT_URL
	db a.db
	yml <<END
access-key-id: $S3_KEY
secret-access-key: $S3_SECRET
dbs:
- path: a.db
  replicas: [{type: s3, bucket: $BUCKET, path: backups/a, endpoint: '$FAULTY'}]
END
	lspp-ship -q -c c.yml a.db
	run -0 requests PUT
	assert_output 10 # the probe's, the owner's, the snapshot
	# And a look at what is there, below the same.
	run -1 grep -vE "/$BUCKET/(backups/a/|\?.*&prefix=backups%2Fa%2F)" requests
	s3_faulty_stop
}

@test "S3: a path with a leading slash is Litestream's" {
	bucket
	s3_faulty 0
	db a.db
	yml <<END
access-key-id: $S3_KEY
secret-access-key: $S3_SECRET
dbs:
- path: $T/a.db
  replicas:
  - {type: s3, bucket: $BUCKET, path: /lead/a/, endpoint: '$FAULTY'}
END
	unset AWS_ENDPOINT_URL
	run lspp-ship -q --retries 0 -c c.yml a.db
	run -0 grep "^PUT /$BUCKET//lead/a/" "$T/requests"
	s3_faulty_stop
}

@test "one place by two names in two roots: the second database is refused" {
	db srv/t/x.db srv/special/p.db
	cat >c.yml <<-END
	dbs:
	  - path: $T/srv/special/p.db
	    replicas: [{path: $T/b/t/x.db}]
	  - dir: $T/srv
	    pattern: "*.db"
	    recursive: true
	    replica: {path: $T/b}
	END
	run -0 --separate-stderr lspp-ship -c c.yml srv/t/x.db
	run -78 --separate-stderr lspp-ship -c c.yml srv/special/p.db
	assert_equal "$output" ''
	[[ $stderr == *"/b/t/x.db, belongs to $T/srv/t/x.db"* ]]
	sqlite3 srv/t/x.db 'INSERT INTO t VALUES(2)'
	run -0 --separate-stderr lspp-ship -c c.yml srv/t/x.db
	run -0 lspp-restore -r b -o out t/x.db
	cmp out/t/x.db srv/t/x.db
	# Nor is what is there restored as the second.
	run -78 --separate-stderr lspp-restore -c c.yml -o out srv/t/x.db
	assert_regex "$stderr" 'the same replica as that of .*p.db'
	# The first is gone for good: its place is free.
	rm srv/t/x.db
	run -0 --separate-stderr lspp-ship -c c.yml srv/special/p.db
}

@test "one place for two databases: neither is restored as the other" {
	local p
	db a.db b.db
	cat >c.yml <<-END
	dbs:
	  - path: $T/a.db
	    replicas: [{path: $T/r/x}]
	  - path: $T/b.db
	    replicas: [{path: $T/r/x}]
	END
	run -0 --separate-stderr lspp-ship -c c.yml a.db
	run -78 --separate-stderr lspp-ship -c c.yml b.db
	for p in a.db b.db "$T/*.db" '**'; do
		run --separate-stderr lspp-restore -o out -c c.yml "$p"
		assert_failure 78
		assert_output ''
		assert_regex "$stderr" 'line [24]: the same replica as that of'
		run --separate-stderr lspp-verify -c c.yml "$p"
		assert_failure 78
		assert_output ''
	done
	run -0 lspp-restore -r r -o out x
	cmp out/x a.db
}

@test "a name of one entry is no database of another's directory" {
	db one.db t/x.db
	cat >c.yml <<-END
	dbs:
	  - dir: $T/t
	    pattern: "*.db"
	    replica: {path: $T/r}
	  - path: $T/one.db
	    replica: {path: $T/r/one.db}
	END
	lspp-ship -q -c c.yml one.db t/x.db >/dev/null
	run -0 --separate-stderr lspp-restore -o out -c c.yml '**'
	assert_equal "$(sort <<<"$output")" "out$T/one.db
out$T/t/x.db"
	run -0 --separate-stderr lspp-verify -c c.yml '**'
	assert_equal "$(sort <<<"$output")" "$T/one.db
$T/t/x.db"
}

@test "a root that cannot be had costs its own paths" {
	db a.db b.db
	yml <<'END'
dbs:
- path: a.db
  replica: {path: __T__/no/such/a}
- path: b.db
  replica: {path: __T__/b}
END
	run -1 --separate-stderr lspp-ship -c c.yml a.db b.db
	assert_output b.db
	assert_regex "$stderr" 'a.db: replica root .*/no/such'
}

@test "several replicas: a path is over when the last has it" {
	db a.db
	mkdir r
	yml <<'END'
dbs:
- path: a.db
  replicas:
  - path: __T__/r/one
  - path: __T__/r/two
  - url: file://__T__/three
END
	run -0 --separate-stderr lspp-ship -c c.yml a.db
	assert_output a.db
	for d in r/one r/two three; do
		lspp-restore -r "$T/$(dirname $d)" -o "$T/o" "$(basename $d)"
		same_db "$T/o/$(basename $d)" a.db
	done
	# One that fails: it is not printed, and the others have it.
	sqlite3 a.db "INSERT INTO t VALUES (2)"
	mv r/two r/gone
	: >r/two
	run -73 --separate-stderr lspp-ship -c c.yml --failed failed a.db
	assert_output ''
	assert_equal "$(cat failed)" a.db
	for d in r/one three; do
		rm -rf o
		lspp-restore -r "$T/$(dirname $d)" -o "$T/o" "$(basename $d)"
		same_db "$T/o/$(basename $d)" a.db
	done
}

@test "lspp-hot: hot while one of the replicas has not got it" {
	db a.db b.db
	yml <<'END'
dbs:
- path: a.db
  replicas: [{path: __T__/one}]
END
	assert_equal "$(lspp-hot -c c.yml a.db)" a.db
	shipped() { lspp-ship -c c.yml a.db && [ -z "$(lspp-hot -c c.yml a.db)" ]; }
	wait_for shipped
	sed -i 's|\]|, {path: two}]|' c.yml
	assert_equal "$(lspp-hot -c c.yml a.db)" a.db
	wait_for shipped
	sqlite3 a.db 'INSERT INTO t VALUES (1)'
	assert_equal "$(lspp-hot -c c.yml a.db)" a.db
	run -78 --separate-stderr lspp-hot -c c.yml b.db
}

@test "snapshot-interval is heeded, and --snapshot-interval before it" {
	db a.db
	yml <<'END'
dbs:
- path: a.db
  replicas: [{path: __T__/r/a, snapshot-interval: 1s}]
END
	mkdir r
	lspp-ship -c c.yml a.db
	two() {
		sqlite3 a.db 'INSERT INTO t VALUES (1)'
		lspp-ship "$@" -c c.yml a.db
		[ "$(find r -name '*.snapshot.lz4' | wc -l)" -gt 1 ]
	}
	sleep 1.1
	run -1 two --snapshot-interval 24h
	wait_for two
}

@test "an error in the file says where; the run ends with 78" {
	yml <<'END'
dbs:
- path: a.db
  replica:
    type: s3
    bucket: b
    secret-access-key: hunter2
END
	for p in scan ship hot; do
		run -78 --separate-stderr lspp-$p -c c.yml /dev/null
		assert_equal "$stderr" "lspp-$p: c.yml: line 6: access-key-id and \
secret-access-key go together: one of them is missing"
	done
	echo 'dbs: [' >c.yml
	run -78 --separate-stderr lspp-scan -c c.yml
	assert_regex "$stderr" '^lspp-scan: c.yml: line 2: '
	run -78 --separate-stderr lspp-scan -c gone.yml
	assert_regex "$stderr" 'gone.yml.*No such file'
	run -2 --separate-stderr lspp-ship -c c.yml -r "$T/r" a.db
	assert_regex "$stderr" 'no -r with it'
}

@test "what lspp does not do is named once; -q is silent" {
	db a.db
	yml <<'END'
addr: ":9090"
exec: "app"
dbs:
- path: a.db
  monitor-interval: 1s
  replicas: [{path: __T__/r, sync-interval: 1s, colour: blue$NOBODY}]
END
	run -0 --separate-stderr lspp-ship -c c.yml a.db
	assert_output a.db
	assert_equal "$stderr" "lspp-ship: c.yml: line 6: the variable NOBODY is not set: it stands for nothing
lspp-ship: c.yml: line 1: addr is ignored: there is no daemon
lspp-ship: c.yml: line 2: exec is ignored: lspp starts no program
lspp-ship: c.yml: line 5: monitor-interval is ignored: it is cron that decides how often lspp runs
lspp-ship: c.yml: line 6: sync-interval is ignored: it is cron that decides how often lspp runs
lspp-ship: c.yml: line 6: a replica: the key \"colour\" is not known, and ignored"
	run -0 --separate-stderr lspp-ship -q -c c.yml a.db
	assert_equal "$stderr" ''
	# In a pipe the first program says it for all.
	(lspp-scan -c c.yml | lspp-hot -c c.yml | lspp-ship -c c.yml) 2>err
	assert_equal "$(grep -c 'addr is ignored' err)" 1
	assert_equal "$(grep -c ^lspp-scan: err)" "$(wc -l <err)"
	echo a.db | lspp-ship -v -c c.yml 2>err >out
	assert_equal "$(grep -c 'addr is ignored' err)" 1
}

@test "what would lose data or secrecy is refused, path by path" {
	db a.db b.db c.db
	yml <<'END'
dbs:
- path: a.db
  replicas:
  - path: __T__/r/a
    age: {recipients: [age1xyz]}
- path: b.db
  replicas:
  - url: sftp://u@h/b
- path: c.db
  replicas: [{path: __T__/r/c}]
END
	mkdir r
	run -78 --separate-stderr lspp-ship -c c.yml a.db b.db
	assert_regex "$stderr" 'a.db: c.yml: line 5: age: encryption is not'
	assert_regex "$stderr" 'b.db: c.yml: line 8: url: replicas of type sftp'
	assert [ ! -d r/a ]
	run -1 --separate-stderr lspp-ship -c c.yml a.db b.db c.db
	assert_output c.db
}

@test "a path that the file does not name, one that is gone" {
	db a.db b.db
	yml <<'END'
dbs:
- {path: a.db, replica: {path: __T__/r}}
- {path: gone.db, replica: {path: __T__/g}}
END
	run -1 --separate-stderr lspp-ship -c c.yml a.db b.db
	assert_output a.db
	assert_equal "$stderr" 'lspp-ship: b.db: c.yml has no such database'
	run -1 --separate-stderr lspp-scan -c c.yml
	assert_output "$T/a.db"
	assert_regex "$stderr" 'gone.db.*No such file'
	run -0 lspp-scan -c c.yml 'a.*' ./a.db
	assert_output "$T/a.db"
}

@test "both litestreams load every example; lspp ships by it" {
	local e
	for e in "$LSPP_ROOT"/examples/*.yml; do
		bucket # what is in another's state would have begun anew
		litestream 03 databases -config "$e"
		litestream 05 databases -config "$e"
		rm -rf srv r state
		sed "s|/srv/|$T/srv/|; s|example-bucket|$BUCKET|
			s|https://s3.example.net|http://127.0.0.1:$S3_PORT|
			s|eu-central-1|us-east-1|" "$e" >c.yml
		db srv/app/{users,orders,cache}.db srv/tenants/{a/b,c}.db \
			srv/data/p/databases/d/branches/main/tenants/t.db
		mkdir srv/backups
		(
			s3_credentials
			export LITESTREAM_ACCESS_KEY_ID=$S3_KEY
			export LITESTREAM_SECRET_ACCESS_KEY=$S3_SECRET
			lspp-scan -c c.yml >paths 2>err
			lspp-ship -c c.yml <paths >out 2>>err
		)
		assert_equal "$(cat err)" ''
		[ -s paths ]
		diff <(sort paths) <(sort out)
	done
}

@test "restore by pattern from where a real litestream replicates" {
	bucket
	local files='app/a.db app/b.db app/c.sqlite'
	db $files
	yml <<END
access-key-id: $S3_KEY
secret-access-key: $S3_SECRET
dbs:
- path: $T/app/a.db
  replicas:
  - url: s3://$BUCKET/one/two
    endpoint: http://127.0.0.1:$S3_PORT
- path: app/b.db
  replicas:
  - type: s3
    bucket: $BUCKET
    endpoint: http://127.0.0.1:$S3_PORT
    region: us-east-1
- path: app/c.sqlite
  replicas:
  - path: r/c
END
	chmod 600 c.yml
	"$LITESTREAM_03" replicate -config c.yml >log 2>&1 3>&- 4>&- &
	echo $! >ls.pid
	for f in $files; do
		sqlite3 "$f" "INSERT INTO t VALUES (2)"
	done
	there() {
		[ "$(grep -c 'write snapshot\|snapshot written' log)" -ge 3 ] &&
			rm -rf o && lspp-restore -q -c c.yml -o o '**' &&
			for f in $files; do
				sqlite3 "o$T/$f" 'SELECT x FROM t' | grep -qx 2 ||
					return
			done
	}
	wait_for there
	end_process ls.pid
	for f in $files; do
		same_db "$f" "o$T/$f"
	done
	# Some of them, and each in its place.
	rm -rf app
	run -0 --separate-stderr lspp-restore -c c.yml "$T/app/*.db"
	assert_equal "$(sort <<<"$output")" "$T/app/a.db
$T/app/b.db"
	run -0 lspp-restore -c c.yml 'c.*'
	assert_output "$T/app/c.sqlite"
	same_db app/a.db "o$T/app/a.db"
	same_db app/c.sqlite "o$T/app/c.sqlite"
}

@test "restore: what is gone here is found in the replica" {
	db t/a.db t/eu/b.db t/eu/deep/c.db 't/eu/[d].db' own.db
	yml <<'END'
dbs:
- {dir: __T__/t, pattern: '*.db', recursive: true, replica: {path: __T__/rt}}
- path: __T__/t/own.db
  replica: {path: __T__/own}
- path: own.db
  replica: {path: __T__/own2}
END
	cp own.db t/own.db
	lspp-scan -c c.yml | lspp-ship -c c.yml
	lspp-scan -c c.yml >all
	mv t was
	mv own.db was.db
	run -0 lspp-restore -c c.yml -o o "$T/t/eu/**"
	assert_equal "$(sort <<<"$output")" "o$T/t/eu/[d].db
o$T/t/eu/b.db
o$T/t/eu/deep/c.db"
	run -0 lspp-restore -c c.yml 't/*/b.db' own.db a.db
	assert_equal "$(sort <<<"$output")" "$T/own.db
$T/t/a.db
$T/t/eu/b.db"
	rm -rf t own.db
	# All, by their names: each from its own replica.
	lspp-restore -c c.yml <all | sort >back
	diff <(sort all) back
	same_db own.db was.db
	for f in a.db eu/b.db eu/deep/c.db 'eu/[d].db' own.db; do
		same_db "t/$f" "was/$f"
	done
	# What is the file's name for nothing.
	run -66 --separate-stderr lspp-restore -c c.yml 'z*.db'
	run -78 --separate-stderr lspp-restore -c c.yml /z/y.db
	run -73 --separate-stderr lspp-restore -c c.yml own.db
	# A pattern twice is no clash.
	run -0 lspp-restore -c c.yml -o two '*.db' '**'
	assert_equal "$(sort -u <<<"$output" | wc -l)" "$(wc -l <all)"
}

@test "a database called as what stands for all: nothing is guessed" {
	local name
	mkdir r
	for name in '**' a.db 'eu/**' eu/b.db; do
		db "t/$name"
	done
	yml <<'END'
dbs:
- dir: __T__/t
  pattern: '*'
  recursive: true
  replica: {type: file, path: __T__/r}
END
	find t -type f ! -name '*-wal' ! -name '*-shm' | lspp-ship -q -c c.yml >all
	assert_equal "$(wc -l <all)" 4
	for name in 't/**' "$T/t/**" "$T/t/eu/**"; do
		for what in verify 'restore -o out' 'prune --yes --keep-last 1'; do
			# shellcheck disable=SC2086  # words on purpose
			run -2 --separate-stderr lspp-$what -c c.yml "$name"
			assert_output ''
			[[ $stderr == *"{${name#/}}'"* ]] || fail "$stderr"
		done
	done
	[[ $stderr == *"'/{${T#/}/t/eu/**}'"* ]] || fail "$stderr"
	[[ $stderr == *"the name '$T/t/eu/\\*\\*'"* ]] || fail "$stderr"
	assert [ ! -e out ]
	for name in '{t/**}' "/{${T#/}/t/**}"; do
		run -0 lspp-verify -c c.yml "$name"
		assert_equal "${#lines[@]}" 4
	done
	# The hint's other way is that one alone; the others are named as ever.
	run -0 lspp-verify -c c.yml "$T/t/eu/\\*\\*" t/a.db
	assert_output --partial "$T/t/eu/**"
	assert_equal "${#lines[@]}" 2
	# What the state knows is a path, whatever it looks like.
	run -0 lspp-verify -c c.yml --sample 9
	assert_equal "${#lines[@]}" 4
}

@test "restore: multi-db, from the names back to the paths" {
	db data/{P,Q}/databases/D/branches/B/tenants/{S,T}.db flat/p/x.db \
		deep/P/databases/D/t.db
	yml <<'END'
multi-db:
  enabled: true
  patterns:
  - data/*/databases/*/branches/*/tenants/*.db
  - f*/*/*.db
  replica-template:
    path: __T__/r/{{project}}/{{database}}-{{branch}}/{{tenant}}
END
	sed -i '/- data/d' c.yml
	lspp-ship -c c.yml flat/p/x.db
	rm -rf flat
	# f*: that cannot be told from the name of a replica.
	run -66 --separate-stderr lspp-restore -c c.yml '**'
	assert_regex "$stderr" 'the paths of 1 databases in .* cannot be told'
	lspp-restore -c c.yml "$T/flat/p/x.db"
	sed -i 's|^  - f.*|  - data/*/databases/*/branches/*/tenants/*.db|' c.yml
	rm -rf r state
	lspp-scan -c c.yml | lspp-ship -c c.yml
	lspp-scan -c c.yml | sort >all
	cp -R data was
	rm -rf data
	lspp-restore -c c.yml '**' | sort >back
	diff all back
	# One of two patterns: nobody guesses.
	mkdir -p data/P/databases/default/branches/main/tenants
	cp was/P/databases/D/branches/B/tenants/T.db \
		data/P/databases/default/branches/main/tenants/T.db
	sed -i 's|^  patterns:|&\n  - flat/*/*.db|' c.yml
	lspp-ship -c c.yml data/P/databases/default/branches/main/tenants/T.db
	rm -rf data
	run -1 --separate-stderr lspp-restore -c c.yml '**'
	assert_regex "$stderr" 'P/default-main/T in the replica is of this path or of'
	assert_equal "$(sort <<<"$output")" "$(cat all)"
	same_db data/P/databases/D/branches/B/tenants/T.db \
		was/P/databases/D/branches/B/tenants/T.db
}

@test "restore: refused replicas are passed over, and named if all are" {
	db a.db b.db
	yml <<'END'
dbs:
- path: a.db
  replicas:
  - url: sftp://u@h/a
  - path: __T__/r
- path: b.db
  replicas:
  - url: sftp://u@h/a
END
	lspp-ship -q -c c.yml a.db || true
	rm a.db b.db
	run -1 --separate-stderr lspp-restore -c c.yml a.db b.db
	assert_output "$T/a.db"
	assert_regex "$stderr" 'b.db: c.yml: line 8: url: replicas of type sftp'
}

@test "restore: a pattern tells why a database has no replica for it" {
	db a.db b.db
	yml <<'END'
dbs:
- path: __T__/a.db
  replicas:
  - path: __T__/r
- path: __T__/b.db
  replicas:
  - url: sftp://u@h/a
END
	lspp-ship -q -c c.yml "$T/a.db"
	run -1 --separate-stderr lspp-restore -c c.yml -o out '*.db'
	assert_output "out$T/a.db"
	assert_regex "$stderr" \
		'/b.db: c.yml: line 7: url: replicas of type sftp are not supported'
}

@test "every key that either litestream has is known by its name" {
	local v k
	db a.db
	# What is within one that is ignored as a whole: logging, socket, retention.
	printf '%s\n' level stderr source permissions enabled >within
	for v in "$LITESTREAM_03" "$LITESTREAM_05"; do
		grep -aoE 'yaml:"[a-z][a-z0-9-]+' "$v" | cut -c 7-
	done | sort -u | grep -vxFf within >keys
	[ "$(wc -l <keys)" -gt 80 ]
	known() { # KEY TEXT
		echo "$2" >c.yml
		lspp-scan -c c.yml >/dev/null 2>err || true
		! grep -qF "the key \"$1\" is not known" err
	}
	while read -r k; do
		known "$k" "{$k: x, dbs: [{path: a.db, replica: {path: r}}]}" ||
			known "$k" "dbs: [{path: a.db, $k: x, replica: {path: r}}]" ||
			known "$k" "dbs: [{path: a.db, replica: {path: r, $k: x}}]" ||
			known "$k" "dbs: [{path: a.db, snapshot: {$k: 1s}, replica: {path: r}}]" ||
			known "$k" "dbs: [{path: a.db, replica: {path: r, age: {$k: [x]}}}]" ||
			{ echo "$k: not known anywhere"; false; }
	done <keys
	run ! known zork 'dbs: [{path: a.db, zork: x, replica: {path: r}}]'
}

@test "no other option is needed, and no variable has a say" {
	db t/a.db t/b.db
	yml <<'END'
dbs:
- dir: __T__/t
  pattern: '*.db'
  replica: {path: __T__/r}
END
	export LSPP_REPLICA=s3://no-such-bucket LSPP_BASE=/nowhere
	lspp-scan -c c.yml | lspp-hot -c c.yml | lspp-ship -c c.yml | sort >out
	diff out <(lspp-scan -c c.yml)
	mv t was
	run -0 --separate-stderr lspp-restore -c c.yml '**'
	assert_equal "$(sort <<<"$output")" "$(cat out)"
	for f in a b; do
		same_db t/$f.db was/$f.db
	done
	assert_equal "$(lspp-stat -c c.yml --json | jq .databases)" 2
	run -0 lspp-stat -c c.yml --health
}
