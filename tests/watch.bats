#!/usr/bin/env bats
# lspp-hot --watch, and lspp-ship behind it.

load lib/hot

setup() {
	need lspp-hot lspp-scan
	hard_setup
}

teardown() {
	hard_teardown
}

# watch ARGUMENT... -- in the background, its output in $T/watched; paths from
# $T/list.
watch() {
	lspp-hot -r "$R" -s "$S" --watch "$@" <"$T/list" >"$T/watched" \
		2>"$T/watch.err" 3>&- &
	WATCH=$!
	LIVE+=("$WATCH")
}

end_watch() {
	local rc=0
	kill "$WATCH"
	wait "$WATCH" || rc=$?
	assert_equal "$rc" 143
}

watched() {
	grep -qxF "$1" "$T/watched"
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
	watch --interval 1h --scan-interval 1h
	sleep 0.5
	change b.db
	end_watch
	assert_equal "$(cat "$T/watched")" b.db
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
	printf '%s\n' a.db b.db >"$T/list"
	mkfifo "$T/pipe"
	lspp-ship -r "$R" -C "$D" -s "$S" --drain 20s <"$T/pipe" \
		>"$T/acknowledged" 2>"$T/ship.err" 3>&- &
	ship=$!
	lspp-hot -r "$R" -s "$S" --watch --interval 1h --scan-interval 1h \
		<"$T/list" >"$T/pipe" 3>&- &
	hot=$!
	LIVE+=("$ship" "$hot")
	sleep 0.5
	change b.db
	kill "$ship"
	sleep 0.5
	kill "$hot"
	wait "$hot" && status=0 || status=$?
	assert_equal "$status" 143
	wait "$ship" && status=0 || status=$?
	assert_equal "$status" 143
	assert_equal "$(cat "$T/ship.err")" ''
	assert_equal "$(cat "$T/acknowledged")" b.db
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
		sleep 0.3
		kill "$pid"
		[ $extra = none ] || { sleep 0.2; kill "$pid"; }
		wait "$pid" && status=0 || status=$?
		exec 5>&-
		assert_equal "$status" 143
	done
}
