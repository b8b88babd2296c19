#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Twice: on S3, too.
#
# Names are anybody's: what lspp-scan prints of a replica leads back to just
# that database, in all programs, whatever its name holds.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/replica

setup() {
	set +T
	need lspp-scan lspp-ship lspp-restore lspp-verify lspp-prune sqlite3
	cd "$T" || return
	mkdir src
	sqlite3 one 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	export LSPP_STATE=$T/state LSPP_BASE=$T/src
	replica_new "$T/r"
}

# names FILE -- NUL-terminated, each byte in the middle of one, and what looks
# like a pattern, a query or an escape.  S3 has no control characters.
names() {
	local i first=1
	[ "$REPLICA" = dir ] || first=32
	{
		for ((i = first; i < 256; i++)); do
			[ $i != 47 ] || continue
			[ "$REPLICA" = dir ] || [ $i -lt 127 ] || break
			# shellcheck disable=SC2059
			printf "d/b$(printf '\\x%02x' $i)e.db\0"
		done
		printf '%s\0' 'x.db?endpoint=127.0.0.1:1' 'd/x?region=r' 'why%3F.db' \
			'[a]' 'd/[a]' '{a,b}' 'd/{a,b}' '*' 'd/**' '\*' 'd/\?' \
			'a\b' 'd/\\' 'd/é?' '#%23' 'd/?path-style=true&endpoint=h' \
			'a\?endpoint=127.0.0.1:1' 'd/{' 'd/}' 'd/[' 'd/]' '?' '!a'
	} >"$1"
}

fleet() {
	local name dir
	names all
	while IFS= read -r -d '' name; do
		dir=src/./$name dir=${dir%/*}
		[ -d "$dir" ] || mkdir -p "$dir"
		cp one "src/$name"
	done <all
	sort -z -o all all
	find src -type f -print0 | lspp-ship -0 -r "$R" >shipped
}

# are_back DIR -- all of them, under their names, and nothing else.
are_back() {
	(cd "$1" && find . -type f -printf '%P\0') | sort -z | cmp - all
}

@test "every name of bytes comes back from what lspp-scan prints" {
	fleet
	cmp <(tr '\0' '\n' <shipped | wc -l) <(tr '\0' '\n' <all | wc -l)
	lspp-scan -0 -r "$R" >list
	lspp-restore -0 -r "$R" -o one.d <list >/dev/null
	are_back one.d
	# the root from the list itself
	LSPP_REPLICA='' xargs -0 -x lspp-restore -0 -o two.d <list >/dev/null
	are_back two.d
	# in place
	rm -r src
	lspp-restore -0 -r "$R" <list >/dev/null
	are_back src
	# what is printed by one pattern is the same
	url=$(lspp-scan -0 -r "$R" | head -z -n 1 | tr -d '\0')
	root=${url%/"${url##*/}"}
	lspp-scan -0 "$root/**" | sort -z | cmp - <(sort -z list)
}

@test "lspp-verify and lspp-prune take each name from the list, and print it" {
	fleet
	lspp-scan -0 -r "$R" >list
	lspp-verify -0 -r "$R" --deep <list >verified
	cmp <(sort -z list) <(sort -z verified)
	# of each one object is superfluous, and goes
	replica_list | grep -c . >before
	find src -type f -print0 |
		while IFS= read -r -d '' f; do
			hex=$(printf %s "$f" | od -An -v -tx1)
			hex=${hex//$'\n'/}
			sqlite3 "file:${hex// /%}" 'INSERT INTO t VALUES(2)'
		done
	find src -type f -print0 | lspp-ship -0 -r "$R" >/dev/null
	run --separate-stderr lspp-prune -0 -n -r "$R" --keep-last 1 <list
	assert_success
	assert_equal "$stderr" ''
}

@test "a name that is a pattern finds nobody else" {
	mkdir src/t
	for name in 'a*' 'ab' 'a[b]' 'a{b,c}' 'a\*' 't/a?' 't/ab'; do
		cp one "src/$name"
	done
	find src -type f | lspp-ship -r "$R" >/dev/null
	while IFS= read -r url; do
		rm -rf out
		run -0 lspp-restore -r "$R" -o out "$url"
		assert_equal "${#lines[@]}" 1
		assert_equal "$(find out -type f | wc -l)" 1
	done < <(lspp-scan -r "$R")
	# nor when it is gone
	run -0 lspp-scan -r "$R"
	gone=$(grep -F 'a\[b' <<<"$output")
	# shellcheck disable=SC2046
	replica_rm $(replica_list | grep -F 'a[b]/')
	run --separate-stderr lspp-restore -r "$R" -o out2 "$gone"
	assert_equal "$status" 66
	[ ! -e out2 ] || [ -z "$(find out2 -type f)" ]
}

@test "lspp-scan looks at the replica of -r, and of LSPP_REPLICA without a list" {
	cp one src/a.db
	lspp-scan src | lspp-ship -r "$R" >/dev/null
	run -0 lspp-scan -r "$R"
	all=$output
	assert_equal "${#lines[@]}" 1
	export LSPP_REPLICA=$R
	run -0 lspp-scan </dev/null
	assert_output "$all"
	run -0 lspp-scan < <(:)
	assert_output ''
	run -0 lspp-scan src
	assert_output src/a.db
}

@test "a database called as what stands for all: nothing is guessed" {
	local name
	mkdir src/eu
	for name in '**' a.db 'eu/**' eu/b.db; do
		cp one "src/$name"
	done
	find src -type f | lspp-ship -q -r "$R" >/dev/null
	for name in '**' 'eu/**'; do
		for what in verify 'restore -o out' \
			'prune --yes --keep-last 1' 'prune --yes --erase'; do
			# shellcheck disable=SC2086  # words on purpose
			run -2 --separate-stderr lspp-$what -r "$R" "$name"
			assert_output ''
			[[ $stderr == *"'{$name}'"* ]] || fail "$stderr"
		done
	done
	assert [ ! -e out ]
	run -0 sh -c 'lspp-verify -j 1 -r "$1" "{**}" | LC_ALL=C sort' - "$R"
	assert_output $'**\na.db\neu/**\neu/b.db'
	# As it is listed it is that one alone, as ever.
	run -0 sh -c 'lspp-scan -r "$1" | lspp-restore -r "$1" -o out' - "$R"
	assert_equal "$(find out -type f | wc -l)" 4
}
