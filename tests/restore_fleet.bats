#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore: which databases, where to, and many of them.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up

setup() {
	set +T
	need lspp-ship lspp-restore sqlite3 fleet
	R=$T/replica
	OUT=$T/out
	mkdir "$T/src"
	cd "$T" || return
}

teardown() {
	chmod -R u+w "$T" 2>/dev/null || :
}

# database NAME... -- below src, each with something of its own, mode 640.
database() {
	local name
	for name; do
		mkdir -p "$(dirname -- "src/$name")"
		sqlite3 "src/$name" "CREATE TABLE t(x);
			INSERT INTO t VALUES(hex(randomblob(2000)))"
		chmod 640 "src/$name"
	done
}

ship() {
	(cd src && find . -type f -name '*.db*' -print0) |
		(cd src && lspp-ship -0 -C . -s "$T/state" -r "$R" >/dev/null)
}

restore() {
	run --separate-stderr lspp-restore -r "$R" -o "$OUT" "$@"
}

# out_has NAME... -- these and no others are below out, as they were.
out_has() {
	local name
	assert_success
	assert_equal "$stderr" ""
	for name; do
		cmp "src/$name" "$OUT/$name"
	done
	assert_equal "$(find "$OUT" ! -type d | wc -l)" $#
}

nothing() {
	[ ! -e "$OUT" ] || assert_equal "$(find "$OUT" ! -type d)" ""
}

# --- which

@test "a pattern brings what it matches, as an operand and from stdin" {
	database eu/a/1.db eu/a/2.db eu/3.db us/4.db top.db eu/a/other.dbx
	ship
	restore 'eu/**/*.db'
	out_has eu/a/1.db eu/a/2.db eu/3.db
	assert_equal "$(sort <<<"$output")" \
		"$(printf "$OUT/%s\n" eu/3.db eu/a/1.db eu/a/2.db)"
	rm -rf "$OUT"
	restore <<<'{us,eu}/[34].db'
	out_has us/4.db eu/3.db
	rm -rf "$OUT"
	restore -C /srv '/srv/*/?.db' top.db
	out_has us/4.db eu/3.db top.db
	rm -rf "$OUT"
	restore '**'
	out_has eu/a/1.db eu/a/2.db eu/3.db us/4.db top.db eu/a/other.dbx
}

@test "what two patterns find is restored once" {
	database a/1.db a/2.db b/1.db
	ship
	restore 'a/*' '*/1.db'
	out_has a/1.db a/2.db b/1.db
	assert_equal "${#lines[@]}" 3
}

@test "a pattern that matches nothing is a missing backup, a bad one wrong use" {
	database a/1.db
	ship
	restore 'b/*.db'
	assert_failure 66
	assert_equal "$stderr" \
		"lspp-restore: b/*.db: no database in file://$R matches"
	restore 'b/*.db' 'a/*.db'
	assert_failure 1
	assert_output "$OUT/a/1.db"
	restore 'a/[1'
	assert_failure 2
	restore 'a/../*.db'
	assert_failure 2
	restore --if-replica-exists 'b/*.db' nosuch.db
	assert_success
	assert_output ""
	assert_equal "$stderr" ""
	run --separate-stderr lspp-restore -r "$T/none" -o "$OUT" \
		--if-replica-exists a/1.db
	assert_success
	run --separate-stderr lspp-restore -r "$T/none" -o "$OUT" a/1.db
	assert_failure 66
}

@test "a name wins over the pattern that it looks like" {
	database 'a[1].db' a1.db 'b*.db' bx.db
	ship
	restore 'a[1].db'
	out_has 'a[1].db'
	restore 'b*.db'
	assert_success
	assert_output "$OUT/b*.db"
	restore 'a[1]*' 'b\**'
	assert_failure 1 # b*.db is there already
	assert_output "$OUT/a1.db"
}

@test "a URL as a pattern needs no -r, and keeps the path below its fixed part" {
	database eu/a/1.db eu/2.db us/3.db
	ship
	run --separate-stderr lspp-restore -o "$OUT" "file://$R/eu/**/*.db"
	assert_success
	assert_equal "$stderr" ""
	cmp src/eu/a/1.db "$OUT/a/1.db"
	cmp src/eu/2.db "$OUT/2.db"
	assert_equal "$(find "$OUT" -type f | wc -l)" 2
	# the same with -r; and in place the whole name counts
	rm -rf "$OUT"
	restore "file://$R/eu/**/*.db"
	assert [ -e "$OUT/a/1.db" ]
	run lspp-restore -r "$R" -C "$T/place" "file://$R/us/*"
	assert_output "$T/place/us/3.db"
	# names without a pattern, of one root
	rm -rf "$OUT"
	run lspp-restore -o "$OUT" "file://$R/eu/2.db" "file://$R/us/3.db"
	assert_success
	cmp src/us/3.db "$OUT/us/3.db"
	run lspp-restore "file://$R/eu/*"
	assert_failure 2
	run lspp-restore -o "$OUT" eu/2.db
	assert_failure 2
	run lspp-restore -o "$OUT" "file:///a/*" "s3://b/*"
	assert_failure 2
}

@test "two databases with one target are refused before the first byte" {
	database eu/1.db us/1.db us/2.db
	ship
	restore "file://$R/us/*" "file://$R/eu/*"
	assert_failure 2
	[[ $stderr == *"$OUT/1.db is the target of another database, too"* ]]
	nothing
	# From stdin it is found out later, but neither is overwritten; and what
	# the list says leads to the same target.
	restore --failed failed --force \
		< <(printf '%s\n' "file://$R/us/*" "file://$R/eu/*")
	assert_failure 1
	cmp src/us/1.db "$OUT/1.db"
	cmp src/us/2.db "$OUT/2.db"
	rm "$OUT/1.db"
	restore <failed
	assert_success
	assert_output "$OUT/1.db"
	cmp src/eu/1.db "$OUT/1.db"
}

# --- where to

@test "names that would leave the directory are refused, also found ones" {
	database ok.db
	ship
	mkdir "$OUT" away
	ln -s "$T/away" "$OUT/link"
	mkdir -p "$R/link"
	cp -r "$R/ok.db" "$R/link/x.db"
	restore --force 'link/*'
	assert_failure 73
	assert_equal "$(ls -A away)" ""
	restore '**'
	assert_failure 1
	assert_output "$OUT/ok.db"
	assert_equal "$(ls -A away)" ""
}

@test "-o - writes one database, and nothing when there are more" {
	database a/1.db a/2.db
	ship
	mkdir tmp
	export TMPDIR=$T/tmp
	lspp-restore -r "$R" -o - a/1.db >one
	cmp one src/a/1.db
	lspp-restore -r "$R" -o - 'a/[2]*' | cmp - src/a/2.db
	run --separate-stderr lspp-restore -r "$R" -o - 'a/*'
	assert_failure 2
	assert_output ""
	run --separate-stderr lspp-restore -r "$R" -o - a/1.db a/2.db
	assert_failure 2
	assert_output ""
	run --separate-stderr lspp-restore -r "$R" -o - nosuch
	assert_failure 66
	assert_output ""
	run --separate-stderr lspp-restore -r "$R" -o - --if-not-exists a/1.db
	assert_failure 2
	assert_equal "$(ls -A tmp)" ""
	# What is damaged is not written at all; a full pipe is an error.
	run bash -c 'lspp-restore -r "$1" -o - a/1.db >/dev/full' - "$R"
	assert_failure 74
	printf x | dd of="$(echo "$R"/a/1.db/generations/*/snapshots/*)" bs=1 \
		seek=40 conv=notrunc status=none
	run --separate-stderr lspp-restore -r "$R" -o - a/1.db
	assert_failure 65
	assert_output ""
	assert_equal "$(ls -A tmp)" ""
}

@test "mode and owner are the source's, or as told" {
	database 1.db
	ship
	restore 1.db
	assert_equal "$(stat -c %a "$OUT/1.db")" 640
	restore --force --mode 0604 1.db
	assert_equal "$(stat -c %a "$OUT/1.db")" 604
	for bad in 8 888 01000 -1 '' u+x; do
		restore --mode "$bad" 1.db
		assert_failure 2
	done
	for bad in '' : root: nosuchuser :nosuchgroup 4294967295; do
		restore --owner "$bad" 1.db
		assert_failure 2
	done
}

@test "the owner comes back where we may, and no group reads what is not its" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	need setpriv
	database 1.db
	chown 4242:4243 src/1.db
	ship
	restore 1.db
	assert_equal "$(stat -c %u:%g:%a "$OUT/1.db")" 4242:4243:640
	restore --force --owner 77 1.db
	assert_equal "$(stat -c %u:%g:%a "$OUT/1.db")" 77:4243:640
	restore --force --owner root:78 1.db
	assert_equal "$(stat -c %u:%g:%a "$OUT/1.db")" 0:78:640
	mkdir -m 777 other
	chmod -R a+rX "$R"
	chmod a+x "$T" "${T%/*}" "$BATS_RUN_TMPDIR"
	setpriv --reuid 4444 --regid 4444 --clear-groups \
		test -x "$B/bin/lspp-restore" ||
		skip "another user cannot run the program"
	run --separate-stderr setpriv --reuid 4444 --regid 4444 \
		--clear-groups "$B/bin/lspp-restore" -v -r "$R" -o other 1.db
	assert_success
	assert_equal "$(stat -c %u:%g:%a other/1.db)" 4444:4444:600
	[[ $stderr == *"its owner and group could not be restored"* ]]
	run --separate-stderr setpriv --reuid 4444 --regid 4444 \
		--clear-groups "$B/bin/lspp-restore" -r "$R" -o other --force \
		--owner 4242 1.db
	assert_failure 77
}

@test "-n prints the plan in columns, with the same status, and makes nothing" {
	database a/1.db a/2.db
	ship
	sqlite3 src/a/1.db 'INSERT INTO t VALUES(1)'
	ship
	restore -n 'a/*' nosuch.db
	assert_failure 1
	assert_equal "${#lines[@]}" 3
	assert_line --regexp "^generation  *snapshot segments  *bytes covered"
	assert_line --regexp \
		"^[0-9a-f]{16} 00000000  *1  *[0-9]+ .*Z  *a/1.db -> $OUT/a/1.db\$"
	assert_line --regexp \
		"^[0-9a-f]{16} 00000000  *0  *[0-9]+ .*Z  *a/2.db -> $OUT/a/2.db\$"
	assert [ ! -e "$OUT" ]
}

# --- in the way

@test "a full, read-only or vanishing directory costs what it holds, no more" {
	local i
	for i in 1 2 3 4 5 6; do
		database "d$i/x.db"
	done
	ship
	if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=24k,nr_inodes=64 none small; then
		run lspp-restore -r "$R" -o small '**'
		local status_=$status
		find small -name '.lspp-*' >left
		find small -type f -name '*.db' -printf '%P\n' >whole
		while read -r f; do
			cmp "small/$f" "src/$f" || echo differs >>left
		done <whole
		mount -o remount,ro small
		run lspp-restore -r "$R" -o small/new '**'
		umount small
		assert_failure
		assert [ "$status_" -eq 1 -o "$status_" -eq 74 ]
		assert_equal "$(cat left)" ""
	fi
	# Removed over and over while we restore.
	for ((i = 0; i < 20; i++)); do
		rm -rf "$OUT" 2>/dev/null || :
		sleep 0.02
	done 3>&- &
	local remover=$!
	for ((i = 0; i < 10; i++)); do
		lspp-restore -r "$R" -o "$OUT" --force '**' >printed 2>errors ||
			[ $? -lt 126 ]
	done
	wait "$remover"
	rm -rf "$OUT"
	restore '**'
	assert_success
	assert_equal "$(find "$OUT" -name '*.db' | wc -l)" 6
}

@test "what is pruned meanwhile is planned again" {
	need atcall
	database 1.db
	ship
	sqlite3 src/1.db 'INSERT INTO t VALUES(1)'
	ship
	cp -r "$R/1.db" old
	rm -r state
	ship
	mv "$R/1.db" both
	cp -r old "$R/1.db"
	mkdir new
	rm {both,old}/generations/owner-*
	for g in both/generations/*; do
		[ -e "old/generations/${g##*/}" ] || cp -r "$g" new
	done
	[ -n "$(ls new)" ]
	# While the snapshot is read, its segment goes, and a generation comes.
	cat >prune <<-END
		#!/bin/sh
		cp -r "$T"/new/* "$R/1.db/generations"
		rm -r "$R"/1.db/generations/$(ls old/generations)/*
	END
	chmod +x prune
	run --separate-stderr atcall -k read -f .snapshot.lz4 -n 1 \
		-x "$T/prune" lspp-restore -v -r "$R" -o "$OUT" 1.db
	assert_success
	assert_output "$OUT/1.db"
	[[ $stderr == *"generation $(ls new)"* ]] || fail "$stderr"
	cmp "$OUT/1.db" src/1.db
}

# swapped PROGRAM... -- which makes the file out/d/a.db, with out/d moved away and
# another directory in its place before each of its calls up to the printing.
swapped() {
	local n calls printed
	cat >swap <<-END
		#!/bin/sh
		[ ! -d "$OUT/d" ] || mv "$OUT/d" "$OUT/away"
		mkdir -p "$OUT/d"
	END
	chmod +x swap
	rm -rf "$OUT"
	atcall -k write -o calls "$@" >/dev/null
	calls=$(cat calls)
	[ "$calls" -gt 5 ]
	# Then it is printed, and before that a time zone may be read.
	for ((n = 1; n < calls - 1; n++)); do
		rm -rf "$OUT"
		run --separate-stderr atcall -k write -n $n -x "$T/swap" "$@"
		[ "$status" -ne 0 ] || printed+=0
		[ "$status" -ne 75 ] || printed+=1
		if [ -n "$output" ]; then
			assert_success
			cmp "$OUT/d/a.db" src/d/a.db
		else
			assert_equal "$status" 75
			[[ $stderr == *"was moved or replaced"*"run it again"* ]] ||
				fail "$n: $stderr"
		fi
		assert_equal "$(find "$OUT" -name '.lspp-*')" ""
	done
	[[ $printed == *0*1* ]] || fail "$printed"
}

@test "a directory that is moved away at any call: what is printed is there" {
	need atcall
	database d/a.db
	chmod 755 src/d
	ship
	swapped lspp-restore -j 1 -r "$R" -o "$OUT" d/a.db
	mkdir "$OUT/old"
	swapped lspp-new -j 1 -t src/d/a.db "$OUT/d/a.db"
	swapped lspp-new -j 1 --sync -t src/d/a.db "$OUT/d/a.db"
}

@test "behind a directory that was moved, the rest goes to the new one" {
	need atcall
	database d/a.db d/b.db d/c.db
	ship
	rm -rf "$OUT"
	run --separate-stderr atcall -k read -f .snapshot.lz4 -n 1 \
		-x "mv '$OUT/d' '$OUT/away'; mkdir '$OUT/d'" \
		lspp-restore -j 1 -r "$R" -o "$OUT" d/a.db d/b.db d/c.db
	assert_equal "$status" 1
	assert_output "$OUT/d/b.db"$'\n'"$OUT/d/c.db"
	cmp "$OUT/d/c.db" src/d/c.db
}

@test "what is in the way is told by its path, and what helps" {
	database eu/a.db b.db
	ship
	mkdir -p "$OUT/l" "$OUT/m" "$OUT/d/b.db"
	ln -s /nowhere "$OUT/l/b.db"
	echo file >"$OUT/f"
	for force in '' --force --force-open; do
		run -73 --separate-stderr lspp-restore ${force:+$force} -r "$R" \
			-o "$OUT/l" b.db
		[[ $stderr == *": $OUT/l/b.db is a symbolic link"*hint:* ]] ||
			fail "$stderr"
		run -73 --separate-stderr lspp-restore ${force:+$force} -r "$R" \
			-o "$OUT/d" b.db
		[[ $stderr == *": $OUT/d/b.db is there and not a regular file"* ]]
		run -73 --separate-stderr lspp-restore ${force:+$force} -r "$R" \
			-o "$OUT/f" b.db
		[[ $stderr == *": $OUT/f is not a directory"*"-o - >FILE"* ]]
	done
	# What was meant for a file does not become a directory.
	run -2 --separate-stderr lspp-restore -r "$R" -o "$T/new/b.db" b.db
	[[ $stderr == *"-o - >FILE"* ]] || fail "$stderr"
	assert [ ! -e "$T/new" ]
	run -0 lspp-restore -r "$R" -o "$T/new" b.db
	assert_output "$T/new/b.db"
	# A directory of databases is none.
	for run in 'restore -o out' verify 'prune -n --keep-last 1'; do
		# shellcheck disable=SC2086  # words on purpose
		run -66 --separate-stderr lspp-$run -r "$R" eu
		[[ $stderr == *"below it: 'eu/**'"* ]] || fail "$stderr"
		# shellcheck disable=SC2086
		run -66 --separate-stderr lspp-$run -r "$R" us
		[[ $stderr != *"below it"* ]] || fail "$stderr"
	done
}

@test "a mount point is not replaced, and told as what it is" {
	root_or_skip "a mount"
	database b.db
	ship
	mkdir -p "$OUT"
	cp src/b.db mounted
	touch "$OUT/b.db" "$OUT/b.db-wal"
	mount --bind mounted "$OUT/b.db" || skip "no mount here"
	run --separate-stderr lspp-restore --force -r "$R" -o "$OUT" b.db
	umount "$OUT/b.db"
	assert_equal "$status" 73
	[[ $stderr == *"$OUT/b.db is a mount point"*--live* ]] || fail "$stderr"
	assert [ -e "$OUT/b.db-wal" ]
}

@test "many processes restore into one tree" {
	local n i
	n=$(count 2000 300)
	for ((i = 0; i < n; i++)); do
		echo "d$((i % 17))/$i.db"
	done >names
	database "$(head -n 1 names)"
	while read -r name; do
		mkdir -p "src/${name%/*}"
		[ -e "src/$name" ] || cp "src/$(head -n 1 names)" "src/$name"
	done <names
	ship
	tr '\n' '\0' <names | xargs -0 -P 8 -n 20 lspp-restore -r "$R" \
		-o "$OUT" >printed
	assert_equal "$(sort printed | uniq | wc -l)" "$n"
	assert_equal "$(find "$OUT" -name '*.db' | wc -l)" "$n"
	assert_equal "$(find "$OUT" -name '.lspp-*')" ""
}

# --- going on

@test "--resume passes over what is complete and equal, and nothing else" {
	database 1.db 2.db 3.db
	ship
	restore '**'
	assert_equal "${#lines[@]}" 3
	restore --resume '**'
	assert_success
	assert_output ""
	rm "$OUT/1.db"
	restore --resume -v '**'
	assert_success
	assert_output "$OUT/1.db"
	[[ $stderr == *"$OUT/2.db is complete: passed over"* ]]
	# A page that differs, a size that does, a log: not what was restored.
	printf x | dd of="$OUT/1.db" bs=1 seek=5000 conv=notrunc status=none
	head -c 4096 src/2.db >"$OUT/2.db"
	touch "$OUT/3.db-wal"
	restore --resume '**'
	assert_failure 73
	assert_output ""
	restore --resume --force '**'
	assert_success
	assert_equal "${#lines[@]}" 3
	cmp "$OUT/1.db" src/1.db
	assert [ ! -e "$OUT/3.db-wal" ]
	# The replica has gone on: what is here is not what it says now.
	sqlite3 src/1.db 'INSERT INTO t VALUES(1)'
	ship
	restore --resume '**'
	assert_failure 1
	[[ $stderr == *"1.db exists"* ]]
	restore --resume --if-not-exists '**'
	assert_failure 2
}

@test "--resume of what litestream wrote compares the files" {
	need "$LITESTREAM_03"
	sqlite3 src/1.db "PRAGMA journal_mode=WAL; CREATE TABLE t(x);
		INSERT INTO t VALUES(hex(randomblob(9000)))"
	"$LITESTREAM_03" replicate "$T/src/1.db" "file://$R/1.db" \
		>litestream.log 2>&1 3>&- &
	local pid=$!
	wait_for sh -c 'ls "$1"/1.db/generations/*/snapshots/*.lz4' - "$R" \
		>/dev/null 2>&1
	kill "$pid"
	wait "$pid" || :
	restore 1.db
	assert_success
	restore --resume 1.db
	assert_success
	assert_output ""
	printf x | dd of="$OUT/1.db" bs=1 seek=5000 conv=notrunc status=none
	restore --resume 1.db
	assert_failure 73
	restore --resume --force 1.db
	assert_success
	assert_output "$OUT/1.db"
	assert_equal "$(find "$OUT" -type f | wc -l)" 1
}

@test "killed at any moment with --resume: complete, nothing twice or partial" {
	local n i kills pid until
	seed
	n=$(count 10000 1000) kills=$(count 50 8)
	fleet make -n "$n" -b 8192 -p 4096 -m wal "$T/src" >paths
	lspp-ship -r "$R" -s state -C src <paths >/dev/null
	mkdir "$OUT"
	: >printed
	for ((i = 0; i < kills; i++)); do
		# Each goes a random way on, and a moment beyond.
		until=$(($(wc -l <printed) + RANDOM % (n / kills)))
		lspp-restore --resume -r "$R" -o "$OUT" '**' >>printed 3>&- &
		pid=$!
		disown
		while kill -0 $pid && [ "$(wc -l <printed)" -lt $until ]; do
			sleep 0.01
		done 2>/dev/null
		sleep "0.0$((RANDOM % 6))$((RANDOM % 10))"
		kill -KILL $pid 2>/dev/null || :
		while kill -0 $pid 2>/dev/null; do sleep 0.01; done
	done
	say "$kills kills, $(wc -l <printed) of $n restored by then"
	find "$OUT" -name '*.db' >there
	sed "s|^$OUT/|$T/src/|" there | fleet compare "$T/src" "$OUT"
	run --separate-stderr lspp-restore --resume -r "$R" -o "$OUT" '**'
	assert_success
	assert_equal "$stderr" ""
	echo "$output" >>printed
	assert_equal "$(grep . printed | sort | uniq -d)" ""
	assert_equal "$(find "$OUT" ! -type d | wc -l)" "$n"
	run fleet compare "$T/src" "$OUT" <paths
	assert_output "$n of $n"
	# a subset, by pattern
	run lspp-restore --resume -r "$R" -o part '**/tenant-000[1-3]?-*'
	assert_success
	assert_equal "${#lines[@]}" 30
	sed -n '/tenant-000[1-3]/p' paths | fleet compare "$T/src" part
}

@test "--resume goes on inside a large object, and not with another's bytes" {
	local all part
	need atcall
	sqlite3 src/big.db "CREATE TABLE t(x);
		WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL
		SELECT i + 1 FROM c WHERE i < 66)
		INSERT INTO t SELECT randomblob(1048576) FROM c"
	database small.db
	ship
	atcall -k write -f .part -o calls lspp-restore --resume -r "$R" \
		-o whole big.db
	all=$(cat calls)
	assert_equal "$(ls -A whole)" big.db
	[ "$all" -gt 100 ] || fail "$all writes are no test"
	run atcall -k write -f .part -n $((all - 30)) lspp-restore --resume \
		-r "$R" -o "$OUT" big.db
	assert_failure 137
	assert [ ! -e "$OUT/big.db" ]
	part=$(echo "$OUT"/.lspp-*.part)
	cp "$part" kept
	umask 077
	run --separate-stderr atcall -k write -f .part -o calls lspp-restore \
		--resume -r "$R" -o "$OUT" '**'
	assert_success
	assert_equal "$stderr" ""
	[ "$(cat calls)" -lt 40 ] || fail "it began again: $(cat calls) writes"
	cmp "$OUT/big.db" src/big.db
	assert_equal "$(ls -A "$OUT" | tr '\n' ' ')" "big.db small.db "
	# What was there is not what it should be: it begins again.
	rm "$OUT/big.db"
	head -c "$(stat -c %s kept)" /dev/zero >"$part"
	restore --resume big.db
	assert_success
	cmp "$OUT/big.db" src/big.db
	rm "$OUT/big.db"
	{ head -c 20000000 kept; head -c 5000 /dev/zero; } >"$part"
	restore --resume big.db
	assert_success
	cmp "$OUT/big.db" src/big.db
	rm "$OUT/big.db"
	{ cat kept; head -c 70000000 /dev/zero; } >"$part"
	restore --resume big.db
	assert_success
	cmp "$OUT/big.db" src/big.db
	assert_equal "$(ls -A "$OUT" | tr '\n' ' ')" "big.db small.db "
	# The name is known, and what others put there is not written to.
	rm "$OUT/big.db"
	(umask 0 && : >"$part")
	exec 9<"$part"
	restore --resume big.db
	assert_success
	assert_equal "$(stat -Lc '%s %h' /dev/fd/9)" "0 0"
	exec 9<&-
	echo precious >other
	local how
	for how in "ln" "ln -s"; do
		rm "$OUT/big.db"
		(umask 077 && $how "$T/other" "$part")
		restore --resume big.db
		assert_success
		assert_equal "$(<other)" precious
	done
	cmp "$OUT/big.db" src/big.db
	# A directory of that name is in no one's way.
	rm "$OUT/big.db"
	mkdir "$part"
	restore --resume big.db
	assert_success
	rmdir "$part"
	# Who does not ask for it gets a clean directory.
	rm "$OUT/big.db"
	mv kept "$part"
	restore big.db
	assert_success
	assert_equal "$(ls -A "$OUT" | tr '\n' ' ')" "big.db small.db "
}

# --- object storage

@test "patterns on S3" {
	s3_bucket
	database eu/1.db eu/b/2.db us/3.db
	R=s3://$BUCKET/fleet
	ship
	restore 'eu/**/*.db'
	out_has eu/1.db eu/b/2.db
	rm -rf "$OUT"
	run --separate-stderr lspp-restore -o "$OUT" "$R/eu/**/*.db"
	assert_success
	cmp src/eu/b/2.db "$OUT/b/2.db"
	run --separate-stderr lspp-restore -o - "$R/us/*.db"
	assert_success
}

@test "ten of many on S3 cost hardly more requests than ten alone" {
	[ "$S3_KIND" = versitygw ] || skip 'writes files of versitygw'
	local i k n data
	n=$(count 1000 30) # hundreds of databases
	s3_bucket
	database 1.db
	R=s3://$BUCKET
	ship
	data=$S3_DIR/data/$BUCKET
	mkdir -p "$data/fleet/t0"
	for k in {00..99}; do
		cp -r "$data/1.db" "$data/fleet/t0/$k.db"
	done
	for ((i = 1; i < n; i++)); do
		cp -rl "$data/fleet/t0" "$data/fleet/t$i"
	done
	s3_faulty
	run -0 lspp-restore -r "$R" -o "$OUT" 'fleet/t7/1?.db'
	assert_equal "${#lines[@]}" 10
	# A snapshot to get and the list that names it, of each; and one list
	# where they are found.
	say "10 of $((n * 100)): $(requests) requests, 21 are the least"
	assert [ "$(requests)" -le 42 ]
	# By a URL, and with the pattern in the middle, where directories are
	# found first.
	: >"$T/requests"
	run -0 lspp-restore -o out2 "$R/fleet/t{3,4}/*5.db"
	assert_equal "${#lines[@]}" 20
	assert [ "$(requests)" -le $((2 * (20 * 2 + 2))) ]
	s3_faulty_stop
}

@test "what failed of a URL pattern goes to the same place again, whatever its name" {
	local name
	for name in '[a]' '*' '{x,y}' '\' '?b' 'é,z' '}' ']' ',c'; do
		database "d/$name.db"
	done
	ship
	# occupied targets fail
	mkdir -p "$OUT"
	for name in '[a]' '*' '{x,y}' '\' '?b' 'é,z' '}' ']' ',c'; do
		echo x >"$OUT/$name.db"
	done
	run --separate-stderr lspp-restore -r "$R" -o "$OUT" --failed failed "file://$R/d/*"
	assert_equal "$(wc -l <failed)" 9
	rm -r "$OUT"
	restore <failed
	assert_success
	assert_equal "${#lines[@]}" 9
	assert_equal "$(cd "$OUT" && printf '%s\n' * | LC_ALL=C sort)" \
		"$(for name in '[a]' '*' '{x,y}' '\' '?b' 'é,z' '}' ']' ',c'; do
			echo "$name.db"
		done | LC_ALL=C sort)"
}
