#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A restore over a database that an application has open: refused, or written
# into it, while the application goes on.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-ship lspp-restore lspp-hot sqlite3
	cd "$T" || return
	export LSPP_STATE=$T/state LSPP_REPLICA=$T/rep LSPP_BASE=$T/src
	mkdir src
	APP=
}

teardown() {
	[ -z "$APP" ] || kill "$APP" 2>/dev/null || :
}

# database MODE -- a.db, whose table has rows 1 and, shipped later, 2.
database() {
	sqlite3 src/a.db "PRAGMA page_size = ${2:-4096};
		PRAGMA journal_mode = $1;
		CREATE TABLE t(x); INSERT INTO t VALUES(1)" >/dev/null
	lspp-ship -q src/a.db >/dev/null
	FIRST=$(date +%s.%N)
	sqlite3 src/a.db 'INSERT INTO t VALUES(2)'
	lspp-ship -q src/a.db >/dev/null
}

# open_app -- an sqlite3 that has a.db open and takes statements by tell.
open_app() {
	mkfifo ask answer
	sqlite3 -cmd '.timeout 20000' src/a.db <ask >answer 2>app.err &
	APP=$!
	exec 8>ask 9<answer
	tell 'SELECT max(x) FROM t;'
}

# tell SQL -- the application's one-line answer.
tell() {
	echo "$1" >&8
	read -r -t 30 ANSWER <&9
}

rows() {
	sqlite3 "$1" 'SELECT group_concat(x) FROM t'
}

@test "--force leaves alone what is open, and names the process" {
	database wal
	open_app
	run -75 --separate-stderr lspp-restore --force "$T/src/a.db"
	assert_output ''
	assert_regex "$stderr" "a\.db is open in process $APP \(sqlite3\)"
	assert_regex "$stderr" 'hint: .*--live.*--force-open'
	tell 'INSERT INTO t VALUES(3); SELECT max(x) FROM t;'
	assert_equal "$ANSWER" 3
	exec 8>&-
	wait "$APP"
	assert_equal "$(rows src/a.db)" 1,2,3
	lspp-restore -q --force "$T/src/a.db"
	assert_equal "$(rows src/a.db)" 1,2
}

@test "--force-open replaces it all the same" {
	database wal
	open_app
	tell 'INSERT INTO t VALUES(3); SELECT max(x) FROM t;'
	lspp-restore -q --force-open "$T/src/a.db"
	assert_equal "$(rows src/a.db)" 1,2
}

live() {
	database "$1"
	open_app
	assert_equal "$ANSWER" 2
	run --separate-stderr lspp-restore --live --timestamp "@$FIRST" "$T/src/a.db"
	assert_success
	assert_output "$T/src/a.db"
	# The application sees it, and goes on.
	tell 'SELECT group_concat(x) FROM t;'
	assert_equal "$ANSWER" 1
	tell 'INSERT INTO t VALUES(7); SELECT group_concat(x) FROM t;'
	assert_equal "$ANSWER" 1,7
	assert_equal "$(find src -name '.lspp*')" ''
	assert_equal "$(sqlite3 src/a.db 'PRAGMA journal_mode')" "$1"
	assert_equal "$(sqlite3 src/a.db 'PRAGMA integrity_check')" ok
	# One segment of the same generation.
	run --separate-stderr lspp-ship -v src/a.db
	assert_regex "$stderr" 'shipped segment'
	[[ $stderr != *'new generation'* ]]
	assert_equal "$(find rep -name '*.snapshot.lz4' | wc -l)" 1
	lspp-restore -q -o out a.db
	assert_equal "$(rows out/a.db)" 1,7
}

@test "--live writes into a WAL database while it is open" {
	live wal
}

@test "--live writes into a rollback database while it is open" {
	live delete
}

@test "--live passes through a directory that is a link" {
	database wal
	mv src elsewhere
	ln -s elsewhere src
	lspp-restore -q --live --timestamp "@$FIRST" "$T/src/a.db"
	assert_equal "$(rows src/a.db)" 1
	ln -s a.db elsewhere/b.db
	run -73 --separate-stderr lspp-restore --live "$T/src/b.db"
}

@test "--live needs a database, and the lock" {
	database delete
	run -66 --separate-stderr lspp-restore --live "$T/src/b.db"
	open_app
	tell 'BEGIN EXCLUSIVE; SELECT 1;'
	run -75 --separate-stderr lspp-restore --live --live-wait 1s "$T/src/a.db"
	assert_regex "$stderr" 'in use: no lock within 1 s'
	tell 'ROLLBACK; SELECT 1;'
	assert_equal "$(rows src/a.db)" 1,2
	assert_equal "$(find src -name '.lspp*')" ''
}

waits() {
	compgen -G 'src/.lspp*' >/dev/null
}

@test "--live waiting for a lock, or in the middle of it, ends by a signal" {
	local n status
	database delete
	open_app
	tell 'BEGIN EXCLUSIVE; SELECT 1;'
	lspp-restore --live --live-wait 5m "$T/src/a.db" >out 2>err 9<&- &
	n=$!
	wait_for waits
	SECONDS=0 status=0
	kill -TERM $n
	wait $n || status=$?
	assert_equal "$status" 143
	assert [ $SECONDS -lt 60 ]
	assert_equal "$(cat out)" ''
	tell 'ROLLBACK; SELECT 1;'
	assert_equal "$(rows src/a.db)" 1,2
	assert_equal "$(find src -name '.lspp*')" ''
}

@test "--live and --force leave the state alone" {
	local how
	mkdir -p other/state
	sqlite3 other/state/state.db 'CREATE TABLE t(x)'
	lspp-ship -q -C other other/state/state.db >/dev/null
	for how in --live --force --force-open; do
		run -65 --separate-stderr lspp-restore -s state \
			-C "$T" $how "$T/state/state.db"
		assert_output ''
		assert_regex "$stderr" 'this is the state of lspp'
	done
	# Nor, live, one that nobody has open.
	run -65 --separate-stderr lspp-restore -C "$T" --live "$T/state/state.db"
	assert_regex "$stderr" 'it is a state of lspp'
	assert_equal "$(sqlite3 state/state.db 'SELECT count(*) FROM db')" 1
}

@test "--live does not write where an application would not see it" {
	local n
	database wal
	ln src/a.db src/b.db
	run -73 --separate-stderr lspp-restore --live "$T/src/a.db"
	assert_regex "$stderr" 'it has hard links'
	rm src/b.db
	for n in -wal -shm; do
		open_app
		tell 'INSERT INTO t VALUES(3); SELECT 1;'
		rm "src/a.db$n"
		run -75 --separate-stderr lspp-restore --live "$T/src/a.db"
		assert_output ''
		assert_regex "$stderr" 'in use, but its -wal is not beside this name'
		tell 'SELECT count(*) FROM t;'
		kill "$APP"
		wait "$APP" || :
		exec 8>&- 9<&-
		rm -f ask answer src/a.db*
		lspp-restore -q "$T/src/a.db"
	done
}

@test "--live into what is replaced meanwhile is no success" {
	local mode at
	sqlite3 keep.db 'CREATE TABLE t(x)'
	for mode in wal delete; do
		rm -rf src rep state
		mkdir src
		database $mode
		at=a.db-wal
		[ $mode = wal ] || at=a.db-journal
		run -75 --separate-stderr atcall -k write -f $at -n 1 \
			-x 'cp -p keep.db new.db; mv new.db src/a.db' \
			lspp-restore --live --timestamp "@$FIRST" "$T/src/a.db"
		assert_output ''
		assert_regex "$stderr" 'a\.db: it was moved or replaced while'
	done
}

@test "--live says what to do where the page size is another" {
	database wal 4096
	rm src/a.db
	sqlite3 src/a.db 'PRAGMA page_size = 1024; PRAGMA journal_mode = wal;
		CREATE TABLE other(x)' >/dev/null
	run -78 --separate-stderr lspp-restore --live "$T/src/a.db"
	assert_regex "$stderr" 'in WAL mode that cannot be changed live'
	assert_regex "$stderr" 'hint: stop the application'
	assert_equal "$(sqlite3 src/a.db .tables)" other
}

@test "--live does not change the encoding under a connection" {
	database delete
	rm src/a.db
	sqlite3 src/a.db "PRAGMA encoding = 'UTF-16'; CREATE TABLE other(x)"
	run -78 --separate-stderr lspp-restore --live "$T/src/a.db"
	assert_regex "$stderr" 'another encoding'
	assert_equal "$(sqlite3 src/a.db .tables)" other
}

@test "--live killed at any moment: the old state or the new" {
	local n calls
	database wal
	cp -r src keep
	atcall -k write -o calls lspp-restore -q --live --timestamp "@$FIRST" "$T/src/a.db"
	calls=$(cat calls)
	for ((n = 1; n <= calls; n += $(count 1 4))); do
		rm -rf src
		cp -r keep src
		atcall -k write -n "$n" lspp-restore -q --live \
			--timestamp "@$FIRST" "$T/src/a.db" >/dev/null 2>&1 || :
		[[ $(rows src/a.db) =~ ^1(,2)?$ ]]
		assert_equal "$(sqlite3 src/a.db 'PRAGMA integrity_check')" ok
	done
}

# under_a_writer MODE -- some 100 transactions a second, and states of its past
# written into it again and again.  How long a ship may hold the writer up is not
# the question here: a slow machine takes longer than the usual.
under_a_writer() {
	local n rc times=()
	rm -f src/a.db*
	writer -j "$1" -d 10000 -w 60000 src/a.db >writer.out 2>writer.err &
	APP=$!
	for ((n = 0; n < 600; n++)); do
		grep -q ready writer.out && break
		sleep 0.05
	done
	for ((n = 0; n < 5; n++)); do
		lspp-ship -q --max-hold 30000 src/a.db >/dev/null
		times+=("@$(date +%s.%N)")
	done
	for ((n = 0; n < $(count 100 6); n++)); do
		lspp-restore -q --live --live-wait 60s \
			--timestamp "${times[RANDOM % 5]}" "$T/src/a.db" >/dev/null
		rm -f copy.db
		sqlite3 src/a.db '.timeout 60000' '.backup copy.db'
		judge copy.db
		lspp-ship -q --max-hold 30000 src/a.db >/dev/null
	done
	kill "$APP"
	rc=0
	wait "$APP" || rc=$?
	APP=
	cat writer.err
	assert_equal "$rc" 0
	assert_equal "$(find rep/a.db/generations -mindepth 1 -maxdepth 1 -type d | wc -l)" 1
	judge src/a.db
}

@test "--live again and again under a writer, WAL" {
	need writer judge
	seed
	under_a_writer wal
}

@test "--live again and again under a writer, rollback journal" {
	need writer judge
	seed
	under_a_writer delete
}
