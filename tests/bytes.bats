#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One path costs one path, whatever the bytes of its files; and nothing keeps a
# run from ending.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-ship craft sqlite3
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state
}

# make NAME... -- databases.
make() {
	local n
	for n; do
		sqlite3 "$n" 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	done
}

# bytes FILE AT HEX -- overwrite them.
bytes() {
	# shellcheck disable=SC2059  # all of it is escapes
	printf "$(sed 's/../\\x&/g' <<<"$3")" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# endless NAME -- a database with nothing in it, as large as is read for all that.
endless() {
	make "$1"
	bytes "$1" 28 00fc0000 # pages
	truncate -s 63G "$1"
}

@test "a commit of 4026531840 pages costs its path, and little memory" {
	local said says=4026531840
	make a.db b.db c.db d.db
	craft wal 4096 7 b.db:1:$says >b.db-wal
	craft wal 4096 7 c.db:2:0 c.db:1:$says >c.db-wal
	run --separate-stderr bash -c '[[ $0 == *-* ]] || ulimit -v 2000000
		lspp-ship a.db b.db c.db d.db' "$B"
	assert_failure 1
	assert_equal "$(sort <<<"$output")" "$(printf '%s\n' a.db d.db)"
	said="-wal: a commit makes a database of $says pages of one of 2, more \
than it can"
	assert_equal "$(sort <<<"$stderr")" \
		"$(printf "lspp-ship: %s.db: $said\n" b c)"
}

@test "a log of a later format, and a database: 65, and SQLite refuses them, too" {
	make a.db b.db
	craft wal 4096 7 a.db:1:2 >a.db-wal
	bytes a.db-wal 4 002e18b8 # 3021000
	bytes b.db 19 03
	run --separate-stderr lspp-ship b.db
	assert_failure 65
	assert_equal "$stderr" "lspp-ship: b.db: file format 3: of a later SQLite"
	run sqlite3 b.db 'SELECT * FROM t'
	assert_failure
	# Its checksum does not hold: no log.
	run -0 lspp-ship a.db
}

# has_open PID FILE
has_open() {
	readlink /proc/"$1"/fd/* | grep -qxF "$2"
}

@test "SIGTERM ends a run within seconds, whatever it reads" {
	local pid status=0 began
	endless a.db
	make b.db
	lspp-ship -j 2 b.db a.db >printed 2>err &
	pid=$!
	wait_for [ -s printed ]
	wait_for has_open $pid "$T/a.db"
	began=$SECONDS
	kill -TERM $pid
	wait $pid || status=$?
	[ $((SECONDS - began)) -lt 10 ]
	assert_equal "$status" 143
	assert_equal "$(cat printed)" b.db
	grep -q 'a.db: interrupted by a signal' err
}
