#!/usr/bin/env bats
# A writer that does everything an application may do to its WAL, while lspp
# ships: every state that is restored is one the writer committed.

load lib/hard

setup() {
	hard_setup
}

teardown() {
	hard_teardown
}

# attempt -- ship once; what -v says goes to $T/log.  What was committed when
# it began is in BEFORE.
attempt() {
	BEFORE=$(committed)
	STATUS=0
	ship -v a.db >"$T/stdout" 2>"$T/stderr" || STATUS=$?
	cat "$T/stderr" >>"$T/log"
}

# restored_state BY -- it was committed, and no earlier than the ship began.
restored_state() {
	restore "$1" a.db "$T/by-$1" || return
	judge "$T/by-$1" "$BEFORE" "$(committed)" >/dev/null || {
		echo "as restored by $1"
		return 1
	}
}

# seen WORD -- how often "-v" said it.
seen() {
	grep -cw -- "$1" "$T/log" || :
}

all_hints() {
	[ "$(seen 'hint tail')" -gt 0 ] && [ "$(seen 'hint diff')" -gt 0 ] &&
		[ "$(seen 'hint recovered')" -gt 0 ]
}

# ship_and_judge ROUND -- every tenth state is restored, by lspp and by one of
# the litestreams, to the same bytes.
ship_and_judge() {
	local other=03
	[ $(($1 % 20)) -ne 0 ] || other=05
	attempt
	[ "$STATUS" -ne 75 ] || [ -z "${MAY_BE_BUSY:-}" ] || return 0
	[ "$STATUS" -eq 0 ] || { cat "$T/stderr"; return 1; }
	FINE=$((FINE + 1))
	[ $(($1 % 10)) -eq 0 ] || return 0
	restored_state lspp && restored_state $other || return
	cmp "$T/by-lspp" "$T/by-$other"
}

# the_end -- nobody writes: what is restored is what is there.
the_end() {
	stop_writer
	ship a.db >/dev/null
	image a.db "$T/image"
	judge "$T/image" "$(committed)" "$(committed)" >/dev/null
	restores_to a.db "$T/image"
	[ "$(generations a.db)" -eq 1 ] || {
		echo "$(generations a.db) generations"
		return 1
	}
	no_litter
}

figures() {
	local word text="$1: $FINE ships of $((ROUND - 1)),"
	for word in tail recovered diff; do
		text="$text $word $(seen "hint $word"),"
	done
	for word in plain chain shared locked journal; do
		text="$text $word $(seen "read $word"),"
	done
	say "${text%,}; transactions $(committed)"
}

@test "a hostile WAL: every restored state was committed, in one history" {
	local n most
	n=$(count 300 40)
	most=$((n + 300))
	FINE=0
	start_writer a.db -H -d 600 -s "$RANDOM"
	for ((ROUND = 1; ROUND <= n; ROUND++)); do
		ship_and_judge "$ROUND"
	done
	# what hints come up is the writer's luck: go on until all have
	while ! all_hints && [ "$ROUND" -le "$most" ]; do
		ship_and_judge "$ROUND"
		ROUND=$((ROUND + 1))
	done
	the_end
	figures wal
	all_hints
}

@test "a hostile WAL with large pages, indexes that roll, many snapshots" {
	local n
	n=$(count 100 15)
	FINE=0
	start_writer a.db -H -d 300 -p 65536 -s "$RANDOM"
	for ((ROUND = 1; ROUND <= n; ROUND++)); do
		attempt
		[ "$STATUS" -eq 0 ] || { cat "$T/stderr"; return 1; }
		ship --roll-at 200000 a.db >/dev/null
		FINE=$((FINE + 1))
		[ $((ROUND % 5)) -ne 0 ] || ship --snapshot-interval 0s a.db \
			>/dev/null
		[ $((ROUND % 5)) -ne 0 ] || restored_state lspp
		[ $((ROUND % 15)) -ne 0 ] || restored_state 05
	done
	the_end
	figures "wal, 64 KiB pages"
}

@test "a hostile writer with a rollback journal" {
	local n
	n=$(count 300 30)
	FINE=0 MAY_BE_BUSY=yes
	start_writer a.db -H -j delete -d 2000 -s "$RANDOM"
	for ((ROUND = 1; ROUND <= n; ROUND++)); do
		ship_and_judge "$ROUND"
	done
	the_end
	figures delete
	assert [ $((FINE * 2)) -gt "$n" ]
}
