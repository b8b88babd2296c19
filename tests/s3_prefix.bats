#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Prefixes and keys of any shape, through all programs; and many databases with
# few descriptors.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up

teardown() {
	s3_faulty_stop
}

@test "prefixes of any shape: ship, scan, hot, restore" {
	s3_needs conditions
	local prefix root f
	mkdir -p 'src/d e+f' src/é
	for f in a.db 'd e+f/g%41=h.db' é/ö.db '#&;.db' "q'u.db"; do
		sqlite3 "src/$f" 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	done
	lspp-scan src | sort >all
	assert_equal "$(wc -l <all)" 5
	for prefix in '' / /one /one/two/three /slash/ //two//slashes// \
		'/a b' /a+b /a%41b%2F /a=b /é/ö '/a b+c%20d=é&f' /~-._ \
		'/generations' '/x/generations/y' "/q'uo\"te"; do
		root=s3://$BUCKET$prefix
		rm -rf state out
		run --separate-stderr lspp-ship -C src -s state -r "$root" <all
		assert_success
		assert_equal "$stderr" ''
		assert_equal "$(sort <<<"$output")" "$(cat all)"
		# the name of the root is without what is superfluous
		root=$(sed 's|\(..\)//*|\1/|g; s|s3:/*|s3://|; s|/$||' \
			<<<"$root")
		run -0 lspp-scan "s3://$BUCKET$prefix"
		assert_equal "$(sort <<<"$output")" \
			"$(sed "s|^src|$(sed 's/[&|\\]/\\&/g' <<<"$root")|" all |
				sort)"
		lspp-scan "$root" | lspp-restore -r "$root" -o out >restored
		assert_equal "$(wc -l <restored)" 5
		while IFS= read -r f; do
			cmp "$f" "out/${f#src/}"
		done <all
		run -0 lspp-restore -r "$root" -o one 'd e+f/g%41=h.db'
		assert_output 'one/d e+f/g%41=h.db'
		rm -r one
		# each in a bucket that is empty but for it
		s3_bucket
	done
}

# path LENGTH -- a relative path of that many bytes, in directories of 200.
path() {
	local p n=$1
	p=$(printf 'd%.0s' {1..200})
	while [ "$n" -gt 201 ]; do
		printf '%s/' "$p"
		n=$((n - 201))
	done
	printf "%.${n}s" "$p"
}

@test "keys of 1024 bytes, and one that would be longer" {
	local longest longer generation=0123456789abcdef root
	root=s3://$BUCKET/some/prefix
	# SOME/PREFIX/KEY/generations/GENERATION/snapshots/INDEX.snapshot.lz4
	n=some/prefix//generations/$generation/snapshots/00000000.snapshot.lz4
	n=$((1024 - ${#n}))
	longest=$(path $n)
	longer=${longest%/*}/e${longest##*/}
	assert_equal "${#longer}" $((n + 1))
	sqlite3 a.db 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	mkdir -p "src/${longest%/*}"
	cp a.db src/a.db
	cp a.db "src/$longest"
	cp a.db "src/$longer"
	# Of the longer one nothing is sent, of the others all.
	s3_faulty
	run --separate-stderr lspp-ship -C src -s state -r "$root" src/a.db \
		"src/$longest" "src/$longer"
	assert_equal "$status" 1
	assert_equal "$(sort <<<"$output")" "$(printf '%s\n' src/a.db \
		"src/$longest" | sort)"
	[[ $stderr == *'its key has 1025 bytes, S3 allows 1024'* ]]
	refute grep -qF "$longer/generations" requests
	assert_equal "$(s3_objects | awk '{ if (length > n) n = length }
		END { print n }')" 1024
	: >requests
	run --separate-stderr lspp-ship -C src -s state -r "$root" "src/$longer"
	assert_equal "$status" 2
	assert_equal "$(requests)" 0
	# It goes on, with segments.
	sqlite3 "$T/a.db" 'INSERT INTO t VALUES(2)'
	cp a.db "src/$longest"
	run -0 lspp-ship -C src -s state -r "$root" "src/$longest"
	run -0 lspp-scan "$root"
	assert_equal "${#lines[@]}" 2
	run -0 lspp-restore -r "$root" -o out "$longest"
	mv "out/$longest" b.db # SQLite does not open names as long as that
	same_db a.db b.db
	run lspp-restore -r "$root" -o out "$longer"
	assert_equal "$status" 66
}

@test "256 databases with 64 descriptors" {
	local i
	for i in {1..256}; do
		echo ".open src/$i.db"
		echo 'CREATE TABLE t(x);'
		echo "INSERT INTO t VALUES($i);"
	done | sqlite3
	sqlite3 src/large.db 'CREATE TABLE t(x);
		INSERT INTO t VALUES(zeroblob(10)), (randomblob(12000000))'
	lspp-scan src >all
	(
		ulimit -n 64
		lspp-ship -C src -s state -r "s3://$BUCKET/x" --part-size 5M \
			<all >shipped
		lspp-scan "s3://$BUCKET/x" |
			lspp-restore -r "s3://$BUCKET/x" -o out >restored
	)
	assert_equal "$(wc -l <shipped)" 257
	assert_equal "$(wc -l <restored)" 257
	while IFS= read -r f; do
		cmp -s "$f" "out/${f#src/}" || same_db "$f" "out/${f#src/}"
	done <all
	# Of a directory, too.
	rm -rf state out
	head -n "$(count 257 60)" all >some
	mv some all
	(
		ulimit -n 64
		lspp-ship -C src -s state -r "$T/replica" <all >shipped
		lspp-restore -r "$T/replica" -o out < <(sed 's|^src/||' all) \
			>restored
	)
	assert_equal "$(wc -l <shipped)" "$(wc -l <all)"
	assert_equal "$(wc -l <restored)" "$(wc -l <all)"
}

@test "a name chooses no server, in any program" {
	# what it names counts what comes
	s3_faulty 0
	local evil=${FAULTY#http://} name program
	s3_credentials
	export LSPP_STATE=$T/state LSPP_BASE=$T/src R=s3://$BUCKET/fleet
	for name in "x.db?endpoint=$evil" "d/y?endpoint=http%3A%2F%2F$evil" \
		"z?region=r&endpoint=$evil" "w\\?endpoint=$evil"; do
		mkdir -p "src/$(dirname "$name")"
		cp "$(sqlite3 one.db 'CREATE TABLE IF NOT EXISTS t(x)'; echo one.db)" \
			"src/$name"
	done
	find src -type f | lspp-ship -r "$R" >shipped
	assert_equal "$(wc -l <shipped)" 4
	run -0 lspp-scan "$R"
	printf '%s\n' "${lines[@]}" >list
	assert_equal "$(wc -l <list)" 4
	# the list, and the names as they are in the bucket
	s3_objects | sed -n 's|/generations/.*||p' | sort -u |
		sed "s|^|s3://$BUCKET/|" >raw
	assert_equal "$(wc -l <raw)" 4
	for program in 'lspp-restore -o out' lspp-verify 'lspp-prune -n --keep-last 1'; do
		for root in '' "-r $R"; do
			# shellcheck disable=SC2086
			xargs -n 1 $program $root --retries 0 --timeout 5s \
				< <(sed 's/\\/&&/g' list) >/dev/null 2>&1 || true
			# shellcheck disable=SC2086
			xargs -n 1 $program $root --retries 0 --timeout 5s \
				< <(sed 's/\\/&&/g' raw) >/dev/null 2>&1 || true
		done
	done
	lspp-restore -r "$R" -o all <list >/dev/null
	assert_equal "$(find all -type f | wc -l)" 4
	lspp-scan <raw >/dev/null 2>said || true
	assert_equal "$(grep -c 'says no endpoint' said)" 3
	lspp-scan <list >/dev/null
	refute [ -s requests ]
	run --separate-stderr lspp-restore -r "$R" -o more "$R/x.db?endpoint=$evil"
	assert_equal "$status" 2
	[[ $stderr == *'for -r, not for what is below it'* ]]
	refute [ -s requests ]
}

# three_of_each N -- databases tNNN/app, .../app-old and .../app.db, of which
# only the first is there for others to find; a page ends between any two.
beside() {
	local i pairs=()
	: >empty
	for ((i = 0; i < $1; i++)); do
		local t name
		printf -v t 't%04d' "$i"
		for name in app app-old app.db; do
			pairs+=("$t/$name/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4" empty)
		done
	done
	s3tool -j 8 "$R" put "${pairs[@]}"
}

@test "a pattern finds what lies behind others that begin alike, at the end of a page" {
	local i
	R=s3://$BUCKET/fleet
	beside 700
	for i in 1 2 3; do
		run -0 lspp-scan -j 1 "$R/*/app"
		assert_equal "${#lines[@]}" 700
		run -0 lspp-scan "$R/*/app*"
		assert_equal "${#lines[@]}" 2100
		# the pages end elsewhere
		s3tool "$R" put "a$i/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4" empty
	done
}

@test "lspp-prune with a pattern passes over what cannot match" {
	s3_needs conditions
	R=s3://$BUCKET/fleet
	export LSPP_STATE=$T/state LSPP_BASE=$T/src
	beside 1000
	mkdir -p src/t0500/here
	for i in 1 2 3; do
		sqlite3 "src/t0500/here/$i.db" 'CREATE TABLE t(x)'
	done
	find src -type f | lspp-ship -r "$R" >/dev/null
	s3_faulty
	run -0 lspp-prune -r "$R" -n --keep-last 1 't*/here/*.db'
	assert_output ''
	say "3 of 3003: $(requests) requests"
	assert [ "$(requests)" -le 2010 ]
	: >requests
	run -0 lspp-prune -r "$R" -n --keep-last 1 't05*/here/*.db'
	assert [ "$(requests)" -le 210 ]
	: >requests
	run -0 lspp-prune -r "$R" -n --keep-last 1 't0500/{here,there}/*.db'
	assert [ "$(requests)" -le 3 ]
	run -66 lspp-prune -r "$R" -n --keep-last 1 't0500/there/*.db'
}
