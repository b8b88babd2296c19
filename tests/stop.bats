#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A signal ends a run within moments, whatever it waits for: each of these would
# wait for half a minute or more.
#
# Long: begins early.

load lib/hard
load lib/s3_up

LIMIT=12 # seconds; two would do on a machine with nothing else to do

setup() {
	set +T
	need lspp-hot lspp-verify lspp-prune faulty strace
	hard_setup
	STOPPED=''
}

teardown() {
	[ -z "$STOPPED" ] || kill -CONT "$STOPPED"
	exec 6>&-
	hard_teardown
	s3_faulty_stop
}

# begin COMMAND... -- in the background, as PID; also where all of this runs under
# nohup.
begin() {
	env --default-signal "$@" >"$T/out" 2>"$T/err" 3>&- 6>&- &
	PID=$!
	LIVE+=("$PID")
}

# ends SIGNAL -- PID does, by that, in time.
ends() {
	local status=0 began=$SECONDS
	kill "-$1" "$PID"
	wait "$PID" || status=$?
	echo "$((SECONDS - began)) s after SIG$1"
	cat "$T/err"
	assert_equal "$status" $((128 + $(kill -l "$1")))
	assert [ $((SECONDS - began)) -lt $LIMIT ]
}

# has_open FILE-PATTERN -- in any thread's or tracer's child.
has_open() {
	readlink "/proc/$PID/fd/"* 2>/dev/null | grep -q "$1"
}

# silent -- R is on a server that takes connections, and no more; a.db, shipped to
# it before, has changed.
silent() {
	sqlite3 a.db 'CREATE TABLE t (x)'
	s3_bucket
	s3_faulty
	R=s3://$BUCKET/fleet
	ship a.db >/dev/null
	sqlite3 a.db 'INSERT INTO t VALUES (1)'
	STOPPED=$(cat "$T/faulty.pid")
	kill -STOP "$STOPPED"
}

@test "a server that is silent" {
	silent
	for sig in TERM HUP; do
		begin lspp-ship -r "$R" -C "$D" -s "$S" a.db
		wait_for has_open socket
		ends $sig
	done
	for p in "lspp-restore -r $R -o $T/new a.db" \
		"lspp-verify --deep -r $R a.db" \
		"lspp-prune --yes --keep-last 1 -r $R a.db" \
		"lspp-scan $R"; do
		# shellcheck disable=SC2086
		begin $p
		wait_for has_open socket
		ends TERM
	done
	# Nothing of it is harmful.
	kill -CONT "$STOPPED"
	STOPPED=''
	ship a.db >/dev/null
	image a.db "$T/image"
	restores_to a.db "$T/image" lspp
}

@test "another run that has the database" {
	silent
	begin lspp-ship -r "$R" -C "$D" -s "$S" a.db
	wait_for has_open socket
	other=$PID
	begin lspp-ship -r "$R" -C "$D" -s "$S" --lock-wait 1h a.db
	wait_for has_open state.db
	ends TERM
	# Who has it is said.
	run -75 --separate-stderr ship --lock-wait 0s a.db
	# shellcheck disable=SC2154
	assert_regex "$stderr" "a.db: another run is shipping it, process $other"
	kill -KILL "$other"
}

@test "a state that somebody else has locked" {
	sqlite3 a.db 'CREATE TABLE t (x)'
	ship a.db >/dev/null
	mkfifo "$T/sql"
	sqlite3 "$S/state.db" <"$T/sql" >"$T/locked" 3>&- &
	LIVE+=("$!")
	exec 6>"$T/sql"
	echo 'BEGIN IMMEDIATE; SELECT 1;' >&6
	wait_for test -s "$T/locked"
	sqlite3 a.db 'INSERT INTO t VALUES (1)'
	begin lspp-ship -r "$R" -C "$D" -s "$S" a.db
	wait_for has_open state.db
	ends TERM
	exec 6>&-
	wait "${LIVE[0]}"
	LIVE=()
	run -0 ship a.db
}

@test "a disk that is slow" {
	sqlite3 a.db 'CREATE TABLE t (x);
		INSERT INTO t VALUES (randomblob(12000000))'
	ship a.db >/dev/null
	rm -rf "$T/new"
	for p in "lspp-restore -r $R -o $T/new a.db" \
		"lspp-verify --deep -r $R a.db"; do
		# shellcheck disable=SC2086
		begin env ASAN_OPTIONS=detect_leaks=0 strace -D -f -qq -o /dev/null -e trace=pread64 \
			-e inject=pread64:delay_enter=700000 $p
		wait_for has_open 'snapshot\.lz4$'
		ends TERM
		assert_equal "$(cat "$T/out")" ''
	done
	refute [ -e "$T/new/a.db" ]
	rm -rf "$S"
	replica_clear
	begin env ASAN_OPTIONS=detect_leaks=0 strace -D -f -qq -o /dev/null -e trace=pwrite64 \
		-e inject=pwrite64:delay_enter=200000 \
		lspp-ship -r "$R" -C "$D" -s "$S" a.db
	wait_for has_open "$S/.* (deleted)"
	ends TERM
	assert_equal "$(cat "$T/out")" ''
	run -0 ship a.db
}
