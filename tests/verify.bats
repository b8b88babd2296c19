#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-verify: what restores is printed, what does not is named, marked, and
# begun anew by the next lspp-ship.
#
# Twice: on S3, too.
# And as LTX.
# Long: begins early.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/hard
load lib/metrics

setup() {
	set +T
	need lspp-verify lspp-hot
	hard_setup
}

verify() {
	lspp-verify --settle 2s -r "$R" -s "$S" "$@"
}

hot() {
	lspp-hot -r "$R" -s "$S" "$@"
}

# a_fleet N [SEGMENTS] -- databases 1.db ..., shipped.
a_fleet() {
	local i k
	for ((i = 1; i <= $1; i++)); do
		sqlite3 $i.db "CREATE TABLE t(x); $(rows 20 500)"
	done
	ship ./*.db >/dev/null
	for ((k = 0; k < ${2:-0}; k++)); do
		for ((i = 1; i <= $1; i++)); do
			sqlite3 $i.db "$(rows 3 500)"
		done
		ship ./*.db >/dev/null
	done
}

# at_rest -- none of them is racy.
at_rest() {
	sleep 1.1
	ship ./*.db >/dev/null
	[ -z "$(hot ./*.db)" ]
}

# objects DB KIND -- keys, of snapshots or wal; the last one is the newest.  In LTX
# what holds all pages is one of the first, and the others are of level 0.
objects() {
	if [ "$LAYOUT" = wal ]; then
		replica_list "$1/generations/" | grep "/$2/"
	elif [ "$2" = wal ]; then
		replica_list "$1/" | grep -E '/(000)?0/[0-9a-f]+-' | grep -v '/0*1-'
	else
		replica_list "$1/" | grep '/0*1-[0-9a-f]*\.ltx'
	fi
}

# spoil KEY -- a byte in the middle of it.
spoil() {
	replica_get "$1" >"$T/spoiled"
	printf 'XXXX' | dd of="$T/spoiled" bs=1 conv=notrunc status=none \
		seek=$(($(stat -c %s "$T/spoiled") / 2))
	replica_put "$1" "$T/spoiled"
}

marks() {
	sqlite3 "$S/state.db" 'SELECT CAST(key AS TEXT) FROM verdict
		WHERE broken IS NOT NULL ORDER BY 1'
}

get() {
	sqlite3 -bail :memory: "SELECT json_extract('${1//\'/\'\'}', '\$.$2')"
}

@test "what is sound is printed, in silence; names, patterns, lines" {
	a_fleet 3 2
	run -0 --separate-stderr verify 2.db
	assert_output 2.db
	assert_equal "$stderr" ""
	run -0 --separate-stderr verify --deep '*.db'
	assert_equal "$(sort <<<"$output")" $'1.db\n2.db\n3.db'
	assert_equal "$stderr" ""
	run -0 --separate-stderr verify --sql --against-source -C "$D" \
		< <(printf '1.db\n%s\n' "$D/3.db")
	assert_equal "$(sort <<<"$output")" "$(printf '%s\n' "$D/3.db" 1.db | sort)"
	assert_equal "$stderr" ""
	run -0 verify -n '*.db'
	assert_equal "${#lines[@]}" 3
	run -66 --separate-stderr verify none.db
	assert_output ""
	[[ $stderr == *"none.db: no backup of that name"* ]] || fail "$stderr"
	run -1 verify -q none.db 1.db
	run -2 verify --sample 0 1.db
	run -2 verify --force 1.db
	run -74 sh -c 'lspp-verify -r "$1" -s "$2" 1.db >/dev/full' - "$R" "$S"
}

@test "a pattern finds what the state knows and the replica has lost" {
	local key
	a_fleet 4
	for key in $(replica_list "2.db/") $(replica_list "3.db/"); do
		replica_rm "$key"
	done
	mv 3.db away
	run -1 --separate-stderr verify '**'
	assert_equal "$(sort <<<"$output")" $'1.db\n4.db'
	[[ $stderr == *"2.db: it was shipped, but nothing of it is in "* ]] ||
		fail "$stderr"
	[[ $stderr == *"3.db: "*" its source is gone, too"* ]] || fail "$stderr"
	assert_equal "$(marks)" 2.db
	run -1 --separate-stderr verify '[12].db'
	assert_output 1.db
	run -0 verify '[14].db'
	run -65 verify '2*'
	run -66 verify '3*'
	run -66 verify 'x*'
	# Not without that state.
	run -0 lspp-verify -r "$R" -s "$T/none" '**'
	# It begins anew, and all is well.
	ship "$D"/2.db
	mv away 3.db
	ship --new-generation "$D"/3.db
	run -0 verify '**'
	assert_equal "${#lines[@]}" 4
}

@test "--json, and what -v says" {
	local n=3 said="3 objects in 0 generations"
	[ "$LAYOUT" = ltx ] || n=4 said="4 objects in 1 generations"
	a_fleet 1 2
	run -0 --separate-stderr verify --json --deep --against-source 1.db
	assert_equal "$(get "$output" path)" 1.db
	assert_equal "$(get "$output" deep)" 1
	assert_equal "$(get "$output" checksum)" 1
	assert_equal "$(get "$output" state)" 1
	assert_equal "$(get "$output" newer)" 0
	assert_equal "$(get "$output" objects)" $n
	assert_regex "$(get "$output" as_of)" '^20.*Z$'
	[ "$REPLICA" = s3 ] || mkdir -p "$R/1.db/generations"
	replica_put 1.db/generations/README "$T/src/1.db"
	run -0 --separate-stderr verify -v 1.db
	[[ $stderr == *"1.db: sound as of 20"*": $said"*"; \
1 are not of a replica, the first: 1.db/generations/README"* ]] || fail "$stderr"
}

@test "a broken one is marked: hot prints it, ship begins it anew" {
	local key
	a_fleet 2 2
	at_rest
	key=$(objects 1.db wal | tail -n 1)
	spoil "$key"
	# Its ends are as they were.
	run -0 verify 1.db
	assert_equal "$(marks)" ""
	run -1 --separate-stderr verify --deep -e "$T/err" --failed "$T/again" \
		1.db 2.db
	assert_output 2.db
	[[ $stderr == *"lspp-verify: 1.db: $key: "* ]] || fail "$stderr"
	[[ $stderr == *"hint: the next lspp-ship begins it anew"* ]] || fail "$stderr"
	assert_equal "$(<"$T/again")" 1.db
	assert_equal "$(cut -f 1,3 "$T/err")" $'65\t1.db'
	assert_equal "$(marks)" 1.db
	# Once more: it stays marked, and is told again.
	run -65 verify --deep 1.db
	run -0 hot ./*.db
	assert_output ./1.db
	run -0 --separate-stderr ship ./*.db
	[[ $stderr == *"1.db: a new generation begins: lspp-verify found the one \
it had broken"* ]] || fail "$stderr"
	assert_equal "$(objects 1.db snapshots | wc -l)" 2
	assert_equal "$(objects 2.db snapshots | wc -l)" 1
	assert_equal "$(marks)" ""
	run -0 verify --deep --newest --against-source ./*.db
	restores_to 1.db "$D/1.db" lspp
	at_rest
	# What was damaged still is, for a restore to a time; the newest is not.
	run -65 --separate-stderr verify --deep 1.db
	[[ $stderr == *"$key: "*"hint: the newest state is sound"* ]] || fail "$stderr"
	assert_equal "$(marks)" ""
	assert_equal "$(hot ./*.db)" ""
}

@test "whatever is lost of the newest state is begun anew, and then is there" {
	local key what
	for what in snapshot middle end all; do
		rm -f ./*.db
		a_fleet 1 3
		[ $what != middle ] || at_rest
		case $what in
		snapshot) mapfile -t key < <(objects 1.db snapshots) ;;
		middle) mapfile -t key < <(objects 1.db wal | sed -n 2p) ;;
		end) mapfile -t key < <(objects 1.db wal | tail -n 1) ;;
		all) mapfile -t key < <(replica_list 1.db/) ;;
		esac
		replica_rm "${key[@]}"
		run -65 --separate-stderr verify 1.db
		assert_output ""
		[[ $stderr == *"hint: the next lspp-ship begins it anew"* ]] ||
			fail "$what: $stderr"
		assert_equal "$(hot 1.db)" 1.db
		ship 1.db
		run -0 verify --deep --newest --against-source 1.db
		restores_to 1.db "$D/1.db" lspp
		replica_clear
		rm -rf "$S"
	done
}

@test "a lost end is known through the state alone" {
	local key
	a_fleet 1 3
	key=$(objects 1.db wal | tail -n 1)
	replica_rm "$key"
	run -0 --separate-stderr lspp-verify -r "$R" -s "$T/none" --deep 1.db
	assert_equal "$stderr" ""
	assert [ ! -e "$T/none" ]
	run -65 --separate-stderr verify 1.db
	[[ $stderr == *"is the end"*": what was shipped until "*" is gone"* ]] ||
		fail "$stderr"
}

@test "no state, or one that may only be read: said, and told all the same" {
	local key
	a_fleet 1 2
	key=$(objects 1.db wal | tail -n 1)
	spoil "$key"
	run -65 --separate-stderr lspp-verify -r "$R" -s "$T/none" --deep 1.db
	[[ $stderr == *"$key: "*"hint: there is no state: no lspp-ship is told"* ]] ||
		fail "$stderr"
	[ "$(id -u)" = 0 ] || return 0
	# A state on a read-only file system.
	unshare -m true 2>/dev/null || skip "needs root, for a mount"
	sqlite3 "$S/state.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
	run -65 --separate-stderr unshare -m sh -ec '
		mount --bind "$2" "$2"
		mount -o remount,ro,bind "$2"
		lspp-verify -r "$1" -s "$2" --deep 1.db' - "$R" "$S"
	[[ $stderr == *"state: "*"$key: "*"no lspp-ship is told"* ]] ||
		fail "$stderr"
	assert_equal "$(marks)" ""
}

@test "a replica that cannot be read is not broken, and not marked" {
	a_fleet 2 1
	at_rest
	if [ $REPLICA = dir ]; then
		mv "$R" "$R.away"
		run -66 --separate-stderr verify 1.db 2.db
		mv "$R.away" "$R"
		# One object alone: not permitted.
		[ "$(id -u)" = 0 ] || skip "needs root, for less than that"
		chmod 000 "$R/$(objects 1.db wal)"
		run -1 --separate-stderr setpriv \
			--bounding-set=-dac_override,-dac_read_search \
			lspp-verify -r "$R" -s "$S" --deep 1.db 2.db
		[[ $stderr == *"1.db: "*"ermission denied"* ]] || fail "$stderr"
		assert_output 2.db
	else
		run -69 --separate-stderr env AWS_ENDPOINT_URL=http://127.0.0.1:9 \
			lspp-verify -r "$R" -s "$S" --timeout 1s 1.db 2.db
	fi
	assert_equal "$(sqlite3 "$S/state.db" \
		'SELECT count(*) FROM verdict WHERE class <> 0')" 0
	assert_equal "$(hot ./*.db)" ""
}

@test "a state whose replica is another machine's says so" {
	local key
	a_fleet 1 1
	sqlite3 1.db 'INSERT INTO t VALUES(1)'
	LSPP_MACHINE=other lspp-ship -q "${AS[@]}" -r "$R" -C "$D" -s "$T/s2" \
		--new-generation 1.db
	run -75 --separate-stderr verify --deep 1.db
	[[ $stderr == *"it is sound, but "*" was written by somebody else"* ]] ||
		fail "$stderr"
	assert_equal "$(marks)" ""
	# So does one whose generation is gone: the other may have pruned it.
	replica_list "1.db/generations/$(sqlite3 "$S/state.db" \
		'SELECT line FROM db')/" | while read -r key; do
		replica_rm "$key"
	done
	run -75 --separate-stderr verify 1.db
	[[ $stderr == *"it is sound, but "* ]] || fail "$stderr"
	assert_equal "$(marks)" ""
	assert_equal "$(lspp-stat --json -s "$S" | jq .broken)" 0
}

@test "while it is shipped to, and pruned, nothing is ever called damaged" {
	local pid i k n=0
	a_fleet 3 1
	(
		while [ ! -e "$T/stop" ]; do
			for i in 1 2 3; do
				sqlite3 $i.db "$(rows 1 300)"
			done
			ship --snapshot-interval 0s ./*.db >/dev/null 2>>"$T/log"
			prune_some
			n=$((n + 1))
			echo $n >"$T/rounds"
		done
	) 3>&- &
	pid=$!
	LIVE+=("$pid")
	for ((k = 0; k < $(count 300 12 6); k++)); do
		run -0 --separate-stderr verify --deep '*.db'
		assert_equal "${#lines[@]}" 3
		assert_equal "$stderr" ""
		run -0 --separate-stderr verify '*.db'
		assert_equal "$stderr" ""
	done
	: >"$T/stop"
	wait "$pid"
	LIVE=()
	assert_equal "$(cat "$T/log" 2>/dev/null)" ""
	assert [ "$(<"$T/rounds")" -ge 2 ]
	assert_equal "$(marks)" ""
}

# gone_behind KEY... -- the command that takes them all, the first one first.
gone_behind() {
	if [ "$REPLICA" = dir ]; then
		printf 'rm %s' "${*/#/$R/}"
	else
		printf 's3tool %s rm-many %s' "$R" "$*"
	fi
}

@test "what is pruned behind a listing is no damage, at whichever call" {
	local n calls keys first which=(-k write)
	a_fleet 1
	for n in 1 2; do
		sqlite3 1.db "$(rows 3 500)"
		ship --snapshot-interval 0s 1.db >/dev/null
	done
	# The first state, and what led on from it.
	if [ "$LAYOUT" = ltx ]; then
		mapfile -t keys < <(replica_list 1.db/ | grep -E '/(000)?0/')
	else
		first=$(objects 1.db snapshots | head -n 1)
		first=${first##*/}
		mapfile -t keys < <(
			objects 1.db snapshots | head -n 1
			objects 1.db wal | grep "/${first%%.*}_"
		)
	fi
	assert [ "${#keys[@]}" -ge 2 ]
	# The calls that objects are read with.
	[ "$REPLICA" != dir ] || which=(-f .lz4)
	[ "$REPLICA$LAYOUT" != dirltx ] || which=(-f .ltx)
	replica_save "$T/r0"
	atcall -o "$T/calls" "${which[@]}" lspp-verify --settle 0s -j 1 \
		-r "$R" -s "$S" --deep 1.db
	calls=$(<"$T/calls")
	assert [ "$calls" -ge 5 ]
	for ((n = 1; n <= calls; n += 1 + calls / $(count 500 20 6))); do
		replica_back "$T/r0"
		run -0 --separate-stderr atcall "${which[@]}" -n $n \
			-x "$(gone_behind "${keys[@]}")" \
			lspp-verify --settle 0s -j 1 -r "$R" -s "$S" --deep 1.db
		assert_equal "$stderr" ""
	done
	assert_equal "$(marks)" ""
}

# prune_some -- all but the last three snapshots, each with what led on from it:
# the snapshots first.
#
# In LTX: the snapshots of level 9, and all of level 0 that the oldest of those
# three holds.
prune_some() {
	local i keys old
	for i in 1 2 3; do
		if [ "$LAYOUT" = ltx ]; then
			mapfile -t keys < <(replica_list $i.db/ | grep -E '/(000)?9/')
			[ "${#keys[@]}" -gt 6 ] || continue
			old=${keys[-3]##*-}
			replica_rm "${keys[@]:0:${#keys[@]}-3}"
			mapfile -t keys < <(replica_list $i.db/ |
				grep -E '/(000)?0/' |
				awk -F - -v old="$old" '$NF <= old')
			replica_rm "${keys[@]}"
			continue
		fi
		mapfile -t keys < <(objects $i.db snapshots | head -n -3)
		[ "${#keys[@]}" -gt 3 ] || continue
		old=${keys[-1]##*/}
		replica_rm "${keys[@]}"
		mapfile -t keys < <(objects $i.db wal |
			awk -F / -v old="${old%%.*}" '$NF < old "_z"' | sort -r)
		replica_rm "${keys[@]}"
	done
}

# In LTX names tell which transactions are there, and nothing else leads anywhere.
retention_ltx() {
	local keys
	# All that the last snapshot holds, in the order of lspp-prune, and what led
	# there before.
	mapfile -t keys < <(replica_list 1.db/ | grep -E '/(000)?0/' | head -n -2)
	assert [ "${#keys[@]}" = 3 ]
	replica_rm "${keys[0]}"
	run -0 --separate-stderr verify --deep 1.db
	assert_equal "$stderr" ""
	replica_rm "${keys[@]:1}"
	run -0 --separate-stderr verify --deep 1.db
	assert_equal "$stderr" ""
	assert_equal "$(marks)" ""
	# The snapshots, too: nothing leads to the newest state.
	mapfile -t keys < <(replica_list 1.db/ | grep -E '/(000)?9/')
	replica_rm "${keys[@]}"
	run -65 --separate-stderr verify --newest 1.db
	assert_equal "$(marks)" 1.db
}

@test "a retention run that was ended is told, with status 3" {
	local keys k
	sqlite3 1.db 'CREATE TABLE t(x)'
	for k in 1 2 3 4; do
		ship --snapshot-interval 0s 1.db >/dev/null
		sqlite3 1.db "$(rows 3 500)"
	done
	ship 1.db >/dev/null
	run -0 verify --deep 1.db
	if [ "$LAYOUT" = ltx ]; then
		retention_ltx
		return
	fi
	# All of the second: thinned out, as it may be.
	mapfile -t keys < <(replica_list 1.db/ | grep '/00000001[._]')
	assert [ "${#keys[@]}" = 2 ]
	replica_rm "${keys[@]}"
	run -0 --separate-stderr verify --deep 1.db
	assert_equal "$stderr" ""
	# The snapshot of the first alone.
	replica_rm "$(objects 1.db snapshots | head -n 1)"
	run -3 --separate-stderr verify --deep 1.db
	assert_output 1.db
	[[ $stderr == *"has no snapshot before it: one is lost"* ]] || fail "$stderr"
	assert_equal "$(hot 1.db)" "$(hot 1.db)"
	assert_equal "$(marks)" ""
	run -0 verify --newest 1.db
}

@test "--sample: those first that were never verified, then the oldest" {
	local k seen
	a_fleet 10
	for ((k = 0; k < 4; k++)); do
		run -0 verify --sample 3
		assert_equal "${#lines[@]}" 3
		printf '%s\n' "${lines[@]}" >>"$T/seen"
	done
	assert_equal "$(head -n 9 "$T/seen" | sort -u | wc -l)" 9
	assert_equal "$(sort -u "$T/seen" | wc -l)" 10
	# As a part, rounded up; a deep look has an order of its own.
	run -0 verify --deep --sample 15%
	assert_equal "${#lines[@]}" 2
	seen=$output
	for ((k = 0; k < 4; k++)); do
		run -0 verify --deep --sample 20%
		assert_equal "$(printf '%s\n%s' "$seen" "$output" | sort | uniq -d)" ""
		seen+=$'\n'$output
	done
	assert_equal "$(sort -u <<<"$seen" | wc -l)" 10
	# Of what is named.
	run -0 verify --sample 50% 1.db 2.db '3*'
	assert_equal "${#lines[@]}" 2
	run -0 sh -c 'printf "1.db\n2.db\n" |
		lspp-verify -r "$1" -s "$2" --sample 1 -' - "$R" "$S"
	assert_equal "${#lines[@]}" 1
	run -0 verify -n --sample 100%
	assert_equal "${#lines[@]}" 10
	# What could not be looked at does not keep the others waiting.
	run -78 --separate-stderr lspp-verify -r "$R" -s "$T/none" --sample 1
	[[ $stderr == *"--sample without paths"* ]] || fail "$stderr"
}

@test "--against-source: the same, newer, or not what was shipped" {
	local r2
	a_fleet 1 2
	sqlite3 1.db 'PRAGMA journal_mode = WAL' >/dev/null
	ship 1.db >/dev/null
	app 1.db
	sql 'INSERT INTO t VALUES(1)'
	ship 1.db >/dev/null
	run -0 verify --json --against-source 1.db
	assert_equal "$(get "$output" newer)" 0
	sql 'INSERT INTO t VALUES(2)'
	run -0 --separate-stderr verify -v --against-source 1.db
	[[ $stderr == *"the source was written to since: 1 pages are newer"* ]] ||
		fail "$stderr"
	run -0 verify --json --against-source 1.db
	assert_equal "$(get "$output" newer)" 1
	app_quit
	# The record of another root makes the state believe that it is shipped.
	r2=$T/r2
	sleep 1.1
	lspp-ship "${AS[@]}" -r "$r2" -C "$D" -s "$S" 1.db
	sqlite3 "$S/state.db" 'UPDATE db SET racy = 0, sig =
		(SELECT sig FROM db WHERE root = 2) WHERE root = 1'
	run -65 --separate-stderr verify --against-source 1.db
	[[ $stderr == *"pages are not those in the replica, and nothing was \
written to it since"* ]] || fail "$stderr"
	ship 1.db
	run -0 verify --newest --against-source 1.db
	rm 1.db
	run ! --separate-stderr verify --against-source 1.db
	[[ $stderr == *"source $D/1.db: "*"No such file"* ]] || fail "$stderr"
	assert_equal "$(marks)" ""
}

@test "--sql: a database that was shipped damaged is damaged" {
	sqlite3 1.db "CREATE TABLE t(x); CREATE INDEX i ON t(x); $(rows 50 300)"
	sqlite3 1.db "PRAGMA writable_schema = ON;
		DELETE FROM sqlite_schema WHERE name = 'i'"
	sqlite3 2.db "CREATE TABLE t(x); CREATE INDEX i ON t(x); $(rows 50 300)"
	ship 1.db 2.db >/dev/null
	run -0 verify --deep 1.db 2.db
	run -1 --separate-stderr env TMPDIR="$T" lspp-verify -r "$R" -s "$S" \
		--sql 1.db 2.db
	assert_output 2.db
	[[ $stderr == *"1.db: it restores to what was shipped: SQLite's check"* ]] ||
		fail "$stderr"
	# To begin anew would not help.
	assert_equal "$(marks)" ""
	assert_equal "$(find "$T" -maxdepth 1 -name '.lspp-*')" ""
}

@test "--metrics: how many are verified, broken, and since when not" {
	need "$LSPP_ROOT/.tools/promtool"
	cd "$T"
	F=$T/m.prom
	(cd "$D" && a_fleet 3)
	replica_rm "$(objects 2.db snapshots)"
	run -1 verify --metrics "$F" 1.db 2.db
	sound "$F"
	assert_equal "$(value 'lspp_databases{state="seen"}')" 2
	assert_equal "$(value 'lspp_databases{state="verified"}')" 1
	assert_equal "$(value 'lspp_databases{state="broken"}')" 1
	assert_equal "$(value 'lspp_databases{state="failed"}')" 1
	assert_equal "$(value 'lspp_databases{state="unverified"}')" 1
	[ "$(value lspp_oldest_unverified_seconds | cut -d. -f1)" -lt 60 ]
	run -66 verify --metrics "$F" none.db
	assert_equal "$(value 'lspp_databases{state="broken"}')" 0
	assert_equal "$(value 'lspp_databases{state="failed"}')" 1
}

@test "a ship under way cannot undo the mark" {
	local n calls at met=0
	# Not what is behind the last object: in LTX a ship finds that by itself.
	a_fleet 1 2
	at_rest
	sqlite3 1.db "$(rows 1 300)"
	cp -a "$S" "$T/s0"
	replica_save "$T/r0"
	atcall -k write -o "$T/calls" lspp-ship -j 1 -r "$R" -C "$D" -s "$S" \
		1.db >/dev/null
	calls=$(<"$T/calls")
	assert [ "$calls" -ge 5 ]
	for ((n = 0; n < $(count 60 6 8); n++)); do
		at=$((1 + n * calls / $(count 60 6 8)))
		rm -rf "$S" && cp -a "$T/s0" "$S"
		replica_back "$T/r0"
		# Broken before that ship; found while it is at work.
		replica_rm "$(objects 1.db wal | head -n 1)"
		atcall -k write -n $at -x "timeout -s KILL 2 $B/bin/lspp-verify --settle 0s -q -r $R \
			-s $S 1.db >/dev/null 2>&1 </dev/null || :" \
			lspp-ship -q -j 1 -r "$R" -C "$D" -s "$S" 1.db \
			>/dev/null 2>&1 || :
		sleep 1.1
		[ -n "$(marks)" ] || verify -q 1.db >/dev/null 2>&1 || :
		if [ -n "$(marks)" ]; then
			met=$((met + 1))
			assert_equal "$(hot 1.db)" 1.db
		fi
		ship -q 1.db >/dev/null
		run -0 verify --newest --deep --against-source 1.db
	done
	assert [ "$met" -ge 1 ]
}

@test "two at once agree, and neither undoes the other's mark" {
	local k pid
	a_fleet 6 1
	at_rest
	replica_rm "$(objects 3.db wal)"
	for ((k = 0; k < $(count 40 4 2); k++)); do
		verify --deep '*.db' >"$T/one" 2>"$T/err" 3>&- &
		pid=$!
		run -1 --separate-stderr verify '*.db'
		wait "$pid" && fail "status 0"
		assert_equal "$(sort "$T/one")" "$(sort <<<"$output")"
		assert_equal "$(sed -n 1p "$T/err")" "${stderr_lines[0]}"
		assert_equal "$(marks)" 3.db
	done
	assert_equal "$(hot ./*.db)" ./3.db
}

@test "killed anywhere, it leaves a whole state, and is simply run again" {
	local n calls at
	a_fleet 2 1
	at_rest
	replica_rm "$(objects 1.db wal)"
	cp -a "$S" "$T/s0"
	atcall -k write -o "$T/calls" lspp-verify -r "$R" -s "$S" --deep \
		'*.db' >/dev/null 2>&1 || :
	calls=$(<"$T/calls")
	for ((n = 0; n < $(count 60 6 3); n++)); do
		at=$((1 + n * calls / $(count 60 6 3)))
		rm -rf "$S" && cp -a "$T/s0" "$S"
		atcall -k write -n $at lspp-verify -r "$R" -s "$S" --deep \
			'*.db' >/dev/null 2>&1 || :
		run -1 verify --deep '*.db'
		assert_equal "$(marks)" 1.db
		assert_equal "$(hot ./*.db)" ./1.db
	done
	# The ship that begins it anew is killed, too.
	replica_save "$T/r0"
	cp -a "$S" "$T/s1"
	atcall -k write -o "$T/calls" lspp-ship -q -r "$R" -C "$D" -s "$S" \
		1.db >/dev/null 2>&1
	calls=$(<"$T/calls")
	for ((n = 0; n < $(count 60 6 3); n++)); do
		rm -rf "$S" && cp -a "$T/s1" "$S"
		replica_back "$T/r0"
		atcall -k write -n $((1 + n * calls / $(count 60 6 3))) \
			lspp-ship -q -r "$R" -C "$D" -s "$S" 1.db \
			>/dev/null 2>&1 || :
		ship -q 1.db >/dev/null
		run -0 verify --newest --deep --against-source 1.db
		assert_equal "$(marks)" ""
		restores_to 1.db "$D/1.db" lspp
	done
}

@test "nothing on standard input is nothing proved" {
	sqlite3 1.db 'CREATE TABLE t(x)'
	ship 1.db >/dev/null
	run -66 --separate-stderr lspp-verify -r "$R" --deep </dev/null
	assert_output ''
	assert_regex "$stderr" 'nothing came in on standard input'
	run -66 --separate-stderr lspp-prune -r "$R" -n --keep-for 1d </dev/null
	assert_regex "$stderr" 'nothing came in on standard input'
}
