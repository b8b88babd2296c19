#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A clock that was ahead once: it is told when it is over, and what a time leads
# to is right, or said not to be certain.  (Object storage takes no request of a
# clock that is off by more than minutes.)

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/prune

setup() {
	set +T
	prune_setup
}

# at HOURS -- insert the hours into the database, and ship it then.
at() {
	sqlite3 a.db "INSERT INTO t VALUES($1)"
	NO_FAKE_STAT=1 at_time -f "+$1h" lspp-ship -r "$R" -C "$D" -s "$S" a.db
}

# newest STATUS HOURS [RESTORE-OPTION...] -- what is restored: its last row.
newest() {
	local status=$1 hours=$2
	shift 2
	rm -rf out
	run -"$status" --separate-stderr "$@"
	assert_equal "$(sqlite3 out/a.db 'SELECT max(rowid) || " " || x FROM t')" \
		"$hours"
}

# restored NOW HOURS -- lspp-restore, NOW hours from now, as of HOURS.
restored() {
	NO_FAKE_STAT=1 at_time -f "+$1h" lspp-restore -r "$R" -o out \
		--timestamp "@$((START + $2 * 3600 + 1800))" a.db
}

# A year ahead for a while, and right again.
jump() {
	START=$(date +%s)
	at 1
	at 2
	at 8000
	at 8001
	run -0 --separate-stderr at 3
	assert_regex "$stderr" "a.db: the clock went back from .* to "
	[ "$(grep -c 'went back' <<<"$stderr")" = 1 ]
	run -0 --separate-stderr at 4
	refute_regex "$stderr" "went back"
}

@test "while the time that was ahead is yet to come, a time leads to its state" {
	jump
	newest 3 "2 2" restored 5 2
	assert_regex "$stderr" "went back from"
	newest 0 "1 1" restored 5 1
	newest 0 "5 3" restored 5 3
	newest 0 "6 4" restored 5 4
	newest 0 "6 4" restored 900 800
	newest 0 "6 4" lspp-restore -r "$R" -o out a.db
}

@test "once that time is past it may be of either, and that is said" {
	jump
	at 8010
	newest 3 "2 2" restored 8020 2
	newest 3 "3 8000" restored 8020 8000
	assert_regex "$stderr" "went back from"
	newest 3 "2 2" restored 8020 20
	newest 0 "7 8010" restored 8020 8015
	newest 0 "1 1" restored 8020 1
}

@test "a time that is yet to come is not passed over in silence" {
	START=$(date +%s)
	at 1
	at 8000
	newest 3 "1 1" restored 3 2
	assert_regex "$stderr" "yet to come"
	newest 0 "2 8000" lspp-restore -r "$R" -o out a.db
}

@test "--list tells when the clock went back, and health does for a day" {
	jump
	run -0 --separate-stderr lspp-restore -r "$R" --list a.db
	assert_regex "$stderr" "generation .*: the clock .* went back from "
	run -0 --separate-stderr lspp-restore -r "$R" --list --json a.db
	assert_regex "$output" '"clock_back_from":"20[^"]*","clock_back_to":"20'
	run -0 at_time -f +4h lspp-restore -r "$R" --list --around \
		"@$((START + 4 * 3600))" a.db
	[ "${#lines[@]}" = 7 ]
	run -1 at_time -f +4h lspp-stat -s "$S" --health
	assert_output --partial "the clock went back from "
	run at_time -f +30h lspp-stat -s "$S" --health
	refute_output --partial "the clock went back"
}

@test "a snapshot is due by the real time since the last" {
	START=$(date +%s)
	local i snapshots
	at 1
	at 8000
	for i in 2 3 4 20 24; do
		at $i 2>/dev/null
	done
	# The first, one for the year, one when it was over.
	snapshots=$(replica_list | grep -c snapshot)
	[ "$snapshots" = 3 ]
	at 27
	snapshots=$(replica_list | grep -c snapshot)
	[ "$snapshots" = 4 ]
}

@test "the clock that went back twice begins a generation, and both are right" {
	jump
	at 9000
	run -0 --separate-stderr at 5
	assert_regex "$stderr" "a new generation begins: the clock went back again"
	at 6
	newest 3 "6 4" restored 7 4
	newest 0 "8 5" restored 7 5
	newest 0 "9 6" restored 7 6
	newest 0 "5 3" restored 7 3
	newest 0 "9 6" lspp-restore -r "$R" -o out a.db
}

@test "prune goes by when it was captured, not by the times of then" {
	jump
	for i in 30 60 90; do
		at $i
	done
	NO_FAKE_STAT=1 at_time -f +120h lspp-prune -r "$R" --own-clock --yes \
		--grace 1h --keep-for 40h a.db >pruned
	[ -s pruned ]
	newest 0 "9 90" restored 120 100
	newest 0 "8 60" restored 120 81
	newest 0 "9 90" lspp-restore -r "$R" -o out a.db
	run -0 lspp-verify -r "$R" --deep a.db
}

@test "--if-existed passes over what is younger, and not over what was pruned" {
	START=$(date +%s)
	at 1
	sqlite3 b.db "CREATE TABLE t(x); INSERT INTO t VALUES(1)"
	NO_FAKE_STAT=1 at_time -f +5h lspp-ship -r "$R" -C "$D" -s "$S" b.db
	fleet() {
		rm -rf out
		NO_FAKE_STAT=1 at_time -f +200h lspp-restore -r "$R" -o out \
			--timestamp "@$((START + 2 * 3600))" "$@" a.db b.db
	}
	run -1 --separate-stderr fleet
	assert_output "out/a.db"
	assert_regex "$stderr" "b.db: there is nothing as old"
	assert_regex "$stderr" "hint: it did not exist then: --if-existed"
	run -0 --separate-stderr fleet --if-existed
	assert_output "out/a.db"
	assert_equal "$stderr" \
		"lspp-restore: 1 database did not exist then: passed over"
	run -0 --separate-stderr fleet --if-existed -v
	assert_regex "$stderr" "b.db: .*did not exist then: passed over"
	# Of a.db only what is later stays.
	at 30
	at 60
	NO_FAKE_STAT=1 at_time -f +150h lspp-prune -r "$R" --own-clock --yes \
		--grace 0s --keep-last 1 a.db >pruned
	[ -s pruned ]
	run -1 --separate-stderr fleet --if-existed
	assert_regex "$stderr" "a.db: there is nothing as old"
	run -2 --separate-stderr lspp-restore -r "$R" -o out --if-existed a.db
	assert_regex "$stderr" "--if-existed needs --timestamp"
}

@test "one that a clock dated which was ahead may have existed then" {
	START=$(date +%s)
	at 8000
	for hours in 2 7; do # also before the clock went back
		[ $hours = 2 ] || at 5
		run -66 --separate-stderr at_time -f +${hours}h lspp-restore \
			-r "$R" -o out --if-existed --timestamp "@$START" a.db
		refute_regex "$stderr" 'did not exist then'
	done
	newest 0 "2 5" restored 7 6
}

@test "what is damaged, or gone on elsewhere, is not left out as old" {
	local object
	fleet() {
		rm -rf out
		run --separate-stderr at_time -f +510h lspp-restore -r "$R" \
			-o out --newer-than 3d "$@"
	}
	at 1
	sqlite3 a.db "INSERT INTO t VALUES(500)"
	NO_FAKE_STAT=1 at_time -f +500h lspp-ship -r "$R" -C "$D" -s "$S" \
		--snapshot-interval 100d a.db
	fleet a.db
	assert_success
	object=$(replica_list a.db/ | grep /wal/ | tail -1)
	truncate -s -5 "$R/$object"
	fleet a.db
	assert_failure 65
	fleet --to-last-good a.db
	assert_failure 3
	assert_output out/a.db
	# Of the generation that it went on in, the snapshot is lost.
	sqlite3 b.db "CREATE TABLE t(x)"
	at_time -f +1h lspp-ship -r "$R" -C "$D" -s "$S" b.db
	sqlite3 b.db "INSERT INTO t VALUES(1)"
	replica_list b.db/ >before
	at_time -f +500h lspp-ship --new-generation -r "$R" -C "$D" -s "$S" b.db
	replica_rm "$(replica_list b.db/ | comm -13 before - | grep snapshot)"
	fleet b.db
	assert_failure 3
	assert_output out/b.db
}

@test "tenants that left are left out by their age, found, and deleted" {
	START=$(date +%s)
	local left
	at 1
	sqlite3 b.db "CREATE TABLE t(x)"
	at_time -f +500h lspp-ship -r "$R" -C "$D" -s "$S" b.db
	sqlite3 c.db "CREATE TABLE t(x)"
	at_time -f +500h lspp-ship -r "$R" -C "$D" -s "$S" c.db
	fleet() {
		lspp-scan "$R" | at_time -f +510h lspp-restore -r "$R" -o out "$@"
	}
	R=file://$R
	run -0 --separate-stderr fleet --newer-than 3d
	assert_equal "$(sort <<<"$output")" $'out/b.db\nout/c.db'
	assert_equal "$stderr" \
		"lspp-restore: 1 database has nothing newer than that: passed over"
	[ ! -e out/a.db ]
	run -0 --separate-stderr fleet --newer-than 3d -v --if-not-exists
	assert_regex "$stderr" "a.db: .*has nothing that is newer: passed over"
	rm b.db
	scan() { lspp-scan "$1" | sed "s|^$1/||" | LC_ALL=C sort; }
	left=$(LC_ALL=C comm -13 <(scan "$D") <(scan "$R"))
	assert_equal "$left" b.db
	lspp-prune -r "$R" -s "$T/new" --erase --yes >gone <<<"$left"
	[ "$(lspp-scan "$R")" = "$R/a.db"$'\n'"$R/c.db" ]
}
