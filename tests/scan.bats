#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-scan: what it finds, what it leaves out, what it says.

load lib/lspp

setup() {
	set +T
	need lspp-scan sqlite3
	cd "$T"
	sqlite3 seed 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
}

teardown() {
	[ -z "${pid:-}" ] || kill "$pid"
}

# db PATH... -- a database at each, and the directories it needs.
db() {
	local p
	for p; do
		mkdir -p "$(dirname "./$p")"
		cp "$T/seed" "./$p"
	done
}

# scan STATUS ARGUMENT... -- run it; stdout in $output, stderr in $stderr.
scan() {
	run "-$1" --separate-stderr lspp-scan "${@:2}"
}

# object KEY... -- one snapshot for each in the replica R.
object() {
	local k
	for k; do
		mkdir -p "R/$k/generations/0123456789abcdef/snapshots"
		touch "R/$k/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4"
	done
}

# as_nobody COMMAND... -- without the right to pass over permissions.
as_nobody() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --bounding-set=-dac_override,-dac_read_search "$@"
	else
		"$@"
	fi
}

@test "databases are known by their bytes, whatever their names" {
	db d/app.db d/no-suffix d/sub/x.sqlite 'd/a b  c' 'd/*' d/.hidden
	echo text >d/text.db
	: >d/empty.db
	head -c 50 seed >d/short.db
	printf 'SQLite format 2\0' | cat - seed >d/other.db
	scan 0 d
	assert_output "$(printf '%s\n' 'd/*' d/.hidden 'd/a b  c' d/app.db \
		d/no-suffix d/sub/x.sqlite)"
	assert_equal "$stderr" ''
}

@test "the output of one operand is sorted as LC_ALL=C sort has it" {
	db d/a-b/x d/a/x d/a.x d/a0/x d/a/b/c d/a/b-c d/Z $'d/\xff/x'
	scan 0 d
	assert_equal "${#lines[@]}" 8
	assert_output "$(LC_ALL=C sort <<<"$output")"
}

@test "paths are spelled as the operand is" {
	db d/x.db
	scan 0 d
	assert_output d/x.db
	scan 0 d/
	assert_output d/x.db
	scan 0 d///
	assert_output d/x.db
	scan 0 ./d
	assert_output ./d/x.db
	scan 0 .
	assert_line ./d/x.db
	scan 0 "$T/d"
	assert_output "$T/d/x.db"
	scan 0 d/../d/x.db
	assert_output d/../d/x.db
}

@test "several operands are taken in turn, and files by name" {
	db a/1 b/2
	echo text >text
	scan 0 b/2 a text b
	assert_output $'b/2\na/1\nb/2'
}

@test "SQLite's own files are not opened beside their database" {
	db d/x d/alone-wal
	cp seed d/x-wal
	cp seed d/x-shm
	cp seed d/x-journal
	chmod 000 d/x-wal d/x-shm d/x-journal
	run -0 --separate-stderr as_nobody lspp-scan d
	assert_output $'d/alone-wal\nd/x'
	assert_equal "$stderr" ''
}

@test "our own state and unfinished files are left out" {
	db d/x d/.lspp-abcdef d/.lspp-tmp/y d/state.db
	sqlite3 d/state.db "PRAGMA application_id = $((0x6c737070))"
	scan 0 d
	assert_output d/x
	scan 0 d/state.db
	assert_output ''
}

@test "a FIFO, a socket or a device is passed over, and named it is an error" {
	db d/x
	mkfifo d/fifo
	scan 0 d
	assert_output d/x
	scan 65 d/fifo
	assert_equal "$stderr" \
		'lspp-scan: d/fifo: neither a file nor a directory'
}

@test "patterns go over the whole path" {
	db f/acme/a.db f/acme/b.db f/acme/deep/er/c.db f/zeta/a.db f/a.db f/x
	scan 0 'f/*/*.db'
	assert_output $'f/acme/a.db\nf/acme/b.db\nf/zeta/a.db'
	scan 0 'f/**/[bc].db'
	assert_output $'f/acme/b.db\nf/acme/deep/er/c.db'
	scan 0 'f/{zeta,acme}/a.db'
	assert_output $'f/acme/a.db\nf/zeta/a.db'
	scan 0 "$T/f/**/er/*"
	assert_output "$T/f/acme/deep/er/c.db"
	scan 0 './*/x'
	assert_output ./f/x
	scan 0 '*/x'
	assert_output f/x
	scan 0 's*d'
	assert_output seed
}

@test "a pattern that matches nothing is no failure" {
	db d/x
	scan 0 'd/*.db'
	assert_output ''
	assert_equal "$stderr" ''
}

@test "a pattern in a directory that is missing is a failure" {
	scan 66 'gone/*.db'
	assert_equal "$stderr" "lspp-scan: gone/*.db: gone/: cannot open directory: No such file or directory"
}

@test "a malformed pattern is wrong use" {
	scan 2 'd/[a'
	assert_equal "$output" ''
	assert [ -n "$stderr" ]
	scan 2 --exclude '{a' .
	assert_regex "$stderr" '^lspp-scan: --exclude: '
}

@test "what exists by a name is no pattern" {
	db 'd/[x]' d/x
	scan 0 'd/[x]'
	assert_output 'd/[x]'
}

@test "directories that cannot match are not entered" {
	db f/a/x.db f/b/x.db
	chmod 000 f/b
	run -0 --separate-stderr as_nobody lspp-scan 'f/a/*.db'
	assert_output f/a/x.db
	run -0 --separate-stderr as_nobody lspp-scan 'f/[a]/*.db'
	chmod 700 f/b
	assert_output f/a/x.db
	assert_equal "$stderr" ''
}

@test "--exclude takes whole paths and last components, and prunes" {
	db d/a.db d/a.tmp d/cache/x.db d/sub/a.tmp d/sub/b.db
	chmod 000 d/cache
	run -0 --separate-stderr as_nobody lspp-scan --exclude '*.tmp' \
		--exclude cache --exclude 'd/sub/b*' d
	chmod 700 d/cache
	assert_output d/a.db
	assert_equal "$stderr" ''
	scan 0 --exclude d d
	assert_line d/a.db
	scan 0 --exclude '*.db' d/a.db d/a.tmp
	assert_output d/a.tmp
}

@test "links are followed when named, and on the way with -L" {
	db real/x.db real/sub/y.db
	mkdir d
	ln -s ../real d/dir
	ln -s ../real/x.db d/file
	ln -s nowhere d/dangling
	ln -s dangling d/circle
	ln -sf circle d/dangling
	scan 0 d
	assert_output ''
	scan 0 d/file d/dir
	assert_output $'d/file\nd/dir/sub/y.db\nd/dir/x.db'
	scan 0 -L d
	assert_output $'d/dir/sub/y.db\nd/dir/x.db\nd/file'
	assert_equal "$stderr" ''
	scan 66 d/dangling
	assert_output ''
}

@test "with -L a loop of links comes to an end" {
	db d/a/x.db
	ln -s . d/self
	ln -s .. d/a/up
	ln -s ../../d d/a/round
	ln -s ../b d/a/b
	mkdir d/b
	ln -s ../a d/b/a
	scan 0 -L d
	assert_line d/a/x.db
	assert_line d/b/a/x.db
	assert_equal "${#lines[@]}" 2
	assert_equal "$stderr" ''
}

@test "-x stays on the file system of the operand" {
	[ "$(id -u)" -eq 0 ] || skip 'needs root'
	db d/x.db
	mkdir d/mnt
	cat >run.sh <<-'END'
		mount -t tmpfs -o size=1m none d/mnt && cp seed d/mnt/y.db &&
		lspp-scan d && echo -- && lspp-scan -x d &&
		echo -- && lspp-scan --one-file-system d/mnt
	END
	run -0 unshare -m sh run.sh
	assert_output $'d/mnt/y.db\nd/x.db\n--\nd/x.db\n--\nd/mnt/y.db'
}

@test "what cannot be read is named, and the rest goes on" {
	db d/a.db d/b.db d/c/x.db d/d.db
	chmod 000 d/b.db d/c
	run -1 --separate-stderr as_nobody lspp-scan -e errors --failed failed d
	chmod 700 d/c
	assert_output $'d/a.db\nd/d.db'
	assert_equal "$stderr" 'lspp-scan: d/b.db: cannot read: Permission denied
lspp-scan: d/c: cannot open directory: Permission denied'
	assert_equal "$(cat errors)" $'77\t1\td/b.db\n77\t1\td/c'
	assert_equal "$(cat failed)" $'d/b.db\nd/c'
}

@test "a missing operand is a failure, and the others go on" {
	db d/x
	scan 66 gone
	assert_equal "$stderr" 'lspp-scan: gone: cannot look at it: No such file or directory'
	scan 1 gone d
	assert_output d/x
}

@test "a name with a newline needs -0" {
	db d/a $'d/b\nc' d/d
	scan 1 d
	assert_output $'d/a\nd/d'
	assert_equal "$stderr" 'lspp-scan: d/b?c: the name holds a newline
lspp-scan: hint: use -0'
	lspp-scan -0 d >out
	assert_equal "$(tr '\0\n' '\n|' <out)" $'d/a\nd/b|c\nd/d'
}

@test "operands come from standard input, and answers before the next" {
	db a/x b/y
	mkfifo in
	lspp-scan <in >out 3>&- &
	pid=$!
	exec 9>in
	echo a >&9
	wait_for test -s out
	assert_equal "$(cat out)" a/x
	printf '\nb' >&9
	exec 9>&-
	wait $pid
	pid=
	assert_equal "$(cat out)" $'a/x\nb/y'
	printf 'a\0b\0' | lspp-scan -0 - >out
	assert_equal "$(tr '\0' ' ' <out)" 'a/x b/y '
}

@test "a terminal on standard input and no operand is wrong use" {
	need script
	run -2 script -qec lspp-scan /dev/null
	assert_output --partial 'no paths given'
}

@test "--expect-min fails when there are too few" {
	db d/1 d/2 d/3
	scan 0 --expect-min 3 d
	scan 1 --expect-min 10 d
	assert_output $'d/1\nd/2\nd/3'
	assert_equal "$stderr" 'lspp-scan: found 3 databases, expected at least 10: is the volume mounted?'
	mkdir empty
	scan 1 --expect-min 1 empty
	scan 2 --expect-min many d
}

@test "-v says how many there were, -q does not silence failures" {
	db d/1 d/2 e/3
	scan 0 -v d e
	assert_equal "$stderr" $'lspp-scan: d: 2 databases\nlspp-scan: e: 1 databases'
	scan 66 -q gone
	assert [ -n "$stderr" ]
}

@test "a tree deeper than descriptors last, with something after it" {
	local i path=d
	for ((i = 0; i < 300; i++)); do
		path+=/x
	done
	db "$path/bottom" "${path%/x}/y" d/x/x/y d/y
	for ((i = 0; i < 100; i++)); do
		path=${path%/x}
	done
	db "$path/y"
	run -0 --separate-stderr bash -c 'ulimit -n 64; lspp-scan d'
	assert_equal "$stderr" ''
	assert_equal "${#lines[@]}" 5
	assert_output "$(LC_ALL=C sort <<<"$output")"
	assert_line "$path/y"
}

@test "a path longer than the system takes does not stop the rest" {
	db d/zzz
	(
		cd d
		name=$(printf '%0200d' 0)
		for ((i = 0; i < 30; i++)); do
			mkdir "$name"
			cd "$name"
			cp "$T/seed" zz
		done
	)
	run --separate-stderr lspp-scan d
	assert [ "$status" -le 1 ]
	assert_line d/zzz
}

@test "a full disk under standard output is a failure" {
	db d/x
	run -74 bash -c 'lspp-scan d >/dev/full'
	assert_output --partial 'No space left'
}

@test "a reader that leaves ends it quietly" {
	db d/x
	run -0 --separate-stderr bash -c 'yes d | lspp-scan | head -n 1
		[ ${PIPESTATUS[1]} -eq 141 ]'
	assert_output d/x
	assert_equal "$stderr" ''
}

@test "of a replica, its databases" {
	object acme/app.db acme/sub/b.db zeta/app.db acme/app.db/inner a-b/x
	mkdir -p R/notes R/empty.db/generations
	mkdir -p R/killed.db/generations/0123456789abcdef/{wal,snapshots}
	mkdir -p R/odd.db/generations/0123456789abcdef/snapshots
	touch R/odd.db/generations/0123456789abcdef/snapshots/x.tmp
	mkdir -p R/odd2.db/generations/0123456789ABCDEF/snapshots
	touch R/odd2.db/generations/0123456789ABCDEF/snapshots/00000000.snapshot.lz4
	mkdir -p R/wal.db/generations/fedcba9876543210/wal
	touch R/wal.db/generations/fedcba9876543210/wal/00000000_00000000.wal.lz4
	touch R/notes/text
	scan 0 "file://$T/R"
	assert_equal "$stderr" ''
	assert_output "$(printf "file://$T/R/%s\n" a-b/x acme/app.db \
		acme/app.db/inner acme/sub/b.db wal.db zeta/app.db)"
}

@test "a tenant called generations hides nothing" {
	object srv/generations/x.db generations/y.db
	scan 0 "file://$T/R"
	assert_output "$(printf "file://$T/R/%s\n" generations/y.db \
		srv/generations/x.db)"
}

@test "databases called generations, and below and beside such" {
	object z z/generations z/generations/generations z/generations/a.db \
		z/generations/0123456789abcdee z/other generations/generations y
	scan 0 "file://$T/R"
	assert_output "$(printf "file://$T/R/%s\n" generations/generations y z \
		z/generations z/generations/0123456789abcdee \
		z/generations/a.db z/generations/generations z/other)"
	scan 0 "file://$T/R/z/generations"
	assert_line "file://$T/R/z/generations"
	scan 0 "file://$T/R/**/gen*s"
	assert_output "$(printf "file://$T/R/%s\n" generations/generations \
		z/generations z/generations/generations)"
}

@test "of a replica, by pattern and by place" {
	object acme/app.db acme/sub/b.db zeta/app.db
	scan 0 "file://$T/R/*/app.db"
	assert_output "file://$T/R/acme/app.db"$'\n'"file://$T/R/zeta/app.db"
	scan 0 "file://$T/R/acme/**/*.db"
	assert_output "file://$T/R/acme/app.db"$'\n'"file://$T/R/acme/sub/b.db"
	scan 0 "file://$T/R/acme/"
	assert_output "file://$T/R/acme/app.db"$'\n'"file://$T/R/acme/sub/b.db"
	scan 0 "file://$T/R/acme/app.db"
	assert_output "file://$T/R/acme/app.db"
	scan 0 "file://$T/R/*/none"
	assert_output ''
	scan 0 --exclude acme "file://$T/R"
	assert_output "file://$T/R/zeta/app.db"
	scan 0 --exclude "file://$T/R/*/app.db" "file://$T/R"
	assert_output "file://$T/R/acme/sub/b.db"
}

@test "of a replica, what cannot be listed is named" {
	object acme/app.db zeta/app.db
	chmod 000 R/acme
	run -1 --separate-stderr as_nobody lspp-scan "file://$T/R"
	chmod 700 R/acme
	assert_output "file://$T/R/zeta/app.db"
	assert_regex "$stderr" "^lspp-scan: file://$T/R/acme: .*Permission denied$"
}

@test "a replica that is missing or elsewhere" {
	scan 66 "file://$T/gone"
	scan 78 sftp://host/fleet
	assert_regex "$stderr" 'sftp://'
	scan 78 'sftp://host/fleet/**/*.db'
	scan 78 file://host/x
}

@test "the replica of litestream itself" {
	need "$LITESTREAM_03"
	db d/app.db
	cat >conf.yml <<-END
		dbs:
		  - path: $T/d/app.db
		    replicas:
		      - path: $T/R/tenants/app.db
	END
	# Itself, not a function around it: it is to be ended by its number.
	"$LITESTREAM_03" replicate -config conf.yml >log 2>&1 3>&- &
	pid=$!
	wait_for grep -q 'snapshot written' log
	kill $pid
	wait $pid || true
	pid=
	scan 0 "file://$T/R"
	assert_output "file://$T/R/tenants/app.db"
}

@test "all of many are found, and nothing else" {
	local i n
	n=$(count 1000 100)
	for ((i = 0; i < n; i++)); do
		mkdir -p "d/$i"
		tee d/$i/{0..9}.db <seed >/dev/null
	done
	scan 0 d
	assert_equal "${#lines[@]}" $((n * 10))
	assert_output "$(find d -type f | LC_ALL=C sort)"
}
