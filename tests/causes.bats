#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many paths that fail for one cause: one line that says which, one hint, and a
# count; each path in the reports; and no path is told another's object.

load lib/hard
load lib/s3_up

N=150

setup() {
	set +T
	need lspp-scan lspp-new lspp-verify lspp-prune faulty jq
	hard_setup
	MOUNTED=()
	seq -f 't%03.0f.db' $N >"$T/list"
	sqlite3 "$T/t.sqlite" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	lspp-new -t "$T/t.sqlite" <"$T/list" >/dev/null
}

teardown() {
	local at
	hard_teardown
	s3_faulty_stop
	for at in "${MOUNTED[@]}"; do
		umount "$at"
	done
}

# A rule counts for all that is the same line: no two here are.
in_bucket() {
	s3_bucket
	s3_faulty
	R=s3://$BUCKET/fleet
}

# fails PROGRAM ARGUMENT... -- with the list on standard input and reports.  What
# it prints goes to $T/out, what it says to $T/err.
fails() {
	rm -f "$T"/{out,err,errors,failed}
	"$@" -e "$T/errors" --failed "$T/failed" <"$T/list" >"$T/out" \
		2>"$T/err" && return 1
	return 0
}

# one_cause PATTERN [FEW] -- for all that failed: FEW messages (1), a hint with
# the first at most, and as many counts; all paths are in the reports, and no
# message names another path than its own.
one_cause() {
	local few=${2:-1} failed said more
	failed=$(wc -l <"$T/failed")
	cat "$T/err"
	assert [ "$failed" -gt $((few + 1)) ]
	assert_equal "$(cut -f 3 "$T/errors" | sort)" "$(sort "$T/failed")"
	assert_equal "$(sort "$T/out" "$T/failed")" "$(sort "$T/list")"
	said=$(grep -c '^lspp-[a-z]*: t[0-9]*\.db: ' "$T/err")
	assert [ "$said" -ge 1 ]
	assert [ "$said" -le "$few" ]
	assert [ "$(grep -c ': hint: ' "$T/err")" -le "$few" ]
	more=$(sed -n 's/.*: \([0-9]*\) more failed like .*/\1/p' "$T/err" |
		paste -sd + | bc)
	assert_equal "$((said + ${more:-0}))" "$failed"
	grep -qE "$1" "$T/err"
	# "program: PATH: ..." names no other t123.db.
	grep -v ' more failed like ' "$T/err" | awk '{
			split($2, own, ":")
			while (match($0, /t[0-9][0-9][0-9]\.db/)) {
				p = substr($0, RSTART, RLENGTH)
				if ($2 !~ /hint/ && p != own[1]) exit 1
				$0 = substr($0, RSTART + RLENGTH)
			}
		}'
}

@test "a server that dies in the middle is one line and a count" {
	in_bucket
	# Some are listed, and put; then nothing is.
	rules '* * 200 strip X-None' '* * - refuse'
	fails ship --timeout 2s
	head -n 5 "$T/err"
	assert [ -s "$T/out" ]
	one_cause 'Empty reply|reset|closed'
	rules '* * - status 503 SlowDown'
	fails ship --timeout 2s
	one_cause 'HTTP 503 SlowDown'
	rules '* * - status 500 InternalError'
	fails ship --timeout 2s
	one_cause 'HTTP 500 InternalError'
	rules '* * - status 403 AccessDenied'
	fails ship
	one_cause 'HTTP 403 AccessDenied'
	rules '* * - status 403 InvalidAccessKeyId'
	fails ship
	one_cause 'HTTP 403 InvalidAccessKeyId'
}

@test "a server that dies under lspp-restore, lspp-verify or lspp-prune, too" {
	in_bucket
	ship <"$T/list" >/dev/null
	rules '* * 61 strip X-None' '* * - refuse'
	fails lspp-verify --deep -r "$R" --timeout 2s
	one_cause 'Empty reply|reset|closed' 2
	rules '* * 62 strip X-None' '* * - refuse'
	fails lspp-restore -r "$R" --resume --timeout 2s -o "$T/new"
	sed -i "s,^$T/new/,," "$T/out"
	one_cause 'Empty reply|reset|closed' 2
	rules '* * 63 strip X-None' '* * - refuse'
	# It prints objects, and what has none to lose passes.
	fails lspp-prune -r "$R" --yes --keep-last 1 --timeout 2s
	grep -vxFf "$T/failed" "$T/list" >"$T/out" || :
	one_cause 'Empty reply|reset|closed' 2
	rules '* * - status 403 AccessDenied'
	for p in 'lspp-verify' 'lspp-prune --yes --keep-last 1' \
		"lspp-restore -o $T/new2"; do
		# shellcheck disable=SC2086
		fails $p -r "$R"
		one_cause 'HTTP 403 AccessDenied'
	done
}

@test "another machine ships the fleet: one line, one hint, a count" {
	for in in in_bucket :; do
		$in
		ship <"$T/list" >/dev/null
		for p in $(<"$T/list"); do
			echo ".open $p"
			echo "INSERT INTO t VALUES (2);"
		done | sqlite3
		fails env LSPP_MACHINE=other lspp-ship -r "$R" -C "$D" -s "$T/s2"
		one_cause 'was written by somebody else'
		assert_equal "$(grep -c ': hint: ' "$T/err")" 1
		# As told, and that is no reason for many words either.
		LSPP_MACHINE=other lspp-ship -r "$R" -C "$D" -s "$T/s2" \
			--new-generation <"$T/list" 2>"$T/err" >/dev/null
		assert [ "$(wc -l <"$T/err")" -le 4 ]
		s3_faulty_stop
		R=$T/replica
		rm -rf "$S" "$T/s2"
	done
}

# small_disk DIR SIZE
small_disk() {
	[ "$(id -u)" -eq 0 ] || skip "a mount needs root"
	mkdir -p "$1"
	mount -t tmpfs -o "size=$2" none "$1" 2>/dev/null ||
		skip "cannot mount a tmpfs here"
	MOUNTED+=("$1")
}

@test "a disk that is full is one line and a count" {
	small_disk "$T/full" 200k
	R=$T/full
	fails ship
	one_cause 'No space left on device' 2
	R=$T/replica
	ship <"$T/list" >/dev/null
	rm -rf "$T/full"/*
	fails lspp-restore -r "$R" -o "$T/full"
	sed -i "s,^$T/full/,," "$T/out"
	one_cause 'No space left on device' 2
	small_disk "$T/state2" 200k
	S=$T/state2
	fails ship --new-generation
	one_cause 'disk is full|No space left on device' 2
}

# limited COMMAND... -- to whom modes apply, root or not.
limited() {
	setpriv --bounding-set=-dac_override,-dac_read_search \
		--inh-caps=-dac_override,-dac_read_search "$@"
}

@test "no permission in the replica is one line and a count" {
	ship <"$T/list" >/dev/null
	for p in $(<"$T/list"); do
		echo ".open $p"
		echo "INSERT INTO t VALUES (2);"
	done | sqlite3
	find "$R" -mindepth 1 -type d -exec chmod a-w {} +
	fails limited lspp-ship -r "$R" -C "$D" -s "$S"
	one_cause 'Permission denied' 2
	find "$R" -mindepth 1 -type d -exec chmod a-rwx {} + || :
	chmod a-rwx "$R"/*
	fails limited lspp-ship -r "$R" -C "$D" -s "$S"
	one_cause 'Permission denied' 2
	for p in 'lspp-verify' "lspp-restore -o $T/new" \
		'lspp-prune --yes --keep-last 1'; do
		# shellcheck disable=SC2086
		fails limited $p -r "$R"
		[ "$p" != 'lspp-prune --yes --keep-last 1' ] || : >"$T/out"
		one_cause 'Permission denied' 2
	done
	chmod u+rwx "$R"/*
}

@test "what is missing is named, at first, and then counted" {
	rm t0*.db
	fails ship
	assert_equal "$(grep -c ': No such file' "$T/err")" 16
	grep -q ': 83 more failed like t[0-9]*\.db: .*, \.\.\.$' "$T/err"
	assert_equal "$(wc -l <"$T/failed")" 99
	# With -v all of them are.
	fails ship -v
	assert_equal "$(grep -c ': No such file' "$T/err")" 99
}
