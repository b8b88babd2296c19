# SPDX-License-Identifier: Apache-2.0
# A state that is older than the replica, or another's: the history goes on, or
# the path stops; it never breaks.

load lib/lspp

setup() {
	set +T
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state
	sqlite3 x.db "CREATE TABLE t(a INTEGER PRIMARY KEY, b);
		INSERT INTO t VALUES(1, randomblob(20000))"
	lspp-ship x.db
	grow_and_ship
	cp -r state old
}

grow_and_ship() { # [OPTION...]
	sqlite3 x.db "INSERT INTO t VALUES(NULL, randomblob(3000))"
	lspp-ship "$@" x.db
}

old_state_back() {
	rm -rf state
	cp -r old state
}

generations() {
	find rep/x.db/generations -mindepth 1 -maxdepth 1 -type d | wc -l
}

# All three readers restore what the source is; ours with that status [0].
assert_restores() {
	local v rc=0
	for v in 03 05; do
		rm -f o.db*
		litestream $v restore -o o.db "file://$T/rep/x.db"
		cmp o.db x.db
	done
	rm -f o.db*
	lspp-restore -o out x.db || rc=$?
	assert_equal "$rc" "${1:-0}"
	cmp out/x.db x.db
	rm -rf out
}

@test "an old copy of the state adopts the segments it does not know" {
	for i in 1 2 3; do grow_and_ship; done
	old_state_back
	grow_and_ship
	assert_equal "$(generations)" 1
	assert_restores
}

@test "and a snapshot among them, which begins an index" {
	grow_and_ship
	grow_and_ship --snapshot-interval 0s
	grow_and_ship
	old_state_back
	grow_and_ship
	assert_equal "$(generations)" 1
	assert [ -e rep/x.db/generations/*/snapshots/00000001.snapshot.lz4 ]
	assert_restores
}

@test "and indexes that begin without a snapshot, whatever --roll-at is now" {
	grow_and_ship --roll-at 4096
	grow_and_ship --roll-at 4096
	old_state_back
	grow_and_ship
	assert_equal "$(generations)" 1
	assert_restores
	old_state_back
	grow_and_ship --roll-at 4096
	assert_equal "$(generations)" 1
	assert_restores
}

@test "a shrunk and grown database is adopted page by page" {
	for i in 1 2 3 4 5 6; do grow_and_ship; done
	sqlite3 x.db "DELETE FROM t WHERE a > 2; VACUUM"
	lspp-ship x.db
	for i in 1 2 3; do grow_and_ship; done
	old_state_back
	grow_and_ship
	assert_equal "$(generations)" 1
	assert_restores
	# The sums are right, too: a full pass finds nothing to ship.
	sqlite3 x.db "PRAGMA user_version" # no change
	touch x.db
	run --separate-stderr lspp-ship -v x.db
	assert_success
	assert_regex "$stderr" 'unchanged, hint diff'
	refute_regex "$stderr" 'new generation'
}

@test "another writer's object stops the path with 75, by name" {
	grow_and_ship
	old_state_back
	sqlite3 x.db "INSERT INTO t VALUES(NULL, 1)"
	export LSPP_MACHINE=another
	run -75 --separate-stderr lspp-ship x.db
	assert_output ''
	assert_regex "$stderr" 'lspp-ship: x.db: x.db/generations/.*wal/00000000_.*wal.lz4 was written by somebody else'
	run -75 lspp-ship x.db
	run --separate-stderr lspp-ship --new-generation x.db
	assert_success
	assert_output x.db
	assert_equal "$(generations)" 2
	assert_restores
}

@test "a lost state starts a new generation" {
	rm -rf state
	grow_and_ship
	assert_equal "$(generations)" 2
	assert_restores
}

@test "a damaged tail is not adopted: a new generation" {
	local f how
	for how in 'dd of=$f conv=notrunc bs=1 seek=40 status=none' \
		'truncate -s -1 $f' 'truncate -s 0 $f'; do
		rm -rf rep state old
		grow_and_ship
		cp -r state old
		grow_and_ship
		old_state_back
		# The last segment: its first bytes are another's magic now, or
		# its end is gone.
		f=$(ls rep/x.db/generations/*/wal/* | tail -n 1)
		chmod u+w "$f"
		eval "$how" <<<XXXXXXXXXX
		run --separate-stderr grow_and_ship
		assert_success
		assert_regex "$stderr" 'a new generation begins: the state is older'
		assert_equal "$(generations)" 2
		rm -rf out
		lspp-restore -o out x.db
		cmp out/x.db x.db
	done
}

@test "a replica that lost the generation gets a new one" {
	rm -rf rep/x.db
	run --separate-stderr grow_and_ship
	assert_success
	assert_regex "$stderr" 'a new generation begins: the replica has lost'
	assert_restores
}

@test "sums that disagree with their record are not trusted" {
	sqlite3 state/state.db "UPDATE sums SET sums = randomblob(length(sums))"
	run --separate-stderr grow_and_ship
	assert_success
	assert_regex "$stderr" 'the state disagrees with itself'
	assert_restores
}

@test "a record that is damaged is as good as none, and says so" {
	local set n=1
	for set in 'at=at+(1<<32),snapshot=0' 'at=at+(1<<32)' at=at+4120 at=7 \
		page_size=8192 pages=pages+1 'pages=1<<40' 'sum=randomblob(16)' \
		'chain=randomblob(16)' "line='x'" format=0 captured_ns=1.5; do
		sqlite3 state/state.db "UPDATE db SET $set"
		run --separate-stderr grow_and_ship
		assert_success
		assert_output x.db
		assert_regex "$stderr" 'its record in the state is damaged'
		assert_equal "$(generations)" $((n += 1))
		assert_restores
		run --separate-stderr grow_and_ship
		assert_success
		assert_equal "$stderr" ""
		assert_equal "$(generations)" $n
	done
	assert_restores
}

@test "sums that are damaged: what grows behind them ships all the same" {
	sqlite3 x.db 'PRAGMA journal_mode=WAL; VACUUM' >/dev/null
	lspp-ship x.db
	sqlite3 state/state.db "UPDATE sums SET sums = x'00' || substr(sums, 2)"
	run --separate-stderr grow_and_ship
	assert_success
	assert_regex "$stderr" 'the state disagrees with itself'
	assert_restores
}

@test "a state that is no database is an error of its own" {
	echo 'not a database, but more than sixteen bytes' >state/state.db
	run -78 --separate-stderr lspp-ship x.db
	assert_output ''
	assert_regex "$stderr" 'state: file is not a database'
	assert_regex "$stderr" 'hint: move the state directory away'
}

@test "two databases cannot have one name in the replica" {
	mkdir other
	sqlite3 other/x.db "CREATE TABLE u(a)"
	run -78 --separate-stderr lspp-ship -C "$T/other" other/x.db
	assert_regex "$stderr" "its name in the replica, x.db, belongs to $T/x.db"
	# Moved there, it is the same database.
	mv x.db other/x.db
	run lspp-ship -C "$T/other" other/x.db
	assert_success
	assert_equal "$(generations)" 1
}

@test "the same path many times is one ship" {
	rm -rf state rep
	run --separate-stderr lspp-ship -j 2 -v x.db ./x.db x.db x.db x.db x.db
	assert_success
	assert_equal "${#lines[@]}" 6
	assert_equal "$(grep -c 'shipped snapshot' <<<"$stderr")" 1
	assert_equal "$(generations)" 1
}

@test "a path that comes again and again while it is in flight keeps nobody waiting" {
	sqlite3 x.db "INSERT INTO t VALUES(NULL, randomblob(3000))"
	sqlite3 y.db "CREATE TABLE t(a)"
	# Another run has the first one until it may go on.
	atcall -f x.db -k read -n 1 -x \
		"touch $T/held; until [ -e $T/go ]; do sleep 0.05; done" \
		lspp-ship x.db >other 3>&- &
	other=$!
	wait_for test -e held
	(
		ulimit -n 120 # eight jobs at once
		{
			printf 'x.db\n%.0s' {1..100}
			echo y.db
		} | lspp-ship -j 2 -v --lock-wait 60s >out.paths 2>err 3>&-
	) &
	ship=$!
	shipped_y() { [ -e out.paths ] && grep -qx y.db out.paths; }
	wait_for shipped_y # a hundred of one do not fill the pipe
	assert_equal "$(cat out.paths)" y.db
	sqlite3 x.db "INSERT INTO t VALUES(NULL, randomblob(3000))"
	touch go
	wait "$other"
	wait "$ship"
	assert_equal "$(grep -cx x.db out.paths)" 100
	assert [ "$(grep -c 'x.db: shipped' err)" -le 1 ]
	assert_restores
}

# A state from before a new generation began must not go on with the old one:
# litestream 0.5 reads the generation of the newest snapshot, 0.3 that of the
# newest object.
ends_the_old() { # LAST-STEP...
	old_state_back_to=$1
	lspp-ship --new-generation x.db
	grow_and_ship
	rm -rf state
	cp -r "$old_state_back_to" state
	run --separate-stderr grow_and_ship
	assert_success
	assert_regex "$stderr" 'a new generation begins: the one it had was ended'
	assert_equal "$(generations)" 3
	assert_restores
}

@test "a record of a generation that was left begins anew, behind WAL" {
	ends_the_old old
}

@test "a record of a generation that was left begins anew, behind a snapshot" {
	grow_and_ship --snapshot-interval 0s
	cp -r state at-snapshot
	ends_the_old at-snapshot
}

@test "a generation that was ended is restored by all" {
	local gen v
	gen=$(cd rep/x.db/generations && echo ????????????????)
	cp x.db was.db
	lspp-ship --new-generation x.db
	find rep/x.db/generations -mindepth 1 -maxdepth 1 -type d ! -name "$gen" \
		-exec rm -r {} +
	assert [ -e rep/x.db/generations/*/wal/00000001_00000000.wal.lz4 ]
	for v in 03 05; do
		rm -f o.db*
		litestream $v restore -o o.db "file://$T/rep/x.db"
		cmp o.db was.db
	done
	# What it was ended for is not there any more: that is told.
	run -3 lspp-restore -o out x.db
	cmp out/x.db was.db
}

@test "a generation that was ended right behind its snapshot is restored by all" {
	rm -rf rep state
	lspp-ship x.db
	local gen v
	gen=$(cd rep/x.db/generations && echo ????????????????)
	lspp-ship --new-generation x.db
	find rep/x.db/generations -mindepth 1 -maxdepth 1 -type d ! -name "$gen" \
		-exec rm -rf {} +
	assert [ -e "rep/x.db/generations/$gen/wal/00000000_00000000.wal.lz4" ]
	assert_restores 3
}

@test "a segment that lost its provenance is refused" {
	local f
	f=$(find rep/x.db/generations/*/wal -type f | sort | tail -n 1)
	chmod u+w "$f"
	truncate -s -136 "$f"
	run -65 --separate-stderr lspp-restore -o out x.db
	assert_regex "$stderr" 'has no provenance'
	assert [ ! -e out/x.db ]
}

@test "a tail of 150 segments is adopted, with few descriptors" {
	for i in $(seq 150); do
		sqlite3 x.db "INSERT INTO t VALUES(NULL, $i)"
		lspp-ship x.db >/dev/null
	done
	old_state_back
	sqlite3 x.db "INSERT INTO t VALUES(NULL, 'last')"
	run --separate-stderr bash -c 'ulimit -n 100; lspp-ship -j 1 x.db'
	assert_success
	[[ $stderr == *'the replica is ahead of this state'* ]]
	[ "$(wc -l <<<"$stderr")" = 1 ]
	assert_equal "$(generations)" 1
	assert_restores
}

@test "the state itself is never read as a source" {
	run -1 --separate-stderr lspp-ship -C / state/state.db x.db
	assert_regex "$stderr" 'state/state.db: this is the state of lspp'
}

@test "nor is any of its files, by any name: its locks would go" {
	local f
	sqlite3 a.db 'CREATE TABLE t(x)'
	sqlite3 b.db 'CREATE TABLE t(x)'
	ln -s state/lock link
	for f in state/lock state/state.db-shm state/state.db-wal link; do
		run -1 --separate-stderr lspp-ship -j 1 -C / $f x.db
		assert_regex "$stderr" "$f: this is the state of lspp"
	done
	# Beside a database: SQLite follows no link there, and neither do we.
	ln state/lock a.db-shm
	ln -s state/lock b.db-shm
	run -1 --separate-stderr lspp-ship -j 1 a.db b.db x.db
	assert_regex "$stderr" 'a.db: a.db-shm: this is the state of lspp'
	assert_regex "$stderr" 'b.db: b.db-shm: not a regular file \(a symbolic link'
	run -1 --separate-stderr lspp-verify --against-source a.db x.db
	assert_regex "$stderr" 'a.db'
}

# locks PID FILE -- how many POSIX locks it holds on it.
locks() {
	awk -v p="$1" -v i="$(stat -c %i "$2")" \
		'$5 == p && $6 ~ ":" i "$" { n++ } END { print n + 0 }' /proc/locks
}

printed() {
	[ "$(wc -l <out)" -eq "$1" ]
}

@test "what is given of the state leaves its locks where they are" {
	local pid i f
	mkfifo paths
	lspp-ship -j 1 -C / <paths >out 2>/dev/null &
	pid=$!
	exec 7>paths
	sqlite3 x.db 'INSERT INTO t VALUES(NULL, 1)'
	echo "$T/x.db" >&7
	wait_for printed 1
	i=$(locks $pid state/state.db-shm)
	[ "$i" -gt 0 ]
	for f in state/lock state/state.db-shm state/state.db; do
		echo "$T/$f" >&7
	done
	sqlite3 x.db 'INSERT INTO t VALUES(NULL, 2)'
	echo "$T/x.db" >&7
	wait_for printed 2
	assert_equal "$(locks $pid state/state.db-shm)" "$i"
	exec 7>&-
	wait $pid || [ $? -eq 1 ]
}

@test "one root by several names is one history" {
	local names n
	mkdir -p deep/real
	ln -s deep way
	ln -s real deep/also
	names=("$T/deep/real" "$T/way/real" "$T/way/also/" "$T/deep//./real"
		"file://$T/way/also" deep/also)
	for n in "${names[@]}"; do
		sqlite3 x.db "INSERT INTO t VALUES(NULL, randomblob(900))"
		run --separate-stderr lspp-ship -r "$n" x.db
		assert_success
		assert_equal "$stderr" ""
		run lspp-stat -r "$n"
		assert_line --regexp '^databases  *1 .*new 0'
	done
	assert_equal "$(find deep/real/x.db/generations -mindepth 1 \
		-maxdepth 1 -type d | wc -l)" 1
	assert_equal "$(sqlite3 state/state.db 'SELECT count(*) FROM root')" 2
	# A root that was not there when it was named first.
	lspp-ship -r way/new x.db
	lspp-ship -r deep/new x.db
	assert_equal "$(sqlite3 state/state.db 'SELECT count(*) FROM root')" 3
	# The state by a link, too.
	ln -s "$T/state" s
	sqlite3 x.db "INSERT INTO t VALUES(NULL, 1)"
	lspp-ship -s s -r deep/new x.db
	assert_equal "$(find deep/new/x.db/generations -mindepth 1 \
		-maxdepth 1 -type d | wc -l)" 1
}

@test "a database by another way is the same one" {
	mkdir d
	mv x.db d
	ln -s d e
	run --separate-stderr lspp-ship -C d d/x.db
	assert_success
	run --separate-stderr lspp-ship -C e e/x.db
	assert_success
	assert_equal "$stderr" ""
	assert_equal "$(generations)" 1
}
