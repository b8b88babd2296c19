#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Databases that are called as SQLite calls the logs of others.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-scan lspp-ship lspp-restore lspp-new sqlite3
	cd "$T" || return
	R=$T/replica S=$T/state D=$T/src OUT=$T/out
	mkdir src
}

# database NAME... -- in src.
database() {
	local name
	for name; do
		mkdir -p "$(dirname "$D/$name")"
		sqlite3 "$D/$name" 'PRAGMA journal_mode = wal;
			CREATE TABLE t (x); INSERT INTO t VALUES (1)' >/dev/null
	done
}

# ship NAME... -- each made, shipped and gone again: they were never there
# at once.
ship() {
	local name
	for name; do
		database "$name"
		lspp-ship -q -r "$R" -C "$D" -s "$S" "$D/$name" >/dev/null
		rm "$D/$name"
	done
}

restore() {
	run --separate-stderr lspp-restore -r "$R" -o "$OUT" "$@"
}

@test "two that cannot be in one directory are refused before the first byte" {
	local side
	ship a.db a.db-wal a.db-shm a.db-journal d/a.db-wal b.db
	for side in wal shm journal; do
		restore "a.db-$side" b.db a.db
		assert_equal "$status" 2
		assert_output ''
		[[ $stderr == *"to SQLite one is a log of the other"*"-o DIR"* ]] ||
			fail "$stderr"
		assert [ ! -e "$OUT" ]
	done
	# In another directory, or alone, each comes back.
	restore d/a.db-wal a.db
	assert_success
	lspp-restore -r "$R" -o "$T/alone" a.db-wal
	assert_equal "$(sqlite3 "$T/alone/a.db-wal" 'SELECT x FROM t')" 1
}

@test "of what a pattern finds the database comes, of a list the first" {
	ship a.db a.db-wal c.db
	restore -j 1 '*'
	assert_equal "$status" 1
	assert_output "$OUT/a.db"$'\n'"$OUT/c.db"
	[[ $stderr == "lspp-restore: a.db-wal: "* ]] || fail "$stderr"
	assert [ ! -e "$OUT/a.db-wal" ]
	rm -r "$OUT"
	printf '%s\n' a.db-wal c.db a.db >list
	run --separate-stderr lspp-restore -j 1 -r "$R" -o "$OUT" <list
	assert_equal "$status" 1
	assert_output "$OUT/a.db-wal"$'\n'"$OUT/c.db"
	assert [ ! -e "$OUT/a.db" ]
	# Without a target there is nothing to refuse.
	run -0 --separate-stderr lspp-restore -r "$R" --list a.db a.db-wal
	run -0 --separate-stderr lspp-verify -r "$R" '**'
}

@test "nothing is restored as the log of what is there, and no database as a log removed" {
	ship a.db a.db-wal
	lspp-restore -r "$R" -o "$OUT" a.db >/dev/null
	sqlite3 "$OUT/a.db" 'INSERT INTO t VALUES (2)'
	sum=$(sha_tree "$OUT")
	for force in '' --force --force-open; do
		restore ${force:+"$force"} a.db-wal
		assert_equal "$status" 73
		[[ $stderr == *"a.db is there: SQLite would take a.db-wal for a log"* ]] ||
			fail "$stderr"
		assert_equal "$(sha_tree "$OUT")" "$sum"
	done
	rm -r "$OUT"
	lspp-restore -r "$R" -o "$OUT" a.db-wal >/dev/null
	sum=$(sha_tree "$OUT")
	for force in '' --force --force-open; do
		restore ${force:+"$force"} a.db
		assert_equal "$status" 73
		[[ $stderr == *"a.db-wal is a database: "* ]] || fail "$stderr"
		assert_equal "$(sha_tree "$OUT")" "$sum"
	done
	# A true log is still replaced with its database.
	rm -r "$OUT"
	lspp-restore -r "$R" -o "$OUT" a.db >/dev/null
	head -c 100 /dev/zero >"$OUT/a.db-journal"
	restore --force a.db
	assert_success
	assert [ ! -e "$OUT/a.db-journal" ]
}

@test "lspp-new makes none beside what it belongs to" {
	sqlite3 t.db 'CREATE TABLE t (x)'
	# One worker: with two, either may come first.
	run -1 --separate-stderr lspp-new -j 1 -t t.db x x-wal
	assert_output x
	run -73 --separate-stderr lspp-new -t t.db x-journal
	assert_output ''
}

@test "scan finds a database called like a log beside something else" {
	database a.db-wal b-journal c.db-wal d.db
	echo text >src/a.db
	mkdir src/b
	run -0 --separate-stderr lspp-scan src
	assert_output $'src/a.db-wal\nsrc/b-journal\nsrc/c.db-wal\nsrc/d.db'
	assert_equal "$stderr" ''
	run -0 --separate-stderr lspp-ship -r "$R" -C "$D" -s "$S" src/a.db-wal
	# Where it is beside a database, it is no database to SQLite.
	cp src/d.db src/d.db-wal
	run -0 --separate-stderr lspp-scan --exclude d.db src
	refute_output --partial d.db-wal
}
