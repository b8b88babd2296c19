#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an earlier ship has missed: found by a pass over all pages, shipped, said
# once, counted, and not forgotten before somebody has compared.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/hard
load lib/metrics

setup() {
	set +T
	need lspp-verify lspp-hot lspp-stat jq
	hard_setup
	export LSPP_STATE=$S
}

compare() {
	lspp-verify -r "$R" -s "$S" -C "$D" --against-source --json "$@"
}

get() {
	jq -r ".$1" <<<"$output"
}

fact() {
	lspp-stat --json | jq -r ".$1"
}

# missed SQL -- a commit of the application that the state takes for shipped:
# signature and position are those behind it.
missed() {
	lspp-ship -q -r "$T/other" -C "$D" -s "$S" a.db
	sql "$1"
	lspp-ship -q -r "$T/other" -C "$D" -s "$S" a.db
	sqlite3 "$S/state.db" 'UPDATE db SET (source, sig, racy) =
		(SELECT source, sig, racy FROM db WHERE root = 2) WHERE root = 1;
		DELETE FROM db WHERE root = 2'
	rm -rf "$T/other"
}

a_database() { # MODE
	sqlite3 a.db "PRAGMA journal_mode = $1; CREATE TABLE t(x);
		CREATE TABLE u(y); $(rows 30 900); INSERT INTO u VALUES(0)" >/dev/null
	app a.db
	sql 'PRAGMA wal_autocheckpoint = 0'
	sql 'UPDATE u SET y = 1'
	ship a.db >/dev/null
	sql 'UPDATE u SET y = 2'
	ship a.db >/dev/null
}

@test "a snapshot finds pages that a tail has passed over, ships them, and says so" {
	a_database wal
	missed 'UPDATE t SET x = randomblob(900) WHERE rowid IN (3, 17)'
	sql 'UPDATE u SET y = 3'
	# By the hint alone nothing is found.
	run -0 --separate-stderr ship a.db
	assert_equal "$stderr" ""
	run -65 compare a.db
	sqlite3 "$S/state.db" 'DELETE FROM verdict; DELETE FROM compared;
		UPDATE db SET racy = 0'
	sql 'UPDATE u SET y = 4'
	run -0 --separate-stderr ship --json --metrics "$T/m.prom" \
		--snapshot-interval 0s a.db
	[[ $stderr == *"a.db: 2 pages, the first "*", had changed when an earlier \
run found them unchanged: they are shipped now"* ]] || fail "$stderr"
	assert_equal "$(get healed)" 2
	# shellcheck disable=SC2034  # it is what value() reads
	F=$T/m.prom
	assert_equal "$(value lspp_healed_total)" 1
	# Once.
	sql 'UPDATE u SET y = 5'
	run -0 --separate-stderr ship --json --metrics "$T/m.prom" \
		--snapshot-interval 0s a.db
	assert_equal "$stderr" ""
	assert_equal "$(get healed)" 0
	assert_equal "$(value lspp_healed_total)" 1
	# Until somebody compares.
	assert_equal "$(fact healed)" 1
	run -1 lspp-stat --health --max-lag 1h
	assert_output --partial "1 healed (compare them: lspp-verify --against-source)"
	run -0 compare a.db
	assert_equal "$(get source)" equal
	assert_equal "$(fact healed)" 0
	app_quit
}

@test "nothing is called healed that was just committed, in any mode" {
	local mode k
	for mode in wal delete truncate persist; do
		a_database $mode
		sql "PRAGMA journal_mode = $mode"
		for ((k = 0; k < 12; k++)); do
			sql "UPDATE t SET x = randomblob(900) WHERE rowid % 5 = $((k % 5))"
			case $k in
			3) sql 'VACUUM' ;;
			5 | 9) sql 'PRAGMA wal_checkpoint(TRUNCATE)' ;;
			6) sql 'PRAGMA wal_checkpoint(RESTART)' ;;
			7) app_quit; app a.db; sql 'PRAGMA wal_autocheckpoint = 5' ;;
			8) sql 'DELETE FROM t WHERE rowid > 20' ;;
			10) touch a.db ;;
			11) sql 'INSERT INTO t SELECT x FROM t' ;;
			esac
			run -0 --separate-stderr ship --json --snapshot-interval 0s a.db
			assert_equal "$stderr" ""
			assert_equal "$(get healed)" 0
		done
		app_quit
		assert_equal "$(fact healed)" 0
		rm -rf a.db* "$S"
		replica_clear
	done
}

@test "a lock that is kept from commit to commit hides none" {
	a_database delete
	app_quit
	app a.db
	sql 'PRAGMA locking_mode = EXCLUSIVE'
	for k in 1 2 3 4; do
		sql "UPDATE t SET x = randomblob(900) WHERE rowid = $k"
		run --separate-stderr ship --json a.db
		[ "$status" = 75 ] || assert_equal "$(get healed)" 0
		[[ $stderr != *"had changed"* ]] || fail "$stderr"
	done
	app_quit
	run -0 --separate-stderr ship --json a.db
	assert_equal "$stderr" ""
	assert_equal "$(get healed)" 0
}

@test "with a journal: a page that changed without a commit" {
	local at
	a_database delete
	app_quit
	cp -p a.db was.db
	# In the middle of the rows.
	at=$(($(stat -c %s a.db) / 2))
	printf X | dd of=a.db bs=1 seek=$at conv=notrunc status=none
	touch -r was.db a.db
	run -0 --separate-stderr ship --json a.db
	[[ $stderr == *"a.db: 1 pages, the first "*" had changed when"* ]] ||
		fail "$stderr"
	assert_equal "$(get healed)" 1
	restores_to a.db a.db lspp
}

@test "hundreds of commits beside ships with snapshots: none is called healed, or wrong" {
	local k mode
	for mode in wal delete; do
		start_writer a.db -H -d 2000 -j $mode -s $RANDOM
		for ((k = 0; k < $(count 300 15) || $(committed) < 300; k++)); do
			run --separate-stderr ship --json --snapshot-interval 0s a.db
			[[ $stderr != *"had changed"* ]] || fail "$stderr"
			run --separate-stderr compare --newest a.db
			[ "$status" = 0 ] || [ "$status" = 75 ] || fail "$stderr"
		done
		stop_writer
		assert_equal "$(fact healed)" 0
		assert_equal "$(fact wrong)" 0
		rm -rf a.db* "$S"
		replica_clear
	done
}

@test "wrong is told of a database that is written to all the time" {
	a_database wal
	missed 'UPDATE t SET x = randomblob(900) WHERE rowid IN (3, 17)'
	sql 'UPDATE u SET y = 3'
	run -65 --separate-stderr compare a.db
	[[ $stderr == *"source $D/a.db: 2 pages, the first "*", are not those in \
the replica, and nothing was written to them since it was shipped"* ]] ||
		fail "$stderr"
	assert_equal "$(fact wrong)" 1
	assert_equal "$(fact broken)" 0
	run -1 lspp-stat --health --max-lag 1h
	assert_output --partial "1 wrong"
	run -0 lspp-stat --top 3 --json
	assert_regex "$(jq -r .wrong <<<"$output")" 'are not those in the replica'
	run -0 --separate-stderr ship a.db
	[[ $stderr == *"a new generation begins"* ]] || fail "$stderr"
	assert_equal "$(fact wrong)" 0
	run -0 compare a.db
	assert_equal "$(get source)" equal
	app_quit
}

@test "ahead is told by lspp-stat until it is settled" {
	a_database delete
	app_quit
	cp -a "$D" "$T/src0"
	cp -a "$S" "$T/s0"
	sqlite3 a.db 'UPDATE u SET y = 9'
	ship a.db
	rm -rf "$S" a.db
	cp -a "$T/s0" "$S"
	cp -a "$T/src0/a.db" a.db
	run -73 compare a.db
	assert_equal "$(lspp-stat --json | jq -c '[.wrong, .ahead, .broken]')" \
		'[0,1,0]'
	run -1 lspp-stat --health --max-lag 1h
	assert_output --partial "1 ahead"
	run -0 ship --new-generation a.db
	assert_equal "$(fact ahead)" 0
	run -0 compare a.db
}

@test "a state of before this is read as it is" {
	a_database delete
	app_quit
	sqlite3 "$S/state.db" 'DROP TABLE compared'
	assert_equal "$(fact healed)" 0
	run -0 lspp-stat --top 3
	run -0 compare a.db
	assert_equal "$(get source)" equal
}
