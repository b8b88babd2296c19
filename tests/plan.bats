#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bench/plan, by which lspp-planning(7) says what a fleet costs: the requests that it
# predicts are those of real runs, and the manual has its figures.
#
# Not under sanitizers: what it looks at is a model.

load lib/lspp
load lib/s3

setup_file() {
	s3_start
}

teardown_file() {
	s3_stop
}

setup() {
	set +T
	PLAN=$LSPP_ROOT/bench/plan
	cd "$T"
}

# cost PROGRAM FILE -- "PUT LIST GET", of its metrics.
cost() {
	sed -n 's/^lspp_requests_total{.*op="\(put\|list\|get\)".*} /\1 /p' "$1" |
		awk '{ n[$1] = $2 } END { print n["put"], n["list"], n["get"] }'
}

# as_planned WHAT METRICS N... -- in all within 2 percent, and so is each kind
# of which there are a hundred.
as_planned() {
	local plan got
	plan=$("$PLAN" requests "$1" "${@:3}")
	got=$(cost "$2")
	say "$1: planned $plan, counted $got"
	awk -v plan="$plan" -v got="$got" '
	function off(a, b) { return (a > b ? a - b : b - a) > 0.02 * b }
	BEGIN {
		split(plan, p, " "); split(got, g, " ")
		for (i = 1; i <= 3; i++) {
			if ((p[i] >= 100 || g[i] >= 100) && off(p[i], g[i]))
				exit 1
			a += p[i]; b += g[i]
		}
		exit off(a, b)
	}' || fail "$1: planned $plan, counted $got"
}

@test "the plan has the requests of a fleet's life within 2 percent" {
	local n=1100 hot=110 k
	s3_here fleet
	mkdir src
	fleet make -n $n -b 8192 -p 4096 -m wal "$T/src" >paths
	export LSPP_REPLICA=$R LSPP_STATE=$T/state LSPP_BASE=$T/src
	lspp-ship -q --metrics first.prom <paths >/dev/null
	as_planned first first.prom $n
	for k in 1 2; do
		head -n $hot paths | fleet touch
		lspp-ship -q --metrics "pass$k.prom" <paths >/dev/null
		as_planned pass "pass$k.prom" $hot 0
	done
	sleep 1.1 # since the snapshots
	head -n $hot paths | fleet touch
	lspp-ship -q --snapshot-interval 1s --metrics due.prom <paths >/dev/null
	as_planned pass due.prom $hot $hot
	# By now: an owner object and a snapshot of each, and of the hot ones a
	# snapshot more and a segment for each pass.
	objects=$((2 * n + 4 * hot)) read=$n
	assert_equal "$(s3_objects | wc -l)" $objects
	lspp-restore -q -o out --metrics restore.prom '**' >/dev/null
	as_planned restore restore.prom $n $objects $read 1
	for k in 1 2 3; do
		lspp-restore -q -o "out$k" --shard $k/3 \
			--metrics "part$k.prom" '**' >/dev/null
		cost "part$k.prom"
	done | awk '{ put += $1; list += $2; get += $3 }
		END { print "lspp_requests_total{op=\"put\"} " put
		print "lspp_requests_total{op=\"list\"} " list
		print "lspp_requests_total{op=\"get\"} " get }' >parts.prom
	as_planned restore parts.prom $n $objects $read 3
	sed "s|^$T/src/||" paths |
		lspp-restore -q -o names --metrics names.prom >/dev/null
	as_planned names names.prom $n $read
	lspp-verify -q --deep --metrics deep.prom '**' >/dev/null
	as_planned deep deep.prom $n $objects
	lspp-scan -q --metrics scan.prom "$R" >/dev/null
	as_planned scan scan.prom $n
}

@test "what the manual says is what the plan says, at the prices that lspp has" {
	local store put list get
	[ -s "$LSPP_ROOT/man/lspp-planning.7" ]
	"$PLAN" | grep '^\.It' >rows
	[ "$(wc -l <rows)" -ge 20 ]
	grep -vxFf "$LSPP_ROOT/man/lspp-planning.7" rows >missing || :
	assert_equal "$(cat missing)" ''
	# As --price has them, by its manual.
	"$PLAN" prices >prices
	[ "$(wc -l <prices)" -eq 4 ]
	while read -r store put list get; do
		grep -q "^\.It $store Ta $put Ta $list Ta $get Ta " \
			"$LSPP_ROOT/man/lspp-s3.7" || fail "$store: $put $list $get"
	done <prices
}
