#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Killed with SIGKILL at any moment: what was acknowledged restores, and the
# next run goes on by itself.  "Any moment" is before a random one of the
# system calls that change files or make them durable, sometimes a random time.
#
# Twice: on S3, too.
# And as LTX.

load lib/hard

setup() {
	set +T
	hard_setup
	DBS=(closed.db journal.db used.db)
	declare -gA NUMBER ACKED
}

# write_some -- transactions in all three; their numbers are in NUMBER.
write_some() {
	local db
	for db in "${DBS[@]}"; do
		writer -n $((RANDOM % 4 + 1)) -s "$RANDOM" -c "$T/committed" \
			-j "$([ $db = journal.db ] && echo delete || echo wal)" \
			"$db" >/dev/null
		NUMBER[$db]=$(committed)
	done
}

# three_databases -- drawn from the seed; nobody was killed yet.  Somebody has used.db
# open all the time, so that its -wal stays.
three_databases() {
	seed
	KILLS=0 CALLS=100
	write_some
	app used.db
	sql "SELECT COUNT(*) FROM log"
}

# killed PROGRAM... -- at a random moment, or perhaps not at all; its stdout
# is in $T/stdout.  CALLS is how many there are to choose from.
killed() {
	local status=0
	if [ $((RANDOM % 4)) -eq 0 ]; then
		killed_within "0.0$((RANDOM % 60 + 1))" "$@" \
			>"$T/stdout" 2>"$T/stderr" || status=$?
	else
		atcall -k write -n $((RANDOM % (CALLS + 5) + 1)) "$@" \
			>"$T/stdout" 2>"$T/stderr" || status=$?
	fi
	[ $status -eq 0 ] || [ $status -eq 137 ] || {
		echo "$*: status $status"
		cat "$T/stderr"
		return 1
	}
	[ $status -eq 0 ] || KILLS=$((KILLS + 1))
}

ship_command() {
	SHIP=(lspp-ship "${AS[@]}" -r "$R" -C "$D" -s "$S" "${DBS[@]}")
	case $((RANDOM % 4)) in
	0) SHIP+=(--roll-at 4096) ;;
	1) SHIP+=(--snapshot-interval 0s) ;;
	esac
}

acknowledge() {
	local path
	while IFS= read -r path; do
		ACKED[$path]=${NUMBER[$path]}
	done <"$T/stdout"
}

# restorable DB -- to what was acknowledged or newer, by lspp and a litestream.
restorable() {
	local other=03
	[ -n "${ACKED[$1]:-}" ] || return 0
	[ $((RANDOM % 2)) -eq 0 ] || other=05
	restore lspp "$1" "$T/ours" && restore $other "$1" "$T/theirs" || return
	judge "$T/ours" "${ACKED[$1]}" "${NUMBER[$1]}" >/dev/null &&
		judge "$T/theirs" "${ACKED[$1]}" "${NUMBER[$1]}" >/dev/null
}

# all_is_well -- a run to its end: silent, complete, tidy.
all_is_well() {
	local db
	atcall -k write -o "$T/calls" "${SHIP[@]}" >"$T/stdout" 2>"$T/stderr" ||
		{ cat "$T/stderr"; return 1; }
	[ -z "$(but_limits <"$T/stderr")" ] || {
		cat "$T/stderr"
		return 1
	}
	diff <(sort "$T/stdout") <(printf '%s\n' "${DBS[@]}" | sort) || return
	acknowledge
	CALLS=$(cat "$T/calls")
	no_litter
}

# images -- all of them restore to what they are now.
images() {
	local db
	for db in "${DBS[@]}"; do
		image "$db" "$T/image" && restores_to "$db" "$T/image" "$@" ||
			return
	done
}

@test "lspp-ship killed: acknowledged is restorable, the next run goes on" {
	local i k n
	n=$(count 200 18 7)
	three_databases
	ship_command
	all_is_well
	for ((i = 0; i < n; i++)); do
		for ((k = RANDOM % 3; k >= 0; k--)); do
			[ $((RANDOM % 3)) -eq 0 ] || write_some
			ship_command
			killed "${SHIP[@]}"
			acknowledge
		done
		restorable "${DBS[i % 3]}"
		all_is_well
	done
	images
	for k in "${DBS[@]}"; do
		assert_equal "$k $(generations "$k")" "$k 1"
	done
	say "lspp-ship was killed $KILLS times, before one of $CALLS calls"
	app_quit
}

@test "lspp-ship killed at its first run, and from then on again and again" {
	local i k n
	n=$(count 60 5 2)
	three_databases
	for ((i = 0; i < n; i++)); do
		replica_clear
		rm -rf "$S"
		ACKED=()
		for ((k = RANDOM % 3; k >= 0; k--)); do
			ship_command
			killed "${SHIP[@]}"
			acknowledge
			# Snapshots of two generations in one second are alike to
			# litestream.
			replica_later
		done
		restorable "${DBS[i % 3]}"
		write_some
		all_is_well
		replica_later
		write_some
		all_is_well
		images lspp 03
		images 05
	done
	app_quit
}

@test "every single call of a ship: killed before it" {
	local at n step
	three_databases
	SHIP=(lspp-ship -j1 "${AS[@]}" -r "$R" -C "$D" -s "$S"
		"${DBS[@]}")
	all_is_well
	write_some
	all_is_well
	n=$CALLS step=$(count 1 9 31)
	for ((at = 1 + RANDOM % step; at <= n; at += step)); do
		write_some
		atcall -k write -n "$at" "${SHIP[@]}" >"$T/stdout" || :
		acknowledge
		restorable "${DBS[at % 3]}"
		all_is_well
	done
	images
	for at in "${DBS[@]}"; do
		assert_equal "$at $(generations "$at")" "$at 1"
	done
	app_quit
}

@test "every single call of a first ship: killed before it, nothing was lost" {
	local at n step
	three_databases
	SHIP=(lspp-ship -j1 "${AS[@]}" -r "$R" -C "$D" -s "$S"
		"${DBS[@]}")
	all_is_well
	n=$CALLS step=$(count 1 17 61)
	for ((at = 1 + RANDOM % step; at <= n; at += step)); do
		replica_clear
		rm -rf "$S"
		SHIP=(lspp-ship -j1 "${AS[@]}" -r "$R" -C "$D" -s "$S"
			"${DBS[@]}")
		ACKED=()
		atcall -k write -n "$at" "${SHIP[@]}" >"$T/stdout" || :
		acknowledge
		# As above: else the 0.5 takes either of two snapshots.
		replica_later
		# The state is none that is new: the killed run made it.
		all_is_well
	done
	if [ $REPLICA = s3 ]; then
		# What ended a generation and the next one's snapshot may be of
		# one second: then litestream takes either, up to the next ship.
		images lspp
		replica_later
		write_some
		all_is_well
	fi
	images
	app_quit
}

# whole FILE OLD -- it is the new database, or if it may be, the old one.
whole() {
	cmp -s "$1" "$T/new" && return
	[ -n "$2" ] && cmp -s "$1" "$2" && return
	echo "$1 is neither old nor new"
	return 1
}

two_versions() {
	KILLS=0
	writer -n 40 -b 300 a.db >/dev/null
	image a.db "$T/old"
	ship a.db >/dev/null
	writer -n 200 a.db >/dev/null
	ship a.db >/dev/null
	writer -n 100 a.db >/dev/null
	ship a.db >/dev/null
	image a.db "$T/new"
	OUT=$T/out
	RESTORE=(lspp-restore -r "$R" -o "$OUT" a.db)
	atcall -k write -o "$T/calls" "${RESTORE[@]}" >/dev/null
	cmp "$OUT/a.db" "$T/new"
	CALLS=$(cat "$T/calls")
}

# no_restore_litter -- nothing but the database.
no_restore_litter() {
	assert_equal "$(ls -A "$OUT")" a.db
}

@test "lspp-restore killed: never a partial file under the final name" {
	local i n
	n=$(count 200 40 12)
	two_versions
	for ((i = 0; i < n; i++)); do
		rm -f "$OUT/a.db"
		killed "${RESTORE[@]}"
		[ ! -s "$T/stdout" ] || whole "$OUT/a.db" ""
		[ ! -e "$OUT/a.db" ] || whole "$OUT/a.db" ""
		[ $((i % 4)) -eq 0 ] || continue
		rm -f "$OUT/a.db"
		"${RESTORE[@]}" >/dev/null
		whole "$OUT/a.db" ""
		no_restore_litter
	done
	assert [ "$KILLS" -gt 0 ]
}

@test "lspp-restore --force killed: the old database or the new one" {
	local i n
	n=$(count 100 20 8)
	two_versions
	for ((i = 0; i < n; i++)); do
		cp "$T/old" "$OUT/a.db"
		killed "${RESTORE[@]}" --force
		whole "$OUT/a.db" "$T/old"
		[ ! -s "$T/stdout" ] || whole "$OUT/a.db" ""
	done
	"${RESTORE[@]}" --force >/dev/null
	whole "$OUT/a.db" ""
	no_restore_litter
}

@test "lspp-restore --force killed over a database with a -wal" {
	local i n
	n=$(count 100 20 8)
	two_versions
	cp "$T/old" "$T/used"
	sqlite3 "$T/used" "PRAGMA journal_mode = wal" >/dev/null
	app "$T/used"
	sql "PRAGMA journal_mode = wal; CREATE TABLE more AS
		SELECT * FROM account"
	for ((i = 0; i < n; i++)); do
		rm -f "$OUT"/a.db*
		cp "$T/used" "$OUT/a.db"
		cp "$T/used-wal" "$OUT/a.db-wal"
		killed "${RESTORE[@]}" --force
		# the new one never meets the old one's log
		if [ -e "$OUT/a.db" ] && [ -e "$OUT/a.db-wal" ]; then
			cmp "$OUT/a.db" "$T/used"
			cmp "$OUT/a.db-wal" "$T/used-wal"
		elif [ -e "$OUT/a.db" ]; then
			whole "$OUT/a.db" ""
		fi
		[ ! -s "$T/stdout" ] || whole "$OUT/a.db" ""
		"${RESTORE[@]}" --force >/dev/null
		whole "$OUT/a.db" ""
		no_restore_litter
	done
	app_quit
}
