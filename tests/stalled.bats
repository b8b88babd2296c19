#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# An application that is killed, or stands still, before any one of the calls
# by which it changes its files: what is shipped then is a state that it
# committed, of a killed one the state that SQLite finds; and when it is done,
# or SQLite has put right what it left, nothing is stale.

load lib/hard

setup() {
	set +T
	hard_setup
}

# content FILE -- of a database, all of it; not its journal mode.
content() {
	sqlite3 "$1" 'PRAGMA integrity_check; PRAGMA page_size' .dump | sha1sum
}

# begin -- DBS as SETUP makes them, and shipped.
begin() {
	local db
	rm -f ./*.db*
	replica_clear
	rm -rf "$S"
	for db in "${DBS[@]}"; do
		sqlite3 "$db" "$SETUP" >/dev/null
	done
	ship "${DBS[@]}" >/dev/null
}

# learn -- what they are behind each of STEPS.
learn() {
	local i db
	STATES=' '
	for ((i = 0; i <= ${#STEPS[@]}; i++)); do
		begin
		sqlite3 a.db "$OPEN ${STEPS[*]:0:i}" >/dev/null
		for db in "${DBS[@]}"; do
			STATES+="$(content "$db") "
		done
	done
}

restored() {
	rm -rf "$T/out"
	lspp-restore -q -r "$R" -o "$T/out" "$1" >/dev/null &&
		content "$T/out/$1"
}

# judge_shipped HOW -- what was printed in $T/printed.
judge_shipped() {
	local db was
	while IFS= read -r db; do
		was=$(restored "$db")
		[[ $STATES == *" $was "* ]] || {
			echo "$db was never so"
			return 1
		}
		[ "$1" = stalled ] || [ "$was" = "$(content "$db")" ] || {
			echo "$db is another to SQLite"
			return 1
		}
	done <"$T/printed"
}

afterwards() {
	local db now
	for db in "${DBS[@]}"; do
		now=$(content "$db") # and puts right what was left
		ship "$db" >/dev/null
		[ "$(restored "$db")" = "$now" ] || {
			echo "$db is stale"
			return 1
		}
	done
}

# at_each_call killed|stalled -- STEPS in one connection.
at_each_call() {
	local n calls step
	local ship="lspp-ship -r '$R' -C '$D' -s '$S' ${DBS[*]} \
		>'$T/printed' 2>'$T/stderr' || :"
	seed
	begin
	atcall -k write -o "$T/calls" sqlite3 a.db "$OPEN ${STEPS[*]}" \
		>/dev/null
	calls=$(cat "$T/calls") step=$(count 1 $((calls / 4)))
	for ((n = 1 + RANDOM % step; n <= calls; n += step)); do
		begin
		if [ "$1" = killed ]; then
			atcall -k write -n $n sqlite3 a.db "$OPEN ${STEPS[*]}" \
				>/dev/null 2>&1 || :
			eval "$ship"
		else
			atcall -k write -n $n -x "$ship" sqlite3 a.db \
				"$OPEN ${STEPS[*]}" >/dev/null 2>&1
		fi
		{ judge_shipped "$1" && afterwards; } || {
			echo "before call $n of $calls"
			cat "$T/stderr"
			return 1
		}
	done
}

rows() {
	echo "CREATE TABLE t(x); WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL
		SELECT i + 1 FROM c WHERE i < $1)
		INSERT INTO t SELECT zeroblob(3000) FROM c"
}

both() {
	learn
	at_each_call killed
	at_each_call stalled
}

@test "one transaction in two files" {
	DBS=(a.db b.db)
	SETUP='CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	OPEN="PRAGMA cache_size=5; ATTACH 'b.db' AS b;"
	STEPS=('BEGIN; UPDATE main.t SET x = 2; UPDATE b.t SET x = 2; COMMIT;'
		'BEGIN; INSERT INTO main.t VALUES(3);
		INSERT INTO b.t VALUES(3); COMMIT;')
	both
}

@test "a journal that stays, spills, a rollback, pages of another size" {
	DBS=(a.db)
	SETUP="PRAGMA auto_vacuum=full; $(rows 40)"
	OPEN='PRAGMA journal_mode=persist; PRAGMA cache_size=5;'
	STEPS=('UPDATE t SET x = zeroblob(2900);'
		'BEGIN; UPDATE t SET x = 1; ROLLBACK;'
		'DELETE FROM t WHERE rowid > 20;'
		'PRAGMA page_size=1024; VACUUM;')
	both
}

@test "a WAL: spills, checkpoints, restarts, and back to a journal" {
	DBS=(a.db)
	SETUP="PRAGMA journal_mode=wal; $(rows 20)"
	OPEN='PRAGMA cache_size=5;'
	STEPS=('BEGIN; UPDATE t SET x = zeroblob(2900); SAVEPOINT a;
		UPDATE t SET x = 2; ROLLBACK TO a; INSERT INTO t VALUES(3);
		COMMIT;' 'PRAGMA wal_checkpoint;' 'INSERT INTO t VALUES(4);'
		'PRAGMA wal_checkpoint(truncate);' 'INSERT INTO t VALUES(5);'
		'PRAGMA journal_mode=delete;' 'INSERT INTO t VALUES(6);'
		'PRAGMA journal_mode=wal;' 'DELETE FROM t WHERE rowid > 9;')
	both
}

@test "locking_mode=EXCLUSIVE, a WAL" {
	DBS=(a.db)
	SETUP='PRAGMA journal_mode=wal; CREATE TABLE t(x);
		INSERT INTO t VALUES(1)'
	OPEN='PRAGMA locking_mode=exclusive;'
	STEPS=('INSERT INTO t VALUES(2);' 'PRAGMA wal_checkpoint(restart);'
		'INSERT INTO t VALUES(3);' 'DELETE FROM t;')
	both
}
