# SPDX-License-Identifier: Apache-2.0
# lspp-stat: what the state knows of a fleet, and what lspp-ship and lspp-hot
# put there for it.
#
# Long: begins early.

load lib/lspp
load lib/srv
load lib/metrics

setup() {
	set +T
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T/srv LSPP_STATE=$T/state
	mkdir srv
}

pass() {
	lspp-scan srv | lspp-hot | lspp-ship >/dev/null
}
# Until nothing is racy any more, and a pass over all has said so.
settle() {
	all_cold() { pass && [ -z "$(lspp-scan srv | lspp-hot)" ]; }
	wait_for all_cold
}
# fact NAME -- a member of the summary.
fact() {
	lspp-stat --json | jq -r ".$1"
}
sql() {
	sqlite3 "$LSPP_STATE/state.db" "$1"
}
# moved SECONDS -- all that the state says happened so much earlier.
moved() {
	sql "UPDATE meta SET value = value - $1 * 1000000000
			WHERE name LIKE 'pass %' OR name LIKE 'ran %';
		UPDATE pending SET since_ns = since_ns - $1 * 1000000000;
		UPDATE db SET captured_ns = captured_ns - $1 * 1000000000;
		UPDATE trouble SET since_ns = since_ns - $1 * 1000000000,
			at_ns = at_ns - $1 * 1000000000"
}

# -- the numbers ---------------------------------------------------------------

# What can be counted without lspp's state: files, objects, and what differs
# between a database and what its replica restores to.
by_hand() {
	local f w gone=0 waiting=0 new=0 size=0 snapshots=0 wal=0 all=0 last
	lspp-restore -q -o back '**' >/dev/null
	for f in $(find srv -name '*.db' | sed 's|^srv/||'); do
		all=$((all + 1))
		if [ ! -e "rep/$f" ]; then
			new=$((new + 1))
			waiting=$((waiting + 1))
			continue
		fi
		same_db "srv/$f" "back/$f" 2>/dev/null || waiting=$((waiting + 1))
		size=$((size + $(stat -c %s "back/$f")))
		last=$(find "rep/$f" -name '*.snapshot.lz4' | sort | tail -n 1)
		snapshots=$((snapshots + $(lz4 -dcq "$last" | wc -c)))
		last=$(basename "$last" .snapshot.lz4)
		while IFS= read -r w; do
			[[ $(basename "$w") > $last ]] || continue
			wal=$((wal + $(lz4 -dcq "$w" | wc -c)))
		done < <(find "rep/$f" -name '*.wal.lz4')
	done
	for f in $(cd back && find . -name '*.db' | sed 's|^\./||'); do
		[ -e "srv/$f" ] || gone=$((gone + 1))
	done
	jq -cn --arg a $all --arg n $new --arg g $gone --arg w $waiting \
		--arg s $size --arg sn $snapshots --arg wal $wal \
		'{databases: ($a|tonumber), new: ($n|tonumber),
		gone: ($g|tonumber), waiting: ($w|tonumber),
		size: ($s|tonumber), snapshots: ($sn|tonumber),
		wal: ($wal|tonumber)}'
}

@test "it agrees with a count by hand on a fleet with known faults" {
	local i n
	n=$(count 60 8)
	for i in $(seq "$n"); do
		db "p$((i % 3))/t$i/a.db" "p$((i % 3))/t$i/b.db"
	done
	settle
	for i in $(seq 1 2 "$n"); do change "p$((i % 3))/t$i/b.db"; done
	pass
	settle
	# Written and not shipped; never shipped; gone; no database at all.
	for i in $(seq 1 3 "$n"); do change "p$((i % 3))/t$i/a.db"; done
	db new/1.db new/2.db
	echo 'this is no database at all' >srv/new/junk.db
	lspp-ship srv/p1/t1/a.db
	sleep 1.1 # until its clock can tell that it has not changed since
	lspp-ship srv/p1/t1/a.db
	rm -r srv/p2/t2
	(lspp-scan srv && printf '%s\n' srv/p2/t2/{a,b}.db) >paths
	run -1 --separate-stderr sh -c 'lspp-hot <paths >dirty'
	run -65 lspp-ship <<<srv/new/junk.db
	# One that was shipped is overwritten.
	printf 'garbage where a header was' | dd of=srv/p0/t3/a.db conv=notrunc \
		status=none
	run -65 lspp-ship srv/p0/t3/a.db
	by_hand >hand
	lspp-stat --json | jq -c '{databases, new, gone, waiting, size,
		snapshots, wal}' >told
	diff hand told
	assert_equal "$(fact failed)" 2
	assert_equal "$(fact replicas)" \
		"$(find rep -name generations | grep -vc p2/t2/)"
	# And tier by tier with lspp-hot, which looks at the files; lspp-scan does
	# not see the one without a header, which is lost.
	assert_equal "$(fact lost)" 0
	sleep 1.1
	lspp-scan srv | lspp-hot --hot-for 1s --tiers | grep -v new/ | cut -f 1 | sort |
		uniq -c | awk '{ print $2, $1 }' >hot
	assert_equal "$(fact lost)" 1
	diff hot <(lspp-stat --json --hot-for 1s | jq -r '"cold \(.cold)", "hot \(.hot)"')
}

@test "lag: the oldest, and percentiles over all databases" {
	db t{1..100}.db
	settle
	assert_equal "$(lspp-stat --json | jq -c '[.waiting, .lag, .lag_p99]')" \
		'[0,0,0]'
	# Three wait, for 100, 50 and 10 s; of 100, the 99th is p99.
	sql "INSERT INTO pending SELECT path, root,
		strftime('%s') * 1000000000 - CASE cast(key AS text)
			WHEN 't7.db' THEN 100 WHEN 't8.db' THEN 50 ELSE 10 END
			* 1000000000
		FROM db WHERE cast(key AS text) IN ('t7.db', 't8.db', 't9.db');
		UPDATE db SET captured_ns = captured_ns - 1000000000000"
	run -0 lspp-stat --json
	near() { # MEMBER SECONDS
		local v
		v=$(jq ".$1" <<<"$output")
		[ "$v" -ge "$2" ] && [ "$v" -le $(($2 + 9)) ]
	}
	near lag 100
	near lag_p99 50
	near lag_p50 0
	assert_equal "$(jq .waiting <<<"$output")" 3
	run -0 lspp-stat --top 2 --json
	assert_equal "$(jq -r .path <<<"$output")" "$T/srv/t7.db
$T/srv/t8.db"
	run -0 lspp-stat --top 2
	assert_equal "${#lines[@]}" 3
	assert_regex "${lines[1]}" '1m4[0-9]s hot .* /.*/srv/t7.db$'
	# A note from before it was read is done with.
	sql "UPDATE db SET captured_ns = strftime('%s') * 1000000000"
	assert_equal "$(fact waiting)" 0
}

@test "snapshots that are due, by why" {
	local i
	for i in 1 2 3 4 5; do db "$i.db"; done
	settle
	assert_equal "$(lspp-stat --json |
		jq -c '[.due_interval, .due_wal, .due_segments]')" '[0,0,0]'
	sql "UPDATE db SET snapshot_ns = snapshot_ns - 90000000000000
			WHERE key IN (x'312e6462', x'322e6462');
		UPDATE db SET wal_bytes = 1048577 WHERE key = x'332e6462';
		UPDATE db SET segments = 256 WHERE key = x'342e6462'"
	assert_equal "$(lspp-stat --json |
		jq -c '[.due_interval, .due_wal, .due_segments]')" '[2,1,1]'
	assert_equal "$(lspp-stat --json --snapshot-interval 7d |
		jq -c .due_interval)" 0
	# As lspp-ship has it.
	change {1,2,3,4,5}.db
	run -0 lspp-ship --json srv/{1,2,3,4,5}.db
	assert_equal "$(jq -r 'select(.snapshot != null) | .reason' <<<"$output" |
		sort | uniq -c | tr -s ' ' | paste -sd,)" \
		' 2 interval, 1 segments, 1 wal size'
}

@test "what lspp-verify found, and what it never looked at" {
	db a.db b.db c.db
	settle
	assert_equal "$(lspp-stat --json | jq -c '[.unverified, .broken,
		.verified]')" '[3,0,null]'
	sql "INSERT INTO verdict(root, key, at_ns, deep, class, msg)
			SELECT root, key, 1000000000, 0, 0, ''
			FROM db WHERE key = x'612e6462';
		INSERT INTO verdict(root, key, at_ns, deep, class, msg)
			SELECT root, key, snapshot_ns + 1, 1, 65, 'a hole'
			FROM db WHERE key = x'622e6462'"
	assert_equal "$(lspp-stat --json | jq -c '[.unverified, .broken,
		.verified]')" '[1,1,"1970-01-01T00:00:01.000000000Z"]'
	run -0 lspp-stat --top 9 --json
	assert_equal "$(jq -c '[.path, .broken]' <<<"$output")" \
		"[\"$T/srv/b.db\",\"a hole\"]"
	run -1 lspp-stat --health
	assert_output 'unhealthy: 1 broken'
	# Begun anew, the fault is mended.
	change b.db
	lspp-ship --new-generation srv/b.db
	run -0 lspp-stat --health
}

# -- what lspp-ship notes ------------------------------------------------------

@test "a failure is noted, goes on, and is taken back by the ship that succeeds" {
	db a.db
	settle
	cp srv/a.db good
	echo garbage >srv/a.db
	run -65 lspp-ship srv/a.db
	run -65 lspp-ship srv/a.db
	run -0 lspp-stat --top 1 --json
	assert_equal "$(jq -c '[.path, .status, .attempts, .message, .tier]' \
		<<<"$output")" "[\"$T/srv/a.db\",65,2,\"not a database\",\"hot\"]"
	assert_equal "$(jq -r '.failing < .tried' <<<"$output")" true
	run -0 lspp-stat
	assert_output --regexp "last errors
 +1   not a database; for [0-9]+s, last [0-9]+s ago: $T/srv/a.db"
	# A dry run neither notes nor takes back.
	cp srv/a.db bad
	cat good >srv/a.db
	change a.db
	run -0 lspp-ship -n srv/a.db
	assert_equal "$(fact failed)" 1
	run -0 lspp-ship srv/a.db
	assert_equal "$(lspp-stat --json | jq -c '[.failed, .waiting]')" '[0,0]'
	assert_equal "$(sql 'SELECT count(*) FROM trouble')" 0
}

@test "taken back also when there was nothing to ship after all" {
	db a.db
	settle
	cp -p srv/a.db good
	mv srv/a.db aside
	mkdir srv/a.db
	run lspp-ship srv/a.db
	assert_failure
	assert_equal "$(fact failed)" 1
	rmdir srv/a.db
	mv aside srv/a.db
	run -0 lspp-ship srv/a.db
	assert_equal "$(fact failed)" 0
	# And now by a run that finds it unchanged.
	settle
	sql "INSERT INTO trouble SELECT path, root, captured_ns, captured_ns + 1,
		captured_ns + 1, 65, 1, 'x' FROM db"
	assert_equal "$(fact failed)" 1
	clean() { lspp-ship srv/a.db && [ "$(fact failed)" = 0 ]; }
	wait_for clean
}

@test "a hand's mistake is no trouble of the fleet; a pipe's is" {
	db a.db
	settle
	echo junk >srv/junk
	run -65 lspp-ship srv/junk
	run -66 lspp-ship srv/gone.db
	assert_equal "$(fact failed)" 0
	run -65 lspp-ship <<<srv/junk
	assert_equal "$(lspp-stat --json | jq -c '[.failed, .new]')" '[1,1]'
	# It does not come any more: forgotten after two days, by a run.
	moved 173000
	pass
	assert_equal "$(lspp-stat --json | jq -c '[.failed, .new]')" '[0,0]'
}

@test "what is gone is gone, not in trouble" {
	db a.db b.db
	settle
	rm srv/a.db
	run -66 lspp-ship srv/a.db
	assert_equal "$(lspp-stat --json | jq -c '[.databases, .gone, .failed,
		.waiting]')" '[1,1,0,0]'
	# And back again.
	db a.db
	lspp-ship srv/a.db
	assert_equal "$(lspp-stat --json | jq -c '[.databases, .gone]')" '[2,0]'
	# A volume that comes back, with nothing on it that changed: lspp-hot
	# finds that in a pass, or lspp-ship when it is given the path.
	settle
	mv srv away
	run -66 lspp-ship "$T/srv/a.db" "$T/srv/b.db"
	assert_equal "$(lspp-stat --json | jq -c '[.databases, .gone]')" '[0,2]'
	mv away srv
	pass
	assert_equal "$(lspp-stat --json | jq -c '[.databases, .gone]')" '[2,0]'
	mv srv away
	run -66 lspp-ship "$T/srv/a.db"
	mv away srv
	lspp-ship srv/a.db
	assert_equal "$(lspp-stat --json | jq -c '[.databases, .gone]')" '[2,0]'
}

@test "what was gone, is back, and cannot be shipped, is in trouble" {
	db a.db b.db
	printf '%s\n' srv/a.db srv/b.db >list
	lspp-ship <list
	mv srv/b.db away
	run -1 lspp-ship <list
	assert_equal "$(lspp-stat --json | jq -c '[.gone, .failed]')" '[1,0]'
	mv away srv/b.db
	change b.db
	rm -r rep/b.db
	touch rep/b.db
	run -1 lspp-ship <list
	assert_equal "$(lspp-stat --json | jq -c '[.gone, .failed]')" '[0,1]'
	run -1 lspp-stat --health
	# And gone again.
	rm srv/b.db
	run -1 lspp-ship <list
	assert_equal "$(lspp-stat --json | jq -c '[.gone, .failed]')" '[1,0]'
}

@test "a pass takes back the notes of what vanished, or was shipped elsewhere" {
	db a.db b.db n.db
	settle
	change a.db
	db new.db
	lspp-scan srv | lspp-hot >/dev/null
	assert_equal "$(lspp-stat --json | jq -c '[.waiting, .new]')" '[2,1]'
	rm srv/a.db srv/new.db
	# Overlapping runs: this failure is older than nothing, and yet over.
	sql "INSERT INTO trouble SELECT path, root, captured_ns, captured_ns + 1,
		captured_ns + 1, 75, 1, 'locked' FROM db WHERE key = x'622e6462'"
	assert_equal "$(fact failed)" 1
	# What is younger than the last pass is looked at by the next but one.
	run -1 --separate-stderr sh -c 'lspp-scan srv | lspp-hot'
	assert_equal "$stderr" \
		"lspp-hot: $T/srv/a.db: gone: No such file or directory"
	lspp-scan srv | lspp-hot >/dev/null
	assert_equal "$(lspp-stat --json | jq -c '[.waiting, .new, .failed,
		.gone, .databases]')" '[0,0,0,1,2]'
	# A volume that is not mounted takes nothing back.
	change b.db
	lspp-scan srv | lspp-hot >/dev/null
	lspp-hot </dev/null
	assert_equal "$(fact waiting)" 1
}

@test "a store that is down: all fail, each is noted, few words are said" {
	local i n
	n=$(count 20000 150)
	fleet make -n "$n" -b 8192 -p 4096 -m delete "$T/srv" >paths
	lspp-ship <paths >/dev/null
	fleet touch <paths
	rm -r rep
	touch rep
	run -78 --separate-stderr lspp-ship <paths
	# Before any path: the run itself is noted.
	run -0 lspp-stat
	assert_output --partial 'before any database'
	run -1 lspp-stat --health
	assert_output --regexp '^unhealthy: .*cannot ship: .*rep'
	rm rep
	mkdir rep
	run -0 lspp-stat
	assert_output --partial 'before any database'
	# A root that is there, and takes nothing.
	sed "s|^$T/srv/||" paths | cut -d/ -f1 | sort -u |
		xargs -I{} touch "rep/{}"
	run sh -c 'lspp-ship <paths 2>err'
	assert_failure
	assert [ "$(wc -l <err)" -le 20 ]
	assert_equal "$(lspp-stat --json | jq -c '[.failed, .waiting]')" "[$n,$n]"
	run -0 lspp-stat
	refute_output --partial 'before any database'
	# Each says its own path: they are one line all the same.
	assert_equal "$(sed '1,/^last errors/d' <<<"$output" | wc -l)" 1
	assert_output --regexp "last errors
 +$n   .*/srv/[^ ]* and $((n - 1)) more\$"
	run -1 lspp-stat --health
	assert_output --regexp '^unhealthy: .*failed'
	# All is well again.
	rm -r rep
	mkdir rep
	lspp-ship --new-generation <paths >/dev/null
	assert_equal "$(fact failed)" 0
}

@test "that it cannot be noted is no further failure" {
	db a.db b.db
	settle
	echo garbage >srv/a.db
	change b.db
	sql 'DROP TABLE trouble; CREATE VIEW trouble AS SELECT 1 path, 1 root,
		1 at_ns'
	run -1 --separate-stderr lspp-ship srv/a.db srv/b.db
	assert_output srv/b.db
	assert_equal "$stderr" "lspp-ship: srv/a.db: not a database"
}

@test "a clock that was ahead once hides no failure, and no wait" {
	local ahead=3456000
	db a.db b.db
	settle
	moved -$ahead
	sql "UPDATE db SET snapshot_ns = snapshot_ns + $ahead * 1000000000"
	change a.db b.db
	mv rep/a.db away
	touch rep/a.db
	run lspp-ship srv/a.db
	assert_failure
	lspp-scan srv | lspp-hot >/dev/null
	sleep 1.1
	assert_equal "$(lspp-stat --json |
		jq -c '[.failed, .waiting, .lag > 0, .lag < 60]')" \
		'[1,2,true,true]'
	# It is over as ever, also for what was noted then.
	rm rep/a.db
	mv away rep/a.db
	sql "UPDATE pending SET since_ns = since_ns + $ahead * 1000000000"
	lspp-scan srv | lspp-hot | lspp-ship
	assert_equal "$(lspp-stat --json | jq -c '[.failed, .waiting]')" '[0,0]'
}

# -- health --------------------------------------------------------------------

@test "--health: one line and an exit status" {
	db a.db b.db
	settle
	run -0 --separate-stderr lspp-stat --health --max-lag 5m --max-failed 0
	assert_output --regexp \
		'^ok: 2 databases, lag 0s, 0 failed, last pass [0-9]+s ago$'
	assert_equal "$stderr" ''
	run -0 lspp-stat --health -q
	assert_output ''
	# It waits, not for long, then for too long.
	change a.db
	lspp-scan srv | lspp-hot >/dev/null
	run -0 lspp-stat --health
	moved 400
	lspp-scan srv | lspp-hot >/dev/null
	run -1 --separate-stderr lspp-stat --health
	assert_output --regexp "^unhealthy: lag 6m[0-9]+s of $T/srv/a.db\$"
	assert_equal "$stderr" ''
	run -0 lspp-stat --health --max-lag 1h
	run -1 lspp-stat --health -q
	assert_output ''
	lspp-ship srv/a.db
	run -0 lspp-stat --health
	# One fails.
	echo garbage >srv/b.db
	run -65 lspp-ship srv/b.db
	run -1 lspp-stat --health
	assert_output --regexp '^unhealthy: (lag .*; )?1 failed$'
	run -0 lspp-stat --health --max-failed 1
	# How many there should be.
	run -1 lspp-stat --health --max-failed 1 --expect-min 3
	assert_output 'unhealthy: 2 databases, expected 3'
}

@test "--health: a cron that is dead, a volume that is not there" {
	db a.db
	settle
	moved 400
	run -1 lspp-stat --health
	assert_output --regexp \
		'^unhealthy: no pass over the fleet of file://.*/rep for 6m[0-9]+s$'
	run -0 lspp-stat --health --max-lag 10m
	# One path by hand is no sign of life.
	lspp-ship srv/a.db
	run -1 lspp-stat --health
	mv srv away
	mkdir srv
	pass
	run -1 lspp-stat --health
	assert_output 'unhealthy: the last pass saw 0 databases'
}

@test "--health: an lspp-hot that fails, an lspp-scan that is not there" {
	db a.db
	# lspp-ship alone is a sign of life, if anything came.
	lspp-scan srv | lspp-ship
	run -0 lspp-stat --health
	moved 400
	lspp-scan srv | lspp-ship
	run -0 lspp-stat --health
	moved 400
	change a.db
	sh -c 'no-such-lspp-scan srv 2>/dev/null | lspp-ship'
	run -1 lspp-stat --health
	assert_output --partial 'no pass over the fleet of'
	mv srv away
	mkdir srv
	lspp-scan srv | lspp-ship
	run -1 lspp-stat --health
	rmdir srv
	mv away srv
	# Where lspp-hot passed once, its passes count.
	settle
	run -0 lspp-stat --health
	moved 400
	sh -c 'lspp-scan srv | lspp-hot --bogus 2>/dev/null | lspp-ship'
	run -1 lspp-stat --health
	assert_output --partial 'no pass over the fleet of'
	lspp-scan srv | lspp-ship
	run -1 lspp-stat --health
	# So does one that is over all roots.
	pass
	run -0 lspp-stat --health
}

@test "--health: a pass that is yet to come" {
	db a.db
	settle
	moved -250
	run -0 lspp-stat --health --max-lag 5m
	# An hour more than is asked for: what a slow machine takes.
	moved -3459600
	run -1 lspp-stat --health --max-lag 5m
	assert_output --regexp '^unhealthy: .*of file://.*/rep is yet to come, in 40d'
	# Also of one root of two, and of a run.
	lspp-ship -r "$T/two" <<<srv/a.db
	run -1 lspp-stat --health
	assert_output --regexp 'of file://.*/rep is yet to come, in 40d'
	run -0 lspp-stat --health -r "$T/two"
	moved -3459900
	run -1 lspp-stat --health -r "$T/two"
	assert_output --regexp 'of file://.*/two is yet to come, in 40d'
	# The next one is as any.
	pass
	run -0 lspp-stat --health -r "$T/rep"
}

@test "--health: no state, an empty one, one that cannot be read" {
	run -66 --separate-stderr lspp-stat --health
	assert_output \
		"unhealthy: no state in $T/state: nothing was ever shipped from here"
	assert_equal "$stderr" ''
	lspp-ship </dev/null
	run -66 lspp-stat --health
	assert_output 'unhealthy: nothing was ever shipped from here'
	run -1 lspp-stat --health --expect-min 0
	assert_output 'unhealthy: no pass over the fleet ever'
	lspp-hot </dev/null
	run -0 lspp-stat --health --expect-min 0
	run -66 lspp-stat --health -r "$T/other"
	assert_output --regexp "^unhealthy: nothing was ever shipped to $T/other"
	echo 'no database, whatever its length may be' >state/state.db
	rm -f state/state.db-*
	run -78 --separate-stderr lspp-stat --health
	assert_output --regexp '^unhealthy: state: '
	run -78 --separate-stderr lspp-stat
	assert_output ''
	assert_regex "$stderr" '^lspp-stat: state: '
	run -66 --separate-stderr lspp-stat -s "$T/none"
	assert_regex "$stderr" '^lspp-stat: no state in '
	[ ! -e none ]
}

@test "examples/check_lspp: what monitors make of it" {
	check() { sh "$LSPP_ROOT/examples/check_lspp" "$@"; }
	run -2 check
	assert_output --partial 'LSPP unhealthy: no state in'
	db a.db
	settle
	run -0 check --max-lag 5m
	assert_output --regexp '^LSPP ok: 1 databases'
	run -2 check --expect-min 9
	assert_output 'LSPP unhealthy: 1 databases, expected 9'
	run -3 check --nonsense
	assert_output --partial 'unknown option --nonsense'
}

# -- groups --------------------------------------------------------------------

@test "--by: directories below the base, to that depth" {
	db top.db p/a.db p/x/b.db p/x/y/c.db p-q/d.db q/e.db
	mkdir out
	sqlite3 out/o.db 'CREATE TABLE t(x)'
	settle
	lspp-ship -C "$T/out" out/o.db
	groups() { lspp-stat --json "$@" | jq -r '"\(.path) \(.databases)"'; }
	assert_equal "$(groups --by 1)" 'p-q 1
p 3
q 1
/ 1
. 1'
	assert_equal "$(groups --by 2 | sort)" '. 1
/ 1
p 1
p-q 1
p/x 2
q 1'
	assert_equal "$(groups --by 64 -C / | wc -l)" 7
	# The sums are those of all; the table says so.
	lspp-stat --json --by 2 | jq -s 'map(.size) | add' >sum
	assert_equal "$(cat sum)" "$(fact size)"
	run -0 lspp-stat --by 1
	assert_equal "${#lines[@]}" 7
	assert_regex "${lines[6]}" '^ +7 .*\(all\)$'
	# The worst: what waits, then what is large.
	change q/e.db
	lspp-scan srv | lspp-hot >/dev/null
	run -0 lspp-stat --by 1 --top 2
	assert_equal "${#lines[@]}" 5
	assert_regex "${lines[1]}" ' q$'
	assert_regex "${lines[2]}" ' p$'
	assert_regex "${lines[3]}" '\(3 other groups\)$'
	run -0 lspp-stat --by 1 --top 1 --json
	assert_equal "$(jq -r .path <<<"$output")" q
	# Operands: some databases, a directory.
	assert_equal "$(lspp-stat --json srv/p srv/q/e.db | jq .databases)" 4
	assert_equal "$(lspp-stat --json srv/p/ | jq .databases)" 3
	assert_equal "$(lspp-stat --json srv/none | jq .databases)" 0
}

# -- where it is shipped to ----------------------------------------------------

@test "several roots: the worst counts, -r and -c ask for some" {
	db a.db b.db
	settle
	lspp-ship -r "$T/two" srv/a.db
	unset LSPP_REPLICA
	assert_equal "$(lspp-stat --json | jq -c '[.databases, .replicas]')" \
		'[2,3]'
	assert_equal "$(lspp-stat --json -r "$T/two" |
		jq -c '[.databases, .replicas]')" '[1,1]'
	# It is behind in one of the two alone.
	wait_for sh -c 'lspp-ship -r "$T/two" srv/a.db
		[ -z "$(lspp-hot -r "$T/two" srv/a.db)" ]'
	change a.db
	lspp-hot -r "$T/two" srv/a.db
	lspp-ship -r "$T/rep" srv/a.db
	assert_equal "$(lspp-stat --json | jq .waiting)" 1
	assert_equal "$(lspp-stat --json -r "$T/two" | jq .waiting)" 1
	assert_equal "$(lspp-stat --json -r "$T/rep" | jq .waiting)" 0
	# A root that nobody goes on with is named, and can be left out.
	run -1 lspp-stat --health
	assert_output --partial "no pass over the fleet ever of file://$T/two"
	run -0 lspp-stat --health -r "$T/rep"
	cat >c.yml <<-END
	dbs:
	- path: $T/srv/a.db
	  replica: {url: 'file://$T/two/a.db'}
	END
	run -0 lspp-stat -c c.yml --json
	assert_equal "$(jq -c '[.databases, .replicas]' <<<"$output")" '[1,1]'
	run -2 lspp-stat -c c.yml -r "$T/two"
}

@test "-c: passes and failures of a litestream.yml" {
	unset LSPP_REPLICA LSPP_BASE
	db a.db b.db
	cat >c.yml <<-END
	dbs:
	- {dir: $T/srv, pattern: '*.db', replica: {path: $T/yml}}
	- path: $T/refused.db
	  replicas: [{url: 'sftp://u@h/x'}]
	END
	sqlite3 refused.db 'CREATE TABLE t(x)'
	all() { lspp-scan -c c.yml | lspp-ship -c c.yml; }
	run -1 all
	run -1 all
	run -0 lspp-stat -c c.yml --json
	assert_equal "$(jq -c '[.databases, .failed]' <<<"$output")" '[3,1]'
	run -1 lspp-stat -c c.yml --health
	assert_output 'unhealthy: 1 failed'
	run -0 lspp-stat -c c.yml
	assert_output --partial 'replicas of type sftp'
}

@test "-c: a second replica that nothing was shipped to is not healthy" {
	unset LSPP_REPLICA LSPP_BASE
	db a.db
	yml() {
		printf 'dbs:\n- dir: %s\n  pattern: "*.db"\n  replicas: %s\n' \
			"$T/srv" "$1" >c.yml
	}
	yml "[{path: $T/one}]"
	lspp-scan -c c.yml | lspp-hot -c c.yml | lspp-ship -q -c c.yml >/dev/null
	run -0 lspp-stat -c c.yml --health
	yml "[{path: $T/one}, {path: $T/two}]"
	run -1 lspp-stat -c c.yml --health
	assert_output "unhealthy: nothing was ever shipped to file://$T/two"
	lspp-scan -c c.yml | lspp-hot -c c.yml | lspp-ship -q -c c.yml >/dev/null
	run -0 lspp-stat -c c.yml --health
}

# -- the rest ------------------------------------------------------------------

@test "--prometheus: so many series, whatever the fleet" {
	db a/1.db
	settle
	lspp-stat --prometheus >one
	"$LSPP_ROOT/.tools/promtool" check metrics <one
	db g{1..130}/x.db
	mkdir -p srv/$'b\xff"\\%'
	cp srv/a/1.db srv/$'b\xff"\\%'/z.db
	pass
	lspp-stat --prometheus >many
	diff <(series one) <(series many)
	assert_equal "$(tail -c 1 many | od -An -c | tr -d ' ')" '\n'
	# Groups, up to a hundred; the others are one more.
	run -0 --separate-stderr lspp-stat --prometheus --by 1
	assert_equal "$stderr" "lspp-stat: 100 of 132 groups have series, the \
others are summed up as //others"
	"$LSPP_ROOT/.tools/promtool" check metrics <<<"$output"
	assert_equal "$(grep -c '^lspp_group_databases{' <<<"$output")" 101
	echo "$output" >all
	assert_equal "$(value lspp_groups all)" 132
	assert_equal "$(grep '^lspp_group_databases' all |
		awk '{ n += $NF } END { print n }')" 132
	lspp-stat --prometheus --by 1 --top 999 >all
	run -0 grep -F 'group="b%FF\"\\%25"' all
	"$LSPP_ROOT/.tools/promtool" check metrics <all
	run -0 --separate-stderr lspp-stat -q --prometheus --by 1 --top 5
	assert_equal "$stderr" ''
	assert_equal "$(grep -c '^lspp_group_bytes{' <<<"$output")" 6
}

@test "only the state is looked at, and nothing is written there" {
	db a.db b.db
	settle
	sql 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
	sha256sum state/state.db >before
	traced -f -e trace=%file -o log lspp-stat --by 1 >/dev/null
	traced -f -e trace=%file -o log2 lspp-stat --health >/dev/null
	run ! grep -hE '"[^"]*/(srv|rep)/' log log2
	sha256sum state/state.db | diff before -
}

@test "options that do not go together, and those it does not take" {
	db a.db
	settle
	run -2 lspp-stat --health --prometheus
	run -2 lspp-stat --json --health
	run -2 lspp-stat --json --prometheus
	run -2 lspp-stat --max-lag 5m
	run -2 lspp-stat --health --by 1
	run -2 lspp-stat --by 0
	run -2 lspp-stat --html fleet.txt
	run -2 --separate-stderr lspp-stat -n
	assert_regex "$stderr" 'is no option of lspp-stat'
	run -2 lspp-stat -0
	run -74 sh -c 'lspp-stat >/dev/full'
	run -74 sh -c 'lspp-stat --health >/dev/full'
	run -2 lspp-stat --failed x
}
