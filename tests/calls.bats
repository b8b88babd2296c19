#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How many system calls a database costs: what time does not tell on a machine
# that others use, a count does.  Each bound is what was counted and a tenth.
#
# On a disk: that is where they were counted.
#
# Not under sanitizers: what it looks at is a count.

load lib/lspp

# What makes files does so with one worker: each other one that comes to a folder
# looks at the unfinished files of all, and how many there are, the load tells.

# Files and descriptors; not memory, nor threads that wait for each other.
calls_of() {
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
		strace -f -c -U calls,name -o "$T/count" \
		-e trace=%file,%desc "$@" >"$T/out"
	awk '$2 ~ /^[a-z]/ && $2 != "total" && $2 != "mmap" && $2 != "calls" {
		n += $1
	} END { print n }' "$T/count"
}

# databases FROM TO -- of two pages, in a folder seven levels down: their paths.
databases() {
	seq -f "$D/%.0f.db" "$1" "$2"
}

# All of them, once.
setup_file() {
	local template=$BATS_FILE_TMPDIR/t.db
	sqlite3 "$template" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	mkdir "$BATS_FILE_TMPDIR/fleet"
	seq -f "$BATS_FILE_TMPDIR/fleet/%.0f.db" 140 | lspp-new -t "$template" >/dev/null
}

setup() {
	set +T
	need strace lspp-scan lspp-hot lspp-ship lspp-restore lspp-new \
		lspp-verify lspp-prune
	D=$T/1/2/3/4/5/6/fleet
	export LSPP_STATE=$T/state LSPP_REPLICA=$T/replica LSPP_BASE=$T
	mkdir -p "${D%/*}"
	cp -r "$BATS_FILE_TMPDIR/fleet" "$D"
	cp "$BATS_FILE_TMPDIR/t.db" "$T"
	databases 1 20 >"$T/few"
	databases 21 140 >"$T/many"
}

# at_most BOUND FEW MANY -- each of the hundred that MANY has more.
at_most() {
	echo "$(($3 - $2)) calls for a hundred"
	cat "$T/count"
	[ $(($3 - $2)) -le $((100 * $1)) ]
}

@test "to find a database" {
	mkdir "$T/f"
	cp "$D/"[1-9].db "$D/"1?.db "$D/20.db" "$T/f"
	rm "$D/"[1-9].db "$D/"1?.db
	few=$(calls_of lspp-scan "$T/f")
	many=$(calls_of lspp-scan "$D")
	at_most 4 "$few" "$many"
}

@test "to find a database that the state knows" {
	mkdir "$T/f"
	cp "$D/"[1-9].db "$D/"1?.db "$D/20.db" "$T/f"
	lspp-scan "$T/f" "$D" | lspp-ship >/dev/null
	rm "$D/"[1-9].db "$D/"1?.db
	few=$(calls_of lspp-scan --known "$LSPP_STATE" "$T/f")
	many=$(calls_of lspp-scan --known "$LSPP_STATE" "$D")
	lspp-scan "$D" | cmp - "$T/out"
	at_most 1 "$few" "$many"
}

@test "to tell that a new database is hot, and that one at rest is cold" {
	few=$(calls_of lspp-hot <"$T/few")
	many=$(calls_of lspp-hot <"$T/many")
	at_most 3 "$few" "$many"
	cat "$T/few" "$T/many" | lspp-ship >/dev/null
	lspp-hot <"$T/many"
	few=$(calls_of lspp-hot <"$T/few")
	many=$(calls_of lspp-hot <"$T/many")
	at_most 3 "$few" "$many"
}

# What cron runs each minute: nothing is to be shipped.
pass() {
	lspp-scan --known "$1" "$2" | lspp-hot -s "$1"
}

@test "an idle pass over a database that the state knows" {
	export -f pass
	mkdir "$T/f"
	cp "$D/"[1-9].db "$D/"1?.db "$D/20.db" "$T/f"
	rm "$D/"[1-9].db "$D/"1?.db
	sleep 1.1 # nothing is too fresh to be cold
	lspp-scan "$T/f" | lspp-ship -s "$T/s1" >/dev/null
	lspp-scan "$D" | lspp-ship -s "$T/s2" >/dev/null
	few=$(calls_of bash -c 'pass "$@"' pass "$T/s1" "$T/f")
	many=$(calls_of bash -c 'pass "$@"' pass "$T/s2" "$D")
	refute [ -s "$T/out" ]
	at_most 4 "$few" "$many"
}

@test "to ship a new database, and one that was written to" {
	few=$(calls_of lspp-ship <"$T/few")
	many=$(calls_of lspp-ship <"$T/many")
	at_most 78 "$few" "$many"
	while IFS= read -r db; do
		sqlite3 "$db" 'INSERT INTO t VALUES (2)'
	done < <(cat "$T/few" "$T/many")
	few=$(calls_of lspp-ship <"$T/few")
	many=$(calls_of lspp-ship <"$T/many")
	at_most 57 "$few" "$many"
}

@test "to restore a database" {
	cat "$T/few" "$T/many" | lspp-ship >/dev/null
	few=$(calls_of lspp-restore -j 1 -o "$T/o1" <"$T/few")
	many=$(calls_of lspp-restore -j 1 -o "$T/o2" <"$T/many")
	at_most 55 "$few" "$many"
}

@test "to restore a database that a pattern finds" {
	lspp-ship -r "$T/r1" <"$T/few" >/dev/null
	lspp-ship -r "$T/r2" <"$T/many" >/dev/null
	few=$(calls_of lspp-restore -j 1 -r "$T/r1" -o "$T/o1" '**')
	many=$(calls_of lspp-restore -j 1 -r "$T/r2" -o "$T/o2" '**')
	at_most 55 "$few" "$many"
}

@test "to make a database of a template" {
	mkdir "$T/n"
	few=$(sed "s|.*/|$T/n/|" "$T/few" | calls_of lspp-new -j 1 -t "$T/t.db")
	many=$(sed "s|.*/|$T/n/|" "$T/many" | calls_of lspp-new -j 1 -t "$T/t.db")
	at_most 27 "$few" "$many"
}

@test "to prove a database, and to find nothing to prune of it" {
	lspp-ship -r "$T/r1" <"$T/few" >/dev/null
	lspp-ship -r "$T/r2" <"$T/many" >/dev/null
	# Without a state: how many transactions that has, time tells.
	few=$(calls_of lspp-verify -s "$T/none" -r "$T/r1" '**')
	many=$(calls_of lspp-verify -s "$T/none" -r "$T/r2" '**')
	at_most 30 "$few" "$many"
	few=$(calls_of lspp-prune --yes --keep-for 30d -r "$T/r1" '**')
	many=$(calls_of lspp-prune --yes --keep-for 30d -r "$T/r2" '**')
	at_most 20 "$few" "$many"
}
