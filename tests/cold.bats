#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Cold means shipped.

load lib/hot

setup() {
	set +T
	need lspp-hot lspp-scan faketime
	hard_setup
}

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

# by_chance PROGRAM ARGUMENT... -- its clock JUMPs; if it is the VICTIM it is
# killed at system call AT.
by_chance() {
	local program=$1 n=$AT
	shift
	[ "$VICTIM" = "$program" ] || n=0
	NO_FAKE_STAT=1 at_time -f "$JUMP" atcall -k all -n "$n" \
		"$(command -v "$program")" "$@"
}

@test "cold means shipped: writes, kills, clocks that jump, files put back" {
	checked=0 killed=0 jumped=0
	seed
	for k in 1 2 3 4 5 6; do db "c$k.db"; done
	for k in 1 2 3; do
		sqlite3 "c$k.db" 'PRAGMA journal_mode = WAL' >/dev/null
	done
	rounds=$(count 1000 12)
	for ((round = 1; round <= rounds; round++)); do
		act "c$((RANDOM % 6 + 1)).db"
		act "c$((RANDOM % 6 + 1)).db"
		JUMP=+0 VICTIM=none AT=$((RANDOM * 32768 + RANDOM))
		case $((RANDOM % 6)) in
		0) JUMP=+1h ;;
		1) JUMP=-1h ;;
		2) VICTIM=lspp-scan AT=$((AT % 100 + 1)) ;;
		3) VICTIM=lspp-hot AT=$((AT % 200 + 1)) ;;
		4) VICTIM=lspp-ship AT=$((AT % 600 + 1)) ;;
		esac
		{
			by_chance lspp-scan . |
			by_chance lspp-hot -r "$R" -s "$S" |
			by_chance lspp-ship -r "$R" -C "$D" -s "$S"
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
