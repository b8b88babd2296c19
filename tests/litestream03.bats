#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore: what litestream 0.3.13 leaves, and 0.3.14, in all its shapes, byte
# for byte as the former restores it: several generations, indexes, snapshots, and what its
# retention lets stand.

load lib/lspp

setup() {
	set +T
	need lspp-restore sqlite3 "$LITESTREAM_03" "$LITESTREAM_0314"
	R=$T/replica
	cd "$T" || return
	sqlite3 a.db 'PRAGMA journal_mode = WAL;
		CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB)' >/dev/null
}

# ship VERSION ROUNDS RETENTION -- it replicates while a.db is written to, from a new
# generation on.
ship() {
	cat >writer <<-END
		for i in \$(seq $2); do
			sqlite3 a.db "PRAGMA busy_timeout = 20000;
				INSERT INTO t(x) VALUES(randomblob(30000));
				UPDATE t SET x = randomblob(9000)
					WHERE n = abs(random()) % 9" >/dev/null
			sleep 0.15
		done
	END
	cat >c.yml <<-END
		dbs:
		- path: $T/a.db
		  min-checkpoint-page-count: 10
		  max-checkpoint-page-count: 30
		  monitor-interval: 50ms
		  replicas:
		  - type: file
		    path: $R/a.db
		    sync-interval: 50ms
		    snapshot-interval: 1s
		    retention: $3
		    retention-check-interval: 500ms
	END
	rm -rf .a.db-litestream
	# It may fail in a last checkpoint when the writer has ended.
	litestream "$1" replicate -config c.yml -exec 'sh writer' >log 2>&1 3>&- ||
		grep -q 'litestream shut down' log || fail "$(tail -n 5 log)"
}

# agree LITESTREAM'S LSPP'S -- options of restore: both fail, or both restore
# the same.
agree() {
	local theirs=0 ours=0
	rm -rf peer* out
	# shellcheck disable=SC2086
	litestream 03 restore -o peer $1 "file://$R/a.db" >said 2>&1 || theirs=$?
	# shellcheck disable=SC2086
	lspp-restore -q -r "$R" -o out $2 a.db >/dev/null 2>>said || ours=$?
	if [ "$theirs" != 0 ] || [ "$ours" != 0 ]; then
		# It takes an index that is too low for one that has no end.
		[ "$theirs" != 0 ] && [ "$ours" != 0 ] ||
			fail "$1: $theirs, $2: $ours: $(cat said)"
		return 0
	fi
	cmp peer out/a.db
	same=$((same + 1))
}

# shuffled N -- so many of the lines that come in.
shuffled() {
	shuf --random-source=<(noise "$SEED" 100000) -n "$1"
}

@test "every generation, index and time comes back as litestream restores it" {
	local g i at same=0 gone=0
	seed
	ship 03 "$(count 60 12)" 1h
	ship 03 "$(count 120 25)" 2s
	ship 0314 "$(count 60 12)" 1h
	cd "$R/a.db/generations"
	assert [ "$(ls | wc -l)" -ge 2 ]
	ls -d */wal/* | sed 's,_.*,,' | sort -u >"$T/indexes"
	ls -d */snapshots/* >"$T/snapshots"
	for g in *; do
		[ -e "$g/wal/00000000_00000000.wal.lz4" ] ||
			gone=$((gone + 1))
	done
	cd "$T"
	say "$(ls "$R/a.db/generations" | wc -l) generations," \
		"$(wc -l <indexes) indexes, $(wc -l <snapshots) snapshots"
	assert [ "$(wc -l <indexes)" -ge 6 ]
	assert [ "$(wc -l <snapshots)" -ge 4 ]
	assert [ "$gone" -ge 1 ] # what retention took the beginning of
	agree '' ''
	for g in "$R"/a.db/generations/*; do
		g=${g##*/}
		agree "-generation $g" "--generation $g"
		for i in $(sed -n "s,^$g/wal/,,p" indexes | shuffled "$(count 20 5)"); do
			agree "-generation $g -index $i" \
				"--generation $g --index $i"
		done
	done
	find "$R" -type f -printf '%T@\n' | sort -n |
		shuffled "$(count 40 10)" >moments
	while read -r at; do
		at=$(date -u -d "@$at" +%FT%T.%NZ)
		agree "-timestamp $at" "--timestamp $at"
	done <moments
	assert [ "$same" -ge 12 ]
}
