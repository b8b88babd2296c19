#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-hot --watch, and lspp-ship behind it.
#
# Long: begins early.

load lib/hot

setup() {
	set +T
	need lspp-hot lspp-scan
	hard_setup
}

times() {
	grep -cxF "$1" "$T/watched"
}

@test "--watch prints what changes, as it changes, and ends in time" {
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db >"$T/list"
	watch --scan-interval 1s --for 8s
	sleep 1.5
	assert_equal "$(cat "$T/watched")" ''
	change b.db
	wait_for watched b.db
	refute watched a.db
	wait "$WATCH"
	assert_equal "$(cat "$T/watch.err")" ''
}

@test "--watch: what was printed and not shipped is printed again, until it is" {
	db a.db
	settled a.db
	change a.db
	echo a.db >"$T/list"
	watch --scan-interval 1s --hot-for 2s
	again() { [ "$(times a.db)" -ge 3 ]; }
	wait_for again
	ship a.db >/dev/null
	sleep 1.2
	ship a.db >/dev/null
	cold() { is_cold a.db; }
	wait_for cold
	was=$(times a.db)
	sleep 4
	assert_equal "$(times a.db)" "$was"
	end_watch
}

@test "--watch on SIGTERM: a last look" {
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db >"$T/list"
	# A new one is printed by the first look.
	db new.db
	echo new.db >>"$T/list"
	watch --interval 1h --scan-interval 1h
	wait_for watched new.db
	change b.db
	end_watch
	assert_equal "$(grep -vx new.db "$T/watched")" b.db
}

@test "--watch: one that goes is told once, one that comes back is printed" {
	db a.db
	settled a.db
	echo a.db >"$T/list"
	watch --scan-interval 1s
	sleep 0.5
	mv a.db b.db
	told() { grep -q 'a\.db: .*No such file' "$T/watch.err"; }
	wait_for told
	sleep 2
	assert_equal "$(wc -l <"$T/watch.err")" 1
	mv b.db a.db
	wait_for watched a.db
	end_watch
}

# watch_pipe ARGUMENT... -- as watch; what is written to descriptor 5 comes in.
watch_pipe() {
	mkfifo "$T/in"
	lspp-hot -r "$R" -s "$S" --watch "$@" <"$T/in" >"$T/watched" \
		2>"$T/watch.err" 3>&- &
	WATCH=$!
	LIVE+=("$WATCH")
	exec 5>"$T/in"
}

# Is it in the watch's output so often?
watched_times() {
	[ "$(times "$1")" -ge "$2" ]
}

passes() {
	sqlite3 "$S/state.db" "SELECT count(*) FROM meta
		WHERE name LIKE 'pass %'"
}

@test "--watch watches what it knows while paths still come" {
	db a.db b.db
	settled a.db b.db
	watch_pipe --for 1s
	echo a.db >&5
	change a.db
	wait_for watched a.db
	# A line without its end is waited for, and keeps nothing from a look.
	printf 'new.d' >&5
	change b.db
	db new.db
	echo b >&5
	wait_for watched new.db
	# --for is over, but not what is to be looked at.
	sleep 1.2
	was=$(times a.db)
	change a.db
	wait_for watched_times a.db $((was + 1))
	assert_equal "$(passes)" 0
	echo b.db >&5
	wait_for watched b.db
	exec 5>&-
	wait "$WATCH"
	assert_equal "$(cat "$T/watch.err")" ''
	assert_equal "$(passes)" 1
}

@test "--watch: --for counts from the start, not from the end of the input" {
	db a.db
	settled a.db
	watch_pipe --for 4s
	began=$(date +%s%N)
	echo a.db >&5
	sleep 3.5
	exec 5>&-
	wait "$WATCH"
	took=$((($(date +%s%N) - began) / 1000000))
	echo "took $took ms"
	# Four from the start; from the end of the input they would be 7.5.
	assert [ "$took" -lt 7400 ]
}

@test "--watch: input without an end neither keeps looks waiting nor a signal" {
	db a.db b.db
	settled a.db b.db
	echo a.db >"$T/list"
	# The same path for ever is one database.
	(cat "$T/list"; exec yes "$PWD/b.db") 2>/dev/null |
		lspp-hot -r "$R" -s "$S" --watch --metrics "$T/hot.prom" \
			>"$T/watched" 2>"$T/watch.err" 3>&- &
	WATCH=$!
	LIVE+=("$WATCH")
	for i in 1 2; do
		change a.db
		wait_for watched_times a.db "$i"
	done
	end_watch
	assert_equal "$(cat "$T/watch.err")" ''
	run -0 grep -F 'lspp_databases{' "$T/hot.prom"
	assert_line --regexp 'state="seen".* 2$'
	assert_equal "$(passes)" 0
}

@test "--watch: a path that comes twice is one database" {
	db a.db
	sleep 1.1 # else it is racy, and printed once more
	printf '%s\n' a.db a.db a.db >"$T/list"
	watch --for 1s --expect-min 2
	wait "$WATCH" && status=0 || status=$?
	assert_equal "$status" 1
	run -0 cat "$T/watch.err"
	assert_output --partial '1 databases came in, expected at least 2'
	assert_equal "$(cat "$T/watched")" a.db
}

@test "--watch notes no pass over a fleet of which it read a part" {
	db a.db b.db
	settled a.db b.db
	watch_pipe --scan-interval 1s
	echo a.db >&5
	change a.db
	wait_for watched a.db
	end_watch
	exec 5>&-
	assert_equal "$(passes)" 0
	# Nor are operands the fleet.
	lspp-hot -r "$R" -s "$S" --watch --for 1s a.db >/dev/null
	assert_equal "$(passes)" 0
}

@test "--watch looks at a few cold ones as often as at hot ones, unless told how often" {
	need strace
	seq -f '%02.0f.db' 30 >"$T/list"
	sqlite3 "$T/t" 'CREATE TABLE t (x)'
	lspp-new -t "$T/t" <"$T/list" >/dev/null
	sleep 1.1
	ship <"$T/list" >/dev/null
	wait_for is_cold 30.db
	for o in '' '--scan-interval 15s'; do
		# shellcheck disable=SC2086
		traced -o "$T/log$o" -e trace=newfstatat,statx \
			lspp-hot -r "$R" -s "$S" --watch --hot-for 1s --for 4s \
			$o <"$T/list"
	done
	# The first look, the last, and three in between.
	assert [ "$(grep -c '"30\.db"' "$T/log")" -ge 4 ]
	assert_equal "$(grep -c '"30\.db"' "$T/log--scan-interval 15s")" 2
}

@test "--watch with nothing written writes nothing" {
	need strace
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db >"$T/list"
	wait_for is_cold a.db
	wait_for is_cold b.db
	# Only that it has ended: as much after one second as after four, once
	# the state has its log.
	for s in 1 1 4; do
		traced -f -o "$T/log$s" \
			-e trace=pwrite64,write,fsync,fdatasync,ftruncate \
			lspp-hot -r "$R" -s "$S" --watch --hot-for 1s \
			--scan-interval 1s --for ${s}s <"$T/list"
	done
	refute grep 'sync(' "$T/log4"
	assert_equal "$(grep -c '(' "$T/log4")" "$(grep -c '(' "$T/log1")"
}

@test "a pipe that gets SIGTERM ships what was written up to then" {
	db a.db b.db
	settled a.db b.db
	db new.db
	printf '%s\n' a.db b.db new.db >"$T/list"
	mkfifo "$T/pipe"
	lspp-ship -r "$R" -C "$D" -s "$S" --drain 20s <"$T/pipe" \
		>"$T/acknowledged" 2>"$T/ship.err" 3>&- &
	ship=$!
	lspp-hot -r "$R" -s "$S" --watch --interval 1h --scan-interval 1h \
		<"$T/list" >"$T/pipe" 3>&- &
	hot=$!
	LIVE+=("$ship" "$hot")
	wait_for grep -qx new.db "$T/acknowledged"
	change b.db
	kill "$ship"
	sleep 0.5
	kill "$hot"
	wait "$hot" && status=0 || status=$?
	assert_equal "$status" 143
	wait "$ship" && status=0 || status=$?
	assert_equal "$status" 143
	assert_equal "$(cat "$T/ship.err")" ''
	assert_equal "$(grep -vx new.db "$T/acknowledged")" b.db
	image b.db "$T/image"
	restores_to b.db "$T/image" lspp
}

@test "--drain is bounded, and a second signal does not wait" {
	mkfifo "$T/pipe"
	for extra in none again; do
		lspp-ship -r "$R" -C "$D" -s "$S" --drain "$(
			[ $extra = none ] && echo 1s || echo 1h)" \
			<"$T/pipe" 3>&- &
		pid=$!
		LIVE+=("$pid")
		exec 5>"$T/pipe"
		wait_for minds_term "$pid" lspp-ship
		kill "$pid"
		[ $extra = none ] || { sleep 0.2; kill "$pid"; }
		wait "$pid" && status=0 || status=$?
		exec 5>&-
		assert_equal "$status" 143
	done
}
