#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-new: databases from a template.

load lib/lspp
load lib/hard

setup() {
	set +T
	need lspp-new
	hard_setup
	sqlite3 t.db 'PRAGMA page_size = 1024; CREATE TABLE t (x);
		WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1
		FROM c LIMIT 500) INSERT INTO t SELECT hex (i) FROM c'
	chmod 0640 t.db
}

@test "each path becomes a database like the template, and is printed" {
	seq -f 'a/%03.0f/x.db' 300 >list
	run -0 --separate-stderr lspp-new -t t.db <list
	assert_equal "$stderr" ''
	assert_equal "$(sort <<<"$output")" "$(sort list)"
	while read -r p; do
		cmp t.db "$p"
	done <list
	assert_equal "$(stat -c %a a/007/x.db)" 640
	assert_equal "$(find . -name '.lspp-*')" ''
}

@test "what a WAL of the template holds is in the copies; the template stays as it is" {
	mkdir src2
	w=$(fleet make -n 1 -b 20000 -p 1024 -m wal src2)
	fleet touch <<<"$w"
	assert [ -s "$w-wal" ]
	sha_tree src2 >before
	run -0 lspp-new -t "$w" n.db
	sha_tree src2 >after
	cmp before after
	assert_equal "$(ls n.db*)" n.db
	image "$w" wanted
	cmp wanted n.db
}

@test "while the template is written each copy is one committed state, all the same" {
	start_writer w.db -H
	for n in 1 2 3 4 5; do
		run -0 lspp-new -t w.db "$n/a" "$n/b"
		run -0 judge "$n/a"
		cmp "$n/a" "$n/b"
	done
	stop_writer
}

@test "nothing that exists is touched: a file, a link, what lies beside" {
	echo mine >f.db
	ln -s nowhere l.db
	echo log >w.db-wal
	echo log >j.db-journal
	mkdir d.db
	sha_tree f.db w.db-wal j.db-journal d.db >before
	run -73 --separate-stderr lspp-new -t t.db f.db l.db w.db j.db d.db
	sha_tree f.db w.db-wal j.db-journal d.db >after
	cmp before after
	assert_output ''
	assert_equal "$(readlink l.db)" nowhere
	assert_equal "$(wc -l <<<"$stderr")" 5
	refute grep -q -e --force <<<"$stderr"
	assert [ ! -e w.db ]
	assert [ ! -e j.db ]
}

@test "one bad path costs one path, and is in the report" {
	echo mine >b.db
	run -1 --separate-stderr lspp-new -t t.db -e err --failed failed \
		a.db b.db c.db
	assert_equal "$(sort <<<"$output")" $'a.db\nc.db'
	assert_equal "$(cat err)" $'73\t1\tb.db'
	assert_equal "$(cat failed)" b.db
	assert_equal "$(cat b.db)" mine
}

@test "the same path twice: the second finds the first" {
	run -1 --separate-stderr lspp-new -j 1 -t t.db a.db a.db
	assert_output a.db
	cmp a.db t.db
}

@test "--if-not-exists passes over files, not over other things" {
	cp t.db a.db
	mkdir b.db
	run -1 --separate-stderr lspp-new --if-not-exists -t t.db a.db b.db c.db
	assert_output c.db
	assert_equal "$(wc -l <<<"$stderr")" 1
	assert_regex "$stderr" 'b\.db'
}

@test "--mode is what it says; a wrong one is refused" {
	run -0 lspp-new --mode 0604 -t t.db a.db
	assert_equal "$(stat -c %a a.db)" 604
	run -2 lspp-new --mode 8 -t t.db b.db
	run -2 lspp-new --mode 1777 -t t.db b.db
	assert [ ! -e b.db ]
}

@test "what a group may do is not given to another one" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	local d=$T
	chgrp 4 t.db
	chmod 664 t.db
	chmod 777 .
	cp "$B/bin/lspp-new" .
	while [ -n "$d" ]; do
		chmod o+x "$d"
		d=${d%/*}
	done
	run -0 setpriv --reuid 65534 --regid 65534 --groups 4 \
		./lspp-new -t t.db a.db
	assert_equal "$(stat -c '%a %g' a.db)" "604 65534"
	run -0 setpriv --reuid 65534 --regid 65534 --groups 4 \
		./lspp-new --mode 664 -t t.db b.db
	assert_equal "$(stat -c %a b.db)" 664
	run -0 lspp-new -t t.db c.db
	assert_equal "$(stat -c '%a %g' c.db)" "664 4"
}

@test "-n makes nothing, and says what would fail" {
	echo mine >b.db
	run -1 --separate-stderr lspp-new -n -t t.db x/a.db b.db
	assert_output x/a.db
	assert [ ! -e x ]
	assert_regex "$stderr" 'b\.db exists'
}

@test "a template that is none, or missing, or not named" {
	echo text >bad.db
	run -65 --separate-stderr lspp-new -t bad.db a.db
	assert_regex "$stderr" 'bad\.db'
	run -66 lspp-new -t gone.db a.db
	run -2 lspp-new a.db
	assert [ ! -e a.db ]
}

@test "--sync: before a path is printed its bytes and its name are synced" {
	need strace
	run -0 traced -f -o log -e trace=fsync,fdatasync,syncfs,rename,renameat,renameat2,write \
		lspp-new --sync -t t.db s/a.db
	assert_output s/a.db
	# The bytes, the name, the directory; then stdout.
	run -0 sed -En 's/^[0-9]+ +(fsync|renameat2|write\(1).*/\1/p' log
	assert_regex "$(tr '\n' ' ' <<<"$output")" \
		'^fsync renameat2 fsync .*write\(1'
	rm log
	run -0 traced -f -o log -e trace=fsync,fdatasync,syncfs \
		lspp-new -t t.db s/b.db
	refute grep -qE '(fsync|fdatasync|syncfs)\(' log
}

@test "killed before any call: a path is whole or not there" {
	seq -f 'k/%02.0f.db' 6 >list
	atcall -o calls -k write lspp-new -j 2 -t t.db <list >/dev/null
	for ((n = 1; n <= $(cat calls); n += $(count 1 7))); do
		rm -rf k
		run atcall -k write -n "$n" lspp-new -j 2 -t t.db <list
		for f in k/*.db; do
			[ ! -e "$f" ] || cmp t.db "$f"
		done
	done
	# What the killed left goes with the next run.
	xargs rm -f <list
	run -0 lspp-new -t t.db <list
	assert_equal "$(find k -name '.lspp-*')" ''
}

@test "a full disk: an error, and no half of a database" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to mount"
	mkdir m
	mount -t tmpfs -o size=256k none m
	seq -f 'm/%03.0f.db' 50 >list
	run --separate-stderr lspp-new -t t.db <list
	status1=$status
	for f in m/*.db; do cmp t.db "$f" || bad=$f; done
	umount m
	assert_equal "${bad-none}" none
	assert_equal "$status1" 1
	assert_regex "$stderr" 'No space left'
}

@test "a large template is copied, and small ones in numbers" {
	sqlite3 big.db 'CREATE TABLE b (x); WITH RECURSIVE c (i) AS
		(SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 3000)
		INSERT INTO b SELECT randomblob (4000) FROM c'
	run -0 lspp-new -t big.db b1.db b2.db
	cmp big.db b1.db
	cmp big.db b2.db
	n=$(count 10000 1000)
	seq -f 'n/%06.0f.db' "$n" | lspp-new -t t.db | wc -l >made
	assert_equal "$(cat made)" "$n"
	assert_equal "$(find n -name '*.db' -size +0 | wc -l)" "$n"
}

@test "blocks are shared where the file system can; else copied by the kernel, else by us" {
	need strace
	for calls in '' ioctl ioctl,copy_file_range; do
		rm -f a.db
		# shellcheck disable=SC2086
		traced -f -o log -e trace=ioctl,copy_file_range,pwrite64 \
			${calls:+-e inject=$calls:error=EXDEV} \
			lspp-new -t t.db a.db >/dev/null
		cmp t.db a.db
	done
	grep -q 'FICLONE.*EXDEV.*INJECTED' log
	grep -q 'copy_file_range.*EXDEV.*INJECTED' log
}

@test "on XFS two thousand copies take no room" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to mount"
	PATH=$PATH:/usr/sbin need mkfs.xfs
	truncate -s 400M disk
	mkfs.xfs -q disk
	mkdir m
	mount -o loop disk m || skip "needs a loop device and XFS"
	sqlite3 m/t.db 'CREATE TABLE t (x);
		INSERT INTO t VALUES (randomblob (1000000))'
	(
		cd m
		seq -f '%04.0f.db' 2000 | lspp-new -t t.db | wc -l
	) >made
	used=$(df --output=used -B 1M m | tail -n 1)
	cmp m/t.db m/1234.db && same=yes
	umount m
	assert_equal "$(cat made) ${same-}" '2000 yes'
	assert [ "$used" -lt 200 ]
}
