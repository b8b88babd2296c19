#!/usr/bin/env bats
# lspp-hot: tiers, what waits, and watching.

load lib/hard

setup() {
	need lspp-hot lspp-scan faketime
	hard_setup
}

teardown() {
	hard_teardown
}

hot() {
	lspp-hot -r "$R" -s "$S" "$@"
}

# db PATH... -- a small database at each.
db() {
	local p
	for p; do
		mkdir -p "$(dirname "$p")"
		sqlite3 "$p" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	done
}

change() {
	local p
	for p; do
		sqlite3 "$p" 'INSERT INTO t VALUES (hex (randomblob (20)))'
	done
}

# All of $@ are shipped, and so long ago that none is racy.
settled() {
	sleep 1.1
	ship "$@" >/dev/null
	run -0 hot "$@"
	assert_output ''
}

is_cold() {
	[ "$(hot --hot-for 1s --cold "$1")" = "$1" ]
}

@test "a database is hot until it is shipped, and for a while after its last write" {
	db a.db b.db
	run -0 hot --tiers a.db b.db
	assert_output $'hot\ta.db\nhot\tb.db'
	settled a.db b.db
	# Both were written a moment ago: hot, though there is nothing to ship.
	run -0 hot --hot-for 1h --tiers a.db b.db
	assert_output $'hot\ta.db\nhot\tb.db'
	run -0 hot --hot-for 1h --cold a.db b.db
	assert_output ''
	wait_for is_cold b.db
	change a.db
	run -0 hot --hot-for 1s --tiers a.db b.db
	assert_output $'hot\ta.db\ncold\tb.db'
	run -0 hot a.db b.db
	assert_output a.db
}

@test "a commit to the WAL alone makes a database hot" {
	mkdir x
	w=$(fleet make -n 1 -b 20000 -p 1024 -m wal x)
	settled "$w"
	touch -r "$w" as-it-was
	fleet touch <<<"$w"
	assert_equal "$(stat -c %y "$w")" "$(stat -c %y as-it-was)"
	run -0 hot "$w"
	assert_output "$w"
}

@test "tier and path end in NUL with -0" {
	db $'a\nb.db'
	printf 'a\nb.db\0' | hot -0 --tiers >out
	printf 'hot\ta\nb.db\0' | cmp - out
}

@test "--stale: age counts from the first look after the write, and ends with a ship" {
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db | hot # a pass over the fleet
	change a.db
	printf '%s\n' a.db b.db >list
	run -0 hot --stale 1h <list
	assert_output ''
	# Writes go on, but the first of them gets older.
	for _ in 1 2 3; do
		sleep 1
		change a.db
		run -0 hot <list
		assert_output a.db
	done
	run -0 hot --stale 1s <list
	assert_output a.db
	run -0 hot --stale 1h <list
	assert_output ''
	ship a.db >/dev/null
	change a.db
	run -0 hot --stale 1s <list
	assert_output ''
}

@test "--stale: if nobody has looked, a write may be as old as the last ship" {
	db a.db n.db
	settled a.db
	sleep 2
	change a.db
	# No pass was ever made, and n.db was never shipped.
	run -0 hot --stale 1s a.db n.db
	assert_output $'a.db\nn.db'
	run -0 hot --stale 1h a.db n.db
	assert_output n.db
}

@test "--stale with a dead pipe: one look is enough to see it" {
	db a.db
	settled a.db
	printf '%s\n' a.db >list
	at_time -f -3h "$(command -v lspp-hot)" -r "$R" -s "$S" <list
	change a.db
	run -0 hot --stale 1h <list
	# Shipped within the hour: what is outstanding cannot be older.
	assert_output ''
	sqlite3 "$S/state.db" "UPDATE db SET captured_ns =
		captured_ns - 7200000000000; DELETE FROM pending;
		DELETE FROM meta WHERE name LIKE 'pass %'"
	run -0 hot --stale 1h <list
	assert_output a.db
}

@test "a note is taken back by the ship that has read what it is about" {
	db a.db b.db
	settled a.db b.db
	change a.db b.db
	run -0 hot a.db b.db
	assert_equal "$(sqlite3 "$S/state.db" 'SELECT count(*) FROM pending')" 2
	ship a.db >/dev/null
	run -0 sqlite3 "$S/state.db" 'SELECT path FROM pending'
	assert_output "$D/b.db"
}

@test "a state that may only be read will do" {
	db a.db
	settled a.db
	change a.db
	sqlite3 "$S/state.db" 'PRAGMA journal_mode = DELETE' >/dev/null
	chmod a-w "$S" "$S"/*
	run -0 --separate-stderr setpriv --bounding-set=-dac_override \
		lspp-hot -r "$R" -s "$S" a.db
	chmod u+w "$S" "$S"/*
	assert_output a.db
	assert_equal "$stderr" ''
	assert_equal "$(sqlite3 "$S/state.db" 'SELECT count(*) FROM pending')" 0
}

@test "--wal-over prints those with a larger WAL" {
	mkdir x
	w=$(fleet make -n 1 -b 20000 -p 1024 -m wal x)
	db a.db
	fleet touch <<<"$w"
	size=$(stat -c %s "$w-wal")
	run -0 hot --wal-over $((size - 1)) a.db "$w"
	assert_output "$w"
	run -0 hot --wal-over "$size" a.db "$w"
	assert_output ''
}

@test "a database that is gone is told once, and listed by --gone" {
	db a.db b.db never.db
	settled a.db b.db
	rm a.db never.db
	run -0 hot --gone
	assert_output "$D/a.db"
	run -1 --separate-stderr hot a.db b.db never.db
	assert_output ''
	assert_equal "$(wc -l <<<"$stderr")" 2
	run -66 --separate-stderr hot never.db
	run -0 --separate-stderr hot a.db b.db
	assert_equal "$stderr" ''
	run -0 hot --gone
	assert_output "$D/a.db"
	# It is back: as any other, and told again when it goes.
	db a.db
	run -0 hot --gone
	assert_output ''
	settled a.db
	rm a.db
	run -66 --separate-stderr hot a.db
	assert_regex "$stderr" 'a\.db: .*No such file'
}

@test "--max-hot: those that have waited longest, in the order of the input" {
	db 1.db 2.db 3.db 4.db
	settled 1.db 2.db 3.db 4.db
	printf '%s.db\n' 1 2 3 4 >list
	hot <list
	change 3.db
	hot <list
	sleep 0.1
	change 2.db
	hot <list
	sleep 0.1
	change 1.db 4.db 3.db
	run -0 hot --max-hot 2 <list
	assert_output $'2.db\n3.db'
	run -0 hot --max-hot 10 <list
	assert_output "$(cat list)"
	ship 2.db 3.db >/dev/null
	run -0 hot --max-hot 1 <list
	assert_output 1.db
}

@test "--max-hot starves nobody, though all are written all the time" {
	n=$(count 1000 60) max=$((n / 6))
	seq -f '%04.0f.db' "$n" >list
	sqlite3 t 'CREATE TABLE t (x)'
	lspp-new -t t <list >/dev/null
	sleep 1.1
	ship <list >/dev/null
	hot <list
	oldest=0
	for ((round = 1; round <= 24; round++)); do
		while read -r p; do touch "$p"; done <list
		hot --max-hot "$max" <list >chosen
		assert_equal "$(wc -l <chosen)" "$max"
		ship <chosen >/dev/null
		while read -r p; do echo "$round" >"$p.round"; done <chosen
		[ "$round" -gt 6 ] || continue
		for f in *.round; do
			age=$((round - $(cat "$f")))
			[ $age -le $oldest ] || oldest=$age
		done
	done
	assert_equal "$(find . -name '*.round' | wc -l)" "$n"
	echo "# the longest wait of $n written all the time, $max a pass:" \
		"$oldest passes" >&4
	# Six passes serve all; one more for those that were printed as racy.
	assert [ "$oldest" -le 7 ]
}

@test "modes exclude each other, and want their options" {
	for o in '--cold --tiers' '--for 1s' '--watch --cold' '--interval 1s' \
		'--max-hot 3 --watch' '--max-hot 0' '--stale 5' '--gone x.db' \
		'--watch --interval 0s'; do
		# shellcheck disable=SC2086
		run -2 --separate-stderr lspp-hot -s "$S" $o </dev/null
	done
}

@test "-n notes nothing" {
	db a.db
	settled a.db
	change a.db
	run -2 lspp-hot -n a.db
}

# -- watching ----------------------------------------------------------------

# watch ARGUMENT... -- in the background, its output in $T/watched; paths from
# $T/list.
watch() {
	lspp-hot -r "$R" -s "$S" --watch "$@" <"$T/list" >"$T/watched" \
		2>"$T/watch.err" 3>&- &
	WATCH=$!
	LIVE+=("$WATCH")
}

end_watch() {
	local rc=0
	kill "$WATCH"
	wait "$WATCH" || rc=$?
	assert_equal "$rc" 143
}

watched() {
	grep -qxF "$1" "$T/watched"
}

times() {
	grep -cxF "$1" "$T/watched"
}

@test "--watch prints what changes, as it changes, and ends in time" {
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db >"$T/list"
	watch --scan-interval 1s --for 8s
	sleep 1.5
	assert_equal "$(cat "$T/watched")" ''
	change b.db
	wait_for watched b.db
	refute watched a.db
	wait "$WATCH"
	assert_equal "$(cat "$T/watch.err")" ''
}

@test "--watch: what was printed and not shipped is printed again, until it is" {
	db a.db
	settled a.db
	change a.db
	echo a.db >"$T/list"
	watch --scan-interval 1s --hot-for 2s
	again() { [ "$(times a.db)" -ge 3 ]; }
	wait_for again
	ship a.db >/dev/null
	sleep 1.2
	ship a.db >/dev/null
	cold() { is_cold a.db; }
	wait_for cold
	was=$(times a.db)
	sleep 4
	assert_equal "$(times a.db)" "$was"
	end_watch
}

@test "--watch on SIGTERM: a last look" {
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db >"$T/list"
	watch --interval 1h --scan-interval 1h
	sleep 0.5
	change b.db
	end_watch
	assert_equal "$(cat "$T/watched")" b.db
}

@test "--watch: one that goes is told once, one that comes back is printed" {
	db a.db
	settled a.db
	echo a.db >"$T/list"
	watch --scan-interval 1s
	sleep 0.5
	mv a.db b.db
	told() { grep -q 'a\.db: .*No such file' "$T/watch.err"; }
	wait_for told
	sleep 2
	assert_equal "$(wc -l <"$T/watch.err")" 1
	mv b.db a.db
	wait_for watched a.db
	end_watch
}

@test "--watch looks at a few cold ones as often as at hot ones, unless told how often" {
	need strace
	seq -f '%02.0f.db' 30 >"$T/list"
	sqlite3 "$T/t" 'CREATE TABLE t (x)'
	lspp-new -t "$T/t" <"$T/list" >/dev/null
	sleep 1.1
	ship <"$T/list" >/dev/null
	wait_for is_cold 30.db
	for o in '' '--scan-interval 15s'; do
		# shellcheck disable=SC2086
		traced -o "$T/log$o" -e trace=newfstatat,statx \
			lspp-hot -r "$R" -s "$S" --watch --hot-for 1s --for 4s \
			$o <"$T/list"
	done
	# The first look, the last, and three in between.
	assert [ "$(grep -c '"30\.db"' "$T/log")" -ge 4 ]
	assert_equal "$(grep -c '"30\.db"' "$T/log--scan-interval 15s")" 2
}

@test "--watch with nothing written writes nothing" {
	need strace
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db >"$T/list"
	wait_for is_cold a.db
	wait_for is_cold b.db
	# Only that it has ended: as much after one second as after four, once
	# the state has its log.
	for s in 1 1 4; do
		traced -f -o "$T/log$s" \
			-e trace=pwrite64,write,fsync,fdatasync,ftruncate \
			lspp-hot -r "$R" -s "$S" --watch --hot-for 1s \
			--scan-interval 1s --for ${s}s <"$T/list"
	done
	refute grep 'sync(' "$T/log4"
	assert_equal "$(grep -c '(' "$T/log4")" "$(grep -c '(' "$T/log1")"
}

@test "watched into a pipe every commit is in the replica within moments" {
	n=$(count 100 12) seconds=$(count 300 8)
	seq -f 'w%03.0f.db' "$n" >"$T/list"
	db $(cat "$T/list")
	pipe() {
		lspp-scan . | hot --watch --for "$1" --scan-interval 2s |
			ship >>"$T/acknowledged"
	}
	pipe 3s 3>&-
	# Two runs with a seam, as cron would start them.
	(
		pipe "$((seconds / 2))s"
		pipe "$((seconds / 2 + 3))s"
	) 2>"$T/pipe.err" 3>&- &
	PIPE=$!
	end=$((SECONDS + seconds - 2))
	i=0
	while [ "$SECONDS" -lt "$end" ]; do
		p=$(shuf -n 1 "$T/list")
		sqlite3 "$p" "INSERT INTO t VALUES ('$((++i)) $(date +%s.%N)')"
		sleep "0.0$((RANDOM % 9 + 1))"
	done
	wait "$PIPE"
	assert_equal "$(cat "$T/pipe.err")" ''
	run -0 hot --stale 1h <"$T/list"
	assert_output ''
	# All of it is there.
	lspp-restore -r "$R" -o "$T/out" <"$T/list" >/dev/null
	while read -r p; do
		same_db "$p" "$T/out/$p"
	done <"$T/list"
}

@test "two overlapping runs: each change is shipped once, and nobody complains" {
	n=$(count 300 60)
	seq -f 'o%03.0f.db' "$n" >list
	sqlite3 t 'CREATE TABLE t (x)'
	lspp-new -t t <list >/dev/null
	rm t
	sleep 1.1
	ship <list >/dev/null
	for round in $(seq 1 "$(count 20 3)"); do
		before=$(find "$R" -type f | wc -l)
		while read -r p; do
			sqlite3 "$p" "INSERT INTO t VALUES ($round)"
		done <list
		sleep 1.1
		for k in 1 2; do
			{ lspp-scan . | hot | ship; } >"$T/o$k" 2>"$T/e$k" 3>&- &
			pids[k]=$!
		done
		wait "${pids[1]}"
		wait "${pids[2]}"
		assert_equal "$(cat "$T/e1" "$T/e2")" ''
		assert_equal "$(sort -u "$T/o1" "$T/o2" | grep -c '^\./o\|^o')" "$n"
		assert_equal $(($(find "$R" -type f | wc -l) - before)) "$n"
	done
}

@test "a pipe that gets SIGTERM ships what was written up to then" {
	db a.db b.db
	settled a.db b.db
	printf '%s\n' a.db b.db >"$T/list"
	mkfifo "$T/pipe"
	lspp-ship -r "$R" -C "$D" -s "$S" --drain 20s <"$T/pipe" \
		>"$T/acknowledged" 2>"$T/ship.err" 3>&- &
	ship=$!
	lspp-hot -r "$R" -s "$S" --watch --interval 1h --scan-interval 1h \
		<"$T/list" >"$T/pipe" 3>&- &
	hot=$!
	LIVE+=("$ship" "$hot")
	sleep 0.5
	change b.db
	kill "$ship"
	sleep 0.5
	kill "$hot"
	wait "$hot" && status=0 || status=$?
	assert_equal "$status" 143
	wait "$ship" && status=0 || status=$?
	assert_equal "$status" 143
	assert_equal "$(cat "$T/ship.err")" ''
	assert_equal "$(cat "$T/acknowledged")" b.db
	image b.db "$T/image"
	restores_to b.db "$T/image" lspp
}

@test "--drain is bounded, and a second signal does not wait" {
	mkfifo "$T/pipe"
	for extra in none again; do
		lspp-ship -r "$R" -C "$D" -s "$S" --drain "$(
			[ $extra = none ] && echo 1s || echo 1h)" \
			<"$T/pipe" 3>&- &
		pid=$!
		LIVE+=("$pid")
		exec 5>"$T/pipe"
		sleep 0.3
		kill "$pid"
		[ $extra = none ] || { sleep 0.2; kill "$pid"; }
		wait "$pid" && status=0 || status=$?
		exec 5>&-
		assert_equal "$status" 143
	done
}

@test "--expect-min: an empty fleet is a failure, and says why it may be" {
	db a.db b.db
	run -66 --separate-stderr lspp-hot -s "$S" --expect-min 1 </dev/null
	assert_regex "$stderr" '0 databases.*at least 1.*mounted'
	run -1 --separate-stderr hot --expect-min 3 a.db b.db
	assert_output $'a.db\nb.db'
	run -0 hot --expect-min 2 a.db b.db
}

@test "the oldest write that waits, in the metrics" {
	db a.db
	settled a.db
	echo a.db | hot
	echo a.db | hot --metrics "$T/m.prom"
	grep -q '^lspp_oldest_unshipped_seconds{.*} 0$' "$T/m.prom"
	change a.db
	sleep 2
	echo a.db | hot --metrics "$T/m.prom"
	n=$(sed -n 's/^lspp_oldest_unshipped_seconds{.*} \([0-9]*\).*/\1/p' \
		"$T/m.prom")
	assert [ "$n" -ge 2 ]
}

# -- cold means shipped ------------------------------------------------------

# Something that happens to a database; never what leaves no trace.
act() {
	local p=$1
	case $((RANDOM % 12)) in
	0 | 1) change "$p" ;;
	2 | 3 | 10 | 11)
		# In WAL mode, it stays in the WAL.
		sqlite3 "$p" '.dbconfig no_ckpt_on_close on' \
			'INSERT INTO t VALUES (hex (randomblob (20)))' \
			>/dev/null ;;
	4) touch -d '2001-01-01' "$p" ;;
	5)	# An older one in its place, with its time.
		[ -e "old/$p" ] && [ ! -s "$p-wal" ] &&
			cp -p "old/$p" "new.$p" && mv "new.$p" "$p" ;;
	6) [ -s "$p-wal" ] || { mkdir -p old && cp -p "$p" "old/$p"; } ;;
	7) sqlite3 "$p" 'PRAGMA journal_mode = WAL' >/dev/null ;;
	8) sqlite3 "$p" 'PRAGMA journal_mode = DELETE; VACUUM' >/dev/null ;;
	9)	# Written, and as old as it was.
		touch -r "$p" "$T/time.$p"
		change "$p"
		touch -r "$T/time.$p" "$p" ;;
	esac
	return 0
}

# All that lspp-hot does not print must restore to what it is.
cold_is_shipped() {
	local p
	lspp-scan . | sed 's,^\./,,' | grep -v ^old/ | LC_ALL=C sort >"$T/all"
	hot <"$T/all" | LC_ALL=C sort >"$T/hot" || return
	LC_ALL=C comm -23 "$T/all" "$T/hot" >"$T/cold"
	[ -s "$T/cold" ] || return 0
	rm -rf "$T/out"
	lspp-restore -r "$R" -o "$T/out" <"$T/cold" >/dev/null || return
	while read -r p; do
		image "$p" "$T/image" || return
		cmp "$T/image" "$T/out/$p" || {
			echo "$p is cold, and not what was shipped"
			return 1
		}
		checked=$((checked + 1))
	done <"$T/cold"
}

# by_chance PROGRAM CALLS ARGUMENT... -- its clock JUMPs; if it is the VICTIM
# it is killed at one of so many system calls.
by_chance() {
	local program=$1 n=$((RANDOM % $2 + 1))
	shift 2
	[ "$VICTIM" = "$program" ] || n=0
	NO_FAKE_STAT=1 at_time -f "$JUMP" atcall -k all -n "$n" \
		"$(command -v "$program")" "$@"
}

@test "cold means shipped: writes, kills, clocks that jump, files put back" {
	checked=0 killed=0 jumped=0
	for k in 1 2 3 4 5 6; do db "c$k.db"; done
	for k in 1 2 3; do
		sqlite3 "c$k.db" 'PRAGMA journal_mode = WAL' >/dev/null
	done
	rounds=$(count 1000 25)
	for ((round = 1; round <= rounds; round++)); do
		act "c$((RANDOM % 6 + 1)).db"
		act "c$((RANDOM % 6 + 1)).db"
		JUMP=+0 VICTIM=none
		case $((RANDOM % 6)) in
		0) JUMP=+1h ;;
		1) JUMP=-1h ;;
		2) VICTIM=lspp-scan ;;
		3) VICTIM=lspp-hot ;;
		4) VICTIM=lspp-ship ;;
		esac
		{
			by_chance lspp-scan 100 . |
			by_chance lspp-hot 200 -r "$R" -s "$S" |
			by_chance lspp-ship 600 -r "$R" -C "$D" -s "$S"
		} >/dev/null 2>"$T/err" 3>&- &
		pipe=$!
		# Some are written meanwhile; never while the clock is another
		# than that of the files.
		[ $JUMP != +0 ] || act "c$((RANDOM % 6 + 1)).db"
		wait "$pipe" && status=0 || status=$?
		[ $VICTIM != lspp-ship ] || [ $status -ne 137 ] ||
			killed=$((killed + 1))
		[ $JUMP = +0 ] || jumped=$((jumped + 1))
		[ $((RANDOM % 4)) -ne 0 ] || sleep 1.1
		cold_is_shipped || {
			echo "round $round, clock $JUMP, killed: $VICTIM"
			cat "$T/err"
			return 1
		}
	done
	say "$rounds rounds, $jumped with another clock, lspp-ship killed in" \
		"$killed, $checked cold databases restored"
	assert [ "$checked" -gt "$rounds" ]
}
