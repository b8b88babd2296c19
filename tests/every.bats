#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-hot --every: what was shipped a moment ago may wait for a while.

load lib/hot
load lib/later

setup() {
	set +T
	need lspp-hot lspp-scan
	hard_setup
	db a.db b.db
	settled a.db b.db
}

hour_later() {
	NO_FAKE_STAT=1 at_time -f +61m "$@"
}

@test "a pass prints what was not shipped for so long, and what never was" {
	change a.db
	db new.db
	run -0 hot --every 1h a.db b.db new.db
	assert_output new.db
	run -0 hot --every 1h --max-hot 1 a.db b.db new.db
	assert_output new.db
	run -0 hot a.db b.db
	assert_output a.db
	run -0 hour_later lspp-hot -r "$R" -s "$S" --every 1h a.db b.db
	assert_output a.db
	# The time is that since the last ship.
	ship a.db >/dev/null
	change a.db
	run -0 hour_later lspp-hot -r "$R" -s "$S" --every 2h a.db
	assert_output ''
}

@test "what is held back waits, for --stale and lspp-stat" {
	printf '%s\n' a.db b.db >list
	hot <list
	change a.db
	run -0 hot --every 1h <list
	assert_output ''
	run -0 hour_later lspp-hot -r "$R" -s "$S" --stale 1h <list
	assert_output a.db
	assert_equal "$(lspp-stat -r "$R" -s "$S" --json | jq .waiting)" 1
	run -2 hot --every 1h --stale 1h a.db
	assert_output --partial 'a pass, or --watch'
	run -2 hot --every 1h --tiers a.db
	run -2 hot --every 0s a.db
}

@test "where a ship failed it is not held back" {
	change a.db
	rm -rf "$R"
	touch "$R"
	run ship a.db
	assert_failure
	run -0 hour_later lspp-hot -r "$R" -s "$S" --every 1h a.db
	assert_output a.db
}

@test "--watch holds back, also over its end; a signal passes on what waits" {
	printf '%s\n' a.db b.db >"$T/list"
	change a.db
	watch --every 1h --scan-interval 1s --for 3s
	sleep 1.2
	change b.db
	wait "$WATCH"
	assert_equal "$(cat "$T/watched")" ''
	watch --every 1h --scan-interval 1s
	db new.db
	sleep 1.2
	change b.db
	sleep 1.2
	assert_equal "$(cat "$T/watched")" ''
	end_watch
	assert_equal "$(LC_ALL=C sort "$T/watched")" $'a.db\nb.db'
	assert_equal "$(cat "$T/watch.err")" ''
}

@test "--watch: when its time has come it is printed, without another write" {
	printf '%s\n' a.db b.db >"$T/list"
	ship a.db b.db >/dev/null
	change a.db
	ship a.db >/dev/null
	watch --every 5s --scan-interval 1s
	change a.db
	wait_for watched a.db
	shipped=$(sqlite3 "$S/state.db" "SELECT captured_ns / 1000000 FROM db
		WHERE CAST(key AS TEXT) = 'a.db'")
	# Not before; the clock of a file system is coarse.
	[ $(($(date +%s%3N) - shipped)) -ge 5000 ]
	refute watched b.db
	end_watch
}

@test "--watch: a new database is printed at once, and then held back" {
	db new.db
	echo new.db >"$T/list"
	watch --every 1h --scan-interval 1s
	wait_for watched new.db
	for _ in 1 2 3; do
		ship new.db >/dev/null
		change new.db
		sleep 1.1
	done
	assert_equal "$(cat "$T/watched")" new.db
	end_watch
}
