# SPDX-License-Identifier: Apache-2.0
# For tests against replicas made by hand with the tool craft.  After lib/lspp.
#	R	replica root, KEY the database in it, GEN its generation
#	OUT	where restores go
#	CLOCK	seconds, of the last object made by object()

# shellcheck disable=SC2034,SC2046  # not all use G2; frames prints words
# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

G1=1111111111111111
G2=2222222222222222

# craft_setup -- an empty replica R, and OUT to restore to.
craft_setup() {
	need lspp-restore craft sqlite3 lz4 flock
	R=$T/replica
	OUT=$T/out
	mkdir "$R"
	cd "$T" || return
	GEN=$G1
	KEY=a/t.db
	CLOCK=1000000000
}

# states N [PAGE_SIZE] -- files s1 to sN: one database at N moments.
states() {
	local i
	sqlite3 live.db "PRAGMA page_size=${2:-4096};
		CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB);
		CREATE INDEX t_x ON t(x)"
	for ((i = 1; i <= $1; i++)); do
		sqlite3 live.db "WITH RECURSIVE c(i) AS
			(VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 20)
			INSERT INTO t(x) SELECT randomblob(700) FROM c;
			UPDATE t SET x = randomblob(650) WHERE n % 3 = 0"
		cp live.db "s$i"
	done
}

pages() {
	echo $(($(stat -c %s "$1") / ${2:-4096}))
}

# frames IMAGE [PAGE_SIZE] -- one transaction that writes all of its pages.
frames() {
	local i n
	n=$(pages "$1" "${2:-4096}")
	for ((i = 1; i < n; i++)); do
		echo "$1:$i:0"
	done
	echo "$1:$n:$n"
}

dir() {
	echo "$R/$KEY/generations/$GEN"
}

# object NAME DB -- stdin as an object of ours that brings the state DB; with
# DB "-" as one of litestream's.
object() {
	local file
	file=$(dir)/$1
	mkdir -p "${file%/*}"
	if [ "$2" = - ]; then
		lz4 -qc >"$file"
	else
		craft object $((CLOCK += 1)) "$2" "$file" "${MODE:-640}" >"$file"
	fi
}

# snapshot INDEX DB [SAYS]
snapshot() {
	object "snapshots/$(printf %08x "$1").snapshot.lz4" "${3:-$2}" <"$2"
}

# segment INDEX FROM TO DB WAL -- the bytes from FROM up to TO of file WAL.
segment() {
	object "$(printf 'wal/%08x_%08x.wal.lz4' "$1" "$2")" "$4" \
		< <(head -c "$3" "$5" | tail -c +$(($2 + 1)))
}

# chain SAYS... -- s1 as the snapshot, index 0 to s2 and s3 in two segments,
# index 1 to s4; SAYS is the provenance of each, or "-".
chain() {
	local cut
	snapshot 0 s1 "$1"
	craft wal 4096 7 $(frames s2) $(frames s3) >w0
	cut=$(craft sizes w0 | head -n 1)
	segment 0 0 "$cut" "$2" w0
	segment 0 "$cut" "$(stat -c %s w0)" "$3" w0
	craft wal 4096 8 $(frames s4) >w1
	segment 1 0 "$(stat -c %s w1)" "$4" w1
}

restore() {
	run --separate-stderr lspp-restore -r "$R" -o "$OUT" "$@"
}

# refused STATUS WHAT [ARGUMENT...] -- the restore of KEY fails so, and leaves
# nothing.
refused() {
	local status_=$1 what=$2
	shift 2
	restore "$@" "$KEY"
	assert_failure "$status_"
	assert_output ""
	[[ $stderr == *"lspp-restore: $KEY: "*"$what"* ]] || fail "$stderr"
	assert [ ! -e "$OUT/$KEY" ]
	no_leftovers
}

no_leftovers() {
	[ ! -e "$OUT" ] || assert_equal "$(find "$OUT" -name '.lspp-*')" ""
}

# restored_is FILE [STDERR] -- it is FILE, and all went well.
restored_is() {
	assert_success
	target_is "$@"
}

# earlier_is FILE STDERR -- it is FILE, and that is not the newest.
earlier_is() {
	assert_failure 3
	target_is "$@"
}

target_is() {
	assert_output "$OUT/$KEY"
	assert_equal "$stderr" "${2-}"
	cmp "$OUT/$KEY" "$1"
	assert_equal "$(find "$OUT" -type f | wc -l)" 1
}
