#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A writer that does everything an application may do to its WAL, while lspp
# ships: every state that is restored is one the writer committed.
#
# Twice: on S3, too.
# And as LTX.

load lib/hard

setup() {
	set +T
	hard_setup
}

# attempt -- ship once; what -v says goes to $T/log.  What was committed when
# it began is in BEFORE.
attempt() {
	BEFORE=$(committed)
	STATUS=0
	ship -v a.db >"$T/stdout" 2>"$T/stderr" || STATUS=$?
	cat "$T/stderr" >>"$T/log"
}

# restored_state BY -- it was committed, and no earlier than the ship began.
restored_state() {
	restore "$1" a.db "$T/by-$1" || return
	judge "$T/by-$1" "$BEFORE" "$(committed)" >/dev/null || {
		echo "as restored by $1"
		return 1
	}
}

# seen WORD -- how often "-v" said it.
seen() {
	grep -cw -- "$1" "$T/log" || :
}

all_hints() {
	[ "$(seen 'hint tail')" -gt 0 ] && [ "$(seen 'hint diff')" -gt 0 ] &&
		[ "$(seen 'hint recovered')" -gt 0 ]
}

# ship_and_judge ROUND -- every tenth state is restored, by lspp and by one of
# the litestreams, to the same bytes.
ship_and_judge() {
	local other=03
	[ $(($1 % 20)) -ne 0 ] || other=05
	attempt
	[ "$STATUS" -ne 75 ] || [ -z "${MAY_BE_BUSY:-}" ] || return 0
	[ "$STATUS" -eq 0 ] || { cat "$T/stderr"; return 1; }
	FINE=$((FINE + 1))
	[ $(($1 % 10)) -eq 0 ] || return 0
	restored_state lspp && restored_state $other || return
	cmp "$T/by-lspp" "$T/by-$other"
}

# write N -- transactions that come and go, as long as an app is connected.
write() {
	writer -n "$1" -s "$RANDOM" -c "$T/committed" a.db >/dev/null
}

# one_of_each -- which hints come up is the hostile writer's luck: here is what
# each of them is for, in one database that goes on from where that one was.
one_of_each() {
	app a.db
	sql "PRAGMA wal_checkpoint(TRUNCATE)"
	write 60 # so that there is something behind the end of the next
	sql "PRAGMA wal_checkpoint(PASSIVE)"
	write 30
	judged_ship
	write 3 # more of the same WAL
	judged_ship
	sql "PRAGMA wal_checkpoint(PASSIVE)"
	write 1 # restarts it, over the oldest frames
	judged_ship
	write 2
	sql "PRAGMA wal_checkpoint(TRUNCATE)"
	write 2
	sql "PRAGMA wal_checkpoint(TRUNCATE)"
	write 2
	judged_ship
	app_quit
}

# each_hint -- once, and again where a busy machine made a ship too late for its
# hint: it reads all then, which is right, too.
each_hint() {
	for _ in 1 2 3 4 5; do
		one_of_each
		! all_hints || return 0
	done
}

judged_ship() {
	ship_and_judge 10
	ROUND=$((ROUND + 1))
}

# the_end -- nobody writes: what is restored is what is there.
the_end() {
	ship a.db >/dev/null
	image a.db "$T/image"
	judge "$T/image" "$(committed)" "$(committed)" >/dev/null
	restores_to a.db "$T/image"
	[ "$(generations a.db)" -eq 1 ] || {
		echo "$(generations a.db) generations"
		return 1
	}
	no_litter
}

figures() {
	local word text="$1: $FINE ships of $((ROUND - 1)),"
	for word in tail recovered diff; do
		text="$text $word $(seen "hint $word"),"
	done
	for word in plain chain shared locked journal; do
		text="$text $word $(seen "read $word"),"
	done
	say "${text%,}; transactions $(committed)"
}

@test "a hostile WAL: every restored state was committed, in one history" {
	local n
	n=$(count 300 40 20)
	seed
	FINE=0
	start_writer a.db -H -d 600 -s "$RANDOM"
	for ((ROUND = 1; ROUND <= n; ROUND++)); do
		ship_and_judge "$ROUND"
	done
	stop_writer
	each_hint
	the_end
	figures wal
	all_hints
}

@test "a hostile WAL with large pages, indexes that roll, many snapshots" {
	local n
	n=$(count 100 15)
	seed
	FINE=0
	start_writer a.db -H -d 300 -p 65536 -s "$RANDOM"
	for ((ROUND = 1; ROUND <= n; ROUND++)); do
		attempt
		[ "$STATUS" -eq 0 ] || { cat "$T/stderr"; return 1; }
		ship --roll-at 200000 a.db >/dev/null
		FINE=$((FINE + 1))
		[ $((ROUND % 5)) -ne 0 ] || ship --snapshot-interval 0s a.db \
			>/dev/null
		[ $((ROUND % 5)) -ne 0 ] || restored_state lspp
		[ $((ROUND % 15)) -ne 0 ] || restored_state 05
	done
	stop_writer
	the_end
	figures "wal, 64 KiB pages"
}

@test "a hostile writer with a rollback journal" {
	local n
	n=$(count 300 30 12)
	seed
	FINE=0 MAY_BE_BUSY=yes
	start_writer a.db -H -j delete -d 2000 -s "$RANDOM"
	for ((ROUND = 1; ROUND <= n; ROUND++)); do
		ship_and_judge "$ROUND"
	done
	stop_writer
	the_end
	figures delete
	assert [ $((FINE * 2)) -gt "$n" ]
}

# interfere -- what happens in the middle of a ship: transactions, and around
# them checkpoints that restart or truncate the WAL, or only one behind them,
# which writes to the database and leaves the WAL.  Waits for no lock, since who
# holds it has been stopped.
interfere() {
	cat >"$T/interfere" <<-'END'
		#!/bin/sh
		exec >/dev/null 2>&1
		[ "$2" = LATE ] || sqlite3 "$1" "PRAGMA wal_checkpoint($2)"
		writer -w 0 -n 25 -s "$3" "$1"
		[ "$2" != LATE ] || exec sqlite3 "$1" "PRAGMA wal_checkpoint"
		sqlite3 "$1" "PRAGMA wal_checkpoint($2)"
		exec writer -w 0 -n 1 -s "$3" "$1"
	END
	chmod +x "$T/interfere"
}

# at_read N MODE -- ship, and interfere before the N-th read.  What is restored
# was committed before that or by it.
at_read() {
	local before all=()
	[ "$2" != LATE ] || all=(--snapshot-interval 0s) # so all is read
	before=$(sqlite3 a.db "SELECT n FROM meta")
	STATUS=0
	atcall -k read -n "$1" -x "$T/interfere a.db $2 $1 || :" \
		lspp-ship -j1 -v -r "$R" -C "$D" -s "$S" --max-hold 60000 \
		"${all[@]}" a.db \
		>"$T/stdout" 2>"$T/stderr" || STATUS=$?
	cat "$T/stderr" >>"$T/log"
	[ "$STATUS" -ne 75 ] || return 0
	[ "$STATUS" -eq 0 ] || { cat "$T/stderr"; return 1; }
	FINE=$((FINE + 1))
	restore lspp a.db "$T/by-lspp" &&
		judge "$T/by-lspp" "$before" >/dev/null || {
		echo "checkpoint $2 and transactions before read $1"
		return 1
	}
}

# at_every_read JOURNAL MODES -- of a ship, in turn.
at_every_read() {
	local at n step mode
	seed
	interfere
	writer -j "$1" -n 200 -b 900 a.db >/dev/null
	app a.db # so that the -wal stays
	sql "SELECT COUNT(*) FROM log"
	ship a.db >/dev/null
	FINE=0 ROUND=1 step=$(count 1 5 23)
	for mode in $2; do
		writer -n 20 -s 5 -c "$T/committed" a.db >/dev/null
		atcall -k read -o "$T/reads" lspp-ship -j1 -r "$R" -C "$D" \
			-s "$S" a.db >/dev/null
		n=$(cat "$T/reads")
		for ((at = 1 + RANDOM % step; at <= n; at += step)); do
			writer -n 9 -s "$at" a.db >/dev/null
			at_read "$at" "$mode"
			ROUND=$((ROUND + 1))
		done
	done
	ship a.db >/dev/null
	image a.db "$T/image"
	restores_to a.db "$T/image"
	[ "$(generations a.db)" -eq 1 ]
	figures "$1, interfered with"
	app_quit
}

@test "transactions and checkpoints before any read of a ship: WAL" {
	at_every_read wal "RESTART TRUNCATE LATE"
}

@test "transactions before any read of a ship: rollback journal" {
	at_every_read delete LATE
}
