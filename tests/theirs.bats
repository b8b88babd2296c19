#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp restores what litestream 0.3 ships while a database is written to.
#
# Twice: on S3, too.

load lib/hard

setup() {
	set +T
	hard_setup
}

# write_rows N -- some more, and of those before N some less.
write_rows() {
	sqlite3 a.db "PRAGMA busy_timeout = 20000; $(rows 300 900);
		DELETE FROM t WHERE n % 5 = 0 AND n < $1" >/dev/null
}

# second_index -- has it checkpointed, and begun another?  It does when there is
# enough in the WAL.
second_index() {
	[ "$(replica_list | grep -c '_00000000\.wal\.lz4$')" -ge 2 ] && return
	write_rows 100
	return 1
}

# a_litestream VERSION ROUNDS -- the real one ships a database that is written to.
a_litestream() {
	local i pid version=$1 bin=$LITESTREAM_03
	[ "$1" = 03 ] || bin=$LITESTREAM_0314
	shift
	sqlite3 a.db "CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB)"
	litestream_config "$D/a.db" a.db >"$T/daemon.yml"
	"$bin" replicate -config "$T/daemon.yml" >"$T/daemon.log" 2>&1 3>&- &
	pid=$!
	LIVE+=("$pid")
	wait_for replicated
	for ((i = 1; i <= $1; i++)); do
		write_rows $((i * 100))
		sleep 0.3
	done
	wait_for second_index
	wait_for all_arrived "$version"
	kill -INT "$pid"
	wait "$pid" || :
	LIVE=()
}

# all_arrived VERSION -- has it seen and shipped the last of it?
all_arrived() {
	image a.db "$T/image" && restore "$1" a.db "$T/theirs" >/dev/null &&
		cmp -s "$T/theirs" "$T/image"
}

replicated() {
	replica_list | grep -q '\.wal\.lz4$'
}

# theirs_restored VERSION ROUNDS
theirs_restored() {
	a_litestream "$1" "$2"
	restore "$1" a.db "$T/theirs"
	restore lspp a.db "$T/ours"
	cmp "$T/theirs" "$T/ours"
	image a.db "$T/image"
	cmp "$T/ours" "$T/image"
	assert [ "$(replica_list | grep -c '_00000000\.wal\.lz4$')" -ge 2 ]
}

@test "lspp restores what litestream 0.3.13 shipped" {
	theirs_restored 03 "$(count 60 12)"
}

@test "lspp restores what litestream 0.3.14 shipped" {
	theirs_restored 0314 "$(count 60 12)"
}
