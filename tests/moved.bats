#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The machine is gone: the recipe of lspp(7), from the restore to the ship that
# takes over, and what the other machine is told should it come back.
#
# Twice: on S3, too.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/hard

setup() {
	set +T
	need lspp-scan lspp-hot lspp-stat
	hard_setup
	cd "$T" || return
}

# minute MACHINE -- the line of cron there: srv of that machine, and its state.
minute() {
	run --separate-stderr sh -c 'lspp-scan "$1" |
		lspp-hot -r "$2" -s "$3" |
		LSPP_MACHINE=$4 lspp-ship -r "$2" -s "$3" -C "$1"' \
		- "$T/$1" "$R" "$T/state-$1" "$1"
}

@test "20 databases of a machine that is gone go on on another" {
	local i
	for i in {1..20}; do
		mkdir -p "old/t$i"
		sqlite3 "old/t$i/app.db" 'PRAGMA journal_mode = WAL;
			CREATE TABLE t (x); INSERT INTO t VALUES (1)' >/dev/null
	done
	minute old
	assert_success
	assert_equal "${#lines[@]}" 20
	# All come back.
	run -0 --separate-stderr sh -c 'lspp-scan -r "$1" |
		lspp-restore -r "$1" -o new' - "$R"
	assert_equal "${#lines[@]}" 20
	# They are another machine's until that is said: one message, not 20.
	minute new
	assert_failure 75
	assert_output ''
	assert_equal "$(grep -c 'was written by somebody else' <<<"$stderr")" 1
	assert_regex "$stderr" 'hint: .*lspp-ship --new-generation'
	assert_regex "$stderr" '19 more failed like'
	run -0 --separate-stderr sh -c 'lspp-scan "$PWD/new" |
		LSPP_MACHINE=new lspp-ship -r "$1" -s state-new -C "$PWD/new" \
			--new-generation' - "$R"
	assert_equal "${#lines[@]}" 20
	# From now on as ever.
	sqlite3 new/t3/app.db 'INSERT INTO t VALUES (2)'
	minute new
	assert_success
	assert_equal "$stderr" ''
	assert_line "$T/new/t3/app.db"
	run -0 lspp-stat --health --max-lag 5m -s state-new
	rm -rf look
	run -0 lspp-restore -q -r "$R" -o look t3/app.db t4/app.db
	assert_equal "$(sqlite3 look/t3/app.db 'SELECT max(x) FROM t')" 2
	# The other machine is back after all, and goes on in vain.
	sqlite3 old/t3/app.db 'INSERT INTO t VALUES (3)'
	minute old
	refute_line "$T/old/t3/app.db"
	assert_regex "$stderr" 't3/app.db.* was written by somebody else'
	minute old
	assert_failure 75
	assert_output ''
	run -1 lspp-stat --health -s state-old
	rm -rf look
	run -0 lspp-restore -q -r "$R" -o look t3/app.db
	assert_equal "$(sqlite3 look/t3/app.db 'SELECT max(x) FROM t')" 2
}
