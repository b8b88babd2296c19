#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore: at random times, and from a replica that is damaged at random.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-ship lspp-restore sqlite3 "$LITESTREAM_03"
	R=$T/replica S=$T/state
	mkdir "$T/src" "$R"
	cd "$T" || return
}

# step DB SQL -- a transaction, shipped: the line "NS HASH" of the state in
# DB.log.
step() {
	local at
	sqlite3 "src/$1" "$2"
	at=$(lspp-ship -q --json -r "$R" -C "$T/src" -s "$S" "$T/src/$1" |
		sed -n 's/.*"captured":"\([^"]*\)".*/\1/p')
	[ -n "$at" ] || return
	echo "$(date -d "$at" +%s%N) $(hash_of "src/$1")" >>"$1.log"
}

hash_of() {
	sha256sum <"$1" | cut -c 1-64
}

# history DB N SIZE -- N states, in three generations, with snapshots between.
history() {
	local k
	sqlite3 "src/$1" 'PRAGMA page_size = 1024; CREATE TABLE t(x)'
	for ((k = 1; k <= $2; k++)); do
		step "$1" "INSERT INTO t VALUES(randomblob($3));
			UPDATE t SET x = randomblob($3) WHERE rowid % 2 = $((k % 2))"
		[ $((k % ($2 / 3 + 1))) -ne 0 ] ||
			step "$1" "PRAGMA page_size = $((1024 << (k * 3 / $2)));
				VACUUM; UPDATE t SET x = x WHERE rowid = 1"
	done
}

# by_lspp DB ARGUMENT... -- the hash of what it restores.
by_lspp() {
	rm -rf out
	lspp-restore -r "$R" -o out "${@:2}" "$1" >/dev/null || return
	hash_of "out/$1"
}

by_litestream() {
	rm -f peer peer.*
	litestream 03 restore -o peer -timestamp \
		"$(date -u -d "@${2:0:10}.${2:10}" +%FT%T.%NZ)" \
		"file://$R/$1" >/dev/null 2>&1 || return
	hash_of peer
}

@test "at random times: the state committed then, to the segment" {
	local k j at states agreed=0 theirs
	seed
	history x.db 40 60000
	mapfile -t states <x.db.log
	assert [ "$(find "$R" -name '*.snapshot.lz4' | wc -l)" -ge 4 ]
	assert [ "$(ls "$R/x.db/generations" | wc -l)" -ge 2 ]
	for ((k = 0; k < $(count 200 30 15); k++)); do
		j=$((RANDOM % (${#states[@]} - 1)))
		at=${states[j]%% *}
		# Exactly then, or anywhere before the next.
		[ $((RANDOM % 3)) = 0 ] ||
			at=$((at + RANDOM * 32768 % (${states[j + 1]%% *} - at)))
		assert_equal "$(by_lspp x.db --timestamp \
			"@${at:0:10}.${at:10}")" "${states[j]##* }"
		# Between two generations it finds nothing.
		theirs=$(by_litestream x.db "$at") || continue
		assert_equal "$theirs" "${states[j]##* }"
		agreed=$((agreed + 1))
	done
	assert [ "$agreed" -ge $((k / 2)) ]
}

# needed -- the objects of x.db that its newest state is made of.
needed() {
	local plan g index f
	plan=$(lspp-restore -n --json -r "$R" -o out x.db)
	g=$(sed 's/.*"generation":"\([^"]*\)".*/\1/' <<<"$plan")
	index=$(sed 's/.*"snapshot":\([0-9]*\).*/\1/' <<<"$plan")
	index=$(printf %08x "$index")
	echo "$R/x.db/generations/$g/snapshots/$index.snapshot.lz4"
	for f in "$R/x.db/generations/$g"/wal/*; do
		[[ ${f##*/} < $index ]] || echo "$f"
	done
}

# pick DB -- a random object of it, in FILE; of x.db mostly one that is needed.
pick() {
	local all
	if [ "$1" = x.db ] && [ $((RANDOM % 5)) != 0 ]; then
		mapfile -t all <needed
	else
		mapfile -t all < <(find "$R/$1" -type f | LC_ALL=C sort)
	fi
	FILE=${all[RANDOM % ${#all[@]}]}
}

# harm -- one object, in one way, in HARM; its file, and of two the other.
harm() {
	local size at kinds=(flip cut empty delete swap other)
	pick x.db
	HARM=${kinds[RANDOM % 6]} OTHER=$FILE
	size=$(stat -c %s "$FILE")
	at=$((RANDOM * 32768 % size))
	case $HARM in
	flip)
		printf '\x5a' | dd of="$FILE" bs=1 conv=notrunc status=none \
			seek=$at ;;
	cut) truncate -s $at "$FILE" ;;
	empty) : >"$FILE" ;;
	delete) rm "$FILE" ;;
	swap)
		OTHER=$FILE
		while [ "$FILE" = "$OTHER" ]; do
			pick x.db
		done
		mv "$FILE" tmp && cp "$OTHER" "$FILE" && mv tmp "$OTHER" ;;
	other)
		OTHER=$FILE
		pick y.db
		cp "$FILE" "$OTHER"
		FILE=$OTHER ;;
	esac
}

# named -- does the error name an object that was harmed, or what is gone?
named() {
	[[ $said == *"${FILE#"$R"/}"* || $said == *"${OTHER#"$R"/}"* ]] ||
		{ [ "$HARM" = delete ] && [[ $said == *" is missing"* ||
			$said == *": up to x.db/"* || $said == *"no snapshot"* ]]; }
}

# outcome STATUS HASH NEWEST -- is it one that may be?
outcome() {
	case $1 in
	0) [ "$2" = "$3" ] ;;
	# A damaged snapshot does not say what it was, and may have been newer
	# than the segments before it.
	3) { [ "$2" != "$3" ] || [[ $FILE$OTHER == *.snapshot.* ]]; } &&
		grep -q " $2\$" x.db.log ;;
	65) [ "$2" = "" ] && named ;;
	*) false ;;
	esac
}

@test "a damaged replica never yields a database: refused, or status 3" {
	local k newest hash rc said past refused=0 earlier=0 option
	seed
	history x.db 24 60000
	history y.db 12 60000
	for ((k = 0; k < 8; k++)); do
		step x.db "INSERT INTO t VALUES(randomblob(100))"
	done
	newest=$(tail -n 1 x.db.log | cut -d ' ' -f 2)
	needed >needed
	assert [ "$(wc -l <needed)" -ge 8 ]
	cp -r "$R" sound
	for ((k = 0; k < $(count 1000 60 30); k++)); do
		rm -rf "$R" && cp -rp sound "$R"
		harm
		for option in "" --to-last-good; do
			past=0
			# shellcheck disable=SC2086
			hash=$(by_lspp x.db -s "$S" $option 2>said) || past=$?
			rc=$past
			[ ! -f out/x.db ] || hash=$(hash_of out/x.db)
			said=$(<said)
			outcome "$rc" "$hash" "$newest" || {
				echo "$HARM ${FILE#"$R"/} ${OTHER#"$R"/} $option: $rc, $said"
				false
			}
			[ "$rc" != 65 ] || refused=$((refused + 1))
			[ "$rc" != 3 ] || earlier=$((earlier + 1))
		done
	done
	say "$k cases: $refused refused, $earlier earlier"
	assert [ "$refused" -ge $((k / 4)) ]
	assert [ "$earlier" -ge $((k / 6)) ]
}
