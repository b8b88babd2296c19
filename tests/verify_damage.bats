#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-verify: whatever is damaged is found, and what is sound is not called
# damaged.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-ship lspp-verify lspp-restore sqlite3 lz4 craft
	R=$T/replica S=$T/state
	mkdir "$T/src" "$R"
	cd "$T" || return
}

ship() {
	lspp-ship -q -r "$R" -C "$T/src" -s "$S" "$@"
}

# history DB N -- N states in three generations, with snapshots between; the
# middle one was begun by a state that had been lost.
history() {
	local k
	sqlite3 "src/$1" 'PRAGMA page_size = 1024; CREATE TABLE t(x)'
	for ((k = 1; k <= $2; k++)); do
		sqlite3 "src/$1" "INSERT INTO t VALUES(randomblob(60000));
			UPDATE t SET x = randomblob(60000)
			WHERE rowid % 2 = $((k % 2))"
		[ $((k % ($2 / 3))) -ne 0 ] || [ $k = "$2" ] ||
			case $((k * 3 / $2)) in
			1) rm -rf "$S" ;;
			*) ship --new-generation "src/$1" >/dev/null ;;
			esac
		ship "src/$1" >/dev/null
	done
}

# What a restore of any time depends on: all objects but the owner's, and the
# empty segments that end a generation, and snapshots that a restore can do
# without, which then goes on from the one before.
needed() {
	local gen newest
	newest=$(sqlite3 "$S/state.db" "SELECT line FROM db
		WHERE CAST(key AS TEXT) = 'x.db'")
	for gen in "$R"/x.db/generations/*/; do
		find "$gen/snapshots" -type f | sort | head -n 1
		if [[ $gen == *"/$newest/" ]]; then
			find "$gen/snapshots" -type f | sort | tail -n 1
			find "$gen/wal" -type f
		else
			find "$gen/wal" -type f -size +200c
		fi
	done | sort -u | tr -s /
}

# harm -- one object, in one way, in HARM; its file is FILE, of two also OTHER.
harm() {
	local size at bit byte yours kinds=(flip cut empty delete swap other)
	HARM=${kinds[RANDOM % 6]} FILE=${ALL[RANDOM % ${#ALL[@]}]}
	OTHER=$FILE
	size=$(stat -c %s "$FILE")
	case $HARM in
	flip)
		at=$((RANDOM * 32768 + RANDOM)) at=$((at % size))
		bit=$((1 << RANDOM % 8))
		byte=$(od -An -tu1 -j $at -N 1 "$FILE")
		# shellcheck disable=SC2059
		printf "\\x$(printf %x $((byte ^ bit)))" |
			dd of="$FILE" bs=1 conv=notrunc status=none seek=$at ;;
	cut) truncate -s $((RANDOM * 32768 % size)) "$FILE" ;;
	empty) : >"$FILE" ;;
	delete)
		FILE=${NEEDED[RANDOM % ${#NEEDED[@]}]}
		OTHER=$FILE
		rm "$FILE" ;;
	swap)
		while [ "$FILE" = "$OTHER" ]; do
			OTHER=${ALL[RANDOM % ${#ALL[@]}]}
		done
		mv "$FILE" tmp && mv "$OTHER" "$FILE" && mv tmp "$OTHER" ;;
	other)
		# An owner's object does not say whose it is, but for its number.
		yours=${YOURS[RANDOM % ${#YOURS[@]}]}
		while [[ $FILE == */owner-* && ${yours##*/} = "${FILE##*/}" ]]; do
			yours=${YOURS[RANDOM % ${#YOURS[@]}]}
		done
		cp "$yours" "$FILE" ;;
	esac
}

# named -- does the message name what was harmed, or what shows that it is gone?
named() {
	[[ $stderr == *"${FILE#"$R"/}"* || $stderr == *"${OTHER#"$R"/}"* ]] ||
		{ [ "$HARM" = delete ] && [[ $stderr == *" missing"* ||
			$stderr == *" is gone"* || $stderr == *"no snapshot"* ]]; }
}

# lost -- was that found and told?  A snapshot that led to segments may have
# been taken by a retention run: that is no damage, but status 3.
lost() {
	case $status:$HARM:$FILE in
	65:*) [ "$output" = "" ] && named ;;
	3:delete:*.snapshot.lz4)
		[ "$output" = x.db ] && [[ $stderr == *"no snapshot before"* ]] ;;
	*) false ;;
	esac
}

# damage SEED [OPTION...] -- a case; what was printed is in output and stderr.
damage() {
	RANDOM=$1
	rm -rf "$R/x.db" && cp -rp sound "$R/x.db"
	harm
	run --separate-stderr lspp-verify --settle 0s -r "$R" -s "$S" \
		"${@:2}" x.db
}

# two_histories -- x.db, to be harmed, and y.db; x.db is in sound, too.
two_histories() {
	seed
	history y.db 12
	history x.db 24
	cp -r "$R/x.db" sound
	mapfile -t ALL < <(find "$R/x.db" -type f | LC_ALL=C sort)
	mapfile -t YOURS < <(find "$R/y.db" -type f | LC_ALL=C sort)
	mapfile -t NEEDED < <(needed)
}

@test "each of many seeded damages is found, and named" {
	local k n
	two_histories
	assert [ "${#ALL[@]}" -ge 30 ]
	assert [ "$(find "$R/x.db" -name '*.snapshot.lz4' | wc -l)" -ge 5 ]
	run -0 lspp-verify -r "$R" -s "$S" --deep x.db y.db
	n=$(count 1000 40)
	for ((k = 0; k < n; k++)); do
		damage $((SEED + k)) --deep
		lost || {
			echo "LSPP_SEED=$((SEED + k)): $HARM $FILE $OTHER: $status, $stderr"
			false
		}
		# What a restore of the newest state refuses is called so.
		lspp-restore -q -r "$R" -o out --force x.db >/dev/null 2>&1 ||
			[[ $stderr != *"newest state is sound"* ]] || {
			echo "LSPP_SEED=$((SEED + k)): $HARM $FILE $OTHER: $stderr"
			false
		}
	done
	say "$n damages, all found"
}

@test "without --deep all is found that is not inside of an object" {
	local k n found=0 inside=0
	two_histories
	run -0 lspp-verify -r "$R" -s "$S" x.db y.db
	n=$(count 1000 25)
	for ((k = 0; k < n; k++)); do
		damage $((SEED + k))
		case $status:$HARM in
		0:flip) inside=$((inside + 1)) ;;
		*)
			lost || {
				echo "LSPP_SEED=$((SEED + k)): $HARM $FILE $OTHER: $status, $stderr"
				false
			}
			found=$((found + 1)) ;;
		esac
	done
	say "$found found, $inside bits inside of an object left to --deep"
	assert [ "$found" -gt 0 ]
}

@test "without a state and --deep: zeros, garbage and half of it are damage" {
	local file size how
	sqlite3 src/x.db 'CREATE TABLE t AS SELECT randomblob(20000) x'
	ship src/x.db >/dev/null
	sqlite3 src/x.db 'INSERT INTO t VALUES(randomblob(9000))'
	ship src/x.db >/dev/null
	sqlite3 src/x.db 'INSERT INTO t VALUES(1)'
	ship --new-generation src/x.db >/dev/null
	cp -rp "$R" sound
	run -0 lspp-verify -r "$R" -s "$T/none" '**'
	while read -r file; do
		size=$(stat -c %s "$file")
		for how in zeros garbage half; do
			rm -rf "$R" && cp -rp sound "$R"
			case $how in
			zeros) : >"$file" && truncate -s "$size" "$file" ;;
			garbage) head -c "$size" /dev/urandom >"$file" ;;
			half) truncate -s $((size / 2)) "$file" ;;
			esac
			run -65 --separate-stderr lspp-verify -r "$R" \
				-s "$T/none" '**'
			[[ $stderr == *"${file#"$R/"}: "* ]] || fail "$stderr"
		done
	done < <(find "$R" -name '*.lz4')
	# A copy all of which is zeros.
	find "$R" -name '*.lz4' | while read -r file; do
		size=$(stat -c %s "$file")
		: >"$file"
		truncate -s "$size" "$file"
	done
	run -65 lspp-verify -r "$R" -s "$S" --newest '**'
	run -65 lspp-verify -r "$R" -s "$T/none" --newest '**'
}

# change DB -- it, at random.
change() {
	local sql=(
		'INSERT INTO t SELECT randomblob(abs(random()) % 9000)'
		'UPDATE t SET x = randomblob(300) WHERE rowid % 3 = 1'
		'DELETE FROM t WHERE rowid % 2 = 0'
		'VACUUM'
		'PRAGMA journal_mode = WAL'
		'PRAGMA journal_mode = DELETE'
		'CREATE TABLE IF NOT EXISTS u AS SELECT zeroblob(70000) x'
		'DROP TABLE IF EXISTS u; VACUUM'
	)
	sqlite3 "$1" "${sql[RANDOM % 8]}" >/dev/null
}

@test "none of many sound replicas is called damaged" {
	local k i n=20 rounds options sizes=(512 1024 4096 65536) bad=0
	seed
	rounds=$(count 50 4)
	for ((i = 0; i < n; i++)); do
		sqlite3 "src/$i.db" "PRAGMA page_size = ${sizes[i % 4]};
			PRAGMA auto_vacuum = $((i % 3)); CREATE TABLE t(x);
			INSERT INTO t VALUES(randomblob($((i * 900))))"
	done
	for ((k = 0; k < rounds; k++)); do
		for ((i = 0; i < n; i++)); do
			[ $((RANDOM % 3)) = 0 ] || change "src/$i.db"
		done
		options=()
		case $((RANDOM % 7)) in
		0) options=(--new-generation) ;;
		1) options=(--snapshot-interval 0s) ;;
		2) options=(--roll-at 4096) ;;
		3) rm -rf "$S" ;;
		4) rm -rf old; [ ! -d "$S" ] || cp -r "$S" old ;;
		5) [ ! -d old ] || { rm -rf "$S"; mv old "$S"; } ;;
		esac
		ship "${options[@]}" src/*.db >/dev/null
		run --separate-stderr lspp-verify -r "$R" -s "$S" \
			--deep --against-source -C "$T/src" '**'
		[ "$status" = 0 ] && [ "${#lines[@]}" = $n ] &&
			[ "$stderr" = "" ] || {
			echo "round $k, ${options[*]}: $status: $stderr"
			bad=$((bad + 1))
		}
		run -0 --separate-stderr lspp-verify -r "$R" -s "$S" '**'
	done
	say "$((n * rounds)) sound replicas"
	[ $bad = 0 ]
}
