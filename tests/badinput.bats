# SPDX-License-Identifier: Apache-2.0
# One bad path costs one path: whatever it is, it is named with its reason and
# class, and all others are shipped.
#
# Twice: on S3, too.

load lib/replica

setup() {
	set +T
	cd "$T"
	replica_new "$T/rep"
	export LSPP_REPLICA=$R LSPP_BASE=$T/src LSPP_STATE=$T/state
	mkdir src
	cd src
	sqlite3 good1.db "CREATE TABLE t AS SELECT 1 a"
	sqlite3 good2.db "CREATE TABLE t AS SELECT 2 a"
}

# ship_bad STATUS MESSAGE PATH -- PATH alone has that status; between two good
# ones it costs only itself.
ship_bad() {
	run -"$1" --separate-stderr lspp-ship -- "$3"
	assert_output ''
	stderr=$(but_limits <<<"$stderr")
	assert_regex "$stderr" "^lspp-ship: [^:]*: $2"
	replica_clear
	LSPP_REPLICA=$R
	rm -rf "$T/state"
	run -1 --separate-stderr lspp-ship -j 1 -e "$T/errors" \
		--failed "$T/failed" -- good1.db "$3" good2.db
	assert_output $'good1.db\ngood2.db'
	assert_equal "$(cat "$T/failed")" "$3"
	assert_equal "$(cat "$T/errors")" "$1"$'\t1\t'"$3"
	rm "$T/failed" "$T/errors"
}

@test "a path that is not there" {
	ship_bad 66 '.*No such file' gone.db
}

@test "a dangling link" {
	ln -s nowhere dangling.db
	ship_bad 66 '.*No such file' dangling.db
}

@test "a looping link" {
	ln -s loop.db loop.db
	ship_bad 66 '.*Too many levels' loop.db
}

@test "a directory" {
	mkdir dir.db
	ship_bad 65 'not a regular file' dir.db
}

@test "a FIFO, without waiting for it" {
	mkfifo fifo.db
	ship_bad 65 'not a regular file' fifo.db
}

@test "a device" {
	ship_bad 78 'not below the base' /dev/null
	LSPP_BASE=/ run -65 --separate-stderr lspp-ship -s "$T/s2" \
		-r "$R/2" /dev/null
	assert_regex "$stderr" 'not a regular file'
}

@test "an empty file" {
	: >empty.db
	ship_bad 65 'empty file' empty.db
}

@test "a file that is no database, long or short" {
	echo hello >short.db
	ship_bad 65 'not a database' short.db
	head -c 10000 /dev/zero >long.db
	ship_bad 65 'not a database' long.db
}

@test "a header that promises an impossible page size" {
	cp good1.db size.db
	printf '\003\003' | dd of=size.db bs=1 seek=16 conv=notrunc status=none
	ship_bad 65 '.*page size' size.db
}

@test "a truncated database" {
	sqlite3 cut.db "CREATE TABLE t AS SELECT randomblob(20000) a"
	truncate -s 12288 cut.db
	ship_bad 65 'truncated' cut.db
	truncate -s 60 cut.db
	ship_bad 65 'not a database' cut.db
}

# Reading it would take an hour, and for who may write it costs nothing.
@test "a file of TB that is nothing but holes, with a WAL and without" {
	sqlite3 holes.db "CREATE TABLE t(a)"
	printf '\377\377\377\377' | dd of=holes.db bs=1 seek=92 conv=notrunc \
		status=none # the size in the header does not count
	truncate -s 4T holes.db || skip "no file of TB here"
	ship_bad 65 'nearly all holes' holes.db
	rm holes.db
	sqlite3 holes.db "PRAGMA journal_mode = wal; CREATE TABLE t(a)" >/dev/null
	exec 4> >(exec sqlite3 holes.db >/dev/null 3>&-)
	writer=$!
	echo "INSERT INTO t VALUES(1);" >&4
	wait_for test -s holes.db-wal
	cp holes.db holes2.db
	cp holes.db-wal holes2.db-wal
	exec 4>&-
	wait "$writer"
	truncate -s 4T holes2.db
	ship_bad 65 '.*nearly all holes' holes2.db
}

@test "such a file in place of a database that was shipped: verify" {
	lspp-ship good1.db good2.db >/dev/null
	truncate -s 4T good1.db || skip "no file of TB here"
	run timeout 60 lspp-verify --against-source '**'
	assert_failure 1
	assert_output --partial 'nearly all holes'
	assert_line good2.db
}

@test "a file that may not be read" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to have a second user"
	sqlite3 secret.db "CREATE TABLE t(a)"
	chmod 600 secret.db
	chmod 755 "$T" .
	chmod 644 good?.db
	mkdir -m 777 "$T/theirs"
	[ $REPLICA = s3 ] || chmod 777 "$R"
	cp "$B/bin/lspp-ship" "$T/lspp-ship"
	d=$T
	while [ -n "$d" ]; do
		chmod o+x "$d"
		d=${d%/*}
	done
	run -1 --separate-stderr setpriv --reuid 65534 --regid 65534 \
		--clear-groups "$T/lspp-ship" -j 1 \
		-s "$T/theirs/state" good1.db secret.db good2.db
	assert_output $'good1.db\ngood2.db'
	assert_regex "$stderr" 'secret.db: .*Permission denied'
}

@test "a -wal with a corrupt header is passed over, as SQLite does" {
	sqlite3 w.db "PRAGMA journal_mode=WAL; CREATE TABLE t AS SELECT 7 a"
	head -c 8000 /dev/urandom >w.db-wal
	run --separate-stderr lspp-ship w.db
	assert_success
	lspp-restore -o "$T/out" w.db
	cmp w.db "$T/out/w.db"
}

@test "the -wal of a database with another page size is refused" {
	sqlite3 other.db "PRAGMA page_size=1024; PRAGMA journal_mode=WAL"
	sqlite3 other.db ".dbconfig no_ckpt_on_close on" \
		"CREATE TABLE t AS SELECT 7 a" >/dev/null
	[ -s other.db-wal ]
	cp good1.db mixed.db
	cp other.db-wal mixed.db-wal
	ship_bad 65 'page size 4096, but 1024 in its -wal' mixed.db
}

@test "the -wal of a database with the same page size is what SQLite makes of it" {
	sqlite3 other.db "PRAGMA journal_mode=WAL"
	sqlite3 other.db ".dbconfig no_ckpt_on_close on" \
		"CREATE TABLE t AS SELECT randomblob(30000) a" >/dev/null
	cp good1.db mixed.db
	cp other.db-wal mixed.db-wal
	lspp-ship mixed.db
	image mixed.db "$T/image"
	lspp-restore -o "$T/out" mixed.db
	cmp "$T/image" "$T/out/mixed.db"
}

@test "a hot journal is left alone, and shipped after the application came" {
	sqlite3 hot.db "CREATE TABLE t(a, b);
		WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c
			WHERE x < 500)
		INSERT INTO t SELECT x, randomblob(400) FROM c"
	# Die in the middle of a transaction that has spilled.
	printf '%s\n' "PRAGMA cache_size=5; BEGIN;" \
		"UPDATE t SET b = randomblob(400);" \
		".shell kill -9 \$PPID" | sqlite3 hot.db || :
	[ -s hot.db-journal ]
	sha=$(sha256sum hot.db hot.db-journal)
	ship_bad 75 'hot journal' hot.db
	assert_equal "$(sha256sum hot.db hot.db-journal)" "$sha"
	assert_equal "$(sqlite3 hot.db 'PRAGMA integrity_check')" ok
	lspp-ship hot.db
	lspp-restore -o "$T/out" hot.db
	cmp hot.db "$T/out/hot.db"
}

@test "a hot journal beside a -wal: SQLite rolls back first, so it is left alone" {
	sqlite3 both.db "CREATE TABLE t(a, b); CREATE TABLE u(z);
		WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c
			WHERE x < 500)
		INSERT INTO t SELECT x, randomblob(400) FROM c"
	cp both.db "$T/wal.db"
	printf '%s\n' "PRAGMA journal_mode=WAL; INSERT INTO u VALUES(1);" \
		".shell kill -9 \$PPID" | sqlite3 "$T/wal.db" >/dev/null || :
	printf '%s\n' "PRAGMA cache_size=5; BEGIN;" \
		"UPDATE t SET b = randomblob(400);" \
		".shell kill -9 \$PPID" | sqlite3 both.db || :
	cp "$T/wal.db-wal" both.db-wal
	[ -s both.db-journal ]
	[ -s both.db-wal ]
	ship_bad 75 'hot journal' both.db
	sqlite3 both.db 'SELECT count(*) FROM t'
	lspp-ship both.db
	lspp-restore -o "$T/out" both.db
	same_db both.db "$T/out/both.db"
}

@test "lspp's own state is not a database to ship" {
	lspp-ship good1.db
	run -65 --separate-stderr lspp-ship -C / -r "$R/2" -s "$T/s2" \
		"$T/state/state.db"
	assert_regex "$stderr" 'the state of lspp'
}

# no_keys -- names that a file may have, and an object not (tests/s3.bats).
no_keys() {
	cp good1.db $'bad\xff\xfe.db'
	cp good1.db $'surrogate\xed\xa0\x80.db'
	cp good1.db $'none\xef\xbf\xbe.db'
	cp good1.db $'bell\a.db'
}

@test "names with spaces, UTF-8, bytes that are none, and a newline" {
	cp good1.db 'two words .db'
	cp good1.db 'größe 数据.db'
	[ $REPLICA = s3 ] || no_keys
	cp good1.db $'new\nline.db'
	cp good1.db -- '-dash.db'
	cp good1.db '#?%20[a].db'
	cp good1.db $'tail\r'
	find . -type f -print0 | sort -z >"$T/list"
	lspp-ship -0 <"$T/list" | sort -z >"$T/printed"
	cmp "$T/list" "$T/printed"
	sed -z 's,^\./,,' "$T/list" | lspp-restore -0 -o "$T/out" >/dev/null
	diff -r . "$T/out"
	sleep 1.1
	lspp-ship -0 <"$T/list" >/dev/null
	run lspp-hot -0 <"$T/list"
	assert_output ''
}

@test "a path of 4,000 bytes" {
	long=$T/src
	while [ ${#long} -lt 3900 ]; do long=$long/$(printf 'd%.0s' {1..99}); done
	# Deeper than PATH_MAX allows in one call from here: go step by step.
	mkdir -p "$long"
	cp good1.db "$long/x.db"
	run --separate-stderr lspp-ship "$long/x.db"
	if [ "$status" -ne 0 ]; then
		assert_regex "$stderr" 'name too long|S3 allows 1024'
		assert_equal "$status" "$([ $REPLICA = s3 ] && echo 2 || echo 66)"
	fi
	run -66 --separate-stderr lspp-ship "$long/$(printf 'x%.0s' {1..250})"
	assert_regex "$stderr" 'lspp-ship: '
	ship_bad 66 '.*' "$(printf 'y%.0s' {1..300})"
}

@test "a database that is deleted while it is read costs itself" {
	sqlite3 big.db "CREATE TABLE t AS SELECT randomblob(3000000) a"
	sleep 0.1
	# Stopped at the end of the read, when the file is there no more.
	run -1 --separate-stderr atcall -f big.db -k read -n 5 \
		-x 'rm big.db' lspp-ship -j 1 good1.db big.db good2.db
	assert_regex "$stderr" 'big.db: '
	assert_output --partial good1.db
	assert_output --partial good2.db
}

@test "a database that is replaced while it is read ships as one of the two" {
	sqlite3 big.db "CREATE TABLE t AS SELECT randomblob(3000000) a"
	sqlite3 new.db "CREATE TABLE t AS SELECT randomblob(2000000) a"
	sleep 0.1
	atcall -f big.db -k read -n 5 -x 'mv new.db big.db' \
		lspp-ship -j 1 big.db
	lspp-restore -o "$T/out" big.db
	cmp big.db "$T/out/big.db"
}

@test "a database that grows while it is read ships whole" {
	sqlite3 big.db "CREATE TABLE t AS SELECT randomblob(3000000) a"
	sleep 0.1
	atcall -f big.db -k read -n 5 -x \
		'sqlite3 big.db "INSERT INTO t SELECT randomblob(2000000)"' \
		lspp-ship -j 1 big.db
	lspp-restore -o "$T/out" big.db
	cmp big.db "$T/out/big.db"
}

@test "the same path several times is one history" {
	run -0 --separate-stderr lspp-ship good1.db good1.db ./good1.db \
		../src/good1.db good2.db good1.db
	assert_equal "$(but_limits <<<"$stderr")" ''
	assert_equal "${#lines[@]}" 6
	assert_equal "$(replica_list | grep -vc /owner-)" 2
	lspp-restore -o "$T/out" good1.db
	cmp good1.db "$T/out/good1.db"
}

@test "two ships of the same paths at once" {
	for i in $(seq 3 60); do cp good1.db "good$i.db"; done
	ls good*.db >"$T/list"
	lspp-ship <"$T/list" >"$T/one" 3>&- &
	lspp-ship <"$T/list" >"$T/two"
	wait $!
	sort "$T/list" >"$T/sorted"
	diff "$T/sorted" <(sort "$T/one")
	diff "$T/sorted" <(sort "$T/two")
	assert_equal "$(replica_list |
		grep -v /owner- | sed 's,\(/generations/[^/]*\)/.*,\1,' |
		sort -u | wc -l)" 60
}

@test "what is not supported is refused by name" {
	run -78 --separate-stderr lspp-ship -r gs://bucket/x good1.db
	assert_regex "$stderr" 'gs'
	run -2 --separate-stderr env -u LSPP_REPLICA lspp-ship good1.db
	assert_regex "$stderr" 'no replica'
}
