#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# examples/crontab and examples/prometheus fit each other: the lines are run as
# cron would run them, and the rules say which alerts stand: none while all is
# well, and each for its fault.
#
# Long: begins early.
# Not under sanitizers: what it looks at are rules and a crontab.

# shellcheck disable=SC2034  # they are what lib/day reads

load lib/day
load lib/hard

setup() {
	set +T
}

teardown() {
	[ -z "${SERVERS:-}" ] || kill $SERVERS || :
	answers
}

# well_at MINUTE -- twelve databases, shipped; all was well for two minutes.
well_at() {
	day_begin $(($1 - 2))
	fleet_of 12
	minutes 2
	fires
}

@test "a day: no alert while all is well, and no mail" {
	day_begin $(count 1 191)
	fleet_of 12
	while [ "$M" -lt $(count 1440 236) ]; do
		apply "INSERT INTO t VALUES ($M)" 1 2
		minutes 15
	done
	fired
	assert_equal "$(cat "$D/mail")" ''
	# And what the dashboard draws there is, but for what makes databases.
	grep -oE '^lspp_[a-z_]+' "$D/scraped" | sort -u >"$D/written"
	jq -r '.. | .expr? // empty' "$LSPP_ROOT/examples/grafana/lspp.json" |
		grep -oE '\blspp_[a-z_]+' | sort -u >"$D/drawn"
	assert_equal "$(comm -13 "$D/written" "$D/drawn" | grep -v pruned)" ''
}

@test "LsppNoSuccess, LsppUnshipped: the replica is not there" {
	well_at 211
	mv "$D/replica" "$D/elsewhere"
	touch "$D/replica"
	for _ in 1 2 3 4; do
		apply "INSERT INTO t VALUES ($M)" 3
		minutes 1
	done
	fires LsppNoSuccess
	apply "INSERT INTO t VALUES ($M)" 3
	minutes 3
	fires LsppNoSuccess LsppUnshipped
	rm "$D/replica"
	mv "$D/elsewhere" "$D/replica"
	minutes 3
	fires
}

@test "LsppJobGone: the line of every ten minutes is gone" {
	well_at 192
	LINES_LEFT_OUT=--stale
	minutes 27
	fires
	minutes 5
	fires LsppJobGone
}

@test "LsppJobGone, LsppNoSuccess: no drill a second night" {
	well_at 202
	minutes 3
	LINES_LEFT_OUT=lspp-restore
	M=$((M + 29 * 60))
	minutes 6
	fires
	M=$((M + 60))
	minutes 6
	fires LsppJobGone LsppNoSuccess
}

@test "LsppAbsent: nothing runs on a new machine" {
	day_begin
	LINES_LEFT_OUT=lspp
	minutes 12
	fires LsppAbsent
}

@test "LsppJobGone, LsppNoPass, LsppNoSuccess: the line of every minute is gone" {
	well_at 200
	LINES_LEFT_OUT=lspp-ship
	minutes 7
	fires LsppJobGone LsppNoPass LsppNoSuccess
}

@test "LsppFleetShrunk, LsppGone: a volume is not mounted" {
	well_at 201
	mkdir "$D/volume"
	mv "$D"/srv/1? "$D"/srv/9 "$D/volume"
	minutes 8
	fires LsppFleetShrunk LsppGone
	mv "$D"/volume/* "$D/srv"
	minutes 3
	fires
}

@test "LsppSlow: it takes more than a minute to list a directory" {
	well_at 211
	LINES_LEFT_OUT='--stale|--expect-min'
	mkdir "$D/bin"
	# The clock leaps when what is to ship is at work.
	cat >"$D/bin/lspp-scan" <<-END
	#!/bin/sh
	objects() { find $D/replica -type f | wc -l; }
	was=\$(objects) n=0
	printf '%s\0' $D/srv/3/app.db
	while [ "\$(objects)" = "\$was" ] && [ \$n -lt 6000 ]; do
		n=\$((n + 1))
		sleep 0.01
	done
	LEAP_TO=\$((\$(date +%s) + 95)) /bin/true
	exec $B/bin/lspp-scan "\$@"
	END
	chmod 755 "$D/bin/lspp-scan"
	MACHINE+=("PATH=$D/bin:$PATH")
	while [ "$M" -lt 232 ]; do
		apply "INSERT INTO t VALUES ($M)" 3
		minutes 1
	done
	fires LsppSlow
}

@test "LsppFailed: the replica of one is not writable" {
	well_at 200
	rm -r "$D/replica/3"
	touch "$D/replica/3"
	apply 'INSERT INTO t VALUES (1)' 3
	minutes 7
	fires LsppFailed LsppNoSuccess LsppUnshipped
}

@test "LsppLost: one is empty" {
	well_at 200
	: >"$D/srv/3/app.db"
	minutes 2
	fires LsppLost
}

@test "LsppGone: one of twelve is deleted" {
	well_at 200
	rm -r "$D/srv/3"
	minutes 2
	fires LsppGone
}

@test "LsppLeftOut: one is where no scan goes" {
	well_at 200
	mv "$D/srv/3" "$D/elsewhere"
	ln -s ../elsewhere "$D/srv/3"
	minutes 20
	fires LsppLeftOut
}

@test "LsppShrunk: one has lost its tables" {
	well_at 200
	apply 'DROP TABLE t; VACUUM' 3
	minutes 2
	fires LsppShrunk
}

@test "LsppBroken: an object is damaged, and the night's comparison finds it" {
	local object
	well_at 233
	object=$(find "$D/replica/3" -name '*.snapshot.lz4')
	printf x | dd of="$object" bs=1 seek=200 conv=notrunc status=none
	minutes 3
	fires LsppBroken LsppNoSuccess
}

@test "LsppStateLost: the state is gone" {
	well_at 200
	rm -r "$D/state"
	mkdir "$D/state"
	minutes 2
	fires LsppStateLost
}

@test "LsppWrong: what SQLite has was not shipped, and the night's comparison finds it" {
	well_at 233
	apply 'UPDATE t SET x = 1' 3
	sqlite3 "$D/state/state.db" "UPDATE db SET racy = 0,
		sig = x'$(signature_of "$D/srv/3/app.db")'
		WHERE CAST(key AS TEXT) = '3/app.db'"
	minutes 3
	fires LsppWrong LsppNoSuccess
}

@test "LsppAhead: the machine is put back" {
	well_at 231
	cp -a "$D/srv/3" "$D/state" "$D/tmp"
	apply 'UPDATE t SET x = 1' 3
	minutes 2
	rm -r "$D/srv/3" "$D/state"
	mv "$D/tmp/3" "$D/srv"
	mv "$D/tmp/state" "$D"
	minutes 3
	fires LsppAhead LsppNoSuccess
}

@test "LsppContended: another machine ships to the replica" {
	well_at 233
	apply 'UPDATE t SET x = 1' 3
	run_alone env LSPP_MACHINE=other LSPP_STATE="$D/other" \
		lspp-ship -q --new-generation "$D/srv/3/app.db"
	minutes 3
	fires LsppContended LsppNoSuccess
}

@test "LsppUnverified: nobody compares any more" {
	well_at 234
	minutes 1
	fires
	sqlite3 "$D/state/state.db" 'UPDATE verdict SET at_ns = at_ns -
		41 * 86400000000000'
	minutes 1
	answers
	# The clock of promtool is to begin before that.
	M0=$((M - 42 * 1440)) EVERY=1h SERIES='verified|last_run'
	fires LsppUnverified
}

@test "LsppHealed: what an earlier run has missed is shipped" {
	well_at 200
	db=$D/srv/3/app.db
	apply 'PRAGMA journal_mode = WAL' 3
	minutes 1
	app "$db"
	sql 'PRAGMA wal_autocheckpoint = 0'
	sql 'UPDATE t SET x = 2'
	minutes 1
	run_alone lspp-ship -q -r "$D/other" "$db"
	sql 'CREATE TABLE u (y)'
	run_alone lspp-ship -q -r "$D/other" "$db"
	sqlite3 "$D/state/state.db" "UPDATE db SET (source, sig, racy) = (SELECT
		source, sig, racy FROM db WHERE root = 2) WHERE root = 1 AND
		CAST(key AS TEXT) = '3/app.db'; DELETE FROM db WHERE root = 2;
		DELETE FROM root WHERE id = 2"
	sql 'INSERT INTO t VALUES (3)'
	run_alone lspp-ship -q --snapshot-interval 0s "$db"
	minutes 2
	fires LsppHealed
	app_quit
}

@test "LsppRetries: object storage asks to slow down, time and again" {
	day_begin 200
	bucket "$D/log" >"$D/port" 3>&- &
	SERVERS=$!
	wait_for test -s "$D/port"
	: >"$D/rules"
	faulty "$D/rules" "$D/requests" "$(cat "$D/port")" >"$D/faulty" 3>&- &
	SERVERS="$SERVERS $!"
	wait_for test -s "$D/faulty"
	MACHINE+=(LSPP_REPLICA=s3://bucket/fleet
		"AWS_ENDPOINT_URL=http://127.0.0.1:$(cat "$D/faulty")"
		AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_REGION=us-east-1)
	fleet_of 12
	minutes 2
	fires
	# A rule is good for one request; another is one of another text.
	path=/bucket/fleet/3/app.db/generations/
	for n in {3..34}; do
		echo "PUT ${path:0:n} 1 status 503 SlowDown" >"$D/rules"
		apply "INSERT INTO t VALUES ($n)" 3
		minutes 1
	done
	fires LsppRetries
}

@test "LsppLargeWal: a WAL that is never checkpointed" {
	well_at 200
	apply 'PRAGMA journal_mode = WAL' 3
	truncate -s 1100M "$D/srv/3/app.db-wal"
	minutes 65
	fires LsppLargeWal
}

@test "each alert has a test that it fires for its fault" {
	local a
	for a in $(sed -n 's/.*alert: //p' "$RULES"); do
		grep -q "fires .*$a" "$BATS_TEST_FILENAME" || fail "$a: none"
	done
}
