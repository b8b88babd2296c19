#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is acknowledged is what SQLite holds, however the application goes about
# it and whatever it lies on. Each interleaving by itself is in
# tests/unit/source_live_test.c; here the programs meet real ones.

load lib/hard

setup() {
	set +T
	hard_setup
}

teardown() {
	rm -f "$T/go" # and so it ends between two changes
	[ -z "${CHANGER:-}" ] || wait "$CHANGER" || :
	hard_teardown
	cd "$T"
	! mountpoint -q "$T/disk" || umount "$T/disk"
}

# three OPTION... -- a.db with rows at both ends and in the middle that a
# transaction changes together; of 12 MB.
three() {
	sqlite3 a.db "$1; CREATE TABLE t(k INTEGER PRIMARY KEY, v, x); BEGIN;
		WITH RECURSIVE c(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM c
		WHERE i < 2999) INSERT INTO t SELECT i, 0, randomblob(4000)
		FROM c; COMMIT" >/dev/null
}

# keep_changing [NAME] -- in the background, a process for each transaction.
keep_changing() {
	touch "$T/go"
	while [ -e "$T/go" ]; do
		sqlite3 -cmd '.timeout 10000' "${1:-a.db}" "UPDATE t
			SET v = v + 1 WHERE k IN (0, 1500, 2999)" || exit
		echo >>"$T/changes"
	done >/dev/null 2>&1 3>&- &
	CHANGER=$!
	wait_for [ -s "$T/changes" ]
}

# whole -- what is restored is the state between two transactions.
whole() {
	restore lspp a.db "$T/restored" || return
	assert_equal "$(sqlite3 "$T/restored" "SELECT count(DISTINCT v) FROM t
		WHERE k IN (0, 1500, 2999)")" 1
}

@test "opened and closed for each write: shipped each time" {
	three 'PRAGMA journal_mode=WAL'
	keep_changing
	for _ in 1 2 3 4; do
		run --separate-stderr ship a.db
		assert_success
		assert_output a.db
		whole
	done
	wait_more # the application goes on as before
}

wait_more() {
	local n
	n=$(wc -l <"$T/changes")
	wait_for more_than "$n"
}
more_than() {
	[ "$(wc -l <"$T/changes")" -gt "$1" ]
}

@test "a restore as of a time has nothing that was committed later" {
	app a.db
	sql "PRAGMA journal_mode=WAL; CREATE TABLE t(x)"
	ship a.db >/dev/null
	sql "INSERT INTO t VALUES('early')"
	# In the middle of a ship, before it knows which commit is the last.
	atcall -f a.db-shm -k read -n 1 -x "date +%s.%N >'$T/then'
		sqlite3 a.db \"INSERT INTO t VALUES('late')\"" \
		lspp-ship -j 1 -r "$R" -C "$D" -s "$S" a.db
	restore lspp a.db "$T/newest"
	assert_equal "$(sqlite3 "$T/newest" 'SELECT count(*) FROM t')" 2
	lspp-restore -r "$R" --timestamp "@$(cat "$T/then")" -o "$T/then.d" a.db
	assert_equal "$(sqlite3 "$T/then.d/a.db" 'SELECT count(*) FROM t')" 0
	app_quit
}

@test "locks that do not reach us: refused with the reason, or right" {
	three 'PRAGMA journal_mode=DELETE'
	keep_changing "file:$D/a.db?nolock=1"
	for _ in 1 2 3 4 5 6; do
		run --separate-stderr ship a.db
		case $status in
		0) whole ;;
		75) [ -n "$stderr" ] ;;
		*) fail "$status: $stderr" ;;
		esac
	done
}

@test "a file mounted by itself: its WAL is elsewhere, and that is said" {
	root_or_skip "a mount"
	unshare -m true || skip "no mount namespaces here"
	three 'PRAGMA journal_mode=WAL'
	mkdir "$T/inside"
	: >"$T/inside/a.db"
	run --separate-stderr unshare -m bash -ec '
		mount --bind a.db "$1/inside/a.db"
		coproc sqlite3 "$1/inside/a.db"
		echo "UPDATE t SET v = 7 WHERE k = 0; SELECT 1;" >&"${COPROC[1]}"
		read -r _ <&"${COPROC[0]}"
		shift
		"$@" || exit' - "$T" lspp-ship -r "$R" -C "$D" -s "$S" a.db
	assert_failure 75
	refute_output
	assert_regex "$stderr" 'a.db: in use, but its -wal is not beside'
	assert_regex "$stderr" "hint: .*mount its directory"
}

@test "hard links of a WAL database: refused, till there are none" {
	three 'PRAGMA journal_mode=WAL'
	ln a.db b.db
	run --separate-stderr ship a.db
	assert_failure 75
	assert_regex "$stderr" 'hard links'
	rm b.db
	shipped a.db
}

# coarse -- D on a file system whose times are seconds.
coarse() {
	root_or_skip "a mount"
	PATH=$PATH:/usr/sbin need mkfs.ext4
	truncate -s 100M "$T/image.ext4"
	PATH=$PATH:/usr/sbin mkfs.ext4 -q -I 128 "$T/image.ext4" 2>/dev/null
	mkdir "$T/disk"
	mount -o loop "$T/image.ext4" "$T/disk" || skip "needs a loop device"
	D=$T/disk
	cd "$D"
}

@test "times of one second: a busy rollback database is shipped, whole" {
	coarse
	three 'PRAGMA journal_mode=DELETE'
	keep_changing
	for _ in 1 2 3; do
		run --separate-stderr ship --max-hold 5000 a.db
		assert_success
		whole
	done
}

@test "times of one second: what was written in the second of a ship is not lost" {
	coarse
	sqlite3 a.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(x);
		INSERT INTO t VALUES(1)' >/dev/null
	local n
	for n in 2 3 4; do
		sqlite3 a.db "UPDATE t SET x = $n.0"
		ship a.db >/dev/null
		sqlite3 a.db "UPDATE t SET x = $n.5"
		wait_for cold
		restore lspp a.db "$T/restored"
		assert_equal "$(sqlite3 "$T/restored" 'SELECT x FROM t')" "$n.5"
	done
}
cold() {
	ship a.db >/dev/null && [ -z "$(lspp-hot -r "$R" -C "$D" -s "$S" a.db)" ]
}

# A journal that is emptied in the second in which the next transaction begins to
# write without one.
@test "times of one second: a journal that is left says nothing of what follows" {
	coarse
	three 'PRAGMA journal_mode=DELETE'
	shipped a.db
	app a.db
	sql 'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE;
		PRAGMA cache_size = 1; SELECT count(*) FROM t'
	until [[ $(date +%N) == 0* ]]; do sleep 0.01; done
	sql 'UPDATE t SET v = 1; PRAGMA journal_mode = OFF;
		BEGIN; UPDATE t SET v = 2 WHERE k > 1000'
	wait_for settled
	run --separate-stderr ship a.db
	assert_failure 75
	assert_output ''
	sql 'UPDATE t SET v = 2; COMMIT'
	app_quit
	shipped a.db
	whole
}
settled() {
	[ $(($(date +%s) - $(stat -c %Z a.db))) -gt 3 ]
}
