#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore to a time, past damage, and --list.

# shellcheck disable=SC2046,SC2207  # frames prints words on purpose
# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/craft

setup() {
	set +T
	craft_setup
}

# again ARGUMENT... -- restore KEY anew.
again() {
	rm -rf "$OUT"
	restore "$@" "$KEY"
}

# no STATUS WHAT [ARGUMENT...] -- refused, anew.
no() {
	rm -rf "$OUT"
	refused "$@"
}

# nth N -- segment N of those that are there; its key is NTH_KEY.
nth() {
	NTH=$(find "$(dir)"/wal -type f | LC_ALL=C sort | sed -n "$1p")
	NTH_KEY=${NTH#"$R"/}
}

# --- to a time

@test "--timestamp: the newest state until then, to the segment" {
	local k
	states 4
	chain s1 s2 s3 s4
	for k in 1 2 3 4; do
		again --timestamp @$((1000000000 + k))
		restored_is s$k
		again --timestamp @$((1000000000 + k)).999999999
		restored_is s$k
	done
	again --timestamp 2001-09-09T03:46:42+02:00
	restored_is s2
	again --timestamp 1h
	restored_is s4
}

# stored_at FRACTION -- four states that say nothing of their times; the store's
# are a second apart.
stored_at() {
	local k files
	states 4
	chain - - - -
	files=("$(dir)"/snapshots/* "$(dir)"/wal/*)
	for k in 0 1 2 3; do
		touch -d "@170000000$k$1" "${files[k]}"
	done
}

@test "--timestamp by the store's times where the objects say nothing" {
	local k
	stored_at .5
	for k in 0 1 2 3; do
		again --timestamp @$((1700000000 + k)).5
		restored_is s$((k + 1))
		rm -f peer.db*
		# It wants a time with an object at or after it.
		litestream 03 restore -o peer.db \
			-timestamp "$(date -u -d "@$((1700000000 + k)).5" \
			+%FT%T.%NZ)" "file://$R/$KEY"
		cmp peer.db s$((k + 1))
	done
	no 66 "the backup covers 2023-11-14T22:13:20.500Z to \
2023-11-14T22:13:23.500Z" --timestamp @1700000000.4
}

@test "--timestamp: the generation that gets closest is taken" {
	states 5
	GEN=$G2 chain s1 s2 s3 s4
	GEN=$G1 CLOCK=1000000009 snapshot 0 s5
	again --timestamp @1000000003
	restored_is s3
	again --timestamp @1000000009.9
	restored_is s4
	again --timestamp @1000000010
	restored_is s5
	again --generation "$G2"
	restored_is s4
	again --generation "$G1" --timestamp @1000000010
	restored_is s5
	no 66 "there is nothing as old as 2001-09-09T01:46:43.000Z: the \
backup covers 2001-09-09T01:46:50.000Z to 2001-09-09T01:46:50.000Z" \
		--generation "$G1" --timestamp @1000000003
	no 66 "no generation 3333333333333333 of it" \
		--generation 3333333333333333
}

@test "--timestamp starts from the snapshot before it" {
	states 4
	chain s1 s2 s3 s4
	snapshot 1 s3
	again --timestamp @1000000002
	restored_is s2
	rm "$(dir)"/snapshots/00000000*
	again
	restored_is s4
}

@test "a time outside of what there is says what there is" {
	states 4
	chain s1 s2 s3 s4
	no 66 "there is nothing as old as 2001-09-09T01:46:40.000Z: the \
backup covers 2001-09-09T01:46:41.000Z to 2001-09-09T01:46:44.000Z" \
		--timestamp @1000000000
	# That is no missing backup.
	no 66 "there is nothing as old" --if-replica-exists \
		--timestamp @1000000000
}

@test "times, generations and indexes that are none are wrong use" {
	local a
	for a in "--timestamp 2026-01-01T00" "--timestamp yesterday" \
		"--timestamp 2200-01-01T00:00:00Z" "--generation xyz" \
		"--index 0" "--generation $G1 --index 0g" \
		"--generation $G1 --index 100000000" \
		"--generation $G1 --index 0 --timestamp 1h" \
		"--list --bisect" "--list -n" "--bisect -n"; do
		# shellcheck disable=SC2086
		restore $a "$KEY"
		assert_failure 2
		assert_output ""
	done
}

@test "--index: to its end" {
	states 5
	chain s1 s2 s3 s4
	snapshot 2 s5
	again --generation "$G1" --index 0
	restored_is s3
	again --generation "$G1" --index 00000001
	restored_is s4
	again --generation "$G1" --index 2
	restored_is s5
	rm "$(dir)"/snapshots/00000000*
	no 66 "generation $G1 has nothing up to index 00000001: its first \
snapshot has index 00000002" --generation "$G1" --index 1
}

@test "a time that -n and -v print is taken by --timestamp" {
	local at
	stored_at .5000004
	again -n --timestamp @1700000002.9
	at=$(awk 'NR == 2 { print $5 }' <<<"$output")
	assert_equal "$at" 2023-11-14T22:13:22.501Z
	again -n --timestamp "$at"
	again --timestamp "$at"
	restored_is s3
	again -v --timestamp @1700000002.9
	assert_regex "$stderr" " as of $at\$"
}

@test "a generation that was ended before its snapshot is nothing lost" {
	states 5
	chain s1 s2 s3 s4
	GEN=$G2 CLOCK=1000000006 segment 0 0 0 s5 w0
	GEN=3333333333333333 CLOCK=1000000009 snapshot 0 s5
	again --timestamp @1000000008
	restored_is s4
	again
	restored_is s5
	# One that holds something, or had to, is.
	GEN=$G2 CLOCK=1000000006 segment 1 0 0 s5 w0
	again --timestamp @1000000008
	earlier_is s4 "$stderr"
	[[ $stderr == *"generation $G2 is newer, but has no snapshot"* ]] ||
		fail "$stderr"
}

# --- what does not say when it was captured, in a copy with times of its own

# spoil FILE -- its provenance can no longer be read; cut FILE: it ends early.
spoil() {
	printf '\377' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - 50)) \
		conv=notrunc status=none
}

cut_short() {
	truncate -s -3 "$1"
}

@test "--timestamp: a damaged object is never taken for a later one" {
	local harm seg
	states 4
	for harm in spoil cut_short; do
		rm -rf "${R:?}/$KEY"
		CLOCK=1000000000
		chain s1 s2 s3 s4
		seg=$(find "$(dir)"/wal | LC_ALL=C sort | sed -n 3p)
		$harm "$seg"
		again --timestamp @1000000001.5
		restored_is s1
		again --timestamp @1000000002
		restored_is s2
		# From there on it may be what is asked for.
		for at in 1000000002.5 1000000003 1000000004 1500000000; do
			no 65 "${seg#"$R"/}: " --timestamp "@$at"
			again --timestamp "@$at" --to-last-good
			earlier_is s2 "$stderr"
		done
	done
}

@test "--timestamp: nor is a damaged snapshot" {
	local snap said
	states 5
	chain s2 s3 s4 s5
	snap="$(dir)/snapshots/00000000.snapshot.lz4"
	spoil "$snap"
	for at in 1000000002 1000000004 1500000000; do
		no 65 "${snap#"$R"/}: " --timestamp "@$at"
	done
	no 66 "there is nothing as old as" --timestamp @1000000001
	# What is before may be older than what is wanted.
	GEN=$G2 CLOCK=999999990 snapshot 0 s1
	again --timestamp @1000000001
	said="lspp-restore: $KEY: restored the state of \
2001-09-09T01:46:31.000Z, not the newest: ${snap#"$R"/} is damaged, and may have \
been as old as that"
	earlier_is s1 "$said"
	# All of it is: what it was nobody knows, so it is not passed over.
	find "$(dir)" -type f | while read -r f; do spoil "$f"; done
	no 65 "${snap#"$R"/}: "
	again --to-last-good
	earlier_is s1 "$stderr"
}

@test "a damaged old generation does not hide a sound new one" {
	local harm f
	states 5
	GEN=$G2 chain s1 s2 s3 s4
	GEN=$G1 CLOCK=1000000009 snapshot 0 s5
	cp -r "$R" sound
	for f in $(cd sound && find "$KEY/generations/$G2" -type f); do
		for harm in spoil cut_short; do
			rm -r "$R" && cp -r sound "$R"
			$harm "$R/$f"
			again
			restored_is s5
			again --to-last-good
			restored_is s5
		done
	done
	run --separate-stderr lspp-restore -r "$R" --list "$KEY"
	assert_success
	refute_regex "$output" "$(date -u +%Y)-"
}

@test "a damaged snapshot whose file has an old time is not passed over silently" {
	local G1=11111111111736c9 # as lspp names one
	states 5
	GEN=$G2 chain s1 s2 s3 s4
	GEN=$G1 CLOCK=1000000009 snapshot 0 s5
	again
	restored_is s5
	spoil "$R/$KEY/generations/$G1/snapshots/00000000.snapshot.lz4"
	no 65 "generations/$G1/snapshots/00000000.snapshot.lz4: "
	touch -d @900000000 "$R/$KEY/generations/$G1/snapshots"/*
	again
	earlier_is s4 "$stderr"
	[[ $stderr == *"generation $G1 is damaged, and nothing tells whether it \
is newer" ]] || fail "$stderr"
}

# --- with --resume

# resumed FILE WHY [ARGUMENT...] -- what was restored with status 3, FILE, is
# complete, and still has that status, and WHY.
resumed() {
	local said
	again "${@:3}"
	earlier_is "$1" "$stderr"
	said=${stderr/restored the state/is the state}
	[[ $said == *"$2" ]] || fail "$said"
	restore --resume "${@:3}" "$KEY"
	assert_failure 3
	assert_output ""
	assert_equal "$stderr" "$said"
	no_leftovers
	cmp "$OUT/$KEY" "$1"
}

@test "--resume: what is complete but not the newest still has status 3" {
	states 5
	chain s1 s2 s3 s4
	cp -r "$R" sound
	nth 1
	rm "$NTH"
	resumed s1 "$NTH_KEY is missing" --timestamp @1000000001
	# A hole, which the plan knows; then what only a restore finds out.
	rm -r "$R" && cp -r sound "$R"
	nth 3
	GEN=$G1 CLOCK=1000000009 segment 3 0 "$(stat -c %s w1)" s4 w1
	resumed s4 "wal/00000002_00000000.wal.lz4 is missing" --to-last-good
	rm -r "$R" && cp -r sound "$R"
	spoil "$NTH"
	resumed s3 "$NTH_KEY: provenance frame is damaged" --to-last-good
	rm -r "$R" && cp -r sound "$R"
	printf '\377\377' | dd of="$NTH" bs=1 seek=3000 conv=notrunc status=none
	resumed s3 "" --to-last-good
	# Somebody has used it since.
	printf x | dd of="$OUT/$KEY" bs=1 seek=5000 conv=notrunc status=none
	restore --resume --to-last-good "$KEY"
	assert_failure 73
	rm -r "$R" && cp -r sound "$R"
	GEN=$G2 CLOCK=1000000006 segment 0 0 "$(stat -c %s w1)" s4 w1
	resumed s4 "generation $G2 is newer, but has no snapshot: passed over"
}

@test "--resume: what is complete is durable" {
	local k
	need strace
	states 4
	for k in s -; do
		rm -rf "${R:?}/$KEY"
		# shellcheck disable=SC2034  # chain() reads it
		CLOCK=1000000000
		case $k in
		s) chain s1 s2 s3 s4 ;;
		-) chain - - - - ;;
		esac
		again
		restored_is s4
		run -0 traced -f -y -o log -e trace=fsync \
			lspp-restore -r "$R" -o "$OUT" --resume "$KEY"
		assert_output ""
		run -0 grep -c "fsync([0-9]*<$OUT/$KEY>) *= 0" log
		run -0 grep -c "fsync([0-9]*<$OUT/${KEY%/*}>) *= 0" log
		run -0 grep -c "fsync([0-9]*<$OUT>) *= 0" log
	done
}

# --- what is missing right where the wanted state ends

# long SAYS... -- s1 as the snapshot; three segments to s2, s3, s4; indexes 1, 2
# and 3 to s5, s6, s7.
long() {
	local from=0 to i
	snapshot 0 s1 "$1"
	craft wal 4096 7 $(frames s2) $(frames s3) $(frames s4) >w0
	i=2
	for to in $(craft sizes w0); do
		segment 0 $from "$to" "${!i}" w0
		from=$to
		i=$((i + 1))
	done
	for i in 1 2 3; do
		craft wal 4096 $((i + 7)) $(frames s$((i + 4))) >w
		segment $i 0 "$(stat -c %s w)" "${*:$((i + 4)):1}" w
	done
}

@test "--timestamp: what is missing right behind it may be what was wanted" {
	local k at said="lspp-restore: $KEY: restored the state of \
2001-09-09T01:46:4"
	states 7
	long s1 s2 s3 s4 s5 s6 s7
	cp -r "$R" sound
	# All of an index.
	nth 5
	rm "$NTH"
	for at in 1000000005 1000000006; do
		again --timestamp @$at
		earlier_is s5 "${said}5.000Z, not the newest: $NTH_KEY is missing"
	done
	again --timestamp @1000000004
	restored_is s4
	no 65 "$NTH_KEY is missing" --timestamp @1000000007
	again --generation "$G1" --index 2
	earlier_is s5 "${said}5.000Z, not the newest: $NTH_KEY is missing"
	again --generation "$G1" --index 1
	restored_is s5
	# A segment within an index, and its first.
	for k in 2 1; do
		rm -r "$R" && cp -r sound "$R"
		nth $k
		rm "$NTH"
		again --timestamp @$((1000000001 + k))
		earlier_is s$k "${said}$k.000Z, not the newest: $NTH_KEY is missing"
		no 65 "$NTH_KEY is missing" --timestamp @1000000005
	done
	again --timestamp @1000000001
	earlier_is s1 "${said}1.000Z, not the newest: $NTH_KEY is missing"
	# -n tells it, too.
	rm -r "$OUT"
	restore -n --timestamp @1000000001 "$KEY"
	assert_failure 3
}

@test "--timestamp: of Litestream's objects the names tell what is missing" {
	local k files
	states 7
	long - - - - - - -
	files=("$(dir)"/snapshots/* "$(dir)"/wal/*)
	for k in 0 1 2 3 4 5 6; do
		touch -d "@$((1000000001 + k))" "${files[k]}"
	done
	cp -rp "$R" sound
	for k in 1 2 3 4 5 6 7; do
		again --timestamp @$((1000000000 + k))
		restored_is s$k
	done
	nth 5
	rm "$NTH"
	again --timestamp @1000000006
	earlier_is s5 "$stderr"
	[[ $stderr == *"$NTH_KEY is missing" ]] || fail "$stderr"
	again --timestamp @1000000004
	restored_is s4
}

@test "--timestamp: what is pruned before the snapshot is not missed" {
	states 7
	long s1 s2 s3 s4 s5 s6 s7
	snapshot 2 s5
	CLOCK=1000000004 snapshot 2 s5
	rm "$(dir)"/snapshots/00000000* "$(dir)"/wal/0000000[01]*
	again --timestamp @1000000005
	restored_is s5
	again --timestamp @1000000006
	restored_is s6
	again
	restored_is s7
}

# --- past damage

@test "a hole names what is missing and what is before it; --to-last-good" {
	states 4
	chain s1 s2 s3 s4
	local second
	second=$(ls "$(dir)"/wal | sed -n 2p)
	craft wal 4096 8 $(frames s4) >w1
	CLOCK=1000000004 segment 2 0 "$(stat -c %s w1)" s4 w1
	rm "$(dir)"/wal/00000001*
	no 65 "$KEY/generations/$G1/wal/00000001_00000000.wal.lz4 is missing"
	[[ $stderr == *"the state before it, of 2001-09-09T01:46:43.000Z, is \
restored with --to-last-good"* ]] || fail "$stderr"
	again --to-last-good
	earlier_is s3 "lspp-restore: $KEY: restored the state of \
2001-09-09T01:46:43.000Z, not the newest: $KEY/generations/$G1/wal/\
00000001_00000000.wal.lz4 is missing"
	# In the middle of an index only the lengths tell.
	rm "$(dir)"/wal/00000002*
	object "wal/00000000_00fffff0.wal.lz4" - <w1
	again
	assert_failure 65
	[[ $stderr == *"wal/00000000_"*" is missing"*"of 2001-09-09T01:46:43"* ]] ||
		fail "$stderr"
	rm "$(dir)/wal/$second"
	again --to-last-good
	earlier_is s2 "$stderr"
	again --to-last-good -e report --failed failed
	assert_equal "$(cat report)" "3	1	$KEY"
	assert_equal "$(cat failed)" ""
}

@test "--to-last-good does nothing where nothing is wrong" {
	states 4
	chain s1 s2 s3 s4
	again --to-last-good
	restored_is s4
}

@test "--to-last-good: from the snapshot before a damaged one, to the newest" {
	states 4
	chain s1 s2 s3 s4
	snapshot 1 s3
	echo junk >"$(dir)/snapshots/00000001.snapshot.lz4"
	no 65 snapshots/00000001.snapshot.lz4
	again --to-last-good
	# Nobody knows when the junk was captured: the status is that of a loss.
	[ "$status" = 0 ] || [ "$status" = 3 ]
	cmp "$OUT/$KEY" s4
}

@test "--to-last-good: from an older generation when one is lost entirely" {
	local G1=11111111111736c9 # as lspp names one
	states 5
	GEN=$G2 chain s1 s2 s3 s4
	GEN=$G1 CLOCK=1000000009 snapshot 0 s5
	echo junk >"$R/$KEY/generations/$G1/snapshots/00000000.snapshot.lz4"
	no 65 "generations/$G1/snapshots/00000000.snapshot.lz4"
	again --to-last-good
	earlier_is s4 "$stderr"
	find "$R" -name '*.snapshot.lz4' -exec sh -c 'echo junk >"$1"' sh {} \;
	no 65 "generations/$G1/snapshots/00000000.snapshot.lz4" --to-last-good
}

@test "the state tells of a replica that is ahead of it" {
	local src=$T/src
	mkdir "$src"
	sqlite3 "$src/x.db" 'CREATE TABLE t(x)'
	lspp-ship -q -r "$R" -C "$src" -s "$T/state" "$src/x.db"
	cp -a "$T/state" "$T/back"
	sqlite3 "$src/x.db" "INSERT INTO t VALUES(1)"
	lspp-ship -q -r "$R" -C "$src" -s "$T/state" "$src/x.db"
	KEY=x.db
	again -s "$T/state"
	assert_success
	assert_equal "$stderr" ""
	again -s "$T/back"
	assert_success
	[[ $stderr == *"x.db: the replica is ahead: what is restored, of "* ]] ||
		fail "$stderr"
}

@test "the state tells of a tail that is gone" {
	local src=$T/src
	mkdir "$src"
	sqlite3 "$src/x.db" 'CREATE TABLE t(x)'
	for i in 1 2 3; do
		sqlite3 "$src/x.db" "INSERT INTO t VALUES($i)"
		lspp-ship -q -r "$R" -C "$src" -s "$T/state" "$src/x.db"
	done
	KEY=x.db
	again -s "$T/state"
	assert_success
	assert_equal "$stderr" ""
	rm "$(find "$R" -name '*.wal.lz4' | LC_ALL=C sort | tail -n 1)"
	again
	assert_success
	again -s "$T/state"
	assert_failure 3
	[[ $stderr == *"is no longer in the replica"* ]] || fail "$stderr"
	assert_equal "$(sqlite3 "$OUT/x.db" 'SELECT max(x) FROM t')" 2
	restore --resume -s "$T/state" "$KEY"
	assert_failure 3
	assert_output ""
	[[ $stderr == *": is the state of "*"is no longer in the replica"* ]] ||
		fail "$stderr"
}

# broken FILE NEW -- FILE with a page that SQLite does not like.
broken() {
	cp "$1" "$2"
	dd if=/dev/urandom of="$2" bs=4096 seek=1 count=1 conv=notrunc \
		status=none
}

@test "--bisect: the newest state that SQLite finds no fault with" {
	local i spec=()
	states 9
	for i in 6 7 8 9; do
		broken s$i b$i && mv b$i s$i
	done
	snapshot 0 s1
	for i in 2 3 4 5 6 7 8 9; do
		spec+=($(frames s$i))
	done
	craft wal 4096 7 "${spec[@]}" >w0
	local from=0 to
	i=2
	for to in $(craft sizes w0); do
		segment 0 "$from" "$to" s$i w0
		from=$to
		i=$((i + 1))
	done
	again
	restored_is s9
	again --check full
	assert_failure 65
	again --bisect
	earlier_is s5 "$stderr"
	[[ $stderr == *"restored the state of 2001-09-09T01:46:45.000Z, not the \
newest: SQLite's check: "* ]] || fail "$stderr"
	no_leftovers
	again --bisect --timestamp @1000000003
	restored_is s3
}

@test "--bisect finds no state where there is none" {
	states 3
	broken s1 b1
	snapshot 0 b1
	no 65 "SQLite's check: " --bisect
}

# --- what there is

@test "--list tells generations, snapshots, segments, bytes and the window" {
	states 5
	GEN=$G2 chain s1 s2 s3 s4
	GEN=$G1 CLOCK=1000000009 snapshot 0 s5
	local bytes2 bytes1
	bytes1=$(find "$R/$KEY/generations/$G1" -type f -printf '%s\n' | paste -sd+ | bc)
	bytes2=$(find "$R/$KEY/generations/$G2" -type f -printf '%s\n' | paste -sd+ | bc)
	run --separate-stderr lspp-restore -r "$R" --list "$KEY"
	assert_success
	assert_equal "$stderr" ""
	assert_line --index 0 --regexp '^generation  +snapshots segments +bytes from +until +database$'
	assert_line --index 1 "$G1         1        0 $(printf %14d "$bytes1") \
2001-09-09T01:46:50.000Z 2001-09-09T01:46:50.000Z $KEY"
	assert_line --index 2 "$G2         1        3 $(printf %14d "$bytes2") \
2001-09-09T01:46:41.000Z 2001-09-09T01:46:44.000Z $KEY"
	run --separate-stderr lspp-restore -r "$R" --list --json \
		--generation "$G2" "$KEY"
	assert_output "{\"path\":\"$KEY\",\"generation\":\"$G2\",\
\"snapshots\":1,\"segments\":3,\"bytes\":$bytes2,\
\"from\":\"2001-09-09T01:46:41.000000000Z\",\
\"until\":\"2001-09-09T01:46:44.000000000Z\",\"missing\":null}"
	rm "$R/$KEY/generations/$G2/wal/00000000_00000000.wal.lz4" \
		"$R/$KEY/generations/$G1/snapshots/"*
	run --separate-stderr lspp-restore -r "$R" --list "$KEY"
	assert_success
	assert_equal "$stderr" "lspp-restore: $KEY: $KEY/generations/$G2/wal/\
00000000_00000000.wal.lz4 is missing"
	run --separate-stderr lspp-restore -r "$R" --list gone.db
	assert_failure 66
}

@test "more generations than anybody has are refused, and one of them restores" {
	states 1
	snapshot 0 s1
	seq -f "%016.0f" 5000 | sed "s,^,$R/$KEY/generations/,; s,\$,/snapshots," |
		xargs mkdir -p
	seq -f "%016.0f" 5000 |
		sed "s,^,$R/$KEY/generations/,; s,\$,/snapshots/00000000.snapshot.lz4," |
		xargs touch
	refused 65 "holds more than 4096 generations"
	again --generation "$GEN"
	restored_is s1
}
