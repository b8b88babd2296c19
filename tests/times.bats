#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A time of the store is never compared with one of capture, and what is older
# than what was asked for has a status of its own.
#
# Twice: on S3, too.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/prune

setup() {
	set +T
	prune_setup
	OLD=0123456789abcdef
}

# by_litestream -- a generation as Litestream makes it, without our provenance.
by_litestream() {
	lz4 -qc a.db >"$T/snap"
	[ $REPLICA = s3 ] || mkdir -p "$R/a.db/generations/$OLD/snapshots"
	replica_put "a.db/generations/$OLD/snapshots/00000000.snapshot.lz4" \
		"$T/snap"
}

# copied -- the replica as after a copy without times, what is not of lspp last.
copied() {
	local key
	replica_save "$T/saved"
	find "$T/saved" -type f -exec touch {} +
	replica_back "$T/saved"
	replica_list "a.db/generations/$OLD/" >"$T/theirs"
	replica_later
	while read -r key; do
		replica_put "$key" "$T/saved/$key"
	done <"$T/theirs"
}

# owner -- the key of the first owner's object.
owner() {
	echo a.db/generations/owner-00000000.lz4
}

# unsure -- nothing tells what is newest, and it is said.
unsure() {
	rm -rf out
	run -3 --separate-stderr lspp-restore -r "$R" -o out a.db
	assert_regex "$stderr" "generation $OLD is not of lspp, and nothing tells whether it is newer: --generation "
	run -3 --separate-stderr lspp-verify --settle 0s -r "$R" a.db
	assert_regex "$stderr" "generation $OLD is not of lspp"
	replica_list >before
	run -78 --separate-stderr later 9 lspp-prune -r "$R" --yes \
		--keep-last 1 --foreign a.db
	assert_regex "$stderr" "$OLD is not of lspp, and nothing tells .*: nothing is pruned"
	diff before <(replica_list)
}

# sure -- the newest state is known, and of lspp.
sure() {
	rm -rf out
	run -0 --separate-stderr lspp-restore -r "$R" -o out a.db
	assert_equal "$stderr" ""
	same_rows out/a.db a.db
	run -0 lspp-verify --settle 0s -q -r "$R" a.db
}

same_rows() {
	diff <(sqlite3 "$1" .dump) <(sqlite3 "$2" .dump)
}

@test "a copy without times: what lspp went on with is the newest" {
	by_litestream
	run -0 --separate-stderr ship a.db
	assert_regex "$stderr" "generation $OLD is not of lspp and is left alone"
	change
	copied
	sure
	run -0 --separate-stderr later 9 lspp-prune -r "$R" --yes \
		--keep-last 1 --foreign a.db
	refute_output --partial owner-
	sure
}

@test "what nothing tells the order of has status 3, and is not pruned" {
	by_litestream
	replica_later
	ship a.db
	replica_later
	change
	replica_rm "$(owner)"
	unsure
	copied
	unsure
	run -0 later 9 lspp-prune -r "$R" --yes --keep-last 1 a.db
	refute_output --partial "$OLD"
	# Somebody has to say it: whoever begins anew.
	replica_later
	run -0 --separate-stderr ship --new-generation a.db
	assert_regex "$stderr" "generation $OLD is not of lspp"
	sure
	run -0 --separate-stderr later 9 lspp-prune -r "$R" --yes \
		--keep-last 1 --foreign a.db
	assert_output --partial "$OLD"
	sure
}

@test "Litestream went on after lspp had begun" {
	by_litestream
	ship a.db
	change
	sure
	OLD=fedcba9876543210
	by_litestream
	unsure
	# Also where all are of one time, as the store has it.
	if [ $REPLICA = dir ]; then
		find "$R" -type f -exec touch -d '1 hour ago' {} +
		unsure
	fi
	rm -rf out
	run -0 lspp-restore -r "$R" -o out --generation "$OLD" a.db
}

@test "what lspp went on with is gone: the older state has status 3" {
	by_litestream
	ship a.db
	without "$(newest_of "$S")"
	run -3 --separate-stderr lspp-restore -r "$R" -o out a.db
	assert_regex "$stderr" 'lspp went on from there at '
	replica_rm "$(owner)"
	rm -rf out
	run -0 lspp-restore -r "$R" -o out a.db
}

# without GENERATION -- the newest one is gone.
without() {
	local keys
	mapfile -t keys < <(replica_list "a.db/generations/$1/")
	replica_rm "${keys[@]}"
}

# newest_of STATE
newest_of() {
	sqlite3 "$1/state.db" "SELECT line FROM db"
}

# went_on -- whole it is sure; without the generation it has status 3.
went_on() {
	sure
	without "$1"
	rm -rf out
	run -3 --separate-stderr lspp-restore -r "$R" -o out a.db
	assert_regex "$stderr" 'its history went on in another generation'
	run -3 lspp-restore -n -r "$R" -o out2 a.db
	run -3 --separate-stderr lspp-verify --settle 0s -r "$R" a.db
	assert_regex "$stderr" 'goes on in another generation'
}

@test "a history that went on elsewhere, and nothing newer: status 3" {
	change
	change_anew
	went_on "$(newest_of "$S")"
}

@test "a history that another machine went on with, and nothing newer" {
	change
	sqlite3 a.db "INSERT INTO t VALUES('elsewhere')"
	replica_later
	LSPP_MACHINE=elsewhere lspp-ship -q -r "$R" -C "$D" -s "$T/other" \
		--new-generation a.db >/dev/null
	went_on "$(newest_of "$T/other")"
}

@test "--timestamp: between two generations, where one is pruned" {
	local t=$(($(date +%s) - 20 * 86400)) d
	[ $REPLICA = dir ] || skip "times of objects cannot be set"
	for d in 0 1 2 3 4; do
		sqlite3 a.db "INSERT INTO t VALUES('day $d')"
		at_time -f "$(date -u -d @$((t + d * 86400)) '+%F %T')" \
			lspp-ship -q -r "$R" -C "$D" -s "$S" \
			--snapshot-interval 0s a.db >/dev/null
		[ $d != 1 ] || at_time -f \
			"$(date -u -d @$((t + 2 * 86400)) '+%F %T')" \
			lspp-ship -q -r "$R" -C "$D" -s "$S" \
			--new-generation a.db >/dev/null
	done
	for d in 0 1 2 3 4; do
		rm -rf out
		run -0 --separate-stderr lspp-restore -r "$R" -o out \
			--timestamp @$((t + d * 86400 + 60)) a.db
		assert_equal "$stderr" ""
	done
	prune --yes --keep-last 1 --keep-weekly 3 a.db >gone
	for d in 0 1 2 3 4; do
		rm -rf out
		run --separate-stderr lspp-restore -r "$R" -o out \
			--timestamp @$((t + d * 86400 + 60)) a.db
		[ "$status" = 66 ] || [ "$(sqlite3 out/a.db \
			"SELECT max(x) FROM t WHERE x LIKE 'day%'")" = "day $d" ] ||
			assert_failure 3
	done
}

@test "a clock that is days ahead deletes nothing" {
	change --snapshot-interval=0s
	change --snapshot-interval=0s
	replica_list >before
	NO_FAKE_STAT=1 run -75 --separate-stderr at_time -f +40d lspp-prune -r "$R" --yes \
		--keep-last 1 '**'
	assert_output ""
	assert_regex "$stderr" "this machine's clock says [-0-9]*T[:.0-9]*Z, that of .* says .*: nothing is deleted"
	# A name is as good, and a clock that is behind as bad.
	NO_FAKE_STAT=1 run -75 at_time -f -40d lspp-prune -r "$R" --yes \
		--keep-last 1 a.db
	diff before <(replica_list)
	# Who knows better says so.
	NO_FAKE_STAT=1 run -0 at_time -f +40d lspp-prune -r "$R" --yes \
		--own-clock --keep-last 1 '**'
	assert_line --partial snapshots/00000000
}

@test "--list --around: each state that can be restored, and where some are gone" {
	local at n=0
	history 7
	run -0 lspp-restore -r "$R" --list --around 0s a.db
	# The first, and a segment for each change.
	assert_equal "${#lines[@]}" 8
	refute_output --partial gone
	while read -r at _; do
		rm -rf out
		lspp-restore -q -r "$R" -o out --timestamp "$at" a.db
		n=$((n + 1))
		assert_equal "$(sqlite3 out/a.db 'SELECT count(*) FROM t')" $n
	done < <(tail -n +2 <<<"$output")
	assert_equal $n 7
	prune --yes --keep-last 1 a.db >gone
	run -0 lspp-restore -r "$R" --list --around 0s a.db
	assert_line --regexp ' 00000002 - +gone +a\.db$'
	assert_equal "${#lines[@]}" 3
	run -0 lspp-restore -r "$R" --list --json --around 1d a.db
	assert_equal "$(jq -s 'map(.gap) | map(tostring) | join(",")' -r \
		<<<"$output")" true,false
	run -2 lspp-restore -r "$R" --around 1d a.db
}
