#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Stores of every kind: what conditions on PUT do there, how they list, how they
# answer.  The program "bucket" is each of them.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3

setup() {
	set +T
	need lspp-ship lspp-restore lspp-scan lspp-verify lspp-prune lspp-hot \
		bucket s3tool sqlite3
	s3_clean_environment "$T"
	export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret
	cd "$T" || return
	mkdir src
	R=s3://bkt/fleet
	export LSPP_STATE=$T/state LSPP_BASE=$T/src
}

teardown() {
	end_process "$T/bucket.pid"
	s3_faulty_stop
}

# store WORD... -- a new one of that kind.
store() {
	end_process "$T/bucket.pid"
	s3_faulty_stop
	: >requests
	rm -f bucket.port
	bucket requests "$@" >bucket.port 3>&- &
	echo $! >bucket.pid
	wait_for test -s bucket.port
	AWS_ENDPOINT_URL=http://127.0.0.1:$(cat bucket.port)
	export AWS_ENDPOINT_URL
}

# databases N -- and a large one, if it is to go up in parts.
databases() {
	local i
	rm -rf src state out
	mkdir src
	sqlite3 src/1.db 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	for ((i = 2; i <= $1; i++)); do
		cp src/1.db "src/$i.db"
	done
}

change() {
	local f
	for f in "$@"; do
		sqlite3 "$f" 'INSERT INTO t VALUES(2)'
	done
}

# shellcheck disable=SC2120  # it is run with options, too
ship() {
	lspp-scan src | lspp-ship -r "$R" --part-size 5M "$@"
}

restored() {
	rm -rf out
	lspp-restore -r "$R" -o out '**' >printed
	assert_equal "$(wc -l <printed)" "$(find src -name '*.db' | wc -l)"
	for f in src/*.db; do
		cmp "$f" "out/${f#src/}"
	done
}

@test "whatever conditions on PUT do: it ships and restores, or says what it needs" {
	local put n
	n=$(count 1000 12)
	for put in hold ignore 501 400 race goog; do
		store put=$put deny="$T/denied"
		databases "$n"
		run --separate-stderr ship
		assert_success
		assert_equal "${#lines[@]}" "$n"
		case $put in
		hold | goog) assert_equal "$stderr" '' ;;
		race) [[ $stderr == *'for several at the same moment'* ]] ;;
		ignore) [[ $stderr == *'the server ignores conditions'* ]] ;;
		*) [[ $stderr == *'the server refuses conditions'* ]] ;;
		esac
		change src/*.db
		: >requests
		run --separate-stderr ship
		assert_success
		assert_equal "$stderr" ''
		assert_equal "${#lines[@]}" "$n"
		case $put in
		hold | goog | race) assert_equal "$(requests)" "$n" ;;
		*) assert_equal "$(requests PUT)/$(requests HEAD)" "$n/$n" ;;
		esac
		restored
		# what is there is never overwritten
		cp -r state copy
		change src/1.db
		ship >/dev/null
		rm -rf state
		mv copy state
		sqlite3 state/state.db "UPDATE meta SET value = randomblob(16)
			WHERE name = 'id'"
		change src/1.db
		LSPP_MACHINE=other run --separate-stderr \
			lspp-ship -r "$R" src/1.db
		assert_equal "$status" 75
		# without s3:GetObject
		: >denied
		rm -rf state
		sed -i 1q requests
		R=s3://bkt/other run --separate-stderr ship
		case $put in
		hold | goog | race)
			assert_success
			rm denied
			R=s3://bkt/other restored
			;;
		*)
			assert_equal "$status" 77
			assert_equal "$output" ''
			[[ $stderr == *'s3:GetObject is needed'* ]]
			rm denied
			;;
		esac
	done
}

@test "likewise objects in parts" {
	local put parts
	for put in hold 501; do
		for parts in hold ignore 501 400 goog; do
			store put=$put parts=$parts deny="$T/denied"
			databases 1
			sqlite3 src/large.db 'CREATE TABLE t(x);
				INSERT INTO t VALUES(randomblob(6000000))'
			ship >/dev/null 2>&1
			restored
			grep -q 'POST.*uploadId' requests
			: >denied
			rm -rf state
			run --separate-stderr lspp-ship -r s3://bkt/other \
				--part-size 5M src/large.db
			rm denied
			case $put/$parts in
			hold/hold | hold/ignore | hold/goog)
				assert_success
				R=s3://bkt/other
				rm src/1.db
				restored
				R=s3://bkt/fleet
				;;
			*)
				assert_equal "$status" 77 || assert_equal "$status" 78
				[[ $stderr == *'s3:GetObject is needed'* ]]
				;;
			esac
		done
	done
}

@test "conditions are looked at once a day, before an object is put, and not at rest" {
	store put=hold
	databases 2
	ship >/dev/null
	assert_equal "$(requests 'PUT.*lspp-probe')" 8
	assert_equal "$(requests DELETE)" 1
	: >requests
	change src/1.db
	run -0 ship
	assert_equal "$(requests)" 1
	# a day later
	sqlite3 state/state.db "UPDATE meta SET value = value - 90000 * 6
		WHERE name LIKE 'number guard %'"
	: >requests
	run -0 ship
	assert_equal "$(requests)" 0
	change src/1.db src/2.db
	run -0 ship
	assert_equal "$(requests 'PUT.*lspp-probe')" 8
	assert_equal "$(requests)" 11
	: >requests
	change src/1.db
	run -0 ship
	assert_equal "$(requests)" 1
}

@test "a state that is asked for the first time asks; what changed is told" {
	store put=ignore
	databases 1
	ship >/dev/null 2>&1
	# as an lspp of before has noted it
	sqlite3 state/state.db "UPDATE meta SET name = 'mark overwrites ' ||
			substr(name, 14), value = 1
		WHERE name LIKE 'number guard %'"
	change src/1.db
	: >requests
	run --separate-stderr ship
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(requests HEAD)" 1
	: >requests
	change src/1.db
	run -0 ship
	assert_equal "$(requests)" 2
	# the server is another now
	sqlite3 state/state.db "UPDATE meta SET value = 4 + 6 * 1000
		WHERE name LIKE 'number guard %'"
	change src/1.db
	run --separate-stderr ship
	assert_success
	assert_equal "$stderr" ''
}

@test "the probe's object is nobody's, and stays where deleting is not allowed" {
	store put=hold undeleted
	databases 1
	run --separate-stderr ship
	assert_success
	assert_equal "$stderr" ''
	run -0 lspp-scan -r "$R"
	assert_equal "${#lines[@]}" 1
	run --separate-stderr lspp-prune -r "$R" -n --keep-last 1 '**'
	assert_success
	refute [ "${stderr/of no database/}" != "$stderr" ]
}

@test "uploads that a server cannot list are a warning of lspp-prune" {
	local code
	for code in 404 405 501; do
		store uploads=$code
		databases 1
		ship >/dev/null
		run --separate-stderr lspp-prune -r "$R" -n --keep-last 1 '**'
		assert_success
		[[ $stderr == *"list uploads: GET s3://"*": HTTP $code"* ]]
	done
}

@test "answers about uploads in parts whose root has another name" {
	store root=OtherResult
	databases 0
	sqlite3 src/large.db 'CREATE TABLE t(x);
		INSERT INTO t VALUES(randomblob(6000000))'
	run --separate-stderr ship
	assert_success
	grep -q 'POST.*uploadId' requests
	rm src/1.db
	lspp-restore -r "$R" -o out large.db
	cmp src/large.db out/large.db
}

@test "a server that knows no long delimiter hides no database" {
	local how n=1
	for how in refuse first cut ignore; do
		store delimiter=$how
		databases 7
		mkdir -p src/t/u
		cp src/1.db src/t/2.db
		cp src/1.db src/t/u/3.db
		cp src/1.db src/t/u/3.db-old
		ship >/dev/null
		run -0 lspp-scan -r "$R"
		assert_equal "${#lines[@]}" 10
		run -0 lspp-scan "$R/t/**/3.db"
		assert_output "$R/t/u/3.db"
		run -0 lspp-verify -r "$R" --deep '**'
		assert_equal "${#lines[@]}" 10
		run -0 lspp-restore -r "$R" -o "out.$how" '**'
		assert_equal "${#lines[@]}" 10
		run -66 lspp-verify -r "$R" 'x/**'
		rm -r src/t
	done
}

@test "likewise of more databases than a page has" {
	local i pairs how
	for how in refuse first cut; do
		store delimiter=$how
		: >empty
		pairs=()
		for ((i = 0; i < 700; i++)); do
			printf -v t 't%03d' $i
			pairs+=("$t/a.db/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4" empty
				"$t/a.db/generations/0123456789abcdef/wal/00000000_00000000.wal.lz4" empty)
		done
		s3tool -j 4 "$R" put "${pairs[@]}"
		for i in 1 8; do
			run -0 lspp-scan -j "$i" -r "$R"
			assert_equal "${#lines[@]}" 700
			run -0 lspp-scan -j "$i" "$R/t*3/a.db"
			assert_equal "${#lines[@]}" 70
		done
	done
}

# answering FILE -- to a listing, whatever is there.
answering() {
	cat >"$T/answer"
	S3_PORT=$(cat bucket.port) s3_faulty
	rules "GET list-type - answer $T/answer"
}

@test "a listing that does not say whether it ends is not believed" {
	local says
	store put=hold
	for says in maybe TRUE '' 1; do
		answering <<-END
			<ListBucketResult><IsTruncated>$says</IsTruncated>
			<Contents><Key>fleet/a</Key><Size>1</Size></Contents>
			</ListBucketResult>
		END
		run --separate-stderr lspp-scan --retries 0 "$R"
		assert_equal "$status" 69
		[[ $stderr == *'does not say whether it is the last'* ]]
		s3_faulty_stop
	done
	answering < <(
		echo '<ListBucketResult>'
		printf '<Contents><Key>fleet/%04d</Key></Contents>' {1..1000}
		echo '</ListBucketResult>'
	)
	run --separate-stderr lspp-scan --retries 0 "$R"
	assert_equal "$status" 69
	s3_faulty_stop
}

# raw STATUS-LINE HEADER... -- an answer with the body on stdin, for "raw".
raw() {
	cat >"$T/raw.body"
	printf '%s\r\n' "$@" '' | cat - "$T/raw.body" >"$T/raw"
}

@test "what is wrong with an answer is not what is wrong with the object" {
	local what body object etag
	store put=hold
	databases 1
	sqlite3 src/1.db 'INSERT INTO t VALUES(randomblob(50000))'
	ship >/dev/null
	object=$(AWS_ENDPOINT_URL=http://127.0.0.1:$(cat bucket.port) \
		s3tool "$R" ls | awk '/snapshot/ { print $2 }')
	s3tool "$R" get "$object" >whole
	etag=$(md5sum <whole | cut -c1-32)
	S3_PORT=$(cat bucket.port) s3_faulty
	for what in empty short error page gzip; do
		case $what in
		empty) raw 'HTTP/1.1 200 OK' "ETag: \"$etag\"" \
			'Content-Length: 0' </dev/null ;;
		short) head -c 1000 whole | raw 'HTTP/1.1 200 OK' \
			"ETag: \"$etag\"" 'Content-Length: 1000' ;;
		error) body='<Error><Code>InternalError</Code></Error>'
			printf %s "$body" | raw 'HTTP/1.1 200 OK' \
				"ETag: \"$etag\"" "Content-Length: ${#body}" ;;
		page) body='<html>please log in</html>'
			printf %s "$body" | raw 'HTTP/1.1 200 OK' \
				"Content-Length: ${#body}" ;;
		gzip) gzip <whole >zipped
			raw 'HTTP/1.1 200 OK' 'Content-Encoding: gzip' \
				"ETag: \"$etag\"" \
				"Content-Length: $(wc -c <zipped)" <zipped ;;
		esac
		# once: it is asked for again
		rules "GET .snapshot.lz4 1 raw $T/raw"
		rm -rf out
		run --separate-stderr lspp-restore -r "$R" -o out 1.db
		assert_success
		cmp src/1.db out/1.db
		# always: nobody is told that a backup is damaged
		rules "GET .snapshot.lz4 - raw $T/raw"
		run --separate-stderr lspp-restore -r "$R" -o out --force \
			--retries 1 1.db
		assert_equal "$status" 69
		run --separate-stderr lspp-verify -r "$R" --deep --retries 1 1.db
		assert_equal "$status" 69
	done
	rules
	grep -qi '^accept-encoding: identity' requests.head
	run -0 lspp-verify -r "$R" --deep 1.db
}

@test "a part of an object that is not the one asked for is not believed" {
	store put=hold
	head -c 5000 /dev/urandom >f
	s3tool "$R" put a f
	S3_PORT=$(cat bucket.port) s3_faulty
	head -c 100 f | raw 'HTTP/1.1 206 Partial' 'ETag: "x"' \
		'Content-Length: 100'
	rules "GET fleet/a 1 raw $T/raw"
	s3tool "$R" get a 1000 500 >got
	cmp got <(tail -c +1001 f | head -c 500)
	head -c 100 f | raw 'HTTP/1.1 206 Partial' 'ETag: "x"' \
		'Content-Length: 100' 'Content-Range: bytes 1000-1499/5000'
	rules "GET fleet/a 2 raw $T/raw"
	s3tool "$R" get a 1000 500 >got
	cmp got <(tail -c +1001 f | head -c 500)
	# a server that sends less of it than it could
	tail -c +1001 f | head -c 100 | raw 'HTTP/1.1 206 Partial' \
		"ETag: \"$(md5sum <f | cut -c1-32)\"" \
		'Content-Length: 100' 'Content-Range: bytes 1000-1099/5000'
	rules "GET fleet/a 1 raw $T/raw"
	s3tool "$R" get a 1000 500 >got
	cmp got <(tail -c +1001 f | head -c 500)
}

@test "an answer to a PUT that is an error, or has an empty ETag, is no success" {
	local etag
	store put=hold
	databases 1
	S3_PORT=$(cat bucket.port) s3_faulty
	ship >/dev/null
	change src/1.db
	printf %s '<Error><Code>InternalError</Code></Error>' |
		raw 'HTTP/1.1 200 OK' 'ETag: "0123456789abcdef0123456789abcdef"' \
			'Content-Length: 41'
	rules "PUT wal.lz4 - raw $T/raw"
	run --separate-stderr ship --retries 1
	assert_equal "$status" 69
	assert_equal "$output" ''
	for etag in '' '""'; do
		raw 'HTTP/1.1 200 OK' "ETag: $etag" 'Content-Length: 0' </dev/null
		rules "PUT wal.lz4 - raw $T/raw"
		run --separate-stderr ship --retries 1
		assert_equal "$status" 69
		assert_equal "$output" ''
	done
	rules
	run -0 ship
	restored
}
