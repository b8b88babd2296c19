#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What lspp ships, both litestreams restore, byte for byte, after every single
# ship.
#
# Twice: on S3, too.
# And as LTX.
# Long: begins early.
# Not under sanitizers: what it looks at is litestream.

load lib/hard

setup() {
	set +T
	hard_setup
}

# Sets STEP to the SQL of the n-th ship, and OPTION to what lspp-ship is told.
# Between them: growth and shrink, overflow pages, VACUUM, both kinds of
# auto_vacuum, a change of page 1 alone, a commit that only shrinks, nothing at
# all, a new index with and without a snapshot, more than 1 MiB at once.
step() {
	OPTION=()
	case $1 in
	1) STEP="CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB);
		$(rows 200 300)" ;;
	2) STEP=$(rows 400 500) ;;
	3) STEP="UPDATE t SET x = randomblob(200) WHERE n % 7 = 0" ;;
	4) STEP=$(rows 3 200000) ;;
	5) STEP="DELETE FROM t WHERE n % 2 = 0" ;;
	6) STEP="VACUUM" ;;
	7) STEP="CREATE INDEX t_x ON t(substr(x, 1, 200))" ;;
	8) STEP="PRAGMA user_version = 7" ;;
	9) STEP=$(rows 500 600)
		OPTION=(--roll-at 4096) ;;
	10) STEP="UPDATE t SET x = randomblob(700) WHERE n % 11 = 0" ;;
	11) STEP="PRAGMA auto_vacuum = INCREMENTAL; VACUUM" ;;
	12) STEP="DELETE FROM t WHERE n > 300" ;;
	13) STEP="PRAGMA incremental_vacuum(5)" ;;
	14) STEP="PRAGMA incremental_vacuum" ;;
	15) STEP="SELECT 1" ;;
	16) STEP=$(rows 30 40000)
		OPTION=(--snapshot-interval 0s) ;;
	17) STEP="DROP INDEX t_x; DELETE FROM t WHERE n % 3 > 0" ;;
	18) STEP="PRAGMA auto_vacuum = FULL; VACUUM" ;;
	19) STEP="DELETE FROM t WHERE n > 100" ;;
	20) STEP=$(rows 1500 900) ;;
	21) STEP="BEGIN; $(rows 900 900); DELETE FROM t WHERE n > 50; COMMIT" ;;
	22) STEP="DROP TABLE t; VACUUM" ;;
	23) STEP="CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB);
		$(rows 1 3000000)" ;;
	24) STEP="UPDATE t SET x = zeroblob(3000000)" ;;
	esac
}
STEPS=24

# One ship is right: its image, restored by both litestreams; in a short run
# against object storage by each in turn.
check_ship() {
	local by=(03 05)
	[ "$(count 2 2 1)" -eq 2 ] || by=("${by[$1 % 2]}")
	[ $LAYOUT = wal ] || by=(05)
	ship "${OPTION[@]}" a.db >"$T/stdout" 2>"$T/stderr" || {
		cat "$T/stderr"
		return 1
	}
	image a.db "$T/image" || return
	restores_to a.db "$T/image" "${by[@]}" || return
	[ $(($1 % 6)) -ne 0 ] || restores_to a.db "$T/image" lspp 0314
}

# snapshots -- their keys.
snapshots() {
	replica_list | grep -E -e '\.snapshot\.lz4$' \
		-e '/(ltx/9|0009)/[^/]*\.ltx$' -e '/0{15}1-0{15}1\.ltx$'
}

# after_all -- one history, with several indexes and snapshots.
after_all() {
	restores_to a.db "$T/image" || return
	[ "$(generations a.db)" -eq 1 ] || {
		echo "$(generations a.db) generations"
		return 1
	}
	[ $LAYOUT = ltx ] ||
		[ "$(replica_list | grep -c '_00000000\.wal\.lz4$')" -ge 4 ] ||
		return
	[ "$(snapshots | wc -l)" -ge 3 ] || return
	no_litter
}

# connected MODE PAGE_SIZE -- the application stays.
connected() {
	local i
	app a.db
	sql "PRAGMA page_size = $2; PRAGMA journal_mode = $1"
	for ((i = 1; i <= STEPS; i++)); do
		step "$i"
		sql "$STEP"
		check_ship "$i" || { echo "ship $i of $1, $2"; return 1; }
	done
	after_all
	app_quit
}

# closed MODE PAGE_SIZE -- it comes for each transaction and goes.
closed() {
	local i
	for ((i = 1; i <= STEPS; i++)); do
		step "$i"
		sqlite3 -bail a.db "PRAGMA page_size = $2" \
			"PRAGMA journal_mode = $1" "$STEP" >/dev/null
		check_ship "$i" || { echo "ship $i of $1, $2"; return 1; }
	done
	after_all
}

# In make soak, every page size.
sizes() {
	if [ -n "${LSPP_SOAK:-}" ]; then
		echo 512 1024 2048 4096 8192 16384 32768 65536
	else
		echo "$1"
	fi
}

# each HOW MODE SIZE -- from an empty test directory every time.
each() {
	local how=$1 mode=$2 size
	for size in $(sizes "$3"); do
		rm -rf "$S" "${D:?}"/*
		replica_clear
		"$how" "$mode" "$size" || return
	done
}

@test "24 ships of a WAL database in use restore byte for byte" {
	each connected wal 4096
}

@test "24 ships of a WAL database that is closed in between" {
	each closed wal 512
}

@test "24 ships of a database with a rollback journal" {
	each closed delete 1024
}

@test "24 ships with a rollback journal that is truncated or kept" {
	each connected truncate 65536
	[ -z "${LSPP_SOAK:-}" ] || each connected persist 0
}

@test "a change of the journal mode, back and forth, is one history" {
	local mode
	sqlite3 a.db "CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB)"
	for mode in wal delete wal memory delete persist wal truncate; do
		sqlite3 a.db "PRAGMA journal_mode = $mode; $(rows 50 500)"
		OPTION=()
		check_ship 6
	done
	assert_equal "$(generations a.db)" 1
}

@test "another page size is a new generation, and says so" {
	sqlite3 a.db "PRAGMA page_size = 1024; PRAGMA journal_mode = delete;
		CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB); $(rows 90 900)"
	shipped a.db
	replica_later
	sqlite3 a.db "PRAGMA page_size = 8192; VACUUM"
	run --separate-stderr ship a.db
	assert_success
	assert_output a.db
	assert_regex "$stderr" 'a.db: a new generation begins: .*page size'
	assert_equal "$(generations a.db)" 2
	image a.db "$T/image"
	# Where times are of whole seconds, the end of the old generation and
	# the snapshot of the new one may have the same: then litestream takes
	# either, up to the next ship.  lspp looks inside.
	if [ $REPLICA = dir ]; then
		restores_to a.db "$T/image"
	else
		restores_to a.db "$T/image" lspp
	fi
	replica_later
	sqlite3 a.db "$(rows 9 900)"
	shipped a.db
	image a.db "$T/image"
	restores_to a.db "$T/image"
}

@test "300 ships of one row each: snapshots bound what a restore reads" {
	local i n
	n=$(count 300 260)
	app a.db
	sql "PRAGMA journal_mode = wal;
		CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB)"
	for ((i = 1; i <= n; i++)); do
		sql "INSERT INTO t(x) VALUES($i)"
		ship a.db >/dev/null
	done
	image a.db "$T/image"
	restores_to a.db "$T/image"
	assert [ "$(snapshots | wc -l)" -ge 2 ]
	app_quit
}
