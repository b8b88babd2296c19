# SPDX-License-Identifier: Apache-2.0
# A state of an earlier version, made by the program that wrote that version
# (tests/data/state2), becomes one of this version; its histories go on.

load lib/lspp

setup() {
	set +T
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state
	export LSPP_MACHINE=of-version-2
	cp -r "$BATS_TEST_DIRNAME/data/state2/rep" rep
	mkdir state
	sqlite3 state/state.db <"$BATS_TEST_DIRNAME/data/state2/state.sql" >/dev/null
	change 'PRAGMA journal_mode = WAL' >/dev/null
	# It was elsewhere.
	change "UPDATE root SET url = CAST('file://$T/rep' AS BLOB);
		UPDATE db SET path = CAST('$T/' || key AS BLOB)"
	cp -r state two
	env -u LSPP_STATE lspp-restore -o . a.db b.db >/dev/null
	GONE=$(ask 'SELECT gone_ns FROM db WHERE gone_ns')
}

ask() { sqlite3 state/state.db "$1"; }
change() { ask "$1"; }

version() { ask 'PRAGMA user_version'; }

objects() { (cd rep && find . -type f | LC_ALL=C sort); }

grow() { sqlite3 "$1" "INSERT INTO t VALUES(NULL, '$2')"; }

# ship PATH... -- no snapshot is due, though all is of long ago.
ship() {
	run --separate-stderr lspp-ship --snapshot-interval 36500d "$@"
}

# Each reader restores what they are.
assert_restores() {
	local v db
	for db; do
		for v in 03 05; do
			rm -f o.db*
			litestream $v restore -o o.db "file://$T/rep/$db"
			cmp o.db "$db"
		done
		rm -rf out
		env -u LSPP_STATE lspp-restore -o out "$db"
		cmp "out/$db" "$db"
	done
}

# kept -- what version 3 says of them, but for numbers that a ship moves.
kept() {
	ask "SELECT key, format, line, at, hex(chain), snapshot, page_size, pages,
		hex(sum), snapshot_size, wal_bytes, segments, captured_ns, gone_ns
		FROM db ORDER BY key"
}

@test "its databases go on where they were, each by one segment" {
	objects >before
	grow a.db next
	grow b.db next
	ship a.db b.db
	assert_success
	assert_equal "$stderr" ''
	assert_equal "$(version)" 3
	objects >after
	run -1 diff before after
	# The positions that version 2 has: index and offset.
	assert_equal "$(grep -c '^>' <<<"$output")" 2
	assert_regex "$output" 'a.db/generations/[0-9a-f]{16}/wal/00000000_00000880'
	assert_regex "$output" 'b.db/generations/[0-9a-f]{16}/wal/00000001_00000450'
	assert_equal "$(grep -c '^<' <<<"$output")" 0
	assert_restores a.db b.db
	# Once more: what the new version wrote it reads.
	grow a.db more
	ship a.db
	assert_success
	assert_equal "$stderr" ''
	assert_restores a.db
	run -0 lspp-verify a.db b.db
	run -0 sqlite3 state/state.db 'PRAGMA integrity_check'
	assert_output ok
}

@test "nothing that it says is lost, whoever opens it first" {
	[ -n "$GONE" ]
	local say was
	was=$(ask "SELECT key, generation, idx << 32 | off, page_size, pages,
		hex(sum), snapshot_size, wal_bytes, segments, captured_ns, gone_ns
		FROM db ORDER BY key")
	for say in 'lspp-hot --gone' 'lspp-stat' 'lspp-verify b.db' \
		'lspp-ship -n b.db'; do
		rm -rf state
		cp -r two state
		run --separate-stderr $say
		assert_equal "$(version)" 3
		assert_equal "$(ask "SELECT key, line, at, page_size, pages,
			hex(sum), snapshot_size, wal_bytes, segments,
			captured_ns, gone_ns FROM db ORDER BY key")" "$was"
		assert_equal "$(ask 'SELECT count(*) FROM verdict')" 3
		assert_equal "$(ask "SELECT count(*) FROM db
			WHERE checksum > 0 AND length(chain) = 16")" 3
		assert_equal "$(lspp-hot --gone)" "$T/c.db"
	done
}

@test "a record that was damaged is as good as none, as before" {
	local set
	for set in off=off+552 idx=idx+1 'idx=1<<32' off=NULL \
		snapshot_index=snapshot_index+1 'sum=randomblob(16)' \
		'chain=randomblob(16)' chain=NULL "generation='x'" \
		"generation=replace(generation,'0','1')"; do
		rm -rf state
		cp -r two state
		change "UPDATE db SET $set WHERE key = CAST('b.db' AS BLOB)"
		grow b.db next
		ship b.db
		assert_success
		assert_regex "$stderr" 'its record in the state is damaged'
		assert_restores b.db
	done
}

@test "a record that has no checksum yet gets one" {
	change 'UPDATE db SET snapshot_index = snapshot_index & 0xffffffff'
	grow b.db next
	ship b.db
	assert_success
	assert_equal "$stderr" ''
	assert_restores b.db
	assert_equal "$(ask 'SELECT count(*) FROM db WHERE checksum > 0')" 3
}

@test "killed at any moment it is of the one version or of the other, whole" {
	local n calls status
	lspp-hot --gone >/dev/null
	kept >wanted
	rm -rf state
	cp -r two state
	atcall -k write -o calls lspp-stat >/dev/null || :
	calls=$(cat calls)
	[ "$calls" -gt 5 ]
	for ((n = 1; n <= calls; n++)); do
		rm -rf state
		cp -r two state
		status=0
		atcall -k write -n $n lspp-stat >/dev/null 2>&1 || status=$?
		assert_equal $status 137
		assert_equal "$(ask 'PRAGMA integrity_check')" ok
		assert_regex "$(version)" '^[23]$'
		lspp-hot --gone >/dev/null
		assert_equal "$(version)" 3
		diff wanted <(kept)
	done
}

@test "of several at once one does it" {
	local i pids=()
	for i in 1 2 3 4 5 6; do
		lspp-hot --gone >"out$i" 2>"err$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	cat err? >errs
	assert_equal "$(cat errs)" ''
	assert_equal "$(sort -u out?)" "$T/c.db"
	assert_equal "$(version)" 3
}

@test "who may only read it is told who has to come first" {
	root_or_skip "for a right that is taken away"
	change 'PRAGMA journal_mode = DELETE' >/dev/null
	chmod a-w state state/*
	run -78 --separate-stderr setpriv --bounding-set=-dac_override \
		lspp-hot --gone
	chmod u+w state state/*
	assert_output ''
	assert_regex "$stderr" 'state: it is of an earlier lspp, and cannot be written here'
	assert_regex "$stderr" 'hint: the next run of lspp-ship'
	assert_equal "$(version)" 2
	# Then it is.
	lspp-hot --gone >/dev/null
	chmod a-w state state/*
	run -0 --separate-stderr setpriv --bounding-set=-dac_override \
		lspp-hot --gone
	chmod u+w state state/*
	assert_output "$T/c.db"
}

@test "a later version is not touched" {
	change 'PRAGMA user_version = 4'
	cp state/state.db four
	run -78 --separate-stderr lspp-ship a.db
	assert_output ''
	assert_regex "$stderr" 'state: version 4 is not known to this program'
	assert_equal "$(version)" 4
	cmp four state/state.db
}
