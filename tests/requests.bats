#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How many requests a database costs on S3, counted twice: by a proxy between the
# programs and the server, and by the programs themselves, of which both must say
# the same.  A request is money and a wait; each bound is what there must be.
#
# Not under sanitizers: what it looks at is a count.

load lib/lspp
load lib/s3_up

N=24

# A new database, and what a root costs once: it is found out which conditions
# the server keeps.
NEW_PUT=$((2 * N + 8)) NEW_LIST=$N NEW_DELETE=1

teardown() {
	s3_faulty_stop
}

# fleet_here -- N databases, the proxy, and where all is.
fleet_here() {
	s3_needs conditions
	fleet make -n $N -b 8192 -p 4096 -m wal src >paths
	s3_faulty
	export LSPP_STATE=$T/state LSPP_REPLICA=$R LSPP_BASE=$T/src
}

# sent CLASS -- how many of them the proxy saw.
sent() {
	awk -v class="$1" '{
		is = tolower($1)
		if (is == "post") is = $2 ~ /[?]delete/ ? "delete" : "put"
		if (is == "get" && $2 ~ /[?&](list-type|uploads)/) is = "list"
		if (is == class) n++
	} END { print n + 0 }' requests
}

# costs PUT GET HEAD LIST DELETE COMMAND... -- it succeeds, and so many at most.
costs() {
	local class told bounds=("${@:1:5}") i=0
	shift 5
	: >requests
	"$@" -v --json >out.json 2>err || {
		cat err
		return 1
	}
	for class in put get head list delete; do
		told=$(sed -n "s/.*requests: .*\"$class\":\([0-9]*\).*/\1/p" err |
			awk '{ n += $1 } END { print n + 0 }')
		echo "$class: $(sent $class), told $told, at most ${bounds[i]}"
		[ "$(sent $class)" -eq "$told" ] || return
		[ "$told" -le "${bounds[i++]}" ] || return
	done
}

# with PATHS COMMAND... -- that read them.
with() {
	"${@:2}" <"$1"
}

shipped() {
	[ "$(wc -l <out.json)" -eq "$1" ]
}

# settled -- what was shipped is at rest, and the state knows it.
settled() {
	touch -d '-1 hour' src/*/*
	lspp-ship "$@" <paths >/dev/null
}

@test "to ship: new ones, one that changed, none that changed" {
	fleet_here
	costs $NEW_PUT 0 0 "$NEW_LIST" "$NEW_DELETE" with paths lspp-ship
	shipped $N
	settled
	costs 0 0 0 0 0 with paths lspp-ship
	head -n 1 paths | fleet touch
	costs 1 0 0 0 0 with paths lspp-ship
	# All of them, by a run of its own.
	settled
	fleet touch <paths
	costs $N 0 0 0 0 with paths lspp-ship
	shipped $N
}

@test "many new ones: a listing serves those that follow, in any order" {
	fleet_here
	# Three alone, and a page.
	costs $NEW_PUT 0 0 4 1 with paths lspp-ship -j 1
	shipped $N
	# Behind others, where they are few.  Whatever comes, no more than ever.
	mkdir more
	fleet make -n $N -b 8192 -p 4096 -m wal more >new
	export LSPP_BASE=$T/more
	sort -R new >shuffled
	mv $T/src $T/aside
	LSPP_REPLICA=$R/more costs $NEW_PUT 0 0 $N 1 with shuffled lspp-ship
	shipped $N
	LSPP_REPLICA=$R/again costs $NEW_PUT 0 0 $N 1 with <(sort -r new) lspp-ship
}

@test "a new one that is Litestream's, or in LTX, is seen in a page, too" {
	fleet_here
	head -n 1 paths >one
	lspp-ship --format ltx <one >/dev/null
	rm -r state
	sort -R paths >shuffled
	run lspp-ship -j 1 <shuffled
	[ "$status" -eq 1 ]
	[[ $output == *"$(cat one): its replica is in LTX"* ]]
	[ "$(grep -c '^src/' <<<"$output")" -eq $((N - 1)) ]
	# A state that was lost: what there is is seen, and ended first.
	rm -r state
	lspp-ship <shuffled >/dev/null 2>&1 || true
	[ "$(s3_objects | grep -c /owner-00000001)" -eq $((N - 1)) ]
}

# lines FILE N -- so many are in it.
lines() {
	[ "$(wc -l <"$1")" -eq "$2" ]
}

@test "who begins while a page is relied on is met, and nothing is written beside" {
	local run rc=0 ninth tenth
	fleet_here
	ninth=$(sed -n 9p paths) tenth=$(sed -n 10p paths)
	mkfifo in
	LSPP_MACHINE=one lspp-ship -j 1 <in >out 2>err &
	run=$!
	exec 5>in
	head -n 8 paths >&5
	wait_for lines out 8
	# The page that served the eighth says that the ninth is nowhere.
	LSPP_MACHINE=two LSPP_STATE=$T/two lspp-ship "$ninth"
	: >requests
	printf '%s\n' "$ninth" "$tenth" >&5
	exec 5>&-
	wait $run || rc=$?
	[ $rc -ne 0 ]
	lines out 9
	[ "$(tail -n 1 out)" = "$tenth" ]
	grep -q "$ninth: .* was written by somebody else" err
	# What it put was refused: there is one owner's object, and one snapshot.
	run -1 grep "^PUT .*/${ninth#src/}/.* 2[0-9]*$" requests
	[ "$(s3_objects | grep -c "/${ninth#src/}/")" -eq 2 ]
	LSPP_STATE=$T/any lspp-restore -q -o out.d "${ninth#src/}" >/dev/null
	cmp "$ninth" "out.d/${ninth#src/}"
}

@test "to ship as LTX: one PUT, and one look at what is there" {
	fleet_here
	costs $((N + 8)) 0 0 $((2 * N)) 1 with paths lspp-ship --format ltx
	settled --format ltx
	costs 0 0 0 0 0 with paths lspp-ship --format ltx
	fleet touch <paths
	costs $N $N 0 0 0 with paths lspp-ship --format ltx
}

@test "to find, restore, verify and prune all of a root" {
	fleet_here
	lspp-ship <paths >/dev/null
	fleet touch <paths
	lspp-ship <paths >/dev/null
	costs 0 0 0 1 0 lspp-scan "$R"
	costs 0 0 0 0 0 lspp-stat
	costs 0 $((2 * N)) 0 4 0 lspp-restore -o out '**'
	costs 0 $((3 * N)) 0 4 0 lspp-verify '**'
	# By name, and beside the live databases, each is listed just then.
	sed "s|^src/||" paths >keys
	costs 0 $((3 * N)) 0 $N 0 with keys lspp-verify
	costs 0 $((3 * N)) 0 $((N + 2)) 0 lspp-verify --against-source '**'
	costs 0 0 0 3 0 lspp-prune --yes --keep-for 30d '**'
}
