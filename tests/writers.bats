#!/usr/bin/env bats
# Writers are not held up.  Their times are printed; only `make soak` judges
# them, on a machine that has nothing else to do.

load lib/hard

setup() {
	hard_setup
}

teardown() {
	hard_teardown
	[ -z "${SHIPPER:-}" ] || kill "$SHIPPER" 2>/dev/null || :
}

# commits MODE -- the writer's report on so many commits, to $T/MODE.
commits() {
	writer -l -d 2000 -n "$COMMITS" "$DB" | grep ^commits
}

# Until $T/stop is there: mostly what moved, every fifth time all of it.
ship_in_a_loop() {
	local i=0
	while [ ! -e "$T/stop" ]; do
		i=$((i + 1))
		if [ $((i % 5)) -eq 0 ]; then
			ship --snapshot-interval 0s "$DB"
		else
			ship "$DB"
		fi
	done >"$T/shipped" 2>"$T/errors" 3>&-
}

# under_ships -- the same while it is shipped.
under_ships() {
	rm -f "$T/stop"
	ship_in_a_loop &
	SHIPPER=$!
	LIVE+=("$SHIPPER")
	wait_for [ -s "$T/shipped" ]
	commits
	touch "$T/stop"
	wait "$SHIPPER"
	SHIPPER=
	LIVE=()
}

# field NAME LINE
field() {
	sed -E "s/.* $1 ([0-9]+).*/\1/" <<<"$2"
}

# measure_writer MODE -- sets ALONE and SHIPPED.
measure_writer() {
	DB=$1.db
	COMMITS=$(count 5000 600)
	writer -j "$1" -n 1 -b "$(count 200000 20000)" "$DB" >/dev/null
	ship "$DB" >/dev/null
	ALONE=$(commits)
	SHIPPED=$(under_ships)
	say "$1: alone $ALONE"
	say "$1: shipped $SHIPPED usec, $(wc -l <"$T/shipped") times"
	ship "$DB" >/dev/null
	image "$DB" "$T/image"
	restores_to "$DB" "$T/image" lspp
	assert_equal "$(generations "$DB")" 1
}

@test "WAL: p99 of a commit with and without ships" {
	measure_writer wal
	[ ! -s "$T/errors" ] || { cat "$T/errors"; return 1; }
	[ -z "${LSPP_SOAK:-}" ] ||
		[ "$(field p99 "$SHIPPED")" -le $((2 * $(field p99 "$ALONE"))) ]
}

@test "rollback journal: the longest wait" {
	measure_writer delete
	[ -z "${LSPP_SOAK:-}" ] || [ "$(field max "$SHIPPED")" -lt 250000 ]
}
