#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the limit of open files means: as many jobs at once as it lets be, and
# if it lets none be, the number that is needed.
#
# Twice: on S3, too.
# Not under sanitizers: what it looks at is a limit.

load lib/hard

setup() {
	set +T
	need lspp-scan lspp-new lspp-verify lspp-prune strace
	hard_setup
}

# fleet_of N -- small new databases in $T/list, with a WAL, and two of so many
# pages that what is kept of them is in files.
fleet_of() {
	local p
	seq -f "$D/t/%03.0f.db" "$1" >"$T/list"
	sqlite3 "$T/t.db" 'PRAGMA journal_mode = WAL;
		CREATE TABLE t (x); INSERT INTO t VALUES (1)' >/dev/null
	lspp-new -t "$T/t.db" <"$T/list" >/dev/null
	for p in "$D/t/large.db" "$D/t/larger.db"; do
		sqlite3 "$p" 'PRAGMA page_size = 512; CREATE TABLE t (x);
			INSERT INTO t VALUES (randomblob(1500000))'
		echo "$p" >>"$T/list"
	done
}

# limited N COMMAND... -- with that limit, soft and hard.
limited() {
	bash -c 'ulimit -n "$0" && exec "$@"' "$@"
}

# all_of N -- of the list, by a run that has just ended in $T/out and $T/err.
all_of() {
	[ ! -s "$T/err" ] || {
		sed "s/^/at $1: /" "$T/err" | head -n 5
		return 1
	}
	diff <(sort "$T/list") <(sort "$T/out")
}

url() {
	[ "$REPLICA" = s3 ] && echo "$R" || echo "file://$R"
}

@test "a first ship of hundreds, as many at once as the limit of open files lets be" {
	fleet_of "$(count 600 300 100)"
	for n in 128 256 660 1024 2100; do
		replica_clear
		rm -rf "$S"
		slow=()
		# Durable takes a while, so that as many wait for it as may.
		[ "$n" -lt 600 ] || slow=(strace -f -qq -o /dev/null
			-e trace=syncfs -e inject=syncfs:delay_enter=200000)
		ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
			limited "$n" "${slow[@]}" \
			lspp-ship -r "$R" -C "$D" -s "$S" \
			<"$T/list" >"$T/out" 2>"$T/err"
		but_limits <"$T/err" >"$T/err2"
		mv "$T/err2" "$T/err"
		all_of "$n"
	done
}

@test "restore, verify, prune and new under any limit of open files" {
	fleet_of "$(count 600 200 50)"
	ship <"$T/list" >/dev/null
	for n in 128 256 660; do
		rm -rf "$T/new"
		limited "$n" lspp-restore -r "$R" -o "$T/new" 't/*' \
			>"$T/restored" 2>"$T/err"
		sed "s,^$T/new,$D," "$T/restored" >"$T/out"
		all_of "$n"
		limited "$n" lspp-verify --deep -r "$R" -C "$D" <"$T/list" \
			>"$T/out" 2>"$T/err"
		all_of "$n"
		limited "$n" lspp-prune -r "$R" --yes --keep-last 1 't/*' \
			>/dev/null 2>"$T/err"
		assert_equal "$(cat "$T/err")" ''
		rm -rf "$D/t2"
		sed 's,/src/t/,/src/t2/,' "$T/list" |
			limited "$n" lspp-new --sync -t "$T/t.db" 2>"$T/err" |
			sed 's,/src/t2/,/src/t/,' >"$T/out"
		all_of "$n"
	done
}

@test "a limit of open files that is too low is named, and the number that is needed is enough" {
	fleet_of 20
	ship <"$T/list" >/dev/null
	rm -rf "$S"
	replica_clear
	for p in "lspp-ship -r $R -C $D -s $S" \
		"lspp-restore -r $R -o $T/new t/**" \
		"lspp-verify --deep -r $R t/**" \
		"lspp-prune -r $R --yes --keep-last 1 t/**" \
		"lspp-new --sync -t $T/t.db" \
		"lspp-scan $(url)"; do
		set -f
		# shellcheck disable=SC2086
		set -- $p
		set +f
		case $1 in
		lspp-ship) cp "$T/list" "$T/in" ;;
		*) sed 's,/src/t/,/src/t2/,' "$T/list" >"$T/in" ;;
		esac
		limited 20 "$@" <"$T/in" >/dev/null 2>"$T/err" && status=0 ||
			status=$?
		assert_equal "$1 $status" "$1 71"
		run -0 cat "$T/err"
		assert_line --index 0 --regexp "^$1: 20 files may be open at \
once, and at least [0-9]+ are needed\$"
		assert_line --index 1 "$1: hint: raise the limit: ulimit -n, \
or LimitNOFILE= of a systemd unit"
		least=$(grep -o '[0-9]* are needed' "$T/err" | cut -d ' ' -f 1)
		assert [ "$least" -lt 100 ]
		limited "$least" "$@" <"$T/in" >"$T/out" 2>"$T/err"
		assert_equal "$(but_limits <"$T/err")" ''
		[ "$1" = lspp-prune ] || assert_equal "$(wc -l <"$T/out")" 22
	done
}

@test "the limit of open files is raised as far as that is allowed" {
	fleet_of 100
	bash -c 'ulimit -Sn 32 && exec "$@"' - \
		lspp-ship -v -r "$R" -C "$D" -s "$S" <"$T/list" >"$T/out" \
		2>"$T/err"
	refute grep -q 'open files' "$T/err"
	diff <(sort "$T/list") <(sort "$T/out")
}

@test "each replica of a litestream.yml may hold descriptors: they count" {
	fleet_of 60
	while read -r p; do
		litestream_config "$p" "r-${p##*/}/db"
	done <"$T/list" | awk 'NR == 1 || !/^dbs:/' >"$T/litestream.yml"
	chmod 600 "$T/litestream.yml"
	limited 70 lspp-ship -c "$T/litestream.yml" -s "$S" <"$T/list" \
		>/dev/null 2>"$T/err" && status=0 || status=$?
	assert_equal "$status" 71
	least=$(grep -o '[0-9]* are needed' "$T/err" | cut -d ' ' -f 1)
	assert [ "$least" -gt 120 ]
	limited "$least" lspp-ship -c "$T/litestream.yml" -s "$S" <"$T/list" \
		>"$T/out" 2>"$T/err"
	but_limits <"$T/err" >"$T/err2"
	mv "$T/err2" "$T/err"
	all_of "$least"
}
