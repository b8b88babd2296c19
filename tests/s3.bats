#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The programs against real object storage.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up

teardown() {
	s3_faulty_stop
	# A test that ends the server leaves one for the next.
	answers "$S3_PORT" || s3_serve --keep-alive
}

# databases N -- src/1/1.db and so on, each with rows of its own.
databases() {
	local i
	for ((i = 1; i <= $1; i++)); do
		mkdir -p "src/$((i % 7))"
		sqlite3 "src/$((i % 7))/$i.db" "CREATE TABLE t(x);
			INSERT INTO t VALUES($i), (hex(randomblob(1000)))"
	done
}

# change FILE...
change() {
	local f
	for f; do
		sqlite3 "$f" "INSERT INTO t VALUES(hex(randomblob(50)))"
	done
}

# A signature is not racy after a second; a racy one means another look.
settle() {
	sleep 1.1
	ship >/dev/null
}

# shellcheck disable=SC2120  # "run ship OPTION" passes some
ship() {
	lspp-scan src | lspp-ship -C src -s state -r "$R" "$@"
}

# restored -- all of src is in the replica.
restored() {
	rm -rf out
	lspp-scan "$R" | lspp-restore -r "$R" -o out >restored.list
	local f
	while IFS= read -r f; do
		same_db "$f" "out/${f#src/}" || return
	done < <(lspp-scan src)
	assert_equal "$(wc -l <restored.list)" "$(lspp-scan src | wc -l)"
}

@test "ship, scan, hot and restore" {
	s3_needs conditions
	databases 5
	run --separate-stderr ship
	assert_success
	assert_equal "$stderr" ''
	assert_equal "${#lines[@]}" 5
	run lspp-scan "$R"
	assert_output "$(printf "$R/%s\n" 1/1.db 2/2.db 3/3.db 4/4.db 5/5.db)"
	run lspp-scan "s3://$BUCKET/**/[12].db"
	assert_output "$(printf "$R/%s\n" 1/1.db 2/2.db)"
	run lspp-scan "s3://$BUCKET/fleet/3/*?endpoint=$AWS_ENDPOINT_URL"
	assert_output "$R/3/3.db"
	settle
	change src/2/2.db
	run -0 lspp-hot -s state -r "$R" src/1/1.db src/2/2.db
	assert_output src/2/2.db
	ship
	restored
	run -0 lspp-restore -r "$R" -o one 3/3.db "$R/4/4.db"
	assert_equal "$(sort <<<"$output")" $'one/3/3.db\none/4/4.db'
}

@test "names that no listing can carry are refused, one by one" {
	local name names=()
	databases 2
	for name in $'bad\xff\xfe' $'surrogate\xed\xa0\x80' \
		$'long\xc0\xaf' $'none\xef\xbf\xbe' $'bell\a'; do
		cp src/1/1.db "src/$name"
		names+=("src/$name")
	done
	run --separate-stderr ship --failed failed
	assert_equal "$status" 1
	assert_equal "${#lines[@]}" 2
	assert_equal "$(grep -ac 'its name ' <<<"$stderr")" 5
	diff <(printf '%s\n' "${names[@]}" | sort) <(sort failed)
	run -2 --separate-stderr lspp-ship -C src -s state -r "$R" -- \
		"${names[4]}"
	rm "${names[@]}"
	restored
}

@test "a part of a name that a listing takes for a database's folder is refused" {
	mkdir -p src/generations src/a
	sqlite3 src/generations/1.db 'CREATE TABLE t(a)'
	cp src/generations/1.db src/a/generations
	cp src/generations/1.db src/a/generations.db
	run --separate-stderr ship
	assert_equal "$status" 1
	assert_output src/a/generations.db
	assert_equal "$(grep -c 'has a part called generations' <<<"$stderr")" 2
	run -0 lspp-scan "$R"
	assert_output "$R/a/generations.db"
}

@test "another endpoint is another replica to the state" {
	databases 1
	ship
	run -0 lspp-hot -s state -r "$R?endpoint=http://other:1" src/1/1.db
	assert_output src/1/1.db
}

@test "steady state: of 1000, one PUT for each that changed, nothing for none" {
	s3_needs conditions
	fleet make -n 1000 -b 8192 -p 4096 -m wal src >paths
	s3_faulty
	ship >/dev/null
	# each once, behind an owner's object; some to find out about conditions;
	# and looks at what is there, of which a page serves many
	assert_equal "$(requests PUT)" 2008
	assert_equal "$(requests DELETE)" 1
	[ "$(requests)" -le $((2009 + 20)) ]
	settle
	: >requests
	ship >/dev/null
	assert_equal "$(requests)" 0
	seed
	shuf --random-source=<(noise "$SEED" 100000) -n 10 paths >changed
	fleet touch <changed
	ship >/dev/null
	assert_equal "$(requests)" 10
	assert_equal "$(requests PUT)" 10
	settle
	: >requests
	lspp-scan src | lspp-hot -s state -r "$R" >hot
	ship >/dev/null
	assert_equal "$(requests)" 0
	refute [ -s hot ]
	lspp-scan "$R" | lspp-restore -r "$R" -o out >/dev/null
	fleet compare src out <paths
}

@test "as LTX: one PUT and a GET of 100 bytes for each that changed, and looking must be allowed" {
	s3_needs conditions
	s3_putter putter "$R"
	databases 10
	AWS_ACCESS_KEY_ID=putter$BATS_TEST_NUMBER \
		AWS_SECRET_ACCESS_KEY=puttersecret \
		run -77 ship --format ltx
	assert_output --partial 'to ship as LTX, s3:ListBucket is needed'
	assert_equal "$(s3tool "$R" ls | wc -l)" 0
	s3_faulty
	ship --format ltx >/dev/null
	assert_equal "$(s3tool "$R" ls | wc -l)" 10
	settle
	: >requests
	ship >/dev/null
	assert_equal "$(requests)" 0
	change src/1/1.db src/2/2.db src/3/3.db
	ship >/dev/null
	assert_equal "$(requests PUT) $(requests GET) $(requests)" '3 3 6'
	restored
}

# litestream_config DB KEY -- for both versions.
litestream_config() {
	printf 'dbs:\n  - path: %s\n    replicas:\n' "$1"
	s3_litestream "$2"
}

@test "both litestreams restore what was shipped" {
	databases 2
	ship
	change src/1/1.db
	ship
	change src/1/1.db
	ship
	for v in 03 05; do
		litestream_config "$T/src/1/1.db" 1/1.db >l.yml
		run litestream $v restore -config l.yml -o "out.$v" \
			"$T/src/1/1.db"
		assert_success
		same_db src/1/1.db "out.$v"
	done
}

@test "what litestream 0.3 shipped is restored" {
	sqlite3 l.db 'PRAGMA journal_mode=wal; CREATE TABLE t(x);
		INSERT INTO t VALUES(1)' >/dev/null
	litestream_config "$T/l.db" l.db >l.yml
	"$LITESTREAM_03" replicate -config l.yml >l.log 2>&1 3>&- &
	echo $! >l.pid
	wait_for find_object snapshot.lz4
	wait_for find_object wal.lz4
	end_process l.pid
	run -0 lspp-scan "$R"
	assert_output "$R/l.db"
	run -0 lspp-restore -r "$R" -o out l.db
	run -0 sqlite3 out/l.db 'SELECT * FROM t'
	assert_output 1
}

find_object() {
	s3_objects | grep -q "$1"
}

@test "a state that is older than the replica adopts its tail" {
	databases 1
	ship
	settle
	cp -r state state.old
	change src/1/1.db
	ship
	change src/1/1.db
	ship
	rm -r state
	mv state.old state
	change src/1/1.db
	run --separate-stderr ship
	assert_success
	[[ $stderr == *'the replica is ahead of this state'* ]]
	assert_equal "$(s3_objects | grep -c snapshots)" 1
	restored
}

@test "two machines ship one database: one goes on, the other stops with 75" {
	databases 1
	ship
	settle
	# The other machine has a copy of the state.
	cp -r state copy
	change src/1/1.db
	ship
	change src/1/1.db
	LSPP_MACHINE=another run --separate-stderr lspp-ship -C src -s copy -r "$R" src/1/1.db
	assert_equal "$status" 75
	[[ $stderr == *'/wal/00000000_'*'was written by somebody else'* ]]
	ship
	restored
}

@test "s3:PutObject is all that shipping needs" {
	s3_putter putter "$R"
	putter() {
		AWS_ACCESS_KEY_ID=putter$BATS_TEST_NUMBER \
			AWS_SECRET_ACCESS_KEY=puttersecret "$@"
	}
	databases 3
	sqlite3 src/large.db 'CREATE TABLE t(x);
		INSERT INTO t VALUES(zeroblob(10)), (randomblob(12000000))'
	run --separate-stderr putter ship --part-size 5M
	assert_success
	assert_equal "$stderr" ''
	change src/1/1.db src/large.db
	run --separate-stderr putter ship
	assert_success
	restored
	# It may really do nothing else.
	run -77 putter s3tool "$R" ls
	run -77 putter s3tool "$R" get nothing
	# A state that is too old begins a new generation: looking is not
	# allowed.
	sleep 1.1
	putter ship >/dev/null
	cp -r state old
	change src/1/1.db
	putter ship >/dev/null
	rm -r state
	mv old state
	change src/1/1.db
	run --separate-stderr putter ship
	assert_success
	[[ $stderr == *'a new generation begins'* ]]
	restored
}

@test "a server that ignores conditions is found out once, and looked at" {
	databases 2
	s3_faulty
	rules 'PUT * - strip If-None-Match'
	run --separate-stderr ship
	assert_success
	[[ $stderr == *'the server ignores conditions on PUT'* ]]
	settle
	: >requests
	cp -r state copy
	change src/1/1.db
	run --separate-stderr ship
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(requests HEAD)/$(requests PUT)/$(requests)" 1/1/2
	# and nothing is overwritten
	change src/1/1.db
	LSPP_MACHINE=another run --separate-stderr lspp-ship -C src -s copy -r "$R" src/1/1.db
	assert_equal "$status" 75
	ship >/dev/null
	restored
}

@test "answers that are lost: all is there, once" {
	databases 12
	s3_faulty
	rules 'PUT /snapshots/ 5 drop' 'PUT /snapshots/ 3 refuse'
	run --separate-stderr ship
	assert_success
	assert_equal "${#lines[@]}" 12
	assert_equal "$(s3_objects | grep -c snapshot.lz4)" 12
	restored
}

@test "reading: connections that break, and bytes that change on the way" {
	databases 6
	sqlite3 src/large.db 'CREATE TABLE t(x);
		INSERT INTO t VALUES(randomblob(900000))'
	ship >/dev/null
	s3_faulty
	rules 'GET large.db/generations 2 cut 100000' 'GET lz4 3 cut 100' \
		'GET list-type 2 cut 50' 'GET lz4 2 status 503 SlowDown'
	restored
	for at in 20 100 5000 400000; do
		rm -rf out
		rules "GET large.db/generations 1 flip $at"
		run lspp-restore -r "$R" -o out large.db
		assert_equal "$status" 65
		refute [ -e out/large.db ]
	done
}

@test "a run that is over its budget goes on at the next" {
	s3_needs conditions # else each PUT is two requests
	databases 10
	run --separate-stderr ship -j 2 --max-requests 15 --failed failed
	assert_equal "$status" 1
	[[ $stderr == *'the budget of 15 requests (--max-requests) is used up'* ]]
	assert_equal "$(wc -l <failed)" $((10 - ${#lines[@]}))
	lspp-ship -C src -s state -r "$R" <failed
	restored
}

@test "a missing bucket, wrong keys, nobody there: one line, its own status" {
	databases 3
	R=s3://none-$BUCKET/x run --separate-stderr ship
	assert_equal "$status" 78
	[[ $stderr == *NoSuchBucket* ]]
	AWS_ENDPOINT_URL=http://127.0.0.1:$(free_port) \
		run --separate-stderr ship
	assert_equal "$status" 69
	run --separate-stderr lspp-restore -r "$R" -o out none.db
	assert_equal "$status" 66
	ship >/dev/null
	restored
	s3_needs signatures
	AWS_SECRET_ACCESS_KEY=x run --separate-stderr lspp-scan "$R"
	assert_equal "$status" 77
	R=s3://$BUCKET/other
	AWS_SECRET_ACCESS_KEY=x run --separate-stderr ship
	assert_equal "$status" 77
	ship >/dev/null
	restored
}

@test "the secret is in nothing that is printed or written" {
	databases 3
	{
		ship -v --json --metrics m.prom
		change src/1/1.db
		ship -v --debug sign
		lspp-hot -v -s state -r "$R" src/1/1.db
		lspp-scan -v --debug sign "$R"
		lspp-restore -v -r "$R" -o out 1/1.db
		lspp-restore -v --debug sign --json -r "$R" -o json 1/1.db
		lspp-ship -r "$R" --whoami
	} >all 2>&1
	grep -q 'string to sign' all
	assert_equal "$(s3_objects | grep -c 'snapshot\.lz4\|wal\.lz4')" 4
	refute grep -rqF -e "$S3_SECRET" -e "$(base64 <<<"$S3_SECRET" |
		cut -c1-40)" all m.prom state out json
	for key in $(s3_objects); do
		refute grep -qF "$S3_SECRET" <(s3tool "s3://$BUCKET" get "$key")
	done
}

@test "--whoami in every program that opens a replica" {
	for p in ship restore verify prune scan; do
		run -0 lspp-$p -r "$R" --whoami
		assert_line 'credentials: environment (AWS_ACCESS_KEY_ID)'
	done
	run -2 lspp-scan --whoami
	assert_line 'lspp-scan: no replica: -r URL, LSPP_REPLICA or -c FILE'
	for p in hot stat; do
		run -2 lspp-$p -r "$R" --whoami
		assert_line "lspp-$p: --whoami: lspp-$p speaks to no server"
	done
	run -0 lspp-ship --help-s3
	assert_line --partial '--endpoint-url URL'
}

# has_requests N -- so many have reached the server.
has_requests() {
	[ "$(wc -l <requests)" -ge "$1" ]
}

@test "killed at any request: what was acknowledged restores, the rest follows" {
	local k
	databases 12
	s3_faulty
	for ((k = 1; k <= $(count 40 8); k++)); do
		mapfile -t all < <(lspp-scan src)
		change "${all[@]}"
		: >requests
		lspp-scan src >paths
		(exec lspp-ship -j3 -C src -s state -r "$R" <paths >acked \
			2>ship.err 3>&-) &
		pid=$!
		wait_for has_requests $k
		kill -9 $pid 2>/dev/null || :
		wait $pid || :
		# nothing has changed since: each acknowledged one is as it is
		while IFS= read -r f; do
			rm -rf out
			run -0 lspp-restore -r "$R" -o out "${f#src/}"
			same_db "$f" "out/${f#src/}"
		done <acked
	done
	ship >/dev/null
	restored
	# no new histories came of it
	run ! grep -q 'a new generation' ship.err
}

@test "a signal ends a run between requests: acknowledged, or named as failed" {
	databases 30
	s3_faulty
	lspp-scan src >paths
	(exec lspp-ship -j2 --rate 20/s -C src -s state -r "$R" --failed failed <paths \
		>acked 2>ship.err 3>&-) &
	pid=$!
	wait_for has_requests 12
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	assert_equal "$status" 143
	sort acked failed >known
	# those it had not read yet are neither; none is both
	assert_equal "$(uniq -d known)" ''
	rm -rf out
	# It may have been over before any was.
	[ ! -s acked ] ||
		sed 's|^src/||' acked | lspp-restore -r "$R" -o out >/dev/null
	while IFS= read -r f; do
		same_db "$f" "out/${f#src/}"
	done <acked
	ship >/dev/null
	restored
}

@test "a dry run sends nothing, and says what it would cost" {
	databases 4
	s3_faulty
	run --separate-stderr ship -n --price-put 5
	assert_success
	assert_equal "${#lines[@]}" 8
	# Each with its own, in the order of the sending; of the four, any.
	assert_equal "$(sed 's|/generations/[0-9a-f]\{16\}/|/G/|' <<<"$output" |
		sort)" "$(printf '%s\n' {1/1,2/2,3/3,4/4}.db/{G/snapshots/00000000.snapshot,generations/owner-00000000}.lz4)"
	assert_regex "$(grep ^3/ <<<"$output")" $'owner.*\n.*snapshots'
	[[ $stderr == *'would send 8 objects, '*' with 8 PUT requests: $0.040000' ]]
	assert_equal "$(requests)" 0
	ship >/dev/null
	run --separate-stderr lspp-restore -n --price-put 5 --price-get 0.4 \
		-r "$R" -o out 1/1.db 2/2.db
	assert_success
	[[ $stderr == *' with 2 GET and 2 LIST requests: $0.010800' ]]
	refute [ -e out ]
}

@test "--price: what requests cost at a provider" {
	databases 4
	local store price
	while read -r store price; do
		run --separate-stderr ship -n --price "$store"
		assert_success
		[[ $stderr == *" with 8 PUT requests: \$$price" ]] ||
			fail "$store: $stderr"
	done <<-'END'
		aws 0.000040
		r2 0.000036
		gcs 0.000040
		b2 0.000000
	END
	ship >/dev/null
	while read -r store price; do
		run --separate-stderr lspp-restore -n --price "$store" \
			-r "$R" -o out 1/1.db 2/2.db
		assert_success
		[[ $stderr == *" with 2 GET and 2 LIST requests: \$$price" ]] ||
			fail "$store: $stderr"
	done <<-'END'
		aws 0.000011
		r2 0.000010
		gcs 0.000011
		b2 0.000009
	END
	# A LIST has a price of its own, and one price replaces that of a list.
	run --separate-stderr lspp-restore -n --price b2 --price-list 1 \
		-r "$R" -o out 1/1.db
	[[ $stderr == *': $0.001000' ]] || fail "$stderr"
	run -2 --separate-stderr ship -n --price azure
	[[ $stderr == *'--price: "azure" is not aws, r2, gcs or b2'* ]]
	run -2 --separate-stderr ship -n --price-list -1
	refute [ -e out ]
}

@test "memory follows the parts under way, not the database" {
	need measure
	sqlite3 src/small.db 'CREATE TABLE t(x)'
	sqlite3 src/large.db 'CREATE TABLE t(x);
		INSERT INTO t VALUES(randomblob(60000000))'
	for f in small large; do
		measure up.$f lspp-ship -C src -s state -r "$R" \
			--part-size 5M src/$f.db
		measure down.$f lspp-restore -r "$R" -o out $f.db
		same_db src/$f.db out/$f.db
	done
	for way in up down; do
		read -r _ small _ <$way.small
		read -r _ large _ <$way.large
		# four parts of 5 MiB
		[ $((large - small)) -le 20480 ]
	done
}

@test "ten databases of twenty objects are one request to list" {
	local i j args=()
	: >empty
	for i in {1..10}; do
		for j in {10..29}; do
			args+=("t$i/a.db/generations/0123456789abcdef/wal/000000${j}_00000000.wal.lz4" empty)
		done
	done
	s3tool -j8 "$R" put "${args[@]}" >/dev/null
	s3_faulty
	run -0 lspp-scan "$R"
	assert_equal "${#lines[@]}" 10
	assert_equal "$(requests)" 1
	run -0 lspp-scan --exclude t1 --exclude "$R/t[2-8]" "$R"
	assert_output "$R/t10/a.db
$R/t9/a.db"
	# the root itself
	run -0 lspp-scan "$R/t3/a.db"
	assert_output "$R/t3/a.db"
}

@test "a database of more objects than a page holds is still one" {
	local i args=()
	: >empty
	for i in {10000..11100}; do
		args+=("t/a.db/generations/0123456789abcdef/wal/000${i}_00000000.wal.lz4" empty)
	done
	s3tool -j8 "$R" put "${args[@]}" t/b.db/generations/0123456789abcdef/x \
		empty >/dev/null
	run -0 lspp-scan "$R"
	assert_output "$R/t/a.db
$R/t/b.db"
}

# many DIRS -- r/tNN/db-NNN.db, a hundred in each directory, each of twenty
# objects: written where the server has its files, as links to the same twenty.
many() {
	local i d wal=generations/0123456789abcdef/wal
	cd "$S3_DIR/data/$BUCKET" || return
	mkdir -p "r/t00/db-000.db/$wal"
	touch "r/t00/db-000.db/$wal/000000"{01..20}_00000000.wal.lz4
	for i in {001..099}; do
		cp -rl r/t00/db-000.db "r/t00/db-$i.db"
	done
	for ((i = 0; i < $1; i++)); do
		printf -v d 'r/t%02d' "$i"
		[ -e "$d" ] || cp -rl r/t00 "$d"
		printf "s3://$BUCKET/$d/db-%s.db\n" {000..099}
	done >"$T/all"
	cd "$T" || return
}

# scan_needs N ARGUMENT... -- to print what is in `want`, in order, by at most
# N requests.
scan_needs() {
	local most=$1 got
	shift
	: >requests
	lspp-scan "$@" >got
	got=$(requests)
	diff want got || return
	[ "$got" -le "$most" ] ||
		{ echo "$*: $got requests, not $most" >&2; return 1; }
}

@test "listing costs what the databases do, not their objects" {
	local dirs objects
	[ "$S3_KIND" = versitygw ] || skip 'writes files of versitygw'
	dirs=$(count 100 15)
	many "$dirs"
	s3_faulty
	s3tool "s3://$BUCKET" ls r/ | wc -l >objects
	objects=$(requests)
	assert_equal "$(cat objects)" $((dirs * 2000))
	cp all want
	scan_needs $((dirs / 10 + 1)) -j1 "s3://$BUCKET/r"
	# divided among workers, still in order
	scan_needs $(((objects - 1) / 5)) -j8 "s3://$BUCKET/r"
	scan_needs $(((objects - 1) / 5)) "s3://$BUCKET/**/*.db"
}

@test "a pattern lists little more than what it matches" {
	[ "$S3_KIND" = versitygw ] || skip 'writes files of versitygw'
	many 15
	s3_faulty
	grep '/t1[0-9]/db-01[0-9]' all >want
	scan_needs 2 "s3://$BUCKET/r/t1*/db-01?.db"
	grep '/t07/db-003' all >want
	scan_needs 1 "s3://$BUCKET/r/t07/db-003.db*"
	scan_needs 1 "s3://$BUCKET/r/t07/{db-003,x}.db"
	grep '/db-099' all >want
	scan_needs 4 "s3://$BUCKET/r/*/db-099.db"
	grep -E '/t(00|14)/' all >want
	scan_needs 2 -j1 "s3://$BUCKET/r/t{00,14}/**"
	scan_needs 4 -j8 "s3://$BUCKET/r/t{00,14}/**"
	: >want
	scan_needs 1 "s3://$BUCKET/r/u*/*.db"
	scan_needs 2 -j1 "s3://$BUCKET/*/?/db-000.db"
	# what is not wanted is passed over, too
	grep -E '/t(00|14)/' all >want
	scan_needs 4 --exclude 't0[1-9]' --exclude "s3://$BUCKET/r/t1[0-3]" \
		"s3://$BUCKET/r"
}

@test "a server that closes every connection" {
	s3_needs durable
	s3_down
	s3_serve
	databases 20
	ship >/dev/null
	restored
	s3_down
}
