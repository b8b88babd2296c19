#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-verify --against-source: a second opinion on what was shipped, which tells
# four things apart: equal, behind, wrong and ahead.
#
# Long: begins early.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/hard

setup() {
	set +T
	need lspp-verify lspp-hot
	hard_setup
}

verify() {
	lspp-verify --settle 2s -r "$R" -s "$S" -C "$D" "$@"
}

compare() {
	verify --against-source --json "$@"
}

hot() {
	lspp-hot -r "$R" -s "$S" "$@"
}

get() {
	jq -r ".$1" <<<"$output"
}

marks() {
	sqlite3 "$S/state.db" 'SELECT CAST(key AS TEXT) FROM verdict
		WHERE broken IS NOT NULL ORDER BY 1'
}

# noted KEY -- what the state has of the last comparison: a class and when.
noted() {
	sqlite3 "$S/state.db" "SELECT class, at_ns > 0, tried_ns > 0
		FROM compared WHERE CAST(key AS TEXT) = '$1'"
}

# at_rest DB... -- shipped, and none of them is racy.
at_rest() {
	sleep 1.1
	ship "$@" >/dev/null
	[ -z "$(hot "$@")" ]
}

# history DB MODE -- five states of it, all shipped, of some pages each.
history() {
	local k
	sqlite3 "$1" "PRAGMA journal_mode = $2; CREATE TABLE t(x);
		CREATE TABLE u(y); $(rows 30 900); INSERT INTO u VALUES(0)" >/dev/null
	ship "$1" >/dev/null
	for k in 1 2 3 4; do
		sqlite3 "$1" "UPDATE t SET x = randomblob(900) WHERE rowid = 5 * $k"
		ship "$1" >/dev/null
	done
}

# keep NAME, put_back NAME [FILE...] -- sources and state, as they are now; the
# machine, or only some files of it, goes back to that.
keep() {
	rm -rf "$T/kept.$1"
	mkdir "$T/kept.$1"
	cp -a "$D" "$T/kept.$1/src"
	cp -a "$S" "$T/kept.$1/state"
}

put_back() {
	local name=$1 f
	shift
	[ $# -gt 0 ] || {
		rm -rf "$S"
		cp -a "$T/kept.$name/state" "$S"
		set -- "$D"/*
	}
	for f; do
		f=${f##*/}
		rm -f "$D/$f"
		[ ! -e "$T/kept.$name/src/$f" ] ||
			cp -a "$T/kept.$name/src/$f" "$D/$f"
	done
}

# is_ahead [TEXT] -- and told with the command that begins anew, which does.
is_ahead() {
	run -73 --separate-stderr compare a.db
	assert_output ""
	[[ $stderr == *"a.db: the replica is ahead: it is of 20"*"$D/a.db"*"${1:-}"* ]] ||
		fail "$stderr"
	[[ $stderr == *"hint: "*"lspp-ship --new-generation $D/a.db "* ]] ||
		fail "$stderr"
	assert_equal "$(marks)" ""
	assert_equal "$(noted a.db)" "73|1|0"
}

is_behind() {
	run -0 --separate-stderr compare a.db
	assert_equal "$stderr" ""
	assert_equal "$(get source)" behind
	assert_equal "$(noted a.db)" "0|1|0"
}

is_equal() {
	run -0 --separate-stderr compare --newest a.db
	assert_equal "$stderr" ""
	assert_equal "$(get source)" equal
	assert_equal "$(get newer)" 0
}

# -- how it is read ------------------------------------------------------------

@test "SQLite reads it: with a journal, a WAL in use, and one that nobody has open" {
	local before
	history a.db delete
	is_equal
	assert_equal "$(get by_sqlite)" true
	sqlite3 a.db 'PRAGMA journal_mode = WAL' >/dev/null
	ship a.db >/dev/null
	is_equal # no -wal
	assert_equal "$(get by_sqlite)" true
	app a.db
	sql 'PRAGMA wal_autocheckpoint = 0'
	sql "UPDATE t SET x = randomblob(900) WHERE rowid = 3"
	ship a.db >/dev/null
	is_equal
	assert_equal "$(get by_sqlite)" true
	kill -KILL "$APP_ID"
	wait "$APP_ID" || :
	LIVE=()
	before=$(sha_tree "$D")
	is_equal # a -shm that nobody has
	assert_equal "$(get by_sqlite)" true
	assert_equal "$(sha_tree "$D")" "$before"
	rm a.db-shm
	ship a.db >/dev/null
	before=$(sha_tree "$D")
	is_equal # and none at all
	assert_equal "$(get by_sqlite)" true
	assert_equal "$(sha_tree "$D")" "$before"
}

@test "what SQLite cannot read without writing is read from its files, or told" {
	local before
	root_or_skip "for a mount"
	unshare -m true 2>/dev/null || skip "needs mounts"
	history a.db wal
	history b.db delete
	# Nothing beside it may be made, and nothing needs to be.
	run -0 --separate-stderr unshare -m sh -ec '
		mount --bind "$1" "$1"
		mount -o remount,ro,bind "$1"
		lspp-verify -r "$2" -s "$3" -C "$1" --against-source --json a.db b.db' \
		- "$D" "$R" "$S"
	assert_equal "$(jq -r .source <<<"$output" | sort -u)" equal
	assert_equal "$(jq -r .by_sqlite <<<"$output" | sort -u)" true
	# Under an exclusive lock nobody else has a transaction.
	app b.db
	sql 'PRAGMA locking_mode = EXCLUSIVE'
	sql 'UPDATE u SET y = y + 1'
	before=$(sha_tree "$D")
	run --separate-stderr verify -v --against-source b.db
	[[ $stderr == *"b.db: the source was read from its files, as lspp-ship \
does, not by SQLite: locked by a writer"* ]] || fail "$status: $stderr"
	assert_equal "$(sha_tree "$D")" "$before"
	app_quit
	# A hot journal.
	sqlite3 b.db 'PRAGMA journal_mode = DELETE'
	app b.db
	sql 'PRAGMA cache_size = 5'
	sql 'BEGIN IMMEDIATE'
	sql 'UPDATE t SET x = randomblob(800)'
	kill -KILL "$APP_ID"
	wait "$APP_ID" || :
	LIVE=()
	before=$(sha_tree "$D")
	run -75 --separate-stderr compare b.db
	[[ $stderr == *"source $D/b.db: hot journal"* ]] || fail "$stderr"
	assert_equal "$(sha_tree "$D")" "$before"
	# It was compared above, if it could be; now that was tried.
	assert_equal "$(noted b.db | cut -d '|' -f 3)" 1
}

# -- equal and behind ----------------------------------------------------------

@test "behind is neither wrong nor ahead: whatever is committed" {
	local mode
	for mode in delete truncate persist wal; do
		history a.db $mode
		at_rest a.db
		is_equal
		app a.db
		sql "PRAGMA journal_mode = $mode"
		sql 'UPDATE u SET y = 1'
		is_behind
		assert [ "$(get newer)" -ge 1 ]
		ship a.db
		is_equal
		# A page that goes back to what it was.
		sql 'UPDATE u SET y = 0'
		is_behind
		sql 'UPDATE u SET y = 1'
		run -0 compare a.db
		sql 'VACUUM'
		is_behind
		app_quit
		is_behind
		ship a.db
		is_equal
		rm -rf a.db* "$S"
		replica_clear
	done
}

@test "behind: another file in its place, and one that is younger than its times" {
	history a.db delete
	at_rest a.db
	sqlite3 b.db 'CREATE TABLE v(x); INSERT INTO v VALUES(1)'
	cp a.db c.db
	mv b.db a.db
	is_behind
	mv c.db a.db
	is_equal
	# An application that rewrites what it was restored from.
	cp a.db c.db
	sqlite3 c.db 'UPDATE u SET y = 7; VACUUM'
	mv c.db a.db
	is_behind
}

@test "behind: a ship that was killed at any moment, and a page that went back" {
	local n calls
	history a.db wal
	app a.db
	sql 'UPDATE u SET y = 0'
	at_rest a.db
	sql 'UPDATE u SET y = 1'
	cp -a "$S" "$T/s0"
	replica_save "$T/r0"
	atcall -k write -o "$T/calls" lspp-ship -j 1 -r "$R" -C "$D" -s "$S" \
		a.db >/dev/null
	calls=$(<"$T/calls")
	for ((n = 1; n <= calls; n++)); do
		rm -rf "$S"
		cp -a "$T/s0" "$S"
		replica_back "$T/r0"
		sql 'UPDATE u SET y = 1'
		run -137 atcall -k write -n $n lspp-ship -j 1 -r "$R" -C "$D" \
			-s "$S" a.db
		run -0 --separate-stderr compare a.db
		assert_equal "$stderr" ""
		sql 'UPDATE u SET y = 0'
		run -0 --separate-stderr compare a.db
		assert_equal "$stderr" ""
		sql 'UPDATE u SET y = 2'
		is_behind
	done
	app_quit
}

@test "behind: the state alone is put back, and the clock was ahead" {
	history a.db delete
	keep old
	sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid > 25'
	ship a.db
	sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid = 2'
	ship a.db
	rm -rf "$S"
	cp -a "$T/kept.old/state" "$S"
	is_equal
	sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid = 9'
	is_behind
	ship a.db
	is_equal
	# All times of writes are earlier than the capture, for an hour.
	sqlite3 a.db 'UPDATE u SET y = 5'
	at_time -f +1h lspp-ship -q -r "$R" -C "$D" -s "$S" a.db
	is_equal
	sqlite3 a.db 'UPDATE u SET y = 6'
	is_behind
	rm -rf "$S"
	run -0 --separate-stderr compare a.db
	assert_equal "$(get source)" behind
}

# -- wrong ---------------------------------------------------------------------

# make_wrong -- the record has the signature of what was never shipped.
make_wrong() {
	lspp-ship -q -r "$T/other" -C "$D" -s "$S" a.db
	sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid IN (1, 9, 27)'
	sleep 1.1
	lspp-ship -q -r "$T/other" -C "$D" -s "$S" a.db
	sqlite3 "$S/state.db" 'UPDATE db SET racy = 0, sig =
		(SELECT sig FROM db WHERE root = 2) WHERE root = 1'
	[ -z "$(hot a.db)" ]
}

@test "wrong: 65, and the next ship begins anew" {
	local mode
	for mode in delete wal; do
		history a.db $mode
		at_rest a.db
		make_wrong
		run -0 verify --deep a.db # sound, by itself
		run -65 --separate-stderr compare a.db
		assert_output ""
		[[ $stderr == *"a.db: source $D/a.db: "*" pages are not those in the \
replica, and nothing was written to it since"*"hint: the next lspp-ship begins it anew"* ]] ||
			fail "$stderr"
		assert_equal "$(marks)" a.db
		assert_equal "$(noted a.db)" "65|1|0"
		assert_equal "$(hot a.db)" a.db
		run -0 --separate-stderr ship a.db
		[[ $stderr == *"a.db: a new generation begins: lspp-verify found"* ]] ||
			fail "$stderr"
		assert_equal "$(marks)" ""
		is_equal
		restores_to a.db a.db lspp
		run -0 --separate-stderr compare a.db # all of it
		assert_equal "$stderr" ""
		rm -rf a.db* "$S" "$T/other"
		replica_clear
	done
}

@test "wrong is not said if anything moves between the looks" {
	history a.db delete
	at_rest a.db
	make_wrong
	# A commit while it looks: then it was written to.
	run -0 --separate-stderr atcall -f /a.db -k read -n 1 \
		-x "sqlite3 '$D/a.db' 'UPDATE u SET y = y + 1'" \
		lspp-verify -j 1 -r "$R" -s "$S" -C "$D" --against-source a.db
	assert_equal "$(marks)" ""
	run -0 compare a.db
}

# -- ahead ---------------------------------------------------------------------

@test "ahead: the machine was put back, idle, at work, and begun anew" {
	local mode
	for mode in delete wal; do
		history a.db $mode
		at_rest a.db
		keep old
		for k in 1 2 3; do
			sqlite3 a.db "UPDATE t SET x = randomblob(900)
				WHERE rowid = 7 * $k"
			ship a.db >/dev/null
		done
		put_back old
		is_ahead "is what it was at 20"
		# Another history begins.
		sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid = 2'
		is_ahead
		sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid = 12'
		sqlite3 a.db 'UPDATE u SET y = 12'
		is_ahead
		# What the hint says.
		run -0 ship --new-generation "$D/a.db"
		is_equal
		assert_equal "$(noted a.db)" "0|1|0"
		run -0 verify --deep a.db
		rm -rf a.db* "$S"
		replica_clear
	done
}

@test "ahead: the disk of the machine was put back, with all times" {
	history a.db delete
	at_rest a.db
	keep old
	sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid = 3'
	ship a.db
	put_back old
	# Files are made anew here: the record is to know these.
	lspp-ship -q -r "$T/other" -C "$D" -s "$S" a.db
	sleep 1.1
	lspp-ship -q -r "$T/other" -C "$D" -s "$S" a.db
	sqlite3 "$S/state.db" 'UPDATE db SET racy = 0, sig =
		(SELECT sig FROM db WHERE root = 2) WHERE root = 1'
	assert_equal "$(hot a.db)" ""
	is_ahead "is what it was at 20"
	# A pass, in which it has not changed, does not take it away.
	ship a.db
	is_ahead
}

@test "ahead: the database alone was put back from a backup" {
	local mode how captured
	for mode in delete wal; do
		history a.db $mode
		sqlite3 a.db 'VACUUM' # page 1 changes
		captured=$(ship --json a.db | jq -r .captured)
		keep old
		sqlite3 a.db 'UPDATE t SET x = randomblob(900) WHERE rowid = 3;
			VACUUM'
		ship a.db >/dev/null
		cp -a a.db now.db
		for how in 'cp -a' cp mv 'in place' restore; do
			cp -a now.db a.db
			ship a.db >/dev/null
			is_equal
			rm -f a.db-wal a.db-shm
			case $how in
			cp*) rm a.db; $how "$T/kept.old/src/a.db" a.db ;;
			mv) cp "$T/kept.old/src/a.db" b.db; mv b.db a.db ;;
			'in place') cat "$T/kept.old/src/a.db" >a.db ;;
			restore)
				lspp-restore -q -r "$R" -C "$D" --force \
					--timestamp "$captured" a.db >/dev/null ;;
			esac
			is_ahead "is what it was at 20"
			ship a.db >/dev/null
			is_equal
		done
		rm -rf ./*.db* "$S"
		replica_clear
	done
}

@test "ahead is another machine's affair where that shipped it" {
	history a.db delete
	keep old
	sqlite3 a.db 'UPDATE u SET y = 1'
	LSPP_MACHINE=other lspp-ship -q -r "$R" -C "$D" -s "$T/s2" \
		--new-generation a.db
	put_back old
	run -75 --separate-stderr compare a.db
	[[ $stderr == *"was written by somebody else"* ]] || fail "$stderr"
}

# -- races ---------------------------------------------------------------------

@test "a commit, or a ship, at any moment of a look is no finding" {
	local n reads mode file
	for mode in '/a.db delete' '/a.db wal' '/a.db-wal wal' '/a.db-shm wal'; do
		file=${mode% *} mode=${mode#* }
		history a.db $mode
		at_rest a.db
		app a.db # keeps a WAL
		sql 'PRAGMA wal_autocheckpoint = 0'
		[ $mode = delete ] || sql 'UPDATE t SET x = randomblob(900)'
		ship a.db >/dev/null
		atcall -f $file -k read -o "$T/reads" lspp-verify -j 1 -r "$R" \
			-s "$S" -C "$D" --against-source a.db >/dev/null
		reads=$(<"$T/reads")
		assert [ "$reads" -ge 2 ] || [ $file = /a.db-shm ]
		for ((n = 1; n <= reads; n++)); do
			run -0 --separate-stderr atcall -f $file -k read -n $n \
				-x "sqlite3 -cmd '.timeout 0' '$D/a.db' \
'UPDATE u SET y = y + 1' >/dev/null 2>&1; \
lspp-ship -q --lock-wait 0s -r '$R' -C '$D' -s '$S' a.db >/dev/null 2>&1 || :" \
				lspp-verify -j 1 -r "$R" -s "$S" -C "$D" \
				--against-source a.db
			assert_equal "$stderr" ""
		done
		app_quit
		assert_equal "$(marks)" ""
		rm -rf a.db* "$S"
		replica_clear
	done
}

@test "no false alarm under a writer with hundreds of commits, and ships" {
	local mode k rounds n
	rounds=$(count 400 12 6)
	for mode in wal delete; do
		start_writer a.db -H -d 3000 -j $mode -s $RANDOM
		ship -q a.db >/dev/null || :
		(
			while [ ! -e "$T/stop" ]; do
				ship -q --snapshot-interval 2s a.db >/dev/null 2>>"$T/log"
			done
		) 3>&- &
		LIVE+=($!)
		for ((k = 0; k < rounds || $(committed) < 300; k++)); do
			run --separate-stderr verify --against-source --newest a.db
			case $status in
			0) assert_equal "$stderr" "" ;;
			# It may be written too fast; never is that a finding.
			75) [[ $stderr == *"faster than it can be read"* ||
				$stderr == *locked* ]] || fail "$stderr" ;;
			*) fail "$mode: $status: $stderr" ;;
			esac
		done
		: >"$T/stop"
		wait "${LIVE[-1]}" || :
		n=$(committed)
		kill "$WRITER"
		wait "$WRITER"
		LIVE=()
		assert_equal "$(marks)" ""
		assert_equal "$(sqlite3 "$S/state.db" \
			'SELECT count(*) FROM compared WHERE class <> 0')" 0
		say "$mode: $n commits"
		ship a.db >/dev/null
		is_equal
		rm -rf a.db* "$S" "$T/stop"
		replica_clear
	done
}

@test "a writer with a journal waits for a moment, however large the database" {
	local line
	sqlite3 a.db "CREATE TABLE u(y); INSERT INTO u VALUES(0);
		CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(120000000))"
	ship a.db >/dev/null
	writer -j delete -b 60000 -n 1 b.db
	ship b.db >/dev/null
	start_writer b.db -l -d 2000 -j delete
	for _ in 1 2 3; do
		run --separate-stderr verify --against-source --newest b.db
		[ "$status" = 0 ] || [ "$status" = 75 ] || fail "$stderr"
	done
	kill "$WRITER"
	wait "$WRITER"
	LIVE=()
	line=$(tail -n 1 "$T/writer.out")
	say "$line"
	# In microseconds; a step of 256 KiB, and a machine that is busy.
	assert [ "${line##* }" -lt 2000000 ]
	run -0 --separate-stderr compare a.db
	assert_equal "$(get by_sqlite)" true
}

# -- which, and how often ------------------------------------------------------

@test "--sample compares those first that never were, then the oldest" {
	local k i
	for i in 1 2 3 4 5 6; do
		sqlite3 $i.db 'CREATE TABLE t(x)'
	done
	ship ./*.db >/dev/null
	# Another kind of look does not count.
	run -0 verify --deep '*.db'
	for k in 1 2 3; do
		run -0 compare --sample 2
		jq -r .path <<<"$output" >>"$T/seen"
		assert_equal "$(jq -r .source <<<"$output" | sort -u)" equal
	done
	assert_equal "$(sort -u "$T/seen" | wc -l)" 6
	run -0 compare --sample 1
	assert_equal "$(get path)" "$(sqlite3 "$S/state.db" 'SELECT
		CAST(key AS TEXT) FROM compared ORDER BY at_ns DESC LIMIT 1')"
	# What cannot be read does not keep the others waiting.
	rm 3.db 4.db
	for k in 1 2 3 4; do
		run lspp-verify -q -r "$R" -s "$S" --against-source --sample 2
		printf '%s\n' "${lines[@]}" >>"$T/again"
	done
	assert [ "$(grep -c '^[1256].db$' "$T/again")" -ge 4 ]
}
