#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-ship --format ltx: Litestream 0.5 restores, follows and takes over what it
# ships, and of two that ship one database one stops.
#
# Twice: on S3, too.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/replica
load lib/later
load lib/ltx

setup() {
	set +T
	need lspp-ship lspp-restore lspp-verify sqlite3 "$LITESTREAM_05"
	replica_new "$T/r"
	cd "$T" || return
	export LSPP_MACHINE=one
	FOLLOWER=
}

teardown() {
	local pid
	for pid in $FOLLOWER ${LTX_PID:-}; do
		kill "$pid" 2>/dev/null || :
	done
}

# ship STATE OPTION... -- a.db
ship() {
	local state=$1
	shift
	lspp-ship -v -r "$R" -C "$T" -s "$T/$state" "$@" a.db
}

# first -- a database, and its first ship.
first() {
	sqlite3 a.db "CREATE TABLE t (a INTEGER PRIMARY KEY, b);
		INSERT INTO t(b) VALUES ('first')"
	ship s --format ltx
}

more() {
	sqlite3 -cmd '.timeout 10000' a.db \
		"INSERT INTO t(b) VALUES (randomblob(${1:-3000}))"
}

# comes_back -- the newest state is what the database is, bit for bit.
comes_back() {
	ltx_theirs theirs a.db
	cmp theirs a.db
	ltx_ours ours a.db
	cmp ours a.db
}

# has_all -- is the newest state that of the database?
has_all() {
	ltx_theirs shipped a.db && same_db shipped a.db >/dev/null 2>&1
}

# level N -- how many files it has there.
level() {
	ltx_files a.db | grep -c "^$1 " || :
}

@test "each state that is shipped comes back, byte for byte, by its TXID too" {
	local i n txid opts
	seed
	ltx_make a.db
	mkdir states
	n=$(count 200 24 10)
	for ((i = 1; i <= n; i++)); do
		[ $i -eq 1 ] || ltx_step a.db
		opts=()
		[ $i -ne 1 ] || opts=(--format ltx)
		[ $((RANDOM % 5 * (i % 3))) -ne 0 ] || opts+=(--snapshot-interval 0s)
		ship s "${opts[@]}"
		txid=$(ltx_newest a.db)
		[ -e "states/$txid" ] || cp a.db "states/$txid"
		comes_back
	done
	for txid in states/*; do
		ltx_theirs theirs a.db -txid "${txid#states/}"
		cmp theirs "$txid"
		ltx_ours ours a.db --txid "${txid#states/}"
		cmp ours "$txid"
	done
	[ "$(level 9)" -gt 0 ]
	lspp-verify -q -s s --deep --sql -r "$R" a.db
	# And their times rise.
	ltx_files a.db | grep '^0' | sort | while read -r _ _ _ txid; do
		replica_get "$txid" | xxd -s 32 -l 8 -p
	done >rising
	sort -c rising
}

@test "what is as of a time is what litestream restores, too" {
	local i key ms at
	[ $REPLICA = dir ] || skip 'it knows only whole seconds of these files'
	first
	for i in 1 2 3 4; do
		cp a.db "state.$i"
		key=$(ltx_files a.db | sort | tail -n 1 | cut -d ' ' -f 4)
		ms[i]=$((16#$(replica_get "$key" | xxd -s 32 -l 8 -p)))
		more
		ship s
	done
	for i in 1 2 3; do
		at=$(date -u -d "@$(((ms[i] + 1) / 1000))" +%FT%T).$(printf %03d \
			$(((ms[i] + 1) % 1000)))Z
		ltx_theirs theirs a.db -timestamp "$at"
		cmp theirs "state.$i"
		ltx_ours ours a.db --timestamp "$at"
		cmp ours "state.$i"
	done
}

@test "other sizes of pages, a database that shrinks to nothing, and an empty one" {
	first
	more 100000
	ship s
	sqlite3 a.db 'PRAGMA page_size = 16384; VACUUM'
	run -0 ship s
	assert_output --partial 'its page size changed'
	comes_back
	more
	ship s
	comes_back
	sqlite3 a.db 'DROP TABLE t; VACUUM'
	ship s
	comes_back
	: >empty.db
	run -65 lspp-ship -r "$R" -C "$T" -s s --format ltx empty.db
	assert_output --partial 'empty file'
	assert_equal "$(replica_list empty.db)" ''
	lspp-verify -q -s s --deep -r "$R" a.db
}

@test "modes and owners go with a file, and come back as long as they are kept" {
	local key
	mkdir -m 750 tenant
	sqlite3 tenant/a.db 'CREATE TABLE t (x)'
	chmod 640 tenant/a.db
	lspp-ship -r "$R" -C "$T" -s s --format ltx tenant/a.db
	lspp-restore -r "$R" -o out tenant/a.db
	if [ $REPLICA = dir ] && [ "$(stat -f -c %T "$R")" = tmpfs ] &&
		[ "$(stat -c %a out/tenant/a.db)" = 600 ]; then
		skip 'this tmpfs has no attributes'
	fi
	assert_equal "$(stat -c %a out/tenant out/tenant/a.db)" "$(printf '750\n640')"
	if [ "$(id -u)" -eq 0 ]; then
		chown 1234:2345 tenant/a.db
		sqlite3 tenant/a.db 'INSERT INTO t VALUES (1)'
		lspp-ship -r "$R" -C "$T" -s s tenant/a.db
		lspp-restore -r "$R" -o again tenant/a.db
		assert_equal "$(stat -c '%u %g' again/tenant/a.db)" '1234 2345'
	fi
	# A copy has none of it; then it is as of what Litestream ships.
	key=$(replica_list tenant/ | tail -n 1)
	replica_get "$key" >copy
	replica_put "$key" copy
	lspp-restore -r "$R" -o copied tenant/a.db
	assert_equal "$(stat -c %a copied/tenant/a.db)" 600
	same_db copied/tenant/a.db tenant/a.db
	lspp-verify -q -s s --deep -r "$R" -C "$T" tenant/a.db
}

# compacted -- did the daemon make a file of level 1 that begins behind TXID $1?
compacted() {
	ltx_files a.db | awk -v last="$1" '$1 == 1 && $2 > last { found = 1 }
		END { exit !found }'
}

@test "behind pages of another size litestream's daemon goes on compacting" {
	local last
	ltx_make a.db
	ltx_config a.db
	ltx_start
	more
	wait_for has_all
	wait_for compacted 0
	ltx_stop
	ship s --format ltx --new-generation
	cp a.db before
	last=$(ltx_newest a.db)
	sqlite3 a.db 'PRAGMA journal_mode = delete; PRAGMA page_size = 8192;
		VACUUM; PRAGMA journal_mode = wal' >/dev/null
	ship s
	has_all
	rm -rf .a.db-litestream
	: >daemon.log
	ltx_start
	more
	wait_for has_all
	wait_for compacted "$(printf %016x $((16#$last + 1)))"
	more
	wait_for has_all
	ltx_stop
	run ! grep -i 'mismatch\|compaction failed' daemon.log
	ltx_ours ours a.db --txid "$last"
	cmp ours before
}

@test "killed before all is closed behind pages of another size, it is later" {
	local _ level key
	first
	cp -r s old
	sqlite3 a.db 'PRAGMA page_size = 8192; VACUUM'
	ship s
	assert_equal "$(level 0) $(level 1) $(level 9)" '2 1 1'
	# As it was before the snapshot came.
	ltx_files a.db | while read -r level _ _ key; do
		[ "$level" = 0 ] || replica_rm "$key"
	done
	more
	ship old
	comes_back
	assert_equal "$(ltx_files a.db | grep '^1' | cut -d ' ' -f 2,3)" \
		'0000000000000001 0000000000000003'
}

@test "behind the last TXID nothing is shipped" {
	local key
	first
	key=$(ltx_files a.db | cut -d ' ' -f 4)
	: >none
	replica_put "${key%/*}/0000000000000001-ffffffffffffffff.ltx" none
	more
	run -78 ship s --new-generation
	assert_output --partial 'there is no TXID behind it'
	replica_rm "$key"
	run -78 ship new --format ltx --new-generation
	assert_equal "$(level 0)" 1
}

@test "an old state goes on behind what is there, and a lost one begins behind it" {
	first
	cp -r s old
	for _ in 1 2 3; do
		more
		ship s
	done
	cp a.db before
	more
	run -0 ship old
	assert_output --partial 'the replica is ahead of this state'
	comes_back
	ltx_ours ours a.db --txid 0000000000000004
	cmp ours before
	assert_equal "$(ltx_newest a.db) $(level 0) $(level 9)" \
		'0000000000000005 5 0'
	more
	run -0 ship new --format ltx
	assert_output --partial 'the state in'
	comes_back
	assert_equal "$(ltx_newest a.db) $(level 0) $(level 9)" \
		'0000000000000006 6 1'
	# The other one meets it.
	more
	run ship old
	[ "$status" -eq 0 ] || [ "$status" -eq 75 ]
	run -0 ship new
	comes_back
}

@test "what was pruned or lost behind a record is not gone on with" {
	local key
	first
	cp -r s old
	more
	ship s
	key=$(ltx_files a.db | sort | tail -n 1 | cut -d ' ' -f 4)
	more
	ship s
	cp a.db state.3
	# What would stand in its place leads to another state than what is behind.
	replica_rm "$key"
	more
	run -0 later 1 lspp-ship -v -r "$R" -C "$T" -s old a.db
	assert_output --partial 'the replica has lost the one it had'
	comes_back
}

@test "an old state behind which lspp-prune was begins behind what is left" {
	local day old
	need lspp-prune
	first
	cp -r s old.0
	for day in 1 2 3 4 5 6; do
		more
		later $day lspp-ship -r "$R" -C "$T" -s s a.db
		more
		later $day lspp-ship -r "$R" -C "$T" -s s a.db
		cp -r s old.$day
		later $day lspp-prune -r "$R" -s s --yes --keep-for 2d '**'
		comes_back
		later $day lspp-verify -q --deep -r "$R" -s s -C "$T" a.db
	done
	run ! grep -q '^0 0000000000000001 ' <(ltx_files a.db)
	for old in 0 2 5; do
		more
		later 7 lspp-ship -r "$R" -C "$T" -s old.$old a.db || [ $? -eq 75 ]
		more
		later 7 lspp-ship -r "$R" -C "$T" -s s --new-generation a.db
		comes_back
	done
}

@test "nothing is shipped to where a snapshot alone is left" {
	local key
	first
	cp -r s old
	more
	ship s --snapshot-interval 0s
	key=$(ltx_files a.db | grep '^0' | sort | tail -n 1 | cut -d ' ' -f 4)
	replica_rm "$key"
	more
	run -0 later 1 lspp-ship -v -r "$R" -C "$T" -s old a.db
	assert_output --partial 'the replica has lost the one it had'
	comes_back
}

@test "the newest file is gone, or of another state: it begins anew" {
	local key
	first
	more
	ship s
	key=$(ltx_files a.db | sort | tail -n 1 | cut -d ' ' -f 4)
	replica_get "$key" >kept
	replica_rm "$key"
	more
	run -0 ship s
	assert_output --partial 'the replica has lost the one it had'
	comes_back
	more
	ship s
	key=$(ltx_files a.db | grep '^0' | sort | tail -n 1 | cut -d ' ' -f 4)
	replica_get "$key" | head -c 300 >short
	replica_put "$key" short
	more
	ship s
	run ltx_theirs theirs a.db
	[ "$status" -ne 0 ]
	run -65 lspp-verify -q -s s --deep -r "$R" a.db
	more
	run -0 ship s
	assert_output --partial 'lspp-verify found the one it had broken'
	comes_back
	# Not even whose it was can be told by it, but by the record.
	key=$(ltx_files a.db | grep '^0' | sort | tail -n 1 | cut -d ' ' -f 4)
	: >none
	replica_put "$key" none
	more
	ship s
	more
	ship s
	lspp-verify -q -s s --newest --deep -r "$R" a.db || [ $? -eq 65 ]
	ltx_ours ours a.db
	cmp ours a.db
}

@test "another machine is told, and takes over when it is asked to" {
	first
	more
	run -75 env LSPP_MACHINE=two lspp-ship --format ltx -r "$R" -C "$T" \
		-s "$T/s2" a.db
	assert_output --partial 'was written by somebody else: another machine'
	LSPP_MACHINE=two ship s2 --format ltx --new-generation
	comes_back
	more
	run -75 ship s
	assert_output --partial 'another machine'
	LSPP_MACHINE=two ship s2
	comes_back
	run -0 ship s --new-generation
	comes_back
	more
	LSPP_MACHINE=two run -75 ship s2
	ship s
	comes_back
}

@test "what a daemon merged from another state is found by lspp-verify --deep" {
	local theirs ours
	mkdir other
	sqlite3 other/a.db 'PRAGMA journal_mode = wal; CREATE TABLE t (a)' >/dev/null
	ltx_config other/a.db
	"$LITESTREAM_05" replicate -once -config c.yml >daemon.log 2>&1
	sqlite3 a.db 'CREATE TABLE t (a); CREATE TABLE u (a); CREATE TABLE v (a)'
	ship s --format ltx
	lspp-verify -q -s s --deep -r "$R" a.db
	theirs=$(ltx_files other/a.db | sort | sed -n 's/^0 .* //p')
	ours=$(ltx_files a.db | sed -n 's/^0 .* //p')
	replica_get "$theirs" >merged
	assert_equal "$(xxd -s 12 -l 4 -p merged)" \
		"$(replica_get "$ours" | xxd -s 12 -l 4 -p)"
	ours=${ours%/*/*}/$([ $REPLICA = dir ] && echo 1 || echo 0001)/${ours##*/}
	[ $REPLICA = s3 ] || mkdir -p "$R/${ours%/*}"
	replica_put "$ours" merged
	run -65 lspp-verify -q -s s --deep -r "$R" a.db
	assert_output --partial 'another database than the one that was shipped'
	ship s
	ltx_ours ours a.db
	cmp ours a.db
}

@test "of two that begin at one moment one has acknowledged" {
	local i m n acked
	n=$(count 100 6 3)
	sqlite3 a.db 'CREATE TABLE t (a INTEGER PRIMARY KEY, b)'
	for ((i = 0; i < n; i++)); do
		replica_clear
		rm -rf s.?
		more
		for m in 1 2 3; do
			LSPP_MACHINE=$m lspp-ship --format ltx -r "$R" -C "$T" \
				-s "$T/s.$m" a.db >"acks.$m" 2>/dev/null 3>&- &
		done
		for m in 1 2 3; do
			wait -n || :
		done
		acked=$(cat acks.? | wc -l)
		assert_equal "$acked" 1
		comes_back
	done
}

@test "a replica in LTX keeps its layout, and nothing is shipped beside it" {
	first
	more
	run -78 ship s --format wal
	assert_output --partial 'in the layout of Litestream 0.5, LTX, and not'
	run -78 ship new
	assert_output --partial '--format ltx goes on in that layout'
	run -78 ship new --format wal
	assert_equal "$(replica_list a.db/generations)" ''
	ship s
	comes_back
	# The other way round is in ltx_change.bats.
	run -2 ship s --format zip
}

@test "a dry run and --json tell what would be" {
	sqlite3 a.db "CREATE TABLE t (a INTEGER PRIMARY KEY, b)"
	run -0 lspp-ship -n --format ltx -r "$R" -C "$T" -s s a.db
	assert_output --regexp 'a\.db/(ltx/0|0000)/0{15}1-0{15}1\.ltx$'
	assert_equal "$(replica_list)" ''
	run -0 --separate-stderr ship s --format ltx --json
	assert_output --regexp '"what":"snapshot","generation":null,"index":null,"offset":null,"txid":"0000000000000001",'
	more
	run -0 --separate-stderr ship s --json
	assert_output --regexp '"what":"segment",.*"txid":"0000000000000002",.*0{15}2-0{15}2\.ltx","snapshot":null,'
}

@test "handed over to litestream's daemon and back, nothing is lost" {
	local i n
	n=$(count 100 4 2)
	seed
	ltx_make a.db
	ltx_config a.db
	ship s --format ltx
	for ((i = 0; i < n; i++)); do
		ltx_step a.db
		ship s
		has_all
		[ $((RANDOM % 2)) -eq 0 ] || rm -rf .a.db-litestream
		ltx_start
		ltx_step a.db
		wait_for has_all
		ltx_step a.db
		wait_for has_all
		ltx_stop
		ltx_step a.db
		run ship s
		[ "$status" -eq 75 ] || [ "$output" = a.db ]
		ship s --new-generation
		has_all
		ltx_step a.db
		ship s
		has_all
		lspp-verify -q -s s --deep -r "$R" a.db
	done
}

@test "a daemon that writes, too, is noticed" {
	local before key
	first
	sqlite3 a.db 'PRAGMA journal_mode = wal' >/dev/null
	ship s
	ltx_config a.db
	ltx_start
	more
	wait_for has_all
	more
	run -75 ship s
	assert_output --partial 'Litestream'
	wait_for has_all
	# Also where what it keeps beside the database is not seen.
	mv .a.db-litestream away
	run -75 ship s
	assert_output --partial 'was written by Litestream: its daemon'
	mv away .a.db-litestream
	more
	wait_for has_all
	ltx_stop
	before=$(replica_list a.db/)
	run -75 ship s
	run -75 ship new --format ltx
	assert_output --partial 'was written by Litestream: its daemon'
	assert_equal "$(replica_list a.db/)" "$before"
	# What it has not shipped yet it would ship later, over what is there.
	key=.a.db-litestream/ltx/0/000000000000ffff-000000000000ffff.ltx
	: >"$key"
	run -75 ship s --new-generation
	assert_output --partial 'delete .a.db-litestream'
	rm "$key"
	ship s --new-generation
	has_all
}

@test "what a daemon has fetched and not shipped yet is not shipped over" {
	local key at=.a.db-litestream/ltx/0
	first
	more
	ship s
	mkdir -p $at
	key=$(ltx_files a.db | sort | tail -n 1 | cut -d ' ' -f 4)
	: >$at/0000000000000003-0000000000000003.ltx
	replica_get "$key" >$at/${key##*/}
	more
	run -75 ship s
	assert_output --partial 'is on its way'
	run -75 ship s --new-generation
	assert_output --partial 'delete .a.db-litestream'
	run -75 ship new --format ltx
	assert_equal "$(ltx_newest a.db)" 0000000000000002
	rm -r .a.db-litestream
	ship s
	comes_back
}

@test "litestream follows what is shipped" {
	local i
	seed
	ltx_make a.db
	ship s --format ltx
	"$LITESTREAM_05" restore -f -follow-interval 50ms -o followed \
		"$(ltx_url a.db)" >follow.log 2>&1 3>&- &
	FOLLOWER=$!
	for ((i = $(count 100 12 6); i > 0; i--)); do
		ltx_step a.db
		ship s
		wait_for same_db followed a.db
	done
}

# stored -- how many files a.db has.
stored() {
	replica_list a.db/ | wc -l
}

@test "killed behind the pages of another size: these alone are the newest state" {
	local i n status=137 found=''
	first
	more 40000
	ship s
	n=$(stored)
	# Before each call in turn, up to the one behind the first file.
	for ((i = 5; status == 137; i++)); do
		sqlite3 a.db "PRAGMA page_size = $((1024 << (i % 2))); VACUUM"
		status=0
		atcall -k write -n $i lspp-ship -j 1 -r "$R" -C "$T" -s s a.db \
			>printed || status=$?
		[ "$(stored)" -eq $((n + 1)) ] || continue
		found=$i
		break
	done
	assert [ -n "$found" ]
	ltx_ours ours a.db
	cmp ours a.db
	run -0 lspp-verify -s s --deep -r "$R" -C "$T" a.db
	assert_output a.db
	ship s
	comes_back
	more
	ship s
	comes_back
}
