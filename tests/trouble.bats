#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# State or replica in trouble: lost, old, corrupt, full, read-only, removed, or
# shared with another machine.  A clear error or a new generation, and never a
# history that does not restore to what was acknowledged.

load lib/hard

setup() {
	set +T
	hard_setup
	MOUNTED=()
	N=0
}

teardown() {
	local at
	hard_teardown
	for at in "${MOUNTED[@]}"; do
		umount "$at"
	done
}

# change [DB] -- committed rows that no other change has.
change() {
	N=$((N + 1))
	sqlite3 "${1:-a.db}" "CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY
		KEY, x BLOB); $(rows 40 900); PRAGMA user_version = $N" \
		>/dev/null
}

# change_and_ship TIMES
change_and_ship() {
	local i
	for ((i = 0; i < $1; i++)); do
		change
		shipped a.db
	done
}

# current [DB] -- all three restore what it is now.
current() {
	image "${1:-a.db}" "$T/image"
	restores_to "${1:-a.db}" "$T/image"
}

# acknowledged N -- all three restore the N-th change or a later one.
acknowledged() {
	local by n
	for by in lspp 03 05; do
		restore $by a.db "$T/restored" || return
		n=$(sqlite3 "$T/restored" "PRAGMA user_version;
			PRAGMA integrity_check" | xargs)
		case $n in *" ok") ;; *) echo "$by: $n"; return 1 ;; esac
		[ "${n% ok}" -ge "$1" ] || {
			echo "as restored by $by: change ${n% ok}, not $1"
			return 1
		}
	done
}

# fails CLASS REGEX ARGUMENT... -- a ship of these alone, naming the path or
# what is wrong; nothing is acknowledged.
fails() {
	local class=$1 regex=$2
	shift 2
	run --separate-stderr ship "$@"
	[ "$status" -eq "$class" ] || {
		echo "status $status, not $class: $stderr"
		return 1
	}
	[ -z "$output" ] || { echo "acknowledged: $output"; return 1; }
	[[ $stderr =~ ^lspp-ship:\ .*$regex ]] || {
		echo "said: $stderr"
		return 1
	}
}

# begins_anew -- a ship that says so, with a warning.
begins_anew() {
	run --separate-stderr ship a.db
	assert_success
	assert_output a.db
	assert_regex "$stderr" "^lspp-ship: a.db: a new generation begins: "
}

# -- the state ---------------------------------------------------------------

@test "state lost: a new generation, and the old one is left alone" {
	change_and_ship 3
	sha_tree "$R" >"$T/before"
	rm -r "$S"
	change
	told "the state in $S is new, .* 1 databases began anew" a.db
	assert_equal "$(generations a.db)" 2
	current
	sha_tree "$R" | grep -Fxf "$T/before" | diff - "$T/before"
	change_and_ship 2
	assert_equal "$(generations a.db)" 2
	current
}

# rolled_back -- after a copy of the state was put back, ships go on.
rolled_back() {
	rm -r "$S"
	cp -r "$T/copy" "$S"
	[ "${1:-}" = unchanged ] || change
	told 'the replica is ahead of this state' a.db
	assert_equal "$(generations a.db)" 1
	current
	change_and_ship 2
	current
	no_litter
}

@test "state rolled back: the replica's tail is taken over" {
	change_and_ship 2
	cp -r "$S" "$T/copy"
	change_and_ship 3
	rolled_back
}

@test "state rolled back, and nothing changed since" {
	change_and_ship 2
	cp -r "$S" "$T/copy"
	change_and_ship 1
	rolled_back unchanged
}

@test "state rolled back to before an index rolled" {
	change_and_ship 2
	cp -r "$S" "$T/copy"
	change_and_ship 1
	change
	ship --roll-at 4096 a.db
	change_and_ship 2
	rolled_back
}

@test "state rolled back to before a snapshot" {
	change_and_ship 2
	cp -r "$S" "$T/copy"
	change_and_ship 1
	change
	ship --snapshot-interval 0s a.db
	rolled_back
}

@test "state rolled back to before two snapshots" {
	change_and_ship 2
	cp -r "$S" "$T/copy"
	change
	ship --snapshot-interval 0s a.db
	change
	ship --snapshot-interval 0s a.db
	change_and_ship 1
	rolled_back
}

@test "state rolled back, and the database with it" {
	change_and_ship 2
	cp -r "$S" "$T/copy"
	cp a.db "$T/a.db"
	change_and_ship 3
	cp "$T/a.db" a.db
	rolled_back
	cp "$T/a.db" a.db
	told "it shrank from" a.db
	current
}

@test "state rolled back to an older generation than the replica's newest" {
	change_and_ship 2
	cp -r "$S" "$T/copy"
	change
	ship --new-generation a.db 2>/dev/null
	change_and_ship 2
	rm -r "$S"
	cp -r "$T/copy" "$S"
	change
	ship a.db
	current
	change
	ship a.db
	current
}

# damage ROUND -- write a damaged $T/state.db to the state directory.
damage() {
	local size at part=$((RANDOM % 100)) key=$RANDOM n=$((1 + RANDOM % 600))
	size=$(stat -c %s "$T/state.db")
	at=$((RANDOM * 32768 % size))
	rm -f "$S"/state.db*
	case $(($1 % 4)) in
	0) head -c $((size * part / 100)) "$T/state.db" ;;
	1) noise "$key" "$size" ;;
	*) cat "$T/state.db" ;;
	esac >"$S/state.db"
	[ $(($1 % 4)) -ge 2 ] || return 0
	noise "$key" "$n" | dd of="$S/state.db" conv=notrunc bs=1 seek=$at status=none
}

@test "a directory is renamed, the names in the replica stay: its paths are new" {
	mkdir v1
	change v1/a.db
	sleep 1.1
	run -0 lspp-ship -r "$R" -s "$S" -C v1 v1/a.db
	mv v1 v2
	sleep 1.1
	run -0 lspp-ship -r "$R" -s "$S" -C v2 v2/a.db
	assert_output v2/a.db
	run -0 lspp-hot -r "$R" -s "$S" --tiers v2/a.db
	assert_output --regexp $'(hot|cold)\tv2/a.db'
	run -0 lspp-hot -r "$R" -s "$S" v2/a.db
	assert_output ''
	run -0 lspp-hot -r "$R" -s "$S" --gone
	assert_output ''
	assert_equal "$(sqlite3 "$S/state.db" 'SELECT CAST(path AS TEXT) FROM db')" \
		"$PWD/v2/a.db"
}

@test "state corrupt in any way: a clear error, or as if it was lost" {
	local round n
	seed
	change_and_ship 3
	rm -f "$S"/state.db-*
	cp "$S/state.db" "$T/state.db"
	cp -a "$R" "$T/before"
	n=$(count 400 40)
	for ((round = 0; round < n; round++)); do
		damage "$round"
		rm -r "$R"
		cp -a "$T/before" "$R"
		change
		run --separate-stderr timeout 60 lspp-ship -r "$R" -C "$D" \
			-s "$S" a.db
		case $status in
		0) current ;;
		65 | 74 | 75 | 78) [ -z "$output" ] && [ -n "$stderr" ] ;;
		*) false ;;
		esac || {
			echo "round $round, status $status: $stderr"
			return 1
		}
	done
}

@test "state that is not a database, or not ours: 78" {
	change
	mkdir "$S"
	echo hello, I am a text that is longer than a header of a database: \
		hello hello hello hello hello hello hello >"$S/state.db"
	fails 78 'state' a.db
	rm "$S/state.db"
	sqlite3 "$S/state.db" "CREATE TABLE mine(x)"
	fails 78 'state' a.db
	assert_equal "$(sqlite3 "$S/state.db" .tables)" mine
	rm "$S/state.db"
	shipped a.db
	current
}

@test "page sums and record that disagree: a new generation" {
	change_and_ship 3
	sqlite3 "$S/state.db" "UPDATE sums SET sums =
		zeroblob(16) || substr(sums, 17)"
	change
	begins_anew
	current
	change_and_ship 1
	sqlite3 "$S/state.db" "DELETE FROM sums"
	change
	begins_anew
	current
}

# small_disk DIR SIZE
small_disk() {
	root_or_skip "a mount"
	mkdir -p "$1"
	mount -t tmpfs -o "size=$2" none "$1" 2>/dev/null ||
		skip "cannot mount a tmpfs here"
	MOUNTED+=("$1")
}

fill_disk() {
	cat /dev/zero >"$1/filler" 2>/dev/null || :
}

# read_only DIR -- from now on, in this file system.
read_only() {
	root_or_skip "a mount"
	mount --bind "$1" "$1" 2>/dev/null || skip "cannot mount here"
	MOUNTED+=("$1")
	mount -o remount,bind,ro "$1"
}

read_write() {
	umount "$1"
	MOUNTED=()
}

@test "state on a full disk: not acknowledged, and goes on afterwards" {
	small_disk "$S" 256k
	change_and_ship 2
	fill_disk "$S"
	change
	fails 74 '([Ff]ull|[Nn]o space)' a.db
	change
	fails 74 '([Ff]ull|[Nn]o space)' a.db
	acknowledged 2
	rm "$S/filler"
	shipped a.db
	current
	change_and_ship 1
	current
	assert_equal "$(generations a.db)" 1
}

@test "state on a full disk from the beginning" {
	small_disk "$S" 64k
	fill_disk "$S"
	change
	fails 74 '([Ff]ull|[Nn]o space)' a.db
	rm "$S/filler"
	umount "$S"
	MOUNTED=()
	shipped a.db
	current
}

@test "state that is read-only: refused before anything is written" {
	change_and_ship 1
	read_only "$S"
	sha_tree "$R" >"$T/before"
	change
	fails 74 state a.db || fails 77 state a.db
	sha_tree "$R" | diff "$T/before" -
	read_write "$S"
	shipped a.db
	current
}

# -- the replica -------------------------------------------------------------

@test "replica full: not acknowledged, and goes on when there is room" {
	small_disk "$R" 1m
	change_and_ship 2
	change small.db
	shipped small.db
	sqlite3 a.db "$(rows 3000 900)"
	fails 74 '([Ff]ull|[Nn]o space)' a.db
	acknowledged 2
	fails 74 '([Ff]ull|[Nn]o space)' a.db
	mount -o remount,size=20m "$R"
	shipped a.db
	current
	assert_equal "$(generations a.db)" 1
	no_litter
}

@test "replica full: others that fit are shipped all the same" {
	local i
	small_disk "$R" 1m
	for ((i = 0; i < 6; i++)); do
		change "$i.db"
	done
	change_and_ship 1
	sqlite3 a.db "$(rows 3000 900)"
	run --separate-stderr ship [0-5].db a.db
	assert_failure 1
	assert_equal "$(sort <<<"$output")" "$(ls [0-5].db)"
	for i in [0-5].db; do
		current "$i"
	done
}

@test "replica read-only: 74 or 77, and nothing acknowledged" {
	change_and_ship 1
	read_only "$R"
	change
	fails 77 'ead-only' a.db || fails 74 'ead-only' a.db
	read_write "$R"
	shipped a.db
	current
	assert_equal "$(generations a.db)" 1
}

@test "replica root removed: 69; an empty one in its place begins anew" {
	change_and_ship 2
	mv "$R" "$T/elsewhere"
	change
	fails 69 '' a.db
	assert [ ! -e "$R" ]
	mv "$T/elsewhere" "$R"
	shipped a.db
	assert_equal "$(generations a.db)" 1
	current
	mv "$R" "$T/elsewhere"
	mkdir "$R"
	change
	begins_anew
	current
	change_and_ship 1
	current
}

@test "a database's objects removed, or only its snapshot: begins anew" {
	change_and_ship 2
	change b.db
	shipped b.db
	rm -r "$R/a.db"
	change
	begins_anew
	current
	change_and_ship 2
	find "$R/a.db" -name '*.snapshot.lz4' -delete
	change
	begins_anew
	current
	change b.db
	shipped b.db
	current b.db
	assert_equal "$(generations b.db)" 1
}

@test "replica removed while it is shipped to" {
	local at n
	change_and_ship 1
	n=$(count 60 12)
	for ((at = 1; at <= 60; at += 60 / n)); do
		change
		run --separate-stderr atcall -k write -n "$at" \
			-x "rm -rf '$R'" lspp-ship -j1 -r "$R" -C "$D" -s "$S" \
			a.db
		[ "$status" -eq 0 ] || [ -z "$output" ]
		[ -e "$R" ] || mkdir "$R"
		change
		ship a.db 2>/dev/null
		current
	done
}

# -- another machine ---------------------------------------------------------

# Each that finds the other's begins anew, once: as on a machine whose state was
# lost, and found.  Then one of the two stops.
@test "another state on this machine: one of the two stops" {
	change_and_ship 2
	change
	S=$T/state2 told "the state in $T/state2 is new" a.db
	current
	change
	told 'this state was lost or replaced, and is back' a.db
	current
	change
	S=$T/state2 told 'this state was lost or replaced, and is back' a.db
	current
	change
	fails 75 'another state \(-s\) on this machine' a.db
	S=$T/state2 shipped a.db
	current
	change
	run --separate-stderr ship --new-generation a.db
	assert_success
	current
	change
	S=$T/state2 fails 75 'written by somebody else' a.db
	shipped a.db
	current
}

@test "a copy of the state, used in turn: told, then one of the two stops" {
	change_and_ship 2
	cp -r "$S" "$T/state2"
	change_and_ship 1
	change
	S=$T/state2 told 'the replica is ahead of this state' a.db
	current
	change
	told 'the replica is ahead of this state' a.db
	current
	change
	S=$T/state2 fails 75 'a clone of this machine' a.db
	S=$T/state2 fails 75 'a clone of this machine' a.db
	change_and_ship 3
	current
	assert_equal "$(generations a.db)" 1
}

# elsewhere ARGUMENT... -- ship as another machine would.
elsewhere() {
	unshare -m sh -ec 'mount --bind "$1" /etc/machine-id
		shift
		exec "$@"' sh "$T/machine-id" \
		lspp-ship -r "$R" -C "$D" -s "$T/state2" "$@"
}

@test "a copy of the state on another machine: told apart, and nothing lost" {
	root_or_skip "a mount"
	unshare -m true || skip "no mount namespaces here"
	[ -e /etc/machine-id ] || skip "this machine has no id"
	echo 0123456789abcdef0123456789abcdef >"$T/machine-id"
	change_and_ship 2
	cp -r "$S" "$T/state2"
	change_and_ship 1
	change
	run --separate-stderr elsewhere a.db
	assert_failure 75
	assert_output ''
	assert_regex "$stderr" 'written by somebody else'
	sha_tree "$R" >"$T/before"
	run elsewhere a.db
	assert_failure 75
	sha_tree "$R" | diff "$T/before" -
	shipped a.db
	current
	elsewhere --new-generation a.db 2>/dev/null
	current
	change
	elsewhere a.db
	current
	fails 75 'written by somebody else' a.db
}
