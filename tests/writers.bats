#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Writers are not held up.  Their times are printed; only `make soak` judges
# them, on a machine that has nothing else to do.
#
# In memory, if there is room: a sync costs nothing there, so what is left is
# the waiting for locks.  And as reading and compressing take processor time
# from the writer, which is not what is asked, there is a second figure to
# compare with: the same writer while a copy of its database is shipped.

load lib/hard

setup() {
	set +T
	local room
	room=$(df -kP /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
	if [ -w /dev/shm ] && [ "${room:-0}" -gt 3000000 ]; then
		MEMORY=$(mktemp -d /dev/shm/lspp-writers.XXXXXX)
	fi
	hard_setup "${MEMORY:-$T}"
}

teardown() {
	touch "$T/stop"
	[ -z "${SHIPPER:-}" ] || wait "$SHIPPER" || :
	hard_teardown
	[ -z "${MEMORY:-}" ] || rm -rf "$MEMORY"
}

# commits -- the writer's report on so many of them.
commits() {
	writer -l -d 2000 -n "$COMMITS" "$DB" | grep ^commits
}

# Until $T/stop is there: mostly what moved, every fifth time all of it.
ship_in_a_loop() {
	local i=0
	while [ ! -e "$T/stop" ]; do
		i=$((i + 1))
		if [ $((i % 5)) -eq 0 ]; then
			ship --snapshot-interval 0s "$1"
		else
			ship "$1"
		fi
	done >"$T/shipped" 2>>"$T/errors" 3>&-
}

# beside DB -- the writer's report while DB is shipped all the time.
beside() {
	rm -f "$T/stop" "$T/shipped"
	ship_in_a_loop "$1" &
	SHIPPER=$!
	wait_for [ -s "$T/shipped" ]
	commits
	touch "$T/stop"
	wait "$SHIPPER"
	SHIPPER=
}

# Another database to ship, and a writer of its own, so that it is as much.
beside_copy() {
	cp "$DB" copy.db
	writer -d 2000 copy.db >/dev/null 3>&- &
	LIVE+=("$!")
	beside copy.db
	kill "${LIVE[0]}"
	wait "${LIVE[0]}"
	LIVE=()
}

# field NAME LINE
field() {
	sed -E "s/.* $1 ([0-9]+).*/\1/" <<<"$2"
}

# measure_writer JOURNAL -- sets ALONE, COPY and SHIPPED.
measure_writer() {
	DB=$1.db
	COMMITS=$(count 5000 400)
	writer -j "$1" -n 1 -b "$(count 200000 20000)" "$DB" >/dev/null
	ship "$DB" >/dev/null
	ALONE=$(commits)
	COPY=$(beside_copy)
	SHIPPED=$(beside "$DB")
	say "$1: alone          $ALONE usec"
	say "$1: a copy shipped $COPY usec"
	say "$1: shipped        $SHIPPED usec, $(wc -l <"$T/shipped") times"
	ship "$DB" >/dev/null
	image "$DB" "$T/image"
	restores_to "$DB" "$T/image" lspp
	assert_equal "$(generations "$DB")" 1
}

# quick P99 ... -- the last is within twice the largest of the others.
quick() {
	local most=$1
	[ "$2" -le "$most" ] || most=$2
	[ "$3" -le $((2 * most)) ]
}

@test "WAL: p99 of a commit with and without ships" {
	measure_writer wal
	[ ! -s "$T/errors" ] || { cat "$T/errors"; return 1; }
	[ -z "${LSPP_SOAK:-}" ] || quick "$(field p99 "$ALONE")" \
		"$(field p99 "$COPY")" "$(field p99 "$SHIPPED")"
}

@test "rollback journal: the longest wait" {
	measure_writer delete
	[ -z "${LSPP_SOAK:-}" ] || [ "$(field max "$SHIPPED")" -lt 250000 ]
}
