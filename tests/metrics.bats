# --metrics: a file for the textfile collector, whatever becomes of the run.

load lib/lspp
load lib/metrics

setup_file() {
	need "$LSPP_ROOT/.tools/promtool"
}

setup() {
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state
	sqlite3 a.db "CREATE TABLE t AS SELECT 1 a"
	F=$T/m.prom
}

@test "every program writes one that promtool takes" {
	local p
	umask 077
	lspp-scan --metrics scan.prom . | lspp-hot --metrics hot.prom |
		lspp-ship --metrics ship.prom
	lspp-restore --metrics restore.prom -o out a.db
	lspp-new --metrics new.prom -t a.db b.db
	for p in scan hot ship restore new; do
		sound $p.prom
		assert_equal "$(value lspp_last_run_exit_code $p.prom)" 0
		assert_equal "$(value 'lspp_databases{state="seen"}' $p.prom)" 1
		assert_equal "$(value 'lspp_databases{state="failed"}' $p.prom)" 0
		run ! grep -v -e '^#' -e "{program=\"lspp-$p\"" $p.prom
	done
	assert_equal "$(value 'lspp_databases{state="hot"}' hot.prom)" 1
	assert_equal "$(value 'lspp_databases{state="shipped"}' ship.prom)" 1
	assert_equal "$(value 'lspp_databases{state="restored"}' restore.prom)" 1
	assert_equal "$(value 'lspp_databases{state="created"}' new.prom)" 1
	# All of them in one place, as node_exporter reads them: one help each.
	cat ./*.prom | grep '^#' | sort -u >heads
	assert_equal "$(cut -d' ' -f1-3 heads | sort | uniq -d)" ''
}

@test "the numbers are right, and counters go on from run to run" {
	local size first
	cp a.db b.db
	lspp-ship --metrics "$F" a.db b.db
	size=$(find rep -name '*.lz4' -printf '%s\n' | awk '{ n += $1 } END { print n }')
	assert_equal "$(value 'lspp_bytes_total{dir="sent"}')" "$size"
	assert_equal "$(value 'lspp_snapshots_total{reason="first"}')" 2
	assert_equal "$(value 'lspp_databases{state="shipped"}')" 2
	first=$(series "$F")

	sqlite3 a.db "INSERT INTO t VALUES (2)"
	touch -d '1 hour ago' b.db
	sleep 1.1
	lspp-ship --metrics "$F" a.db b.db
	size=$(find rep -name '*.lz4' -printf '%s\n' | awk '{ n += $1 } END { print n }')
	assert_equal "$(value 'lspp_bytes_total{dir="sent"}')" "$size"
	assert_equal "$(value 'lspp_snapshots_total{reason="first"}')" 2
	assert_equal "$(value 'lspp_databases{state="shipped"}')" 1
	assert_equal "$(value 'lspp_databases{state="unchanged"}')" 1
	# The number of series follows nothing.
	for i in $(seq 30); do cp a.db "c$i.db"; done
	lspp-ship --metrics "$F" c*.db
	assert_equal "$(value 'lspp_databases{state="seen"}')" 30
	assert_equal "$(value 'lspp_snapshots_total{reason="first"}')" 32
	assert_equal "$(series "$F")" "$first"
	sound "$F"
}

@test "the largest WAL" {
	sqlite3 w.db 'PRAGMA journal_mode=WAL; CREATE TABLE t(x)' >/dev/null
	mkfifo go
	sqlite3 w.db <go 3>&- 4>&- &
	local pid=$!
	exec 5>go
	echo 'INSERT INTO t SELECT randomblob(9999);' >&5
	wait_for test -s w.db-wal
	lspp-hot --metrics "$F" a.db w.db >/dev/null
	assert_equal "$(value lspp_wal_bytes_max)" "$(stat -c %s w.db-wal)"
	lspp-ship --metrics ship.prom a.db w.db >/dev/null
	assert_equal "$(value lspp_wal_bytes_max ship.prom)" \
		"$(stat -c %s w.db-wal)"
	exec 5>&-
	wait $pid
}

@test "a run that fails says so, and when the last good one was" {
	local good
	lspp-ship --metrics "$F" a.db
	good=$(value lspp_last_success_timestamp_seconds)
	assert_equal "$good" "$(value lspp_last_run_timestamp_seconds)"
	sleep 1.1
	run -66 lspp-ship --metrics "$F" gone.db
	assert_equal "$(value lspp_last_run_exit_code)" 66
	assert_equal "$(value lspp_last_success_timestamp_seconds)" "$good"
	[ "$(value lspp_last_run_timestamp_seconds)" -gt "$good" ]
	assert_equal "$(value 'lspp_databases{state="failed"}')" 1
	assert_equal "$(value 'lspp_databases{state="seen"}')" 1
	run -1 lspp-ship --metrics "$F" gone.db a.db
	assert_equal "$(value lspp_last_run_exit_code)" 1
	# Before the first path: the replica is no directory.
	touch file
	run lspp-ship -r "$T/file" --metrics "$F" a.db
	assert_failure
	assert_equal "$(value lspp_last_run_exit_code)" "$status"
	assert_equal "$(value lspp_last_success_timestamp_seconds)" "$good"
	assert_equal "$(value 'lspp_databases{state="seen"}')" 0
	assert_equal "$(value 'lspp_snapshots_total{reason="first"}')" 1
	sound "$F"
	# Never a good one.
	run -66 lspp-ship --metrics new.prom gone.db
	assert_equal "$(value lspp_last_success_timestamp_seconds new.prom)" 0
	run -1 lspp-scan --metrics scan.prom --expect-min 99 .
	assert_equal "$(value lspp_last_run_exit_code scan.prom)" 1
}

@test "a run that a signal ends, and one that was busy" {
	mkfifo in
	lspp-ship --metrics "$F" <in >out 3>&- &
	local pid=$!
	exec 4>in
	echo a.db >&4
	wait_for test -s out
	kill -TERM $pid
	wait $pid && status=0 || status=$?
	exec 4>&-
	assert_equal "$status" 143
	assert_equal "$(value lspp_last_run_exit_code)" 143
	assert_equal "$(value 'lspp_databases{state="shipped"}')" 1
	assert_equal "$(value lspp_last_success_timestamp_seconds)" 0
	sound "$F"
}

@test "a broken file, and one of another program, are begun anew" {
	lspp-ship --metrics "$F" a.db
	cp "$F" good.prom
	for broken in 'head -c 300' 'sed s/=/./' 'tr -d "\n"' \
		'sed "s/ [0-9]*$/ x/"' 'head -c 0' 'sed s/lspp-ship/lspp-hot/' \
		'sed "1s/^/lspp_x 1\x00/"'; do
		eval "$broken" <good.prom >"$F"
		run -0 --separate-stderr lspp-ship --metrics "$F" a.db
		assert_output a.db
		assert_equal "$stderr" \
			"lspp-ship: $F: not a metrics file of lspp-ship: its counters begin anew"
		assert_equal "$(value 'lspp_snapshots_total{reason="first"}')" 0
		sound "$F"
	done
}

@test "what is no metrics file is not replaced" {
	run -2 --separate-stderr lspp-ship --metrics a.db a.db
	assert_output ''
	assert_regex "$stderr" '\.prom'
	run -2 lspp-ship --metrics .prom a.db
	run -2 lspp-ship -n --metrics "$F" a.db
	run -2 lspp-ship --metrics= a.db
	run -0 sqlite3 a.db 'SELECT a FROM t'
	assert_output 1
	[ ! -e rep ]
	run -74 --separate-stderr lspp-ship --metrics none/m.prom a.db
	assert_regex "$stderr" 'none/m.prom: .*No such file'
	[ ! -e rep ]
	# A help or a question is no run.
	lspp-ship --metrics "$F" --help >/dev/null
	lspp-ship --metrics "$F" --whoami >/dev/null
	[ ! -e "$F" ]
}

@test "a file that cannot be written fails the run, not the paths" {
	mkdir -p m.prom/x
	run -74 --separate-stderr lspp-ship --metrics "$F" a.db
	assert_output a.db
	assert_regex "$stderr" "m.prom: "
	assert_equal "$(find . -name '.lspp-*' | wc -l)" 0
}
