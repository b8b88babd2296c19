#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Links, FIFOs and closed directories in the directory of a replica: what may be
# behind them is missing from a listing, which is never taken for a whole one.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-ship lspp-restore lspp-verify lspp-prune lspp-scan
	cd "$T" || return
	export LSPP_REPLICA=$T/rep LSPP_STATE=$T/state LSPP_BASE=$T
	sqlite3 a.db 'CREATE TABLE t(x)'
	sqlite3 b.db 'CREATE TABLE t(x)'
	lspp-ship a.db b.db >/dev/null
	sqlite3 a.db 'INSERT INTO t VALUES(1)'
	lspp-ship a.db >/dev/null
	G=$(echo rep/a.db/generations/[0-9a-f]*)
}

# told_by STATUS PATH PROGRAM... -- it fails, with that name.
told_by() {
	local status_=$1 path=$2
	shift 2
	run "-$status_" --separate-stderr "$@"
	assert_output ''
	assert_regex "$stderr" "a\.db: ${path#rep/} in the replica is "
}

# nobody_believes PATH -- what is there now leaves no older state restorable.
nobody_believes() {
	told_by 78 "$1" lspp-restore -o out a.db
	assert [ ! -e out/a.db ]
	told_by 78 "$1" lspp-restore -o - a.db
	told_by 78 "$1" lspp-verify --settle 0s a.db
	told_by 78 "$1" lspp-prune --yes --keep-last 1 a.db
}

# moved PATH -- away, with a link in its place.
moved() {
	mv "$1" away
	ln -s "$T/away" "$1"
}

@test "a link in a database's replica is refused, whatever it stands for" {
	local what
	for what in "$G" "$G/wal" "$G/snapshots" "$G"/wal/* \
		"$G"/snapshots/00000000.*; do
		moved "$what"
		nobody_believes "$what"
		rm "$what"
		mv away "$what"
	done
	lspp-restore -q -o out a.db
	cmp a.db out/a.db
}

@test "so is a FIFO, and a link that leads nowhere" {
	mkfifo "$G/wal/x"
	nobody_believes "$G/wal/x"
	rm "$G/wal/x"
	ln -s nowhere "$G/wal/00000000_00000000.wal.lz4.old"
	nobody_believes "$G/wal/00000000_00000000.wal.lz4.old"
}

@test "a directory that may not be read is refused" {
	root_or_skip "another user"
	chmod 755 "$T" rep rep/a.db rep/a.db/generations "$G"
	chmod 0 "$G/wal"
	run -77 --separate-stderr setpriv --bounding-set=-all \
		lspp-restore -o - a.db
	assert_output ''
	assert_regex "$stderr" "${G#rep/}/wal/ in the replica: Permission denied"
}

@test "it costs the database that it lies in, and no other" {
	moved "$G/wal"
	run -1 --separate-stderr lspp-restore -o out '**'
	assert_output out/b.db
	assert_regex "$stderr" "a\.db: ${G#rep/}/wal in the replica is a symbolic link"
	run -1 --separate-stderr lspp-verify --settle 0s '**'
	assert_output b.db
	sqlite3 b.db 'INSERT INTO t VALUES(1)'
	lspp-ship -q --snapshot-interval 0s b.db
	run -1 --separate-stderr lspp-prune --yes --grace 0s --keep-last 1 '**'
	assert_output --regexp '/b\.db/generations/.*/00000000\.snapshot\.lz4'
	refute_output --partial a.db
	assert_regex "$stderr" "a\.db: ${G#rep/}/wal in the replica is a symbolic link"
}

@test "one that may stand for databases is told, and followed by its name alone" {
	mkdir other
	mv rep/b.db other/
	ln -s ../other rep/link
	run -1 --separate-stderr lspp-restore -o out '**'
	assert_output out/a.db
	assert_regex "$stderr" 'rep/link: link in the replica is a symbolic link'
	run -1 --separate-stderr lspp-scan "file://$T/rep"
	assert_output "file://$T/rep/a.db"
	run -0 --separate-stderr lspp-restore -o out --force 'a.*'
	assert_equal "$stderr" ''
	run -0 lspp-restore -o out link/b.db
	cmp b.db out/link/b.db
	# Nothing behind it is pruned, and it keeps nothing else from that.
	run -0 --separate-stderr lspp-prune --yes --keep-last 1 '**'
}
