#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# From the layout of Litestream 0.3 to LTX: a new history, told once; the old one
# stays.  Killed at any call, without its state, and beside another machine: what
# was acknowledged restores, and of two one goes on.
#
# Twice: on S3, too.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/replica
load lib/later
load lib/ltx

setup() {
	set +T
	need lspp-ship lspp-restore lspp-verify lspp-prune lspp-new atcall sqlite3
	replica_new "$T/r"
	cd "$T" || return
	export LSPP_MACHINE=one LSPP_REPLICA=$R LSPP_BASE=$T LSPP_STATE=$T/s
}

teardown() {
	follow_quit
}

follow_quit() {
	[ -z "${FOLLOWER:-}" ] || kill "$FOLLOWER" 2>/dev/null || :
	FOLLOWER=
}

on() {
	local m=$1
	shift
	LSPP_MACHINE=$m LSPP_STATE=$T/s.$m "$@"
}

change() {
	sqlite3 a.db "INSERT INTO t(b) VALUES (randomblob(3000))"
}

# first -- a history in the layout of 0.3; then it is as $T/old, at $THEN.
first() {
	sqlite3 a.db 'CREATE TABLE t (a INTEGER PRIMARY KEY, b)'
	change
	"$@" lspp-ship a.db >acks
	change
	"$@" lspp-ship a.db >acks
	cp a.db old
	THEN=$(date -u +%FT%T.%NZ)
}

# comes_back -- the newest state is what the database is.
comes_back() {
	lspp-restore -q -o - a.db >out.db
	cmp out.db a.db
}

# as_before -- so does the one before the layout changed.
as_before() {
	lspp-restore -q --timestamp "$THEN" -o - a.db >out.db
	cmp out.db old
}

@test "a new history begins, which is told once; the old one stays" {
	first
	change
	run -0 --separate-stderr lspp-ship --format ltx a.db
	assert_output a.db
	assert_equal "$(grep -c . <<<"$stderr")" 1
	assert_equal "$stderr" 'lspp-ship: a.db: a new history begins, in LTX: what was shipped in the layout of Litestream 0.3 stays, and is restored with --timestamp'
	assert_equal "$(ltx_newest a.db)" 0000000000000001
	comes_back
	as_before
	# It goes on without the option as with it, and says no more.
	for opt in '' '--format ltx'; do
		change
		# shellcheck disable=SC2086
		run -0 --separate-stderr lspp-ship $opt a.db
		assert_equal "$stderr" ''
		comes_back
	done
	as_before
	assert_equal "$(ltx_newest a.db)" 0000000000000003
	ltx_theirs theirs a.db
	cmp theirs a.db
	# And not back.
	run -78 lspp-ship --format wal a.db
	assert_output --partial 'does not come back'
}

@test "an idle database goes over, too" {
	first
	run -0 lspp-ship -n --format ltx a.db
	assert_equal "$(ltx_files a.db)" ''
	lspp-ship --format ltx a.db >acks
	comes_back
	as_before
}

@test "all that reads knows which is newer" {
	first
	lspp-ship --format ltx a.db >acks
	change
	lspp-ship a.db >acks
	run -0 lspp-verify -q a.db
	run -0 lspp-verify -q --deep a.db
	run -0 lspp-verify -q --newest a.db
	run -0 lspp-restore --list a.db
	assert_equal "$(wc -l <<<"$output")" 3
	assert_equal "$(lspp-scan -r "$R" | wc -l)" 1
	run -0 lspp-stat
	assert_output --regexp 'hot ., cold ., new 0, lost 0; gone 0'
	rc=0
	lspp-restore -q --format wal -o - a.db >out.db 2>told || rc=$?
	assert_equal $rc 3
	cmp out.db old
	# What it was is damaged: told by what looks at all, and of no matter to
	# the newest state.
	key=$(replica_list a.db/generations/ | grep snapshot)
	replica_get "$key" >object
	printf '\xa5' | dd of=object bs=1 seek=40 conv=notrunc status=none
	replica_put "$key" object
	run -65 lspp-verify -q --deep a.db
	assert_output --partial "$key"
	comes_back
}

@test "what is kept of both is kept" {
	first
	lspp-ship --format ltx a.db >acks
	change
	lspp-ship a.db >acks
	run -0 later 40 lspp-prune --yes --keep-for 1d a.db
	comes_back
	run -0 lspp-verify -q --deep a.db
	# The way back stays closed.
	rm -rf s
	run -78 lspp-ship a.db
	assert_output --partial 'its replica is in LTX'
	change
	lspp-ship --format ltx a.db >acks
	comes_back
}

# As long as the file is written anew it may be none.
is_copied() {
	same_db copy/a.db a.db >/dev/null 2>&1
}

@test "a copy follows from the one into the other" {
	first
	lspp-restore --follow --interval 100ms -q -o copy a.db >out.log 2>told 3>&- &
	FOLLOWER=$!
	wait_for test -s out.log
	lspp-ship --format ltx a.db >acks
	change
	lspp-ship a.db >acks
	wait_for is_copied
	follow_quit
}

# again -- anew, up to the change, which is not shipped yet.
again() {
	replica_clear
	LSPP_REPLICA=$R
	rm -rf s s.* a.db*
	first
	change
}

# each_kill -- the calls before which the change is killed, in turn.
each_kill() {
	local n step
	seed
	again
	atcall -k write -o calls lspp-ship -q --format ltx a.db >acks
	n=$(cat calls) step=$(count 1 "$1" "$2")
	seq $((1 + RANDOM % step)) "$step" "$n"
}

# killed AT
killed() {
	local rc=0
	again
	[ -z "${KEEP:-}" ] || cp -a s s.old
	atcall -k write -n "$1" lspp-ship -q --format ltx a.db >acks 2>told || rc=$?
	[ $rc = 0 ] || [ $rc = 137 ] || { cat told; return 1; }
	# What is ended, and goes on nowhere yet, may be a loss: 3 tells.
	rc=0
	lspp-restore -q -o - a.db >out.db 2>told || rc=$?
	[ $rc = 0 ] || { [ $rc = 3 ] && [ ! -s acks ]; }
	cmp -s out.db a.db || { [ ! -s acks ] && cmp out.db old; }
}

@test "killed at any call: what was acknowledged restores, and it goes over" {
	local at
	for at in $(each_kill 4 17); do
		killed "$at"
		# In the old layout while that is open, else in LTX.
		change
		lspp-ship -q a.db >acks
		comes_back
		lspp-verify -q --deep a.db >acks
		as_before
		change
		lspp-ship -q --format ltx a.db >acks
		comes_back
		as_before
		change
		lspp-ship -q a.db >acks
		comes_back
		lspp-verify -q --deep a.db >acks
	done
}

@test "killed at any call, and the state is lost" {
	local at
	for at in $(each_kill 9 31); do
		killed "$at"
		rm -rf s
		change
		lspp-ship -q --format ltx a.db >acks
		comes_back
		as_before
		change
		lspp-ship -q a.db >acks
		comes_back
	done
}

@test "killed at any call, and an old copy of the state is put back" {
	local at KEEP=1
	for at in $(each_kill 9 31); do
		killed "$at"
		rm -rf s
		cp -a s.old s
		change
		lspp-ship -q a.db >acks
		comes_back
		change
		lspp-ship -q --format ltx a.db >acks
		comes_back
		as_before
	done
}

# Nothing in the replica tells where the old layout would be gone on with.
@test "the last object is damaged, and an old copy of the state is put back" {
	local key
	first
	key=$(replica_list a.db/generations/ | grep /wal/ | tail -n 1)
	replica_get "$key" | head -c 40 >object
	replica_put "$key" object
	cp -a s s.old
	change
	lspp-ship -q --format ltx a.db >acks
	comes_back
	rm -rf s
	cp -a s.old s
	change
	lspp-ship -q a.db >acks
	comes_back
	change
	lspp-ship -q a.db >acks
	comes_back
}

@test "killed at any call, and another machine takes over" {
	local at
	for at in $(each_kill 9 31); do
		killed "$at"
		change
		run -75 on two lspp-ship -q --format ltx a.db
		change
		on two lspp-ship -q --format ltx --new-generation a.db >acks
		comes_back
		change
		run -75 lspp-ship -q a.db
		run -75 lspp-ship -q --format ltx a.db
		on two lspp-ship -q a.db >acks
		comes_back
		as_before
	done
}

@test "another machine goes on in the old layout: 75, and what it takes over is LTX" {
	first on one
	on one lspp-ship --format ltx a.db >acks
	# Its state was copied, and with it the record of the old layout.
	change
	run -75 on two lspp-ship --format ltx a.db
	assert_output --partial 'was written by somebody else'
	run -78 on two lspp-ship a.db
	run -78 on two lspp-ship --new-generation a.db
	assert_output --partial '--format ltx goes on in that layout'
	on two lspp-ship --new-generation --format ltx a.db >acks
	comes_back
	change
	run -75 on one lspp-ship a.db
	run -75 on one lspp-ship --format ltx a.db
	on two lspp-ship a.db >acks
	comes_back
}

@test "a machine with a record of the old layout stops, and so does who changes it behind another" {
	first on one
	on two lspp-ship --new-generation a.db >acks
	# One has a record, and somebody else took over.
	change
	run -75 on one lspp-ship --format ltx a.db
	assert_equal "$(ltx_files a.db)" ''
	# The other changes it: one stops, whatever it asks for.
	on two lspp-ship --format ltx a.db >acks
	comes_back
	change
	run -75 on one lspp-ship a.db
	run -75 on one lspp-ship --format ltx a.db
	run -78 on one lspp-ship --format wal --new-generation a.db
	on one lspp-ship --new-generation a.db >acks
	comes_back
	change
	run -75 on two lspp-ship a.db
	on one lspp-ship a.db >acks
	comes_back
	as_before
}

@test "a copy of the state on another machine" {
	first on one
	cp -a s.one s.two
	change
	on one lspp-ship --format ltx a.db >acks
	change
	run -75 on two lspp-ship a.db
	run -75 on two lspp-ship --format ltx a.db
	on one lspp-ship a.db >acks
	comes_back
}

@test "of two at one moment, one in each layout, one goes on" {
	local i n acked pids
	seed
	for ((n = $(count 100 5 3); n > 0; n--)); do
		replica_clear
		LSPP_REPLICA=$R
		rm -rf s.* a.db*
		first on one
		change
		on one lspp-ship -q --format ltx a.db >acks.one 2>/dev/null 3>&- &
		pids=($!)
		on two lspp-ship -q --new-generation a.db >acks.two 2>/dev/null 3>&- &
		pids+=($!)
		for i in "${pids[@]}"; do
			wait "$i" || :
		done
		change
		# Now that both are over, one of them goes on at most, or who
		# stopped both does.
		on one lspp-ship -q a.db >acks.one 2>/dev/null || :
		on two lspp-ship -q a.db >acks.two 2>/dev/null || :
		acked=$(cat acks.one acks.two | wc -l)
		[ "$acked" -le 1 ]
		[ "$acked" = 0 ] || comes_back
		as_before
		change
		on two lspp-ship -q --new-generation --format ltx a.db >acks
		comes_back
		change
		run -75 on one lspp-ship -q a.db
	done
}

# theirs -- what Litestream 0.3 ships of a.db, in the replica.
theirs() {
	local pid key
	"$LITESTREAM_03" replicate a.db "file://$T/theirs/a.db" >log 2>&1 3>&- &
	pid=$!
	wait_for compgen -G "theirs/a.db/generations/*/snapshots/*.lz4" >acks
	kill "$pid"
	wait "$pid" || :
	for key in theirs/a.db/generations/*/*/*.lz4; do
		key=${key#theirs/}
		[ "$REPLICA" = s3 ] || mkdir -p "$R/${key%/*}"
		replica_put "$key" "theirs/$key"
	done
}

@test "from what Litestream 0.3 shipped" {
	local key
	need "$LITESTREAM_03"
	sqlite3 a.db 'PRAGMA journal_mode = wal;
		CREATE TABLE t (a INTEGER PRIMARY KEY, b)' >acks
	change
	theirs
	change
	run -0 --separate-stderr lspp-ship --format ltx a.db
	assert_output a.db
	[[ $stderr == *'a new history begins, in LTX'*'is not of lspp and is left alone'* ]]
	lspp-restore -q -o - a.db >out.db
	same_db out.db a.db
	lspp-verify -q a.db >acks
	# It goes on there all the same: then nothing tells which is newer.
	key=$(replica_list a.db/generations/ | grep snapshots/)
	replica_get "$key" >object
	replica_put "${key/00000000.snap/00000007.snap}" object
	run -78 lspp-restore -q -o out a.db
	assert_output --partial 'nothing tells which'
	run -78 lspp-verify -q a.db
}

@test "whether it was closed is damaged: neither layout is taken for the newer one" {
	local key
	first
	lspp-ship --format ltx a.db >acks
	key=$(replica_list a.db/generations/owner | tail -n 1)
	replica_get "$key" >object
	printf '\xa5' | dd of=object bs=1 seek=30 conv=notrunc status=none
	replica_put "$key" object
	run -78 lspp-restore -q -o out a.db
	assert_output --partial '--format'
	lspp-restore -q --format ltx -o - a.db >out.db
	cmp out.db a.db
	# The next beginning closes it again, and not another way.
	rm -rf s
	change
	run -78 lspp-ship --new-generation --format wal a.db
	lspp-ship --new-generation --format ltx a.db >acks
	comes_back
	as_before
}
