# SPDX-License-Identifier: Apache-2.0
# --metrics: a file for the textfile collector, whatever becomes of the run.

load lib/lspp
load lib/metrics
load lib/s3 # free_port

setup_file() {
	need "$LSPP_ROOT/.tools/promtool"
}

setup() {
	set +T
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state
	sqlite3 a.db "CREATE TABLE t AS SELECT 1 a"
	F=$T/m.prom
}

# every_program DIR -- a run of each, with all the series that it can have.
every_program() {
	lspp-scan --metrics "$1/lspp_scan.prom" a.db |
		lspp-hot --metrics "$1/lspp_hot.prom" |
		lspp-ship --metrics "$1/lspp_ship.prom" >/dev/null
	lspp-restore --metrics "$1/lspp_restore.prom" -o out a.db >/dev/null
	lspp-verify --metrics "$1/lspp_verify.prom" --deep a.db >/dev/null
	lspp-prune --metrics "$1/lspp_prune.prom" --keep-last 1 --yes a.db
	lspp-new --metrics "$1/lspp_new.prom" -t a.db new.db >/dev/null
	lspp-stat --metrics "$1/lspp_stat.prom" --by 1 >/dev/null
}

@test "every program writes one that promtool takes" {
	local p
	umask 077
	lspp-scan --metrics scan.prom . | lspp-hot --metrics hot.prom |
		lspp-ship --metrics ship.prom
	lspp-restore --metrics restore.prom -o out a.db
	lspp-verify --metrics verify.prom --deep a.db
	lspp-new --metrics new.prom -t a.db b.db
	lspp-stat --metrics stat.prom >/dev/null
	for p in scan hot ship restore verify new stat; do
		sound $p.prom
		assert_equal "$(value lspp_last_run_exit_code $p.prom)" 0
		assert_equal "$(value 'lspp_databases{state="seen"}' $p.prom)" 1
		assert_equal "$(value 'lspp_databases{state="failed"}' $p.prom)" 0
		run ! grep -v -e '^#' -e "{program=\"lspp-$p\"" $p.prom
	done
	assert_equal "$(value 'lspp_databases{state="hot"}' hot.prom)" 1
	assert_equal "$(value 'lspp_databases{state="shipped"}' ship.prom)" 1
	assert_equal "$(value 'lspp_databases{state="restored"}' restore.prom)" 1
	assert_equal "$(value 'lspp_databases{state="verified"}' verify.prom)" 1
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

@test "what somebody else writes to is counted, whatever the others fail for" {
	cp a.db b.db
	lspp-ship -q a.db b.db >/dev/null
	lspp-verify --metrics "$F" a.db b.db >/dev/null
	assert_equal "$(value 'lspp_databases{state="contended"}')" 0
	sqlite3 a.db "INSERT INTO t VALUES (2)"
	LSPP_MACHINE=other lspp-ship -q -s s2 --new-generation a.db
	# Of three one is another machine's, one is not there: neither 75 nor 66.
	run -1 lspp-verify --metrics "$F" a.db b.db gone.db
	assert_equal "$(value lspp_last_run_exit_code)" 1
	assert_equal "$(value 'lspp_databases{state="contended"}')" 1
	assert_equal "$(value 'lspp_databases{state="failed"}')" 2
	run -75 lspp-verify --metrics "$F" a.db
	assert_equal "$(value 'lspp_databases{state="contended"}')" 1
	# A live database that cannot be read now is nobody's but its own.
	sqlite3 b.db 'PRAGMA cache_size = 1' 'BEGIN' \
		'UPDATE t SET a = randomblob(90000)' '.shell kill -KILL $PPID' || :
	[ -s b.db-journal ]
	run -75 lspp-verify --against-source --metrics "$F" b.db
	assert_equal "$(value 'lspp_databases{state="contended"}')" 0
	assert_equal "$(value 'lspp_databases{state="failed"}')" 1
	sound "$F"
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

@test "every program's series, two jobs of one program: node_exporter takes all" {
	local port pid p
	need "$LSPP_ROOT/.tools/node_exporter"
	mkdir text
	every_program text
	for i in 1 2 3; do cp a.db "x$i.db"; done
	lspp-ship -q --metrics text/lspp_second.prom -s s2 -r rep2 x*.db >/dev/null
	run lspp-ship -q --metrics text/lspp_failed.prom gone.db
	assert_failure
	port=$(free_port)
	"$LSPP_ROOT/.tools/node_exporter" --collector.disable-defaults \
		--collector.textfile --collector.textfile.directory=text \
		--web.disable-exporter-metrics \
		--web.listen-address="127.0.0.1:$port" >log 2>&1 3>&- 4>&- &
	pid=$!
	scrape() { curl -fsS -o scrape "http://127.0.0.1:$port/metrics"; }
	wait_for scrape 2>/dev/null
	kill $pid
	wait $pid || true
	grep -x 'node_textfile_scrape_error 0' scrape
	for p in text/*.prom; do
		grep -F "node_textfile_mtime_seconds{file=\"$p\"}" scrape ||
			grep -F "{file=\"$T/$p\"}" scrape
	done >/dev/null
	# Each series of each file, and no other.  Its labels come out sorted.
	sorted() {
		grep '^lspp_' | sed 's/ [^ ]*$//' | python3 -c '
import re, sys
for line in sys.stdin:
    name, _, labels = line.rstrip("\n").partition("{")
    labels = re.findall(r"[a-z_]+=\"(?:[^\"\\]|\\.)*\"", labels)
    print(name, ",".join(sorted(labels)))' | sort
	}
	diff <(cat text/*.prom | sorted) <(sorted <scrape)
	"$LSPP_ROOT/.tools/promtool" check metrics <scrape
}

@test "rules and dashboard draw the series that there are, all of them" {
	local rules=$LSPP_ROOT/examples/prometheus/lspp.rules.yml
	local board=$LSPP_ROOT/examples/grafana/lspp.json
	mkdir text
	every_program text
	names() { grep -oE '\blspp_[a-z_]+' | sort -u; }
	cat text/*.prom | grep -v '^#' | sed 's/{.*//' | sort -u >written
	{ sed '/^#/d; s/"[^"]*"//g' "$rules"; jq -r '.. | .expr? // empty' "$board"; } |
		names >drawn
	# A label_values() of the dashboard is of one of them, too.
	diff written drawn
	jq -r '.templating.list[].query.query? // empty' "$board" | names |
		comm -23 - written >unknown
	assert_equal "$(cat unknown)" ''
	# No alert is of what the other programs have under that name.
	"$LSPP_ROOT/.tools/promtool" check rules "$rules"
	"$LSPP_ROOT/.tools/promtool" test rules "$LSPP_ROOT"/tests/data/rules*_test.yml
	for a in $(sed -n 's/.*alert: //p' "$rules"); do
		grep -q "alertname: $a\$" "$LSPP_ROOT"/tests/data/rules*_test.yml ||
			{ echo "$a: no test that it fires"; false; }
	done
	# Panels do not overlap, each has a title and something to draw.
	jq -e '[.panels[] | select(.type != "row") | (.title != "") and
		(.targets | length > 0)] | all' "$board"
	jq -e '[.panels[].id] | (unique | length) == length' "$board"
	jq -e '[.panels[].gridPos | .x + .w <= 24] | all' "$board"
	jq -r '.. | .expr? // empty' "$board" | sed 's/\$__rate_interval/5m/g
		s/\$instance/.*/g' | awk 'BEGIN { print "groups: [{name: x, rules: [" }
		{ gsub(/\047/, "\047\047"); printf "{record: \"x:%d\", expr: \047%s\047},\n", NR, $0 }
		END { print "]}]" }' >board.yml
	"$LSPP_ROOT/.tools/promtool" check rules board.yml
}
