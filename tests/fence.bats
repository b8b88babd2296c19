#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two machines, each with a state of its own, and one replica: one of them goes
# on, the other stops with 75 and names the object, and the replica restores.
# Each test for a directory is repeated on S3, see both().
#
# Long: begins early.
# Not under sanitizers: fence_model.bats runs the same code, faster.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up

setup() {
	set +T
	need lspp-ship lspp-restore lspp-verify atcall faulty sqlite3
	s3_bucket
	cd "$T" || return
	sqlite3 x.db 'CREATE TABLE t(a INTEGER PRIMARY KEY, b);
		INSERT INTO t VALUES(1, randomblob(20000))'
	HERE=$PWD
}

teardown() {
	s3_faulty_stop
}

# both TEST -- on a directory, and on S3.
both() {
	R=$HERE/rep
	mkdir "$HERE/dir" && cp x.db dir && cd dir
	"$1"
	cd "$HERE"
	R=s3://$BUCKET/fleet
	mkdir "$HERE/s3" && cp x.db s3 && cd s3
	"$1"
}

# on MACHINE COMMAND... -- as that machine, which has a state of its own.
on() {
	local m=$1
	shift
	LSPP_MACHINE=$m LSPP_STATE=$PWD/state.$m LSPP_BASE=$PWD LSPP_REPLICA=$R \
		"$@"
}

change() {
	sqlite3 x.db 'INSERT INTO t VALUES(NULL, randomblob(3000))'
}

# goes_on MACHINE [OPTION...] -- it ships a change, and that is the newest state.
goes_on() {
	local m=$1
	shift
	change
	on "$m" lspp-ship "$@" x.db >out.paths
	assert_equal "$(cat out.paths)" x.db
	restores
}

# Litestream tells the generations of a bucket by times that are whole seconds.
tick() {
	case $R in
	s3:*) sleep 1.1 ;;
	esac
}

# begins MACHINE [OPTION...] -- likewise, and with it a generation.
begins() {
	local m=$1
	shift
	tick
	change
	run --separate-stderr on "$m" lspp-ship "$@" x.db
	assert_success
	assert_output x.db
	tick
	goes_on "$m"
}

# stops MACHINE [KEY] -- with 75, naming an object like KEY.
stops() {
	local before
	change
	before=$(content)
	run --separate-stderr on "$1" lspp-ship x.db
	assert_equal "$status" 75
	assert_output ''
	[[ $stderr == "lspp-ship: x.db: x.db/generations/"*"${2:-}"*" was written by somebody else"* ]] || {
		echo "$stderr"
		return 1
	}
	[[ $stderr == *--new-generation* ]]
	assert_equal "$(content)" "$before"
}

content() {
	case $R in
	s3:*) s3_objects ;;
	*) find "$R" -type f ! -path '*/.lspp*' | sort ;;
	esac
}

litestream_config() {
	cat <<-END
	access-key-id: $S3_KEY
	secret-access-key: $S3_SECRET
	dbs:
	  - path: $PWD/x.db
	    replicas:
	      - type: s3
	        bucket: $BUCKET
	        path: fleet/x.db
	        region: us-east-1
	        endpoint: http://127.0.0.1:$S3_PORT
	        force-path-style: true
	END
}

# All three restore what x.db is.
restores() {
	local v
	rm -rf out
	lspp-restore -r "$R" -o out x.db >/dev/null
	cmp out/x.db x.db
	litestream_config >litestream.yml
	for v in 03 05; do
		rm -f o.db*
		case $R in
		s3:*) litestream $v restore -config litestream.yml -o o.db \
			"$PWD/x.db" ;;
		*) litestream $v restore -o o.db "file://$R/x.db" ;;
		esac >litestream.log 2>&1 || {
			cat litestream.log
			return 1
		}
		cmp o.db x.db
	done
}

fresh_states() {
	goes_on a
	goes_on a
	stops b
	goes_on a
	stops b
	stops b
	goes_on a
}

@test "the second machine stops, as often as it tries" {
	both fresh_states
}

right_behind_the_snapshot() {
	goes_on a
	stops b
	goes_on a
}

@test "also right behind the first snapshot" {
	both right_behind_the_snapshot
}

takeover() {
	goes_on a
	goes_on a
	begins b --new-generation
	[[ $stderr == *'a new generation begins: asked for'* ]]
	goes_on b
	stops a /wal/
	stops a /wal/
	goes_on b
	# and back
	begins a --new-generation
	goes_on a
	stops b /wal/
	goes_on a
}

@test "--new-generation takes over: the one that had it stops" {
	both takeover
}

# The record may stand in the index that comes next.
takeover_rolled() {
	on a lspp-ship --roll-at 4096 x.db
	goes_on a --roll-at 4096
	goes_on a --roll-at 4096
	begins b --new-generation
	stops a /wal/00000002_00000000
	goes_on b
	begins c --new-generation
	stops b /wal/
	stops a
	goes_on c
}

@test "a takeover behind an index that was left" {
	both takeover_rolled
}

takeover_snapshot() {
	goes_on a
	goes_on a --snapshot-interval 0s
	begins b --new-generation
	stops a /wal/00000001_00000000
	goes_on b
}

@test "a takeover behind a later snapshot" {
	both takeover_snapshot
}

state_lost() {
	goes_on a
	goes_on a
	cp -r state.a old.a
	rm -r state.a
	begins a
	[[ $stderr == "lspp-ship: the state in $PWD/state.a is new, "*'1 databases began anew'* ]]
	[ "$(wc -l <<<"$stderr")" = 1 ]
	stops b
	# The old one is found again: it goes on, and the other does not.
	mv state.a new.a
	mv old.a state.a
	begins a
	[[ $stderr == *'this state was lost or replaced, and is back'* ]]
	goes_on a
	stops b
}

@test "a state that is lost costs a snapshot, and so does one that is found again" {
	both state_lost
}

@test "a machine that nothing names is never the same one" {
	[ "$(id -u)" = 0 ] && unshare -m true || skip "needs root, for a mount"
	R=$PWD/rep
	: >none
	nameless() {
		LSPP_STATE=$PWD/state.n LSPP_BASE=$PWD LSPP_REPLICA=$R \
			unshare -m sh -ec 'mount --bind none /etc/machine-id
			exec "$@"' sh "$@"
	}
	run --separate-stderr nameless lspp-ship x.db
	[[ $stderr == *'has no id in /etc/machine-id: set LSPP_MACHINE'* ]]
	change
	run --separate-stderr nameless lspp-ship x.db
	assert_equal "$stderr" ''
	restores
	rm -r state.n
	run -75 --separate-stderr nameless lspp-ship x.db
	nameless lspp-ship --new-generation x.db
	restores
}

# What a record's own machine does to begin anew must not pass by the other.
other_reasons() {
	goes_on a
	begins b --new-generation
	sqlite3 x.db 'PRAGMA page_size = 8192; VACUUM'
	stops a /wal/
	begins b
	stops a /wal/
}

@test "a page size that changed is no way round" {
	both other_reasons
}

TAKEOVER=

# race KIND N -- machine a ships, and before its N-th call of that kind machine
# b does, from beginning to end.  One of the two goes on, now or with its next
# ship; whoever was told that it had shipped is the one.
race() {
	local who='' first=''
	on a atcall -k "$1" -n "$2" -x "cd '$PWD' && LSPP_MACHINE=b \
		lspp-ship -s '$PWD/state.b' -C '$PWD' -r '$R' $TAKEOVER x.db \
		>b.out 2>b.err; :" lspp-ship x.db >a.out 2>a.err || :
	[ ! -s a.out ] || first=a
	[ ! -s b.out ] || first=${first}b
	change
	on a lspp-ship x.db >/dev/null 2>>a.err && who=a
	on b lspp-ship x.db >/dev/null 2>>b.err && who=${who}b
	# Who takes over may do so behind what the first was told.
	[[ $who == [ab] && ( $first == "$who" || $first == '' ||
		( -n $TAKEOVER && $first == ab ) ) ]] || {
		echo "$1 call $2: first '$first', then '$who'"
		cat a.err b.err
		return 1
	}
	grep -q 'written by somebody else\|at the same moment' a.err b.err
}

# races KIND CALLS TIMES
races() {
	local k at=$R
	for ((k = 1; k <= $3; k++)); do
		rm -rf state.? ?.out
		R=$at$k
		race "$1" $(($2 * k / $3))
		rm -rf out
		lspp-restore -r "$R" -o out x.db >/dev/null
		cmp out/x.db x.db
	done
}

@test "two that begin at the same moment, in a directory" {
	R=$PWD/rep
	on z atcall -k write -o calls lspp-ship x.db >/dev/null
	races write "$(cat calls)" "$(count 1000 20)"
}

@test "one begins, the other takes over at the same moment" {
	R=$PWD/rep TAKEOVER=--new-generation
	on z atcall -k write -o calls lspp-ship x.db >/dev/null
	races write "$(cat calls)" "$(count 1000 30)"
}

@test "two that begin at the same moment, on S3" {
	R=s3://$BUCKET/fleet
	on z atcall -k all -o calls lspp-ship x.db >/dev/null
	races all "$(cat calls)" "$(count 1000 20)"
}

# Its own end is there, and what it begins is not yet.
@test "one begins anew behind its record, the other takes over at the same moment" {
	local n calls snapshot how=()
	R=$PWD/rep
	on a lspp-ship x.db
	snapshot=$(find rep -name '*.snapshot.lz4')
	printf '\xa5' | dd of="$snapshot" bs=1 seek=60 conv=notrunc status=none
	run -65 on a lspp-verify -q --deep x.db
	change
	cp -r rep rep.0
	cp -r state.a a.0
	on a atcall -k write -o calls lspp-ship x.db
	calls=$(cat calls)
	for ((n = 1; n <= calls; n += $(count 1 7))); do
		rm -rf rep state.? out
		cp -r rep.0 rep
		cp -r a.0 state.a
		[ ${#how[@]} = 0 ] && how=(--format ltx) || how=()
		on a atcall -k write -n "$n" -x "LSPP_MACHINE=b lspp-ship -q \
			-s '$PWD/state.b' -C '$PWD' -r '$R' ${how[*]} \
			--new-generation x.db >b.out 2>b.err; :" \
			lspp-ship -q x.db >a.out 2>a.err || :
		change
		on a lspp-ship -q x.db >a.out 2>>a.err || :
		on b lspp-ship -q x.db >b.out 2>>b.err || :
		[ "$(cat a.out b.out)" = x.db ] || {
			echo "call $n of $calls ${how[*]}: not one of them"
			cat a.err b.err
			return 1
		}
		lspp-restore -q -r "$R" -o out x.db >/dev/null
		cmp out/x.db x.db
	done
}

# before_a_takeover -- by b, of what a shipped; rep.0 and a.0 are copies, and
# calls is how often a takeover writes.
before_a_takeover() {
	R=$PWD/rep
	on a lspp-ship x.db
	change
	on a lspp-ship x.db
	cp -r rep rep.0
	cp -r state.a a.0
	on b atcall -k write -o calls lspp-ship --new-generation x.db 2>/dev/null
	calls=$(cat calls)
}

@test "killed at any call of a takeover: the next run goes on" {
	local n calls
	before_a_takeover
	for ((n = 1; n <= calls; n += $(count 1 7))); do
		rm -rf rep state.?
		cp -r rep.0 rep
		cp -r a.0 state.a
		change
		on b atcall -k write -n "$n" lspp-ship --new-generation x.db \
			>acked 2>/dev/null || :
		if [ -s acked ]; then
			restores
			stops a
		fi
		on b lspp-ship --new-generation x.db 2>/dev/null
		restores
		stops a
		goes_on b
	done
}

@test "a takeover that is killed, and one that is raced: what the other acknowledged restores" {
	local n calls acked=0
	before_a_takeover
	change
	# LSPP_MACHINE=a in between: behind the kill, or at call n of b's.
	# shellcheck disable=SC2016  # $HERE is exported for it
	local a='cd "$HERE" && LSPP_MACHINE=a LSPP_STATE=$HERE/state.a lspp-ship x.db \
		>a.out 2>/dev/null; date -u +%FT%T.%NZ >when'
	export HERE LSPP_REPLICA=$R LSPP_BASE=$PWD
	for ((n = 1; n <= calls; n += $(count 1 9))); do
		for how in killed raced; do
			rm -rf rep state.? out
			cp -r rep.0 rep
			cp -r a.0 state.a
			if [ $how = killed ]; then
				on b atcall -k write -n "$n" lspp-ship \
					--new-generation x.db &>/dev/null || :
				bash -c "$a" || :
			else
				on b atcall -k write -n "$n" -x "$a" lspp-ship \
					--new-generation x.db &>/dev/null || :
				[ -e when ] || continue
			fi
			[ -s a.out ] || continue
			acked=$((acked + 1))
			lspp-restore --timestamp "$(cat when)" -o out x.db ||
				fail "$how at call $n of $calls"
			cmp out/x.db x.db
		done
	done
	echo "# $acked acknowledged meanwhile" >&3
	[ $acked -gt 0 ]
}

@test "s3:PutObject alone: an owner that cannot be read is another's" {
	R=s3://$BUCKET/fleet
	s3_putter fenced "$R"
	putter() {
		AWS_ACCESS_KEY_ID=fenced$BATS_TEST_NUMBER \
			AWS_SECRET_ACCESS_KEY=fencedsecret on "$@"
	}
	run --separate-stderr putter a lspp-ship x.db
	assert_success
	assert_equal "$stderr" ''
	change
	run -75 --separate-stderr putter b lspp-ship x.db
	[[ $stderr == *'x.db/generations/owner-00000000.lz4 is there: another machine ships'*--new-generation* ]]
	putter a lspp-ship x.db
	restores
	change
	tick
	run --separate-stderr putter b lspp-ship --new-generation x.db
	assert_success
	[[ $stderr == *'looking whether another machine ships it, too, is not allowed'* ]]
	restores
}

@test "a generation of litestream is left alone, with a word" {
	R=$PWD/rep
	mkdir rep
	sqlite3 x.db 'PRAGMA journal_mode = wal' >/dev/null
	"$LITESTREAM_03" replicate x.db "file://$R/x.db" >log 2>&1 3>&- 4>&- &
	pid=$!
	wait_for compgen -G "$R/x.db/generations/*/snapshots/*.lz4" >/dev/null
	kill $pid
	wait $pid || :
	change
	before=$(sha_tree "$R"/x.db/generations/*)
	run --separate-stderr on a lspp-ship x.db
	assert_success
	assert_output x.db
	[[ $stderr == *'is not of lspp and is left alone'* ]]
	assert_equal "$(sha_tree "$R"/x.db/generations/* |
		grep -Fxf <(echo "$before"))" "$before"
	sqlite3 x.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
	run --separate-stderr on a lspp-ship x.db
	assert_equal "$stderr" ''
	stops b
	rm -rf out
	on a lspp-ship x.db
	lspp-restore -r "$R" -o out x.db
	same_db out/x.db x.db
}

@test "a dry run says the same" {
	R=$PWD/rep
	run -0 --separate-stderr on a lspp-ship -n x.db
	assert_equal "${lines[0]}" x.db/generations/owner-00000000.lz4
	[[ ${lines[1]} == x.db/generations/*/snapshots/00000000.snapshot.lz4 ]]
	assert_equal "${#lines[@]}" 2
	refute [ -e rep ]
	on a lspp-ship x.db
	change
	run -0 --separate-stderr on a lspp-ship -n x.db
	assert_equal "${#lines[@]}" 1
	[[ ${lines[0]} == */wal/00000000_00000000.wal.lz4 ]]
}
