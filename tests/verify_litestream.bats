#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-verify: of a litestream.yml, and of what litestream wrote.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/hard

setup() {
	set +T
	need lspp-verify lspp-hot
	hard_setup
}

# objects DB KIND -- keys; the last one is the newest.
objects() {
	replica_list "$1/generations/" | grep "/$2/"
}

get() {
	sqlite3 -bail :memory: "SELECT json_extract('${1//\'/\'\'}', '\$.$2')"
}

@test "-c: what a litestream.yml names, from where it says" {
	local key
	mkdir -p tenants
	sqlite3 tenants/a.db 'CREATE TABLE t(x)'
	sqlite3 tenants/b.db 'CREATE TABLE t(x)'
	cat >"$T/l.yml" <<-END
		dbs:
		  - dir: $D/tenants
		    pattern: "*.db"
		    replicas: [{type: file, path: $R/y}]
	END
	lspp-ship -c "$T/l.yml" -s "$S" tenants/*.db
	run -0 --separate-stderr lspp-verify -c "$T/l.yml" -s "$S" --deep '*.db'
	assert_equal "$(sort <<<"$output")" \
		"$(printf '%s\n' "$D"/tenants/{a,b}.db)"
	assert_equal "$stderr" ""
	run -0 lspp-verify -c "$T/l.yml" -s "$S" --sample 1 --against-source
	assert_equal "${#lines[@]}" 1
	key=$(replica_list | grep '/a.db/.*snapshot')
	replica_rm "$key"
	run -65 lspp-verify -c "$T/l.yml" -s "$S" "$D/tenants/a.db"
	run -0 lspp-hot -c "$T/l.yml" -s "$S" tenants/*.db
	assert_line tenants/a.db
	# Of several replicas each.
	cat >"$T/l.yml" <<-END
		dbs:
		  - path: $D/tenants/a.db
		    replicas:
		      - {type: file, path: $R/1/a.db}
		      - {type: file, path: $R/2/a.db}
	END
	lspp-ship -q -c "$T/l.yml" -s "$S" tenants/a.db
	run -0 lspp-verify -c "$T/l.yml" -s "$S" --json --deep a.db
	assert_equal "${#lines[@]}" 2
	rm "$R"/2/a.db/generations/*/snapshots/*
	run -1 --separate-stderr lspp-verify -c "$T/l.yml" -s "$S" \
		"$D/tenants/a.db"
	assert_output "$D/tenants/a.db"
	[[ $stderr == *"$D/tenants/a.db: file://$R/2: "* ]] || fail "$stderr"
}

# more_than N -- so many segments of a.db are there, and another.
more_than() {
	[ "$(objects a.db wal | wc -l)" -gt "$1" ]
}

@test "what litestream wrote: its frames and how they chain, no checksum" {
	local pid key n
	sqlite3 a.db 'CREATE TABLE t(x)'
	app a.db
	"$LITESTREAM_03" replicate "$D/a.db" "file://$R/a.db" \
		>"$T/log" 2>&1 3>&- &
	pid=$!
	LIVE+=("$pid")
	wait_for eval 'objects a.db wal >/dev/null'
	for _ in 1 2 3; do
		n=$(objects a.db wal | wc -l)
		sql "$(rows 3 2000)"
		wait_for more_than "$n"
	done
	kill -INT "$pid"
	wait "$pid" || :
	app_quit
	run -0 --separate-stderr lspp-verify -v -r "$R" -s "$T/none" --deep a.db
	[[ $stderr == *"; of litestream's, no checksum"* ]] || fail "$stderr"
	run -0 --separate-stderr lspp-verify --json -r "$R" -s "$T/none" a.db
	assert_equal "$(get "$output" checksum)" 0
	run -0 lspp-verify -r "$R" -s "$T/none" --sql --against-source \
		-C "$D" a.db
	key=$(objects a.db wal | sed -n 1p)
	cp "$R/$key" "$T/kept"
	head -c "$(stat -c %s "$T/kept")" /dev/zero >"$R/$key"
	run -65 --separate-stderr lspp-verify -r "$R" -s "$T/none" a.db
	[[ $stderr == *"$key: is no LZ4 frame"* ]] || fail "$stderr"
	cp "$T/kept" "$R/$key"
	key=$(objects a.db wal | sed -n 2p)
	printf 'XXXX' | dd of="$R/$key" bs=1 conv=notrunc status=none seek=60
	run -65 --separate-stderr lspp-verify -r "$R" -s "$T/none" --deep a.db
	[[ $stderr == *"$key"* ]] || fail "$stderr"
	replica_rm "$key"
	run -65 lspp-verify -r "$R" -s "$T/none" --deep a.db
}

# by_litestream N -- databases l1.db ... with some history, by one of it.
by_litestream() {
	local i k pid
	for ((i = 1; i <= $1; i++)); do
		sqlite3 l$i.db "PRAGMA page_size = $((512 << i % 4));
			CREATE TABLE t(x); $(rows $((i % 7 + 1)) 900)"
		echo "  - path: $D/l$i.db"
		echo "    replicas: [{type: file, path: $R/l$i.db}]"
	done | sed '1i dbs:' >"$T/03.yml"
	"$LITESTREAM_03" replicate -config "$T/03.yml" >"$T/log" 2>&1 3>&- &
	pid=$!
	LIVE+=("$pid")
	for ((k = 0; k < 3; k++)); do
		wait_for settled_03 "$1" $((k + 1))
		for ((i = 1; i <= $1; i++)); do
			sqlite3 l$i.db "PRAGMA busy_timeout = 5000;
				$(rows 3 1200); DELETE FROM t WHERE rowid % 5 = $k" \
				>/dev/null
		done
	done
	wait_for settled_03 "$1" 4
	kill -INT "$pid"
	wait "$pid" || :
	LIVE=()
}

# settled_03 DATABASES N -- of each so many segments are there.
settled_03() {
	local i
	for ((i = 1; i <= $1; i++)); do
		[ "$(find "$R/l$i.db" -name '*.wal.lz4' | wc -l)" -ge "$2" ] ||
			return
	done
}

@test "litestream's: none that is sound is called damaged, and damage is found" {
	local k n file seg kinds=(flip cut empty swap delete)
	n=$(count 100 10)
	by_litestream "$n"
	run -0 --separate-stderr lspp-verify -r "$R" -s "$T/none" --deep '**'
	assert_equal "${#lines[@]}" "$n"
	assert_equal "$stderr" ""
	run -0 lspp-verify -r "$R" -s "$T/none" '**'
	assert_equal "${#lines[@]}" "$n"
	for ((k = 1; k <= n; k++)); do
		mapfile -t seg < <(find "$R/l$k.db" -name '*.wal.lz4' | sort)
		file=${seg[k % (${#seg[@]} - 1)]}
		case ${kinds[k % 5]} in
		flip)
			printf '\x5a\xa5' | dd of="$file" bs=1 conv=notrunc \
				status=none seek=$(($(stat -c %s "$file") / 2)) ;;
		cut) truncate -s -1 "$file" ;;
		empty) : >"$file" ;;
		swap)
			mv "$file" tmp
			mv "${seg[-1]}" "$file"
			mv tmp "${seg[-1]}" ;;
		delete) rm "$file" ;;
		esac
		run -65 --separate-stderr lspp-verify -r "$R" -s "$T/none" \
			--deep l$k.db
		[[ $stderr == *"l$k.db/generations/"* ]] || fail "$stderr"
	done
}

@test "-c: a pattern finds what the state knows and one of the replicas has lost" {
	mkdir tenants
	sqlite3 tenants/a.db 'CREATE TABLE t(x)'
	sqlite3 tenants/b.db 'CREATE TABLE t(x)'
	sqlite3 other.db 'CREATE TABLE t(x)'
	cat >"$T/l.yml" <<-END
		dbs:
		  - path: $D/other.db
		    replica: {type: file, path: $T/x/other.db}
		  - dir: $D/tenants
		    pattern: "*.db"
		    replicas:
		      - {type: file, path: $T/y}
		      - {type: file, path: $T/z, name: second}
	END
	lspp-ship -q -c "$T/l.yml" -s "$S" other.db tenants/*.db >/dev/null
	run -0 --separate-stderr lspp-verify -c "$T/l.yml" -s "$S" '**'
	assert_equal "$stderr" ""
	assert_equal "${#lines[@]}" 5
	rm -r "$T/z/b.db"
	run -1 --separate-stderr lspp-verify -c "$T/l.yml" -s "$S" '**'
	assert_equal "${#lines[@]}" 4
	assert_regex "$stderr" "b.db: .*it was shipped, but nothing of it is in .*/z"
	run -0 lspp-verify -c "$T/l.yml" -s "$S" '*/a.db'
	run -0 lspp-verify -c "$T/l.yml" -s "$T/none" '**'
	rm -r "$T/z/a.db"
	run -1 --separate-stderr lspp-verify -c "$T/l.yml" -s "$S" '**'
	assert_equal "${#lines[@]}" 3
	lspp-ship -q -c "$T/l.yml" -s "$S" tenants/*.db >/dev/null
	run -0 --separate-stderr lspp-verify -c "$T/l.yml" -s "$S" '**'
	assert_equal "${#lines[@]}" 5
}

@test "one that nothing is told of, beside ours: 3, and the state is asked" {
	local other=a.db/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4
	sqlite3 a.db 'CREATE TABLE t(x)'
	shipped a.db
	mkdir -p "$R/${other%/*}"
	lz4 -qc a.db >"$R/$other"
	for how in '' --deep --against-source; do
		# shellcheck disable=SC2086  # none, or one
		run -3 --separate-stderr lspp-verify --settle 0s -r "$R" -C "$D" -s "$S" \
			$how a.db
		assert_regex "$stderr" 'generation 0123456789abcdef is not of lspp'
	done
	# What the state knows is lost is told all the same.
	sqlite3 a.db 'INSERT INTO t VALUES(1)'
	shipped a.db
	replica_rm "$(replica_list a.db/ | grep /wal/ | tail -n 1)"
	run -65 --separate-stderr lspp-verify --settle 0s -r "$R" -C "$D" -s "$S" a.db
	assert_regex "$stderr" 'what was shipped until .* is gone'
}
