#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# examples/crontab, run by cron as it is written: in a root directory, mounts and
# processes of its own, which end with the test and which the machine's own cron
# never sees.  Nothing of the file is replaced; where a line is for another hour,
# it is cron that is told the time.
#
# Long: begins early.
# Not under sanitizers: what it looks at is a crontab.

load lib/root
load lib/state

# The run that lasts a minute does so while the other tests run.
setup_file() {
	need faketime "$LSPP_ROOT/.tools/promtool"
	PATH=$PATH:/usr/sbin need cron
	machine_can || return 0
	T=$BATS_FILE_TMPDIR
	ROOT=$T/root
	make_root
	tenants 1000
	boot '2026-01-01 03:06:57'
}

teardown_file() {
	halt
}

setup() {
	set +T
	machine_or_skip
	CRON=
	ROOT=$T/root
	make_root
}

teardown() {
	halt
}

# boot TIME -- cron, whose clock begins there.
boot() {
	install -m 644 "$LSPP_ROOT/examples/crontab" "$ROOT/etc/cron.d/lspp"
	in_root "exec faketime -f '@$1' chroot $ROOT /real/cron -f" \
		>"$T/cron.log" 2>&1 3>&- &
	CRON=$!
}

# End all of it, whatever it is doing.
halt() {
	[ -n "${CRON:-}" ] || return 0
	kill -KILL "$CRON" 2>/dev/null && wait "$CRON" || :
	CRON=
}

mails() {
	find "$ROOT/mail" -type f | wc -l
}
mailed() {
	[ "$(mails)" -gt 0 ] && grep -q "$1" "$ROOT"/mail/*
}

# twenty_shipped -- tenants, by the lines of a minute.
twenty_shipped() {
	tenants 20
	boot '2026-01-01 03:00:57'
	wait_for shipped 20
	halt
}

@test "every hour: a volume that is not there is mail" {
	tenants 3
	boot '2026-01-01 03:06:57'
	wait_for mailed '^lspp-scan: found 3 databases, expected at least 1000'
	halt
	assert_equal "$(mails)" 1
	grep -q '^To: ops@example.org' "$ROOT"/mail/*
}

@test "every ten minutes: a write that waits is mail, while a run that hangs has the lock" {
	tenants 3
	boot '2026-01-01 03:00:57'
	wait_for shipped 3
	halt
	sqlite3 "$ROOT/srv/tenants/0002/app.db" 'INSERT INTO t VALUES (2)'
	sqlite3 "$ROOT/var/lib/lspp/state.db" "UPDATE db SET captured_ns =
		captured_ns - 7200000000000; DELETE FROM pending;
		DELETE FROM meta WHERE name LIKE 'pass %'"
	flock "$ROOT/run/lock/lspp" sleep 60 3>&- &
	lock=$!
	boot '2026-01-01 03:09:57'
	wait_for mailed '^/srv/tenants/0002/app.db$'
	halt
	kill "$lock"
	assert_equal "$(mails)" 1
	assert_equal "$(grep -h '^/srv' "$ROOT"/mail/*)" \
		/srv/tenants/0002/app.db
	refute restores "$ROOT/srv/tenants/0002/app.db"
}

# quiet TIME METRICS STATE -- twenty are shipped; then what runs at that time finds
# each of them in that state, and nobody gets mail.
quiet() {
	local prom=$ROOT/var/lib/prometheus/node-exporter/$2
	twenty_shipped
	boot "$1"
	wait_for test -s "$prom"
	sleep 0.5
	halt
	assert_equal "$(mails)" 0
	grep -q "^lspp_databases{.*state=\"$3\".*} 20\$" "$prom"
}

@test "every night: no mail when all is well, mail for what is damaged" {
	quiet '2026-01-01 03:22:57' lspp_drill.prom restored
	assert_equal "$(find "$ROOT/tmp" -mindepth 1 | wc -l)" 0
	object=$(find "$ROOT/backup/fleet/0007" -name '*.snapshot.lz4')
	printf x | dd of="$object" bs=1 seek=200 conv=notrunc status=none
	boot '2026-01-01 03:22:57'
	wait_for mailed '0007/app\.db'
	halt
	assert_equal "$(mails)" 1
	assert_equal "$(find "$ROOT/tmp" -mindepth 1 | wc -l)" 0
}

@test "every night: a second opinion, and mail for what is wrong" {
	quiet '2026-01-01 03:52:57' lspp_compare.prom equal
	# A commit that the state never saw.
	sqlite3 "$ROOT/srv/tenants/0007/app.db" 'INSERT INTO t VALUES (7)'
	signature_of "$ROOT/srv/tenants/0007/app.db" >"$T/sig"
	sqlite3 "$ROOT/var/lib/lspp/state.db" "UPDATE db SET racy = 0,
		sig = x'$(cat "$T/sig")' WHERE CAST(key AS TEXT) = '0007/app.db'"
	boot '2026-01-01 03:52:57'
	wait_for mailed '0007/app\.db: source .* are not those in the replica'
	halt
	assert_equal "$(mails)" 1
}

@test "every minute and every hour: shipped as it is written, and no mail" {
	ROOT=$BATS_FILE_TMPDIR/root T=$BATS_FILE_TMPDIR
	wait_for shipped 1000
	db=$(sed -n 500p "$T/list")
	for n in 1 2 3; do
		sqlite3 "$db" "INSERT INTO t VALUES ($n)"
		wait_for restores "$db"
	done
	# The run ends, cron has nothing to mail, and the metrics are there.
	prom=$ROOT/var/lib/prometheus/node-exporter/lspp_ship.prom
	ended() { [ -s "$prom" ]; }
	wait_for ended || wait_for ended
	# The next one goes on.
	sqlite3 "$db" 'INSERT INTO t VALUES (4)'
	wait_for restores "$db"
	assert_equal "$(mails)" 0
	grep -q '^lspp_last_run_exit_code{.*} 0$' "$prom"
	"$LSPP_ROOT/.tools/promtool" check metrics <"$prom"
	assert_equal "$(stat -c %U "$ROOT/var/lib/lspp/state.db")" backup
}
