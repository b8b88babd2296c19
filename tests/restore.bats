#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore against replicas made by hand, by craft, and by litestream 0.3.

# shellcheck disable=SC2046  # frames prints words on purpose
# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/craft

setup() {
	set +T
	craft_setup
}

# --- what comes back

@test "a snapshot and segments of several indexes come back bit for bit" {
	states 4
	chain s1 s2 s3 s4
	restore "$KEY"
	restored_is s4
	assert_equal "$(stat -c %a "$OUT/$KEY")" 640
}

@test "without provenance too, and the file is ours alone" {
	states 4
	chain - - - -
	restore "$KEY"
	restored_is s4
	assert_equal "$(stat -c %a "$OUT/$KEY")" 600
}

@test "the newest snapshot is where it starts: what is older is not needed" {
	states 4
	chain s1 s2 s3 s4
	snapshot 1 s3
	rm "$(dir)"/snapshots/00000000* "$(dir)"/wal/00000000*
	restore "$KEY"
	restored_is s4
}

@test "a snapshot behind all segments is the newest state" {
	states 5
	chain s1 s2 s3 s4
	snapshot 2 s5
	restore "$KEY"
	restored_is s5
}

@test "every page size comes back, and segments cut anywhere" {
	local size cut n
	for size in 512 1024 2048 8192 16384 32768 65536; do
		rm -rf "$OUT" "$R/a" live.db
		states 2 "$size"
		snapshot 0 s1 -
		craft wal "$size" 3 $(frames s2 "$size") >w
		n=$(stat -c %s w)
		segment 0 0 7 - w
		segment 0 7 33 - w
		segment 0 33 45 - w
		cut=$((45 + size + 100))
		segment 0 45 "$cut" - w
		segment 0 "$cut" "$n" - w
		restore "$KEY"
		restored_is s2
	done
}

@test "a database that shrank and grew is as large as its last commit" {
	sqlite3 live.db 'CREATE TABLE t(x);
		INSERT INTO t VALUES(zeroblob(100000))'
	cp live.db s1
	sqlite3 live.db 'DELETE FROM t; VACUUM'
	cp live.db s2
	sqlite3 live.db 'INSERT INTO t VALUES(randomblob(30000))'
	cp live.db s3
	snapshot 0 s1
	craft wal 4096 1 $(frames s2) $(frames s3) >w
	segment 0 0 "$(stat -c %s w)" s3 w
	restore "$KEY"
	restored_is s3
	rm -r "$OUT"
	craft wal 4096 1 $(frames s2) >w
	segment 0 0 "$(stat -c %s w)" s2 w
	restore "$KEY"
	restored_is s2
}

@test "frames behind the last commit of an index have no effect" {
	states 4
	snapshot 0 s1 -
	craft wal 4096 1 $(frames s2) s4:1:0 s4:2:0 s4:3:0 >w0
	craft wal 4096 2 $(frames s3) s4:2:0 >w1
	segment 0 0 "$(stat -c %s w0)" - w0
	segment 1 0 "$(stat -c %s w1)" - w1
	restore "$KEY"
	restored_is s3
	# and an index that has no commit at all
	rm -r "$OUT"
	craft wal 4096 3 s4:1:0 s4:2:0 >w2
	segment 2 0 "$(stat -c %s w2)" - w2
	restore "$KEY"
	restored_is s3
}

@test "an index with nothing in it is passed through" {
	states 3
	snapshot 0 s1 -
	: >w0
	craft wal 4096 2 $(frames s3) >w1
	segment 0 0 0 - w0
	segment 1 0 "$(stat -c %s w1)" - w1
	restore "$KEY"
	restored_is s3
}

@test "what litestream 0.3 wrote comes back as litestream restores it" {
	sqlite3 live.db 'CREATE TABLE t(n INTEGER PRIMARY KEY, x)'
	cat >writer <<-'END'
		for i in 1 2 3 4 5 6 7 8 9 10; do
			sqlite3 live.db "INSERT INTO t(x) VALUES(randomblob(20000));
				UPDATE t SET x = randomblob(3000) WHERE n = $i / 2"
			sleep 0.2
		done
	END
	litestream 03 replicate -exec "sh writer" live.db "file://$R/$KEY" \
		>log 2>&1 || fail "$(cat log)"
	litestream 03 restore -o peer.db "file://$R/$KEY"
	restore "$KEY"
	restored_is peer.db
	same_db "$OUT/$KEY" live.db
}

# --- which generation

@test "the generation written last is taken, by what its objects say" {
	states 4
	GEN=$G2 CLOCK=2000000000 snapshot 0 s2
	GEN=$G1 CLOCK=2000000100 snapshot 0 s3
	touch -d '2040-01-01' "$R/$KEY/generations/$G2/snapshots/"*
	restore "$KEY"
	restored_is s3
}

@test "without provenance the times of the objects decide" {
	states 3
	GEN=$G1 snapshot 0 s2 -
	GEN=$G2 snapshot 0 s3 -
	touch -d '2020-01-01' "$R/$KEY/generations/$G2/snapshots/"*
	restore "$KEY"
	restored_is s2
}

@test "a newer generation without a snapshot is passed over with a warning" {
	states 4
	chain s1 s2 s3 s4
	GEN=$G2 CLOCK=2000000000 segment 0 0 "$(stat -c %s w1)" s4 w1
	local said="lspp-restore: $KEY: restored the state of \
2001-09-09T01:46:44.000Z, not the newest: generation $G2 is newer, but has no \
snapshot: passed over"
	restore "$KEY"
	earlier_is s4 "$said"
	rm -r "$OUT"
	restore -q "$KEY"
	earlier_is s4 "$said"
	rm -r "$OUT" "$R/$KEY/generations/$G1"
	refused 65 "generation $G2 has no snapshot"
}

@test "what the layout does not know is ignored" {
	states 4
	chain s1 s2 s3 s4
	mkdir -p "$R/$KEY/generations/notes" "$R/$KEY/generations/${G2^^}x"
	echo junk | tee "$(dir)/wal/x.tmp" "$(dir)/snapshots/00000009.lz4" \
		"$R/$KEY/generations/notes/00000000.snapshot.lz4" >/dev/null
	restore "$KEY"
	restored_is s4
}

# --- what is refused

@test "nothing on standard input is nothing restored" {
	states 4
	chain s1 s2 s3 s4
	run -66 --separate-stderr lspp-restore -r "$R" -o out </dev/null
	assert_output ''
	assert_regex "$stderr" 'nothing came in on standard input'
	assert_regex "$stderr" 'hint: did what should have printed the paths fail'
	run -0 --separate-stderr lspp-restore -r "$R" -o out \
		--if-replica-exists </dev/null
	assert_equal "$stderr" ''
}

@test "a missing segment is named, and nothing is restored" {
	states 4
	chain - - - -
	local last
	last=$(ls "$(dir)"/wal/00000000_* | tail -n 1)
	rm "$(dir)/wal/00000000_00000000.wal.lz4"
	refused 65 "$KEY/generations/$G1/wal/00000000_00000000.wal.lz4 is missing"
	[[ $last != *_00000000.wal.lz4 ]]
}

@test "a hole in the middle of an index is named by the object that is gone" {
	local a b
	states 4
	snapshot 0 s1 -
	craft wal 4096 7 $(frames s2) $(frames s3) $(frames s4) >w0
	a=$(craft sizes w0 | sed -n 1p)
	b=$(craft sizes w0 | sed -n 2p)
	segment 0 0 "$a" - w0
	segment 0 "$b" "$(stat -c %s w0)" - w0
	refused 65 "$(printf 'wal/00000000_%08x.wal.lz4 is missing' "$a")"
}

@test "a missing index is named" {
	states 4
	chain - - - -
	craft wal 4096 9 $(frames s2) >w2
	segment 3 0 "$(stat -c %s w2)" - w2
	refused 65 "wal/00000002_00000000.wal.lz4 is missing"
}

@test "segments that overlap are refused" {
	states 4
	snapshot 0 s1 -
	craft wal 4096 7 $(frames s2) $(frames s3) >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	segment 0 "$(craft sizes w0 | head -n 1)" "$(stat -c %s w0)" - w0
	refused 65 overlaps
}

@test "a frame that breaks the chain is refused, and its object named" {
	local fault
	states 3
	for fault in badsum badsalt; do
		snapshot 0 s1 -
		craft wal 4096 7 $(frames s2) "s3:1:0:$fault" s3:2:9 >w0
		segment 0 0 "$(stat -c %s w0)" - w0
		refused 65 "wal/00000000_00000000.wal.lz4: frame"
		refused 65 "does not continue its chain"
	done
}

@test "the chain goes on from segment to segment" {
	states 3
	snapshot 0 s1 -
	craft wal 4096 7 $(frames s2) >w0
	craft wal 4096 7 $(frames s3) $(frames s2) >w1
	local cut
	cut=$(stat -c %s w0)
	segment 0 0 "$cut" - w0
	segment 0 "$cut" "$(stat -c %s w1)" - w1
	refused 65 "does not continue its chain"
}

@test "a page that cannot be and a log of another page size are refused" {
	states 2
	snapshot 0 s1 -
	craft wal 4096 7 s2:4294967295:5 >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	refused 65 "is for page 4294967295"
	craft wal 4096 7 s2:0:5 >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	refused 65 "wal/00000000_00000000.wal.lz4: frame 1"
	craft wal 1024 7 s2:1:5 >w0
	segment 0 0 "$(stat -c %s w0)" - w0
	refused 65 "page size 1024 in a WAL over a snapshot with 4096"
}

@test "objects cut short, garbled or empty are refused, one and all" {
	local f n
	states 4
	chain s1 s2 s3 s4
	cp -r "$R" sound
	find "$R" -type f | LC_ALL=C sort >objects
	assert_equal "$(wc -l <objects)" 4
	while read -r f; do
		n=$(stat -c %s "$f")
		head -c $((n / 2)) "$f" >half && cp half "$f"
		refused 65 "${f#"$R"/}: "
		head -c 100 /dev/urandom >"$f"
		refused 65 "${f#"$R"/}: "
		: >"$f"
		refused 65 "${f#"$R"/}: "
		rm -r "$R" && cp -r sound "$R"
		printf '\377\377\377' | dd of="$f" bs=1 seek=$((n / 2)) \
			conv=notrunc status=none
		refused 65 "${f#"$R"/}: "
		rm -r "$R" && cp -r sound "$R"
	done <objects
	restore "$KEY"
	restored_is s4
}

@test "an object under another's name is refused" {
	states 4
	chain s1 s2 s3 s4
	cp "$(dir)/snapshots/00000000.snapshot.lz4" x
	rm "$(dir)"/snapshots/* "$(dir)"/wal/*
	cp x "$(dir)/snapshots/00000005.snapshot.lz4"
	refused 65 "is another object under this name"
}

@test "what does not have the checksum it was shipped with is refused" {
	states 4
	chain s1 s2 s3 s4
	# The last segment, sound in itself, belongs to another database.
	# As large: where it comes in the index another page may be needed.
	other() {
		cp s4 other.db
		sqlite3 other.db "UPDATE t SET x = randomblob(650) WHERE n = 7"
		[ "$(pages other.db)" = "$(pages s4)" ]
	}
	wait_for other
	cp s4 honest
	cp other.db s4
	segment 1 0 "$(stat -c %s w1)" s4 w1
	cp honest s4
	refused 65 "does not have the checksum"
}

@test "SQLite is asked about what carries no checksum, and can be told not to" {
	states 1
	cp s1 bad
	dd if=/dev/urandom of=bad bs=4096 seek=1 count=1 conv=notrunc \
		status=none
	snapshot 0 bad -
	refused 65 "SQLite's check: "
	restore --check none "$KEY"
	restored_is bad
}

@test "--check full sees more than quick, and is made of proven files too" {
	states 1
	# Rows without their entries in the index.
	sqlite3 live.db "PRAGMA writable_schema=ON;
		UPDATE sqlite_schema SET type = 'tabula' WHERE name = 't_x' AND 0;
		DELETE FROM sqlite_schema WHERE name = 't_x'"
	sqlite3 live.db "PRAGMA writable_schema=ON;
		INSERT INTO t(x) VALUES(1)"
	local root
	root=$(sqlite3 s1 "SELECT rootpage FROM sqlite_schema WHERE name='t_x'")
	sqlite3 live.db "PRAGMA writable_schema=ON;
		INSERT INTO sqlite_schema VALUES('index', 't_x', 't', $root,
			'CREATE INDEX t_x ON t(x)')"
	assert_equal "$(sqlite3 live.db 'PRAGMA quick_check')" ok
	assert_not_equal "$(sqlite3 live.db 'PRAGMA integrity_check(1)')" ok
	snapshot 0 live.db
	refused 65 "SQLite's check: " --check full
	restore --check quick "$KEY"
	restored_is live.db
}

@test "a snapshot that is no database is refused" {
	echo hello >s1
	snapshot 0 s1 -
	refused 65 "snapshots/00000000.snapshot.lz4: "
}

# --- where it goes

@test "without -o a database goes back to its place below the base" {
	states 1
	KEY=tenants/x.db snapshot 0 s1
	run --separate-stderr lspp-restore -r "file://$R" -C "$T/base" \
		"$T/base/tenants/x.db"
	assert_success
	assert_output "$T/base/tenants/x.db"
	cmp s1 "$T/base/tenants/x.db"
	# by its name and by its URL it is the same one
	run --separate-stderr lspp-restore -r "$R" -C "$T/base" tenants/x.db
	assert_failure 73
	run --separate-stderr lspp-restore -r "$R" -o new \
		"file://$R/tenants/x.db" ./tenants//x.db
	assert_failure 1
	assert_output new/tenants/x.db
	assert_equal "$stderr" "lspp-restore: ./tenants//x.db: \
new/tenants/x.db is the target of an earlier path"
	cmp s1 new/tenants/x.db
}

@test "the default base is the root directory" {
	states 1
	KEY=${T#/}/deep/x.db snapshot 0 s1
	run --separate-stderr lspp-restore -r "$R" "$T/deep/x.db"
	assert_success
	assert_output "$T/deep/x.db"
	cmp s1 deep/x.db
}

@test "names that leave the replica or the target are refused" {
	local name
	states 1
	KEY=x.db snapshot 0 s1
	for name in ../x.db a/../../x.db .. . "$R/../x.db" / file:///elsewhere/x \
		"file://$R" s3://bucket/x; do
		run --separate-stderr lspp-restore -r "$R" -C "$T/base" -o out \
			"$name"
		assert_failure
		assert_output ""
		[[ $stderr == "lspp-restore: $name: "* ]] || fail "$stderr"
		assert [ ! -e out ]
	done
}

@test "a link on the way below -o is refused, and one at the target stays" {
	states 1
	snapshot 0 s1
	KEY=link.db snapshot 0 s1
	mkdir "$OUT" away
	ln -s ../away "$OUT/a"
	ln -s ../away/x.db "$OUT/link.db"
	restore --force a/t.db
	assert_failure 73
	restore --force link.db
	assert_failure 73
	assert_equal "$(ls -A away)" ""
	assert [ -L "$OUT/link.db" ]
	# The directory itself may be a link.
	ln -s away other
	run --separate-stderr lspp-restore -r "$R" -o other a/t.db
	assert_success
	cmp s1 away/a/t.db
}

@test "what exists is not replaced: the file, its log, its journal" {
	local side
	states 2
	snapshot 0 s2
	mkdir -p "$OUT/a"
	for side in "" -wal -shm -journal; do
		echo precious >"$OUT/$KEY$side"
		restore "$KEY"
		assert_failure 73
		assert_output ""
		[[ $stderr == *"${KEY##*/}$side exists"* ]] || fail "$stderr"
		assert_equal "$(cat "$OUT/$KEY$side")" precious
		assert_equal "$(ls -A "$OUT/a")" "t.db$side"
		rm "$OUT/$KEY$side"
	done
}

@test "--force replaces it, and nothing stale is left beside it" {
	states 2
	snapshot 0 s2
	mkdir -p "$OUT/a"
	for side in "" -wal -shm -journal; do
		echo stale >"$OUT/$KEY$side"
	done
	restore --force "$KEY"
	restored_is s2
	mkdir "$OUT/$KEY-wal"
	restore --force "$KEY"
	assert_failure 73
}

@test "--force keeps what is there when the restore fails" {
	states 2
	snapshot 0 s2
	head -c 200 "$(dir)"/snapshots/* >x && cp x "$(dir)"/snapshots/*
	mkdir -p "$OUT/a"
	cp s1 "$OUT/$KEY"
	restore --force "$KEY"
	assert_failure 65
	cmp s1 "$OUT/$KEY"
	assert_equal "$(ls -A "$OUT/a")" t.db
}

@test "--if-not-exists passes over what exists, and restores the rest" {
	states 2
	snapshot 0 s2
	KEY=b.db snapshot 0 s1
	mkdir -p "$OUT/a"
	echo mine >"$OUT/$KEY"
	restore --if-not-exists "$KEY" b.db
	assert_success
	assert_output "$OUT/b.db"
	assert_equal "$stderr" ""
	assert_equal "$(cat "$OUT/$KEY")" mine
	restore -v --if-not-exists "$KEY"
	assert_success
	[[ $stderr == *"$OUT/$KEY exists: passed over"* ]] || fail "$stderr"
	run lspp-restore -r "$R" --force --if-not-exists "$KEY"
	assert_failure 2
}

@test "leftovers of killed runs go, but not what somebody works on" {
	states 1
	snapshot 0 s1
	mkdir -p "$OUT/a"
	touch "$OUT/a/.lspp-0a1b2c" "$OUT/a/.lspp-ffffff" "$OUT/a/.lspp-notes" \
		"$OUT/a/x.lspp-0a1b2c"
	exec 9<"$OUT/a/.lspp-ffffff"
	flock -x 9
	restore "$KEY"
	assert_success
	exec 9<&-
	assert_equal "$(ls -A "$OUT/a" | LC_ALL=C sort | tr '\n' ' ')" \
		".lspp-ffffff .lspp-notes t.db x.lspp-0a1b2c "
}

# --- many

@test "one bad path costs one path, and is in the reports" {
	local i
	states 2
	for i in 1 2 3 4 5 6 7 8; do
		KEY=k$i.db snapshot 0 s2
	done
	head -c 100 "$R"/k5.db/generations/*/snapshots/* >x
	cp x "$R"/k5.db/generations/*/snapshots/00000000.snapshot.lz4
	printf '%s\n' k1.db k2.db k3.db nosuch.db k4.db k5.db k6.db '' k7.db \
		>list
	restore -e report --failed failed <list
	assert_failure 1
	assert_equal "$(echo "$output" | LC_ALL=C sort | tr '\n' ' ')" \
		"$(printf "$OUT/k%d.db " 1 2 3 4 6 7)"
	assert_equal "$(LC_ALL=C sort report)" \
		"$(printf '65\t1\tk5.db\n66\t1\tnosuch.db')"
	assert_equal "$(LC_ALL=C sort failed)" "$(printf 'k5.db\nnosuch.db')"
	assert_equal "$(grep -vc ': hint: ' <<<"$stderr")" 2
	KEY=nosuch.db refused 66 "no backup of that name"
}

@test "a path is bytes: spaces, newlines and patterns are part of it" {
	local name
	states 1
	for name in ' x ' $'new\nline.db' '[a]*.db' '?' 'a%20b?c#.db' $'\xff\xfe'; do
		KEY=$name snapshot 0 s1 -
		printf '%s\0' "$name" >>list
	done
	run --separate-stderr bash -c 'lspp-restore -0 -r "$1" -o "$2" <list |
		LC_ALL=C sort -z | tr "\0" "|"' - "$R" "$OUT"
	assert_success
	assert_equal "$stderr" ""
	while IFS= read -r -d '' name; do
		cmp s1 "$OUT/$name"
	done <list
	KEY='*.nosuch' refused 66 "no database in file://$R matches"
}

@test "-n tells what would be done, and does nothing" {
	states 4
	chain s1 s2 s3 s4
	restore -n "$KEY"
	assert_success
	assert_equal "$stderr" ""
	assert_line -n 0 --regexp '^generation  *snapshot segments .* -> target$'
	assert_line -n 1 --regexp \
		"^$G1 00000000  *3  *[0-9]+ 20[0-9TZ:.-]+  *$KEY -> $OUT/$KEY\$"
	assert_equal "${#lines[@]}" 2
	restore -nv "$KEY"
	[[ $stderr == *"generation $G1, snapshot 00000000, 3 segments, "* ]] ||
		fail "$stderr"
	assert [ ! -e "$OUT" ]
	restore -n nosuch.db
	assert_failure 66
	mkdir -p "$OUT/a"
	touch "$OUT/$KEY-wal"
	restore -n "$KEY"
	assert_failure 73
	restore -n --force "$KEY"
	assert_success
	assert_equal "$(ls -A "$OUT/a")" t.db-wal
}

@test "wrong use is refused before anything is touched" {
	states 1
	snapshot 0 s1
	run lspp-restore "$KEY"
	assert_failure 2
	run lspp-restore -r "$R" -o "" "$KEY"
	assert_failure 2
	run lspp-restore -r "$R" --check twice "$KEY"
	assert_failure 2
	run lspp-restore -r "$R" --timestamp 2020-01-01T00:00:00+1 "$KEY"
	assert_failure 2
	run lspp-restore -r "$R" --index 0 "$KEY"
	assert_failure 2
	run lspp-restore -r "$T/nosuch" -o "$OUT" "$KEY"
	assert_failure
	run lspp-restore -r gopher://x -o "$OUT" "$KEY"
	assert_failure 78
	assert [ ! -e "$OUT" ]
}

@test "killed at any moment, every target is whole or absent" {
	local i n=60 rounds name
	seed
	states 3
	craft wal 4096 7 $(frames s2) $(frames s3) >w
	for ((i = 1; i <= n; i++)); do
		KEY=d$((i % 7))/k$i.db
		snapshot 0 s1
		segment 0 0 "$(stat -c %s w)" s3 w
		echo "$KEY" >>list
	done
	rounds=$(count 200 8)
	for ((i = 1; i <= rounds; i++)); do
		killed_within "0.0$((RANDOM % 90 + 10))" lspp-restore -r "$R" \
			-o "$OUT" --if-not-exists <list >acknowledged || true
		while read -r name; do
			cmp "$name" s3
		done <acknowledged
		while read -r name; do
			[ ! -e "$OUT/$name" ] || cmp "$OUT/$name" s3
		done <list
		((i % 3)) || rm -rf "$OUT"
	done
	run --separate-stderr lspp-restore -r "$R" -o "$OUT" --if-not-exists <list
	assert_success
	while read -r name; do
		cmp "$OUT/$name" s3
	done <list
	no_leftovers
}

@test "killed at any moment with --force: the old with its log, none, or the new" {
	local i n=40 rounds name
	seed
	states 3
	for ((i = 1; i <= n; i++)); do
		KEY=k$i.db
		snapshot 0 s3
		echo "$KEY" >>list
	done
	# In WAL mode, with a commit that is in the log alone.
	sqlite3 old 'PRAGMA journal_mode=WAL; CREATE TABLE t(x)' \
		'.shell cp old old.db; cp old-wal old.wal' >/dev/null
	[ -s old.wal ]
	rounds=$(count 200 8)
	for ((i = 1; i <= rounds; i++)); do
		rm -rf "$OUT"
		mkdir "$OUT"
		while read -r name; do
			cp old.db "$OUT/$name"
			cp old.wal "$OUT/$name-wal"
		done <list
		killed_within "0.0$((RANDOM % 90 + 10))" lspp-restore -r "$R" \
			-o "$OUT" --force <list >acknowledged || true
		while read -r name; do
			cmp "$name" s3
		done <acknowledged
		while read -r name; do
			if cmp -s "$OUT/$name" s3; then
				assert [ ! -e "$OUT/$name-wal" ]
			elif [ -e "$OUT/$name" ]; then
				cmp "$OUT/$name" old.db
				cmp "$OUT/$name-wal" old.wal
			fi
		done <list
	done
	run lspp-restore -r "$R" -o "$OUT" --force <list
	assert_success
	no_leftovers
	assert_equal "$(ls -A "$OUT" | wc -l)" "$n"
}
