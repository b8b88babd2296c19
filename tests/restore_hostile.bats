#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore: replicas that somebody made in order to do harm.

# shellcheck disable=SC2046  # frames prints words on purpose
# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/craft

setup() {
	set +T
	craft_setup
}

# bounded COMMAND... -- with little memory, and no file above 4 MiB.
bounded() {
	(
		ulimit -f 4096
		# The sanitizers reserve a lot of it.
		[[ $B == *-* ]] || ulimit -v 2000000
		exec timeout 60 "$@"
	)
}

# refused_cheaply STATUS WHAT -- as refused(), and within bounds.
refused_cheaply() {
	run --separate-stderr bounded lspp-restore -j 4 -r "$R" -o "$OUT" "$KEY"
	assert_failure "$1"
	assert_output ""
	[[ $stderr == *"lspp-restore: $KEY: "*"$2"* ]] || fail "$stderr"
	assert [ ! -e "$OUT/$KEY" ]
	no_leftovers
}

# zeros BYTES -- so many, packed 250 to 1.
zeros() {
	head -c "$1" /dev/zero | lz4 -qc
}

@test "a bomb is refused at its first bytes: a snapshot, a segment" {
	states 1
	mkdir -p "$(dir)/snapshots" "$(dir)/wal"
	zeros 512M >"$(dir)/snapshots/00000000.snapshot.lz4"
	refused_cheaply 65 "snapshots/00000000.snapshot.lz4: "
	snapshot 0 s1
	zeros 512M >"$(dir)/wal/00000000_00000000.wal.lz4"
	refused_cheaply 65 "wal/00000000_00000000.wal.lz4: "
	# behind a log that is one, so far
	craft wal 4096 7 $(frames s1) >w0
	(cat w0; head -c 512M /dev/zero) |
		lz4 -qc >"$(dir)/wal/00000000_00000000.wal.lz4"
	refused_cheaply 65 "does not continue its chain"
}

@test "a bomb whose size the object does not admit is refused" {
	states 1
	mkdir -p "$(dir)/snapshots"
	# What follows the database is not what its provenance says.
	(cat s1; head -c 1M /dev/zero) | object snapshots/00000000.snapshot.lz4 s1
	refused_cheaply 65 "snapshots/00000000.snapshot.lz4: "
}

@test "sizes that no transaction can make are refused" {
	local says
	states 2
	for says in 4294967294 1000000; do
		rm -rf "$R"
		snapshot 0 s1 -
		craft wal 4096 7 "s2:1:$says" >w0
		segment 0 0 "$(stat -c %s w0)" - w0
		refused_cheaply 65 "makes a database of $says pages"
	done
	# A page far behind the end, which nothing makes room for.
	rm -rf "$R"
	snapshot 0 s1 -
	craft wal 4096 7 s2:1:0 "s2:4000000000:$(pages s2)" >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	refused_cheaply 74 "unfinished file: "
}

# trunk FIRST N -- a page of the list of free pages that names N from FIRST on.
trunk() {
	local i hex
	printf -v hex '%08x%08x' 0 "$2"
	for ((i = 0; i < $2; i++)); do
		printf -v hex '%s%08x' "$hex" $(($1 + i))
	done
	# shellcheck disable=SC2059  # all of it is escapes
	printf "$(sed 's/../\\x&/g' <<<"$hex")"
}

@test "pages that were new and free at once need not be there" {
	local n
	states 1
	n=$(pages s1)
	snapshot 0 s1 -
	# Page n + 1 names all that a page can, and there is the lock's page.
	(cat s1; trunk $((n + 2)) 1022) >s2
	craft wal 4096 7 s2:1:0 "s2:$((n + 1)):$((n + 1024))" >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	restore --check none "$KEY"
	cp s2 want
	truncate -s $(((n + 1024) * 4096)) want
	restored_is want
	rm -r "$OUT"
	# More than its bytes can name, packed as they are.
	craft wal 4096 7 s2:1:0 "s2:$((n + 1)):$((n + 8000))" >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	refused_cheaply 65 "makes a database of $((n + 8000)) pages"
}

@test "a small segment does not make a large database, again and again" {
	local i n sizes=()
	states 1 65536
	n=$(pages s1 65536)
	# A page of zeros takes 270 bytes; each transaction makes a gigabyte.
	(head -c 65536 s1; head -c 65536 /dev/zero) >z
	for ((i = 1; i <= 50; i++)); do
		sizes+=("z:2:$((n + 16000))" "z:2:$n")
	done
	snapshot 0 s1 -
	craft wal 65536 7 "${sizes[@]}" >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	[ "$(stat -c %s "$(dir)/wal/00000000_00000000.wal.lz4")" -lt 40000 ]
	refused_cheaply 65 "makes a database of $((n + 16000)) pages"
	run --separate-stderr bounded lspp-verify --deep -r "$R" "$KEY"
	assert_failure 65
	[[ $stderr == *"makes a database of $((n + 16000)) pages"* ]] ||
		fail "$stderr"
}

@test "pages that change their size: in the snapshot, the log, the provenance" {
	states 2
	sqlite3 other.db 'PRAGMA page_size = 1024; CREATE TABLE t(x)'
	snapshot 0 s1
	craft wal 1024 7 $(frames other.db 1024) >w0
	segment 0 0 "$(stat -c %s w0)" other.db w0
	refused_cheaply 65 "page size 1024 in a WAL over a snapshot with 4096"
	rm -r "$(dir)"
	snapshot 0 s1 other.db
	refused_cheaply 65 "it says"
	# --resume compares with what the provenance says.
	mkdir -p "$OUT/${KEY%/*}"
	cp s1 "$OUT/$KEY"
	restore --resume "$KEY"
	assert_failure 73
}

@test "segments of a pass that lead to themselves, or back" {
	local at name sums cut
	states 4
	chain s1 s1 s1 s1
	cut=$(craft sizes w0 | head -n 1)
	mkdir "$R/lspp-passes"
	sums=$(printf '%032d' 0)
	for at in 0 "$cut"; do
		printf '%s\n' "pass 1 1 1 1" "db $KEY wal $GEN $(
			printf '%016x %016x' $((1 << 40)) 0
		) 4294967295 4096 $(pages s1) $sums 1 ok" "end 1" |
			lz4 -qc >"$R/lspp-passes/1.pass.lz4"
		name=$GEN/wal/00000000_$(printf %08x "$at").wal.lz4
		craft object 1 s1 "$name" 600 \
			$((at == 0 ? 0 : -at)) </dev/null \
			>"$R/$KEY/generations/$name"
		run --separate-stderr bounded lspp-restore -r "$R" -o "$OUT" \
			--pass 1
		assert_failure 65
		[[ $stderr == *" does not lead to the state that is wanted" ]]
		assert [ ! -e "$OUT/$KEY" ]
		chain s1 s1 s1 s1
	done
}

@test "a million generations" {
	local n
	n=$(count 1000000 6000)
	states 1
	snapshot 0 s1
	cd "$R/$KEY/generations"
	seq -f "%016.0f" "$n" | xargs mkdir
	seq -f "%016.0f" "$n" | sed 's,$,/x,' | xargs touch
	cd "$T"
	# All of them empty but for what is not ours: the one that is not.
	restore "$KEY"
	restored_is s1
	rm -r "$OUT"
	cd "$R/$KEY/generations"
	seq -f "%016.0f/snapshots" "$n" | xargs mkdir
	seq -f "%016.0f/snapshots/00000000.snapshot.lz4" "$n" | xargs touch
	cd "$T"
	refused_cheaply 65 "holds more than 4096 generations"
	restore --generation "$GEN" "$KEY"
	restored_is s1
}
