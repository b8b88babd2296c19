#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-hot: tiers, and what waits.
#
# Long: begins early.

load lib/hot

setup() {
	set +T
	need lspp-hot lspp-scan faketime
	hard_setup
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

@test "--stale: what waits since the last ship waits since then in each pass" {
	local shipped
	db a.db
	echo a.db >list
	hot <list >/dev/null
	settled a.db
	change a.db
	# Nobody looked between ship and write: it may be as old as the ship.
	for _ in 1 2 3; do
		run -0 hot <list
		assert_output a.db
		shipped=$(sqlite3 "$S/state.db" 'SELECT captured_ns FROM db')
		run -0 sqlite3 "$S/state.db" 'SELECT since_ns FROM pending'
		assert_output "$shipped"
		# The newest write is of no help: it is newer than that pass.
		change a.db
	done
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
		DELETE FROM meta WHERE name LIKE 'pass %'; DELETE FROM round"
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

@test "a name with a newline is not told as two of what is gone or lost" {
	local name=$'n\nl.db' # and l.db would be another database
	db "$name"
	printf '%s\0' "$D/$name" | ship -0 >out
	rm "$D/$name"
	run -2 --separate-stderr hot --gone
	assert_output ''
	assert_regex "$stderr" 'n\?l.db: the name holds a newline'
	assert_regex "$stderr" 'hint: use -0'
	hot --gone -0 >out
	assert_equal "$(tr '\0' '|' <out)" "$D/$name|"
	hot --gone --json >out
	assert_equal "$(jq -r .path out)" "$D/$name"
	: >"$D/$name"
	db other.db
	run -1 --separate-stderr hot --stale 1h <<<"$D/other.db"
	refute_line --partial 'l.db'
	assert_regex "$stderr" 'n\?l.db: the name holds a newline'
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
		xargs touch <list
		hot --max-hot "$max" <list >chosen
		assert_equal "$(wc -l <chosen)" "$max"
		ship <chosen >/dev/null
		while read -r p; do echo "$round" >"$p.round"; done <chosen
		[ "$round" -gt 6 ] || continue
		for f in *.round; do
			read -r last <"$f"
			age=$((round - last))
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
