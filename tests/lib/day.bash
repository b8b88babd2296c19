# SPDX-License-Identifier: Apache-2.0
# For tests that run the lines of examples/crontab as cron would, for as long as
# it takes, by a clock that leaps (tests/leap/leap.c), and ask Prometheus' rules
# which alerts stand.  Loads lib/lspp.
#
# Nothing of a line is replaced but where it is: the lock, the size of the fleet.
# Lines that begin another when they are wanted ("#43 3 * * 0") are wanted.
#
#	fleet_of 12	an application's databases, $D/srv/NN/app.db
#	minutes 20	run what is due, and scrape what is in $METRICS
#	run_alone PROGRAM...	at that time
#	fires LsppLost	just these alerts stand now
#	fired		... or stood since the beginning
#	answers		is what was asked so? Once, in teardown(), for it takes long

load lib/lspp
load lib/state

RULES=$LSPP_ROOT/examples/prometheus/lspp.rules.yml
PROMTOOL=$LSPP_ROOT/.tools/promtool

# day_begin [MINUTE] -- so late on a Sunday.
day_begin() {
	need sqlite3 flock "$PROMTOOL" lspp-ship
	D=$T/machine
	mkdir -p "$D"/{srv,state,metrics,tmp}
	M=${1:-0} M0=${1:-0} LINES_LEFT_OUT='^$' SERIES='' EVERY=1m
	T0=$(date -u -d 'next sunday 00:00' +%s)
	: >"$D/scraped"
	: >"$D/mail"
	sed -n 's/^\([A-Z_]*=.*\)/\1/p' "$LSPP_ROOT/examples/crontab" >"$D/vars"
	mapfile -t MACHINE <"$D/vars"
	MACHINE+=("PATH=$PATH" "LSPP_REPLICA=file://$D/replica"
		"LSPP_BASE=$D/srv" "LSPP_STATE=$D/state"
		"METRICS=$D/metrics" "TMPDIR=$D/tmp" TZ=UTC
		"ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0"
		"LEAP_CLOCK=$D/clock" "LD_PRELOAD=$B/tools/leap.so")
	crontab_lines | sort -s -k 1,1 >"$D/crontab"
}

# Those that last for a minute go last: they begin when the others have ended.
crontab_lines() {
	sed -n 's/^#\([0-9]\)/\1/; s/^[0-9*]/&/p' "$LSPP_ROOT/examples/crontab" |
		sed "s|/run/lock/lspp|$D/lock|; s/--expect-min 1000/--expect-min 12/" |
		while read -r line; do
			case $line in
			*--watch*) echo "2 $line" ;;
			*) echo "1 $line" ;;
			esac
		done
}

fleet_of() {
	local i
	for ((i = 1; i <= $1; i++)); do
		mkdir "$D/srv/$i"
		apply 'CREATE TABLE t (x); INSERT INTO t
			VALUES (hex (randomblob (9000)))' "$i"
	done
}

# apply SQL N... -- what an application does, at that time.
apply() {
	local sql=$1 n
	shift
	for n; do
		sqlite3 "$D/srv/$n/app.db" "$sql"
		touch -d "@$((T0 + 60 * M))" "$D/srv/$n"/app.db*
	done
}

run_alone() {
	env -i "${MACHINE[@]}" LEAP_TO=$((T0 + 60 * M)) "$@"
}

# matches FIELD NUMBER -- of a crontab.
matches() {
	case $1 in
	'*') ;;
	'*/'*) [ $(($2 % ${1#*/})) -eq 0 ] ;;
	*) [ "$1" -eq "$2" ] ;;
	esac
}

is_due() { # MINUTE HOUR DAY MONTH WEEKDAY
	matches "$1" $((M % 60)) && matches "$2" $((M / 60 % 24)) &&
		matches "$5" $((M / 1440 % 7))
}

# What is due in minute M.  What a line prints is mail.
one_minute() {
	local _ min hour day month weekday command
	: >"$D/mark"
	while read -r _ min hour day month weekday _ command; do
		is_due "$min" "$hour" "$day" "$month" "$weekday" || continue
		[[ ! $command =~ $LINES_LEFT_OUT ]] || continue
		run_alone sh -c "$command" >>"$D/mail" 2>&1 3>&- || :
	done <"$D/crontab"
}

# What node_exporter would tell at the end of minute M.
scrape() {
	find "$D/metrics" -name '*.prom' -cnewer "$D/mark" \
		-exec touch -d "@$((T0 + 60 * (M + 1)))" {} +
	echo "@ $((M + 1))"
	find "$D/metrics" -name '*.prom' -printf \
		'node_textfile_mtime_seconds{file="/metrics/%f"} %Ts\n'
	find "$D/metrics" -name '*.prom' -exec cat {} +
} >>"$D/scraped"

# minutes N -- on a machine that is slow a minute may take longer; then the next
# one is left out, as cron would.
minutes() {
	local end=$((M + $1)) now
	while [ "$M" -lt "$end" ]; do
		one_minute
		scrape
		now=$(run_alone date +%s)
		M=$((M + 1))
		while [ "$now" -gt $((T0 + 60 * M)) ]; do M=$((M + 1)); done
	done
}

# All that was scraped, as promtool reads it: each series with a value for each
# minute, those that hold a time by the clock of promtool, which begins at 0.
series_of_all() {
	grep -E "^[@#]|$SERIES" "$D/scraped" | awk -v m0="$M0" -v t0=$((T0 + 60 * M0)) '
	$1 == "@" { m = $2 - m0; next }
	/^#/ { next }
	{
		v = $NF
		s = substr($0, 1, length($0) - length(v) - 1)
		sub(/}$/, ",instance=\"h\"}", s)
		if (s ~ /^[a-z_]*(timestamp|mtime)_seconds/)
			v -= t0 # of 0, too: long ago
		if (!(s in last))
			values[s] = m > 0 ? "_x" m : ""
		else if (m > last[s] + 1)
			values[s] = values[s] " _x" m - last[s] - 1
		values[s] = values[s] " " v
		last[s] = m
	}
	END {
		for (s in values) {
			gsub(/\047/, "\047\047", s)
			print "      - series: \047" s "\047"
			print "        values: \047" values[s] "\047"
		}
	}'
}

# ask EXPRESSION ALERT... -- is it just that, now?  What comes later changes nothing
# of it, so all that a test asks is answered at its end.
ask() {
	local expr=$1 a
	shift
	{
		printf '      - expr: %s\n' "$expr"
		printf '        eval_time: %dm\n        exp_samples:\n' \
			$((M - M0))
		for a; do
			printf '          - {labels: %s, value: 1}\n' \
				"'{alertname=\"$a\"}'"
		done
	} >>"$D/asked"
}

answers() {
	[ -s "${D:-}/asked" ] || return 0
	{
		printf 'rule_files: [%s]\nevaluation_interval: %s\n' "$RULES" \
			"$EVERY"
		printf 'tests:\n  - interval: 1m\n    input_series:\n'
		series_of_all
		printf '    promql_expr_test:\n'
		cat "$D/asked"
	} >"$D/test.yml"
	rm "$D/asked"
	"$PROMTOOL" test rules "$D/test.yml"
}

fires() {
	ask 'group by (alertname) (ALERTS{alertstate="firing"})' "$@"
}

fired() {
	ask 'group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[30d]))' \
		"$@"
}
