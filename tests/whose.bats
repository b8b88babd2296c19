#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Twice: on S3, too.
#
# Others that ship the same databases: what each of them is told, who stops, and
# that nothing that may be another's counts as safe.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/replica

setup() {
	set +T
	need lspp-ship lspp-hot lspp-restore atcall sqlite3
	cd "$T" || return
	replica_new "$T/rep"
	mkdir src
	for n in busy idle; do
		sqlite3 src/$n.db 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	done
}

# on MACHINE COMMAND... -- as that machine, with a state of its own.
on() {
	local m=$1
	shift
	LSPP_MACHINE=$m LSPP_STATE=$PWD/state.$m LSPP_BASE=${BASE:-$PWD/src} \
		LSPP_REPLICA=$R "$@"
}

# cold NAME... -- all that a holds of these is shipped, and known to be.
cold() {
	sleep 1.1 # a younger signature proves nothing
	on a lspp-ship -q "$@" >/dev/null
	assert_equal "$(on a lspp-hot "$@")" ''
}

write() {
	sqlite3 "src/$1.db" "INSERT INTO t VALUES($2)"
}

# holds NAME N -- the replica restores to a database with N in it.
holds() {
	rm -rf out
	lspp-restore -q -r "$R" -o out "$1.db" >/dev/null
	assert_equal "$(sqlite3 "out/$1.db" 'SELECT max(x) FROM t')" "$2"
}

# damage_last COMMAND... -- COMMAND changes the file called last, a copy of the
# last object of busy.db.
damage_last() {
	local key
	key=$(replica_list busy.db/ | grep /wal/ | tail -n 1)
	replica_get "$key" >last
	"$@"
	replica_put "$key" last
}

# damaged COMMAND... -- the same, behind two ships of machine a.
damaged() {
	on a lspp-ship src/busy.db
	write busy 2
	on a lspp-ship src/busy.db
	damage_last "$@"
}

@test "a takeover ends a history whose last object has lost its end" {
	damaged truncate -s -1 last
	write busy 3
	on b lspp-ship --new-generation src/busy.db
	write busy 4
	run -75 --separate-stderr on a lspp-ship src/busy.db
	assert_output ''
	on b lspp-ship src/busy.db
	holds busy 4
}

@test "a takeover that cannot end a history fails, and names the object" {
	damaged truncate -s 20 last
	write busy 3
	run -65 --separate-stderr on b lspp-ship --new-generation src/busy.db
	assert_output ''
	assert_regex "$stderr" 'busy.db/generations/.*/wal/.* is damaged: where its writer goes on cannot be told'
	assert_regex "$stderr" 'hint: make sure that no other machine ships'
	# As the hint says.
	replica_rm "$(replica_list busy.db/ | grep /wal/ | tail -n 1)"
	on b lspp-ship --new-generation src/busy.db
	holds busy 3
}

@test "damage behind which this machine goes on stops nobody" {
	damaged truncate -s 20 last
	rm -r state.a
	write busy 3
	on a lspp-ship src/busy.db
	holds busy 3
}

@test "damage at the end: the store's time is no time of a capture" {
	[ $REPLICA = dir ] || skip "the times of a store's own clock"
	local before
	damaged truncate -s 20 last
	find "$R" -type f -exec touch -d '+2 days' {} +
	rm -r state.a
	write busy 3
	on a lspp-ship src/busy.db
	before=$(date +%s.%N)
	rm -rf out
	lspp-restore -q -r "$R" --timestamp "@$before" -o out busy.db >/dev/null
	assert_equal "$(sqlite3 out/busy.db 'SELECT max(x) FROM t')" 3
}

@test "damage at the end: what begins is later than what is before it" {
	on a "$LSPP_ROOT/tests/lib/faketime" -f +3600s lspp-ship src/busy.db
	write busy 2
	on a "$LSPP_ROOT/tests/lib/faketime" -f +7200s lspp-ship src/busy.db
	write busy 3
	on a "$LSPP_ROOT/tests/lib/faketime" -f +7201s lspp-ship src/busy.db
	damage_last truncate -s 20 last
	rm -r state.a
	write busy 4
	on a lspp-ship src/busy.db
	holds busy 4
}

@test "where another machine took over, nothing of the root is safe before it is taken back" {
	on a lspp-ship src/busy.db src/idle.db
	cp -r src old
	write idle 2
	on a lspp-ship src/idle.db
	cold src/busy.db src/idle.db
	BASE=$PWD/old on b lspp-ship -q --new-generation old/busy.db old/idle.db
	# Nothing tells a so far.
	assert_equal "$(on a lspp-hot src/busy.db src/idle.db)" ''
	write busy 2
	run -75 --separate-stderr on a lspp-ship src/busy.db
	assert_regex "$stderr" 'written by somebody else'
	assert_regex "$stderr" 'hint: .*lspp-ship --new-generation'
	# What nobody wrote to since is told, too.
	run on a lspp-hot src/busy.db src/idle.db
	assert_line src/idle.db
	run on a lspp-hot --stale 0s src/busy.db src/idle.db
	assert_line src/idle.db
	run -75 --separate-stderr on a lspp-ship src/idle.db
	assert_output ''
	on a lspp-hot src/busy.db src/idle.db |
		on a lspp-ship -q --new-generation >/dev/null
	holds busy 2
	holds idle 2
	cold src/busy.db src/idle.db
	sqlite3 old/idle.db 'INSERT INTO t VALUES(9)'
	BASE=$PWD/old run -75 on b lspp-ship old/idle.db
}

@test "a contended root: what is still its own is found with one look, and is safe again" {
	on a lspp-ship src/busy.db src/idle.db
	cold src/idle.db
	on b lspp-ship -q --new-generation src/busy.db
	write busy 2
	run -75 on a lspp-ship src/busy.db
	assert_equal "$(on a lspp-hot src/idle.db)" src/idle.db
	run --separate-stderr on a lspp-ship -v src/idle.db
	assert_output src/idle.db
	assert_regex "$stderr" 'unchanged'
	[ "$REPLICA" = dir ] || assert_regex "$stderr" 'requests: put=0 get=1 head=0 list=0'
	assert_equal "$(on a lspp-hot src/idle.db)" ''
	write idle 2
	on a lspp-ship src/idle.db
	holds idle 2
}

@test "who was stopped asks for one object, as often as it tries" {
	local i
	on a lspp-ship src/busy.db
	for i in 2 3 4 5 6; do
		write busy $i
		on a lspp-ship src/busy.db
	done
	on b lspp-ship -q --new-generation src/busy.db
	write busy 7
	run -75 on a lspp-ship src/busy.db
	for i in 1 2; do
		run -75 --separate-stderr on a lspp-ship -v src/busy.db
		assert_regex "$stderr" 'written by somebody else'
		[ "$REPLICA" = dir ] ||
			assert_regex "$stderr" 'requests: put=0 get=1 head=0 list=0'
		[[ $stderr != *PUT* ]]
	done
	# What stopped it is taken away: it goes on.
	on a lspp-ship --new-generation src/busy.db
	holds busy 7
}

@test "a clone of the machine: told, then one of the two stops" {
	on a lspp-ship src/busy.db
	cp -r state.a state.clone
	clone() {
		mv state.a state.keep && mv state.clone state.a
		on a "$@"
		local rc=$?
		mv state.a state.clone && mv state.keep state.a
		return $rc
	}
	write busy 2
	on a lspp-ship src/busy.db
	write busy 3
	run --separate-stderr clone lspp-ship src/busy.db
	assert_success
	assert_regex "$stderr" 'the replica is ahead of this state'
	write busy 4
	run --separate-stderr on a lspp-ship src/busy.db
	assert_regex "$stderr" 'the replica is ahead of this state'
	assert_equal "$output" src/busy.db
	write busy 5
	run -75 --separate-stderr clone lspp-ship src/busy.db
	assert_regex "$stderr" 'a clone of this machine'
	on a lspp-ship src/busy.db
	holds busy 5
}

@test "a history that no record leads to is told: a clone's, or a forgotten one" {
	on a lspp-ship src/idle.db
	cp -r state.a state.clone
	on a lspp-ship src/busy.db
	mv state.a state.keep && mv state.clone state.a
	run --separate-stderr on a lspp-ship src/busy.db
	assert_success
	assert_regex "$stderr" 'busy.db: a new generation begins: this machine has shipped it, but'
	mv state.keep state.a
	rm src/idle.db
	on a lspp-hot --forget src/idle.db
	sqlite3 src/idle.db 'CREATE TABLE t(x); INSERT INTO t VALUES(7)'
	run --separate-stderr on a lspp-ship src/idle.db
	assert_success
	assert_regex "$stderr" 'idle.db: a new generation begins: this machine has shipped it, but .* was forgotten'
	# A run that was killed before it had a record says nothing.
	for n in 2 5 8 11 14 17 20; do
		sqlite3 src/new$n.db 'CREATE TABLE t(x)'
		on a atcall -k write -n $n lspp-ship src/new$n.db \
			>/dev/null 2>&1 || :
		run --separate-stderr on a lspp-ship src/new$n.db
		assert_success
		refute_regex "$stderr" 'new generation'
	done
}

@test "an object that was cut is nobody's: the owners say who ships it" {
	local how n=0
	for how in 'truncate -s -1 last' 'truncate -s 0 last' \
		'dd of=last bs=1 seek=300 conv=notrunc status=none'; do
		rm -rf state.a state.b
		replica_clear
		on a lspp-ship -q src/busy.db src/idle.db
		write busy $((n += 1))
		on a lspp-ship -q src/busy.db
		# Its own, of an older copy of the state, in a contended root.
		cp -r state.a state.old
		write busy $((n += 1))
		on a lspp-ship -q src/busy.db
		eval damage_last "$how" <<<XXXXXXXXXX
		rm -rf state.a
		mv state.old state.a
		sqlite3 state.a/state.db 'UPDATE db SET racy = racy | 2'
		run --separate-stderr on a lspp-ship src/busy.db
		assert_success
		assert_output src/busy.db
		assert_regex "$stderr" 'a new generation begins'
		holds busy "$n"
		# Of somebody else.
		rm -rf state.a
		replica_clear
		on a lspp-ship -q src/busy.db
		write busy $((n += 1))
		on b lspp-ship -q --new-generation src/busy.db
		write busy $((n += 1))
		on b lspp-ship -q src/busy.db
		eval damage_last "$how" <<<XXXXXXXXXX
		write busy $((n += 1))
		run -75 --separate-stderr on a lspp-ship src/busy.db
		assert_output ''
		assert_regex "$stderr" 'another machine ships'
	done
}

@test "a run that was killed behind its object is no clone" {
	local n
	on a lspp-ship src/busy.db
	write busy 2
	on a lspp-ship src/busy.db
	for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
		write busy $((n + 2))
		on a atcall -k write -n $((n * 2)) lspp-ship src/busy.db \
			>/dev/null 2>&1 || :
		run --separate-stderr on a lspp-ship src/busy.db
		assert_success
		[[ $stderr != *'ahead of this state'* ]] || {
			echo "$stderr"
			return 1
		}
	done
	holds busy 14
}

@test "a state that was lost is told once a run, and measured" {
	on a lspp-ship src/busy.db src/idle.db
	rm -r state.a
	run --separate-stderr on a lspp-ship --metrics m.prom src/busy.db src/idle.db
	assert_success
	assert_equal "$(grep -c 'the state in .* is new' <<<"$stderr")" 1
	assert_regex "$stderr" '2 databases began anew'
	grep -q 'lspp_databases{.*state="state_lost"} 2' m.prom
	run --separate-stderr on a lspp-ship --metrics m.prom src/busy.db src/idle.db
	assert_equal "$stderr" ''
	grep -q 'lspp_databases{.*state="state_lost"} 0' m.prom
}
